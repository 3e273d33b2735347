"""Settings that contradict each other, one sentence each: what to set."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.settings import Settings


def conflicts(settings: "Settings") -> Iterator[str]:
    """Each pair of variables that cannot both be meant."""
    connected = settings.stripe_connected_account
    if settings.stripe_api_key and not settings.stripe_webhook_secrets and not connected:
        yield (
            "STRIPE_API_KEY is set without STRIPE_WEBHOOK_SECRETS; set it to the endpoint's signing"
            " secret (whsec_…), which `stripe listen --print-secret` or the dashboard shows."
        )
    if settings.stripe_webhook_secrets and not settings.stripe_api_key:
        yield (
            "STRIPE_WEBHOOK_SECRETS is set without STRIPE_API_KEY; set it to the key of the account"
            " that sends the webhooks."
        )
    if settings.stripe_api_base and not settings.stripe_api_key:
        yield (
            "STRIPE_API_BASE is set without STRIPE_API_KEY; set it to the test key (sk_test_…) that"
            " the stand-in expects."
        )
    if settings.stripe_api_base and settings.livemode:
        yield (
            "STRIPE_API_BASE names a stand-in while STRIPE_API_KEY is a live key; remove"
            " STRIPE_API_BASE or set a test key."
        )
    if settings.redress_smtp_url and not settings.redress_mail_from:
        yield (
            "REDRESS_SMTP_URL is set without REDRESS_MAIL_FROM; set it to the address that e-mails"
            " are from."
        )
    yield from _connect_conflicts(settings)
    yield from _webhook_conflicts(settings)
    ports = [
        *(settings.redress_web_port, settings.redress_ops_port),
        *(settings.redress_sandbox_port, settings.redress_metrics_port),
    ]
    if len(set(ports)) < len(ports):
        yield (
            "REDRESS_WEB_PORT, REDRESS_OPS_PORT, REDRESS_SANDBOX_PORT and REDRESS_METRICS_PORT must differ."
        )


def _connect_conflicts(settings: "Settings") -> Iterator[str]:
    if settings.redress_merchants and not settings.stripe_api_key:
        yield (
            "REDRESS_MERCHANTS is set without STRIPE_API_KEY; set that to the key of the first account. (Without"
            " a key `redress up` plays its sandbox, which has no further merchants.)"
        )
    if settings.stripe_connect_webhook_secrets and not settings.redress_merchants:
        yield (
            "STRIPE_CONNECT_WEBHOOK_SECRETS is set without REDRESS_MERCHANTS; name there the file that says which"
            " connected accounts are served."
        )
    if not settings.stripe_connected_account:
        return
    if not settings.stripe_api_key:
        yield (
            "STRIPE_CONNECTED_ACCOUNT is set without STRIPE_API_KEY; set it to the platform's key."
        )
    if settings.stripe_webhook_secrets or settings.stripe_account:
        yield (
            "STRIPE_CONNECTED_ACCOUNT is set beside STRIPE_WEBHOOK_SECRETS or STRIPE_ACCOUNT; remove those: a"
            " connected account's events come to its platform's endpoint."
        )


def _webhook_conflicts(settings: "Settings") -> Iterator[str]:
    if settings.redress_product_webhook_url and not settings.redress_product_webhook_secret:
        yield (
            "REDRESS_PRODUCT_WEBHOOK_URL is set without REDRESS_PRODUCT_WEBHOOK_SECRET; set it to the"
            " secret that the product checks our signatures with."
        )
    if settings.redress_product_webhook_secret and not settings.redress_product_webhook_url:
        yield (
            "REDRESS_PRODUCT_WEBHOOK_SECRET is set without REDRESS_PRODUCT_WEBHOOK_URL; set it to the"
            " product's endpoint."
        )
