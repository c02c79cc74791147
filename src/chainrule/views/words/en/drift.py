"""Words about whether later rows look like those of training."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.views.words.en.phrases import counted, several

TITLE = "Do these rows look like those of training?"
HEADS = ("column", "changed", "distance", "p", "missing before", "missing now", "beyond", "unknown")
DRIFTED, MORE_MISSING = "values", "more missing"


def summary(rows: int, columns: int, changed: Sequence[str]) -> str:
    """How many columns have changed, and which."""
    if not changed:
        return f"{counted(rows, 'row')}: none of {counted(columns, 'column')} has changed."
    return f"{counted(rows, 'row')}: {len(changed):,} of {counted(columns, 'column')} changed: {several(changed)}."


def strange(count: int, rows: int, shown: Sequence[int]) -> str:
    """How many rows have a value like none of training, and the first of them."""
    first = ", ".join(map(str, shown)) + ", ..." * (count > len(shown))
    return f"{count:,} of {counted(rows, 'row')} look like nothing in training: {first}."
