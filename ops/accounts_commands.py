"""`redress accounts`: how a customer stands, which refund requests are judged by."""

import click

from ledger.accounts import Account, account_of
from ledger.states import Standing, StandingCause
from ops.operator_context import OperatorContext
from ops.reasons import REASON_OPTION, require_reason
from ops.standing_changes import change_standing
from ops.terminal import json_option, json_outcome, print_json, say
from workers.context import ring_for

_CUSTOMER_CHARS_MAX = 200


@click.group(epilog="Example: redress accounts show cus_ada")
def accounts() -> None:
    """Show how customers stand, and change it."""


@accounts.command("show", epilog="Example: redress accounts show cus_ada --json")
@click.argument("customer_id")
@json_option
@click.pass_obj
def show_command(operator: OperatorContext, customer_id: str, *, as_json: bool) -> None:
    """Say whether a customer's access rests or ended, and why."""
    with operator.wiring() as wiring, wiring.store.read() as connection:
        account = account_of(connection, customer_id)
    if as_json:
        print_json(_document(account))
        return
    why = "" if account.cause is None else f", because of {account.cause}"
    say(f"{customer_id} is {account.standing}{why}.")


@accounts.command(
    "set",
    epilog="Example: redress accounts set cus_ada suspended --cause terms --reason 'ticket 7'",
)
@click.argument("customer_id")
@click.argument("standing", type=click.Choice([standing.value for standing in Standing]))
@click.option(
    "--cause",
    type=click.Choice([cause.value for cause in StandingCause]),
    help="Why: terms broken, abuse, an automatic flag that nobody has looked at, or a flag by mistake.",
)
@REASON_OPTION
@json_outcome
@click.pass_obj
def set_command(
    operator: OperatorContext,
    customer_id: str,
    standing: str,
    *,
    cause: str | None,
    reason: str | None,
) -> None:
    """Write how a customer stands. The product is told by webhook, where REDRESS_PRODUCT_WEBHOOK_URL names it."""
    given, named = require_reason(reason), customer_id.strip()
    if not named or len(named) > _CUSTOMER_CHARS_MAX or not named.isprintable():
        raise click.UsageError("CUSTOMER_ID must be one line of printable characters.")
    if standing != Standing.ACTIVE.value and cause is None:
        raise click.UsageError(f"--cause is needed: why is the account {standing}?")
    account = Account(
        customer_id=named,
        standing=Standing(standing),
        cause=None if cause is None else StandingCause(cause),
    )
    now_ms = operator.clock.now_ms()
    with operator.wiring() as wiring:
        with wiring.store.write() as connection:
            told = change_standing(
                connection, wiring.settings, account, reason=given, now_ms=now_ms
            )
        if told is not None:
            ring_for(wiring.wakeups, (), (), notices=[told])
    say(f"{named} is {standing}. Requests that come now are judged by that.")
    if told is not None:
        say("The product is told by webhook; `redress notices list` says when it has it.")


def _document(account: Account) -> dict[str, str | None]:
    return {
        "customer_id": account.customer_id,
        "standing": account.standing.value,
        "cause": None if account.cause is None else account.cause.value,
    }
