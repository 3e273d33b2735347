"""`redress endpoint`: made with exactly what is handled, checked, and rotated without a lost delivery."""

import json
import random
from contextlib import closing

import pytest

from ledger.event_types import HANDLED
from ledger.tables import audit
from ops.sandbox.book import Book
from ops.sandbox.connected_accounts import ConnectedAccounts
from ops.sandbox.sandbox_server import SandboxServer
from ops.sandbox.shop_till import ShopTill
from ops.sandbox.stripe_stand_in import SandboxStripe
from runtime.clock import SystemClock
from tests.fakes.played_month import PlayedMonth
from tests.ops.command_line.conftest import CommandLine
from workers.gateway import API_VERSION

URL = "https://pay.example.com/webhooks/stripe"
REASON = ("--reason", "a drill")


@pytest.fixture
def shop(sqlite_store, tmp_path):
    """A sandbox over HTTP, where nobody has bought anything."""
    played = PlayedMonth(sqlite_store, tmp_path, play=False)
    yield played
    played.close()


@pytest.fixture
def redress(shop, tmp_path):
    """The command line beside it."""
    return CommandLine(shop.environ(tmp_path), shop.clock)


def endpoints(shop):
    return list(shop.world.sandbox.book.newest_first("webhook_endpoints"))


def levels(redress, **settings):
    ran = redress("endpoint", "check", "--json", **settings)
    return [one["level"] for one in json.loads(ran.stdout)["findings"]], ran


def test_create(shop, redress):
    """It has the handled types, never all, our version, and its secret is shown once; a second is refused."""
    made = redress.json("endpoint", "create", "--url", URL)
    again = redress("endpoint", "create", "--url", URL)
    [found] = endpoints(shop)

    assert set(found["enabled_events"]) == HANDLED
    assert (API_VERSION, "enabled") == (found["api_version"], found["status"])
    assert made["secret"] == found["_secret"]
    assert 1 == again.exit_code
    assert "redress endpoint rotate" in again.stderr
    assert made["secret"] not in "".join(f"{row}" for row in shop.world.rows(audit))
    assert ["endpoint.create"] == [row.action for row in shop.world.rows(audit)]


@pytest.mark.parametrize(
    "url",
    [
        "http://pay.example.com/webhooks/stripe",
        "https://pay.example.com/hook",
        "nonsense",
        "https:///webhooks/stripe",
    ],
)
def test_wrong_address(redress, url):
    """An address that Stripe could not deliver to, or that the receiver does not have, is refused."""
    assert 2 == redress("endpoint", "create", "--url", url).exit_code


def test_check(shop, redress):
    """Whatever is wrong is told with its command, fails where deliveries fail, and is mended."""
    none, ran = levels(redress)
    assert (["fail"], 1) == (none, ran.exit_code)
    redress("endpoint", "create", "--url", URL)
    assert ["ok"] == levels(redress)[0]

    [found] = endpoints(shop)
    found |= {"enabled_events": ["charge.succeeded", "plan.created"], "status": "disabled"}
    shop.world.sandbox.book.put("webhook_endpoints", found)
    broken, ran = levels(redress)
    assert (["fail", "fail", "warn"], 1) == (broken, ran.exit_code)
    told = redress("endpoint", "check").stdout
    assert "plan.created" in told
    assert "Next: `redress endpoint check --mend --reason TEXT`" in " ".join(told.split())

    assert 0 == redress("endpoint", "check", "--mend", *REASON).exit_code
    assert ["ok"] == levels(redress)[0]


def test_all_types_and_old_version(shop, redress):
    """`*` and another version are warnings: nothing is lost by them."""
    redress("endpoint", "create", "--url", URL)
    [found] = endpoints(shop)
    shop.world.sandbox.book.put(
        "webhook_endpoints", {**found, "enabled_events": ["*"], "api_version": None}
    )

    found_levels, ran = levels(redress)

    assert (["warn", "warn"], 0) == (found_levels, ran.exit_code)


def test_rotate(shop, redress):
    """Three steps: a second endpoint that is off, both on, the first gone; each only when the one before is done."""
    first = redress.json("endpoint", "create", "--url", URL)
    shop.clock.advance(86_400)
    second = redress.json("endpoint", "rotate", *REASON)
    assert ["disabled", "enabled"] == [one["status"] for one in endpoints(shop)]

    early = redress("endpoint", "rotate", *REASON)
    assert (1, True) == (early.exit_code, "STRIPE_WEBHOOK_SECRETS has one" in early.stderr)
    both = {"STRIPE_WEBHOOK_SECRETS": f"{second['secret']},{first['secret']}"}
    redress("endpoint", "rotate", *REASON, **both)
    assert {"enabled"} == {one["status"] for one in endpoints(shop)}
    assert "fail" in levels(redress)[0]
    assert ["warn"] == levels(redress, **both)[0]

    shop.world.customer()
    waiting = redress("endpoint", "rotate", *REASON, **both)
    assert (1, True) == (waiting.exit_code, "wait to be delivered" in waiting.stderr)
    with shop.world.sandbox.book.transaction():
        shop.world.sandbox.book._db.execute("DELETE FROM events")
    done = redress("endpoint", "rotate", *REASON, **both)

    assert "take its secret out" in " ".join(done.stdout.split())
    assert [second["endpoint"]] == [one["id"] for one in endpoints(shop)]
    assert ["ok"] == levels(redress, **both)[0]


def test_doctor(redress):
    """The doctor looks at the endpoint as well, and says what to do."""
    before = json.loads(redress("doctor", "--json").stdout)["checks"]
    redress("endpoint", "create", "--url", URL)
    after = json.loads(redress("doctor", "--json").stdout)["checks"]

    [told] = [one for one in before if one["subject"] == "webhook endpoint"]
    assert ("fail", True) == (told["level"], "redress endpoint create" in told["mend"])
    assert ["ok"] == [one["level"] for one in after if one["subject"] == "webhook endpoint"]


def test_stripe_is_away(redress):
    """Without Stripe each says so, and what to do."""
    away = {"STRIPE_API_BASE": "http://127.0.0.1:9"}
    for args in (("create", "--url", URL), ("check",), ("rotate", *REASON)):
        ran = redress("endpoint", *args, **away)
        assert (1, True) == (ran.exit_code, "Stripe did not answer" in ran.stderr)


def test_endpoint_of_a_further_merchant(redress, tmp_path):
    """Another account's endpoint has the merchant's path, and the commands that are told are about that merchant."""
    file = tmp_path / "merchants.toml"
    file.write_text(
        f'[eu]\nSTRIPE_API_KEY = "$EU_KEY"\nSTRIPE_WEBHOOK_SECRETS = "$EU_SECRET"\n'
        f'DATABASE_URL = "sqlite:///{tmp_path}/eu.db"\n'
    )
    there = {
        "REDRESS_MERCHANTS": str(file),
        "EU_KEY": "sk_test_eu",
        "EU_SECRET": "whsec_of_the_other_account",
    }
    redress("--merchant", "eu", "migrate", **there)

    wrong = redress("--merchant", "eu", "endpoint", "create", "--url", URL, **there)
    none = redress("--merchant", "eu", "endpoint", "check", **there)
    url = "https://pay.example.com/merchants/eu/webhooks/stripe"
    redress.json("--merchant", "eu", "endpoint", "create", "--url", url, **there)

    assert (2, 1) == (wrong.exit_code, none.exit_code)
    assert "/merchants/eu/webhooks/stripe" in wrong.stderr
    assert "redress --merchant eu endpoint create" in " ".join(none.stdout.split())
    assert 0 == redress("--merchant", "eu", "endpoint", "check", **there).exit_code
    refused = redress("--merchant", "eu", "endpoint", "check", "--connect", **there)
    assert "leave --merchant away" in refused.stderr


def test_endpoint_for_connected_accounts(shop, redress, tmp_path):
    """A platform's endpoint for Connect is beside its own: made, looked at and rotated apart from it."""
    file = tmp_path / "merchants.toml"
    file.write_text('[atelier]\nSTRIPE_CONNECTED_ACCOUNT = "acct_1Atelier"\n')
    there = {
        "REDRESS_MERCHANTS": str(file),
        "STRIPE_CONNECT_WEBHOOK_SECRETS": "whsec_for_the_connected_ones",
    }
    redress.json("endpoint", "create", "--url", URL, **there)

    none = redress("endpoint", "check", "--connect", **there)
    redress.json("endpoint", "create", "--connect", "--url", f"{URL}/connect", **there)
    both = endpoints(shop)

    assert "redress endpoint create --connect" in " ".join(none.stdout.split())
    assert [True, False] == [one["application"] is not None for one in both]
    for option in ((), ("--connect",)):
        found = json.loads(redress("endpoint", "check", *option, "--json", **there).stdout)
        assert (1, ["ok"]) == (
            len(found["endpoints"]),
            [one["level"] for one in found["findings"]],
        )
    second = redress.json("endpoint", "rotate", "--connect", *REASON, **there)
    assert 3 == len(endpoints(shop))
    assert second["endpoint"] == endpoints(shop)[0]["id"]
    assert ["ok"] == levels(redress, **there)[0]
    refused = redress("--merchant", "atelier", "endpoint", "check", **there)
    assert "come to its platform's endpoint" in refused.stderr


def test_rotation_waits_for_the_connected_accounts(tmp_path, sqlite_store, clock):
    """The old endpoint for Connect stays while an event of a connected account waits: the platform's list lacks it."""
    book = Book()
    accounts = ConnectedAccounts(book, None, SystemClock(), lambda *_: random.Random())
    sandbox = SandboxStripe(book, SystemClock(), random.Random())
    server = SandboxServer(sandbox, controls=accounts.controls(), accounts=accounts)
    server.start()
    file = tmp_path / "merchants.toml"
    file.write_text('[atelier]\nSTRIPE_CONNECTED_ACCOUNT = "acct_1Atelier"\n')
    redress = CommandLine(
        {
            "DATABASE_URL": sqlite_store.engine.url.render_as_string(hide_password=False),
            "REDRESS_DATA": str(tmp_path),
            "STRIPE_API_KEY": "sk_test_sandbox",
            "STRIPE_API_BASE": server.url,
            "STRIPE_WEBHOOK_SECRETS": "whsec_of_the_test_0001",
            "STRIPE_CONNECT_WEBHOOK_SECRETS": "whsec_connected_0002,whsec_connected_0001",
            "REDRESS_MERCHANTS": str(file),
        },
        clock,
    )
    rotate = ("endpoint", "rotate", "--connect", *REASON)
    try:
        with closing(ShopTill(server.url, "sk_test_sandbox", 1, account=None)) as till:
            till.now = SystemClock().now_ms() // 1000
            till.control("/sandbox/accounts", {"id": "acct_1Atelier"})
        # Nobody answers at this port: what is delivered there waits.
        redress.json(
            "endpoint", "create", "--connect", "--url", "http://127.0.0.1:9/webhooks/stripe/connect"
        )
        redress.json(*rotate)
        assert "is on" in redress.json(*rotate)["done"]
        with closing(ShopTill(server.url, "sk_test_sandbox", 1, account="acct_1Atelier")) as till:
            till.now = SystemClock().now_ms() // 1000
            till.post("/v1/customers", {"email": "buyer@shop.example"})

        refused = redress(*rotate)

        assert 1 == refused.exit_code
        assert "Events wait to be delivered still" in refused.stderr
        assert 2 == len(list(book.newest_first("webhook_endpoints")))
    finally:
        server.stop()
        accounts.stop()
        book.close()
