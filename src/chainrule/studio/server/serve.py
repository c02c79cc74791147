"""Serve the studio on this machine until Ctrl-C."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from chainrule.serve import connection
from chainrule.serve.connection import listen
from chainrule.studio.server.app import make_app
from chainrule.studio.server.gate import Gate, Tokens
from chainrule.studio.session.studio import Studio

HOST = "127.0.0.1"


class Connection(connection.Timed, H11Protocol):
    """HTTP/1.1 of uvicorn, with a deadline for each request's header and at most 256 connections."""


class SocketConnection(WebSocketsSansIOProtocol):
    """A WebSocket of uvicorn, with a deadline for its opening.

    A handshake rejected with an HTTP reply is not an error for the terminal.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start waiting for the end of the handshake."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(connection.HEAD, self._hang_up)

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


SETTINGS: dict[str, Any] = connection.settings(
    http=Connection,
    ws=SocketConnection,
    ws_max_size=1 << 20,  # bytes of a message to the server
    ws_per_message_deflate=False,  # on one machine, compression costs more than it saves
    timeout_graceful_shutdown=2,
)
"""Keyword arguments of `uvicorn.Config`."""


def make_server(studio: Studio, sock: socket.socket) -> tuple[uvicorn.Server, Callable[[], str]]:
    """Return a server for a listening socket, and a function that makes a new one-time address."""
    port, tokens = int(sock.getsockname()[1]), Tokens()
    config = uvicorn.Config(Gate(make_app(studio), port=port, tokens=tokens), **SETTINGS)
    return uvicorn.Server(config), lambda: f"http://{HOST}:{port}/?token={tokens.mint()}"


@contextmanager
def served(studio: Studio) -> Iterator[str]:
    """Serve in a thread within the block, on a free port. Yields the one-time address."""
    with listen(0) as sock:
        server, url = make_server(studio, sock)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        try:
            yield url()
        finally:
            server.should_exit = True
            thread.join(20)
            if thread.is_alive():
                raise RuntimeError("the studio's server did not end within 20 s.")


def serve(
    studio: Studio,
    *,
    port: int = 0,
    ready: Callable[[str], None],
    asked: Iterable[object] = (),
    again: Callable[[str], None] | None = None,
) -> None:
    """Serve until Ctrl-C. ready: called with the one-time address once connections are accepted.

    asked: iterates over requests for another address, such as the lines of a terminal; each address goes to `again`.
    """
    with listen(port) as sock:
        server, url = make_server(studio, sock)
        ready(url())
        if again is not None:
            wait = partial(_tell_again, asked, url, again)
            threading.Thread(target=wait, name="addresses", daemon=True).start()
        server.run(sockets=[sock])


def _tell_again(asked: Iterable[object], url: Callable[[], str], again: Callable[[str], None]) -> None:
    for _ in asked:
        again(url())
