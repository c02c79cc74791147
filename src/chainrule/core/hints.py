"""Say what a user should know, as a warning at the line of the call."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from chainrule.errors import LeakWarning, unmarked

ROOM = __name__.partition(".")[0]


def give(sentence: str | Warning, category: type[Warning] = UserWarning) -> None:
    """Warn at the first line outside this package and scikit-learn's wrappers of its methods.

    sentence: what is said, whose options may be marked, see `errors.option`; or a warning, whose class is the category.
    """
    message = Sentence(sentence) if isinstance(sentence, str) else sentence
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in (
        ROOM,
        "sklearn",
    ):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


class Sentence(str):
    """A sentence without the marks of its options, which it keeps beside it."""

    def __new__(cls, marked: str) -> Self:
        """Return the sentence of a text with marks."""
        return super().__new__(cls, unmarked(marked))

    def __init__(self, marked: str) -> None:
        """Keep the text with its marks."""
        self.marked = marked


def marked(message: Warning | str) -> str:
    """Return the sentence of a warning with its marks."""
    said = message.args[0] if isinstance(message, Warning) and message.args else message
    return said.marked if isinstance(said, Sentence) else str(message)


class Told(dict[str, Warning | str]):
    """The warnings that were given, by their sentences."""

    @property
    def kept(self) -> tuple[Warning | str, ...]:
        """All of them but each `LeakWarning`, which the estimator keeps."""
        return tuple(each for each in self.values() if not isinstance(each, LeakWarning))


@contextmanager
def once(show: Callable[..., object] | None = None) -> Iterator[Told]:
    """Give each sentence once within the `with`, though filters that change in between would give it again.

    show: what shows a warning; None for what does so outside of the `with`.  Yields those that were given.
    """
    told = Told()
    with warnings.catch_warnings():
        shown = warnings.showwarning if show is None else show

        def tell(message: Warning | str, *where: Any, **more: Any) -> None:
            if f"{message}" not in told:
                told[f"{message}"] = message
                shown(message, *where, **more)

        warnings.showwarning = tell
        yield told
