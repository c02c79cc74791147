"""One request at a time through an ASGI application, in this thread, and what every reply of the studio must have."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

Header = tuple[str, str]
App = Callable[..., Awaitable[None]]


@dataclass
class Reply:
    """What came back; status 101 where a WebSocket was accepted, and the code where it was closed."""

    status: int = 0
    headers: list[Header] = field(default_factory=list)
    body: bytes = b""
    code: int | None = None

    def __getitem__(self, name: str) -> str:
        (value,) = [value for key, value in self.headers if key == name]
        return value

    def names(self) -> set[str]:
        return {name for name, _ in self.headers}


def ask(
    app: App,
    method: str,
    target: str,
    headers: Iterable[Header] = (),
    body: Iterable[bytes] = (),
    *,
    extensions: Iterable[str] = ("websocket.http.response",),
    into: Reply | None = None,
) -> Reply:
    """Pass one request through an ASGI application as uvicorn would; the method WS opens a WebSocket, and closes it.

    into: what the reply is put into, for a request that ends in an exception.
    """
    path, _, query = target.partition("?")
    is_socket = method == "WS"
    scope: dict[str, Any] = {
        "type": "websocket" if is_socket else "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws" if is_socket else "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }
    if is_socket:
        incoming = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}]
        scope |= {"subprotocols": [], "extensions": {name: {} for name in extensions}}
    else:
        pieces = list(body)
        incoming = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
        incoming += [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]
        scope["method"] = method
    reply = Reply() if into is None else into

    async def receive() -> dict[str, Any]:
        if len(incoming) > 1 or is_socket or reply.status:
            return incoming.pop(0) if len(incoming) > 1 else incoming[0]
        return await asyncio.Event().wait()  # type: ignore[return-value]  # the client waits for the reply

    async def send(message: dict[str, Any]) -> None:
        kind = message["type"].removeprefix("websocket.")
        if kind == "http.response.start":
            assert not reply.status, "two replies"
            reply.status = message["status"]
            reply.headers = [(name.decode(), value.decode()) for name, value in message["headers"]]
        elif kind == "http.response.body":
            reply.body += message.get("body", b"")
        elif kind == "accept":
            reply.status = 101
        elif kind == "close":
            reply.status = reply.status or 403  # what uvicorn makes of it
            reply.code = message["code"]

    asyncio.run(asyncio.wait_for(app(scope, receive, send), 20))
    return reply


def assert_sealed(reply: Reply, port: int = 8765) -> None:
    policy = dict(part.strip().split(" ", 1) for part in reply["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert (
        policy["script-src"] == policy["style-src"] == policy["worker-src"] == policy["font-src"] == "'self'"
    )
    assert policy["connect-src"] == f"'self' ws://127.0.0.1:{port} ws://localhost:{port}"
    assert policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in reply["content-security-policy"] and "*" not in reply["content-security-policy"]
    assert reply["x-content-type-options"] == "nosniff"
    assert reply["referrer-policy"] == "no-referrer"
    assert reply["cross-origin-opener-policy"] == reply["cross-origin-resource-policy"] == "same-origin"
    assert reply["cache-control"] in ("no-store", "private, max-age=31536000, immutable")
    assert not [name for name in reply.names() if name.startswith("access-control-")]
    assert "server" not in reply.names()
    assert b"Traceback" not in reply.body and b".py" not in reply.body


async def page(request: Request) -> Response:
    return PlainTextResponse("page", headers={"Access-Control-Allow-Origin": "*", "Cache-Control": "public"})


async def upload(request: Request) -> Response:
    return JSONResponse({"bytes": sum([len(piece) async for piece in request.stream()])})


async def broken(request: Request) -> Response:
    raise RuntimeError(f"a secret in {__file__}")


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text)


def small_app(debug: bool = False) -> Starlette:
    routes = [
        Route("/", page),
        Route("/static/{version}/{path:path}", page),
        Route("/upload/{name}", upload, methods=["POST"]),
        Route("/download/{name}", page),
        Route("/broken", broken),
        WebSocketRoute("/ws", echo),
    ]
    return Starlette(debug=debug, routes=routes)
