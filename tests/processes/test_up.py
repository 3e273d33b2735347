"""`redress up`: one command runs everything, stops cleanly, starts again and forgets nothing."""

import socket

import pytest

from ledger.event_types import HANDLED
from ledger.states import IntentState
from ops.sandbox.delivery_endpoints import register_endpoint
from tests.processes.machine import SECRET, wait_until
from tests.processes.recorded_sandbox import RecordedSandbox
from tests.processes.shop import Shop
from tests.processes.up_process import REFUND_SECONDS_MAX, Up

DAY_SECONDS_MAX = 300
pytestmark = [pytest.mark.processes, pytest.mark.timeout(420)]


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


def test_day_month_and_year(made):
    """A shop's day, month and year are played on an empty folder, end as expected, and leave no process."""
    up = made()
    up.start("--seconds", "8", "--once")

    code = up.wait(DAY_SECONDS_MAX)

    assert 0 == code, up.output
    assert "as expected: each duplicate once, to the cent, and nothing else" in up.output
    assert "as expected: every verdict, and the money to the cent" in up.output
    assert "as expected: each thief's money back once, no honest customer touched" in up.output
    assert "as expected: every plan, every credit, no part of a period charged" in up.output
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
    for kind in ("same_order", "second_subscription"):
        shop.pay_twice(kind)
    unfinished = [IntentState.UNKNOWN] * 2
    wait_until(lambda: unfinished == [row.state for row in up.intents()], REFUND_SECONDS_MAX)
    known = up.event_ids()

    assert 0 == up.interrupt()
    assert [] == up.left()
    assert unfinished == [row.state for row in up.intents()]

    up.serve("--no-demo")
    up.wait_for_refunds(shop)
    shop.close()
    assert known <= up.event_ids()


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
