"""The baseline: the view that a user would write. Stripe's own check, one insert, one RQ job per request.

Served by granian's WSGI interface with as many threads as our own Flask gets here; the same pragmas on
SQLite (WAL, `synchronous=FULL`), the same PostgreSQL, the same Valkey.
"""

import os

import stripe
from flask import Flask, request
from redis import Redis
from rq import Queue
from sqlalchemy import Column, LargeBinary, MetaData, Table, Text, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite

_SECRET = os.environ["STRIPE_WEBHOOK_SECRETS"]
_URL = os.environ["DATABASE_URL"]

received = Table(
    "naive_events",
    MetaData(),
    Column("event_id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)
engine = create_engine(_URL, pool_size=16)
queue = Queue("naive", connection=Redis.from_url(os.environ["REDIS_URL"]))
app = Flask(__name__)
_dialect = sqlite if engine.dialect.name == "sqlite" else postgresql


@event.listens_for(engine, "connect")
def _prepare(connection, _record):
    if engine.dialect.name == "sqlite":
        for pragma in ("busy_timeout=5000", "journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")


received.create(engine, checkfirst=True)


@app.post("/webhooks/stripe")
def receive():
    """Check, keep, enqueue."""
    payload = request.get_data()
    try:
        told = stripe.Webhook.construct_event(payload, request.headers["Stripe-Signature"], _SECRET)
    except (ValueError, stripe.SignatureVerificationError):
        return {"error": "bad signature"}, 400
    with engine.begin() as connection:
        connection.execute(
            _dialect.insert(received).on_conflict_do_nothing(),
            {"event_id": told.id, "type": told.type, "payload": payload},
        )
    queue.enqueue("shop.tasks.handle_event", told.id)
    return {"status": "ok"}
