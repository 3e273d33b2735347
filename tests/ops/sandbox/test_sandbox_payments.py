"""Customers, cards, payment intents, charges and their balance transactions."""

import pytest
import stripe

NOON = 1793620800


def test_a_payment_is_a_charge_with_the_facts_that_a_decision_needs(shop):
    """A confirmed payment intent leaves a succeeded, captured charge on the customer's card."""
    customer = shop.customer()

    charge = shop.pay(2500, "eur", customer=customer.id, metadata={"order": "A1"})

    assert (
        charge.status,
        charge.captured,
        charge.amount,
        charge.amount_captured,
        charge.amount_refunded,
    ) == ("succeeded", True, 2500, 2500, 0)
    assert (customer.id, "A1", NOON) == (charge.customer, charge.metadata["order"], charge.created)
    assert charge.payment_method_details.card.fingerprint == "sandbox_visa"


def test_events_of_a_payment_come_in_stripes_order(shop):
    """The balance transaction is missing in charge.succeeded and comes by a later charge.updated."""
    shop.pay()

    assert shop.event_types() == [
        "payment_intent.created",
        "charge.succeeded",
        "charge.updated",
        "payment_intent.succeeded",
    ]
    assert shop.events("charge.succeeded")[0]["data"]["object"]["balance_transaction"] is None
    updated = shop.events("charge.updated")[0]
    assert updated["data"]["previous_attributes"] == {"balance_transaction": None}
    assert updated["request"] == {"id": None, "idempotency_key": None}


def test_balance_transactions_may_come_later(shop):
    """With settle_seconds, charge.updated waits for the clock."""
    shop.control("POST", "/sandbox/settings", {"settle_seconds": 3})
    charge = shop.pay()

    assert charge.balance_transaction is None

    shop.clock.advance(3)
    shop.sandbox.tick()

    assert shop.v1.charges.retrieve(charge.id).balance_transaction.startswith("txn_")


def test_the_fee_is_2_9_percent_and_30(shop):
    """A balance transaction nets Stripe's fee, in integers."""
    charge = shop.pay(1999, expand=["latest_charge.balance_transaction"])
    entry = charge.balance_transaction

    assert (entry.amount, entry.fee, entry.net) == (1999, 88, 1911)


def test_events_echo_the_request_that_caused_them(shop):
    """event.request bears the id and the idempotency key of the API call."""
    shop.v1.customers.create({"name": "Ann"}, options={"idempotency_key": "redress:1"})

    request = shop.events("customer.created")[0]["request"]

    assert request["idempotency_key"] == "redress:1"
    assert request["id"].startswith("req_")


def test_backdated_requests_make_old_objects(shop):
    """Sandbox-Created dates the objects and the events of a POST."""
    headers = {"Authorization": "Bearer sk_test_x", "Sandbox-Created": "1790000000"}
    pairs = [("amount", "900"), ("currency", "usd"), ("confirm", "true")]
    pairs.append(("payment_method", "pm_card_visa"))

    intent = shop.sandbox.request("POST", "/v1/payment_intents", pairs, headers).json()

    assert intent["created"] == 1790000000
    assert {1790000000} == {event["created"] for _, event in shop.book.events_after(0)}


def test_a_chosen_fingerprint_is_the_same_card(shop):
    """Two cards made with one sandbox_fingerprint share it; others do not."""

    def card(fingerprint=None):
        metadata = {} if fingerprint is None else {"sandbox_fingerprint": fingerprint}
        return shop.v1.payment_methods.create(
            {"type": "card", "card": {"token": "tok_visa"}, "metadata": metadata}
        ).card.fingerprint

    assert "ann-visa" == card("ann-visa") == card("ann-visa")
    assert card() != card()


def test_card_numbers_are_refused(shop):
    """The sandbox takes test tokens only."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.payment_methods.create({"type": "card", "card": {"number": "4242424242424242"}})

    assert caught.value.param == "card[token]"


def test_an_attached_card_pays_only_for_its_customer(shop):
    """Attaching emits payment_method.attached; another customer's payment with it is refused."""
    customer, other = shop.customer(), shop.customer()
    card = shop.v1.payment_methods.attach("pm_card_mastercard", {"customer": customer.id})
    shop.pay(customer=customer.id, payment_method=card.id)

    with pytest.raises(stripe.InvalidRequestError):
        shop.pay(customer=other.id, payment_method=card.id)
    assert [card.id] == [m.id for m in shop.v1.customers.payment_methods.list(customer.id).data]


def test_a_declined_card_leaves_a_failed_charge(shop):
    """A decline is a 402 with the payment intent inside; the failed charge stays in the book."""
    with pytest.raises(stripe.CardError) as caught:
        shop.pay(payment_method="pm_card_chargeDeclined")

    assert (caught.value.code, caught.value.http_status) == ("card_declined", 402)
    (charge,) = shop.v1.charges.list().data
    assert (charge.status, charge.captured, charge.amount_captured) == ("failed", False, 0)
    intent = shop.v1.payment_intents.retrieve(charge.payment_intent)
    assert ("requires_payment_method", charge.id) == (intent.status, intent.latest_charge)
    assert (shop.event_types()) == [
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
    ]


def test_a_declined_intent_is_paid_by_another_card(shop):
    """One payment intent has many failed charges and at most one that succeeded."""
    with pytest.raises(stripe.CardError):
        shop.pay(payment_method="pm_card_chargeDeclinedInsufficientFunds")
    intent_id = shop.v1.payment_intents.list().data[0].id

    intent = shop.v1.payment_intents.confirm(intent_id, {"payment_method": "pm_card_amex"})

    assert intent.status == "succeeded"
    charges = shop.v1.charges.list({"payment_intent": intent_id}).data
    assert [charge.status for charge in charges] == ["succeeded", "failed"]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.payment_intents.confirm(intent_id)
    assert caught.value.code == "payment_intent_unexpected_state"


def authorize(shop, amount=1000):
    return shop.v1.payment_intents.create({
        "amount": amount, "currency": "usd", "confirm": True, "capture_method": "manual",
        "payment_method": "pm_card_visa",
    })  # fmt: skip


def test_an_authorization_is_captured_in_part(shop):
    """A final partial capture leaves amount_captured below amount."""
    intent = authorize(shop)

    shop.v1.payment_intents.capture(intent.id, {"amount_to_capture": 600})

    charge = shop.v1.charges.retrieve(intent.latest_charge)
    assert (charge.amount, charge.amount_captured, charge.captured) == (1000, 600, True)
    assert {"payment_intent.amount_capturable_updated", "charge.captured"} < set(shop.event_types())


def test_an_authorization_is_captured_in_several_parts(shop):
    """With final_capture=false the intent stays capturable."""
    intent = authorize(shop)

    first = shop.v1.payment_intents.capture(
        intent.id, {"amount_to_capture": 300, "final_capture": False}
    )
    last = shop.v1.payment_intents.capture(intent.id, {"amount_to_capture": 200})

    assert (first.status, first.amount_capturable) == ("requires_capture", 700)
    assert (last.status, last.amount_received) == ("succeeded", 500)
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.payment_intents.capture(intent.id)


def test_more_than_authorized_cannot_be_captured(shop):
    """Overcapture is refused."""
    intent = authorize(shop)

    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.payment_intents.capture(intent.id, {"amount_to_capture": 1001})

    assert caught.value.code == "amount_too_large"


def test_a_canceled_authorization_is_given_back(shop):
    """Canceling releases the authorization, which Stripe books as a refund of an uncaptured charge."""
    intent = authorize(shop)

    canceled = shop.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "duplicate"})

    charge = shop.v1.charges.retrieve(intent.latest_charge)
    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "duplicate")
    assert (charge.captured, charge.refunded, charge.amount_captured) == (False, True, 0)
    assert "payment_intent.canceled" in shop.event_types()


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        pytest.param(49, "usd", "amount_too_small", id="below Stripe's minimum"),
        pytest.param(0, "usd", "parameter_invalid_integer", id="nothing"),
        pytest.param(-5, "usd", "parameter_invalid_integer", id="negative"),
        pytest.param(100_000_000, "usd", "amount_too_large", id="above Stripe's maximum"),
        pytest.param(1005, "kwd", "invalid_charge_amount", id="third decimal not 0"),
    ],
)
def test_impossible_amounts_are_refused(shop, amount, currency, code):
    """An amount that Stripe would not charge is a 400 that names the parameter."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.pay(amount, currency)

    assert (code, "amount") == (caught.value.code, caught.value.param)


def test_updates_merge_metadata_and_tell_what_changed(shop):
    """An empty value unsets a key; customer.updated carries only the old values of what changed."""
    customer = shop.customer(metadata={"a": "1", "b": "2"})

    updated = shop.v1.customers.update(customer.id, {"name": "Ann", "metadata": {"a": ""}})

    assert updated.metadata.to_dict() == {"b": "2"}
    event = shop.events("customer.updated")[0]
    assert event["data"]["previous_attributes"] == {"name": None, "metadata": {"a": "1"}}


def test_a_charge_can_be_reported_as_fraud_without_a_refund(shop):
    """charges.update takes fraud_details and metadata."""
    charge = shop.pay()

    updated = shop.v1.charges.update(
        charge.id, {"fraud_details": {"user_report": "fraudulent"}, "metadata": {"k": "v"}}
    )

    assert (updated.fraud_details.user_report, updated.metadata["k"]) == ("fraudulent", "v")


def test_balance_transactions_are_listed_by_source(shop):
    """The list finds the one entry of a charge."""
    charge = shop.pay()
    shop.pay()

    (entry,) = shop.v1.balance_transactions.list({"source": charge.id}).data

    assert charge.id == entry.source
    assert entry.id == shop.v1.balance_transactions.retrieve(entry.id).id
