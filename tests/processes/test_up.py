"""`redress up`: one command runs everything, survives deaths, stops cleanly and forgets nothing."""

import socket

import pytest

from ledger.event_types import HANDLED
from ledger.states import IntentState
from ops.sandbox.delivery_endpoints import register_endpoint
from ops.sandbox.keep_alive import HttpUnanswered
from tests.processes.machine import SECRET, wait_until
from tests.processes.recorded_sandbox import RecordedSandbox
from tests.processes.shop import Shop
from tests.processes.up_process import STOP_SECONDS_MAX, Up

#: The longest that a refund may take after whatever happened.
REFUND_SECONDS_MAX = 60
DAY_SECONDS_MAX = 150
#: What `redress up` starts; "valkey" is the program of the embedded queue server.
NAMES = ("web", "worker", "effects", "sweeper", "sandbox", "valkey")
pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


@pytest.fixture
def made(tmp_path):
    """Makes `redress up` processes and ends them."""
    ups = []

    def make(name="one", **environ):
        folder = tmp_path / name
        folder.mkdir()
        ups.append(Up(folder, **environ))
        return ups[-1]

    yield make
    for up in ups:
        up.close()


@pytest.fixture
def up(made):
    """One of them, serving its sandbox without a day being played."""
    one = made()
    one.serve("--no-demo")
    return one


@pytest.fixture
def shop(up):
    """A shop at the sandbox of `up`."""
    opened = Shop(up.sandbox_url)
    yield opened
    opened.close()


def refunds(shop):
    """(charge, status) of every refund in Stripe's book, in the order of charges."""
    book = shop.till.get("/sandbox/book", {"kind": "refunds"})["data"]
    return sorted((refund["charge"], refund["status"]) for refund in book)


def wait_for_refunds(up, shop, *duplicates):
    """Wait until each of these was refunded, and see that it was once and nothing else was."""
    expected = sorted((one.charge_id, "succeeded") for one in duplicates)

    def recorded():
        return [row.state for row in up.intents()] == [IntentState.SUCCEEDED] * len(duplicates)

    wait_until(recorded, REFUND_SECONDS_MAX, why=lambda: f"{up.intents()} {up.output}")

    assert expected == refunds(shop)


def test_day(made):
    """A shop's day is played on an empty folder, ends as expected with code 0, and leaves no process."""
    up = made()
    up.start("--seconds", "8", "--once")

    code = up.wait(DAY_SECONDS_MAX)

    assert 0 == code, up.output
    assert "as expected: each duplicate once, to the cent, and nothing else" in up.output
    assert [] == up.left()


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_stop_and_start_again(made, databases, engine):
    """Ctrl-C ends everything cleanly; started again, it has every event and finishes every refund."""
    elsewhere = {"DATABASE_URL": databases.url(engine, migrated=False)}
    up = made(**({} if engine == "sqlite" else elsewhere))
    up.serve("--no-demo")
    shop = Shop(up.sandbox_url)
    fault = {"method": "POST", "path_prefix": "/v1/refunds", "kind": "503", "probability": 1}
    shop.till.control("/sandbox/faults", [fault])
    duplicates = [shop.pay_twice("same_order"), shop.pay_twice("second_subscription")]
    wait_until(lambda: [1, 1] <= [row.attempts for row in up.intents()], REFUND_SECONDS_MAX)
    known = up.event_ids()

    assert 0 == up.interrupt()
    assert [] == up.left()
    assert {IntentState.UNKNOWN} == {row.state for row in up.intents()}

    up.serve("--no-demo")
    wait_for_refunds(up, shop, *duplicates)
    shop.close()
    assert known <= up.event_ids()


def test_deaths(up, shop):
    """Processes that are killed are started again, the queue server too, and go on as before."""
    first = shop.pay_twice()
    before = {name: up.child(name) for name in NAMES}
    for process in before.values():
        process.kill()

    def risen():
        after = {name: up.child(name) for name in NAMES}
        return all(after.values()) and not set(after.values()) & set(before.values())

    wait_until(risen, REFUND_SECONDS_MAX, why=lambda: up.output)

    wait_for_refunds(up, shop, first, wait_until(lambda: pay_twice(shop), REFUND_SECONDS_MAX))


def pay_twice(shop):
    """A duplicate; None while the sandbox does not answer."""
    try:
        return shop.pay_twice()
    except HttpUnanswered:
        return None


def test_second_copy(up):
    """A second copy on one data folder ends with code 1 and one sentence that names the first."""
    code, printed, complaint = up.run("--no-demo")

    assert (1, "", 1) == (code, printed, len(complaint.splitlines()))
    assert f"is in use by process {up.pid}" in complaint


def test_killed(up, shop):
    """Kill -9 of `redress up` leaves no process behind, and a new start goes on with its work."""
    duplicate = shop.pay_twice()
    up.kill()

    wait_until(lambda: not up.left(), STOP_SECONDS_MAX, why=lambda: str(up.left()))

    up.serve("--no-demo")
    wait_for_refunds(up, shop, duplicate)


@pytest.mark.parametrize("variable", ["REDRESS_WEB_PORT", "REDRESS_SANDBOX_PORT"])
def test_port_in_use(made, variable):
    """A port that somebody listens on is refused with one sentence that names the variable to set."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        code, printed, complaint = made(**{variable: str(port)}).run("--no-demo")

    assert (1, "", 1) == (code, printed, len(complaint.splitlines()))
    assert f"port {port} is in use" in complaint
    assert variable in complaint


def test_observe(made, tmp_path):
    """With a key of Stripe's, duplicates are decided and recorded, and no money moves."""
    stripe = RecordedSandbox(tmp_path)
    stripe.start()
    up = made(
        STRIPE_API_KEY="sk_test_observed",
        STRIPE_WEBHOOK_SECRETS=SECRET,
        STRIPE_API_BASE=stripe.url,
    )
    up.serve()
    address = f"http://127.0.0.1:{up.web_port}/webhooks/stripe"
    register_endpoint(stripe.url, address, [SECRET], sorted(HANDLED))
    shop = Shop(stripe.url)
    duplicate = shop.pay_twice()

    wait_until(up.intents, REFUND_SECONDS_MAX, why=lambda: up.output)

    calls = shop.till.get("/sandbox/requests", {"path_prefix": "/v1/refunds"})["data"]
    shop.close()
    code = up.interrupt()
    stripe.stop()
    (intent,) = up.intents()
    assert (duplicate.charge_id, IntentState.OBSERVED) == (intent.charge_id, intent.state)
    assert [] == calls
    assert "mode: test, observe: decides and records, moves no money" in up.output
    assert "sandbox" not in {log.stem for log in (up.data / "logs").glob("*.log")}
    assert (0, []) == (code, up.left())
