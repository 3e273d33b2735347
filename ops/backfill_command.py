"""`redress events backfill`: how far Stripe's lists were read, and reading a span of them now."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import click

from ledger.backfill_cursors import BackfillCursor, every_cursor
from ledger.backfill_tables import BackfillStream
from ops.moments import Moment, duration_text, moment_text
from ops.operator_audit import audit_act
from ops.operator_context import OperatorContext
from ops.reasons import REASON_OPTION, require_reason
from ops.stripe_at_hand import context_at_hand, stripe_sentence
from ops.terminal import (
    counted,
    end_progress,
    json_option,
    print_json,
    print_table,
    progress_line,
    say,
)
from runtime.operator_limits import EVENTS_KEPT_SECONDS
from runtime.wiring import Wiring
from workers.backfill import ring_for_found, stripe_list, take_in
from workers.gateway_errors import GatewayError

#: Undelivered events are among the events; read on demand, they would be listed twice.
_READ: Final = tuple(one for one in BackfillStream if one is not BackfillStream.UNDELIVERED)


@click.command("backfill", epilog="Example: redress events backfill --since 6h --reason 'outage'")
@click.option(
    "--since", type=Moment(), help="Made then or later: 6h, 2026-01-31; without it, only tells."
)
@click.option("--until", type=Moment(), help="Made before then; by default now.")
@REASON_OPTION
@json_option
@click.pass_obj
def backfill_command(
    operator: OperatorContext,
    since: int | None,
    until: int | None,
    reason: str | None,
    *,
    as_json: bool,
) -> None:
    """Say how far Stripe's lists were read; with --since, read that span now.

    The sweeper reads them every few minutes by itself. What the ledger lacks comes in as if it had been
    delivered, and may lead to refunds: `redress replay --from stripe --since 6h` tells which, before.
    """
    with operator.wiring() as wiring:
        if since is None:
            _tell(wiring, as_json=as_json)
            return
        now_ms = wiring.clock.now_ms()
        span = since // 1000, (now_ms if until is None else until) // 1000
        if span[0] >= span[1] or span[0] < now_ms // 1000 - EVENTS_KEPT_SECONDS:
            raise click.UsageError(
                "--since must be earlier than --until, and within the last 30 days."
            )
        listed, found = _read(wiring, span, require_reason(reason))
    end_progress()
    if as_json:
        print_json({"listed": dict(listed), "found": dict(found)})
        return
    print_table(
        ("list", "looked at", "new here"),
        [(one, str(listed[one]), str(found[one])) for one in _READ],
        right=("looked at", "new here"),
    )
    total = sum(found.values())
    say(
        f"{counted(total, 'thing')} came in that the ledger did not have; workers take them up now."
        if total
        else "The ledger had all of it."
    )


def _read(wiring: Wiring, span: tuple[int, int], reason: str) -> tuple[Counter[str], Counter[str]]:
    """How much of each list was looked at, and how much of it was new; audited before the first call."""
    context = context_at_hand(wiring)
    with wiring.store.write() as connection:
        told = f"{reason} (made from {span[0]} to {span[1]})"
        audit_act(
            connection, "events.backfill", "stripe", now_ms=wiring.clock.now_ms(), detail=told
        )
    listed, found = Counter[str](), Counter[str]()
    try:
        for stream in _READ:
            for page in stripe_list(context, stream).since(*span):
                with wiring.store.write() as connection:
                    new = take_in(context, connection, stream, page)
                ring_for_found(context, new)
                listed[stream] += len(page)
                found[stream] += new.count
                progress_line(f"{stream}: {listed[stream]} looked at, {found[stream]} new")
    except GatewayError as error:
        raise click.ClickException(
            f"{stripe_sentence(error)} What was read until then is in the ledger; run this again."
        ) from error
    return listed, found


def _tell(wiring: Wiring, *, as_json: bool) -> None:
    with wiring.store.read() as connection:
        cursors = every_cursor(connection)
    if as_json:
        print_json({"lists": [_document(one) for one in cursors]})
        return
    if not wiring.settings.redress_backfill_seconds:
        say(
            "REDRESS_BACKFILL_SECONDS is 0: nobody reads Stripe's lists. What is never delivered is missed."
        )
    if not cursors:
        say("No list was read yet. The sweeper begins once `redress up` or `redress sweeper` runs.")
        return
    _print(cursors, wiring.clock.now_ms())


def _print(cursors: Sequence[BackfillCursor], now_ms: int) -> None:
    print_table(
        ("list", "read up to", "behind", "looked at", "new here", "note"),
        [
            (
                one.stream,
                moment_text(one.seen_until * 1000),
                _behind(one, now_ms),
                str(one.listed),
                str(one.found),
                one.note or "",
            )
            for one in cursors
        ],
        right=("looked at", "new here"),
        whole=("list", "read up to", "behind"),
    )


def _behind(cursor: BackfillCursor, now_ms: int) -> str:
    """How far a list is behind this moment. Undelivered events are looked for some days back each time."""
    if cursor.stream is BackfillStream.UNDELIVERED:
        return ""
    return duration_text(now_ms - cursor.seen_until * 1000)


def _document(cursor: BackfillCursor) -> dict[str, Any]:
    return {**asdict(cursor), "stream": cursor.stream.value}
