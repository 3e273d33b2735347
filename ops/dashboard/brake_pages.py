"""The brake: one switch that stops all money, the caps, and what they keep back."""

from typing import Final

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from ledger.audit_log import entries_about
from ledger.brake import read_brake
from ledger.operator_tables import Role
from ledger.work_counts import count_effects
from ops.brake_switch import release_money, stop_money
from ops.dashboard.flashes import flash
from ops.dashboard.form_values import actor, reason, refusals_said
from ops.dashboard.house import now_ms, wiring
from ops.dashboard.page_access import open_to
from ops.terminal import counted

brake: Final = Blueprint("brake", __name__, url_prefix="/brake")

_ENTRIES: Final = 20


@brake.get("")
@open_to(Role.VIEWER)
def show() -> str:
    """How the brake stands, and who moved it."""
    here = wiring()
    with here.store.read() as connection:
        return render_template(
            "brake.html",
            brake=read_brake(connection),
            effects=count_effects(connection, now_ms()),
            settings_here=here.settings,
            entries=list(reversed(entries_about(connection, "brake", _ENTRIES))),
        )


@brake.post("/on")
@open_to(Role.OPERATOR)
def stop() -> Response:
    """Stop all money. It is quick to do: nobody is asked twice who they are."""
    with refusals_said():
        under_way = stop_money(wiring(), actor(), reason())
        more = (
            f" {counted(under_way, 'refund')} had been handed to Stripe before."
            if under_way
            else ""
        )
        flash(f"The brake is on: no refund leaves, and none is lost.{more}")
    return redirect(url_for("brake.show"), code=303)


@brake.post("/off")
@open_to(Role.APPROVER, fresh=True)
def release() -> Response:
    """Let money move again."""
    with refusals_said():
        released = release_money(wiring(), actor(), reason())
        if released is None:
            flash("The brake was not on; nothing was changed.")
        else:
            late = "" if released.rang else " Redis is away; they leave once it is back."
            flash(
                f"The brake is off. {counted(released.refunds, 'refund')} that waited can leave now.{late}"
            )
    return redirect(url_for("brake.show"), code=303)
