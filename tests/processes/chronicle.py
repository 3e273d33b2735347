"""What struck the machine and when, and how long each duplicate's refund took because of it.

*Recovery time* of a duplicate charge: from the moment when its work was last stranded until its refund
stands at Stripe. Work is stranded when somebody who holds a lease on it is killed or frozen (or
PostgreSQL crashes under him): the leases are read from the ledger at that moment. A question to Stripe
is under a lease as well while it is asked, and what kills an effects worker may leave it for a quarter of a
minute; by its row it cannot be told from one that waits for its next try, so each try is stranded once at
the most. Work whose lease was never broken, but whose wake-up may have been lost, counts from the
acknowledgement of the second payment's `charge.succeeded`. Stretches in which the database, Redis or Stripe
could not be reached at all are subtracted: nobody could have made progress in them.
"""

import contextlib
from collections import Counter
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from ledger.states import EventState, LookUpState
from ledger.stripe_tables import charges
from ledger.tables import events, look_ups, refund_intents
from tests.processes.machine import clock, is_success

SECOND_MS = 1000


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """One duplicate charge that was refunded; `struck` says that a lease on it was broken."""

    charge_id: str
    seconds: float
    since_acknowledged_seconds: float
    struck: bool
    began_ms: int
    refunded_ms: int


class Chronicle:
    """Kills by process kind, faults by their kind, and what they left behind."""

    def __init__(self, machine):
        self.kills, self.faults = Counter(), Counter()
        self.lines = []
        self._machine = machine
        self._began_ms = clock.now_ms()
        self._broken = {}
        self._outages = []

    def killed(self, what):
        """A process of the kind `what` was killed by SIGKILL."""
        self.kills[what] += 1
        self._write(f"SIGKILL {what}")
        self.note_leases(asking=what.startswith(("effects", "postgresql")))

    def struck(self, kind, where=""):
        """A fault of another kind has struck."""
        self.faults[kind] += 1
        self._write(f"{kind} {where}".strip())

    def note_leases(self, *, asking=False):
        """Whatever is under a lease now counts as stranded now, unless it already was.

        `asking`: questions to Stripe as well, because those who ask them are struck.
        """
        now_ms = clock.now_ms()
        claimed = select(events.c.lane, events.c.id, events.c.fence).where(
            events.c.state == EventState.CLAIMED.value
        )
        leased = select(
            refund_intents.c.charge_id, refund_intents.c.id, refund_intents.c.fence
        ).where(refund_intents.c.lease_until_ms.is_not(None))
        asked = (
            select(charges.c.customer_id, look_ups.c.id, look_ups.c.attempts)
            .join(
                charges,
                (charges.c.payment_intent_id == look_ups.c.object_id)
                | (charges.c.charge_id == look_ups.c.object_id),
            )
            .where(look_ups.c.state == LookUpState.WANTED.value, look_ups.c.attempts > 0)
        )
        # A database that is down says nothing; what it knew was noted before it was struck.
        with contextlib.suppress(DBAPIError):
            for query in (claimed, leased, asked) if asking else (claimed, leased):
                for name, row_id, fence in self._machine.rows(query):
                    self._broken.setdefault((name, row_id, fence), now_ms)

    @contextlib.contextmanager
    def outage(self, what):
        """Nothing can be done for as long as this lasts."""
        outage = [clock.now_ms(), None]
        self._outages.append(outage)
        try:
            yield
        finally:
            outage[1] = clock.now_ms()
            self._write(f"{what} was away for {(outage[1] - outage[0]) / SECOND_MS:.1f} s")

    def recoveries(self):
        """The recovery time of every duplicate that was refunded."""
        answered = self._machine.first_answers()
        acknowledged = {}
        for one in self._machine.attempts():
            if is_success(one["status"]):
                acknowledged.setdefault(one["event_id"], one["at_ms"])
        paid = select(events.c.object_id, events.c.event_id, events.c.lane).where(
            events.c.type == "charge.succeeded"
        )
        told = {
            charge_id: (event_id, lane) for charge_id, event_id, lane in self._machine.rows(paid)
        }
        broken = self._broken_by_name()
        keys = {row.charge_id: row.idempotency_key for row in self._machine.intents().values()}
        for one in self._machine.duplicates:
            refunded_ms = answered.get(keys.get(one.charge_id))
            event_id, lane = told.get(one.charge_id, (None, None))
            since_ms = acknowledged.get(event_id)
            if refunded_ms is None or since_ms is None:
                continue
            times = [*broken.get(lane, ()), *broken.get(one.charge_id, ())]
            yield self._recovery(one.charge_id, since_ms, refunded_ms, times)

    def _broken_by_name(self):
        by_name = {}
        for (name, _, _), at_ms in self._broken.items():
            by_name.setdefault(name, []).append(at_ms)
        return by_name

    def _recovery(self, charge_id, acknowledged_ms, refunded_ms, broken):
        stranded = [at_ms for at_ms in broken if acknowledged_ms <= at_ms <= refunded_ms]
        since_ms = max([acknowledged_ms, *stranded])
        taken_ms = max(0, refunded_ms - since_ms) - self._away_ms(since_ms, refunded_ms)
        return Recovery(
            charge_id=charge_id,
            seconds=taken_ms / SECOND_MS,
            since_acknowledged_seconds=max(0, refunded_ms - acknowledged_ms) / SECOND_MS,
            struck=bool(stranded),
            began_ms=since_ms,
            refunded_ms=refunded_ms,
        )

    def meanwhile(self, recovery):
        """The lines of what struck while one duplicate waited, ten seconds before it included."""
        from_s, until_s = (
            (at_ms - self._began_ms) / SECOND_MS
            for at_ms in (recovery.began_ms - 10 * SECOND_MS, recovery.refunded_ms)
        )
        return [line for line in self.lines if from_s <= float(line.split()[0]) <= until_s]

    def _away_ms(self, from_ms, until_ms):
        """How much of a stretch lies in outages, which may overlap."""
        away, covered_ms = 0, from_ms
        for began_ms, ended_ms in sorted(self._outages):
            ends_ms = min(ended_ms, until_ms)
            starts_ms = max(began_ms, covered_ms)
            if ends_ms > starts_ms:
                away += ends_ms - starts_ms
                covered_ms = ends_ms
        return away

    def _write(self, line):
        self.lines.append(f"{(clock.now_ms() - self._began_ms) / SECOND_MS:8.2f} {line}")
