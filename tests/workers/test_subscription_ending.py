"""A refunded subscription ends: once its refund is accepted, whatever the processes die of."""

import pytest

from ledger.brake import Brake, set_brake
from ledger.ending_tables import subscription_ends
from ledger.states import CaseState
from runtime.limits import EVENT_ATTEMPTS_MAX
from tests.fakes.worker_world import CrashAt, Meanwhile
from tests.workers.test_credit_issuing import price_of, subscribe
from workers import crash_points


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


@pytest.mark.parametrize("kind", ["503", "reset", "truncated_json", "429"])
def test_stripe_faults(subscribed, kind):
    """A call of unknown outcome is followed by a look, and by another call where it still runs."""
    shop, subscription, charge = subscribed
    shop.control(
        "faults",
        [{"method": "DELETE", "path_prefix": "/v1/subscriptions", "kind": kind, "times": 1}],
    )
    shop.ask(charge)
    shop.settle(120)

    assert "canceled" == status(shop, subscription)
    assert [("ended", 2)] == ends(shop)


def test_ended_by_somebody_else(subscribed):
    """A subscription that is over already needs no call."""
    shop, subscription, charge = subscribed
    shop.ask(charge)
    shop.work()
    shop.v1.subscriptions.cancel(subscription)
    shop.settle(60)

    assert [("ended", 1)] == ends(shop)


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


def test_given_up(subscribed):
    """What Stripe does not end after every try is a person's."""
    shop, _, charge = subscribed
    shop.control(
        "faults",
        [{"method": "DELETE", "path_prefix": "/v1/subscriptions", "kind": "503", "times": 99}],
    )
    shop.ask(charge)
    for _ in range(EVENT_ATTEMPTS_MAX + 1):
        shop.step()
        shop.clock.advance(4_500)

    assert ["failed"] == [state for state, _ in ends(shop)]
    assert CaseState.REVIEW is shop.case().state
    assert "end it at Stripe" in shop.case().note
