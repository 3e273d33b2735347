"""A refunded subscription ends: once its refund is accepted, whatever the processes die of."""

import pytest

from ledger.brake import Brake, set_brake
from ledger.cases import move_case
from ledger.ending_tables import subscription_ends
from ledger.states import CaseState
from runtime.limits import EFFECT_LEASE_MS, EVENT_ATTEMPTS_MAX
from runtime.queues import END_SUBSCRIPTION_JOB
from tests.fakes.frozen_clock import NOON_MS
from tests.fakes.worker_world import CrashAt, Meanwhile
from tests.workers.test_credit_issuing import price_of, subscribe
from workers import crash_points
from workers.subscription_ending import NOT_ENDED


@pytest.fixture
def subscribed(shop):
    """A shop with a monthly subscription that was just paid: its id, and its charge."""
    _, subscription = subscribe(shop, price_of(shop, redress_credits="100"))
    shop.settle(30)
    charge = next(shop.sandbox.book.newest_first("charges"))["id"]
    return shop, subscription, charge


def status(shop, subscription):
    """How Stripe sees the subscription."""
    return shop.v1.subscriptions.retrieve(subscription).status


def ends(shop):
    """Where each end stands."""
    return [(row.state, row.attempts) for row in shop.rows(subscription_ends)]


def test_ends_with_the_refund(subscribed):
    """The refund of a whole purchase ends its subscription, and takes the credits."""
    shop, subscription, charge = subscribed
    shop.ask(charge)
    shop.settle(60)

    assert "canceled" == status(shop, subscription)
    assert [("ended", 1)] == ends(shop)
    assert 1 == len(shop.refunds())


def test_tie_to_the_invoice_comes_late(shop):
    """The event that ties the payment to its invoice comes after the refund: all the same it takes both."""
    customer, subscription = subscribe(shop, price_of(shop, redress_credits="100"))
    told = shop.new_events()
    late = [event for event in told if event["type"] == "invoice_payment.paid"]
    shop.receive(*[event for event in told if event not in late])
    shop.settle(30)
    shop.ask(next(shop.sandbox.book.newest_first("charges"))["id"])
    shop.settle(60)
    shop.receive(*late)
    shop.settle(60)

    assert late
    assert 1 == len(shop.refunds())
    assert ("canceled", 0) == (status(shop, subscription), shop.left(customer))


def test_nothing_ends_without_a_refund(subscribed):
    """A refund that the last look drops ends nothing."""
    shop, subscription, charge = subscribed
    shop.ask(charge)
    dispute = {"charge": charge, "reason": "fraudulent"}
    shop.meanwhile(Meanwhile(crash_points.EFFECT_LEASED, lambda: shop.control("disputes", dispute)))
    shop.settle(60)

    assert "active" == status(shop, subscription)
    assert [] == ends(shop)


@pytest.mark.parametrize("point", crash_points.END_POINTS)
def test_crashes(subscribed, point):
    """Whatever a worker died of, the next one looks at Stripe and goes on."""
    shop, subscription, charge = subscribed
    shop.ask(charge)
    shop.work()
    shop.deliver()
    crashed = shop.crash(CrashAt(point), shop.step)
    shop.change()
    shop.settle(120)

    assert crashed
    assert "canceled" == status(shop, subscription)
    assert "ended" == ends(shop)[0][0]


@pytest.mark.parametrize(
    ("kind", "tries"), [("503", 2), ("reset", 2), ("truncated_json", 1), ("429", 2)]
)
def test_stripe_faults(subscribed, kind, tries):
    """After a call of unknown outcome its event tells that it was carried out, or a second try looks."""
    shop, subscription, charge = subscribed
    shop.control(
        "faults",
        [{"method": "DELETE", "path_prefix": "/v1/subscriptions", "kind": kind, "times": 1}],
    )
    shop.ask(charge)
    shop.settle(120)

    assert "canceled" == status(shop, subscription)
    assert [("ended", tries)] == ends(shop)


@pytest.mark.parametrize(("told", "tries"), [(True, 0), (False, 1)])
def test_ended_by_somebody_else(subscribed, told, tries):
    """A subscription that is over already needs no call, whether its event says so or the look."""
    shop, subscription, charge = subscribed
    shop.ask(charge)
    shop.work()
    shop.v1.subscriptions.cancel(subscription)
    if told:
        shop.deliver()
        shop.drain()
    shop.sweep()
    shop.work()

    assert [("ended", tries)] == ends(shop)


def brake(shop, *, stopped):
    """Put the brake on, or take it off."""
    standing = Brake(stopped=stopped, reason="a test", actor="ada", changed_ms=shop.clock.now_ms())
    with shop.store.write() as connection:
        set_brake(connection, standing, origin="cli")


def test_brake(subscribed):
    """While the brake is on nothing is ended; afterwards it is."""
    shop, subscription, charge = subscribed
    shop.ask(charge)
    shop.work()
    brake(shop, stopped=True)
    shop.settle(60)
    held = status(shop, subscription), ends(shop)[0][0]
    brake(shop, stopped=False)
    shop.settle(600)

    assert ("active", "wanted") == held
    assert "canceled" == status(shop, subscription)


def test_brake_at_the_last_moment(subscribed):
    """A brake that is put on between the look at Stripe and the call keeps the call back."""
    shop, subscription, charge = subscribed
    shop.ask(charge)
    shop.work()
    thrown = Meanwhile(crash_points.END_LOOKED, lambda: brake(shop, stopped=True))
    shop.meanwhile(thrown, shop.step)
    held = status(shop, subscription), ends(shop)
    brake(shop, stopped=False)
    shop.settle(600)

    assert ("active", [("wanted", 0)]) == held
    assert "canceled" == status(shop, subscription)


def test_held_tries_do_not_count(subscribed):
    """However long the brake is on, all tries are left when it is released."""
    shop, subscription, charge = subscribed
    shop.ask(charge)
    shop.work()
    brake(shop, stopped=True)
    for _ in range(EVENT_ATTEMPTS_MAX + 1):
        shop.step()
        shop.clock.advance(400)
    held = ends(shop)
    brake(shop, stopped=False)
    refuse_to_end(shop, times=1)
    shop.settle(600)

    assert [("wanted", 0)] == held
    assert ("canceled", [("ended", 2)]) == (status(shop, subscription), ends(shop))


def test_stalled_past_its_lease(subscribed):
    """Who stalls between the commit of the try and the call leaves the call to a successor."""
    shop, subscription, charge = subscribed
    shop.ask(charge)
    shop.work()
    stalls = Meanwhile(
        crash_points.END_LEAVING, lambda: shop.clock.advance(EFFECT_LEASE_MS / 1000 + 1)
    )
    shop.meanwhile(stalls, shop.step)
    left = status(shop, subscription)
    shop.settle(60)

    assert "active" == left
    assert ("canceled", [("ended", 2)]) == (status(shop, subscription), ends(shop))


def test_overtaken_before_the_call(subscribed):
    """Who stalls before the commit of the try, and was overtaken meanwhile, does not call."""
    shop, subscription, charge = subscribed
    shop.ask(charge)
    shop.work()
    (row,) = shop.rows(subscription_ends)

    def successor_dies():
        shop.clock.advance(EFFECT_LEASE_MS / 1000 + 1)
        job = (END_SUBSCRIPTION_JOB, row.id)
        assert shop.crash(CrashAt(crash_points.END_LEAVING), lambda: shop.run_job(job))

    shop.meanwhile(Meanwhile(crash_points.END_LOOKED, successor_dies), shop.step)
    stood = status(shop, subscription), ends(shop)
    shop.settle(60)

    assert ("active", [("wanted", 2)]) == stood
    assert ("canceled", [("ended", 3)]) == (status(shop, subscription), ends(shop))


def refuse_to_end(shop, times=EVENT_ATTEMPTS_MAX):
    """Have Stripe fail so many calls that end a subscription."""
    fault = {"method": "DELETE", "path_prefix": "/v1/subscriptions", "kind": "503", "times": times}
    shop.control("faults", [fault])


def try_often(shop, tries):
    """Let so many tries be made, however far apart."""
    for _ in range(tries):
        shop.step()
        shop.clock.advance(4_500)


def test_given_up(subscribed):
    """What Stripe does not end after every try is a person's, and done once that person has ended it."""
    shop, subscription, charge = subscribed
    refuse_to_end(shop)
    shop.ask(charge)
    try_often(shop, EVENT_ATTEMPTS_MAX + 1)
    given_up = ends(shop), shop.case().state, shop.case().note
    shop.v1.subscriptions.cancel(subscription)
    shop.settle(60)

    assert ([("failed", EVENT_ATTEMPTS_MAX)], CaseState.REVIEW, NOT_ENDED) == given_up
    assert [("ended", EVENT_ATTEMPTS_MAX)] == ends(shop)
    assert (CaseState.REFUNDED, None) == (shop.case().state, shop.case().note)


def test_ended_while_another_reason_waits(subscribed):
    """The end of the subscription closes no case that waits for a person for another reason."""
    shop, subscription, charge = subscribed
    refuse_to_end(shop)
    shop.ask(charge)
    try_often(shop, EVENT_ATTEMPTS_MAX + 1)
    with shop.store.write() as connection:
        case_id = shop.case().case_id
        move_case(connection, case_id, CaseState.REVIEW, note="a test", now_ms=NOON_MS)
    shop.v1.subscriptions.cancel(subscription)
    shop.settle(60)

    assert "ended" == ends(shop)[0][0]
    assert (CaseState.REVIEW, "a test") == (shop.case().state, shop.case().note)


def test_stale_last_try(subscribed):
    """Who gives up after a successor did, and a person ended it, opens nothing again."""
    shop, subscription, charge = subscribed
    refuse_to_end(shop)
    shop.ask(charge)
    try_often(shop, EVENT_ATTEMPTS_MAX)

    def successor_and_person():
        shop.clock.advance(EFFECT_LEASE_MS / 1000 + 1)
        shop.step()
        shop.v1.subscriptions.cancel(subscription)
        shop.step()
        unread = {"method": "GET", "path_prefix": "/v1/subscriptions", "kind": "503", "times": 1}
        shop.control("faults", [unread])

    shop.meanwhile(Meanwhile(crash_points.END_TAKEN, successor_and_person), shop.step)

    assert [("ended", EVENT_ATTEMPTS_MAX + 1)] == ends(shop)
    assert CaseState.REFUNDED is shop.case().state
