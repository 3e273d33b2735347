"""What is reported about a payment and its card: disputes, warnings, reviews, and entries of the lists."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
    union_all,
)

from ledger.fraud_facts import OF_CARD, REPORT_SECONDS, SHARED
from ledger.fraud_tables import list_entries
from ledger.list_entries import PERSON
from ledger.rows import AnyRow
from ledger.states import ListName
from ledger.stripe_tables import charges, disputes, early_fraud_warnings, reviews
from policy.fraud_signals import Try


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenWarning:
    """An issuer's early fraud warning, as Stripe shows it."""

    warning_id: str
    fraud_type: str
    actionable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """What banks, Radar's reviewers and the lists say about a payment and its card."""

    own_warnings: tuple[SeenWarning, ...]  # the oldest first
    own_fraud_disputes: int
    disputed: bool  # for whatever reason, now or before
    fraud_disputes_of_card: int
    warnings_of_card: int
    review: str | None
    listed: str | None  # `block` by a person, `found` by a case
    exempt: str | None


def reports(connection: Connection, own: Try, now_ms: int) -> Reports:
    """What is reported about a payment, and what stands on the lists at `now_ms`."""
    parameters = {
        "charge": own.charge_id,
        "card": own.card,
        "from": own.created - REPORT_SECONDS,
        "to": own.created + REPORT_SECONDS,
        "now": now_ms,
        "made": own.created,
        "values": [value for name in SHARED if (value := getattr(own, name)) is not None],
    }
    rows = connection.execute(_REPORTS, parameters).all()
    of_kind: dict[str, list[AnyRow]] = {}
    for row in rows:
        of_kind.setdefault(row.kind, []).append(row)
    warned = sorted(of_kind.get("warning", []), key=lambda row: str(row.value))
    listed = {
        row.word for row in of_kind.get("listed", []) if getattr(own, str(row.subject)) == row.value
    }
    return Reports(
        own_warnings=tuple(
            SeenWarning(warning_id=row.value, fraud_type=row.word, actionable=bool(row.number))
            for row in warned
        ),
        disputed=any(row.number for row in of_kind["disputed"]),
        own_fraud_disputes=sum(int(row.number) for row in of_kind.get("own", [])),
        fraud_disputes_of_card=sum(int(row.number) for row in of_kind.get("disputes", [])),
        warnings_of_card=sum(int(row.number) for row in of_kind.get("warnings", [])),
        review=_review(of_kind.get("review", [])),
        listed=next((name for name in _BLOCKING if name in listed), None),
        exempt=next((name for name in _EXEMPTING if name in listed), None),
    )


def _review(rows: Iterable[AnyRow]) -> str | None:
    """`open` while one is, else why the last of them (by id) was closed."""
    words = [row.word for row in sorted(rows, key=lambda row: str(row.value))]
    return "open" if "open" in words else (words[-1] if words else None)


_FOUND = "found"
_BLOCKING = (ListName.BLOCK.value, _FOUND)
_EXEMPTING = (ListName.ALLOW.value, ListName.SNOOZE.value)

# Statements are built once: building one costs as much as running it.
_OTHERS = OF_CARD.where(charges.c.charge_id != bindparam("charge")).subquery()
_NO_TEXT = literal(None, type_=charges.c.charge_id.type)
_ON_IT: BindParameter[str] = bindparam("charge")


def _told(
    kind: str,
    *,
    word: ColumnElement[Any] = _NO_TEXT,
    number: ColumnElement[Any] | None = None,
    subject: ColumnElement[Any] = _NO_TEXT,
    value: ColumnElement[Any] = _NO_TEXT,
) -> Select[Any]:
    counted = literal(0) if number is None else number
    return select(
        literal(kind).label("kind"),
        word.label("word"),
        counted.label("number"),
        subject.label("subject"),
        value.label("value"),
    )


#: A dispute that says fraud, unless the bank found otherwise.
_SAYS_FRAUD = (
    disputes.c.reason == "fraudulent",
    disputes.c.status.not_in(("won", "warning_closed", "prevented")),
)
_NOW: BindParameter[int] = bindparam("now", type_=BigInteger)
_REPORTS = union_all(
    _told("own", number=func.count())
    .select_from(disputes)
    .where(disputes.c.charge_id == _ON_IT, *_SAYS_FRAUD),
    _told("disputed", number=func.count())
    .select_from(disputes)
    .where(disputes.c.charge_id == _ON_IT),
    _told(
        "warning",
        word=early_fraud_warnings.c.fraud_type,
        number=case((early_fraud_warnings.c.actionable, 1), else_=0),
        value=early_fraud_warnings.c.warning_id,
    ).where(early_fraud_warnings.c.charge_id == _ON_IT),
    _told("disputes", number=func.count())
    .select_from(_OTHERS)
    .join(disputes, disputes.c.charge_id == _OTHERS.c.charge_id)
    .where(*_SAYS_FRAUD),
    _told("warnings", number=func.count())
    .select_from(_OTHERS)
    .join(early_fraud_warnings, early_fraud_warnings.c.charge_id == _OTHERS.c.charge_id),
    _told(
        "review",
        word=func.coalesce(reviews.c.closed_reason, literal("open")),
        value=reviews.c.review_id,
    ).where(reviews.c.charge_id == _ON_IT),
    _told(
        "listed",
        word=case(
            (list_entries.c.list != ListName.BLOCK.value, list_entries.c.list),
            (list_entries.c.origin == PERSON, list_entries.c.list),
            else_=_FOUND,
        ),
        subject=list_entries.c.subject,
        value=list_entries.c.value,
    ).where(
        list_entries.c.value.in_(bindparam("values", expanding=True)),
        list_entries.c.since < bindparam("made", type_=BigInteger),
        or_(list_entries.c.expires_ms.is_(None), list_entries.c.expires_ms > _NOW),
    ),
)
