"""Who did what: the audit log, newest first."""

from typing import Final

from flask import Blueprint, render_template

from ledger.audit_log import newest_entries
from ledger.operator_tables import Role
from ops.dashboard.house import wiring
from ops.dashboard.listing import ROWS, page_of_rows, wanted, wanted_row
from ops.dashboard.page_access import open_to

audit: Final = Blueprint("audit", __name__, url_prefix="/audit")


@audit.get("")
@open_to(Role.VIEWER)
def show() -> str:
    """The entries that are meant."""
    with wiring().store.read() as connection:
        found = newest_entries(
            connection,
            ROWS + 1,
            before_id=wanted_row(),
            actor=wanted("actor"),
            action=wanted("action"),
            object_id=wanted("object"),
        )
    return render_template("audit.html", page=page_of_rows(found, "id"))
