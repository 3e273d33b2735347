"""Stripe's deliveries: every event at least once, in any order, each attempt signed anew.

The plan of an event is drawn when it is emitted: when its first attempt comes, how often it is repeated
besides, and whether somebody forges one like it. What was not answered 2xx is tried again. `log` is the
client's side of invariant I1, written without a look at the ledger.
"""

import hashlib
from dataclasses import dataclass

from ledger.event_types import HANDLED
from ops.sandbox.delivery_signatures import event_body, signature_header
from webhooks.receive import Delivery

SECRET = "whsec_of_the_simulation_0001"
OLD_SECRET = "whsec_of_the_simulation_0000"
FOREIGN_SECRET = "whsec_of_somebody_else_00000"
UNANSWERED_MS = 10_000
_STRANGE_SHARE = 0.2
#: Events of other types are delivered too, but not all: they are stored and ignored, one like another.
STRANGERS = frozenset({"payment_intent.created", "customer.subscription.trial_will_end"})

#: What only a charge tells, which is listed as a second source.
_UNMADE = ("charge.succeeded", "charge.updated")


@dataclass(slots=True, kw_only=True)
class Told:
    """One event of Stripe's and what became of its deliveries."""

    seq: int
    event: dict
    body: bytes
    sha256: str
    emitted_ms: int
    attempts: int = 0
    accepted: int = 0
    waiting: bool = True
    given_up: bool = False


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One POST on its way. `told` None marks a forged one, which must be refused."""

    told: Told | None
    delivery: Delivery
    repeat: bool
    answered: bool = False


class Courier:
    """Delivers the events of one world's book to whichever web process answers."""

    def __init__(self, world):
        self._world = world
        self._rng = world.stream("courier")
        self._seq = 0
        self._chore_ms = None
        self.told = []
        self.accepted = []
        self.forged_accepted = 0
        self.refused = 0
        self.deliveries = 0
        self.first_lost = 0.0
        self.answers_lost = 0.0
        #: Shares of events that Stripe never manages to deliver, and of charges that it makes no event of.
        self.undelivered = self.unmade = 0.0
        self._unmade = set()

    def collect(self):
        """Plan the deliveries of the events that Stripe has emitted since the last call."""
        for seq, event in self._world.book.events_after(self._seq):
            self._seq = seq
            if self._is_unmade(event):
                self._unmake(seq)
                continue
            stranger = event["type"] not in HANDLED
            if not stranger or (event["type"] in STRANGERS and self._rng.random() < _STRANGE_SHARE):
                self._plan(seq, event)

        due_ms = self._world.book._db.execute("SELECT min(due_ms) FROM chores").fetchone()[0]
        if due_ms is not None and due_ms != self._chore_ms:
            self._chore_ms = due_ms
            self._world.scheduler.at(due_ms, self._tick)

    def _is_unmade(self, event):
        """Whether Stripe makes no event of a payment: then of nothing that only its charge could tell either."""
        charge_id = event["data"]["object"].get("id")
        if event["type"] == "charge.succeeded" and self._world.chance("unmade", self.unmade):
            self._unmade.add(charge_id)
        return event["type"] in _UNMADE and charge_id in self._unmade

    def _unmake(self, seq):
        """Stripe made no event of what happened, so none is listed either."""
        self._world.struck("no event made")
        with self._world.book.transaction():
            self._world.book._db.execute("DELETE FROM events WHERE seq = ?", (seq,))

    def _tick(self):
        """Stripe does by itself what is due now, and tells of it."""
        self._world.sandbox.tick()
        self.collect()

    @property
    def waiting(self):
        """How many events have not been acknowledged yet."""
        return sum(one.waiting for one in self.told)

    def _plan(self, seq, event):
        world, rng, habits = self._world, self._rng, self._world.swarm.habits
        body = event_body(event, 1)
        told = Told(
            seq=seq,
            event=event,
            body=body,
            sha256=hashlib.sha256(body).hexdigest(),
            emitted_ms=world.scheduler.now_ms,
        )
        self.told.append(told)
        for name in sorted(world.standing):
            world.struck(name)
        delay_ms = rng.randint(20, 400)
        # Held money is no payment that leads to a call of Stripe's: it may be late in any world.
        prompt = event["type"] in habits.prompt and event["data"]["object"].get("captured", True)
        late = rng.random() < habits.delayed and not prompt
        if late and not world.healed:
            delay_ms = round(habits.delay_ms_max ** rng.random())
            if habits.even:
                delay_ms = rng.randint(0, habits.delay_ms_max)
            world.struck("delivery delayed")
        if world.chance("undelivered", self.undelivered):
            world.struck("never delivered")
            told.given_up = True
            told.waiting = False
            return
        world.scheduler.after(delay_ms, lambda: self._deliver(told, repeat=False))
        if rng.random() < habits.repeated:
            world.struck("delivery repeated")
            for _ in range(rng.randint(1, habits.repeats_max)):
                later_ms = delay_ms + rng.choice((0, 0, 0, 0, rng.randint(0, 90_000)))
                world.scheduler.after(later_ms, lambda: self._deliver(told, repeat=True))
        if rng.random() < habits.forged:
            world.scheduler.after(delay_ms, lambda: self._forge(told))

    def _deliver(self, told, *, repeat):
        world = self._world
        told.attempts += 1
        if not repeat and told.attempts == 1 and self._rng.random() < self.first_lost:
            world.struck("delivery lost")
            self._again(told)
            return
        signed_at = world.scheduler.now_ms // 1000
        secrets = [SECRET, OLD_SECRET] if self._rng.random() < 0.3 else [SECRET]
        attempt = Attempt(
            told=told,
            delivery=_delivery(told.body, signature_header(told.body, secrets, signed_at)),
            repeat=repeat,
        )
        self._send(attempt)

    def _forge(self, told):
        """Somebody without the secret sends changed bytes, an old signature, or one from the future."""
        world = self._world
        now = world.scheduler.now_ms // 1000
        body, signed_at, secret = self._rng.choice(
            (
                (told.body, now, FOREIGN_SECRET),
                (told.body, now - 2_000, SECRET),
                (told.body, now + 2_000, SECRET),
                (told.body.replace(b'"amount"', b'"amounT"'), now, None),
            )
        )
        header = signature_header(
            told.body if secret is None else body, [secret or SECRET], signed_at
        )
        if body == told.body and secret is None:
            header = header.replace("v1=", "v1=0")
        world.struck("delivery forged")
        self._send(Attempt(told=None, delivery=_delivery(body, header), repeat=False))

    def _send(self, attempt):
        world = self._world
        self.deliveries += 1
        web = world.some_web(self._rng)
        if web is None:
            self._unanswered(attempt)
            return
        web.take(attempt)
        world.scheduler.after(UNANSWERED_MS, lambda: self._unanswered(attempt))

    def answer(self, attempt, status):
        """A web process answers; whoever stopped waiting does not hear it."""
        if attempt.answered:
            return
        if self.answers_lost and self._rng.random() < self.answers_lost:
            self._world.struck("answer lost")
            self._unanswered(attempt)
            return
        attempt.answered = True
        self._world.trace(f"answered {status}")
        if attempt.told is None:
            self.forged_accepted += 200 <= status < 300
            self.refused += status == 400
        elif 200 <= status < 300:
            attempt.told.accepted += 1
            attempt.told.waiting = False
            self.accepted.append((attempt.told.event["id"], attempt.told.sha256))
        elif not attempt.repeat:
            self._again(attempt.told)

    def _unanswered(self, attempt):
        if not attempt.answered:
            attempt.answered = True
            if attempt.told is not None and not attempt.repeat:
                self._again(attempt.told)

    def _again(self, told):
        """Stripe tries again: within minutes while things are bad, soon once they are good again."""
        delay_ms = self._rng.randint(500, 3_000)
        if not self._world.healed:
            delay_ms = round(60_000 * 2 ** min(told.attempts, 4) * self._rng.uniform(0.1, 1.0))
        self._world.scheduler.after(delay_ms, lambda: self._deliver(told, repeat=False))

    def hurry(self):
        """Deliver what waits now: the world is well again, and Stripe's next try would come in time."""
        for told in self.told:
            if told.waiting:
                self._world.scheduler.after(
                    self._rng.randint(10, 2_000),
                    lambda told=told: self._deliver(told, repeat=False),
                )


def _delivery(body, header):
    return Delivery(
        method="POST",
        content_type="application/json; charset=utf-8",
        content_encoding="",
        signature=header,
        body=body,
    )
