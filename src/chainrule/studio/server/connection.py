"""Connections of the studio's server: settings of uvicorn, and what it lacks.

uvicorn.Config(Gate(app, port=port, tokens=tokens), host="127.0.0.1", port=port, **SETTINGS)
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

CONNECTIONS = 256
HEAD = 20.0
"""The maximum seconds for the header of a request, including the time before its first byte."""


class Connection(H11Protocol):
    """HTTP/1.1 of uvicorn, with a deadline for each request's header and at most 256 connections.

    Otherwise a program that connects and sends half a request, or nothing, would hold a file descriptor forever.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for a request, or close the connection if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.abort()
        else:
            self._wait()

    def data_received(self, data: bytes) -> None:
        """Read more data; wait until the header is complete."""
        super().data_received(data)
        if self._is_waiting():
            self._wait()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _is_waiting(self) -> bool:
        """Whether no request is being answered and no WebSocket has taken over the connection."""
        is_http = self.transport.get_protocol() is self
        return is_http and (self.cycle is None or self.cycle.response_complete)

    def _wait(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEAD, self._hang_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _hang_up(self) -> None:
        self._deadline = None
        if self._is_waiting():
            self.transport.close()


class SocketConnection(WebSocketsSansIOProtocol):
    """A WebSocket of uvicorn, with a deadline for its opening.

    A handshake rejected with an HTTP reply is not an error for the terminal.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start waiting for the end of the handshake."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(HEAD, self._hang_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._deadline.cancel()
        super().connection_lost(exc)

    def _hang_up(self) -> None:
        if not self.handshake_complete:
            self.transport.close()

    async def send(self, message: Any) -> None:
        """Send a message; the last one of such a reply completes the handshake."""
        await super().send(message)
        if self.close_sent:
            self.handshake_complete = True


SETTINGS: dict[str, Any] = {
    "http": Connection,
    "ws": SocketConnection,
    "ws_max_size": 1 << 20,  # bytes of a message to the server
    "ws_per_message_deflate": False,  # on one machine, compression costs more than it saves
    "h11_max_incomplete_event_size": 32 << 10,  # bytes of a request's head; the gate's own limit is lower
    "timeout_keep_alive": 10,  # seconds
    "timeout_graceful_shutdown": 2,
    "proxy_headers": False,  # otherwise a header could forge a request's origin
    "server_header": False,
    "date_header": False,
    "access_log": False,  # it would contain the tokens
    "log_config": None,
    "log_level": "error",
}
"""Keyword arguments of `uvicorn.Config`."""
