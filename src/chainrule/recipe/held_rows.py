"""The test rows of a table: drawn at random, or whole groups and what comes later where rows belong together.

The columns of groups and times are named by the settings of a run. What is held out within the fit, for early stopping,
in a race or in a search, is held out in the same way.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.random import generator
from chainrule.data.checks import check_seed
from chainrule.errors import ConfigError, DataError, option
from chainrule.estimators.fit.splits import holdout
from chainrule.estimators.fit.structure import FREE, RowStructure, read_structure
from chainrule.estimators.rows import rows_of
from chainrule.recipe.columns import TargetColumn, pick
from chainrule.recipe.settings import Settings

TEST_SHARE = 0.2
FEWEST = 10
"""The minimum rows with a target for a split into three parts."""


class TiedRows(NamedTuple):
    """The columns of a table by which its rows belong together, or have an order; None without."""

    groups: Any = None
    time: Any = None
    gap: float | str = 0
    names: Mapping[str, str] = {}
    """those of the two columns, by "groups" and "time" """

    def structure(self, rows: NDArray[np.int64]) -> RowStructure:
        """Return the structure of some rows of the table."""
        if self.groups is None and self.time is None:
            return FREE
        return read_structure(None, rows_of(self.groups, rows), rows_of(self.time, rows), self.gap)


FREE_ROWS = TiedRows()
"""Of a table whose rows nothing ties together."""


def tied_rows(
    columns: Mapping[str, Any],
    target: str,
    settings: Settings,
    source: str | os.PathLike[str],
) -> TiedRows:
    """Return the columns that the settings name. Raises ConfigError for one that is not there, or the target."""
    names: dict[str, str] = {}
    for kind in ("groups", "time"):
        asked = getattr(settings, kind)
        if asked is None:
            continue
        names[kind] = pick(asked, columns, f"{source}", kind)
        if names[kind] == target:
            raise ConfigError(f"{option(kind)} names {target!r}, the column to predict; name another.")
    gap = gap_of(settings)
    if gap and "time" not in names:
        raise ConfigError(
            f"{option('gap')} lies between times; also name their column with {option('time')}."
        )
    groups, time = (columns.get(names.get(kind, "")) for kind in ("groups", "time"))
    return TiedRows(groups, time, gap, names)


def gap_of(settings: Settings) -> float | str:
    """Return the gap of the settings as an estimator takes it: a number, or the text of a duration."""
    if settings.gap is None:
        return 0
    try:
        return float(settings.gap)
    except ValueError:
        return settings.gap


def divide(
    target: TargetColumn, seed: int, source: str, tied: TiedRows = FREE_ROWS
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw the training and the test rows among those with a target, each ascending.

    Each class is split in this ratio, and a class with a single row is trained on. Tied rows are split by
    `chainrule.estimators.fit.splits`, with rows within the gap in neither part.
    Raises DataError for fewer than FEWEST rows, and ConfigError for a seed that is none.
    """
    n, seed = len(target.y), check_seed(seed)
    if n < FEWEST:
        raise DataError(
            f"{source} has {n} row{'s' * (n != 1)} with a target; at least {FEWEST} are needed for training, "
            "validation and testing."
        )
    structure = tied.structure(target.rows)
    if not structure.is_free:
        labels = None if target.is_number else np.asarray(target.y)
        return holdout(structure, TEST_SHARE, labels, np.random.RandomState(seed))
    order: NDArray[np.int64] = generator(seed, "split", 1).permutation(n)
    if target.is_number:
        count = round(TEST_SHARE * n)
        return np.sort(order[count:]), np.sort(order[:count])
    _, codes = np.unique(target.y, return_inverse=True)
    order = order[np.argsort(codes[order], kind="stable")]  # class by class, each in random order
    starts = np.searchsorted(codes[order], np.arange(codes.max() + 1))
    place = np.arange(n) - starts[codes[order]]  # (n,) the index of each row within its class
    test = np.floor((place + 0.5) * TEST_SHARE + 0.5) > np.floor((place - 0.5) * TEST_SHARE + 0.5)
    if not test.any():
        test[np.flatnonzero(place > 0)[:1]] = True
    return np.sort(order[~test]), np.sort(order[test])
