"""Plays the shop's month: purchases at the sandbox, use and refund requests at the product API.

`sell`, `report`, `ask` are called one after the other, with whatever the shop's people do between them;
`outcome` reads at Stripe and at the product API what came of it all.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ops.sandbox.month_stories import (
    FAILED_CREDITS,
    MONTH_DAYS,
    OUTAGE_DAY,
    OUTAGE_HOURS,
    OUTAGE_PLAN,
    STORIES,
    Back,
    MonthStory,
    Twist,
)
from ops.sandbox.shop_cast import PACKS, buyer
from ops.sandbox.shop_orders import Counter, paid
from ops.sandbox.shop_plan import DAY_SECONDS, HOUR
from ops.sandbox.shop_product import ShopProduct
from ops.sandbox.shop_till import ShopTill
from runtime.clock import Clock

#: Standing and cause by what happened to an account (`ledger.states`).
_STANDINGS: Mapping[Twist, tuple[str, str]] = {
    Twist.FLAGGED: ("suspended", "mistake"),
    Twist.CLOSED: ("closed", "terms"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """What a story's customer bought: the charge (the last one, of two), and the paid period in seconds."""

    story: MonthStory
    number: int
    customer_id: str
    charge_id: str
    amount_minor: int
    at: int
    subscription_id: str | None = None
    period_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthRow:
    """What a story came to beside what was known: verdict, clauses cited, money back, what ended.

    `verdict` is None where nobody asked; amounts are minor units of `currency`.
    """

    story: MonthStory
    verdict: str | None
    clauses: tuple[str, ...]
    currency: str
    back_minor: int
    expected_minor: int
    credits_left: int
    expected_credits_left: int
    ended: bool
    expected_ended: bool

    @property
    def as_expected(self) -> bool:
        """Whether everything is as it was known to come."""
        asked = self.verdict is None or (
            self.verdict == self.story.verdict
            and (not self.story.clause or self.story.clause in self.clauses)
        )
        return (
            asked
            and self.back_minor == self.expected_minor
            and self.credits_left == self.expected_credits_left
            and self.ended == self.expected_ended
        )


class ShopMonth:
    """One month, of the `MONTH_DAYS` before now; `first_buyer` and the numbers after it are its people.

    `run` names its calls: two months may be played on one day.
    """

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
        today = clock.now_ms() // 1000 // DAY_SECONDS
        # From midday on, so that no story falls on two calendar days, by which the terms count.
        self.started_at = (today - MONTH_DAYS) * DAY_SECONDS + DAY_SECONDS // 2
        self._counter = Counter(ShopTill(base_url, api_key, self.started_at, run))
        self._product = product
        self._first_buyer = first_buyer
        self._bought: list[Bought] = []
        self._requests: dict[str, list[int]] = {}
        self._claims: dict[str, int] = {}

    def close(self) -> None:
        """Close the connections of the calling thread."""
        self._counter.till.close()
        self._product.close()

    def outage(self) -> tuple[int, int, str]:
        """When the outage began and ended (unix seconds), and the price that was down."""
        began_at = self.started_at + OUTAGE_DAY * DAY_SECONDS
        ended_at = began_at + OUTAGE_HOURS * HOUR
        return began_at, ended_at, self._counter.price(OUTAGE_PLAN, "usd")

    def standings(self) -> Iterator[tuple[str, str, str]]:
        """The accounts that do not stand as active: customer, standing, cause."""
        for one in self._bought:
            if one.story.twist in _STANDINGS:
                yield (one.customer_id, *_STANDINGS[one.story.twist])

    def sell(self) -> None:
        """Make every purchase, and have the banks do what they do."""
        self._counter.open_shop()
        for number, story in enumerate(STORIES, start=self._first_buyer):
            self._counter.till.now = self.started_at + story.bought_day * DAY_SECONDS
            bought = self._pack(number, story) if story.is_pack else self._plan(number, story)
            self._bought.append(bought)
            if story.twist is Twist.DISPUTED:
                self._counter.till.now += DAY_SECONDS
                # Not about fraud: that would suspend the account, and the request would hang on that.
                disputed = {"charge": bought.charge_id, "reason": "product_not_received"}
                self._counter.till.control("/sandbox/disputes", disputed)

    def report(self) -> None:
        """Report all use, in one batch; of what failed as well."""
        self._product.report_usage(
            [
                {
                    "key": f"use-{self._counter.till.run}-{one.number}",
                    "customer_id": one.customer_id,
                    "credits": one.story.used,
                    "at": one.at + HOUR,
                    "successful": True,
                }
                for one in self._bought
                if one.story.used
            ]
            + [self._failed_usage(one) for one in self._with_failures()]
        )

    def ask(self) -> None:
        """Hand in every refund request, and have the credits of what failed asked back."""
        for one in self._with_failures():
            self._claims[one.customer_id] = self._product.claim_credits(self._failed_claim(one))
        for one in self._bought:
            if one.story.asked_after_days is None:
                continue
            ways = ("mail", "chat") if one.story.twist is Twist.ASKED_TWICE else ("mail",)
            self._requests[one.customer_id] = [
                self._product.ask(self._request(one, way)) for way in ways
            ]

    def outcome(self) -> Iterator[MonthRow]:
        """What came of each story, as Stripe and the product API tell it."""
        for one in self._bought:
            verdict, clauses = self._verdict(one)
            whole = one.story.whole
            yield MonthRow(
                story=one.story,
                verdict=verdict,
                clauses=clauses,
                currency=one.story.currency,
                back_minor=self._charge(one)["amount_refunded"],
                expected_minor=self._expected_minor(one),
                credits_left=self._product.customer(one.customer_id)["credits_left"],
                expected_credits_left=0 if whole else one.story.issued - one.story.used,
                ended=self._ended(one),
                expected_ended=whole and one.subscription_id is not None,
            )

    def _pack(self, number: int, story: MonthStory) -> Bought:
        pack = PACKS[story.sold]
        customer_id = self._counter.customer(number)
        at = self._counter.till.now
        orders = ("a", "b") if story.twist is Twist.BOUGHT_TWICE else ("a",)
        for order in orders:
            sold = paid(
                self._counter.sell(
                    number,
                    pack.amounts_minor[story.currency],
                    story.currency,
                    order=f"{self._counter.till.run}-m{number}{order}",
                    product=pack.sku,
                )
            )
            # Beyond the window in which two purchases of one product count as one.
            self._counter.till.now += HOUR
        return Bought(
            story=story,
            number=number,
            customer_id=customer_id,
            charge_id=sold.charge_id,
            amount_minor=sold.amount_minor,
            at=at,
        )

    def _plan(self, number: int, story: MonthStory) -> Bought:
        at = self._counter.till.now
        begun = self._counter.subscribe(number, story.sold, story.currency)
        shown = self._counter.till.get(f"/v1/subscriptions/{begun.subscription_id}")
        item = shown["items"]["data"][0]
        return Bought(
            story=story,
            number=number,
            customer_id=self._counter.customer(number),
            charge_id=begun.paid.charge_id,
            amount_minor=begun.paid.amount_minor,
            at=at,
            subscription_id=begun.subscription_id,
            period_seconds=item["current_period_end"] - item["current_period_start"],
        )

    def _request(self, one: Bought, way: str) -> dict[str, Any]:
        days = one.story.asked_after_days or 0
        return {
            "key": f"{way}-{self._counter.till.run}-{one.number}",
            "account_email": buyer(one.number).email,
            "purchase_date": datetime.fromtimestamp(one.at, UTC).date().isoformat(),
            "product": one.story.product,
            "reasons": [one.story.reason],
            "asked_at": one.at + days * DAY_SECONDS + 2 * HOUR,
        }

    def _with_failures(self) -> list[Bought]:
        return [one for one in self._bought if one.story.twist is Twist.PICTURES_FAILED]

    def _failed_usage(self, one: Bought) -> dict[str, Any]:
        return {
            "key": f"failed-{self._counter.till.run}-{one.number}",
            "customer_id": one.customer_id,
            "credits": FAILED_CREDITS,
            "at": one.at + 2 * HOUR,
            "successful": False,
            "reference": f"pictures-{self._counter.till.run}-{one.number}",
        }

    def _failed_claim(self, one: Bought) -> dict[str, Any]:
        told = self._failed_usage(one)
        return {name: told[name] for name in told if name != "successful"} | {
            "loss": "failed",
            "evidence": "the renderer ran out of memory",
            "our_fault": True,
        }

    def _verdict(self, one: Bought) -> tuple[str | None, tuple[str, ...]]:
        """The verdict on every request of a story, and the clauses; None where nobody asked."""
        if one.customer_id in self._claims:
            claim = self._product.claim(self._claims[one.customer_id])
            decision = claim["decision"] or {"verdict": claim["state"], "clauses": []}
            return str(decision["verdict"]), tuple(decision["clauses"])
        shown = [self._product.request(each) for each in self._requests.get(one.customer_id, [])]
        if not shown:
            return None, ()
        decisions = [each["decision"] for each in shown]
        if None in decisions:
            return str(shown[0]["state"]), ()
        verdicts = {each["verdict"] for each in decisions} | {
            "several cases" for each in shown if each["case_id"] != shown[0]["case_id"]
        }
        return " + ".join(sorted(verdicts)), tuple(decisions[-1]["clauses"])

    def _charge(self, one: Bought) -> dict[str, Any]:
        return self._counter.till.get(f"/v1/charges/{one.charge_id}")

    def _ended(self, one: Bought) -> bool:
        if one.subscription_id is None:
            return False
        shown = self._counter.till.get(f"/v1/subscriptions/{one.subscription_id}")
        return bool(shown["status"] == "canceled")

    def _expected_minor(self, one: Bought) -> int:
        if one.story.back is Back.NOTHING:
            return 0
        if one.story.back is Back.ALL:
            return one.amount_minor
        if one.story.back is Back.OUTAGE_SHARE:
            return one.amount_minor * OUTAGE_HOURS * HOUR // (one.period_seconds or 1)
        entitled_minor = one.amount_minor
        if one.story.back is Back.YEAR_LESS_FEE:
            entitled_minor = one.amount_minor * 11 // 12
        return entitled_minor - self._fee_minor(one)

    def _fee_minor(self, one: Bought) -> int:
        moved = self._charge(one)["balance_transaction"]
        return int(self._counter.till.get(f"/v1/balance_transactions/{moved}")["fee"])
