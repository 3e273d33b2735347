"""Refund requests for the tests: one plain request that is approved, and short ways to differ from it."""

from policy.invoice_taking import InvoiceTaking
from policy.request_facts import IntakeField, Plan, Reason, RequestFacts
from tests.policy.payment_histories import payment

DAY = 86_400
HOUR = 3600
#: 08:26:40 UTC of the 21st of September 2026: the day of the purchase.
PURCHASED_AT = payment("a").created
#: The last second of that day.
DAY_ENDS_AT = PURCHASED_AT // DAY * DAY + DAY - 1
MONTH_SECONDS = 30 * DAY

#: What nobody may know about a request; every other fact always is.
UNKNOWABLE = {
    "plan": None,
    "initial": None,
    "issued": None,
    "used": None,
    "successful": None,
    "expired": None,
    "breach": None,
    "wrongly_flagged": None,
    "abuse": None,
    "wrong_minor": None,
    "period_seconds": None,
    "lost_seconds": None,
    "longest_outage_seconds": None,
    "longest_failure_seconds": None,
    "fee_minor": None,
    "ruled_little": None,
    "ruled_renewal": None,
}


def request(paid=None, **given):
    """A monthly plan of 49.00 USD, asked about a day later, 5 of 100 credits used; `paid` is the payment's."""
    fields = {
        "asked_at": PURCHASED_AT + DAY,
        "named": tuple(IntakeField),
        "reasons": (Reason.CHANGED_MIND,),
        "payment": payment("a", **(paid or {})),
        "plan": Plan.MONTHLY,
        "initial": True,
        "issued": 100,
        "used": 5,
        "successful": 5,
        "expired": False,
        "breach": False,
        "wrongly_flagged": False,
        "abuse": False,
        "wrong_minor": 0,
        "period_seconds": MONTH_SECONDS,
        "lost_seconds": 0,
        "longest_outage_seconds": 0,
        "longest_failure_seconds": 0,
        "fee_minor": 172,
    }
    return RequestFacts(**fields | given)


def taking(**given):
    """An invoice of 49.00 USD for nothing but the plan, paid by a card."""
    usual = {"charged_minor": 0, "credited_minor": 0, "balance_minor": 0, "given_back_minor": 0}
    usual |= {"invoice_id": "in_a", "plan_minor": 4900, "paid_minor": 4900}
    return InvoiceTaking(**usual | given)
