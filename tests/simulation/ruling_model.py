"""What people ruled, as the audit log has it, against what was carried out."""

from collections import defaultdict
from dataclasses import dataclass

_RULINGS = """
    SELECT a.at_ms, a.detail, c.charge_id, c.kind FROM audit a JOIN cases c ON a.object = 'case:' || c.id
    WHERE a.action IN ('cases.approve', 'cases.deny') ORDER BY a.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled:
    """One ruling that was committed; `amount_minor` 0: nothing goes back."""

    at_ms: int
    amount_minor: int
    kind: str
    everything: bool


class RulingModel:
    """Judges one world: the last word on a case is carried out, once, and nothing else."""

    def __init__(self, world, history, says, excused):
        self._world = world
        self._history = history
        self._says = says
        self._excused = excused
        self._rulings = defaultdict(list)
        for at_ms, detail, charge_id, kind in world.store.raw.execute(_RULINGS):
            tag, _, amount = detail.partition(":")
            meant = world.shop.rulings[tag]
            self._told(meant, charge_id, int(amount))
            self._rulings[charge_id].append(
                Ruled(at_ms=at_ms, amount_minor=int(amount), kind=kind, everything=meant.everything)
            )

    def about(self, charge_id):
        """The rulings about a payment, oldest first."""
        return self._rulings.get(charge_id, [])

    def takes_all(self, charge_id, refund):
        """Whether a refund is the ruling that everything goes back, and what it bought with it."""
        return any(
            one.everything and one.amount_minor == refund["amount"] for one in self.about(charge_id)
        )

    def check(self):
        """Report rulings that were not carried out, and money that nobody ruled."""
        appealed = {one.charge_id for one in self._world.shop.appeals.values()}
        for charge_id, rulings in self._rulings.items():
            last = rulings[-1]
            found = [
                (intent_id, one)
                for intent_id, one in self._says.intents.items()
                if (one.charge_id, one.cause) == (charge_id, last.kind)
            ]
            refunds = [
                one for intent_id, _ in found for one in self._history.ours.get(intent_id, [])
            ]
            if refunds:
                self._sent(charge_id, rulings, refunds[0], found[0][0])
            elif last.amount_minor and charge_id not in appealed:
                self._not_sent(charge_id, last, found)

    def _told(self, meant, charge_id, amount_minor):
        right = meant.everything or amount_minor == (meant.amount_minor or 0)
        if meant.charge_id != charge_id or not right:
            self._world.violation("I16", f"model: audited as {charge_id} {amount_minor}: {meant}")

    def _sent(self, charge_id, rulings, refund, intent_id):
        """What went back is what was ruled last before it left, or what the rules had sent before."""
        sent_ms = self._history.posts[intent_id][0].at_ms
        before = [one for one in rulings if one.at_ms < sent_ms]
        if (
            before
            and refund["amount"] != before[-1].amount_minor
            and not self._heard_anew(charge_id)
        ):
            ruled = before[-1].amount_minor
            self._breach("money", f"{charge_id}: {ruled} was ruled, {refund['amount']} went back")

    def _not_sent(self, charge_id, last, found):
        touched = self._world.shop.touched[charge_id]
        excused = any(self._excused(intent_id, one) for intent_id, one in found)
        if not touched and not excused:
            states = [one.state for _, one in found]
            self._breach("lost", f"{charge_id}: {last.amount_minor} was ruled and is {states}")

    def _heard_anew(self, charge_id):
        """Whether an appeal had the rules decide once more, so that their amount may stand."""
        return any(one.charge_id == charge_id for one in self._world.shop.appeals.values())

    def _breach(self, invariant, sentence):
        self._world.violation(invariant, f"model: {sentence}")
