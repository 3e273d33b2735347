"""Changes of plan while processes die, Stripe answers badly, cards are declined and others act as well."""

import itertools
from collections import Counter

import pytest

from ledger.states import PlanChangeState
from runtime.limits import EVENT_ATTEMPTS_MAX
from tests.fakes.plan_shop import PlanShop
from tests.fakes.worker_world import CrashAt, Meanwhile, NthMeanwhile
from workers import crash_points
from workers.plan_steps import TO_CONFIRM

DAY = 86_400


@pytest.fixture
def shop(world):
    """A shop with three tiers and two intervals, on each engine in turn."""
    return PlanShop(world)


@pytest.fixture
def quick(memory):
    """The same in memory, for what the database has no part in."""
    return PlanShop(memory.world)


def each(memory, cases):
    """Every case in turn, each from the moment that the world stands at now."""
    stands = memory.save()
    for case in cases:
        memory.restore(stands)
        yield case


def pending(shop, subscription):
    """The state that a change to the pro plan by the month ends in."""
    assert ["scheduled"] == shop.states()
    assert [("active", ["basic-month", "pro-month"])] == shop.schedules(subscription)
    assert [1000] == [total for _, total in shop.invoices(subscription)]


def switched(shop, subscription):
    """The state that a change to the pro plan by the year ends in."""
    assert ["applied"] == shop.states()
    assert "pro-year" == shop.plan(subscription)
    assert [1000, 20_000] == [total for _, total in shop.invoices(subscription)]


ENDS = {"pro-month": pending, "pro-year": switched}


@pytest.mark.parametrize("plan", ENDS)
def test_crashes(memory, quick, plan):
    """Whatever a worker died of, the next one looks at Stripe and ends where the first would have."""
    subscription = quick.subscribe("basic-month")
    for point, nth in each(memory, itertools.product(crash_points.PLAN_POINTS, (1, 2))):
        quick.ask(subscription, plan)
        crashed = quick.crash(CrashAt(point, nth), quick.step)
        quick.settle(120)

        assert crashed or nth == 2, point  # not every boundary is reached twice
        ENDS[plan](quick, subscription)


def test_crashes_while_replacing(memory, quick):
    """The same where a pending change's schedule is let go first."""
    subscription = quick.subscribe("basic-month")
    quick.asked(subscription, "studio-month", key="k0")
    for point, nth in each(memory, itertools.product(crash_points.PLAN_POINTS, (1, 2, 3))):
        quick.ask(subscription, "pro-year", key="k1")
        crashed = quick.crash(CrashAt(point, nth), quick.step)
        quick.settle(120)

        assert crashed or nth > 1
        assert ["replaced", "applied"] == quick.states(), (point, nth)
        assert [1000, 20_000] == [total for _, total in quick.invoices(subscription)]
        assert [("released", ["basic-month", "studio-month"])] == quick.schedules(subscription)


@pytest.mark.parametrize("point", crash_points.PLAN_POINTS)
def test_crashes_on_each_engine(shop, point):
    """One crash per boundary on each engine."""
    subscription = shop.subscribe("basic-month")
    shop.ask(subscription, "pro-month")
    crashed = shop.crash(CrashAt(point), shop.step)
    shop.settle(120)

    assert crashed
    pending(shop, subscription)


@pytest.mark.parametrize("plan", ENDS)
def test_stripe_faults(memory, quick, plan):
    """A call of unknown outcome is looked for before it is sent again, under its own key."""
    subscription = quick.subscribe("basic-month")
    for kind in each(memory, ("429", "409", "503", "reset", "truncated_json")):
        quick.fault(kind, "/v1/subscription", times=2)
        quick.ask(subscription, plan)
        quick.settle(300)

        ENDS[plan](quick, subscription)


@pytest.mark.parametrize("plan", ENDS)
def test_answers_lost(quick, plan):
    """A call that was carried out and whose answer never came is not made twice."""
    subscription = quick.subscribe("basic-month")
    quick.fault("500_stored", "/v1/subscription", executed=True)
    quick.ask(subscription, plan)
    quick.settle(300)

    if plan == "pro-year":
        switched(quick, subscription)
    else:
        # Stripe keeps answering 500 under the key of the schedule, which is harmless as it stands.
        assert [("active", ["basic-month"])] == quick.schedules(subscription)


def test_declined(shop):
    """A declined card changes nothing, and the sentence says what to do."""
    subscription = shop.subscribe("basic-month")
    bad = shop.card(shop.shown(subscription)["customer"], "chargeDeclinedInsufficientFunds")
    shop.v1.subscriptions.update(subscription, {"default_payment_method": bad})
    change = shop.asked(subscription, "pro-year")

    assert PlanChangeState.REFUSED is shop.change(change).state
    assert "The card was declined" in shop.change(change).note
    assert ("basic-month", "active") == (
        shop.plan(subscription),
        shop.shown(subscription)["status"],
    )
    assert [("subscription_create", 1000)] == shop.invoices(subscription)


def test_the_customer_has_to_confirm(shop):
    """A card that wants 3-D Secure changes nothing, and the sentence says where it can be done."""
    subscription = shop.subscribe("basic-month")
    careful = shop.card(shop.shown(subscription)["customer"], "authenticationRequired")
    shop.v1.subscriptions.update(subscription, {"default_payment_method": careful})
    change = shop.asked(subscription, "pro-year")

    assert (PlanChangeState.REFUSED, TO_CONFIRM) == (
        shop.change(change).state,
        shop.change(change).note,
    )
    assert ("basic-month", "active") == (
        shop.plan(subscription),
        shop.shown(subscription)["status"],
    )
    assert [("subscription_create", 1000)] == shop.invoices(subscription)


def test_declined_after_a_pending_one(quick):
    """The schedule of an earlier change was let go for it, which the note says as well."""
    subscription = quick.subscribe("basic-month")
    quick.asked(subscription, "pro-month", key="k0")
    bad = quick.card(quick.shown(subscription)["customer"], "chargeDeclined")
    quick.sandbox.book.put(
        "subscriptions", quick.shown(subscription) | {"default_payment_method": bad}
    )
    quick.asked(subscription, "pro-year", key="k1")

    assert ["replaced", "refused"] == quick.states()
    assert quick.change(2).note.endswith("was to come before was taken back.")


@pytest.mark.parametrize("plan", ENDS)
def test_brake(shop, plan):
    """While the brake is on nothing is sent; afterwards the change is carried out."""
    subscription = shop.subscribe("basic-month")
    calls = shop.calls()
    shop.brake(stopped=True)
    change = shop.ask(subscription, plan)
    for _ in range(4):
        shop.step()
        shop.clock.advance(400)
    held = shop.change(change)
    assert ("waiting", calls) == (held.state, shop.calls())
    assert held.attempts <= 1
    assert "stopped by ada" in held.note
    shop.release()
    shop.settle(10)

    ENDS[plan](shop, subscription)


@pytest.mark.parametrize("plan", ENDS)
def test_brake_between_two_steps(quick, plan):
    """A brake that goes on while a change is carried out stops it before its next call."""
    subscription = quick.subscribe("basic-month")
    change = quick.ask(subscription, plan)
    braked = Meanwhile(crash_points.PLAN_CALLED, lambda: quick.brake(stopped=True))
    quick.world.restart(braked)
    quick.step()
    before = len(quick.calls())
    quick.brake(stopped=False)
    quick.clock.advance(400)
    quick.settle(60)

    assert before <= len(quick.calls())
    assert quick.change(change).attempts <= 2
    ENDS[plan](quick, subscription)


def test_observe(shop):
    """In observe mode a change is decided, recorded, and never sent."""
    subscription = shop.subscribe("basic-month")
    calls = shop.calls()
    shop.world.change_settings(redress_mode="observe")
    change = shop.asked(subscription, "pro-month")
    found = shop.change(change)
    shop.world.change_settings(redress_mode="enforce")
    shop.clock.advance(DAY)
    shop.settle(60)

    assert ("CHANGE-UP", shop.period_end(subscription)) == (found.clause, found.effective_at)
    assert (["observed"], calls) == (shop.states(), shop.calls())


OBSTACLES = [
    ({"status": "canceled"}, "It is over"),
    ({"status": "incomplete"}, "first invoice is not paid"),
    ({"status": "incomplete_expired"}, "was never paid"),
    ({"status": "past_due"}, "is overdue"),
    ({"status": "unpaid"}, "are not paid"),
    ({"status": "paused"}, "resume it first"),
    ({"cancel_at_period_end": True}, "take the cancellation back"),
    ({"cancel_at": 2**31}, "take the cancellation back"),
    ({"schedule": "sub_sched_1"}, "sub_sched_1 steers it"),
    ({"pending_update": {"expires_at": 1}}, "waits for its payment"),
    ({"pause_collection": {"behavior": "void"}}, "resume their collection"),
    ({"livemode": True}, "not both live or both test"),
]


def test_obstacles(memory, quick):
    """What stands in the way is said, and nothing is sent."""
    subscription = quick.subscribe("basic-month")
    calls = quick.calls()
    for fields, sentence in each(memory, OBSTACLES):
        quick.sandbox.book.put("subscriptions", quick.shown(subscription) | fields)
        change = quick.asked(subscription, "pro-month")

        assert PlanChangeState.REFUSED is quick.change(change).state, fields
        assert sentence in quick.change(change).note
        assert calls == quick.calls()


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"trial_period_days": 30}, "on trial"),
        ({"collection_method": "send_invoice", "days_until_due": 14}, "invoices that are sent out"),
    ],
    ids=["trial", "by invoice"],
)
def test_obstacle_to_a_change_now(quick, params, sentence):
    """What cannot be charged at once is not switched at once."""
    subscription = quick.subscribe("basic-month", **params)
    change = quick.asked(subscription, "pro-year")

    assert sentence in quick.change(change).note
    assert "basic-month" == quick.plan(subscription)


def test_stripe_refuses_the_phases(quick):
    """Where Stripe does not take the schedule, an earlier pending change is let go with it."""
    subscription = quick.subscribe("basic-month")
    quick.asked(subscription, "pro-month", key="k0")
    quick.ask(subscription, "studio-month", key="k1")

    def past():
        """The period ends between the look and the call."""
        quick.clock.advance(quick.period_end(subscription) - quick.clock.now_ms() / 1000)

    quick.world.restart(Meanwhile(crash_points.PLAN_LOOKED, past))
    quick.settle(300)

    assert ["replaced", "refused"] == quick.states()
    assert "Stripe refused it" in quick.change(2).note
    assert ["released"] == [status for status, _ in quick.schedules(subscription)]


def test_period_ends_before_the_phases_are_told(quick):
    """Where the period ended meanwhile, the change is decided anew for the one that has begun."""
    subscription = quick.subscribe("basic-month")
    ends = quick.period_end(subscription)
    quick.clock.advance(ends - 3600 - quick.clock.now_ms() / 1000)
    change = quick.ask(subscription, "pro-month")

    def renew():
        """The subscription is renewed between the commit and the call."""
        quick.clock.advance(ends - quick.clock.now_ms() / 1000)
        quick.control(f"subscriptions/{subscription}/renew", {})

    quick.world.restart(NthMeanwhile(crash_points.PLAN_COMMITTED, 2, renew))
    quick.step()
    quick.settle(300)

    assert ["scheduled"] == quick.states()
    assert ends < quick.period_end(subscription) == quick.change(change).effective_at
    assert ["basic-month", "pro-month"] == quick.schedules(subscription)[-1][1]


def test_released_elsewhere(shop):
    """A schedule that somebody let go will not switch: the change failed, and says what to do."""
    subscription = shop.subscribe("basic-month")
    change = shop.asked(subscription, "pro-month")
    shop.v1.subscription_schedules.release(shop.change(change).schedule_id)
    shop.settle(60)

    assert PlanChangeState.FAILED is shop.change(change).state
    assert "ask for it again" in shop.change(change).note


def test_ended_elsewhere(quick):
    """A subscription that ended takes its pending change with it."""
    subscription = quick.subscribe("basic-month")
    change = quick.asked(subscription, "pro-month")
    quick.v1.subscriptions.cancel(subscription)
    quick.settle(60)

    assert PlanChangeState.FAILED is quick.change(change).state
    assert "ended before" in quick.change(change).note


def test_no_event_tells_of_the_switch(quick):
    """The switch is seen an hour after the period's end even if every event is lost."""
    subscription = quick.subscribe("basic-month")
    change = quick.asked(subscription, "pro-month")
    quick.clock.advance(quick.period_end(subscription) - quick.clock.now_ms() / 1000)
    quick.control(f"subscriptions/{subscription}/renew", {})
    quick.new_events()
    quick.settle(60)
    waits = quick.change(change).state
    quick.clock.advance(3700)
    quick.settle(60)

    assert ("scheduled", "applied") == (waits, quick.change(change).state)


def test_echoes_start_nothing(quick):
    """The events of our own calls have nothing looked at again."""
    subscription = quick.subscribe("basic-month")
    quick.asked(subscription, "pro-month")
    reads = quick.sandbox.control("GET", "/sandbox/requests", {}).json()["data"]
    quick.settle(60)
    quick.clock.advance(DAY)
    quick.settle(60)

    assert reads == quick.sandbox.control("GET", "/sandbox/requests", {}).json()["data"]


def test_given_up(quick):
    """What Stripe does not answer in every try is a person's."""
    subscription = quick.subscribe("basic-month")
    quick.fault("503", "/v1/subscription", times=99)
    change = quick.ask(subscription, "pro-month")
    for _ in range(EVENT_ATTEMPTS_MAX + 1):
        quick.step()
        quick.clock.advance(4_500)

    assert PlanChangeState.FAILED is quick.change(change).state
    assert "look at the subscription" in quick.change(change).note


def test_too_late_to_send_again(quick):
    """A call whose key Stripe may have forgotten is not made again."""
    subscription = quick.subscribe("basic-month")
    quick.fault("503", "/v1/subscription", times=1)
    change = quick.ask(subscription, "pro-year")
    quick.work()
    quick.clock.advance(DAY)
    quick.settle(60)

    assert PlanChangeState.FAILED is quick.change(change).state
    assert "basic-month" == quick.plan(subscription)


def test_one_key_per_call(quick):
    """No two calls share a key, and each key names the change."""
    subscription = quick.subscribe("basic-month")
    quick.asked(subscription, "pro-month", key="k0")
    quick.asked(subscription, "studio-month", key="k1")
    quick.asked(subscription, "pro-year", key="k2")
    log = quick.sandbox.control("GET", "/sandbox/requests", {"path_prefix": "/v1/subscription"})
    keys = Counter(row["idempotency_key"] for row in log.json()["data"])
    ours = {key: count for key, count in keys.items() if key and key.startswith("redress:plan:pc_")}

    assert 5 == len(ours)
    assert {1} == set(ours.values())


def test_who_was_taken_back_takes_nobodys_place(quick):
    """A worker that looked before its change was taken back does not end the change that was pending."""
    subscription = quick.subscribe("basic-month")
    quick.asked(subscription, "pro-month")
    later = []

    def take_back():
        assert quick.withdraw(later[0])

    quick.restart(Meanwhile(crash_points.PLAN_LOOKED, take_back))
    later.append(quick.ask(subscription, "studio-month", key="k2"))
    quick.settle(120)

    assert ["scheduled", "withdrawn"] == quick.states()
    assert [("active", ["basic-month", "pro-month"])] == quick.schedules(subscription)


def test_the_last_word_comes_between(quick):
    """Who asks for another plan while the first one is looked at gets that one, and is not charged for the first."""
    subscription = quick.subscribe("basic-month")
    last = Meanwhile(
        crash_points.PLAN_LOOKED, lambda: quick.ask(subscription, "studio-month", key="k2")
    )
    quick.restart(last)
    quick.ask(subscription, "pro-year")
    quick.settle(120)

    assert ["replaced", "scheduled"] == quick.states()
    assert [1000] == [total for _, total in quick.invoices(subscription)]


def test_the_switch_came_before_the_answer_was_written(quick):
    """A switch whose event came before the row said that it was scheduled is seen all the same."""
    subscription = quick.subscribe("basic-month")

    def renewed():
        quick.control(f"subscriptions/{subscription}/renew", {})

    quick.ask(subscription, "pro-month")
    quick.crash(CrashAt(crash_points.PLAN_CALLED, 2), quick.step)
    renewed()
    quick.settle(120)

    assert ["applied"] == quick.states()
    assert "pro-month" == quick.plan(subscription)


def test_the_switch_came_before_it_was_let_go(quick):
    """Who wanted to stay, and whose switch came between the look and the call, gets the old plan back in time."""
    subscription = quick.subscribe("pro-month")
    quick.asked(subscription, "basic-month")

    def renewed():
        quick.control(f"subscriptions/{subscription}/renew", {})

    quick.restart(Meanwhile(crash_points.PLAN_COMMITTED, renewed))
    quick.ask(subscription, "pro-month", key="k2")
    quick.settle(120)

    assert ["applied", "scheduled"] == quick.states()
    assert "basic-month" == quick.plan(subscription)
    assert ["basic-month", "pro-month"] in [plans for _, plans in quick.schedules(subscription)]
