"""Which column of a table each prepared input is of: to add up what inputs do, and to change a column's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators.explain.chords import Floats
from chainrule.estimators.tables.crossed import Crossed
from chainrule.estimators.tables.preprocessor import TablePreprocessor

Inputs = tuple[NDArray[np.floating], ...]
"""Rows as each part's networks take them, and then as the lookup does where there is one, (rows, inputs) each."""


@dataclass(frozen=True)
class TakenColumns:
    """What takes prepared rows.

    columns: the column of each input (inputs,), among those that anything uses.
    preprocessor: what prepares the rows; None without a table.
    """

    columns: NDArray[np.int64]
    preprocessor: TablePreprocessor | None

    @property
    def crossed(self) -> tuple[Crossed, ...]:
        """The pairs of columns with an input of their own, the last inputs."""
        return () if self.preprocessor is None else self.preprocessor.crossed_

    def by_column(self, values: Floats, columns: int) -> Floats:
        """Add up the values of the inputs (n, inputs) that a column became: (n, columns). A pair's is halved."""
        own = len(self.columns) - len(self.crossed)
        places, starts = np.unique(self.columns[:own], return_index=True)
        found = np.zeros((len(values), columns))
        found[:, places] = np.add.reduceat(values[:, :own], starts, axis=1)
        known = {place: column for place, column in zip(starts.tolist(), places.tolist(), strict=True)}
        for k, pair in enumerate(self.crossed):
            for side in (pair.first, pair.second):
                found[:, known[side.start]] += values[:, own + k] / 2
        return found

    def with_columns(
        self, inputs: NDArray[np.floating], other: NDArray[np.floating], columns: list[int]
    ) -> NDArray[np.floating]:
        """Return inputs with those of some columns taken from other rows, as many or one, and their pairs anew."""
        own = len(self.columns) - len(self.crossed)
        changed = np.array(inputs)
        chosen = np.flatnonzero(np.isin(self.columns[:own], columns))
        changed[:, chosen] = other[:, chosen]
        for k, pair in enumerate(self.crossed):
            changed[:, own + k] = pair.codes(changed[:, :own])
        return changed


def sources_of(preprocessor: TablePreprocessor | None, features: int) -> NDArray[np.int64]:
    """Return the column of the table that each input is of (inputs,). features: how many there are without a table."""
    if preprocessor is None:
        return np.arange(features)
    return np.array(preprocessor.sources_, np.int64)
