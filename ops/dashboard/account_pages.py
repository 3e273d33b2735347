"""One customer: payments, cases, refunds, credits and standing."""

from typing import Final

from flask import Blueprint, redirect, render_template, request, url_for
from sqlalchemy import Connection, select
from werkzeug.wrappers import Response

from ledger.accounts import Account, account_of
from ledger.cases import cases_of_charges
from ledger.credit_grants import is_valid
from ledger.credits import grants_of_customer, overdrawn
from ledger.dispute_rows import Dispute, disputes_of
from ledger.operator_tables import Role
from ledger.request_tables import accounts as account_rows
from ledger.rows import AnyRow
from ledger.states import Standing, StandingCause
from ledger.stripe_tables import charges
from ops.dashboard.flashes import flash
from ops.dashboard.form_values import FormRefused, actor, reason, refusals_said
from ops.dashboard.house import now_ms, wiring
from ops.dashboard.listing import ROWS, wanted
from ops.dashboard.page_access import open_to
from ops.standing_changes import change_standing
from workers.context import ring_for

accounts: Final = Blueprint("accounts", __name__, url_prefix="/accounts")


@accounts.get("")
@open_to(Role.VIEWER)
def show() -> str | Response:
    """Find one; without a name, those whose access rests or ended."""
    customer = wanted("customer")
    if customer is not None:
        return redirect(url_for("accounts.one", customer_id=customer), code=303)
    with wiring().store.read() as connection:
        resting = connection.execute(
            select(account_rows)
            .where(account_rows.c.standing != Standing.ACTIVE.value)
            .order_by(account_rows.c.changed_ms.desc())
            .limit(ROWS)
        ).all()
    return render_template("accounts.html", resting=resting)


@accounts.get("/<customer_id>")
@open_to(Role.VIEWER)
def one(customer_id: str) -> str:
    """Everything about one customer but who it is: that is Stripe's to tell."""
    with wiring().store.read() as connection:
        paid = _payments(connection, customer_id)
        charge_ids = [row.charge_id for row in paid]
        grants = grants_of_customer(connection, customer_id)
        return render_template(
            "account.html",
            account=account_of(connection, customer_id),
            paid=paid,
            cases=cases_of_charges(connection, charge_ids),
            disputes=_disputes(connection, charge_ids),
            grants=grants,
            available=sum(grant.left for grant in grants if is_valid(grant, now_ms() // 1000)),
            overdrawn=overdrawn(connection, customer_id),
            standings=[standing.value for standing in Standing],
            causes=[cause.value for cause in StandingCause],
        )


@accounts.post("/<customer_id>/standing")
@open_to(Role.APPROVER)
def set_standing(customer_id: str) -> Response:
    """Write how a customer stands; the product is told by webhook."""
    with refusals_said():
        account = _wanted_standing(customer_id)
        here = wiring()
        with here.store.write() as connection:
            told = change_standing(
                connection,
                here.settings,
                account,
                reason=reason(),
                now_ms=now_ms(),
                by=actor(),
            )
        if told is not None:
            ring_for(here.wakeups, (), (), notices=[told])
        flash(f"{customer_id} is {account.standing}.")
    return redirect(url_for("accounts.one", customer_id=customer_id), code=303)


def _wanted_standing(customer_id: str) -> Account:
    try:
        standing = Standing(request.form.get("standing", ""))
        named = request.form.get("cause", "")
        cause = StandingCause(named) if named else None
    except ValueError:
        raise FormRefused("Choose how the account stands, and why.") from None
    if standing is not Standing.ACTIVE and cause is None:
        raise FormRefused(f"Say why the account is {standing}.")
    return Account(customer_id=customer_id, standing=standing, cause=cause)


def _payments(connection: Connection, customer_id: str) -> list[AnyRow]:
    query = (
        select(charges)
        .where(charges.c.customer_id == customer_id)
        .order_by(charges.c.created.desc())
        .limit(ROWS)
    )
    return list(connection.execute(query).all())


def _disputes(connection: Connection, charge_ids: list[str]) -> list[Dispute]:
    return [one for charge_id in charge_ids for one in disputes_of(connection, charge_id)]
