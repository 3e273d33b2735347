"""The tables of the sandbox's book, and how objects are found in them.

Kinds are plurals of Stripe's paths; the key of an object is (kind, id).
"""

from typing import Any

Json = dict[str, Any]

KINDS = (
    "balance_transactions",
    "charges",
    "coupons",
    "credit_notes",
    "customer_balance_transactions",
    "customers",
    "disputes",
    "early_fraud_warnings",
    "invoice_payments",
    "invoiceitems",
    "invoices",
    "payment_intents",
    "payment_methods",
    "portal_configurations",
    "portal_sessions",
    "prices",
    "products",
    "refunds",
    "reviews",
    "subscription_schedules",
    "subscriptions",
    "tax_rates",
    "webhook_endpoints",
)

# Lists are filtered by these on the hot paths (refunds of a charge, payments of a customer), so
# each is a column with an index; all other filters are applied while scanning.
REFERENCES = ("customer", "charge", "payment_intent", "invoice", "subscription")

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL,
  created INTEGER NOT NULL, customer TEXT, charge TEXT, payment_intent TEXT, invoice TEXT,
  subscription TEXT, body BLOB NOT NULL, UNIQUE (kind, id));
CREATE INDEX IF NOT EXISTS objects_created ON objects (kind, created, seq);
CREATE INDEX IF NOT EXISTS objects_customer ON objects (kind, customer);
CREATE INDEX IF NOT EXISTS objects_charge ON objects (kind, charge);
CREATE INDEX IF NOT EXISTS objects_payment_intent ON objects (kind, payment_intent);
CREATE INDEX IF NOT EXISTS objects_invoice ON objects (kind, invoice);
CREATE INDEX IF NOT EXISTS objects_subscription ON objects (kind, subscription);
CREATE TABLE IF NOT EXISTS events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL,
  created INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS events_created ON events (created, seq);
CREATE TABLE IF NOT EXISTS idempotency_keys (
  key TEXT PRIMARY KEY, request_hash TEXT NOT NULL, status INTEGER NOT NULL, request_id TEXT NOT NULL,
  body BLOB NOT NULL, stored_ms INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS idempotency_keys_stored ON idempotency_keys (stored_ms);
CREATE TABLE IF NOT EXISTS chores (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, due_ms INTEGER NOT NULL, name TEXT NOT NULL,
  body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, body BLOB NOT NULL);
"""
TABLES = ("objects", "events", "idempotency_keys", "chores", "settings")


def references(body: Json) -> dict[str, str | None]:
    """Return the ids by which lists find this object, one per name of REFERENCES."""
    found: dict[str, str | None] = {}
    for name in REFERENCES:
        value = body.get(name)
        found[name] = value if isinstance(value, str) else None
    payment = body.get("payment")
    if isinstance(payment, dict):
        found["payment_intent"] = payment.get("payment_intent")
    parent = body.get("parent")
    if isinstance(parent, dict) and parent.get("subscription_details"):
        found["subscription"] = parent["subscription_details"]["subscription"]
    return found
