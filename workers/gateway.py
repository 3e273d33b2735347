"""Our only door to Stripe: the few calls that the processor makes, as plain JSON objects.

Time-outs are short (3 s to connect, 20 s to answer) and the SDK never retries: the ledger's schedule
is the only one. Every error becomes one of ours (`gateway_errors.py`). Telemetry is off.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import stripe
from stripe import StripeClient

from runtime.limits import STRIPE_CONNECT_SECONDS_MAX, STRIPE_READ_SECONDS_MAX
from runtime.settings import Settings
from workers.gateway_errors import Unknown
from workers.stripe_answers import ListPage, read_answer, read_page
from workers.stripe_errors import asked

Rendered = dict[str, Any]

#: The SDK imports an object's module when it first renders one (20 ms and more). A forked job would pay
#: for that each time, so they are imported here, before any fork.
PRELOADED = (
    stripe.BalanceTransaction,
    stripe.Charge,
    stripe.CreditNote,
    stripe.CustomerBalanceTransaction,
    stripe.Dispute,
    stripe.Invoice,
    stripe.InvoiceItem,
    stripe.InvoicePayment,
    stripe.ListObject,
    stripe.Refund,
    stripe.Subscription,
    stripe.SubscriptionSchedule,
)

#: The API version that every call is made in, and that a webhook endpoint should render in.
API_VERSION: Final = str(stripe.api_version)

#: Stripe's page size limit; one charge has far fewer refunds or disputes.
_PAGE = 100


class Gateway(Protocol):
    """The calls that the processor makes. All raise GatewayError; reads may be repeated freely."""

    def charge(self, charge_id: str) -> Rendered:
        """One charge as Stripe sees it now."""

    def refunds_of(self, charge_id: str) -> list[Rendered]:
        """Every refund of one charge, whoever made it."""

    def disputes_of(self, charge_id: str) -> list[Rendered]:
        """Every dispute of one charge."""

    def invoice_payments_of(self, payment_intent_id: str) -> list[Rendered]:
        """The invoice payments that a PaymentIntent made, their invoices expanded."""

    def stripe_object(self, object_type: str, object_id: str) -> Rendered:
        """One object of a type named as in its `object` field."""

    def create_refund(self, params: str, idempotency_key: str) -> Rendered:
        """Create the refund of these exact parameters (a JSON text) under this key."""

    def cancel_subscription(self, subscription_id: str) -> Rendered:
        """End a subscription now; it gives no money back and makes no last invoice."""

    def change_subscription(
        self, subscription_id: str, params: str, idempotency_key: str
    ) -> Rendered:
        """Update a subscription by these exact parameters (a JSON text) under this key."""

    def create_schedule(self, params: str, idempotency_key: str) -> Rendered:
        """Create a subscription's schedule by these exact parameters under this key."""

    def change_schedule(self, schedule_id: str, params: str, idempotency_key: str) -> Rendered:
        """Update a schedule by these exact parameters under this key."""

    def release_schedule(self, schedule_id: str, idempotency_key: str) -> Rendered:
        """Let the subscription of a schedule go on by itself."""

    def pending_items_of(self, customer_id: str) -> list[Rendered]:
        """A customer's invoice items that wait for an invoice."""

    def invoices_of(self, subscription_id: str, since: int) -> list[Rendered]:
        """A subscription's invoices that were made at `since` (unix seconds) or later."""

    def credit_notes_of(self, invoice_id: str) -> list[Rendered]:
        """The credit notes of one invoice."""

    def balance_transactions_of(self, customer_id: str) -> list[Rendered]:
        """The entries of a customer's balance, the newest of them."""

    def delete_pending_item(self, item_id: str) -> Rendered:
        """Delete an invoice item that waits for an invoice."""

    def void_invoice(self, invoice_id: str, idempotency_key: str) -> Rendered:
        """Void an invoice that was not paid."""

    def create_credit_note(self, params: str, idempotency_key: str) -> Rendered:
        """Create the credit note of these exact parameters (a JSON text) under this key."""

    def change_balance(self, customer_id: str, params: str, idempotency_key: str) -> Rendered:
        """Write an entry into a customer's balance by these exact parameters under this key."""

    def list_page(self, resource: str, query: Mapping[str, Any]) -> ListPage:
        """One page of a list, such as that of `events`, as Stripe wrote it."""


class StripeGateway:
    """The gateway to Stripe itself, or to a stand-in at `settings.stripe_api_base`."""

    def __init__(self, settings: Settings, http_client: stripe.HTTPClient | None = None) -> None:
        """`http_client` carries the SDK's requests; by default over HTTP with our time-outs."""
        if settings.stripe_api_key is None:
            raise ValueError("STRIPE_API_KEY is not set, so there is no Stripe to call")
        stripe.enable_telemetry = False
        base = settings.stripe_api_base
        self._account = settings.stripe_connected_account
        self._client = StripeClient(
            settings.stripe_api_key.get_secret_value(),
            stripe_account=self._account,
            http_client=http_client
            or stripe.RequestsClient(timeout=(STRIPE_CONNECT_SECONDS_MAX, STRIPE_READ_SECONDS_MAX)),
            max_network_retries=0,
            base_addresses={"api": base} if base else None,
        )
        v1 = self._client.v1
        self._retrieve: Mapping[str, Callable[[str], Any]] = {
            "balance_transaction": v1.balance_transactions.retrieve,
            "charge": v1.charges.retrieve,
            "customer": v1.customers.retrieve,
            "dispute": v1.disputes.retrieve,
            "invoice": v1.invoices.retrieve,
            "invoice_payment": v1.invoice_payments.retrieve,
            "payment_intent": v1.payment_intents.retrieve,
            "price": v1.prices.retrieve,
            "radar.early_fraud_warning": v1.radar.early_fraud_warnings.retrieve,
            "refund": v1.refunds.retrieve,
            "review": v1.reviews.retrieve,
            "subscription": v1.subscriptions.retrieve,
            "subscription_schedule": v1.subscription_schedules.retrieve,
        }

    def charge(self, charge_id: str) -> Rendered:
        """One charge as Stripe sees it now."""
        return self.stripe_object("charge", charge_id)

    def refunds_of(self, charge_id: str) -> list[Rendered]:
        """Every refund of one charge, whoever made it."""
        query: Any = {"charge": charge_id, "limit": _PAGE}
        return asked(lambda: _every(self._client.v1.refunds.list(query)))

    def disputes_of(self, charge_id: str) -> list[Rendered]:
        """Every dispute of one charge."""
        query: Any = {"charge": charge_id, "limit": _PAGE}
        return asked(lambda: _every(self._client.v1.disputes.list(query)))

    def invoice_payments_of(self, payment_intent_id: str) -> list[Rendered]:
        """The invoice payments that a PaymentIntent made, their invoices expanded."""
        query: Any = {
            "payment": {"type": "payment_intent", "payment_intent": payment_intent_id},
            "expand": ["data.invoice"],
            "limit": _PAGE,
        }
        return asked(lambda: _every(self._client.v1.invoice_payments.list(query)))

    def stripe_object(self, object_type: str, object_id: str) -> Rendered:
        """One object of a type named as in its `object` field."""
        retrieve = self._retrieve[object_type]
        return asked(lambda: _rendered(retrieve(object_id)))

    def create_refund(self, params: str, idempotency_key: str) -> Rendered:
        """Create the refund of these exact parameters (a JSON text) under this key."""
        given, options = _exactly(params, idempotency_key)
        return asked(lambda: _rendered(self._client.v1.refunds.create(given, options)))

    def cancel_subscription(self, subscription_id: str) -> Rendered:
        """End a subscription now; it gives no money back and makes no last invoice."""
        given: Any = {"invoice_now": False, "prorate": False}
        return asked(
            lambda: _rendered(self._client.v1.subscriptions.cancel(subscription_id, given))
        )

    def change_subscription(
        self, subscription_id: str, params: str, idempotency_key: str
    ) -> Rendered:
        """Update a subscription by these exact parameters (a JSON text) under this key."""
        given, options = _exactly(params, idempotency_key)
        update = self._client.v1.subscriptions.update
        return asked(lambda: _rendered(update(subscription_id, given, options)))

    def create_schedule(self, params: str, idempotency_key: str) -> Rendered:
        """Create a subscription's schedule by these exact parameters under this key."""
        given, options = _exactly(params, idempotency_key)
        return asked(
            lambda: _rendered(self._client.v1.subscription_schedules.create(given, options))
        )

    def change_schedule(self, schedule_id: str, params: str, idempotency_key: str) -> Rendered:
        """Update a schedule by these exact parameters under this key."""
        given, options = _exactly(params, idempotency_key)
        update = self._client.v1.subscription_schedules.update
        return asked(lambda: _rendered(update(schedule_id, given, options)))

    def release_schedule(self, schedule_id: str, idempotency_key: str) -> Rendered:
        """Let the subscription of a schedule go on by itself."""
        given, options = _exactly("{}", idempotency_key)
        release = self._client.v1.subscription_schedules.release
        return asked(lambda: _rendered(release(schedule_id, given, options)))

    def pending_items_of(self, customer_id: str) -> list[Rendered]:
        """A customer's invoice items that wait for an invoice."""
        query: Any = {"customer": customer_id, "pending": True, "limit": _PAGE}
        return asked(lambda: _every(self._client.v1.invoice_items.list(query)))

    def invoices_of(self, subscription_id: str, since: int) -> list[Rendered]:
        """A subscription's invoices that were made at `since` (unix seconds) or later."""
        query: Any = {"subscription": subscription_id, "created": {"gte": since}, "limit": _PAGE}
        return asked(lambda: _every(self._client.v1.invoices.list(query)))

    def credit_notes_of(self, invoice_id: str) -> list[Rendered]:
        """The credit notes of one invoice."""
        query: Any = {"invoice": invoice_id, "limit": _PAGE}
        return asked(lambda: _every(self._client.v1.credit_notes.list(query)))

    def balance_transactions_of(self, customer_id: str) -> list[Rendered]:
        """The entries of a customer's balance, the newest of them."""
        query: Any = {"limit": _PAGE}
        entries = self._client.v1.customers.balance_transactions
        return asked(lambda: [_rendered(one) for one in entries.list(customer_id, query).data])

    def delete_pending_item(self, item_id: str) -> Rendered:
        """Delete an invoice item that waits for an invoice."""
        return asked(lambda: _rendered(self._client.v1.invoice_items.delete(item_id)))

    def void_invoice(self, invoice_id: str, idempotency_key: str) -> Rendered:
        """Void an invoice that was not paid."""
        given, options = _exactly("{}", idempotency_key)
        void = self._client.v1.invoices.void_invoice
        return asked(lambda: _rendered(void(invoice_id, given, options)))

    def create_credit_note(self, params: str, idempotency_key: str) -> Rendered:
        """Create the credit note of these exact parameters (a JSON text) under this key."""
        given, options = _exactly(params, idempotency_key)
        return asked(lambda: _rendered(self._client.v1.credit_notes.create(given, options)))

    def change_balance(self, customer_id: str, params: str, idempotency_key: str) -> Rendered:
        """Write an entry into a customer's balance by these exact parameters under this key."""
        given, options = _exactly(params, idempotency_key)
        create = self._client.v1.customers.balance_transactions.create
        return asked(lambda: _rendered(create(customer_id, given, options)))

    def list_page(self, resource: str, query: Mapping[str, Any]) -> ListPage:
        """One page of a list, such as that of `events`, as Stripe wrote it."""
        return asked(lambda: read_page(self._raw("get", resource, query)))

    def submit_evidence(self, dispute_id: str, params: str, idempotency_key: str) -> Rendered:
        """Answer a dispute by these exact parameters (a JSON text) under this key; the bank gets them at once."""
        given, options = _exactly(params, idempotency_key)
        return asked(lambda: _rendered(self._client.v1.disputes.update(dispute_id, given, options)))

    def send(self, method: str, path: str, params: Mapping[str, Any]) -> Rendered:
        """One call that only a person has made, such as a change of a webhook endpoint; it moves no money."""
        return asked(lambda: read_answer(self._raw(method, path, params)))

    def _raw(self, method: str, path: str, params: Mapping[str, Any]) -> Any:
        # The SDK's raw request leaves the client's account out, unlike every other call (16.1).
        return self._client.raw_request(
            method, f"/v1/{path}", **params, stripe_account=self._account
        )


def _exactly(params: str, idempotency_key: str) -> tuple[Any, Any]:
    """The parameters and options of a call that is made once."""
    return json.loads(params), {"idempotency_key": idempotency_key}


def _rendered(found: Any) -> Rendered:
    rendered = found.to_dict(for_json=True)
    if not isinstance(rendered, dict):
        raise Unknown("unreadable_answer")
    return rendered


def _every(page: Any) -> list[Rendered]:
    found = [_rendered(one) for one in page.data]
    if page.has_more:
        # More than a page of refunds on one charge: we do not see all of them, so we do not know.
        raise Unknown("more_than_one_page")
    return found
