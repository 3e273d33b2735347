"""The first page: whether events flow, what waits, what was paid, and what a person has to do."""

from typing import Final

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from ledger.case_queue import CaseFilter, queue_page
from ledger.event_counts import decision_lags_ms
from ledger.fraud_ratios import standings_at
from ledger.operator_tables import Role
from ledger.standing_now import standing_now
from ops.dashboard.charts import SPANS, event_chart
from ops.dashboard.house import merchant_name, now_ms, wiring
from ops.dashboard.listing import wanted
from ops.dashboard.page_access import open_to
from ops.dashboard.remembered import remembered
from ops.dashboard.searching import address_of
from runtime.operator_limits import SLOW_METRICS_SECONDS

overview: Final = Blueprint("overview", __name__)

_LAGS_LOOKED_AT: Final = 200
_CASES_SHOWN: Final = 5


@overview.get("/")
@open_to(Role.VIEWER)
def show() -> str:
    """How everything stands."""
    span = wanted("span") if wanted("span") in SPANS else "hour"
    here = wiring()
    with here.store.read() as connection:
        now = standing_now(connection, now_ms())
        lags = decision_lags_ms(connection, _LAGS_LOOKED_AT)
        due = queue_page(connection, CaseFilter(awake_at_ms=now_ms()), _CASES_SHOWN)
        chart = event_chart(connection, merchant_name(), str(span), now_ms())
        ratios = remembered(
            (merchant_name(), "ratios"),
            SLOW_METRICS_SECONDS,
            lambda: standings_at(connection, now_ms() // 1000),
        )
    return render_template(
        "overview.html",
        now=now,
        caps=here.settings.redress_cap_day,
        cap_count=here.settings.redress_cap_day_count,
        mode=here.settings.redress_mode.value,
        lag_median=lags[len(lags) // 2] if lags else None,
        lag_worst=lags[-1] if lags else None,
        due=due,
        chart=chart,
        span=span,
        spans=list(SPANS),
        ratios=ratios,
    )


@overview.get("/search")
@open_to(Role.VIEWER)
def search() -> str | Response:
    """Go to whatever an id names."""
    text = wanted("q")
    if text is None:
        return redirect(url_for("overview.show"), code=303)
    with wiring().store.read() as connection:
        found = address_of(connection, text)
    return redirect(found, code=303) if found else render_template("search.html", text=text)
