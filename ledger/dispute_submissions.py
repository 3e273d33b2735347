"""Answers to disputes: what a person hands in, committed word for word before Stripe is called, once per state of a dispute."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, select, update

from ledger.engine import lock_names
from ledger.fraud_tables import dispute_submissions
from ledger.refund_intents import KEY_PREFIX
from ledger.rows import AnyRow
from ledger.states import SubmissionState


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One answer. `params` is the JSON text of the call and holds personal data; `answers` is the state it answers."""

    submission_id: int
    dispute_id: str
    answers: str
    params: str = field(repr=False)
    idempotency_key: str
    author: str
    state: SubmissionState
    note: str | None
    created_ms: int
    changed_ms: int


def write_submission(
    connection: Connection,
    dispute_id: str,
    answers: str,
    *,
    params: str,
    author: str,
    now_ms: int,
) -> Submission:
    """The answer to a state of a dispute: this one, or the one that was written before, whose words then stay.

    One that Stripe refused makes room for another under another key.
    """
    lock_names(connection, [f"dispute:{dispute_id}"])
    found = submission_of(connection, dispute_id, answers)
    if found is not None and found.state is not SubmissionState.REFUSED:
        return found
    values = {
        "params": params,
        "idempotency_key": _key(dispute_id, answers, params),
        "author": author,
        "state": SubmissionState.SENDING.value,
        "note": None,
        "changed_ms": now_ms,
    }
    if found is None:
        connection.execute(
            dispute_submissions.insert(),
            {"dispute_id": dispute_id, "answers": answers, "created_ms": now_ms, **values},
        )
    else:
        connection.execute(
            update(dispute_submissions)
            .where(dispute_submissions.c.id == found.submission_id)
            .values(values)
        )
    written = submission_of(connection, dispute_id, answers)
    if written is None:
        raise LookupError(f"the answer to {dispute_id} was not written")
    return written


def submission_of(connection: Connection, dispute_id: str, answers: str) -> Submission | None:
    """The answer to one state of a dispute."""
    row = connection.execute(_ONE, {"dispute": dispute_id, "answers": answers}).first()
    return None if row is None else _submission(row)


def submissions_of(connection: Connection, dispute_ids: Sequence[str]) -> list[Submission]:
    """Every answer to these disputes, the oldest first."""
    found = connection.execute(
        select(dispute_submissions)
        .where(dispute_submissions.c.dispute_id.in_(list(dispute_ids)))
        .order_by(dispute_submissions.c.id)
    )
    return [_submission(row) for row in found]


def settle_submission(
    connection: Connection,
    submission_id: int,
    state: SubmissionState,
    note: str | None,
    now_ms: int,
) -> None:
    """Write down what became of an answer."""
    connection.execute(
        update(dispute_submissions)
        .where(dispute_submissions.c.id == submission_id)
        .values(state=state.value, note=note, changed_ms=now_ms)
    )


def _key(dispute_id: str, answers: str, params: str) -> str:
    """Derived from what is sent, so that the same words always go out under the same key."""
    digest = hashlib.sha256(f"{dispute_id}\n{answers}\n{params}".encode()).hexdigest()
    return f"{KEY_PREFIX}evidence:{digest[:40]}"


def _submission(row: AnyRow) -> Submission:
    return Submission(
        submission_id=row.id,
        dispute_id=row.dispute_id,
        answers=row.answers,
        params=row.params,
        idempotency_key=row.idempotency_key,
        author=row.author,
        state=SubmissionState(row.state),
        note=row.note,
        created_ms=row.created_ms,
        changed_ms=row.changed_ms,
    )


_ONE = select(dispute_submissions).where(
    dispute_submissions.c.dispute_id == bindparam("dispute"),
    dispute_submissions.c.answers == bindparam("answers"),
)
