"""Refunds: what is permitted, what is refused, and how they live on."""

import pytest
import stripe


def test_a_full_refund_leaves_nothing(shop):
    """A refund without an amount is of everything left; charge.refunded tells the cumulated sum."""
    charge = shop.pay(1000)

    refund = shop.v1.refunds.create({
        "charge": charge.id, "reason": "duplicate", "metadata": {"ledger": "7"},
    })  # fmt: skip

    assert (
        refund.status, refund.amount, refund.currency, refund.metadata["ledger"],
    ) == ("succeeded", 1000, "usd", "7")  # fmt: skip
    after = shop.v1.charges.retrieve(charge.id)
    assert (after.amount_refunded, after.refunded) == (1000, True)
    assert shop.event_types()[-2:] == ["refund.created", "charge.refunded"]


def test_two_partial_refunds_of_equal_amount_are_two_refunds(shop):
    """Stripe does not refuse a repeated partial refund."""
    charge = shop.pay(1000)

    for _ in range(2):
        shop.v1.refunds.create({"charge": charge.id, "amount": 300})

    refunds = shop.v1.refunds.list({"charge": charge.id}).data
    assert [refund.amount for refund in refunds] == [300, 300]
    assert shop.v1.charges.retrieve(charge.id).amount_refunded == 600
    assert [
        event["data"]["object"]["amount_refunded"] for event in shop.events("charge.refunded")
    ] == [300, 600]


def test_a_payment_intent_can_be_refunded(shop):
    """A refund may name the payment intent instead of the charge."""
    charge = shop.pay()

    refund = shop.v1.refunds.create({"payment_intent": charge.payment_intent, "amount": 1})

    assert charge.id == refund.charge
    listed = shop.v1.refunds.list({"payment_intent": charge.payment_intent}).data
    assert [refund.id] == [row.id for row in listed]


def refused(shop, **params):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.refunds.create(params)
    return caught.value.http_status, caught.value.code


def test_nothing_left_is_charge_already_refunded(shop):
    """A fully refunded charge refuses any further refund."""
    charge = shop.pay()
    shop.v1.refunds.create({"charge": charge.id})

    assert refused(shop, charge=charge.id) == (400, "charge_already_refunded")
    assert refused(shop, charge=charge.id, amount=1) == (400, "charge_already_refunded")


def test_more_than_left_is_amount_too_large(shop):
    """A refund above the rest is refused and moves nothing."""
    charge = shop.pay(1000)
    shop.v1.refunds.create({"charge": charge.id, "amount": 400})

    assert refused(shop, charge=charge.id, amount=601) == (400, "amount_too_large")
    assert shop.v1.charges.retrieve(charge.id).amount_refunded == 400


def test_a_disputed_charge_is_not_refunded(shop):
    """An open chargeback refuses refunds; a won dispute permits them again."""
    charge = shop.pay()
    dispute = shop.control("POST", "/sandbox/disputes", {"charge": charge.id})

    assert refused(shop, charge=charge.id) == (400, "charge_disputed")

    shop.control("POST", f"/sandbox/disputes/{dispute['id']}", {"status": "won"})

    assert shop.v1.refunds.create({"charge": charge.id}).status == "succeeded"


def test_a_full_refund_closes_an_inquiry(shop):
    """An inquiry may be refunded, and the full refund resolves it."""
    charge = shop.pay()
    body = {"charge": charge.id, "status": "warning_needs_response"}
    dispute = shop.control("POST", "/sandbox/disputes", body)

    shop.v1.refunds.create({"charge": charge.id})

    assert shop.v1.disputes.retrieve(dispute["id"]).status == "warning_closed"
    assert "charge.dispute.closed" in shop.event_types()


def test_an_uncaptured_charge_is_not_refundable(shop):
    """Authorizations are canceled, not refunded."""
    intent = shop.v1.payment_intents.create({
        "amount": 1000, "currency": "usd", "confirm": True, "capture_method": "manual",
        "payment_method": "pm_card_visa",
    })  # fmt: skip

    assert refused(shop, charge=intent.latest_charge) == (400, "charge_not_refundable")


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        pytest.param(0, "parameter_invalid_integer", id="zero"),
        pytest.param(-1, "parameter_invalid_integer", id="negative"),
        pytest.param("1.5", "parameter_invalid_integer", id="fraction"),
        pytest.param("ten", "parameter_invalid_integer", id="text"),
    ],
)
def test_a_refund_amount_is_a_positive_integer(shop, amount, code):
    """Anything else is a 400 on the parameter `amount`."""
    charge = shop.pay()

    assert (400, code) == refused(shop, charge=charge.id, amount=amount)


def test_three_decimal_refunds_end_in_0(shop):
    """A pro-rata refund in Kuwaiti dinar must be rounded to ten."""
    charge = shop.pay(10_000, "kwd")

    assert refused(shop, charge=charge.id, amount=3333) == (400, "invalid_charge_amount")
    assert shop.v1.refunds.create({"charge": charge.id, "amount": 3330}).amount == 3330


@pytest.mark.parametrize(
    ("params", "code"),
    [
        pytest.param({"charge": "ch_none"}, "resource_missing", id="unknown charge"),
        pytest.param({"payment_intent": "pi_none"}, "resource_missing", id="unknown intent"),
        pytest.param({}, "parameter_missing", id="neither"),
        pytest.param({"charge": "ch_1", "payment_intent": "pi_1"}, "parameter_missing", id="both"),
    ],
)
def test_a_refund_names_one_existing_payment(shop, params, code):
    """Exactly one of charge and payment_intent must be given, and exist."""
    status = 404 if code == "resource_missing" else 400

    assert (status, code) == refused(shop, **params)


def test_what_is_not_modelled_is_refused_not_ignored(shop):
    """reverse_transfer and the like would move money that the sandbox does not keep."""
    charge = shop.pay()

    assert refused(shop, charge=charge.id, reverse_transfer=True)[0] == 400


@pytest.mark.parametrize(
    ("life", "first", "last", "event"),
    [
        pytest.param("pending_then_succeeded", "pending", "succeeded", "refund.updated", id="slow"),
        pytest.param("pending_then_failed", "pending", "failed", "refund.failed", id="fails"),
        pytest.param("pending", "pending", "pending", "refund.created", id="stays"),
    ],
)
def test_refunds_settle_later_when_told_to(shop, life, first, last, event):
    """refund_life chooses what a refund does after its answer."""
    shop.control("POST", "/sandbox/settings", {"refund_life": life, "refund_delay_seconds": 5})
    charge = shop.pay()
    refund = shop.v1.refunds.create({"charge": charge.id})

    assert first == refund.status

    shop.clock.advance(5)
    shop.sandbox.tick()

    assert last == shop.v1.refunds.retrieve(refund.id).status
    assert event in shop.event_types()


def test_a_succeeded_refund_may_fail_later(shop):
    """The money returns to the balance and the charge is refundable again."""
    charge = shop.pay()
    refund = shop.v1.refunds.create({"charge": charge.id})

    body = {"status": "failed", "failure_reason": "lost_or_stolen_card"}
    failed = shop.control("POST", f"/sandbox/refunds/{refund.id}", body)

    assert failed["failure_reason"] == "lost_or_stolen_card"
    assert failed["failure_balance_transaction"].startswith("txn_")
    after = shop.v1.charges.retrieve(charge.id)
    assert (after.amount_refunded, after.refunded) == (0, False)
    assert shop.event_types()[-2:] == ["refund.updated", "refund.failed"]
    assert shop.events("refund.failed")[0]["request"]["id"] is None


def test_a_dispute_fails_a_pending_refund(shop):
    """A chargeback opened while a refund is pending fails the refund."""
    shop.control("POST", "/sandbox/settings", {"refund_life": "pending"})
    charge = shop.pay()
    refund = shop.v1.refunds.create({"charge": charge.id, "amount": 10})

    shop.control("POST", "/sandbox/disputes", {"charge": charge.id})

    after = shop.v1.refunds.retrieve(refund.id)
    assert (after.status, after.failure_reason) == ("failed", "charge_for_pending_refund_disputed")


def test_a_refund_by_hand_has_a_request_but_no_key(shop):
    """The dashboard's refund looks like a person's: request id set, idempotency key null."""
    charge = shop.pay()

    refund = shop.control("POST", "/sandbox/refunds", {"charge": charge.id, "amount": 100})

    request = shop.events("refund.created")[0]["request"]
    assert request["idempotency_key"] is None
    assert request["id"].startswith("req_")
    assert shop.v1.refunds.retrieve(refund["id"]).amount == 100


def test_only_waiting_refunds_are_canceled(shop):
    """The API cancels refunds in requires_action and no others."""
    charge = shop.pay()
    refund = shop.v1.refunds.create({"charge": charge.id})

    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.refunds.cancel(refund.id)
    shop.control("POST", f"/sandbox/refunds/{refund.id}", {"status": "requires_action"})

    assert shop.v1.refunds.cancel(refund.id).status == "canceled"
    assert shop.v1.charges.retrieve(charge.id).amount_refunded == 0


def test_refund_metadata_can_change(shop):
    """refunds.update merges metadata and emits refund.updated."""
    charge = shop.pay()
    refund = shop.v1.refunds.create({"charge": charge.id, "metadata": {"a": "1"}})

    updated = shop.v1.refunds.update(refund.id, {"metadata": {"b": "2"}})

    assert updated.metadata.to_dict() == {"a": "1", "b": "2"}
    assert shop.event_types()[-1] == "refund.updated"


def test_a_fraudulent_refund_marks_the_charge(shop):
    """reason=fraudulent also sets fraud_details, as Stripe's block lists do."""
    charge = shop.pay()

    shop.v1.refunds.create({"charge": charge.id, "reason": "fraudulent"})

    assert shop.v1.charges.retrieve(charge.id).fraud_details.user_report == "fraudulent"
