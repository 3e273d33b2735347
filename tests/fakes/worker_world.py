"""A whole processor in one thread: the real ledger and workers, the sandbox for Stripe, one frozen clock.

Stripe's events go through the receiver's parser into the real inbox, bells are kept in a list, and
nothing happens until a test says so: `settle` is what the processes would do in so many seconds.
"""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import stripe
from sqlalchemy import Table, select

from ledger.claim_tables import credit_claims
from ledger.ending_tables import subscription_ends
from ledger.engine import Store
from ledger.events import NewEvent
from ledger.inbox import store_events
from ledger.parsing import Expected, parse_event
from ledger.plan_change_tables import plan_changes
from ledger.refund_intents import Intent
from ledger.refund_intents import _intent as intent_of_row
from ledger.request_tables import refund_requests
from ledger.rows import AnyRow
from ledger.seen_plan_tables import seen_plan_changes
from ledger.tables import decisions, events, look_ups, refund_intents, seals
from ops.sandbox.book import Book
from ops.sandbox.stripe_stand_in import SandboxStripe
from runtime.limits import SWEEP_SECONDS
from runtime.queues import (
    BACKFILL_JOB,
    CHANGE_PLAN_JOB,
    DRAIN_EVENTS_JOB,
    EFFECT_JOBS,
    END_SUBSCRIPTION_JOB,
    JUDGE_CLAIM_JOB,
    JUDGE_REQUEST_JOB,
    LOOK_UP_JOB,
    RECONCILE_JOB,
    RESTORE_PLAN_JOB,
    SEND_NOTICE_JOB,
    SEND_REFUND_JOB,
)
from runtime.settings import Settings, load_settings
from tests.fakes.frozen_clock import FrozenClock
from tests.fakes.in_process_stripe import InProcessStripe
from workers.backfill import backfill
from workers.catalogue_book import CatalogueBook
from workers.claim_judging import judge_claim
from workers.context import WorkerContext
from workers.crash_points import CrashPoints, NoCrash
from workers.drain import drain_events
from workers.effects import send_refund
from workers.gateway import StripeGateway
from workers.look_up import look_up
from workers.notice_carriers import Carriers
from workers.notice_dispatch import send_notice
from workers.plan_changing import change_plan
from workers.plan_restoring import restore_plan
from workers.reconciling import reconcile
from workers.request_judging import judge_request
from workers.subscription_ending import end_subscription
from workers.sweeper import Swept, sweep
from workers.terms_book import TermsBook

JOBS_MAX = 1_000

Job = tuple[str, int | str | None]


class Crashed(BaseException):
    """The process ended here, as by kill -9; no handler may catch it."""


class CrashAt:
    """Ends the process when the boundary `name` is reached for the `nth` time."""

    def __init__(self, name: str, nth: int = 1) -> None:
        self._name = name
        self._left = nth

    def reach(self, name: str) -> None:
        """Raise Crashed at the boundary."""
        if name == self._name:
            self._left -= 1
            if self._left == 0:
                raise Crashed(name)


class Meanwhile:
    """Lets something happen elsewhere when the boundary `name` is first reached."""

    def __init__(self, name: str, action: Callable[[], object]) -> None:
        self._name = name
        self._action: Callable[[], object] | None = action

    def reach(self, name: str) -> None:
        """Act at the boundary, once."""
        if name == self._name and self._action is not None:
            action, self._action = self._action, None
            action()


class NthMeanwhile(Meanwhile):
    """Acts when the boundary is reached for the `nth` time."""

    def __init__(self, name: str, nth: int, action: Callable[[], object]) -> None:
        super().__init__(name, action)
        self._left = nth

    def reach(self, name: str) -> None:
        """Count, then act."""
        self._left -= name == self._name
        if self._left == 0:
            super().reach(name)


class FakeWakeups:
    """The bell as a list of jobs; while `lost`, nothing that is rung arrives (Redis is away)."""

    def __init__(self, *, lost: bool = False) -> None:
        self.lost = lost
        self.jobs: list[Job] = []

    def wake_events(self) -> bool:
        """Ring for a drain job, unless one waits already."""
        return self._ring((DRAIN_EVENTS_JOB, None))

    def clear_events_flag(self) -> bool:
        """Let the next delivery ring again."""
        return not self.lost

    def wake_effect(self, job_name: str, row_id: int | str) -> bool:
        """Ring for one effect."""
        assert job_name in EFFECT_JOBS
        return self._ring((job_name, row_id))

    def _ring(self, job: Job) -> bool:
        if not self.lost and job not in self.jobs:
            self.jobs.append(job)
        return not self.lost


def worker_settings(folder: Path, **changes: str) -> Settings:
    """Settings of an enforcing process with a test key; `changes` are variables by lower-case name."""
    environ = {
        "STRIPE_API_KEY": "sk_test_sandbox",
        "STRIPE_WEBHOOK_SECRETS": "whsec_for_the_tests_only",
        "REDRESS_MODE": "enforce",
        "REDRESS_DATA": str(folder),
        "REDRESS_BACKFILL_SECONDS": "0",  # a test that reads Stripe's lists says so
    }
    return load_settings(environ | {name.upper(): value for name, value in changes.items()})


def parsed_event(event: dict[str, Any] | bytes, *, livemode: bool = False) -> NewEvent:
    """One event as a receiver of that mode would hand it to the inbox."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return parse_event(body, Expected(livemode=livemode, account=None))


_OF_ROWS: Mapping[str, Callable[[WorkerContext, int], None]] = {
    CHANGE_PLAN_JOB: change_plan,
    END_SUBSCRIPTION_JOB: end_subscription,
    JUDGE_CLAIM_JOB: judge_claim,
    JUDGE_REQUEST_JOB: judge_request,
    LOOK_UP_JOB: look_up,
    RESTORE_PLAN_JOB: restore_plan,
    SEND_NOTICE_JOB: send_notice,
}


@dataclass(kw_only=True)
class WorkerWorld:
    """One processor and its Stripe. `pay` and `control` act at Stripe; the rest is the processor."""

    store: Store
    settings: Settings
    clock: FrozenClock
    sandbox: SandboxStripe = field(init=False)
    carrier: InProcessStripe = field(init=False)
    v1: Any = field(init=False)
    wakeups: FakeWakeups = field(default_factory=FakeWakeups)
    context: WorkerContext = field(init=False)
    carriers: Carriers | None = None
    told: int = 0
    cards: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sandbox = SandboxStripe(Book(), self.clock, random.Random(7), check_key=False)
        self.carrier = InProcessStripe(self.sandbox, self.clock)
        shop = InProcessStripe(self.sandbox, self.clock)
        self.v1 = stripe.StripeClient("sk_test_sandbox", http_client=shop).v1
        self.context = self.fresh_context()

    def fresh_context(
        self, crash: CrashPoints | None = None, catalogue: CatalogueBook | None = None
    ) -> WorkerContext:
        """What a newly started worker process has: nothing but the settings and the database."""
        return WorkerContext(
            settings=self.settings,
            store=self.store,
            clock=self.clock,
            gateway=StripeGateway(self.settings, http_client=self.carrier),
            wakeups=self.wakeups,  # type: ignore[arg-type] - has the methods that workers call
            terms=TermsBook.by(self.settings),
            catalogue=catalogue or CatalogueBook(),
            crash=crash or NoCrash(),
            carriers=self.carriers,
        )

    def restart(self, crash: CrashPoints | None = None) -> None:
        """Go on as a new process would."""
        self.context = self.fresh_context(crash)

    def change_settings(self, **changes: str) -> None:
        """Restart with other settings."""
        self.settings = worker_settings(self.settings.redress_data, **changes)
        self.restart(self.context.crash)

    # --- Stripe's side ---

    def customer(self) -> str:
        """The id of a new customer."""
        created: str = self.v1.customers.create({"email": "buyer@shop.example"}).id
        return created

    def pay(
        self, customer: str | None, amount: int = 1000, order: str | None = "order-1", **params: Any
    ) -> str:
        """Take a payment at Stripe; returns its charge's id. A second passes, as between payments."""
        given: dict[str, Any] = {
            "amount": amount,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "capture_method": "automatic",
            "expand": ["latest_charge"],
        }
        if customer is not None:
            given["customer"] = customer
            if "payment_method" not in params:
                given["payment_method"] = self._card_of(customer)
        if order is not None:
            given["metadata"] = {"order_id": order}
        charge_id: str = self.v1.payment_intents.create(given | params).latest_charge.id
        self.clock.advance(1)
        return charge_id

    def _card_of(self, customer: str) -> str:
        """The customer's own card: one that many customers pay with is what thieves have."""
        if customer not in self.cards:
            made = self.v1.payment_methods.create(
                {
                    "type": "card",
                    "card": {"token": "tok_visa"},
                    "metadata": {"sandbox_fingerprint": f"fp_{customer}"},
                }
            )
            self.cards[customer] = made.id
        return self.cards[customer]

    def pay_twice(self, customer: str | None = None, **params: Any) -> tuple[str, str]:
        """Two payments of one order by one customer: the first one's charge id and the second's."""
        customer = customer or self.customer()
        return self.pay(customer, **params), self.pay(customer, **params)

    def control(self, path: str, body: Any) -> Any:
        """Have something happen at Stripe that no API call does; returns the JSON of the answer."""
        answer = self.sandbox.control("POST", f"/sandbox/{path}", body)
        assert answer.status == 200, answer.body
        return answer.json()

    def fault(self, kind: str, path_prefix: str = "/v1/refunds", **fields: Any) -> None:
        """Replace all faults by one, by default on the next refund that is created."""
        described = {"method": "POST", "path_prefix": path_prefix, "kind": kind}
        self.control("faults", [described | fields])

    def refunds(self) -> list[dict[str, Any]]:
        """Every refund in Stripe's own book, oldest first."""
        return list(self.sandbox.book.newest_first("refunds"))[::-1]

    def refund_calls(self) -> list[dict[str, Any]]:
        """Every request to create a refund that reached Stripe's door, oldest first."""
        log = self.sandbox.control("GET", "/sandbox/requests", {"path_prefix": "/v1/refunds"})
        return [row for row in log.json()["data"] if row["method"] == "POST"]

    # --- the processor's side ---

    def new_events(self) -> list[dict[str, Any]]:
        """The events that Stripe has emitted since the last call."""
        found = self.sandbox.book.events_after(self.told)
        self.told = self.sandbox.book.last_event_seq()
        return [event for _, event in found]

    def receive(self, *told: dict[str, Any] | bytes) -> None:
        """Commit these events as the receiver does, and ring."""
        parsed = [self.parsed(event) for event in told]
        with self.store.write() as connection:
            store_events(connection, parsed, self.clock.now_ms())
        self.wakeups.wake_events()

    def parsed(self, event: dict[str, Any] | bytes) -> NewEvent:
        """One event as the receiver would hand it to the inbox."""
        return parsed_event(event, livemode=self.settings.livemode)

    def deliver(self) -> int:
        """Receive everything new from Stripe; returns how many events that was."""
        fresh = self.new_events()
        if fresh:
            self.receive(*fresh)
        return len(fresh)

    def drain(self) -> int:
        """Run one drain job; returns how many events it settled."""
        return drain_events(self.context)

    def run_effects(self) -> None:
        """Send every intent and ask every question that was rung for."""
        self._run(lambda job: job[0] in EFFECT_JOBS)

    def work(self) -> None:
        """Run every job that was rung for, and what those ring for."""
        self._run(lambda _job: True)

    def sweep(self) -> Swept:
        """One pass of the sweeper."""
        return sweep(self.context)

    def settle(self, seconds: float = 60) -> None:
        """All that the processes do in so many seconds; ends sooner when nothing is left to do."""
        ends_ms = self.clock.now_ms() + round(seconds * 1000)
        while True:
            self.step()
            if self.clock.now_ms() >= ends_ms or self.is_quiet():
                return
            self.clock.advance(SWEEP_SECONDS)

    def step(self) -> None:
        """Deliver, sweep and work until nothing more happens at this moment."""
        self.sandbox.tick()
        self.deliver()
        bells, self.wakeups.lost = self.wakeups.lost, False
        self.sweep()
        self.wakeups.lost = bells
        self.work()
        while self.deliver():
            self.work()

    def is_quiet(self) -> bool:
        """Whether no row waits for a process, and nothing at Stripe for its time."""
        waiting = (
            select(events.c.id).where(events.c.state.in_(("new", "claimed"))),
            select(refund_intents.c.id).where(refund_intents.c.next_attempt_ms.is_not(None)),
            select(look_ups.c.id).where(look_ups.c.state == "wanted"),
            select(subscription_ends.c.id).where(subscription_ends.c.state == "wanted"),
            select(refund_requests.c.id).where(refund_requests.c.state == "waiting"),
            select(credit_claims.c.id).where(credit_claims.c.state == "waiting"),
            select(plan_changes.c.id).where(plan_changes.c.next_attempt_ms <= self.clock.now_ms()),
            select(plan_changes.c.id).where(plan_changes.c.state.in_(("waiting", "withdrawing"))),
            select(seen_plan_changes.c.id).where(seen_plan_changes.c.next_attempt_ms.is_not(None)),
            select(decisions.c.id).where(decisions.c.id.not_in(select(seals.c.decision_id))),
        )
        with self.store.read() as connection:
            if any(connection.execute(query.limit(1)).first() for query in waiting):
                return False
        chores = self.sandbox.book._db.execute("SELECT count(*) FROM chores").fetchone()
        return chores == (0,)

    def crash(self, crash: CrashPoints, work: Callable[[], object]) -> bool:
        """Do `work` in a process that dies at a crash point; says whether it did. A new one follows."""
        self.restart(crash)
        try:
            work()
        except Crashed:
            died = True
        else:
            died = False
        self.restart()
        return died

    def _run(self, wanted: Callable[[Job], bool]) -> None:
        for _ in range(JOBS_MAX):
            job = next(filter(wanted, self.wakeups.jobs), None)
            if job is None:
                return
            self.wakeups.jobs.remove(job)
            self.run_job(job)
        raise AssertionError("the jobs never come to an end")

    def run_job(self, job: Job) -> None:
        """Run one job as an RQ worker would."""
        name, row_id = job
        if name == DRAIN_EVENTS_JOB:
            drain_events(self.context)
        elif name == SEND_REFUND_JOB:
            send_refund(self.context, str(row_id))
        elif name == BACKFILL_JOB:
            backfill(self.context, str(row_id))
        elif name == RECONCILE_JOB:
            reconcile(self.context, int(str(row_id)))
        else:
            _OF_ROWS[name](self.context, int(str(row_id)))

    # --- the ledger ---

    def rows(self, table: Table) -> list[AnyRow]:
        """Every row of a table in the order of its first column."""
        with self.store.read() as connection:
            return list(connection.execute(select(table).order_by(*table.primary_key.columns)))

    def intents(self) -> list[Intent]:
        """Every refund intent, oldest first."""
        by_age = (refund_intents.c.created_ms, refund_intents.c.charge_id)
        with self.store.read() as connection:
            found = connection.execute(select(refund_intents).order_by(*by_age)).all()
        return [intent_of_row(row) for row in found]

    def intent(self) -> Intent:
        """The only refund intent."""
        (only,) = self.intents()
        return only

    def event_row(self, event_id: str) -> AnyRow:
        """The inbox row of one event."""
        with self.store.read() as connection:
            return connection.execute(select(events).where(events.c.event_id == event_id)).one()
