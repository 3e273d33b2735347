"""People who work the refund policy: they write outages down, rule on cases, hear appeals, restore credits.

Each act is what its command does (`redress outage add`, `cases approve`, …), audited in its transaction. Whoever
sees an error cannot know whether the act was committed: outages and restorations are simply done again, rulings
and appeals only where the audit log does not have them.
"""

from functools import partial

from sqlalchemy.exc import IntegrityError

from ledger.audit_log import record
from ledger.cases import REFUND_REQUEST, case_by_id, cases_about
from ledger.credit_grants import drawing_order, is_valid
from ledger.credits import grant_credits, grants_of_customers, lock_customers, restore_credits
from ledger.notice_queries import RetryRefused, retry_notice
from ledger.outages import Outage, add_outage
from ledger.payment_facts import payments_by_charge
from ledger.replaying import ReplayAuthor
from ledger.states import CreditKind
from policy.rulings import RulingRefused
from runtime.queues import JUDGE_REQUEST_JOB, SEND_NOTICE_JOB
from workers.case_following import Desk
from workers.case_rulings import appeal_case, rule_on_case
from workers.context import ring_for
from workers.outage_refunds import OutageDesk

_AGAIN_MS = 10_000
_LOOK_MS = 2_000
_CASE = "SELECT 1 FROM cases WHERE charge_id = ? AND kind = ?"
_STANDS = "SELECT 1 FROM audit WHERE detail = ? OR detail LIKE ?"
_LOOKS_MAX = 6
_AUTHOR = ReplayAuthor(actor="somebody", reason="the relay is back", origin="simulation")
_RULINGS = """
    SELECT object, detail FROM audit WHERE action IN ('cases.approve', 'cases.deny') ORDER BY id
"""


class CaseWorkers:
    """Everybody who works cases. `soon(delay_ms, act)` runs an act as a task; `wakeups()` is their bell."""

    def __init__(self, world, clock, soon, wakeups):
        self.world = world
        self.clock = clock
        self._soon = soon
        self._wakeups = wakeups
        self._outages_run = set()
        self._refused = set()

    # --- outages ---

    def run_outage(self, number):
        """Write an outage down and pay for it, as often as it takes until a run came to its end."""
        if number in self._outages_run:
            return
        self._soon(0, partial(self._run_outage, number))
        self.world.scheduler.after(_AGAIN_MS, partial(self.run_outage, number))

    def run_outages_again(self):
        """Run every outage once more, one after the other: nobody is paid twice."""
        for number in range(len(self.world.shop.outages)):
            self._soon(0, partial(self._run_outage, number))

    def _run_outage(self, number):
        world, told = self.world, self.world.shop.outages[number]
        desk = OutageDesk(store=world.store, terms=world.terms, catalogue=world.catalogue)
        began_at, ended_at, affects = told
        down = Outage(
            outage_id=0, began_at=began_at, ended_at=ended_at, affects=affects, evidence="status/42"
        )
        owed = list(desk.touched(down))
        with world.store.write() as connection:
            recorded, _ = add_outage(
                connection,
                began_at=began_at,
                ended_at=ended_at,
                affects=affects,
                evidence="status/42",
                now_ms=self.clock.now_ms(),
            )
            self._audit(connection, "outage.add", f"outage:{recorded.outage_id}", "down")
        world.shop.outage_ids[recorded.outage_id] = number
        for one in owed:
            if one.decision.amount is not None:
                world.shop.touch(one.payment.charge_id, "outage")
            with world.store.write() as connection:
                followed = desk.pay(self._desk(connection), recorded, one.payment.charge_id)
            ring_for(self._wakeups(), followed.intents, (), notices=followed.notices)
        self._outages_run.add(number)

    # --- cases ---

    def rule(self, tag):
        """Rule once on the case of a payment, as `shop.rulings[tag]` says, when there is one."""
        self._keep_at(tag, self.world.shop.rulings[tag], partial(self._rule, tag))

    def _keep_at(self, tag, about, act, looks=0):
        """Act as soon as there is a case; later, each time after a longer while, see whether it stands."""
        shop, raw = self.world.shop, self.world.store.raw
        shop.stories_open -= looks > 0
        stands = raw.execute(_STANDS, (tag, f"{tag}:%")).fetchone()
        if stands or tag in self._refused or looks > _LOOKS_MAX:
            return
        if raw.execute(_CASE, (about.charge_id, about.kind)).fetchone():
            self._soon(0, act)
        shop.stories_open += 1
        again = partial(self._keep_at, tag, about, act, looks + 1)
        self.world.scheduler.after(_LOOK_MS * 4**looks, again)

    def rule_again(self):
        """Rule once more by the last word on each case, as after observe mode; whether there was any."""
        rows = self.world.store.raw.execute(_RULINGS).fetchall()
        last = {case: detail.partition(":")[0] for case, detail in rows}
        for tag in last.values():
            self._soon(0, partial(self._rule, tag))
        return bool(last)

    def _rule(self, tag):
        world, ruling = self.world, self.world.shop.rulings[tag]
        with world.store.write() as connection:
            case = cases_about(connection, ruling.kind, [ruling.charge_id]).get(ruling.charge_id)
            if case is None:
                return
            amount_minor = ruling.amount_minor
            if ruling.everything:
                known = payments_by_charge(connection, [ruling.charge_id])
                amount_minor = known[ruling.charge_id].left().amount_minor or None
            try:
                ruled = rule_on_case(
                    self._desk(connection), world.terms, case.case_id, amount_minor=amount_minor
                )
            except RulingRefused as refused:
                world.trace(f"refused: {refused}"[:120])
                self._refused.add(tag)
                return
            action = "cases.deny" if amount_minor is None else "cases.approve"
            self._audit(connection, action, f"case:{case.case_id}", f"{tag}:{amount_minor or 0}")
        followed = ruled.followed
        ring_for(self._wakeups(), followed.intents, (), notices=followed.notices)

    def appeal(self, charge_id, tag, stated):
        """Have the request about a payment looked at again, with what the customer brought."""
        about = self.world.shop.appeals[tag]
        self._keep_at(tag, about, partial(self._appeal, charge_id, tag, stated))

    def _appeal(self, charge_id, tag, stated):
        world = self.world
        with world.store.write() as connection:
            case = cases_about(connection, REFUND_REQUEST, [charge_id]).get(charge_id)
            if case is None:
                return
            try:
                request_id = appeal_case(self._desk(connection), case.case_id, stated)
            except RulingRefused as refused:
                world.trace(f"refused: {refused}"[:120])
                self._refused.add(tag)
                return
            self._audit(connection, "cases.appeal", f"case:{case.case_id}", tag)
            assert case_by_id(connection, case.case_id).appeals == case.appeals + 1
        if request_id is not None:
            self._wakeups().wake_effect(JUDGE_REQUEST_JOB, request_id)

    # --- credits and notices ---

    def restore(self, key):
        """Give credits back, as often as it takes until they are."""
        known = "SELECT 1 FROM credit_entries WHERE key = ?"
        if self.world.store.raw.execute(known, (f"restore:{key}",)).fetchone() is None:
            self._soon(0, partial(self._restore, key))
            self.world.scheduler.after(_AGAIN_MS, partial(self.restore, key))

    def restore_the_rest(self):
        """What could not be restored so far is now."""
        for key in self.world.shop.restored:
            self.restore(key)

    def _restore(self, key):
        told, now_ms = self.world.shop.restored[key], self.clock.now_ms()
        given = {
            "key": f"restore:{key}",
            "credits": told.credits,
            "source": "operator",
            "reference": "gen-1",
            "at": now_ms // 1000,
            "now_ms": now_ms,
        }
        with self.world.store.write() as connection:
            lock_customers(connection, [told.customer_id])
            drawn = [
                one
                for one in grants_of_customers(connection, [told.customer_id])
                if one.used - one.restored >= told.credits and is_valid(one, now_ms // 1000)
            ]
            if drawn:
                restore_credits(connection, grant=max(drawn, key=drawing_order), **given)
            else:
                kind = CreditKind.RESTORATION
                grant_credits(
                    connection, customer_id=told.customer_id, expires_at=None, kind=kind, **given
                )
            self._audit(connection, "credits.restore", told.customer_id, "a generation failed")

    def retry_notices(self):
        """Send once more what did not get through; whether there was anything."""
        query = "SELECT id FROM notices WHERE state = 'failed'"
        rows = self.world.store.raw.execute(query).fetchall()
        for (row_id,) in rows:
            self._soon(0, partial(self._retry, row_id))
        return bool(rows)

    def _retry(self, row_id):
        try:
            with self.world.store.write() as connection:
                retry_notice(connection, row_id, _AUTHOR, self.clock.now_ms())
        except RetryRefused as refused:
            self.world.violation("notices", f"not sent again: {refused}")
        self._wakeups().wake_effect(SEND_NOTICE_JOB, row_id)

    def _desk(self, connection):
        return Desk(connection=connection, settings=self.world.settings, now_ms=self.clock.now_ms())

    def _audit(self, connection, action, object_id, detail):
        record(
            connection,
            at_ms=self.clock.now_ms(),
            actor="somebody",
            action=action,
            object_id=object_id,
            result="done",
            origin="simulation",
            detail=detail,
        )


def is_defect(error):
    """Whether a database error is our own doing: the fault's errors are of another class."""
    return isinstance(error, IntegrityError)
