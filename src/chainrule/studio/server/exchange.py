"""One request with its reply, and one WebSocket, for the application behind the gate."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import Message, Receive, Scope, Send

from chainrule.studio.server.replies import FAILED, NO_SOCKET, STALLED, Header, Refusal, Replies

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
