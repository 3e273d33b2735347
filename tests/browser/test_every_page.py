"""Every page as people see it: in light, in dark and on a phone, without barriers, kept as pictures."""

import shutil

import pytest
from sqlalchemy import select

from ledger.stripe_tables import charges, disputes
from ledger.tables import cases, events
from tests.browser.conftest import SCREENSHOTS
from tests.browser.people import Person

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

SCREENS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}
PAGES = {
    "overview": "/",
    "overview of a day": "/?span=day",
    "overview of a month": "/?span=month",
    "cases": "/cases",
    "cases refunded": "/cases?state=refunded",
    "case": "/cases/{case}",
    "case refunded": "/cases/{refunded}",
    "events": "/events",
    "event": "/events/{event}",
    "replay planned": "/replays/plan?event={event}",
    "replays": "/replays",
    "refunds": "/refunds",
    "payment": "/refunds/charges/{plain_charge}",
    "plan changes": "/plan-changes",
    "plan changes seen": "/plan-changes/seen",
    "disputes": "/disputes",
    "dispute": "/disputes/{dispute}",
    "accounts": "/accounts",
    "account": "/accounts/{customer}",
    "queues": "/queues",
    "jobs": "/queues/effects/finished",
    "job search": "/queues/search?q={plain_charge}",
    "terms": "/terms",
    "terms version": "/terms/2025-09-14",
    "audit": "/audit",
    "brake": "/brake",
    "operators": "/operators",
    "me": "/me",
    "confirm": "/confirm",
    "nothing found": "/search?q=nothing",
}


@pytest.fixture(scope="module")
def names(installation):
    """What the pages are about: a case of each kind, a dispute, a customer."""
    case = installation.case_to_look_at()
    duplicate = installation.shop.pay_twice()
    disputed = installation.shop.pay_once()
    installation.shop.till.control(
        "/sandbox/disputes", {"charge": disputed, "reason": "product_not_received"}
    )
    plain = installation.shop.pay_once()
    of_duplicate = cases.c.charge_id == duplicate.charge_id
    return {
        "case": case,
        "refunded": installation.wait_for(
            select(cases.c.id).where(of_duplicate, cases.c.state == "refunded")
        ),
        "event": installation.wait_for(
            select(events.c.id).where(
                events.c.object_id == duplicate.charge_id, events.c.state == "decided"
            )
        ),
        "dispute": installation.wait_for(select(disputes.c.dispute_id)),
        "customer": installation.wait_for(
            select(charges.c.customer_id).where(charges.c.charge_id == plain)
        ),
        "plain_charge": plain,
    }


@pytest.fixture(scope="module", params=SCREENS)
def viewer(request, chromium, installation, admin):
    """The admin at another screen, signed in by a code."""
    person = Person(chromium, installation.url, "admin", **SCREENS[request.param])
    person.sign_in_by_code(admin.codes.pop())
    person.folder = SCREENSHOTS / request.param
    shutil.rmtree(person.folder, ignore_errors=True)
    person.folder.mkdir(parents=True)
    yield person
    person.close()


def test_every_page(viewer, names):
    """Nothing is scrolled sideways, axe finds nothing serious, and the console is silent."""
    for name, path in PAGES.items():
        viewer.see(path.format(**names))
        beyond = viewer.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        picture = viewer.folder / f"{name.replace(' ', '-')}.png"
        viewer.page.screenshot(path=picture, full_page=True)
        assert beyond <= 0, name
        assert [] == viewer.barriers(), name


def test_the_doors(viewer, chromium, installation):
    """So are the pages that a stranger sees."""
    screen = SCREENS[viewer.folder.name]
    stranger = Person(chromium, installation.url, "nobody", **screen)
    link = installation.redress("operators", "invite", "zoe", "--role", "viewer")["link"]
    for name, path in {"sign in": "/sign-in", "welcome": link.removeprefix(stranger.url)}.items():
        stranger.see(path)
        stranger.page.screenshot(path=viewer.folder / f"{name.replace(' ', '-')}.png")
        assert [] == stranger.barriers(), name
    stranger.close()


def test_the_log_tells_no_secret(installation, admin):
    """Whatever was done so far, the dashboard's log has no link, code, session or address of anybody."""
    admin.see("/")
    [session] = [one["value"] for one in admin.context.cookies() if "said" not in one["name"]]
    log = (installation.up.data / "logs" / "dashboard.log").read_text()
    canaries = (installation.link.rpartition("/")[2], session, *admin.codes, "ada@example.com")

    assert "web.serving" in log
    assert [] == [canary for canary in canaries if canary in log]


def test_times_are_the_viewers(chromium, installation, admin):
    """A time is shown in the zone of who looks, and says UTC on hover."""
    tokyo = {"timezone_id": "Asia/Tokyo", "locale": "en-GB"}
    person = Person(chromium, installation.url, "admin", **tokyo)
    person.sign_in_by_code(admin.codes.pop())
    person.see("/audit")
    time = person.page.locator("time").first
    shown, utc = time.inner_text(), time.get_attribute("title")
    hour = (int(utc[11:13]) + 9) % 24
    person.close()

    assert utc.endswith("UTC")
    assert f" {hour:02}{utc[13:19]}" in shown


def test_keys_can_be_turned_off(admin, names):  # noqa: ARG001 -- a case stands in the list
    """Single keys do nothing for who turned them off, until they are turned on again."""
    admin.see("/cases")
    for label, rows in (("Turn the keys off", 0), ("Turn the keys on", 1)):
        admin.page.locator(".menu summary").click()
        admin.page.get_by_role("button", name=label).click()
        admin.page.locator("h1").click()
        admin.page.keyboard.press("j")
        assert rows == admin.page.locator("tr.at").count()
        admin.see("/cases")


def test_pages_refresh_themselves(installation, admin):
    """What an operator looks at is never older than some seconds, and a form that is typed in is left alone."""
    admin.see("/brake")
    installation.redress("brake", "on", "--reason", "from the shell")
    admin.page.get_by_text("from the shell").first.wait_for()
    installation.redress("brake", "off", "--reason", "from the shell too")
    admin.page.get_by_text("from the shell too").first.wait_for()
