"""A server that reads a request and answers 200, nothing else: what the load generator itself can do."""

import asyncio
import sys

_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


class _Trivial(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        """Answer as soon as one request is whole; there is no pipelining."""
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        named = self._received.find(b"Content-Length: ", 0, end) + 16
        length = int(self._received[named : self._received.index(b"\r", named)])
        if len(self._received) >= end + 4 + length:
            self._received = b""
            self._transport.write(_ANSWER)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Trivial, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
