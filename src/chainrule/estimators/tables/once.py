"""Read a table once for all preprocessors that know it, as those of the networks of a race do."""

from __future__ import annotations

from collections.abc import Sequence
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

    def transform(self, X: object) -> NDArray[np.floating]:
        """Prepare a table."""

    def encoded(self, table: reading.RawTable) -> NDArray[np.floating]:
        """Prepare a table that was read."""


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
    if len(preprocessors) == 1:
        return [preprocessors[0].transform(X)]
    known = {
        (hasattr(each, "feature_names_in_"), tuple(column.name for column in each.learned_))
        for each in preprocessors
    }
    if len(known) > 1:
        return [each.transform(X) for each in preprocessors]
    ((named, _),) = known
    table = read_for([each.learned_ for each in preprocessors], named, X)
    return [each.encoded(table) for each in preprocessors]
