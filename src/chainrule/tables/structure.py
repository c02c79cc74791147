"""What ties the rows of a fit together, their groups and their order in time, and a split that goes by it.

`splits` has the splits of such rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from difflib import get_close_matches
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import _num_samples

from chainrule.errors import ConfigError, DataError, instead, option
from chainrule.tables import kinds, reading
from chainrule.tables.column import Column
from chainrule.tables.kinds import Taken

SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
"""The units of a gap that is a text, such as "36h" """
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*")
MAX_SHOWN = 40
RowValues = ArrayLike | str
"""a value for each row, or the name of a column"""
Table = Any
"""a table of any kind, see `reading.read`"""


class RowStructure(NamedTuple):
    """Groups, of which a held-out one is held out whole, and times, of which the held-out ones are the later ones."""

    groups: NDArray[np.int64] | None = None
    """(n,) the number of each row's group, from 0; None without groups"""
    time: NDArray[np.float64] | None = None
    """(n,) when each row was, dates in seconds; None without an order"""
    gap: float = 0.0
    """what lies at least between a row that is learned from and a later one that is held out, in the units of time"""

    @property
    def is_free(self) -> bool:
        """Whether nothing ties rows together."""
        return self.groups is None and self.time is None

    def checked(self, rows: int) -> Self:
        """Return the structure of so many rows. Raises DataError for one of another number."""
        for name in ("groups", "time"):
            values = getattr(self, name)
            if values is not None and len(values) != rows:
                raise DataError(
                    f"{name} has {len(values)} values but X has {rows} rows; pass one for each row."
                )
        return self

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Return the structure of some of the rows."""
        groups = None if self.groups is None else self.groups[rows]
        return self._replace(groups=groups, time=None if self.time is None else self.time[rows])


FREE = RowStructure()
"""That of rows which neither belong together nor have an order."""


def read_structure(
    X: Table, groups: RowValues | None, time: RowValues | None, gap: float | str
) -> RowStructure:
    """Return the structure of the rows of X.

    groups, time: (n,) values, or the name of a column of the table X; None without.  gap: see `as_gap`.
    Raises DataError for missing values, a column that X does not have, and times that are neither numbers nor dates;
    ConfigError for a gap without time or of another kind.
    """
    of_groups, when, is_dates = None, None, False
    if groups is not None:
        column = column_of(X, groups, "groups")
        of_groups = np.unique(column.values, return_inverse=True)[1].reshape(-1).astype(np.int64)
    if time is not None:
        taken = _taken(X, time)
        when, is_dates = taken.values, taken.kind in ("date", "duration")
    elif gap:
        raise ConfigError(f"gap={gap!r} lies between times; also pass time to fit, or omit gap.")
    found = RowStructure(of_groups, when, as_gap(gap, is_dates))
    rows = None if found.is_free else count_of(X)
    return found if rows is None else found.checked(rows)


def count_of(X: Table) -> int | None:
    """Return the rows of a table, which is not read for it; None for one that does not say."""
    with suppress(TypeError):
        return int(_num_samples(next(iter(X.values()), ()) if isinstance(X, Mapping) else X))
    return None


def times_of(X: Table, time: RowValues | None) -> NDArray[np.float64] | None:
    """Return when each row of X was, (n,), dates in seconds; None for None."""
    return None if time is None else _taken(X, time).values


def as_gap(gap: float | str, is_dates: bool) -> float:
    """Return a gap in the units of times, or of dates in seconds.

    gap: a number for times that are numbers; for dates a text such as "36h", in s, min, h, d or w.
    Raises ConfigError for anything else.
    """
    if isinstance(gap, str):
        found = _DURATION.fullmatch(gap)
        if found is None or found[2] not in SECONDS:
            raise ConfigError(
                f"gap={gap[:MAX_SHOWN]!r} is no duration; write a number and a unit of {', '.join(SECONDS)}, as in "
                "'36h'."
            )
        seconds = float(found[1]) * SECONDS[found[2]]
    elif is_dates and gap:
        raise ConfigError(
            f"gap={gap:g} is a number, but time has dates; give a duration, such as '{gap:g}d'."
        )
    else:
        return float(gap)
    if not is_dates:
        raise ConfigError(
            f"gap={gap!r} is a duration, but time has numbers; give a number in their units, such as 1."
        )
    return seconds


def _taken(X: Table, time: RowValues) -> Taken:
    taken = kinds.take(column_of(X, time, "time"))
    if taken.kind == "category":
        raise DataError(
            f"{option('time')} must be numbers or dates, not text such as {taken.texts[0][:MAX_SHOWN]!r}; "
            + instead("convert it, for example by pandas.to_datetime.", "write it as 2024-01-31.")
        )
    return taken


def column_of(X: Table, given: RowValues, name: str) -> Column:
    """Return the values of the rows, from themselves or by the name of a column. Raises DataError for missing ones."""
    if isinstance(given, str):
        table = reading.read(X, known=[given])
        if not table.named or given not in table.names:
            near = get_close_matches(given, table.names if table.named else [], 1)
            raise DataError(
                f"{name}={given[:MAX_SHOWN]!r} is no column of X; "
                + (f"did you mean {near[0]!r}?" if near else "name one, or pass the values, one per row.")
            )
        column = table.columns[0]
    else:
        column = reading.read({name: given}, name).columns[0]
    missing = column.missing
    if missing.any():
        raise DataError(
            f"{name} is missing in {int(missing.sum())} of {len(missing)} rows, the first of them row "
            f"{int(missing.argmax())}; fill it in, or omit these rows."
        )
    return column


Rows = NDArray[np.int64]


class Split(NamedTuple):
    """The rows of one fit, each ascending; some may be in neither part."""

    train: Rows
    held_out: Rows


def check_split(split: Split, weight: NDArray[np.float64] | None = None) -> Split:
    """Return a split after a check that several rows are held out, and that rows count on both sides.

    weight: of all rows; None where each counts.  Raises DataError.
    """
    if len(split.held_out) < 2:
        raise DataError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
        )
    for part, are in (split.train, "learned from"), (split.held_out, "held out for early stopping"):
        if weight is not None and not weight[part].any():
            raise DataError(
                f"all rows that are {are} have a weight of 0; leave out the rows of weight 0, which do not count."
            )
    return split
