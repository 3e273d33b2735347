"""Plays the shop's year at the sandbox: renewals over twelve months, and then changes of plan by every road.

`live` is the past; `act` is done now, while `redress` looks on; `outcome` reads at Stripe and at the product API what
came of it. Times are unix seconds, amounts US cents.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from ops.sandbox.book import Json
from ops.sandbox.shop_cast import PLANS, buyer
from ops.sandbox.shop_orders import Counter
from ops.sandbox.shop_plan import DAY_SECONDS, HOUR
from ops.sandbox.shop_product import ShopProduct
from ops.sandbox.shop_till import ShopTill
from ops.sandbox.year_stories import RENEWALS, STORIES, TURN, YEAR_DAYS, Act, YearStory
from runtime.clock import Clock

_CURRENCY = "usd"
_PAYMENTS_MAX = 100
_DECLINING = "tok_chargeDeclined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A story's subscriber, by the ids at Stripe."""

    story: YearStory
    number: int
    customer_id: str
    subscription_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class YearRow:
    """What a story came to: what `redress` says, what stays paid, the credits, and the plan that is billed."""

    story: YearStory
    verdict: str | None
    clause: str | None
    paid_minor: int
    credits: int
    plan: str
    waiting_minor: int

    @property
    def as_expected(self) -> bool:
        """Whether everything is as it was known to come, and no part of a period is charged or credited."""
        story = self.story
        return (
            (self.verdict, self.clause) == (story.verdict, story.clause)
            and self.paid_minor == story.expected_minor
            and self.credits == story.expected_credits
            and self.plan == story.ends_on
            and self.waiting_minor == 0
        )


class ShopYear:
    """One year, which ended yesterday; `first_buyer` and the numbers after it are its people, `run` names their calls."""

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
        self.started_at = (today - YEAR_DAYS) * DAY_SECONDS + HOUR
        self._clock = clock
        self._counter = Counter(ShopTill(base_url, api_key, self.started_at, run))
        self._product = product
        self._first_buyer = first_buyer
        self._members: list[Member] = []
        self._asked: dict[int, int] = {}

    def close(self) -> None:
        """Close the connections of the calling thread."""
        self._counter.till.close()
        self._product.close()

    @property
    def members(self) -> tuple[Member, ...]:
        """Everybody who subscribed."""
        return tuple(self._members)

    def live(self, told: Callable[[int, int], None]) -> None:
        """Have everybody subscribe, and a year of renewals pass; `told(done, of)` after each subscriber."""
        self._counter.open_shop()
        for place, story in enumerate(STORIES):
            self._counter.till.now = self.started_at + place * 60
            self._members.append(self._lived(self._first_buyer + place, story))
            told(place + 1, len(STORIES))

    def act(self) -> None:
        """What is done about the subscriptions now."""
        self._counter.till.now = self._clock.now_ms() // 1000
        for member in self._members:
            if member.story.act is Act.REFUND:
                self._asked[member.number] = self._product.ask(self._request(member))
            elif member.story.act in (Act.PORTAL, Act.DASHBOARD):
                self._change_at_stripe(member)
            elif member.story.act in (Act.ASKED, Act.WITHDRAWN):
                self._ask_for_plan(member)

    def take_back(self) -> None:
        """Have the changes taken back that are, once they are scheduled."""
        for member in self._members:
            if member.story.act is Act.WITHDRAWN:
                self._product.withdraw_plan(self._asked[member.number], "the customer stays")

    def outcome(self, word: Callable[[Member], tuple[str | None, str | None]]) -> Iterator[YearRow]:
        """What came of each story; `word` tells what the ledger says of a subscription."""
        for member in self._members:
            verdict, clause = word(member)
            if member.story.act is Act.REFUND:
                verdict, clause = self._verdict(member)
            yield YearRow(
                story=member.story,
                verdict=verdict,
                clause=clause,
                paid_minor=self._paid_minor(member),
                credits=self._product.customer(member.customer_id)["credits_left"],
                plan=self._plan(member),
                waiting_minor=self._waiting_minor(member),
            )

    def _lived(self, number: int, story: YearStory) -> Member:
        till = self._counter.till
        begun = self._counter.subscribe(number, story.plan, _CURRENCY)
        member = Member(
            story=story,
            number=number,
            customer_id=self._counter.customer(number),
            subscription_id=begun.subscription_id,
        )
        for renewal in range(1, self._renewals(story) + 1):
            if renewal == TURN and story.act is Act.SCHEDULED:
                self._schedule(member)
            till.now = self._period_end(member)
            if renewal == TURN and story.act is Act.DECLINED:
                self._decline_once(member)
            else:
                self._counter.renew(member.subscription_id)
        return member

    def _renewals(self, story: YearStory) -> int:
        return RENEWALS if PLANS[story.plan].interval == "month" else 1

    def _period_end(self, member: Member) -> int:
        return int(self._item(member)["current_period_end"])

    def _schedule(self, member: Member) -> None:
        """The shop's own program has the plan changed at the end of the period, as redress would."""
        till = self._counter.till
        shown = till.get(f"/v1/subscriptions/{member.subscription_id}")
        # What a phase does not name is unset.
        kept = {
            "default_payment_method": shown["default_payment_method"],
            "proration_behavior": "none",
        }
        made = till.post(
            "/v1/subscription_schedules", {"from_subscription": member.subscription_id}
        )
        first = made["phases"][0]
        wanted = self._counter.price(str(member.story.becomes), _CURRENCY)
        phases = [
            {
                "start_date": first["start_date"],
                "end_date": first["end_date"],
                "items": [{"price": first["items"][0]["price"], "quantity": 1}],
            }
            | kept,
            {
                "items": [{"price": wanted, "quantity": 1}],
                "duration": {"interval": "month", "interval_count": 1},
            }
            | kept,
        ]
        given = {"end_behavior": "release", "proration_behavior": "none", "phases": phases}
        till.post(f"/v1/subscription_schedules/{made['id']}", given)

    def _decline_once(self, member: Member) -> None:
        """A renewal is not paid; a day later it is, with the customer's other card."""
        till, path = self._counter.till, f"/v1/subscriptions/{member.subscription_id}"
        good = till.get(path)["default_payment_method"]
        given = {"type": "card", "card": {"token": _DECLINING}}
        bad = till.post("/v1/payment_methods", given)["id"]
        till.post(f"/v1/payment_methods/{bad}/attach", {"customer": member.customer_id})
        till.post(path, {"default_payment_method": bad})
        renewed = till.control(f"/sandbox/subscriptions/{member.subscription_id}/renew", {})
        till.now += DAY_SECONDS
        till.post(path, {"default_payment_method": good})
        till.post(f"/v1/invoices/{renewed['invoice']['id']}/pay", {"payment_method": good})

    def _change_at_stripe(self, member: Member) -> None:
        portal = member.story.act is Act.PORTAL
        wanted = self._counter.price(str(member.story.becomes), _CURRENCY)
        given = {
            "by": member.story.act.value,
            "items": [{"id": self._item(member)["id"], "price": wanted, "quantity": 1}],
            "proration_behavior": "always_invoice" if portal else "create_prorations",
        }
        till = self._counter.till
        till.control(f"/sandbox/subscriptions/{member.subscription_id}/change", given)

    def _ask_for_plan(self, member: Member) -> None:
        wanted = self._counter.price(str(member.story.becomes), _CURRENCY)
        self._asked[member.number] = self._product.ask_for_plan(
            {
                "key": f"plan-{self._counter.till.run}-{member.number}",
                "subscription_id": member.subscription_id,
                "price_id": wanted,
                "reason": "the customer asked for it",
            }
        )

    def _request(self, member: Member) -> dict[str, object]:
        paid_at = int(self._item(member)["current_period_start"])
        return {
            "key": f"year-{self._counter.till.run}-{member.number}",
            "account_email": buyer(member.number).email,
            "purchase_date": datetime.fromtimestamp(paid_at, UTC).date().isoformat(),
            "product": PLANS[member.story.plan].name,
            "reasons": ["changed_mind"],
            "asked_at": self._counter.till.now,
        }

    def _verdict(self, member: Member) -> tuple[str | None, str | None]:
        shown = self._product.request(self._asked[member.number])
        decision = shown["decision"]
        if decision is None:
            return str(shown["state"]), None
        wanted = member.story.clause
        return str(decision["verdict"]), wanted if wanted in decision["clauses"] else None

    def _paid_minor(self, member: Member) -> int:
        query = {"customer": member.customer_id, "limit": _PAYMENTS_MAX}
        charges = self._counter.till.get("/v1/charges", query)["data"]
        return sum(int(one["amount_captured"]) - int(one["amount_refunded"]) for one in charges)

    def _waiting_minor(self, member: Member) -> int:
        """What waits for the next invoice, and what lies in the balance."""
        till = self._counter.till
        query = {"customer": member.customer_id, "pending": True}
        waiting = till.get("/v1/invoiceitems", query)["data"]
        balance = till.get(f"/v1/customers/{member.customer_id}")["balance"]
        return sum(abs(int(item["amount"])) for item in waiting) + abs(int(balance))

    def _plan(self, member: Member) -> str:
        billed = self._item(member)["price"]["id"]
        named = (plan for plan in PLANS if self._counter.price(plan, _CURRENCY) == billed)
        return next(named, "another")

    def _item(self, member: Member) -> Json:
        shown = self._counter.till.get(f"/v1/subscriptions/{member.subscription_id}")
        item: Json = shown["items"]["data"][0]
        return item
