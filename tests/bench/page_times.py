"""What a page of the dashboard costs the server: the overview, and lists on their first page and deep down."""

import time
from collections.abc import Iterator, Mapping

from redis import Redis
from sqlalchemy import func, insert, select

from ledger.tables import audit, cases, events
from runtime.clock import SystemClock
from runtime.queues import Wakeups
from runtime.redis_socket import socket_url
from runtime.settings import load_settings
from runtime.wiring import Wiring, open_redis
from tests.bench.figures import Figure
from tests.bench.stack import Stack
from tests.ops.dashboard.dashboard_room import DashboardRoom

_LOADS = 15
_CASES = 20_000
_ENTRIES = 100_000
_BATCH = 10_000


def shown(stack: Stack, place: Mapping[str, object]) -> Iterator[Figure]:
    """The time until each page is whole, in the dashboard's own process; Redis is away, which `/queues` alone asks."""
    settings = load_settings(
        {"REDRESS_DATA": str(stack.folder), "DATABASE_URL": stack.database_url}
    )
    clock = SystemClock()
    redis = open_redis(socket_url(stack.folder / "nowhere"))
    _fill(stack, clock.now_ms())
    newest = _newest(stack)
    pages = {
        "overview": "/",
        "overview of a month": "/?span=month",
        "events": "/events",
        "events, deep": f"/events?before={max(60, newest // 10)}",
        "events, parked": "/events?state=parked",
        "events of a customer": f"/events?customer={_lane(stack, newest // 3)}",
        "cases": "/cases",
        "cases, deep": f"/cases?after={_CASES * 9 // 10}&due={_CASES * 9 // 10}",
        "audit": "/audit",
        "audit, deep": f"/audit?before={_ENTRIES // 10}",
    }
    wiring = _wiring(settings, stack, clock, redis)
    for name, path in pages.items():
        # A room of its own: what a process remembers is not there at the first time.
        room = DashboardRoom({"": wiring}, clock)
        viewer = room.browser("viewer")
        viewer.headers = {"Host": settings.redress_dashboard_url.partition("//")[2]}
        took = [_milliseconds(viewer, path) for _ in range(_LOADS)]
        yield Figure(**place, name=f"dashboard: {name}, first", value=took[0], unit="ms")
        median = sorted(took[1:])[len(took) // 2]
        yield Figure(**place, name=f"dashboard: {name}", value=median, unit="ms")
    redis.close()


def _milliseconds(viewer, path: str) -> float:
    began = time.perf_counter()
    answer = viewer.get(path)
    took = (time.perf_counter() - began) * 1_000
    assert answer.status_code == 200, path
    return took


def _wiring(settings, stack: Stack, clock: SystemClock, redis: Redis) -> Wiring:
    return Wiring(
        settings=settings,
        clock=clock,
        store=stack.store,
        redis=redis,
        wakeups=Wakeups(redis, clock),
    )


def _newest(stack: Stack) -> int:
    with stack.store.read() as connection:
        return connection.execute(select(func.max(events.c.id))).scalar_one()


def _lane(stack: Stack, row_id: int) -> str:
    with stack.store.read() as connection:
        query = select(events.c.lane).where(events.c.id >= row_id).order_by(events.c.id).limit(1)
        return str(connection.execute(query).scalar_one())


def _fill(stack: Stack, now_ms: int) -> None:
    """A review queue and an audit log as long as ever, whatever the size of the inbox."""
    waiting = [
        {
            "kind": "refund_request",
            "charge_id": f"ch_bench_{number}",
            "state": "review",
            "due_ms": number,
            "opened_ms": now_ms,
            "changed_ms": now_ms,
        }
        for number in range(_CASES)
    ]
    entry = {"actor": "ada", "action": "cases.work", "result": "done", "origin": "dashboard"}
    entries = [{**entry, "at_ms": now_ms, "object": f"case:{number}"} for number in range(_ENTRIES)]
    for table, rows in ((cases, waiting), (audit, entries)):
        for begin in range(0, len(rows), _BATCH):
            with stack.store.write() as connection:
                connection.execute(insert(table), rows[begin : begin + _BATCH])
