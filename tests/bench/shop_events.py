"""Endless Stripe events of a shop, cheap to make: the sandbox's own renderings with the ids exchanged.

A *story* is what one order leads to. Four of five are single payments (charge.succeeded,
payment_intent.succeeded, charge.updated, and customer.created for every second one, whose customer
comes back once); the fifth is a subscription's first invoice. One payment in a hundred is made twice.
Bodies are indented as Stripe indents; a charge's is 3.6 KB.
"""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ops.sandbox.book import Book
from ops.sandbox.stripe_stand_in import SandboxStripe
from runtime.clock import SystemClock

SUBSCRIPTION_EVERY = 5
DUPLICATE_EVERY = 100

#: What stands in a template where a story's, an attempt's or a customer's own token goes: 16 characters.
STORY, ATTEMPT, CUSTOMER = b"PLACEOFSTORY0000", b"PLACEOFATTEMPT00", b"PLACEOFCUSTOMER0"
#: What stands there for the event's time in unix seconds.
CREATED = b"9876543210"
_PLACES = re.compile(b"(" + b"|".join((STORY, ATTEMPT, CUSTOMER, CREATED)) + b")")
_IDS = re.compile(r"\b([a-z]{2,6}_)([A-Za-z0-9]{24})\b")
_SCRAMBLE = 0x9E3779B97F4A7C15  # odd, so that no two numbers share a token


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One event's type and body, the body in pieces between and including the places for tokens."""

    type: str
    pieces: tuple[bytes, ...]

    @property
    def body(self) -> bytes:
        """The whole text, with its places."""
        return b"".join(self.pieces)

    def render(self, story: bytes, attempt: bytes, customer: bytes, created: bytes) -> bytes:
        """The body of one event."""
        given = {STORY: story, ATTEMPT: attempt, CUSTOMER: customer, CREATED: created}
        return b"".join([given.get(piece, piece) for piece in self.pieces])


def token(run: int, number: int) -> bytes:
    """16 hex digits that scatter over an index as random ids do; unique in `run` (0 to 65,535)."""
    return b"%04x%012x" % (run, number * _SCRAMBLE % 2**48)


class ShopEvents:
    """The events of one run; runs with different numbers share no id."""

    def __init__(self, run: int) -> None:
        self.run = run
        self.order, self.subscription = _templates()

    def charges(self, created: int) -> Iterator[bytes]:
        """charge.succeeded alone, each of another customer."""
        charge = next(one for one in self.order if one.type == "charge.succeeded")
        number = 0
        while True:
            mark = token(self.run, number)
            yield charge.render(mark, mark, mark, b"%d" % created)
            number += 1

    def mix(self, created: int) -> Iterator[bytes]:
        """All types, story by story."""
        number = 0
        while True:
            for template, marks in self.story(number):
                yield template.render(*marks, b"%d" % created)
            number += 1

    def story(self, number: int) -> Iterator[tuple[Template, tuple[bytes, bytes, bytes]]]:
        """The events of one story: each template with its story's, attempt's and customer's token."""
        mark = token(self.run, 2 * number)
        if number % SUBSCRIPTION_EVERY == 0:
            for template in self.subscription:
                yield template, (mark, mark, mark)
            return
        comes_back = number % 2 == 0
        customer = token(self.run, 2 * (number - 1)) if comes_back else mark
        for template in self.order:
            if template.type != "customer.created" or not comes_back:
                yield template, (mark, mark, customer)
        if number % DUPLICATE_EVERY == 1:
            again = token(self.run, 2 * number + 1)
            for template in self.order[1:]:
                yield template, (mark, again, customer)


def _templates() -> tuple[list[Template], list[Template]]:
    """The events of one order and of one subscription's first invoice, in Stripe's order."""
    sandbox = SandboxStripe(Book(), SystemClock(), random.Random(7), check_key=False)
    customer = _post(sandbox, "customers", email="buyer@shop.example", name="A Buyer")["id"]
    card = _post(sandbox, "payment_methods", type="card", **{"card[token]": "tok_visa"})["id"]
    _post(sandbox, f"payment_methods/{card}/attach", customer=customer)
    payer = {"customer": customer, "payment_method": card, "confirm": "true"}
    reference = {"metadata[order_id]": STORY.decode()}
    _post(sandbox, "payment_intents", amount=1999, currency="usd", **payer, **reference)
    ordered = sandbox.book.last_event_seq()
    product = _post(sandbox, "products", name="Starter")["id"]
    price = {"product": product, "unit_amount": 900, "currency": "usd"}
    priced = _post(sandbox, "prices", **price, **{"recurring[interval]": "month"})["id"]
    subscribed = {"customer": customer, "default_payment_method": card, "items[0][price]": priced}
    _post(sandbox, "subscriptions", **subscribed)
    events = sandbox.book.events_after(0)
    paid = ("charge.succeeded", "payment_intent.succeeded", "charge.updated")
    first = _picked([event for seq, event in events if seq <= ordered], ("customer.created", *paid))
    billed = _picked(
        [event for seq, event in events if seq > ordered],
        (*paid[:2], "invoice_payment.paid", "invoice.paid", "charge.updated"),
    )
    return first, [first[0], *billed]


def _picked(events: list[dict], types: tuple[str, ...]) -> list[Template]:
    by_type = {event["type"]: event for event in events}
    return [Template(type=name, pieces=_pieces(by_type[name])) for name in types]


def _pieces(event: dict) -> tuple[bytes, ...]:
    """The event's text, where every id's last 16 characters, the card and the times become places."""
    written = json.dumps(event, indent=2)
    written = _IDS.sub(lambda found: found[1] + found[2][:8] + _place(found[1]), written)
    written = re.sub(r'("fingerprint": ")[^"]{16}', rf"\g<1>{CUSTOMER.decode()}", written)
    written = written.replace(str(event["created"]), CREATED.decode())
    return tuple(_PLACES.split(written.encode()))


def _place(prefix: str) -> str:
    """Which token an id carries: a second payment of one order has its own charge and events."""
    if prefix in ("cus_", "pm_"):
        return CUSTOMER.decode()
    shared = ("in_", "sub_", "il_", "si_", "price_", "prod_")
    return (STORY if prefix in shared else ATTEMPT).decode()


def _post(sandbox: SandboxStripe, path: str, **params: object) -> dict:
    pairs = [(name, str(value)) for name, value in params.items()]
    answer = sandbox.request("POST", f"/v1/{path}", pairs, {})
    assert answer.status == 200, answer.body
    return answer.json()
