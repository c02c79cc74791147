"""Serve a model until a signal ends it: uvicorn with connections that have deadlines, and an end that loses nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from chainrule.core.files import to_json
from chainrule.serve.app import make_app
from chainrule.serve.bodies import Limits
from chainrule.serve.connection import Timed, listen, settings
from chainrule.serve.gate import ServiceGate
from chainrule.serve.service import LIMITS, Service

ARRIVAL_SECONDS = 0.5
"""Seconds after the signal in which requests that are on their way still arrive, and are answered."""
GRACE = 30
"""Seconds after which an answer that is not complete is given up."""
FULL = "The server has as many connections as it takes; close one, or try again in a second."


def connections(most: int) -> type[Any]:
    """Return the class of connections, by httptools if it is installed and else by h11. most: connections at a time."""
    reader: type[Any] = H11Protocol
    if find_spec("httptools") is not None:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

        reader = HttpToolsProtocol
    return type("Connection", (_ServedConnection, reader), {"most": most})


class _ServedConnection(Timed):
    def refuse(self, transport: asyncio.Transport) -> None:
        """Say that there are too many connections, and close this one."""
        body = to_json({"error": FULL}).encode()
        head = (
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        transport.write(head.encode() + body)
        transport.close()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that is idle; at once if its client does not read."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()


class Server(uvicorn.Server):
    """uvicorn's server, with an end at SIGTERM or SIGINT that answers what has arrived, and exits with 0."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        """Take the configuration, and the service to end."""
        super().__init__(config)
        self.service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the end; a second Ctrl-C does not wait for answers."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and read the file again at SIGHUP."""
        await super().startup(sockets)
        if hasattr(signal, "SIGHUP"):
            loop = asyncio.get_running_loop()
            try:
                loop.add_signal_handler(
                    signal.SIGHUP, lambda: loop.create_task(self.service.reload(), name="reload")
                )
            except (RuntimeError, ValueError):  # not in the main thread
                return

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what has arrived and what is on its way, closing each connection after its answer, and end."""
        self.service.end()
        if not self.force_exit:
            await asyncio.sleep(ARRIVAL_SECONDS)
        await super().shutdown(sockets)


def make_server(
    service: Service, sock: socket.socket, token: str | None, fail: Callable[[Exception], None]
) -> Server:
    """Return a server for a listening socket. fail(error): called with an error that is a bug."""
    app = ServiceGate(
        make_app(service, has_token=token is not None),
        port=int(sock.getsockname()[1]),
        token=token,
        is_ending=lambda: service.is_ending,
        note=service.metrics.note_request,
        fail=fail,
    )
    config = uvicorn.Config(
        app,
        **settings(
            http=connections(service.limits.connections),
            ws="none",
            loop="uvloop" if find_spec("uvloop") is not None else "asyncio",
            timeout_graceful_shutdown=GRACE,
            lifespan="on",
            backlog=1024,
        ),
    )
    return Server(config, service)


@contextmanager
def served(
    model: str | os.PathLike[str], *, name: str = "model", limits: Limits = LIMITS, token: str | None = None
) -> Iterator[str]:
    """Serve a model's file, or the folder of a run, in a thread within the block, on a free port of this machine.

        with served("runs/table") as url:
            urllib.request.urlopen(f"{url}/schema")

    Yields the address. Raises FormatError, ConfigError and OSError as `chainrule.serve.answering.load`.
    """
    path = Path(model)
    service = Service(path / "model.safetensors" if path.is_dir() else path, name, limits)
    with listen(0) as sock:
        server = make_server(service, sock, token, lambda error: None)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{int(sock.getsockname()[1])}"
        finally:
            server.handle_exit(signal.SIGTERM, None)
            thread.join(GRACE + 10)
