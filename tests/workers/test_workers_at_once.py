"""Several workers at once on one database: each duplicate is decided once, each lane in its order."""

import random
import threading
from collections import Counter

import pytest

from ledger.inbox import claim_events, settle_events
from ledger.states import EventState, IntentState
from ledger.tables import cases, decisions, events
from tests.fakes.at_once import at_once
from tests.fakes.worker_world import Meanwhile
from workers import crash_points
from workers.drain import drain_events
from workers.effects import send_refund

CUSTOMERS = 30


@pytest.fixture
def shop(world):
    """A shop's morning: thirty customers, every third one charged twice; returns the duplicates."""
    duplicates = set()
    for number in range(CUSTOMERS):
        customer = world.customer()
        world.pay(customer, order=f"order-{number}")
        if number % 3 == 0:
            duplicates.add(world.pay(customer, order=f"order-{number}"))
    return duplicates


def drain_in_threads(world, count):
    """Run one drain job in each of `count` processes' worth of threads."""
    contexts = [world.fresh_context() for _ in range(count)]
    return sum(at_once(drain_events, contexts))


@pytest.mark.parametrize("workers", [2, 6])
def test_each_duplicate_is_decided_once(world, shop, workers):
    """However many workers drain one inbox, each duplicate has one case, one decision, one intent."""
    told = world.new_events()
    random.Random(workers).shuffle(told)
    world.receive(*told)
    world.receive(*told)

    drain_in_threads(world, workers)
    for _ in range(5):
        world.clock.advance(16)
        world.sweep()
        drain_in_threads(world, workers)

    assert not [row for row in world.rows(events) if row.state in (EventState.NEW, "claimed")]
    assert shop == {row.charge_id for row in world.rows(cases)}
    assert shop == {intent.charge_id for intent in world.intents()}
    assert len(shop) == len(world.rows(decisions)) == len(world.intents())


@pytest.mark.parametrize("first", ["charge.succeeded", "invoice_payment.paid"])
def test_two_halves_at_the_same_moment(world, first):
    """A payment and its tie to an invoice, written by two workers at once: the second sees the first.

    Their lanes differ, and on PostgreSQL each would read before the other has committed.
    """
    customer = world.customer()
    card = world.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
    world.v1.payment_methods.attach(card.id, {"customer": customer})
    given = {"customer": customer, "currency": "usd"}
    invoice = world.v1.invoices.create(given | {"auto_advance": False}).id
    world.v1.invoice_items.create(given | {"invoice": invoice, "amount": 1500})
    world.v1.invoices.finalize_invoice(invoice, {"auto_advance": False})
    world.v1.invoices.pay(invoice, {"payment_method": card.id})
    world.settle(30)
    # So much later that nothing but the invoice ties the second payment to the first.
    world.clock.advance(7 * 86_400)
    paid = {
        "amount": 1500,
        "confirm": True,
        "payment_method": card.id,
        "capture_method": "automatic",
    }
    intent = world.v1.payment_intents.create(given | paid)
    world.v1.invoices.attach_payment(invoice, {"payment_intent": intent.id})
    told = {event["type"]: event for event in world.new_events()}
    halves = [told[name] for name in ("charge.succeeded", "invoice_payment.paid")]
    one, other = halves if first == "charge.succeeded" else halves[::-1]
    world.receive(one)
    second = []

    def meanwhile():
        world.receive(other) if world.store.dialect == "postgresql" else None
        second.append(threading.Thread(target=drain_events, args=(world.fresh_context(),)))
        second[0].start()
        second[0].join(0.5)

    drain_events(world.fresh_context(Meanwhile(crash_points.DRAIN_JUDGED, meanwhile)))
    second[0].join(30)
    if world.store.dialect == "sqlite":
        world.receive(other)
        world.drain()

    assert [intent.latest_charge] == [row.charge_id for row in world.intents()]


def test_effects_workers_share_one_queue(world, shop):
    """Several effects workers with the same bells send each refund once."""
    world.change_settings(redress_cap_day_count="1000")
    world.deliver()
    world.drain()
    due = [intent.intent_id for intent in world.intents()]

    def send_all(number):
        context = world.fresh_context()
        for intent_id in due[number:] + due[:number]:
            send_refund(context, intent_id)

    at_once(send_all, range(4))
    world.settle()

    assert shop == {refund["charge"] for refund in world.refunds()}
    assert len(shop) == len(world.refund_calls())
    assert {IntentState.SUCCEEDED} == {intent.state for intent in world.intents()}


def test_two_workers_on_the_two_halves_of_one_duplicate(world):
    """The two payments of one order, judged by two workers at the same time, are one refund."""
    pairs = 12
    for number in range(pairs):
        # No customer ties the lanes together, so both payments may be worked on at once.
        for _ in range(2):
            world.pay(None, order=f"order-{number}", amount=1000 + number)
    told = world.new_events()
    random.Random(3).shuffle(told)
    world.receive(*told)

    drain_in_threads(world, 4)
    world.settle(300)

    refunded = Counter(refund["charge"] for refund in world.refunds())
    assert pairs == len(refunded)
    assert {1} == set(refunded.values())


def test_one_lane_is_worked_by_one_worker_at_a_time(world):
    """While one worker has events of a customer, no other can claim further ones of that customer."""
    customer = world.customer()
    world.pay(customer)
    world.deliver()
    with world.store.write() as connection:
        mine = claim_events(connection, world.clock.now_ms(), 1)
    world.pay(world.customer())
    world.pay(customer)
    world.deliver()

    with world.store.write() as connection:
        others = claim_events(connection, world.clock.now_ms(), 100)

    assert mine
    assert others
    assert mine[0].lane not in {event.lane for event in others}


@pytest.mark.usefixtures("shop")
def test_lanes_hold_among_threads(world):
    """At no moment do two workers hold events of one lane."""
    world.deliver()
    held: Counter[str] = Counter()
    guard = threading.Lock()
    broken = []

    def claim_some(_number):
        while True:
            with world.store.write() as connection:
                claimed = claim_events(connection, world.clock.now_ms(), 5)
            if not claimed:
                return
            lanes = {event.lane for event in claimed}
            with guard:
                held.update(lanes)
                broken.extend(lane for lane in lanes if held[lane] > 1)
            with guard:
                held.subtract(lanes)
            with world.store.write() as connection:
                done = [(event, EventState.DECIDED, None) for event in claimed]
                settle_events(connection, done, world.clock.now_ms())

    at_once(claim_some, range(4))

    assert [] == broken
    assert not [row for row in world.rows(events) if row.state == EventState.NEW]
