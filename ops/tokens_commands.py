"""`redress tokens`: who may call the product API."""

import click

from ledger.api_tokens import TokenNameTaken, create_token, list_tokens, revoke_token
from ops.moments import moment_text
from ops.operator_audit import audit_act
from ops.operator_context import OperatorContext
from ops.reasons import REASON_OPTION, require_reason
from ops.terminal import json_option, json_outcome, print_json, print_table, say, show_secret

_NAME_CHARS_MAX = 60


@click.group(epilog="Example: redress tokens create product --reason 'the web shop'")
def tokens() -> None:
    """Create and revoke the tokens of the product API."""


@tokens.command("create", epilog="Example: redress tokens create product --reason 'the web shop'")
@click.argument("name")
@REASON_OPTION
@json_option
@click.pass_obj
def create_command(
    operator: OperatorContext, name: str, *, reason: str | None, as_json: bool
) -> None:
    """Make a token. It is shown this once."""
    given, named = require_reason(reason), _name(name)
    now_ms = operator.clock.now_ms()
    with operator.wiring() as wiring, wiring.store.write() as connection:
        try:
            token = create_token(connection, named, now_ms)
        except TokenNameTaken as taken:
            raise click.ClickException(f"{taken}.") from None
        audit_act(connection, "tokens.create", f"token:{named}", now_ms=now_ms, detail=given)
    if as_json:
        print_json({"name": named, "token": token})
    else:
        show_secret(token)
        say("It is shown this once; send it in the header `Authorization`, after the word Bearer.")


@tokens.command("list", epilog="Example: redress tokens list --json")
@json_option
@click.pass_obj
def list_command(operator: OperatorContext, *, as_json: bool) -> None:
    """List who has a token, and who had one."""
    with operator.wiring() as wiring, wiring.store.read() as connection:
        found = list_tokens(connection)
    if as_json:
        print_json({"tokens": [row._asdict() for row in found]})
    elif found:
        print_table(
            ("name", "created", "revoked"),
            [(row.name, moment_text(row.created_ms), moment_text(row.revoked_ms)) for row in found],
        )
    else:
        say("Nobody may call the product API yet; `redress tokens create NAME` makes a token.")


@tokens.command("revoke", epilog="Example: redress tokens revoke product --reason 'it leaked'")
@click.argument("name")
@REASON_OPTION
@json_outcome
@click.pass_obj
def revoke_command(operator: OperatorContext, name: str, *, reason: str | None) -> None:
    """Have a token open nothing from now on."""
    given, named = require_reason(reason), _name(name)
    now_ms = operator.clock.now_ms()
    with operator.wiring() as wiring, wiring.store.write() as connection:
        if not revoke_token(connection, named, now_ms):
            raise click.ClickException(f"No token {named} is in use; see `redress tokens list`.")
        audit_act(connection, "tokens.revoke", f"token:{named}", now_ms=now_ms, detail=given)
    say(f"The token {named} opens nothing any more.")


def _name(name: str) -> str:
    named = name.strip()
    if not named or len(named) > _NAME_CHARS_MAX or not named.isprintable():
        raise click.UsageError(f"NAME must be 1 to {_NAME_CHARS_MAX} printable characters.")
    return named
