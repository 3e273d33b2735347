"""`redress operators`: who may use the dashboard. Whoever may run this may let anybody in."""

from typing import Any

import click

from ledger.operator_sessions import end_sessions_of
from ledger.operator_tables import Role
from ledger.operators import (
    OperatorRefused,
    change_role,
    invite_operator,
    list_operators,
    remove_operator,
)
from ledger.rows import AnyRow
from ops.moments import moment_text, short_moment
from ops.operator_audit import audit_act
from ops.operator_context import OperatorContext
from ops.operator_names import NAME, NAME_RULE
from ops.reasons import REASON_OPTION, require_reason
from ops.terminal import json_option, json_outcome, print_json, print_table, say
from runtime.operator_limits import INVITATION_MS

_ROLES = click.Choice([role.value for role in Role])
_NAME = click.argument("name")


@click.group(epilog="Example: redress operators invite ada --role approver")
def operators() -> None:
    """Say who may use the dashboard, and what they may do there."""


@operators.command("list", epilog="Example: redress operators list --json")
@json_option
@click.pass_obj
def list_command(operator: OperatorContext, *, as_json: bool) -> None:
    """List everybody, with how many passkeys and recovery codes they have."""
    with _first(operator).wiring() as wiring, wiring.store.read() as connection:
        found = list_operators(connection)
    if as_json:
        print_json({"operators": [_document(one) for one in found]})
    elif found:
        now_ms = operator.clock.now_ms()
        print_table(
            ("name", "role", "since", "passkeys", "codes"),
            [
                (
                    one.name,
                    "removed" if one.removed_ms else one.role,
                    short_moment(one.created_ms, now_ms),
                    str(one.passkeys),
                    str(one.codes),
                )
                for one in found
            ],
            right=("passkeys", "codes"),
        )
    else:
        say("Nobody may use the dashboard yet: `redress operators invite NAME --role admin`.")


@operators.command("invite", epilog="Example: redress operators invite ada --role approver")
@_NAME
@click.option("--role", required=True, type=_ROLES, help="What they may do.")
@json_option
@click.pass_obj
def invite_command(operator: OperatorContext, name: str, role: str, *, as_json: bool) -> None:
    """Print a one-time link for somebody new, or for who has lost every passkey. It is not shown again."""
    if not NAME.fullmatch(name):
        raise click.UsageError(NAME_RULE)
    now_ms = operator.clock.now_ms()
    first = _first(operator)
    with first.wiring() as wiring, wiring.store.write() as connection:
        try:
            secret = invite_operator(connection, name, Role(role), now_ms)
        except OperatorRefused as refused:
            raise click.ClickException(f"{refused}.") from None
        audit_act(connection, "operator.invited", f"operator:{name}", now_ms=now_ms, detail=role)
    link = f"{first.settings().redress_dashboard_url}/welcome/{secret}"
    if as_json:
        print_json({"name": name, "role": role, "link": link, "expires_ms": now_ms + INVITATION_MS})
        return
    say(f"Give this link to {name}. It works once, until {moment_text(now_ms + INVITATION_MS)}:")
    click.echo(link)


@operators.command("role", epilog="Example: redress operators role ada admin --reason 'on call'")
@_NAME
@click.argument("role", type=_ROLES)
@REASON_OPTION
@json_outcome
@click.pass_obj
def role_command(operator: OperatorContext, name: str, role: str, *, reason: str | None) -> None:
    """Give somebody another role; it holds from their next click on."""
    given, now_ms = require_reason(reason), operator.clock.now_ms()
    with _first(operator).wiring() as wiring, wiring.store.write() as connection:
        try:
            change_role(connection, name, Role(role))
        except OperatorRefused as refused:
            raise click.ClickException(f"{refused}.") from None
        audit_act(
            connection,
            "operator.role_changed",
            f"operator:{name}",
            now_ms=now_ms,
            detail=f"{role}: {given}",
        )
    say(f"{name} is {role} from now on.")


@operators.command("remove", epilog="Example: redress operators remove ada --reason 'has left'")
@_NAME
@REASON_OPTION
@json_outcome
@click.pass_obj
def remove_command(operator: OperatorContext, name: str, *, reason: str | None) -> None:
    """Let somebody in no more, and end their sessions. The audit log keeps what they did."""
    given, now_ms = require_reason(reason), operator.clock.now_ms()
    with _first(operator).wiring() as wiring, wiring.store.write() as connection:
        try:
            gone = remove_operator(connection, name, now_ms)
        except OperatorRefused as refused:
            raise click.ClickException(f"{refused}.") from None
        end_sessions_of(connection, gone.operator_id, now_ms)
        audit_act(connection, "operator.removed", f"operator:{name}", now_ms=now_ms, detail=given)
    say(f"{name} is not let in any more.")


def _first(operator: OperatorContext) -> OperatorContext:
    """People belong to the installation, and are kept in the first merchant's ledger."""
    return operator.about("")


def _document(one: AnyRow) -> dict[str, Any]:
    return {
        "name": one.name,
        "role": one.role,
        "created_ms": one.created_ms,
        "removed_ms": one.removed_ms,
        "passkeys": one.passkeys,
        "recovery_codes": one.codes,
    }
