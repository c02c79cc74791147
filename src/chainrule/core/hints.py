"""Say what a user should know, as a warning at the line of the call."""

from __future__ import annotations

import sys
import warnings

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
