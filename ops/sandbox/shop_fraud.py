"""Plays the shop's encounters with fraud at the sandbox, and reads at Stripe and at the product API what came of each."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ops.sandbox.fraud_stories import STORIES, FraudAct, FraudStory
from ops.sandbox.shop_cast import PACKS, buyer
from ops.sandbox.shop_plan import DAY_SECONDS
from ops.sandbox.shop_product import ShopProduct
from ops.sandbox.shop_till import ShopTill
from runtime.clock import Clock

_TRIES = 8
_TRIED_MINOR = 100
#: So long ago everything was bought.
_BOUGHT_DAYS_AGO = 5


@dataclass(slots=True, kw_only=True)
class Suspected:
    """One story as it goes: who bought (a family: both), the charges, and the dispute once there is one."""

    story: FraudStory
    number: int
    customers: list[str] = field(default_factory=list)
    charges: list[str] = field(default_factory=list)
    dispute: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FraudRow:
    """What a story came to: minor units that were paid and that went back (US cents), standing, credits to be used.

    Of a family the money of both, `suspended` if either is, and the fewer credits.
    """

    story: FraudStory
    paid_minor: int
    back_minor: int
    suspended: bool
    credits: int

    @property
    def expected_minor(self) -> int:
        """What should have gone back."""
        return self.paid_minor if self.story.goes_back else 0

    @property
    def as_expected(self) -> bool:
        """Whether everything is as it was known to come."""
        return (self.back_minor, self.suspended, self.credits) == (
            self.expected_minor,
            self.story.suspended,
            self.story.credits,
        )


class ShopFraud:
    """The stories at a sandbox; `first_buyer` and the numbers after it are their people, `run` names its calls."""

    def __init__(
        self,
        base_url: str,
        product: ShopProduct,
        clock: Clock,
        *,
        first_buyer: int,
        api_key: str,
        run: str,
    ) -> None:
        began_at = clock.now_ms() // 1000 - _BOUGHT_DAYS_AGO * DAY_SECONDS
        self._till = ShopTill(base_url, api_key, began_at, run)
        self._product = product
        self._told = [
            Suspected(story=story, number=first_buyer + 3 * place)
            for place, story in enumerate(STORIES)
        ]
        self._acts: Mapping[FraudAct, Callable[[Suspected], None]] = {
            FraudAct.BUY: self._buy,
            FraudAct.BUY_ABROAD: lambda one: self._buy(one, ip_country="FR"),
            FraudAct.BUY_AS_FAMILY: self._buy_as_family,
            FraudAct.BUY_AFTER_TRYING: self._buy_after_trying,
            FraudAct.WARN: self._warn,
            FraudAct.DISPUTE: lambda one: self._dispute(one, "needs_response"),
            FraudAct.ASK: lambda one: self._dispute(one, "warning_needs_response"),
            FraudAct.LOSE: lambda one: self._move(one, "lost"),
            FraudAct.WIN: lambda one: self._move(one, "won"),
        }

    def close(self) -> None:
        """Close the connections of the calling thread."""
        self._till.close()
        self._product.close()

    def play(self, round_number: int) -> None:
        """Play one round of every story that has one."""
        for one in self._told:
            if round_number < len(one.story.rounds):
                self._acts[one.story.rounds[round_number]](one)
        self._till.now += DAY_SECONDS

    def outcome(self) -> Iterator[FraudRow]:
        """What came of each story, as Stripe and the product API tell it."""
        for one in self._told:
            charges = [self._till.get(f"/v1/charges/{charge_id}") for charge_id in one.charges]
            accounts = [self._product.customer(customer) for customer in one.customers]
            yield FraudRow(
                story=one.story,
                paid_minor=sum(charge["amount_captured"] for charge in charges),
                back_minor=sum(charge["amount_refunded"] for charge in charges),
                suspended=any(account["standing"] != "active" for account in accounts),
                credits=min(account["credits_left"] for account in accounts),
            )

    def _buy(self, one: Suspected, **about: str) -> None:
        self._pay(one, one.number, self._card(f"own-{one.number}"), **about)

    def _buy_as_family(self, one: Suspected) -> None:
        for number in (one.number, one.number + 1):
            # Not at once: that would be for a person to look at, as one purchase that was paid twice.
            self._pay(one, number, self._card(f"own-{one.number}"))
            self._till.now += DAY_SECONDS // 2
        self._till.now -= DAY_SECONDS

    def _buy_after_trying(self, one: Suspected) -> None:
        for tried in range(_TRIES):
            card = self._card(f"tried-{one.number}-{tried}", kind="chargeDeclined")
            self._intent(one, None, card, _TRIED_MINOR, {})
            self._till.now += 20
        self._pay(one, one.number, self._card(f"works-{one.number}"))

    def _pay(self, one: Suspected, number: int, card: str, **about: str) -> None:
        customer = self._customer(number)
        price = PACKS[one.story.sold].amounts_minor["usd"]
        told = {"product_id": one.story.sold, **about}
        intent = self._intent(one, customer, card, price, told)
        one.customers.append(customer)
        one.charges.append(str(intent["latest_charge"]))

    def _intent(
        self, one: Suspected, customer: str | None, card: str, minor: int, told: Mapping[str, str]
    ) -> Any:
        # The addresses of documentation (RFC 5737), one for each story.
        place = {"ip_address": f"203.0.113.{one.number % 250}", "device_id": f"device-{one.number}"}
        return self._till.pay(
            "/v1/payment_intents",
            {
                "amount": minor,
                "currency": "usd",
                "customer": customer,
                "payment_method": card,
                "confirm": True,
                "metadata": {**place, **told},
            },
        )

    def _customer(self, number: int) -> str:
        who = buyer(number)
        made = self._till.post("/v1/customers", {"email": who.email, "name": who.name})
        return str(made["id"])

    def _card(self, name: str, kind: str = "visa") -> str:
        return self._till.new_card(f"tok_{kind}", name)

    def _warn(self, one: Suspected) -> None:
        for charge in one.charges:
            told = {"charge": charge, "fraud_type": "made_with_stolen_card"}
            self._till.control("/sandbox/early_fraud_warnings", told)

    def _dispute(self, one: Suspected, status: str) -> None:
        told = {"charge": one.charges[0], "reason": "fraudulent", "status": status}
        one.dispute = str(self._till.control("/sandbox/disputes", told)["id"])

    def _move(self, one: Suspected, status: str) -> None:
        self._till.control(f"/sandbox/disputes/{one.dispute}", {"status": status})
