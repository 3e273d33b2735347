"""A running sandbox over HTTP, Stripe's own client for it, and a frozen clock."""

import json
import random
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import stripe

from ops.sandbox.book import Book
from ops.sandbox.sandbox_server import SandboxServer
from ops.sandbox.stripe_stand_in import SandboxStripe
from tests.fakes.frozen_clock import FrozenClock

# 2026-11-02T12:00:00Z
NOON = 1793620800


@dataclass(kw_only=True)
class Shop:
    """One sandbox and the ways into it."""

    sandbox: SandboxStripe
    clock: FrozenClock
    url: str
    v1: Any
    client: stripe.StripeClient

    @property
    def book(self) -> Book:
        return self.sandbox.book

    def customer(self, **params: Any) -> Any:
        return self.v1.customers.create({"email": "buyer@shop.example", **params})

    def pay(self, amount: int = 1000, currency: str = "usd", **params: Any) -> Any:
        """Return the charge of a payment that succeeds."""
        given = {
            "amount": amount,
            "currency": currency,
            "payment_method": "pm_card_visa",
            "confirm": True,
            "expand": ["latest_charge"],
        }
        return self.v1.payment_intents.create(given | params).latest_charge

    def control(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send one control request over HTTP; returns the JSON of the answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - loopback only
            self.url + path, data, {"Content-Type": "application/json"} | headers, method=method
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback only
            return json.load(answer)

    def event_types(self, after: int = 0) -> list[str]:
        return [event["type"] for _, event in self.book.events_after(after)]

    def events(self, kind: str) -> list[dict]:
        return [event for _, event in self.book.events_after(0) if event["type"] == kind]


@pytest.fixture
def client_of() -> Iterator[Any]:
    """Make clients of Stripe's own library that close their connections at the end."""
    made = []

    def make(url: str, key: str = "sk_test_sandbox", timeout: float = 10) -> stripe.StripeClient:
        http = stripe.RequestsClient(timeout=timeout)
        made.append(http)
        return stripe.StripeClient(key, base_addresses={"api": url}, http_client=http)

    yield make
    for http in made:
        http.close()


@pytest.fixture
def shop(client_of: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setattr(stripe, "enable_telemetry", False)
    clock = FrozenClock(now_ms=NOON * 1000)
    sandbox = SandboxStripe(Book(), clock, random.Random(7))
    server = SandboxServer(sandbox)
    server.start()
    client = client_of(server.url)
    yield Shop(sandbox=sandbox, clock=clock, url=server.url, v1=client.v1, client=client)
    server.stop()
    sandbox.book.close()


@dataclass(kw_only=True)
class Plans:
    shop: Any
    customer: Any
    basic: Any
    pro: Any
    annual: Any

    def subscribe(self, **params: Any) -> Any:
        given = {"customer": self.customer.id, "items": [{"price": self.basic.id}]}
        return self.shop.v1.subscriptions.create(given | params)

    def renew(self, subscription: Any) -> Any:
        return self.shop.control("POST", f"/sandbox/subscriptions/{subscription.id}/renew", {})


@pytest.fixture
def plans(shop):
    product = shop.v1.products.create({"name": "Membership"})

    def price(amount, interval):
        return shop.v1.prices.create({
            "product": product.id, "currency": "usd", "unit_amount": amount,
            "recurring": {"interval": interval},
        })  # fmt: skip

    customer = shop.customer()
    card = shop.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    shop.v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": card.id}})
    return Plans(
        shop=shop,
        customer=customer,
        basic=price(1000, "month"),
        pro=price(2500, "month"),
        annual=price(10_000, "year"),
    )
