"""Two payments, a warning, a dispute and its end, the decision and the call, in every order: one ledger for each end.

What Stripe ends with differs by which refunds left before the dispute opened or ended; within each of those, every
order must leave the same picture. Never is a disputed charge refunded, and never one charge twice.
"""

import itertools

import pytest
from sqlalchemy import delete

from ledger.accounts import account_of
from ledger.fraud_tables import list_entries
from ledger.inbox import store_events
from ledger.tables import cases, events

OUTCOMES = ("won", "lost")
_OPEN = ("needs_response", "under_review", "lost")


class Scene:
    """One card that pays twice; what happens to the first payment happens when it is told to."""

    def __init__(self, world):
        self.world = world
        self.customer = world.customer()
        self.first = world.pay(self.customer, amount=2000, order="first")
        self.later = None
        self.dispute = None
        self.refunded_while_disputed = []
        self.deliver()

    def deliver(self):
        self.world.deliver()

    def second_payment(self):
        self.later = self.world.pay(self.customer, amount=2100, order="second")
        self.deliver()

    def warning(self):
        told = {"charge": self.first, "fraud_type": "made_with_stolen_card"}
        self.world.control("early_fraud_warnings", told)
        self.deliver()

    def dispute_opens(self):
        told = {"charge": self.first, "status": "needs_response", "reason": "fraudulent"}
        self.dispute = self.world.control("disputes", told)["id"]
        self.deliver()

    def dispute_closes(self, outcome):
        self.world.clock.advance(1)
        self.world.control(f"disputes/{self.dispute}", {"status": outcome})
        self.deliver()

    def decide(self):
        self.world.wakeups.wake_events()
        self.world.drain()

    def call(self):
        disputed = self.dispute is not None and self._status() in _OPEN
        before = len(self._refunds())
        self.world.run_effects()
        self.deliver()
        if disputed and len(self._refunds()) > before:
            self.refunded_while_disputed.append(self._status())

    def _status(self):
        return self.world.sandbox.book.get("disputes", self.dispute)["status"]

    def _refunds(self):
        return [one for one in self.world.refunds() if one["charge"] == self.first]

    def picture(self):
        """What is left at the end that matters, without row ids."""
        world = self.world
        with world.store.read() as connection:
            account = account_of(connection, self.customer)
        intents = sorted(
            (intent.charge_id == self.first, intent.amount.amount_minor, str(intent.state))
            for intent in world.intents()
            if intent.state not in ("withdrawn", "rejected")
        )
        return (
            sorted((one["charge"] == self.first, one["amount"]) for one in world.refunds()),
            intents,
            str(account.standing),
            sorted({(row.list, row.subject, row.value) for row in world.rows(list_entries)}),
            sorted(
                (row.kind.partition(":")[0], row.charge_id == self.first)
                for row in world.rows(cases)
                if row.state == "refunded"
            ),
        )


def orders():
    """Every order in which the dispute closes after it opened."""
    steps = (
        "second_payment",
        "warning",
        "dispute_opens",
        "dispute_closes",
        "decide",
        "call",
    )
    for order in itertools.permutations(steps):
        if order.index("dispute_opens") < order.index("dispute_closes"):
            yield order


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_order_ends_alike(memory, outcome):
    """360 orders: no refund beside a dispute, none twice, and one picture for each end."""
    start = memory.save()
    pictures = {}

    for order in orders():
        memory.restore(start)
        memory.world.cards.clear()
        scene = Scene(memory.world)
        for step in order:
            if step == "dispute_closes":
                scene.dispute_closes(outcome)
            else:
                getattr(scene, step)()
        memory.world.settle(120)

        assert [] == scene.refunded_while_disputed, order
        back = sorted(one["charge"] == scene.first for one in memory.world.refunds())
        assert len(back) == len(set(back)), order
        pictures.setdefault(tuple(back), {}).setdefault(str(scene.picture()), order)

    for found in pictures.values():
        assert 1 == len(found), "\n".join(f"{order}: {seen}" for seen, order in found.items())


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_order_of_delivery_ends_alike(memory, outcome):
    """The same history of Stripe's, its events told in every order with a decision after each: one picture."""
    world = memory.world
    scene = Scene(world)
    world.new_events()
    scene.second_payment()
    scene.warning()
    scene.dispute_opens()
    scene.dispute_closes(outcome)
    told = []
    for row in world.sandbox.book.events_after(0):
        event = row[1]
        if event["type"] in (
            "charge.succeeded",
            "radar.early_fraud_warning.created",
            "charge.dispute.created",
            "charge.dispute.closed",
        ):
            told.append(world.parsed(event))
    with world.store.write() as connection:
        connection.execute(delete(events))
    start = memory.save()
    pictures = {}

    for number, order in enumerate(itertools.permutations(told)):
        memory.restore(start)
        for event in order:
            with world.store.write() as connection:
                store_events(connection, [event], world.clock.now_ms())
            world.drain()
        if number % 10 == 0:
            world.settle(60)
            pictures.setdefault(str(scene.picture()), [event.type for event in order])

    assert 1 == len(pictures), "\n".join(f"{order}: {seen}" for seen, order in pictures.items())
