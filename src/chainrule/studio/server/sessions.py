"""One-time tokens, each of which opens one session."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import deque


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
