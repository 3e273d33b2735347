"""TCP links that can be slow, cut or shut, between a process and the server that it talks to.

Each link listens on a port of its own and carries bytes to one target. A cut sends RST to both sides,
so that neither mistakes it for an orderly end; a cut answer arrives by half first, so that a request
was carried out and its caller cannot know.
"""

import asyncio
import contextlib
import socket
import struct
import threading

_CHUNK_BYTES = 65536
#: With a linger of 0 seconds, close() sends RST instead of FIN.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_CLOSE_SECONDS_MAX = 10
#: More turns of the loop than it takes from an accepted connection to the first step of its task.
_TURNS = 10


class WeakLinks:
    """The links of one machine, carried by one thread."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="weak links", daemon=True)
        self._thread.start()
        self._links = []

    def open(self, target):
        """A link to `target`: the path of a unix socket, or (host, port)."""
        link = WeakLink(self._loop, target)
        self._links.append(link)
        link.restore()
        return link

    def restore(self):
        """Make every link a good one again."""
        for link in self._links:
            link.restore()

    def close(self):
        """Cut everything and end the thread."""
        for link in self._links:
            link.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSE_SECONDS_MAX)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(_no_tasks_left())
        self._loop.run_until_complete(self._no_transports_left())
        self._loop.close()

    async def _no_transports_left(self):
        # One that was closed with bytes left to send stays open until its peer takes them.
        for link in self._links:
            for transport in link.transports:
                transport.abort()
        await _turn()


async def _turn():
    for _ in range(_TURNS):
        await asyncio.sleep(0)


async def _no_tasks_left():
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


class WeakLink:
    """One link; its methods may be called from any thread and return when they have taken effect."""

    def __init__(self, loop, target):
        self._loop = loop
        self._target = target
        self._server = None
        self._writers = set()
        #: Every one that was ever opened.
        self.transports = []
        self._halved = 0
        self.port = None
        #: How many connections were cut so far.
        self.cuts = 0
        #: How long each piece of a stream is held back, in both directions.
        self.delay_seconds = 0.0

    def restore(self):
        """Carry everything, at once."""
        self.delay_seconds, self._halved = 0.0, 0
        self._do(self._listen())

    def slow(self, seconds):
        """Hold each piece back for so long."""
        self.delay_seconds = seconds

    def cut(self):
        """Reset every connection that is open; new ones are carried."""
        self._do(self._cut())

    def cut_answers(self, count):
        """Cut each of the next `count` answers in half, and the connection with it."""
        self._halved = count

    def refuse(self):
        """Reset every connection, and let nobody in until `restore`."""
        self._do(self._shut())

    def _do(self, coroutine):
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_CLOSE_SECONDS_MAX)

    async def _listen(self):
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port or 0)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _shut(self):
        if self._server is not None:
            # A server that closes between a connection's accept and its set-up leaves it open for good
            # (Server._attach asserts in Python 3.11): nobody is let in any more, then it is closed.
            for listening in self._server.sockets:
                self._loop.remove_reader(listening.fileno())
            await _turn()
            self._server.close()
            self._server = None
        await self._cut()

    async def _cut(self):
        for writer in list(self._writers):
            _reset(writer)
        self.cuts += len(self._writers) // 2

    async def _serve(self, reader, writer):
        self._opened(writer)
        try:
            there_reader, there_writer = await self._connect()
        except OSError:
            self._end(writer)
            return
        self._opened(there_writer)
        directions = [
            asyncio.ensure_future(self._carry(reader, there_writer, answers=False)),
            asyncio.ensure_future(self._carry(there_reader, writer, answers=True)),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)
            self._end(writer)
            self._end(there_writer)

    def _opened(self, writer):
        self._writers.add(writer)
        self.transports.append(writer.transport)

    async def _connect(self):
        if isinstance(self._target, tuple):
            return await asyncio.open_connection(*self._target)
        return await asyncio.open_unix_connection(self._target)

    async def _carry(self, reader, writer, *, answers):
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK_BYTES):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                if answers and self._halved > 0:
                    self._halved -= 1
                    self.cuts += 1
                    writer.write(chunk[: len(chunk) // 2])
                    _reset(writer)
                    return
                writer.write(chunk)
                await writer.drain()

    def _end(self, writer):
        self._writers.discard(writer)
        writer.close()


def _reset(writer):
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.family == socket.AF_INET:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
