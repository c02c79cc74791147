"""Read a table once for all preprocessors that know it, as those of the networks of a race do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators.tables import reading
from chainrule.estimators.tables.few_rows import Numbers
from chainrule.estimators.tables.learned import LearnedColumn


class Preprocessor(Protocol):
    """What a `TablePreprocessor` is here."""

    @property
    def learned_(self) -> tuple[LearnedColumn, ...]:
        """What was learned of each column."""

    def encoded(self, table: reading.RawTable) -> NDArray[np.floating]:
        """Prepare a table that was read."""

    def blocks(self, table: reading.RawTable) -> Iterator[NDArray[np.floating]]:
        """Prepare it some rows at a time."""


def read_for(learned: Sequence[Sequence[LearnedColumn]], named: bool, X: object) -> reading.RawTable:
    """Read the columns of a table that preprocessors use, by what each has learned of the same columns.

    named: whether columns are matched by name.
    """
    used = [any(each.became != "dropped" for each in column) for column in zip(*learned, strict=True)]
    wanted = [each for each, is_used in zip(learned[0], used, strict=True) if is_used]
    places = [
        k
        for k, column in enumerate(zip(*learned, strict=True))
        if used[k] and all(each.kind == "number" or each.became == "dropped" for each in column)
    ]
    numbers = Numbers([learned[0][k].name for k in places] if named else (), places)
    return reading.read(X, known=[each.name for each in wanted] if named else None, numbers=numbers)


def transform_each(preprocessors: Sequence[Preprocessor], X: object) -> list[NDArray[np.floating]]:
    """Return the inputs that each preprocessor makes of a table, which is read once if they know the same columns."""
    tables = _read_each(preprocessors, X)
    return [each.encoded(table) for each, table in zip(preprocessors, tables, strict=True)]


def transform_blocks(
    preprocessors: Sequence[Preprocessor], X: object
) -> Iterator[tuple[NDArray[np.floating], ...]]:
    """Iterate over what `transform_each` returns, some rows at a time: those of a block stay in the cache."""
    tables = _read_each(preprocessors, X)
    return zip(*(each.blocks(table) for each, table in zip(preprocessors, tables, strict=True)), strict=True)


def _read_each(preprocessors: Sequence[Preprocessor], X: object) -> list[reading.RawTable]:
    """Return a table as each preprocessor reads it: one for all if they know the same columns."""
    known = {
        (hasattr(each, "feature_names_in_"), tuple(column.name for column in each.learned_))
        for each in preprocessors
    }
    if len(known) > 1:
        return [_read_each([each], X)[0] for each in preprocessors]
    ((named, _),) = known
    return [read_for([each.learned_ for each in preprocessors], named, X)] * len(preprocessors)
