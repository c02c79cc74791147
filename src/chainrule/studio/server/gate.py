"""The gate of the studio's server: who may send what, and its replies."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import threading
from collections import deque
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# --- the gate's own replies, and the headers of all replies of the studio --------------------------------------------

Header = tuple[bytes, bytes]


class Refusal(NamedTuple):
    """The reply to a rejected request: a status, and one sentence with the next step."""

    status: int
    text: str


_OPEN_AGAIN = (
    "open the address that chainrule studio printed in the terminal; it works once, so stop the command and start it "
    "again for a new one."
)
NO_COOKIE = Refusal(403, f"This browser has not been let in: {_OPEN_AGAIN}")
USED = Refusal(403, f"This address was already used, or belongs to another run: {_OPEN_AGAIN}")
FAILED = Refusal(500, "The studio failed to answer; the terminal in which it runs says why.")
STALLED = Refusal(408, "The rest of the request did not come in time; send it again.")
FULL = Refusal(
    503, "The studio is open in as many tabs as it serves; close one of them and load this page again."
)
NO_SOCKET = Refusal(403, "This address accepts no WebSocket; load the page again.")


class Replies:
    """The gate's responses, and the headers of all responses, for a server at one port.

    The headers let the page load from this server only, and forbid frames, HTML made from text, content type sniffing,
    the referrer and access by pages of other origins. A browser caches only /static/VERSION/, which never changes.
    """

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}/"
        # A WebSocket at [::1] needs no entry: it is 'self', and the policy's grammar has no IPv6 addresses.
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
            f"connect-src 'self' ws://127.0.0.1:{port} ws://localhost:{port}; worker-src 'self'; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
        )
        self._fixed: list[Header] = [
            (b"content-security-policy", policy.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
        ]
        self._own = {b"cache-control", *(name for name, _ in self._fixed)}

    def headers(self, path: str, status: int, given: list[Header]) -> list[Header]:
        """Return a reply's headers with those of the gate, which replace the application's own."""
        is_immutable = status in (200, 304) and path.startswith("/static/") and path.count("/") > 2
        caching = b"private, max-age=31536000, immutable" if is_immutable else b"no-store"
        kept = [
            (name, value)
            for name, value in given
            if name.lower() not in self._own and not name.lower().startswith(b"access-control-")
        ]
        return [*kept, *self._fixed, (b"cache-control", caching)]

    def reply(self, path: str, refusal: Refusal, more: list[Header] | None = None) -> tuple[Message, Message]:
        """Return the two messages of a one-sentence reply, after which the connection closes."""
        body = f"{refusal.text}\n".encode()
        given = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
        ]
        given += [(b"connection", b"close"), *(more or [])]
        if refusal.status == 405:
            given.append((b"allow", b"GET, HEAD, POST"))
        headers = self.headers(path, refusal.status, given)
        start = {"type": "http.response.start", "status": refusal.status, "headers": headers}
        return start, {"type": "http.response.body", "body": body}


# --- one request with its reply, and one WebSocket, for the application behind the gate ------------------------------

BODY, UPLOAD = 64 << 10, 64 << 20
"""The maximum bytes of a request's body: of any, and of one to /upload/."""
DROPPED, LINGER = 256 << 20, 1.0
"""Bytes that are received and dropped after a body was rejected, and seconds without any after which that ends."""


def limit(path: str) -> int:
    """Return the maximum bytes of the body of a request to this path."""
    return UPLOAD if path.startswith("/upload/") else BODY


def too_large(path: str) -> Refusal:
    """Return the error response for a request body above the limit."""
    most = "64 MiB" if limit(path) == UPLOAD else "64 KiB"
    return Refusal(413, f"The request has more than {most}; send a smaller file.")


class Exchange:
    """One request and its reply: the body is counted and timed while it arrives, the reply gets the gate's headers.

    To the application, a request that is rejected while being read looks like a client that has disconnected.
    """

    def __init__(self, replies: Replies, stall: float, scope: Scope, receive: Receive, send: Send) -> None:
        self._replies = replies
        self._stall = stall
        self._path: str = scope["path"]
        self._receive = receive
        self._send = send
        self._is_started = False
        self._is_ended = False
        self._has_more = True
        self._count = 0

    async def receive(self) -> Message:
        """Return the next piece of the body, or a disconnect."""
        if self._is_ended:
            return {"type": "http.disconnect"}
        try:
            async with asyncio.timeout(self._stall if self._has_more else None):
                message = await self._receive()
        except TimeoutError:
            return await self._cut(STALLED)
        if message["type"] == "http.request":
            self._count += len(message.get("body", b""))
            self._has_more = message.get("more_body", False)
            if self._count > limit(self._path):
                return await self._cut(too_large(self._path))
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the reply; a server error, whose text might have a traceback, is replaced by a sentence."""
        if self._is_ended:
            return
        if message["type"] == "http.response.start":
            if message["status"] >= 500:
                await self.end(FAILED)
                return
            self._is_started = True
            given = list(message.get("headers", []))
            message = {**message, "headers": self._replies.headers(self._path, message["status"], given)}
        await self._send(message)

    async def end(self, refusal: Refusal, more: list[Header] | None = None) -> None:
        """Reply with a sentence, unless a reply has started; drop everything that the application sends later."""
        self._is_ended = True
        if self._is_started:
            return
        self._is_started = True
        start, body = self._replies.reply(self._path, refusal, more)
        await self._send(start)
        if refusal.status == 413:
            await self._send({**body, "more_body": True})
            await self._drop()
            body = {**body, "body": b""}
        await self._send(body)

    async def _drop(self) -> None:
        """Receive the rest of a body: a browser sends all before it reads, and otherwise sees no reply."""
        count, has_more = 0, self._has_more
        with suppress(TimeoutError):
            while has_more and count < DROPPED:
                async with asyncio.timeout(LINGER):
                    message = await self._receive()
                count += len(message.get("body", b""))
                has_more = message.get("more_body", False)

    async def _cut(self, refusal: Refusal) -> Message:
        await self.end(refusal)
        return {"type": "http.disconnect"}


class Socket:
    """One WebSocket: a refusal before it is accepted is an HTTP reply, if the server can send one."""

    def __init__(self, replies: Replies, scope: Scope, send: Send) -> None:
        self._replies = replies
        self._path: str = scope["path"]
        self._can_reply = "websocket.http.response" in (scope.get("extensions") or {})
        self._send = send
        self._is_accepted = False
        self._is_ended = False

    async def send(self, message: Message) -> None:
        """Send the application's message; a handshake that it rejects gets the gate's reply instead of its own."""
        if self._is_ended:
            return
        if message["type"] == "websocket.accept":
            self._is_accepted = True
        elif (
            message["type"] in ("websocket.close", "websocket.http.response.start") and not self._is_accepted
        ):
            await self.end(NO_SOCKET)
            return
        self._is_ended = message["type"] == "websocket.close"
        await self._send(message)

    async def end(self, refusal: Refusal) -> None:
        """Reject the handshake with a sentence, or close the socket with the code closest to the status."""
        if self._is_ended:
            return
        self._is_ended = True
        if self._can_reply and not self._is_accepted:
            start, body = self._replies.reply(self._path, refusal)
            # uvicorn adds these itself; before 0.53, twice if given.
            written = (b"connection", b"content-length", b"content-type")
            headers = [(name, value) for name, value in start["headers"] if name not in written]
            await self._send({**start, "type": "websocket.http.response.start", "headers": headers})
            await self._send({**body, "type": "websocket.http.response.body"})
        else:
            code = {500: 1011, 503: 1013}.get(refusal.status, 1008)
            await self._send({"type": "websocket.close", "code": code})


# --- the gate of the studio: every request and every WebSocket handshake passes it before anything else sees it ------
# The page is served to one person on this machine. Other pages in the same browser, and other users of the machine,
# can also reach the port; a request must satisfy four conditions:
#
#     Host             one of this server's own names, so that a foreign name that resolves to 127.0.0.1 does not count
#     Origin           if present, one of the same names; a WebSocket handshake must have it
#     Sec-Fetch-Site   if present, same-origin, or none for an address opened by a person
#     cookie           a session's secret, given once for each token in a printed address
#
#     Gate(app, port=8765, tokens=tokens)         wraps an ASGI application
#
# A cookie belongs to a host, whatever the port, so its name contains the port. It is Strict and HttpOnly, but the
# browser sends it to other servers on this machine that the user opens under the same name.

__all__ = ["Gate", "Tokens"]

TARGET, HEADERS = 2048, 16 << 10
"""The maximum bytes of a request's path with its query, and of its headers."""
SOCKETS = 16
"""The maximum WebSockets at a time."""


class Gate:
    """An ASGI application that passes requests from this server's own page to another one.

    port: the port of the server.  stall: seconds after which an incomplete body is abandoned.
    """

    def __init__(self, app: ASGIApp, *, port: int, tokens: Tokens, stall: float = 20.0) -> None:
        names = [f"{host}:{port}" for host in ("127.0.0.1", "localhost", "[::1]")]
        if port == 80:
            names += ["127.0.0.1", "localhost", "[::1]"]
        self.app = app
        self.tokens = tokens
        self.stall = stall
        self.hosts = frozenset(name.encode() for name in names)
        self.origins = frozenset(b"http://" + host for host in self.hosts)
        self.cookie = f"chainrule-{port}"
        self.replies = Replies(port)
        self.open_sockets = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or a handshake, or pass it to the application."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self.app(scope, receive, send)

    def refusal(self, scope: Scope) -> Refusal | None:
        """Return why a request is rejected, or None."""
        headers: list[Header] = scope["headers"]
        path: str = scope["path"]
        address = self.replies.address
        if len(hosts := _values(headers, b"host")) != 1 or hosts[0] not in self.hosts:
            return Refusal(403, f"The studio does not answer under this name; open {address} instead.")
        if self._is_foreign(scope):
            return Refusal(403, f"The studio answers only its own page; type {address} into the address bar.")
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "POST"):
            return Refusal(405, "The studio answers GET, HEAD and POST; load the page again.")
        if len(scope.get("raw_path") or path.encode()) + len(scope["query_string"]) > TARGET:
            return Refusal(414, f"The address is longer than {TARGET} bytes; open {address} instead.")
        if sum(len(name) + len(value) for name, value in headers) > HEADERS:
            return Refusal(
                431, f"The headers have more than {HEADERS >> 10} KiB; delete the cookies of this site."
            )
        if not path.startswith("/") or any(letter < " " or letter == "\x7f" for letter in path):
            return Refusal(400, f"The address is not one of the studio's; open {address} instead.")
        if not self._has_session(headers):
            return NO_COOKIE
        declared = _values(headers, b"content-length")
        if not all(value.isdigit() and int(value[:20]) <= limit(path) for value in declared):
            return too_large(path)
        return None

    def redeemed(self, scope: Scope) -> tuple[Refusal, list[Header]]:
        """Answer an address with a token: a cookie and a redirect to the page, if the token is valid.

        A browser with a session is redirected to the page in any case.
        """
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in query if name == "token"]
        secret = self.tokens.redeem(given[0]) if len(given) == 1 else None
        if secret is None and not self._has_session(scope["headers"]):
            return USED, []
        headers = [(b"location", b"/")]
        if secret is not None:
            cookie = f"{self.cookie}={secret}; HttpOnly; SameSite=Strict; Path=/"
            headers.append((b"set-cookie", cookie.encode()))
        return Refusal(303, f"The page is at {self.replies.address}"), headers

    def _is_foreign(self, scope: Scope) -> bool:
        """Whether the browser reports that neither the page nor a person makes this request."""
        headers: list[Header] = scope["headers"]
        is_socket = scope["type"] == "websocket"
        origins, sites = _values(headers, b"origin"), _values(headers, b"sec-fetch-site")
        if (
            len(origins) > 1
            or any(origin not in self.origins for origin in origins)
            or (is_socket and not origins)
        ):
            return True
        if sites in ([], [b"same-origin"]):
            return False
        is_opened = not is_socket and _values(headers, b"sec-fetch-mode") == [b"navigate"]
        return not (sites == [b"none"] and is_opened and scope["method"] in ("GET", "HEAD"))

    def _has_session(self, headers: list[Header]) -> bool:
        # Other servers on this machine may have set cookies of the same name, so any of them may be valid.
        pairs = [
            pair.strip()
            for value in _values(headers, b"cookie")
            for pair in value.decode("latin-1").split(";")
        ]
        return any(
            name == self.cookie and self.tokens.knows(secret)
            for name, _, secret in (pair.partition("=") for pair in pairs)
        )

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(self.replies, self.stall, scope, receive, send)
        refusal = self.refusal(scope)
        if refusal in (None, NO_COOKIE) and scope["method"] == "GET" and _is_launch(scope):
            await exchange.end(*self.redeemed(scope))
        elif refusal is not None:
            await exchange.end(refusal)
        else:
            try:
                await self.app(scope, exchange.receive, exchange.send)
            except ClientDisconnect:
                pass
            except Exception:
                await exchange.end(FAILED)
                raise  # so that the server writes it to the terminal

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = Socket(self.replies, scope, send)
        refusal = self.refusal(scope) or (FULL if self.open_sockets >= SOCKETS else None)
        if refusal is not None:
            await socket.end(refusal)
            return
        self.open_sockets += 1
        try:
            await self.app(scope, receive, socket.send)
        except Exception:
            with suppress(Exception):  # the client may have disconnected
                await socket.end(FAILED)
            raise
        finally:
            self.open_sockets -= 1


def _values(headers: list[Header], name: bytes) -> list[bytes]:
    return [value for key, value in headers if key.lower() == name]


def _is_launch(scope: Scope) -> bool:
    """Whether this is the printed address: the page's, with a token in the query."""
    has_token = any(part.startswith(b"token=") for part in scope["query_string"].split(b"&"))
    return bool(scope["path"] == "/") and has_token


class Tokens:
    """One-time tokens and the secrets of their sessions: the newest 64 of each, kept as SHA-256 digests.

    Digests are compared, so the timing reveals nothing about a secret. Any thread may call any method: the terminal's
    requests a token while the server's redeems another.
    """

    def __init__(self, most: int = 64) -> None:
        self._tokens: deque[bytes] = deque(maxlen=most)
        self._sessions: deque[bytes] = deque(maxlen=most)
        self._lock = threading.Lock()

    def mint(self) -> str:
        """Return a new token: 32 random bytes in the URL alphabet, valid for one session."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._tokens.append(_digest(token))
        return token

    def redeem(self, token: str) -> str | None:
        """Return the secret of a new session, or None if the token was never issued or already redeemed."""
        digest = _digest(token)
        with self._lock:
            if digest not in self._tokens:
                return None
            self._tokens.remove(digest)
            secret = secrets.token_urlsafe(32)
            self._sessions.append(_digest(secret))
            return secret

    def knows(self, secret: str) -> bool:
        """Whether this is the secret of a session."""
        digest = _digest(secret)
        with self._lock:
            return digest in self._sessions


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
