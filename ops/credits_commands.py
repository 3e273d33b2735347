"""`redress credits`: what a customer has, and giving, using and restoring credits by hand."""

from collections.abc import Sequence
from typing import Any, Final

import click

from ledger.credit_grants import Grant, drawing_order, is_valid
from ledger.credit_usage import UsageReport, record_usage
from ledger.credits import (
    grant_credits,
    grants_of_customers,
    lock_customers,
    overdrawn,
    restore_credits,
)
from ledger.states import CreditKind
from ops.moments import Moment, short_moment
from ops.operator_audit import audit_act
from ops.operator_context import OperatorContext
from ops.reasons import REASON_OPTION, require_reason
from ops.terminal import counted, json_option, print_json, print_table, say

_CREDITS_MAX: Final = 10**9
_KEY_CHARS_MAX: Final = 200
_DAY_SECONDS: Final = 86_400

_AMOUNT = click.argument("amount", type=click.IntRange(1, _CREDITS_MAX))
_CUSTOMER = click.argument("customer_id")
_KEY = click.option(
    "--key", help="Names this act: the same key a second time changes nothing.", required=True
)


@click.group("credits", epilog="Example: redress credits show cus_QabcD2eZvKYlo2C")
def credits_group() -> None:
    """Show a customer's credits; grant, use and restore some."""


@credits_group.command("show", epilog="Example: redress credits show cus_QabcD2eZvKYlo2C --json")
@_CUSTOMER
@json_option
@click.pass_obj
def show_command(operator: OperatorContext, customer_id: str, *, as_json: bool) -> None:
    """Show every grant of a customer, what became of it, and what is left."""
    now_ms = operator.clock.now_ms()
    with operator.wiring() as wiring, wiring.store.read() as connection:
        grants = sorted(grants_of_customers(connection, [customer_id]), key=drawing_order)
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
@_CUSTOMER
@_AMOUNT
@_KEY
@click.option("--valid-days", type=click.IntRange(1, 3660), help="How long they can be used.")
@REASON_OPTION
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
    given, named = require_reason(reason), _key(key)
    now_ms = operator.clock.now_ms()
    at = now_ms // 1000
    with operator.wiring() as wiring, wiring.store.write() as connection:
        done = grant_credits(
            connection,
            key=f"operator:{named}",
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
    say(_told(f"{counted(amount, 'credit')} granted to {customer_id}", named, done=done))


@credits_group.command(
    "use",
    epilog="Example: redress credits use cus_1 5 --key gen-9 --failed --reason 'missed report'",
)
@_CUSTOMER
@_AMOUNT
@_KEY
@click.option("--at", "at_ms", type=Moment(), help="When: 2h, 2026-01-31. Default: now.")
@click.option("--failed", is_flag=True, help="What was made with them failed.")
@REASON_OPTION
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
    given, named = require_reason(reason), _key(key)
    now_ms = operator.clock.now_ms()
    report = UsageReport(
        key=f"operator:{named}",
        customer_id=customer_id,
        credits=amount,
        at=(now_ms if at_ms is None else at_ms) // 1000,
        successful=not failed,
        reference=None,
    )
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
            f"The key {named} was used before for another usage; give this one a key of its own."
        )
    say(_told(f"{counted(amount, 'credit')} of {customer_id} used", named, done=done))
    if recorded.overdrawn:
        say(f"{counted(recorded.overdrawn, 'credit')} of them were covered by no grant.")


@credits_group.command(
    "restore",
    epilog="Example: redress credits restore cus_1 5 --key gen-9 --evidence gen-9 --reason 'it failed'",
)
@_CUSTOMER
@_AMOUNT
@_KEY
@click.option(
    "--evidence", help="What shows the loss: a generation's id, an incident.", required=True
)
@REASON_OPTION
@click.pass_obj
def restore_command(
    operator: OperatorContext,
    /,
    customer_id: str,
    amount: int,
    *,
    key: str,
    evidence: str,
    reason: str | None,
) -> None:
    """Give back credits that a failure took: to the grant that was drawn last, or as new ones."""
    given, named = require_reason(reason), _key(key)
    now_ms = operator.clock.now_ms()
    with operator.wiring() as wiring, wiring.store.write() as connection:
        lock_customers(connection, [customer_id])
        grant = _drawn_last(grants_of_customers(connection, [customer_id]), amount, now_ms // 1000)
        told: dict[str, Any] = {
            "key": f"restore:{named}",
            "credits": amount,
            "source": "operator",
            "reference": evidence,
            "at": now_ms // 1000,
            "now_ms": now_ms,
        }
        if grant is not None:
            done = restore_credits(connection, grant=grant, **told)
        else:
            kind = CreditKind.RESTORATION
            done = grant_credits(
                connection, customer_id=customer_id, expires_at=None, kind=kind, **told
            )
        detail = f"{given} (evidence: {evidence})"
        audit_act(
            connection,
            "credits.restore",
            customer_id,
            now_ms=now_ms,
            detail=detail,
            result=_result(done=done),
        )
    say(_told(f"{counted(amount, 'credit')} restored to {customer_id}", named, done=done))


def _drawn_last(grants: Sequence[Grant], amount: int, at: int) -> Grant | None:
    """The last grant in the order of drawing of which so many are used and that is still valid."""
    drawn = [one for one in grants if one.used - one.restored >= amount and is_valid(one, at)]
    return max(drawn, key=drawing_order, default=None)


def _key(key: str) -> str:
    named = key.strip()
    if not named or len(named) > _KEY_CHARS_MAX or not named.isprintable():
        raise click.UsageError(f"--key must be 1 to {_KEY_CHARS_MAX} printable characters.")
    return named


def _result(*, done: bool) -> str:
    return "done" if done else "nothing: the key is known"


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
