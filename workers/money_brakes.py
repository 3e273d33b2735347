"""The money brakes: what keeps a refund back just before it would leave, and in which words.

A refund that is kept back stays reserved and is tried again later; none is lost. The caps bound what
an error of ours could cost: per refund, per customer and per day, in money and in count.
"""

from collections.abc import Mapping

from sqlalchemy import Connection

from ledger.brake import Spend, lock_brakes, read_brake, spend_since
from ledger.refund_intents import Intent
from policy.money import Money
from runtime.setting_values import Mode
from runtime.settings import Settings

DAY_MS = 86_400_000

#: The entry of a cap for every currency that it does not name.
ANY_CURRENCY = "*"


def held_back(
    connection: Connection, settings: Settings, intent: Intent, now_ms: int
) -> str | None:
    """Why this refund must not leave now, in one sentence; None when nothing keeps it back.

    Reads the switch and the day's spend under one lock, so that two workers cannot both take the
    last of a cap; the caller submits in the same transaction.
    """
    stopped = all_stopped(connection, settings, livemode=intent.livemode)
    if stopped is not None:
        return stopped
    spend = spend_since(
        connection,
        since_ms=now_ms - DAY_MS,
        currency=intent.amount.currency,
        customer_id=intent.customer_id,
        except_intent=intent.intent_id,
    )
    return over_cap(settings, intent.amount, spend)


def all_stopped(connection: Connection, settings: Settings, *, livemode: bool) -> str | None:
    """Why nothing at all may be done at Stripe about a payment of this mode; None when it may.

    Holds the switch until the transaction ends; the caller commits in it what is about to be done.
    """
    lock_brakes(connection)
    if settings.redress_mode is not Mode.ENFORCE:
        return "REDRESS_MODE is observe: nothing is sent"
    if livemode != settings.livemode:
        return "the payment and STRIPE_API_KEY are not both live or both test"
    brake = read_brake(connection)
    if brake.stopped:
        return f"all money is stopped by {brake.actor}: {brake.reason}"
    return None


def over_cap(settings: Settings, amount: Money, spend: Spend) -> str | None:
    """Which cap a refund of `amount` would break after `spend` of the last 24 hours; None for none."""
    per_refund = _cap(settings.redress_cap_refund, amount.currency)
    per_customer = _cap(settings.redress_cap_customer_day, amount.currency)
    per_day = _cap(settings.redress_cap_day, amount.currency)
    if amount.amount_minor > per_refund:
        return _too_much("REDRESS_CAP_REFUND", amount, per_refund)
    if spend.customer_minor + amount.amount_minor > per_customer:
        return _too_much("REDRESS_CAP_CUSTOMER_DAY", amount, per_customer)
    if spend.day_minor + amount.amount_minor > per_day:
        return _too_much("REDRESS_CAP_DAY", amount, per_day)
    if spend.customer_count + 1 > settings.redress_cap_customer_day_count:
        return f"REDRESS_CAP_CUSTOMER_DAY_COUNT: {spend.customer_count} refunds in 24 hours already"
    if spend.day_count + 1 > settings.redress_cap_day_count:
        return f"REDRESS_CAP_DAY_COUNT: {spend.day_count} refunds in 24 hours already"
    return None


def _cap(caps: Mapping[str, int], currency: str) -> int:
    """The cap of a currency; one that is named nowhere may move nothing."""
    return caps.get(currency, caps.get(ANY_CURRENCY, 0))


def _too_much(name: str, amount: Money, cap_minor: int) -> str:
    return f"{name}: {amount} would pass {Money(amount_minor=cap_minor, currency=amount.currency)}"
