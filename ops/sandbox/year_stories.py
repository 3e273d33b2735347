"""What happens in the played year: who subscribes to what, for how long, and who changes it, by which road.

Each story has its answer beside it, by the terms of 14 September 2025. All begin a year and a day ago; what is
changed at the year's end is changed while `redress` looks on.
"""

from dataclasses import dataclass
from enum import StrEnum

from ops.sandbox.shop_cast import PLANS

YEAR_DAYS = 366
#: Monthly plans have been renewed so often by then, yearly ones once.
RENEWALS = 12
#: The renewal at which something happens, where it does within the year.
TURN = 6


class Act(StrEnum):
    """What somebody does about a subscription."""

    NONE = "none"
    DECLINED = "declined"  # a renewal's card is declined, and it is paid with another
    SCHEDULED = (
        "scheduled"  # the shop's own program has it changed at a period's end, half a year ago
    )
    ASKED = "asked"  # the product asks for another plan
    WITHDRAWN = "withdrawn"  # the same, and takes it back
    PORTAL = "portal"  # the customer changes it in the portal, billed at once
    DASHBOARD = "dashboard"  # staff changes it in the dashboard, with prorations
    REFUND = "refund"  # the customer wants the last payment back


@dataclass(frozen=True, slots=True, kw_only=True)
class YearStory:
    """One subscriber. `becomes` is the plan that is asked for, `ends_on` the one that is billed in the end.

    `paid` are the plans whose price stays paid, with how often; `months` the months of credits per plan.
    `verdict` is what `redress` says of it, under `clause`.
    """

    title: str
    plan: str
    ends_on: str
    paid: tuple[tuple[str, int], ...]
    months: tuple[tuple[str, int], ...]
    act: Act = Act.NONE
    becomes: str | None = None
    verdict: str | None = None
    clause: str | None = None

    @property
    def expected_minor(self) -> int:
        """What stays paid, in US cents."""
        return sum(PLANS[plan].amounts_minor["usd"] * times for plan, times in self.paid)

    @property
    def expected_credits(self) -> int:
        """What credits there are, as nobody uses any."""
        return sum(PLANS[plan].credits * months for plan, months in self.months)


_MONTHS = RENEWALS + 1

STORIES: tuple[YearStory, ...] = (
    YearStory(
        title="by the month, unchanged",
        plan="starter-month",
        ends_on="starter-month",
        paid=(("starter-month", _MONTHS),),
        months=(("starter-month", _MONTHS),),
    ),
    YearStory(
        title="card declined, paid late",
        plan="starter-month",
        act=Act.DECLINED,
        ends_on="starter-month",
        paid=(("starter-month", _MONTHS),),
        months=(("starter-month", _MONTHS),),
    ),
    YearStory(
        title="dearer by own schedule",
        plan="starter-month",
        act=Act.SCHEDULED,
        becomes="creator-month",
        ends_on="creator-month",
        paid=(("starter-month", TURN), ("creator-month", _MONTHS - TURN)),
        months=(("starter-month", TURN), ("creator-month", _MONTHS - TURN)),
        verdict="in_line",
        clause="CHANGE-UP",
    ),
    YearStory(
        title="year renewed, wants back",
        plan="creator-year",
        act=Act.REFUND,
        ends_on="creator-year",
        paid=(("creator-year", 2),),
        months=(("creator-year", 13),),
        verdict="review",
        clause="ANNUAL",
    ),
    YearStory(
        title="asks for a dearer plan",
        plan="starter-month",
        act=Act.ASKED,
        becomes="studio-month",
        ends_on="starter-month",
        paid=(("starter-month", _MONTHS),),
        months=(("starter-month", _MONTHS),),
        verdict="scheduled",
        clause="CHANGE-UP",
    ),
    YearStory(
        title="asks for a year",
        plan="starter-month",
        act=Act.ASKED,
        becomes="creator-year",
        ends_on="creator-year",
        paid=(("starter-month", _MONTHS), ("creator-year", 1)),
        months=(("starter-month", _MONTHS), ("creator-year", 1)),
        verdict="applied",
        clause="CHANGE-ANNUAL",
    ),
    YearStory(
        title="asks for less, stays",
        plan="studio-month",
        act=Act.WITHDRAWN,
        becomes="starter-month",
        ends_on="studio-month",
        paid=(("studio-month", _MONTHS),),
        months=(("studio-month", _MONTHS),),
        verdict="withdrawn",
        clause="CHANGE-DOWN",
    ),
    YearStory(
        title="dearer at once, portal",
        plan="starter-month",
        act=Act.PORTAL,
        becomes="creator-month",
        ends_on="starter-month",
        paid=(("starter-month", _MONTHS),),
        months=(("starter-month", _MONTHS),),
        verdict="restored",
        clause="CHANGE-UP",
    ),
    YearStory(
        title="year to month, by staff",
        plan="creator-year",
        act=Act.DASHBOARD,
        becomes="creator-month",
        ends_on="creator-year",
        paid=(("creator-year", 2),),
        months=(("creator-year", 13),),
        verdict="restored",
        clause="CHANGE-DOWN",
    ),
)
