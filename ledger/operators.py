"""The people who use the dashboard, and the links by which they come in for the first time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, func, insert, select, update

from ledger.engine import lock_names
from ledger.operator_tables import Role, invitations, operators, passkeys, recovery_codes
from ledger.rows import AnyRow
from ledger.secret_digests import digest_of, new_secret
from runtime.operator_limits import INVITATION_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One person. `name` is what the audit log calls them."""

    operator_id: int
    name: str
    role: Role


class OperatorRefused(ValueError):
    """What was asked for about an operator cannot be; the text says why. Nothing was changed."""


def invite_operator(connection: Connection, name: str, role: Role, now_ms: int) -> str:
    """Add a person, or let one in anew who lost every passkey; returns the secret of a one-time link.

    Older links of the same person open nothing any more. Raises OperatorRefused when the person has another role.
    """
    lock_names(connection, [_LOCK])
    row = connection.execute(_BY_NAME, {"named": name}).first()
    if row is None:
        values = {"name": name, "role": role.value, "created_ms": now_ms}
        operator_id = connection.execute(_ADD, values).scalar_one()
    elif row.removed_ms is not None:
        raise OperatorRefused(
            f"{name} was removed, and the audit log still tells of that one; take another name"
        )
    elif row.role != role.value:
        raise OperatorRefused(f"{name} is {row.role}; change the role first, or name that one")
    else:
        operator_id = row.id
    connection.execute(_EXPIRE, {"of_operator": operator_id, "used": now_ms})
    secret = new_secret()
    connection.execute(
        insert(invitations),
        {
            "operator_id": operator_id,
            "digest": digest_of(secret),
            "expires_ms": now_ms + INVITATION_MS,
        },
    )
    return secret


def invited(connection: Connection, secret: str, now_ms: int) -> Operator | None:
    """Whom an unused link is for; None for one that opens nothing."""
    row = connection.execute(_INVITED, {"hashed": digest_of(secret), "now": now_ms}).first()
    return None if row is None else _operator(row)


def use_invitation(connection: Connection, secret: str, now_ms: int) -> Operator | None:
    """Use a link up; None when somebody else did, or when it is over."""
    operator = invited(connection, secret, now_ms)
    values = {"hashed": digest_of(secret), "used": now_ms}
    if operator is None or connection.execute(_USE, values).rowcount != 1:
        return None
    return operator


def operator_by_id(connection: Connection, operator_id: int) -> Operator | None:
    """One person who may come in; None for one who was removed or never was."""
    row = connection.execute(_BY_ID, {"operator": operator_id}).first()
    return None if row is None else _operator(row)


def operator_by_name(connection: Connection, name: str) -> Operator | None:
    """As `operator_by_id`."""
    row = connection.execute(_BY_NAME, {"named": name}).first()
    return None if row is None or row.removed_ms is not None else _operator(row)


def list_operators(connection: Connection) -> Sequence[AnyRow]:
    """Everybody, by name: `id`, `name`, `role`, `created_ms`, `removed_ms`, and how many `passkeys` and `codes`."""
    return connection.execute(_ALL).all()


def nobody_came_in(connection: Connection) -> bool:
    """Whether no person has ever shown who they are: the first one is then let in by a link."""
    known = select(passkeys.c.id).union_all(select(recovery_codes.c.id)).limit(1)
    return connection.execute(known).first() is None


def change_role(connection: Connection, name: str, role: Role) -> Operator:
    """Give a person another role, at once. Raises OperatorRefused; the last admin stays one."""
    operator = _changeable(connection, name, role)
    connection.execute(_SET_ROLE, {"operator": operator.operator_id, "new_role": role.value})
    return Operator(operator_id=operator.operator_id, name=name, role=role)


def remove_operator(connection: Connection, name: str, now_ms: int) -> Operator:
    """Let a person in no more. Raises OperatorRefused; the last admin stays."""
    operator = _changeable(connection, name, None)
    connection.execute(_REMOVE, {"operator": operator.operator_id, "removed": now_ms})
    return operator


def _changeable(connection: Connection, name: str, role: Role | None) -> Operator:
    lock_names(connection, [_LOCK])
    operator = operator_by_name(connection, name)
    if operator is None:
        raise OperatorRefused(f"there is no operator {name}")
    admins = connection.execute(_ADMINS).scalar_one()
    if operator.role is Role.ADMIN and role is not Role.ADMIN and admins == 1:
        raise OperatorRefused(f"{name} is the only admin; make somebody else one first")
    return operator


def _operator(row: AnyRow) -> Operator:
    return Operator(operator_id=row.id, name=row.name, role=Role(row.role))


_LOCK: Final = "operators"
_THERE: Final = operators.c.removed_ms.is_(None)
_ADD: Final = insert(operators).returning(operators.c.id)
_BY_NAME: Final = select(operators).where(operators.c.name == bindparam("named"))
_BY_ID: Final = select(operators).where(operators.c.id == bindparam("operator"), _THERE)
_ADMINS: Final = (
    select(func.count()).select_from(operators).where(operators.c.role == Role.ADMIN.value, _THERE)
)
_SET_ROLE: Final = (
    update(operators)
    .where(operators.c.id == bindparam("operator"))
    .values(role=bindparam("new_role"))
)
_REMOVE: Final = (
    update(operators)
    .where(operators.c.id == bindparam("operator"))
    .values(removed_ms=bindparam("removed"))
)
_INVITED: Final = (
    select(operators)
    .join(invitations, invitations.c.operator_id == operators.c.id)
    .where(
        invitations.c.digest == bindparam("hashed"),
        invitations.c.used_ms.is_(None),
        invitations.c.expires_ms > bindparam("now"),
        _THERE,
    )
)
_USE: Final = (
    update(invitations)
    .where(invitations.c.digest == bindparam("hashed"), invitations.c.used_ms.is_(None))
    .values(used_ms=bindparam("used"))
)
_EXPIRE: Final = (
    update(invitations)
    .where(invitations.c.operator_id == bindparam("of_operator"), invitations.c.used_ms.is_(None))
    .values(used_ms=bindparam("used"))
)
_ALL: Final = select(
    operators,
    select(func.count())
    .where(passkeys.c.operator_id == operators.c.id, passkeys.c.removed_ms.is_(None))
    .scalar_subquery()
    .label("passkeys"),
    select(func.count())
    .where(recovery_codes.c.operator_id == operators.c.id, recovery_codes.c.used_ms.is_(None))
    .scalar_subquery()
    .label("codes"),
).order_by(operators.c.name)
