"""Translate an error's message: options get the names that the caller uses."""

from __future__ import annotations

from contextlib import suppress

from chainrule.errors import ChainruleError
from chainrule.recipe.naming import PYTHON, Names
from chainrule.recipe.settings import NAMES

OF_LIBRARY = {"learning_rate": "lr"}
"""Options of the library with another name as a setting."""


def told(error: ChainruleError, named: Names = PYTHON) -> str:
    """Return the message, with its marked options under the caller's names."""

    def name(option: str, value: str, text: str) -> str:
        option = OF_LIBRARY.get(option, option)
        if option not in NAMES and option not in named.others:
            return text
        return named.given(option, _value(value)) if value else named(option)

    return error.said(name)


def _value(text: str) -> object:
    """Parse the text of a value: 0.1 is a number, adam is text."""
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def in_words_of(error: ChainruleError, named: Names) -> None:
    """Rewrite an error's message in place, with the caller's names."""
    error.args = (told(error, named), *error.args[1:])
