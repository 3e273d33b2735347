"""`redress cases`: the review queue, and what people rule in it."""

from collections.abc import Callable, Sequence
from typing import Any

import click
from sqlalchemy import Connection

from ledger.cases import Case, case_by_id, list_cases
from ledger.credit_claims import list_claims
from ledger.late_usage import late_credits
from ledger.payment_facts import payments_by_charge
from ledger.refund_queries import case_story
from ledger.refund_requests import requests_of_case
from ledger.states import CaseState, ClaimState
from ops.clearing_command import clear_command
from ops.moments import duration_text
from ops.operator_audit import audit_act
from ops.operator_context import OperatorContext
from ops.reasons import REASON_OPTION, require_reason
from ops.refund_story import print_story, story_document
from ops.stated_facts import STATED_OPTION, read_stated
from ops.terminal import counted, json_option, json_outcome, print_json, print_table, say
from ops.typed_amount import read_amount_minor
from policy.rulings import RulingRefused
from runtime.limits import SWEEP_ROWS_MAX
from runtime.queues import JUDGE_REQUEST_JOB
from workers.case_following import Desk
from workers.case_rulings import Ruled, appeal_case, rule_on_case
from workers.context import ring_for
from workers.terms_book import TermsBook

_CASE = click.argument("case_id", type=int)


@click.group(epilog="Example: redress cases list")
def cases() -> None:
    """Work the review queue: approve, deny, hear appeals."""


@cases.command("list", epilog="Example: redress cases list --state review")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in CaseState]),
    help="Where the cases stand; by default those that wait for a person.",
)
@click.option("--kind", "kinds", multiple=True, help="What they are about: refund_request.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, SWEEP_ROWS_MAX))
@json_option
@click.pass_obj
def list_command(
    operator: OperatorContext,
    states: Sequence[str],
    kinds: Sequence[str],
    limit: int,
    *,
    as_json: bool,
) -> None:
    """List cases, those that are due first on top."""
    wanted = [CaseState(state) for state in states] or [CaseState.REVIEW]
    with operator.wiring() as wiring, wiring.store.read() as connection:
        found = list_cases(connection, wanted, kinds, limit)
        claims = list_claims(connection, [ClaimState.REVIEW], None, limit)
    now_ms = operator.clock.now_ms()
    if as_json:
        print_json({"cases": [_document(case, now_ms) for case in found]})
    elif found:
        _print_list(found, now_ms)
        say("", f"`redress cases show {found[0].case_id}` tells everything about one.")
    else:
        say("No case stands so. `redress cases list --state refunded` shows what was paid.")
    if claims and not as_json:
        say(
            f"{counted(len(claims), 'claim')} of credits to be judged as well:"
            " `redress credits claims list --state review`."
        )


@cases.command("show", epilog="Example: redress cases show 7")
@_CASE
@json_option
@click.pass_obj
def show_command(operator: OperatorContext, case_id: int, *, as_json: bool) -> None:
    """Tell everything about one case: who asked, what was decided and why, what was done."""
    with operator.wiring() as wiring, wiring.store.read() as connection:
        story = case_story(connection, case_id)
        requests = requests_of_case(connection, case_id)
        late = late_credits(connection, case_id)
    if story is None:
        raise click.ClickException(f"There is no case {case_id}; see `redress cases list`.")
    if as_json:
        more = {
            "due_ms": story.case.due_ms,
            "appeals": story.case.appeals,
            "request_ids": [request.request_id for request in requests],
            "late_credits": late,
        }
        print_json(story_document(story) | more)
        return
    print_story(
        story, TermsBook.by(operator.settings()).newest.clause_titles, operator.clock.now_ms()
    )
    if late:
        say(
            f"{counted(late, 'credit')} that were used before a decision were told after it."
            " Nothing was changed: look whether it would have come out otherwise."
        )
    for request in requests:
        say(f"Asked for by request {request.request_id}: {', '.join(request.reasons)}.")
    if story.case.state == CaseState.REVIEW.value:
        say(f"`redress cases approve {case_id} --amount … --reason …` pays, `deny` does not.")


@cases.command(
    "approve", epilog="Example: redress cases approve 7 --amount 12.50 --reason 'goodwill'"
)
@_CASE
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

    It leaves through the same brakes as every refund, after a last look at Stripe.
    """
    given = require_reason(reason)

    def rule(desk: Desk) -> Ruled:
        return rule_on_case(
            desk,
            TermsBook.by(desk.settings),
            case_id,
            amount_minor=_amount_minor(desk.connection, case_id, amount),
            keeps_credits=keep_credits,
            keeps_subscription=keep_subscription,
        )

    ruled = _rule(operator, case_id, "cases.approve", given, rule)
    _tell(case_id, ruled, as_json=as_json)


@cases.command("deny", epilog="Example: redress cases deny 7 --reason 'all credits were used'")
@_CASE
@REASON_OPTION
@json_option
@click.pass_obj
def deny_command(
    operator: OperatorContext, case_id: int, *, reason: str | None, as_json: bool
) -> None:
    """Refund nothing; the customer is told why, in the words of --reason, and how to appeal."""
    given = require_reason(reason)
    ruled = _rule(
        operator,
        case_id,
        "cases.deny",
        given,
        lambda desk: rule_on_case(
            desk, TermsBook.by(desk.settings), case_id, amount_minor=None, explanation=given
        ),
    )
    _tell(case_id, ruled, as_json=as_json)


@cases.command(
    "appeal",
    epilog="Example: redress cases appeal 7 --fact longest_failure_seconds=90000 --reason 'sent logs'",
)
@_CASE
@STATED_OPTION
@REASON_OPTION
@json_outcome
@click.pass_obj
def appeal_command(
    operator: OperatorContext, case_id: int, *, facts: Sequence[str], reason: str | None
) -> None:
    """Have a case judged again with what the customer brought; if the rules still say no, a person decides."""
    given, stated = require_reason(reason), read_stated(facts)
    with operator.wiring() as wiring:
        with wiring.store.write() as connection:
            desk = _desk(operator, connection)
            try:
                request_id = appeal_case(desk, case_id, stated)
            except RulingRefused as refused:
                raise click.ClickException(f"{refused}.") from None
            audit_act(
                connection, "cases.appeal", f"case:{case_id}", now_ms=desk.now_ms, detail=given
            )
        if request_id is not None:
            wiring.wakeups.wake_effect(JUDGE_REQUEST_JOB, request_id)
    if request_id is None:
        say(f"Case {case_id} was appealed before, so a person decides: it is in the review queue.")
    else:
        say(f"Case {case_id} is judged again; `redress cases show {case_id}` tells how it ends.")


cases.add_command(clear_command)


def _rule(
    operator: OperatorContext,
    case_id: int,
    action: str,
    reason: str,
    rule: Callable[[Desk], Ruled],
) -> Ruled:
    with operator.wiring() as wiring:
        with wiring.store.write() as connection:
            desk = _desk(operator, connection)
            try:
                ruled = rule(desk)
            except RulingRefused as refused:
                raise click.ClickException(f"{refused}.") from None
            audit_act(connection, action, f"case:{case_id}", now_ms=desk.now_ms, detail=reason)
        followed = ruled.followed
        ring_for(wiring.wakeups, followed.intents, (), notices=followed.notices)
    return ruled


def _desk(operator: OperatorContext, connection: Connection) -> Desk:
    return Desk(connection=connection, settings=operator.settings(), now_ms=operator.clock.now_ms())


def _amount_minor(connection: Connection, case_id: int, amount: str) -> int:
    case = case_by_id(connection, case_id)
    known = {} if case is None else payments_by_charge(connection, [case.charge_id])
    if case is None or case.charge_id not in known:
        raise RulingRefused(f"there is no case {case_id}, or no charge of it")
    return read_amount_minor(amount, known[case.charge_id])


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


def _document(case: Case, now_ms: int) -> dict[str, Any]:
    return {
        "case_id": case.case_id,
        "kind": case.kind,
        "charge_id": case.charge_id,
        "customer_id": case.customer_id,
        "state": case.state.value,
        "note": case.note,
        "appeals": case.appeals,
        "due_ms": case.due_ms,
        "overdue": case.due_ms is not None and case.due_ms < now_ms,
    }


def _print_list(found: Sequence[Case], now_ms: int) -> None:
    print_table(
        ("due", "id", "kind", "charge", "state", "note"),
        [
            (
                _due(case, now_ms),
                str(case.case_id),
                # Without the id of what it is about: `show` and `--json` have it.
                case.kind.partition(":")[0].replace("_", " "),
                case.charge_id,
                case.state.value,
                case.note or "",
            )
            for case in found
        ],
        right=("id",),
        whole=("due", "state"),
    )


def _due(case: Case, now_ms: int) -> str:
    if case.due_ms is None or case.state is not CaseState.REVIEW:
        return ""
    if case.due_ms < now_ms:
        return f"{duration_text(now_ms - case.due_ms)} late"
    return f"in {duration_text(case.due_ms - now_ms)}"
