"""Rows and records for tests of the ledger: everything has a harmless default, a test names the rest."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import BigInteger, Boolean, Connection, Integer, LargeBinary, Table, Text, insert

from ledger.cases import DUPLICATE_CHARGE, cases_about, open_case
from ledger.decisions import append_decision
from ledger.engine import Store
from ledger.events import NewEvent
from ledger.projections import Sighting
from ledger.refund_intents import Intent, intent_by_id, reserve
from ledger.states import EventState, IntentState
from ledger.stripe_tables import charges
from policy.clauses import Clause
from policy.decision import ClauseResult, Decision, Verdict
from policy.money import Money
from tests.fakes.frozen_clock import NOON_MS

NOON = NOON_MS // 1000


@contextmanager
def undone(store: Store) -> Iterator[Connection]:
    """A write transaction of which nothing stays, so that one store serves many examples."""
    with store.write() as connection:
        yield connection
        connection.rollback()


def new_event(event_id="evt_1", **changes) -> NewEvent:
    """One verified event; its lane is its own unless the test names one."""
    payload = changes.pop("payload", f'{{"id":"{event_id}"}}'.encode())
    fields = {
        "event_id": event_id,
        "account": "",
        "livemode": False,
        "type": "charge.succeeded",
        "kind": "snapshot",
        "api_version": "2025-09-30.clover",
        "object_id": f"ch_of_{event_id}",
        "lane": f"lane_of_{event_id}",
        "created": NOON,
        "payload": payload,
        "sha256": hashlib.sha256(payload).hexdigest(),
        "source": "delivery",
        "state": EventState.NEW,
        "note": None,
    }
    return NewEvent(**fields | changes)


def put(connection: Connection, table: Table, **values) -> None:
    """Insert one row; columns that must have a value and were not named get an empty one."""
    empty = {Text: "", BigInteger: 0, Integer: 0, Boolean: False, LargeBinary: b""}
    for column in table.columns:
        if column.nullable or column.primary_key or column.server_default is not None:
            continue
        values.setdefault(column.name, empty[type(column.type)])
    connection.execute(insert(table).values(values))


def put_charge(connection: Connection, charge_id: str, **values) -> None:
    """Insert one captured charge of 10.00 USD as the projection leaves it."""
    usual = {
        "currency": "usd",
        "amount_minor": 1000,
        "captured_minor": 1000,
        "refunded_minor": 0,
        "status": "succeeded",
        "created": NOON,
    }
    put(connection, charges, charge_id=charge_id, **usual | values)


def charge_sighting(charge_id="ch_1", *, seen_created, progress=0, event_id, **values) -> Sighting:
    """One rendering of a charge; `values` are the columns in which it differs from the usual one."""
    usual = {
        "payment_intent_id": "pi_1",
        "customer_id": "cus_1",
        "card_fingerprint": "fp_1",
        "order_reference": None,
        "product": None,
        "currency": "usd",
        "amount_minor": 1000,
        "captured_minor": 1000,
        "refunded_minor": 0,
        "status": "succeeded",
        "disputed": False,
        "balance_transaction_id": None,
        "email_digest": None,
        "created": NOON,
    }
    return Sighting(
        table=charges,
        key=charge_id,
        account="",
        livemode=False,
        values=usual | values,
        seen_created=seen_created,
        progress=progress,
        event_id=event_id,
    )


def decision(verdict=Verdict.APPROVE, amount_minor=1000, **facts) -> Decision:
    """A decision of one clause; an amount is there only when it approves."""
    return Decision(
        verdict=verdict,
        amount=Money(amount_minor=amount_minor, currency="usd")
        if verdict is Verdict.APPROVE
        else None,
        clauses=(ClauseResult(clause=next(iter(Clause)), holds=True, compared={}),),
        terms_version="2025-09-14",
        undecided=("Was it paid twice?",) if verdict is Verdict.REVIEW else (),
        facts=facts,
    )


def put_case(connection: Connection, charge_id="ch_1", *, customer_id="cus_1") -> int:
    """The id of the charge's duplicate case, opened if there is none."""
    known = cases_about(connection, DUPLICATE_CHARGE, [charge_id])
    if charge_id in known:
        return known[charge_id].case_id
    return open_case(
        connection,
        kind=DUPLICATE_CHARGE,
        charge_id=charge_id,
        kept_charge_id="ch_kept",
        customer_id=customer_id,
        now_ms=NOON_MS,
    ).case_id


def put_decision(connection: Connection, case_id: int, made: Decision | None = None) -> int:
    """Append a decision to the case; returns its row id."""
    return append_decision(
        connection,
        case_id=case_id,
        event_row_id=None,
        decision=made or decision(),
        mode="enforce",
        now_ms=NOON_MS,
    )


def reserve_refund(
    connection: Connection,
    charge_id="ch_1",
    *,
    amount_minor=1000,
    currency="usd",
    customer_id="cus_1",
    cause=DUPLICATE_CHARGE,
    state=IntentState.RESERVED,
    now_ms=NOON_MS,
) -> Intent:
    """Reserve a refund with its case and decision; the charge must be there (invariant I4)."""
    case_id = put_case(connection, charge_id, customer_id=customer_id)
    intent_id = reserve(
        connection,
        case_id=case_id,
        decision_id=put_decision(connection, case_id, decision(amount_minor=amount_minor)),
        charge_id=charge_id,
        kept_charge_id="ch_kept",
        customer_id=customer_id,
        cause=cause,
        reason="duplicate",
        amount=Money(amount_minor=amount_minor, currency=currency),
        livemode=False,
        state=state,
        now_ms=now_ms,
    )
    intent = intent_by_id(connection, intent_id)
    assert intent is not None
    return intent
