"""Terms that decide beside those in force: what they would have done is written down, and nothing is done."""

from dataclasses import replace

import pytest

from ledger.fraud_tables import shadow_verdicts
from ledger.tables import cases, refund_intents
from policy.decision import Verdict
from policy.terms_file import TermsError
from tests.ops.command_line.terms_drafts import draft
from workers.shadow_terms import compare_stored, load_shadow

#: Weighs 15: the card is of another country than the address that pays.
ABROAD = {"ip_country": "RO"}


@pytest.fixture
def shadowed(world, tmp_path):
    """Makes a world's workers ask other terms as well; `entries` are what differs in them."""

    def make(**entries):
        shadow = load_shadow(draft(tmp_path, **entries))
        world.context = replace(world.context, shadow=shadow)
        return shadow

    return make


def pay_alike(world):
    """The same pack twice within the minute, of which the terms are sure, and not as sure as can be."""
    customer = world.customer()
    for _ in range(2):
        world.pay(customer, order=None, metadata={"product_id": "images-500"})


def compared(world, shadow):
    return compare_stored(world.store, shadow, world.clock.now_ms())


def verdicts(world):
    return [(row.subject, row.verdict, row.differs) for row in world.rows(shadow_verdicts)]


def test_a_stored_decision(world, shadowed):
    """The second payment for the same pack goes back; terms that ask a person differ, and change nothing."""
    shadow = shadowed(refund_at=100)
    pay_alike(world)
    world.settle(30)

    compared(world, shadow)

    (intent,) = world.rows(refund_intents)
    assert [intent.charge_id] == [refund["charge"] for refund in world.refunds()]
    (case,) = world.rows(cases)
    (row,) = world.rows(shadow_verdicts)
    assert (Verdict.REVIEW, True, None) == (row.verdict, row.differs, row.amount_minor)
    assert (f"decision:{row.decision_id}", case.charge_id) == (row.subject, row.charge_id)


def test_once_each(world, shadowed):
    """Each decision is decided once, whatever comes in between, and agreement is counted as well."""
    shadow = shadowed(review_business_days=9)
    world.pay_twice()
    world.settle(30)
    assert 0 == compared(world, shadow), "the sweeper did it"
    world.pay_twice()
    world.settle(30)
    compared(world, shadow)

    assert [False, False] == [differs for _, _, differs in verdicts(world)]


def test_a_payment_let_through(world, shadowed):
    """What leaves no decision behind is asked at once: stricter terms would have looked."""
    shadowed(review_score=15, refund_score=100)
    charge = world.pay(world.customer(), metadata=ABROAD)
    world.settle(30)

    assert [(f"charge:{charge}", Verdict.REVIEW, True)] == verdicts(world)
    assert ([], []) == (list(world.rows(cases)), world.refunds())


def test_a_payment_let_through_by_both(world, shadowed):
    """Nothing is written of what both let through."""
    shadowed(review_score=50)
    world.pay(world.customer(), metadata=ABROAD)
    world.settle(30)

    assert [] == verdicts(world)


def test_other_words_are_other_terms(world, shadowed):
    """A changed file begins anew, with the decisions of the last day."""
    first = shadowed(refund_at=100)
    pay_alike(world)
    world.settle(30)
    compared(world, first)
    second = shadowed(review_business_days=9)

    assert 1 == compared(world, second)

    assert {first.digest: True, second.digest: False} == {
        row.terms_digest: row.differs for row in world.rows(shadow_verdicts)
    }


def test_older_than_a_day(world, shadowed):
    """What was decided long before the terms were named is for the back-test."""
    world.pay_twice()
    world.settle(30)
    world.clock.advance(90_000)

    assert 0 == compared(world, shadowed(refund_at=100))


def test_a_file_that_cannot_be_read(tmp_path):
    """The reason is one sentence with the file's name."""
    broken = tmp_path / "broken.toml"
    broken.write_text("version = 3\n", encoding="utf-8")

    with pytest.raises(TermsError, match=r"broken\.toml"):
        load_shadow(broken)
    with pytest.raises(TermsError, match=r"gone\.toml cannot be read"):
        load_shadow(tmp_path / "gone.toml")
