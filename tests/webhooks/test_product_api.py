"""The product API over real HTTP: who may call, what is written, and what is refused by its field."""

import contextlib
import json
import sqlite3

import pytest
import requests
from openapi_spec_validator import validate
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ledger.api_tokens import create_token, revoke_token
from ledger.credit_covering import uncovered_usage
from ledger.credits import grant_credits, overdrawn
from ledger.engine import Store
from ledger.refund_requests import request_by_id
from runtime.call_limits import API_BODY_BYTES_MAX
from tests.fakes.frozen_clock import NOON_MS, FrozenClock
from webhooks.app import create_app
from webhooks.product_api import ProductApi

CUSTOMER = "cus_ada"
NOON = NOON_MS // 1000
UNKNOWN = {f"x{number}": 0 for number in range(80_000)}


class Bells:
    """Keeps what was rung for."""

    def __init__(self):
        self.rung = []

    def wake_effect(self, job_name, row_id):
        self.rung.append((job_name, row_id))
        return True


class Caller:
    """The application under Flask's own client, with a token."""

    def __init__(self, store, clock):
        self.store, self.bells = store, Bells()
        api = ProductApi(store=store, clock=clock, wakeups=self.bells)
        self.client = create_app({}, None, api).test_client()
        with store.write() as connection:
            self.token = create_token(connection, "product", NOON_MS)

    def __call__(self, method, path, body=None, token=None, encoding=None, **given):
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        headers |= {} if encoding is None else {"Content-Encoding": encoding}
        kind = {} if body is None else {"content_type": "application/json"}
        data = body if isinstance(body, bytes | None) else json.dumps(body)
        return self.client.open(
            path, method=method, headers=headers, **({"data": data} | kind | given)
        )


@pytest.fixture
def call(store):
    """Calls on a fresh ledger, on each engine in turn."""
    return Caller(store, FrozenClock())


def usage(key="u1", credits_used=5, **changes):
    """One entry of usage."""
    return {"key": key, "customer_id": CUSTOMER, "credits": credits_used, "at": NOON} | changes


def asked(**changes):
    """One refund request."""
    return {
        "key": "mail-1",
        "account_email": "ada@example.com",
        "purchase_date": "2026-01-01",
        "product": "images-100",
        "reasons": ["failure"],
    } | changes


def grant(store, number=100):
    """Give the customer credits."""
    with store.write() as connection:
        grant_credits(
            connection,
            key="g",
            customer_id=CUSTOMER,
            credits=number,
            at=0,
            expires_at=None,
            source="in_1",
            now_ms=NOON_MS,
        )


def test_usage(call):
    """A batch is written once, drawn from the grants, and shows in the customer's balance."""
    grant(call.store)
    batch = {"entries": [usage(), usage("u2", 7, successful=True, reference="gen_1")]}
    first = call("POST", "/api/credits/usage", batch)
    again = call("POST", "/api/credits/usage", batch)
    shown = call("GET", f"/api/customers/{CUSTOMER}").json

    assert (200, {"recorded": 2, "known": 0, "conflicting": [], "overdrawn": 0}) == (
        first.status_code,
        first.json,
    )
    assert (0, 2) == (again.json["recorded"], again.json["known"])
    assert ("active", 88, 0) == (shown["standing"], shown["credits_left"], shown["overdrawn"])
    assert (100, 12, 88) == tuple(shown["grants"][0][name] for name in ("issued", "used", "left"))


def test_conflicting_usage(call):
    """Another usage under a known key is named and changes nothing."""
    call("POST", "/api/credits/usage", {"entries": [usage()]})
    told = call("POST", "/api/credits/usage", {"entries": [usage(credits_used=6), usage("u2")]})

    assert (1, ["u1"]) == (told.json["recorded"], told.json["conflicting"])


class CountedStore:
    """A ledger that counts its write transactions, and fails at one of them."""

    def __init__(self, store, fails_at=None):
        self.read, self._write, self._fails_at = store.read, store.write, fails_at
        self.writes = 0

    @contextlib.contextmanager
    def write(self):
        """One transaction."""
        self.writes += 1
        if self.writes == self._fails_at:
            raise OperationalError("COMMIT", {}, sqlite3.OperationalError("away"))
        with self._write() as connection:
            yield connection


def over(call, store):
    """The same calls over another store."""
    api = ProductApi(store=store, clock=FrozenClock(), wakeups=Bells())
    call.client = create_app({}, None, api).test_client()
    return store


def test_large_batch_lets_others_in(call):
    """A large batch is written in short transactions, drawn in the order of time as in one."""
    grant(call.store, 500)
    counted = over(call, CountedStore(call.store))
    late = [usage(f"late-{number}", 1, at=NOON + 1) for number in range(600)]
    early = [usage(f"early-{number}", 1) for number in range(500)]
    told = call("POST", "/api/credits/usage", {"entries": late + early})
    with call.store.read() as connection:
        uncovered = uncovered_usage(connection, CUSTOMER)

    assert (5, 1_100, 600) == (counted.writes, told.json["recorded"], told.json["overdrawn"])
    assert {NOON + 1} == {one.at for one in uncovered}


def test_batch_that_breaks_off(call):
    """A batch that broke off in the middle is sent again whole, and counts once."""
    grant(call.store, 1_000)
    over(call, CountedStore(call.store, fails_at=2))
    batch = {"entries": [usage(f"u{number}", 1) for number in range(1_000)]}
    first = call("POST", "/api/credits/usage", batch)
    again = call("POST", "/api/credits/usage", batch)
    left = call("GET", f"/api/customers/{CUSTOMER}").json["credits_left"]

    assert (503, 750, 250, 0) == (
        first.status_code,
        again.json["recorded"],
        again.json["known"],
        left,
    )


def test_ten_thousand(call):
    """Ten thousand entries are one call."""
    grant(call.store, 10_000)
    batch = {"entries": [usage(f"u{number}", 1) for number in range(10_000)]}

    assert 10_000 == call("POST", "/api/credits/usage", batch).json["recorded"]
    with call.store.read() as connection:
        assert 0 == overdrawn(connection, CUSTOMER)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"credits": 0}, "entries[1].credits"),
        ({"credits": "5"}, "entries[1].credits"),
        ({"credits": 1.5}, "entries[1].credits"),
        ({"credits": True}, "entries[1].credits"),
        ({"key": ""}, "entries[1].key"),
        ({"key": "k" * 201}, "entries[1].key"),
        ({"key": "a\nb"}, "entries[1].key"),
        ({"customer_id": None}, "entries[1].customer_id"),
        ({"at": -1}, "entries[1].at"),
        ({"at": NOON_MS * 1000}, "entries[1].at"),
        ({"successful": "yes"}, "entries[1].successful"),
        ({"colour": "red"}, "entries[1].colour"),
        ({"c" * 100_000: "red"}, f"entries[1].{'c' * 200}"),
    ],
)
def test_wrong_usage(call, changes, field):
    """A wrong field is named by its place, and nothing of the batch is written."""
    refused = call("POST", "/api/credits/usage", {"entries": [usage(), usage("u2") | changes]})
    after = call("POST", "/api/credits/usage", {"entries": [usage()]})

    assert (422, [field]) == (
        refused.status_code,
        [one["field"] for one in refused.json["error"]["fields"]],
    )
    assert 1 == after.json["recorded"]


@pytest.mark.parametrize(
    ("missing", "field"),
    [
        ("account_email", "account_email"),
        ("purchase_date", "purchase_date"),
        ("product", "product"),
        ("reasons", "reasons"),
        ("key", "key"),
    ],
)
def test_missing_fields(call, missing, field):
    """Each required field of a refund request that is missing is named."""
    body = asked()
    del body[missing]
    refused = call("POST", "/api/refund-requests", body)

    assert (422, field) == (refused.status_code, refused.json["error"]["fields"][0]["field"])


def test_everything_missing(call):
    """All that is missing is named at once, and no answer repeats what was sent."""
    refused = call("POST", "/api/refund-requests", {"evidence": "secret words"})

    assert 5 == len(refused.json["error"]["fields"])
    assert "secret words" not in refused.text


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"account_email": "nobody"}, "account_email"),
        ({"purchase_date": "1.1.2026"}, "purchase_date"),
        ({"reasons": []}, "reasons"),
        ({"reasons": ["spite"]}, "reasons[0]"),
        ({"reasons": ["taste", "taste"]}, "reasons"),
        ({"asked_at": NOON + 3600}, "asked_at"),
        ({"evidence": "e" * 4001}, "evidence"),
        ({"evidence": "\x00"}, "evidence"),
        ({"key": "k" * 197}, "key"),
    ],
)
def test_wrong_request(call, changes, field):
    """A wrong field of a refund request is named."""
    refused = call("POST", "/api/refund-requests", asked(**changes))

    assert (422, [field]) == (
        refused.status_code,
        [one["field"] for one in refused.json["error"]["fields"]],
    )


def test_request(call):
    """A refund request is kept, rung for once, and can be asked for."""
    first = call("POST", "/api/refund-requests", asked(evidence="it hung", charge_id="ch_1"))
    again = call("POST", "/api/refund-requests", asked(evidence="it hung", charge_id="ch_1"))
    other = call("POST", "/api/refund-requests", asked())
    number = first.json["request_id"]
    shown = call("GET", f"/api/refund-requests/{number}")
    with call.store.read() as connection:
        request = request_by_id(connection, number)

    assert (202, 202, 409, 200) == tuple(one.status_code for one in (first, again, other, shown))
    assert ("waiting", None, None) == tuple(
        shown.json[name] for name in ("state", "case_id", "decision")
    )
    assert [("workers.jobs.judge_request", number)] == call.bells.rung
    assert ("ada@example.com", "ch_1", NOON) == (
        request.email,
        request.charge_id,
        request.asked_at,
    )


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"entries": [usage()]} | UNKNOWN, id="fields of the report"),
        pytest.param({"entries": [usage() | UNKNOWN]}, id="fields of an entry"),
        pytest.param({"entries": [{}] * 80_000}, id="entries"),
        pytest.param({"entries": [[0] * 80_000]}, id="items"),
    ],
)
def test_too_many_parts(call, body):
    """A body of more parts than any report has is refused before each of them becomes an error."""
    refused = call("POST", "/api/credits/usage", body)

    assert (422, "invalid", False) == (
        refused.status_code,
        refused.json["error"]["code"],
        "fields" in refused.json["error"],
    )
    assert "more entries and fields" in refused.json["error"]["message"]


def test_largest_report(call):
    """The most entries with every field of theirs are taken; one entry more is named as such."""
    entries = [usage(f"u{at}", 1, successful=None, reference="r") for at in range(10_001)]
    most = call("POST", "/api/credits/usage", {"entries": entries[:-1]})
    more = call("POST", "/api/credits/usage", {"entries": entries})

    assert (200, 10_000) == (most.status_code, most.json["recorded"])
    assert (422, "entries") == (more.status_code, more.json["error"]["fields"][0]["field"])


def test_request_is_small(call):
    """A refund request of the longest texts is taken; a body that can be none is refused unread."""
    longest = {"evidence": "\U0001f600" * 4_000, "product": "\U0001f600" * 200}
    taken = call("POST", "/api/refund-requests", asked(**longest))
    refused = call("POST", "/api/refund-requests", asked(**UNKNOWN))

    assert (202, 413) == (taken.status_code, refused.status_code)


def test_longest_keys(call):
    """Two keys that differ in their last character alone are two requests."""
    numbers = {
        call("POST", "/api/refund-requests", asked(key="k" * 195 + last)).json["request_id"]
        for last in "ab"
    }

    assert 2 == len(numbers)


@pytest.mark.parametrize("number", ["7", "0", "x", "9" * 30, "-1", "1e3"])
def test_unknown_request(call, number):
    """A request that does not exist is not found, however it is written."""
    assert 404 == call("GET", f"/api/refund-requests/{number}").status_code


@pytest.mark.parametrize("token", ["", "rdk_wrong", "whsec_x", "rdk_\u00e9"])
@pytest.mark.parametrize("path", ["/api/customers/cus_1", "/api/refund-requests/1"])
def test_wrong_token(call, token, path):
    """Without a token that is in use nothing is told."""
    refused = call("GET", path, token=token)

    assert (401, 'Bearer realm="redress"') == (
        refused.status_code,
        refused.headers["WWW-Authenticate"],
    )


def test_revoked_token(call):
    """A revoked token opens nothing from then on; its name can be given anew."""
    with call.store.write() as connection:
        revoke_token(connection, "product", NOON_MS)
        other = create_token(connection, "product", NOON_MS)

    assert 401 == call("GET", f"/api/customers/{CUSTOMER}").status_code
    assert 200 == call("GET", f"/api/customers/{CUSTOMER}", token=other).status_code


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"body": b"{"}, 400),
        ({"body": b"\xff"}, 400),
        ({"body": b"[]"}, 422),
        ({"body": b"{}", "content_type": "text/plain"}, 415),
        ({"body": b"{}", "content_type": "application/json; charset=latin-1"}, 415),
        ({"body": b"{}", "encoding": "gzip"}, 415),
        ({"body": b" " * (API_BODY_BYTES_MAX + 1)}, 413),
    ],
)
def test_bodies(call, given, status):
    """A body that is none is refused with its reason as JSON."""
    refused = call("POST", "/api/credits/usage", **given)

    assert (status, "application/json") == (refused.status_code, refused.content_type)
    assert refused.json["error"]["message"]


@pytest.mark.parametrize(("method", "status"), [("DELETE", 405), ("GET", 405)])
def test_methods(call, method, status):
    """Other methods are refused as JSON, with those that are taken."""
    refused = call(method, "/api/credits/usage")

    assert (status, True) == (refused.status_code, "error" in refused.json)
    assert "POST" == refused.headers["Allow"]


class NoStore(Store):
    """A ledger that cannot be reached, and how that shows."""

    def __init__(self, error):
        super().__init__("sqlite://")
        self._error = error

    def read(self):
        raise self._error

    write = read


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("SELECT 1", {}, sqlite3.OperationalError("away")),
        PoolTimeout("every connection is in use"),
        OSError("the lock file is gone"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_ledger_away(call, error):
    """Without the ledger a call is to be made again later."""
    api = ProductApi(store=NoStore(error), clock=FrozenClock(), wakeups=Bells())
    call.client = create_app({}, None, api).test_client()
    refused = call("POST", "/api/credits/usage", {"entries": [usage()]})

    assert (503, True) == (refused.status_code, "Retry-After" in refused.headers)


def test_document(call):
    """The OpenAPI document is valid, needs no token, and has every route."""
    told = call("GET", "/api/openapi.json", token="").json
    validate(told)

    assert {
        "/api/credits/claims",
        "/api/credits/claims/{claim_id}",
        "/api/credits/usage",
        "/api/customers/{customer_id}",
        "/api/plan-changes",
        "/api/plan-changes/{change_id}",
        "/api/plan-changes/{change_id}/withdraw",
        "/api/refund-requests",
        "/api/refund-requests/{request_id}",
        "/api/subscriptions/{subscription_id}/plan-changes",
    } == set(told["paths"])


@pytest.fixture
def token(web):
    """A token of the real web process's ledger."""
    with web.store.write() as connection:
        made = create_token(connection, "product", NOON_MS)
    yield made
    with web.store.write() as connection:
        revoke_token(connection, "product", NOON_MS)


def test_over_http(web, token):
    """A real web process takes a large batch, refuses one that is too large, and knows its callers."""
    url = f"http://127.0.0.1:{web.port}/api/credits/usage"
    headers = {"Authorization": f"Bearer {token}"}
    batch = {"entries": [usage(f"u{number}", 1) for number in range(10_000)]}
    taken = requests.post(url, json=batch, headers=headers, timeout=60)
    strange = requests.post(url, json=batch, timeout=60)
    large = requests.post(
        url,
        data=b" " * (API_BODY_BYTES_MAX + 1),
        headers=headers | {"Content-Type": "application/json"},
        timeout=60,
    )

    assert (200, 10_000) == (taken.status_code, taken.json()["recorded"])
    assert (401, 413) == (strange.status_code, large.status_code)
    assert "split the batch" in large.text


@pytest.mark.parametrize(
    ("begins", "ends", "left"),
    [
        pytest.param(0, None, 100, id="without an end"),
        pytest.param(0, NOON + 1, 100, id="ends in a second"),
        pytest.param(0, NOON, 0, id="has ended, and is not written off yet"),
        pytest.param(NOON + 1, None, 0, id="begins in a second"),
    ],
)
def test_credits_left(call, begins, ends, left):
    """Only what can be used now counts as left; the grant itself is shown with what is left of it."""
    with call.store.write() as connection:
        grant_credits(
            connection,
            key="g",
            customer_id=CUSTOMER,
            credits=100,
            at=begins,
            expires_at=ends,
            source="in_1",
            now_ms=NOON_MS,
        )
    shown = call("GET", f"/api/customers/{CUSTOMER}").json

    assert (left, 100) == (shown["credits_left"], shown["grants"][0]["left"])
