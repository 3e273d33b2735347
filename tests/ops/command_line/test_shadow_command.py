"""`redress policy shadow`: what it lists, and what it says when there is nothing to list."""

import pytest

from ledger.engine import Store
from policy.decision import Verdict
from policy.duplicate_charges import DuplicateKind, Finding, decide_duplicate
from policy.terms_file import load_terms
from tests.fakes.ledger_rows import put_case, put_charge, put_decision
from tests.ops.command_line.terms_drafts import draft
from tests.policy.payment_histories import payment
from workers.shadow_terms import compare_stored, load_shadow

FINDING = Finding(
    charge_id="ch_b",
    kept_charge_id="ch_a",
    kind=DuplicateKind.SAME_ORDER,
    confidence=95,
    compared={},
)


@pytest.fixture
def other(tmp_path):
    """A file of other terms."""
    return draft(tmp_path, refund_at=100)


def test_not_set(redress):
    """The command says which variable to set."""
    ran = redress("policy", "shadow")

    assert 1 == ran.exit_code
    assert "REDRESS_SHADOW_TERMS is not set" in ran.stderr


def test_nothing_decided_yet(redress, other):
    """It says when that changes."""
    ran = redress("policy", "shadow", REDRESS_SHADOW_TERMS=str(other))

    assert "2031-02-03.toml has decided nothing yet." in ran.stdout


def test_a_broken_file(redress, tmp_path):
    """A file that is none of terms is named, by the command and by the doctor."""
    broken = tmp_path / "broken.toml"
    broken.write_text("version = 3\n", encoding="utf-8")

    ran = redress("policy", "shadow", REDRESS_SHADOW_TERMS=str(broken))
    doctor = redress("doctor", REDRESS_SHADOW_TERMS=str(broken))

    assert 1 == ran.exit_code
    assert "broken.toml" in ran.stderr
    assert "mend the file that REDRESS_SHADOW_TERMS names" in doctor.stdout


def test_differing(redress, other, clock):
    """Counts by verdict, and each difference beside its case."""
    store = Store(redress.environ["DATABASE_URL"])
    with store.write() as connection:
        put_charge(connection, "ch_2")
        made = decide_duplicate(FINDING, payment("b"), load_terms())
        put_decision(connection, put_case(connection, "ch_2"), made)
    compare_stored(store, load_shadow(other), clock.now_ms())
    store.close()

    found = redress.json("policy", "shadow", REDRESS_SHADOW_TERMS=str(other))
    shown = redress("policy", "shadow", REDRESS_SHADOW_TERMS=str(other)).stdout

    assert [
        {
            "in_force": Verdict.APPROVE,
            "shadow": Verdict.REVIEW,
            "verdicts": 1,
            "differing": 1,
        }
    ] == found["counts"]
    (one,) = found["differing"]
    assert ("ch_2", Verdict.APPROVE, Verdict.REVIEW) == (
        one["charge_id"],
        one["in_force"],
        one["shadow"],
    )
    assert "1 verdict, 1 otherwise than in force" in shown
    assert f"approve {made.amount}" in shown
