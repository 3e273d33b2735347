"""The carriers that the settings name: a mail server or the outbox, and the product's endpoint."""

from collections.abc import Callable

from ledger.notices import Notice
from runtime.clock import Clock
from runtime.email_addresses import Mailbox
from runtime.settings import Settings
from workers.carrier_errors import Unreachable
from workers.mail_outbox import MailOutbox
from workers.mail_server import MailServer
from workers.notice_carriers import Carrier, Carriers
from workers.product_webhook import ProductWebhook

#: The folder of the outbox, under REDRESS_DATA.
OUTBOX = "outbox"

#: Who e-mails in the outbox are from where no sender is set: they go nowhere.
OUTBOX_SENDER = Mailbox(name="", address="redress@localhost")


def carriers_from(settings: Settings, clock: Clock) -> Carriers:
    """The carriers that the settings name. Nothing connects before the first notice."""
    return Carriers(email=_mail_carrier(settings), webhook=_webhook_carrier(settings, clock))


class NoEndpoint:
    """The webhook carrier where no endpoint is set."""

    def carry(self, notice: Notice, leaving: Callable[[], None]) -> str:  # noqa: ARG002 - Carrier's signature
        """Raise Unreachable: the notice waits until an endpoint is set again."""
        raise Unreachable("REDRESS_PRODUCT_WEBHOOK_URL is not set")


def _mail_carrier(settings: Settings) -> Carrier:
    sender = settings.redress_mail_from or OUTBOX_SENDER
    if settings.redress_smtp_url is None:
        return MailOutbox(settings.redress_data / OUTBOX, sender)
    return MailServer(
        settings.redress_smtp_url.get_secret_value(), sender, merchant=settings.redress_merchant
    )


def _webhook_carrier(settings: Settings, clock: Clock) -> Carrier:
    url, secret = settings.redress_product_webhook_url, settings.redress_product_webhook_secret
    if url is None or secret is None:
        return NoEndpoint()
    return ProductWebhook(url, secret.get_secret_value(), clock, merchant=settings.redress_merchant)
