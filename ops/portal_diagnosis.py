"""What `redress doctor` says about Stripe's customer portal: what it would allow against the terms."""

from collections.abc import Iterator
from typing import Final

from ops.diagnosis import Diagnosis, Level
from ops.portal_findings import offered_prices, portal_findings
from policy.catalogue import CatalogueError
from runtime.operator_limits import LIST_PAGE_ROWS
from runtime.settings import Settings
from workers.catalogue_book import CatalogueBook
from workers.gateway import StripeGateway
from workers.gateway_errors import GatewayError
from workers.plan_at_stripe import price_at_hand
from workers.rendered_fields import RenderedFields, UnreadableRendering

_SUBJECT: Final = "customer portal"
_WHERE: Final = "in Stripe's dashboard under Settings, Billing, Customer portal"


def diagnose_portal(settings: Settings) -> Iterator[Diagnosis]:
    """Every configuration in use; a portal that cannot be read is a warning."""
    if settings.stripe_api_key is None:
        return
    try:
        catalogue = CatalogueBook(settings.redress_catalogue)
    except CatalogueError:
        return  # the catalogue's own check tells of it
    try:
        found = list(_configurations(StripeGateway(settings), catalogue))
    except (GatewayError, UnreadableRendering) as error:
        code = error.code if isinstance(error, GatewayError) else str(error)
        yield Diagnosis(
            subject=_SUBJECT,
            level=Level.WARN,
            found=f"cannot be read ({code})",
            mend="give STRIPE_API_KEY the permission to read customer portal configurations, or try again",
        )
        return
    if not found:
        found = [
            Diagnosis(subject=_SUBJECT, level=Level.OK, found="allows nothing against the terms")
        ]
    yield from found


def _configurations(gateway: StripeGateway, catalogue: CatalogueBook) -> Iterator[Diagnosis]:
    offered = "data.features.subscription_update.products"
    query = {"active": True, "expand": [offered], "limit": LIST_PAGE_ROWS}
    for rendered in gateway.list_page("billing_portal/configurations", query).data:
        configuration = RenderedFields(rendered, "billing_portal.configuration")
        prices = {
            price_id: price_at_hand(gateway, catalogue, price_id)
            for price_id in offered_prices(configuration)
        }
        for finding in portal_findings(configuration, prices):
            against = "" if finding.clause is None else f" (against {finding.clause.value})"
            yield Diagnosis(
                subject=_SUBJECT,
                level=Level.WARN,
                found=f"{configuration.text('id')}: {finding.sentence}{against}",
                mend=f"set {finding.setting}, {_WHERE}",
            )
