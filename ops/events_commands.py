"""`redress events`: what Stripe sent, what became of it, and what followed."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from ledger.audit_log import entries_about
from ledger.event_queries import (
    EventFilter,
    decisions_from,
    event_payload,
    list_events,
)
from ledger.rows import AnyRow
from ops.audit_lines import audit_document, print_audit
from ops.backfill_command import backfill_command
from ops.event_filters import ROW_MAX, event_filter, filter_options, is_row_id
from ops.masked_payload import masked_payload
from ops.moments import duration_text, moment_text, short_moment
from ops.operator_audit import audit_act
from ops.operator_context import OperatorContext
from ops.replay_command import replay
from ops.replays_command import replays_command
from ops.terminal import json_option, print_facts, print_json, print_table, say
from policy.money import Money
from runtime.limits import SWEEP_ROWS_MAX

#: One evt_ id can stand in several accounts and modes; more than this many rows is no such case.
_SAME_ID_ROWS_MAX = 20


@click.group(epilog="Example: redress events list --state parked")
def events() -> None:
    """List, show and replay Stripe's events."""


events.add_command(replay)
events.add_command(replays_command)
events.add_command(backfill_command)


@events.command("list", epilog="Example: redress events list --type 'charge.*' --since 2h")
@filter_options
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, SWEEP_ROWS_MAX))
@click.option(
    "--before", "before_row", type=click.IntRange(1, ROW_MAX), help="Older than this row."
)
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
    """List events, the newest first."""
    wanted = event_filter(filters)
    with operator.wiring() as wiring, wiring.store.read() as connection:
        found = list_events(connection, wanted, limit + 1, before_row)
    rows, more = found[:limit], len(found) > limit
    if as_json:
        print_json({"events": [_document(row) for row in rows], "more": more})
    elif rows:
        _print_list(rows, operator.clock.now_ms())
        if more:
            say(f"More are older: add --before {rows[-1].id}, or narrow the list.")
    else:
        say(_nothing(wanted, before_row))


@events.command("show", epilog="Example: redress events show evt_1RabcD2eZvKYlo2C")
@click.argument("event")
@click.option("--payload", is_flag=True, help="The body too, personal data masked; audited.")
@json_option
@click.pass_obj
def show_command(operator: OperatorContext, event: str, *, payload: bool, as_json: bool) -> None:
    """Show the life of one event, named by Stripe's id or by its row.

    The body is not shown unless asked for, and then without personal data.
    """
    with operator.wiring() as wiring:
        with wiring.store.read() as connection:
            rows = list_events(connection, _named(event), _SAME_ID_ROWS_MAX)
            stories = [_story(connection, row) for row in rows]
            bodies = [event_payload(connection, row.id) for row in rows] if payload else []
        if not rows:
            raise click.ClickException(f"There is no event {event}; `redress events list` has all.")
        if payload:
            with wiring.store.write() as connection:
                for row in rows:
                    _record_shown(connection, row, operator.clock.now_ms())
    for story, body in zip(stories, bodies, strict=False):
        story["payload"] = masked_payload(body)
    if as_json:
        print_json({"events": stories})
        return
    for row, story in zip(rows, stories, strict=True):
        _print_story(row, story, operator.clock.now_ms())


def _named(event: str) -> EventFilter:
    if is_row_id(event):
        return EventFilter(row_ids=(int(event),))
    return EventFilter(event_ids=(event,))


def _nothing(wanted: EventFilter, before_row: int | None) -> str:
    if wanted.is_empty and before_row is None:
        return (
            "No event has arrived yet. Point a Stripe webhook at /webhooks/stripe of `redress web`, or"
            " run `redress up` without STRIPE_API_KEY to play a shop's day."
        )
    return "No event fits; take a filter away, or see all by `redress events list`."


def _print_list(rows: Sequence[AnyRow], now_ms: int) -> None:
    print_table(
        ("received", "event", "type", "state", "note"),
        [
            (
                short_moment(row.received_ms, now_ms),
                row.event_id if row.type else f"row {row.id}",
                row.type or row.kind,
                row.state,
                row.note or "",
            )
            for row in rows
        ],
        whole=("received", "event", "state"),
    )


def _document(row: AnyRow) -> dict[str, Any]:
    """An event without its payload; nothing in it tells of a person."""
    return {
        "row_id": row.id,
        "event_id": row.event_id,
        "type": row.type,
        "kind": row.kind,
        "state": row.state,
        "note": row.note,
        "object_id": row.object_id,
        "lane": row.lane,
        "account": row.account,
        "livemode": row.livemode,
        "api_version": row.api_version,
        "created": row.created,
        "received_ms": row.received_ms,
        "settled_ms": row.settled_ms,
        "not_before_ms": row.not_before_ms,
        "lease_until_ms": row.lease_until_ms,
        "attempts": row.attempts,
        "kills": row.kills,
        "fence": row.fence,
        "source": row.source,
        "sha256": row.sha256,
        "payload_bytes": row.payload_bytes,
    }


def _story(connection: Any, row: AnyRow) -> dict[str, Any]:
    followed = [found._asdict() for found in decisions_from(connection, row.id)]
    audit = [audit_document(entry) for entry in entries_about(connection, row.event_id)]
    return {**_document(row), "decisions": followed, "audit": audit}


def _record_shown(connection: Any, row: AnyRow, now_ms: int) -> None:
    detail = f"row {row.id}, personal data masked"
    audit_act(connection, "event.payload_shown", row.event_id, now_ms=now_ms, detail=detail)


def _print_story(row: AnyRow, story: Mapping[str, Any], now_ms: int) -> None:
    print_facts(
        [
            ("event", f"{row.event_id} (row {row.id}, by {row.source})"),
            ("type", row.type or f"{row.kind}: its body is no event"),
            ("about", row.object_id or ""),
            ("customer", row.lane),
            ("account", f"{row.account or 'our own'}, {'live' if row.livemode else 'test'} mode"),
            ("rendered in", row.api_version or ""),
            ("made at", moment_text(row.created * 1000) if row.created else ""),
            ("received", moment_text(row.received_ms)),
            ("state", _standing(row, now_ms)),
            ("note", row.note or ""),
            ("attempts", f"{row.attempts} ({row.kills} ended with the worker's death)"),
            ("body", f"{row.payload_bytes} bytes, sha256 {row.sha256}"),
        ]
    )
    if story["decisions"]:
        say("", "What followed:")
        print_table(
            ("decided", "verdict", "amount", "charge", "case", "refund intent"),
            [_followed(found, now_ms) for found in story["decisions"]],
            whole=("decided",),
        )
        say("`redress refunds show CHARGE` tells the reasons.")
    if story["audit"]:
        say("", "Who did what:")
        print_audit(story["audit"], now_ms)
    if "payload" in story:
        say("", "Body, personal data masked (this was recorded):")
        print_json({"payload": story["payload"]})


def _standing(row: AnyRow, now_ms: int) -> str:
    if row.settled_ms is not None:
        took = duration_text(row.settled_ms - row.received_ms)
        return f"{row.state} at {moment_text(row.settled_ms)}, {took} after it was received"
    if row.not_before_ms > now_ms:
        return f"{row.state}, to be tried again at {moment_text(row.not_before_ms)}"
    return f"{row.state} for {duration_text(now_ms - row.received_ms)}"


def _followed(found: Mapping[str, Any], now_ms: int) -> tuple[str, ...]:
    amount = ""
    if found["amount_minor"] is not None:
        amount = str(Money(amount_minor=found["amount_minor"], currency=found["currency"]))
    intent = f"{found['intent_id']} {found['intent_state']}" if found["intent_id"] else ""
    made = short_moment(found["made_ms"], now_ms)
    return made, found["verdict"], amount, found["charge_id"], found["case_state"], intent
