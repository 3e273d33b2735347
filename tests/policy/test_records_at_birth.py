"""Every record of the policy at its birth: what it takes, and the whole sentence for what it refuses."""

import pytest

from policy.checks import MalformedFactError
from policy.clauses import Clause
from policy.clearing import Clearing
from policy.credit_losses import CreditClaim, CreditLoss
from policy.decision import ClauseResult, CreditEffect, Decision, Verdict
from policy.disputes import DisputeFacts
from policy.duplicate_findings import Doubt, DuplicateKind, Finding
from policy.fraud_scores import ScoreFacts
from policy.fraud_signals import CATEGORIES, COUNTS
from policy.fraud_warnings import WarningFacts
from policy.money import Money
from policy.outage_decisions import OutageFacts
from policy.payments import DisputeStanding, InvoiceFacts, Payment, SubscriptionFacts
from policy.plan_change_rules import PlanSide
from policy.plan_changes import SubscriptionItem
from policy.request_facts import Plan
from policy.rulings import Ruling
from tests.policy.payment_histories import payment

INVOICE = {
    "invoice_id": "in_1",
    "subscription_id": "sub_1",
    "billing_reason": "subscription_create",
    "amount_due_minor": 4900,
    "price_ids": ("price_pro",),
}
SUBSCRIPTION = {"subscription_id": "sub_1", "created": 5, "ended_at": 6, "status": "canceled"}
PAYMENT = {
    "charge_id": "ch_a",
    "payment_intent_id": "pi_a",
    "created": 7,
    "captured_minor": 4900,
    "refunded_minor": 100,
    "currency": "usd",
    "customer_id": "cus_ada",
    "card_fingerprint": "fp_ada",
    "order_reference": "O-1",
    "product": "pack_100",
    "invoice": InvoiceFacts(**INVOICE),
    "invoice_known": True,
    "subscription": SubscriptionFacts(**SUBSCRIPTION),
    "dispute": DisputeStanding.NONE,
    "disputed_minor": 0,
    "livemode": True,
}
SIDE = {"plan": Plan.MONTHLY, "tier": 1, "price_minor": 1900, "currency": "usd", "quantity": 2}
ITEM = {
    "item_id": "si_1",
    "price_id": "price_pro",
    "quantity": 1,
    "period_start": 2,
    "period_end": 3,
}
CLAIM = {
    "loss": CreditLoss.FAILED,
    "claimed": 30,
    "documented": 20,
    "our_fault": False,
    "restored": 10,
}
RULING = {
    "payment": payment("a"),
    "amount_minor": 1000,
    "revokes_credits": True,
    "ends_subscription": True,
    "appealed": False,
}
WARNING = {
    "payment": payment("a"),
    "warning_id": "issfr_1",
    "fraud_type": "misc",
    "actionable": True,
    "liability_shifted": False,
    "used_percent": 100,
    "warned_before": 3,
    "disputed_before": 2,
    "near_threshold": False,
}
SCORE = {
    "payment": payment("a"),
    "signals": {**dict.fromkeys((*CATEGORIES, *COUNTS)), "cvc_check": "pass", "risk_score": 20},
    "exempt": "allow",
}
DISPUTE = {
    "payment": payment("a"),
    "dispute_id": "du_1",
    "status": "needs_response",
    "reason": "fraudulent",
    "amount_minor": 4900,
    "due_by": 7,
}
CLEARING = {"payment": payment("a"), "suspended": True}
OUTAGE = {
    "payment": payment("a"),
    "plan_minor": 4900,
    "period_seconds": 900,
    "lost_seconds": 900,
    "fee_minor": 3,
}
RESULT = {"clause": Clause.BILLING, "holds": True, "compared": {"a": 1, "b": None}}
EFFECT = {"revoked": True, "restored": 5, "ends_subscription": False}
FINDING = {
    "charge_id": "ch_b",
    "kept_charge_id": "ch_a",
    "kind": DuplicateKind.SAME_ORDER,
    "confidence": 100,
    "compared": {"order_reference": "O-1"},
    "doubts": (Doubt.PAYER,),
}
DECISION = {
    "verdict": Verdict.APPROVE,
    "amount": Money(amount_minor=1, currency="usd"),
    "clauses": (ClauseResult(**RESULT),),
    "terms_version": "2025-09-14",
    "undecided": (),
    "facts": {"payment": {"ids": ["a", 1, None, True]}},
    "credits": CreditEffect(**EFFECT),
}
REVIEW = {"verdict": Verdict.REVIEW, "amount": None, "credits": None, "undecided": ("Why?",)}
NO_COUNT = "must be a whole number of zero or more, not"
NO_TEXT = "must be a non-empty text, not"
NO_FLAG = "must be true or false, not"
NO_CURRENCY = "currency must be a currency of three lower-case letters, not 'USD'"
ONLY_IF_APPROVED = "a decision has an amount exactly when it approves"
ONLY_IF_OPEN = "a decision says what is undecided exactly when it asks for a review"

WRONG = [
    (PlanSide, SIDE, {"plan": "monthly"}, "plan must be a Plan, not 'monthly'"),
    (PlanSide, SIDE, {"plan": Plan.PACK}, "plan must be monthly, annual or null; a pack is no plan"),
    (PlanSide, SIDE, {"tier": True}, f"tier {NO_COUNT} True"),
    (PlanSide, SIDE, {"price_minor": None}, f"price_minor {NO_COUNT} None"),
    (PlanSide, SIDE, {"currency": "USD"}, NO_CURRENCY),
    (PlanSide, SIDE, {"quantity": None}, f"quantity {NO_COUNT} None"),
    (SubscriptionItem, ITEM, {"item_id": ""}, f"item_id {NO_TEXT} ''"),
    (SubscriptionItem, ITEM, {"price_id": None}, f"price_id {NO_TEXT} None"),
    (SubscriptionItem, ITEM, {"quantity": -1}, f"quantity {NO_COUNT} -1"),
    (SubscriptionItem, ITEM, {"period_start": None}, f"period_start {NO_COUNT} None"),
    (SubscriptionItem, ITEM, {"period_end": "3"}, f"period_end {NO_COUNT} '3'"),
    (CreditClaim, CLAIM, {"loss": "failed"}, "loss must be a CreditLoss, not 'failed'"),
    (CreditClaim, CLAIM, {"claimed": None}, f"claimed {NO_COUNT} None"),
    (CreditClaim, CLAIM, {"documented": "3"}, f"documented {NO_COUNT} '3'"),
    (CreditClaim, CLAIM, {"our_fault": 1}, f"our_fault {NO_FLAG} 1"),
    (CreditClaim, CLAIM, {"restored": None}, f"restored {NO_COUNT} None"),
    (InvoiceFacts, INVOICE, {"invoice_id": None}, f"invoice_id {NO_TEXT} None"),
    (InvoiceFacts, INVOICE, {"subscription_id": 7}, f"subscription_id {NO_TEXT} 7"),
    (InvoiceFacts, INVOICE, {"billing_reason": ""}, f"billing_reason {NO_TEXT} ''"),
    (InvoiceFacts, INVOICE, {"amount_due_minor": -1}, f"amount_due_minor {NO_COUNT} -1"),
    (InvoiceFacts, INVOICE, {"price_ids": ["p"]}, "price_ids must be a tuple, not ['p']"),
    (InvoiceFacts, INVOICE, {"price_ids": ("p", "")}, f"price_ids {NO_TEXT} ''"),
    (SubscriptionFacts, SUBSCRIPTION, {"subscription_id": None}, f"subscription_id {NO_TEXT} None"),
    (SubscriptionFacts, SUBSCRIPTION, {"created": None}, f"created {NO_COUNT} None"),
    (SubscriptionFacts, SUBSCRIPTION, {"ended_at": -1}, f"ended_at {NO_COUNT} -1"),
    (SubscriptionFacts, SUBSCRIPTION, {"status": None}, f"status {NO_TEXT} None"),
    (Payment, PAYMENT, {"charge_id": None}, f"charge_id {NO_TEXT} None"),
    (Payment, PAYMENT, {"payment_intent_id": ""}, f"payment_intent_id {NO_TEXT} ''"),
    (Payment, PAYMENT, {"customer_id": 7}, f"customer_id {NO_TEXT} 7"),
    (Payment, PAYMENT, {"card_fingerprint": ""}, f"card_fingerprint {NO_TEXT} ''"),
    (Payment, PAYMENT, {"order_reference": ""}, f"order_reference {NO_TEXT} ''"),
    (Payment, PAYMENT, {"product": ""}, f"product {NO_TEXT} ''"),
    (Payment, PAYMENT, {"created": None}, f"created {NO_COUNT} None"),
    (Payment, PAYMENT, {"captured_minor": -1}, f"captured_minor {NO_COUNT} -1"),
    (Payment, PAYMENT, {"refunded_minor": None}, f"refunded_minor {NO_COUNT} None"),
    (Payment, PAYMENT, {"disputed_minor": None}, f"disputed_minor {NO_COUNT} None"),
    (Payment, PAYMENT, {"currency": "USD"}, NO_CURRENCY),
    (Payment, PAYMENT, {"invoice_known": None}, f"invoice_known {NO_FLAG} None"),
    (Payment, PAYMENT, {"livemode": 1}, f"livemode {NO_FLAG} 1"),
    (Payment, PAYMENT, {"dispute": "none"}, "dispute must be a DisputeStanding, not 'none'"),
    (Payment, PAYMENT, {"invoice": 1}, "invoice must be a InvoiceFacts, not 1"),
    (
        Payment, PAYMENT, {"invoice_known": False},
        "invoice_known must be true when an invoice is given",
    ),
    (Payment, PAYMENT, {"subscription": 5}, "subscription must be a SubscriptionFacts, not 5"),
    (Finding, FINDING, {"charge_id": ""}, f"charge_id {NO_TEXT} ''"),
    (Finding, FINDING, {"kept_charge_id": None}, f"kept_charge_id {NO_TEXT} None"),
    (Finding, FINDING, {"kind": "same_order"}, "kind must be a DuplicateKind, not 'same_order'"),
    (Finding, FINDING, {"confidence": -1}, f"confidence {NO_COUNT} -1"),
    (Finding, FINDING, {"compared": []}, "compared must be a dict, not []"),
    (
        Finding, FINDING, {"compared": {"x": 0.5}},
        "compared.x holds 0.5, which is not exact JSON",
    ),
    (Finding, FINDING, {"doubts": ("payer",)}, "doubts must be a Doubt, not 'payer'"),
    (ClauseResult, RESULT, {"clause": "BILLING"}, "clause must be a Clause, not 'BILLING'"),
    (ClauseResult, RESULT, {"holds": 1}, f"holds {NO_FLAG} 1"),
    (ClauseResult, RESULT, {"compared": [1]}, "compared must be a dict, not [1]"),
    (
        ClauseResult, RESULT, {"compared": {"x": 0.5}},
        "compared.x holds 0.5, which is not exact JSON",
    ),
    (ClauseResult, RESULT, {"compared": {"x": [1]}}, "compared.x must be a single value, not [1]"),
    (ClauseResult, RESULT, {"compared": {"x": {}}}, "compared.x must be a single value, not {}"),
    (CreditEffect, EFFECT, {"revoked": None}, f"revoked {NO_FLAG} None"),
    (CreditEffect, EFFECT, {"restored": None}, f"restored {NO_COUNT} None"),
    (CreditEffect, EFFECT, {"ends_subscription": 1}, f"ends_subscription {NO_FLAG} 1"),
    (Ruling, RULING, {"payment": None}, "payment must be a Payment, not None"),
    (Ruling, RULING, {"amount_minor": -1}, f"amount_minor {NO_COUNT} -1"),
    (Ruling, RULING, {"amount_minor": 0}, "amount_minor must be null or more than zero"),
    (Ruling, RULING, {"revokes_credits": None}, f"revokes_credits {NO_FLAG} None"),
    (Ruling, RULING, {"ends_subscription": 1}, f"ends_subscription {NO_FLAG} 1"),
    (Ruling, RULING, {"appealed": None}, f"appealed {NO_FLAG} None"),
    (
        Ruling, RULING, {"amount_minor": None, "revokes_credits": False},
        "a denial takes neither credits nor the subscription",
    ),
    (
        Ruling, RULING, {"amount_minor": None, "ends_subscription": False},
        "a denial takes neither credits nor the subscription",
    ),
    (OutageFacts, OUTAGE, {"payment": 1}, "payment must be a Payment, not 1"),
    (OutageFacts, OUTAGE, {"plan_minor": -1}, f"plan_minor {NO_COUNT} -1"),
    (OutageFacts, OUTAGE, {"period_seconds": -1}, f"period_seconds {NO_COUNT} -1"),
    (OutageFacts, OUTAGE, {"lost_seconds": None}, f"lost_seconds {NO_COUNT} None"),
    (OutageFacts, OUTAGE, {"fee_minor": -1}, f"fee_minor {NO_COUNT} -1"),
    (OutageFacts, OUTAGE, {"lost_seconds": 901}, "lost_seconds can be period_seconds at most"),
    (
        OutageFacts, OUTAGE, {"period_seconds": 0, "lost_seconds": 0},
        "period_seconds must be null or more than zero",
    ),
    (WarningFacts, WARNING, {"payment": 1}, "payment must be a Payment, not 1"),
    (WarningFacts, WARNING, {"warning_id": ""}, f"warning_id {NO_TEXT} ''"),
    (WarningFacts, WARNING, {"fraud_type": None}, f"fraud_type {NO_TEXT} None"),
    (WarningFacts, WARNING, {"actionable": 1}, "actionable must be true or false, not 1"),
    (WarningFacts, WARNING, {"near_threshold": None}, "near_threshold must be true or false, not None"),
    (WarningFacts, WARNING, {"liability_shifted": 0}, "liability_shifted must be true or false, not 0"),
    (WarningFacts, WARNING, {"used_percent": -1}, f"used_percent {NO_COUNT} -1"),
    (WarningFacts, WARNING, {"used_percent": 101}, "used_percent can be 100 at most"),
    (WarningFacts, WARNING, {"warned_before": None}, f"warned_before {NO_COUNT} None"),
    (WarningFacts, WARNING, {"disputed_before": 4}, "disputed_before can be warned_before at most"),
    (ScoreFacts, SCORE, {"payment": None}, "payment must be a Payment, not None"),
    (
        ScoreFacts, SCORE, {"signals": SCORE["signals"] | {"cvc_check": 1}},
        f"signals.cvc_check {NO_TEXT} 1",
    ),
    (
        ScoreFacts, SCORE, {"signals": SCORE["signals"] | {"risk_score": "20"}},
        f"signals.risk_score {NO_COUNT} '20'",
    ),
    (ScoreFacts, SCORE, {"exempt": ""}, "exempt must be allow, snooze or null, not ''"),
    (DisputeFacts, DISPUTE, {"payment": None}, "payment must be a Payment, not None"),
    (DisputeFacts, DISPUTE, {"dispute_id": None}, f"dispute_id {NO_TEXT} None"),
    (DisputeFacts, DISPUTE, {"status": ""}, f"status {NO_TEXT} ''"),
    (DisputeFacts, DISPUTE, {"reason": 3}, f"reason {NO_TEXT} 3"),
    (DisputeFacts, DISPUTE, {"amount_minor": None}, f"amount_minor {NO_COUNT} None"),
    (DisputeFacts, DISPUTE, {"due_by": -1}, f"due_by {NO_COUNT} -1"),
    (Clearing, CLEARING, {"payment": None}, "payment must be a Payment, not None"),
    (Clearing, CLEARING, {"suspended": None}, f"suspended {NO_FLAG} None"),
    (Money, {"amount_minor": 0, "currency": "usd"}, {"amount_minor": None}, f"amount_minor {NO_COUNT} None"),
    (Money, {"amount_minor": 0, "currency": "usd"}, {"currency": "USD"}, NO_CURRENCY),
    (Decision, DECISION, {"verdict": "approve"}, "verdict must be a Verdict, not 'approve'"),
    (Decision, DECISION, {"terms_version": ""}, f"terms_version {NO_TEXT} ''"),
    (Decision, DECISION, {"facts": [1]}, "facts must be a dict, not [1]"),
    (Decision, DECISION, {"facts": {"x": 1.5}}, "facts.x holds 1.5, which is not exact JSON"),
    (Decision, DECISION, {"undecided": ("",)}, f"undecided {NO_TEXT} ''"),
    (Decision, DECISION, {"clauses": ()}, "a decision must cite at least one clause"),
    (Decision, DECISION, {"amount": None, "credits": None}, ONLY_IF_APPROVED),
    (
        Decision, DECISION,
        {"amount": None, "credits": CreditEffect(**EFFECT | {"restored": 0})}, ONLY_IF_APPROVED,
    ),
    (Decision, DECISION, {"verdict": Verdict.DENY}, ONLY_IF_APPROVED),
    (Decision, DECISION, {"verdict": Verdict.DENY, "credits": None}, ONLY_IF_APPROVED),
    (Decision, DECISION, {"verdict": Verdict.DENY, "amount": None}, ONLY_IF_APPROVED),
    (
        Decision, DECISION, {"amount": Money(amount_minor=0, currency="usd")},
        "a decision cannot approve an amount of zero",
    ),
    (Decision, DECISION, {"undecided": ("Why?",)}, ONLY_IF_OPEN),
    (Decision, DECISION, REVIEW | {"undecided": ()}, ONLY_IF_OPEN),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "right", "wrong", "reason"),
    WRONG,
    ids=[f"{kind.__name__} with {', '.join(wrong)}" for kind, _, wrong, _ in WRONG],
)
def test_refused(kind, right, wrong, reason):
    """A record with a wrong field is refused with the field's name, what it must be and what it is."""
    assert right == {name: getattr(kind(**right), name) for name in right}
    with pytest.raises(MalformedFactError) as refused:
        kind(**right | wrong)

    assert reason == str(refused.value)


UNKNOWN = [
    (PlanSide, SIDE, ["plan", "tier"]),
    (CreditClaim, CLAIM, ["documented", "our_fault"]),
    (
        InvoiceFacts, INVOICE,
        ["subscription_id", "billing_reason", "amount_due_minor"],
    ),
    (SubscriptionFacts, SUBSCRIPTION, ["ended_at"]),
    (
        Payment, PAYMENT,
        ["payment_intent_id", "customer_id", "card_fingerprint", "order_reference", "product"],
    ),
    (Payment, PAYMENT, ["invoice", "subscription"]),
    (ClauseResult, RESULT, ["holds"]),
    (OutageFacts, OUTAGE, ["plan_minor", "period_seconds", "fee_minor"]),
    (WarningFacts, WARNING, ["liability_shifted", "used_percent"]),
    (ScoreFacts, SCORE, ["exempt"]),
    (DisputeFacts, DISPUTE, ["reason", "due_by"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "right", "names"), UNKNOWN)
def test_unknown(kind, right, names):
    """What may be unknown is None, one by one and all at once."""
    for name in names:
        assert getattr(kind(**right | {name: None}), name) is None
    nothing = kind(**right | dict.fromkeys(names))

    assert {None} == {getattr(nothing, name) for name in names}


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"credits": None}, id="money alone"),
        pytest.param({"amount": None}, id="credits alone"),
        pytest.param(
            {"amount": None, "credits": CreditEffect(**EFFECT | {"restored": 1})}, id="one"
        ),
        pytest.param({"verdict": Verdict.DENY, "amount": None, "credits": None}, id="a denial"),
        pytest.param(REVIEW, id="a review"),
    ],
)
def test_whole_decisions(given):
    """A decision that says what its verdict needs is taken, and reads back as it was written."""
    made = Decision(**DECISION | given)

    assert made == Decision.from_json(made.to_json())


def test_a_denial_that_takes_nothing():
    """A ruling that nothing goes back is taken where it takes nothing either."""
    nothing = {"amount_minor": None, "revokes_credits": False, "ends_subscription": False}

    assert Ruling(**RULING | nothing).amount_minor is None
