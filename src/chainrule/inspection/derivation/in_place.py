"""The factors of an in-place embedding: 1 for unchanged columns, those of a vector for embedded ones."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.core.arrays import sums_by
from chainrule.formulas.layers.in_place import InPlace
from chainrule.inspection.derivation.local_derivatives import Cells, Edge, Floats
from chainrule.inspection.derivation.markup import Expression


@dataclass(eq=False)
class InPlaceEdge(Edge):
    """Each number of the output depends on one column of x."""

    params: Any

    @property
    @abstractmethod
    def factors(self) -> Floats:
        """d out[i, column] / d x[i, sources[column]], (batch, fan_out)"""

    @property
    def in_place(self) -> InPlace:
        """The layer."""
        assert isinstance(self.link.layer, InPlace)
        return self.link.layer

    @cached_property
    def sources(self) -> list[int]:
        """The column of x for each column of the output."""
        columns = self.in_place.sources(self.link.fan_in)
        assert columns is not None
        return [int(k) for k in columns]

    @cached_property
    def places(self) -> dict[int, int]:
        """The index of each embedded column of x among the parameters."""
        return {int(k): t for t, k in enumerate(self.in_place.embedded(self.link.fan_in))}

    def backward(self, delta: Floats) -> Floats:
        """sum over the column's numbers of factor delta"""
        return self.gathered(self.factors * delta)

    def backward_size(self, size: Floats) -> Floats:
        """sum over the column's numbers of |factor| size"""
        return self.gathered(np.abs(self.factors) * size)

    def gathered(self, values: Floats) -> Floats:
        """Sum values of the output (batch, fan_out) by the column of x that they depend on."""
        summed: Floats = sums_by(np.array(self.sources), values.T, self.link.fan_in).T
        return summed

    def cells(self, i: int, k: int) -> Cells:
        """Return the vector of an embedded column, or the one cell of an unchanged column."""
        at = np.flatnonzero(np.array(self.sources) == k)
        return Cells(np.full(len(at), i), at, self.factors[i, at])

    def parameter(self, name: str, *index: int) -> Expression:
        """Return the symbol of a parameter."""
        number = float(getattr(self.params, name)[index])
        return self.source.letters.parameter(self.link, name, index, number)
