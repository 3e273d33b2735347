"""`redress outage`: when the product was down, and the money that goes back for it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import click

from ledger.outages import Outage, every_outage
from ops.moments import Moment, duration_text, moment_text
from ops.operator_context import OperatorContext
from ops.outage_run import OutageRun
from ops.reasons import REASON_OPTION, require_reason
from ops.terminal import (
    counted,
    end_progress,
    json_option,
    print_json,
    print_table,
    progress_line,
    say,
)
from policy.decision import Verdict
from policy.money import Money
from workers.outage_refunds import Owed

_EXAMPLE = (
    "Example: redress outage add --from 2026-11-20T08:00Z --to 2026-11-21T14:00Z"
    " --affects all --evidence status.example/42"
)
_TOLD_EVERY = 20
_ROWS_SHOWN_MAX = 50


@click.group(epilog=_EXAMPLE)
def outage() -> None:
    """Write outages down, and refund the share of the price that they took."""


@outage.command("add", epilog=_EXAMPLE)
@click.option("--from", "began_ms", type=Moment(), required=True, help="When it began.")
@click.option("--to", "ended_ms", type=Moment(), required=True, help="When it was over.")
@click.option(
    "--affects",
    multiple=True,
    required=True,
    help="The price or product that was down, or all; may be given several times.",
)
@click.option("--evidence", required=True, help="What documents it: an incident's page or number.")
@click.option(
    "--run", is_flag=True, help="Open the cases; without it the plan is shown, nothing else."
)
@REASON_OPTION
@json_option
@click.pass_obj
def add_command(
    operator: OperatorContext,
    /,
    began_ms: int,
    ended_ms: int,
    *,
    affects: Sequence[str],
    evidence: str,
    run: bool,
    reason: str | None,
    as_json: bool,
) -> None:
    """Show what an outage owes to whom; with --run, write it down and refund it.

    A run that was cut off is run again by the same command: nobody is paid twice.
    """
    given = require_reason(reason) if run else ""
    if ended_ms <= began_ms:
        raise click.UsageError("--to must be later than --from.")
    if ended_ms > operator.clock.now_ms():
        raise click.UsageError("--to lies in the future; write an outage down when it is over.")
    down = Outage(
        outage_id=0,
        began_at=began_ms // 1000,
        ended_at=ended_ms // 1000,
        affects=() if "all" in affects else tuple(sorted(set(affects))),
        evidence=evidence.strip(),
    )
    with operator.wiring() as wiring:
        plan = OutageRun(wiring=wiring, settings=operator.settings(), down=down)
        owed = plan.owed
        refunds = plan.carry_out(given, told=_told) if run else None
        end_progress()
    if as_json:
        print_json(_document(down, owed, refunds))
    else:
        _print_plan(down, owed)
        _print_end(owed, refunds)


@outage.command("list", epilog="Example: redress outage list --json")
@json_option
@click.pass_obj
def list_command(operator: OperatorContext, *, as_json: bool) -> None:
    """List the outages that are written down, oldest first."""
    with operator.wiring() as wiring, wiring.store.read() as connection:
        found = every_outage(connection)
    if as_json:
        print_json({"outages": [_outage_document(one) for one in found]})
    elif found:
        print_table(
            ("id", "from", "lasted", "affected", "evidence"),
            [
                (
                    str(one.outage_id),
                    moment_text(one.began_at * 1000),
                    duration_text((one.ended_at - one.began_at) * 1000),
                    ", ".join(one.affects) or "all",
                    one.evidence,
                )
                for one in found
            ],
            right=("id",),
            whole=("from", "lasted"),
        )
    else:
        say("No outage is written down; `redress outage add` shows what one would cost.")


def _told(place: int, number: int) -> None:
    if place % _TOLD_EVERY == 0:
        progress_line(f"{place} of {number} payments")


def _print_plan(down: Outage, owed: Sequence[Owed]) -> None:
    lasted = duration_text((down.ended_at - down.began_at) * 1000)
    say(f"Down for {lasted} from {moment_text(down.began_at * 1000)}.", "")
    if not owed:
        say("It cut into no period that a subscription had paid for.")
        return
    print_table(
        ("charge", "customer", "paid", "goes back", "verdict"),
        [
            (
                one.payment.charge_id,
                one.payment.customer_id or "",
                str(Money(amount_minor=one.payment.captured_minor, currency=one.payment.currency)),
                "" if one.decision.amount is None else str(one.decision.amount),
                one.decision.verdict.value,
            )
            for one in owed[:_ROWS_SHOWN_MAX]
        ],
        right=("paid", "goes back"),
        whole=("verdict",),
    )
    if len(owed) > _ROWS_SHOWN_MAX:
        say(f"… and {len(owed) - _ROWS_SHOWN_MAX} more; --json lists them all.")


def _print_end(owed: Sequence[Owed], refunds: int | None) -> None:
    if not owed:
        return
    for total in _totals(owed):
        say(f"Goes back altogether: {total}.")
    reviews = sum(one.decision.verdict is Verdict.REVIEW for one in owed)
    if reviews:
        say(f"{counted(reviews, 'payment')} for a person to decide.")
    if refunds is None:
        say("Nothing was written: add --run --reason TEXT to open the cases and refund them.")
    else:
        say(f"{counted(refunds, 'refund')} decided now; `redress refunds list` shows them leave.")


def _totals(owed: Sequence[Owed]) -> list[Money]:
    sums: Counter[str] = Counter()
    for one in owed:
        if one.decision.amount is not None:
            sums[one.decision.amount.currency] += one.decision.amount.amount_minor
    return [
        Money(amount_minor=amount_minor, currency=currency)
        for currency, amount_minor in sorted(sums.items())
    ]


def _outage_document(down: Outage) -> dict[str, Any]:
    return {
        "outage_id": down.outage_id or None,
        "began_at": down.began_at,
        "ended_at": down.ended_at,
        "affects": list(down.affects),
        "evidence": down.evidence,
    }


def _document(down: Outage, owed: Sequence[Owed], refunds: int | None) -> dict[str, Any]:
    return {
        "outage": _outage_document(down),
        "payments": [
            {
                "charge_id": one.payment.charge_id,
                "customer_id": one.payment.customer_id,
                "verdict": one.decision.verdict.value,
                "amount": None if one.decision.amount is None else one.decision.amount.to_fields(),
                "undecided": list(one.decision.undecided),
            }
            for one in owed
        ],
        "totals": [total.to_fields() for total in _totals(owed)],
        "refunds": refunds,
    }
