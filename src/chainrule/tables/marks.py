"""Numbers that stand for missing values, such as -999: nines that stand apart from all other numbers of a column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.core import hints
from chainrule.errors import ConfigError, TableWarning

Marks: TypeAlias = Mapping[str, tuple[float, ...]]
"""those that a user names, by column"""
CODE = -9.0
"""a mark of whole numbers alone, such as the codes of a survey"""
_NINES = [10**digits - 1 for digits in range(2, 10)]
MARKS = np.array(
    sorted(
        {
            sign * number
            for number in (*_NINES, 99.9, 999.9, 9999.9, 99.99, 999.99, 9999.99)
            for sign in (-1.0, 1.0)
        }
        | {CODE, -32768.0, -2147483648.0, 2147483647.0}
    )
)
"""The numbers that are looked for: two to nine nines, some with one or two of them behind the point, and ends of
integers, and CODE."""
FEWEST_OTHERS = 10
"""the rows with other numbers from which marks are looked for"""
MOST = 20
"""the most marks of a column"""
TIMES = 5.0
"""how many times as far from the others a mark is as any two of these from one another"""


def find(values: NDArray[np.float64]) -> tuple[float, ...]:
    """Return the numbers of a column that stand for missing ones.

    They are of MARKS, in two rows or more, and below or above all other numbers: farther from these than 90 % of them
    are apart, and than TIMES the widest gap between two neighbors; or negative where all others are not. CODE is one
    only among whole numbers.
    values: (n,), NaN for missing.
    """
    there = values[~np.isnan(values)]
    if len(there) < FEWEST_OTHERS or not np.isin([there.min(), there.max()], MARKS).any():
        return ()
    distinct, counts = np.unique(there, return_counts=True)
    marks = np.isin(distinct, MARKS) & (counts > 1)
    if not np.array_equal(distinct, np.rint(distinct)):
        marks &= distinct != CODE
    while marks.any():
        rest = distinct[~marks]
        if len(rest) < 2 or counts[~marks].sum() < FEWEST_OTHERS:
            return ()
        bulk = np.quantile(np.repeat(rest, counts[~marks]), (0.05, 0.95))
        least = max(float(np.ptp(bulk)), TIMES * float(np.diff(rest).max()))
        among = [k for k in np.flatnonzero(marks).tolist() if not _is_apart(distinct[k], rest, least)]
        if not among:
            break
        marks[among] = False
    return tuple(distinct[marks].tolist())


def _is_apart(mark: float, rest: NDArray[np.float64], least: float) -> bool:
    low, high = float(rest[0]), float(rest[-1])
    return bool(mark < 0 <= low or low - mark > least or mark - high > least)


def without(values: NDArray[np.float64], marks: tuple[float, ...]) -> NDArray[np.float64]:
    """Return numbers with the marks as missing ones."""
    return np.where(np.isin(values, marks), np.nan, values) if marks else values


def of_column(name: str, values: NDArray[np.float64], missing: Marks | None) -> tuple[float, ...]:
    """Return the numbers of a column that stand for missing ones: named in `missing`, or found with a word."""
    if missing is None or name in missing:
        return () if missing is None else missing[name]
    if found := find(values):
        tell_marks(name, values, found)
    return found


def tell_marks(name: str, values: NDArray[np.float64], marks: tuple[float, ...]) -> None:
    """Say which numbers of a column were found to stand for missing ones."""
    rest = without(values, marks)
    counted = ", ".join(f"{mark:.10g} in {int((values == mark).sum()):,} rows" for mark in marks)
    ends = {"low": f"{np.nanmin(rest):.6g}", "high": f"{np.nanmax(rest):.6g}"}
    said = (
        f"column {name!r} has {counted}, apart from its other numbers, {ends['low']} to {ends['high']}: taken for "
        "missing values. If it is a number as the others, pass "
        f"TablePreprocessor(missing={{{name!r}: []}}) as preprocess."
    )
    facts = {"column": repr(name), "marks": "、".join(f"{mark:.10g}" for mark in marks), **ends}
    rows = int(np.isin(values, marks).sum())
    hints.give(TableWarning(said, "marks", rows=rows, **facts))


def check_missing(missing: object) -> Marks | None:
    """Check what a user says of numbers that stand for missing ones; return those by column, None to look for none.

    missing: "auto", None, or a dict from columns to a number or a list of numbers.  Raises ConfigError.
    """
    if missing is None or (isinstance(missing, str) and missing == "auto"):
        return None if missing is None else {}
    if isinstance(missing, Mapping) and all(isinstance(name, str) for name in missing):
        found = {name: _numbers(value) for name, value in missing.items()}
        made = {name: each for name, each in found.items() if each is not None}
        if len(made) == len(missing):
            return made
    raise ConfigError(
        "missing must be 'auto', None, or a dict from column names to the numbers that stand for missing ones, such as "
        f"{{'age': [-1, 999]}}, not {missing!r:.80}."
    )


def _numbers(value: object) -> tuple[float, ...] | None:
    """Return a number or several as a tuple; None for anything else, and for more than MOST."""
    given: list[Any] = (
        list(value) if isinstance(value, Iterable) and not isinstance(value, (str, bytes)) else [value]
    )
    is_good = len(given) <= MOST and all(
        isinstance(each, (int, float, np.integer, np.floating))
        and not isinstance(each, bool)
        and np.isfinite(each)
        for each in given
    )
    return tuple(sorted({float(each) for each in given})) if is_good else None
