"""The gate's own replies, and the headers of all replies of the studio."""

from __future__ import annotations

from typing import NamedTuple

from starlette.types import Message

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
