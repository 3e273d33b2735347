"""`redress requests`: what customers ask for, from the first message to the case that answers it."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import click

from ledger.refund_requests import (
    NewRequest,
    Request,
    RequestConflict,
    judge_anew,
    list_requests,
    request_by_id,
    write_request,
)
from ledger.states import RequestState
from ops.moments import Moment, moment_text, short_moment
from ops.operator_audit import audit_act
from ops.operator_context import OperatorContext
from ops.reasons import REASON_OPTION, require_reason
from ops.stated_facts import STATED_OPTION, read_stated
from ops.terminal import json_option, json_outcome, print_facts, print_json, print_table, say
from policy.request_facts import IntakeField, Reason
from runtime.email_addresses import masked_address
from runtime.limits import SWEEP_ROWS_MAX
from runtime.queues import JUDGE_REQUEST_JOB

_EXAMPLE = (
    "Example: redress requests add --email ada@example.com --date 2026-11-20"
    " --product images-100 --reason changed_mind"
)


@click.group("requests", epilog=_EXAMPLE)
def requests_group() -> None:
    """Take refund requests in, and see what became of them."""


@requests_group.command("add", epilog=_EXAMPLE)
@click.option("--email", help="The account's e-mail address.")
@click.option("--date", "purchase_date", help="The day of the purchase: 2026-01-31.")
@click.option("--product", help="The plan or pack, as the customer calls it, or an id.")
@click.option(
    "--reason",
    "reasons",
    multiple=True,
    type=click.Choice([reason.value for reason in Reason]),
    help="Why; may be given several times.",
)
@click.option("--evidence", help="What the customer tells or shows.")
@click.option("--charge", "charge_id", help="The payment's charge, where it is known.")
@click.option("--asked", "asked_ms", type=Moment(), help="When it was asked; by default now.")
@click.option("--key", help="Makes a repetition harmless; by default each is a new request.")
@json_option
@click.pass_obj
def add_command(operator: OperatorContext, /, *, as_json: bool, **given: Any) -> None:
    """Take a request in; it is judged at once."""
    now_ms = operator.clock.now_ms()
    request = _new_request(given, now_ms)
    with operator.wiring() as wiring:
        with wiring.store.write() as connection:
            try:
                request_id, fresh = write_request(connection, request, now_ms)
            except RequestConflict as conflict:
                raise click.ClickException(f"{conflict}; give this one a key of its own.") from None
            if fresh:
                audit_act(connection, "requests.add", _named(request_id), now_ms=now_ms)
        wiring.wakeups.wake_effect(JUDGE_REQUEST_JOB, request_id)
    if as_json:
        print_json({"request_id": request_id, "new": fresh})
        return
    known = "" if fresh else " It was taken in before; nothing was changed."
    say(f"Request {request_id}.{known} `redress requests show {request_id}` tells how it ended.")


@requests_group.command("list", epilog="Example: redress requests list --state unmatched")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in RequestState]),
    help="Where the requests stand.",
)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, SWEEP_ROWS_MAX))
@json_option
@click.pass_obj
def list_command(
    operator: OperatorContext, states: Sequence[str], limit: int, *, as_json: bool
) -> None:
    """List requests, the newest first."""
    wanted = [RequestState(state) for state in states]
    with operator.wiring() as wiring, wiring.store.read() as connection:
        found = list_requests(connection, wanted, limit)
    if as_json:
        print_json({"requests": [_document(one) for one in found]})
    elif found:
        _print_list(found, operator.clock.now_ms())
    elif wanted:
        say("No request stands so; `redress requests list` shows them all.")
    else:
        say("Nobody asked for a refund yet; `redress requests add` takes a request in.")


@requests_group.command("show", epilog="Example: redress requests show 7")
@click.argument("request_id", type=int)
@json_option
@click.pass_obj
def show_command(operator: OperatorContext, request_id: int, *, as_json: bool) -> None:
    """Tell everything about one request. Its case has the decision: `redress cases show`."""
    with operator.wiring() as wiring, wiring.store.read() as connection:
        request = _existing(connection, request_id)
    if as_json:
        print_json(_document(request) | {"evidence": request.evidence})
        return
    say(f"Request {request.request_id}: {request.state}")
    print_facts(
        [
            ("from", masked_address(request.email) if request.email else "forgotten"),
            ("bought", f"{request.product}, {request.purchase_date}"),
            ("why", ", ".join(request.reasons)),
            ("evidence", request.evidence or ""),
            ("stated", ", ".join(f"{name}={value}" for name, value in request.stated.items())),
            ("asked", moment_text(request.asked_at * 1000)),
            ("charge", request.charge_id or ""),
            ("could be", ", ".join(request.candidates)),
            ("case", "" if request.case_id is None else str(request.case_id)),
            ("note", request.note or ""),
        ],
        indent=2,
    )
    say(*_next_step(request))


@requests_group.command(
    "match", epilog="Example: redress requests match 7 --charge ch_3Rab --reason 'by the receipt'"
)
@click.argument("request_id", type=int)
@click.option("--charge", "charge_id", required=True, help="The payment that is meant.")
@STATED_OPTION
@REASON_OPTION
@json_outcome
@click.pass_obj
def match_command(
    operator: OperatorContext,
    /,
    request_id: int,
    *,
    charge_id: str,
    facts: Sequence[str],
    reason: str | None,
) -> None:
    """Say which payment a request is about; it is judged at once."""
    given, stated = require_reason(reason), read_stated(facts)
    now_ms = operator.clock.now_ms()
    with operator.wiring() as wiring:
        with wiring.store.write() as connection:
            request = _existing(connection, request_id, lock=True)
            if request.state is RequestState.JUDGED:
                raise click.ClickException(
                    f"Request {request_id} is judged: case {request.case_id}. An appeal against it"
                    f" is `redress cases appeal {request.case_id}`."
                )
            judge_anew(connection, request, now_ms, charge_id=charge_id, stated=stated)
            audit_act(
                connection,
                "requests.match",
                _named(request_id),
                now_ms=now_ms,
                detail=f"{charge_id}: {given}",
            )
        wiring.wakeups.wake_effect(JUDGE_REQUEST_JOB, request_id)
    say(f"Request {request_id} is about {charge_id}, and is judged now.")


@requests_group.command(
    "judge", epilog="Example: redress requests judge 7 8 --reason 'was observed until today'"
)
@click.argument("request_ids", nargs=-1, required=True, type=int)
@STATED_OPTION
@REASON_OPTION
@json_outcome
@click.pass_obj
def judge_command(
    operator: OperatorContext,
    request_ids: Sequence[int],
    *,
    facts: Sequence[str],
    reason: str | None,
) -> None:
    """Judge requests again: after observe mode, or with facts that you know. Nothing is paid twice."""
    given, stated = require_reason(reason), read_stated(facts)
    now_ms = operator.clock.now_ms()
    with operator.wiring() as wiring:
        with wiring.store.write() as connection:
            for request_id in request_ids:
                judge_anew(
                    connection, _existing(connection, request_id, lock=True), now_ms, stated=stated
                )
                audit_act(
                    connection,
                    "requests.judge",
                    _named(request_id),
                    now_ms=now_ms,
                    detail=given,
                )
        for request_id in request_ids:
            wiring.wakeups.wake_effect(JUDGE_REQUEST_JOB, request_id)
    say("Judged again now; `redress requests list` tells how it ends.")


def _new_request(given: Mapping[str, Any], now_ms: int) -> NewRequest:
    asked_ms = now_ms if given["asked_ms"] is None else given["asked_ms"]
    required = {
        IntakeField.ACCOUNT_EMAIL: ("--email", given["email"]),
        IntakeField.PURCHASE_DATE: ("--date", given["purchase_date"]),
        IntakeField.PRODUCT: ("--product", given["product"]),
        IntakeField.REASON: ("--reason", given["reasons"]),
    }
    missing = [option for option, value in required.values() if not value]
    if missing:
        raise click.UsageError(f"A request also needs {', '.join(missing)}.")
    try:
        return NewRequest(
            key=f"cli:{given['key'] or secrets.token_hex(12)}",
            email=given["email"].strip(),
            purchase_date=_day(given["purchase_date"]),
            product=given["product"].strip(),
            reasons=tuple(dict.fromkeys(Reason(reason) for reason in given["reasons"])),
            asked_at=asked_ms // 1000,
            evidence=given["evidence"],
            charge_id=given["charge_id"],
        )
    except ValueError as wrong:
        raise click.UsageError(f"{wrong}.") from None


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise click.UsageError(f"--date is a day like 2026-01-31, not {text}.") from None


def _existing(connection: Any, request_id: int, *, lock: bool = False) -> Request:
    request = request_by_id(connection, request_id, lock=lock)
    if request is None:
        raise click.ClickException(
            f"There is no request {request_id}; `redress requests list` shows them all."
        )
    return request


def _next_step(request: Request) -> list[str]:
    if request.state is RequestState.UNMATCHED:
        command = f"redress requests match {request.request_id} --charge ch_… --reason TEXT"
        return [f"A person has to look: `{command}` names the payment."]
    if request.case_id is not None:
        return [f"`redress cases show {request.case_id}` tells what was decided and why."]
    return []


def _document(request: Request) -> dict[str, Any]:
    return {
        "request_id": request.request_id,
        "state": request.state.value,
        "note": request.note,
        "account_email": masked_address(request.email) if request.email else None,
        "purchase_date": request.purchase_date.isoformat(),
        "product": request.product,
        "reasons": [reason.value for reason in request.reasons],
        "stated": dict(request.stated),
        "asked_at": request.asked_at,
        "charge_id": request.charge_id,
        "candidates": list(request.candidates),
        "case_id": request.case_id,
        "received_ms": request.received_ms,
    }


def _print_list(found: Sequence[Request], now_ms: int) -> None:
    print_table(
        ("received", "id", "from", "bought", "state", "case", "note"),
        [
            (
                short_moment(one.received_ms, now_ms),
                str(one.request_id),
                masked_address(one.email) if one.email else "",
                f"{one.product}, {one.purchase_date}",
                one.state.value,
                "" if one.case_id is None else str(one.case_id),
                one.note or "",
            )
            for one in found
        ],
        right=("id", "case"),
        whole=("received", "state"),
    )


def _named(request_id: int) -> str:
    """How the audit log names a request."""
    return f"request:{request_id}"
