"""Serve the studio on this machine: its routes (page, socket, uploads, downloads), and the server until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import socket
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from chainrule.errors import ChainruleError
from chainrule.serve import connection
from chainrule.serve.connection import listen
from chainrule.studio import screens  # noqa: F401 (they register the commands)
from chainrule.studio.page import export  # noqa: F401 (it registers its download)
from chainrule.studio.page.assets import VERSION, assets
from chainrule.studio.server.gate import Gate, Tokens
from chainrule.studio.session.commands import DOWNLOADS, answered
from chainrule.studio.session.messages import Ack, Call, pack, parse
from chainrule.studio.session.studio import Studio, Tab

AT_ONCE = 8
"""Commands of one page that may run, or whose answers may wait, at once; nothing more is read from it meanwhile."""
MAX_UPLOADS = 8
"""The maximum stored files; a new one replaces the oldest."""
SAFE_NAME = re.compile(r"(?!\.+$)[\w.-]{1,100}")
MAX_NAME_BYTES = 200
"""The maximum bytes of a file name, which most file systems bound at 255; a Chinese character has three."""
ENDING = re.compile(r"((?:\.[A-Za-z0-9]{1,9}){1,2})$")


def make_app(studio: Studio) -> Starlette:
    """Return the application, to be wrapped in the gate; it does no access control."""
    counter = itertools.count(1)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        with tempfile.TemporaryDirectory(prefix="chainrule-studio-", ignore_cleanup_errors=True) as folder:
            app.state.uploads = Path(folder)
            try:
                yield
            finally:
                studio.close()

    async def page(request: Request) -> Response:
        content = assets()["index.html"].content.replace(b"{{screen}}", studio.first_screen.encode())
        return Response(content, media_type="text/html")

    async def static(request: Request) -> Response:
        asset = assets().get(request.path_params["path"])
        if asset is None or request.path_params["version"] != VERSION:
            return PlainTextResponse("This file does not exist; reload the page.", 404)
        return Response(asset.content, headers={"content-type": asset.type})

    async def upload(request: Request) -> Response:
        name = request.path_params["name"]
        if not SAFE_NAME.fullmatch(name):
            return JSONResponse(
                {"error": "the file's name has characters that are not allowed; rename it."}, 400
            )
        name = shorten_name(name)
        path: Path = request.app.state.uploads / f"{next(counter)}-{name}"
        try:
            with path.open("wb") as file:
                async for piece in request.stream():
                    await anyio.to_thread.run_sync(file.write, piece)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        with studio.lock:
            while len(studio.uploads) >= MAX_UPLOADS:
                studio.uploads.pop(next(iter(studio.uploads))).unlink(missing_ok=True)
            studio.uploads[path.name] = path
        return JSONResponse({"upload": path.name, "name": name})

    async def downloaded(request: Request) -> Response:
        make = DOWNLOADS.get(request.path_params["name"])
        if make is None:
            return PlainTextResponse("This download does not exist.", 404)
        try:
            content, kind = await anyio.to_thread.run_sync(make, studio, dict(request.query_params))
        except ChainruleError as error:
            return PlainTextResponse(str(error), 409)
        name = request.path_params["name"]
        return Response(
            content, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'}
        )

    async def socket(ws: WebSocket) -> None:
        await serve_tab(studio, ws)

    return Starlette(
        routes=[
            Route("/", page, methods=["GET"]),
            Route("/static/{version}/{path:path}", static, methods=["GET"]),
            Route("/upload/{name}", upload, methods=["POST"]),
            Route("/download/{name}", downloaded, methods=["GET"]),
            WebSocketRoute("/ws", socket),
        ],
        lifespan=lifespan,
    )


def shorten_name(name: str) -> str:
    """Shorten a file name to the maximum bytes, keeping its extension."""
    stem, ending = ENDING.split(name, maxsplit=1)[:2] if ENDING.search(name) else (name, "")
    return stem.encode()[: MAX_NAME_BYTES - len(ending)].decode("utf-8", "ignore") + ending


async def serve_tab(studio: Studio, ws: WebSocket) -> None:
    """Answer the commands of one page, and send it events, until it closes."""
    await ws.accept()
    tab = Tab(asyncio.get_running_loop())
    with studio.lock:
        studio.tabs.add(tab)
    slots = asyncio.Semaphore(AT_ONCE)
    running: set[asyncio.Task[None]] = set()
    sender = asyncio.create_task(send_all(tab, ws, slots))
    try:
        while True:
            message = await ws.receive()
            if message["type"] != "websocket.receive":
                break
            try:
                found = parse(message.get("text") or "")
            except ChainruleError as error:
                await slots.acquire()
                tab.reply(pack({"id": None, "error": str(error)}))
                continue
            if isinstance(found, Ack):
                tab.acknowledge(found.number)
                continue
            await slots.acquire()
            task = asyncio.create_task(answer(studio, tab, found))
            running.add(task)
            task.add_done_callback(running.discard)
    except WebSocketDisconnect:
        pass
    finally:
        with studio.lock:
            studio.tabs.discard(tab)
        sender.cancel()
        for task in running:
            task.cancel()


async def send_all(tab: Tab, ws: WebSocket, slots: asyncio.Semaphore) -> None:
    """Send the waiting messages of a page, one after the other, until the caller cancels it.

    slots: each answer frees one when it was sent, or dropped because the page has closed, which its reader detects.
    """
    is_gone = False
    while True:
        await tab.wake.wait()
        tab.wake.clear()
        while (message := tab.take()) is not None:
            content = message.content
            try:
                if not is_gone:
                    await (ws.send_text(content) if isinstance(content, str) else ws.send_bytes(content))
            except (RuntimeError, OSError, WebSocketDisconnect):
                is_gone = True
            if message.is_answer:
                slots.release()


async def answer(studio: Studio, tab: Tab, call: Call) -> None:
    """Run a command in a thread and queue its answer for the page."""
    tab.reply(await anyio.to_thread.run_sync(answered, studio, call))


# --- the server until Ctrl-C -----------------------------------------------------------------------------------------

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
