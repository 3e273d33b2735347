"""Refund requests: what a customer asked for, kept before anything else, until its case has a decision.

The row is the promise: the sweeper rings for it until it is judged or waits for a person. Times are
unix milliseconds but for `asked_at`, which is unix seconds.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    Integer,
    bindparam,
    or_,
    select,
    update,
)

from ledger.insert_once import insert_once
from ledger.request_tables import refund_requests
from ledger.rows import AnyRow
from ledger.states import RequestState
from policy.canonical_json import Json, dump_canonical
from policy.request_facts import Reason
from runtime.call_limits import REQUEST_EVIDENCE_CHARS_MAX, REQUEST_TEXT_CHARS_MAX
from runtime.email_addresses import is_address
from runtime.email_digest import email_digest
from runtime.limits import FIRST_RING_GRACE_MS

GIVEN_UP = "tried as often as anything is: Stripe could not be read, so a person judges it"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """What was asked for. Raises ValueError at birth, each field that is wrong named in its text.

    `key` is the caller's own and makes a repetition harmless. `purchase_date` is the customer's word
    for the day, `product` for what was bought, `reasons` at least one, `asked_at` unix seconds.
    `charge_id` is given where the caller knows the payment.
    """

    key: str
    email: str = field(repr=False)
    purchase_date: date
    product: str
    reasons: tuple[Reason, ...]
    asked_at: int
    evidence: str | None = field(default=None, repr=False)
    charge_id: str | None = None

    def __post_init__(self) -> None:
        """Refuse what nobody could judge."""
        problems = [
            *_text_problems("key", self.key),
            *_text_problems("product", self.product),
            *([] if self.charge_id is None else _text_problems("charge_id", self.charge_id)),
            *([] if is_address(self.email) else ["account_email is no plain e-mail address"]),
            *([] if self.reasons else ["reason must name at least one"]),
        ]
        if len(set(self.reasons)) != len(self.reasons):
            problems.append("reason names something twice")
        if len(self.evidence or "") > REQUEST_EVIDENCE_CHARS_MAX:
            problems.append(f"evidence has more than {REQUEST_EVIDENCE_CHARS_MAX} characters")
        if problems:
            raise ValueError("; ".join(problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it stands. `stated` are facts that a person stated, by their names."""

    request_id: int
    key: str
    email: str | None = field(repr=False)
    email_digest: str
    purchase_date: date
    product: str
    reasons: tuple[Reason, ...]
    evidence: str | None = field(repr=False)
    stated: Mapping[str, Json]
    asked_at: int
    charge_id: str | None
    candidates: tuple[str, ...]
    case_id: int | None
    state: RequestState
    note: str | None
    attempts: int
    fence: int
    received_ms: int


class RequestConflict(Exception):
    """The key was used before for another request; nothing was changed."""


def write_request(connection: Connection, request: NewRequest, now_ms: int) -> tuple[int, bool]:
    """Write a request down, due now; its id and whether it is new. Raises RequestConflict."""
    digest = _digest(request)
    values = {
        "key": request.key,
        "digest": digest,
        "email": request.email,
        "email_digest": email_digest(request.email),
        "purchase_date": request.purchase_date.isoformat(),
        "product": request.product,
        "reasons": dump_canonical([reason.value for reason in request.reasons]),
        "evidence": request.evidence,
        "asked_at": request.asked_at,
        "charge_id": request.charge_id,
        "state": RequestState.WAITING.value,
        "next_attempt_ms": now_ms,
        "received_ms": now_ms,
        "changed_ms": now_ms,
    }
    written: int | None = connection.execute(_WRITE[connection.dialect.name], values).scalar()
    if written is not None:
        return written, True
    known = connection.execute(_BY_KEY, {"known_key": request.key}).one()
    if known.digest != digest:
        raise RequestConflict(f"the key {request.key} was used before for another request")
    return int(known.id), False


def request_by_id(connection: Connection, request_id: int, *, lock: bool = False) -> Request | None:
    """One request, its row locked for this transaction if asked; None when there is none."""
    query = _BY_ID.with_for_update() if lock else _BY_ID
    row = connection.execute(query, {"request": request_id}).first()
    return None if row is None else _request(row)


def requests_of_case(connection: Connection, case_id: int) -> list[Request]:
    """Every request that joined a case, oldest first."""
    return [_request(row) for row in connection.execute(_OF_CASE, {"of_case": case_id})]


def list_requests(
    connection: Connection, states: Iterable[RequestState], count_max: int
) -> list[Request]:
    """The newest requests in these states (none named: in any), newest first."""
    query = select(refund_requests).order_by(refund_requests.c.id.desc()).limit(count_max)
    named = [state.value for state in states]
    if named:
        query = query.where(refund_requests.c.state.in_(named))
    return [_request(row) for row in connection.execute(query)]


def due_requests(connection: Connection, now_ms: int, count_max: int) -> list[int]:
    """The ids of the requests to be judged now, longest due first; fresh ones were rung for."""
    parameters = {"now": now_ms, "rung_before": now_ms - FIRST_RING_GRACE_MS, "most": count_max}
    return list(connection.execute(_RING_FOR, parameters).scalars())


def lease_request(
    connection: Connection, request_id: int, now_ms: int, until_ms: int
) -> Request | None:
    """Take one due request under a lease; None when it is not due or somebody else's."""
    parameters = {"request": request_id, "now": now_ms, "until": until_ms}
    row = connection.execute(_LEASE, parameters).first()
    return None if row is None else _request(row)


def settle_request(
    connection: Connection,
    request: Request,
    state: RequestState,
    now_ms: int,
    *,
    note: str | None = None,
    **values: object,
) -> bool:
    """Move a request if nobody took it meanwhile (by its fence); False if somebody did.

    `next_attempt_ms` among `values` has it tried again; without it nothing is due any more.
    """
    parameters = {
        "next_attempt_ms": None,
        **values,
        "lease_until_ms": None,
        "state": state.value,
        "note": note,
        "changed_ms": now_ms,
        "request": request.request_id,
        "seen_fence": request.fence,
    }
    return connection.execute(_SETTLE, parameters).rowcount == 1


def judge_anew(
    connection: Connection,
    request: Request,
    now_ms: int,
    *,
    charge_id: str | None = None,
    stated: Mapping[str, Json] | None = None,
) -> None:
    """Have a request judged again: with the purchase that a person named, or facts that one stated."""
    connection.execute(
        update(refund_requests)
        .where(refund_requests.c.id == request.request_id)
        .values(
            state=RequestState.WAITING.value,
            charge_id=charge_id or request.charge_id,
            stated=dump_canonical({**request.stated, **(stated or {})}),
            note=None,
            attempts=0,
            fence=refund_requests.c.fence + 1,
            lease_until_ms=None,
            next_attempt_ms=now_ms,
            changed_ms=now_ms,
        )
    )


def _text_problems(name: str, text: str) -> Sequence[str]:
    if not text.strip() or len(text) > REQUEST_TEXT_CHARS_MAX or not text.isprintable():
        return [f"{name} must be one line of 1 to {REQUEST_TEXT_CHARS_MAX} printable characters"]
    return []


def _digest(request: NewRequest) -> str:
    """What makes two requests the same: everything that was asked, not when it was told."""
    told = [
        request.email,
        request.purchase_date.isoformat(),
        request.product,
        [reason.value for reason in request.reasons],
        request.evidence,
        request.charge_id,
    ]
    return hashlib.sha256(dump_canonical(told).encode()).hexdigest()


def _request(row: AnyRow) -> Request:
    return Request(
        request_id=row.id,
        key=row.key,
        email=row.email,
        email_digest=row.email_digest,
        purchase_date=date.fromisoformat(row.purchase_date),
        product=row.product,
        reasons=tuple(Reason(reason) for reason in json.loads(row.reasons)),
        evidence=row.evidence,
        stated=json.loads(row.stated),
        asked_at=row.asked_at,
        charge_id=row.charge_id,
        candidates=tuple(json.loads(row.candidates)),
        case_id=row.case_id,
        state=RequestState(row.state),
        note=row.note,
        attempts=row.attempts,
        fence=row.fence,
        received_ms=row.received_ms,
    )


# Statements are built once: building one costs as much as running it.
_WRITE = insert_once(refund_requests, refund_requests.c.id, key=["key"])
_BY_KEY = select(refund_requests.c.id, refund_requests.c.digest).where(
    refund_requests.c.key == bindparam("known_key")
)
_BY_ID = select(refund_requests).where(refund_requests.c.id == bindparam("request"))
_OF_CASE = (
    select(refund_requests)
    .where(refund_requests.c.case_id == bindparam("of_case"))
    .order_by(refund_requests.c.id)
)
_NOW: BindParameter[int] = bindparam("now", type_=BigInteger)
_DUE = (
    refund_requests.c.state == RequestState.WAITING.value,
    refund_requests.c.next_attempt_ms <= _NOW,
    or_(refund_requests.c.lease_until_ms.is_(None), refund_requests.c.lease_until_ms <= _NOW),
)
_RING_FOR = (
    select(refund_requests.c.id)
    .where(
        *_DUE,
        or_(
            refund_requests.c.fence > 0,
            refund_requests.c.next_attempt_ms <= bindparam("rung_before", type_=BigInteger),
        ),
    )
    .order_by(refund_requests.c.next_attempt_ms)
    .limit(bindparam("most", type_=Integer))
)
_LEASE = (
    update(refund_requests)
    .where(refund_requests.c.id == bindparam("request"), *_DUE)
    .values(
        lease_until_ms=bindparam("until", type_=BigInteger),
        fence=refund_requests.c.fence + 1,
        attempts=refund_requests.c.attempts + 1,
    )
    .returning(refund_requests)
)
_SETTLE = update(refund_requests).where(
    refund_requests.c.id == bindparam("request"),
    refund_requests.c.fence == bindparam("seen_fence"),
)
