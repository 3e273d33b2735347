"""Several merchants in one dashboard: each page is about one, and one's people are the installation's."""

import pytest
from sqlalchemy import select

from ledger.ledger_owner import claim_ledger
from ledger.tables import audit, cases
from tests.fakes.ledger_rows import put
from tests.fakes.worker_world import worker_settings
from tests.ops.dashboard.conftest import wiring_of
from tests.ops.dashboard.dashboard_room import DashboardRoom, path_of, text_of


@pytest.fixture
def two(databases, tmp_path, clock, no_queues):
    """The environment's own merchant and `studio`, each with a case of its own."""
    wirings = {}
    for name in ("", "studio"):
        store = databases.store(databases.url("sqlite"))
        claim_ledger(store, name)
        with store.write() as connection:
            charge = f"ch_of_{name or 'first'}"
            put(connection, cases, kind="refund_request", charge_id=charge, state="review")
        settings = worker_settings(tmp_path / (name or "first"))
        wirings[name] = wiring_of(settings, store, clock, no_queues)
    return DashboardRoom(wirings, clock)


def test_each_page_is_of_one(two):
    """What stands before the path says whose; links stay there, and nothing of the other is shown."""
    viewer = two.browser("viewer")
    own, studio = viewer.get("/cases"), viewer.get("/merchants/studio/cases")

    assert ("ch_of_first" in own.text, "ch_of_studio" in own.text) == (True, False)
    assert ("ch_of_first" in studio.text, "ch_of_studio" in studio.text) == (False, True)
    assert 'href="/merchants/studio/cases/1"' in studio.text
    assert "Merchant studio" in text_of(studio)
    assert "/merchants/studio/" in own.text


def test_acts_are_of_one(two):
    """The brake that is thrown for one stops one, and is in that one's audit log."""
    ada = two.browser("operator", "ada")
    answer = ada.post("/merchants/studio/brake/on", {"reason": "looking into it"})

    assert "/merchants/studio/brake" == path_of(answer)
    assert "Money moves" in text_of(ada.get("/brake"))
    assert "No refund leaves" in text_of(ada.get("/merchants/studio/brake"))
    of_studio = {entry.actor for entry in entries(two, "studio")}
    assert ({"ada"}, set()) == (of_studio, {entry.actor for entry in entries(two, "")})


@pytest.mark.parametrize(
    "path", ["/merchants/other/cases", "/merchants/studio", "/merchants//cases"]
)
def test_unknown_merchants(two, path):
    """There is nothing at another merchant's address."""
    assert 404 == two.browser("admin").get(path).status_code


def test_strangers_are_sent_to_the_door_and_back(two):
    """Who signs in comes back to the merchant's page."""
    answer = two.stranger().get("/merchants/studio/cases")
    assert "/merchants/studio/sign-in?next=/merchants/studio/cases" == path_of(answer)


def test_a_foreign_ledger_is_not_shown(two):
    """A database that is another merchant's is refused, as everywhere."""
    with two.wirings["studio"].store.write() as connection:
        connection.exec_driver_sql("UPDATE ledger_owner SET merchant = 'other'")

    answer = two.browser("viewer").get("/merchants/studio/cases")

    assert 503 == answer.status_code


def entries(room, merchant):
    """The audit log of one merchant about its brake."""
    with room.wirings[merchant].store.read() as connection:
        return connection.execute(select(audit).where(audit.c.object == "brake")).all()
