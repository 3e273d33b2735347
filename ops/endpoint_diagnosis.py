"""What `redress doctor` says about the webhook endpoint at Stripe."""

from collections.abc import Iterator
from typing import Final

from ops.diagnosis import Diagnosis, Level
from ops.endpoint_care import endpoint_findings, own_endpoints
from runtime.settings import Settings
from workers.gateway import StripeGateway
from workers.gateway_errors import GatewayError

_SUBJECT: Final = "webhook endpoint"


def diagnose_endpoint(settings: Settings) -> Iterator[Diagnosis]:
    """Every finding; an account whose endpoints cannot be read is a warning."""
    if settings.stripe_api_key is None:
        return
    try:
        endpoints = own_endpoints(StripeGateway(settings))
    except GatewayError as error:
        yield Diagnosis(
            subject=_SUBJECT,
            level=Level.WARN,
            found=f"cannot be read ({error.code})",
            mend="give STRIPE_API_KEY the permission to read webhook endpoints, or try again",
        )
        return
    secrets = len(settings.stripe_webhook_secrets)
    for one in endpoint_findings(endpoints, secrets, livemode=settings.livemode):
        mend = f"run `{one.command}`" if one.command.startswith("redress") else one.command
        yield Diagnosis(subject=_SUBJECT, level=one.level, found=one.sentence, mend=mend)
