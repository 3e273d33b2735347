"""Sees in Stripe's events that a pending change of plan took effect, or that its schedule is gone.

An event only has the change looked at: its worker asks Stripe how it stands, whatever the events' order.
"""

import json

from sqlalchemy import Connection

from ledger.asked_plan_changes import PlanChange, scheduled_change
from ledger.plan_change_leases import wake_scheduled
from ledger.projections import Sighting
from workers.billing_objects import SCHEDULE_LIVE, SUBSCRIPTION_OVER


def watch_plan_change(connection: Connection, sighting: Sighting, now_ms: int) -> None:
    """Have the pending change of a subscription looked at, if this object says something about it."""
    told = _ABOUT.get(sighting.table.name)
    if told is None:
        return
    column, concerns = told
    subscription_id = sighting.key if column is None else sighting.values[column]
    if subscription_id is None:
        return
    change = scheduled_change(connection, str(subscription_id))
    if change is not None and concerns(sighting, change):
        wake_scheduled(connection, change.subscription_id, now_ms)


def _subscription_moved(sighting: Sighting, change: PlanChange) -> bool:
    """It is over, or runs at the new price, or something else steers it."""
    values = sighting.values
    prices = [item["price"] for item in json.loads(str(values["items"]))]
    return (
        values["status"] in SUBSCRIPTION_OVER
        or change.price_id in prices
        or values["schedule_id"] != change.schedule_id
    )


def _schedule_moved(sighting: Sighting, change: PlanChange) -> bool:
    return sighting.key == change.schedule_id and sighting.values["status"] not in SCHEDULE_LIVE


_ABOUT = {
    "subscriptions": (None, _subscription_moved),
    "subscription_schedules": ("subscription_id", _schedule_moved),
}
