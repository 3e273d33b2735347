"""Where an id leads: each page by what the id begins with, or by what the ledger has of it."""

from typing import Final

from flask import url_for
from sqlalchemy import Connection, select

from ledger.event_queries import EventFilter, list_events
from ledger.tables import refund_intents
from ops.dashboard.shown import page_of
from ops.event_filters import is_row_id

_CUSTOMER: Final = "cus_"


def address_of(connection: Connection, text: str) -> str | None:
    """The page that an id, or a part of a note, leads to; None when nothing is known of it."""
    if is_row_id(text.removeprefix("#")):
        return url_for("cases.one", case_id=int(text.removeprefix("#")))
    own = page_of(text)
    if own is not None:
        return own
    intent = connection.execute(
        select(refund_intents.c.case_id).where(
            (refund_intents.c.id == text) | (refund_intents.c.refund_id == text)
        )
    ).scalar()
    if intent is not None:
        return url_for("cases.one", case_id=intent)
    if text.startswith("sub_"):
        return url_for("events.show", subscription=text)
    if list_events(connection, EventFilter(object_id=text), 1):
        return url_for("events.show", object=text)
    return url_for("events.show", customer=text) if text.startswith(_CUSTOMER) else None
