"""Deaths under `redress up`, and its own: nothing is left behind, nothing is forgotten."""

import pytest

from ops.sandbox.keep_alive import HttpUnanswered
from tests.processes.machine import wait_until
from tests.processes.shop import Shop
from tests.processes.up_process import REFUND_SECONDS_MAX, STOP_SECONDS_MAX, Up

#: What `redress up` starts; "valkey" is the program of the embedded queue server.
NAMES = (
    *("web", "worker", "effects", "notifier", "sweeper", "metrics", "dashboard"),
    *("sandbox", "valkey"),
)
pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    """One that serves its sandbox without a day being played; each test leaves it serving."""
    one = Up(tmp_path_factory.mktemp("up"))
    one.serve("--no-demo")
    yield one
    one.close()


@pytest.fixture(scope="module")
def shop(up):
    """A shop at the sandbox of `up`."""
    opened = Shop(up.sandbox_url)
    yield opened
    opened.close()


def test_deaths(up, shop):
    """Processes that are killed are started again, the queue server too, and go on as before."""
    shop.pay_twice()

    def running():
        found = {name: up.child(name) for name in NAMES}
        return found if all(found.values()) else None

    # One that was only just forked is not known by its command yet.
    before = wait_until(running, REFUND_SECONDS_MAX, why=lambda: up.output)
    for process in before.values():
        process.kill()

    def risen():
        after = {name: up.child(name) for name in NAMES}
        return all(after.values()) and not set(after.values()) & set(before.values())

    wait_until(risen, REFUND_SECONDS_MAX, why=lambda: up.output)

    wait_until(lambda: pay_twice(shop), REFUND_SECONDS_MAX)
    up.wait_for_refunds(shop)


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
    shop.pay_twice()
    up.kill()

    wait_until(lambda: not up.left(), STOP_SECONDS_MAX, why=lambda: str(up.left()))

    up.serve("--no-demo")
    up.wait_for_refunds(shop)
