"""`redress credits`: what a customer has, and giving, using and restoring credits by hand."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click
from sqlalchemy import Connection

from ledger.credit_claims import ClaimConflict, NewClaim, claim_of_key, write_claim
from ledger.credit_grants import Grant, is_valid
from ledger.credit_usage import UsageReport, record_usage
from ledger.credits import grant_credits, grants_of_customer, overdrawn
from ops.claims_commands import came_to, claims_group, outcome_sentence
from ops.credit_arguments import AMOUNT, CUSTOMER, EVIDENCE, KEY, OPERATOR_KEYS
from ops.moments import Moment, short_moment
from ops.operator_audit import audit_act
from ops.operator_context import OperatorContext
from ops.reasons import REASON_OPTION, require_reason
from ops.terminal import counted, json_option, json_outcome, print_json, print_table, say
from policy.credit_losses import CreditLoss
from policy.decision import Verdict
from workers.case_following import Desk
from workers.claim_judging import decide_claim
from workers.terms_book import TermsBook

_DAY_SECONDS: Final = 86_400
_KNOWN: Final = "nothing: the key is known"


@click.group("credits", epilog="Example: redress credits show cus_QabcD2eZvKYlo2C")
def credits_group() -> None:
    """Show a customer's credits; grant, use and restore some."""


@credits_group.command("show", epilog="Example: redress credits show cus_QabcD2eZvKYlo2C --json")
@CUSTOMER
@json_option
@click.pass_obj
def show_command(operator: OperatorContext, customer_id: str, *, as_json: bool) -> None:
    """Show every grant of a customer, what became of it, and what is left."""
    now_ms = operator.clock.now_ms()
    with operator.wiring() as wiring, wiring.store.read() as connection:
        grants = grants_of_customer(connection, customer_id)
        short = overdrawn(connection, customer_id)
    available = sum(one.left for one in grants if is_valid(one, now_ms // 1000))
    if as_json:
        document = [_document(one) for one in grants]
        print_json({"available": available, "overdrawn": short, "grants": document})
        return
    if not grants and not short:
        say(
            f"{customer_id} has no credits: nothing that was paid brought any."
            " `redress doctor` says which prices nobody describes."
        )
        return
    say(f"{customer_id} can use {counted(available, 'credit')}.")
    if short:
        say(f"{counted(short, 'credit')} were used beyond what was granted.")
    _print_grants(grants, now_ms)


@credits_group.command(
    "grant",
    epilog="Example: redress credits grant cus_1 50 --key gift-7 --reason 'a goodwill gift'",
)
@CUSTOMER
@AMOUNT
@KEY
@click.option("--valid-days", type=click.IntRange(1, 3660), help="How long they can be used.")
@REASON_OPTION
@json_outcome
@click.pass_obj
def grant_command(
    operator: OperatorContext,
    /,
    customer_id: str,
    amount: int,
    *,
    key: str,
    valid_days: int | None,
    reason: str | None,
) -> None:
    """Give a customer credits that no purchase brought."""
    given = require_reason(reason)
    now_ms = operator.clock.now_ms()
    at = now_ms // 1000
    with operator.wiring() as wiring, wiring.store.write() as connection:
        done = grant_credits(
            connection,
            key=f"{OPERATOR_KEYS}{key}",
            customer_id=customer_id,
            credits=amount,
            at=at,
            expires_at=None if valid_days is None else at + valid_days * _DAY_SECONDS,
            source="operator",
            now_ms=now_ms,
        )
        audit_act(
            connection,
            "credits.grant",
            customer_id,
            now_ms=now_ms,
            detail=given,
            result=_result(done=done),
        )
    say(_told(f"{counted(amount, 'credit')} granted to {customer_id}", key, done=done))


@credits_group.command(
    "use",
    epilog="Example: redress credits use cus_1 5 --key gen-9 --failed --reason 'missed report'",
)
@CUSTOMER
@AMOUNT
@KEY
@click.option("--at", "at_ms", type=Moment(), help="When: 2h, 2026-01-31. Default: now.")
@click.option("--failed", is_flag=True, help="What was made with them failed.")
@REASON_OPTION
@json_outcome
@click.pass_obj
def use_command(
    operator: OperatorContext,
    /,
    customer_id: str,
    amount: int,
    *,
    key: str,
    at_ms: int | None,
    reason: str | None,
    failed: bool,
) -> None:
    """Report a usage that the product did not report."""
    given = require_reason(reason)
    now_ms = operator.clock.now_ms()
    at = (now_ms if at_ms is None else at_ms) // 1000
    report = _report(key, customer_id, amount, at, successful=not failed)
    with operator.wiring() as wiring, wiring.store.write() as connection:
        recorded = record_usage(connection, [report], now_ms)
        done = recorded.recorded == 1
        audit_act(
            connection,
            "credits.use",
            customer_id,
            now_ms=now_ms,
            detail=given,
            result=_result(done=done),
        )
    if recorded.conflicting:
        raise click.ClickException(
            f"The key {key} was used before for another usage; give this one a key of its own."
        )
    say(_told(f"{counted(amount, 'credit')} of {customer_id} used", key, done=done))
    if recorded.overdrawn:
        say(f"{counted(recorded.overdrawn, 'credit')} of them were covered by no grant.")


@credits_group.command(
    "restore",
    epilog="Example: redress credits restore cus_1 5 --key gen-9 --evidence gen-9 --reason 'it failed'",
)
@CUSTOMER
@AMOUNT
@KEY
@EVIDENCE
@click.option("--lost", is_flag=True, help="They went without being used.")
@click.option("--at", "at_ms", type=Moment(), help="When: 2h, 2026-01-31. Default: now.")
@REASON_OPTION
@json_outcome
@click.pass_obj
def restore_command(operator: OperatorContext, /, **given: Any) -> None:
    """Give back credits that a failure took: to the grants that they were drawn from, or as new ones.

    It is decided like every claim: what came back for the same evidence before does not come back again.
    """
    key, reason = given["key"], require_reason(given["reason"])
    now_ms = operator.clock.now_ms()
    with operator.wiring() as wiring, wiring.store.write() as connection:
        told = _claim_by_hand(connection, reason, given, now_ms)
        try:
            claim, fresh = write_claim(connection, told, now_ms)
        except ClaimConflict:
            raise click.ClickException(
                f"The key {key} was used before for other credits; give these one of their own."
            ) from None
        desk = Desk(connection=connection, settings=operator.settings(), now_ms=now_ms)
        judged = decide_claim(desk, TermsBook.by(desk.settings), claim) if fresh else None
        audit_act(
            connection,
            "credits.restore",
            claim.customer_id,
            now_ms=now_ms,
            detail=f"{reason} (evidence: {claim.reference})",
            result=_KNOWN if judged is None else came_to(judged),
        )
    if judged is None:
        say(_told("", key, done=False))
    elif judged.decision.verdict is Verdict.APPROVE:
        say(outcome_sentence(claim, judged))
    else:
        raise click.ClickException(outcome_sentence(claim, judged))


def _claim_by_hand(
    connection: Connection, reason: str, given: Mapping[str, Any], now_ms: int
) -> NewClaim:
    """What an operator gives back: who does so has looked at what shows the loss."""
    key = f"{OPERATOR_KEYS}{given['key']}"
    at = (now_ms if given["at_ms"] is None else given["at_ms"]) // 1000
    known = claim_of_key(connection, key)
    try:
        return NewClaim(
            key=key,
            customer_id=given["customer_id"],
            loss=CreditLoss.LOST if given["lost"] else CreditLoss.FAILED,
            credits=given["amount"],
            # The same line a minute later is the same act.
            at=known.at if known is not None and given["at_ms"] is None else at,
            reference=given["evidence"],
            evidence=reason,
            documented=given["amount"],
            our_fault=True,
        )
    except ValueError as wrong:
        raise click.UsageError(f"{wrong}.") from None


credits_group.add_command(claims_group)


def _report(key: str, customer_id: str, amount: int, at: int, *, successful: bool) -> UsageReport:
    try:
        return UsageReport(
            key=f"{OPERATOR_KEYS}{key}",
            customer_id=customer_id,
            credits=amount,
            at=at,
            successful=successful,
            reference=None,
        )
    except ValueError as wrong:
        raise click.UsageError(f"{wrong}.") from None


def _result(*, done: bool) -> str:
    return "done" if done else _KNOWN


def _told(sentence: str, key: str, *, done: bool) -> str:
    return f"{sentence}." if done else f"Nothing was changed: the key {key} was used before."


def _document(grant: Grant) -> dict[str, Any]:
    return {
        "grant_id": grant.grant_id,
        "source": grant.source,
        "at": grant.at,
        "expires_at": grant.expires_at,
        "issued": grant.issued,
        "used": grant.used,
        "restored": grant.restored,
        "expired": grant.expired,
        "revoked": grant.revoked,
        "left": grant.left,
    }


def _print_grants(grants: Sequence[Grant], now_ms: int) -> None:
    print_table(
        ("granted", "by", "expires", "issued", "used", "restored", "expired", "revoked", "left"),
        [
            (
                short_moment(one.at * 1000, now_ms),
                one.source,
                "never" if one.expires_at is None else short_moment(one.expires_at * 1000, now_ms),
                str(one.issued),
                str(one.used),
                str(one.restored),
                str(one.expired),
                str(one.revoked),
                str(one.left),
            )
            for one in grants
        ],
        right=("issued", "used", "restored", "expired", "revoked", "left"),
        whole=("granted", "expires"),
    )
