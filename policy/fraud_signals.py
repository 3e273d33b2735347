"""What speaks for or against fraud in one payment: what Stripe told of it, and what was tried around it.

Velocity counts the tries to pay that share a card, a customer, an e-mail address, an IP address or a device with
the payment, in the hour or the day that ends with it. A try counts by when it was made and not by when it was
told, so every order of arrival ends with the same counts. Source: policy § Fraud.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from policy.checks import MalformedFactError, require_count, require_text

HOUR_SECONDS: Final = 3_600
DAY_SECONDS: Final = 86_400

#: Signals that are one word each: Stripe's own, or ours as listed.
CATEGORIES: Final = (
    "outcome",  # Stripe's outcome.type: authorized, manual_review, …
    "risk_level",  # Radar's: normal, elevated, highest, …
    "radar_rule",  # the id of the rule of Radar that matched; the merchant's own have weights of his own
    "review",  # of Radar: open, or why it was closed
    "cvc_check",  # pass, fail, unavailable, unchecked; so are the next two
    "postal_code_check",
    "address_check",
    "countries",  # of card, billing address and IP address: agree, differ
    "disposable_email",  # yes, no; of the charge, or else of its customer
    "new_customer",  # yes: made within the day before the payment; no
    "three_d_secure",  # Stripe's result: authenticated, attempt_acknowledged, …
    "listed",  # card, customer, address or device stand on the block list: block by a person, found by a case
)

#: Signals that are a number each. `_hour` and `_day` end with the payment and include it.
COUNTS: Final = (
    "risk_score",  # Radar's, 0 to 100
    "cards_of_customer_day",
    "cards_of_email_day",
    "cards_of_ip_day",
    "cards_of_device_day",
    "customers_of_card_day",
    "payments_of_card_hour",
    "failures_of_card_day",
    "failures_of_customer_hour",
    "failures_of_email_hour",
    "failures_of_ip_hour",
    "small_failures_hour",  # of whatever shares anything: how stolen cards are tried out
    "fraud_disputes_of_card",  # on other payments; so are the next
    "warnings_of_card",
    "good_payments_of_customer",  # undisputed ones that are old enough
)

Signal: TypeAlias = str | int | None


def newness(paid_at: int, customer_since: int | None) -> str | None:
    """Whether a customer was new when he paid (unix seconds); None where nobody knows since when he is one."""
    if customer_since is None:
        return None
    return "yes" if paid_at - customer_since <= DAY_SECONDS else "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One try to pay: when (unix seconds), for how much (minor units), with what, and whether money was taken."""

    charge_id: str
    created: int
    succeeded: bool
    amount_minor: int
    currency: str
    customer: str | None
    card: str | None
    email: str | None
    ip: str | None
    device: str | None


def velocity(subject: Try, near: Iterable[Try], small_minor: Mapping[str, int]) -> dict[str, int]:
    """The counts by name; `near` may hold tries of any time, and the subject. `small_minor`: by currency."""
    day = [
        one
        for one in near
        if subject.created - DAY_SECONDS < one.created <= subject.created
        and one.charge_id != subject.charge_id
    ]
    day.append(subject)
    hour = [one for one in day if one.created > subject.created - HOUR_SECONDS]
    of_card, of_customer = _sharing("card", subject), _sharing("customer", subject)
    of_email, of_ip = _sharing("email", subject), _sharing("ip", subject)
    of_device = _sharing("device", subject)
    return {
        "cards_of_customer_day": _distinct("card", filter(of_customer, day)),
        "cards_of_email_day": _distinct("card", filter(of_email, day)),
        "cards_of_ip_day": _distinct("card", filter(of_ip, day)),
        "cards_of_device_day": _distinct("card", filter(of_device, day)),
        "customers_of_card_day": _distinct("customer", filter(of_card, day)),
        "payments_of_card_hour": sum(one.succeeded for one in filter(of_card, hour)),
        "failures_of_card_day": _failures(filter(of_card, day)),
        "failures_of_customer_hour": _failures(filter(of_customer, hour)),
        "failures_of_email_hour": _failures(filter(of_email, hour)),
        "failures_of_ip_hour": _failures(filter(of_ip, hour)),
        "small_failures_hour": _failures(
            one for one in hour if one.amount_minor <= small_minor.get(one.currency, -1)
        ),
    }


def agreement(*countries: str | None) -> str | None:
    """Whether the countries that are known agree; None where fewer than two are."""
    known = [country for country in countries if country]
    if len(known) < 2:  # noqa: PLR2004 - one country agrees with nothing
        return None
    return "agree" if len(set(known)) == 1 else "differ"


def require_signals(signals: Mapping[str, Signal]) -> None:
    """Refuse signals of which one is missing, unknown or of the wrong type. Raises MalformedFactError."""
    names = set(CATEGORIES) | set(COUNTS)
    for name in sorted(set(signals) ^ names):
        wrong = "is missing" if name in names else "is not known"
        raise MalformedFactError(f"signals.{name} {wrong}")
    for name in CATEGORIES:
        require_text(f"signals.{name}", signals[name], optional=True)
    for name in COUNTS:
        require_count(f"signals.{name}", signals[name], optional=True)


def _sharing(name: str, subject: Try) -> Callable[[Try], bool]:
    shared = getattr(subject, name)
    return lambda one: shared is not None and getattr(one, name) == shared


def _distinct(name: str, tries: Iterable[Try]) -> int:
    return len({getattr(one, name) for one in tries} - {None})


def _failures(tries: Iterable[Try]) -> int:
    return sum(not one.succeeded for one in tries)
