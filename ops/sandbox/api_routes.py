"""The one table of the sandbox's API: method, path, what it accepts, who answers it.

`accepts` names a TypedDict of the installed `stripe.params`, against which every parameter is
checked before the handler runs.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from ops.sandbox import (
    api_charges,
    api_customers,
    api_disputes,
    api_events,
    api_invoices,
    api_payment_intents,
    api_payment_methods,
    api_portal,
    api_products,
    api_radar,
    api_refunds,
    api_schedules,
    api_subscriptions,
    coupons,
    credit_notes,
    customer_balance,
    invoice_items,
    tax_rates,
)
from ops.sandbox.api_call import Call
from ops.sandbox.book_tables import Json

Handler = Callable[[Call], Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One call of the API. `extra` are parameters that Stripe documents in words only."""

    method: str
    pattern: str
    accepts: str
    handler: Handler
    extra: tuple[str, ...] = ()


def _route(line: str, accepts: str, handler: Handler, *extra: str) -> Route:
    method, pattern = line.split()
    module = "_" + re.sub(r"(?<=[a-z])(?=[A-Z])", "_", accepts).lower() + "_params"
    for prefix, package in (("Radar", "radar"), ("BillingPortal", "billing_portal")):
        if accepts.startswith(prefix):
            module = f"{package}._" + module.removeprefix(f"_{package}_")
            accepts = accepts.removeprefix(prefix)
    return Route(
        method=method,
        pattern=pattern,
        accepts=f"{module}.{accepts}Params",
        handler=handler,
        extra=extra,
    )


ROUTES = (
    _route("POST customers", "CustomerCreate", api_customers.create),
    _route("GET customers", "CustomerList", api_customers.list_all),
    _route("GET customers/{id}", "CustomerRetrieve", api_customers.retrieve),
    _route("POST customers/{id}", "CustomerUpdate", api_customers.update),
    _route(
        "POST customers/{id}/balance_transactions",
        "CustomerBalanceTransactionCreate",
        customer_balance.create,
    ),
    _route(
        "GET customers/{id}/balance_transactions",
        "CustomerBalanceTransactionList",
        customer_balance.list_all,
    ),
    _route(
        "GET customers/{id}/payment_methods",
        "CustomerListPaymentMethods",
        api_payment_methods.list_of_customer,
    ),
    _route("POST payment_methods", "PaymentMethodCreate", api_payment_methods.create, "card.token"),
    _route("GET payment_methods", "PaymentMethodList", api_payment_methods.list_all),
    _route("GET payment_methods/{id}", "PaymentMethodRetrieve", api_payment_methods.retrieve),
    _route("POST payment_methods/{id}/attach", "PaymentMethodAttach", api_payment_methods.attach),
    _route("POST payment_intents", "PaymentIntentCreate", api_payment_intents.create),
    _route("GET payment_intents", "PaymentIntentList", api_payment_intents.list_all),
    _route("GET payment_intents/{id}", "PaymentIntentRetrieve", api_payment_intents.retrieve),
    _route("POST payment_intents/{id}", "PaymentIntentUpdate", api_payment_intents.update),
    _route(
        "POST payment_intents/{id}/confirm", "PaymentIntentConfirm", api_payment_intents.confirm
    ),
    _route(
        "POST payment_intents/{id}/capture", "PaymentIntentCapture", api_payment_intents.capture
    ),
    _route("POST payment_intents/{id}/cancel", "PaymentIntentCancel", api_payment_intents.cancel),
    _route("GET charges", "ChargeList", api_charges.list_all),
    _route("GET charges/{id}", "ChargeRetrieve", api_charges.retrieve),
    _route("POST charges/{id}", "ChargeUpdate", api_charges.update),
    _route(
        "GET balance_transactions",
        "BalanceTransactionList",
        api_charges.list_balance_transactions,
    ),
    _route(
        "GET balance_transactions/{id}",
        "BalanceTransactionRetrieve",
        api_charges.retrieve_balance_transaction,
    ),
    _route("POST refunds", "RefundCreate", api_refunds.create),
    _route("GET refunds", "RefundList", api_refunds.list_all),
    _route("GET refunds/{id}", "RefundRetrieve", api_refunds.retrieve),
    _route("POST refunds/{id}", "RefundUpdate", api_refunds.update),
    _route("POST refunds/{id}/cancel", "RefundCancel", api_refunds.cancel),
    _route("POST products", "ProductCreate", api_products.create_product),
    _route("GET products", "ProductList", api_products.list_products),
    _route("GET products/{id}", "ProductRetrieve", api_products.retrieve_product),
    _route("POST prices", "PriceCreate", api_products.create_price),
    _route("GET prices", "PriceList", api_products.list_prices),
    _route("GET prices/{id}", "PriceRetrieve", api_products.retrieve_price),
    _route("POST prices/{id}", "PriceUpdate", api_products.update_price),
    _route("POST coupons", "CouponCreate", coupons.create),
    _route("GET coupons/{id}", "CouponRetrieve", coupons.retrieve),
    _route("POST tax_rates", "TaxRateCreate", tax_rates.create),
    _route("GET tax_rates/{id}", "TaxRateRetrieve", tax_rates.retrieve),
    _route("POST subscriptions", "SubscriptionCreate", api_subscriptions.create),
    _route("GET subscriptions", "SubscriptionList", api_subscriptions.list_all),
    _route("GET subscriptions/{id}", "SubscriptionRetrieve", api_subscriptions.retrieve),
    _route("POST subscriptions/{id}", "SubscriptionUpdate", api_subscriptions.update),
    _route("DELETE subscriptions/{id}", "SubscriptionCancel", api_subscriptions.cancel),
    _route("POST subscription_schedules", "SubscriptionScheduleCreate", api_schedules.create),
    _route("GET subscription_schedules", "SubscriptionScheduleList", api_schedules.list_all),
    _route(
        "GET subscription_schedules/{id}", "SubscriptionScheduleRetrieve", api_schedules.retrieve
    ),
    _route("POST subscription_schedules/{id}", "SubscriptionScheduleUpdate", api_schedules.update),
    _route(
        "POST subscription_schedules/{id}/release",
        "SubscriptionScheduleRelease",
        api_schedules.release,
    ),
    _route(
        "POST subscription_schedules/{id}/cancel",
        "SubscriptionScheduleCancel",
        api_schedules.cancel,
    ),
    _route("POST invoices", "InvoiceCreate", api_invoices.create),
    _route("GET invoices", "InvoiceList", api_invoices.list_all),
    _route("GET invoices/{id}", "InvoiceRetrieve", api_invoices.retrieve),
    _route("POST invoices/{id}/finalize", "InvoiceFinalizeInvoice", api_invoices.finalize),
    _route("POST invoices/{id}/pay", "InvoicePay", api_invoices.pay),
    _route("POST invoices/{id}/void", "InvoiceVoidInvoice", api_invoices.void),
    _route(
        "POST invoices/{id}/attach_payment", "InvoiceAttachPayment", api_invoices.attach_payment
    ),
    _route("POST invoiceitems", "InvoiceItemCreate", invoice_items.create),
    _route("GET invoiceitems", "InvoiceItemList", invoice_items.list_all),
    _route("GET invoiceitems/{id}", "InvoiceItemRetrieve", invoice_items.retrieve),
    _route("DELETE invoiceitems/{id}", "InvoiceItemDelete", invoice_items.delete),
    _route("POST credit_notes", "CreditNoteCreate", credit_notes.create),
    _route("GET credit_notes", "CreditNoteList", credit_notes.list_all),
    _route("GET credit_notes/{id}", "CreditNoteRetrieve", credit_notes.retrieve),
    _route("GET invoice_payments", "InvoicePaymentList", api_invoices.list_payments),
    _route("GET invoice_payments/{id}", "InvoicePaymentRetrieve", api_invoices.retrieve_payment),
    _route("GET disputes", "DisputeList", api_disputes.list_all),
    _route("GET disputes/{id}", "DisputeRetrieve", api_disputes.retrieve),
    _route("POST disputes/{id}", "DisputeUpdate", api_disputes.update),
    _route("POST disputes/{id}/close", "DisputeClose", api_disputes.close),
    _route("GET radar/early_fraud_warnings", "RadarEarlyFraudWarningList", api_radar.list_warnings),
    _route(
        "GET radar/early_fraud_warnings/{id}",
        "RadarEarlyFraudWarningRetrieve",
        api_radar.retrieve_warning,
    ),
    _route("GET reviews", "ReviewList", api_radar.list_reviews),
    _route("GET reviews/{id}", "ReviewRetrieve", api_radar.retrieve_review),
    _route("POST reviews/{id}/approve", "ReviewApprove", api_radar.approve_review),
    _route(
        "POST billing_portal/configurations", "BillingPortalConfigurationCreate", api_portal.create
    ),
    _route(
        "GET billing_portal/configurations", "BillingPortalConfigurationList", api_portal.list_all
    ),
    _route(
        "GET billing_portal/configurations/{id}",
        "BillingPortalConfigurationRetrieve",
        api_portal.retrieve,
    ),
    _route(
        "POST billing_portal/configurations/{id}",
        "BillingPortalConfigurationUpdate",
        api_portal.update,
    ),
    _route("GET events", "EventList", api_events.list_events),
    _route("GET events/{id}", "EventRetrieve", api_events.retrieve_event),
    _route("POST webhook_endpoints", "WebhookEndpointCreate", api_events.create_endpoint),
    _route("GET webhook_endpoints", "WebhookEndpointList", api_events.list_endpoints),
    _route("GET webhook_endpoints/{id}", "WebhookEndpointRetrieve", api_events.retrieve_endpoint),
    _route("POST webhook_endpoints/{id}", "WebhookEndpointUpdate", api_events.update_endpoint),
    _route("DELETE webhook_endpoints/{id}", "WebhookEndpointDelete", api_events.delete_endpoint),
)


@cache
def _table() -> dict[tuple[str, int], list[tuple[re.Pattern[str], Route]]]:
    table: dict[tuple[str, int], list[tuple[re.Pattern[str], Route]]] = {}
    for route in ROUTES:
        shape = re.compile("^/v1/" + route.pattern.replace("{id}", r"([A-Za-z0-9_]{1,255})") + "$")
        place = (route.method, route.pattern.count("/"))
        table.setdefault(place, []).append((shape, route))
    return table


def find_route(method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
    """Return the route of a request and the ids in its path, or None."""
    for shape, route in _table().get((method, path.count("/") - 2), []):
        match = shape.match(path)
        if match is not None:
            return route, match.groups()
    return None
