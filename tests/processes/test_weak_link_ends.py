"""A link that shuts leaves no connection open, wherever in its life a connection stands."""

import asyncio
import gc
import socket
import sys

import pytest

from tests.processes.weak_link import WeakLink

#: Nobody listens there, so that a connection ends by itself.
NOWHERE = ("127.0.0.1", 9)
CONNECTIONS = 3


async def shut_after(turns):
    """Shut a link so many turns of the loop after others have connected to it."""
    link = WeakLink(asyncio.get_running_loop(), NOWHERE)
    await link._listen()
    callers = [socket.create_connection(("127.0.0.1", link.port)) for _ in range(CONNECTIONS)]
    for _ in range(turns):
        await asyncio.sleep(0)
    await link._shut()
    for caller in callers:
        caller.close()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*left, return_exceptions=True)


@pytest.mark.filterwarnings("error::ResourceWarning")
@pytest.mark.parametrize("turns", range(6))
def test_shut_at_any_turn(monkeypatch, turns):
    """Accepted just now, being set up, or carried: each connection is closed, none is left to the collector."""
    left_open = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: left_open.append(found.exc_value))
    asyncio.run(shut_after(turns))
    gc.collect()

    assert [] == left_open
