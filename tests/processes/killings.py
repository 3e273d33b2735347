"""SIGKILL for one process at a time: the kinds come from a shuffled bag, which one of its kind by chance."""

import contextlib
import os
import signal

from tests.processes.machine import clock

#: How often each kind is in the bag. A work horse dies with work in its hands, and its fork is cheap to
#: replace; a fresh process costs more than a second of a core.
BAG = {
    "web": 1,
    "worker": 1,
    "worker's horse": 4,
    "effects": 1,
    "effects' horse": 4,
    "notifier": 1,
    "sweeper": 1,
    "valkey": 1,
    "postgresql backend": 1,
}
#: A horse of the effects lives for a tenth of a second at a time.
HORSE_SECONDS_MAX = 0.4
HORSE_LOOK_SECONDS = 0.003

_BACKENDS = """
    SELECT pid FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY pid"""


class Killings:
    """Kills on one machine; every victim is written down in the chronicle."""

    def __init__(self, machine, rng, chronicle):
        self._machine = machine
        self._rng = rng
        self._chronicle = chronicle
        self._bag = []
        self.kinds = set(BAG)
        if machine.database_link is None:
            self.kinds.remove("postgresql backend")

    def one(self, *, spare=()):
        """Kill the next one of the bag; False when there was none of its kind, which then comes later."""
        if not self._bag:
            self._bag = [kind for kind in sorted(self.kinds) for _ in range(BAG[kind])]
            self._rng.shuffle(self._bag)
        kind = self._bag.pop()
        if kind not in spare and self._killed(kind):
            return True
        self._bag.insert(0, kind)
        return False

    def _killed(self, kind):
        if kind == "postgresql backend":
            return self._backend()
        if kind == "valkey":
            return self._valkey()
        if kind.endswith("horse"):
            return self._horse(kind)
        return self._process(kind)

    def _process(self, role):
        name = self._rng.choice(copies_of(self._machine, role))
        pid = self._machine.pid(name)
        # A worker dies alone and leaves its horse behind, or its horse goes first.
        horses = self._machine.horses(name) if self._rng.random() < 0.5 else []
        for horse in horses:
            self._kill(horse, f"{role}'s horse" if role == "worker" else f"{role}' horse")
        return pid is not None and self._kill(pid, role)

    def _horse(self, kind):
        names = copies_of(self._machine, kind.split("'")[0])
        self._rng.shuffle(names)
        give_up = clock.monotonic() + HORSE_SECONDS_MAX
        while clock.monotonic() < give_up:
            for name in names:
                for horse in self._machine.horses(name):
                    return self._kill(horse, kind)
            clock.sleep(HORSE_LOOK_SECONDS)
        return False

    def _valkey(self):
        if self._machine.redis.pid is None:
            return False
        self._machine.kill_redis()
        self._chronicle.killed("valkey")
        return True

    def _backend(self):
        backends = self._machine.asked(_BACKENDS)
        if not backends:
            return False
        # While it is down it cannot say who held what.
        self._chronicle.note_leases(asking=True)
        return self._kill(self._rng.choice(backends)[0], "postgresql backend")

    def _kill(self, pid, kind):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self._chronicle.killed(kind)
            return True
        return False


def copies_of(machine, role):
    """The names of the processes of one line of the Procfile."""
    return [name for name in machine.names if name.partition(".")[0] == role]
