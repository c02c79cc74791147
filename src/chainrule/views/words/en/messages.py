"""Errors and warnings as the command says them."""

from __future__ import annotations

NO_MEMORY = "there is not enough memory for this."


def translated(message: str) -> str:
    """The message of an error or a warning, as it was raised."""
    return message


def no_file(path: str) -> str:
    """A file that is missing."""
    return f"{path} does not exist; check the path."


def bug(what: str) -> str:
    """An error that nobody raised on purpose."""
    return f"a bug in chainrule ({what}); --debug shows where."
