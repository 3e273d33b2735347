"""Stripe's events: found by any id, type, state or time; the life of one; its body on request."""

import json
from typing import Any, Final

import click
from flask import Blueprint, abort, redirect, render_template, request, url_for
from sqlalchemy import Connection, select
from werkzeug.wrappers import Response

from ledger.audit_log import entries_about
from ledger.event_queries import EventFilter, decisions_from, event_payload, list_events
from ledger.operator_tables import Role
from ledger.rows import AnyRow
from ledger.states import EventState
from ledger.tables import look_ups
from ops.dashboard.house import now_ms, wiring, write_down
from ops.dashboard.listing import ROWS, page_of_rows, wanted, wanted_row
from ops.dashboard.page_access import open_to
from ops.event_filters import ROW_MAX, event_filter
from ops.masked_payload import masked_payload, whole_payload
from ops.moments import MOMENT_RULE, read_moment
from policy.decision import Verdict

events: Final = Blueprint("events", __name__, url_prefix="/events")

_SAME_ID_ROWS_MAX: Final = 20


@events.get("")
@open_to(Role.VIEWER)
def show() -> str:
    """The events that are meant."""
    problem = ""
    try:
        meant = wanted_events()
    except click.ClickException as wrong:
        problem, meant = wrong.format_message().replace("--", ""), EventFilter(row_ids=(0,))
    with wiring().store.read() as connection:
        found = list_events(connection, meant, ROWS + 1, wanted_row())
    return render_template(
        "events.html",
        page=page_of_rows(found, "id"),
        states=[state.value for state in EventState],
        verdicts=[verdict.value for verdict in Verdict],
        problem=problem,
        is_filtered=not meant.is_empty,
    )


@events.get("/named/<event_id>")
@open_to(Role.VIEWER)
def named(event_id: str) -> str | Response:
    """The event of Stripe's id; a list where several accounts or modes know one."""
    with wiring().store.read() as connection:
        found = list_events(connection, EventFilter(event_ids=(event_id,)), _SAME_ID_ROWS_MAX)
    if len(found) == 1:
        return redirect(url_for("events.one", row_id=found[0].id), code=303)
    if not found:
        abort(404, f"The ledger has no event {event_id}.")
    return render_template(
        "events.html",
        page=page_of_rows(found, "id"),
        states=[],
        verdicts=[],
        problem="",
        is_filtered=True,
    )


@events.get("/<int:row_id>")
@open_to(Role.VIEWER)
def one(row_id: int) -> str:
    """The life of one event."""
    with wiring().store.read() as connection:
        return _one(connection, row_id)


@events.post("/<int:row_id>/payload")
@open_to(Role.APPROVER, fresh=True)
def payload(row_id: int) -> str:
    """Its body with the personal data that it holds; that it was looked at is written down first."""
    with wiring().store.write() as connection:
        row = _row(connection, row_id)
        detail = f"row {row.id}, with personal data"
        write_down(connection, "event.payload_shown", row.event_id, detail)
    with wiring().store.read() as connection:
        return _one(connection, row_id, whole=True)


def wanted_events() -> EventFilter:
    """The filter that the address names, by the rules of `redress events list`. Raises click.UsageError."""
    return event_filter(
        {
            "types": _several("type"),
            "states": tuple(text for text in _several("state") if text in _STATES),
            "note": wanted("note"),
            "object_id": wanted("object"),
            "lane": wanted("customer"),
            "charge_id": wanted("charge"),
            "subscription_id": wanted("subscription"),
            "verdicts": tuple(text for text in _several("decision") if text in _VERDICTS),
            "terms_version": wanted("terms"),
            "since": _moment("since"),
            "until": _moment("until"),
        },
        _several("event"),
    )


_STATES: Final = {state.value for state in EventState}
_VERDICTS: Final = {verdict.value for verdict in Verdict}


def _several(name: str) -> tuple[str, ...]:
    return tuple(text.strip()[:200] for text in request.args.getlist(name)[:20] if text.strip())


def _moment(name: str) -> int | None:
    text = wanted(name)
    moment_ms = None if text is None else read_moment(text, now_ms())
    if text is not None and moment_ms is None:
        raise click.UsageError(f"--{name}: {MOMENT_RULE}.")
    return moment_ms


def _one(connection: Connection, row_id: int, *, whole: bool = False) -> str:
    row = _row(connection, row_id)
    payload = event_payload(connection, row_id)
    body = whole_payload(payload) if whole else masked_payload(payload)
    return render_template(
        "event.html",
        event=row,
        decisions=decisions_from(connection, row_id),
        audit=entries_about(connection, row.event_id),
        questions=_questions(connection, row),
        body=json.dumps(body, indent=2, ensure_ascii=False),
        whole=whole,
    )


def _row(connection: Connection, row_id: int) -> AnyRow:
    found = list_events(connection, EventFilter(row_ids=(min(row_id, ROW_MAX),)), 1)
    if not found:
        abort(404, f"The ledger has no event in row {row_id}.")
    return found[0]


def _questions(connection: Connection, row: AnyRow) -> Any:
    """What Stripe was asked about the event's object."""
    if row.object_id is None:
        return []
    return connection.execute(select(look_ups).where(look_ups.c.object_id == row.object_id)).all()
