"""The gateway for commands that ask Stripe while a person waits, and what to say when it does not answer."""

import click

from runtime.settings import Settings
from workers.gateway import StripeGateway
from workers.gateway_errors import GatewayError, Throttled


def open_gateway(settings: Settings) -> StripeGateway:
    """The gateway of the settings' key. Raises a ClickException without one."""
    if settings.stripe_api_key is None:
        raise click.ClickException(
            "STRIPE_API_KEY is not set, so there is no Stripe to ask. For the sandbox of `redress up` set it to"
            " sk_test_sandbox, and STRIPE_API_BASE to its address."
        )
    return StripeGateway(settings)


def stripe_sentence(error: GatewayError) -> str:
    """What an answer of Stripe's that is none means for who waits for it."""
    if isinstance(error, Throttled):
        return (
            f"Stripe asks to wait, or does not take the key ({error.code}); try again in a minute."
        )
    return (
        f"Stripe did not answer as it should ({error.code}); try again, or see status.stripe.com."
    )
