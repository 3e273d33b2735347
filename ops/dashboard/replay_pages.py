"""Replaying events from the dashboard: the plan and a forecast first, then the work, in one bounded step."""

import threading
from typing import Final

import click
from flask import Blueprint, abort, redirect, render_template, url_for
from werkzeug.wrappers import Response

from ledger.operator_tables import Role
from ledger.parsing import Expected
from ledger.replay_runs import begin_run, newest_runs
from ledger.replaying import ReplayAuthor
from ops.dashboard.event_pages import wanted_events
from ops.dashboard.flashes import flash
from ops.dashboard.form_values import FormRefused, actor, reason, refusals_said
from ops.dashboard.house import now_ms, wiring
from ops.dashboard.listing import ROWS
from ops.dashboard.page_access import open_to
from ops.replay_forecast import Forecast, make_forecast
from ops.replay_report import tally_sentences
from ops.replay_selection import LEDGER, Selection, select_events
from ops.stripe_at_hand import stripe_sentence
from ops.terminal import counted
from workers.gateway_errors import GatewayError
from workers.replays import ReplayRunner

replays: Final = Blueprint("replays", __name__, url_prefix="/replays")

#: More is a command's work: a page must answer while somebody waits for it.
EVENTS_MAX: Final = 200
_PER_SECOND: Final = 100
#: A forecast copies the ledger, some 20 s for each million events: one at a time, so that pages are served meanwhile.
_FORECASTING: Final = threading.Lock()


@replays.get("")
@open_to(Role.VIEWER)
def show() -> str:
    """The replays that were started, the newest first."""
    with wiring().store.read() as connection:
        return render_template("replays.html", runs=newest_runs(connection, ROWS))


@replays.get("/plan")
@open_to(Role.OPERATOR)
def plan() -> str:
    """What a replay of the events that the address names would be about."""
    return _page(_selection())


@replays.post("/forecast")
@open_to(Role.OPERATOR)
def forecast() -> str:
    """The same with what would become of them, found by doing it in a copy."""
    selection = _selection()
    _require_few(selection)
    if not _FORECASTING.acquire(blocking=False):
        raise FormRefused("Somebody else's forecast is being made; try again when it is there.")
    try:
        found = make_forecast(wiring(), selection, None, lambda _: None)
    except GatewayError as error:
        abort(503, stripe_sentence(error))
    finally:
        _FORECASTING.release()
    return _page(selection, found)


@replays.post("/run")
@open_to(Role.OPERATOR, fresh=True)
def run() -> Response:
    """Put them back to be worked on."""
    with refusals_said():
        selection = _selection()
        _require_few(selection)
        by = actor()
        author = ReplayAuthor(actor=by.name, reason=reason(), origin=by.origin)
        here = wiring()
        with here.store.write() as connection:
            begun = begin_run(
                connection,
                source=selection.kind,
                selection=selection.written,
                author=author,
                now_ms=now_ms(),
            )
        runner = ReplayRunner(
            store=here.store,
            bell=here.wakeups,
            clock=here.clock,
            served=Expected.by(here.settings),
            per_second=_PER_SECOND,
            run=begun,
        )
        for _ in runner.steps(selection.source):
            pass
        flash(
            f"Replay {runner.run.run_id}: {counted(runner.run.replayed, 'event')} put back to be worked on."
        )
    return redirect(url_for("replays.show"), code=303)


def _selection() -> Selection:
    try:
        meant = wanted_events()
    except click.ClickException as wrong:
        abort(400, wrong.format_message().replace("--", ""))
    if meant.is_empty:
        abort(400, "An empty filter never means all; narrow the list of events first.")
    return select_events(wiring(), LEDGER, meant, 0, None)


def _require_few(selection: Selection) -> None:
    if _count(selection) > EVENTS_MAX:
        raise FormRefused(
            f"Here at most {EVENTS_MAX} events are replayed at once; `redress replay` takes any number."
        )


def _count(selection: Selection) -> int:
    return 0 if selection.plan is None else selection.plan.events


def _page(selection: Selection, found: Forecast | None = None) -> str:
    return render_template(
        "replay.html",
        plan=selection.plan,
        few=_count(selection) <= EVENTS_MAX,
        most=EVENTS_MAX,
        forecast=found,
        sentences=[] if found is None else tally_sentences(found.tally, found.written),
    )
