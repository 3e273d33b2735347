"""Stripe's other users: customers, banks, staff in the dashboard. And what is true about each payment.

The stories act through here. They say themselves which payments repeat which, and what people did to them;
the model judges by that, not by anything that the processor worked out.
"""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from ledger.cases import REFUND_REQUEST
from ledger.refund_requests import NewRequest
from ops.sandbox.shop_till import ShopRefused, ShopTill, form_pairs
from policy.request_facts import Reason
from tests.simulation.stripe_history import PACK

_PAID = (200, 402)
_EMAIL = "buyer@shop.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A refund request: which payment is meant, and what was told of it."""

    charge_id: str
    request: NewRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What a person means to rule about a payment: an amount, `everything`, or (neither) nothing."""

    charge_id: str
    amount_minor: int | None = None
    everything: bool = False
    kind: str = REFUND_REQUEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Appeal:
    """A second look that a customer asks for, and whether he shows that nothing was used."""

    charge_id: str
    states_no_use: bool
    kind: str = REFUND_REQUEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """Credits that a person gives back."""

    customer_id: str
    credits: int


@dataclass(slots=True, kw_only=True)
class Group:
    """Payments for one thing: (created, charge id) each. `certain`: all but the earliest must go back."""

    certain: bool
    kind: str
    payments: list = field(default_factory=list)

    @property
    def charge_ids(self):
        """From the earliest."""
        return [charge_id for _, charge_id in sorted(self.payments)]


class InProcessTill(ShopTill):
    """The played shop's client, straight into the sandbox, out of the reach of the faults."""

    def __init__(self, world):
        self._world = world
        self._calls = 0

    def post(self, path, params=None):
        """POST to /v1; returns the object."""
        return self._request("POST", path, params or {})

    def get(self, path, params=None):
        """GET from /v1; returns the object or list."""
        return self._request("GET", path, params or {})

    def delete(self, path):
        """DELETE under /v1."""
        return self._request("DELETE", path, {})

    def control(self, path, body):
        """Have something happen at Stripe that no API call does."""
        world = self._world
        answer = world.sandbox.control("POST", f"/sandbox/{path}", body)
        world.courier.collect()
        shown = _accepted(path, answer)
        if shown.get("object") == "dispute":
            world.shop.disputes.append((world.scheduler.now_ms, shown["charge"], shown["status"]))
        return shown

    def _request(self, method, path, params):
        world = self._world
        self._calls += 1
        headers = {"Idempotency-Key": f"shop-{self._calls}"} if method == "POST" else {}
        faults, world.sandbox.faults = world.sandbox.faults, world.no_faults
        answer = world.sandbox.request(method, path, list(form_pairs(params)), headers)
        world.sandbox.faults = faults
        world.courier.collect()
        return _accepted(path, answer)


def _accepted(path, answer):
    shown = orjson.loads(answer.body)
    if answer.status not in _PAID:
        raise ShopRefused(f"{path}: {answer.status} {shown.get('error')}")
    return shown["error"]["payment_intent"] if answer.status == 402 else shown


class Shop:
    """The truth about one world. `touched` are payments to which people or banks did something.

    `disputes` are (unix ms, charge id, status), each time that a bank moved one. `outages` are (began, ended,
    affected prices), in unix seconds; `outage_ids` say which number the ledger gave to which of them.
    """

    def __init__(self, world):
        self.world = world
        self.till = InProcessTill(world)
        self.groups = []
        self.charges = []
        self.touched = defaultdict(set)
        self.refund_lives = set()
        self.disputes = []
        self.warned = []
        self.asked = {}
        self.rulings = {}
        self.appeals = {}
        self.restored = {}
        self.outages = []
        self.outage_ids = {}
        self.stories_open = 0
        self._prices = {}
        self._cards = 0

    def play(self, story, starts_ms):
        """Tell a story: a generator that yields the seconds until its next step."""
        self.stories_open += 1
        accompany = self.world.companion()

        def step():
            accompany()
            try:
                seconds = next(story)
            except StopIteration:
                self.stories_open -= 1
                return
            except ShopRefused as refused:
                # Somebody else was first: the charge is disputed or refunded by now.
                self.world.trace(f"story ends: {refused}"[:120])
                self.stories_open -= 1
                return
            seconds = min(seconds, self.world.swarm.pause_seconds_max)
            self.world.scheduler.after(round(seconds * 1000), step)

        self.world.scheduler.after(starts_ms, step)

    def buyer(self, email=_EMAIL):
        """A customer with a card of its own: (customer id, payment method id)."""
        customer = self.till.post("/v1/customers", {"email": email})["id"]
        return customer, self.card(customer)

    def card(self, customer=None, fingerprint=None):
        """A new payment method; two with one fingerprint are one card."""
        self._cards += 1
        method = self.till.post(
            "/v1/payment_methods",
            {
                "type": "card",
                "card": {"token": "tok_visa"},
                "metadata": {"sandbox_fingerprint": fingerprint or f"card-{self._cards}"},
            },
        )["id"]
        if customer is not None:
            self.till.post(f"/v1/payment_methods/{method}/attach", {"customer": customer})
        return method

    def pay(self, buyer, amount, *, order=None, product=None, group=None, **params):
        """Take a payment; its charge id, or None when the card was declined."""
        customer, method = buyer
        metadata = {"order_id": order, "product": product}
        given = {
            "amount": amount,
            "currency": "usd",
            "customer": customer,
            "payment_method": method,
            "confirm": True,
            "metadata": {name: text for name, text in metadata.items() if text is not None},
        }
        intent = self.till.post("/v1/payment_intents", given | params)
        return self.took(intent, group)

    def buy(self):
        """Somebody new buys a pack of credits: (customer id, charge id)."""
        buyer = self.buyer()
        return buyer[0], self.pay(buyer, 2500, order=f"pack-{buyer[0]}", product=PACK)

    def took(self, intent, group=None):
        """Note the charge of a payment intent that took (or holds) money."""
        if intent["status"] not in ("succeeded", "requires_capture"):
            return None
        charge_id = intent["latest_charge"]
        self.charges.append(charge_id)
        if group is not None:
            charge = self.world.book.get("charges", charge_id)
            group.payments.append((charge["created"], charge_id))
        return charge_id

    def group(self, *, kind, certain=True):
        """A new group of payments for one thing."""
        self.groups.append(Group(certain=certain, kind=kind))
        return self.groups[-1]

    def price(self, currency="usd", amount=2000, interval="month", offer=None):
        """A recurring price, made at its first use; `offer` is our metadata, by default drawn."""
        key = currency, amount, interval, str(offer)
        if key not in self._prices:
            product = self.till.post("/v1/products", {"name": f"Plan {amount}"})["id"]
            given = {
                "product": product,
                "currency": currency,
                "unit_amount": amount,
                "recurring": {"interval": interval},
            }
            # Of some prices nobody says what credits they bring.
            if offer is None and self.world.chance("offers", 0.7):
                offer = {"redress_credits": str(amount // 20)}
            if offer:
                given["metadata"] = offer
            self._prices[key] = self.till.post("/v1/prices", given)["id"]
        return self._prices[key]

    def subscribe(self, buyer, price, group=None):
        """A subscription that is paid at once; its id."""
        customer, method = buyer
        made = self.till.post(
            "/v1/subscriptions",
            {
                "customer": customer,
                "items": [{"price": price}],
                "default_payment_method": method,
            },
        )
        self.paid_for(made["latest_invoice"], group)
        return made

    def bill(self, customer, amount):
        """An invoice that is finalised and not yet paid; its id."""
        given = {"customer": customer, "currency": "usd"}
        invoice = self.till.post("/v1/invoices", given | {"auto_advance": False})["id"]
        self.till.post("/v1/invoiceitems", given | {"invoice": invoice, "amount": amount})
        self.till.post(f"/v1/invoices/{invoice}/finalize", {"auto_advance": False})
        return invoice

    def paid_for(self, invoice_id, group=None):
        """Note the newest payment of an invoice; its charge id."""
        payments = self.till.get("/v1/invoice_payments", {"invoice": invoice_id})["data"]
        intent_id = payments[0]["payment"]["payment_intent"]
        return self.took(self.till.get(f"/v1/payment_intents/{intent_id}"), group)

    def ask(self, charge_id, key, *, reasons=("changed_mind",), email=_EMAIL, product=None):
        """Ask for a payment's money; with a `product`, by address and product instead of the charge's id."""
        charge = self.world.book.get("charges", charge_id)
        request = NewRequest(
            key=key,
            email=email,
            purchase_date=datetime.fromtimestamp(charge["created"], UTC).date(),
            product=product or "no product",
            reasons=tuple(Reason(reason) for reason in reasons),
            asked_at=self.world.scheduler.now_ms // 1000,
            charge_id=charge_id if product is None else None,
        )
        self.asked[key] = Asked(charge_id=charge_id, request=request)
        self.world.operators.take_in(key)

    def write_outage(self, began_at, ended_at, affects=()):
        """Somebody writes down when the product was away, and pays for it."""
        self.outages.append((began_at, ended_at, tuple(sorted(affects))))
        self.world.operators.cases.run_outage(len(self.outages) - 1)

    def rule(self, ruling):
        """A person rules on the case of a payment, if there is one by then."""
        tag = f"ruling-{len(self.rulings)}"
        self.rulings[tag] = ruling
        self.world.operators.cases.rule(tag)

    def appeal(self, charge_id, **stated):
        """The customer appeals, and brings what a person states for him."""
        tag = f"appeal-{len(self.appeals)}"
        self.appeals[tag] = Appeal(charge_id=charge_id, states_no_use=stated.get("used") == 0)
        self.world.operators.cases.appeal(charge_id, tag, stated)

    def restore(self, customer_id, credits):  # noqa: A002 - the field's own word
        """A person gives credits back."""
        key = f"restored-{len(self.restored)}"
        self.restored[key] = Restored(customer_id=customer_id, credits=credits)
        self.world.operators.cases.restore(key)

    def any_charge(self, rng):
        """Some payment of any story; None while there is none."""
        return rng.choice(self.charges) if self.charges else None

    def touch(self, charge_id, how):
        """Note that somebody did something to a payment, so that its end depends on when."""
        self.touched[charge_id].add(how)

    def touches(self, group):
        """What was done to any payment of a group."""
        return set().union(*(self.touched[charge_id] for charge_id in group.charge_ids))


def begin(story):
    """Make a story's `begin` of its generator function."""

    def play(world, rng):
        world.shop.play(story(world.shop, rng), rng.randint(0, world.start_ms))

    return play


def soon(rng: random.Random):
    """Seconds until a story goes on: mostly at once, sometimes minutes later."""
    return rng.choice(
        (0, 0, rng.uniform(0, 2), rng.uniform(0, 2), rng.uniform(0, 30), rng.uniform(0, 300))
    )
