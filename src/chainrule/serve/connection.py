"""Connections of a server: its socket, and deadlines that uvicorn lacks, for either of its readers of HTTP/1.1."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from chainrule.errors import ConfigError

if TYPE_CHECKING:
    Base = H11Protocol
else:
    Base = object

CONNECTIONS = 256
"""The maximum connections at a time, unless a server has its own."""
HEAD = 20.0
"""The maximum seconds for the header of a request, including the time before its first byte."""
HEAD_BYTES = 32 << 10
"""The maximum bytes that arrive before the header of a request is complete."""
UNREAD = 30_000
"""The milliseconds after which the system closes a connection whose other end reads nothing that is sent to it."""


class Timed(Base):
    """A mixin for uvicorn's connections: a deadline for each request's header, and a maximum of connections.

    Otherwise a program that connects and sends half a request, or nothing, would hold a file descriptor forever.
    """

    most = CONNECTIONS
    """connections at a time"""
    _deadline: asyncio.TimerHandle | None = None
    _arrived = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for a request, or close the connection if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            self.refuse(transport)
        else:
            self._wait()

    def refuse(self, transport: asyncio.Transport) -> None:
        """Close the connection, because there are too many."""
        transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read more data; wait until the header is complete."""
        super().data_received(data)
        if self._is_waiting():
            self._arrived += len(data)
            if self._arrived > HEAD_BYTES:
                self.transport.abort()
            self._wait()
        else:
            self._arrived = 0
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


def listen(port: int, host: str = "127.0.0.1") -> socket.socket:
    """Return a listening socket. port: 0 for a free one.  host: an address of this machine. Raises ConfigError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if (unread := getattr(socket, "TCP_USER_TIMEOUT", None)) is not None:
            sock.setsockopt(socket.IPPROTO_TCP, unread, UNREAD)  # connections inherit it
        sock.bind((host, port))
        sock.listen(1024)
    except OSError as error:
        sock.close()
        if isinstance(error, socket.gaierror) or error.strerror is None:
            raise ConfigError(f"{host} is no address of this machine; name one, such as 0.0.0.0.") from error
        raise ConfigError(
            f"port {port} cannot be used ({error.strerror}); choose another, or 0 for a free one."
        ) from error
    return sock


def settings(**own: Any) -> dict[str, Any]:
    """Return keyword arguments of `uvicorn.Config`: what holds for every server of the package, and a server's own."""
    return {
        "h11_max_incomplete_event_size": HEAD_BYTES,
        "timeout_keep_alive": 10,  # seconds
        "proxy_headers": False,  # otherwise a header could forge a request's origin
        "server_header": False,
        "date_header": False,
        "access_log": False,  # it would contain tokens
        "log_config": None,
        "log_level": "error",
        **own,
    }
