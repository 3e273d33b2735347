"""Plays a shop's day against the sandbox over HTTP: seeded, in simulated time, with known answers.

The simulated day is the 24 hours before the start, so all that it creates lies in the past as seen
by the sandbox, and every story keeps its distances in Stripe's `created` however fast it is played.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TypeAlias

from ops.sandbox import shop_look_alikes, shop_mistakes, shop_traffic
from ops.sandbox.shop_answers import DayAnswers, LookAlike, TrueDuplicate, outcome_by_terms
from ops.sandbox.shop_orders import Counter
from ops.sandbox.shop_plan import DAY_SECONDS, Story, StoryKind, plan_day
from ops.sandbox.shop_till import ShopTill
from policy.terms_file import DuplicateTerms, load_terms
from runtime.clock import Clock

Player: TypeAlias = Callable[[Counter, Story], Iterator[int]]
Progress: TypeAlias = Callable[[int, int, str], object]

# A nap between two looks at the clock, so that `stop` is heard.
_NAP_SECONDS_MIN, _NAP_SECONDS_MAX = 0.001, 0.2

PLAYERS: Mapping[StoryKind, Player] = MappingProxyType(
    {
        StoryKind.SAME_INVOICE: shop_mistakes.same_invoice,
        StoryKind.SAME_ORDER: shop_mistakes.same_order,
        StoryKind.SECOND_SUBSCRIPTION: shop_mistakes.second_subscription,
        StoryKind.SAME_PURCHASE: shop_mistakes.same_purchase,
        StoryKind.SAME_CARD: shop_mistakes.same_card,
        StoryKind.RENEWAL_AFTER_START: shop_look_alikes.renewal_after_start,
        StoryKind.TWO_ORDERS: shop_look_alikes.two_orders,
        StoryKind.TWO_PACKS_APART: shop_look_alikes.two_packs_apart,
        StoryKind.CARD_CHANGED: shop_look_alikes.card_changed,
        StoryKind.ORDER_RETRIED: shop_look_alikes.order_retried,
        StoryKind.CAPTURED_IN_PART: shop_look_alikes.captured_in_part,
        StoryKind.CAPTURED_TWICE: shop_look_alikes.captured_twice,
        StoryKind.PAID_IN_PARTS: shop_look_alikes.paid_in_parts,
        StoryKind.SUBSCRIBED_AGAIN: shop_look_alikes.subscribed_again,
        StoryKind.SECOND_SEAT_LATER: shop_look_alikes.second_seat_later,
        StoryKind.TWO_PLANS: shop_look_alikes.two_plans,
        StoryKind.TWO_PEOPLE: shop_look_alikes.two_people,
        StoryKind.TWO_CURRENCIES: shop_look_alikes.two_currencies,
        StoryKind.SHARED_REFERENCE: shop_look_alikes.shared_reference,
        StoryKind.DEPOSIT_AND_BALANCE: shop_look_alikes.deposit_and_balance,
        StoryKind.TWO_PRODUCTS: shop_look_alikes.two_products,
        StoryKind.REFUNDED_THEN_BOUGHT: shop_look_alikes.refunded_then_bought,
        StoryKind.PACK: shop_traffic.pack,
        StoryKind.MONTHLY: shop_traffic.plan,
        StoryKind.ANNUAL: shop_traffic.plan,
        StoryKind.RENEWAL: shop_traffic.renewal,
        StoryKind.DECLINED: shop_traffic.declined,
        StoryKind.REFUNDED_BY_HAND: shop_traffic.refunded_by_hand,
        StoryKind.DISPUTED: shop_traffic.disputed,
        StoryKind.EARLY_WARNING: shop_traffic.early_warning,
        StoryKind.REVIEWED: shop_traffic.reviewed,
        StoryKind.PLAN_EDIT: shop_traffic.plan_edit,
        StoryKind.CANCELLED: shop_traffic.cancelled,
    }
)


class ShopDay:
    """One day of the shop, planned at birth (`plan`) and played by `play`.

    The day takes `duration_seconds` of real time; with 0 it is played as fast as the sandbox
    answers. `progress(done, total, label)` is called after each story. `at_noon` is called once
    when half of the stories are over (a secret is rolled, say).
    """

    def __init__(
        self,
        base_url: str,
        clock: Clock,
        *,
        seed: int = 1,
        charges: int = 540,
        duration_seconds: float = 60.0,
        progress: Progress | None = None,
        at_noon: Callable[[], object] | None = None,
        terms: DuplicateTerms | None = None,
        api_key: str = "sk_test_sandbox",
    ) -> None:
        self.seed = seed
        self.plan = plan_day(seed, charges)
        self.started_at = clock.now_ms() // 1000 - DAY_SECONDS
        self._clock = clock
        self._duration_seconds = duration_seconds
        self._progress = progress or (lambda _done, _total, _label: None)
        self._at_noon = at_noon or (lambda: None)
        self._terms = terms or load_terms().duplicates
        self._counter = Counter(ShopTill(base_url, api_key, self.started_at))
        self._stopped = False

    @property
    def expected(self) -> DayAnswers:
        """The known answers for what was played so far."""
        notes = self._counter.notes
        return DayAnswers(
            seed=self.seed,
            started_at=self.started_at,
            charges_succeeded=len(notes.succeeded),
            charges_failed=notes.failed,
            duplicates=tuple(
                TrueDuplicate(
                    charge_id=again.charge_id,
                    kept_charge_id=kept.charge_id,
                    kind=story.kind.detected_as,
                    amount_minor=again.amount_minor,
                    currency=again.currency,
                    outcome=outcome_by_terms(story.kind, self._terms),
                )
                for story, kept, again in notes.duplicates
            ),
            look_alikes=tuple(
                LookAlike(charge_id=payment.charge_id, kind=story.kind.value)
                for story, payment in notes.look_alikes
            ),
            refunded_by_hand=tuple(notes.refunded_by_hand),
        )

    def stop(self) -> None:
        """End the day after the call under way; `play` then returns. Safe from other threads."""
        self._stopped = True

    def play(self) -> DayAnswers:
        """Play the day to its end, or until `stop`; raises ShopRefused or HttpUnanswered."""
        try:
            self._counter.open_shop()
            self._play_stories()
        finally:
            self._counter.till.close()
        return self.expected

    def _play_stories(self) -> None:
        begun = self._clock.monotonic()
        agenda = [
            (story.at_seconds, story.number, story, PLAYERS[story.kind](self._counter, story))
            for story in self.plan
        ]
        heapq.heapify(agenda)
        done = 0
        while agenda and self._wait_until(begun, agenda[0][0]):
            at_seconds, number, story, player = heapq.heappop(agenda)
            self._counter.till.now = self.started_at + at_seconds
            pause_seconds = next(player, None)
            if pause_seconds is not None:
                heapq.heappush(agenda, (at_seconds + pause_seconds, number, story, player))
                continue
            done += 1
            self._report(done, story)

    def _report(self, done: int, story: Story) -> None:
        self._progress(done, len(self.plan), story.kind.value.replace("_", " "))
        if done == len(self.plan) // 2:
            self._at_noon()

    def _wait_until(self, begun: float, at_seconds: int) -> bool:
        due = begun + at_seconds * self._duration_seconds / DAY_SECONDS
        while not self._stopped:
            left_seconds = due - self._clock.monotonic()
            if left_seconds <= 0:
                return True
            self._clock.sleep(min(max(left_seconds, _NAP_SECONDS_MIN), _NAP_SECONDS_MAX))
        return False
