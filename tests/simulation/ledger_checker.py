"""The first checker: SQL over the ledger as it lies there at the end, written without the code that wrote it.

It knows the schema and the invariants (docs/architecture.md) and nothing of what happened.
"""

import hashlib
import json
import sqlite3
from dataclasses import dataclass

from ledger.decisions import broken_seal
from ledger.invariant_checks import check_invariants
from policy.redeciding import redecide_any
from tests.simulation.policy_queries import POLICY_IN_USE, POLICY_QUERIES

_ATTEMPTS_MAX = 12
_OWN_CHECKS_EVERY = 8

_NONE_OF = (
    (
        "I1",
        "an event is stored twice",
        "SELECT event_id FROM events GROUP BY event_id HAVING count(*) > 1",
    ),
    (
        "I2",
        "an event is not settled",
        "SELECT event_id FROM events WHERE state IN ('new', 'claimed')",
    ),
    (
        "I2",
        "an event is parked that can be read",
        (
            "SELECT event_id || ': ' || note FROM events WHERE state = 'parked'"
            " AND note NOT LIKE 'the event is rendered in 2099-01-01.later%'"
        ),
    ),
    (
        "I2",
        "a settled event has no time",
        "SELECT event_id FROM events WHERE settled_ms IS NULL OR lease_until_ms IS NOT NULL",
    ),
    (
        "I3",
        "a charge has two intents of one cause",
        "SELECT charge_id FROM refund_intents GROUP BY charge_id, cause HAVING count(*) > 1",
    ),
    (
        "I3",
        "an intent has two refunds at Stripe",
        (
            "SELECT intent_id FROM refunds WHERE intent_id NOT NULL AND status <> 'failed'"
            " GROUP BY intent_id HAVING count(*) > 1"
        ),
    ),
    (
        "I4",
        "a charge is refunded beyond what it took",
        (
            "SELECT charge_id FROM charges WHERE refunded_minor > captured_minor AND status = 'succeeded'"
            " AND captured_minor > 0"
        ),
    ),
    (
        "I6",
        "an intent lacks the approval of its own case and amount",
        (
            "SELECT i.id FROM refund_intents i LEFT JOIN decisions d ON d.id = i.decision_id"
            " WHERE d.id IS NULL OR d.verdict <> 'approve' OR d.case_id <> i.case_id"
            " OR d.amount_minor <> i.amount_minor OR d.currency <> i.currency"
        ),
    ),
    (
        "I6",
        "a refund of ours has no intent",
        (
            "SELECT refund_id FROM refunds r WHERE intent_id NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM refund_intents i WHERE i.id = r.intent_id)"
        ),
    ),
    (
        "I6",
        "an intent went out and its refund is not known",
        (
            "SELECT id FROM refund_intents i WHERE state IN ('pending', 'succeeded')"
            " AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.refund_id = i.refund_id AND r.intent_id = i.id)"
        ),
    ),
    (
        "I6",
        "a case says refunded and its intent does not",
        (
            "SELECT c.charge_id FROM cases c LEFT JOIN refund_intents i ON i.case_id = c.id"
            " WHERE c.state = 'refunded' AND coalesce(i.state, '') <> 'succeeded'"
        ),
    ),
    (
        "I6",
        "an intent succeeded and its case does not say so",
        (
            "SELECT i.charge_id FROM refund_intents i JOIN cases c ON c.id = i.case_id"
            " WHERE i.state = 'succeeded' AND c.state <> 'refunded'"
            # By design a person's, after twelve tries: `end_model.py` looks whether they were.
            " AND coalesce(c.note, '') NOT LIKE '%its subscription could not be ended%'"
        ),
    ),
    (
        "I6",
        "a case is refunding and nothing is under way",
        (
            "SELECT c.charge_id FROM cases c LEFT JOIN refund_intents i ON i.case_id = c.id"
            " WHERE c.state = 'refunding' AND coalesce(i.state, '') NOT IN ('pending', 'observed')"
        ),
    ),
    (
        "I2",
        "an intent waits for nobody",
        (
            "SELECT i.id FROM refund_intents i JOIN cases c ON c.id = i.case_id"
            " WHERE i.state IN ('reserved', 'submitted', 'unknown') AND c.state <> 'review'"
        ),
    ),
    (
        "I13",
        "something was tried more often than anything may be",
        (
            f"SELECT id FROM refund_intents WHERE attempts > {_ATTEMPTS_MAX}"  # noqa: S608 - our own number
            f" UNION SELECT object_id FROM look_ups WHERE attempts > {_ATTEMPTS_MAX}"
        ),
    ),
    (
        "I14",
        "an amount is not a whole number",
        (
            "SELECT id FROM refund_intents WHERE typeof(amount_minor) <> 'integer' OR amount_minor <= 0"
            " UNION SELECT charge_id FROM charges WHERE typeof(captured_minor) <> 'integer'"
            " OR typeof(refunded_minor) <> 'integer'"
        ),
    ),
    (
        "I12",
        "a decision is not sealed",
        "SELECT id FROM decisions WHERE id NOT IN (SELECT decision_id FROM seals)",
    ),
    (
        "I16",
        "an act is audited without who, what, why or when",
        (
            "SELECT id FROM audit WHERE actor = '' OR action = '' OR object = '' OR result = ''"
            " OR origin = '' OR coalesce(detail, '') = '' OR at_ms <= 0"
        ),
    ),
)
_POLLED = "SELECT event_id FROM events WHERE source = 'poll'"


@dataclass(frozen=True, slots=True)
class IntentSays:
    """One intent as its row has it."""

    charge_id: str
    cause: str
    state: str
    refund_id: str | None
    amount_minor: int
    attempts: int
    first_sent_ms: int | None


@dataclass(frozen=True, kw_only=True)
class LedgerSays:
    """What the ledger holds about the outside world, for the model to agree with."""

    stored: list  # (event id, sha256)
    polled: set  # ids of events that were found in Stripe's list
    intents: dict  # intent id -> IntentSays
    in_review: set  # charge ids of cases that wait for a person


class LedgerChecker:
    """Looks at one world's ledger when nothing moves in it any more."""

    def __init__(self, world):
        self._world = world
        self._raw = world.store.raw

    def check(self):
        """Report every breach; returns what the ledger says."""
        # Most worlds have no row that these could find anything about.
        in_use = self._raw.execute(POLICY_IN_USE).fetchone()
        for invariant, sentence, query in (*_NONE_OF, *(POLICY_QUERIES if in_use else ())):
            found = self._raw.execute(f"{query} LIMIT 3").fetchall()
            if found:
                self._breach(invariant, f"{sentence}: {[row[0] for row in found]}")
        self._check_bytes()
        self._check_decisions()
        self._check_keys()
        self._check_own_checks()
        return self._says()

    def _check_bytes(self):
        for event_id, sha256, payload in self._raw.execute(
            "SELECT event_id, sha256, payload FROM events"
        ):
            if hashlib.sha256(payload).hexdigest() != sha256:
                self._breach("I1", f"{event_id} is not stored as it came")

    def _check_decisions(self):
        rows = self._raw.execute("SELECT id, verdict, amount_minor, body FROM decisions").fetchall()
        for row_id, verdict, amount, body in rows:
            decided = json.loads(body)
            if not (decided["facts"] and decided["clauses"] and decided["terms_version"]):
                self._breach("I6", f"decision {row_id} does not say on what it rests")
            again = redecide_any(decided["facts"], self._world.terms.newest)
            same = (again.verdict.value, again.amount and again.amount.amount_minor)
            if same != (verdict, amount):
                self._breach("I7", f"decision {row_id} was {verdict} {amount} and is now {same}")
        if rows:
            self._try_to_change_a_decision()
        with self._world.store.quietly() as connection:
            broken = broken_seal(connection)
        if broken is not None:
            self._breach("I12", f"the seal of decision {broken} does not fit")

    def _try_to_change_a_decision(self):
        self._raw.execute("SAVEPOINT tampering")
        try:
            self._raw.execute("UPDATE decisions SET made_ms = made_ms + 1")
        except sqlite3.IntegrityError:
            pass
        else:
            self._breach("I12", "a decision can be changed")
        self._raw.execute("ROLLBACK TO tampering")
        self._raw.execute("RELEASE tampering")

    def _check_keys(self):
        query = "SELECT id, idempotency_key, params, charge_id, amount_minor FROM refund_intents"
        for intent_id, key, params, charge_id, amount in self._raw.execute(query):
            sent = json.loads(params)
            told = (sent["charge"], sent["amount"], sent["metadata"]["redress_intent"])
            if told != (charge_id, amount, intent_id) or key != f"redress:refund:{intent_id}":
                self._breach("I9", f"intent {intent_id} would send {told} under {key}")

    def _check_own_checks(self):
        """What `redress doctor` looks for must hold as well; a sample of the seeds is enough for that."""
        if self._world.swarm.seed % _OWN_CHECKS_EVERY:
            return
        with self._world.store.quietly() as connection:
            for breach in check_invariants(connection):
                if not breach.holds:
                    self._breach(
                        breach.invariant, f"redress doctor: {breach.statement} {breach.examples}"
                    )

    def _says(self):
        intents = self._raw.execute(
            "SELECT id, charge_id, cause, state, refund_id, amount_minor, attempts,"
            " first_sent_ms FROM refund_intents"
        ).fetchall()
        return LedgerSays(
            stored=self._raw.execute("SELECT event_id, sha256 FROM events").fetchall(),
            polled={row[0] for row in self._raw.execute(_POLLED)},
            intents={row[0]: IntentSays(*row[1:]) for row in intents},
            in_review={
                row[0]
                for row in self._raw.execute("SELECT charge_id FROM cases WHERE state = 'review'")
            },
        )

    def _breach(self, invariant, sentence):
        self._world.violation(invariant, f"ledger: {sentence}")
