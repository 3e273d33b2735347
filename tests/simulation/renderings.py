"""The newest rendering of each object, as the courier took it out, against the ledger's rows."""

from ledger.event_types import HANDLED


class Renderings:
    """The newest rendering of each object in Stripe's own order of emission, against the ledger's rows (I8, I15)."""

    def __init__(self, world):
        self._world = world
        self._newest = {}
        for one in world.courier.told:
            # What is rendered in a release that nobody knows is parked, and says nothing.
            if one.event["type"] in HANDLED and not one.event["api_version"].endswith(".later"):
                rendered = one.event["data"]["object"]
                before = self._newest.get((rendered["object"], rendered["id"]), {})
                # Whoever is deleted stays so, whatever a story tells of him afterwards.
                gone = one.event["type"] == "customer.deleted" or before.get("deleted", False)
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
    "billing_portal.session": (
        "portal_sessions",
        "session_id",
        {"customer_id": _field("customer")},
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
    "billing_portal.session": "portal_sessions",
    "dispute": "disputes",
    "refund": "refunds",
    "review": "reviews",
    "radar.early_fraud_warning": "early_fraud_warnings",
    "customer": "customers",
}
