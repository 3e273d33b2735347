"""A day on which everything that can break breaks, by a seeded schedule, while the shops sell on.

The schedule of kills, of faults and of their kinds is drawn from the seed alone. What they meet is
decided by real processes, so a seed repeats the weather and not the day.
"""

import contextlib
import random

from tests.processes.chronicle import Chronicle
from tests.processes.fault_kinds import FaultKinds
from tests.processes.killings import Killings
from tests.processes.machine import NOTHING_WRONG, clock
from tests.processes.trade import trading

TICK_SECONDS = 0.02
PROGRESS_SECONDS = 10.0
LONGER_SECONDS_MAX = 40.0
#: At most so many faults at once beside the kills: they should meet, but work must still be possible.
FAULTS_AT_ONCE_MAX = 4
#: How the note of an event begins on which too many workers died.
POISON = "poison: "
#: PostgreSQL replays its log after a crash; on a full disk it could not, and would stay down.
KEEPS_POSTGRESQL_ALIVE = "full disk"


class ChaosDay:
    """`run` plays it; then the report and the chronicle tell what became of it."""

    def __init__(self, machine, disk, *, seed, events_per_second, kills_per_minute, fault_seconds):
        """A fault of another kind strikes every `fault_seconds` on average."""
        self.machine = machine
        self.chronicle = Chronicle(machine)
        rng = random.Random(seed)
        self._gaps = random.Random(rng.getrandbits(64))
        self._bags = random.Random(rng.getrandbits(64))
        self._killings = Killings(machine, random.Random(rng.getrandbits(64)), self.chronicle)
        self._kinds = FaultKinds(machine, random.Random(rng.getrandbits(64)), self.chronicle, disk)
        self._events_per_second = events_per_second
        self._kills_per_minute = kills_per_minute
        self._fault_seconds = fault_seconds
        self._bag = []
        self._under_way = {}
        self._database_away = None
        self._kills_min = 0
        self.unsettled = ""
        self.set_aside = []

    def run(self, seconds, told=lambda _line: None, *, kills_min=0):
        """Sell and strike for so long, heal everything and wait until all is quiet."""
        self._kills_min = kills_min
        with trading(self.machine, self._events_per_second) as trade:
            self._strike_for(seconds, told)
            self._heal()
        self.honest = trade.honest
        told("healed; waiting until everything is quiet")
        self._settle()
        # Who dies by chance cannot tell an event from a killer: at the third death it is parked (F14),
        # and a person puts it back.
        self.set_aside = [one for one in self.machine.parked() if POISON in one]
        if self.set_aside:
            self.machine.replay_parked()
            self._settle()
        self.recoveries = list(self.chronicle.recoveries())
        self.report = self.machine.report()

    def _settle(self):
        try:
            self.machine.settle()
        except AssertionError as stranded:
            self.unsettled = str(stranded)

    def _strike_for(self, seconds, told):
        began = clock.monotonic()
        kill_at, fault_at = began + 1.0, began + 1.0
        tell_at = began + PROGRESS_SECONDS
        ends = began + seconds
        while (now := clock.monotonic()) < ends or self._goes_on(now, ends):
            self._look_after()
            if now >= kill_at and self._kill():
                kill_at += self._gaps.expovariate(self._kills_per_minute / 60)
            if now >= fault_at and self._begin_fault(now):
                fault_at += self._gaps.expovariate(1 / self._fault_seconds)
            self._go_on(now)
            if now >= tell_at:
                tell_at += PROGRESS_SECONDS
                told(self._progress(now - began))
            clock.sleep(TICK_SECONDS)

    def _goes_on(self, now, ends):
        """A short day is made longer until everything has happened, and often enough."""
        killed, struck = self.kinds
        missing = (killed - set(self.chronicle.kills)) | (struck - set(self.chronicle.faults))
        few = sum(self.chronicle.kills.values()) < self._kills_min
        return (few or bool(missing)) and now < ends + LONGER_SECONDS_MAX

    def _look_after(self):
        self.machine.keep_running()
        if self._database_away is not None and self.machine.asked("SELECT 1"):
            self._database_away.close()
            self._database_away = None

    def _kill(self):
        spare = set()
        if self._database_away is not None or KEEPS_POSTGRESQL_ALIVE in self._under_way:
            spare.add("postgresql backend")
        before = self.chronicle.kills["postgresql backend"]
        killed = self._killings.one(spare=spare)
        if self.chronicle.kills["postgresql backend"] > before:
            self._database_away = contextlib.ExitStack()
            self._database_away.enter_context(self.chronicle.outage("database"))
        return killed

    def _begin_fault(self, now):
        """Begin the next kind of the shuffled bag; False while that has to wait."""
        if len(self._under_way) >= FAULTS_AT_ONCE_MAX:
            return False
        if not self._bag:
            self._bag = sorted(self._kinds.every)
            self._bags.shuffle(self._bag)
        kind = self._bag[-1]
        crashed = self._database_away is not None and kind == KEEPS_POSTGRESQL_ALIVE
        if kind in self._under_way or crashed:
            return False
        self._bag.pop()
        self._under_way[kind] = [now, self._kinds.every[kind]()]
        return True

    def _go_on(self, now):
        for kind, fault in list(self._under_way.items()):
            due, generator = fault
            if now < due:
                continue
            try:
                fault[0] = now + next(generator)
            except StopIteration:
                del self._under_way[kind]

    def _heal(self):
        for _, generator in self._under_way.values():
            generator.close()
        self._under_way.clear()
        self.machine.links.restore()
        while self._database_away is not None:
            self._look_after()
            clock.sleep(TICK_SECONDS)

    def _progress(self, seconds):
        duplicates = len(self.machine.duplicates)
        kills = sum(self.chronicle.kills.values())
        return (
            f"{seconds:6.0f} s: {self.machine.told()} events told, {duplicates} duplicate charges,"
            f" {kills} kills, {sum(self.chronicle.faults.values())} other faults,"
            f" now: {', '.join(self._under_way) or 'kills only'}"
        )

    @property
    def kinds(self):
        """The kinds of process that were to be killed, and the kinds of other faults."""
        return self._killings.kinds, set(self._kinds.every)

    def wrong(self):
        """Everything that must not be, by name; empty when all held."""
        buckets = {name: found for name, found in self.report.wrong.items() if found}
        assert set(buckets) <= set(NOTHING_WRONG)
        return buckets | {name: found for name, found in self._breaches().items() if found}

    def _breaches(self):
        acknowledged = set(self.machine.acknowledged())
        stored = self.machine.stored()
        return {
            "not quiet in time": [self.unsettled] if self.unsettled else [],
            "invariants": [f"{one.invariant} {one.examples}" for one in self.machine.breaches()],
            "acknowledged, not stored": sorted(acknowledged - set(stored)),
            "stored, not acknowledged": sorted(set(stored) - acknowledged),
            "stored twice": [] if len(stored) == len(set(stored)) else ["see events"],
            "never told": sorted(self.machine.untold()),
            "parked": self.machine.parked(),
        }
