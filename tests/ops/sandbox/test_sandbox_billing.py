"""Products, prices, subscriptions, schedules, invoices and their payments."""

import pytest
import stripe

from policy.billing_periods import period_end

NOON = 1793620800
DECEMBER = 1796212800  # 2026-12-02T12:00:00Z
JANUARY = 1798891200  # 2027-01-02T12:00:00Z


def test_a_subscription_is_charged_through_an_invoice(plans):
    """The chain charge, payment intent, invoice payment, invoice, subscription, price can be walked."""
    shop = plans.shop
    subscription = plans.subscribe(metadata={"seat": "7"})

    (charge,) = shop.v1.charges.list({"customer": plans.customer.id}).data
    (payment,) = shop.v1.invoice_payments.list({
        "payment": {"type": "payment_intent", "payment_intent": charge.payment_intent},
        "expand": ["data.invoice"],
    }).data  # fmt: skip
    invoice = payment.invoice
    line = invoice.lines.data[0]

    assert (subscription.status, payment.status, invoice.status) == ("active", "paid", "paid")
    assert "invoice" not in charge
    assert (payment.amount_paid, payment.is_default) == (1000, True)
    assert invoice.billing_reason == "subscription_create"
    details = invoice.parent.subscription_details
    assert (subscription.id, "7") == (details.subscription, details.metadata["seat"])
    assert plans.basic.id == line.pricing.price_details.price
    item = line.parent.subscription_item_details
    assert (subscription["items"].data[0].id, False) == (item.subscription_item, item.proration)
    assert (line.period.start, line.period.end) == (NOON, DECEMBER)


def test_price_changed(plans):
    """A price can be renamed, described and taken off sale; price.updated says what was before."""
    changed = plans.shop.v1.prices.update(
        plans.basic.id, {"nickname": "Old", "active": False, "metadata": {"redress_credits": "100"}}
    )

    assert ("Old", False, "100") == (
        changed.nickname,
        changed.active,
        changed.metadata["redress_credits"],
    )
    assert "price.updated" == plans.shop.event_types()[-1]


def test_events_of_a_first_payment(plans):
    """invoice_payment.paid and invoice.paid follow the charge; the subscription becomes active."""
    mark = plans.shop.book.last_event_seq()

    plans.subscribe()

    assert plans.shop.event_types(mark) == [
        "customer.subscription.created", "invoice.created", "payment_intent.created",
        "invoice.finalized", "charge.succeeded", "charge.updated", "payment_intent.succeeded",
        "invoice_payment.paid", "invoice.paid", "invoice.payment_succeeded",
        "customer.subscription.updated",
    ]  # fmt: skip


def test_periods_are_on_the_items(plans):
    """Since basil a subscription has no period of its own."""
    subscription = plans.subscribe()
    item = subscription["items"].data[0]

    assert (item.current_period_start, item.current_period_end) == (NOON, DECEMBER)
    assert "current_period_end" not in subscription


def test_a_renewal_moves_the_period_and_charges_again(plans):
    """A renewal is automatic: no request, billing_reason subscription_cycle, previous items told."""
    shop, subscription = plans.shop, plans.subscribe()
    mark = shop.book.last_event_seq()

    renewed = plans.renew(subscription)

    item = renewed["subscription"]["items"]["data"][0]
    assert (item["current_period_start"], item["current_period_end"]) == (DECEMBER, JANUARY)
    assert renewed["invoice"]["billing_reason"] == "subscription_cycle"
    assert (renewed["invoice"]["status"], renewed["charge"]["amount"]) == ("paid", 1000)
    fresh = [event for _, event in shop.book.events_after(mark)]
    assert {None} == {event["request"]["id"] for event in fresh}
    update = next(e for e in fresh if e["type"] == "customer.subscription.updated")
    old = update["data"]["previous_attributes"]["items"]["data"][0]
    assert (NOON, plans.basic.id) == (old["current_period_start"], old["price"]["id"])


def test_a_renewal_that_is_declined_leaves_the_invoice_open(plans):
    """The subscription is past_due, and paying the invoice by hand makes it active again."""
    shop, subscription = plans.shop, plans.subscribe()
    card = shop.v1.payment_methods.attach("pm_card_chargeDeclined", {"customer": plans.customer.id})
    shop.v1.subscriptions.update(subscription.id, {"default_payment_method": card.id})

    renewed = plans.renew(subscription)

    assert (renewed["subscription"]["status"], renewed["invoice"]["status"]) == ("past_due", "open")
    assert "invoice.payment_failed" in shop.event_types()

    paid = shop.v1.invoices.pay(renewed["invoice"]["id"], {"payment_method": "pm_card_visa"})

    assert paid.status == "paid"
    assert shop.v1.subscriptions.retrieve(subscription.id).status == "active"


@pytest.mark.parametrize(
    ("behavior", "status"),
    [
        pytest.param("allow_incomplete", "incomplete", id="stays incomplete"),
        pytest.param("default_incomplete", "incomplete", id="waits for the page"),
    ],
)
def test_an_unpaid_first_invoice_leaves_the_subscription_incomplete(plans, behavior, status):
    """No access is given before the first payment."""
    card = plans.shop.v1.payment_methods.attach(
        "pm_card_chargeDeclined", {"customer": plans.customer.id}
    )

    subscription = plans.subscribe(default_payment_method=card.id, payment_behavior=behavior)

    assert status == subscription.status
    assert plans.shop.v1.invoices.retrieve(subscription.latest_invoice).status == "open"


def test_error_if_incomplete_leaves_nothing_behind(plans):
    """A 402, and no subscription, invoice or charge."""
    card = plans.shop.v1.payment_methods.attach(
        "pm_card_chargeDeclined", {"customer": plans.customer.id}
    )

    with pytest.raises(stripe.CardError):
        plans.subscribe(default_payment_method=card.id, payment_behavior="error_if_incomplete")

    assert list(plans.shop.book.newest_first("subscriptions")) == []
    assert list(plans.shop.book.newest_first("charges")) == []


def test_a_trial_is_not_charged(plans):
    """A trialing subscription has no invoice yet; its first renewal bills it."""
    subscription = plans.subscribe(trial_period_days=7)

    assert (subscription.status, subscription.trial_end) == ("trialing", NOON + 7 * 86400)
    assert list(plans.shop.book.newest_first("charges")) == []
    assert plans.renew(subscription)["subscription"]["status"] == "active"


def change(plans, subscription, price, **params):
    item = subscription["items"].data[0].id
    given = {"items": [{"id": item, "price": price.id, "quantity": 1}]}
    return plans.shop.v1.subscriptions.update(subscription.id, given | params)


def test_a_price_change_without_proration_waits_for_the_renewal(plans):
    """The plan changes at once, the money with the next invoice; the old price is told."""
    shop, subscription = plans.shop, plans.subscribe()

    changed = change(plans, subscription, plans.pro, proration_behavior="none")

    assert plans.pro.id == changed["items"].data[0].price.id
    assert len(list(shop.book.newest_first("invoices"))) == 1
    previous = shop.events("customer.subscription.updated")[-1]["data"]["previous_attributes"]
    assert plans.basic.id == previous["items"]["data"][0]["price"]["id"]
    assert plans.renew(subscription)["invoice"]["total"] == 2500


def test_prorations_are_billed_with_the_next_invoice(plans):
    """Half a period of 10.00 is credited and half of 25.00 charged, in whole cents."""
    subscription = plans.subscribe()
    plans.shop.clock.advance(15 * 86400)

    change(plans, subscription, plans.pro)

    invoice = plans.renew(subscription)["invoice"]
    assert [line["amount"] for line in invoice["lines"]["data"]] == [-500, 1250, 2500]
    flags = [
        line["parent"]["subscription_item_details"]["proration"]
        for line in invoice["lines"]["data"]
    ]
    assert flags == [True, True, False]


def test_always_invoice_bills_prorations_now(plans):
    """The difference is charged at once by an invoice of reason subscription_update."""
    subscription = plans.subscribe()
    plans.shop.clock.advance(15 * 86400)

    changed = change(plans, subscription, plans.pro, proration_behavior="always_invoice")

    invoice = plans.shop.v1.invoices.retrieve(changed.latest_invoice)
    assert (
        invoice.billing_reason, invoice.total, invoice.status,
    ) == ("subscription_update", 750, "paid")  # fmt: skip


def test_monthly_to_annual_begins_a_new_period(plans):
    """A change of interval moves the anchor and charges the whole new period at once."""
    subscription = plans.subscribe()
    plans.shop.clock.advance(86400)

    changed = change(
        plans,
        subscription,
        plans.annual,
        billing_cycle_anchor={"type": "now"},
        proration_behavior="none",
        payment_behavior="pending_if_incomplete",
    )

    item = changed["items"].data[0]
    assert (NOON + 86400, plans.annual.id) == (item.current_period_start, item.price.id)
    assert plans.shop.v1.invoices.retrieve(changed.latest_invoice).amount_paid == 10_000


def test_the_anchor_is_an_object(plans):
    """Since endive the string form is refused."""
    subscription = plans.subscribe()

    with pytest.raises(stripe.InvalidRequestError) as caught:
        plans.shop.v1.subscriptions.update(subscription.id, {"billing_cycle_anchor": "now"})

    assert caught.value.param == "billing_cycle_anchor"


def test_a_change_that_is_not_paid_waits_in_pending_update(plans):
    """pending_if_incomplete keeps the old price until the new one is paid."""
    subscription = plans.subscribe()
    card = plans.shop.v1.payment_methods.attach(
        "pm_card_chargeDeclined", {"customer": plans.customer.id}
    )
    plans.shop.v1.subscriptions.update(subscription.id, {"default_payment_method": card.id})

    changed = change(plans, subscription, plans.annual, payment_behavior="pending_if_incomplete")

    assert plans.basic.id == changed["items"].data[0].price.id
    assert plans.annual.id == changed.pending_update.subscription_items[0].price.id


def parked(plans):
    """A subscription whose change to the annual price waits for a card that is declined."""
    subscription = plans.subscribe()
    card = plans.shop.v1.payment_methods.attach(
        "pm_card_chargeDeclined", {"customer": plans.customer.id}
    )
    plans.shop.v1.subscriptions.update(subscription.id, {"default_payment_method": card.id})
    return change(plans, subscription, plans.annual, payment_behavior="pending_if_incomplete")


def shown_prices(plans, subscription):
    shown = plans.shop.v1.subscriptions.retrieve(subscription.id)
    return [item.price.id for item in shown["items"].data], shown.pending_update


def test_the_payment_applies_a_pending_update(plans):
    """Who pays the invoice gets the new price, and both events tell of it."""
    subscription = parked(plans)
    good = plans.shop.v1.payment_methods.attach("pm_card_visa", {"customer": plans.customer.id})
    plans.shop.v1.invoices.pay(subscription.latest_invoice, {"payment_method": good.id})

    assert ([plans.annual.id], None) == shown_prices(plans, subscription)
    assert [
        "customer.subscription.updated",
        "customer.subscription.pending_update_applied",
    ] == plans.shop.event_types()[-2:]


def test_a_pending_update_ends_with_its_invoice(plans):
    """Voiding the invoice discards the change."""
    subscription = parked(plans)
    plans.shop.v1.invoices.void_invoice(subscription.latest_invoice)

    assert ([plans.basic.id], None) == shown_prices(plans, subscription)
    assert "customer.subscription.pending_update_expired" == plans.shop.event_types()[-1]


@pytest.mark.parametrize("ends", ["a day", "the period"])
def test_a_pending_update_expires(plans, ends):
    """After 23 hours, or at the period's end, the change and its invoice are gone."""
    subscription = parked(plans)
    if ends == "a day":
        plans.shop.clock.advance(23 * 3600)
        plans.shop.sandbox.tick()
    else:
        plans.renew(subscription)

    assert ([plans.basic.id], None) == shown_prices(plans, subscription)
    assert "void" == plans.shop.v1.invoices.retrieve(subscription.latest_invoice).status
    assert "customer.subscription.pending_update_expired" in plans.shop.event_types()


def test_a_trial_lasts_whatever_the_price(plans):
    """A new price, even of another interval, charges nothing within a trial; no new period begins in one."""
    subscription = plans.subscribe(trial_period_days=30)
    ends = subscription["items"].data[0].current_period_end
    changed = change(plans, subscription, plans.annual)

    assert ("trialing", ends) == (changed.status, changed["items"].data[0].current_period_end)
    assert [] == list(plans.shop.book.newest_first("invoiceitems"))
    assert [] == list(plans.shop.book.newest_first("charges"))

    with pytest.raises(stripe.InvalidRequestError) as caught:
        change(plans, subscription, plans.pro, billing_cycle_anchor={"type": "now"})

    assert "subscription_update_trial_after_billing_cycle_anchor" == caught.value.code


def test_a_trial_that_is_ended(plans):
    """Ending the trial begins a period and bills it in full."""
    subscription = plans.subscribe(trial_period_days=30)
    plans.shop.clock.advance(86_400)
    changed = change(plans, subscription, plans.pro, trial_end="now")

    assert ("active", NOON + 86_400) == (
        changed.status,
        changed["items"].data[0].current_period_start,
    )
    assert 2500 == plans.shop.v1.invoices.retrieve(changed.latest_invoice).amount_paid


def test_cancel_at_period_end_ends_at_the_renewal(plans):
    """Until then the subscription is active; then it is deleted and not charged."""
    subscription = plans.subscribe()
    updated = plans.shop.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})

    assert (updated.status, updated.cancel_at) == ("active", DECEMBER)

    ended = plans.renew(subscription)

    assert (ended["subscription"]["status"], ended["invoice"]) == ("canceled", None)
    assert plans.shop.event_types()[-1] == "customer.subscription.deleted"


def test_cancel_gives_no_money_back(plans):
    """A canceled subscription has ended_at, and its charge is untouched."""
    subscription = plans.subscribe()

    canceled = plans.shop.v1.subscriptions.cancel(subscription.id)

    assert (canceled.status, canceled.ended_at) == ("canceled", NOON)
    assert list(plans.shop.book.newest_first("refunds")) == []
    assert plans.shop.v1.subscriptions.list({"customer": plans.customer.id}).data == []
    listed = plans.shop.v1.subscriptions.list({"status": "all"}).data
    assert [subscription.id] == [row.id for row in listed]


def schedule_upgrade(plans, subscription):
    v1 = plans.shop.v1
    schedule = v1.subscription_schedules.create({"from_subscription": subscription.id})
    first = schedule.phases[0]
    return v1.subscription_schedules.update(
        schedule.id,
        {
            "end_behavior": "release",
            "proration_behavior": "none",
            "phases": [
                {
                    "start_date": first.start_date,
                    "end_date": first.end_date,
                    "items": [{"price": plans.basic.id, "quantity": 1}],
                    "proration_behavior": "none",
                },
                {
                    "items": [{"price": plans.pro.id, "quantity": 1}],
                    "duration": {"interval": "month", "interval_count": 1},
                    "proration_behavior": "none",
                },
            ],
        },
    )


def test_a_schedule_changes_the_price_at_the_period_end(plans):
    """Phase 2 begins with the renewal, and after it the schedule lets the subscription go."""
    subscription = plans.subscribe()

    schedule = schedule_upgrade(plans, subscription)

    assert [phase.start_date for phase in schedule.phases] == [NOON, DECEMBER]
    current = plans.shop.v1.subscriptions.retrieve(subscription.id)
    assert (schedule.id, plans.basic.id) == (current.schedule, current["items"].data[0].price.id)
    assert plans.renew(subscription)["charge"]["amount"] == 2500
    assert plans.renew(subscription)["charge"]["amount"] == 2500
    assert plans.shop.v1.subscription_schedules.retrieve(schedule.id).status == "released"
    assert plans.shop.v1.subscriptions.retrieve(subscription.id).schedule is None


def test_releasing_a_schedule_undoes_the_change(plans):
    """The subscription goes on with its price."""
    subscription = plans.subscribe()
    schedule = schedule_upgrade(plans, subscription)

    released = plans.shop.v1.subscription_schedules.release(schedule.id)

    assert ("released", subscription.id) == (released.status, released.released_subscription)
    assert plans.renew(subscription)["charge"]["amount"] == 1000


def test_canceling_a_schedule_cancels_its_subscription(plans):
    """Never use it for undo."""
    subscription = plans.subscribe()
    schedule = schedule_upgrade(plans, subscription)

    assert plans.shop.v1.subscription_schedules.cancel(schedule.id).status == "canceled"
    assert plans.shop.v1.subscriptions.retrieve(subscription.id).status == "canceled"


def test_a_second_schedule_is_refused(plans):
    """A subscription has one schedule at most."""
    subscription = plans.subscribe()
    plans.shop.v1.subscription_schedules.create({"from_subscription": subscription.id})

    with pytest.raises(stripe.InvalidRequestError):
        plans.shop.v1.subscription_schedules.create({"from_subscription": subscription.id})


def manual_invoice(plans, amount=1200):
    v1 = plans.shop.v1
    invoice = v1.invoices.create({"customer": plans.customer.id, "metadata": {"po": "9"}})
    v1.invoice_items.create({
        "customer": plans.customer.id, "invoice": invoice.id, "amount": amount, "currency": "usd",
    })  # fmt: skip
    return v1.invoices.finalize_invoice(invoice.id)


def test_an_invoice_can_be_paid_twice(plans):
    """A second payment intent on a paid invoice makes it overpaid; both are invoice payments."""
    shop, invoice = plans.shop, manual_invoice(plans)
    shop.v1.invoices.pay(invoice.id)
    again = shop.pay(1200, customer=plans.customer.id)

    after = shop.v1.invoices.attach_payment(invoice.id, {"payment_intent": again.payment_intent})

    assert (after.status, after.amount_paid, after.amount_overpaid) == ("paid", 2400, 1200)
    payments = shop.v1.invoice_payments.list({"invoice": invoice.id}).data
    assert [(p.status, p.is_default) for p in payments] == [("paid", False), ("paid", True)]
    assert shop.event_types()[-1] == "invoice.overpaid"
    assert len(shop.events("invoice_payment.paid")) == 2


def test_a_payment_attached_before_it_succeeds_settles_the_invoice(plans):
    """The invoice is paid when the attached payment intent is confirmed."""
    shop, invoice = plans.shop, manual_invoice(plans)
    intent = shop.v1.payment_intents.create({
        "amount": 1200, "currency": "usd", "customer": plans.customer.id,
    })  # fmt: skip
    shop.v1.invoices.attach_payment(invoice.id, {"payment_intent": intent.id})

    shop.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})

    assert shop.v1.invoices.retrieve(invoice.id).status == "paid"


def test_a_void_invoice_waits_for_nothing(plans):
    """Voiding cancels the open payment; a void invoice cannot be paid."""
    shop, invoice = plans.shop, manual_invoice(plans)

    assert shop.v1.invoices.void_invoice(invoice.id).status == "void"
    assert shop.v1.invoice_payments.list({"invoice": invoice.id}).data[0].status == "canceled"
    with pytest.raises(stripe.InvalidRequestError):
        shop.v1.invoices.pay(invoice.id)


def test_an_invoice_may_be_paid_out_of_band(plans):
    """No charge is made."""
    shop, invoice = plans.shop, manual_invoice(plans)

    assert shop.v1.invoices.pay(invoice.id, {"paid_out_of_band": True}).status == "paid"
    assert list(shop.book.newest_first("charges")) == []


def test_invoices_are_listed_by_subscription(plans):
    """The filter reads parent.subscription_details."""
    subscription = plans.subscribe()
    manual_invoice(plans)

    listed = plans.shop.v1.invoices.list({"subscription": subscription.id}).data

    assert [subscription.latest_invoice] == [invoice.id for invoice in listed]
    assert len(plans.shop.v1.invoices.list({"customer": plans.customer.id}).data) == 2


@pytest.mark.parametrize(
    ("start", "interval", "count", "anchor", "end"),
    [
        pytest.param(NOON, "day", 3, NOON, NOON + 3 * 86400, id="three days"),
        pytest.param(NOON, "week", 1, NOON, NOON + 7 * 86400, id="a week"),
        pytest.param(1769860800, "month", 1, 1769860800, 1772280000, id="31 Jan to 28 Feb"),
        pytest.param(1772280000, "month", 1, 1769860800, 1774958400, id="28 Feb back to 31 Mar"),
        pytest.param(1835438400, "year", 1, 1835438400, 1866974400, id="29 Feb to 28 Feb"),
    ],
)
def test_periods_follow_the_calendar(start, interval, count, anchor, end):
    """Short months end early and the anchor's day returns."""
    assert end == period_end(start, interval, count, anchor)
