"""Credits that are asked back: each claim kept with its evidence before anything else, then judged once.

The row is the promise: the sweeper rings for it until it is judged or waits for a person. While one
judges, the row is due again only after a while, which is its lease; `attempts` is the fence. Times are
unix milliseconds but for `at`, which is unix seconds.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import BigInteger, Connection, Integer, bindparam, select, update

from ledger.claim_tables import credit_claims
from ledger.insert_once import insert_once
from ledger.rows import AnyRow
from ledger.states import ClaimState
from policy.canonical_json import Json, dump_canonical
from policy.credit_losses import CreditLoss
from runtime.call_limits import (
    REQUEST_EVIDENCE_CHARS_MAX,
    REQUEST_TEXT_CHARS_MAX,
    USAGE_CREDITS_MAX,
    USAGE_TEXT_CHARS_MAX,
)

#: The year 5138: a later moment is milliseconds by mistake.
_AT_MAX: Final = 10**11


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClaim:
    """What is asked back. Raises ValueError at birth, each field that is wrong named in its text.

    `key` is the caller's own and makes a repetition harmless. `credits` is all that went for this
    `reference` (a generation's id as its usage was reported, or an incident's), `at` when it failed or
    was lost, `evidence` what failed and what shows it. `documented` and `our_fault` are what the caller
    knows of it; None: not known.
    """

    key: str
    customer_id: str
    loss: CreditLoss
    credits: int
    at: int
    reference: str
    evidence: str = field(repr=False)
    documented: int | None = None
    our_fault: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what nobody could judge."""
        problems = [
            *_text_problems("key", self.key, REQUEST_TEXT_CHARS_MAX),
            *_text_problems("customer_id", self.customer_id, USAGE_TEXT_CHARS_MAX),
            *_text_problems("reference", self.reference, USAGE_TEXT_CHARS_MAX),
        ]
        if not 0 < self.credits <= USAGE_CREDITS_MAX:
            problems.append(f"credits must be 1 to {USAGE_CREDITS_MAX}")
        if not 0 <= self.at <= _AT_MAX:
            problems.append("at must be unix seconds")
        if self.documented is not None and not 0 <= self.documented <= USAGE_CREDITS_MAX:
            problems.append(f"documented must be 0 to {USAGE_CREDITS_MAX}")
        if not self.evidence.strip() or len(self.evidence) > REQUEST_EVIDENCE_CHARS_MAX:
            problems.append(f"evidence must be 1 to {REQUEST_EVIDENCE_CHARS_MAX} characters")
        if problems:
            raise ValueError("; ".join(problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One claim as it stands."""

    claim_id: int
    key: str
    customer_id: str
    loss: CreditLoss
    credits: int
    at: int
    reference: str
    evidence: str = field(repr=False)
    documented: int | None
    our_fault: bool | None
    state: ClaimState
    note: str | None
    attempts: int
    next_attempt_ms: int | None
    received_ms: int


class ClaimConflict(Exception):
    """The key was used before for another claim; nothing was changed."""


def write_claim(connection: Connection, claim: NewClaim, now_ms: int) -> tuple[Claim, bool]:
    """Write a claim down, due now; how it stands and whether it is new. Raises ClaimConflict."""
    digest = _digest(claim)
    values = {
        "key": claim.key,
        "digest": digest,
        "customer_id": claim.customer_id,
        "loss": claim.loss.value,
        "credits": claim.credits,
        "at": claim.at,
        "reference": claim.reference,
        "evidence": claim.evidence,
        "documented": claim.documented,
        "our_fault": claim.our_fault,
        "state": ClaimState.WAITING.value,
        "next_attempt_ms": now_ms,
        "received_ms": now_ms,
        "changed_ms": now_ms,
    }
    written = connection.execute(_WRITE[connection.dialect.name], values).first()
    if written is not None:
        return _claim(written), True
    known = connection.execute(_BY_KEY, {"known_key": claim.key}).one()
    if known.digest != digest:
        raise ClaimConflict(f"the key {claim.key} was used before for another claim")
    return _claim(known), False


def claim_by_id(connection: Connection, claim_id: int, *, lock: bool = False) -> Claim | None:
    """One claim, its row locked for this transaction if asked; None when there is none."""
    query = _BY_ID.with_for_update() if lock else _BY_ID
    row = connection.execute(query, {"claim": claim_id}).first()
    return None if row is None else _claim(row)


def claim_of_key(connection: Connection, key: str) -> Claim | None:
    """The claim that was written under a key; None when there is none."""
    row = connection.execute(_BY_KEY, {"known_key": key}).first()
    return None if row is None else _claim(row)


def list_claims(
    connection: Connection, states: Iterable[ClaimState], customer_id: str | None, count_max: int
) -> list[Claim]:
    """The newest claims in these states (none named: in any), of one customer or of all; newest first."""
    query = select(credit_claims).order_by(credit_claims.c.id.desc()).limit(count_max)
    if named := [state.value for state in states]:
        query = query.where(credit_claims.c.state.in_(named))
    if customer_id is not None:
        query = query.where(credit_claims.c.customer_id == customer_id)
    return [_claim(row) for row in connection.execute(query)]


def due_claims(connection: Connection, now_ms: int, count_max: int) -> list[int]:
    """The ids of the claims to be judged now, longest due first."""
    return list(connection.execute(_DUE, {"now": now_ms, "most": count_max}).scalars())


def settle_claim(
    connection: Connection, claim_id: int, state: ClaimState, now_ms: int, note: str | None = None
) -> None:
    """Record where a claim stands now; nothing is due any more."""
    values = {"state": state.value, "note": note, "next_attempt_ms": None, "changed_ms": now_ms}
    connection.execute(_CHANGE, values | {"claim": claim_id})


def take_claim(connection: Connection, claim_id: int, now_ms: int, retry_ms: int) -> Claim | None:
    """Take one due claim for an attempt; without an outcome it is due again at `retry_ms`. None when not due."""
    row = connection.execute(_TAKE, {"claim": claim_id, "now": now_ms, "due": retry_ms}).first()
    return None if row is None else _claim(row)


def put_off_claim(connection: Connection, claim: Claim, due_ms: int, note: str) -> None:
    """Have a claim looked at again at `due_ms`."""
    connection.execute(_CHANGE, {"note": note, "next_attempt_ms": due_ms, "claim": claim.claim_id})


def state_facts(
    connection: Connection,
    claim: Claim,
    *,
    documented: int | None,
    our_fault: bool | None,
    now_ms: int,
) -> Claim:
    """Note what a person knows about a claim; None leaves what was known. Returns the claim with it."""
    values = {
        "documented": claim.documented if documented is None else documented,
        "our_fault": claim.our_fault if our_fault is None else our_fault,
        "changed_ms": now_ms,
    }
    parameters = values | {"claim": claim.claim_id}
    return _claim(connection.execute(_STATE, parameters).one())


def _text_problems(name: str, text: str, chars_max: int) -> Sequence[str]:
    if not text.strip() or len(text) > chars_max or not text.isprintable():
        return [f"{name} must be one line of 1 to {chars_max} printable characters"]
    return []


def _digest(claim: NewClaim) -> str:
    """What makes two claims the same: everything that was told."""
    told: list[Json] = [
        claim.customer_id,
        claim.loss.value,
        claim.credits,
        claim.at,
        claim.reference,
        claim.evidence,
        claim.documented,
        claim.our_fault,
    ]
    return hashlib.sha256(dump_canonical(told).encode()).hexdigest()


def _claim(row: AnyRow) -> Claim:
    return Claim(
        claim_id=row.id,
        key=row.key,
        customer_id=row.customer_id,
        loss=CreditLoss(row.loss),
        credits=row.credits,
        at=row.at,
        reference=row.reference,
        evidence=row.evidence,
        documented=row.documented,
        our_fault=row.our_fault,
        state=ClaimState(row.state),
        note=row.note,
        attempts=row.attempts,
        next_attempt_ms=row.next_attempt_ms,
        received_ms=row.received_ms,
    )


# Statements are built once: building one costs as much as running it.
_WRITE = insert_once(credit_claims, credit_claims, key=["key"])
_BY_KEY = select(credit_claims).where(credit_claims.c.key == bindparam("known_key"))
_BY_ID = select(credit_claims).where(credit_claims.c.id == bindparam("claim"))
_IS_DUE = (
    credit_claims.c.state == ClaimState.WAITING.value,
    credit_claims.c.next_attempt_ms <= bindparam("now", type_=BigInteger),
)
_DUE = (
    select(credit_claims.c.id)
    .where(*_IS_DUE)
    .order_by(credit_claims.c.next_attempt_ms)
    .limit(bindparam("most", type_=Integer))
)
_TAKE = (
    update(credit_claims)
    .where(credit_claims.c.id == bindparam("claim"), *_IS_DUE)
    .values(attempts=credit_claims.c.attempts + 1, next_attempt_ms=bindparam("due"))
    .returning(credit_claims)
)
_CHANGE = update(credit_claims).where(credit_claims.c.id == bindparam("claim"))
_STATE = _CHANGE.returning(credit_claims)
