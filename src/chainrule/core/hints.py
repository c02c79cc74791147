"""Say what a user should know, as a warning at the line of the call."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from chainrule.errors import LeakWarning

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


class Told(dict[str, Warning | str]):
    """The warnings that were given, by their sentences."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """The sentences but for those about what a fit noticed of its table, which the estimator keeps."""
        return tuple(text for text, warning in self.items() if not isinstance(warning, LeakWarning))


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
