"""What must hold at every instant, looked at after each commit, in SQL of its own over the raw connection.

It keeps what it saw last and compares: which states follow which, what never changes, and that the money
held on a charge stays within what the charge took. The moves are written down here a second time on purpose.
"""

from itertools import zip_longest

_EVENT_MOVES = {
    "new": {"claimed"},
    "claimed": {"new", "decided", "ignored", "parked"},
    "decided": {"new"},
    "ignored": {"new"},
    "parked": {"new"},
}
#: Longer than any lease by what a step may take.
LEASE_MS_MAX = 12_500
EFFECT_LEASE_MS_MAX = 15_500
_SENT = {"submitted", "unknown", "pending", "succeeded", "failed", "rejected"}
#: Moves of one commit: events of one group can take an intent through several states at once.
_INTENT_MOVES = {
    "observed": {"reserved", "withdrawn"},
    "reserved": {"submitted", "withdrawn", "pending", "succeeded", "failed", "observed"},
    "submitted": {"reserved", "unknown", "pending", "succeeded", "rejected", "failed"},
    "unknown": {"submitted", "pending", "succeeded", "rejected", "failed"},
    "pending": {"succeeded", "failed"},
    "succeeded": {"failed"},
    "rejected": {"pending", "succeeded", "failed"},
    "withdrawn": {"reserved", "observed"},
    "failed": set(),
}
_OVERDRAWN = """
    SELECT i.charge_id FROM refund_intents i LEFT JOIN charges c USING (charge_id)
    WHERE i.state IN ('reserved', 'submitted', 'unknown', 'pending', 'succeeded')
    GROUP BY i.charge_id HAVING sum(i.amount_minor) > coalesce(max(c.captured_minor), 0)
"""
_OPEN = """
    SELECT 'event' AS kind, id, not_before_ms AS due_ms
        FROM events e WHERE state = 'new'
        AND NOT EXISTS (SELECT 1 FROM events o WHERE o.lane = e.lane AND o.state = 'claimed')
    UNION ALL SELECT 'claimed event', id, lease_until_ms FROM events WHERE state = 'claimed'
    UNION ALL SELECT 'intent', id, max(next_attempt_ms, coalesce(lease_until_ms, 0))
        FROM refund_intents
        WHERE state IN ('reserved', 'submitted', 'unknown') AND next_attempt_ms NOT NULL
    UNION ALL SELECT 'look-up', id, next_attempt_ms FROM look_ups WHERE state = 'wanted'
    UNION ALL SELECT 'request', id, max(next_attempt_ms, coalesce(lease_until_ms, 0))
        FROM refund_requests WHERE state = 'waiting'
    UNION ALL SELECT 'end', id, next_attempt_ms FROM subscription_ends WHERE state = 'wanted'
    UNION ALL SELECT 'notice', id, max(next_attempt_ms, coalesce(lease_until_ms, 0))
        FROM notices WHERE state IN ('waiting', 'sending')
    UNION ALL SELECT 'expiry', grant_id, (due_at + 3600) * 1000 FROM credit_expiries
    UNION ALL SELECT 'plan', id, max(next_attempt_ms, coalesce(lease_until_ms, 0), coalesce((
            SELECT max(max(o.next_attempt_ms, coalesce(o.lease_until_ms, 0))) FROM plan_changes o
            WHERE o.subscription_id = p.subscription_id AND o.id <> p.id
            AND (o.lease_until_ms NOT NULL OR o.step NOT NULL OR o.state = 'waiting' AND o.id > p.id)
        ), 0), coalesce((
            SELECT max(max(s.next_attempt_ms, coalesce(s.lease_until_ms, 0)))
            FROM seen_plan_changes s WHERE s.subscription_id = p.subscription_id
            AND s.state IN ('waiting', 'restoring')
        ), 0))
        FROM plan_changes p WHERE state IN ('waiting', 'withdrawing')
        OR (state = 'scheduled' AND next_attempt_ms < effective_at * 1000)
    UNION ALL SELECT 'seen plan', id, max(next_attempt_ms, coalesce(lease_until_ms, 0), coalesce((
            SELECT max(max(coalesce(o.next_attempt_ms, 0), coalesce(o.lease_until_ms, 0)))
            FROM plan_changes o WHERE o.subscription_id = s.subscription_id
            AND (o.lease_until_ms NOT NULL OR o.step NOT NULL)
        ), 0), coalesce((
            SELECT max(o.lease_until_ms) FROM seen_plan_changes o
            WHERE o.subscription_id = s.subscription_id
        ), 0))
        FROM seen_plan_changes s WHERE state IN ('waiting', 'restoring')
    UNION ALL SELECT 'credit note', id, max(next_attempt_ms, coalesce(lease_until_ms, 0))
        FROM seen_plan_changes s WHERE state = 'crediting' AND NOT EXISTS (
            SELECT 1 FROM cases c LEFT JOIN refund_intents i ON i.case_id = c.id
            WHERE c.kind = 'plan_change:' || s.event_id AND c.state <> 'closed'
            AND (i.id IS NULL OR i.state NOT IN ('pending', 'succeeded')))
    UNION ALL SELECT 'unsealed decision', id, 0 FROM decisions
        WHERE id NOT IN (SELECT decision_id FROM seals)
"""
#: Moves of one commit; what is not named here is an end.
_PLAN_MOVES = {
    "waiting": {
        *("scheduled", "applied", "observed", "refused", "replaced"),
        *("withdrawing", "withdrawn", "failed"),
    },
    "scheduled": {"applied", "failed", "replaced", "withdrawing"},
    # The switch came before its schedule was let go: it took effect after all.
    "replaced": {"applied"},
    "withdrawing": {"withdrawn", "refused", "applied", "failed"},
}
_NEXT_DUE = f"SELECT min(due_ms) FROM ({_OPEN})"  # noqa: S608 - our own text
_DUE_NOW = f"SELECT kind, id FROM ({_OPEN}) WHERE due_ms <= ?"  # noqa: S608 - our own text
_INTENTS = """
    SELECT id, state, attempts, charge_id, amount_minor, currency, idempotency_key, params, fence,
        lease_until_ms
    FROM refund_intents
"""


class Watcher:
    """Sees every commit of one world."""

    def __init__(self, world):
        self.world = world
        self._raw = world.store.raw
        self._events = []
        self._intents = {}
        self._plans = {}
        self._replays = 0
        self._brake = None
        self._due_since = {}
        self._brake_acts = 0

    def look(self):
        """Compare the ledger as it stands with how it stood after the last commit."""
        self._look_at_events()
        self._look_at_intents()
        self._look_at_the_brake()
        self._look_at_plans()

    def next_due_ms(self):
        """When the next row is due, as the rows say; None when none is open."""
        return self._raw.execute(_NEXT_DUE).fetchone()[0]

    def stranded_ms(self):
        """For how long the row that waits longest has been due without a break, as looked at so far."""
        now_ms = self.world.scheduler.now_ms
        rows = self._raw.execute(_DUE_NOW, (now_ms,))
        self._due_since = {row: self._due_since.get(row, now_ms) for row in rows}
        return now_ms - min(self._due_since.values(), default=now_ms)

    def look_anew(self):
        """Nobody has looked for a while: what was due then need not have been since."""
        self._due_since = {}

    def due(self):
        """The rows that are open, in words, soonest due first."""
        query = f"SELECT kind, id, due_ms FROM ({_OPEN}) ORDER BY 3 LIMIT 4"  # noqa: S608 - our own text
        now_ms = self.world.scheduler.now_ms
        rows = self._raw.execute(query).fetchall()
        return ", ".join(
            f"{kind} {row_id} {(now_ms - due) / 1000:.0f} s" for kind, row_id, due in rows
        )

    def _look_at_events(self):
        # Rows are only added, so that each keeps its place; most commits change none of them.
        query = "SELECT id, state, fence, sha256, attempts, lease_until_ms FROM events ORDER BY id"
        seen, before = self._raw.execute(query).fetchall(), self._events
        if seen == before:
            return
        self._events = seen
        if len(seen) < len(before):
            self._breach("I1", "an event row is gone")
            return
        moved = [pair for pair in zip_longest(seen, before) if pair[0] != pair[1]]
        if back := sum(self._moved_back(row, was) for row, was in moved):
            self._audited(back)

    def _moved_back(self, row, before):
        """Look at how one event moved; whether it was put back to be worked on once more."""
        row_id, state, fence, sha256, _, lease_until_ms = row
        if before is None:
            if state == "claimed":
                self._breach("I2", f"event row {row_id} was claimed before it was committed")
            return False
        _, was, fence_before, sha256_before, *_ = before
        if was != state and state not in _EVENT_MOVES[was]:
            self._breach("I2", f"event row {row_id} went from {was} to {state}")
        if was != "claimed" and state == "claimed":
            self._leased(row_id, lease_until_ms)
        if sha256 != sha256_before or fence < fence_before:
            self._breach("I1", f"event row {row_id} changed its bytes or its fence fell")
        return state == "new" and was in ("decided", "ignored", "parked")

    def _leased(self, row_id, until_ms):
        """A lease is as long as it may be, and no longer, or its work is stranded with its owner."""
        if until_ms - self._writers_time() > LEASE_MS_MAX:
            self._breach("I2", f"event row {row_id} is leased for too long")

    def _audited(self, back):
        query = "SELECT count(*) FROM audit WHERE action = 'event.replay'"
        replays = self._raw.execute(query).fetchone()[0]
        if replays - self._replays != back:
            self._breach("I16", f"{back} events were put back, {replays - self._replays} audited")
        self._replays = replays

    def _look_at_intents(self):
        seen = {row[0]: row[1:] for row in self._raw.execute(_INTENTS)}
        if seen == self._intents:
            return
        for intent_id, now in seen.items():
            before = self._intents.get(intent_id)
            if before is not None:
                self._compare(intent_id, before, now)
            elif now[0] not in ("observed", "reserved", "withdrawn"):
                self._breach("I6", f"intent {intent_id} began as {now[0]}")
            if now[1] > (before[1] if before else 0):
                self._submitted(intent_id)
        if len(seen) < len(self._intents):
            self._breach("I6", "an intent is gone")
        self._intents = seen
        overdrawn = self._raw.execute(_OVERDRAWN).fetchall()
        if overdrawn:
            self._breach("I4", f"more than captured is held on {overdrawn}")

    def _look_at_the_brake(self):
        seen = self._raw.execute("SELECT stopped, changed_ms FROM brakes").fetchone()
        if seen == self._brake:
            return
        self._brake = seen
        self._brake_acts += 1
        audited = self._raw.execute(
            "SELECT count(*) FROM audit WHERE action LIKE 'brake.%' AND actor <> '' AND detail <> ''"
        ).fetchone()[0]
        if audited != self._brake_acts:
            self._breach("I16", f"the brake moved {self._brake_acts} times, {audited} are audited")

    def _compare(self, intent_id, before, now):
        if before[0] != now[0] and now[0] not in _INTENT_MOVES[before[0]]:
            self._breach("I3", f"intent {intent_id} went from {before[0]} to {now[0]}")
        if before[2] != now[2] or before[5] != now[5]:
            self._breach("I9", f"intent {intent_id} changed its charge or its key")
        if before[1] > 0 and before[0] in _SENT and before[2:7] != now[2:7]:
            self._breach("I9", f"intent {intent_id} changed after it was sent")
        if not before[1] <= now[1] <= before[1] + 1 or now[7] < before[7]:
            self._breach("I13", f"attempts or fence of {intent_id} jumped")
        leased = now[8] is not None and now[8] != before[8]
        if leased and now[8] - self._writers_time() > EFFECT_LEASE_MS_MAX:
            self._breach("I2", f"intent {intent_id} is leased for too long")

    def _writers_time(self):
        """What time it is for the process that has just committed."""
        return self.world.scheduler.current.process.clock.now_ms()

    def _submitted(self, intent_id):
        stopped = self._raw.execute("SELECT stopped FROM brakes").fetchone()
        if stopped is not None and stopped[0]:
            self._breach("brakes", f"{intent_id} was submitted while all money was stopped")
        if self.world.settings is self.world.machine.settings["observe"]:
            self._breach("brakes", f"{intent_id} was submitted in observe mode")

    def _look_at_plans(self):
        query = "SELECT id, state, round, fence FROM plan_changes"
        seen = {row[0]: row[1:] for row in self._raw.execute(query)}
        if seen == self._plans:
            return
        for change_id, now in seen.items():
            before = self._plans.get(change_id, ("waiting", 0, 0))
            if now[0] not in {before[0], *_PLAN_MOVES.get(before[0], ())}:
                self._breach("plan", f"change {change_id} went from {before[0]} to {now[0]}")
            if now[1] > before[1]:
                self._submitted(f"a step of change {change_id}")
            if now[2] < before[2]:
                self._breach("plan", f"the fence of change {change_id} fell")
        self._plans = seen

    def _breach(self, invariant, sentence):
        self.world.violation(invariant, sentence)
