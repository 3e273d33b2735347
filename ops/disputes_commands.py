"""`redress disputes`: what a bank waits for, the evidence pack of each, and handing it in on a person's word."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection

from ledger.cases import DISPUTE_PREFIX, list_cases
from ledger.dispute_rows import Dispute, list_disputes
from ledger.dispute_submissions import Submission, submissions_of
from ops.dispute_submit_command import submit_command
from ops.evidence_account import (
    DISPUTE_ARGUMENT,
    PRODUCT_OPTION,
    SUBMISSION_WORDS,
    answer_document,
    pack_of,
    print_pack,
    time_left,
)
from ops.evidence_document import pack_document
from ops.evidence_page import render_evidence
from ops.moments import moment_text
from ops.operator_audit import audit_act
from ops.operator_context import OperatorContext
from ops.terminal import json_option, print_json, print_table, say
from policy.money import Money
from runtime.limits import SWEEP_ROWS_MAX
from workers.dispute_answering import ANSWERABLE
from workers.terms_book import TermsBook


@click.group(epilog="Example: redress disputes list")
def disputes() -> None:
    """Follow disputes: deadlines, evidence, and answers to the bank."""


@disputes.command("list", epilog="Example: redress disputes list --all")
@click.option("--all", "everyone", is_flag=True, help="Those that nobody has to answer as well.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, SWEEP_ROWS_MAX))
@json_option
@click.pass_obj
def list_command(operator: OperatorContext, limit: int, *, everyone: bool, as_json: bool) -> None:
    """List the disputes that wait for an answer, the soonest deadline first."""
    statuses = () if everyone else sorted(ANSWERABLE)
    with operator.wiring() as wiring, wiring.store.read() as connection:
        found = list_disputes(connection, statuses, limit)
        answers = submissions_of(connection, [one.dispute_id for one in found])
        case_ids = _case_ids(connection, found)
    now_ms = operator.clock.now_ms()
    if as_json:
        documents = [_document(one, answers, case_ids.get(one.dispute_id), now_ms) for one in found]
        print_json({"disputes": documents})
        return
    if not found:
        say("No dispute waits for an answer. `redress disputes list --all` shows every one.")
        return
    print_table(
        ("dispute", "amount", "time left", "state", "reason"),
        [
            (
                one.dispute_id,
                str(Money(amount_minor=one.amount_minor, currency=one.currency)),
                time_left(one, now_ms),
                _state(one, answers),
                (one.reason or "-").replace("_", " "),
            )
            for one in found
        ],
        right=("amount",),
        wrap_last=True,
    )
    say("", f"`redress disputes evidence {found[0].dispute_id}` gathers what a bank may want.")


@disputes.command("evidence", epilog="Example: redress disputes evidence du_1 --html evidence.html")
@DISPUTE_ARGUMENT
@PRODUCT_OPTION
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write a page to read or to print. It holds personal data.",
)
@json_option
@click.pass_obj
def evidence_command(
    operator: OperatorContext,
    dispute_id: str,
    *,
    described: str | None,
    page: Path | None,
    as_json: bool,
) -> None:
    """Gather the evidence about one dispute; nothing is sent.

    With `--json` or `--html` it holds the customer's personal data, and that it was shown is audited.
    """
    with operator.wiring() as wiring:
        with wiring.store.read() as connection:
            pack = pack_of(connection, TermsBook.by(operator.settings()), dispute_id, described)
            answers = submissions_of(connection, [dispute_id])
        if page is not None or as_json:
            with wiring.store.write() as connection:
                now_ms = operator.clock.now_ms()
                audit_act(connection, "disputes.evidence", dispute_id, now_ms=now_ms)
    if page is not None:
        page.touch(mode=0o600)
        page.write_text(render_evidence(pack), encoding="utf-8")
    if as_json:
        print_json(pack_document(pack) | {"answers": [answer_document(one) for one in answers]})
        return
    print_pack(pack, operator.clock.now_ms())
    for one in answers:
        _print_answer(one)
    if page is not None:
        say("", f"The page is {page.name}; it holds personal data of the customer.")
    if pack.dispute.status in ANSWERABLE:
        say("", f"`redress disputes submit {dispute_id} --reason …` hands it to the bank.")


def _print_answer(one: Submission) -> None:
    note = f" ({one.note})" if one.note else ""
    say(
        f"Answer to {one.answers.replace('_', ' ')}: {SUBMISSION_WORDS[one.state]}{note}, by {one.author},"
        f" {moment_text(one.changed_ms)}."
    )


def _state(dispute: Dispute, answers: Sequence[Submission]) -> str:
    """Stripe's own word, or how far our answer to it is while Stripe waits for one."""
    own = [
        one
        for one in answers
        if (one.dispute_id, one.answers) == (dispute.dispute_id, dispute.status)
    ]
    if own:
        return SUBMISSION_WORDS[own[-1].state]
    return dispute.status.replace("_", " ")


def _case_ids(connection: Connection, found: Sequence[Dispute]) -> dict[str, int]:
    kinds = [f"{DISPUTE_PREFIX}{one.dispute_id}" for one in found]
    opened = list_cases(connection, (), kinds, len(kinds)) if kinds else []
    return {one.kind.removeprefix(DISPUTE_PREFIX): one.case_id for one in opened}


def _document(
    one: Dispute, answers: Sequence[Submission], case_id: int | None, now_ms: int
) -> dict[str, Any]:
    return {
        "dispute_id": one.dispute_id,
        "charge_id": one.charge_id,
        "status": one.status,
        "reason": one.reason,
        "amount_minor": one.amount_minor,
        "currency": one.currency,
        "due_by": one.due_by,
        "overdue": one.due_by is not None and one.due_by * 1_000 <= now_ms,
        "case_id": case_id,
        "answers": [answer_document(each) for each in answers if each.dispute_id == one.dispute_id],
    }


disputes.add_command(submit_command)
