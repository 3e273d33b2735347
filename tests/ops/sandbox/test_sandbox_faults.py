"""Faults F6 and F7: what the client sees, and what was done."""

import random
import socket
import time

import pytest
import stripe

from ops.sandbox import faults as faulting
from ops.sandbox.book import Book
from ops.sandbox.faults import FaultError, Faults
from ops.sandbox.stripe_stand_in import SandboxStripe
from tests.fakes.frozen_clock import FrozenClock

REFUNDS = {"method": "POST", "path_prefix": "/v1/refunds"}


def refund(shop, charge, key="k", client=None):
    v1 = shop.v1 if client is None else client.v1
    return v1.refunds.create({"charge": charge.id}, options={"idempotency_key": key})


def refunded(shop, charge):
    return shop.v1.charges.retrieve(charge.id).amount_refunded


@pytest.mark.parametrize(
    ("kind", "error", "status"),
    [
        pytest.param("429", stripe.RateLimitError, 429, id="limiter"),
        pytest.param("500", stripe.APIError, 500, id="failed before execution"),
        pytest.param("503", stripe.APIError, 503, id="unavailable"),
        pytest.param("409", stripe.StripeError, 409, id="key in use"),
    ],
)
def test_early_faults_do_nothing_and_save_nothing(shop, kind, error, status):
    """The same key succeeds on the next try."""
    charge = shop.pay()
    shop.control("POST", "/sandbox/faults", [REFUNDS | {"kind": kind, "times": 1}])

    with pytest.raises(error) as caught:
        refund(shop, charge)

    assert (status, 0) == (caught.value.http_status, refunded(shop, charge))
    assert refund(shop, charge).amount == 1000


def test_a_stored_500_is_replayed_for_a_day(shop):
    """F7: the saved 500 answers every retry with that key; nothing was done."""
    charge = shop.pay()
    shop.control("POST", "/sandbox/faults", [REFUNDS | {"kind": "500_stored"}])

    for _ in range(3):
        with pytest.raises(stripe.APIError):
            refund(shop, charge)

    assert refunded(shop, charge) == 0
    assert refund(shop, charge, "another").amount == 1000


def test_a_stored_500_may_hide_a_refund(shop):
    """With `executed`, the refund exists although its key answers 500: only a look-up tells."""
    charge = shop.pay()
    fault = REFUNDS | {"kind": "500_stored", "executed": True}
    shop.control("POST", "/sandbox/faults", [fault])

    with pytest.raises(stripe.APIError):
        refund(shop, charge)

    assert len(shop.v1.refunds.list({"charge": charge.id}).data) == 1


@pytest.mark.parametrize(
    ("fault", "done"),
    [
        pytest.param({"kind": "timeout_before"}, 0, id="time-out before commit"),
        pytest.param({"kind": "timeout_after"}, 1000, id="time-out after commit"),
        pytest.param({"kind": "reset"}, 0, id="reset, nothing done"),
        pytest.param({"kind": "reset", "executed": True}, 1000, id="reset after commit"),
        pytest.param({"kind": "truncated_json"}, 1000, id="half a body"),
        pytest.param({"kind": "stall_seconds"}, 1000, id="answer too late"),
    ],
)
def test_lost_answers_leave_the_outcome_open(client_of, shop, fault, done):
    """The client has an error in every case; whether money moved differs; the same key tells."""
    charge = shop.pay()
    shop.control("POST", "/sandbox/faults", [REFUNDS | fault | {"seconds": 30}])

    with pytest.raises(stripe.StripeError) as caught:
        refund(shop, charge, client=client_of(shop.url, timeout=0.4))

    assert not isinstance(caught.value, stripe.InvalidRequestError)
    assert done == refunded(shop, charge)
    assert refund(shop, charge).amount == 1000
    assert len(shop.v1.refunds.list({"charge": charge.id}).data) == 1


def test_a_short_stall_is_only_late(shop):
    """An answer that comes within the client's patience is a good answer."""
    charge = shop.pay()
    shop.control("POST", "/sandbox/faults", [REFUNDS | {"kind": "stall_seconds", "seconds": 0.2}])
    begun = time.monotonic()

    assert refund(shop, charge).amount == 1000
    assert time.monotonic() - begun >= 0.2


def test_an_answer_in_another_currency(shop):
    """The answer lies about the currency; the book does not."""
    charge = shop.pay(currency="eur")
    shop.control("POST", "/sandbox/faults", [REFUNDS | {"kind": "other_currency"}])

    answered = refund(shop, charge)

    assert answered.currency == "jpy"
    assert shop.v1.refunds.retrieve(answered.id).currency == "eur"


def test_faults_are_used_up_and_shown(shop):
    """A fault with times counts down; only matching requests meet it; the log names it."""
    shop.control("POST", "/sandbox/faults", [REFUNDS | {"kind": "500", "times": 2}])
    charge = shop.pay()
    with pytest.raises(stripe.APIError):
        refund(shop, charge)

    (left,) = shop.control("GET", "/sandbox/faults")["faults"]
    (seen,) = shop.control("GET", "/sandbox/requests?path_prefix=/v1/refunds")["data"]

    assert left["times"] == 1
    assert (seen["fault"], seen["status"], seen["idempotency_key"]) == ("500", 500, "k")


def test_probable_faults_follow_the_random_source():
    """A probability strikes the same requests for the same seed."""

    def strikes():
        faults = Faults(random.Random(3))
        faults.replace([{"kind": "503", "probability": 0.3}])
        return [faults.strike("GET", "/v1/charges") is not None for _ in range(200)]

    assert strikes() == strikes()
    assert 30 < sum(strikes()) < 90


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"kind": "meteor"}, id="unknown kind"),
        pytest.param({"kind": "500", "when": "now"}, id="unknown field"),
        pytest.param("500", id="no object"),
    ],
)
def test_faults_described_wrongly_are_refused(fault):
    """The sentence names what a fault may say."""
    with pytest.raises(FaultError):
        Faults(random.Random(1)).replace([fault])


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        pytest.param("timeout_before", faulting.TimedOutBefore, id="before"),
        pytest.param("timeout_after", faulting.TimedOutAfter, id="after"),
        pytest.param("reset", faulting.ConnectionBroken, id="reset"),
        pytest.param("stall_seconds", faulting.StalledAnswer, id="stall"),
    ],
)
def test_in_process_lost_answers_are_named_exceptions(kind, error):
    """A simulator hears what happened without any socket or waiting."""
    book = Book()
    sandbox = SandboxStripe(book, FrozenClock(now_ms=10**12), random.Random(1), check_key=False)
    sandbox.faults.replace([{"kind": kind}])

    with pytest.raises(error):
        sandbox.request("POST", "/v1/customers", [], {})

    done = kind in faulting.EXECUTED
    assert done == (len(list(book.newest_first("customers"))) == 1)
    book.close()


def test_bodies_of_unknown_or_absurd_length_are_refused(shop):
    """The server answers 413 without reading."""
    host, port = shop.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(
            b"POST /v1/refunds HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"
        )

        assert connection.recv(100).startswith(b"HTTP/1.1 413")
