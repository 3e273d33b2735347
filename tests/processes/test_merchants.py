"""Several merchants under one `redress up`: two Stripe accounts and a connected one, each with its own of everything."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import select

import policy
from ledger.engine import Store
from ledger.event_types import HANDLED
from ledger.tables import decisions, events, refund_intents
from ops.sandbox.delivery_endpoints import register_endpoint
from tests.processes.machine import wait_until
from tests.processes.recorded_sandbox import RecordedSandbox
from tests.processes.shop import Shop
from tests.processes.up_process import REDRESS, REFUND_SECONDS_MAX, Up

pytestmark = [pytest.mark.processes, pytest.mark.timeout(420)]

CONNECTED = "acct_1Atelier"
STRANGER = "acct_1Stranger"
OWN, EU, CONNECT = (f"whsec_{letter * 32}" for letter in "abc")
MERCHANTS = """
[studio-eu]
STRIPE_API_KEY = "$EU_KEY"
STRIPE_WEBHOOK_SECRETS = "$EU_SECRET"
STRIPE_API_BASE = "{eu}"
REDRESS_MODE = "enforce"
REDRESS_TERMS = "{terms}"

[atelier]
STRIPE_CONNECTED_ACCOUNT = "acct_1Atelier"
REDRESS_MODE = "enforce"
"""


class Installation:
    """Two accounts at two stand-ins, one account connected to the first, and `redress up` over all of them."""

    def __init__(self, folder):
        self.folder = folder
        self.stripe = self._stripe("first")
        self.stripe_eu = self._stripe("second")
        self.own = Shop(self.stripe.url)
        self.own.till.control("/sandbox/accounts", {"id": CONNECTED})
        self.own.till.control("/sandbox/accounts", {"id": STRANGER})
        self.eu = Shop(self.stripe_eu.url)
        self.atelier = Shop(self.stripe.url, CONNECTED)
        self.stranger = Shop(self.stripe.url, STRANGER)
        file = folder / "merchants.toml"
        file.write_text(MERCHANTS.format(eu=self.stripe_eu.url, terms=other_terms(folder)))
        self.up = Up(
            folder,
            STRIPE_API_KEY="sk_test_platform",
            STRIPE_WEBHOOK_SECRETS=OWN,
            STRIPE_CONNECT_WEBHOOK_SECRETS=CONNECT,
            STRIPE_API_BASE=self.stripe.url,
            REDRESS_MODE="enforce",
            REDRESS_MERCHANTS=str(file),
            EU_KEY="sk_test_eu",
            EU_SECRET=EU,
        )
        there = self.up.data / "merchants"
        self.stores = {
            "": self.up.store,
            "studio-eu": Store(f"sqlite:///{there}/studio-eu/redress.db"),
            "atelier": Store(f"sqlite:///{there}/atelier/redress.db"),
        }
        self.shops = {"": self.own, "studio-eu": self.eu, "atelier": self.atelier}

    def _stripe(self, name):
        data = self.folder / name
        data.mkdir()
        stripe = RecordedSandbox(data)
        stripe.start()
        return stripe

    def listen(self):
        """Register the three endpoints."""
        types, door = sorted(HANDLED), f"http://127.0.0.1:{self.up.web_port}"
        register_endpoint(self.stripe.url, f"{door}/webhooks/stripe", [OWN], types)
        register_endpoint(
            self.stripe.url, f"{door}/webhooks/stripe/connect", [CONNECT], types, connect=True
        )
        register_endpoint(
            self.stripe_eu.url, f"{door}/merchants/studio-eu/webhooks/stripe", [EU], types
        )

    def redress(self, *arguments):
        """Run one command beside it; what it printed."""
        ran = subprocess.run(
            [REDRESS, *arguments],
            env=self.up.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert 0 == ran.returncode, ran.stderr
        return ran.stdout

    def rows(self, name, table):
        """Every row of a table in one merchant's ledger."""
        with self.stores[name].read() as connection:
            return connection.execute(select(table)).all()

    def refunds(self, name):
        """The charges that one merchant's intents are about, with their states."""
        return sorted((row.charge_id, row.state) for row in self.rows(name, refund_intents))

    def close(self):
        for shop in (*self.shops.values(), self.stranger):
            shop.close()
        for store in self.stores.values():
            store.close()
        self.up.close()
        self.stripe.stop()
        self.stripe_eu.stop()


def other_terms(folder):
    """Terms that nobody else has, by their version's name."""
    there = folder / "terms"
    there.mkdir()
    shipped = Path(policy.__file__).parent / "terms" / "2025-09-14.toml"
    shutil.copy(shipped, there / "2025-09-14.toml")
    text = (there / "2025-09-14.toml").read_text().replace("2025-09-14", "2025-10-01")
    (there / "2025-10-01.toml").write_text(text)
    return there


@pytest.fixture
def installation(tmp_path):
    made = Installation(tmp_path)
    yield made
    made.close()


def all_refunded(installation):
    """Whether each merchant's duplicates, and nothing else, are refunded in its own ledger."""
    return all(
        installation.refunds(name)
        == sorted((one.charge_id, "succeeded") for one in shop.duplicates)
        for name, shop in installation.shops.items()
    )


def test_merchants_are_kept_apart(installation):
    """Duplicates of three accounts are refunded each in its own ledger, at its own account, under its own terms and brake."""
    installation.up.serve()
    installation.listen()
    for shop in installation.shops.values():
        shop.pay_twice()
        shop.pay_once()
    installation.stranger.pay_twice()

    wait_until(
        lambda: all_refunded(installation), REFUND_SECONDS_MAX, why=lambda: installation.up.output
    )

    for name, shop in installation.shops.items():
        book = shop.till.get("/sandbox/book", {"kind": "refunds"})["data"]
        assert [one.charge_id for one in shop.duplicates] == [refund["charge"] for refund in book]
        versions = {row.terms_version for row in installation.rows(name, decisions)}
        assert {"2025-10-01" if name == "studio-eu" else "2025-09-14"} == versions
    assert [] == installation.stranger.till.get("/sandbox/book", {"kind": "refunds"})["data"]
    wait_until(
        lambda: (
            "parked"
            in {row.state for row in installation.rows("", events) if row.account == STRANGER}
        ),
        30,
    )
    assert {"", STRANGER} == {row.account for row in installation.rows("", events)}
    assert {""} == {row.account for row in installation.rows("atelier", events)}

    installation.redress("--merchant", "studio-eu", "brake", "on", "--reason", "a drill")
    for shop in installation.shops.values():
        shop.pay_twice()
    held = [("", "succeeded"), ("studio-eu", "reserved"), ("atelier", "succeeded")]
    wait_until(
        lambda: all(
            sorted(["succeeded", state]) == sorted(state for _, state in installation.refunds(name))
            for name, state in held
        ),
        REFUND_SECONDS_MAX,
        why=lambda: str([installation.refunds(name) for name in installation.shops]),
    )
    told = json.loads(installation.redress("merchants", "--json"))["merchants"]
    assert [None, "a drill", None] == [one["brake"] for one in told]
    installation.redress("--merchant", "studio-eu", "brake", "off", "--reason", "over")
    wait_until(lambda: all_refunded(installation), REFUND_SECONDS_MAX)

    assert 0 == installation.up.interrupt()
    assert [] == installation.up.left()


def test_connected_events_that_were_never_delivered(installation):
    """With no endpoint for Connect, the connected account's own lists are read, into its own ledger."""
    shop = Shop(installation.stripe.url, CONNECTED, behind_seconds=300)
    duplicate = shop.pay_twice()
    shop.close()
    installation.up.serve()

    installation.redress(
        "--merchant", "atelier", "events", "backfill", "--since", "1h", "--reason", "a drill"
    )

    paid = [(duplicate.charge_id, "succeeded")]
    wait_until(
        lambda: installation.refunds("atelier") == paid,
        REFUND_SECONDS_MAX,
        why=lambda: installation.up.output,
    )
    assert {"poll"} == {row.source for row in installation.rows("atelier", events)}
    assert [] == installation.rows("", events)
