"""Stored facts that no decision of ours could have had: each is refused in a whole sentence."""

import pytest

from policy.canonical_json import dump_canonical, load_strict
from policy.checks import MalformedFactError
from policy.credit_restoration import redecide_restoration
from policy.decision import Decision
from policy.duplicate_charges import find_duplicates
from policy.duplicate_decisions import redecide
from policy.duplicate_findings import DuplicateKind, Finding, finding_from_json, finding_to_json
from policy.outage_decisions import redecide_outage
from policy.payments import payment_from_json, payment_to_json
from policy.redeciding import redecide_any
from policy.request_decisions import decide_request, redecide_request
from policy.request_facts import request_from_json, request_to_json
from policy.request_hearing import FactMissing
from policy.rulings import redecide_ruling
from policy.terms_file import load_terms
from tests.policy.payment_histories import payment
from tests.policy.refund_requests import PURCHASED_AT, request

TERMS = load_terms()
PAYMENT = payment_to_json(payment(invoice="in_1", sub="sub_1", sub_status="active"))
FINDING = finding_to_json(
    Finding(
        charge_id="ch_b",
        kept_charge_id="ch_a",
        kind=DuplicateKind.SAME_ORDER,
        confidence=100,
        compared={},
    )
)
REQUEST = request_to_json(request())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"colour": "red"}, "payment has unknown keys: colour", id="unknown key"),
        pytest.param(
            {"invoice": {"invoice_id": "in_1"}},
            "invoice lacks keys: amount_due_minor, billing_reason, price_ids, subscription_id",
            id="half an invoice",
        ),
        pytest.param(
            {"invoice": PAYMENT["invoice"] | {"price_ids": "ab"}},
            "price_ids must be a list, not 'ab'",
            id="a text for prices",
        ),
        pytest.param(
            {"subscription": 5}, "subscription must be an object, not 5", id="no subscription"
        ),
        pytest.param(
            {"invoice_known": False},
            "invoice_known must be true when an invoice is given",
            id="an invoice that is not known",
        ),
    ],
)
def test_payments(change, reason):
    """A payment that was not written by us is refused with the place and the reason."""
    with pytest.raises(MalformedFactError) as refused:
        payment_from_json(PAYMENT | change)

    assert reason == str(refused.value)
    assert PAYMENT == payment_to_json(payment_from_json(PAYMENT))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"mood": 1}, "finding has unknown keys: mood", id="unknown key"),
        pytest.param({"doubts": "payer"}, "doubts must be a list, not 'payer'", id="a text"),
    ],
)
def test_findings(change, reason):
    """A finding that was not written by us is refused with the place and the reason."""
    with pytest.raises(MalformedFactError) as refused:
        finding_from_json(FINDING | change)

    assert reason == str(refused.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"mood": 1}, "request has unknown keys: mood", id="unknown key"),
        pytest.param({"named": "reason"}, "named must be a list, not 'reason'", id="one name"),
        pytest.param(
            {"named": ["colour"]},
            "named must be of: account_email, purchase_date, product, reason",
            id="a name that nobody asks for",
        ),
        pytest.param({"reasons": "taste"}, "reasons must be a list, not 'taste'", id="one reason"),
        pytest.param(
            {"reasons": ["taste", "mood"]},
            "reasons must be of: changed_mind, failure, outage, flagged, billing, taste",
            id="another reason",
        ),
        pytest.param(
            {"plan": "weekly"}, "plan must be of: pack, monthly, annual", id="another plan"
        ),
    ],
)
def test_requests(change, reason):
    """A request that was not written by us is refused with the place and the reason."""
    with pytest.raises(MalformedFactError) as refused:
        request_from_json(REQUEST | change)

    assert reason == str(refused.value)
    assert REQUEST == request_to_json(request_from_json(REQUEST))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param(
            {"asked_at": PURCHASED_AT - 1},
            "asked_at must not lie before the purchase",
            id="asked before",
        ),
        pytest.param(
            {"issued": 0, "used": 0, "successful": 0},
            "issued and period_seconds must be null or more than zero",
            id="none issued",
        ),
        pytest.param(
            {"period_seconds": 0},
            "issued and period_seconds must be null or more than zero",
            id="no time",
        ),
        pytest.param({"used": 101}, "used is 101, but can be 100 at most", id="more than issued"),
        pytest.param(
            {"successful": 6}, "successful is 6, but can be 5 at most", id="more than were used"
        ),
        pytest.param(
            {"used": None, "successful": 101},
            "successful is 101, but can be 100 at most",
            id="more successes than issued",
        ),
        pytest.param(
            {"wrong_minor": 4901},
            "wrong_minor is 4901, but can be 4900 at most",
            id="all too wrong",
        ),
        pytest.param(
            {"fee_minor": 4901}, "fee_minor is 4901, but can be 4900 at most", id="all too dear"
        ),
        pytest.param(
            {"lost_seconds": 2_592_001},
            "lost_seconds is 2592001, but can be 2592000 at most",
            id="longer than the period",
        ),
        pytest.param({"reasons": ("taste",)}, "reasons must be a Reason, not 'taste'", id="a word"),
        pytest.param({"reasons": []}, "reasons must be a tuple, not []", id="a list"),
        pytest.param(
            {"named": (*request().named, request().named[0])},
            "named names something twice",
            id="named twice",
        ),
        pytest.param({"plan": "pack"}, "plan must be a Plan, not 'pack'", id="a plan's word"),
        pytest.param(
            {"asked_at": None},
            "asked_at must be a whole number of zero or more, not None",
            id="asked at no time",
        ),
        pytest.param({"payment": 1}, "payment must be a Payment, not 1", id="no payment"),
        pytest.param({"expired": 1}, "expired must be true or false, not 1", id="a number"),
        pytest.param(
            {"used": "5"}, "used must be a whole number of zero or more, not '5'", id="a text"
        ),
    ],
)
def test_requests_at_birth(given, reason):
    """Facts of the wrong type, or that contradict each other, are refused with the field's name."""
    with pytest.raises(MalformedFactError) as refused:
        request(**given)

    assert reason == str(refused.value)


@pytest.mark.parametrize(
    ("made_anew", "facts", "reason"),
    [
        pytest.param(
            redecide, {"finding": None}, "facts lacks keys: payment", id="a finding alone"
        ),
        pytest.param(
            redecide_request, {"mood": 1}, "facts has unknown keys: mood", id="no request"
        ),
        pytest.param(
            redecide_request, {"request": 1}, "request must be an object, not 1", id="a number"
        ),
        pytest.param(redecide_ruling, {}, "facts lacks keys: ruling", id="no ruling"),
        pytest.param(
            redecide_ruling, {"ruling": 1}, "ruling must be an object, not 1", id="a number ruled"
        ),
        pytest.param(redecide_outage, {}, "facts lacks keys: outage", id="no outage"),
        pytest.param(
            redecide_outage,
            {"outage": 1},
            "outage must be an object, not 1",
            id="a number of hours",
        ),
        pytest.param(redecide_restoration, {}, "facts lacks keys: credit_claim", id="no claim"),
        pytest.param(
            redecide_restoration,
            {"credit_claim": 1},
            "credit_claim must be an object, not 1",
            id="a number of credits",
        ),
        pytest.param(
            redecide_any,
            {"payment": None},
            "facts must have exactly one of the keys: finding, request, credit_claim, ruling, outage,"
            " plan_charge, warning, fraud, dispute, clearing",
            id="no kind",
        ),
        pytest.param(
            redecide_any,
            {"ruling": None, "outage": None},
            "facts must have exactly one of the keys: finding, request, credit_claim, ruling, outage,"
            " plan_charge, warning, fraud, dispute, clearing",
            id="two kinds",
        ),
    ],
)
def test_decisions(made_anew, facts, reason):
    """No decision is made anew from facts that are not its own."""
    with pytest.raises(MalformedFactError) as refused:
        made_anew(facts, TERMS)

    assert reason == str(refused.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"mood": 1}, "decision has unknown keys: mood", id="unknown key"),
        pytest.param({"clauses": {}}, "clauses must be a list, not {}", id="no list of clauses"),
        pytest.param({"clauses": [7]}, "clause result must be an object, not 7", id="no clause"),
        pytest.param({"undecided": "a"}, "undecided must be a list, not 'a'", id="no sentences"),
        pytest.param({"amount": 5}, "money must be an object, not 5", id="a bare amount"),
        pytest.param(
            {"credits": {"revoked": True}},
            "credits lacks keys: ends_subscription, restored",
            id="half of what it takes",
        ),
    ],
)
def test_stored_decisions(change, reason):
    """A decision that was not written by us is refused with the place and the reason."""
    written = load_strict(decide_request(request(), TERMS).to_json())

    with pytest.raises(MalformedFactError) as refused:
        Decision.from_json(dump_canonical(written | change))

    assert reason == str(refused.value)


def test_a_text_that_is_no_decision():
    """What is no object at all is no decision."""
    with pytest.raises(MalformedFactError) as refused:
        Decision.from_json("[]")

    assert "decision must be an object, not []" == str(refused.value)


def test_one_charge_in_two_states():
    """Two payments with one charge id cannot both be true."""
    with pytest.raises(MalformedFactError) as refused:
        find_duplicates([payment("a"), payment("a", refunded=1)], TERMS.duplicates)

    assert "two different payments bear one charge id" == str(refused.value)


def test_a_missing_fact_is_named():
    """What ends a hearing says which fact is not known, and what had come out by then."""
    missing = FactMissing("used", ())

    assert ("used", "used", ()) == (str(missing), missing.name, missing.results)
