"""Additional answers stored in an exported page, besides those that its screen requested, by the screen's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from chainrule.studio.session.studio import Studio


class KeptAnswer(NamedTuple):
    """A command, its arguments and its answer, in the page's form."""

    name: str
    arguments: dict[str, Any]
    answer: dict[str, Any]


class Exported(NamedTuple):
    """A screen that is exported."""

    studio: Studio
    state: dict[str, Any]
    """the page's state"""
    calls: list[tuple[str, dict[str, Any]]]
    """the commands that the screen requested, the newest last"""
    rows: list[int]
    """the samples of the shown part that are stored in the page; an exporter removes the last ones if time is short"""


EXPORTS: dict[str, Callable[[Exported], Iterator[KeptAnswer]]] = {}
"""Exporters by the screen's name; the modules `exported` of the screens fill it."""
