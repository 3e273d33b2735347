"""What other terms would have decided beside those in force: a row for each decision and each payment let through, by the terms' digest."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, case, func, select

from ledger.decisions import LATE_IDS_MAX
from ledger.fraud_tables import shadow_verdicts
from ledger.insert_once import insert_once
from ledger.rows import AnyRow
from ledger.tables import cases, decisions
from policy.decision import Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowVerdict:
    """One verdict of other terms about a payment; `decision_id` is None where the terms in force let it through undecided."""

    terms_digest: str
    decision_id: int | None
    charge_id: str
    found: Decision
    differs: bool

    @property
    def subject(self) -> str:
        """What it is about, once for each set of terms."""
        if self.decision_id is not None:
            return f"decision:{self.decision_id}"
        return f"charge:{self.charge_id}"


def write_shadow_verdicts(
    connection: Connection, verdicts: Sequence[ShadowVerdict], now_ms: int
) -> None:
    """Write verdicts down; one that is there already stays."""
    for one in verdicts:
        amount = one.found.amount
        connection.execute(
            _WRITE[connection.dialect.name],
            {
                "terms_digest": one.terms_digest,
                "subject": one.subject,
                "decision_id": one.decision_id,
                "charge_id": one.charge_id,
                "verdict": one.found.verdict.value,
                "amount_minor": None if amount is None else amount.amount_minor,
                "currency": None if amount is None else amount.currency,
                "clauses": " ".join(each.clause.value for each in one.found.clauses),
                "differs": one.differs,
                "made_ms": now_ms,
            },
        )


def not_yet_compared(
    connection: Connection, terms_digest: str, since_ms: int, count_max: int
) -> Sequence[AnyRow]:
    """Decisions that these terms have not decided, the oldest first, each with its case's charge; none older than `since_ms`."""
    of_terms = shadow_verdicts.c.terms_digest == terms_digest
    newest = (
        select(func.coalesce(func.max(shadow_verdicts.c.decision_id), 0))
        .where(of_terms)
        .scalar_subquery()
    )
    compared = and_(of_terms, shadow_verdicts.c.decision_id == decisions.c.id)
    return connection.execute(
        select(decisions, cases.c.charge_id)
        .join(cases, cases.c.id == decisions.c.case_id)
        .outerjoin(shadow_verdicts, compared)
        .where(
            shadow_verdicts.c.id.is_(None),
            decisions.c.id > newest - LATE_IDS_MAX,
            decisions.c.made_ms >= since_ms,
        )
        .order_by(decisions.c.id)
        .limit(count_max)
    ).all()


def shadow_counts(connection: Connection, terms_digest: str) -> Sequence[AnyRow]:
    """How many verdicts there are of each kind: the terms' in force (None: let through undecided), the others', how many differ."""
    return connection.execute(
        select(
            decisions.c.verdict.label("in_force"),
            shadow_verdicts.c.verdict.label("shadow"),
            func.count().label("number"),
            func.sum(case((shadow_verdicts.c.differs, 1), else_=0)).label("differing"),
        )
        .select_from(_VERDICTS)
        .where(shadow_verdicts.c.terms_digest == terms_digest)
        .group_by(decisions.c.verdict, shadow_verdicts.c.verdict)
        .order_by(decisions.c.verdict, shadow_verdicts.c.verdict)
    ).all()


def differing_verdicts(
    connection: Connection, terms_digest: str, count_max: int
) -> Sequence[AnyRow]:
    """The verdicts that differ, the newest first, each beside the decision that was made."""
    return connection.execute(
        select(
            shadow_verdicts,
            decisions.c.case_id,
            decisions.c.verdict.label("in_force"),
            decisions.c.amount_minor.label("in_force_minor"),
            decisions.c.currency.label("in_force_currency"),
        )
        .select_from(_VERDICTS)
        .where(shadow_verdicts.c.terms_digest == terms_digest, shadow_verdicts.c.differs)
        .order_by(shadow_verdicts.c.id.desc())
        .limit(count_max)
    ).all()


_VERDICTS = shadow_verdicts.outerjoin(decisions, decisions.c.id == shadow_verdicts.c.decision_id)
# Built once: building it costs as much as running it.
_WRITE = insert_once(shadow_verdicts, shadow_verdicts.c.id)
