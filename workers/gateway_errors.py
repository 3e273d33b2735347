"""What can go wrong at Stripe, sorted by what must be done next.

GatewayError
  Rejected     Stripe refused for good: never try again
    Declined   … because the bank did not give the money
  Throttled    Stripe surely did nothing: try again later with the same key
  Unknown      the outcome is not known: ask Stripe before anything else

Callers never look at HTTP numbers. Source: docs.stripe.com/error-codes, /error-low-level.
"""


class GatewayError(Exception):
    """A call to Stripe gave no result. `code` is Stripe's own code, or ours where it gave none."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(f"{type(self).__doc__} ({code})")


class Rejected(GatewayError):
    """Stripe refused the call for good."""


class Declined(Rejected):
    """The payment that the call needed did not come about."""


class Throttled(GatewayError):
    """Stripe did not act on the call and wants it later."""


class Unknown(GatewayError):
    """Stripe's answer was lost or does not say what happened."""
