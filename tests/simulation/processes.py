"""The processes of the Procfile as tasks: the real receiver, drain, effects, notifier and sweeper, and nothing beside them.

A process that dies is started again after a while with nothing but its settings and the database, as a
supervisor would. A job dies with its worker; RQ's time-out strikes at the next boundary.
"""

from rq.timeouts import JobTimeoutException
from sqlalchemy.exc import DBAPIError

from ledger.inbox import store_events
from ledger.parsing import Expected
from runtime.limits import (
    COMMIT_BATCH_ROWS_MAX,
    DRAIN_JOB_SECONDS_MAX,
    EFFECT_JOB_SECONDS_MAX,
    SWEEP_SECONDS,
)
from runtime.queues import (
    BACKFILL_JOB,
    CHANGE_PLAN_JOB,
    DRAIN_EVENTS_JOB,
    EFFECTS,
    END_SUBSCRIPTION_JOB,
    EVENTS,
    JUDGE_REQUEST_JOB,
    NOTICES,
    RECONCILE_JOB,
    RESTORE_PLAN_JOB,
    SEND_NOTICE_JOB,
    SEND_REFUND_JOB,
)
from tests.simulation.bells import SimulatedWakeups
from tests.simulation.clocks import ProcessClock
from tests.simulation.courier import OLD_SECRET, SECRET
from tests.simulation.stripe_line import DirectGateway, SdkClient
from webhooks.answers import Answer
from webhooks.committer import Committer
from webhooks.receive import Receiver
from webhooks.signature import SignatureCheck
from workers.backfill import backfill
from workers.context import WorkerContext
from workers.drain import drain_events
from workers.effects import send_refund
from workers.gateway import StripeGateway
from workers.look_up import look_up
from workers.notice_dispatch import send_notice
from workers.plan_changing import change_plan
from workers.plan_restoring import restore_plan
from workers.reconciling import reconcile
from workers.request_judging import judge_request
from workers.subscription_ending import end_subscription
from workers.sweeper import run_sweeper

_OF_LISTS = {BACKFILL_JOB: backfill, RECONCILE_JOB: reconcile}
_LONG_MS = 10 * 24 * 3600 * 1000
_HORSE_MS = 50
_PULSE_MS = SWEEP_SECONDS * 1000
_PULSES_MAX = 256


class Process:
    """One line of the Procfile, once. `clock` belongs to its machine and outlives its deaths."""

    def __init__(self, world, name):
        self.world = world
        self.name = name
        self.clock = ProcessClock(world.scheduler)
        self.idle = False
        self.deadline = None
        self.rng = world.stream(name)
        self.task = None
        self.start()

    def start(self):
        """Begin anew."""
        self.idle, self.deadline = False, None
        self.task = self.world.scheduler.start(self.name, self._run)
        self.task.process = self

    def kill(self):
        """End as by kill -9, and start again later."""
        self.world.trace(f"{self.name} killed")
        self.world.scheduler.kill(self.task)
        self.died()

    def died(self):
        """Have a supervisor start it again: a work horse at once, a whole worker after seconds."""
        pause_ms = _HORSE_MS if self.rng.random() < 0.5 else self.rng.randint(1_000, 15_000)
        task = self.task

        def again():
            if self.task is task and not task.alive and not self.world.over:
                self.start()

        self.world.scheduler.after(pause_ms, again)

    @property
    def busy(self):
        """Whether it is in the middle of something."""
        return self.task.alive and not self.idle

    def context(self):
        """What a newly started process has."""
        world = self.world
        return WorkerContext(
            settings=world.settings,
            store=world.store,
            clock=self.clock,
            gateway=world.gateway(),
            wakeups=SimulatedWakeups(world.redis, self.clock, self.rng, world.struck),
            terms=world.terms,
            catalogue=world.catalogue,
            crash=world,
            carriers=world.post.carriers,
        )

    def wait(self):
        """Do nothing until somebody wakes this process."""
        self.idle = True
        self.world.scheduler.pause(_LONG_MS)
        self.idle = False

    def wake(self, delay_ms=1):
        """Go on if it was waiting."""
        if self.idle and self.task.alive:
            self.idle = False
            self.world.scheduler.wake(self.task, delay_ms)

    def _run(self):
        raise NotImplementedError


class Web(Process):
    """The receiver: examines what came, commits it in a group, answers."""

    def __init__(self, world, name):
        self.inbox = []
        super().__init__(world, name)

    def take(self, attempt):
        """A delivery arrives."""
        self.inbox.append(attempt)
        self.wake(self.rng.randint(1, self.world.swarm.latency_ms_max))

    def died(self):
        """Whoever waited hears the connection break."""
        inbox, self.inbox = self.inbox, []
        for attempt in inbox:
            self.world.courier._unanswered(attempt)
        super().died()

    def _run(self):
        receiver = self._receiver()
        while True:
            if not self.inbox:
                self.wait()
                continue
            batch = self.inbox[:COMMIT_BATCH_ROWS_MAX]
            wanted = []
            for attempt in batch:
                taken = receiver.examine(attempt.delivery)
                if isinstance(taken, Answer):
                    self.world.courier.answer(attempt, taken.status)
                else:
                    wanted.append((taken.event, self._teller(receiver, attempt, taken.event)))
            if wanted:
                receiver.committer.serve(wanted)
            del self.inbox[: len(batch)]

    def _teller(self, receiver, attempt, event):
        def tell(receipt):
            self.world.courier.answer(attempt, receiver.conclude(event, receipt).status)

        return tell

    def _receiver(self):
        context = self.context()
        committer = Committer(context.store, store_events, context.wakeups, self.clock)
        committer._ringer = _InlineRinger(context.wakeups)
        return Receiver(
            check=SignatureCheck([SECRET, OLD_SECRET]),
            expected=Expected(livemode=False, account=None),
            committer=committer,
            clock=self.clock,
        )


class _InlineRinger:
    """Rings where production has a thread, which one thread of greenlets cannot."""

    def __init__(self, bell):
        self._bell = bell

    def ring(self):
        """Ring now."""
        self._bell.wake_events()


class RqWorker(Process):
    """An RQ worker of one queue; subclasses say what a job is."""

    queue = ""
    job_seconds_max = 0

    def _run(self):
        context = self.context()
        while True:
            job = self.world.redis.pop(self.queue)
            if job is None:
                self.wait()
                continue
            if self.world.chance("dequeue", self.world.dequeue_loss):
                self.world.struck("killed in the dequeue window")
                self.died()
                return
            self.deadline = self.clock.monotonic() + self.job_seconds_max
            self._perform(context, job)
            self.deadline = None
            self.world.boundary("job.done")

    def _perform(self, context, job):
        try:
            self.run_job(context, job)
        except (DBAPIError, JobTimeoutException) as error:
            # RQ marks the job failed, which nothing but the sweeper mends.
            self.world.trace(f"{self.name} job failed: {type(error).__name__}")
        except Exception as error:  # noqa: BLE001 - whatever else escapes from a job is a finding
            self.world.violation("I2", f"{self.name} raised {type(error).__name__}: {error}")

    def run_job(self, context, job):
        """Do one job."""
        raise NotImplementedError


class Worker(RqWorker):
    """Drains the inbox."""

    queue = EVENTS
    job_seconds_max = DRAIN_JOB_SECONDS_MAX

    def run_job(self, context, job):
        """Drain."""
        assert job == (DRAIN_EVENTS_JOB,)
        drain_events(context, self.world.swarm.linger_seconds)


class Effects(RqWorker):
    """Sends refunds, and asks Stripe."""

    queue = EFFECTS
    job_seconds_max = EFFECT_JOB_SECONDS_MAX

    def run_job(self, context, job):
        """Do one step of one intent, judge one request, end one subscription, or ask one question."""
        name, row_id = job
        if name == SEND_REFUND_JOB:
            send_refund(context, row_id)
        elif name == END_SUBSCRIPTION_JOB:
            end_subscription(context, row_id)
        elif name == JUDGE_REQUEST_JOB:
            judge_request(context, row_id)
        elif name == CHANGE_PLAN_JOB:
            change_plan(context, row_id)
        elif name == RESTORE_PLAN_JOB:
            restore_plan(context, row_id)
        elif name in _OF_LISTS:
            _OF_LISTS[name](context, row_id)
        else:
            look_up(context, row_id)


class Notifier(RqWorker):
    """Sends notices."""

    queue = NOTICES
    job_seconds_max = EFFECT_JOB_SECONDS_MAX

    def run_job(self, context, job):
        """Send one."""
        name, row_id = job
        assert name == SEND_NOTICE_JOB
        send_notice(context, row_id)


class Sweeper(Process):
    """The clock: sweeps at every pulse at which anything is due, and sleeps through the others.

    Whether anything is due is asked of the rows more generously than the sweeper does itself, so that a pulse
    that is left out would have found nothing. While faults keep everybody else from working for hours, pulses
    become rarer: each would only ring once more for what waits already.
    """

    def _run(self):
        self._seen, self._pulses = -1, 1
        run_sweeper(self.context(), self._pulse)

    def _pulse(self, _seconds):
        world = self.world
        idle = self._seen == world.commits_of_others and not world.healed
        self._pulses = min(self._pulses * 2, _PULSES_MAX) if idle else 1
        self._seen = world.commits_of_others
        world.scheduler.pause(_PULSE_MS * self._pulses)
        while True:
            due_ms = world.next_due_ms()
            now_ms = self.clock.now_ms()
            if due_ms is not None and due_ms <= now_ms:
                return False
            self.idle = True
            ahead_ms = _LONG_MS if due_ms is None else due_ms - now_ms
            world.scheduler.pause(-(-ahead_ms // _PULSE_MS) * _PULSE_MS)
            self.idle = False

    def poke(self):
        """A row has changed: look again at the next pulse."""
        self.wake(_PULSE_MS)


def gateway_of(world):
    """The gateway that this world's processes have."""
    if world.swarm.through_sdk:
        return StripeGateway(world.settings, http_client=SdkClient(world.line))
    return DirectGateway(world.line)
