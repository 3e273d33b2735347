"""`redress notices`: what customers and the product were told, and what did not get through."""

import json
from collections.abc import Sequence
from typing import Any

import click
from sqlalchemy import Connection

from ledger.audit_log import entries_about
from ledger.notice_queries import (
    NoticeFilter,
    RetryRefused,
    list_notices,
    notice_reference,
    retry_notice,
)
from ledger.notice_tables import NoticeChannel
from ledger.notices import Notice, notice_by_id
from ledger.replaying import ReplayAuthor
from ledger.states import NoticeState
from ops.audit_lines import audit_document, print_audit
from ops.event_filters import ROW_MAX
from ops.moments import Moment, moment_text, short_moment
from ops.operator_audit import audit_act
from ops.operator_context import ORIGIN, OperatorContext, current_actor
from ops.reasons import REASON_OPTION, require_reason
from ops.terminal import json_option, json_outcome, print_facts, print_json, print_table, say
from runtime.email_addresses import masked_address
from runtime.limits import SWEEP_ROWS_MAX
from runtime.queues import SEND_NOTICE_JOB
from workers.notice_words import words_of

ROW = click.IntRange(1, ROW_MAX)


@click.group(epilog="Example: redress notices list --state failed")
def notices() -> None:
    """List what was told by e-mail and webhook, and send it again."""


@notices.command("list", epilog="Example: redress notices list --state failed --channel webhook")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in NoticeState]),
    help="Where the notices stand.",
)
@click.option(
    "--channel",
    type=click.Choice([channel.value for channel in NoticeChannel]),
    help="E-mails to customers, or webhooks to the product.",
)
@click.option("--event", help="What is told, such as refund.decided.")
@click.option("--about", "subject_id", help="The case, charge or customer that it is about.")
@click.option("--since", type=Moment(), help="Written then or later: 2h, 2026-01-31.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, SWEEP_ROWS_MAX))
@click.option("--before", "before_row", type=ROW, help="Older than this notice.")
@json_option
@click.pass_obj
def list_command(
    operator: OperatorContext,
    /,
    limit: int,
    before_row: int | None,
    *,
    as_json: bool,
    **filters: Any,
) -> None:
    """List notices, the newest first; addresses are masked."""
    wanted = NoticeFilter(
        states=tuple(NoticeState(state) for state in filters["states"]),
        channel=NoticeChannel(filters["channel"]) if filters["channel"] else None,
        event=filters["event"],
        subject_id=filters["subject_id"],
        since_ms=filters["since"],
    )
    with operator.wiring() as wiring, wiring.store.read() as connection:
        found = list_notices(connection, wanted, limit + 1, before_row)
    rows, more = found[:limit], len(found) > limit
    if as_json:
        print_json({"notices": [_document(notice) for notice in rows], "more": more})
    elif rows:
        _print_list(rows, operator.clock.now_ms())
        if more:
            say(f"More are older: add --before {rows[-1].row_id}, or narrow the list.")
    else:
        say("No notice fits." if wanted != NoticeFilter() else "Nobody was told anything yet.")


@notices.command("show", epilog="Example: redress notices show 17 --message")
@click.argument("notice_row", metavar="NOTICE", type=ROW)
@click.option("--message", is_flag=True, help="The words of an e-mail too.")
@json_option
@click.pass_obj
def show_command(
    operator: OperatorContext, notice_row: int, *, message: bool, as_json: bool
) -> None:
    """Show one notice with its facts; an e-mail's address in full, which is audited."""
    with operator.wiring() as wiring, wiring.store.write() as connection:
        notice = notice_by_id(connection, notice_row)
        if notice is None:
            raise click.ClickException(_no_such(notice_row))
        if notice.recipient is not None:
            _record_shown(connection, notice, operator.clock.now_ms())
        audit = [
            audit_document(entry)
            for entry in entries_about(connection, notice_reference(notice_row))
        ]
    is_mail = notice.channel is NoticeChannel.EMAIL
    plain = words_of(notice).plain if message and is_mail else None
    if as_json:
        document = _document(notice) | {"recipient": notice.recipient}
        document |= {"content": json.loads(notice.content), "audit": audit}
        print_json(document | ({} if plain is None else {"message": plain}))
        return
    _print_notice(notice)
    if plain is not None:
        say("", *plain.rstrip("\n").split("\n"))
    if audit:
        say("", "Who did what:")
        print_audit(audit, operator.clock.now_ms())


@notices.command("retry", epilog="Example: redress notices retry 17 --reason 'the relay is back'")
@click.argument("notice_rows", metavar="NOTICE...", nargs=-1, required=True, type=ROW)
@REASON_OPTION
@json_outcome
@click.pass_obj
def retry_command(
    operator: OperatorContext, notice_rows: tuple[int, ...], reason: str | None
) -> None:
    """Send notices now, with all their tries before them.

    An e-mail that the mail server took is not sent twice. A webhook keeps its id, so a product that has
    it drops it.
    """
    author = ReplayAuthor(actor=current_actor(), reason=require_reason(reason), origin=ORIGIN)
    with operator.wiring() as wiring:
        now_ms = wiring.clock.now_ms()
        try:
            # All or none: whoever names several is told about the one that cannot be.
            with wiring.store.write() as connection:
                for row_id in dict.fromkeys(notice_rows):
                    retry_notice(connection, row_id, author, now_ms)
        except RetryRefused as refused:
            raise click.ClickException(str(refused)) from None
        rang = [wiring.wakeups.wake_effect(SEND_NOTICE_JOB, row_id) for row_id in notice_rows]
    say("They are sent now." if len(rang) > 1 else f"Notice {notice_rows[0]} is sent now.")
    say(*([] if all(rang) else ["Redis is away; the sweeper finds them once it is back."]))


def _document(notice: Notice) -> dict[str, Any]:
    return {
        "id": notice.row_id,
        "key": notice.key,
        "channel": notice.channel.value,
        "event": notice.event,
        "recipient": _masked(notice),
        "subject_id": notice.subject_id,
        "state": notice.state.value,
        "note": notice.note,
        "attempts": notice.attempts,
        "doubtful_sends": notice.doubtful_sends,
        "next_attempt_ms": notice.next_attempt_ms,
        "sent_ms": notice.sent_ms,
        "created_ms": notice.created_ms,
        "changed_ms": notice.changed_ms,
    }


def _print_list(rows: Sequence[Notice], now_ms: int) -> None:
    print_table(
        ("written", "id", "what", "about", "to", "state", "note"),
        [
            (
                short_moment(notice.created_ms, now_ms),
                str(notice.row_id),
                notice.event,
                notice.subject_id,
                _masked(notice) or "product",
                notice.state.value,
                notice.note or "",
            )
            for notice in rows
        ],
        right=("id",),
        whole=("written", "what", "about", "to", "state"),
    )


def _print_notice(notice: Notice) -> None:
    lost = f", {notice.doubtful_sends} without an answer: it may have arrived more than once"
    print_facts(
        [
            ("notice", f"{notice.row_id} ({notice.key})"),
            ("about", notice.subject_id),
            ("to", "the product" if notice.recipient is None else ""),
            ("written", moment_text(notice.created_ms)),
            ("state", f"{notice.state}{_when(notice)}"),
            ("tries", f"{notice.attempts}{lost if notice.doubtful_sends else ''}"),
            ("note", notice.note or ""),
        ]
    )
    if notice.recipient is not None:
        # Past the scrub, which would mask it; checked at birth to be printable.
        click.echo(f"The address is {notice.recipient}")
    say("", json.dumps(json.loads(notice.content), indent=2, ensure_ascii=False))


def _when(notice: Notice) -> str:
    if notice.state is NoticeState.SENT:
        return f" at {moment_text(notice.sent_ms)}"
    if notice.next_attempt_ms is not None:
        return f", next try at {moment_text(notice.next_attempt_ms)}"
    return ""


def _masked(notice: Notice) -> str | None:
    return None if notice.recipient is None else masked_address(notice.recipient)


def _no_such(notice_row: int) -> str:
    return f"There is no notice {notice_row}; `redress notices list` has all."


def _record_shown(connection: Connection, notice: Notice, now_ms: int) -> None:
    object_id = notice_reference(notice.row_id)
    audit_act(connection, "notice.address_shown", object_id, now_ms=now_ms)
