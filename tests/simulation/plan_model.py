"""What must have become of each change of plan, from Stripe's book and the shop's truth, against the ledger."""

from collections import defaultdict
from dataclasses import dataclass

from runtime.limits import IDEMPOTENCY_KEY_AGE_SECONDS_MAX
from tests.fakes.plan_shop import PRICES
from workers.plan_steps import NO_ANSWER

_ROWS = """
    SELECT id, key, subscription_id, price_id, state, coalesce(note, ''), coalesce(effect, ''),
        from_price_id, effective_at, schedule_id, clause
    FROM plan_changes ORDER BY id
"""
_WITHDRAWN = "SELECT object FROM audit WHERE action = 'plan.withdraw'"
_ENDS = {"scheduled", "applied", "observed", "refused", "replaced", "withdrawn", "failed"}
_SAME_PRICE = "It has this price already"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One change as the ledger has it."""

    change_id: int
    key: str
    subscription_id: str
    price_id: str
    state: str
    note: str
    effect: str
    from_price_id: str | None
    effective_at: int | None
    schedule_id: str | None
    clause: str | None


class PlanModel:
    """Judges one world: each change ended, and the subscription, its schedule and its invoices say the same."""

    def __init__(self, world):
        self._world = world
        self._plans = world.operators.plans
        self._raw = world.store.raw

    def check(self):
        """Report every breach."""
        names = Row.__dataclass_fields__
        rows = [Row(**dict(zip(names, values, strict=True))) for values in self._raw.execute(_ROWS)]
        lost = set(self._plans.asked) - {row.key for row in rows}
        if lost:
            self._breach(f"changes of plan were lost: {sorted(lost)}")
        of_subscription = defaultdict(list)
        for row in rows:
            of_subscription[row.subscription_id].append(row)
            if row.subscription_id in self._plans.subscribers:
                self._check_row(row)
            elif not row.key.startswith("seen:"):
                self._breach(f"{row.key} was asked for by nobody")
        for subscription_id, subscriber in self._plans.subscribers.items():
            if subscriber.elsewhere:
                continue  # `seen_plan_model.py` looks at those
            self._check_books(subscription_id, subscriber, of_subscription[subscription_id])
        self._check_withdrawals({row.key: row for row in rows})
        self._check_calls()

    def _check_row(self, row):
        subscriber = self._plans.subscribers[row.subscription_id]
        if row.key.startswith("seen:") and not subscriber.elsewhere:
            self._breach(f"{row.key} was asked for by nobody")
        if row.state not in _ENDS:
            self._breach(f"{row.key} is {row.state} at the end")
        if row.effect not in ("", "stay"):
            told = (row.clause, row.effect)
            wanted = _table(self._plan(row.from_price_id), self._plan(row.price_id))
            if told != wanted:
                self._breach(f"{row.key} is {told} where the table says {wanted}")
        if row.state == "refused" and not self._may_refuse(row, subscriber):
            self._breach(f"{row.key} was refused: {row.note}")
        if row.state == "failed" and not (
            subscriber.meddled
            or subscriber.elsewhere
            or self._may_fail(row)
            or self._ended_by_us(row)
        ):
            self._breach(f"{row.key} failed: {row.note}")

    def _may_refuse(self, row, subscriber):
        struck = {name for _, name in self._world.strikes}
        return (
            subscriber.meddled
            or subscriber.elsewhere > 0
            or self._ended_by_us(row)
            or row.note.startswith(_SAME_PRICE)
            or (subscriber.declines and "declined" in row.note)
            # An answer of Stripe's that names another currency is believed, and refused.
            or ("stripe other_currency" in struck and "currency changes" in row.note)
            # A schedule whose making was never answered is not known to be ours.
            or ("steers it already" in row.note and self._may_be_unknown(row, struck))
        )

    def _ended_by_us(self, row):
        """Whether a refund, or a dispute that was lost, took the subscription meanwhile (`end_model.py`)."""
        query = "SELECT 1 FROM subscription_ends WHERE subscription_id = ?"
        return self._raw.execute(query, (row.subscription_id,)).fetchone() is not None

    def _may_be_unknown(self, row, struck):
        query = "SELECT 1 FROM plan_changes WHERE subscription_id = ? AND note = ?"
        unanswered = self._raw.execute(query, (row.subscription_id, NO_ANSWER)).fetchone()
        return "stripe 500_stored" in struck or unanswered is not None

    def _may_fail(self, row):
        """Stripe was away, or whoever was to look for a lost answer was, for longer than a key is good for."""
        struck = [name for _, name in self._world.strikes]
        too_long = self._world.swarm.duration_ms > IDEMPOTENCY_KEY_AGE_SECONDS_MAX * 1000
        too_late = bool(struck) and too_long and row.note == NO_ANSWER
        return too_late or any(name.startswith("stripe") for name in struck)

    def _check_books(self, subscription_id, subscriber, rows):
        shown = self._world.book.get("subscriptions", subscription_id)
        self._check_invoices(shown, rows)
        if rows and rows[-1].state == "replaced":
            self._breach(f"{rows[-1].key}, the last, was replaced")
        if shown["status"] == "canceled" or any(row.state == "failed" for row in rows):
            return
        (item,) = shown["items"]["data"]
        applied = [row for row in rows if row.state == "applied" and row.effect != "stay"]
        plan = self._plan(applied[-1].price_id) if applied else subscriber.plan
        if self._plan(item["price"]["id"]) != plan:
            self._breach(f"{subscription_id} is not on {plan}")
        self._check_pending(shown, item, [row for row in rows if row.state == "scheduled"])

    def _check_invoices(self, shown, rows):
        items = self._world.book.newest_first("invoiceitems", {"customer": shown["customer"]})
        charged, prorated = [], [item for item in items if item["proration"]]
        for invoice in self._world.book.newest_first("invoices"):
            parent = invoice["parent"]
            if parent is None or parent["subscription_details"]["subscription"] != shown["id"]:
                continue
            lines = [
                line["parent"]["subscription_item_details"] for line in invoice["lines"]["data"]
            ]
            prorated += [line for line in lines if line["proration"]]
            if invoice["billing_reason"] == "subscription_update":
                charged.append(invoice["total"])
        if prorated:
            self._breach(f"{shown['id']} has prorations")
        at_once = [row for row in rows if row.effect == "now"]
        due = [self._amount(row) for row in at_once if row.state == "applied"]
        perhaps = [self._amount(row) for row in at_once if row.state == "failed"]
        for amount in charged:
            found = due if amount in due else perhaps
            if amount not in found:
                self._breach(f"{shown['id']} was charged {amount} at once, which no change says")
                return
            found.remove(amount)
        if due:
            self._breach(f"{shown['id']} was not charged {due}")

    def _check_pending(self, shown, item, scheduled):
        """The schedule's next phase is the pending change, and there is none without one."""
        phases = []
        if shown["schedule"] is not None:
            schedule = self._world.book.get("subscription_schedules", shown["schedule"])
            ends = item["current_period_end"]
            phases = [phase for phase in schedule["phases"] if phase["start_date"] >= ends]
        to_come = [
            (shown["schedule"], phase["start_date"], phase["items"][0]["price"]) for phase in phases
        ]
        told = [(row.schedule_id, row.effective_at, row.price_id) for row in scheduled]
        if to_come != told:
            self._breach(f"{shown['id']} has {to_come} to come, the ledger says {told}")

    def _check_withdrawals(self, rows):
        audited = {row[0] for row in self._raw.execute(_WITHDRAWN)}
        for key in audited:
            if rows[key].state not in ("withdrawn", "applied", "failed", "refused"):
                self._breach(f"{key} was taken back and is {rows[key].state}")
        unasked = {key for key, row in rows.items() if row.state == "withdrawn"} - audited
        if unasked:
            self._breach(f"taken back without anybody's word: {sorted(unasked)}")

    def _check_calls(self):
        """One key, one call: the same path and the same parameters each time."""
        sent = {}
        for call in self._world.line.log:
            changes = call.method == "POST" and call.path.startswith("/v1/subscription")
            if not changes:
                continue
            if not (call.key or "").startswith(("redress:plan:pc_", "redress:restore:")):
                self._breach(f"{call.path} was called without a key of ours")
            elif sent.setdefault(call.key, (call.path, call.params)) != (call.path, call.params):
                self._breach(f"{call.key} was sent with other parameters")

    def _plan(self, price_id):
        return self._plans.plan_of(price_id)

    def _amount(self, row):
        return PRICES[self._plan(row.price_id)][2]

    def _breach(self, sentence):
        self._world.violation("plan", f"model: {sentence}")


def _table(before, after):
    """The terms' table of plan changes, written down a third time."""
    (tier, interval, _), (new_tier, new_interval, _) = PRICES[before], PRICES[after]
    if interval == new_interval:
        return ("CHANGE-UP" if new_tier > tier else "CHANGE-DOWN"), "period_end"
    if interval == "month" and new_tier >= tier:
        return "CHANGE-ANNUAL", "now"
    return "CHANGE-DOWN", "period_end"
