"""One receiver for several merchants: each delivery ends in the ledger that its path or its account names."""

import json
import sqlite3
import time

import pytest
from sqlalchemy import select

from ledger.api_tokens import create_token
from ledger.engine import Store
from ledger.schema import migrate
from ledger.tables import events
from runtime.clock import SystemClock
from runtime.merchants import every_merchant
from tests.databases import Databases
from tests.processes.machine import wait_until
from tests.webhooks.signed_events import SECRET, event_body, http_request, new_id, sign
from tests.webhooks.web_process import WebProcess

EU_SECRET = "whsec_ofthestudioineurope0123456789ab"
CONNECT_SECRET = "whsec_oftheconnectedaccounts0123456789"
ATELIER, STRANGER = "acct_1Atelier", "acct_1Stranger"
MERCHANTS = """
[studio-eu]
STRIPE_API_KEY = "$EU_KEY"
STRIPE_WEBHOOK_SECRETS = "$EU_SECRET"
DATABASE_URL = "$EU_DATABASE_URL"

[atelier]
STRIPE_CONNECTED_ACCOUNT = "acct_1Atelier"
"""
OWN_PATH, CONNECT_PATH = "/webhooks/stripe", "/webhooks/stripe/connect"
EU_PATH = "/merchants/studio-eu/webhooks/stripe"
OPEN_SECONDS_MAX = 20
LINES_SECONDS_MAX = 10


class MerchantWeb(WebProcess):
    """The web process over three ledgers: SQLite files, and an engine of the test's for the studio's."""

    def __init__(self, databases, folder, eu_url):
        super().__init__(databases.url("sqlite"), folder)
        file = folder / "merchants.toml"
        file.write_text(MERCHANTS)
        self.environ |= {
            "REDRESS_MERCHANTS": str(file),
            "STRIPE_CONNECT_WEBHOOK_SECRETS": CONNECT_SECRET,
            "EU_KEY": "sk_test_eu",
            "EU_SECRET": EU_SECRET,
            "EU_DATABASE_URL": eu_url,
        }
        self.stores = {"": self.store} | {
            name: Store(settings.database_url)
            for name, settings in every_merchant(self.environ).items()
        }

    def migrate(self, name):
        """Make a merchant's ledger."""
        migrate(self.stores[name])

    def deliver(self, path, secret=SECRET, **fields):
        """Send an event; the status, and its id."""
        event_id = new_id()
        return self.send(path, secret, event_body(id=event_id, **fields)), event_id

    def send(self, path, secret, body):
        """Send a body signed with `secret`; the status."""
        signature = sign(body, int(time.time()), secret)
        return self.ask(http_request(body, signature=signature, path=path))[0]

    def found(self, event_id):
        """Where an event is: the merchants whose ledgers have it, with its account and state."""
        found = {}
        for name, store in self.stores.items():
            with store.read() as connection:
                for row in connection.execute(select(events).where(events.c.event_id == event_id)):
                    found[name] = (row.account, row.state)
        return found

    def serving(self, name):
        """Whether a merchant is served."""
        return 200 == self.get(f"/merchants/{name}/health/ready")[0]

    def get(self, path, token=None):
        """Ask for a page; status and body."""
        authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        raw = f"GET {path} HTTP/1.1\r\nHost: a\r\n{authorization}Connection: close\r\n\r\n"
        status, received = self.ask(raw.encode())
        return status, json.loads(received.partition(b"\r\n\r\n")[2])

    def stop(self):
        super().stop()
        for store in self.stores.values():
            store.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def web(request, database_templates, tmp_path_factory):
    """Three merchants that are served, the studio's ledger on each engine in turn."""
    folder = tmp_path_factory.mktemp("merchants")
    databases = Databases(database_templates, folder)
    made = MerchantWeb(databases, folder, databases.url(request.param))
    made.migrate("atelier")
    made.start()
    wait_until(lambda: made.serving("studio-eu") and made.serving("atelier"), OPEN_SECONDS_MAX)
    yield made
    made.stop()
    databases.close()


@pytest.mark.parametrize(
    ("path", "secret", "account", "where"),
    [
        pytest.param(OWN_PATH, SECRET, None, {"": ("", "new")}, id="own"),
        pytest.param(EU_PATH, EU_SECRET, None, {"studio-eu": ("", "new")}, id="another account"),
        pytest.param(f"{EU_PATH}/", EU_SECRET, None, {"studio-eu": ("", "new")}, id="with a slash"),
        pytest.param(
            CONNECT_PATH, CONNECT_SECRET, ATELIER, {"atelier": ("", "new")}, id="connected"
        ),
        pytest.param(
            OWN_PATH, SECRET, ATELIER, {"atelier": ("", "new")}, id="connected, own endpoint"
        ),
        pytest.param(
            CONNECT_PATH, CONNECT_SECRET, STRANGER, {"": (STRANGER, "parked")}, id="unknown account"
        ),
        pytest.param(
            EU_PATH, EU_SECRET, ATELIER, {"studio-eu": (ATELIER, "parked")}, id="no platform of it"
        ),
    ],
)
def test_each_delivery_has_one_ledger(web, path, secret, account, where):
    """An event is in the one ledger that it belongs to, and in none of the others."""
    status, event_id = web.deliver(path, secret, **({"account": account} if account else {}))

    assert (200, where) == (status, web.found(event_id))


@pytest.mark.parametrize(
    ("path", "secret", "status"),
    [
        pytest.param(OWN_PATH, EU_SECRET, 400, id="another's secret"),
        pytest.param(EU_PATH, SECRET, 400, id="the first one's secret"),
        pytest.param(EU_PATH, CONNECT_SECRET, 400, id="secret of Connect at another"),
        pytest.param(OWN_PATH, CONNECT_SECRET, 400, id="secret of Connect at the own endpoint"),
        pytest.param(CONNECT_PATH, SECRET, 400, id="own secret at that of Connect"),
        pytest.param(
            "/merchants/atelier/webhooks/stripe", SECRET, 404, id="a connected one has none"
        ),
        pytest.param("/merchants/nobody/webhooks/stripe", SECRET, 404, id="nobody"),
        pytest.param(
            "/merchants/studio-eu/webhooks/stripe/connect", EU_SECRET, 404, id="no platform"
        ),
        pytest.param("/merchants", SECRET, 404, id="no name"),
        pytest.param("/merchants/../webhooks/stripe", SECRET, 404, id="dots"),
    ],
)
def test_secrets_open_one_door_each(web, path, secret, status):
    """A secret is good for its own endpoint alone, and a path for no merchant is none."""
    answered, event_id = web.deliver(path, secret)

    assert (status, {}) == (answered, web.found(event_id))


def test_same_event_id_at_two_accounts(web):
    """Accounts may have events of one id: each is stored once in its own ledger."""
    event_id = new_id()
    statuses = [
        web.send(path, secret, event_body(id=event_id))
        for path, secret in ((OWN_PATH, SECRET), (EU_PATH, EU_SECRET), (EU_PATH, EU_SECRET))
    ]

    assert [200] * 3 == statuses
    assert {"", "studio-eu"} == set(web.found(event_id))


def test_a_token_opens_its_own_merchants_api(web):
    """The product API of each merchant takes the tokens of its own ledger, and shows its own customers."""
    with web.stores["studio-eu"].write() as connection:
        token = create_token(connection, new_id(), SystemClock().now_ms())

    assert 200 == web.get("/merchants/studio-eu/api/customers/cus_1", token)[0]
    for path in ("/api", "/merchants/atelier/api"):
        assert 401 == web.get(f"{path}/customers/cus_1", token)[0]


def test_lines_of_a_merchant_name_it(web):
    """What is logged about a merchant's deliveries says whose they are; of the first one's nothing is added."""
    web.deliver(EU_PATH, SECRET)
    web.deliver(OWN_PATH, EU_SECRET)

    def named():
        lines = [json.loads(line) for line in web.log.read_text().splitlines() if "refused" in line]
        return {line.get("merchant") for line in lines}

    # Lines are written by a thread of their own.
    wait_until(lambda: named() == {None, "studio-eu"}, LINES_SECONDS_MAX)


def test_ledger_that_comes_late(database_templates, tmp_path):
    """While one merchant's ledger is away its senders are asked to come again, and all others are served."""
    databases = Databases(database_templates, tmp_path)
    web = MerchantWeb(databases, tmp_path, databases.url("sqlite", migrated=False))
    web.start()
    try:
        assert 503 == web.deliver(EU_PATH, EU_SECRET)[0]
        assert 503 == web.deliver(CONNECT_PATH, CONNECT_SECRET, account=ATELIER)[0]
        assert 200 == web.deliver(OWN_PATH)[0]
        assert "this version needs" in web.log.read_text()

        web.migrate("studio-eu")
        web.migrate("atelier")
        wait_until(lambda: web.serving("studio-eu") and web.serving("atelier"), OPEN_SECONDS_MAX)

        status, event_id = web.deliver(CONNECT_PATH, CONNECT_SECRET, account=ATELIER)
        assert (200, {"atelier": ("", "new")}) == (status, web.found(event_id))
        assert 200 == web.deliver(EU_PATH, EU_SECRET)[0]
        assert 0 == web.terminate()
    finally:
        web.stop()
        databases.close()


def test_ledger_of_somebody_else(database_templates, tmp_path):
    """A merchant whose database turns out to be another's is not served, whatever its address looks like."""
    databases = Databases(database_templates, tmp_path)
    url = databases.url("sqlite")
    web = MerchantWeb(databases, tmp_path, url)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as raw:
        raw.execute("INSERT INTO ledger_owner (id, merchant) VALUES (1, 'somebody-else')")
    web.migrate("atelier")
    web.start()
    try:
        wait_until(
            lambda: "ledger of merchant somebody-else" in web.log.read_text(), OPEN_SECONDS_MAX
        )

        status, event_id = web.deliver(EU_PATH, EU_SECRET)
        assert (503, {}) == (status, web.found(event_id))
    finally:
        web.stop()
        databases.close()
