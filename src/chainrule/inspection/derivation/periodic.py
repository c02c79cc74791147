"""The factors of a periodic embedding: 1 from a column to itself, a sum over its waves to each number of the vector."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from chainrule.formulas.layers.periodic_embedding import Waves
from chainrule.inspection.derivation.in_place import InPlaceEdge
from chainrule.inspection.derivation.local_derivatives import Cells, Floats
from chainrule.inspection.derivation.markup import Expression, FunctionCall, Number, Partial, Product, Sum


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
