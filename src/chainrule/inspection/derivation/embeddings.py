"""The factors of embeddings: 1 for unchanged columns, 0 for codes, and those of a vector for numbers in its place.

Of a piecewise linear embedding these are slopes, of a periodic one a sum over its waves for each number of the vector.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import sums_by
from chainrule.formulas.layers import Embedding, PiecewiseLinearEmbedding
from chainrule.formulas.layers.in_place import InPlace
from chainrule.formulas.layers.periodic_embedding import Waves
from chainrule.formulas.layers.piecewise_linear_embedding import Located, heights
from chainrule.inspection.derivation.local_derivatives import Cells, Edge, Floats
from chainrule.inspection.derivation.markup import (
    Expression,
    Fraction,
    FunctionCall,
    Number,
    Partial,
    Product,
    Sum,
)


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


@dataclass(eq=False)
class PeriodicEdge(InPlaceEdge):
    """e = cos(t) W2 + b2, t = 2 pi w1 x + b1      de/dx = -2 pi sum_f w1_f sin(t_f) W2_f

    de/dw1_f = -2 pi x sin(t_f) W2_f      de/db1_f = -sin(t_f) W2_f      de/dW2_f = cos(t_f)      de/db2 = 1
    """

    waves: Waves

    @cached_property
    def factors(self) -> Floats:
        """1 for unchanged columns and x beside its vector, else de/dx: (batch, fan_out)"""
        of_wave = -2 * math.pi * self.params.w1 * np.sin(self.waves.t)  # (batch, k, frequencies)
        slopes = np.einsum("ikf,kfj->ikj", of_wave, self.params.W2)
        ones = np.ones((*slopes.shape[:2], 1))
        factors: Floats = self.in_place.put(
            np.ones(self.source.value.shape), np.concatenate([slopes, ones], 2)
        )
        return factors

    def factor(self, i: int, k: int, row: int, column: int) -> Expression:
        """1, or de/dx"""
        size = self.in_place.size
        if k not in self.places or column - self.sources.index(k) == size - 1:
            return Number(1.0)
        number = float(self.factors[i, column])
        return Partial(self.target.symbol(row, column), self.source.symbol(i, k), number)

    def parameter_cells(self, name: str, index: tuple[int, ...]) -> Cells:
        """Return the vector's numbers for a wave's w1 or b1; the one number that a W2 or a b2 contributes to."""
        t, waves = index[0], self.waves
        first = self.sources.index(int(self.in_place.embedded(self.link.fan_in)[t]))
        if name == "b2":
            return self.down_the_batch(first + index[1], np.ones(self.source.n))
        if name == "W2":
            return self.down_the_batch(first + index[2], waves.z[:, t, index[1]])
        W2 = self.params.W2[t, index[1]]  # (size - 1,)
        angle = -np.sin(waves.t[:, t, index[1]]) * (2 * math.pi * waves.x[:, t] if name == "w1" else 1.0)
        rows = np.repeat(np.arange(self.source.n), len(W2))
        columns = np.tile(first + np.arange(len(W2)), self.source.n)
        return Cells(rows, columns, np.outer(angle, W2).ravel())

    def parameter_factor(self, name: str, index: tuple[int, ...], row: int, column: int) -> Expression:
        """1, cos(t), -sin(t) W2 or -2 pi x sin(t) W2"""
        if name == "b2":
            return Number(1.0)
        t, f, letters = index[0], index[1], self.source.letters
        angle = letters.of_link(self.link, "t", letters.index(row, t, f), float(self.waves.t[row, t, f]))
        if name == "W2":
            return FunctionCall("cos", angle, math.cos(angle.value))
        source = self.sources[column]
        W2 = self.parameter("W2", t, f, column - self.sources.index(source))
        turn = (Number(2 * math.pi), self.source.symbol(row, source)) if name == "w1" else ()
        return Sum((-1, Product(*turn, FunctionCall("sin", angle, math.sin(angle.value)), W2)))
