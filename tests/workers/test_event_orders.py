"""Confluence (I8): related events in every order and multiplicity leave one and the same ledger."""

import itertools

import pytest

from ledger.inbox import store_events
from ledger.stripe_tables import charges, disputes, payment_intents, refunds
from ledger.tables import cases, decisions, events, refund_intents

_OF_THE_ROW = {"opened_ms", "changed_ms", "created_ms", "first_sent_ms", "decision_id", "fence"}
_OF_THE_CASE = {"id", "case_id"}


def picture(world):
    """The state of the ledger that matters: no times, no row ids, no suspicion that came to nothing.

    Only some orders raise one: a payment whose refund by hand is told of first is never suspected.
    """
    tables = (charges, payment_intents, disputes, refunds, cases, refund_intents)
    return {
        table.name: sorted(
            (
                {
                    name: value
                    for name, value in row._mapping.items()
                    if name not in _OF_THE_ROW
                    and not (table.name in ("cases", "refund_intents") and name in _OF_THE_CASE)
                }
                for row in world.rows(table)
                if row._mapping.get("state") not in ("withdrawn", "closed")
            ),
            key=str,
        )
        for table in tables
    }


def two_payments(world):
    """Six events: two payments of one order, each told of as a charge, its update and its intent."""
    customer = world.customer()
    for _ in range(2):
        world.pay(customer, capture_method="automatic_async")
    wanted = ("charge.succeeded", "charge.updated", "payment_intent.succeeded")
    return [event for event in world.new_events() if event["type"] in wanted]


def three_payments_and_a_dispute(world):
    """Five events: three payments of one order, and a dispute on the second that the shop won."""
    customer = world.customer()
    paid = [world.pay(customer) for _ in range(3)]
    dispute = world.control("disputes", {"charge": paid[1], "status": "needs_response"})
    world.clock.advance(1)
    world.control(f"disputes/{dispute['id']}", {"status": "won"})
    wanted = ("charge.succeeded", "charge.dispute.created", "charge.dispute.closed")
    return [event for event in world.new_events() if event["type"] in wanted]


def hand_refund_of_the_second(world):
    """Five events: three payments, and the second one's refund by hand."""
    customer = world.customer()
    paid = [world.pay(customer) for _ in range(3)]
    world.control("refunds", {"charge": paid[1]})
    wanted = ("charge.succeeded", "charge.refunded", "refund.created")
    return [event for event in world.new_events() if event["type"] in wanted]


SITUATIONS = {
    "two payments": (two_payments, 6),
    "three payments, one disputed and won": (three_payments_and_a_dispute, 5),
    "three payments, one refunded by hand": (hand_refund_of_the_second, 5),
}


def multiplicities(order, number):
    """The events of an order, each 1 to 3 times: which ones how often changes with `number`."""
    return [
        event for place, event in enumerate(order) for _ in range(1 + (number // 7 + place * 2) % 3)
    ]


def store_one_by_one(world, order):
    """Commit deliveries so that their rows keep this order."""
    with world.store.write() as connection:
        for event in order:
            store_events(connection, [event], world.clock.now_ms())


@pytest.mark.parametrize(
    ("situation", "count", "first"),
    [
        pytest.param(situation, count, first, id=f"{label}, number {first + 1} first")
        for label, (situation, count) in SITUATIONS.items()
        for first in range(count)
    ],
)
def test_every_order_ends_alike(memory, situation, count, first):
    """All orders of up to six related events, each told 1 to 3 times, end in one ledger, one refund."""
    world = memory.world
    told = [world.parsed(event) for event in situation(world)]
    assert count == len(told)
    refunds_after = len(world.refunds()) + 1
    start = memory.save()
    decided, settled = set(), set()

    others = told[:first] + told[first + 1 :]
    orders = [tuple(told), *((told[first], *rest) for rest in itertools.permutations(others))]
    for number, order in enumerate(orders):
        memory.restore(start)
        store_one_by_one(world, multiplicities(order, number))
        world.drain()
        decided.add(str(picture(world)))
        if number % 100 == 0:  # from one ledger, all go on alike: a few runs to the end are enough
            world.step()
            assert refunds_after == len(world.refunds()), [event.type for event in order]
            settled.add(str(picture(world)))

    assert (1, 1) == (len(decided), len(settled))


def test_every_order_ends_alike_with_a_worker_between(memory):
    """The same when a worker wakes after each single delivery and sends what it may."""
    world = memory.world
    told = [world.parsed(event) for event in two_payments(world)]
    start = memory.save()
    pictures = set()

    for number, order in enumerate(itertools.permutations(told)):
        if number % 71:
            continue
        memory.restore(start)
        for event in multiplicities(order, number):
            store_one_by_one(world, [event])
            world.wakeups.wake_events()
            world.work()
        world.step()
        assert 1 == len(world.refunds()), [event.type for event in order]
        pictures.add(str(picture(world)))

    assert 1 == len(pictures)


@pytest.mark.parametrize("backwards", [False, True], ids=["as they came", "backwards"])
def test_order_of_arrival_does_not_matter_on_either_engine(world, backwards):
    """Delivered one by one, forwards or backwards and each twice, two payments are one refund."""
    told = two_payments(world)

    for event in sorted(told, key=lambda event: event["created"], reverse=backwards):
        world.receive(event)
        world.receive(event)
        world.drain()
    world.settle()

    assert 1 == len(world.refunds())
    assert {"decided"} == {row.state for row in world.rows(events)}


def test_event_that_comes_three_days_late_changes_nothing(world):
    """A delivery delayed by 72 hours finds its refund made, and makes no second one."""
    told = two_payments(world)
    late = [event for event in told if event["type"] == "charge.updated"]
    world.receive(*(event for event in told if event not in late))
    world.settle()
    world.clock.advance(72 * 3600)

    world.receive(*late)
    world.settle()

    assert 1 == len(world.refunds()) == len(world.refund_calls())


def test_missing_event_in_the_middle_is_no_obstacle(world):
    """The charge's later rendering says all that a lost earlier one did."""
    told = two_payments(world)

    world.receive(*(event for event in told if event["type"] == "charge.updated"))
    world.settle()

    assert 1 == len(world.refunds())
    assert 1 == len(world.rows(decisions))
