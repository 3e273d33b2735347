"""kill -9 at every boundary between two steps, and processes that freeze: each duplicate goes back once.

All faults of one engine strike one machine one after another while payments go on; the tests then look
at what became of each. A lease of 30 s must run out before some of them are taken up again.
"""

import contextlib
import itertools
import os
import signal
from dataclasses import dataclass

import psutil
import pytest
from sqlalchemy import select

from ledger.states import EventState, IntentState
from ledger.tables import events
from tests.databases import ENGINES, Databases
from tests.processes.machine import NOTHING_WRONG, Machine, wait_until
from tests.processes.shop import KINDS, Duplicate
from workers import crash_points

#: On a busy machine; a trap is sprung within half a second of the payment otherwise.
TRAP_SECONDS_MAX = 120

FREEZES = (crash_points.EFFECT_CHECKED, crash_points.EFFECT_SUBMITTED, crash_points.DRAIN_CLAIMED)
#: Drains first: events that two kills have hit come back alone, and a third one would park them.
KILLS = sorted(
    itertools.product(crash_points.EVERY_POINT, ("horse", "worker")),
    key=lambda kill: not kill[0].startswith("drain"),
)
WORKERS = {"worker": 2, "effects": 3}
pytestmark = [pytest.mark.processes, pytest.mark.timeout(420)]


@dataclass(frozen=True, kw_only=True)
class Struck:
    """One fault: the process that it struck and the duplicate that was on its way."""

    pid: int
    duplicate: Duplicate


class Matrix:
    """A machine after every fault, all quiet again within a minute."""

    def __init__(self, machine):
        self.machine = machine
        self.frozen, self.killed, self.thawed = {}, {}, set()
        for point in FREEZES:
            self.frozen[point] = self._strike(point, "stop")
        for number, (point, action) in enumerate(KILLS):
            kind = KINDS[number % len(KINDS)]
            self.killed[point, action] = self._strike(point, action, kind)
        self.timed_out = self._time_out()
        machine.settle(meanwhile=self._thaw)
        wait_until(self._thawed, TRAP_SECONDS_MAX, machine.keep_running)
        machine.settle()
        self.intents = machine.intents()
        self.calls = machine.refund_calls()
        self.report = machine.report()

    def _strike(self, point, action, kind="same_order"):
        """Set a trap and pay twice; what drains events is caught at the second payment's."""
        pay_again = self.machine.shop.first(kind)
        self.machine.set_trap(point, action)
        duplicate = pay_again()
        pid = self.machine.wait_for_trap(point, TRAP_SECONDS_MAX, self._thaw)
        return Struck(pid=pid, duplicate=duplicate)

    def _thaw(self):
        """Let those go on whose work others have done; RQ would end them by its own time-out."""
        intents = self.machine.intents() if len(self.thawed) < len(self.frozen) else {}
        for struck in self.frozen.values():
            intent = intents.get(struck.duplicate.charge_id)
            done = intent is not None and intent.state == IntentState.SUCCEEDED
            if done and struck.pid not in self.thawed:
                os.kill(struck.pid, signal.SIGCONT)
                self.thawed.add(struck.pid)

    def _thawed(self):
        """Whether those that were frozen have come to their end."""
        return not any(psutil.pid_exists(struck.pid) for struck in self.frozen.values())

    def _time_out(self):
        """Stripe makes a refund and never answers; the process that waits for it is killed."""
        fault = {"method": "POST", "path_prefix": "/v1/refunds", "kind": "timeout_after"}
        self.machine.control("faults", [fault])
        self.machine.shop.pay_twice()
        (call,) = wait_until(self._timed_out_calls, TRAP_SECONDS_MAX, self._thaw)
        for horse in self._horses():
            with contextlib.suppress(
                psutil.NoSuchProcess
            ):  # Only the one that waits is sure to live.
                horse.parent().kill()
                horse.kill()
        # It may have struck a refund that an earlier fault had kept back until now.
        by_key = {row.idempotency_key: charge for charge, row in self.machine.intents().items()}
        charge_id = by_key[call["idempotency_key"]]
        (duplicate,) = [one for one in self.machine.duplicates if one.charge_id == charge_id]
        return duplicate

    def _timed_out_calls(self):
        return [call for call in self.machine.refund_calls() if call["fault"] == "timeout_after"]

    def _horses(self):
        """The work horses of the effects that are at work now, the frozen ones aside."""
        frozen = {struck.pid for struck in self.frozen.values()} - self.thawed
        workers = self.machine.process("effects").children()
        horses = [horse for worker in workers for horse in worker.children()]
        return [horse for horse in horses if horse.pid not in frozen]

    def calls_for(self, duplicate):
        """The calls to Stripe that asked for this duplicate's refund."""
        key = self.intents[duplicate.charge_id].idempotency_key
        return [call for call in self.calls if call["idempotency_key"] == key]


@pytest.fixture(scope="module", params=ENGINES)
def matrix(request, database_templates, tmp_path_factory):
    databases = Databases(database_templates, tmp_path_factory.mktemp("database"))
    machine = Machine(tmp_path_factory.mktemp("machine"), databases.url(request.param))
    try:
        machine.start(trapped=WORKERS)
        yield Matrix(machine)
    finally:
        machine.stop()
        databases.close()


@pytest.mark.parametrize(
    ("point", "action"), [pytest.param(*kill, id=f"{kill[0]}, {kill[1]}") for kill in KILLS]
)
def test_kill_at_every_boundary(matrix, point, action):
    """A process killed between two steps leaves one refund of what was on its way, within a minute (F1)."""
    struck = matrix.killed[point, action]

    (refund,) = matrix.machine.refunds_of(struck.duplicate.charge_id)

    intent = matrix.intents[struck.duplicate.charge_id]
    assert not psutil.pid_exists(struck.pid)
    assert (struck.duplicate.amount_minor, "succeeded") == (refund["amount"], refund["status"])
    assert (IntentState.SUCCEEDED, refund["id"]) == (intent.state, intent.refund_id)


def test_nothing_else_was_refunded(matrix):
    """After every fault the book holds each duplicate's refund once, and no other refund."""
    assert NOTHING_WRONG == matrix.report.wrong
    assert len(matrix.machine.duplicates) == len(matrix.report.ok)
    assert matrix.report.recovered


def test_nothing_is_stranded(matrix):
    """After every fault each event is settled, none is parked, and every invariant of the ledger holds."""
    states = {row.state for row in matrix.machine.rows(select(events.c.state))}

    assert states <= {EventState.DECIDED, EventState.IGNORED}
    assert [] == matrix.machine.breaches()
    assert set() == matrix.machine.untold()


def test_frozen_before_it_submits(matrix):
    """A process that wakes up after its lease has lost its claim: it never calls Stripe."""
    struck = matrix.frozen[crash_points.EFFECT_CHECKED]

    assert 1 == len(matrix.calls_for(struck.duplicate))
    assert matrix.intents[struck.duplicate.charge_id].fence > 1


def test_frozen_before_it_calls(matrix):
    """One that had submitted calls with the same key as its successor, and Stripe pays once."""
    struck = matrix.frozen[crash_points.EFFECT_SUBMITTED]

    # The second call is missing when RQ's time-out ended the frozen process before it was let go on.
    assert len(matrix.calls_for(struck.duplicate)) in {1, 2}
    assert 1 == len(matrix.machine.refunds_of(struck.duplicate.charge_id))


def test_frozen_with_events_in_its_hands(matrix):
    """Events of a frozen worker are judged by another; the late one changes nothing."""
    struck = matrix.frozen[crash_points.DRAIN_CLAIMED]

    assert 1 == len(matrix.machine.refunds_of(struck.duplicate.charge_id))


def test_time_out_after_the_refund_was_made(matrix):
    """When Stripe makes a refund and its caller dies waiting for the answer, it is found and not made again."""
    duplicate = matrix.timed_out

    assert "timeout_after" == matrix.calls_for(duplicate)[-1]["fault"]
    assert 1 == len(matrix.machine.refunds_of(duplicate.charge_id))
