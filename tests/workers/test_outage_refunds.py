"""Who is owed what for an outage: by the paid period, once, whatever was refunded before."""

import pytest

from ledger.outages import Outage, add_outage, outages_within, without_a_break
from ledger.tables import cases
from tests.fakes.plan_shop import PlanShop
from tests.workers.test_credit_issuing import price_of, subscribe
from workers.case_following import Desk
from workers.context import ring_for
from workers.outage_refunds import OutageDesk

DAY = 86_400
#: A month of January at 20.00 USD.
PRICE_MINOR, MONTH = 2000, 31 * DAY


@pytest.fixture
def subscribed(world):
    """A world with one monthly subscription that was just paid; its price."""
    price = price_of(world, redress_credits="100")
    subscribe(world, price)
    world.settle(30)
    return world, price


def down(world, began_days, ended_days, affects=(), *, write=True):
    """An outage, in days from now."""
    now = world.clock.now_ms() // 1000
    began_at, ended_at = now + round(began_days * DAY), now + round(ended_days * DAY)
    if not write:
        return Outage(
            outage_id=0, began_at=began_at, ended_at=ended_at, affects=affects, evidence=""
        )
    with world.store.write() as connection:
        return add_outage(
            connection,
            began_at=began_at,
            ended_at=ended_at,
            affects=affects,
            evidence="incident 7",
            now_ms=world.clock.now_ms(),
        )[0]


def desk(world):
    """What outages are judged with."""
    return OutageDesk(
        store=world.store, terms=world.context.terms, catalogue=world.context.catalogue
    )


def owed(world, outage):
    """The minor units that each touched payment is owed; None for none."""
    return [
        None if one.decision.amount is None else one.decision.amount.amount_minor
        for one in desk(world).touched(outage)
    ]


def pay(world, outage):
    """Carry an outage out, as the command does."""
    for one in list(desk(world).touched(outage)):
        with world.store.write() as connection:
            at_desk = Desk(
                connection=connection, settings=world.settings, now_ms=world.clock.now_ms()
            )
            followed = desk(world).pay(at_desk, outage, one.payment.charge_id)
        ring_for(world.wakeups, followed.intents, (), notices=followed.notices)
    world.settle(60)


@pytest.mark.parametrize(
    ("began", "ended", "share"),
    [
        pytest.param(1, 4, 3, id="within the period"),
        pytest.param(-2, 1, 1, id="from before it was paid"),
        pytest.param(30, 40, 1, id="beyond its end"),
        pytest.param(2, 2.5, 0.5, id="half a day"),
    ],
)
def test_share(subscribed, began, ended, share):
    """The lost part of the paid period goes back, to the second."""
    world, _ = subscribed
    paid_at = next(world.sandbox.book.newest_first("charges"))["created"]
    late = world.clock.now_ms() // 1000 - paid_at
    planned = owed(world, down(world, began, ended, write=False))
    lost = share * DAY + (late if began < 0 else -late if ended > 31 else 0)

    assert [int(PRICE_MINOR * lost // MONTH)] == planned


@pytest.mark.parametrize(("began", "ended"), [(-3, -1), (32, 33)])
def test_outside(subscribed, began, ended):
    """An outage before the payment or after its period touches nobody."""
    world, _ = subscribed

    assert [] == owed(world, down(world, began, ended, write=False))


def test_only_what_was_down(subscribed):
    """An outage of one price touches those who bought it."""
    world, price = subscribed

    assert 1 == len(owed(world, down(world, 1, 4, (price,), write=False)))
    assert [] == owed(world, down(world, 1, 4, ("price_other",), write=False))


def test_paid_once(subscribed):
    """Carried out twice, an outage is paid once; it opens one case per payment."""
    world, _ = subscribed
    outage = down(world, 1, 4)
    pay(world, outage)
    pay(world, outage)

    assert [int(PRICE_MINOR * 3 // 31)] == [refund["amount"] for refund in world.refunds()]
    assert [f"outage:{outage.outage_id}"] == [case.kind for case in world.rows(cases)]
    assert ["refunded"] == [case.state for case in world.rows(cases)]


def test_second_outage(subscribed):
    """A second outage of the same period is paid on top of the first: together the whole share."""
    world, _ = subscribed
    pay(world, down(world, 1, 4))
    pay(world, down(world, 5, 8))

    assert PRICE_MINOR * 6 // 31 == sum(refund["amount"] for refund in world.refunds())


def test_refunded_in_full_before(subscribed):
    """Who has all of his money back is owed nothing."""
    world, _ = subscribed
    charge = next(world.sandbox.book.newest_first("charges"))["id"]
    world.v1.refunds.create({"charge": charge})
    world.settle(60)
    pay(world, down(world, 1, 4))

    assert 1 == len(world.refunds())


def test_disputed_meanwhile(subscribed):
    """A disputed payment gets no refund; a person looks."""
    world, _ = subscribed
    charge = next(world.sandbox.book.newest_first("charges"))["id"]
    outage = down(world, 1, 4)
    world.control("disputes", {"charge": charge, "reason": "fraudulent"})
    world.settle(60)
    pay(world, outage)

    assert [] == world.refunds()
    about_outages = [case for case in world.rows(cases) if case.kind.startswith("outage:")]
    assert ["review"] == [case.state for case in about_outages]


def test_overlapping_outages_count_once(world):
    """Two records of the same hours are the same hours."""
    both = [down(world, 1, 3), down(world, 2, 4), down(world, 6, 7)]
    began, ended = both[0].began_at, both[1].ended_at
    with world.store.read() as connection:
        found = outages_within(connection, began, both[2].ended_at)

    assert both == found
    assert [(began, ended), (both[2].began_at, both[2].ended_at)] == without_a_break(found)


def test_written_once(world):
    """The same outage told twice is one."""
    assert down(world, 1, 2) == down(world, 1, 2)
    with pytest.raises(ValueError, match="ends after it begins"):
        down(world, 2, 1)


def test_prorations_beside_the_plan(world):
    """What another plan took on the invoice is no part of the price, and what a balance paid of it is."""
    shop = PlanShop(world)
    subscription = shop.subscribe("basic-month")
    customer = shop.shown(subscription)["customer"]
    shop.settle(30)
    shop.change_settings(redress_mode="observe")
    shop.elsewhere(subscription, "studio-month")
    shop.v1.customers.balance_transactions.create(customer, {"amount": -100, "currency": "usd"})
    shop.renew(subscription)
    renewal = next(iter(shop.sandbox.book.newest_first("invoices")))
    month = shop.period_end(subscription) - shop.clock.now_ms() // 1000
    (share,) = owed(world, down(world, 1, 4))

    # 30.00 for the month, the dearer rest of the old one, less 1.00 of the balance.
    assert 3_000 + 1_354 - 1 - 100 <= renewal["amount_paid"] <= 3_000 + 1_354 - 100
    assert 3_000 * 3 * DAY // month == share
