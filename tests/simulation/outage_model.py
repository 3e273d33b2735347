"""What each outage must have given back, from Stripe's book and what was written down, against what went back."""

import calendar
from datetime import UTC, datetime
from itertools import pairwise

from ledger.cases import OUTAGE_PREFIX
from tests.simulation.stripe_history import GONE


class OutageModel:
    """Judges one world: each touched subscription gets its share of the lost time once, and nobody else anything."""

    def __init__(self, world, history, says, excused):
        self._world = world
        self._history = history
        self._says = says
        self._excused = excused

    def check(self):
        """Report every share that is missing, too large, or for nobody."""
        paid = self._paid()
        shop = self._world.shop
        for charge_id in dict.fromkeys(shop.charges) if shop.outages else ():
            wanted = self._share(charge_id)
            found = paid.pop(charge_id, 0)
            if found > wanted or (found < wanted and self._owes(charge_id)):
                self._breach(
                    "money", f"{charge_id}: {found} went back for outages, right is {wanted}"
                )
        if paid:
            self._breach("money", f"went back for outages of strangers: {paid}")

    def _paid(self):
        """What stands of our refunds for outages, by charge."""
        found = {}
        for intent_id, refunds in self._history.ours.items():
            intent = self._says.intents.get(intent_id)
            if intent is not None and intent.cause.startswith(OUTAGE_PREFIX):
                number = int(intent.cause.removeprefix(OUTAGE_PREFIX))
                if number not in self._world.shop.outage_ids:
                    self._breach("money", f"{intent.charge_id} was refunded for no outage")
                standing = [one["amount"] for one in refunds if one["status"] not in GONE]
                found[intent.charge_id] = found.get(intent.charge_id, 0) + sum(standing)
        return found

    def _owes(self, charge_id):
        """Whether nothing but outages happened to a payment, so that it must have got all of its share."""
        shop = self._world.shop
        alone = shop.touched[charge_id] <= {"outage"}
        asked = any(one.charge_id == charge_id for one in shop.asked.values())
        grouped = any(charge_id in group.charge_ids for group in shop.groups)
        intents = [
            (intent_id, one)
            for intent_id, one in self._says.intents.items()
            if one.charge_id == charge_id
        ]
        excused = any(
            one.state == "failed" or self._excused(intent_id, one) for intent_id, one in intents
        )
        return alone and not asked and not grouped and not excused

    def _share(self, charge_id):
        """The share of the price that all outages together took of the period that was paid."""
        price = self._history.price(charge_id)
        charge = self._history.charge(charge_id)
        if price is None or self._history.credits(charge_id) is None:
            return 0
        begins = charge["created"]
        ends = _later(begins, 12 if price["recurring"]["interval"] == "year" else 1)
        down = [
            (max(began, begins), min(ended, ends))
            for began, ended, affects in self._world.shop.outages
            if not affects or price["id"] in affects
        ]
        lost = sum(
            later - at
            for at, later in pairwise(sorted({moment for one in down for moment in one}))
            if any(began <= at and later <= ended for began, ended in down)
        )
        owed = self._history.plan_minor(charge_id) * lost // (ends - begins)
        return min(owed, charge["amount_captured"])

    def _breach(self, invariant, sentence):
        self._world.violation(invariant, f"model: {sentence}")


def _later(at, months):
    then = datetime.fromtimestamp(at, UTC)
    years, month = divmod(then.month - 1 + months, 12)
    day = min(then.day, calendar.monthrange(then.year + years, month + 1)[1])
    return int(then.replace(year=then.year + years, month=month + 1, day=day).timestamp())
