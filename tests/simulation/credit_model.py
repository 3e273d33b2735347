"""What paid invoices and packs must have brought in credits, from Stripe's book alone, against the ledger's grants."""

from tests.simulation.stripe_history import CREDITS, PACK, PACK_CREDITS

#: Purchases that a refund stopped before anything was known of their price bring nothing any more.
_STOPPED = (
    "SELECT 'issue:' || source || ':' || ref || ':0' FROM credit_issues WHERE state = 'stopped'"
)
_PUT_RIGHT = "SELECT 1 FROM seen_plan_changes WHERE restored_ms NOT NULL"
_SUSPECTED = "SELECT 1 FROM cases WHERE kind = 'fraud' OR kind LIKE 'dispute:%'"


class CreditModel:
    """Judges one world: each pack, and each price of a paid invoice that says its credits, was issued once, and nothing else."""

    def __init__(self, world):
        self._world = world
        self._credits = {
            price["id"]: int(price["metadata"][CREDITS])
            for price in world.book.newest_first("prices")
            if CREDITS in price["metadata"]
        }

    def check(self):
        """Report grants that are missing, of another number, or of nothing that was paid."""
        due = {}
        for invoice in self._world.book.newest_first("invoices"):
            if invoice["status"] == "paid" and invoice["customer"]:
                due |= self._of_invoice(invoice)
        for charge in self._world.book.newest_first("charges"):
            if charge["metadata"].get("product") == PACK and charge["amount_captured"]:
                due[f"issue:{charge['id']}:{PACK}:0"] = PACK_CREDITS
        raw = self._world.store.raw
        granted = dict(
            raw.execute("SELECT key, credits FROM credit_entries WHERE kind = 'grant'").fetchall()
        )
        if granted != due:
            missing = sorted(due.items() - granted.items())
            strange = sorted(granted.items() - due.items())
            paid_back = self._world.shop.rulings or any(
                raw.execute(query).fetchone() for query in (_PUT_RIGHT, _SUSPECTED)
            )
            stopped = {row[0] for row in raw.execute(_STOPPED)} if paid_back else ()
            if strange or any(key not in stopped for key, _ in missing):
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
