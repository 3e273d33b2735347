"""How long a duplicate charge waits: from its event's receipt to the submission of its refund."""

from collections.abc import Iterator

from sqlalchemy import select

from ledger.event_types import HANDLED
from ledger.tables import events, refund_intents
from ops.sandbox.delivery_endpoints import register_endpoint
from ops.sandbox.keep_alive import HttpUnanswered
from tests.bench.acceptance import cpu_text
from tests.bench.figures import Figure
from tests.bench.load_generator import SECRET, quantile
from tests.bench.stack import START_SECONDS_MAX, Stack, clock
from tests.processes.shop import Shop

PROCESSES = ("web", "worker", "effects", "sweeper", "sandbox")
PAUSE_SECONDS = 0.25  # between two duplicates, so that they arrive one by one
SENT_SECONDS_MAX = 30


def refunded(stack: Stack, place: dict[str, object], count: int) -> Iterator[Figure]:
    """Times of `count` duplicates at the sandbox, all processes real, nothing else to do."""
    with stack.running(*PROCESSES, mode="enforce"):
        _register(stack)
        shop = Shop(stack.sandbox_url)
        # The first one waits until every process is up; it does not count.
        _wait_until_sent(stack, [shop.pay_twice().charge_id])
        before = stack.cpu_seconds()
        charges = []
        for _ in range(count):
            charges.append(shop.pay_twice().charge_id)
            clock.sleep(PAUSE_SECONDS)
        shop.close()
        took = _wait_until_sent(stack, charges)
        cpu = cpu_text(before, stack.cpu_seconds(), count)
    detail = f"{len(took)} of {count} sent; max {quantile(took, 1):.0f} ms; {cpu}"
    for name, share in (("p50", 0.5), ("p95", 0.95)):
        yield Figure(
            **place,
            name=f"second charge to refund sent: {name}",
            value=quantile(took, share),
            unit="ms",
            detail=detail,
        )


def _wait_until_sent(stack: Stack, charges: list[str]) -> list[float]:
    """The times of all that were sent before the wait is over."""
    give_up = clock.monotonic() + SENT_SECONDS_MAX
    while len(took := _milliseconds(stack, charges)) < len(charges):
        if clock.monotonic() > give_up:
            break
        clock.sleep(0.1)
    return took


def _milliseconds(stack: Stack, charges: list[str]) -> list[float]:
    query = (
        select(refund_intents.c.first_sent_ms - events.c.received_ms)
        .join(events, events.c.object_id == refund_intents.c.charge_id)
        .where(
            events.c.type == "charge.succeeded",
            refund_intents.c.charge_id.in_(charges),
            refund_intents.c.first_sent_ms.is_not(None),
        )
    )
    with stack.store.read() as connection:
        return sorted(float(value) for value in connection.execute(query).scalars())


def _register(stack: Stack) -> None:
    address = f"http://127.0.0.1:{stack.web_port}/webhooks/stripe"
    give_up = clock.monotonic() + START_SECONDS_MAX
    while True:
        try:
            register_endpoint(stack.sandbox_url, address, [SECRET], sorted(HANDLED))
        except HttpUnanswered:
            if clock.monotonic() > give_up:
                raise
            clock.sleep(0.1)
        else:
            return
