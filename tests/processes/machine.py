"""One machine of real processes: the Procfile's, the embedded Valkey and the sandbox over HTTP.

Every process can be killed, frozen and started by itself. `report` holds Stripe's own book against
what was paid twice, in the five buckets of Jepsen's total-queue (reliability.md §6).
"""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from sqlalchemy import func, select

from ledger.engine import Store
from ledger.event_types import HANDLED
from ledger.invariant_checks import check_invariants
from ledger.schema import migrate
from ledger.states import EventState
from ledger.summaries import day_progress
from ledger.tables import cases, decisions, events, look_ups, refund_intents
from ops.sandbox.delivery_endpoints import register_endpoint
from ops.sandbox.keep_alive import HttpUnanswered
from ops.supervisor import procfile_commands
from runtime.clock import SystemClock
from runtime.embedded_redis import EmbeddedRedis, end_with_parent
from runtime.queues import EFFECTS, EVENTS
from tests.free_ports import free_port
from tests.processes.crashing_process import SPRUNG
from tests.processes.recorded_sandbox import CLIENT_LOG
from tests.processes.shop import API_KEY, Shop

ROOT = Path(__file__).parents[2]
SECRET = "whsec_0123456789abcdef0123456789abcdef"
START_SECONDS_MAX = 120
STOP_SECONDS_MAX = 20
#: What may pass between the end of the faults and the last refund (reliability.md I2).
STRANDED_SECONDS_MAX = 60
RESTART_PAUSE_SECONDS = 3
#: How long Stripe may take to deliver what waits, by its own pauses.
DELIVERY_SECONDS_MAX = 180
#: Looks in a row at which nothing may be under way.
QUIET_LOOKS = 4

#: Everything that runs now and has `last_words`.
SHOWN_ON_FAILURE = []

clock = SystemClock()


@dataclass(frozen=True, kw_only=True)
class Report:
    """Charges by what became of them. `recovered` are those of `ok` that took more than one lease."""

    ok: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    recovered: list[str] = field(default_factory=list)

    @property
    def wrong(self):
        """The buckets that must be empty, by name."""
        return {"lost": self.lost, "unexpected": self.unexpected, "repeated": self.repeated}


NOTHING_WRONG = {"lost": [], "unexpected": [], "repeated": []}


def wait_until(condition, seconds, meanwhile=lambda: None, why=lambda: ""):
    """Poll until `condition()` is true and return its value; fails after `seconds`, saying `why()`."""
    give_up = clock.monotonic() + seconds
    while not (found := condition()):
        assert clock.monotonic() < give_up, f"waited in vain for {seconds} s; {why()}"
        meanwhile()
        clock.sleep(0.05)
    return found


def is_success(status):
    """Whether an answer acknowledges a delivery; None is no answer."""
    return status is not None and 200 <= status < 300


class Machine:
    """The processes of one data folder and database, with a shop at their sandbox."""

    #: A process that died is started again after this long.
    restart_pause_seconds = RESTART_PAUSE_SECONDS

    def __init__(self, folder, database_url, *, deliveries="", copies=None, environ=None):
        """`deliveries` are arguments of `recorded_sandbox`, `environ` settings beside the machine's own.

        `copies` says how many of a line of the Procfile run: {"worker": 2} runs worker and worker.2.
        """
        self.data = folder / "data"
        self.traps = folder / "traps"
        self.logs = folder / "logs"
        for made in (self.data, self.traps, self.logs):
            made.mkdir(mode=0o700)
        self.redis = EmbeddedRedis(self.data)
        self.store = Store(database_url)
        self.web_port, self.sandbox_port = free_port(), free_port()
        self.sandbox_url = f"http://127.0.0.1:{self.sandbox_port}"
        self.endpoint_url = f"http://127.0.0.1:{self.web_port}/webhooks/stripe"
        self.shops = []
        #: More environment for single processes, from their next start on.
        self.surroundings = {}
        self._died = {}
        self._environ = {
            **{name: value for name, value in os.environ.items() if name == "HOME"},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONPATH": str(ROOT),
            "STRIPE_API_KEY": API_KEY,
            "STRIPE_API_BASE": self.sandbox_url,
            "STRIPE_WEBHOOK_SECRETS": SECRET,
            "REDRESS_MODE": "enforce",
            "REDRESS_DATA": str(self.data),
            "REDRESS_WEB_PORT": str(self.web_port),
            "REDRESS_SANDBOX_PORT": str(self.sandbox_port),
            "REDRESS_METRICS_PORT": str(free_port()),
            "REDRESS_OPS_PORT": str(free_port()),
            "DATABASE_URL": database_url,
            "REDIS_URL": self.redis.url,
            **(environ or {}),
        }
        self._commands = dict(procfile_commands(ROOT / "Procfile"))
        for name, count in (copies or {}).items():
            for number in range(2, count + 1):
                self._commands[f"{name}.{number}"] = self._commands[name]
        self._commands["sandbox"] = self._module("recorded_sandbox", deliveries)
        self._processes = {}

    # --- starting and stopping ---

    def start(self, *, trapped=None):
        """Start everything; `trapped` says how many of "worker" and "effects" run among the traps."""
        SHOWN_ON_FAILURE.append(self)
        migrate(self.store)
        self.redis.start()
        for name, count in (trapped or {}).items():
            queue = {"worker": EVENTS, "effects": EFFECTS}[name]
            arguments = f"--queue {queue} --count {count} --traps {shlex.quote(str(self.traps))}"
            self._commands[name] = self._module("crashing_process", arguments)
        for name in self._commands:
            self.start_process(name)
        self.shop = self.open_shop()
        wait_until(self._registered, START_SECONDS_MAX, self._none_died)
        wait_until(self.receives, START_SECONDS_MAX, self._none_died)

    def start_process(self, name):
        """Start one process, or start it again."""
        with self._log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                shlex.split(self._commands[name]),
                env=self._environ | self.surroundings.get(name, {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - one system call on a loaded library
            )

    def kill(self, name, number=signal.SIGKILL):
        """End one process by a signal, and wait until it is gone. It is not started again."""
        process = self._processes.pop(name)
        process.send_signal(number)
        process.wait(STOP_SECONDS_MAX)

    def process(self, name):
        """A running process and, by its methods, its children."""
        return psutil.Process(self._processes[name].pid)

    def keep_running(self):
        """Start again, after a pause, whatever died without `kill`, as `redress up` does."""
        now = clock.monotonic()
        for name, process in list(self._processes.items()):
            if process.poll() is None:
                continue
            died = self._died.setdefault(process.pid, now)
            if now >= died + self.restart_pause_seconds:
                self.start_process(name)

    def stop(self):
        """End every process, the ones that are stuck by force."""
        SHOWN_ON_FAILURE.remove(self)
        left = [horse for name in self._processes for horse in self._family(name)]
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for horse in left:
            if horse.is_running():
                horse.kill()
        self.redis.stop()
        self.shop.close()
        self.store.close()

    def _none_died(self):
        # A start that fails is told here: a fixture's clean-up comes before the report with all logs.
        words = dict(self.last_words())
        dead = [name for name, one in self._processes.items() if one.poll() is not None]
        assert [] == dead, "\n".join(f"{name}: {words[name]}" for name in dead)

    def _family(self, name):
        try:
            return self.process(name).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def _module(self, name, arguments):
        return f"{shlex.quote(sys.executable)} -m tests.processes.{name} {arguments}"

    def _registered(self):
        try:
            register_endpoint(self.sandbox_url, self.endpoint_url, [SECRET], sorted(HANDLED))
        except HttpUnanswered:
            return False
        return True

    def receives(self):
        """Whether the web process takes connections."""
        try:
            socket.create_connection(("127.0.0.1", self.web_port), timeout=5).close()
        except OSError:
            return False
        return True

    # --- traps ---

    def set_trap(self, point, action):
        """Have the first process that reaches `point` die there (or freeze, with "stop")."""
        trap = self.traps / point
        partial = self.traps / "partial"
        partial.write_text(action, encoding="ascii")
        partial.rename(trap)

    def sprung(self, point):
        """The pid of the process that was caught at `point`; None while nobody was."""
        sprung = self.traps / f"{point}{SPRUNG}"
        text = sprung.read_text(encoding="ascii") if sprung.exists() else ""
        return int(text) if text.isdigit() else None

    def wait_for_trap(self, point, seconds, meanwhile=lambda: None):
        """Wait until somebody was caught at `point`; returns the pid, and the trap can be set anew."""
        pid = wait_until(lambda: self.sprung(point), seconds, meanwhile)
        (self.traps / f"{point}{SPRUNG}").unlink()
        return pid

    # --- Stripe's side ---

    def open_shop(self):
        """One more shop at the sandbox, for one thread; `report` expects what it takes twice back."""
        self.shops.append(Shop(self.sandbox_url))
        return self.shops[-1]

    @property
    def duplicates(self):
        """Every payment that must be refunded."""
        return [one for shop in self.shops for one in shop.duplicates]

    def control(self, path, body):
        """POST to one of the sandbox's control endpoints."""
        return self.shop.till.control(f"/sandbox/{path}", body)

    def book(self, kind):
        """Every object of one kind in Stripe's book."""
        return self.shop.till.get("/sandbox/book", {"kind": kind})["data"]

    def refunds_of(self, charge_id):
        """The refunds of one charge in Stripe's book."""
        return [refund for refund in self.book("refunds") if refund["charge"] == charge_id]

    def refund_calls(self):
        """Every request to create a refund that reached Stripe's door."""
        log = self.shop.till.get("/sandbox/requests", {"path_prefix": "/v1/refunds"})["data"]
        return [row for row in log if row["method"] == "POST"]

    # --- the ledger's side ---

    def rows(self, query):
        """The rows of a query."""
        with self.store.read() as connection:
            return connection.execute(query).all()

    def intents(self):
        """The refund intents by charge."""
        return {row.charge_id: row for row in self.rows(select(refund_intents))}

    def open_rows(self):
        """How many rows still have a step ahead."""
        with self.store.read() as connection:
            return day_progress(connection).open_rows

    def settle(self, meanwhile=lambda: None):
        """Wait until nothing is under way: a minute at most once Stripe has delivered everything."""

        def look_after():
            self.keep_running()
            meanwhile()

        def quiet():
            clock.sleep(0.1)
            looks.append(self._under_way())
            return looks[-QUIET_LOOKS:] == [""] * QUIET_LOOKS

        looks = []
        # Stripe's own pauses between tries are no fault of the processor's.
        wait_until(lambda: not self._waiting(), DELIVERY_SECONDS_MAX, look_after, self._waiting)
        wait_until(quiet, STRANDED_SECONDS_MAX, look_after, lambda: looks[-1])

    def _waiting(self):
        """What Stripe still has to deliver, in words."""
        counts = self.shop.till.get("/sandbox/deliveries")
        return f"deliveries: {counts}" if counts["waiting"] else ""

    def _under_way(self):
        """What still happens, in words; each look at Stripe's book costs the sandbox time."""
        if waiting := self._waiting():
            return waiting
        if open_rows := self.open_rows():
            return f"open rows: {open_rows}"
        untold = self.untold()
        return f"untold: {len(untold)}" if untold else ""

    def untold(self):
        """The ids of events of Stripe's that are not in the inbox."""
        told = {event["id"] for event in self.book("events") if event["type"] in HANDLED}
        return told - {row.event_id for row in self.rows(select(events.c.event_id))}

    def attempts(self):
        """Every attempt at a delivery and its outcome, by the client's own log."""
        lines = (self.data / CLIENT_LOG).read_text(encoding="ascii").splitlines()
        return [json.loads(line) for line in lines]

    def acknowledged(self):
        """(event id, sha256) of each delivery that was answered 2xx."""
        return [
            (one["event_id"], one["sha256"]) for one in self.attempts() if is_success(one["status"])
        ]

    def events_stored(self):
        """How many rows the inbox has."""
        return self.rows(select(func.count()).select_from(events))[0][0]

    def stored(self):
        """(event id, sha256) of each row of the inbox."""
        found = self.rows(select(events.c.event_id, events.c.sha256))
        return [(row.event_id, row.sha256) for row in found]

    def tries_of(self, charge_id):
        """What each event of a charge's customer took: its type, tries, deaths, ms until it was settled."""
        lane = select(events.c.lane).where(
            events.c.object_id == charge_id, events.c.type == "charge.succeeded"
        )
        query = select(
            events.c.type,
            events.c.attempts,
            events.c.kills,
            (events.c.settled_ms - events.c.received_ms).label("settled_after_ms"),
        ).where(events.c.lane.in_(lane))
        return [dict(row._mapping) for row in self.rows(query.order_by(events.c.id))]

    def story_of(self, charge_id):
        """Everything that the ledger says about a charge that should have been refunded."""
        of_case = select(cases.c.id).where(cases.c.charge_id == charge_id)
        lane = select(events.c.lane).where(
            events.c.object_id == charge_id, events.c.type == "charge.succeeded"
        )
        asked = select(events.c.object_id).where(events.c.lane.in_(lane))
        told = (events.c.type, events.c.event_id, events.c.state, events.c.note)
        tried = (events.c.attempts, events.c.kills, events.c.received_ms, events.c.settled_ms)
        queries = {
            "cases": select(cases).where(cases.c.charge_id == charge_id),
            "decisions": select(decisions).where(decisions.c.case_id.in_(of_case)),
            "intents": select(refund_intents).where(refund_intents.c.charge_id == charge_id),
            "look_ups": select(look_ups).where(look_ups.c.object_id.in_(asked)),
            "events": select(*told, *tried).where(events.c.lane.in_(lane)),
        }
        return {
            name: [dict(row._mapping) for row in self.rows(query)]
            for name, query in queries.items()
        }

    def parked(self):
        """What was set aside for a person, and why."""
        query = select(events).where(events.c.state == EventState.PARKED.value)
        return [f"{row.type} {row.event_id}: {row.note}" for row in self.rows(query)]

    def replay_parked(self):
        """What an operator does about events that were parked because three workers died on them."""
        command = ["redress", "events", "replay", "--state", "parked", "--run", "--reason"]
        subprocess.run(
            [*command, "the deaths were not its doing"], env=self._environ, check=True, timeout=60
        )

    def breaches(self):
        """The ledger's invariants that do not hold."""
        with self.store.read() as connection:
            return [one for one in check_invariants(connection) if not one.holds]

    def report(self):
        """The five buckets, from Stripe's own book."""
        expected = {one.charge_id: one for one in self.duplicates}
        intents = self.intents()
        made = {}
        for refund in self.book("refunds"):
            made.setdefault(refund["charge"], []).append(refund)
        ok = [charge for charge, refunds in made.items() if _as_due(expected.get(charge), refunds)]
        return Report(
            ok=ok,
            lost=sorted(set(expected) - set(made)),
            unexpected=sorted(
                charge
                for charge, refunds in made.items()
                if charge not in expected or not _as_due(expected[charge], refunds[:1])
            ),
            repeated=sorted(charge for charge, refunds in made.items() if len(refunds) > 1),
            recovered=[charge for charge in ok if intents[charge].fence > 1],
        )

    # --- what to show when a test fails ---

    def _log(self, name):
        return self.logs / f"{name}.log"

    def last_words(self, lines_max=40):
        """The end of each log, by process name."""
        for log in sorted(self.logs.glob("*.log")):
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            yield log.stem, "\n".join(lines[-lines_max:])


def _as_due(duplicate, refunds):
    if duplicate is None or len(refunds) != 1:
        return False
    (refund,) = refunds
    return (duplicate.amount_minor, duplicate.currency, "succeeded") == (
        refund["amount"],
        refund["currency"],
        refund["status"],
    )
