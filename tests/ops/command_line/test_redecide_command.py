"""`redress policy redecide`: stored decisions come out as they are stored, or are named."""

import json

import pytest
from sqlalchemy import insert

from ledger.tables import decisions
from policy.duplicate_charges import DuplicateKind, Finding, decide_cleared, decide_duplicate
from policy.request_decisions import decide_request
from policy.terms_file import load_terms
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.ledger_rows import put_case, put_decision
from tests.policy.payment_histories import payment
from tests.policy.refund_requests import UNKNOWABLE, request

TERMS = load_terms()
FINDING = Finding(
    charge_id="ch_b",
    kept_charge_id="ch_a",
    kind=DuplicateKind.SAME_ORDER,
    confidence=100,
    compared={},
)
DECISIONS = (
    decide_duplicate(FINDING, payment("b"), TERMS),
    decide_cleared(payment("b"), TERMS),
    decide_request(request(), TERMS),
    decide_request(request(**UNKNOWABLE), TERMS),
)


@pytest.fixture
def world(redress, databases):
    """The command line and the store on its database."""
    return redress, databases.store(redress.environ["DATABASE_URL"])


def put_altered(store, **changes):
    """Store the first decision with some of its fields changed in its text, as a tamperer would."""
    body = json.loads(DECISIONS[0].to_json()) | changes
    values = {
        "verdict": body["verdict"],
        "amount_minor": body["amount"] and body["amount"]["amount_minor"],
        "currency": body["amount"] and body["amount"]["currency"],
        "terms_version": body["terms_version"],
        "mode": "enforce",
        "body": json.dumps(body, sort_keys=True, separators=(",", ":")),
        "made_ms": NOON_MS,
    }
    with store.write() as connection:
        connection.execute(insert(decisions).values(case_id=put_case(connection), **values))


def test_nothing_stored(world):
    """Without decisions there is a sentence, and no failure."""
    redress, _ = world

    assert "No decision was stored yet." in redress("policy", "redecide").stdout
    assert {"decisions": 0, "differing": []} == redress.json("policy", "redecide")


def test_all_the_same(world):
    """Every kind of decision comes out again, byte for byte."""
    redress, store = world
    with store.write() as connection:
        case_id = put_case(connection)
        for decision in DECISIONS:
            put_decision(connection, case_id, decision)
    ran = redress("policy", "redecide")

    assert (0, "4 decisions made again: each came out as it is stored.\n") == (
        ran.exit_code,
        ran.stdout,
    )


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"amount": {"amount_minor": 4800, "currency": "usd"}}, "approve 4900 usd"),
        ({"verdict": "deny", "amount": None}, "approve 4900 usd"),
        ({"terms_version": "1999-01-01"}, "its terms 1999-01-01 are not there"),
        ({"facts": {"guess": 1}}, "facts must have exactly one of the keys"),
    ],
)
def test_one_that_differs(world, changes, found):
    """A decision that its facts do not lead to is named with both outcomes, and the exit code is 1."""
    redress, store = world
    put_altered(store, **changes)
    ran = redress("policy", "redecide")
    told = redress("policy", "redecide", "--json")

    assert (1, 1) == (ran.exit_code, told.exit_code)
    assert found in " ".join(ran.stdout.split())
    (one,) = json.loads(told.stdout)["differing"]
    assert found in one["found"]
