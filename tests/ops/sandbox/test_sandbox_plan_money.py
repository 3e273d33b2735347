"""Prorations that wait, the customer's balance, credit notes, and changes that others make."""

import pytest
import stripe

NOON = 1793620800
DECEMBER = 1796212800  # 2026-12-02T12:00:00Z
DAY = 86_400


def change(plans, subscription, price, **params):
    """Move the subscription's one item to another price."""
    item = subscription["items"].data[0]
    given = {"items": [{"id": item.id, "price": price.id}]}
    return plans.shop.v1.subscriptions.update(subscription.id, given | params)


def waiting(plans):
    """The amounts that wait for an invoice, oldest first."""
    query = {"customer": plans.customer.id, "pending": True}
    return [item.amount for item in plans.shop.v1.invoice_items.list(query).data][::-1]


def balance(plans):
    return plans.shop.v1.customers.retrieve(plans.customer.id).balance


def newest_invoice(plans):
    return plans.shop.v1.invoices.list({"customer": plans.customer.id, "limit": 1}).data[0]


def test_prorations_wait_for_the_renewal(plans):
    """Half of the month is credited at the old price and charged at the new one, with the next invoice."""
    subscription = plans.subscribe()
    plans.shop.clock.advance(15 * DAY)
    change(plans, subscription, plans.pro)

    assert [-500, 1250] == waiting(plans)

    renewed = plans.renew(subscription)

    assert [] == waiting(plans)
    assert 2500 - 500 + 1250 == renewed["invoice"]["total"]
    lines = renewed["invoice"]["lines"]["data"]
    prorated = [line["parent"]["subscription_item_details"]["proration"] for line in lines]
    assert [True, True, False] == prorated


def test_a_waiting_proration_can_be_deleted(plans):
    """What waits can be taken back once; what an invoice bears cannot."""
    subscription = plans.subscribe()
    plans.shop.clock.advance(15 * DAY)
    change(plans, subscription, plans.pro)
    first, second = plans.shop.v1.invoice_items.list({"customer": plans.customer.id}).data
    plans.shop.v1.invoice_items.delete(first.id)

    assert [-500] == waiting(plans)
    with pytest.raises(stripe.InvalidRequestError) as gone:
        plans.shop.v1.invoice_items.delete(first.id)
    assert "resource_missing" == gone.value.code

    plans.renew(subscription)

    with pytest.raises(stripe.InvalidRequestError, match="cannot be edited"):
        plans.shop.v1.invoice_items.delete(second.id)


def test_an_item_of_ones_own(plans):
    """What a merchant leaves for the next invoice is on it."""
    subscription = plans.subscribe()
    item = plans.shop.v1.invoice_items.create(
        {"customer": plans.customer.id, "amount": 300, "currency": "usd", "description": "Set-up"}
    )
    renewed = plans.renew(subscription)

    assert (item.id, False) == (
        renewed["invoice"]["lines"]["data"][0]["parent"]["invoice_item_details"]["invoice_item"],
        item.proration,
    )
    assert 1300 == renewed["invoice"]["amount_paid"]


def test_a_credit_lies_in_the_balance(plans):
    """An invoice below nothing credits the customer, and the next one uses that."""
    subscription = plans.subscribe(items=[{"price": plans.pro.id}])
    plans.shop.clock.advance(15 * DAY)
    change(plans, subscription, plans.basic, proration_behavior="always_invoice")
    invoice = newest_invoice(plans)

    assert (-750, 0, "paid") == (invoice.total, invoice.amount_due, invoice.status)
    assert (0, -750) == (invoice.starting_balance, invoice.ending_balance)
    assert -750 == balance(plans)

    plans.renew(subscription)
    invoice = newest_invoice(plans)

    assert (1000, 250, 250) == (invoice.total, invoice.amount_due, invoice.amount_paid)
    assert (-750, 0) == (invoice.starting_balance, invoice.ending_balance)
    entries = plans.shop.v1.customers.balance_transactions.list(plans.customer.id).data
    assert [("applied_to_invoice", 750), ("applied_to_invoice", -750)] == [
        (entry.type, entry.amount) for entry in entries
    ]


def test_an_adjustment(plans):
    """A balance is changed by hand; nothing is no change."""
    entries = plans.shop.v1.customers.balance_transactions
    entry = entries.create(plans.customer.id, {"amount": -40, "currency": "usd"})

    assert (-40, "adjustment", -40) == (entry.amount, entry.type, entry.ending_balance)
    assert -40 == balance(plans)
    with pytest.raises(stripe.InvalidRequestError, match="zero"):
        entries.create(plans.customer.id, {"amount": 0, "currency": "usd"})


def test_a_voided_invoice_gives_the_balance_back(plans):
    """What an invoice took from the balance lies there again."""
    plans.shop.v1.customers.balance_transactions.create(
        plans.customer.id, {"amount": -40, "currency": "usd"}
    )
    invoice = plans.shop.v1.invoices.create({"customer": plans.customer.id})
    plans.shop.v1.invoice_items.create(
        {"customer": plans.customer.id, "invoice": invoice.id, "amount": 100, "currency": "usd"}
    )
    finalized = plans.shop.v1.invoices.finalize_invoice(invoice.id)

    assert (60, 0) == (finalized.amount_due, balance(plans))

    plans.shop.v1.invoices.void_invoice(invoice.id)

    assert -40 == balance(plans)


def test_a_note_on_a_paid_invoice(plans):
    """A note names where the money went: a refund that was made, the balance, or a refund that it makes."""
    subscription = plans.subscribe()
    (charge,) = plans.shop.v1.charges.list({"customer": plans.customer.id}).data
    refund = plans.shop.v1.refunds.create({"charge": charge.id, "amount": 300})
    notes = plans.shop.v1.credit_notes
    note = notes.create(
        {
            "invoice": subscription.latest_invoice,
            "amount": 450,
            "refunds": [{"refund": refund.id, "amount_refunded": 300}],
            "refund_amount": 100,
            "credit_amount": 50,
            "reason": "order_change",
        }
    )
    invoice = plans.shop.v1.invoices.retrieve(subscription.latest_invoice)

    assert ("issued", "post_payment", 450) == (note.status, note.type, note.amount)
    assert (450, 0) == (
        invoice.post_payment_credit_notes_amount,
        invoice.pre_payment_credit_notes_amount,
    )
    assert 400 == plans.shop.v1.charges.retrieve(charge.id).amount_refunded
    assert -50 == balance(plans)
    assert [note.id] == [one.id for one in notes.list({"invoice": invoice.id}).data]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"amount": 1001, "refund_amount": 1001}, "must be 1 to 1000"),
        ({"amount": 0}, "must be 1 to 1000"),
        ({"amount": 500, "refund_amount": 400}, "must be the amount"),
        ({"amount": 500}, "must be the amount"),
        ({}, "amount"),
        ({"amount": 500, "refunds": [{"refund": "re_unknown"}]}, "No such refund"),
    ],
)
def test_notes_that_do_not_add_up(plans, given, words):
    """A note is neither more than its invoice nor other than its parts."""
    subscription = plans.subscribe()

    with pytest.raises(stripe.InvalidRequestError, match=words):
        plans.shop.v1.credit_notes.create({"invoice": subscription.latest_invoice} | given)


def test_a_note_on_an_open_invoice(plans):
    """A note before the payment asks for less; a note of all of it settles the invoice."""
    invoice = plans.shop.v1.invoices.create({"customer": plans.customer.id})
    plans.shop.v1.invoice_items.create(
        {"customer": plans.customer.id, "invoice": invoice.id, "amount": 100, "currency": "usd"}
    )
    plans.shop.v1.invoices.finalize_invoice(invoice.id)
    note = plans.shop.v1.credit_notes.create({"invoice": invoice.id, "amount": 30})
    lowered = plans.shop.v1.invoices.retrieve(invoice.id)

    assert ("pre_payment", 70, 70, 30) == (
        note.type,
        lowered.amount_due,
        lowered.amount_remaining,
        lowered.pre_payment_credit_notes_amount,
    )

    plans.shop.v1.credit_notes.create({"invoice": invoice.id, "amount": 70})

    assert "paid" == plans.shop.v1.invoices.retrieve(invoice.id).status


def test_a_trial_ends_the_period(plans):
    """A trial's end that is set without proration bills nothing until then, and the price from then on."""
    subscription = plans.subscribe()
    plans.shop.clock.advance(5 * DAY)
    moved = change(plans, subscription, plans.annual, proration_behavior="none", trial_end=DECEMBER)

    assert ("trialing", DECEMBER) == (moved.status, moved["items"].data[0].current_period_end)
    assert subscription.latest_invoice == newest_invoice(plans).id

    renewed = plans.renew(subscription)

    assert ("active", 10_000) == (renewed["subscription"]["status"], renewed["invoice"]["total"])


@pytest.mark.parametrize(
    "given", [{"trial_end": NOON}, {"trial_end": DECEMBER, "proration_behavior": "always_invoice"}]
)
def test_trials_that_are_not_modelled(plans, given):
    """Anything else about a trial is refused, not guessed."""
    subscription = plans.subscribe()

    with pytest.raises(stripe.InvalidRequestError, match="sandbox"):
        change(plans, subscription, plans.pro, **given)


@pytest.mark.parametrize(
    ("by", "keyed", "portal"),
    [("dashboard", False, False), ("portal", False, True), ("api", True, False)],
)
def test_others_change_a_subscription(plans, by, keyed, portal):
    """A change bears the request of whoever made it: only programs send keys, only customers open the portal."""
    subscription = plans.subscribe()
    after = plans.shop.book.last_event_seq()
    item = subscription["items"].data[0].id
    path = f"/sandbox/subscriptions/{subscription.id}/change"
    plans.shop.control("POST", path, {"by": by, "items": [{"id": item, "price": plans.pro.id}]})
    told = [event for _, event in plans.shop.book.events_after(after)]
    (updated,) = [one for one in told if one["type"] == "customer.subscription.updated"]

    assert updated["request"]["id"].startswith("req_")
    assert keyed == (updated["request"]["idempotency_key"] is not None)
    assert portal == ("billing_portal.session.created" in [one["type"] for one in told])
