"""Read a table once for all preprocessors that know it, as those of the networks of a race do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators.tables import reading
from chainrule.estimators.tables.cells import read_for
from chainrule.estimators.tables.preprocessor import TablePreprocessor


def transform_each(preprocessors: Sequence[TablePreprocessor], X: object) -> list[NDArray[np.floating]]:
    """Return the inputs that each preprocessor makes of a table, which is read once if they know the same columns."""
    tables = _read_each(preprocessors, X)
    return [each.encoded(table) for each, table in zip(preprocessors, tables, strict=True)]


def transform_blocks(
    preprocessors: Sequence[TablePreprocessor], X: object
) -> Iterator[tuple[NDArray[np.floating], ...]]:
    """Iterate over what `transform_each` returns, some rows at a time: those of a block stay in the cache."""
    tables = _read_each(preprocessors, X)
    return zip(*(each.blocks(table) for each, table in zip(preprocessors, tables, strict=True)), strict=True)


def _read_each(preprocessors: Sequence[TablePreprocessor], X: object) -> list[reading.RawTable]:
    """Return a table as each preprocessor reads it: one for all if they know the same columns."""
    known = {
        (hasattr(each, "feature_names_in_"), tuple(column.name for column in each.learned_))
        for each in preprocessors
    }
    if len(known) > 1:
        return [_read_each([each], X)[0] for each in preprocessors]
    ((named, _),) = known
    return [read_for([each.learned_ for each in preprocessors], named, X)] * len(preprocessors)
