"""What `redress doctor` says about the webhook endpoint at Stripe."""

from collections.abc import Iterator
from typing import Final

from ops.diagnosis import Diagnosis, Level
from ops.endpoint_care import Aim, endpoint_findings, own_endpoints
from runtime.settings import Settings
from workers.gateway import StripeGateway
from workers.gateway_errors import GatewayError

_SUBJECT: Final = "webhook endpoint"


def diagnose_endpoint(settings: Settings) -> Iterator[Diagnosis]:
    """Every finding; an account whose endpoints cannot be read is a warning."""
    if settings.stripe_api_key is None or settings.stripe_connected_account:
        return  # a connected account's events come to its platform's endpoint
    yield from _about(settings, Aim.by(settings, connect=False), _SUBJECT)
    if settings.stripe_connect_webhook_secrets:
        yield from _about(settings, Aim.by(settings, connect=True), f"{_SUBJECT} (Connect)")


def _about(settings: Settings, aim: Aim, subject: str) -> Iterator[Diagnosis]:
    try:
        endpoints = own_endpoints(StripeGateway(settings), aim)
    except GatewayError as error:
        yield Diagnosis(
            subject=subject,
            level=Level.WARN,
            found=f"cannot be read ({error.code})",
            mend="give STRIPE_API_KEY the permission to read webhook endpoints, or try again",
        )
        return
    for one in endpoint_findings(endpoints, aim, livemode=settings.livemode):
        mend = f"run `{one.command}`" if one.command.startswith("redress") else one.command
        yield Diagnosis(subject=subject, level=one.level, found=one.sentence, mend=mend)
