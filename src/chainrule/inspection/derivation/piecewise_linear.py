"""The factors of a piecewise linear embedding: 1 for unchanged columns, slopes for embedded ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from chainrule.formulas.layers import PiecewiseLinearEmbedding
from chainrule.formulas.layers.piecewise_linear_embedding import Located, heights
from chainrule.inspection.derivation.in_place import InPlaceEdge
from chainrule.inspection.derivation.local_derivatives import Cells, Floats
from chainrule.inspection.derivation.markup import Expression, Fraction, Number, Sum


@dataclass(eq=False)
class PiecewiseLinearEdge(InPlaceEdge):
    """e = x w0 + b0 + sum_b h_b E_b      de/dx = w0 + E_j / width_j, j the bin of x

    de/dw0 = x      de/db0 = 1      de/dE_b = h_b
    """

    found: Located

    @property
    def layer(self) -> PiecewiseLinearEmbedding:
        """The layer."""
        assert isinstance(self.link.layer, PiecewiseLinearEmbedding)
        return self.link.layer

    @cached_property
    def factors(self) -> Floats:
        """d out[i, column] / d x[i, sources[column]], (batch, fan_out)"""
        slopes = self.layer.slopes(self.params, self.found)
        factors: Floats = self.layer.put(np.ones(self.source.value.shape), slopes)
        return factors

    def factor(self, i: int, k: int, row: int, column: int) -> Expression:
        """w0 + E_j / width_j, w0 for a column without bins, or 1"""
        if k not in self.places:
            return Number(1.0)
        t, j = self.places[k], column - self.sources.index(k)
        b, slope = int(self.found.bin[i, t]), float(self.found.slope[i, t])
        w0 = self.parameter("w0", t, j)
        return Sum(w0, Fraction(self.parameter("E", t, b, j), Number(1 / slope))) if slope else w0

    def parameter_cells(self, name: str, index: tuple[int, ...]) -> Cells:
        """Return the parameter's column of the output: all of it, or for E_b the samples in or above bin b."""
        t, j = index[0], index[-1]
        column = self.sources.index(int(self.layer.embedded(self.link.fan_in)[t])) + j
        if name != "E":
            return self.down_the_batch(column, self.found.x[:, t] if name == "w0" else np.ones(self.source.n))
        h = self._heights[:, t, index[1]]
        rows = np.flatnonzero(self.found.bin[:, t] >= index[1])
        return Cells(rows, np.full(len(rows), column), h[rows])

    def parameter_factor(self, name: str, index: tuple[int, ...], row: int, column: int) -> Expression:
        """x, 1 or h"""
        t = index[0]
        if name == "w0":
            return self.source.symbol(row, self.sources[column])
        if name == "b0" or self.found.bin[row, t] > index[1]:
            return Number(1.0)
        letters, h = self.source.letters, float(self._heights[row, t, index[1]])
        return letters.of_link(self.link, "h", letters.index(row, t, index[1]), h)

    @cached_property
    def _heights(self) -> Floats:
        values: Floats = heights(self.found, self.layer.bins)
        return values
