"""The sockets: uvicorn, with deadlines for clients that dawdle.

uvicorn itself waits for ever for the headers of a request, for the rest of an upload that was
refused and for a reader that does not read.
"""

from __future__ import annotations

import asyncio
from typing import cast

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from undim.server.limits import Limits

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
    b"Retry-After: 1\r\n"
    b"Connection: close\r\n\r\n"
    b'{"type": "/docs#queue-full", "title": "The queue is full", "status": 503, '
    b'"detail": "too many connections are open"}'
)


def server(
    app: FastAPI, limits: Limits, *, host: str = "127.0.0.1", port: int = 8000
) -> uvicorn.Server:
    """A server that is ready to `run()`; without an access log: who asks is nobody's business."""

    class Connection(H11Protocol):
        """Closes a connection that neither works on a request nor got anywhere for
        `header_seconds`.
        """

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._progress: tuple[object, int] = (None, 0)
            if len(self.connections) > limits.connections:
                transport.write(_FULL)
                transport.close()
            self.loop.call_later(limits.header_seconds, self._watch)

        def _watch(self) -> None:
            if self not in self.connections:
                return
            progress = (self.cycle, self.transport.get_write_buffer_size())
            working = self.cycle is not None and not self.cycle.response_complete
            if progress == self._progress and not working:
                self.transport.abort()
                return
            self._progress = progress
            self.loop.call_later(limits.header_seconds, self._watch)

    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=cast("type[asyncio.Protocol]", Connection),
        ws="none",
        lifespan="on",
        access_log=False,
        server_header=False,
        log_level="warning",
        timeout_keep_alive=5,
        timeout_graceful_shutdown=10,
    )
    return uvicorn.Server(config)
