"""Stripe's book of one world, read the way that every model needs it: which refund is whose, what a payment bought."""

from collections import defaultdict

CREDITS = "redress_credits"
#: A product of the catalogue's file, and what one of it brings.
PACK = "images-100"
PACK_CREDITS = 100
#: Refunds whose money came back to the merchant.
GONE = ("failed", "canceled")


class StripeHistory:
    """What Stripe holds at the end. `ours` are our refunds by intent, `of_charge` all refunds, oldest first."""

    def __init__(self, world):
        self.book = world.book
        self.ours = defaultdict(list)
        self.of_charge = defaultdict(list)
        for refund in world.book.newest_first("refunds", ascending=True):
            self.of_charge[refund["charge"]].append(refund)
            if intent_id := refund["metadata"].get("redress_intent"):
                self.ours[intent_id].append(refund)
        self.posts = defaultdict(list)
        for call in world.line.log:
            if (call.method, call.path) == ("POST", "/v1/refunds"):
                self.posts[call.params.get("metadata[redress_intent]", "")].append(call)
        self._invoices = defaultdict(list)
        for payment in world.book.newest_first("invoice_payments"):
            intent_id = payment["payment"]["payment_intent"]
            self._invoices[intent_id].append(payment["invoice"])

    def charge(self, charge_id):
        """One charge as it stands."""
        return self.book.get("charges", charge_id)

    def fee(self, charge_id):
        """What processing a payment cost."""
        transaction_id = self.charge(charge_id)["balance_transaction"]
        return self.book.get("balance_transactions", transaction_id)["fee"]

    def before(self, refund):
        """What had gone back of the charge before one of its refunds."""
        earlier = self.of_charge[refund["charge"]]
        earlier = earlier[: earlier.index(refund)]
        return sum(one["amount"] for one in earlier if one["status"] not in GONE)

    def invoices(self, charge_id):
        """The invoices that a charge paid."""
        intent_id = self.charge(charge_id)["payment_intent"]
        return [self.book.get("invoices", one) for one in self._invoices[intent_id]]

    def subscriptions(self, charge_id):
        """The ids of the subscriptions whose invoices a charge paid."""
        parents = [one["parent"] for one in self.invoices(charge_id)]
        details = [(one or {}).get("subscription_details") for one in parents]
        return [one["subscription"] for one in details if one]

    def price(self, charge_id):
        """The one price that a charge paid a subscription's invoice for; None for anything else."""
        if not self.subscriptions(charge_id):
            return None
        pricings = [line["pricing"] or {} for line in self._periods(charge_id)]
        found = [one.get("price_details", {}).get("price") for one in pricings]
        return self.book.get("prices", found[0]) if len(found) == 1 else None

    def plan_minor(self, charge_id):
        """What the whole periods on the invoice of a charge came to (no story has discounts or taxes)."""
        return sum(line["amount"] for line in self._periods(charge_id))

    def _periods(self, charge_id):
        """The lines of a charge's invoice that are no prorations."""
        (invoice,) = self.invoices(charge_id)
        for line in invoice["lines"]["data"]:
            parent = line["parent"]
            details = parent["subscription_item_details"] or parent["invoice_item_details"]
            if not details["proration"]:
                yield line

    def credits(self, charge_id):
        """How many credits what a charge paid for brings at once; None where nobody says."""
        if self.charge(charge_id)["metadata"].get("product") == PACK:
            return PACK_CREDITS
        price = self.price(charge_id)
        told = None if price is None else price["metadata"].get(CREDITS)
        return None if told is None else int(told)
