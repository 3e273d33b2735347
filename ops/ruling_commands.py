"""`redress cases approve` and `deny`: a person's ruling, and above a threshold the first of two words."""

from collections.abc import Callable
from typing import Any, TypeVar

import click
from sqlalchemy import Connection

from ledger.approvals import Approval, drop_approval
from ledger.cases import case_by_id
from ledger.payment_facts import payments_by_charge
from ops.operator_audit import audit_act
from ops.operator_context import OperatorContext, current_actor
from ops.reasons import REASON_OPTION, require_reason
from ops.terminal import json_option, print_json, say
from ops.typed_amount import read_amount_minor
from policy.money import Money
from policy.rulings import RulingRefused
from workers.case_following import Desk
from workers.case_rulings import Ruled, rule_on_case
from workers.context import ring_for
from workers.second_person import Wish, approve_case
from workers.terms_book import TermsBook

CASE_ARGUMENT = click.argument("case_id", type=int)

#: What came of what a person said: a ruling, or a word that waits for a second one.
Outcome = TypeVar("Outcome", bound=Ruled | Approval)


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

    def rule(desk: Desk) -> Ruled | Approval:
        wish = Wish(
            amount=_amount(desk.connection, case_id, amount),
            keeps_credits=keep_credits,
            keeps_subscription=keep_subscription,
            actor=current_actor(),
            reason=given,
        )
        return approve_case(desk, TermsBook.by(desk.settings), case_id, wish)

    ruled = _rule(operator, case_id, "cases.approve", given, rule)
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

    def rule(desk: Desk) -> Ruled:
        ruled = rule_on_case(
            desk, TermsBook.by(desk.settings), case_id, amount_minor=None, explanation=given
        )
        drop_approval(desk.connection, case_id, desk.now_ms)
        return ruled

    _tell(case_id, _rule(operator, case_id, "cases.deny", given, rule), as_json=as_json)


def desk_of(operator: OperatorContext, connection: Connection) -> Desk:
    """Where a person rules: in this transaction, now."""
    return Desk(connection=connection, settings=operator.settings(), now_ms=operator.clock.now_ms())


def _rule(
    operator: OperatorContext,
    case_id: int,
    action: str,
    reason: str,
    rule: Callable[[Desk], Outcome],
) -> Outcome:
    with operator.wiring() as wiring:
        with wiring.store.write() as connection:
            desk = desk_of(operator, connection)
            try:
                ruled = rule(desk)
            except RulingRefused as refused:
                raise click.ClickException(f"{refused}.") from None
            waits = isinstance(ruled, Approval)
            audit_act(
                connection,
                action,
                f"case:{case_id}",
                now_ms=desk.now_ms,
                detail=reason,
                result="waits for a second person" if waits else "done",
            )
        if isinstance(ruled, Ruled):
            followed = ruled.followed
            ring_for(wiring.wakeups, followed.intents, (), notices=followed.notices)
    return ruled


def _amount(connection: Connection, case_id: int, amount: str) -> Money:
    case = case_by_id(connection, case_id)
    known = {} if case is None else payments_by_charge(connection, [case.charge_id])
    if case is None or case.charge_id not in known:
        raise RulingRefused(f"there is no case {case_id}, or no charge of it")
    payment = known[case.charge_id]
    return Money(amount_minor=read_amount_minor(amount, payment), currency=payment.currency)


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
