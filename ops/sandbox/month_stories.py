"""What happens in the played month: who buys what, uses how much of it, and asks for the money back.

Each story has its answer beside it, by the terms of 14 September 2025, so that what `redress` makes of
it can be held against what is known. Days count from the month's start.
"""

from dataclasses import dataclass
from enum import StrEnum

from ops.sandbox.shop_cast import PACKS, PLANS

MONTH_DAYS = 28
#: The plan that the outage takes down, and when: longer than the 24 hours of the terms' clause.
OUTAGE_PLAN = "creator-month"
OUTAGE_DAY = 12
OUTAGE_HOURS = 30
#: What failed pictures cost, beside what is used well.
FAILED_CREDITS = 12


class Back(StrEnum):
    """How much of a payment goes back."""

    NOTHING = "nothing"
    LESS_FEE = "less_fee"  # all of it but the processor's fee
    ALL = "all"  # an error of ours: nothing is kept
    YEAR_LESS_FEE = "year_less_fee"  # 11 of 12 months, less the fee
    OUTAGE_SHARE = "outage_share"  # the part of the month for which the service was down


class Twist(StrEnum):
    """What else happens in a story."""

    NONE = "none"
    DISPUTED = "disputed"  # the bank takes the payment back before the customer asks
    ASKED_TWICE = "asked_twice"  # by e-mail and again in the chat
    BOUGHT_TWICE = "bought_twice"  # two orders of one product on one day
    FLAGGED = "flagged"  # an automatic check suspended the account, and was wrong
    PICTURES_FAILED = "pictures_failed"  # the product asks their credits back, and nobody for money
    CLOSED = "closed"  # the account was closed for breaking the rules of use


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthStory:
    """One purchase, its use, and the request about it.

    `sold` is a key of PACKS or PLANS, `issued` the credits that it brings at once and `used` those
    that are used; nobody asks where `asked_after_days` is None. `clause` is one that the decision
    must rest on, `verdict` what it says; a request that is not clear waits as "unmatched".
    """

    title: str
    sold: str
    issued: int
    bought_day: int
    verdict: str
    clause: str
    used: int = 0
    asked_after_days: int | None = 2
    reason: str = "changed_mind"
    currency: str = "usd"
    back: Back = Back.NOTHING
    twist: Twist = Twist.NONE

    @property
    def is_pack(self) -> bool:
        """Whether a pack is sold, and not a plan."""
        return self.sold in PACKS

    @property
    def product(self) -> str:
        """What the customer calls it."""
        return PACKS[self.sold].sku if self.is_pack else PLANS[self.sold].name

    @property
    def whole(self) -> bool:
        """Whether the refund is one of the whole purchase, which takes what is left of it."""
        return self.back in (Back.LESS_FEE, Back.ALL, Back.YEAR_LESS_FEE)


STORIES: tuple[MonthStory, ...] = (
    MonthStory(
        title="pack, nothing used",
        sold="images-500",
        issued=500,
        bought_day=1,
        currency="jpy",
        verdict="approve",
        clause="USE-PACK",
        back=Back.LESS_FEE,
    ),
    MonthStory(
        title="pack, half of it used",
        sold="images-500",
        issued=500,
        used=250,
        bought_day=3,
        verdict="deny",
        clause="X-USE",
    ),
    MonthStory(
        title="pack, a fifth used",
        sold="images-500",
        issued=500,
        used=100,
        bought_day=4,
        verdict="review",
        clause="X-USE",
    ),
    MonthStory(
        title="pack, asked too late",
        sold="images-500",
        issued=500,
        bought_day=5,
        asked_after_days=9,
        verdict="deny",
        clause="X-LATE",
    ),
    MonthStory(
        title="pack, asked for twice",
        sold="video-120",
        issued=120,
        used=6,
        bought_day=6,
        verdict="approve",
        clause="USE-PACK",
        back=Back.LESS_FEE,
        twist=Twist.ASKED_TWICE,
    ),
    MonthStory(
        title="two such packs that day",
        sold="images-100",
        issued=200,
        bought_day=7,
        verdict="unmatched",
        clause="",
        twist=Twist.BOUGHT_TWICE,
    ),
    MonthStory(
        title="failures claimed",
        sold="images-500",
        issued=500,
        used=200,
        bought_day=8,
        reason="failure",
        verdict="review",
        clause="TECH",
    ),
    MonthStory(
        title="pictures failed",
        sold="images-500",
        issued=500,
        used=40,
        bought_day=9,
        asked_after_days=None,
        verdict="approve",
        clause="PART-CREDITS",
        twist=Twist.PICTURES_FAILED,
    ),
    MonthStory(
        title="only the taste",
        sold="images-500",
        issued=500,
        used=300,
        bought_day=9,
        reason="taste",
        verdict="deny",
        clause="X-TASTE",
    ),
    MonthStory(
        title="flagged by mistake",
        sold="images-500",
        issued=500,
        used=25,
        bought_day=10,
        reason="flagged",
        verdict="approve",
        clause="FLAG-ERROR",
        back=Back.ALL,
        twist=Twist.FLAGGED,
    ),
    MonthStory(
        title="closed for its conduct",
        sold="images-500",
        issued=500,
        bought_day=11,
        verdict="deny",
        clause="X-TERMS",
        twist=Twist.CLOSED,
    ),
    MonthStory(
        title="disputed at the bank",
        sold="images-500",
        issued=500,
        bought_day=13,
        verdict="review",
        clause="METHOD",
        twist=Twist.DISPUTED,
    ),
    MonthStory(
        title="month, a tenth used",
        sold="starter-month",
        issued=200,
        used=20,
        bought_day=14,
        currency="eur",
        verdict="approve",
        clause="USE-SUB",
        back=Back.LESS_FEE,
    ),
    MonthStory(
        title="month, half of it used",
        sold="starter-month",
        issued=200,
        used=100,
        bought_day=15,
        verdict="deny",
        clause="X-USE",
    ),
    MonthStory(
        title="year, hardly used",
        sold="creator-year",
        issued=600,
        used=30,
        bought_day=16,
        verdict="approve",
        clause="ANNUAL",
        back=Back.YEAR_LESS_FEE,
    ),
    MonthStory(
        title="30 h down, asked",
        sold=OUTAGE_PLAN,
        issued=600,
        used=60,
        bought_day=10,
        asked_after_days=5,
        reason="outage",
        verdict="approve",
        clause="OUTAGE",
        back=Back.ALL,
    ),
    *(
        MonthStory(
            title=f"30 h down, silent ({number})",
            sold=OUTAGE_PLAN,
            issued=600,
            used=used,
            bought_day=day,
            asked_after_days=None,
            verdict="approve",
            clause="PART-OUTAGE",
            back=Back.OUTAGE_SHARE,
        )
        for number, (day, used) in enumerate(((1, 0), (5, 400), (9, 600)), start=1)
    ),
)
