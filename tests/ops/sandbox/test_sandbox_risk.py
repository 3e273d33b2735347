"""Disputes, early fraud warnings and reviews."""

import pytest
import stripe


def dispute(shop, charge, **body):
    return shop.control("POST", "/sandbox/disputes", {"charge": charge.id} | body)


def move(shop, found, status):
    return shop.control("POST", f"/sandbox/disputes/{found['id']}", {"status": status})


def test_a_chargeback_withdraws_funds(shop):
    """The charge is disputed; the amount and a fee leave the balance; no request caused it."""
    charge = shop.pay(2000)

    opened = dispute(shop, charge, reason="product_not_received")

    assert (
        opened["status"], opened["amount"], opened["is_charge_refundable"],
    ) == ("needs_response", 2000, False)  # fmt: skip
    assert [entry["net"] for entry in opened["balance_transactions"]] == [-2000 - 1500]
    assert shop.v1.charges.retrieve(charge.id).disputed
    assert shop.event_types()[-2:] == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    assert shop.events("charge.dispute.created")[0]["request"]["id"] is None


def test_an_inquiry_moves_no_funds(shop):
    """warning_needs_response leaves the balance alone and the charge refundable."""
    opened = dispute(shop, shop.pay(), status="warning_needs_response")

    assert (opened["balance_transactions"], opened["is_charge_refundable"]) == ([], True)
    assert shop.event_types()[-1] == "charge.dispute.created"


@pytest.mark.parametrize(
    ("moves", "events"),
    [
        pytest.param(["under_review"], ["updated"], id="answered"),
        pytest.param(["lost"], ["closed"], id="lost"),
        pytest.param(["won"], ["closed", "funds_reinstated"], id="won"),
        pytest.param(["lost", "won"], ["closed", "funds_reinstated"], id="late win"),
    ],
)
def test_disputes_move(shop, moves, events):
    """Each move emits what Stripe emits; a win gives the amount back."""
    found = dispute(shop, shop.pay())

    for status in moves:
        mark = shop.book.last_event_seq()
        move(shop, found, status)

    assert [f"charge.dispute.{name}" for name in events] == shop.event_types(mark)
    assert moves[-1] == shop.v1.disputes.retrieve(found["id"]).status


def test_an_inquiry_may_become_a_chargeback(shop):
    """Then the funds are withdrawn."""
    found = dispute(shop, shop.pay(), status="warning_needs_response")

    move(shop, found, "needs_response")

    assert shop.event_types()[-1] == "charge.dispute.funds_withdrawn"


def test_evidence_is_handed_in_by_the_api(shop):
    """disputes.update submits by default; submit=false only stages."""
    found = dispute(shop, shop.pay())

    staged = shop.v1.disputes.update(
        found["id"], {"evidence": {"product_description": "A book"}, "submit": False}
    )
    sent = shop.v1.disputes.update(found["id"], {"submit": True})

    assert (staged.status, staged.evidence_details.has_evidence) == ("needs_response", True)
    assert (sent.status, sent.evidence_details.submission_count) == ("under_review", 1)


def test_a_dispute_can_be_accepted(shop):
    """disputes.close loses it; it cannot be closed twice."""
    found = dispute(shop, shop.pay())

    assert shop.v1.disputes.close(found["id"]).status == "lost"
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.disputes.close(found["id"])


def test_disputes_are_listed_by_payment(shop):
    """Filters: charge and payment_intent."""
    charge = shop.pay()
    found = dispute(shop, charge)
    dispute(shop, shop.pay())

    listed = shop.v1.disputes.list({"payment_intent": charge.payment_intent}).data

    assert [found["id"]] == [row.id for row in listed]


def warn(shop, charge):
    return shop.control("POST", "/sandbox/early_fraud_warnings", {"charge": charge.id})


def test_a_warning_is_actionable_until_the_full_refund(shop):
    """A partial refund leaves it actionable; the rest ends it, with an updated event."""
    charge = shop.pay(1000)
    warning = warn(shop, charge)
    shop.v1.refunds.create({"charge": charge.id, "amount": 1})
    before = shop.v1.radar.early_fraud_warnings.retrieve(warning["id"])

    shop.v1.refunds.create({"charge": charge.id})

    (after,) = shop.v1.radar.early_fraud_warnings.list({"charge": charge.id}).data
    assert (before.actionable, after.actionable) == (True, False)
    assert charge.payment_intent == after.payment_intent
    (event,) = shop.events("radar.early_fraud_warning.updated")
    assert event["data"]["previous_attributes"] == {"actionable": True}


def test_a_dispute_ends_a_warning(shop):
    """And a warning after the dispute is not actionable from the start."""
    charge = shop.pay()
    warning = warn(shop, charge)
    dispute(shop, charge)

    assert not shop.v1.radar.early_fraud_warnings.retrieve(warning["id"]).actionable
    assert not warn(shop, charge)["actionable"]


def test_a_review_is_approved(shop):
    """While open it stands on the charge and its payment intent."""
    charge = shop.pay()
    review = shop.control("POST", "/sandbox/reviews", {"charge": charge.id})

    assert review["id"] == shop.v1.charges.retrieve(charge.id).review
    assert [review["id"]] == [row.id for row in shop.v1.reviews.list().data]

    approved = shop.v1.reviews.approve(review["id"])

    assert (approved.open, approved.closed_reason) == (False, "approved")
    assert shop.v1.payment_intents.retrieve(charge.payment_intent).review is None
    assert shop.event_types()[-1] == "review.closed"


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        pytest.param("duplicate", "refunded", id="refund"),
        pytest.param("fraudulent", "refunded_as_fraud", id="refund as fraud"),
        pytest.param(None, "disputed", id="dispute"),
    ],
)
def test_refunds_and_disputes_close_a_review(shop, act, reason):
    """closed_reason tells which."""
    charge = shop.pay()
    review = shop.control("POST", "/sandbox/reviews", {"charge": charge.id})

    if act is None:
        dispute(shop, charge)
    else:
        shop.v1.refunds.create({"charge": charge.id, "reason": act})

    assert reason == shop.v1.reviews.retrieve(review["id"]).closed_reason


def test_a_review_can_be_closed_by_hand(shop):
    """The control closes for any of Stripe's reasons."""
    review = shop.control("POST", "/sandbox/reviews", {"charge": shop.pay().id})

    body = {"closed_reason": "redacted"}
    closed = shop.control("POST", f"/sandbox/reviews/{review['id']}", body)

    assert closed["closed_reason"] == "redacted"
