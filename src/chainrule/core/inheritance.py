"""What a class has of its own, and not from a base class."""

from __future__ import annotations


def is_own(kind: type, name: str) -> bool:
    """Return whether a class defines an attribute itself."""
    return name in kind.__dict__
