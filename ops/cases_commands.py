"""`redress cases`: the review queue, and what people rule in it."""

from collections.abc import Sequence
from typing import Any

import click

from ledger.approvals import waiting_approval
from ledger.cases import Case, list_cases
from ledger.credit_claims import list_claims
from ledger.late_usage import late_credits
from ledger.refund_queries import case_story
from ledger.refund_requests import requests_of_case
from ledger.states import CaseState, ClaimState
from ops.case_acts import appeal
from ops.clearing_command import clear_command
from ops.moments import duration_text
from ops.operator_audit import shell_actor
from ops.operator_context import OperatorContext
from ops.reasons import REASON_OPTION, require_reason
from ops.refund_story import print_story, story_document
from ops.ruling_commands import (
    CASE_ARGUMENT,
    approval_document,
    approve_command,
    deny_command,
    refusals_told,
)
from ops.stated_facts import STATED_OPTION, read_stated
from ops.terminal import counted, json_option, json_outcome, print_json, print_table, say
from runtime.limits import SWEEP_ROWS_MAX
from workers.terms_book import TermsBook


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
@CASE_ARGUMENT
@json_option
@click.pass_obj
def show_command(operator: OperatorContext, case_id: int, *, as_json: bool) -> None:
    """Tell everything about one case: who asked, what was decided and why, what was done."""
    with operator.wiring() as wiring, wiring.store.read() as connection:
        story = case_story(connection, case_id)
        requests = requests_of_case(connection, case_id)
        late = late_credits(connection, case_id)
        waiting = waiting_approval(connection, case_id)
    if story is None:
        raise click.ClickException(f"There is no case {case_id}; see `redress cases list`.")
    if as_json:
        more = {
            "due_ms": story.case.due_ms,
            "appeals": story.case.appeals,
            "request_ids": [request.request_id for request in requests],
            "late_credits": late,
            "waits_for_second_person": None if waiting is None else approval_document(waiting),
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
    if waiting is not None:
        say(
            f"{waiting.actor} approved {waiting.amount} ({waiting.reason}); a second person has to approve the same."
        )
    for request in requests:
        say(f"Asked for by request {request.request_id}: {', '.join(request.reasons)}.")
    if story.case.state == CaseState.REVIEW.value:
        say(f"`redress cases approve {case_id} --amount … --reason …` pays, `deny` does not.")


@cases.command(
    "appeal",
    epilog="Example: redress cases appeal 7 --fact longest_failure_seconds=90000 --reason 'sent logs'",
)
@CASE_ARGUMENT
@STATED_OPTION
@REASON_OPTION
@json_outcome
@click.pass_obj
def appeal_command(
    operator: OperatorContext, case_id: int, *, facts: Sequence[str], reason: str | None
) -> None:
    """Have a case judged again with what the customer brought; if the rules still say no, a person decides."""
    given, stated = require_reason(reason), read_stated(facts)
    with operator.wiring() as wiring, refusals_told():
        request_id = appeal(wiring, case_id, shell_actor(), given, stated)
    if request_id is None:
        say(f"Case {case_id} was appealed before, so a person decides: it is in the review queue.")
    else:
        say(f"Case {case_id} is judged again; `redress cases show {case_id}` tells how it ends.")


cases.add_command(approve_command)
cases.add_command(deny_command)
cases.add_command(clear_command)


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
