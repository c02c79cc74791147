"""The width of a text in a terminal, where Chinese characters take two places."""

from __future__ import annotations

from unicodedata import east_asian_width


def width_of(text: str) -> int:
    """Return the places of a text."""
    return len(text) + sum(east_asian_width(letter) in "WF" for letter in text) * (not text.isascii())


def rjust(text: str, width: int) -> str:
    """Return a text with blanks before it, as wide as this."""
    return " " * (width - width_of(text)) + text
