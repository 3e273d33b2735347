"""Decisions and the records inside them: what may be said, and how it is written down."""

import json

import pytest

from policy.canonical_json import dump_canonical, load_strict
from policy.clauses import Clause
from policy.decision import ClauseResult, Decision, Verdict
from policy.money import Money
from policy.payments import payment_from_json, payment_to_json
from tests.policy.payment_histories import payment

USD_5 = Money(amount_minor=500, currency="usd")
BILLING = ClauseResult(clause=Clause.BILLING, holds=True, compared={"kept": "ch_a", "apart": 3})


def decision(**given):
    fields = {
        "verdict": Verdict.APPROVE,
        "amount": USD_5,
        "clauses": (BILLING,),
        "terms_version": "2025-09-14",
        "undecided": (),
        "facts": {"payment": {"ids": ["a", 1, None, True]}},
    }
    return Decision(**fields | given)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="approval"),
        pytest.param({"verdict": Verdict.DENY, "amount": None}, id="denial"),
        pytest.param(
            {"verdict": Verdict.REVIEW, "amount": None, "undecided": ("Who paid? …",)},
            id="review",
        ),
    ],
)
def test_round_trip(given):
    """A decision written as JSON reads back as an equal decision with equal text."""
    made = decision(**given)
    read = Decision.from_json(made.to_json())

    assert made == read
    assert made.to_json() == read.to_json()


def test_canonical():
    """The JSON has sorted keys, no spaces, and does not depend on the order of the facts."""
    one = decision(facts={"b": 1, "a": "é"})
    other = decision(facts={"a": "é", "b": 1})

    assert one.to_json() == other.to_json()
    assert one.to_json().startswith('{"amount":{"amount_minor":500,"currency":"usd"},"clauses":[')
    assert '"facts":{"a":"é","b":1}' in one.to_json()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"amount": None}, "amount exactly when", id="approval of nothing"),
        pytest.param({"verdict": Verdict.DENY}, "amount exactly when", id="denial with money"),
        pytest.param(
            {"amount": Money(amount_minor=0, currency="usd")},
            "amount of zero",
            id="approval of zero",
        ),
        pytest.param({"undecided": ("x",)}, "undecided exactly when", id="undecided approval"),
        pytest.param(
            {"verdict": Verdict.REVIEW, "amount": None},
            "undecided exactly when",
            id="review that names nothing",
        ),
        pytest.param({"undecided": ("",)}, "undecided must be", id="empty sentence"),
        pytest.param({"clauses": ()}, "at least one clause", id="no clause"),
        pytest.param({"terms_version": ""}, "terms_version", id="no version"),
        pytest.param({"verdict": "approve"}, "verdict", id="a text is no verdict"),
        pytest.param({"facts": {"x": 1.5}}, r"facts\.x", id="a float in the facts"),
        pytest.param({"facts": {"x": [(1,)]}}, r"facts\.x\[0\]", id="a tuple in the facts"),
        pytest.param({"facts": {1: 1}}, "key 1", id="a key that is no text"),
        pytest.param({"facts": [1]}, "facts", id="facts that are no object"),
    ],
)
def test_birth(given, message):
    """A decision that says more or less than its verdict is refused with the reason."""
    with pytest.raises(ValueError, match=message):
        decision(**given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"clause": "BILLING"}, "clause", id="a text is no clause"),
        pytest.param({"holds": 1}, "holds", id="a number is no answer"),
        pytest.param({"compared": {"x": [1]}}, r"compared\.x", id="a list is no single value"),
        pytest.param({"compared": {"x": 0.5}}, r"compared\.x", id="a float"),
        pytest.param({"compared": [1]}, "compared", id="no object"),
    ],
)
def test_clause_result_birth(given, message):
    """A clause's result that could not be written down is refused."""
    with pytest.raises(ValueError, match=message):
        ClauseResult(**{"clause": Clause.BILLING, "holds": None, "compared": {}} | given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"mood": "good"}, "unknown keys: mood", id="unknown key"),
        pytest.param({"verdict": "perhaps"}, "perhaps", id="unknown verdict"),
        pytest.param({"undecided": "abc"}, "undecided must be a list", id="text for a list"),
        pytest.param({"clauses": {}}, "clauses must be a list", id="object for a list"),
        pytest.param({"clauses": [7]}, "clause result must be an object", id="number for a clause"),
        pytest.param({"facts": None}, "facts", id="no facts"),
        pytest.param({"amount": 5}, "money must be an object", id="bare amount"),
    ],
)
def test_reading_refuses(change, message):
    """A text that `to_json` could not have written is refused with the reason."""
    text = json.dumps(json.loads(decision().to_json()) | change)

    with pytest.raises(ValueError, match=message):
        Decision.from_json(text)


def test_reading_refuses_missing_keys():
    """A decision without one of its fields is no decision."""
    with pytest.raises(ValueError, match="decision lacks keys: amount, clauses"):
        Decision.from_json('{"verdict":"deny"}')


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"a":1.0}', id="float"),
        pytest.param('{"a":NaN}', id="not a number"),
        pytest.param('{"a":1e3}', id="exponent"),
        pytest.param('{"a":1,"a":1}', id="repeated key"),
        pytest.param("{", id="broken"),
    ],
)
def test_strict_reading(text):
    """JSON that is not exact is refused before anything reads it."""
    with pytest.raises(ValueError, match=r"."):
        load_strict(text)


def test_canonical_refuses():
    """Values outside exact JSON are refused when written."""
    with pytest.raises(ValueError, match="value holds"):
        dump_canonical({1, 2})


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="one-off"),
        pytest.param({"invoice": "?", "customer": "?", "card": "?"}, id="little known"),
        pytest.param(
            {"invoice": "in_1", "sub": "sub_1", "due": 1, "prices": ["p", "q"], "sub_status": "x"},
            id="with invoice and subscription",
        ),
        pytest.param({"dispute": "inquiry", "disputed": 9, "refunded": 3}, id="disputed"),
    ],
)
def test_payment_round_trip(given):
    """A payment reads back from its JSON as it was, through the text as well."""
    made = payment(**given)

    assert made == payment_from_json(load_strict(dump_canonical(payment_to_json(made))))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"charge_id": ""}, "charge_id", id="empty id"),
        pytest.param({"customer_id": 7}, "customer_id", id="number for an id"),
        pytest.param({"captured_minor": -1}, "captured_minor", id="negative amount"),
        pytest.param({"created": None}, "created", id="no time"),
        pytest.param({"livemode": 1}, "livemode", id="number for a flag"),
        pytest.param({"currency": "USD"}, "currency", id="capitals"),
        pytest.param({"dispute": "maybe"}, "maybe", id="unknown dispute"),
        pytest.param({"colour": "red"}, "unknown keys: colour", id="unknown key"),
        pytest.param(
            {"invoice": {"invoice_id": "in_1"}}, "invoice lacks keys", id="half an invoice"
        ),
        pytest.param({"subscription": 5}, "subscription must be", id="number for a subscription"),
        pytest.param({"invoice_known": False}, "invoice_known", id="an invoice that is not known"),
    ],
)
def test_payment_reading_refuses(change, message):
    """A payment with a wrong field is refused with the field's name."""
    fields = payment_to_json(payment(invoice="in_1"))

    with pytest.raises(ValueError, match=message):
        payment_from_json(fields | change)


@pytest.mark.parametrize(
    ("given", "left_minor"),
    [
        pytest.param({}, 4900, id="untouched"),
        pytest.param({"refunded": 900}, 4000, id="refunded in part"),
        pytest.param({"refunded": 5000}, 0, id="never below zero"),
        pytest.param(
            {"refunded": 900, "dispute": "lost", "disputed": 1000}, 3000, id="lost in part"
        ),
        pytest.param({"dispute": "open", "disputed": 9000}, 0, id="disputed for more than it was"),
        pytest.param({"dispute": "inquiry", "disputed": 4900}, 4900, id="an inquiry takes nothing"),
        pytest.param({"dispute": "won", "disputed": 4900}, 4900, id="a won dispute gave it back"),
        pytest.param({"currency": "kwd", "refunded": 5}, 4890, id="dinar in tens"),
    ],
)
def test_what_is_left(given, left_minor):
    """What is left is captured less refunded less disputed, in steps that Stripe takes."""
    assert left_minor == payment(**given).left().amount_minor
