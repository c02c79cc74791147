"""The table in front of a network: what `preprocess` asks for, and what the network is told of its columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import clone

from chainrule.estimators.fit.data import FitInput
from chainrule.estimators.fit.structure import left_out, times_of
from chainrule.estimators.tables.preprocessor import TablePreprocessor
from chainrule.estimators.tables.reading import RawTable
from chainrule.formulas.layers import Embedding
from chainrule.network.constraints import Constraints


def fitted(
    preprocess: object,
    given: FitInput,
    table: RawTable,
    y: object,
    dtype: str | None,
    settings: Mapping[str, Any] = {},
) -> TablePreprocessor:
    """Return a preprocessor that has learned a table: a new one for "auto", or a copy of the one given.

    given: what a fit is given, whose X was read as the table.  y: its targets, by which the preprocessor decides how
    many rows a category needs.  settings: of the new one.
    A row of the median weight counts as one row, whatever the sum of weights: min_count counts rows.
    """
    if isinstance(preprocess, TablePreprocessor):
        made: TablePreprocessor = clone(preprocess)
    else:
        made = TablePreprocessor(dtype=dtype or "float32", **settings)
    if dropped := left_out(given.groups):
        made.set_params(kinds={**(made.kinds or {}), **dict.fromkeys(dropped, "drop")})
    time = times_of(table, given.time)
    weight = np.asarray(1.0 if given.sample_weight is None else given.sample_weight, np.float64)
    if weight.ndim == 0:
        return made.fit(table, y, time=time)
    some = weight[weight > 0]
    return made.fit(table, y, sample_weight=weight / np.median(some) if len(some) else weight, time=time)


def embedding(preprocessor: TablePreprocessor | None) -> list[Embedding]:
    """Return the layer of the vectors of codes, if a table has columns of codes."""
    codes = () if preprocessor is None else preprocessor.embedded_
    return [Embedding(codes)] if codes else []


def numbers(preprocessor: TablePreprocessor | None) -> tuple[int, ...]:
    """Return the places of a table's scaled numbers behind the layer of `embedding`, which puts codes last."""
    if preprocessor is None:
        return ()
    codes = np.array([each[0] for each in preprocessor.embedded_], np.int64)
    return tuple(int(place - (codes < place).sum()) for place in preprocessor.numbers_)


def monotone(preprocessor: TablePreprocessor | None, constraints: Constraints | None) -> frozenset[int]:
    """Return those of `numbers` whose direction is constrained."""
    if preprocessor is None or constraints is None or not constraints.monotone:
        return frozenset()
    pairs = zip(numbers(preprocessor), preprocessor.numbers_, strict=True)
    return frozenset(place for place, output in pairs if constraints.monotone[output])


def sources(preprocessor: TablePreprocessor | None) -> tuple[int, ...]:
    """Return the table's column that each input behind the layer of `embedding` is of."""
    if preprocessor is None:
        return ()
    codes = {column: size for column, _, size in preprocessor.embedded_}
    rest = [source for place, source in enumerate(preprocessor.sources_) if place not in codes]
    return (*rest, *(preprocessor.sources_[column] for column, size in codes.items() for _ in range(size)))
