"""Words about whether later rows look like those of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainrule.views.words.en.phrases import counted, several

TITLE = "Do these rows look like those of training?"
HEADS = ("column", "changed", "distance", "p", "missing before", "missing now", "beyond", "unknown")
DRIFTED, MORE_MISSING = "values", "more missing"
BY_COLUMN, DISTANCE_AXIS = "Drift by column", "distance from training, 0 to 1"
CHANGED, UNCHANGED = "changed", "not changed"


def column_told() -> str:
    """What the pointer shows of a column: its name, the distance and p, missing values, beyond and unknown."""
    parts = (
        "distance %{customdata[1]}, p %{customdata[2]}",
        "missing %{customdata[3]}, now %{customdata[4]}",
    )
    return "<br>".join(
        ("%{customdata[0]}", *parts, "%{customdata[5]} beyond the range, %{customdata[6]} unknown")
    )


HOW_TO_READ = (
    "The bar is the largest difference of both distribution functions; of categories it is half of the sum of the "
    "differences of their shares: 0 for the same, 1 for nothing in common. A diamond is how much the share of "
    "missing values grew. What changed is decided by tests that are corrected for the number of columns, since a "
    "distance of few rows is large by chance. Dates have no bar: they are later by their nature."
)
"""How the figure is read."""
HOW_COUNTED = (
    "Distance: 0 for the same distribution, 1 for nothing in common. p: how probable so large a distance is by chance. "
    "Beyond: numbers outside of the range of training. Unknown: categories that training did not have."
)
"""What the columns of the table are."""


def summary(rows: int, columns: int, changed: Sequence[str]) -> str:
    """How many columns have changed, and which."""
    if not changed:
        return f"{counted(rows, 'row')}: none of {counted(columns, 'column')} has changed."
    return f"{counted(rows, 'row')}: {len(changed):,} of {counted(columns, 'column')} changed: {several(changed)}."


def strange(count: int, rows: int, shown: Mapping[tuple[str, ...], Sequence[int]]) -> str:
    """How many rows have a value like none of training, and the first of them by the columns that have it."""
    listed = [f"{', '.join(map(str, some))} ({several(names)})" for names, some in shown.items()]
    others = count - sum(map(len, shown.values()))
    first = "; ".join(listed) + f" and {others:,} more" * (others > 0)
    look = "looks" if count == 1 else "look"
    return f"{count:,} of {counted(rows, 'row')} {look} like nothing in training: {first}."
