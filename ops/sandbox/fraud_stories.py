"""What thieves, banks and honest people do in the played shop, each with its answer beside it, by the terms of 14 September 2025.

A story is acts in rounds: all of one round are played, then whoever watches waits until all is quiet, then the next.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class FraudAct(StrEnum):
    """One thing that happens to a story's payment."""

    BUY = "buy"  # with the customer's own card and from the own address
    BUY_ABROAD = "buy_abroad"  # from an address in another country than the card's
    BUY_AS_FAMILY = "buy_as_family"  # two customers, one card, one pack each
    BUY_AFTER_TRYING = "buy_after_trying"  # eight cards are declined from one address and device
    WARN = "warn"  # the issuer warns of a stolen card
    DISPUTE = "dispute"  # the bank takes the money back, because of fraud
    ASK = "ask"  # the bank asks first: an inquiry
    LOSE = "lose"
    WIN = "win"


@dataclass(frozen=True, slots=True, kw_only=True)
class FraudStory:
    """A story: the pack that is bought, what happens in which round, and what it must come to.

    `goes_back`: all that was paid; `suspended`: how the account stands at the end; `credits` what it can use then.
    """

    title: str
    sold: str
    rounds: tuple[FraudAct, ...]
    goes_back: bool
    suspended: bool
    credits: int


#: The credits that each pack brings.
_CREDITS: Final[Mapping[str, int]] = MappingProxyType({"images-100": 100, "images-500": 500})


def _story(
    title: str,
    *rounds: FraudAct,
    sold: str = "images-500",
    goes_back: bool = False,
    suspended: bool = False,
    keeps: bool = True,
) -> FraudStory:
    return FraudStory(
        title=title,
        sold=sold,
        rounds=rounds,
        goes_back=goes_back,
        suspended=suspended,
        credits=_CREDITS[sold] if keeps else 0,
    )


STORIES: Final = (
    _story(
        "stolen card, the bank warns",
        FraudAct.BUY,
        FraudAct.WARN,
        goes_back=True,
        suspended=True,
        keeps=False,
    ),
    _story(
        "cards tried out, one works",
        FraudAct.BUY_AFTER_TRYING,
        goes_back=True,
        suspended=True,
        keeps=False,
    ),
    _story("family, one card", FraudAct.BUY_AS_FAMILY),
    _story("customer on a journey", FraudAct.BUY_ABROAD),
    _story(
        "warning, disputed anyway",
        FraudAct.BUY,
        FraudAct.WARN,
        FraudAct.DISPUTE,
        goes_back=True,
        suspended=True,
        keeps=False,
    ),
    _story(
        "dispute, then a warning",
        FraudAct.BUY,
        FraudAct.DISPUTE,
        FraudAct.WARN,
        suspended=True,
    ),
    _story(
        "small inquiry",
        FraudAct.BUY,
        FraudAct.ASK,
        sold="images-100",
        goes_back=True,
        keeps=False,
    ),
    _story("own payment disputed, won", FraudAct.BUY, FraudAct.DISPUTE, FraudAct.WIN),
    _story(
        "stolen card, dispute lost",
        FraudAct.BUY,
        FraudAct.DISPUTE,
        FraudAct.LOSE,
        suspended=True,
        keeps=False,
    ),
    _story("dispute lost, won late", FraudAct.BUY, FraudAct.DISPUTE, FraudAct.LOSE, FraudAct.WIN),
)
ROUNDS: Final = max(len(story.rounds) for story in STORIES)
