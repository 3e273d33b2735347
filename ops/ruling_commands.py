"""`redress cases approve` and `deny`: a person's ruling, and above a threshold the first of two words."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from ledger.approvals import Approval
from ops.case_acts import approve, deny
from ops.operator_audit import shell_actor
from ops.operator_context import OperatorContext
from ops.reasons import REASON_OPTION, require_reason
from ops.terminal import json_option, print_json, say
from policy.rulings import RulingRefused
from workers.case_rulings import Ruled

CASE_ARGUMENT = click.argument("case_id", type=int)


@click.command(
    "approve", epilog="Example: redress cases approve 7 --amount 12.50 --reason 'goodwill'"
)
@CASE_ARGUMENT
@click.option("--amount", required=True, help="How much goes back: 12.50, or all that is left.")
@click.option(
    "--keep-credits", is_flag=True, help="Leave the customer what is left of the credits."
)
@click.option("--keep-subscription", is_flag=True, help="Let the subscription run on.")
@REASON_OPTION
@json_option
@click.pass_obj
def approve_command(
    operator: OperatorContext,
    case_id: int,
    *,
    amount: str,
    keep_credits: bool,
    keep_subscription: bool,
    reason: str | None,
    as_json: bool,
) -> None:
    """Refund a part of a payment, or all that is left of it (`--amount all`).

    It leaves through the same brakes as every refund, after a last look at Stripe. From REDRESS_SECOND_PERSON on
    nothing leaves before a second person has approved the same.
    """
    given = require_reason(reason)
    with operator.wiring() as wiring, refusals_told():
        ruled = approve(
            wiring,
            case_id,
            shell_actor(),
            given,
            amount=amount,
            keeps_credits=keep_credits,
            keeps_subscription=keep_subscription,
        )
    if isinstance(ruled, Approval):
        _tell_waiting(ruled, as_json=as_json)
    else:
        _tell(case_id, ruled, as_json=as_json)


@click.command("deny", epilog="Example: redress cases deny 7 --reason 'all credits were used'")
@CASE_ARGUMENT
@REASON_OPTION
@json_option
@click.pass_obj
def deny_command(
    operator: OperatorContext, case_id: int, *, reason: str | None, as_json: bool
) -> None:
    """Refund nothing; the customer is told why, in the words of --reason, and how to appeal."""
    given = require_reason(reason)
    with operator.wiring() as wiring, refusals_told():
        ruled = deny(wiring, case_id, shell_actor(), given)
    _tell(case_id, ruled, as_json=as_json)


@contextmanager
def refusals_told() -> Iterator[None]:
    """Turn a ruling that cannot be into a sentence."""
    try:
        yield
    except RulingRefused as refused:
        raise click.ClickException(f"{refused}.") from None


def _tell_waiting(approval: Approval, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {"case_id": approval.case_id, "waits_for_second_person": approval_document(approval)}
        )
        return
    say(
        f"Case {approval.case_id}: {approval.amount} is approved by {approval.actor}, and nothing goes back yet.",
        "From REDRESS_SECOND_PERSON on a second person has to approve the same:"
        f" `redress cases approve {approval.case_id} --amount … --reason …`.",
    )


def approval_document(approval: Approval) -> dict[str, Any]:
    """An approval that waits, for machines."""
    return {
        "amount_minor": approval.amount.amount_minor,
        "currency": approval.amount.currency,
        "approved_by": approval.actor,
        "reason": approval.reason,
        "made_ms": approval.made_ms,
        "keeps_credits": approval.keeps_credits,
        "keeps_subscription": approval.keeps_subscription,
    }


def _tell(case_id: int, ruled: Ruled, *, as_json: bool) -> None:
    decision, observed = ruled.decision, not ruled.followed.intents
    if as_json:
        print_json(
            {
                "case_id": case_id,
                "decision_id": ruled.followed.decision_id,
                "verdict": decision.verdict.value,
                "amount_minor": None if decision.amount is None else decision.amount.amount_minor,
                "currency": None if decision.amount is None else decision.amount.currency,
                "intents": sorted(ruled.followed.intents),
            }
        )
    elif decision.amount is None:
        say(f"Case {case_id} is closed: nothing goes back.")
    elif observed:
        say(f"Case {case_id}: {decision.amount} would go back; in observe mode nothing is sent.")
    else:
        say(
            f"Case {case_id}: {decision.amount} goes back.",
            f"`redress cases show {case_id}` tells when Stripe has confirmed it.",
        )
