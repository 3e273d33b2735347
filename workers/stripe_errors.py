"""A call of Stripe's SDK, and which of our errors its error is: what it says about whether it was carried out."""

from collections.abc import Callable
from typing import TypeVar

import stripe
from stripe import StripeError

from runtime.clock import SystemClock
from runtime.meters import count, observe
from workers.gateway_errors import Declined, GatewayError, Rejected, Throttled, Unknown

Answer = TypeVar("Answer")

_clock = SystemClock()


def asked(call: Callable[[], Answer]) -> Answer:
    """The call's result, or its error as one of ours; never with the SDK's text, which may hold data."""
    began = _clock.monotonic()
    outcome = "unknown"
    try:
        answer = call()
    except StripeError as error:
        ours = sort_error(error)
        outcome = type(ours).__name__.lower()
        raise ours from None
    except (ValueError, TypeError, KeyError, AttributeError):
        # The answer is no JSON object of Stripe's (`null`, `[]`, half of one): it says nothing either
        # way. The SDK hands some of these on, so they are read in here as well.
        raise Unknown("unreadable_answer") from None
    else:
        outcome = "ok"
        return answer
    finally:
        count("stripe_calls", outcome)
        observe("stripe_seconds", _clock.monotonic() - began)


def sort_error(error: StripeError) -> GatewayError:
    """Which of ours an SDK error is. Source: stripe-python 16.1 and Stripe's error pages."""
    code = _code(error)
    if isinstance(error, stripe.RateLimitError) or code in ("rate_limit", "lock_timeout"):
        return Throttled(code)
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        # Nothing was executed and only the key is wrong: the refund waits until that is mended.
        return Throttled(code)
    if isinstance(error, stripe.CardError):
        return Declined(code)
    if isinstance(error, stripe.InvalidRequestError | stripe.IdempotencyError):
        return Rejected(code)
    return Unknown(code)


def _code(error: StripeError) -> str:
    """Stripe's code; the SDK fills `error.code` for some classes only."""
    inner = getattr(error, "error", None)
    code = error.code or getattr(inner, "code", None) or getattr(inner, "type", None)
    return str(code or type(error).__name__)
