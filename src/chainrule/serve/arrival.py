"""Bodies of requests as they arrive, within limits of bytes and time, and of all large ones in memory together."""

from __future__ import annotations

import asyncio
from types import TracebackType

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from chainrule.serve.bodies import BusyError, Limits, RefusedError
from chainrule.serve.gate import READ_HEADERS

SMALL = 32 << 10
"""The bytes of a body that never waits for room."""
PAUSE = 5.0
"""Seconds without a byte of a body after which it is refused."""


class Room:
    """Bytes in memory together: of bodies, or of answers."""

    def __init__(self, most: int) -> None:
        """Start empty."""
        self.most, self.held, self._freed = most, 0, asyncio.Event()

    async def enter(self, count: int) -> None:
        """Hold some bytes, as soon as there is room for them."""
        while self.held + count > self.most:
            self._freed.clear()
            await self._freed.wait()
        self.hold(count)

    def hold(self, count: int) -> None:
        """Hold some bytes more at once, even without room for them; or fewer."""
        self.held += count
        if count < 0:
            self._freed.set()


class ArrivingBody:
    """The body of a request, in memory for as long as a block.

    Where a body has more than SMALL bytes, no more of it is read until the room has its length, or the most that it may
    have. So one that stops halfway keeps others waiting, but small ones never.
    """

    def __init__(self, scope: Scope, receive: Receive, limits: Limits, room: Room) -> None:
        """Take the request. room: for large bodies."""
        self.receive, self.limits, self.room = receive, limits, room
        self.declared: bytes = scope[READ_HEADERS].get(b"content-length", b"0")
        self._held = 0

    async def __aenter__(self) -> bytes:
        """Return the whole body. Raises RefusedError for one that is too large or too slow, BusyError without room."""
        most = self.limits.body_bytes
        if not self.declared.isdigit() or len(self.declared) > 18 or int(self.declared) > most:
            raise self._too_large()
        pieces: list[bytes] = []
        count, is_waiting, now = 0, False, asyncio.get_running_loop().time
        end = now() + self.limits.seconds
        try:
            async with asyncio.timeout_at(min(end, now() + PAUSE)) as deadline:
                while True:
                    message = await self.receive()
                    if message["type"] == "http.disconnect":
                        raise ClientDisconnect
                    pieces.append(message.get("body", b""))
                    count += len(pieces[-1])
                    if count > most:
                        raise self._too_large()
                    has_more = message.get("more_body", False)
                    if count > SMALL and not self._held:
                        is_waiting = True
                        deadline.reschedule(now() + self.limits.seconds)
                        await self._enter(int(self.declared) or (most if has_more else count))
                        is_waiting, end = False, now() + self.limits.seconds
                    if not has_more:
                        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
                    deadline.reschedule(min(end, now() + PAUSE))
        except BaseException as error:
            pieces.clear()  # which the traceback would keep until the reply is read
            self._leave()
            if not isinstance(error, TimeoutError):
                raise
            if is_waiting:
                raise BusyError(
                    "The server has as many large bodies as it takes; send this again later."
                ) from None
            raise RefusedError(
                408,
                f"The body did not come within {self.limits.seconds:g} seconds, or paused for {PAUSE:g}; send it "
                "again.",
            ) from None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the room."""
        self._leave()

    async def _enter(self, count: int) -> None:
        await self.room.enter(count)
        self._held = count

    def _leave(self) -> None:
        self.room.hold(-self._held)
        self._held = 0

    def _too_large(self) -> RefusedError:
        return RefusedError(
            413, f"The body has more than {self.limits.body_bytes:,} bytes; send fewer rows at a time."
        )
