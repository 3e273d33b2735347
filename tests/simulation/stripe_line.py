"""The line to Stripe: every call of the processes passes here, is written down, and meets the faults.

Two gateways use it. `StripeGateway` over the SDK is what production runs; a seed in eight uses it.
`DirectGateway` leaves the SDK out, which costs more than Stripe's whole stand-in; a contract test holds
it equal to the other (test_direct_gateway.py).
"""

import json
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import orjson
import stripe

from ops.sandbox import faults
from ops.sandbox.shop_till import form_pairs
from runtime.limits import STRIPE_READ_SECONDS_MAX
from workers.gateway_errors import Declined, Rejected, Throttled, Unknown
from workers.stripe_answers import ListPage

_PAGE = 100
_STALLED_MS = STRIPE_READ_SECONDS_MAX * 1000
_PATHS = {
    "balance_transaction": "balance_transactions",
    "charge": "charges",
    "customer": "customers",
    "dispute": "disputes",
    "invoice": "invoices",
    "invoice_payment": "invoice_payments",
    "payment_intent": "payment_intents",
    "price": "prices",
    "radar.early_fraud_warning": "radar/early_fraud_warnings",
    "refund": "refunds",
    "review": "reviews",
    "subscription": "subscriptions",
    "subscription_schedule": "subscription_schedules",
}
_HEADERS = {"Authorization": "Bearer sk_test_sandbox"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeCall:
    """One request as Stripe's door saw it; `status` 0 when the caller got no answer."""

    at_ms: int
    process: str
    method: str
    path: str
    key: str | None
    params: dict[str, str]
    status: int
    error: str | None


class NoAnswer(Exception):
    """The caller will never know what became of its request."""


class StripeLine:
    """Carries requests to the sandbox of one world."""

    def __init__(self, world):
        self._world = world
        self.log = []
        self.cut = False

    def request(self, method, path, pairs, headers):
        """The answer; NoAnswer when none comes."""
        world = self._world
        world.boundary("stripe.send")
        if self.cut:
            world.struck("stripe unreachable")
            raise NoAnswer
        at_ms = world.scheduler.now_ms
        status, body = 0, b""
        try:
            answer = self._ask(method, path, pairs, headers)
            status, body = answer.status, answer.body
        finally:
            call = StripeCall(
                at_ms=at_ms,
                process=world.who(),
                method=method,
                path=path,
                key=headers.get("Idempotency-Key"),
                params=dict(pairs),
                status=status,
                error=_code(status, body),
            )
            self._note(call)
            world.courier.collect()
        world.boundary("stripe.answered")
        return answer

    def _ask(self, method, path, pairs, headers):
        world = self._world
        try:
            return world.sandbox.request(method, path, pairs, headers)
        except faults.StalledAnswer as stalled:
            self._wait(stalled.seconds)
            return stalled.answer
        except faults.NoAnswer as silence:
            self._wait(max(silence.seconds, STRIPE_READ_SECONDS_MAX))
            raise NoAnswer from None
        except faults.ConnectionBroken:
            raise NoAnswer from None

    def _wait(self, seconds):
        self._world.courier.collect()
        self._world.scheduler.pause(min(round(seconds * 1000), _STALLED_MS))
        if seconds >= STRIPE_READ_SECONDS_MAX:
            raise NoAnswer

    def _note(self, call):
        fault = self._world.sandbox._log[-1]["fault"]
        if fault is not None:
            self._world.struck(f"stripe {fault}")
        self.log.append(call)
        told = call.error or fault or ""
        self._world.trace(f"stripe {call.method} {call.path} {call.status or 'lost'} {told}")


def _code(status, body):
    if status < 400:
        return None
    try:
        error = orjson.loads(body)["error"]
    except ValueError:
        return "unreadable"
    return error.get("code") or error.get("type")


class SdkClient(stripe.HTTPClient):
    """What `stripe.RequestsClient` is over HTTP."""

    name = "simulated"

    def __init__(self, line):
        super().__init__()
        self._line = line

    def request(self, method, url, headers, post_data=None, *, _usage=None):
        """The body, status and headers of the answer; APIConnectionError when none comes."""
        target = urlsplit(url)
        text = (post_data or "") if method == "post" else target.query
        pairs = parse_qsl(text, keep_blank_values=True)
        try:
            answer = self._line.request(method.upper(), target.path, pairs, headers or {})
        except NoAnswer:
            raise stripe.APIConnectionError("no answer", should_retry=True) from None
        return answer.body.decode(), answer.status, answer.headers

    def close(self):
        """Nothing is open."""


class DirectGateway:
    """`workers.gateway.Gateway` without the SDK: the same requests, the same errors."""

    def __init__(self, line):
        self._line = line

    def charge(self, charge_id):
        """One charge as Stripe sees it now."""
        return self.stripe_object("charge", charge_id)

    def refunds_of(self, charge_id):
        """Every refund of one charge, whoever made it."""
        return self._list("refunds", {"charge": charge_id, "limit": _PAGE})

    def disputes_of(self, charge_id):
        """Every dispute of one charge."""
        return self._list("disputes", {"charge": charge_id, "limit": _PAGE})

    def invoice_payments_of(self, payment_intent_id):
        """The invoice payments that a PaymentIntent made, their invoices expanded."""
        payment = {"type": "payment_intent", "payment_intent": payment_intent_id}
        query = {"payment": payment, "expand": ["data.invoice"], "limit": _PAGE}
        return self._list("invoice_payments", query)

    def stripe_object(self, object_type, object_id):
        """One object of a type named as in its `object` field."""
        return self._call("GET", f"/v1/{_PATHS[object_type]}/{object_id}", {}, _HEADERS)

    def create_refund(self, params, idempotency_key):
        """Create the refund of these exact parameters (a JSON text) under this key."""
        return self._post("/v1/refunds", json.loads(params), idempotency_key)

    def cancel_subscription(self, subscription_id):
        """End a subscription now."""
        given = {"invoice_now": False, "prorate": False}
        return self._call("DELETE", f"/v1/subscriptions/{subscription_id}", given, _HEADERS)

    def change_subscription(self, subscription_id, params, idempotency_key):
        """Update a subscription by these exact parameters under this key."""
        path = f"/v1/subscriptions/{subscription_id}"
        return self._post(path, json.loads(params), idempotency_key)

    def create_schedule(self, params, idempotency_key):
        """Create a subscription's schedule by these exact parameters under this key."""
        return self._post("/v1/subscription_schedules", json.loads(params), idempotency_key)

    def change_schedule(self, schedule_id, params, idempotency_key):
        """Update a schedule by these exact parameters under this key."""
        path = f"/v1/subscription_schedules/{schedule_id}"
        return self._post(path, json.loads(params), idempotency_key)

    def release_schedule(self, schedule_id, idempotency_key):
        """Let the subscription of a schedule go on by itself."""
        return self._post(f"/v1/subscription_schedules/{schedule_id}/release", {}, idempotency_key)

    def pending_items_of(self, customer_id):
        """A customer's invoice items that wait for an invoice."""
        query = {"customer": customer_id, "pending": "true", "limit": _PAGE}
        return self._list("invoiceitems", query)

    def invoices_of(self, subscription_id, since):
        """A subscription's invoices that were made at `since` or later."""
        query = {"subscription": subscription_id, "created": {"gte": since}, "limit": _PAGE}
        return self._list("invoices", query)

    def credit_notes_of(self, invoice_id):
        """The credit notes of one invoice."""
        return self._list("credit_notes", {"invoice": invoice_id, "limit": _PAGE})

    def balance_transactions_of(self, customer_id):
        """The entries of a customer's balance, the newest of them."""
        path = f"/v1/customers/{customer_id}/balance_transactions"
        return self._call("GET", path, {"limit": _PAGE}, _HEADERS)["data"]

    def delete_pending_item(self, item_id):
        """Delete an invoice item that waits for an invoice."""
        return self._call("DELETE", f"/v1/invoiceitems/{item_id}", {}, _HEADERS)

    def void_invoice(self, invoice_id, idempotency_key):
        """Void an invoice that was not paid."""
        return self._post(f"/v1/invoices/{invoice_id}/void", {}, idempotency_key)

    def create_credit_note(self, params, idempotency_key):
        """Create the credit note of these exact parameters under this key."""
        return self._post("/v1/credit_notes", json.loads(params), idempotency_key)

    def change_balance(self, customer_id, params, idempotency_key):
        """Write an entry into a customer's balance by these exact parameters under this key."""
        path = f"/v1/customers/{customer_id}/balance_transactions"
        return self._post(path, json.loads(params), idempotency_key)

    def list_page(self, resource, query):
        """One page of a list, such as that of `events`."""
        page = self._call("GET", f"/v1/{resource}", query, _HEADERS)
        return ListPage(data=page["data"], has_more=page["has_more"])

    def _post(self, path, params, idempotency_key):
        headers = _HEADERS | {"Idempotency-Key": idempotency_key}
        return self._call("POST", path, params, headers)

    def _list(self, kind, query):
        page = self._call("GET", f"/v1/{kind}", query, _HEADERS)
        if page["has_more"]:
            raise Unknown("more_than_one_page")
        return page["data"]

    def _call(self, method, path, params, headers):
        try:
            answer = self._line.request(method, path, list(form_pairs(params)), headers)
        except NoAnswer:
            raise Unknown("APIConnectionError") from None
        try:
            body = orjson.loads(answer.body)
        except ValueError:
            raise Unknown("APIError") from None
        if answer.status < 400:
            return body
        raise _error(answer.status, body["error"])


def _error(status, error):
    code = error.get("code") or error.get("type")
    if status in (401, 403, 429):
        return Throttled(code)
    if status == 402:
        return Declined(code)
    return Rejected(code) if status in (400, 404) else Unknown(code)
