"""`redress credits claims`: which credits were asked back, what was decided and why, and what people know of it."""

import json
from collections.abc import Sequence
from typing import Any

import click
from sqlalchemy import Connection

from ledger.credit_claims import (
    Claim,
    claim_by_id,
    list_claims,
    state_facts,
)
from ledger.credit_decisions import credit_decisions_of
from ledger.rows import AnyRow
from ledger.states import ClaimState
from ops.decision_account import decision_document, print_clauses
from ops.moments import moment_text, short_moment
from ops.operator_audit import audit_act
from ops.operator_context import OperatorContext
from ops.reasons import REASON_OPTION, require_reason
from ops.terminal import (
    counted,
    json_option,
    json_outcome,
    print_facts,
    print_json,
    print_table,
    say,
)
from policy.decision import Decision
from runtime.call_limits import USAGE_CREDITS_MAX
from runtime.limits import SWEEP_ROWS_MAX
from workers.case_following import Desk
from workers.claim_judging import JudgedClaim, decide_claim
from workers.terms_book import TermsBook

_CLAIM = click.argument("claim_id", type=int)


@click.group("claims", epilog="Example: redress credits claims list --state review")
def claims_group() -> None:
    """See which credits were asked back, and judge what nobody knew."""


@claims_group.command("list", epilog="Example: redress credits claims list --state review")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in ClaimState]),
    help="Where the claims stand.",
)
@click.option("--customer", "customer_id", help="Whose.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, SWEEP_ROWS_MAX))
@json_option
@click.pass_obj
def list_command(
    operator: OperatorContext,
    states: Sequence[str],
    customer_id: str | None,
    limit: int,
    *,
    as_json: bool,
) -> None:
    """List claims, the newest first."""
    wanted = [ClaimState(state) for state in states]
    with operator.wiring() as wiring, wiring.store.read() as connection:
        found = list_claims(connection, wanted, customer_id, limit)
    if as_json:
        print_json({"claims": [_document(one) for one in found]})
    elif found:
        _print_list(found, operator.clock.now_ms())
    else:
        say("No credits were asked back so; `redress credits claims list` shows every claim.")


@claims_group.command("show", epilog="Example: redress credits claims show 7")
@_CLAIM
@json_option
@click.pass_obj
def show_command(operator: OperatorContext, claim_id: int, *, as_json: bool) -> None:
    """Tell everything about one claim: what shows the loss, what was decided and why."""
    titles = TermsBook.by(operator.settings()).newest.clause_titles
    with operator.wiring() as wiring, wiring.store.read() as connection:
        claim = _existing(connection, claim_id)
        rows = credit_decisions_of(connection, claim_id)
    if as_json:
        decided = [
            {"decision_id": row.id, "made_ms": row.made_ms, "mode": row.mode}
            | decision_document(Decision.from_json(row.body), titles)
            | {"facts": json.loads(row.body)["facts"]}
            for row in rows
        ]
        print_json(_document(claim) | {"evidence": claim.evidence, "decisions": decided})
        return
    _print_claim(claim)
    for row in rows:
        _print_decision(row)
        print_clauses(Decision.from_json(row.body), titles)
    if claim.state is ClaimState.REVIEW:
        say("", f"`redress credits claims judge {claim_id}` decides it by what you know.")


@claims_group.command(
    "judge",
    epilog="Example: redress credits claims judge 7 --our-fault --documented 5 --reason 'the log says so'",
)
@_CLAIM
@click.option(
    "--documented",
    type=click.IntRange(0, USAGE_CREDITS_MAX),
    help="How many of the credits are shown to have gone.",
)
@click.option(
    "--our-fault/--not-our-fault", default=None, help="Whether the platform was the cause."
)
@REASON_OPTION
@json_outcome
@click.pass_obj
def judge_command(
    operator: OperatorContext,
    claim_id: int,
    *,
    documented: int | None,
    our_fault: bool | None,
    reason: str | None,
) -> None:
    """Judge a claim again: with what you know, or after observe mode. Nothing comes back twice."""
    given = require_reason(reason)
    now_ms = operator.clock.now_ms()
    with operator.wiring() as wiring, wiring.store.write() as connection:
        claim = _existing(connection, claim_id, lock=True)
        if claim.state is ClaimState.RESTORED:
            raise click.ClickException(f"The credits of claim {claim_id} are back already.")
        stated = state_facts(
            connection, claim, documented=documented, our_fault=our_fault, now_ms=now_ms
        )
        desk = Desk(connection=connection, settings=operator.settings(), now_ms=now_ms)
        judged = decide_claim(desk, TermsBook.by(desk.settings), stated)
        audit_act(
            connection,
            "credits.judge",
            f"claim:{claim_id}",
            now_ms=now_ms,
            detail=given,
            result=came_to(judged),
        )
    say(outcome_sentence(claim, judged))


def _existing(connection: Connection, claim_id: int, *, lock: bool = False) -> Claim:
    claim = claim_by_id(connection, claim_id, lock=lock)
    if claim is None:
        raise click.ClickException(
            f"There is no claim {claim_id}; `redress credits claims list` shows them all."
        )
    return claim


def came_to(judged: JudgedClaim) -> str:
    """What a claim came to, for the audit log."""
    return f"{judged.state}: {counted(_restored(judged), 'credit')}"


def outcome_sentence(claim: Claim, judged: JudgedClaim) -> str:
    """What a claim came to, for people."""
    number = counted(_restored(judged), "credit")
    if judged.state is ClaimState.RESTORED:
        before = f", after {judged.before} before" if judged.before else ""
        return f"{number} restored to {claim.customer_id}{before}."
    if judged.state is ClaimState.OBSERVED:
        return (
            f"{number} would come back to {claim.customer_id}; in observe mode nothing is changed."
        )
    more = f"`redress credits claims show {claim.claim_id}` tells why"
    return f"Nothing came back, the claim is {judged.state}: {more}."


def _restored(judged: JudgedClaim) -> int:
    effect = judged.decision.credits
    return 0 if effect is None else effect.restored


def _document(claim: Claim) -> dict[str, Any]:
    return {
        "claim_id": claim.claim_id,
        "key": claim.key,
        "customer_id": claim.customer_id,
        "loss": claim.loss.value,
        "credits": claim.credits,
        "at": claim.at,
        "reference": claim.reference,
        "documented": claim.documented,
        "our_fault": claim.our_fault,
        "state": claim.state.value,
        "note": claim.note,
        "received_ms": claim.received_ms,
    }


def _print_claim(claim: Claim) -> None:
    say(f"Claim {claim.claim_id}: {counted(claim.credits, 'credit')} {claim.loss}, {claim.state}")
    print_facts(
        [
            ("customer", claim.customer_id),
            ("when", moment_text(claim.at * 1000)),
            ("reference", claim.reference),
            ("evidence", claim.evidence),
            ("stated", "" if claim.documented is None else f"{claim.documented} are shown"),
            ("our fault", {True: "yes", False: "no", None: "not known"}[claim.our_fault]),
            ("told by", claim.key.partition(":")[0]),
            ("note", claim.note or ""),
        ],
        indent=2,
    )


def _print_decision(row: AnyRow) -> None:
    credits_back = "" if row.credits is None else f" {counted(row.credits, 'credit')}"
    say(
        "",
        f"Decision {row.id}: {row.verdict}{credits_back}, {moment_text(row.made_ms)},"
        f" terms of {row.terms_version}, {row.mode} mode",
    )


def _print_list(found: Sequence[Claim], now_ms: int) -> None:
    print_table(
        ("received", "id", "customer", "credits", "loss", "state", "note"),
        [
            (
                short_moment(one.received_ms, now_ms),
                str(one.claim_id),
                one.customer_id,
                str(one.credits),
                one.loss.value,
                one.state.value,
                one.note or "",
            )
            for one in found
        ],
        right=("id", "credits"),
        whole=("received", "state"),
    )
