"""Decisions about credits that are asked back: append-only, each with everything that it rests on."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, bindparam, insert, select

from ledger.claim_tables import credit_decisions
from ledger.rows import AnyRow
from policy.decision import Decision


def append_credit_decision(
    connection: Connection, *, claim_id: int, decision: Decision, mode: str, now_ms: int
) -> int:
    """Write a decision of a claim; returns its row id."""
    effect = decision.credits
    values = {
        "claim_id": claim_id,
        "verdict": decision.verdict.value,
        "credits": effect.restored if effect is not None and effect.restored else None,
        "terms_version": decision.terms_version,
        "mode": mode,
        "body": decision.to_json(),
        "made_ms": now_ms,
    }
    row_id: int = connection.execute(_APPEND, values).scalar_one()
    return row_id


def last_credit_decision(connection: Connection, claim_id: int) -> AnyRow | None:
    """The newest decision of a claim; None when it has none yet."""
    return connection.execute(_LAST, {"of_claim": claim_id}).first()


def credit_decisions_of(connection: Connection, claim_id: int) -> Sequence[AnyRow]:
    """Every decision of a claim, oldest first."""
    return connection.execute(_OF_CLAIM, {"of_claim": claim_id}).all()


def every_credit_decision(connection: Connection) -> Iterator[AnyRow]:
    """Every decision there is, oldest first, without holding all of them at once."""
    query = select(credit_decisions).order_by(credit_decisions.c.id)
    with connection.execute(query.execution_options(yield_per=500)) as rows:
        yield from rows


# Statements are built once: building one costs as much as running it.
_APPEND = insert(credit_decisions).returning(credit_decisions.c.id)
_OF_CLAIM = (
    select(credit_decisions)
    .where(credit_decisions.c.claim_id == bindparam("of_claim"))
    .order_by(credit_decisions.c.id)
)
_LAST = (
    select(credit_decisions)
    .where(credit_decisions.c.claim_id == bindparam("of_claim"))
    .order_by(credit_decisions.c.id.desc())
    .limit(1)
)
