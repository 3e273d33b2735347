"""Changes of plan over the product API: kept once, previewed, listed and taken back; a worker carries them out."""

import pytest
from sqlalchemy import select

from ledger.asked_plan_changes import change_by_id
from ledger.plan_change_leases import settle_change
from ledger.tables import audit
from tests.fakes.frozen_clock import FrozenClock
from tests.webhooks.test_claims_api import fields_of
from tests.webhooks.test_product_api import Caller

PATH = "/api/plan-changes"
OUTLOOK = (
    '{"credits_after": 200, "credits_before": 100, "credits_now": 200,'
    ' "due_now": {"amount_minor": 20000, "currency": "usd"}, "due_then": null}'
)


@pytest.fixture
def call(store):
    """Calls on a fresh ledger, on each engine in turn."""
    return Caller(store, FrozenClock())


def asked(**changes):
    """One change, of a subscription to the pro plan."""
    return {"key": "k1", "subscription_id": "sub_1", "price_id": "price_pro"} | changes


def audited(call):
    """What the audit log says: (actor, action, object)."""
    with call.store.read() as connection:
        rows = connection.execute(select(audit).order_by(audit.c.id)).all()
    return [(row.actor, row.action, row.object) for row in rows]


def settle(call, number, **values):
    """What a worker would write."""
    with call.store.write() as connection:
        settle_change(connection, change_by_id(connection, number), 1, **values)


def test_change(call):
    """A change is kept and rung for once, and can be asked for; another under its key is refused."""
    first = call("POST", PATH, asked())
    again = call("POST", PATH, asked(reason="another word for it"))
    others = [
        call("POST", PATH, asked(**other)) for other in ({"price_id": "p"}, {"preview": True})
    ]
    number = first.json["change_id"]
    shown = call("GET", f"{PATH}/{number}")

    statuses = tuple(one.status_code for one in (first, again, *others, shown))
    assert (202, 202, 409, 409, 200) == statuses
    waiting = {
        "change_id": number,
        "subscription_id": "sub_1",
        "from_price_id": None,
        "to_price_id": "price_pro",
        "preview": False,
        "state": "waiting",
        "note": None,
        "effect": None,
        "clause": None,
        "effective_at": None,
        "outlook": None,
    }
    assert waiting == first.json == again.json == shown.json
    assert [("workers.jobs.change_plan", number)] == call.bells.rung
    assert [("product", "plan.change", f"plan_change:{number}")] == audited(call)


def test_preview(call):
    """A preview is rung for like a change; what it would do is told when a worker has looked."""
    number = call("POST", PATH, asked(preview=True)).json["change_id"]
    decided = {"effect": "now", "clause": "CHANGE-ANNUAL", "outlook": OUTLOOK}
    settle(call, number, state="observed", note="A preview", next_attempt_ms=None, **decided)
    shown = call("GET", f"{PATH}/{number}").json

    assert ("observed", True, "now") == (shown["state"], shown["preview"], shown["effect"])
    assert {
        "due_now": {"minor": 20000, "currency": "usd"},
        "due_then": None,
        "credits_now": 200,
        "credits_before": 100,
        "credits_after": 200,
    } == shown["outlook"]
    assert [] == audited(call)


def test_withdrawal(call):
    """What is still to come is taken back, also twice; what has happened is not."""
    number = call("POST", PATH, asked()).json["change_id"]
    first, again = (call("POST", f"{PATH}/{number}/withdraw", {}) for _ in range(2))
    other = call("POST", PATH, asked(key="k2")).json["change_id"]
    settle(call, other, state="applied", next_attempt_ms=None)
    late = call("POST", f"{PATH}/{other}/withdraw", {})

    assert (202, 202, 409) == (first.status_code, again.status_code, late.status_code)
    assert ["withdrawn", "withdrawn"] == [first.json["state"], again.json["state"]]
    assert "is applied" in late.json["error"]["message"]
    assert ["plan.change", "plan.withdraw", "plan.change"] == [one[1] for one in audited(call)]


def test_list(call):
    """The changes of a subscription, newest first; of one that nobody asked about none."""
    numbers = [call("POST", PATH, asked(key=key)).json["change_id"] for key in ("k1", "k2")]
    found = call("GET", "/api/subscriptions/sub_1/plan-changes")
    none = call("GET", "/api/subscriptions/sub_2/plan-changes")

    assert numbers[::-1] == [one["change_id"] for one in found.json["changes"]]
    assert {"changes": []} == none.json


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{PATH}/7"),
        ("GET", f"{PATH}/seven"),
        ("GET", f"{PATH}/{2**60}"),
        ("POST", f"{PATH}/7/withdraw"),
    ],
)
def test_unknown(call, method, path):
    """A change that is not there is a 404."""
    body = {} if method == "POST" else None

    assert 404 == call(method, path, body).status_code


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"key": ""}, "key"),
        ({"key": None}, "key"),
        ({"subscription_id": "s" * 201}, "subscription_id"),
        ({"price_id": "a\nb"}, "price_id"),
        ({"preview": "yes"}, "preview"),
        ({"reason": ""}, "reason"),
        ({"when": "now"}, "when"),
    ],
)
def test_wrong_fields(call, changes, field):
    """Each wrong field is named, and nothing is kept."""
    refused = call("POST", PATH, asked(**changes))

    assert 422 == refused.status_code
    assert [field] == fields_of(refused)
    assert {"changes": []} == call("GET", "/api/subscriptions/sub_1/plan-changes").json
