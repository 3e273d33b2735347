"""What must have become of each refund request, from Stripe's book and the shop's truth, against the ledger."""

from ledger.cases import REFUND_REQUEST

#: The rules give money to who names one of these alone and used little.
_HARMLESS = frozenset({"changed_mind", "taste"})
_LITTLE_PERCENT = 20
_APPEALS = """
    SELECT a.detail FROM audit a JOIN cases c ON a.object = 'case:' || c.id
    WHERE a.action = 'cases.appeal' AND c.charge_id = ? ORDER BY a.id
"""
_SUSPENDED = "SELECT customer_id FROM accounts WHERE standing = 'suspended'"


class RequestModel:
    """Judges one world: every request is answered, and what was paid is right to the cent and ends what it must."""

    def __init__(self, world, history, says, rulings, excused):
        self._world = world
        self._raw = world.store.raw
        self._history = history
        self._says = says
        self._rulings = rulings
        self._excused = excused

    def check(self):
        """Report requests that were lost, answered wrongly, or whose refund took too much or too little."""
        refunds = self._refunds()
        self._answered(refunds)
        for charge_id in {asked.charge_id for asked in self._world.shop.asked.values()}:
            self._one_case(charge_id)
            refund = refunds.pop(charge_id, None)
            if refund is not None:
                self._paid(charge_id, refund)
            elif self._by_the_rules(charge_id) == "pays" and not self._left_to_people(charge_id):
                self._breach("lost", f"{charge_id} was asked for in time and did not go back")
        if refunds:
            self._breach("money", f"went back as if somebody had asked: {sorted(refunds)}")

    def _answered(self, refunds):
        for key, asked in self._world.shop.asked.items():
            row = self._raw.execute(
                "SELECT r.state, r.charge_id, c.state, c.id FROM refund_requests r"
                " LEFT JOIN cases c ON c.id = r.case_id WHERE r.key = ?",
                (key,),
            ).fetchone()
            if row is None:
                self._breach("I1", f"the request {key} was lost")
            elif row[0] != "judged" or row[1] != asked.charge_id:
                self._breach("request", f"{key} about {asked.charge_id} is {row[:2]}")
            elif row[2] not in self._fitting(asked.charge_id, refunds.get(asked.charge_id)):
                self._breach("request", f"the case of {key} is {row[2]}: {asked.charge_id}")

    def _refunds(self):
        """The refund of each charge that somebody asked for."""
        found = {}
        for intent_id, ours in self._history.ours.items():
            intent = self._says.intents.get(intent_id)
            if intent is not None and intent.cause == REFUND_REQUEST:
                found[ours[0]["charge"]] = ours[0]
        return found

    def _fitting(self, charge_id, refund):
        """The states that a case can end in beside what Stripe made of its refund."""
        if refund is None and self._only_observed(charge_id):
            return ("review", "closed", "refunding")
        if refund is None:
            return ("review", "closed")
        return {"succeeded": ("refunded",), "pending": ("refunding",)}.get(
            refund["status"], ("review",)
        )

    def _only_observed(self, charge_id):
        """Whether a person approved it in observe mode: that stands as it is until he says so again."""
        return bool(self._rulings.about(charge_id)) and any(
            (one.charge_id, one.cause, one.state) == (charge_id, REFUND_REQUEST, "observed")
            for one in self._says.intents.values()
        )

    def _one_case(self, charge_id):
        (number,) = self._raw.execute(
            "SELECT count(*) FROM cases WHERE kind = 'refund_request' AND charge_id = ?",
            (charge_id,),
        ).fetchone()
        if number != 1:
            self._breach("request", f"{charge_id} has {number} cases")

    def _by_the_rules(self, charge_id):
        """Whether the rules pay ("pays") or do not ("keeps"); None where it hangs on when things were told."""
        appeals = self._appeals(charge_id)
        if any(one.states_no_use for one in appeals):
            # A second one is for people, whatever it brings.
            return "pays" if appeals[0].states_no_use else None
        shop, product = self._world.shop, self._world.product
        asked = [key for key, one in shop.asked.items() if one.charge_id == charge_id]
        issued = self._history.credits(charge_id)
        if issued is None:
            return "keeps"
        customer_id = self._history.charge(charge_id)["customer"]
        taken_in_ms = min(self._taken_in_ms(key) for key in asked)
        if product.used_by(customer_id, taken_in_ms) * 100 >= issued * _LITTLE_PERCENT:
            return "keeps"
        reasons = {reason.value for key in asked for reason in shop.asked[key].request.reasons}
        little = product.used_by(customer_id) * 100 < issued * _LITTLE_PERCENT
        return "pays" if little and reasons <= _HARMLESS else None

    def _appeals(self, charge_id):
        """The appeals that were taken in, as the audit log has them."""
        rows = self._raw.execute(_APPEALS, (charge_id,)).fetchall()
        return [self._world.shop.appeals[tag] for (tag,) in rows]

    def _taken_in_ms(self, key):
        query = "SELECT received_ms FROM refund_requests WHERE key = ?"
        return self._raw.execute(query, (key,)).fetchone()[0]

    def _left_to_people(self, charge_id):
        """Whether somebody did something to the payment, ruled on it, or its refund was rightly given up."""
        touched = self._world.shop.touched[charge_id] - {"outage"}
        excused = any(
            self._excused(intent_id, one)
            for intent_id, one in self._says.intents.items()
            if one.charge_id == charge_id
        )
        customer_id = self._history.charge(charge_id)["customer"]
        # Another payment of the customer was taken for fraud: whether rightly, a person says.
        rests = customer_id in {row[0] for row in self._raw.execute(_SUSPENDED)}
        return touched or excused or rests or self._rulings.about(charge_id)

    def _paid(self, charge_id, refund):
        ruled = any(one.amount_minor == refund["amount"] for one in self._rulings.about(charge_id))
        if not ruled:
            self._right(charge_id, refund)
            if self._by_the_rules(charge_id) == "keeps":
                self._breach("money", f"{charge_id} went back against the rules")
        if refund["reason"] != "requested_by_customer":
            self._breach("money", f"{charge_id} was refunded as {refund['reason']}")
        if not ruled or self._rulings.takes_all(charge_id, refund):
            self._ended(charge_id)
            self._nothing_left(charge_id)

    def _right(self, charge_id, refund):
        """The price less the fee and what went back before."""
        charge = self._history.charge(charge_id)
        right = charge["amount_captured"] - self._history.fee(charge_id)
        right -= self._history.before(refund)
        touched = self._world.shop.touched[charge_id] - {"outage"}
        if refund["amount"] > right or (not touched and refund["amount"] != right):
            self._breach("money", f"{charge_id}: {refund['amount']} went back, right is {right}")

    def _ended(self, charge_id):
        """The refund of a whole purchase ended its subscription."""
        for subscription_id in self._history.subscriptions(charge_id):
            subscription = self._world.book.get("subscriptions", subscription_id)
            if subscription["status"] != "canceled":
                self._breach("request", f"{subscription['id']} runs on after the refund")

    def _nothing_left(self, charge_id):
        """No credits of the purchase are left, by the sums of its entries."""
        sources = [charge_id, *(one["id"] for one in self._history.invoices(charge_id))]
        for source in sources:
            (left,) = self._raw.execute(
                "SELECT coalesce(sum(e.credits), 0) FROM credit_entries e"
                " JOIN credit_entries g ON g.id = coalesce(e.grant_id, e.id) WHERE g.source = ?"
                " AND (e.grant_id IS NOT NULL OR e.kind = 'grant')",
                (source,),
            ).fetchone()
            if left:
                self._breach("credits", f"{left} credits are left of refunded {source}")

    def _breach(self, invariant, sentence):
        self._world.violation(invariant, f"model: {sentence}")
