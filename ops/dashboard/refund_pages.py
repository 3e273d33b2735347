"""Refunds: every intent to send one, how it stands, and all that is known of one payment."""

from typing import Final

from flask import Blueprint, abort, redirect, render_template, url_for
from sqlalchemy import select
from werkzeug.wrappers import Response

from ledger.cases import cases_of_charges
from ledger.operator_tables import Role
from ledger.refund_queries import RefundFilter, cases_that_keep, list_refunds, refund_totals
from ledger.states import IntentState
from ledger.stripe_tables import charges
from ledger.stripe_tables import refunds as stripe_refunds
from ops.dashboard.house import now_ms, wiring
from ops.dashboard.listing import ROWS, page_of_rows, wanted
from ops.dashboard.page_access import open_to

refunds: Final = Blueprint("refunds", __name__, url_prefix="/refunds")

_DAY_MS: Final = 86_400_000
_STATES: Final = [state.value for state in IntentState]


@refunds.get("")
@open_to(Role.VIEWER)
def show() -> str:
    """The intents that are meant, newest first, and what those of a day add up to."""
    state = wanted("state")
    if state is not None and state not in _STATES:
        abort(400, f"state is one of {', '.join(_STATES)}.")
    meant = RefundFilter(
        states=() if state is None else (IntentState(state),),
        charge_id=wanted("charge"),
        customer_id=wanted("customer"),
    )
    with wiring().store.read() as connection:
        found = list_refunds(connection, meant, ROWS + 1, wanted("before"))
        totals = refund_totals(connection, RefundFilter(since_ms=now_ms() - _DAY_MS))
    return render_template(
        "refunds.html", page=page_of_rows(found, "id"), totals=totals, states=_STATES
    )


@refunds.get("/charges/<charge_id>")
@open_to(Role.VIEWER)
def of_charge(charge_id: str) -> str | Response:
    """One payment: its cases, and the refunds that Stripe told of. With one case alone, that case."""
    with wiring().store.read() as connection:
        charge = connection.execute(select(charges).where(charges.c.charge_id == charge_id)).first()
        about = cases_of_charges(connection, [charge_id])
        keeping = cases_that_keep(connection, charge_id)
        back = connection.execute(
            select(stripe_refunds).where(stripe_refunds.c.charge_id == charge_id)
        ).all()
    if charge is None and not about:
        abort(404, f"The ledger does not know the payment {charge_id}.")
    if len(about) == 1 and not keeping:
        return redirect(url_for("cases.one", case_id=about[0].case_id), code=303)
    return render_template(
        "charge.html",
        charge_id=charge_id,
        charge=charge,
        cases=about,
        keeping=keeping,
        refunds=back,
    )
