"""Whether earlier payments show that a disputed one was the cardholder's own: Visa's Compelling Evidence 3.0, computed.

Sources: https://docs.stripe.com/disputes/api/visa-ce3 and https://support.stripe.com/questions/how-does-stripe-support-visa-compelling-evidence-3-0:
network reason code 10.4; two earlier payments with the same card, 120 to 364 days older, undisputed and not
reported as fraud; all three agree on two main elements, or on a main one and another.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Final

from policy.fraud_signals import DAY_SECONDS

REASON_CODE: Final = "10.4"
OLDER_DAYS_MIN: Final = 120
OLDER_DAYS_MAX: Final = 364
PRIOR_PAYMENTS: Final = 2


class Element(StrEnum):
    """What payments can agree on. Nothing is shipped here, so a shipping address is never one."""

    PURCHASE_IP = "purchase_ip"
    DEVICE = "device"
    EMAIL = "email"
    ACCOUNT = "account"


MAIN: Final = (Element.PURCHASE_IP, Element.DEVICE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardPayment:
    """One payment with the card: when (unix seconds), and what it has of each element; digests do, only equality counts.

    `accused`: it was disputed, or reported as fraud, whatever came of that. `paid`: it took money.
    """

    charge_id: str
    created: int
    elements: Mapping[Element, str]
    accused: bool
    paid: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CompellingEvidence:
    """What the ledger comes to. `prior` are the two payments to name and `agreed` what all three share; `why_not` is a sentence."""

    qualifies: bool
    prior: tuple[str, ...] = ()
    agreed: tuple[Element, ...] = ()
    why_not: str | None = None


def compelling_evidence(
    disputed: CardPayment,
    others: Iterable[CardPayment],
    *,
    network: str | None,
    reason_code: str | None,
) -> CompellingEvidence:
    """The two earlier payments that agree on most with the disputed one, main elements first; else why there are none."""
    if network != "visa" or reason_code != REASON_CODE:
        return _no(f"Only for Visa's reason code {REASON_CODE}: this is {network}, {reason_code}.")
    earlier = sorted(
        (one for one in others if _counts(one, disputed)),
        key=lambda one: (-one.created, one.charge_id),
    )
    if len(earlier) < PRIOR_PAYMENTS:
        return _no(
            f"{len(earlier)} of {PRIOR_PAYMENTS} payments with this card that are {OLDER_DAYS_MIN} to"
            f" {OLDER_DAYS_MAX} days older, undisputed and not reported."
        )
    pairs = [(_agreed(disputed, pair), pair) for pair in combinations(earlier, PRIOR_PAYMENTS)]
    agreed, pair = max(pairs, key=lambda found: (_rank(found[0]), len(found[0])))
    if not is_enough(agreed):
        shared = ", ".join(agreed) or "nothing"
        return _no(
            "The payments must agree on two of IP address and device, or on one of them and the"
            f" e-mail address or account: these agree on {shared}."
        )
    return CompellingEvidence(
        qualifies=True, prior=tuple(one.charge_id for one in pair), agreed=agreed
    )


def is_enough(agreed: tuple[Element, ...]) -> bool:
    """Whether payments that agree on these are taken for one cardholder's."""
    return _rank(agreed) > 0


def _counts(one: CardPayment, disputed: CardPayment) -> bool:
    days = disputed.created // DAY_SECONDS - one.created // DAY_SECONDS
    return one.paid and not one.accused and OLDER_DAYS_MIN <= days <= OLDER_DAYS_MAX


def _agreed(disputed: CardPayment, pair: tuple[CardPayment, ...]) -> tuple[Element, ...]:
    return tuple(
        element
        for element in Element
        if element in disputed.elements
        and all(one.elements.get(element) == disputed.elements[element] for one in pair)
    )


def _rank(agreed: tuple[Element, ...]) -> int:
    """2: two main elements; 1: a main one and another; 0: too little."""
    main = sum(element in MAIN for element in agreed)
    if main == len(MAIN):
        return 2
    return 1 if main and len(agreed) > main else 0


def _no(why: str) -> CompellingEvidence:
    return CompellingEvidence(qualifies=False, why_not=why)
