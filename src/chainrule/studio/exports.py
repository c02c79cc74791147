"""What an exported page takes along beside the answers that its screen had asked for, by the screen's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from chainrule.studio.studio import Studio


class KeptAnswer(NamedTuple):
    """A command, its arguments and its answer, as the page asks for them."""

    name: str
    arguments: dict[str, Any]
    answer: dict[str, Any]


class Exported(NamedTuple):
    """A screen that is exported."""

    studio: Studio
    state: dict[str, Any]
    """the page's state"""
    calls: list[tuple[str, dict[str, Any]]]
    """the commands that the screen had asked for, the newest last"""
    rows: list[int]
    """the samples of the part on show that go with the page; who has no time for the last ones takes them off"""


EXPORTS: dict[str, Callable[[Exported], Iterator[KeptAnswer]]] = {}
"""By the name of the screen."""


def exports(screen: str) -> Callable[[Any], Any]:
    """Return a decorator that registers what a screen takes along."""

    def register(function: Callable[[Exported], Iterator[KeptAnswer]]) -> Any:
        EXPORTS[screen] = function
        return function

    return register
