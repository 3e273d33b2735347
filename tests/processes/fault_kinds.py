"""The faults that are no kills. Each is a generator: it strikes, yields the seconds it lasts, and heals.

A generator that is closed early heals as well, so the end of a run only has to close them all.
"""

import contextlib
import fcntl
import os
import signal
from pathlib import Path

from runtime.limits import EFFECT_LEASE_MS, LEASE_MS
from runtime.wiring import open_redis
from tests.processes.killings import copies_of
from tests.processes.machine import STOP_SECONDS_MAX, clock
from tests.processes.skewed_clock import library

PAST_LEASE_SECONDS = 2.0
LOCK_LOOK_SECONDS = 1.0
STUCK_SECONDS = 2.0
SLOW_SECONDS = {"redis": 0.3, "database": 0.02, "stripe": 0.5, "deliveries": 0.5}
REFUSED_SECONDS = (1.0, 3.0)
SLOW_FOR_SECONDS = (3.0, 6.0)
CUTS = 4
FULL_SECONDS = 3.0
SKEWED_SECONDS = 8.0
SKEW_SECONDS_MAX = 240
#: What a worker with a clock ahead puts off is due for the others only when theirs get there.
AHEAD_SECONDS_MAX = 10
ANSWER_LATE_SECONDS = 3
#: Half of the calls that matter are struck. Kinds that would keep a refund away for 24 h are left out.
STRIPE_FAULTS = (
    {"kind": "429"},
    {"kind": "500"},
    {"kind": "503"},
    {"kind": "409"},
    {"kind": "500_stored", "executed": True},
    {"kind": "timeout_before", "seconds": ANSWER_LATE_SECONDS},
    {"kind": "timeout_after", "seconds": ANSWER_LATE_SECONDS},
    {"kind": "stall_seconds", "seconds": ANSWER_LATE_SECONDS},
    {"kind": "reset"},
    {"kind": "reset", "executed": True},
    {"kind": "truncated_json"},
    {"kind": "other_currency"},
)
STRIPE_FAULT_SHARE = 0.5

_IDLE_IN_TRANSACTION = """
    SELECT 1 FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'
    AND now() - state_change > interval '700 ms'"""


class FaultKinds:
    """`every` names the kinds; those that this machine cannot play are left out of it."""

    def __init__(self, machine, rng, chronicle, disk):
        self._machine = machine
        self._rng = rng
        self._chronicle = chronicle
        self._disk = disk
        self._frozen_last = "effects"
        links = {
            "redis": machine.redis_link,
            "database": machine.database_link,
            "stripe": machine.stripe_link,
            "deliveries": machine.door_link,
        }
        self._links = {name: link for name, link in links.items() if link is not None}
        self.every = {
            "frozen": self._frozen,
            "rolling restart": self._rolling_restart,
            "clock skew": self._clock_skew,
            "redis flushed": self._redis_flushed,
            "redis without its disk": self._redis_without_its_disk,
            "slow link": self._slow_link,
            "cut link": self._cut_link,
            "refused link": self._refused_link,
            "stripe faults": self._stripe_faults,
            "full disk": self._full_disk,
        }
        if disk is None:
            del self.every["full disk"]
        if library() is None:
            del self.every["clock skew"]

    # --- Redis ---

    def _redis_flushed(self):
        with contextlib.suppress(OSError), open_redis(self._machine.redis.url) as client:
            if self._machine.redis.pid is not None:
                client.flushall()
                self._chronicle.struck("redis flushed")
        yield 0.0

    def _redis_without_its_disk(self):
        self._machine.redis_away = True
        try:
            self._machine.wipe_redis()
            self._chronicle.struck("redis without its disk")
            with self._chronicle.outage("redis"):
                yield self._rng.uniform(0.2, 1.0)
        finally:
            self._machine.redis_away = False

    # --- links ---

    def _slow_link(self):
        name, link = self._any_link()
        link.slow(SLOW_SECONDS[name])
        self._chronicle.struck("slow link", name)
        try:
            yield self._rng.uniform(*SLOW_FOR_SECONDS)
        finally:
            link.restore()

    def _cut_link(self):
        name, link = self._any_link()
        self._chronicle.note_leases()
        self._chronicle.struck("cut link", name)
        link.cut()
        link.cut_answers(CUTS)
        try:
            yield self._rng.uniform(*REFUSED_SECONDS)
        finally:
            link.restore()

    def _refused_link(self):
        name, link = self._any_link()
        self._chronicle.note_leases()
        self._chronicle.struck("refused link", name)
        link.refuse()
        try:
            with self._chronicle.outage(name):
                yield self._rng.uniform(*REFUSED_SECONDS)
        finally:
            link.restore()

    def _any_link(self):
        name = self._rng.choice(sorted(self._links))
        return name, self._links[name]

    # --- Stripe ---

    def _stripe_faults(self):
        kinds = self._rng.sample(STRIPE_FAULTS, 4)
        struck = [
            {**kind, "path_prefix": "/v1/refunds", "probability": STRIPE_FAULT_SHARE / 2}
            for kind in kinds
        ]
        read = {"kind": "500", "path_prefix": "/v1/charges", "probability": STRIPE_FAULT_SHARE / 2}
        self._machine.control("faults", [*struck, read | {"method": "GET"}])
        self._chronicle.struck("stripe faults", ", ".join(kind["kind"] for kind in kinds))
        try:
            yield self._rng.uniform(*SLOW_FOR_SECONDS)
        finally:
            self._machine.control("faults", [])

    # --- processes and their clocks ---

    def _frozen(self):
        """A worker and its horse stand still until their lease has run out, and then go on."""
        self._frozen_last = "worker" if self._frozen_last == "effects" else "effects"
        lease_ms = LEASE_MS if self._frozen_last == "worker" else EFFECT_LEASE_MS
        name = self._rng.choice(copies_of(self._machine, self._frozen_last))
        main = self._machine.pid(name)
        if main is None:
            return
        pids = [main, *self._machine.horses(name)]
        for pid in pids:
            _send(pid, signal.SIGSTOP)
        self._chronicle.struck("frozen", name)
        self._chronicle.note_leases(asking=self._frozen_last == "effects")
        try:
            yield LOCK_LOOK_SECONDS
            if self._locked_by_the_frozen():
                # It stopped inside a transaction: for the others the database is away until it ends.
                with self._chronicle.outage("database"):
                    yield STUCK_SECONDS
            else:
                yield lease_ms / 1000 + PAST_LEASE_SECONDS
        finally:
            for pid in pids:
                _send(pid, signal.SIGCONT)

    def _locked_by_the_frozen(self):
        if self._machine.database_link is not None:
            return bool(self._machine.asked(_IDLE_IN_TRANSACTION))
        database = Path(self._machine.store.engine.url.database)
        with database.with_name(f"{database.name}.lock").open("rb") as lock:
            give_up = clock.monotonic() + LOCK_LOOK_SECONDS
            while clock.monotonic() < give_up:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return False
                clock.sleep(0.01)
        return True

    def _rolling_restart(self):
        """SIGTERM for each process in turn, the next one when its successor runs."""
        self._chronicle.struck("rolling restart")
        for name in list(self._machine.names):
            before = self._machine.pid(name)
            if before is not None:
                _send(before, signal.SIGTERM)
            give_up = clock.monotonic() + STOP_SECONDS_MAX
            while self._machine.pid(name) in (before, None) and clock.monotonic() < give_up:
                yield 0.05
            while name == "web" and not self._machine.receives() and clock.monotonic() < give_up:
                yield 0.05
            self._chronicle.faults["orderly restart"] += 1

    def _clock_skew(self):
        name = self._rng.choice(self._machine.names)
        ahead = SKEW_SECONDS_MAX if name in ("web", "sweeper") else AHEAD_SECONDS_MAX
        seconds = self._rng.choice((-self._rng.randint(60, SKEW_SECONDS_MAX), ahead))
        self._machine.skew(name, seconds)
        self._chronicle.killed(name.partition(".")[0])
        self._chronicle.struck("clock skew", f"{name} {seconds:+d} s")
        try:
            yield SKEWED_SECONDS
        finally:
            self._machine.skew(name, 0)
            self._chronicle.killed(name.partition(".")[0])

    # --- the disk ---

    def _full_disk(self):
        self._chronicle.note_leases()
        self._disk.fill()
        self._chronicle.struck("full disk")
        try:
            with self._chronicle.outage("database"):
                yield FULL_SECONDS
        finally:
            self._disk.free()


def _send(pid, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
