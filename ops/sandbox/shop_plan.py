"""What will happen on a shop's day: stories drawn from a seed before anything is played.

A story is one little plot with its own people: an ordinary purchase, a duplicate charge, or
something that only looks like one. `plan_day` is pure: one seed and size, one plan.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from ops.sandbox.shop_cast import PACKS, PLANS

DAY_SECONDS = 86_400
MINUTE = 60
HOUR = 3600

# Fewer would leave no room for ordinary traffic beside the 12 duplicates and their look-alikes.
CHARGES_MIN = 300


class StoryKind(StrEnum):
    """A plot. The remark says what happens, and for the look-alikes why nothing may be refunded."""

    # True duplicates (policy.md, "Duplicates").
    SAME_INVOICE = "same_invoice"  # an invoice that was paid is paid again
    SAME_ORDER = "same_order"  # one order reference is paid twice in full
    SECOND_SUBSCRIPTION = "second_subscription"  # a second running subscription to one price
    SAME_PURCHASE = "same_purchase"  # one customer buys one product twice within minutes
    SAME_CARD = "same_card"  # the same without accounts: only the card ties the two together

    # Look-alikes.
    RENEWAL_AFTER_START = "renewal_after_start"  # two invoices of one subscription
    TWO_ORDERS = "two_orders"  # two packs on purpose: each has its order reference
    TWO_PACKS_APART = "two_packs_apart"  # two packs on purpose: further apart than the window
    CARD_CHANGED = "card_changed"  # a declined attempt and a good one on one payment intent
    ORDER_RETRIED = "order_retried"  # a declined intent and a second one for the same order
    CAPTURED_IN_PART = "captured_in_part"  # a hold, of which a part is captured later
    CAPTURED_TWICE = "captured_twice"  # a hold that is captured in two steps
    PAID_IN_PARTS = "paid_in_parts"  # an invoice paid half and half: equal amounts, one debt
    SUBSCRIBED_AGAIN = "subscribed_again"  # cancelled first, so only one subscription runs
    SECOND_SEAT_LATER = "second_seat_later"  # the same price again, long after the first
    TWO_PLANS = "two_plans"  # two running subscriptions to different prices
    TWO_PEOPLE = "two_people"  # two customers pay the same amount in the same minute
    TWO_CURRENCIES = "two_currencies"  # equal numbers, different money
    SHARED_REFERENCE = "shared_reference"  # one order reference, two customers
    DEPOSIT_AND_BALANCE = "deposit_and_balance"  # one order reference, different amounts
    TWO_PRODUCTS = "two_products"  # equal amounts for different products
    REFUNDED_THEN_BOUGHT = "refunded_then_bought"  # the first was given back before the second

    # Ordinary traffic.
    PACK = "pack"
    MONTHLY = "monthly"
    ANNUAL = "annual"
    RENEWAL = "renewal"
    DECLINED = "declined"
    REFUNDED_BY_HAND = "refunded_by_hand"
    DISPUTED = "disputed"
    EARLY_WARNING = "early_warning"
    REVIEWED = "reviewed"
    PLAN_EDIT = "plan_edit"
    CANCELLED = "cancelled"

    @property
    def detected_as(self) -> str:
        """The policy's name for a duplicate of this kind (`policy.DuplicateKind`)."""
        return "same_purchase" if self is StoryKind.SAME_CARD else self.value


TRUE_DUPLICATES: Mapping[StoryKind, int] = MappingProxyType(
    {
        StoryKind.SAME_INVOICE: 3,
        StoryKind.SAME_ORDER: 3,
        StoryKind.SECOND_SUBSCRIPTION: 3,
        # Together the three of "same customer or card fingerprint, amount, currency and product".
        StoryKind.SAME_PURCHASE: 2,
        StoryKind.SAME_CARD: 1,
    }
)

# Look-alikes per kind and day; enough that each meets repeated and reordered deliveries.
_LOOK_ALIKES_EACH = 5
LOOK_ALIKES: tuple[StoryKind, ...] = (
    StoryKind.RENEWAL_AFTER_START,
    StoryKind.TWO_ORDERS,
    StoryKind.TWO_PACKS_APART,
    StoryKind.CARD_CHANGED,
    StoryKind.ORDER_RETRIED,
    StoryKind.CAPTURED_IN_PART,
    StoryKind.CAPTURED_TWICE,
    StoryKind.PAID_IN_PARTS,
    StoryKind.SUBSCRIBED_AGAIN,
    StoryKind.SECOND_SEAT_LATER,
    StoryKind.TWO_PLANS,
    StoryKind.TWO_PEOPLE,
    StoryKind.TWO_CURRENCIES,
    StoryKind.SHARED_REFERENCE,
    StoryKind.DEPOSIT_AND_BALANCE,
    StoryKind.TWO_PRODUCTS,
    StoryKind.REFUNDED_THEN_BOUGHT,
)

_NOISE: Mapping[StoryKind, int] = MappingProxyType(
    {
        StoryKind.DECLINED: 20,
        StoryKind.REFUNDED_BY_HAND: 10,
        StoryKind.DISPUTED: 5,
        StoryKind.EARLY_WARNING: 4,
        StoryKind.REVIEWED: 3,
        StoryKind.PLAN_EDIT: 8,
        StoryKind.CANCELLED: 8,
    }
)

# Of what fills the day: credit packs first, then new and renewed subscriptions.
_TRAFFIC = (StoryKind.PACK,) * 6 + (StoryKind.MONTHLY,) * 2 + (StoryKind.ANNUAL, StoryKind.RENEWAL)

# Charges that succeed in one story; a story that is not named here has one.
CHARGES: Mapping[StoryKind, int] = MappingProxyType(
    dict.fromkeys((*TRUE_DUPLICATES, *LOOK_ALIKES, StoryKind.RENEWAL), 2)
    | dict.fromkeys(
        (
            StoryKind.CARD_CHANGED,
            StoryKind.ORDER_RETRIED,
            StoryKind.CAPTURED_IN_PART,
            StoryKind.CAPTURED_TWICE,
        ),
        1,
    )
    | {StoryKind.DECLINED: 0}
)

# Seconds between the two halves of a story, where the plot depends on it.
_GAPS_SECONDS: Mapping[StoryKind, tuple[int, int]] = MappingProxyType(
    {
        StoryKind.SAME_INVOICE: (1, 6 * HOUR),
        StoryKind.SAME_ORDER: (1, 3 * HOUR),
        StoryKind.SECOND_SUBSCRIPTION: (5, 4 * HOUR),
        StoryKind.TWO_PACKS_APART: (11 * MINUTE, 2 * HOUR),
        StoryKind.SUBSCRIBED_AGAIN: (2 * MINUTE, HOUR),
        StoryKind.CAPTURED_IN_PART: (MINUTE, 2 * HOUR),
        StoryKind.CAPTURED_TWICE: (MINUTE, 2 * HOUR),
        StoryKind.DISPUTED: (10 * MINUTE, 2 * HOUR),
        StoryKind.EARLY_WARNING: (10 * MINUTE, 2 * HOUR),
        StoryKind.REFUNDED_BY_HAND: (10 * MINUTE, 2 * HOUR),
    }
)
# Everything else happens well within the detector's window of ten minutes, which is the point.
_GAP_SECONDS = (5, 8 * MINUTE)

# A third of the packs are sold to regulars, who buy again and again, each time with a new order.
_REGULARS = 40
_REGULAR_SHARE = 3
# People per story: some need a second person, who is the next number.
_BUYERS_PER_STORY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One plot: `at_seconds` after the day's start, `gap_seconds` between its two halves.

    `buyer` and `buyer + 1` are its people, `pack` and `plan` keys of the catalogue.
    """

    number: int
    kind: StoryKind
    at_seconds: int
    gap_seconds: int
    buyer: int
    pack: str
    plan: str
    currency: str


def plan_day(seed: int, charges: int) -> tuple[Story, ...]:
    """Return the day's stories by time, giving at least `charges` (≥ 300) successful charges.

    Raises ValueError for fewer than CHARGES_MIN.
    """
    if charges < CHARGES_MIN:
        raise ValueError(f"charges must be at least {CHARGES_MIN}, so that look-alikes are few")
    rng = random.Random(seed)
    kinds = [kind for kind, count in {**TRUE_DUPLICATES, **_NOISE}.items() for _ in range(count)]
    kinds += [kind for kind in LOOK_ALIKES for _ in range(_LOOK_ALIKES_EACH)]
    planned = sum(CHARGES.get(kind, 1) for kind in kinds)
    while planned < charges:
        kinds.append(rng.choice(_TRAFFIC))
        planned += CHARGES.get(kinds[-1], 1)
    stories = [_story(rng, number, kind) for number, kind in enumerate(kinds, start=1)]
    return tuple(sorted(stories, key=lambda story: (story.at_seconds, story.number)))


def _story(rng: random.Random, number: int, kind: StoryKind) -> Story:
    gap_seconds = rng.randint(*_GAPS_SECONDS.get(kind, _GAP_SECONDS))
    # Every story ends within the day, with its busiest hours in the afternoon.
    latest = DAY_SECONDS - 2 * gap_seconds - HOUR
    regular = kind is StoryKind.PACK and rng.randrange(_REGULAR_SHARE) == 0
    own = _REGULARS + number * _BUYERS_PER_STORY
    return Story(
        number=number,
        kind=kind,
        at_seconds=int(rng.triangular(0, latest, latest * 0.6)),
        gap_seconds=gap_seconds,
        buyer=rng.randrange(_REGULARS) if regular else own,
        pack=rng.choice(sorted(PACKS)),
        plan=_plan(rng, kind),
        currency=_currency(rng, kind),
    )


def _plan(rng: random.Random, kind: StoryKind) -> str:
    interval = "year" if kind is StoryKind.ANNUAL else "month"
    return rng.choice([key for key, plan in PLANS.items() if plan.interval == interval])


def _currency(rng: random.Random, kind: StoryKind) -> str:
    if kind in (StoryKind.SAME_ORDER, StoryKind.SAME_PURCHASE, StoryKind.PACK):
        return rng.choice(("usd", "usd", "usd", "eur", "gbp", "jpy"))
    return rng.choice(("usd", "usd", "eur"))
