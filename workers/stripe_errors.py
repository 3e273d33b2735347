"""Which of our errors an error of Stripe's SDK is: what it says about whether the call was carried out."""

import stripe
from stripe import StripeError

from workers.gateway_errors import Declined, GatewayError, Rejected, Throttled, Unknown


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
