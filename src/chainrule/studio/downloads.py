"""The downloads of a page: functions by file name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.studio.studio import Studio

DOWNLOADS: dict[str, Callable[[Studio, dict[str, str]], tuple[bytes, str]]] = {}
"""Downloads by file name: functions that return the content and its type."""


def download(name: str) -> Callable[[Any], Any]:
    """Return a decorator that registers a download: a function of the studio and the query's values."""

    def register(function: Callable[[Studio, dict[str, str]], tuple[bytes, str]]) -> Any:
        DOWNLOADS[name] = function
        return function

    return register
