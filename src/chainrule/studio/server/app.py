"""The studio's routes: the page and its files, the socket for commands and events, uploads and downloads."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from chainrule.errors import ChainruleError
from chainrule.studio import screens  # noqa: F401 (they register the commands)
from chainrule.studio.page import export
from chainrule.studio.page.assets import VERSION, assets
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
DOWNLOADS["chainrule.html"] = export.downloaded


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
        name = shortened(name)
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


def shortened(name: str) -> str:
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
