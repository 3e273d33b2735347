"""What paid invoices must have brought in credits, from Stripe's book alone, against the ledger's grants."""

PREFIX = "redress_credits"


class CreditModel:
    """Judges one world: each price of a paid invoice that says its credits was issued once, and nothing else."""

    def __init__(self, world):
        self._world = world
        self._credits = {
            price["id"]: int(price["metadata"][PREFIX])
            for price in world.book.newest_first("prices")
            if PREFIX in price["metadata"]
        }

    def check(self):
        """Report grants that are missing, of another number, or of nothing that was paid."""
        due = {}
        for invoice in self._world.book.newest_first("invoices"):
            if invoice["status"] == "paid" and invoice["customer"]:
                due |= self._of_invoice(invoice)
        granted = dict(
            self._world.store.raw.execute(
                "SELECT key, credits FROM credit_entries WHERE kind = 'grant'"
            ).fetchall()
        )
        if granted != due:
            missing = sorted(due.items() - granted.items())
            strange = sorted(granted.items() - due.items())
            self._world.violation("credits", f"model: not issued {missing}, issued {strange}")

    def _of_invoice(self, invoice):
        due = {}
        for line in invoice["lines"]["data"]:
            price_id = (line["pricing"] or {"price_details": {}})["price_details"].get("price")
            if price_id in self._credits and not self._is_proration(line["parent"]):
                key = f"issue:{invoice['id']}:{price_id}:0"
                due[key] = due.get(key, 0) + self._credits[price_id] * line["quantity"]
        return due

    def _is_proration(self, parent):
        details = parent.get("subscription_item_details") or parent.get("invoice_item_details")
        return bool(details and details["proration"])
