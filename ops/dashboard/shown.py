"""How pages show money, moments, states and ids: Jinja's filters, all escaped by the templates themselves."""

from datetime import UTC, datetime
from typing import Any, Final

from flask import Flask, url_for

from ops.dashboard.house import now_ms
from ops.moments import duration_text, moment_text
from ops.terminal import counted
from policy.money import Money
from workers.business_days import business_days_until

#: What a state means for whoever looks: done, under way, wants a person, went wrong.
_TONES: Final = {
    "good": (
        *("decided", "refunded", "succeeded", "approve", "applied", "restored", "accepted", "sent"),
        *("won", "done", "off", "finished", "active", "right"),
    ),
    "busy": (
        *(
            "new",
            "claimed",
            "refunding",
            "reserved",
            "submitted",
            "pending",
            "scheduled",
            "waiting",
        ),
        *("sending", "wanted", "withdrawing", "restoring", "crediting", "started", "queued"),
        *("running", "scheduled", "deferred"),
    ),
    "look": (
        *("parked", "review", "unknown", "needs_response", "warning_needs_response", "unmatched"),
        *("observed", "suspended", "held", "close"),
    ),
    "bad": ("rejected", "failed", "lost", "refused", "terminated", "on", "reached"),
}
_TONE_OF: Final = {state: tone for tone, states in _TONES.items() for state in states}


def show_values(app: Flask) -> None:
    """Give the templates of `app` the filters."""
    app.jinja_env.filters.update(
        money=money,
        utc=moment_text,
        iso=iso,
        lasting=duration_text,
        since=lambda at_ms: duration_text(now_ms() - at_ms),
        until=until,
        due=due,
        words=words,
        share=lambda part: "-" if part is None else f"{part * 100:.0f} %",
        counted=lambda number, name: counted(int(number), name),
        tone=tone,
        page_of=page_of,
        without=without,
    )
    app.jinja_env.globals["now_ms"] = now_ms


def money(minor: Any, currency: str | None) -> str:
    """`12.34 USD`; empty where there is no amount."""
    if minor is None or currency is None:
        return ""
    return str(Money(amount_minor=int(minor), currency=currency))


def iso(at_ms: int) -> str:
    """`2026-01-31T12:00:00Z`, for machines."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def until(at_ms: int) -> str:
    """`in 2 h 5 min`, or how late it is."""
    left = at_ms - now_ms()
    return f"in {duration_text(left)}" if left >= 0 else f"{duration_text(-left)} late"


def without(values: dict[str, Any], *names: str) -> dict[str, Any]:
    """The values but those of these names."""
    return {name: value for name, value in values.items() if name not in names}


def due(at_ms: int) -> str:
    """`in 3 business days`, `today, in 2 h 5 min`, or how late it is."""
    days = business_days_until(now_ms(), at_ms)
    if days:
        return f"in {counted(days, 'business day')}"
    return until(at_ms) if at_ms < now_ms() else f"today, {until(at_ms)}"


def words(name: Any) -> str:
    """A name of the program's as people write it: without underscores."""
    return str(name).replace("_", " ")


def tone(state: Any) -> str:
    """The class of a state's badge."""
    return f"tone-{_TONE_OF.get(str(state), 'plain')}"


def page_of(object_id: Any) -> str | None:
    """The page about an id, whose beginning says what it is; None where there is none."""
    text = str(object_id)
    kind, _, rest = text.partition(":")
    if kind == "case" and rest.isdigit():
        return url_for("cases.one", case_id=int(rest))
    for prefix, (endpoint, name) in _PAGES.items():
        if text.startswith(prefix):
            values: dict[str, Any] = {name: text}
            return url_for(endpoint, **values)
    return None


_PAGES: Final = {
    "evt_": ("events.named", "event_id"),
    "cus_": ("accounts.one", "customer_id"),
    "ch_": ("refunds.of_charge", "charge_id"),
    "py_": ("refunds.of_charge", "charge_id"),
    "dp_": ("disputes.one", "dispute_id"),
    "du_": ("disputes.one", "dispute_id"),
}
