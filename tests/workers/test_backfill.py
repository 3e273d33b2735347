"""Stripe's lists are read for what was never delivered, within Stripe's limits, from where they were left."""

import pytest

from ledger.backfill_cursors import every_cursor, take_stream
from ledger.backfill_tables import BackfillStream
from ledger.event_types import HANDLED
from ledger.inbox import store_events
from ledger.stripe_tables import charges
from ledger.tables import events, look_ups
from runtime.operator_limits import (
    BACKFILL_LEASE_MS,
    EVENTS_KEPT_SECONDS,
    UNDELIVERED_SECONDS,
)

DAY = 86_400
EVERY = 120


@pytest.fixture
def shop(world):
    """A world that has heard of a first payment, and reads Stripe's lists every two minutes."""
    world.change_settings(redress_backfill_seconds=str(EVERY))
    world.pay(world.customer())
    world.deliver()
    passes(world)
    return world


def passes(world, seconds=1_200):
    """What the sweeper and the workers do in so many seconds, while Stripe delivers nothing."""
    ends_ms = world.clock.now_ms() + seconds * 1000
    while world.clock.now_ms() < ends_ms:
        world.sweep()
        world.work()
        world.clock.advance(30)


def cursors(world):
    with world.store.read() as connection:
        return {one.stream: one for one in every_cursor(connection)}


def sources(world, source="poll"):
    return {row.object_id for row in world.rows(events) if row.source == source}


def calls(world, path="/v1/events"):
    log = world.sandbox.control("GET", "/sandbox/requests", {"path_prefix": path})
    return log.json()["data"]


def test_never_delivered(shop):
    """What Stripe never managed to deliver is found, marked, judged, and refunded like anything else."""
    first, second = shop.pay_twice()
    passes(shop)

    assert {first, second} <= sources(shop)
    shop.settle(300)
    assert [(second, "succeeded")] == [(one["charge"], one["status"]) for one in shop.refunds()]


def test_delivered_is_known(shop):
    """What was delivered is not stored again, and what was polled first is known when it is delivered."""
    shop.pay(shop.customer())
    shop.deliver()
    before = len(shop.rows(events))
    passes(shop)
    assert before == len(shop.rows(events))

    charge = shop.pay(shop.customer())
    passes(shop)
    told = [one for one in shop.new_events() if one["data"]["object"].get("id") == charge]
    with shop.store.write() as connection:
        receipts = store_events(connection, [shop.parsed(one) for one in told], 0)

    assert {"known"} == {one.outcome for one in receipts}


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_nothing_from_before_the_beginning(world):
    """What happened before the ledger's first event stays where it is."""
    world.pay_twice()
    world.clock.advance(2 * DAY)
    world.new_events()
    world.pay(world.customer())
    world.deliver()
    world.change_settings(redress_backfill_seconds=str(EVERY))
    passes(world, 3_600)

    assert 1 == len(world.rows(charges))
    assert {0} == {one.listed for one in cursors(world).values() if one.stream == "disputes"}


def test_no_event_at_all(shop):
    """A charge of which Stripe made no event is found among the charges, asked about, and judged."""
    first, second = shop.pay_twice()
    with shop.sandbox.book.transaction():
        shop.sandbox.book._db.execute(
            "DELETE FROM events WHERE CAST(body AS TEXT) LIKE ?", (f"%{second}%",)
        )
    passes(shop, 2_400)

    assert first in sources(shop)
    assert second in {row.charge_id for row in shop.rows(charges)}
    assert second in {row.object_id for row in shop.rows(look_ups)}


@pytest.mark.parametrize("engine_name", ["sqlite"])
@pytest.mark.parametrize("kind", ["429", "500", "timeout_before"])
def test_stripe_does_not_answer(shop, kind):
    """A list that Stripe does not give is read on later, and says why it is behind."""
    charge = shop.pay(shop.customer())
    shop.control(
        "faults", [{"method": "GET", "path_prefix": "/v1/events", "kind": kind, "times": 2}]
    )
    passes(shop, 90 + EVERY)
    notes = {one.note for one in cursors(shop).values()}
    passes(shop)

    assert any("Stripe did not answer" in (note or "") for note in notes)
    assert charge in sources(shop)
    assert {None} == {one.note for one in cursors(shop).values()}


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_away_for_too_long(shop):
    """After more than 30 days the place in the list is gone: reading goes on with what Stripe still has."""
    shop.clock.advance(EVENTS_KEPT_SECONDS + 5 * DAY)
    charge = shop.pay(shop.customer())
    passes(shop)

    assert charge in sources(shop)


@pytest.mark.parametrize("engine_name", ["sqlite"])
def test_undelivered_are_looked_for_again(shop):
    """An event that shows up behind the place that was read to is found among the undelivered, at each pass anew."""
    charge = shop.pay(shop.customer())
    [told] = [one for one in shop.new_events() if one["type"] == "charge.succeeded"]
    shop.clock.advance(10 * DAY)
    passes(shop)
    now = shop.clock.now_ms() // 1000
    found = cursors(shop)[BackfillStream.UNDELIVERED]
    assert abs(now - UNDELIVERED_SECONDS - found.seen_until) < DAY / 24

    late = {**told, "id": "evt_late", "created": now - DAY, "pending_webhooks": 1}
    shop.sandbox.book.emit(late)
    passes(shop)

    assert charge in sources(shop)
    assert "evt_late" in {row.event_id for row in shop.rows(events)}


def test_one_reads_at_a_time(shop):
    """While one list is being read nobody reads another; a reader that died is followed after its lease."""
    shop.clock.advance(2 * EVERY)
    now_ms = shop.clock.now_ms()
    with shop.store.write() as connection:
        taken = take_stream(connection, BackfillStream.EVENTS, now_ms, now_ms + BACKFILL_LEASE_MS)
        other = take_stream(connection, BackfillStream.REFUNDS, now_ms, now_ms + BACKFILL_LEASE_MS)
        shop.clock.advance(BACKFILL_LEASE_MS / 1000)
        later_ms = shop.clock.now_ms()
        after = take_stream(connection, BackfillStream.EVENTS, later_ms, later_ms + 1)

    assert taken is not None
    assert other is None
    assert after.fence == taken.fence + 1


def test_a_week_away(shop, capsys):
    """The receiver was away for a week and Redis lost: everything is caught up with, Stripe's limits kept."""
    for hour in range(0, 7 * 24, 6):
        for number in range(4):
            shop.pay_twice(order=f"order-{hour}-{number}")
        shop.clock.advance(6 * 3_600)
    made = {row["id"] for row in shop.new_events() if row["type"] in HANDLED}
    shop.wakeups.jobs.clear()
    before, began_ms = len(calls(shop, "/v1/")), shop.clock.now_ms()
    # As long as a call to Stripe takes.
    shop.carrier.watchers.append(lambda _method, _path: shop.clock.advance(0.15))

    while not made <= settled_events(shop) or len(shop.refunds()) < 7 * 4 * 4:
        shop.step()
        shop.clock.advance(5)
        assert shop.clock.now_ms() - began_ms < 1_800_000

    log = calls(shop, "/v1/")[before:]
    seconds = (shop.clock.now_ms() - began_ms) / 1000
    with capsys.disabled():
        told = f"{len(made)} events of a week, {len(shop.intents())} refunds"
        print(f"\n{told}: {seconds:.0f} s, {len(log)} calls to Stripe")  # noqa: T201 - asked for
    assert len(log) / seconds <= 10
    assert {"decided", "ignored"} >= {row.state for row in shop.rows(events)}
    shop.settle(300)
    assert 7 * 4 * 4 == len(shop.refunds())
    assert {"succeeded"} == {intent.state for intent in shop.intents()}


def settled_events(shop):
    waiting = ("new", "claimed")
    return {row.event_id for row in shop.rows(events) if row.state not in waiting}
