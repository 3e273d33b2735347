"""Questions about refunds: lists, totals, and the whole story of one charge. Nothing here writes."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from ledger.audit_log import entries_about
from ledger.decisions import decisions_of
from ledger.rows import AnyRow
from ledger.states import IntentState
from ledger.stripe_tables import charges, disputes, refunds
from ledger.tables import cases, refund_intents


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFilter:
    """Which refund intents are meant: all conditions that are given hold. Times are unix ms."""

    states: tuple[IntentState, ...] = ()
    charge_id: str | None = None
    customer_id: str | None = None
    since_ms: int | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The conditions as SQL, to be joined by AND."""
        found: list[ColumnElement[bool]] = []
        if self.states:
            found.append(refund_intents.c.state.in_([state.value for state in self.states]))
        if self.charge_id is not None:
            found.append(refund_intents.c.charge_id == self.charge_id)
        if self.customer_id is not None:
            found.append(refund_intents.c.customer_id == self.customer_id)
        if self.since_ms is not None:
            found.append(refund_intents.c.created_ms >= self.since_ms)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundStory:
    """Everything the ledger knows about one case. Rows are those of the tables of the same names."""

    case: AnyRow
    intent: AnyRow | None
    decisions: Sequence[AnyRow]  # oldest first
    charge: AnyRow | None
    kept_charge: AnyRow | None
    refunds: Sequence[AnyRow]  # of the charge, as Stripe's events showed them, whoever made them
    disputes: Sequence[AnyRow]
    audit: Sequence[AnyRow]  # entries about the case and its intent, oldest first


def list_refunds(
    connection: Connection,
    wanted: RefundFilter,
    count_max: int,
    before_intent: str | None = None,
) -> Sequence[AnyRow]:
    """The newest refund intents that are meant, newest first; older than `before_intent`."""
    query = select(refund_intents).where(*wanted.conditions())
    if before_intent is not None:
        edge = refund_intents.alias("edge")
        made_ms = select(edge.c.created_ms).where(edge.c.id == before_intent).scalar_subquery()
        same_moment = and_(
            refund_intents.c.created_ms == made_ms, refund_intents.c.id < before_intent
        )
        query = query.where(or_(refund_intents.c.created_ms < made_ms, same_moment))
    newest_first = (refund_intents.c.created_ms.desc(), refund_intents.c.id.desc())
    return connection.execute(query.order_by(*newest_first).limit(count_max)).all()


def refund_totals(connection: Connection, wanted: RefundFilter) -> Sequence[AnyRow]:
    """How many of the intents that are meant, and how much: per currency and state, minor units."""
    return connection.execute(
        select(
            refund_intents.c.currency,
            refund_intents.c.state,
            func.count().label("number"),
            func.sum(refund_intents.c.amount_minor).label("amount_minor"),
        )
        .where(*wanted.conditions())
        .group_by(refund_intents.c.currency, refund_intents.c.state)
        .order_by(refund_intents.c.currency, refund_intents.c.state)
    ).all()


def refund_stories(connection: Connection, reference: str) -> list[RefundStory]:
    """The cases about a charge, or the one of an intent's id; none when neither is known."""
    of_intent = select(refund_intents.c.case_id).where(refund_intents.c.id == reference)
    found = connection.execute(
        select(cases)
        .where(or_(cases.c.charge_id == reference, cases.c.id.in_(of_intent)))
        .order_by(cases.c.id)
    ).all()
    return [_story(connection, case) for case in found]


def case_story(connection: Connection, case_id: int) -> RefundStory | None:
    """The story of one case; None when there is none of this id."""
    case = connection.execute(select(cases).where(cases.c.id == case_id)).first()
    return None if case is None else _story(connection, case)


def cases_that_keep(connection: Connection, charge_id: str) -> Sequence[AnyRow]:
    """The cases in which this charge is the payment that was kept, oldest first."""
    return connection.execute(
        select(cases).where(cases.c.kept_charge_id == charge_id).order_by(cases.c.id)
    ).all()


def _story(connection: Connection, case: AnyRow) -> RefundStory:
    intent = connection.execute(
        select(refund_intents).where(refund_intents.c.case_id == case.id)
    ).first()
    of_charge = refunds.c.charge_id == case.charge_id
    disputed = disputes.c.charge_id == case.charge_id
    return RefundStory(
        case=case,
        intent=intent,
        decisions=decisions_of(connection, case.id),
        charge=_charge(connection, case.charge_id),
        kept_charge=_charge(connection, case.kept_charge_id),
        refunds=connection.execute(
            select(refunds).where(of_charge).order_by(refunds.c.created, refunds.c.refund_id)
        ).all(),
        disputes=connection.execute(
            select(disputes).where(disputed).order_by(disputes.c.dispute_id)
        ).all(),
        audit=sorted(
            [
                *entries_about(connection, f"case:{case.id}"),
                *([] if intent is None else entries_about(connection, intent.id)),
            ],
            key=lambda entry: int(entry.id),
        ),
    )


def _charge(connection: Connection, charge_id: str | None) -> AnyRow | None:
    return connection.execute(select(charges).where(charges.c.charge_id == charge_id)).first()
