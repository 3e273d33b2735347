"""What a replay is about: the source and the filter that its options name, and the same read back to go on."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import click

from ledger.event_queries import EventFilter
from ledger.parsing import Expected
from ledger.replay_runs import ReplayRun
from ledger.replaying import ReplayOrder, ReplayPlan, plan_replay
from ledger.states import EventState
from ops.replay_files import EventFile, FileRefused, open_event_file
from ops.stripe_at_hand import open_gateway
from runtime.operator_limits import EVENTS_KEPT_SECONDS
from runtime.wiring import Wiring
from workers.replay_sources import LedgerRows, ReplaySource, StripeEvents
from workers.stripe_lists import StripeList

LEDGER: Final = "ledger"
STRIPE: Final = "stripe"
FILE: Final = "file"

#: What only the ledger knows of an event: a filter by it means nothing in a file or at Stripe.
_LEDGER_ONLY: Final = {
    "row_ids": "the number of a row",
    "states": "--state",
    "note": "--note",
    "charge_id": "--charge",
    "subscription_id": "--subscription",
    "verdicts": "--decision",
    "terms_version": "--terms",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The events that are meant: `kind` is where they come from, `written` the same as JSON.

    `plan` are the ledger's counts; None for events that come from elsewhere.
    """

    kind: str
    written: str
    source: ReplaySource
    plan: ReplayPlan | None


def select_events(
    wiring: Wiring, come_from: str, wanted: EventFilter, after_row: int, most: int | None
) -> Selection:
    """The selection that the options make. Usage errors say which options do not go together."""
    if come_from != LEDGER:
        _require_known_there(wanted)
        if after_row or most:
            raise click.UsageError("--after and --limit count rows of the ledger; leave them away.")
    if come_from == STRIPE:
        return _of_stripe(wiring, _within_kept(wiring, wanted))
    if come_from != LEDGER:
        return _of_file(wiring, Path(come_from), wanted, None)
    order = ReplayOrder(
        wanted=wanted,
        livemode=wiring.settings.livemode,
        account=wiring.settings.served_account,
        after_row=after_row,
        count_max=most,
    )
    with wiring.store.read() as connection:
        plan = plan_replay(connection, order)
    return _of_ledger(wiring, order, plan, plan.last_row)


def selection_of(wiring: Wiring, run: ReplayRun) -> Selection:
    """The selection of a replay that was started before, for its rest. Raises FileRefused."""
    written: dict[str, Any] = json.loads(run.selection)
    wanted = _filter(written["filter"])
    if run.source == STRIPE:
        return _of_stripe(wiring, wanted)
    if run.source == FILE:
        return _of_file(wiring, Path(written["file"]), wanted, written["sha256"])
    most = written["limit"]
    order = ReplayOrder(
        wanted=wanted,
        livemode=wiring.settings.livemode,
        account=wiring.settings.served_account,
        after_row=int(run.cursor or written["after"]),
        count_max=None if most is None else most - run.replayed,
    )
    with wiring.store.read() as connection:
        plan = plan_replay(connection, order)
    return _of_ledger(wiring, order, plan, written["last_row"])


def _of_ledger(wiring: Wiring, order: ReplayOrder, plan: ReplayPlan, last_row: int) -> Selection:
    written: dict[str, Any] = {
        "filter": asdict(order.wanted),
        "after": order.after_row,
        "last_row": last_row,
        "limit": order.count_max,
    }
    source = LedgerRows(
        store=wiring.store,
        order=replace(order, count_max=None),
        last_row=last_row,
        most=order.count_max,
    )
    return Selection(kind=LEDGER, written=_dump(written), source=source, plan=plan)


def _of_file(wiring: Wiring, path: Path, wanted: EventFilter, digest: str | None) -> Selection:
    source: EventFile = open_event_file(path, wanted, Expected.by(wiring.settings))
    if digest not in (None, source.digest):
        raise FileRefused(f"{path} is not the file any more that this replay began with.")
    written: dict[str, Any] = {
        "file": str(path.absolute()),
        "sha256": source.digest,
        "filter": asdict(wanted),
    }
    return Selection(kind=FILE, written=_dump(written), source=source, plan=None)


def _of_stripe(wiring: Wiring, wanted: EventFilter) -> Selection:
    gateway = open_gateway(wiring.settings)
    source = StripeEvents(
        events=StripeList(gateway=gateway, clock=wiring.clock, resource="events"),
        since=(wanted.since_ms or 0) // 1000,
        until=(wanted.until_ms or 0) // 1000,
        wanted=wanted,
        expected=Expected.by(wiring.settings),
    )
    written = _dump({"filter": asdict(wanted)})
    return Selection(kind=STRIPE, written=written, source=source, plan=None)


def _dump(written: Mapping[str, Any]) -> str:
    return json.dumps(written, sort_keys=True, separators=(",", ":"))


def _within_kept(wiring: Wiring, wanted: EventFilter) -> EventFilter:
    """The span in full, so that going on later means the same events."""
    now_ms = wiring.clock.now_ms()
    oldest_ms = now_ms - EVENTS_KEPT_SECONDS * 1000
    until_ms = now_ms if wanted.until_ms is None else min(wanted.until_ms, now_ms)
    since_ms = oldest_ms if wanted.since_ms is None else max(wanted.since_ms, oldest_ms)
    if since_ms >= until_ms:
        raise click.UsageError("Stripe keeps events for 30 days; name a span within them.")
    return replace(wanted, since_ms=since_ms, until_ms=until_ms)


def _require_known_there(wanted: EventFilter) -> None:
    empty = EventFilter()
    for name, option in _LEDGER_ONLY.items():
        if getattr(wanted, name) != getattr(empty, name):
            raise click.UsageError(f"Only the ledger knows {option}; replay --from ledger by it.")


def _filter(written: Mapping[str, Any]) -> EventFilter:
    lists = {name: tuple(value) for name, value in written.items() if isinstance(value, list)}
    states = tuple(EventState(state) for state in lists["states"])
    return EventFilter(**{**written, **lists, "states": states})
