"""`redress plan preview` asks Stripe, changes nothing, and says in sentences what it found."""

import json
import random

import pytest

from ops.sandbox.book import Book
from ops.sandbox.sandbox_server import SandboxServer
from ops.sandbox.shop_orders import Counter
from ops.sandbox.shop_till import ShopTill
from ops.sandbox.stripe_stand_in import SandboxStripe
from runtime.clock import SystemClock
from tests.ops.command_line.conftest import CommandLine


@pytest.fixture
def counter():
    """The counter of a shop at a sandbox over HTTP."""
    clock = SystemClock()
    sandbox = SandboxStripe(Book(), clock, random.Random(1))
    server = SandboxServer(sandbox)
    server.start()
    till = ShopTill(server.url, "sk_test_sandbox", clock.now_ms() // 1000)
    opened = Counter(till)
    opened.open_shop()
    opened.url = server.url
    yield opened
    till.close()
    server.stop()
    sandbox.book.close()


def stripe(counter):
    """The settings that put the sandbox in Stripe's place."""
    return {
        "STRIPE_API_KEY": "sk_test_sandbox",
        "STRIPE_API_BASE": counter.url,
        "STRIPE_WEBHOOK_SECRETS": "whsec_of_the_test_0001",
    }


def preview(redress, counter, plan, *flags):
    """The preview of a move from the starter plan to another."""
    begun = counter.subscribe(1, "starter-month", "usd")
    price = counter.price(plan, "usd")
    return redress("plan", "preview", begun.subscription_id, price, *flags, **stripe(counter))


def test_period_end(bare, counter):
    """A dearer plan waits for the period's end; both charges and the credits are shown."""
    ran = preview(bare, counter, "studio-month")

    assert 0 == ran.exit_code, ran.output
    for line in (
        "Clause: CHANGE-UP",
        "at the end of the period",
        "Charged now: nothing",
        "Charged then: 79.00 USD",
        "Credits a month: 200 -> 2000",
    ):
        assert line in ran.stdout


def test_now_as_json(bare, counter):
    """A yearly plan starts now; `--json` gives the amounts in minor units."""
    ran = preview(bare, counter, "starter-year", "--json")

    assert '"effect": "now"' in ran.stdout
    assert '"amount_minor": 12000' in ran.stdout


def test_refused(bare, counter):
    """What cannot be done is said with what to do, and with exit code 1."""
    ran = preview(bare, counter, "starter-month")

    assert 1 == ran.exit_code
    assert "Not possible as it is. It has this price already" in ran.stdout


def test_unknown_ids(bare, counter):
    """An id that Stripe does not know is named as the likely mistake."""
    ran = bare("plan", "preview", "sub_nobody", "price_nobody", **stripe(counter))

    assert 1 == ran.exit_code
    assert "check both ids" in ran.stderr


def test_no_key(bare):
    """Without a key there is no Stripe to ask."""
    ran = bare("plan", "preview", "sub_1", "price_1")

    assert 1 == ran.exit_code
    assert "STRIPE_API_KEY" in ran.stderr


@pytest.fixture
def bare(tmp_path, clock):
    """The command line without a database, which a preview does not need."""
    return CommandLine({"REDRESS_DATA": str(tmp_path)}, clock)


def checks_of(bare, counter):
    """What the doctor says about the portal: (level, what was found)."""
    ran = bare("doctor", "--json", **stripe(counter))
    checks = json.loads(ran.stdout)["checks"]
    return [(one["level"], one["found"]) for one in checks if one["subject"] == "customer portal"]


def test_the_doctor_reads_the_portal(bare, counter):
    """What the portal would allow against the terms is told for each configuration in use, with its setting."""
    assert [("ok", "allows nothing against the terms")] == checks_of(bare, counter)

    prices = [counter.price(plan, "usd") for plan in ("starter-month", "studio-month")]
    product = counter.till.get(f"/v1/prices/{prices[0]}")["product"]
    update = {
        "enabled": True,
        "default_allowed_updates": ["price"],
        "products": [{"product": product, "prices": prices}],
        "trial_update_behavior": "continue_trial",
        "schedule_at_period_end": {"conditions": [{"type": "decreasing_item_amount"}]},
    }
    path = "/v1/billing_portal/configurations"
    made = counter.till.post(path, {"features": {"subscription_update": update}})
    ((level, found),) = checks_of(bare, counter)

    assert "warn" == level
    assert found.startswith(f"{made['id']}: Customers could move from")
    assert found.endswith("at once, before the period's end. (against CHANGE-UP)")

    counter.till.post(f"{path}/{made['id']}", {"active": False})

    assert [("ok", "allows nothing against the terms")] == checks_of(bare, counter)


def test_a_portal_that_cannot_be_read(bare, counter):
    """A portal that Stripe does not show is a warning, and stops no other check."""
    fault = {"kind": "500", "path_prefix": "/v1/billing_portal", "method": "GET"}
    counter.till.control("/sandbox/faults", [fault])
    ((level, found),) = checks_of(bare, counter)

    assert "warn" == level
    assert found.startswith("cannot be read (")
