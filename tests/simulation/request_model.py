"""What must have become of each refund request, from Stripe's book and the shop's truth, against the ledger."""


class RequestModel:
    """Judges one world: every request is answered, and what was paid is right to the cent and ends what it must."""

    def __init__(self, world):
        self._world = world
        self._raw = world.store.raw

    def check(self, ours):
        """`ours` are our refunds at Stripe by charge, oldest first."""
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
            elif row[2] not in self._fitting(ours.get(asked.charge_id)):
                self._breach("request", f"the case of {key} is {row[2]}: {asked.charge_id}")
        for charge_id in {asked.charge_id for asked in self._world.shop.asked.values()}:
            self._one_case(charge_id)
            if charge_id in ours:
                self._paid(charge_id, ours[charge_id])

    def _fitting(self, refunds):
        """The states that a case can end in beside what Stripe made of its refund."""
        if refunds is None:
            return ("review", "closed")
        return {"succeeded": ("refunded",), "pending": ("refunding",)}.get(
            refunds[0]["status"], ("review",)
        )

    def _one_case(self, charge_id):
        (number,) = self._raw.execute(
            "SELECT count(*) FROM cases WHERE kind = 'refund_request' AND charge_id = ?",
            (charge_id,),
        ).fetchone()
        if number != 1:
            self._breach("request", f"{charge_id} has {number} cases")

    def _paid(self, charge_id, refunds):
        book = self._world.book
        charge = book.get("charges", charge_id)
        fee = book.get("balance_transactions", charge["balance_transaction"])["fee"]
        by_hand = sum(
            one["amount"]
            for one in book.newest_first("refunds")
            if one["charge"] == charge_id
            and not one["metadata"].get("redress_intent")
            and one["created"] < refunds[0]["created"]
        )
        right = charge["amount_captured"] - fee - by_hand
        touched = self._world.shop.touched[charge_id]
        if refunds[0]["amount"] > right or (not touched and refunds[0]["amount"] != right):
            self._breach(
                "money", f"{charge_id}: {refunds[0]['amount']} went back, right is {right}"
            )
        if refunds[0]["reason"] != "requested_by_customer":
            self._breach("money", f"{charge_id} was refunded as {refunds[0]['reason']}")
        self._ended(charge_id)
        self._nothing_left(charge_id)

    def _ended(self, charge_id):
        """The refund of a whole purchase ended its subscription."""
        for invoice in self._invoices(charge_id):
            subscription = self._world.book.get(
                "subscriptions", invoice["parent"]["subscription_details"]["subscription"]
            )
            if subscription["status"] != "canceled":
                self._breach("request", f"{subscription['id']} runs on after the refund")

    def _nothing_left(self, charge_id):
        """No credits of the purchase are left, by the sums of its entries."""
        for invoice in self._invoices(charge_id):
            (left,) = self._raw.execute(
                "SELECT coalesce(sum(e.credits), 0) FROM credit_entries e"
                " JOIN credit_entries g ON g.id = coalesce(e.grant_id, e.id) WHERE g.source = ?",
                (invoice["id"],),
            ).fetchone()
            if left:
                self._breach("credits", f"{left} credits are left of refunded {invoice['id']}")

    def _invoices(self, charge_id):
        intent_id = self._world.book.get("charges", charge_id)["payment_intent"]
        for payment in self._world.book.newest_first("invoice_payments"):
            if payment["payment"]["payment_intent"] == intent_id:
                yield self._world.book.get("invoices", payment["invoice"])

    def _breach(self, invariant, sentence):
        self._world.violation(invariant, f"model: {sentence}")
