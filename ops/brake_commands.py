"""`redress brake`: one switch stops every refund of every process; what waits is kept."""

from collections.abc import Mapping
from typing import Any

import click

from ledger.brake import Brake, read_brake
from ledger.work_counts import count_effects
from ops.brake_switch import release_money, stop_money
from ops.moments import moment_text
from ops.operator_audit import shell_actor
from ops.operator_context import OperatorContext
from ops.reasons import REASON_OPTION, require_reason
from ops.terminal import counted, json_option, json_outcome, print_json, say


@click.group(epilog="Example: redress brake on --reason 'looking into a wrong refund'")
def brake() -> None:
    """Stop all money at once, and release it."""


@brake.command("on", epilog="Example: redress brake on --reason 'looking into a wrong refund'")
@REASON_OPTION
@json_outcome
@click.pass_obj
def on(operator: OperatorContext, reason: str | None) -> None:
    """Stop all money: from now on no refund leaves; none is lost.

    A call that is on its way to Stripe at this moment still ends.
    """
    given = require_reason(reason)
    with operator.wiring() as wiring:
        under_way = stop_money(wiring, shell_actor(), given)
    say("The brake is on: no refund leaves, and none is lost.")
    if under_way:
        say(f"{counted(under_way, 'refund')} had been handed to Stripe before; see `refunds list`.")
    say("`redress brake off --reason TEXT` releases it.")


@brake.command("off", epilog="Example: redress brake off --reason 'the cause is mended'")
@REASON_OPTION
@json_outcome
@click.pass_obj
def off(operator: OperatorContext, reason: str | None) -> None:
    """Release the brake: what it kept back is sent now, if nothing else keeps it back."""
    given = require_reason(reason)
    with operator.wiring() as wiring:
        released = release_money(wiring, shell_actor(), given)
    if released is None:
        say("The brake was not on; nothing was changed.")
        return
    say("The brake is off.", f"{counted(released.refunds, 'refund')} that waited can leave now.")
    say(*([] if released.rang else ["Redis is away; the sweeper finds them once it is back."]))


@brake.command("status", epilog="Example: redress brake status --json")
@json_option
@click.pass_obj
def status(operator: OperatorContext, *, as_json: bool) -> None:
    """Say whether money is stopped, by whom and why, and what is kept back."""
    with operator.wiring() as wiring, wiring.store.read() as connection:
        standing = read_brake(connection)
        held = count_effects(connection, wiring.clock.now_ms()).held
    if as_json:
        print_json(_document(standing, held))
        return
    mode = operator.settings().redress_mode
    say(f"The brake is {'ON: no refund leaves' if standing.stopped else 'off'}; mode {mode}.")
    if standing.changed_ms:
        verb = "Stopped" if standing.stopped else "Released"
        when = moment_text(standing.changed_ms)
        say(f"{verb} by {standing.actor} at {when}: {standing.reason}")
    for reason, count in held.items():
        say(f"Kept back, {count}: {reason}")


def _document(standing: Brake, held: Mapping[str, int]) -> dict[str, Any]:
    return {
        "stopped": standing.stopped,
        "reason": standing.reason,
        "actor": standing.actor,
        "changed_ms": standing.changed_ms,
        "held": dict(held),
    }
