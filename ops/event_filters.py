"""The options by which `events list` and `events replay` name the events that are meant."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import click

from ledger.event_queries import EventFilter
from ledger.states import EventState
from ops.moments import Moment
from policy.decision import Verdict

Command = TypeVar("Command", bound=Callable[..., Any])

#: Row ids have at most this many digits, so that every engine can hold them.
ROW_DIGITS_MAX: Final = 18
ROW_MAX: Final = 10**ROW_DIGITS_MAX - 1

_OPTIONS: Final = (
    click.option("--type", "types", multiple=True, help="E.g. charge.succeeded, or charge.*"),
    click.option(
        "--state",
        "states",
        multiple=True,
        type=click.Choice([state.value for state in EventState]),
        help="Where the events stand.",
    ),
    click.option("--note", "note", help="A part of what is noted of a parked event."),
    click.option("--object", "object_id", help="Stripe's id of what the events are about."),
    click.option("--customer", "lane", help="The customer whose events are meant."),
    click.option("--charge", "charge_id", help="A charge, what was done to it, what it paid."),
    click.option(
        "--subscription", "subscription_id", help="A subscription, its invoices and payments."
    ),
    click.option(
        "--decision",
        "verdicts",
        multiple=True,
        type=click.Choice([verdict.value for verdict in Verdict]),
        help="What they led to.",
    ),
    click.option("--terms", "terms_version", help="Under which they were decided: 2025-09-14."),
    click.option("--since", type=Moment(), help="Received then or later: 2h, 2026-01-31."),
    click.option("--until", type=Moment(), help="Received before then."),
)


_NAMING: Final = {
    "note": "--note",
    "object_id": "--object",
    "lane": "--customer",
    "charge_id": "--charge",
    "subscription_id": "--subscription",
    "terms_version": "--terms",
}


def filter_options(command: Command) -> Command:
    """Add every filter to a command, which hands its `**filters` to `event_filter`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def event_filter(filters: Mapping[str, Any], references: tuple[str, ...] = ()) -> EventFilter:
    """The filter that the options make. Blank values and empty spans are usage errors."""
    for name, option in _NAMING.items():
        if filters[name] is not None and not filters[name].strip():
            raise click.UsageError(f"{option} needs a value; a blank one matches nothing.")
    since_ms, until_ms = filters["since"], filters["until"]
    if since_ms is not None and until_ms is not None and since_ms >= until_ms:
        raise click.UsageError("--since must be earlier than --until.")
    if any(not wanted.strip("* ") for wanted in filters["types"]):
        raise click.UsageError("--type needs a type, such as charge.succeeded or charge.*")
    rows = tuple(int(reference) for reference in references if is_row_id(reference))
    return EventFilter(
        row_ids=rows,
        event_ids=tuple(reference for reference in references if not is_row_id(reference)),
        types=filters["types"],
        states=tuple(EventState(state) for state in filters["states"]),
        **{name: filters[name] for name in _NAMING},
        verdicts=filters["verdicts"],
        since_ms=since_ms,
        until_ms=until_ms,
    )


def is_row_id(reference: str) -> bool:
    """Whether an operator named an event by the number of its row rather than by Stripe's id."""
    return reference.isascii() and reference.isdigit() and len(reference) <= ROW_DIGITS_MAX
