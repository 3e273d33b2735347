"""Which paid purchases bring credits, and how much of it was issued: an annual plan issues by the month.

A purchase is one price of one paid invoice, or a charge that names a product. The rows are the promise
that the sweeper keeps; that nothing is issued twice is held by the keys of the grants.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    bindparam,
    exists,
    or_,
    select,
    union_all,
    update,
)

from ledger.brake import SPENT
from ledger.insert_once import insert_once
from ledger.issue_tables import credit_issues
from ledger.rows import AnyRow
from ledger.states import IssueState
from ledger.stripe_tables import charges, invoice_payments, invoices, prices, subscriptions
from ledger.tables import refund_intents
from runtime.probes import probe


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """What was paid for, by the names of its columns. `source` is the invoice's or the charge's id, `paid_at` unix seconds."""

    source: str
    ref: str
    customer_id: str
    subscription_id: str | None
    quantity: int
    paid_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """A purchase and how many of its issues were made."""

    issue_id: int
    purchase: Purchase
    issued: int


def note_purchase(connection: Connection, purchase: Purchase, now_ms: int) -> Issue | None:
    """Write the row of a purchase, waiting; None when it is known already."""
    values = asdict(purchase) | {"state": IssueState.WAITING.value, "changed_ms": now_ms}
    row_id = connection.execute(_NOTE[connection.dialect.name], values).scalar()
    return None if row_id is None else Issue(issue_id=row_id, purchase=purchase, issued=0)


def waiting_for(connection: Connection, refs: Iterable[str]) -> list[Issue]:
    """The purchases of these prices or products of which nothing was issued for want of an offer."""
    rows = connection.execute(_WAITING, {"refs": list(refs)}).all()
    return [_issue(row) for row in rows]


def due_issues(connection: Connection, now_ms: int, count_max: int) -> list[int]:
    """The ids of the purchases whose next month's credits are due, longest due first."""
    parameters = {"now": now_ms // 1000, "most": count_max}
    return list(connection.execute(_DUE, parameters).scalars())


def take_issue(connection: Connection, issue_id: int, now_ms: int) -> Issue | None:
    """One due purchase, locked for this transaction; None when it is not due any more."""
    row = connection.execute(_TAKE, {"issue": issue_id, "now": now_ms // 1000}).first()
    return None if row is None else _issue(row)


def move_issue(
    connection: Connection,
    issue_id: int,
    state: IssueState,
    *,
    issued: int,
    next_at: int | None,
    now_ms: int,
) -> None:
    """Note how far a purchase was issued, and when its next month is due (unix seconds)."""
    values = {"state": state.value, "issued": issued, "next_at": next_at, "changed_ms": now_ms}
    connection.execute(_MOVE, values | {"issue": issue_id})


def stop_issues(
    connection: Connection, sources: Iterable[str], purchases: Sequence[Purchase], now_ms: int
) -> None:
    """Have these sources, which were refunded, bring nothing more.

    Those of their `purchases` that no event has told of yet are noted as stopped, so that they bring nothing when
    one does. They come first: whoever notes the same one at this moment is waited for, and then stopped too.
    """
    for purchase in purchases:
        values = asdict(purchase) | {"state": IssueState.STOPPED.value, "changed_ms": now_ms}
        if connection.execute(_NOTE[connection.dialect.name], values).scalar() is not None:
            probe("issue.stopped_untold")
    connection.execute(_STOP, {"stopped": list(sources), "changed_ms": now_ms})


def undo_issues(
    connection: Connection, invoice_id: str, purchases: Sequence[Purchase], now_ms: int
) -> None:
    """Have an invoice bring nothing more that was settled by a credit and is undone, as `stop_issues` does."""
    stop_issues(connection, [invoice_id], purchases, now_ms)
    connection.execute(_UNDO, {"undone_invoice": invoice_id, "changed_ms": now_ms})


def reopen_issues(connection: Connection, source: str, now_ms: int) -> None:
    """Have the purchases of an invoice wait again of which nothing was issued, for want of an offer."""
    connection.execute(_REOPEN, {"reopened": source, "changed_ms": now_ms})


def was_given_back(connection: Connection, source: str) -> bool:
    """Whether any money of a charge, or of an invoice's payments, went back or is on its way, or it was undone.

    What was bought with it is not to be issued belatedly: a person grants what is still owed.
    """
    if connection.execute(_UNDONE, {"source": source}).first() is not None:
        return True
    paid_by = connection.execute(_PAID_BY, {"source": source}).scalars()
    return connection.execute(_GIVEN_BACK, {"ids": list(paid_by)}).first() is not None


def billed_prices(connection: Connection, invoice_id: str) -> list[str]:
    """The prices that an invoice bills for a whole period, as far as it is known here."""
    found = connection.execute(_LINES, {"invoice": invoice_id}).scalar()
    return sorted({line["price"] for line in json.loads(found or "[]")})


def billed_minor(connection: Connection, invoice_id: str) -> int | None:
    """What the whole periods on an invoice came to, less discounts and with tax (minor units); None if not known."""
    found = connection.execute(_LINES, {"invoice": invoice_id}).scalar()
    # Rows of before this was noted have no amounts.
    amounts = [line.get("amount") for line in json.loads(found or "[]")]
    return sum(amounts) if amounts and None not in amounts else None


def known_prices(connection: Connection, price_ids: Iterable[str]) -> dict[str, AnyRow]:
    """The prices that Stripe told of, by id, with `interval` and `offer` (our metadata as JSON)."""
    rows = connection.execute(_PRICES, {"refs": list(price_ids)}).all()
    return {row.price_id: row for row in rows}


def mentioned_prices(connection: Connection) -> set[str]:
    """Every price that an invoice was for."""
    return {
        price_id
        for found in connection.execute(_MENTIONED).scalars()
        for price_id in json.loads(found)
    }


def ended_at(connection: Connection, subscription_id: str) -> int | None:
    """When a subscription ended (unix seconds); None while it runs, or when it is not known."""
    found: int | None = connection.execute(_ENDED, {"subscription": subscription_id}).scalar()
    return found


def superseded(connection: Connection, purchase: Purchase, month_at: int) -> bool:
    """Whether another plan of the subscription was paid for since, and not given back, before a month began."""
    parameters = {
        "subscription": purchase.subscription_id,
        "source": purchase.source,
        "after": purchase.paid_at,
        "before": month_at,
    }
    since = connection.execute(_PAID_SINCE, parameters).scalars().all()
    return any(not was_given_back(connection, source) for source in since)


def _issue(row: AnyRow) -> Issue:
    return Issue(
        issue_id=row.id,
        purchase=Purchase(
            source=row.source,
            ref=row.ref,
            customer_id=row.customer_id,
            subscription_id=row.subscription_id,
            quantity=row.quantity,
            paid_at=row.paid_at,
        ),
        issued=row.issued,
    )


# Statements are built once: building one costs as much as running it.
_NOTE = insert_once(credit_issues, credit_issues.c.id)
_WAITING = (
    select(credit_issues)
    .where(
        credit_issues.c.state == IssueState.WAITING.value,
        credit_issues.c.ref.in_(bindparam("refs", expanding=True)),
    )
    .order_by(credit_issues.c.id)
)
_IS_DUE = (
    credit_issues.c.state == IssueState.ISSUING.value,
    credit_issues.c.next_at <= bindparam("now", type_=BigInteger),
)
_DUE = (
    select(credit_issues.c.id)
    .where(*_IS_DUE)
    .order_by(credit_issues.c.next_at)
    .limit(bindparam("most", type_=Integer))
)
_TAKE = (
    select(credit_issues)
    .where(credit_issues.c.id == bindparam("issue"), *_IS_DUE)
    .with_for_update()
)
_MOVE = update(credit_issues).where(credit_issues.c.id == bindparam("issue"))
_STOP = (
    update(credit_issues)
    .where(
        credit_issues.c.source.in_(bindparam("stopped", expanding=True)),
        credit_issues.c.state.in_([IssueState.WAITING.value, IssueState.ISSUING.value]),
    )
    .values(state=IssueState.STOPPED.value, next_at=None)
)
_UNDO = (
    update(credit_issues)
    .where(credit_issues.c.source == bindparam("undone_invoice"))
    .values(undone=True)
)
_UNDONE = select(credit_issues.c.id).where(
    credit_issues.c.source == bindparam("source"), credit_issues.c.undone.is_(True)
)
_REOPEN = (
    update(credit_issues)
    .where(
        credit_issues.c.source == bindparam("reopened"),
        credit_issues.c.state == IssueState.STOPPED.value,
        credit_issues.c.issued == 0,
    )
    .values(state=IssueState.WAITING.value)
)
_PAID_BY = union_all(
    select(charges.c.charge_id).where(charges.c.charge_id == bindparam("source")),
    select(charges.c.charge_id)
    .join(invoice_payments, invoice_payments.c.payment_intent_id == charges.c.payment_intent_id)
    .where(invoice_payments.c.invoice_id == bindparam("source")),
)
_GIVEN_BACK = select(charges.c.charge_id).where(
    charges.c.charge_id.in_(bindparam("ids", expanding=True)),
    or_(
        charges.c.refunded_minor > 0,
        exists().where(
            refund_intents.c.charge_id == charges.c.charge_id,
            refund_intents.c.state.in_([state.value for state in SPENT]),
        ),
    ),
)
_PAID_SINCE = select(credit_issues.c.source).where(
    credit_issues.c.subscription_id == bindparam("subscription"),
    credit_issues.c.source != bindparam("source"),
    credit_issues.c.paid_at > bindparam("after", type_=BigInteger),
    credit_issues.c.paid_at <= bindparam("before", type_=BigInteger),
    credit_issues.c.state.in_([IssueState.ISSUING.value, IssueState.DONE.value]),
)
_LINES = select(invoices.c.lines).where(invoices.c.invoice_id == bindparam("invoice"))
_PRICES = select(prices.c.price_id, prices.c.interval, prices.c.offer).where(
    prices.c.price_id.in_(bindparam("refs", expanding=True))
)
_MENTIONED = select(invoices.c.price_ids).distinct()
_ENDED = select(subscriptions.c.ended_at).where(
    subscriptions.c.subscription_id == bindparam("subscription")
)
