"""The gateway: what it sends, how long it waits, and what each of Stripe's errors becomes."""

import contextlib
import inspect
import random

import pytest
import stripe

from ops.sandbox.book import Book
from ops.sandbox.sandbox_server import SandboxServer
from ops.sandbox.stripe_stand_in import SandboxStripe
from runtime.settings import load_settings
from tests.fakes.frozen_clock import FrozenClock
from tests.fakes.worker_world import worker_settings
from workers.gateway import Gateway, StripeGateway
from workers.gateway_errors import Declined, GatewayError, Rejected, Throttled, Unknown
from workers.stripe_errors import sort_error

SECRET_TEXT = "buyer@shop.example 4242424242424242 sk_test_in_a_text"


def body(error_type, code=None):
    error = {"type": error_type, "message": SECRET_TEXT}
    return {"error": error | ({"code": code} if code else {})}


def answered(status, error_type, code=None):
    """The SDK's error for an HTTP answer, as its own requestor makes it."""
    requestor = stripe.StripeClient("sk_test_a")._requestor
    json_body = body(error_type, code)
    return requestor.specific_v1_api_error("{}", status, json_body, {}, json_body["error"])


ANSWERS = [
    (400, "invalid_request_error", "charge_already_refunded", Rejected),
    (400, "invalid_request_error", "charge_disputed", Rejected),
    (400, "invalid_request_error", "refund_disputed_payment", Rejected),
    (400, "invalid_request_error", "charge_not_refundable", Rejected),
    (400, "invalid_request_error", "amount_too_small", Rejected),
    (400, "invalid_request_error", "amount_too_large", Rejected),
    (400, "invalid_request_error", "parameter_unknown", Rejected),
    (400, "invalid_request_error", None, Rejected),
    (400, "idempotency_error", None, Rejected),
    (400, "invalid_request_error", "rate_limit", Throttled),
    (404, "invalid_request_error", "resource_missing", Rejected),
    (401, "invalid_request_error", None, Throttled),
    (402, "card_error", "card_declined", Declined),
    (403, "invalid_request_error", None, Throttled),
    (409, "idempotency_error", "idempotency_key_in_use", Unknown),
    (429, "invalid_request_error", "rate_limit", Throttled),
    (429, "invalid_request_error", "lock_timeout", Throttled),
    (500, "api_error", None, Unknown),
    (502, "api_error", None, Unknown),
    (503, "api_error", None, Unknown),
]


@pytest.mark.parametrize(("status", "error_type", "code", "sort"), ANSWERS)
def test_answer_is_sorted_by_what_must_be_done_next(status, error_type, code, sort):
    """Refused for good, not acted on, or not known: every answer of Stripe's is one of these."""
    sorted_error = sort_error(answered(status, error_type, code))

    assert sort is type(sorted_error)
    if code:
        assert code == sorted_error.code


def subclasses(error_class):
    """A class and everything that is derived from it."""
    found = [subclasses(each) for each in error_class.__subclasses__()]
    return [error_class, *(each for more in found for each in more)]


SDK_ERRORS = [
    each for each in subclasses(stripe.StripeError) if each.__module__.startswith("stripe.")
]


@pytest.mark.parametrize("error_class", SDK_ERRORS, ids=lambda found: found.__name__)
def test_every_class_of_the_sdk_is_sorted(error_class):
    """Each error class that the SDK has becomes one of ours, and unforeseen ones count as unknown."""
    error = error_class.__new__(error_class)
    stripe.StripeError.__init__(error, SECRET_TEXT)

    sorted_error = sort_error(error)

    surely_not_done = (stripe.RateLimitError, stripe.AuthenticationError, stripe.PermissionError)
    refused = (stripe.InvalidRequestError, stripe.IdempotencyError)
    expected = Unknown
    if issubclass(error_class, surely_not_done):
        expected = Throttled
    elif issubclass(error_class, stripe.CardError):
        expected = Declined
    elif issubclass(error_class, refused):
        expected = Rejected
    assert expected is type(sorted_error)
    assert error_class.__name__ == sorted_error.code
    assert SECRET_TEXT not in str(sorted_error)


class Scripted(stripe.HTTPClient):
    """Answers every request with one body, and keeps what was asked."""

    name = "scripted"

    def __init__(self, status=200, text="{}"):
        super().__init__()
        self._answer = text, status
        self.asked = []

    def request(self, method, url, headers, post_data=None, *, _usage=None):
        self.asked.append((method, url, dict(headers), post_data))
        text, status = self._answer
        if status == 0:
            raise stripe.APIConnectionError(SECRET_TEXT, should_retry=True)
        return text, status, {}

    def close(self):
        pass


CALLS = {
    "charge": lambda gateway: gateway.charge("ch_1"),
    "refunds_of": lambda gateway: gateway.refunds_of("ch_1"),
    "disputes_of": lambda gateway: gateway.disputes_of("ch_1"),
    "invoice_payments_of": lambda gateway: gateway.invoice_payments_of("pi_1"),
    "stripe_object": lambda gateway: gateway.stripe_object("subscription", "sub_1"),
    "create_refund": lambda gateway: gateway.create_refund('{"charge":"ch_1"}', "key-1"),
}

UNREADABLE = ["", "{", "null", "[]", '"text"', "12", '{"object":"charge","id":"ch_1"', "\x00"]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("text", UNREADABLE)
def test_answer_that_is_no_object_of_stripes_is_unknown(settings, call, text):
    """Whatever the SDK makes of a broken body, we say that the outcome is not known."""
    gateway = StripeGateway(settings, http_client=Scripted(200, text))

    with pytest.raises(Unknown):
        call(gateway)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("status", [0, 400, 401, 402, 403, 404, 409, 429, 500, 503])
def test_text_of_the_sdk_never_shows_in_our_errors(settings, call, status):
    """Neither the error nor its causes carry Stripe's or the SDK's text, and nothing is tried twice."""
    text = str(body("invalid_request_error", "made_up")).replace("'", '"')
    carrier = Scripted(status, text)

    with pytest.raises(GatewayError) as caught:
        call(StripeGateway(settings, http_client=carrier))

    assert SECRET_TEXT not in str(caught.value)
    assert SECRET_TEXT not in repr(caught.value.__cause__)
    assert caught.value.__suppress_context__
    assert 1 == len(carrier.asked)


def test_list_of_more_than_a_page_is_unknown(settings):
    """If Stripe has more than a hundred refunds of a charge, we do not claim to have seen them."""
    text = '{"object":"list","data":[],"has_more":true,"url":"/v1/refunds"}'
    gateway = StripeGateway(settings, http_client=Scripted(200, text))

    with pytest.raises(Unknown, match="more_than_one_page"):
        gateway.refunds_of("ch_1")


def test_nothing_is_retried_or_reported_by_the_sdk(settings):
    """Time-outs are 3 s and 20 s, retries are off, and no telemetry leaves."""
    gateway = StripeGateway(settings)
    requestor = gateway._client._requestor

    assert (3, 20) == requestor._client._timeout
    assert 0 == requestor._options.max_network_retries
    assert stripe.enable_telemetry is False
    carrier = Scripted(200, '{"object":"charge","id":"ch_1"}')
    tracked = StripeGateway(settings, http_client=carrier)
    for _ in range(2):
        tracked.charge("ch_1")
    assert not [name for *_, headers, _ in carrier.asked for name in headers if "Telemetry" in name]


def test_refund_is_sent_as_it_was_written(settings):
    """The stored parameters go out as they are, under the key that was stored beside them."""
    carrier = Scripted(200, '{"object":"refund","id":"re_1"}')
    params = (
        '{"amount":500,"charge":"ch_1","metadata":{"redress_intent":"ri_1"},"reason":"duplicate"}'
    )

    StripeGateway(settings, http_client=carrier).create_refund(params, "redress:refund:ri_1")

    ((method, url, headers, sent),) = carrier.asked
    assert ("post", "https://api.stripe.com/v1/refunds") == (method, url)
    assert "redress:refund:ri_1" == headers["Idempotency-Key"]
    assert "amount=500&charge=ch_1&metadata[redress_intent]=ri_1&reason=duplicate" == sent


#: An argument of each name that calls of the gateway have; any other is an object's id.
ARGUMENTS = {
    "object_type": "charge",
    "params": "{}",
    "query": {},
    "since": 1,
    "method": "get",
    "path": "events",
    "resource": "events",
}
EVERY_CALL = [
    name
    for name, member in inspect.getmembers(StripeGateway, inspect.isfunction)
    if not name.startswith("_")
]


def test_every_call_is_known():
    """The calls that are tried below are those of the protocol, and the two that only commands make."""
    protocol = {name for name in vars(Gateway) if not name.startswith("_")}

    assert protocol | {"send", "submit_evidence"} == set(EVERY_CALL)


@pytest.mark.parametrize("name", EVERY_CALL)
@pytest.mark.parametrize("account", ["acct_1Atelier", None])
def test_every_call_is_about_the_connected_account(tmp_path, name, account):
    """For a connected account each call names it; for an own account none does."""
    carrier = Scripted()
    gateway = StripeGateway(settings_of(tmp_path, account), http_client=carrier)
    call = getattr(gateway, name)
    arguments = ARGUMENTS | ({"params": {}} if name == "send" else {})
    given = [arguments.get(known, "ch_1") for known in inspect.signature(call).parameters]

    with contextlib.suppress(GatewayError):
        call(*given)

    [(_, _, headers, _)] = carrier.asked
    assert account == headers.get("Stripe-Account")


def settings_of(folder, account):
    """Settings for a connected account, which has no webhook secret of its own, or for an own one."""
    environ = {"STRIPE_API_KEY": "sk_test_platform", "REDRESS_DATA": str(folder)}
    whose = {"STRIPE_WEBHOOK_SECRETS": "whsec_for_the_tests_only"}
    return load_settings(environ | ({"STRIPE_CONNECTED_ACCOUNT": account} if account else whose))


def test_without_a_key_there_is_no_gateway(tmp_path):
    """A process without STRIPE_API_KEY is refused a gateway in a sentence that names the variable."""
    settings = worker_settings(tmp_path).model_copy(update={"stripe_api_key": None})

    with pytest.raises(ValueError, match="STRIPE_API_KEY is not set"):
        StripeGateway(settings)


@pytest.fixture
def over_http(tmp_path):
    """A gateway to a running sandbox over HTTP, and the sandbox."""
    clock = FrozenClock()
    sandbox = SandboxStripe(Book(), clock, random.Random(7))
    server = SandboxServer(sandbox)
    server.start()
    http_client = stripe.RequestsClient(timeout=(1, 0.3))
    gateway = StripeGateway(
        worker_settings(tmp_path, stripe_api_base=server.url), http_client=http_client
    )
    yield gateway, sandbox
    http_client.close()
    server.stop()
    sandbox.book.close()


def paid(sandbox):
    """A payment at the sandbox: its charge as Stripe has it."""
    pairs = [("amount", "1000"), ("currency", "usd"), ("payment_method", "pm_card_visa")]
    key = {"Authorization": "Bearer sk_test_a"}
    answer = sandbox.request("POST", "/v1/payment_intents", [*pairs, ("confirm", "true")], key)
    return sandbox.book.get("charges", answer.json()["latest_charge"])


def test_every_read_over_http(over_http):
    """Each question that the gateway asks is answered over real HTTP with plain JSON."""
    gateway, sandbox = over_http
    charge = paid(sandbox)
    refund = gateway.create_refund(f'{{"charge":"{charge["id"]}","amount":400}}', "key-1")
    dispute = sandbox.control("POST", "/sandbox/disputes", {"charge": charge["id"]}).json()

    assert (charge["id"], 400) == (
        gateway.charge(charge["id"])["id"],
        gateway.charge(charge["id"])["amount_refunded"],
    )
    assert [refund["id"]] == [found["id"] for found in gateway.refunds_of(charge["id"])]
    assert [dispute["id"]] == [found["id"] for found in gateway.disputes_of(charge["id"])]
    assert [] == gateway.invoice_payments_of(charge["payment_intent"])
    assert dict is type(gateway.stripe_object("payment_intent", charge["payment_intent"]))


def test_one_key_is_one_refund_over_http(over_http):
    """The same parameters under the same key twice are one refund; other parameters are refused."""
    gateway, sandbox = over_http
    charge_id = paid(sandbox)["id"]
    params = f'{{"amount":400,"charge":"{charge_id}"}}'

    first, second = (gateway.create_refund(params, "key-1") for _ in range(2))

    assert first["id"] == second["id"]
    with pytest.raises(Rejected, match="idempotency_error"):
        gateway.create_refund(params.replace("400", "401"), "key-1")


@pytest.mark.parametrize(
    ("kind", "sort"),
    [
        ("429", Throttled),
        ("500", Unknown),
        ("503", Unknown),
        ("409", Unknown),
        ("timeout_before", Unknown),
        ("timeout_after", Unknown),
        ("stall_seconds", Unknown),
        ("reset", Unknown),
        ("truncated_json", Unknown),
    ],
)
def test_fault_over_http(over_http, kind, sort):
    """Over real sockets each fault ends as the error that says what must be done next."""
    gateway, sandbox = over_http
    charge_id = paid(sandbox)["id"]
    sandbox.control("POST", "/sandbox/faults", [{"kind": kind, "method": "POST", "seconds": 2}])

    with pytest.raises(sort):
        gateway.create_refund(f'{{"charge":"{charge_id}"}}', "key-1")
