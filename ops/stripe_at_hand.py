"""The gateway of a process or a command, and what to say when Stripe does not answer who waits for it."""

import click

from runtime.settings import Settings
from runtime.wiring import Wiring
from workers.catalogue_book import CatalogueBook
from workers.context import WorkerContext
from workers.gateway import StripeGateway
from workers.gateway_errors import GatewayError, Throttled
from workers.shadow_terms import ShadowTerms
from workers.terms_book import TermsBook


def open_gateway(settings: Settings) -> StripeGateway:
    """The gateway of the settings' key. Raises a ClickException without one."""
    if settings.stripe_api_key is None:
        raise click.ClickException(
            "STRIPE_API_KEY is not set, so there is no Stripe to ask. For the sandbox of `redress up` set it to"
            " any test key (sk_test_…), and STRIPE_API_BASE to its address."
        )
    return StripeGateway(settings)


def context_at_hand(wiring: Wiring, shadow: ShadowTerms | None = None) -> WorkerContext:
    """What a worker has, also for a command that does a worker's step while a person waits.

    Raises a ClickException without a key.
    """
    return WorkerContext(
        settings=wiring.settings,
        store=wiring.store,
        clock=wiring.clock,
        gateway=open_gateway(wiring.settings),
        wakeups=wiring.wakeups,
        terms=TermsBook.by(wiring.settings),
        catalogue=CatalogueBook(wiring.settings.redress_catalogue),
        shadow=shadow,
    )


def stripe_sentence(error: GatewayError) -> str:
    """What an answer of Stripe's that is none means for who waits for it."""
    if isinstance(error, Throttled):
        return (
            f"Stripe asks to wait, or does not take the key ({error.code}); try again in a minute."
        )
    return (
        f"Stripe did not answer as it should ({error.code}); try again, or see status.stripe.com."
    )
