"""The second checker: a small model of what should have come of it, fed from outside the ledger.

It reads the courier's log (what was answered), Stripe's book and call log (what was done), and the shop's
truth (what was right), works out what must be, and then asks whether the ledger says the same.
"""

from collections import Counter

from ledger.cases import DUPLICATE_CHARGE
from ledger.event_types import HANDLED
from tests.simulation.end_model import EndModel
from tests.simulation.fraud_model import FraudModel
from tests.simulation.ledger_checker import IntentSays
from tests.simulation.outage_model import OutageModel
from tests.simulation.request_model import RequestModel
from tests.simulation.ruling_model import RulingModel
from tests.simulation.stripe_history import GONE, StripeHistory

#: What ends or holds a sender between its commit and its call.
_STOPPERS = {"process killed", "process frozen", "process frozen for a day", "sender frozen"}
_BLOCKING = (
    "needs_response",
    "under_review",
    "lost",
    "appeal_needs_response",
    "appeal_under_review",
)
_KEY_AGE_MS = 20 * 3_600_000
_KEY_AGE_MS_MAX = _KEY_AGE_MS + 120_000
_ATTEMPTS_MAX = 12
_OF_REFUND = {"succeeded": "succeeded", "failed": "failed", "canceled": "failed"}


class Model:
    """Judges one world by its histories."""

    def __init__(self, world):
        self._world = world
        self._shop = world.shop
        self._history = StripeHistory(world)

    def check(self, says):
        """Report where the histories break a promise, and where the ledger (`says`) disagrees with them."""
        self._deliveries(says)
        rulings = RulingModel(self._world, self._history, says, self._excused)
        self._refunds(says, rulings)
        self._groups(says, rulings)
        RequestModel(self._world, self._history, says, rulings, self._excused).check()
        FraudModel(self._world, self._history, says, self._excused).check()
        OutageModel(self._world, self._history, says, self._excused).check()
        rulings.check()
        EndModel(self._world, self._history, says, rulings).check()
        self._calls(says)
        self._intents(says)

    def _deliveries(self, says):
        stored = Counter(event_id for event_id, _ in says.stored)
        known = {one.event["id"]: one.sha256 for one in self._world.courier.told}
        for told in set(self._world.courier.accepted):
            if stored[told[0]] != 1:
                self._breach("I1", f"{told[0]} was answered 2xx and stored {stored[told[0]]} times")
        strange = [
            event_id
            for event_id, sha in says.stored
            if event_id not in known or (known[event_id] != sha and event_id not in says.polled)
        ]
        if strange:
            self._breach("I10", f"stored and never sent by Stripe: {strange}")
        if self._world.courier.forged_accepted:
            self._breach("I10", "a forged delivery was accepted")
        untold = [
            one.event["id"]
            for one in self._world.courier.told
            if not (one.accepted or one.event["id"] in says.polled)
            # Stripe's list is read for what is handled alone.
            and not (one.given_up and one.event["type"] not in HANDLED)
        ]
        if untold:
            self._breach("I2", f"never accepted: {untold[:3]}")

    def _refunds(self, says, rulings):
        """Each of our refunds for a duplicate is of a payment that repeats another, for what was left of it."""
        duplicates = {one for group in self._shop.groups for one in group.charge_ids[1:]}
        for intent_id, ours in self._history.ours.items():
            standing = [refund for refund in ours if refund["status"] not in GONE]
            charge_id = ours[0]["charge"]
            if len(ours) > 1:
                self._breach(
                    "I3", f"{intent_id} was refunded {len(ours)} times, {len(standing)} stand"
                )
            charge = self._history.charge(charge_id)
            if ours[0]["amount"] > charge["amount_captured"] - self._history.before(ours[0]):
                self._breach("I4", f"{charge_id}: {ours[0]['amount']} is more than was left")
            intent = says.intents.get(intent_id)
            if intent is None or intent.cause != DUPLICATE_CHARGE or rulings.about(charge_id):
                continue  # the other models judge it
            if charge_id not in duplicates:
                self._breach("money", f"{charge_id} repeats no payment and was refunded")
            if ours[0]["reason"] != "duplicate" or ours[0]["currency"] != charge["currency"]:
                self._breach("money", f"{charge_id} was refunded as {ours[0]['reason']}")

    def _groups(self, says, rulings):
        """One payment of each group stays; of a certain one that nobody touched, all others go back."""
        returned = {
            one.charge_id
            for intent_id, one in says.intents.items()
            if one.cause == DUPLICATE_CHARGE and intent_id in self._history.ours
        }
        for group in self._shop.groups:
            ids = group.charge_ids
            if any(rulings.about(charge_id) for charge_id in ids):
                continue
            back = {charge_id for charge_id in ids if charge_id in returned}
            if ids and len(back) == len(ids):
                self._breach("money", f"no payment of {ids} stays")
            if not group.certain:
                if back and group.kind != "ended between":
                    self._breach("money", f"{group.kind} is for a person, and {back} went back")
            elif not self._shop.touches(group) and back != set(ids[1:]):
                missing = [
                    one
                    for one in ids[1:]
                    if one not in back and not self._left_to_people(one, says)
                ]
                if missing or back - set(ids[1:]):
                    self._breach("lost", f"{group.kind}: of {ids} went back {sorted(back)}")

    def _left_to_people(self, charge_id, says):
        """Whether a duplicate's refund was rightly left to a person."""
        for intent_id, intent in says.intents.items():
            if (intent.charge_id, intent.cause) == (charge_id, DUPLICATE_CHARGE):
                return self._excused(intent_id, intent)
        # What the payment was for could not be asked: the question was given up after its last try.
        return charge_id in says.in_review and "stripe away for long" in self._world.swarm.faults

    def _excused(self, intent_id, intent):
        """Whether a refund was rightly left to a person: asked as often as allowed, or too long ago.

        Or Stripe once named another currency than the payment's, which nobody may act upon.
        """
        posts = self._history.posts.get(intent_id, [])
        if intent.state in ("withdrawn", "rejected"):
            return "stripe other_currency" in self._world.swarm.faults
        too_old = posts and self._world.scheduler.now_ms - posts[0].at_ms > _KEY_AGE_MS
        # A try that was killed or cut off before it left counts for the ledger and never came to Stripe.
        stopped = _STOPPERS & set(self._world.swarm.faults)
        as_often_as_allowed = intent.attempts >= _ATTEMPTS_MAX and bool(posts or stopped)
        # Stopped between the commit and the call, and then Stripe could not be asked for that long.
        never_left = not posts and self._world.swarm.duration_ms > _KEY_AGE_MS
        # Or it left hours later: the row counts from the commit, which is all that it knows.
        left_late = _age_ms(self._world, intent) > _KEY_AGE_MS
        given_up = too_old or as_often_as_allowed or never_left or left_late
        return intent.state == "unknown" and given_up

    def _calls(self, says):
        """A key is one request, is young, and is not sent more often than anything may be."""
        for intent_id, posts in self._history.posts.items():
            self._keys(intent_id, posts)
            for post in posts:
                self._read_first(post, post.params["charge"])
        if any(call.error == "idempotency_error" for call in self._world.line.log):
            self._breach("I9", "Stripe refused a key for other parameters")
        calls = Counter(
            posts[0].params["charge"] for posts in self._history.posts.values() if posts
        )
        causes = Counter(one.charge_id for one in says.intents.values())
        if calls - causes:
            self._breach("I3", f"asked for more refunds than there are causes: {calls - causes}")

    def _keys(self, intent_id, posts):
        # Stripe keeps nothing of what it throttled: what came of it may be decided anew.
        kept = [one for one in posts if one.error != "rate_limit"]
        keys, sent = {one.key for one in posts}, {str(one.params) for one in kept}
        if len(keys) > 1 or len(sent) > 1:
            self._breach("I9", f"{intent_id} was asked for with different keys or parameters")
        if kept and kept[-1].at_ms - kept[0].at_ms > _KEY_AGE_MS_MAX:
            self._breach("I9", f"the key of {intent_id} was sent again after 20 hours")
        if len(posts) > _ATTEMPTS_MAX:
            self._breach("I13", f"{len(posts)} calls for {intent_id}")

    def _read_first(self, post, charge_id):
        """No refund is asked for on a charge that had been read as disputed, or not at all."""
        read_ms = self._read_before(post, charge_id)
        if read_ms is None:
            self._breach("I5", f"{charge_id} was not read before it was refunded")
        elif self._blocked(charge_id, read_ms):
            self._breach("I5", f"{charge_id} was read as disputed and still sent")

    def _read_before(self, post, charge_id):
        wanted = f"/v1/charges/{charge_id}"
        reads = [
            call.at_ms
            for call in self._world.line.log
            if call.path == wanted and call.process == post.process and call.at_ms <= post.at_ms
        ]
        return reads[-1] if reads else None

    def _blocked(self, charge_id, at_ms):
        """Whether a dispute stood in the way for the whole of the look."""
        moves = [one for one in self._shop.disputes if one[1] == charge_id and one[0] <= at_ms]
        before = [status for moved_ms, _, status in moves if moved_ms < at_ms - 1_000]
        since = [status for moved_ms, _, status in moves if moved_ms >= at_ms - 1_000]
        return bool(before) and {before[-1], *since} <= set(_BLOCKING)

    def _intents(self, says):
        """The ledger's intents say of each refund what Stripe's book says, and of no other."""
        none = IntentSays("", "", "", None, 0, 0, None)
        for intent_id, ours in self._history.ours.items():
            intent = says.intents.get(intent_id, none)
            wanted = _OF_REFUND.get(ours[0]["status"], "pending")
            told = (intent.state, intent.refund_id, intent.amount_minor)
            if told != (wanted, ours[0]["id"], ours[0]["amount"]):
                self._breach("I6", f"{intent_id} is {wanted} at Stripe and {told} here")
        for intent_id, intent in says.intents.items():
            beyond = intent.state in ("pending", "succeeded", "failed")
            if beyond and intent_id not in self._history.ours:
                self._breach("I6", f"{intent_id} is {intent.state} here and unknown to Stripe")

    def _breach(self, invariant, sentence):
        self._world.violation(invariant, f"model: {sentence}")


def _age_ms(world, intent):
    """How long ago an intent was first committed to be sent, by the world's own clock."""
    return 0 if intent.first_sent_ms is None else world.scheduler.now_ms - intent.first_sent_ms
