"""The shop's counter: what its checkout, billing and staff do, each a few API calls.

`Counter` remembers the Stripe ids of buyers, cards and prices, and the known answers as the day
goes on. Amounts are minor units.
"""

from dataclasses import dataclass, field

from ops.sandbox.book import Json
from ops.sandbox.shop_cast import PACKS, PLANS, Buyer, buyer
from ops.sandbox.shop_plan import Story
from ops.sandbox.shop_till import ShopTill

DECLINED_CARD = "pm_card_chargeDeclined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """A charge that succeeded and what it took."""

    charge_id: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """A subscription and the charge of its first invoice."""

    subscription_id: str
    item_id: str
    paid: Paid


@dataclass(slots=True, kw_only=True)
class Notes:
    """What happened so far, in the order of the day: the raw material of the known answers."""

    succeeded: list[str] = field(default_factory=list)
    failed: int = 0
    duplicates: list[tuple[Story, Paid, Paid]] = field(default_factory=list)
    look_alikes: list[tuple[Story, Paid]] = field(default_factory=list)
    refunded_by_hand: list[str] = field(default_factory=list)


class Counter:
    """Sells packs and plans through a till. `open_shop` comes first."""

    def __init__(self, till: ShopTill) -> None:
        self.till = till
        self.notes = Notes()
        self._customers: dict[int, str] = {}
        self._cards: dict[int, str] = {}
        self._prices: dict[tuple[str, str], str] = {}

    def open_shop(self) -> None:
        """Create the products and prices of all plans."""
        for plan in PLANS.values():
            product = self.till.post("/v1/products", {"name": plan.name})
            for currency, amount_minor in plan.amounts_minor.items():
                price = self.till.post(
                    "/v1/prices",
                    {
                        "product": product["id"],
                        "unit_amount": amount_minor,
                        "currency": currency,
                        "recurring": {"interval": plan.interval},
                        "metadata": {
                            "redress_credits": str(plan.credits),
                            "redress_tier": str(plan.tier),
                            "redress_name": plan.name,
                        },
                    },
                )
                self._prices[plan.key, currency] = price["id"]

    def order_reference(self, story: Story, part: str = "") -> str:
        """Return an order reference that no other story and no other run has."""
        return f"{self.till.run}-{story.number}{part}"

    def customer(self, number: int) -> str:
        """Return the customer id of a buyer, created with its card at the first use."""
        if number not in self._customers:
            who = buyer(number)
            made = self.till.post("/v1/customers", {"email": who.email, "name": who.name})
            self._customers[number] = made["id"]
            self.till.post(
                f"/v1/payment_methods/{self._card(who)}/attach", {"customer": made["id"]}
            )
        return self._customers[number]

    def guest_card(self, number: int) -> str:
        """Return a new payment method of a buyer's card, tied to no customer."""
        return self._new_card(buyer(number))

    def price(self, plan: str, currency: str) -> str:
        """Return the price id of a plan in a currency."""
        return self._prices[plan, currency]

    def sell(
        self,
        number: int | None,
        amount_minor: int,
        currency: str,
        *,
        card: str | None = None,
        order: str | None = None,
        product: str | None = None,
        hold: bool = False,
    ) -> Json:
        """Try one payment; returns the payment intent (see `ShopTill.pay`).

        `number` is the buyer, None a guest; `card` a payment method other than the buyer's own.
        With `hold` the money is authorised and captured later.
        """
        customer = None if number is None else self.customer(number)
        own_card = None if number is None else self._card(buyer(number))
        metadata = {"order_id": order, "product": product}
        intent = self.till.pay(
            "/v1/payment_intents",
            {
                "amount": amount_minor,
                "currency": currency,
                "customer": customer,
                "payment_method": card or own_card,
                "confirm": True,
                "capture_method": "manual" if hold else None,
                "metadata": {name: text for name, text in metadata.items() if text is not None},
            },
        )
        return self._noted(intent)

    def sell_pack(self, story: Story, *, order: str | None, number: int | None = None) -> Paid:
        """Sell the story's pack to its buyer (or to `number`) and return the charge."""
        pack = PACKS[story.pack]
        intent = self.sell(
            story.buyer if number is None else number,
            pack.amounts_minor[story.currency],
            story.currency,
            order=order,
            product=pack.sku,
        )
        return paid(intent)

    def confirm(self, intent: Json, card: str) -> Json:
        """Try a declined payment intent again with another card."""
        path = f"/v1/payment_intents/{intent['id']}/confirm"
        return self._noted(self.till.pay(path, {"payment_method": card}))

    def subscribe(self, number: int, plan: str, currency: str) -> Subscribed:
        """Start a subscription, paid at once with the buyer's card."""
        customer = self.customer(number)
        made = self.till.post(
            "/v1/subscriptions",
            {
                "customer": customer,
                "items": [{"price": self.price(plan, currency)}],
                "default_payment_method": self._card(buyer(number)),
            },
        )
        return Subscribed(
            subscription_id=made["id"],
            item_id=made["items"]["data"][0]["id"],
            paid=self._paid_for_invoice(made["latest_invoice"]),
        )

    def renew(self, subscription_id: str) -> Paid:
        """Let one period pass for a subscription and return the charge of the new invoice."""
        renewed = self.till.control(f"/sandbox/subscriptions/{subscription_id}/renew", {})
        return self._note_charge(renewed["charge"])

    def bill(self, number: int, amount_minor: int, currency: str) -> str:
        """Write and finalise an invoice by hand, not yet paid; returns its id."""
        customer = self.customer(number)
        invoice = self.till.post(
            "/v1/invoices", {"customer": customer, "currency": currency, "auto_advance": False}
        )
        self.till.post(
            "/v1/invoiceitems",
            {
                "customer": customer,
                "invoice": invoice["id"],
                "amount": amount_minor,
                "currency": currency,
                "description": "Custom model training",
            },
        )
        self.till.post(f"/v1/invoices/{invoice['id']}/finalize", {"auto_advance": False})
        return str(invoice["id"])

    def pay_invoice(self, invoice_id: str, number: int) -> Paid:
        """Pay all of an invoice with the buyer's card."""
        self.till.post(
            f"/v1/invoices/{invoice_id}/pay", {"payment_method": self._card(buyer(number))}
        )
        return self._paid_for_invoice(invoice_id)

    def pay_towards(self, invoice_id: str, number: int, amount_minor: int, currency: str) -> Paid:
        """Make a payment of its own and attach it to an invoice."""
        intent = self.sell(number, amount_minor, currency)
        self.till.post(
            f"/v1/invoices/{invoice_id}/attach_payment", {"payment_intent": intent["id"]}
        )
        return paid(intent)

    def refund_by_hand(self, charge_id: str, amount_minor: int | None = None) -> None:
        """Refund a charge, or a part of it, as the shop's staff does in the dashboard."""
        body: Json = {"charge": charge_id, "reason": "requested_by_customer"}
        if amount_minor is not None:
            body["amount"] = amount_minor
        self.till.control("/sandbox/refunds", body)
        self.notes.refunded_by_hand.append(charge_id)

    def _card(self, who: Buyer) -> str:
        if who.number not in self._cards:
            self._cards[who.number] = self._new_card(who)
        return self._cards[who.number]

    def _new_card(self, who: Buyer) -> str:
        return self.till.new_card(who.card_token, who.card)

    def _paid_for_invoice(self, invoice_id: str) -> Paid:
        payments = self.till.get("/v1/invoice_payments", {"invoice": invoice_id})["data"]
        intent_id = payments[0]["payment"]["payment_intent"]
        intent = self.till.get(f"/v1/payment_intents/{intent_id}")
        return paid(self._noted(intent))

    def _noted(self, intent: Json) -> Json:
        if intent["status"] in ("succeeded", "requires_capture"):
            self.notes.succeeded.append(intent["latest_charge"])
        else:
            self.notes.failed += 1
        return intent

    def _note_charge(self, charge: Json) -> Paid:
        self.notes.succeeded.append(charge["id"])
        return Paid(
            charge_id=charge["id"], amount_minor=charge["amount"], currency=charge["currency"]
        )


def paid(intent: Json) -> Paid:
    """Return the charge that a succeeded (or held) payment intent made."""
    return Paid(
        charge_id=intent["latest_charge"],
        amount_minor=intent["amount"],
        currency=intent["currency"],
    )
