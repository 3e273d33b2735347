"""What must have become of plan changes that were made at Stripe, from Stripe's book, against the ledger."""

import itertools
import json
from collections import defaultdict
from dataclasses import dataclass

from policy.plan_moves import CHARGED_LESS
from runtime.call_limits import PLAN_REPAIR_PAUSE_SECONDS
from tests.simulation.plan_askers import Subscriber
from workers.plan_repairs import (
    CREDITED_ON_RENEWAL,
    MOVED_ON,
    OVERDUE,
    PERIOD_OVER,
    SPENT,
    STEERED,
)
from workers.plan_restoring import GIVEN_UP, TOO_OLD, TWICE

_ROWS = """
    SELECT id, subscription_id, made_by, state, coalesce(note, ''), restored_ms, insisted,
        before_items, seen_at
    FROM seen_plan_changes ORDER BY seen_at, id
"""
#: The refund of a change was left to a person: its note follows when the person has ruled.
_WITH_A_PERSON = """
    SELECT 1 FROM seen_plan_changes s JOIN cases c ON c.kind = 'plan_change:' || s.event_id
    LEFT JOIN refund_intents i ON i.case_id = c.id
    WHERE s.id = ? AND c.state <> 'closed' AND (i.id IS NULL OR i.state NOT IN ('pending', 'succeeded'))
"""
_OPEN = {"waiting", "restoring", "crediting"}
#: Nothing that these end with leaves money moved, or the plan changed before its time.
_CLEAN = {"restored", "in_line", "merged", "own"}
#: What a machine leaves to people, by how the sentence begins.
_QUESTIONS = tuple(
    sentence.partition("{}")[0]
    for sentence in (
        *(CHARGED_LESS, CREDITED_ON_RENEWAL, MOVED_ON, OVERDUE, PERIOD_OVER, SPENT, STEERED),
        TOO_OLD,
        *("Both plans have one tier and one price", "The currency changes"),
        "A price is not in the catalogue",
    )
)

_PUT_RIGHT = {"restored", "merged", "own"}
_CREDITS_LEFT = """
    SELECT coalesce(sum(g.credits + (
        SELECT coalesce(sum(e.credits), 0) FROM credit_entries e WHERE e.grant_id = g.id
    )), 0)
    FROM credit_entries g WHERE g.kind = 'grant' AND g.source = ?
"""

_ANYBODY = Subscriber(plan="", elsewhere=1)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One change as the ledger has it."""

    seen_id: int
    subscription_id: str
    made_by: str
    state: str
    note: str
    restored_ms: int | None
    insisted: bool
    before_items: str
    seen_at: int


class SeenPlanModel:
    """Judges one world: each change came to an end, and where it was put right no money stayed moved."""

    def __init__(self, world):
        self._world = world
        self._plans = world.operators.plans
        self._raw = world.store.raw

    def check(self):
        """Report every breach."""
        rows = defaultdict(list)
        names = Seen.__dataclass_fields__
        for values in self._raw.execute(_ROWS):
            seen = Seen(**dict(zip(names, values, strict=True)))
            rows[seen.subscription_id].append(seen)
            self._check_row(seen)
        for subscription_id, found in rows.items():
            self._check_pauses(subscription_id, found)
            self._check_books(subscription_id, found)

    def _check_row(self, seen):
        waits = seen.state == "crediting" and self._raw.execute(_WITH_A_PERSON, (seen.seen_id,))
        if seen.state in _OPEN and not (waits and waits.fetchone()):
            self._breach(f"{seen.seen_id} is {seen.state} at the end: {seen.note}")
        if (seen.made_by == "us") != (seen.state == "own"):
            self._breach(f"{seen.seen_id} was made by {seen.made_by} and is {seen.state}")
        # The other stories change a plan once at most.
        subscriber = self._plans.subscribers.get(seen.subscription_id, _ANYBODY)
        if seen.made_by not in ("us", "stripe") and not subscriber.elsewhere:
            self._breach(f"{seen.seen_id} was made by {seen.made_by}: nobody did")
        if seen.state == "review" and not self._may_ask_a_person(seen, subscriber):
            self._breach(f"{seen.seen_id} went to a person: {seen.note}")

    def _may_ask_a_person(self, seen, subscriber):
        if seen.note == TWICE:
            return subscriber.elsewhere > 1
        struck = any(name.startswith("stripe") for _, name in self._world.strikes)
        return seen.note.startswith(_QUESTIONS) or (struck and seen.note == GIVEN_UP)

    def _check_pauses(self, subscription_id, rows):
        """A machine puts a subscription right once a day, and never against a person."""
        begun = sorted(
            row.restored_ms
            for row in rows
            if row.restored_ms is not None and row.state != "merged" and not row.insisted
        )
        for earlier, later in itertools.pairwise(begun):
            if later - earlier < PLAN_REPAIR_PAUSE_SECONDS * 1000:
                self._breach(f"{subscription_id} was put right twice within a day")

    def _check_books(self, subscription_id, rows):
        shown = self._world.book.get("subscriptions", subscription_id)
        if shown["status"] == "canceled" or {row.state for row in rows} - _CLEAN:
            return
        if "restored" not in {row.state for row in rows}:
            return
        waiting = [
            item["id"]
            for item in self._world.book.newest_first("invoiceitems")
            if item["invoice"] is None and item["customer"] == shown["customer"]
        ]
        if waiting:
            self._breach(f"{subscription_id} was put right and {waiting} wait for an invoice")
        balance = self._world.book.get("customers", shown["customer"])["balance"]
        if balance:
            self._breach(f"{subscription_id} was put right and its customer's balance is {balance}")
        self._check_invoices(shown, settled={row.state for row in rows} <= _PUT_RIGHT)
        self._check_price(shown, [row for row in rows if row.made_by not in ("us", "stripe")])

    def _check_price(self, shown, rows):
        """While the period lasts in which somebody changed it, the price is the one from before."""
        (item,) = shown["items"]["data"]
        (before,) = json.loads(rows[0].before_items)
        lasts = item["current_period_end"] == before["period_end"]
        all_put_right = {row.state for row in rows} <= {"merged", "restored"}
        if all_put_right and lasts and item["price"]["id"] != before["price_id"]:
            self._breach(f"{shown['id']} was put right and runs at {item['price']['id']}")

    def _check_invoices(self, shown, *, settled):
        """Of what was prorated nothing stayed with us, and nothing that a wrong credit bought with the customer."""
        for invoice in self._world.book.newest_first("invoices"):
            parent = invoice["parent"]
            if parent is None or parent["subscription_details"]["subscription"] != shown["id"]:
                continue
            notes = [
                note["amount"]
                for note in self._world.book.newest_first(
                    "credit_notes", {"invoice": invoice["id"]}
                )
            ]
            if invoice["billing_reason"] == "subscription_update" and settled:
                self._check_credits(invoice)
            wrong = _prorated(invoice)
            if wrong > 0 and invoice["status"] == "paid" and sum(notes) < wrong:
                self._breach(f"{invoice['id']} prorated {wrong}, noted {sum(notes)}")

    def _check_credits(self, invoice):
        if invoice["status"] == "paid" and not invoice["amount_paid"]:
            (left,) = self._raw.execute(_CREDITS_LEFT, (invoice["id"],)).fetchone()
            if left:
                self._breach(f"{invoice['id']} was undone, and {left} of its credits are left")

    def _breach(self, sentence):
        self._world.violation("seen plan", f"model: {sentence}")


def _prorated(invoice):
    total = 0
    for line in invoice["lines"]["data"]:
        parent = line["parent"]
        of_item = parent["subscription_item_details"] or parent["invoice_item_details"]
        total += line["amount"] if of_item["proration"] else 0
    return total
