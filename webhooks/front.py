"""The front of the web process: reads every request within bounds, and takes the fast path for events.

granian calls `Front` through its RSGI interface (one coroutine per request on one event loop), because
behind its WSGI interface each slow body holds a thread: 120 clients that drip bytes stop 16 threads for
good (docs/decisions/0002-the-web-server.md). Here a slow client holds a coroutine and what it has sent.
A delivery goes straight to the Receiver and the group committer; every other path is called as a
WSGI application in a thread, with its body read already.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Protocol

import structlog
from granian.rsgi import (  # type: ignore[attr-defined]  # its stubs forget to re-export them
    ProtocolClosed,
    ProtocolError,
)

from ledger.events import Receipt
from runtime import call_limits, limits
from runtime.logs import log_of, speak_for
from webhooks import answers
from webhooks.answers import Answer
from webhooks.receive import Delivery, Receiver, refuse_head
from webhooks.wsgi_call import WsgiApplication, call_wsgi

_API = "/api/"
_log = structlog.get_logger("webhooks.front")


class Exchange(Protocol):
    """What granian hands over to read one request's body and to answer it (RSGI 1.6)."""

    def __call__(self) -> Awaitable[bytes]:
        """The whole body, however long; raises when the sender breaks off."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body in chunks as they arrive; an empty one is its end."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Send the whole answer."""


class Front:
    """The RSGI application; one per process, used from one event loop."""

    def __init__(
        self, receivers: Mapping[str, Receiver], flask_app: WsgiApplication, merchant: str = ""
    ) -> None:
        """`receivers` by the path that they take deliveries at; `merchant` is named in what is logged."""
        self._receivers = receivers
        self._flask_app = flask_app
        self._log = log_of(_log, merchant)
        self._large = asyncio.Semaphore(limits.LARGE_BODIES_MAX)
        # Apart from working: a sender that dawdles must not keep the others' calls from being done.
        self._large_calls = asyncio.Semaphore(limits.FLASK_THREADS)
        self._working = asyncio.Semaphore(limits.LARGE_CALLS_MAX)
        self._threads = ThreadPoolExecutor(
            limits.FLASK_THREADS,
            thread_name_prefix="flask",
            initializer=speak_for,
            initargs=(merchant,),
        )
        self._receipts = _Receipts()

    async def __rsgi__(self, scope: Any, exchange: Exchange) -> None:
        """Answer one request, whatever happens."""
        try:
            answer = await self._answer(scope, exchange)
        except Exception as error:  # noqa: BLE001 -- the last resort: no request may end without an answer
            self._log.error("request.failed", error=type(error).__name__)
            answer = answers.FAILED
        exchange.response_bytes(answer.status, answer.headers, answer.body)

    def close(self) -> None:
        """Let go of the threads; call it after the server has stopped."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _answer(self, scope: Any, exchange: Exchange) -> Answer:
        receiver = self._receivers.get(scope.path.rstrip("/"))
        refusal = _refuse(scope, receiver)
        if refusal is not None:
            return refusal
        async with AsyncExitStack() as places:
            body = await self._body(scope, exchange, places)
            if isinstance(body, Answer):
                return body
            if receiver is not None:
                return await self._receive(receiver, scope, body)
            if len(body) > limits.SMALL_BODY_BYTES_MAX:
                await places.enter_async_context(self._working)
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, call_wsgi, self._flask_app, scope, body
            )

    async def _body(self, scope: Any, exchange: Exchange, places: AsyncExitStack) -> bytes | Answer:
        """The body within size and time, or the answer to a sender that does not keep to them."""
        declared = scope.headers.get("content-length")
        most, too_large = _bounds(scope)
        try:
            async with asyncio.timeout(limits.BODY_SECONDS_MAX):
                if declared is not None and int(declared) <= limits.SMALL_BODY_BYTES_MAX:
                    # The server holds senders to the length they declare, so this is bounded.
                    return await exchange()
                place = self._large_calls if _is_call(scope) else self._large
                body = await self._read(exchange, places, place, most)
        except TimeoutError:
            return answers.BODY_TOO_SLOW
        except (ProtocolError, ProtocolClosed):
            return answers.BODY_BROKEN_OFF
        return body if len(body) <= most else too_large

    async def _read(
        self, exchange: Exchange, places: AsyncExitStack, place: asyncio.Semaphore, most: int
    ) -> bytes:
        """The body, or its first bytes if they are too many already. Takes a place when it is large."""
        chunks: list[bytes] = []
        size = 0
        has_place = False
        async for chunk in exchange:
            if not chunk:
                break
            chunks.append(chunk)
            size += len(chunk)
            if size > most:
                break
            if size > limits.SMALL_BODY_BYTES_MAX and not has_place:
                await places.enter_async_context(place)
                has_place = True
        return b"".join(chunks)

    async def _receive(self, receiver: Receiver, scope: Any, body: bytes) -> Answer:
        headers = scope.headers
        taken = receiver.examine(
            Delivery(
                method=scope.method,
                content_type=headers.get("content-type", ""),
                content_encoding=headers.get("content-encoding", ""),
                signature=headers.get("stripe-signature", ""),
                body=body,
            )
        )
        if isinstance(taken, Answer):
            return taken
        event, committer = taken
        waiting = asyncio.get_running_loop().create_future()
        if not committer.submit(event, partial(self._receipts.hand_over, waiting)):
            return answers.NOT_STORED
        try:
            async with asyncio.timeout(limits.STORE_WAIT_SECONDS_MAX):
                receipt = await waiting
        except TimeoutError:
            receipt = None
        return receiver.conclude(event, receipt)


def _refuse(scope: Any, receiver: Receiver | None) -> Answer | None:
    """The answer to a request whose head says enough; its body is then never read."""
    refusal = None
    headers = scope.headers
    if receiver is not None:
        refusal = refuse_head(
            scope.method, headers.get("content-type", ""), headers.get("content-encoding", "")
        )
    most, too_large = _bounds(scope)
    if refusal is None and int(headers.get("content-length", "0")) > most:
        refusal = too_large
    if refusal is not None and receiver is not None:
        receiver.refusals.note(str(refusal.status), b"")
    return refusal


def _is_call(scope: Any) -> bool:
    """Whether a request is a call of the product API."""
    return bool(scope.path.startswith(_API))


def _bounds(scope: Any) -> tuple[int, Answer]:
    """How large the body of this request may be, and the answer to a larger one."""
    if _is_call(scope):
        return call_limits.API_BODY_BYTES_MAX, answers.API_BODY_TOO_LARGE
    return limits.BODY_BYTES_MAX, answers.BODY_TOO_LARGE


class _Receipts:
    """Brings receipts from the writer's thread to the event loop, a whole batch in one wake-up."""

    def __init__(self) -> None:
        self._ready: deque[tuple[asyncio.Future[Receipt | None], Receipt | None]] = deque()
        self._called = False

    def hand_over(self, waiting: "asyncio.Future[Receipt | None]", receipt: Receipt | None) -> None:
        """Give `receipt` to who waits for it. Called in the writer's thread."""
        self._ready.append((waiting, receipt))
        if not self._called:
            self._called = True
            waiting.get_loop().call_soon_threadsafe(self._release)

    def _release(self) -> None:
        self._called = False  # before looking: what comes from here on calls again
        while self._ready:
            waiting, receipt = self._ready.popleft()
            if not waiting.done():
                waiting.set_result(receipt)
