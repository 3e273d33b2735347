"""People at the command line: they replay, brake, and put right what was set aside. Each act is audited.

They do what `redress replay` and `redress brake` do, in tasks of their own, so that two of them get in each
other's way.
"""

from functools import partial

from sqlalchemy.exc import DBAPIError

from ledger.backfill_cursors import begin_lists
from ledger.brake import Brake, lock_brakes, read_brake, set_brake
from ledger.brake_release import release_all
from ledger.event_queries import EventFilter
from ledger.reconciliations import begin_reconciliation
from ledger.refund_intents import due_intents
from ledger.refund_requests import judge_anew, request_by_id, write_request
from ledger.replaying import ReplayAuthor, ReplayOrder, plan_replay, replay_step
from ledger.states import EventState
from runtime.limits import SWEEP_ROWS_MAX
from runtime.queues import BACKFILL_JOB, JUDGE_REQUEST_JOB, RECONCILE_JOB, SEND_REFUND_JOB
from tests.simulation.bells import SimulatedWakeups
from tests.simulation.case_workers import CaseWorkers, is_defect
from tests.simulation.clocks import ProcessClock
from tests.simulation.plan_askers import PlanAskers
from workers.reconciling import FIRST_STAGE

_EVERYTHING = EventFilter(states=(EventState.DECIDED, EventState.IGNORED, EventState.PARKED))
_PARKED = EventFilter(states=(EventState.PARKED,))
_AGAIN_MS = 10_000
#: After so long nothing is left to Stripe's own deliveries, and each list is due.
_UNTIL_LISTED_MS = 1_300_000
_LIST_ROUNDS_MAX = 60
_STILL_COMPARED = "SELECT 1 FROM reconciliations WHERE id = ? AND state = 'running'"
_DIFFERENT = """
    SELECT kind, object_id, field, here, there FROM differences WHERE reconciliation_id = ?
    UNION ALL SELECT state, note, '', '', '' FROM reconciliations WHERE id = ? AND state <> 'done'
"""
_REQUESTS = """
    SELECT r.id, r.key, r.state, c.state, EXISTS (
        SELECT 1 FROM audit WHERE object = 'case:' || c.id AND action IN ('cases.approve', 'cases.deny')
    ) FROM refund_requests r LEFT JOIN cases c ON c.id = r.case_id ORDER BY r.id
"""


class Operators:
    """Everybody with a terminal. The watcher counts what each act must have left in the audit log."""

    def __init__(self, world):
        self.world = world
        self.clock = ProcessClock(world.scheduler)
        self.name = "operator"
        self.deadline = None
        self._acts_open = 0
        self.cases = CaseWorkers(world, self.clock, self._soon, self._wakeups)
        self.plans = PlanAskers(world, self.clock, self._soon, self._wakeups)

    def work(self, rng):
        """One person's day: a replay by two at once, or the brake on and off."""
        starts_ms = rng.randint(0, self.world.busy_ms)
        if rng.random() < 0.5:
            for _ in range(2):
                self._soon(starts_ms, lambda: self.replay(_EVERYTHING))
        else:
            lasts_ms = rng.choice((500, 20_000, 400_000))
            self.world.scheduler.after(starts_ms, lambda: self.brake_for(lasts_ms))

    def brake_for(self, lasts_ms):
        """Put the brake on now and take it off later."""
        self._soon(0, lambda: self.set_brake(stopped=True))
        self._soon(lasts_ms, lambda: self.set_brake(stopped=False))

    def release_the_brake(self):
        """Whoever put the brake on takes it off again, however long it takes."""
        world = self.world

        def again():
            if world.store.raw.execute("SELECT 1 FROM brakes WHERE stopped").fetchone():
                self._soon(0, lambda: self.set_brake(stopped=False))
            if self._acts_open:
                world.scheduler.after(_AGAIN_MS, again)

        again()

    def take_in(self, key):
        """Write a refund request down, as often as it takes until it is there: its sender keeps at it."""
        world = self.world

        def act():
            now_ms = self.clock.now_ms()
            with world.store.write() as connection:
                request_id, _ = write_request(connection, world.shop.asked[key].request, now_ms)
            self._wakeups().wake_effect(JUDGE_REQUEST_JOB, request_id)

        def again():
            known = world.store.raw.execute(
                "SELECT 1 FROM refund_requests WHERE key = ?", (key,)
            ).fetchone()
            if known is None:
                self._soon(0, act)
                world.scheduler.after(_AGAIN_MS, again)

        again()

    def begin_the_lists(self):
        """A new installation's first pulse, which in here is left out while nothing else is due."""
        if self.world.settings.redress_backfill_seconds:
            with self.world.store.write() as connection:
                begin_lists(connection, self.clock.now_ms())

    def read_the_lists(self):
        """Whoever looks after Stripe's lists waits until each was read to its end once more."""
        world = self.world
        put_off_ms = world.lists_put_off_seconds * 1_000
        world.scheduler.run_until(world.scheduler.now_ms + put_off_ms + _UNTIL_LISTED_MS)
        for _ in range(_LIST_ROUNDS_MAX):
            now_ms = world.scheduler.now_ms
            behind = world.store.raw.execute(
                "SELECT stream FROM backfill_cursors WHERE due_ms <= ? OR changed_ms < ?",
                (now_ms, now_ms - _UNTIL_LISTED_MS),
            ).fetchall()
            if not behind:
                return
            for (stream,) in behind:
                self._soon(0, partial(self._wakeups().wake_effect, BACKFILL_JOB, stream))
            world.scheduler.run_until(now_ms + _AGAIN_MS)

    def compare_the_books(self):
        """At the very end the ledger is compared with Stripe; the differences, of which there must be none."""
        world = self.world
        if not world.settings.redress_backfill_seconds:
            return []
        world.scheduler.run_until(world.scheduler.now_ms + _UNTIL_LISTED_MS)
        now_ms = world.scheduler.now_ms
        with world.store.write() as connection:
            begun = begin_reconciliation(
                connection,
                since=0,
                until=now_ms // 1000,
                stage=FIRST_STAGE,
                origin="operator",
                now_ms=now_ms,
            )
        row = begun.reconciliation_id
        for _ in range(_LIST_ROUNDS_MAX):
            if not world.store.raw.execute(_STILL_COMPARED, (row,)).fetchone():
                break
            self._soon(0, partial(self._wakeups().wake_effect, RECONCILE_JOB, row))
            world.scheduler.run_until(world.scheduler.now_ms + _AGAIN_MS)
        return world.store.raw.execute(_DIFFERENT, (row, row)).fetchall()

    def take_the_rest_in(self):
        """What the faults kept out so far is taken in now."""
        for key in self.world.shop.asked:
            self.take_in(key)
        for number in range(len(self.world.shop.outages)):
            self.cases.run_outage(number)
        self.cases.restore_the_rest()
        self.world.product.tell_the_rest()
        self.plans.take_the_rest_in()
        self.world.scheduler.run_until(self.world.scheduler.now_ms + 5_000)

    def judge_requests(self, *states):
        """Have the requests in these states judged again, each with the payment that is meant.

        "review" stands for those that were judged and whose case waits for a person. What a person ruled on stays.
        """
        world = self.world
        wanted = [
            (request_id, world.shop.asked[key].charge_id)
            for request_id, key, state, case_state, ruled in world.store.raw.execute(_REQUESTS)
            if (state in states and not (ruled and state == "judged"))
            or (case_state in states and not ruled)
        ]
        for request_id, charge_id in wanted:
            self._soon(0, partial(self._judge, request_id, charge_id))
        return bool(wanted)

    def _judge(self, request_id, charge_id):
        with self.world.store.write() as connection:
            request = request_by_id(connection, request_id, lock=True)
            judge_anew(connection, request, self.clock.now_ms(), charge_id=charge_id)

    def put_right(self):
        """After the faults: requests get their purchases, poison is replayed, and all if nothing moved before."""
        world = self.world
        everything = world.swarm.starts_observing or world.swarm.replays_all
        parked = world.store.raw.execute("SELECT 1 FROM events WHERE state = 'parked'").fetchone()
        self.judge_requests("unmatched", *(["judged"] if everything else []))
        if everything or parked:
            self._soon(0, lambda: self.replay(_EVERYTHING if everything else _PARKED))
        world.scheduler.run_until(world.scheduler.now_ms + 5_000)

    def work_the_queue(self, number):
        """What people do once all is in, in rounds from 0: whether there was anything to do in this one.

        Outages are run until none of them waits for another; what hung on facts that were late is judged again.
        """
        shop = self.world.shop
        did = self.cases.retry_notices()
        if number == 0:
            did = self.judge_requests("review") or did
            did = (self.world.swarm.starts_observing and self.cases.rule_again()) or did
        if number <= len(shop.outages) and shop.outages:
            self.cases.run_outages_again()
            did = True
        if did:
            self.world.scheduler.run_until(self.world.scheduler.now_ms + 5_000)
        return did

    def died(self):
        """An operator's terminal that was closed is not opened again by anybody."""

    def replay(self, wanted):
        """Put settled events back, step by step, as the command does."""
        world = self.world
        order = ReplayOrder(wanted=wanted, livemode=False, account=None)
        author = ReplayAuthor(actor="somebody", reason="to see it again", origin="simulation")
        with world.store.read() as connection:
            plan = plan_replay(connection, order)
        if not plan.events:
            return
        with world.store.write() as connection:
            step = replay_step(
                connection,
                order,
                author,
                last_row=plan.last_row,
                count_max=SWEEP_ROWS_MAX,
                now_ms=self.clock.now_ms(),
            )
        world.struck("replayed")
        self._wakeups().wake_events()
        world.trace(f"operator replayed {step.replayed}")

    def set_brake(self, *, stopped):
        """Stop all money or let it go again, as the command does."""
        world = self.world
        with world.store.write() as connection:
            if read_brake(connection).stopped == stopped:
                return
            lock_brakes(connection)
            now_ms = self.clock.now_ms()
            brake = Brake(stopped=stopped, reason="a test", actor="somebody", changed_ms=now_ms)
            set_brake(connection, brake, origin="simulation")
            if not stopped:
                release_all(connection, now_ms)
        world.struck("brake on" if stopped else "brake off")
        if not stopped:
            with world.store.read() as connection:
                due = due_intents(connection, self.clock.now_ms(), SWEEP_ROWS_MAX)
            for intent_id in due:
                self._wakeups().wake_effect(SEND_REFUND_JOB, intent_id)

    def _wakeups(self):
        world = self.world
        return SimulatedWakeups(world.redis, self.clock, world.stream("operator"), world.struck)

    def _soon(self, delay_ms, act):
        def attempt():
            try:
                act()
            except DBAPIError as error:
                self.world.trace("operator sees an error")
                if is_defect(error):
                    self.world.violation("I2", f"an operator sees {error.orig}")
            finally:
                self._acts_open -= 1  # not before: whoever is frozen acts later all the same

        def begin():
            self.world.scheduler.start("operator", attempt).process = self

        self._acts_open += 1
        self.world.scheduler.after(delay_ms, begin)
