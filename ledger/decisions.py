"""Decisions: append-only, each with everything that it rests on, and sealed in a chain of digests.

Sealing is the sweeper's: it hashes each new decision with the digest before it (invariant I12), so
that writers need not queue for the chain's end. What was changed after its seal is found by
`broken_seal`; between writing and sealing lie a few seconds.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, Integer, bindparam, func, insert, select, text

from ledger.rows import AnyRow
from ledger.tables import decisions, seals
from policy.decision import Decision

_SEAL_LOCK = text("SELECT pg_advisory_xact_lock(7203150002)")


def append_decision(
    connection: Connection,
    *,
    case_id: int,
    event_row_id: int | None,
    decision: Decision,
    mode: str,
    now_ms: int,
) -> int:
    """Write a decision of a case; returns its row id."""
    amount = decision.amount
    values = {
        "case_id": case_id,
        "event_row_id": event_row_id,
        "verdict": decision.verdict.value,
        "amount_minor": None if amount is None else amount.amount_minor,
        "currency": None if amount is None else amount.currency,
        "terms_version": decision.terms_version,
        "mode": mode,
        "body": decision.to_json(),
        "made_ms": now_ms,
    }
    row_id: int = connection.execute(_APPEND, values).scalar_one()
    return row_id


def last_decision(connection: Connection, case_id: int) -> AnyRow | None:
    """The newest decision of a case; None when it has none yet."""
    return connection.execute(_LAST, {"of_case": case_id}).first()


def decision_by_id(connection: Connection, decision_id: int) -> AnyRow:
    """One decision that is known to exist: a row of the ledger refers to it."""
    return connection.execute(_BY_ID, {"decision": decision_id}).one()


def decisions_of(connection: Connection, case_id: int) -> Sequence[AnyRow]:
    """Every decision of a case, oldest first."""
    return connection.execute(
        select(decisions).where(decisions.c.case_id == case_id).order_by(decisions.c.id)
    ).all()


def every_decision(connection: Connection) -> Iterator[AnyRow]:
    """Every decision there is, oldest first, without holding all of them at once."""
    query = select(decisions).order_by(decisions.c.id).execution_options(yield_per=500)
    with connection.execute(query) as rows:
        yield from rows


def seal_decisions(connection: Connection, count_max: int) -> int:
    """Chain up to `count_max` decisions that have no seal yet; returns how many."""
    if connection.dialect.name == "postgresql":
        connection.execute(_SEAL_LOCK)
    rows = connection.execute(_UNSEALED, {"most": count_max}).all()
    if not rows:
        return 0
    digest = connection.execute(_LAST_DIGEST).scalar()
    sealed = []
    for row in rows:
        digest = _digest(digest or "", row)
        sealed.append({"decision_id": row.id, "digest": digest})
    connection.execute(_SEAL, sealed)
    return len(rows)


#: Ids are given out before the commit, so a few can appear after larger ones were sealed. Looking
#: this far back finds them without reading the whole log at each sweep.
LATE_IDS_MAX = 10_000

# Statements are built once: building one costs as much as running it.
_APPEND = insert(decisions).returning(decisions.c.id)
_LAST = (
    select(decisions)
    .where(decisions.c.case_id == bindparam("of_case"))
    .order_by(decisions.c.id.desc())
    .limit(1)
)
_BY_ID = select(decisions).where(decisions.c.id == bindparam("decision"))
_SEAL = insert(seals)
_NEWEST_SEALED = select(func.coalesce(func.max(seals.c.decision_id), 0)).scalar_subquery()
_UNSEALED = (
    select(decisions)
    .outerjoin(seals, seals.c.decision_id == decisions.c.id)
    .where(seals.c.seq.is_(None), decisions.c.id > _NEWEST_SEALED - LATE_IDS_MAX)
    .order_by(decisions.c.id)
    .limit(bindparam("most", type_=Integer))
)
_LAST_DIGEST = select(seals.c.digest).order_by(seals.c.seq.desc()).limit(1)


def broken_seal(connection: Connection) -> int | None:
    """The id of the first decision whose seal does not fit; None when the whole chain holds."""
    digest = ""
    chain = (
        select(seals.c.digest.label("sealed"), seals.c.decision_id, decisions)
        .outerjoin(decisions, seals.c.decision_id == decisions.c.id)
        .order_by(seals.c.seq)
        .execution_options(yield_per=500)
    )
    with connection.execute(chain) as rows:
        for row in rows:
            digest = _digest(digest, row) if row.id is not None else ""
            if digest != row.sealed:
                return int(row.decision_id)
    return None


def _digest(before: str, row: AnyRow) -> str:
    """The digest of a decision's row after the digest `before` it; every column counts."""
    values = {column.name: getattr(row, column.name) for column in decisions.columns}
    written = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{before}\n{written}".encode()).hexdigest()
