"""Changes of plan: those that were asked for here, and those that Stripe's events told of."""

from typing import Final

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from ledger.asked_plan_changes import list_changes
from ledger.operator_tables import Role
from ledger.seen_plan_changes import list_seen
from ledger.states import PlanChangeState, SeenPlanState
from ops.dashboard.flashes import flash
from ops.dashboard.form_values import actor, reason, refusals_said
from ops.dashboard.house import wiring
from ops.dashboard.listing import ROWS, page_of_rows, wanted, wanted_row
from ops.dashboard.page_access import open_to
from ops.plan_acts import ACCEPTABLE, RESTORABLE, accept_seen, restore_seen, withdraw_asked

plans: Final = Blueprint("plans", __name__, url_prefix="/plan-changes")

_ASKED: Final = [state.value for state in PlanChangeState]
_SEEN: Final = [state.value for state in SeenPlanState]
_WITHDRAWABLE: Final = frozenset({PlanChangeState.WAITING, PlanChangeState.SCHEDULED})


@plans.get("")
@open_to(Role.VIEWER)
def show() -> str:
    """Those that were asked for."""
    state = wanted("state")
    states = [PlanChangeState(state)] if state in _ASKED else []
    with wiring().store.read() as connection:
        found = list_changes(connection, states, ROWS + 1, wanted_row())
    return render_template(
        "plan_changes.html",
        page=page_of_rows(found, "change_id"),
        states=_ASKED,
        withdrawable=_WITHDRAWABLE,
    )


@plans.get("/seen")
@open_to(Role.VIEWER)
def seen() -> str:
    """Those that were made elsewhere."""
    state = wanted("state")
    states = [SeenPlanState(state)] if state in _SEEN else []
    with wiring().store.read() as connection:
        found = list_seen(connection, states, ROWS + 1, wanted_row())
    return render_template(
        "seen_plans.html",
        page=page_of_rows(found, "seen_id"),
        states=_SEEN,
        acceptable=ACCEPTABLE,
        restorable=RESTORABLE,
    )


@plans.post("/<int:change_id>/withdraw")
@open_to(Role.OPERATOR)
def withdraw(change_id: int) -> Response:
    """Take back a change that has not taken effect."""
    with refusals_said():
        after = withdraw_asked(wiring(), change_id, actor(), reason())
        flash(f"Change {change_id} is {after.state}.")
    return redirect(url_for("plans.show"), code=303)


@plans.post("/seen/<int:seen_id>/accept")
@open_to(Role.APPROVER)
def accept(seen_id: int) -> Response:
    """Let a change stand that was made elsewhere."""
    with refusals_said():
        accept_seen(wiring(), seen_id, actor(), reason())
        flash(f"Change {seen_id} stands as it was made.")
    return redirect(url_for("plans.seen"), code=303)


@plans.post("/seen/<int:seen_id>/restore")
@open_to(Role.APPROVER, fresh=True)
def restore(seen_id: int) -> Response:
    """Have a change put right; what it took may go back."""
    with refusals_said():
        restore_seen(wiring(), seen_id, actor(), reason())
        flash(f"Change {seen_id} is looked at anew.")
    return redirect(url_for("plans.seen"), code=303)
