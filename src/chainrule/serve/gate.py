"""What every request passes before anything else sees it, and what every reply has in its headers.

Without a token the server answers this machine only, and what other pages of a browser on it may send must not reach
the model: so the header Host must be one of the server's own names (a foreign name that resolves to 127.0.0.1 does not
count), and Origin and Sec-Fetch-Site, which a browser sets, must not name another site. With a token it is the token
that counts, in the header Authorization; only whether the server is live and ready is told to everybody.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chainrule.serve.bodies import Header, RefusedError, Reply, json_reply

OPEN = frozenset(("/health", "/v2/health/live", "/v2/health/ready"))
"""The paths that need no token."""
TARGET, HEADERS = 4096, 16 << 10
"""The maximum bytes of a request's path with its query, and of its headers."""
PATTERN = "chainrule.pattern"
"""The key, in a request's scope, of the pattern that its path matched, by which requests are counted."""
READ_HEADERS = "chainrule.headers"
"""The key, in a request's scope, of its headers by their names in lower case."""
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
DROPPED, LINGER = 256 << 20, 3.0
"""Bytes and seconds for which the rest of a refused body is dropped, so that its client reads the reply."""
DROPS = 4
"""The maximum bodies that are dropped at a time; many at once would keep the event loop busy."""
PIECE, READ = 256 << 10, 60.0
"""The bytes of a reply that are sent at a time, and the maximum seconds in which it is read."""
FAILED = RefusedError(500, "The server failed to answer; its log says why.")
_FIXED: list[Header] = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]
Note = Callable[[str, int, float], None]


class ServiceGate:
    """An ASGI application that passes requests that may reach the model to another one.

    port: the port of the server.  token: that a request must have; None for a server of this machine.
    is_ending: whether the server ends, so that each reply closes its connection.
    note(path, status, seconds): called with each request.  fail(error): called with an error that is a bug.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        port: int,
        token: str | None,
        is_ending: Callable[[], bool],
        note: Note,
        fail: Callable[[Exception], None],
    ) -> None:
        """Take the application, and what is asked of requests."""
        self.app, self.is_ending, self.note, self.fail = app, is_ending, note, fail
        self._dropping = asyncio.Semaphore(DROPS)
        self.hosts = frozenset(
            name.encode() for host in LOOPBACK for name in (f"{host}:{port}", *([host] if port == 80 else []))
        )
        self.origins = frozenset(b"http://" + host for host in self.hosts)
        self.token = None if token is None else _digest(token.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it to the application."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})

    def check(self, scope: Scope) -> None:
        """Note the headers by name. Raises RefusedError for a request that may not reach the model."""
        headers: dict[bytes, bytes] = {}
        size = 0
        for name, value in scope["headers"]:
            size += len(name) + len(value)
            if name in headers and name in (b"host", b"origin", b"authorization", b"content-type"):
                raise RefusedError(400, f"The header {name.decode('latin-1')} comes twice; send it once.")
            headers[name] = value
        scope[READ_HEADERS] = headers
        if size > HEADERS:
            raise RefusedError(431, f"The headers have more than {HEADERS >> 10} KiB; send fewer.")
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > TARGET:
            raise RefusedError(414, f"The address is longer than {TARGET} bytes; send rows in the body.")
        if self.token is None:
            self._check_local(headers)
        elif scope["path"] not in OPEN and not self._has_token(headers):
            raise RefusedError(
                401,
                "This server needs its token; send it in the header Authorization: Bearer TOKEN.",
                ((b"www-authenticate", b"Bearer"),),
            )

    def _check_local(self, headers: dict[bytes, bytes]) -> None:
        if headers.get(b"host") not in self.hosts:
            raise RefusedError(
                403, "The server does not answer under this name; use 127.0.0.1, or start it with a token."
            )
        origin, site = headers.get(b"origin"), headers.get(b"sec-fetch-site")
        if (origin is not None and origin not in self.origins) or site not in (None, b"none", b"same-origin"):
            raise RefusedError(403, "The server does not answer pages of other sites; start it with a token.")

    def _has_token(self, headers: dict[bytes, bytes]) -> bool:
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        assert self.token is not None
        return hmac.compare_digest(_digest(given.strip()), self.token) and scheme.lower() == b"bearer"

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = time.perf_counter()
        exchange = GuardedExchange(scope, receive, send, self.is_ending, self._dropping)
        try:
            self.check(scope)
            await self.app(scope, exchange.receive, exchange.send)
        except RefusedError as error:
            await exchange.refuse(error)
        except ClientDisconnect:
            pass
        except Exception as error:
            self.fail(error)
            await exchange.refuse(FAILED)
        self.note(scope.get(PATTERN, "other"), exchange.status, time.perf_counter() - begun)


class GuardedExchange:
    """One request and its reply, which gets the gate's headers; what is left of a refused body is dropped."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        is_ending: Callable[[], bool],
        dropping: asyncio.Semaphore,
    ) -> None:
        """Take the functions of the server. dropping: acquired while the rest of a body is dropped."""
        self._receive, self._send, self._is_ending, self._dropping = receive, send, is_ending, dropping
        self._waits_to_send = any(name == b"expect" for name, _ in scope["headers"])
        self._has_more = scope["method"] not in ("GET", "HEAD")
        self.status = 0
        """of the reply; 0 before it"""

    async def receive(self) -> Message:
        """Return the next message of the request."""
        message = await self._receive()
        self._has_more = message.get("more_body", False)
        self._waits_to_send = False
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the reply."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), *_FIXED]
            if self._is_ending():
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        await self._send(message)

    async def refuse(self, error: RefusedError) -> None:
        """Reply with a sentence, unless a reply has begun; a connection with an unread body is closed."""
        if self.status:
            return
        is_unread = self._has_more
        if is_unread and not self._waits_to_send:
            await self._drop()
        reply = make_refusal(error)
        await send_reply(self.send, reply, (b"connection", b"close") if is_unread else None)

    async def _drop(self) -> None:
        count = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER), self._dropping:
                while self._has_more and count < DROPPED:
                    message = await self.receive()
                    count += len(message.get("body", b""))


def make_refusal(error: RefusedError) -> Reply:
    """Return the reply to a request that is refused: one sentence."""
    return json_reply({"error": error.text}, error.status, error.headers)


async def send_reply(
    send: Callable[[Message], Awaitable[None]], reply: Reply, more: Header | None = None
) -> None:
    """Send a whole reply as fast as it is read. more: another header. Raises ClientDisconnect if that is too slow."""
    headers = [
        (b"content-type", reply.kind.encode()),
        (b"content-length", str(len(reply.body)).encode()),
        *reply.headers,
    ]
    if more is not None:
        headers.append(more)
    length = len(reply.body)
    try:
        async with asyncio.timeout(READ if length > PIECE else None):
            await send({"type": "http.response.start", "status": reply.status, "headers": headers})
            for begin in range(0, max(length, 1), PIECE):
                end = begin + PIECE
                piece = reply.body[begin:end]
                await send({"type": "http.response.body", "body": piece, "more_body": end < length})
    except TimeoutError:
        raise ClientDisconnect from None


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()
