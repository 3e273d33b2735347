"""What warnings, disputes and suspicion must have led to, from Stripe's book and the stories, against the ledger.

What waiting and giving back cost is reckoned here a second time, only for the plain cases: a payment that nobody
touched but the issuer who warned of it.
"""

from ledger.cases import DISPUTE_PREFIX, FRAUD
from tests.simulation.stripe_history import GONE

#: 80 of 100 warnings become disputes, which cost 15.00 USD each; of a payment that is used up 20 of 100 are lost
#: for nothing. Up to here giving back is no dearer, however much was used.
_CERTAINLY_BACK_MINOR = 6_000
_INQUIRY_MINOR = 1_500
_GIVEN_UP = "SELECT object_id FROM look_ups WHERE state = 'given_up'"
_CREDITS_LEFT = """
    SELECT g.source, g.credits + coalesce(sum(e.credits), 0) FROM credit_entries g
    LEFT JOIN credit_entries e ON e.grant_id = g.id WHERE g.kind = 'grant' GROUP BY g.id
"""
_SUSPENDED = "SELECT customer_id FROM accounts WHERE standing = 'suspended' AND cause = 'flag'"


class FraudModel:
    """Judges one world: what was warned of goes back once, and nothing that nobody spoke against."""

    def __init__(self, world, history, says, excused):
        self._world = world
        self._history = history
        self._says = says
        self._excused = excused
        self._cards = {}
        book = world.book
        for charge in book.newest_first("charges"):
            card = charge["payment_method_details"]["card"]["fingerprint"]
            self._cards[charge["id"]] = card
        spoken = {one["charge"] for one in book.newest_first("early_fraud_warnings")}
        disputes = list(book.newest_first("disputes"))
        spoken |= {one["charge"] for one in disputes if one["reason"] == "fraudulent"}
        self._asked_about = {
            f"{DISPUTE_PREFIX}{one['id']}"
            for one in disputes
            if one["reason"] in ("fraudulent", "unrecognized")
        }
        self._spoken_against = {self._cards[charge_id] for charge_id in spoken}

    def check(self):
        """Report refunds as fraud of what nobody spoke against, warnings without an answer, accounts that rest for nothing."""
        back = self._back()
        for charge_id in self._world.shop.warned:
            if charge_id not in back and self._certainly_goes_back(charge_id):
                self._breach("lost", f"{charge_id} was warned of and did not go back")
        spoken_against = {
            self._history.charge(charge_id)["customer"]
            for charge_id, card in self._cards.items()
            if card in self._spoken_against
        }
        self._lost()
        rests = {row[0] for row in self._world.store.raw.execute(_SUSPENDED)}
        if rests - spoken_against:
            self._breach("fraud", f"rest for nothing: {rests - spoken_against}")

    def _lost(self):
        """Report packs whose money the bank gave back for good and whose credits can still be used."""
        if self._world.swarm.starts_observing:
            return  # what was lost while nobody acted is left as it is
        left = dict(self._world.store.raw.execute(_CREDITS_LEFT).fetchall())
        for dispute in self._world.book.newest_first("disputes"):
            if dispute["status"] == "lost" and left.get(dispute["charge"], 0) > 0:
                self._breach("credits", f"{dispute['charge']} was lost, and its credits stay")

    def _back(self):
        """The payments that we gave back as fraud, each of them rightly."""
        found = set()
        for intent_id, refunds in self._history.ours.items():
            intent = self._says.intents.get(intent_id)
            if intent is None or not (
                intent.cause == FRAUD or intent.cause.startswith(DISPUTE_PREFIX)
            ):
                continue
            refund = refunds[0]
            found.add(refund["charge"])
            charge = self._history.charge(refund["charge"])
            against = self._cards[charge["id"]] in self._spoken_against
            if not (against if intent.cause == FRAUD else intent.cause in self._asked_about):
                self._breach("money", f"{charge['id']} went back, and nobody spoke against it")
            if refund["reason"] not in ("fraudulent", None):
                self._breach("money", f"{charge['id']} went back as {refund['reason']}")
            right = charge["amount_captured"] - self._history.before(refund)
            if refund["amount"] > right or refund["currency"] != charge["currency"]:
                self._breach("money", f"{charge['id']}: {refund['amount']} of {right} went back")
            if intent.cause != FRAUD and refund["amount"] > _INQUIRY_MINOR:
                self._breach("money", f"an inquiry about {refund['amount']} was given back")
        return found

    def _certainly_goes_back(self, charge_id):
        shop, charge = self._world.shop, self._history.charge(charge_id)
        alone = shop.touched[charge_id] <= {"warned"}
        asked = any(one.charge_id == charge_id for one in shop.asked.values())
        grouped = any(charge_id in group.charge_ids for group in shop.groups)
        given_up = any(
            self._excused(intent_id, one)
            for intent_id, one in self._says.intents.items()
            if one.charge_id == charge_id
        )
        small = 0 < charge["amount_captured"] <= _CERTAINLY_BACK_MINOR
        standing = [one for one in self._history.of_charge[charge_id] if one["status"] not in GONE]
        known = charge["currency"] == "usd" and charge["status"] == "succeeded"
        # What the payment was for could not be asked: the question was given up after its last try.
        asked_for = {row[0] for row in self._world.store.raw.execute(_GIVEN_UP)}
        unread = charge_id in self._says.in_review and charge["payment_intent"] in asked_for
        plain = alone and not asked and not grouped and not given_up and not unread
        return plain and small and known and not standing

    def _breach(self, invariant, sentence):
        self._world.violation(invariant, f"model: {sentence}")
