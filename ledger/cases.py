"""Cases: everything about one possible refund, from first suspicion to last cent."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, insert, select, update

from ledger.rows import AnyRow
from ledger.states import CaseState
from ledger.tables import cases

DUPLICATE_CHARGE = "duplicate_charge"
REFUND_REQUEST = "refund_request"
FRAUD = "fraud"
#: Followed by the dispute's id: a payment can be disputed more than once.
DISPUTE_PREFIX = "dispute:"
#: Followed by the outage's id: each outage is its own cause, so that a second one can pay again.
OUTAGE_PREFIX = "outage:"
#: Followed by the event that told of the change: what it took is its own cause.
PLAN_PREFIX = "plan_change:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case as it stands. `due_ms` is by when a person should have looked; None: no deadline."""

    case_id: int
    kind: str
    charge_id: str
    kept_charge_id: str | None
    customer_id: str | None
    state: CaseState
    note: str | None
    due_ms: int | None
    appeals: int


def open_case(
    connection: Connection,
    *,
    kind: str,
    charge_id: str,
    kept_charge_id: str | None,
    customer_id: str | None,
    now_ms: int,
    due_ms: int | None = None,
) -> Case:
    """Open the case of this kind about a charge; one exists at most, and callers hold its lock."""
    values = {
        "kind": kind,
        "charge_id": charge_id,
        "kept_charge_id": kept_charge_id,
        "customer_id": customer_id,
        "state": CaseState.REVIEW.value,
        "due_ms": due_ms,
        "opened_ms": now_ms,
        "changed_ms": now_ms,
    }
    row_id = connection.execute(_OPEN, values).scalar_one()
    return Case(
        case_id=row_id,
        kind=kind,
        charge_id=charge_id,
        kept_charge_id=kept_charge_id,
        customer_id=customer_id,
        state=CaseState.REVIEW,
        note=None,
        due_ms=due_ms,
        appeals=0,
    )


def cases_about(connection: Connection, kind: str, charge_ids: Iterable[str]) -> dict[str, Case]:
    """The cases of one kind about these charges, by charge."""
    rows = connection.execute(_ABOUT, {"of_kind": kind, "ids": list(charge_ids)}).all()
    return {row.charge_id: _case(row) for row in rows}


def cases_of_charges(connection: Connection, charge_ids: Iterable[str]) -> list[Case]:
    """Every case about these charges, of whatever kind."""
    return [_case(row) for row in connection.execute(_OF_CHARGES, {"ids": list(charge_ids)})]


def cases_keeping(connection: Connection, kind: str, charge_ids: Iterable[str]) -> set[str]:
    """The charges of undecided or unpaid cases that were judged beside one of these charges."""
    parameters = {"of_kind": kind, "ids": list(charge_ids)}
    return set(connection.execute(_KEEPING, parameters).scalars())


def case_by_id(connection: Connection, case_id: int, *, lock: bool = False) -> Case | None:
    """One case, its row locked for this transaction if asked; None when there is none of this id."""
    query = _BY_ID.with_for_update() if lock else _BY_ID
    row = connection.execute(query, {"case": case_id}).first()
    return None if row is None else _case(row)


def count_appeal(connection: Connection, case_id: int, now_ms: int) -> None:
    """Note that the customer asked for a second look."""
    connection.execute(_APPEAL, {"case": case_id, "changed_ms": now_ms})


def set_deadline(connection: Connection, case_id: int, due_ms: int | None, now_ms: int) -> None:
    """Write by when a person should have looked; None: there is no deadline any more."""
    connection.execute(_SET_DEADLINE, {"case": case_id, "due_ms": due_ms, "changed_ms": now_ms})


def move_case(
    connection: Connection,
    case_id: int,
    state: CaseState,
    *,
    note: str | None,
    now_ms: int,
    kept_charge_id: str | None = None,
) -> None:
    """Set a case's state, with the sentence that says why a person should look, if one should."""
    values: dict[str, object] = {"state": state.value, "note": note, "changed_ms": now_ms}
    if kept_charge_id is not None:
        values["kept_charge_id"] = kept_charge_id
    connection.execute(_MOVE, {**values, "case": case_id})


def list_cases(
    connection: Connection,
    states: Iterable[CaseState],
    kinds: Iterable[str],
    count_max: int,
) -> list[Case]:
    """The cases in these states and of these kinds (none named: any); the soonest deadline first.

    Cases without a deadline follow, the oldest first.
    """
    query = select(cases).order_by(cases.c.due_ms.is_(None), cases.c.due_ms, cases.c.id)
    if named := [state.value for state in states]:
        query = query.where(cases.c.state.in_(named))
    if of_kinds := list(kinds):
        query = query.where(cases.c.kind.in_(of_kinds))
    return [_case(row) for row in connection.execute(query.limit(count_max))]


def count_by_state(connection: Connection) -> dict[str, int]:
    """How many cases stand in each state."""
    rows = connection.execute(select(cases.c.state, func.count()).group_by(cases.c.state)).all()
    return {row[0]: int(row[1]) for row in rows}


def _case(row: AnyRow) -> Case:
    return Case(
        case_id=row.id,
        kind=row.kind,
        charge_id=row.charge_id,
        kept_charge_id=row.kept_charge_id,
        customer_id=row.customer_id,
        state=CaseState(row.state),
        note=row.note,
        due_ms=row.due_ms,
        appeals=row.appeals,
    )


# Statements are built once: building one costs as much as running it.
_OPEN = insert(cases).returning(cases.c.id)
_BY_ID = select(cases).where(cases.c.id == bindparam("case"))
_APPEAL = update(cases).where(cases.c.id == bindparam("case")).values(appeals=cases.c.appeals + 1)
_MOVE = update(cases).where(cases.c.id == bindparam("case"))
_SET_DEADLINE = update(cases).where(cases.c.id == bindparam("case"))
_ABOUT = select(cases).where(
    cases.c.kind == bindparam("of_kind"),
    cases.c.charge_id.in_(bindparam("ids", expanding=True)),
)
_OF_CHARGES = (
    select(cases)
    .where(cases.c.charge_id.in_(bindparam("ids", expanding=True)))
    .order_by(cases.c.id)
)
_KEEPING = select(cases.c.charge_id).where(
    cases.c.kind == bindparam("of_kind"),
    cases.c.kept_charge_id.in_(bindparam("ids", expanding=True)),
    cases.c.state.in_([CaseState.REVIEW.value, CaseState.REFUNDING.value]),
)
