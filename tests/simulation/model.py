"""The second checker: a small model of what should have come of it, fed from outside the ledger.

It reads the courier's log (what was answered), Stripe's book and call log (what was done), and the shop's
truth (what was right), works out what must be, and then asks whether the ledger says the same.
"""

from collections import Counter, defaultdict

from ledger.event_types import HANDLED
from tests.simulation.request_model import RequestModel

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
        self._ours = defaultdict(list)
        self._all = defaultdict(list)
        for refund in world.book.newest_first("refunds", ascending=True):
            self._all[refund["charge"]].append(refund)
            if refund["metadata"].get("redress_intent"):
                self._ours[refund["charge"]].append(refund)
        self._posts = defaultdict(list)
        for call in world.line.log:
            if call.method == "POST":
                self._posts[call.params["charge"]].append(call)

    def check(self, says):
        """Report where the histories break a promise, and where the ledger (`says`) disagrees with them."""
        self._deliveries(says)
        self._refunds()
        self._groups(says)
        RequestModel(self._world).check(self._ours)
        self._calls()
        self._intents(says)

    def _deliveries(self, says):
        stored = Counter(says.stored)
        known = {one.event["id"]: one.sha256 for one in self._world.courier.told}
        for told in set(self._world.courier.accepted):
            if stored[told] != 1:
                self._breach("I1", f"{told[0]} was answered 2xx and stored {stored[told]} times")
        strange = [event_id for event_id, sha in stored if known.get(event_id) != sha]
        if strange:
            self._breach("I10", f"stored and never sent by Stripe: {strange}")
        if self._world.courier.forged_accepted:
            self._breach("I10", "a forged delivery was accepted")
        untold = [one.event["id"] for one in self._world.courier.told if not one.accepted]
        if untold:
            self._breach("I2", f"never accepted: {untold[:3]}")

    def _refunds(self):
        """Each of our refunds is of a payment that repeats another, once, and for what was left of it."""
        asked = {one.charge_id for one in self._shop.asked.values()}
        duplicates = {one for group in self._shop.groups for one in group.charge_ids[1:]}
        for charge_id, ours in self._ours.items():
            standing = [refund for refund in ours if refund["status"] not in ("failed", "canceled")]
            if len(ours) > 1:
                self._breach(
                    "I3", f"{charge_id} was refunded {len(ours)} times, {len(standing)} stand"
                )
            if charge_id in asked:
                continue  # request_model.py
            if charge_id not in duplicates:
                self._breach("money", f"{charge_id} repeats no payment and was refunded")
            charge = self._world.book.get("charges", charge_id)
            by_hand = [
                one["amount"]
                for one in self._all[charge_id]
                if one not in ours and one["created"] < ours[0]["created"]
            ]
            if ours[0]["amount"] > charge["amount_captured"] - sum(by_hand):
                self._breach("I4", f"{charge_id}: {ours[0]['amount']} is more than was left")
            if ours[0]["reason"] != "duplicate" or ours[0]["currency"] != charge["currency"]:
                self._breach("money", f"{charge_id} was refunded as {ours[0]['reason']}")

    def _groups(self, says):
        """One payment of each group stays; of a certain one that nobody touched, all others go back."""
        for group in self._shop.groups:
            ids = group.charge_ids
            back = {charge_id for charge_id in ids if charge_id in self._ours}
            if ids and len(back) == len(ids):
                self._breach("money", f"no payment of {ids} stays")
            if not group.certain:
                if back and group.kind != "ended between":
                    self._breach("money", f"{group.kind} is for a person, and {back} went back")
            elif not self._shop.touches(group) and back != set(ids[1:]):
                missing = [
                    one for one in ids[1:] if one not in back and not self._excused(one, says)
                ]
                if missing or back - set(ids[1:]):
                    self._breach("lost", f"{group.kind}: of {ids} went back {sorted(back)}")

    def _excused(self, charge_id, says):
        """Whether the refund was rightly left to a person: asked as often as allowed, or too long ago.

        Or Stripe once named another currency than the payment's, which nobody may act upon.
        """
        posts = self._posts.get(charge_id, [])
        state, _, _, attempts = says.intents.get(charge_id, (None, None, None, 0))
        if state is None:
            # What the payment was for could not be asked: the question was given up after its last try.
            return (
                charge_id in says.in_review and "stripe away for long" in self._world.swarm.faults
            )
        if state in ("withdrawn", "rejected"):
            return "stripe other_currency" in self._world.swarm.faults
        too_old = posts and self._world.scheduler.now_ms - posts[0].at_ms > _KEY_AGE_MS
        # A try that was killed or cut off before it left counts for the ledger and never came to Stripe.
        as_often_as_allowed = attempts >= _ATTEMPTS_MAX and len(posts) >= _ATTEMPTS_MAX // 2
        # Stopped between the commit and the call, and then Stripe could not be asked for that long.
        never_left = not posts and self._world.swarm.duration_ms > _KEY_AGE_MS
        return state == "unknown" and (too_old or as_often_as_allowed or never_left)

    def _calls(self):
        """A key is one request, is young, and is not sent more often than anything may be."""
        for charge_id, posts in self._posts.items():
            if len({(one.key, str(one.params)) for one in posts}) > 1:
                self._breach("I9", f"{charge_id} was asked for with different keys or parameters")
            kept = [one.at_ms for one in posts if one.error != "rate_limit"]
            if kept and kept[-1] - kept[0] > _KEY_AGE_MS_MAX:
                self._breach("I9", f"the key of {charge_id} was sent again after 20 hours")
            if len(posts) > _ATTEMPTS_MAX:
                self._breach("I13", f"{len(posts)} calls for {charge_id}")
            for post in posts:
                self._read_first(post, charge_id)
        if any(call.error == "idempotency_error" for call in self._world.line.log):
            self._breach("I9", "Stripe refused a key for other parameters")

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
        states = [
            status
            for moved_ms, disputed, status in self._shop.disputes
            if disputed == charge_id and moved_ms < at_ms - 1_000
        ]
        return bool(states) and states[-1] in _BLOCKING

    def _intents(self, says):
        """The ledger's intents say of each refund what Stripe's book says, and of no other."""
        for charge_id, ours in self._ours.items():
            state, refund_id, amount, _ = says.intents.get(charge_id, (None, None, None, 0))
            wanted = _OF_REFUND.get(ours[0]["status"], "pending")
            if (state, refund_id, amount) != (wanted, ours[0]["id"], ours[0]["amount"]):
                self._breach(
                    "I6", f"{charge_id} is {wanted} at Stripe and {state} {refund_id} here"
                )
        for charge_id, (state, *_) in says.intents.items():
            if state in ("pending", "succeeded", "failed") and charge_id not in self._ours:
                self._breach("I6", f"{charge_id} is {state} here and unknown to Stripe")

    def _breach(self, invariant, sentence):
        self._world.violation(invariant, f"model: {sentence}")


class Renderings:
    """The newest rendering of each object in Stripe's own order of emission, against the ledger's rows (I8, I15)."""

    def __init__(self, world):
        self._world = world
        self._newest = {}
        for one in world.courier.told:
            # What is rendered in a release that nobody knows is parked, and says nothing.
            if one.event["type"] in HANDLED and not one.event["api_version"].endswith(".later"):
                rendered = one.event["data"]["object"]
                gone = one.event["type"] == "customer.deleted"
                self._newest[rendered["object"], rendered["id"]] = rendered | {"deleted": gone}

    def check(self):
        """Report each object whose row is neither the newest rendering nor what Stripe shows now."""
        for (kind, object_id), rendered in self._newest.items():
            table, key, columns = _COLUMNS[kind]
            row = self._world.store.raw.execute(
                f"SELECT {', '.join(columns)} FROM {table} WHERE {key} = ?",  # noqa: S608 - our own names
                (object_id,),
            ).fetchone()
            told = tuple(read(rendered) for read in columns.values())
            now = self._now(kind, object_id, columns, gone=rendered["deleted"])
            if row not in (told, now) and not self._given_up(kind, object_id):
                self._world.violation(
                    "I8", f"{object_id}: the ledger has {row}, Stripe said {told}"
                )

    def _given_up(self, kind, object_id):
        """Whether Stripe was away for as long as it was to be asked which of two renderings is the newer."""
        away = "stripe away for long" in self._world.swarm.faults
        query = (
            "SELECT 1 FROM look_ups WHERE object_type = ? AND object_id = ? AND state = 'given_up'"
        )
        return away and self._world.store.raw.execute(query, (kind, object_id)).fetchone()

    def _now(self, kind, object_id, columns, *, gone):
        shown = self._world.book.get(_KINDS[kind], object_id)
        return tuple(read(shown | {"deleted": gone}) for read in columns.values())


def _field(name, default=None):
    return lambda rendered: rendered.get(name, default)


def _flag(name):
    return lambda rendered: int(bool(rendered.get(name)))


_COLUMNS = {
    "charge": (
        "charges",
        "charge_id",
        {
            "status": _field("status"),
            "amount_minor": _field("amount"),
            "captured_minor": _field("amount_captured"),
            "refunded_minor": _field("amount_refunded"),
            "disputed": _flag("disputed"),
            "customer_id": _field("customer"),
        },
    ),
    "price": (
        "prices",
        "price_id",
        {"active": _flag("active"), "unit_amount_minor": _field("unit_amount")},
    ),
    "payment_intent": ("payment_intents", "payment_intent_id", {"status": _field("status")}),
    "invoice": (
        "invoices",
        "invoice_id",
        {"status": _field("status"), "amount_due_minor": _field("amount_due")},
    ),
    "invoice_payment": (
        "invoice_payments",
        "invoice_payment_id",
        {"status": _field("status"), "invoice_id": _field("invoice")},
    ),
    "subscription": (
        "subscriptions",
        "subscription_id",
        {
            "status": _field("status"),
            "ended_at": _field("ended_at"),
            "schedule_id": _field("schedule"),
        },
    ),
    "subscription_schedule": (
        "subscription_schedules",
        "schedule_id",
        {"status": _field("status")},
    ),
    "dispute": (
        "disputes",
        "dispute_id",
        {"status": _field("status"), "amount_minor": _field("amount")},
    ),
    "refund": (
        "refunds",
        "refund_id",
        {"status": _field("status"), "amount_minor": _field("amount")},
    ),
    "review": (
        "reviews",
        "review_id",
        {"open": _flag("open"), "closed_reason": _field("closed_reason")},
    ),
    "radar.early_fraud_warning": (
        "early_fraud_warnings",
        "warning_id",
        {"actionable": _flag("actionable")},
    ),
    "customer": ("customers", "customer_id", {"deleted": _flag("deleted")}),
}
_KINDS = {
    "charge": "charges",
    "payment_intent": "payment_intents",
    "price": "prices",
    "invoice": "invoices",
    "invoice_payment": "invoice_payments",
    "subscription": "subscriptions",
    "subscription_schedule": "subscription_schedules",
    "dispute": "disputes",
    "refund": "refunds",
    "review": "reviews",
    "radar.early_fraud_warning": "early_fraud_warnings",
    "customer": "customers",
}
