"""Serve the studio on this machine until Ctrl-C."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import uvicorn

from chainrule.errors import ConfigError
from chainrule.studio.server.app import make_app
from chainrule.studio.server.connection import SETTINGS
from chainrule.studio.server.gate import Gate, Tokens
from chainrule.studio.studio import Studio

HOST = "127.0.0.1"


def listen(port: int) -> socket.socket:
    """Return a listening socket on the loopback interface. port: 0 for a free one. Raises ConfigError."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((HOST, port))
        sock.listen(128)
    except OSError as error:
        sock.close()
        raise ConfigError(
            f"port {port} cannot be used ({error.strerror}); choose another, or 0 for a free one."
        ) from error
    return sock


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
