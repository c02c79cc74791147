"""The factors of elementwise links: an activation, a mask, a factor per column."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.formulas.activations import prelu_slope_prime
from chainrule.formulas.layers import Activation, Identity
from chainrule.inspection.derivation.local_derivatives import Cells, Edge, Floats
from chainrule.inspection.derivation.markup import Expression, Fraction, FunctionCall, Number, Product, Sum


@dataclass(eq=False)
class CellwiseEdge(Edge):
    """An edge between single cells: target[i, offset + k] depends on source[i, k], by factors[i, k]."""

    factors: Floats  # (batch, source width)
    offset: int = 0

    def backward(self, delta: Floats) -> Floats:
        """factors * delta"""
        return self.factors * delta[:, self.offset : self.offset + self.factors.shape[1]]

    def backward_size(self, size: Floats) -> Floats:
        """|factors| * size"""
        return np.abs(self.factors) * size[:, self.offset : self.offset + self.factors.shape[1]]

    def cells(self, i: int, k: int) -> Cells:
        """Return the single cell that depends on this cell."""
        return Cells(np.array([i]), np.array([self.offset + k]), self.factors[i, k : k + 1])

    def factor(self, i: int, k: int, row: int, column: int) -> Expression:
        """Return a constant; subclasses may write a formula."""
        return Number(float(self.factors[i, k]))


class ActivationEdge(CellwiseEdge):
    """a = f(z)      da[i,k]/dz[i,k] = f'(z[i,k])"""

    def factor(self, i: int, k: int, row: int, column: int) -> Expression:
        """f'(z)"""
        number = float(self.factors[i, k])
        kind = self.link.layer.kind
        return (
            Number(1.0)
            if kind == "identity"
            else FunctionCall(kind, self.source.symbol(i, k), number, prime=True)
        )


@dataclass(eq=False)
class PReLUEdge(ActivationEdge):
    """a = max(z, 0) + slope min(z, 0)      da/dz = 1 where z > 0, else slope      da/dslope = min(z, 0)"""

    params: Any = None

    def factor(self, i: int, k: int, row: int, column: int) -> Expression:
        """1 or the slope"""
        if self.source.value[i, k] > 0:
            return super().factor(i, k, row, column)
        return self.source.letters.parameter(self.link, "slope", (k,), float(self.params.slope[k]))

    def parameter_cells(self, name: str, index: tuple[int, ...]) -> Cells:
        """Return all cells of one column."""
        z, a = self.source.value, self.target.value
        return self.down_the_batch(index[0], prelu_slope_prime(z, a, self.params.slope)[:, index[0]])

    def parameter_factor(self, name: str, index: tuple[int, ...], row: int, column: int) -> Expression:
        """z where it is not above 0, else 0"""
        z = self.source.symbol(row, index[0])
        return Number(0.0) if z.value > 0 else z


@dataclass(eq=False)
class ParametricEdge(ActivationEdge):
    """a = z + alpha (f(z) - z)      da/dz = 1 + alpha (f'(z) - 1)      da/dalpha = f(z) - z"""

    params: Any = None
    function: Activation = field(default_factory=Identity)  # f

    def factor(self, i: int, k: int, row: int, column: int) -> Expression:
        """1 + alpha[k] (f'(z) - 1)"""
        z, alpha = self.source.value[i, k], float(self.params.alpha[k])
        slope = float(self.function.prime(z, self.function.f(z)))
        prime = FunctionCall(self.function.kind, self.source.symbol(i, k), slope, prime=True)
        factor = self.source.letters.parameter(self.link, "alpha", (k,), alpha)
        return Sum(Number(1.0), Product(factor, Sum(prime, (-1, Number(1.0)))))

    def parameter_cells(self, name: str, index: tuple[int, ...]) -> Cells:
        """Return all cells of one column."""
        z = self.source.value[:, index[0]]
        return self.down_the_batch(index[0], self.function.f(z) - z)

    def parameter_factor(self, name: str, index: tuple[int, ...], row: int, column: int) -> Expression:
        """f(z) - z"""
        z = self.source.symbol(row, index[0])
        f = FunctionCall(self.function.kind, z, float(self.function.f(np.float64(z.value))))
        return Sum(f, (-1, z))


@dataclass(eq=False)
class MultipliedEdge(CellwiseEdge):
    """out = a p, with p the parameter the layer multiplies by      d out/da = p      d out/dp = a"""

    params: Any = None

    def factor(self, i: int, k: int, row: int, column: int) -> Expression:
        """p[k]"""
        return self.source.letters.parameter(
            self.link, self.link.layer.multiplies_by, (k,), float(self.factors[i, k])
        )

    def parameter_cells(self, name: str, index: tuple[int, ...]) -> Cells:
        """Return all cells of one column."""
        return self.down_the_batch(index[0], self.source.value[:, index[0]])

    def parameter_factor(self, name: str, index: tuple[int, ...], row: int, column: int) -> Expression:
        """a[i,k]"""
        return self.source.symbol(row, index[0])


class MaskEdge(CellwiseEdge):
    """out = a * mask      d out / da = mask"""

    def factor(self, i: int, k: int, row: int, column: int) -> Expression:
        """mask[i,k]"""
        letters, number = self.source.letters, float(self.factors[i, k])
        return letters.of_link(self.link, "mask", letters.index(i, k), number, "m")


class OverDeviationEdge(CellwiseEdge):
    """out = (a - mean) / std with fixed statistics      d out / da = 1 / std"""

    def factor(self, i: int, k: int, row: int, column: int) -> Expression:
        """1 / std[k]"""
        std = float(1 / self.factors[i, k])
        return Fraction(Number(1.0), self.source.letters.of_link(self.link, "std", str(k), std, "sigma"))
