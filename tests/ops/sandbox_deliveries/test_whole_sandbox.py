"""The sandbox with all its parts, started and started again over one folder."""

import pytest

from ops.sandbox.delivery_endpoints import EndpointRefused, register_endpoint
from ops.sandbox.shop_till import ShopTill
from runtime.clock import SystemClock
from tests.ops.sandbox_deliveries.scripted_receiver import ScriptedReceiver
from tests.ops.sandbox_deliveries.whole_sandbox import WholeSandbox

SECRET = "whsec_of_the_whole_sandbox"


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a sandbox over one folder."""
    running = []

    def begin():
        running.append(WholeSandbox(tmp_path, SystemClock(), seed=1))
        running[-1].start()
        return running[-1]

    yield begin
    running[-1].stop()


@pytest.fixture
def receiver():
    there = ScriptedReceiver()
    yield there
    there.close()


def new_customer(sandbox, run=1_800_000_000):
    """Create a customer; each `run` (unix seconds) has idempotency keys of its own."""
    till = ShopTill(sandbox.url, "sk_test_sandbox", run)
    try:
        return till.post("/v1/customers", {"email": "ada@example.com"})["id"]
    finally:
        till.close()


def test_a_restart_goes_on_with_new_ids(start):
    """The same seed over a file with a history draws ids that were not drawn before."""
    first = start()
    old = new_customer(first)
    first.stop()
    second = start()
    new = new_customer(second, run=1_800_000_060)

    assert old != new
    assert {one["id"] for one in second.book.newest_first("customers")} == {old, new}


def test_what_was_not_delivered_comes_after_a_restart(start, receiver):
    """An event whose endpoint was away is delivered by the next start."""
    first = start()
    register_endpoint(first.url, "http://127.0.0.1:9/away", [SECRET], ["customer.created"])
    new_customer(first)
    receiver.wait_for(lambda: first.couriers.counts()["attempts"] >= 1)
    (endpoint,) = first.book.newest_first("webhook_endpoints")
    first.book.put("webhook_endpoints", endpoint | {"url": receiver.url})
    first.stop()
    second = start()
    receiver.wait_for(second.couriers.settled)

    assert len(receiver.ids()) == 1


def test_a_refusal_of_an_endpoint_names_its_field(start):
    """Over HTTP, an endpoint without a web address is refused with a sentence that names `url`."""
    sandbox = start()

    with pytest.raises(EndpointRefused, match="`url` must"):
        register_endpoint(sandbox.url, "ftp://x", [SECRET], ["*"])
