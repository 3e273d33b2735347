"""Connected accounts of the sandbox: books of their own behind one key, and events that name them."""

import contextlib
import random
from types import SimpleNamespace

import pytest
import stripe

from ops.sandbox.book import Book
from ops.sandbox.connected_accounts import ConnectedAccounts
from ops.sandbox.delivery_endpoints import endpoint_controls, register_endpoint
from ops.sandbox.keep_alive import KeepAliveClient
from ops.sandbox.sandbox_server import SandboxServer
from ops.sandbox.shop_till import ShopRefused, ShopTill
from ops.sandbox.stripe_stand_in import SandboxStripe
from runtime.clock import SystemClock

ATELIER = "acct_1Atelier"
SECRET = "whsec_0123456789abcdef0123456789abcdef"


@pytest.fixture
def platform(tmp_path, client_of):
    """The sandbox over HTTP with connected accounts in files, and a way to start it again."""
    running = []

    def start():
        book, clock = Book(tmp_path / "sandbox.db"), SystemClock()
        accounts = ConnectedAccounts(book, tmp_path, clock, lambda *_: random.Random())
        controls = accounts.controls() | endpoint_controls(book, clock)
        sandbox = SandboxStripe(book, clock, random.Random())
        server = SandboxServer(sandbox, controls=controls, accounts=accounts)
        server.start()
        running.append((server, accounts, book))
        return SimpleNamespace(url=server.url, client=client_of(server.url), book=book)

    def stop():
        server, accounts, book = running.pop()
        server.stop()
        accounts.stop()
        book.close()

    yield SimpleNamespace(start=start, stop=stop)
    while running:
        stop()


def connect(url, path="/sandbox/accounts", account=ATELIER):
    """Connect an account, or have it take its access back."""
    with contextlib.closing(ShopTill(url, "sk_test_sandbox", 1_790_000_000)) as till:
        till.control(path, {"id": account})


def pay(client, **options):
    """A payment at the platform, or at the account of `options`."""
    params = {"amount": 900, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    return client.v1.payment_intents.create(params, options)


def test_books_are_apart(platform):
    """What is made for a connected account is seen for it alone, and one idempotency key is two."""
    there = platform.start()
    connect(there.url)
    about = {"stripe_account": ATELIER}
    own = pay(there.client, idempotency_key="one")
    theirs = pay(there.client, idempotency_key="one", **about)

    assert own.id != theirs.id
    assert [own.id] == [one.id for one in there.client.v1.payment_intents.list().data]
    assert [theirs.id] == [one.id for one in there.client.v1.payment_intents.list({}, about).data]
    assert {None} == {getattr(one, "account", None) for one in there.client.v1.events.list().data}
    assert {ATELIER} == {one.account for one in there.client.v1.events.list({}, about).data}


def test_account_that_is_not_connected(platform):
    """An account that never was connected, or is no longer, is answered as Stripe does; connecting again mends it."""
    there = platform.start()
    for prepare in (
        lambda: None,
        lambda: (connect(there.url), connect(there.url, "/sandbox/accounts/revoke")),
    ):
        prepare()
        with pytest.raises(stripe.PermissionError) as refused:
            pay(there.client, stripe_account=ATELIER)
        assert (403, "account_invalid") == (refused.value.http_status, refused.value.error.code)

    connect(there.url)
    assert "succeeded" == pay(there.client, stripe_account=ATELIER).status
    with pytest.raises(ShopRefused, match="must be an account's id"):
        connect(there.url, account="nobody")


def test_restart_knows_them(platform):
    """After a restart the accounts are connected still, with all that they have."""
    there = platform.start()
    connect(there.url)
    paid = pay(there.client, stripe_account=ATELIER)
    platform.stop()

    again = platform.start().client.v1.payment_intents.list({}, {"stripe_account": ATELIER}).data

    assert [paid.id] == [one.id for one in again]


def test_events_go_to_the_endpoint_for_connect(platform):
    """Stripe keeps the two kinds of endpoint apart: each event waits for those of its own kind alone."""
    there = platform.start()
    connect(there.url)
    for path, kind in (("/own", False), ("/connect", True), ("/connect/2", True)):
        register_endpoint(there.url, f"http://127.0.0.1:9{path}", [SECRET], ["*"], connect=kind)

    pay(there.client)
    pay(there.client, stripe_account=ATELIER)

    newest = there.client.v1.events.list({"limit": 1}).data[0]
    theirs = there.client.v1.events.list({"limit": 1}, {"stripe_account": ATELIER}).data[0]
    assert (1, 2) == (newest.pending_webhooks, theirs.pending_webhooks)
    shown = there.client.v1.webhook_endpoints.list().data
    assert [True, True, False] == [one.application is not None for one in shown]


def test_deliveries_are_counted_apart(platform):
    """The counts of deliveries are the account's that is asked about."""
    there = platform.start()
    connect(there.url)
    client = KeepAliveClient(5)

    answer = client.send("GET", f"{there.url}/sandbox/deliveries", b"", {"Stripe-Account": ATELIER})
    client.close()

    assert 200 == answer.status
