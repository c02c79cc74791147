"""The factors of an embedding: 1 for unchanged columns and for numbers of a vector, 0 for codes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.formulas.layers import Embedding
from chainrule.inspection.derivation.local_derivatives import Cells, Edge, Floats
from chainrule.inspection.derivation.markup import Expression, Number


@dataclass(eq=False)
class EmbeddingEdge(Edge):
    """out = [x_rest, E1[x_c1], ...]      d out[i, from + j]/dE[c,j] = 1 for the samples i with code c"""

    params: Any

    @property
    def layer(self) -> Embedding:
        """The layer."""
        assert isinstance(self.link.layer, Embedding)
        return self.link.layer

    @cached_property
    def rest(self) -> list[int]:
        """The columns of x without codes, in the order of the output."""
        return [int(k) for k in self.layer.rest(self.link.fan_in)]

    @cached_property
    def codes(self) -> tuple[NDArray[np.int64], ...]:
        """The code (batch,) of each table."""
        return self.layer.codes(self.source.value)

    def backward(self, delta: Floats) -> Floats:
        """delta for an unchanged column, 0 for a code"""
        delta_x = np.zeros(self.source.value.shape)
        delta_x[:, self.rest] = delta[:, : len(self.rest)]
        return delta_x

    def cells(self, i: int, k: int) -> Cells:
        """Return the cell of an unchanged column; none for a code."""
        at = [self.rest.index(k)] if k in self.rest else []
        return Cells(np.full(len(at), i), np.array(at, np.int64), np.ones(len(at)))

    def factor(self, i: int, k: int, row: int, column: int) -> Expression:
        """1"""
        return Number(1.0)

    def parameter_cells(self, name: str, index: tuple[int, ...]) -> Cells:
        """Return the number's output column for the samples with its code."""
        table, (code, j) = self.params._fields.index(name), index
        rows = np.flatnonzero(self.codes[table] == code)
        size = self.layer.columns[table][2]
        column = self.layer.ends(self.link.fan_out)[table] - size + j
        return Cells(rows, np.full(len(rows), column), np.ones(len(rows)))
