"""Say what a user should know, as a warning at the line of the call."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

ROOM = __name__.partition(".")[0]


def give(sentence: str | Warning, category: type[Warning] = UserWarning) -> None:
    """Warn at the first line outside this package and scikit-learn's wrappers of its methods.

    sentence: what is said, or a warning, whose class is the category.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in (
        ROOM,
        "sklearn",
    ):
        frame, level = frame.f_back, level + 1
    warnings.warn(sentence, category, stacklevel=level)


@contextmanager
def without(is_taken: Callable[[str], bool], show: Callable[..., object] | None = None) -> Iterator[None]:
    """Leave out the warnings whose sentence a function takes, within the `with`.

    show: what shows the others; None for what does so outside of the `with`.
    """
    with warnings.catch_warnings():
        shown = warnings.showwarning if show is None else show

        def tell(message: Warning | str, *where: Any, **more: Any) -> None:
            if not is_taken(f"{message}"):
                shown(message, *where, **more)

        warnings.showwarning = tell
        yield


@contextmanager
def once(show: Callable[..., object] | None = None) -> Iterator[None]:
    """Give each sentence once within the `with`, though filters that change in between would give it again.

    show: as above.
    """
    told = set[str]()

    def is_told(sentence: str) -> bool:
        was_told = sentence in told
        told.add(sentence)
        return was_told

    with without(is_told, show):
        yield


@contextmanager
def heard(beginning: str) -> Iterator[list[str]]:
    """Collect the warnings that begin with a text, within the `with`, in place of showing them."""
    found = list[str]()

    def hears(sentence: str) -> bool:
        found.extend([sentence] * sentence.startswith(beginning))
        return sentence.startswith(beginning)

    with without(hears):
        warnings.filterwarnings("always", re.escape(beginning))
        yield found
