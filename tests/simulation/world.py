"""One world: a seed becomes processes, a Stripe, stories and faults; then all is healed and judged.

Safety phase: the stories happen while the faults strike. Liveness phase: every fault is over, and within
bounded time nothing may be under way any more. After it the checkers look at what became of everything.
"""

import hashlib
import itertools
import random
from collections import Counter

from rq.timeouts import JobTimeoutException

from ops.sandbox.book import Book
from ops.sandbox.faults import Faults
from ops.sandbox.stripe_stand_in import SandboxStripe
from runtime.queues import EFFECTS, EVENTS, NOTICES
from tests.simulation.bells import SimulatedRedis
from tests.simulation.clocks import TrueClock
from tests.simulation.courier import Courier
from tests.simulation.database import Database
from tests.simulation.faults import FAULTS
from tests.simulation.operators import Operators
from tests.simulation.post_office import PostOffice
from tests.simulation.processes import Effects, Notifier, Sweeper, Web, Worker, gateway_of
from tests.simulation.product import Product
from tests.simulation.scheduler import Killed, Scheduler
from tests.simulation.shop import Shop
from tests.simulation.stories import STORIES
from tests.simulation.stripe_line import StripeLine
from tests.simulation.watcher import Watcher

#: 2026-03-28T23:50:00Z: the hour at which Europe's clocks change lies ahead, as does midnight.
BEGUN_MS = 1_774_741_800_000
#: What may stay due and untouched once all is well (reliability.md I2).
STRANDED_MS = 60_000
#: The longest pause of any retry schedule is an hour and a fifth; a chain of them ends well within this.
QUIET_MS_MAX = 40 * 3_600_000
_SLICE_MS = 2_000
#: Rounds in which people work what is left: outages that wait for one another need one each.
_ROUNDS_MAX = 6
_LISTS_SECONDS = 600
#: For weeks they are read so seldom that days are taken in at once.
_WEEKS_LISTS_SECONDS = 40 * 3600
_NUMBERS = itertools.count()


class World:
    """Everything of one seed. `violations` are (invariant, sentence); empty is what it is about."""

    def __init__(self, swarm, machine):
        self.swarm = swarm
        self.machine = machine
        #: Ends statements that change the schema: one prepared for an earlier world must not be taken.
        self.remark = f" -- {next(_NUMBERS)}"
        self.violations = []
        self.strikes = []
        self.points = Counter()
        self.healed = self.over = False
        self.kill_rate = self.freeze_rate = self.dequeue_loss = 0.0
        self.freeze_ms = ()
        #: Boundaries at which a process is frozen, and for how long.
        self.frozen_at = {}
        self.commits_of_others = self._changes = 0
        self.stripe_faults = []
        self.lines = []
        self._streams = {}
        self.latency = self.stream("latency")
        self.scheduler = Scheduler(self.stream("scheduler"), BEGUN_MS)
        self.busy_ms = min(swarm.duration_ms, swarm.busy_ms)
        self.start_ms = min(swarm.duration_ms, swarm.start_ms)
        #: Names of faults that are there all the time, such as a clock that is wrong.
        self.standing = set()
        self._meanwhile = {}
        self._is_companion = False
        self.clock = TrueClock(self.scheduler)
        self.database = Database()
        self.redis = SimulatedRedis(self.scheduler, self._pushed)
        self.store = machine.store
        self.terms = machine.terms
        self.catalogue = machine.catalogue
        self.settings = self._settings_of("observe" if swarm.starts_observing else "enforce")
        machine.begin_world(self)
        self.book = machine.book
        self.sandbox = SandboxStripe(self.book, self.clock, self.stream("stripe"), check_key=False)
        self.no_faults = Faults(self.stream("none"))
        self.line = StripeLine(self)
        self._gateway = gateway_of(self)
        self.watcher = Watcher(self)
        self.courier = Courier(self)
        self.post = PostOffice(self)
        self.product = Product(self)
        self.shop = Shop(self)
        self.operators = Operators(self)
        self.webs = [Web(self, f"web{number}") for number in range(swarm.webs)]
        self.workers = [Worker(self, f"worker{number}") for number in range(swarm.workers)]
        self.effects = [Effects(self, f"effects{number}") for number in range(swarm.effects)]
        self.sweepers = [Sweeper(self, f"sweeper{number}") for number in range(swarm.sweepers)]
        notifiers = [Notifier(self, "notifier")]
        self._listening = {EVENTS: self.workers, EFFECTS: self.effects, NOTICES: notifiers}
        self.rq_workers = [*self.workers, *self.effects, *notifiers]
        self.processes = [*self.webs, *self.rq_workers, *self.sweepers]

    # --- what a seed is ---

    def run(self):
        """Live through both phases; the checkers come after."""
        self.operators.begin_the_lists()
        for name in self.swarm.faults:
            FAULTS[name].begin(self, self.stream(f"fault:{name}"))
        if self.stripe_faults:
            self.sandbox.faults.replace(self.stripe_faults)
        for number, name in enumerate(self.swarm.stories):
            STORIES[name].begin(self, self.stream(f"story:{number}:{name}"))
        for name in self.swarm.beside:
            self._begin_beside(name, self.stream(f"beside:{name}"))
        if self.swarm.operator:
            self.operators.work(self.stream("operator's day"))
        self.scheduler.run_until(BEGUN_MS + self.swarm.duration_ms)
        self.heal()
        self._come_to_rest()
        self._read_the_lists()
        self.operators.take_the_rest_in()
        self._come_to_rest()
        self.operators.put_right()
        self._come_to_rest()
        for number in range(_ROUNDS_MAX):
            if self.violations or not self.operators.work_the_queue(number):
                break
            self._come_to_rest()
        self._compare_the_books()
        self.over = True

    def _settings_of(self, mode):
        """Stripe's lists are read where Stripe does not deliver: elsewhere they would have nothing new."""
        seconds = 0
        if "never delivered" in self.swarm.faults:
            away = self.swarm.weeks and not self.healed
            seconds = _WEEKS_LISTS_SECONDS if away else _LISTS_SECONDS
        return self.machine.settings[mode].model_copy(update={"redress_backfill_seconds": seconds})

    @property
    def lists_put_off_seconds(self):
        """For how long the lists may still be put off when the faults end."""
        return _WEEKS_LISTS_SECONDS if self.swarm.weeks else 0

    def _compare_the_books(self):
        for difference in self.operators.compare_the_books():
            self.violation("books", f"the ledger and Stripe differ: {difference}")

    def _read_the_lists(self):
        if self.settings.redress_backfill_seconds:
            self.operators.read_the_lists()
            self.watcher.look_anew()
            self._come_to_rest()

    def heal(self):
        """End every fault at this moment."""
        self.trace("healed")
        self.healed = True
        self.standing.clear()
        self.kill_rate = self.freeze_rate = self.dequeue_loss = 0.0
        self.frozen_at.clear()
        self.database.reset()
        self.store.raw.execute(f"DROP TRIGGER IF EXISTS refused{self.remark}")
        self.redis.away = self.redis.full = False
        self.redis.loss = self.redis.doubling = 0.0
        self.line.cut = False
        self.post.heal()
        self.courier.first_lost = self.courier.answers_lost = 0.0
        self.courier.undelivered = self.courier.unmade = 0.0
        self.sandbox.faults.replace([])
        self.settings = self._settings_of("enforce")
        if self.swarm.starts_observing:
            for process in self.rq_workers:
                process.kill()
        for process in self.processes:
            process.clock.skew_ms = 0
            if process.task.frozen_until_ms > self.scheduler.now_ms:
                process.task.frozen_until_ms = 0
                self.scheduler.wake(process.task, 0)
        self.wake_workers()
        for sweeper in self.sweepers:
            if sweeper.task.alive:
                self.scheduler.wake(sweeper.task, 1_000)
        self.operators.release_the_brake()
        self.courier.hurry()

    def end(self):
        """Let go of every task."""
        self.over = True
        self.scheduler.end()

    def _come_to_rest(self):
        limit_ms = self.scheduler.now_ms + QUIET_MS_MAX
        while not self.is_quiet():
            now_ms = self.scheduler.now_ms
            if self.watcher.stranded_ms() > STRANDED_MS:
                self.violation("I2", f"a row was due for more than a minute: {self.watcher.due()}")
                return
            if now_ms > limit_ms:
                self.violation("I2", f"never comes to rest: {self.under_way()}")
                return
            next_ms = self.scheduler.next_ms()
            self.scheduler.run_until(max(now_ms + _SLICE_MS, min(next_ms or 0, limit_ms)))

    def is_quiet(self):
        """Whether nothing is under way."""
        return self.under_way() is None

    def under_way(self):
        """What still goes on, in words: a row, a job, a delivery, a chore of Stripe's, a story."""
        if self.courier.waiting:
            return f"{self.courier.waiting} deliveries"
        if self.watcher.next_due_ms() is not None:
            return self.watcher.due()
        if self.shop.stories_open or any(self.redis.queues.values()):
            return f"{self.shop.stories_open} stories, jobs {self.redis.queues}"
        busy = [one.name for one in (*self.webs, *self.rq_workers) if one.busy]
        if busy:
            return f"busy: {busy}"
        chores = self.book._db.execute("SELECT count(*) FROM chores").fetchone()[0]
        return f"{chores} chores" if chores else None

    # --- what tasks call ---

    def reach(self, name):
        """A named boundary between two steps (`workers.crash_points`)."""
        self.boundary(name)

    def boundary(self, name):
        """Between two steps: others may run, and the process may be frozen, killed or timed out."""
        task = self.scheduler.current
        if task is None:
            return
        if self.store.in_transaction:
            self.dies_inside(name)
            return
        process = task.process
        self.points[name] += 1
        if name in self._meanwhile:
            self._meanwhile.pop(name)()
        self.trace(f"{process.name} {name}")
        self.dies_inside(name)
        if self.freeze_rate and self.chance("freezes", self.freeze_rate):
            self.struck("process frozen")
            self.scheduler.freeze(task, self.stream("freezes").choice(self.freeze_ms))
        if name in self.frozen_at and self.chance("sender frozen", 0.5):
            self.struck("sender frozen")
            self.scheduler.freeze(task, self.frozen_at[name])
        self.scheduler.pause(self.latency.randrange(0, 4))
        if process.deadline is not None and self.clock.monotonic() > process.deadline:
            process.deadline = None
            self.struck("job timed out")
            raise JobTimeoutException("Task exceeded maximum timeout value")

    def dies_inside(self, name):
        """Kill the process that runs here, if the fault says so."""
        task = self.scheduler.current
        if self.kill_rate and task is not None and self.chance("kills", self.kill_rate):
            self.struck("process killed")
            self.trace(f"{task.process.name} dies at {name}")
            task.process.died()
            raise Killed

    def committed(self):
        """A transaction was committed: if it changed a row, what must hold at every instant is looked at."""
        changes = self.store.raw.total_changes
        if changes == self._changes:
            return
        self._changes = changes
        self.watcher.look()
        task = self.scheduler.current
        self.commits_of_others += task is None or task.process not in self.sweepers
        for sweeper in self.sweepers:
            sweeper.poke()

    # --- parts ---

    def stream(self, name):
        """A source of chance of its own, so that one more draw here changes nothing there."""
        if name not in self._streams:
            self._streams[name] = random.Random(f"{self.swarm.seed}:{name}")
        return self._streams[name]

    def chance(self, stream, rate):
        """Whether something that has this probability happens now."""
        return rate > 0 and self.stream(stream).random() < rate

    def gateway(self):
        """What a process calls Stripe with."""
        return self._gateway

    def who(self):
        """The process that runs now; "shop" outside of all."""
        task = self.scheduler.current
        return "shop" if task is None else task.name

    def companion(self):
        """What a story calls at each of its steps: it begins the swarm's companion, which has none itself."""
        name = self.swarm.companion
        if name is None or self._is_companion:
            return lambda: None

        def accompany():
            if not self.healed:
                self._begin_beside(name, self.stream(f"companion:{name}"))

        return accompany

    def _begin_beside(self, name, rng):
        """Begin a story that has no companion."""
        self._is_companion = True
        STORIES[name].begin(self, rng)
        self._is_companion = False

    def some_web(self, rng):
        """A web process that listens, or None."""
        alive = [web for web in self.webs if web.task.alive]
        return rng.choice(alive) if alive else None

    def wake_workers(self):
        """There may be jobs again."""
        for process in self.rq_workers:
            process.wake()

    def _pushed(self, queue_name):
        """A job has come: one of those that wait for it takes it."""
        waiting = [one for one in self._listening[queue_name] if one.idle and one.task.alive]
        if waiting:
            self.latency.choice(waiting).wake(self.latency.randint(1, self.swarm.latency_ms_max))

    def next_due_ms(self):
        """When the next row is due, as the rows say; None when none is open."""
        return self.watcher.next_due_ms()

    def meanwhile(self, point, act):
        """Have `act()` happen elsewhere exactly when a process first stands at this boundary."""
        self._meanwhile[point] = act

    def struck(self, name):
        """A fault bites now."""
        self.strikes.append((self.scheduler.now_ms, name))

    def violation(self, invariant, sentence):
        """Something that must hold does not."""
        self.trace(f"VIOLATION {invariant} {sentence}")
        self.violations.append((invariant, sentence))

    def trace(self, line):
        """One more line of what happened: all of them make the digest."""
        text = f"{self.scheduler.now_ms - BEGUN_MS:>12} {line}\n"
        self.lines.append(text)

    @property
    def digest(self):
        """The sha256 of the whole trace."""
        return hashlib.sha256("".join(self.lines).encode()).hexdigest()


def new_book():
    """Stripe's book in memory and the bytes of an empty one."""
    book = Book()
    return book, book._db.serialize()
