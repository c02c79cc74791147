"""The factors of a derivation: the local derivative of each kind of link, by its formula."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Params, sums_by
from chainrule.errors import ConfigError
from chainrule.formulas.activations import leaky_relu_prime, prelu_slope_prime, softmax_pullback
from chainrule.formulas.layers import (
    ACTIVATIONS,
    Activation,
    BatchNorm,
    Context,
    Embedding,
    Identity,
    Link,
    Operation,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
    Softmax,
)
from chainrule.formulas.layers.in_place import InPlace
from chainrule.formulas.layers.periodic_embedding import Waves
from chainrule.formulas.layers.piecewise_linear_embedding import Located, heights
from chainrule.inspection.derivation.letters import Letters
from chainrule.inspection.derivation.markup import (
    Expression,
    Fraction,
    FunctionCall,
    Number,
    Partial,
    Product,
    Sum,
    Symbol,
)
from chainrule.trained.derivatives import MeanAnswer

# --- the factors of the chain rule: the derivative of each number of a trace by each number one link before it -------
# A `Variable` is the output of one link, a (batch, width) array of cells. An `Edge` leads from a variable to one
# computed from it, and provides d target cell / d source cell for each pair: as an array for computing, and as an
# expression for display. No formula here calls a link's `backward`: the result is compared with it.

Floats = NDArray[np.float64]


class Cells(NamedTuple):
    """Cells of a variable with a factor each: three arrays of the same length."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    factors: Floats


@dataclass(eq=False)
class Variable:
    """The output of a link (batch, width), and the edges that use it; link None is the input."""

    link: Link | None
    value: Floats
    letters: Letters
    first: int = 0
    """the number of the first column: 1 where only the second of two classes has one"""
    edges: list[Edge] = field(default_factory=list)
    """towards the loss; empty for the output"""

    def symbol(self, i: int, k: int) -> Symbol:
        """Return a cell's symbol with its value."""
        return self.letters.cell(self.link, i, self.first + k, float(self.value[i, k]))

    @property
    def n(self) -> int:
        """The number of samples."""
        return len(self.value)


@dataclass(eq=False)
class Edge(ABC):
    """An edge from a source to a target, through one link."""

    link: Link
    source: Variable
    target: Variable

    @abstractmethod
    def backward(self, delta: Floats) -> Floats:
        """sum over target cells of factor * delta, for each source cell: (batch, source width) from dL/d target."""

    def backward_size(self, size: Floats) -> Floats:
        """sum over target cells of |factor| * size: the size of the terms of `backward`; here of factors above 0."""
        return self.backward(size)

    def paths(self, counts: Floats, live: bool) -> Floats:
        """Return the paths from each source cell, given those from each target cell; here of factors of 1.

        live: without those with a factor of 0.
        """
        return self.backward(counts)

    @abstractmethod
    def cells(self, i: int, k: int) -> Cells:
        """Return the target cells that depend on a source cell, with their factors."""

    @abstractmethod
    def factor(self, i: int, k: int, row: int, column: int) -> Expression:
        """d target[row, column] / d source[i, k]"""

    def parameter_cells(self, name: str, index: tuple[int, ...]) -> Cells:
        """Return the target cells that depend on a parameter, with their factors."""
        raise NotImplementedError

    def parameter_factor(self, name: str, index: tuple[int, ...], row: int, column: int) -> Expression:
        """d target[row, column] / d parameter; here 1, as of whatever is only added or copied"""
        return Number(1.0)

    def down_the_batch(self, column: int, factors: Floats) -> Cells:
        """Return the cells of one column of the target, one per sample."""
        return Cells(np.arange(len(factors)), np.full(len(factors), column), factors)


def is_nonzero(factors: Floats) -> NDArray[np.bool_]:
    """Return for each factor whether it is not 0."""
    return np.asarray(factors != 0)


class FactoredEdge(Edge):
    """An edge with its factors in an array, of which one sum back has the derivatives, their sizes and the paths."""

    @abstractmethod
    def sum_back(self, values: Floats, by: Callable[[Floats], Any]) -> Floats:
        """sum over target cells of by(factor) * value, for each source cell"""

    def backward(self, delta: Floats) -> Floats:
        """sum over target cells of factor * delta"""
        return self.sum_back(delta, np.asarray)

    def backward_size(self, size: Floats) -> Floats:
        """sum over target cells of |factor| * size"""
        return self.sum_back(size, np.abs)

    def paths(self, counts: Floats, live: bool) -> Floats:
        """The sum of the counts, live of those with a factor"""
        return self.sum_back(counts, is_nonzero if live else np.ones_like)


@dataclass(eq=False)
class DenseEdge(FactoredEdge):
    """z = a W + b      dz[i,j]/da[i,k] = W[k,j]      dz[i,j]/dW[k,j] = a[i,k]      dz[i,j]/db[j] = 1"""

    params: Any

    def sum_back(self, values: Floats, by: Callable[[Floats], Any]) -> Floats:
        """sum_j W[k,j] values[i,j], with by(W)"""
        return np.asarray(values @ by(self.params.W).T)

    def cells(self, i: int, k: int) -> Cells:
        """Return all cells of row i: a dense output depends on every input of its row."""
        W = self.params.W
        return Cells(np.full(W.shape[1], i), np.arange(W.shape[1]), W[k])

    def factor(self, i: int, k: int, row: int, column: int) -> Expression:
        """W[k,j]"""
        number = float(self.params.W[k, column])
        return self.source.letters.parameter(self.link, "W", (k, column), number)

    def parameter_cells(self, name: str, index: tuple[int, ...]) -> Cells:
        """Return all cells of one column."""
        a = self.source.value
        return self.down_the_batch(index[-1], a[:, index[0]] if name == "W" else np.ones(len(a)))

    def parameter_factor(self, name: str, index: tuple[int, ...], row: int, column: int) -> Expression:
        """a[i,k], or 1"""
        return self.source.symbol(row, index[0]) if name == "W" else Number(1.0)


class SoftmaxEdge(Edge):
    """a = softmax(z)      da[i,j]/dz[i,k] = a[i,j] ([j = k] - a[i,k])"""

    def backward(self, delta: Floats) -> Floats:
        """a[i,k] (delta[i,k] - sum_j delta[i,j] a[i,j])"""
        return np.asarray(softmax_pullback(self.target.value, delta))

    def backward_size(self, size: Floats) -> Floats:
        """a[i,k] (size[i,k] + sum_j size[i,j] a[i,j])"""
        a = self.target.value
        pulled: Floats = a * (size + (size * a).sum(1, keepdims=True))
        return pulled

    def paths(self, counts: Floats, live: bool) -> Floats:
        """sum_j counts[i,j]"""
        return np.broadcast_to(counts.sum(1, keepdims=True), counts.shape)

    def cells(self, i: int, k: int) -> Cells:
        """Return all cells of row i: softmax mixes the row."""
        a = self.target.value[i]
        return Cells(np.full(len(a), i), np.arange(len(a)), a * ((np.arange(len(a)) == k) - a[k]))

    def factor(self, i: int, k: int, row: int, column: int) -> Expression:
        """a_k (1 - a_k), or -a_j a_k"""
        a_j, a_k = self.target.symbol(i, column), self.target.symbol(i, k)
        if column == k:
            return Product(a_k, Sum(Number(1.0), (-1, a_k)))
        return Sum((-1, Product(a_j, a_k)))


@dataclass(eq=False)
class BatchNormEdge(Edge):
    """out = gamma x_hat + beta with batch statistics: every sample affects every other.

    d out[i',k] / da[i,k] = gamma[k]/std[k] ([i' = i] - 1/m - x_hat[i,k] x_hat[i',k] / m)
    d out[i,k] / dgamma[k] = x_hat[i,k]      d out[i,k] / dbeta[k] = 1
    With running statistics, which are constant: d out[i,k] / da[i,k] = gamma[k]/std[k].
    """

    params: Any
    x_hat: Floats  # (batch, width)
    std: Floats  # (width,)  sqrt(var + eps)
    training: bool

    def backward(self, delta: Floats) -> Floats:
        """gamma/std (delta - mean_i delta_i - x_hat mean_i (delta_i x_hat_i))"""
        scale: Floats = self.params.gamma / self.std
        if not self.training:
            return scale * delta
        rest: Floats = delta.mean(0) + self.x_hat * (delta * self.x_hat).mean(0)
        return scale * (delta - rest)

    def backward_size(self, size: Floats) -> Floats:
        """|gamma/std| (size + mean_i size_i + |x_hat| mean_i (size_i |x_hat_i|))"""
        scale: Floats = np.abs(self.params.gamma / self.std)
        x_hat = np.abs(self.x_hat)
        return scale * (size + size.mean(0) + x_hat * (size * x_hat).mean(0) if self.training else size)

    def paths(self, counts: Floats, live: bool) -> Floats:
        """sum_i counts[i,k] with batch statistics, else counts"""
        return np.broadcast_to(counts.sum(0), counts.shape) if self.training else counts

    def cells(self, i: int, k: int) -> Cells:
        """Return one column in training, one of its cells in prediction."""
        scale = self.params.gamma[k] / self.std[k]
        if not self.training:
            return Cells(np.array([i]), np.array([k]), np.array([scale]))
        m, x_hat = len(self.x_hat), self.x_hat[:, k]
        return self.down_the_batch(k, scale * ((np.arange(m) == i) - 1 / m - x_hat[i] * x_hat / m))

    def factor(self, i: int, k: int, row: int, column: int) -> Expression:
        """gamma/std ([i' = i] - 1/m - x_hat x_hat' / m)"""
        letters = self.source.letters
        gamma = letters.parameter(self.link, "gamma", (k,), float(self.params.gamma[k]))
        scale = Fraction(gamma, letters.of_link(self.link, "std", str(k), float(self.std[k]), "sigma"))
        if not self.training:
            return scale
        m = Number(float(len(self.x_hat)))
        own, other = self._x_hat(i, k), self._x_hat(row, k)
        rest = ((-1, Fraction(Number(1.0), m)), (-1, Fraction(Product(own, other), m)))
        return Product(scale, Sum(Number(1.0), *rest) if row == i else Sum(*rest))

    def parameter_cells(self, name: str, index: tuple[int, ...]) -> Cells:
        """Return all cells of one column."""
        x_hat = self.x_hat[:, index[0]]
        return self.down_the_batch(index[0], x_hat if name == "gamma" else np.ones(len(x_hat)))

    def parameter_factor(self, name: str, index: tuple[int, ...], row: int, column: int) -> Expression:
        """x_hat, or 1"""
        return self._x_hat(row, index[0]) if name == "gamma" else Number(1.0)

    def _x_hat(self, i: int, k: int) -> Symbol:
        letters = self.source.letters
        return letters.of_link(self.link, "x_hat", letters.index(i, k), float(self.x_hat[i, k]))


# --- the factors of elementwise links: an activation, a mask, a factor per column ------------------------------------


@dataclass(eq=False)
class CellwiseEdge(FactoredEdge):
    """An edge between single cells: target[i, offset + k] depends on source[i, k], by factors[i, k]."""

    factors: Floats  # (batch, source width)
    offset: int = 0

    def sum_back(self, values: Floats, by: Callable[[Floats], Any]) -> Floats:
        """factors * values, with by(factors)"""
        return np.asarray(by(self.factors) * values[:, self.offset : self.offset + self.factors.shape[1]])

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


# --- the factors of embeddings: 1 for unchanged columns, 0 for codes, and those of a vector for numbers in its place -
# Of a piecewise linear embedding these are slopes, of a periodic one a sum over its waves for each number of the
# vector.


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
class InPlaceEdge(FactoredEdge):
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

    def sum_back(self, values: Floats, by: Callable[[Floats], Any]) -> Floats:
        """sum over the column's numbers of by(factor) values"""
        own = (by(self.factors) * values).T
        return np.asarray(sums_by(np.array(self.sources), own, self.link.fan_in).T)

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


# --- the factors of ensemble members side by side: of groups of columns, of taken columns, and of a bias per column --


@dataclass(eq=False)
class GroupedDenseEdge(FactoredEdge):
    """z_g = a_g W_g + b_g      dz_g[i,j]/da_g[i,k] = W_g[k,j]      dz_g[i,j]/dW_g[k,j] = a_g[i,k]

    dz_g[i,j]/db_g[j] = 1. With shared W and b, each of their numbers has cells in every group.
    """

    params: Any
    groups: int
    shared: bool

    @cached_property
    def W(self) -> Floats:
        """W of every group (groups, n, units)."""
        W: Floats = np.asarray(self.params.W)
        return np.broadcast_to(W, (self.groups, *W.shape[-2:]))

    def sum_back(self, values: Floats, by: Callable[[Floats], Any]) -> Floats:
        """sum_j W_g[k,j] values_g[i,j], with by(W)"""
        parts = zip(np.split(values, self.groups, axis=1), by(self.W), strict=True)
        return np.concatenate([part @ W_g.T for part, W_g in parts], 1)

    def cells(self, i: int, k: int) -> Cells:
        """Return the cells of the group in row i."""
        _, n, units = self.W.shape
        g, k = divmod(k, n)
        return Cells(np.full(units, i), g * units + np.arange(units), self.W[g, k])

    def factor(self, i: int, k: int, row: int, column: int) -> Expression:
        """W_g[k,j]"""
        _, n, units = self.W.shape
        place = (k // n, k % n, column % units)
        index = place[1:] if self.shared else place
        return self.source.letters.parameter(self.link, "W", index, float(self.W[place]))

    def parameter_cells(self, name: str, index: tuple[int, ...]) -> Cells:
        """Return one column of its group, or of every group if shared."""
        a, (_, n, units) = self.source.value, self.W.shape
        groups = range(self.groups) if self.shared else index[:1]
        ones = np.ones(len(a))
        found = [
            self.down_the_batch(g * units + index[-1], a[:, g * n + index[-2]] if name == "W" else ones)
            for g in groups
        ]
        return Cells(*(np.concatenate(part) for part in zip(*found, strict=True)))

    def parameter_factor(self, name: str, index: tuple[int, ...], row: int, column: int) -> Expression:
        """a_g[i,k], or 1"""
        _, n, units = self.W.shape
        return self.source.symbol(row, column // units * n + index[-2]) if name == "W" else Number(1.0)


@dataclass(eq=False)
class TakeEdge(Edge):
    """out[i,j] = a[i,c(j)]      d out[i,j]/da[i,k] = 1 for the j with c(j) = k"""

    columns: tuple[int, ...]

    def backward(self, delta: Floats) -> Floats:
        """sum of delta[i,j] over the j with c(j) = k"""
        delta_x = np.zeros(self.source.value.shape)
        np.add.at(delta_x.T, np.array(self.columns), delta.T)
        return delta_x

    def cells(self, i: int, k: int) -> Cells:
        """Return the cells to which a column is copied."""
        at = np.flatnonzero(np.array(self.columns) == k)
        return Cells(np.full(len(at), i), at, np.ones(len(at)))

    def factor(self, i: int, k: int, row: int, column: int) -> Expression:
        """1"""
        return Number(1.0)


class ShiftEdge(CellwiseEdge):
    """out = a + b      d out/da = 1      d out[i,k]/db[k] = 1"""

    def parameter_cells(self, name: str, index: tuple[int, ...]) -> Cells:
        """Return all cells of one column."""
        return self.down_the_batch(index[0], self.factors[:, index[0]])


# --- the factors of the chain rule through a custom layer or block, of which only forward and backward are known -----

JACOBIAN_LIMIT = 2**24
"""The maximum size of a custom layer's Jacobian: 134 MB."""


@dataclass(eq=False)
class OwnEdge(FactoredEdge):
    """An edge through a custom layer or block, with factors from `backward` of unit vectors."""

    back: Callable[[Floats], Floats]  # dL/d target (batch, width) -> dL/d source (batch, width), linear
    params: Any = ()
    ctx: Context | None = None
    _by_parameter: dict[tuple[str, tuple[int, ...]], Cells] = field(default_factory=dict, init=False)

    @cached_property
    def jacobian(self) -> Floats:
        """Compute the Jacobian (target cells, source cells), both in row-major order."""
        rows, columns = self.target.value.size, self.source.value.size
        if rows * columns > JACOBIAN_LIMIT:
            raise ConfigError(
                f"the derivatives of {self.link.name} are {rows:,} x {columns:,} numbers, too many to write out; "
                "trace fewer samples."
            )
        return np.stack([np.asarray(self.back(one)).ravel() for one in self._ones()])

    def _ones(self) -> Iterator[Floats]:
        for cell in range(self.target.value.size):
            one = np.zeros(self.target.value.size)
            one[cell] = 1
            yield one.reshape(self.target.value.shape)

    def sum_back(self, values: Floats, by: Callable[[Floats], Any]) -> Floats:
        """J^T values, with by(J)"""
        return np.asarray((values.ravel() @ by(self.jacobian)).reshape(self.source.value.shape))

    def paths(self, counts: Floats, live: bool) -> Floats:
        """The sum of the counts of the cells with a nonzero factor"""
        return self.sum_back(counts, is_nonzero)

    def cells(self, i: int, k: int) -> Cells:
        """Return the cells with a nonzero factor."""
        return self._nonzero(self.jacobian[:, i * self.source.value.shape[1] + k])

    def _nonzero(self, column: Floats) -> Cells:
        at = np.flatnonzero(column)
        return Cells(*np.divmod(at, self.target.value.shape[1]), column[at])

    def factor(self, i: int, k: int, row: int, column: int) -> Expression:
        """d target / d source, not expanded"""
        width = self.source.value.shape[1]
        number = self.jacobian[row * self.target.value.shape[1] + column, i * width + k]
        return Partial(self.target.symbol(row, column), self.source.symbol(i, k), float(number))

    def parameter_cells(self, name: str, index: tuple[int, ...]) -> Cells:
        """Return the cells with a nonzero factor; cached, because `parameter_factor` needs them for each term."""
        if (name, index) not in self._by_parameter:
            layer, ctx = self.link.layer, self.ctx
            assert ctx is not None
            _, cache = layer.forward(self.params, self.source.value, ctx)
            grads = (layer.gradients(self.params, cache, one, ctx) for one in self._ones())
            column = np.array([float(getattr(g, name)[index]) for g in grads])  # (target cells,)
            self._by_parameter[name, index] = self._nonzero(column)
        return self._by_parameter[name, index]

    def parameter_factor(self, name: str, index: tuple[int, ...], row: int, column: int) -> Expression:
        """d target / d parameter, not expanded"""
        cells = self.parameter_cells(name, index)
        number = cells.factors[(cells.rows == row) & (cells.columns == column)]
        letters = self.source.letters
        symbol = letters.parameter(self.link, name, index, float(getattr(self.params, name)[index]))
        return Partial(self.target.symbol(row, column), symbol, float(number[0]))


class MeanAnswerEdge(OwnEdge):
    """answer = mean_g a_g      d answer[i,j]/da_g[i,k] = 1/members for j = k

    Of probabilities p_g = softmax(a_g): 1/members p_g[i,j] ([j = k] - p_g[i,k]).
    """

    def factor(self, i: int, k: int, row: int, column: int) -> Expression:
        """1/members, or that times p_j (1 - p_j) or -p_j p_k"""
        layer, source, n = self.link.layer, self.source, self.link.fan_out
        assert isinstance(layer, MeanAnswer)
        share = Fraction(Number(1.0), Number(float(layer.members)))
        if layer.answer.is_identity:
            return share
        if not isinstance(layer.answer, Softmax):
            return super().factor(i, k, row, column)
        first, k = k // n * n, k % n
        own, _ = layer.answer.forward((), source.value[i : i + 1, first : first + n], Context())
        z = source.letters.row(source.link, i, f"{first}:{first + n}")
        p_j, p_k = (FunctionCall("softmax", z, float(own[0, at]), below=str(at)) for at in (column, k))
        return Product(share, p_j, Sum(Number(1.0), (-1, p_k)) if column == k else Sum((-1, p_k)))


# --- the edge of a link


def edge_of_link(link: Link, source: Variable, target: Variable, params: Params, ctx: Context) -> Edge:
    """Create the edge from a link's input to its output: that of its layer's operation, without a table of layers.

    For a layer with another operation, or several, its `backward` computes the factors.

    params: the link's parameters.  ctx: the context of the forward pass, for this link.
    """
    layer, z, a, ones = link.layer, source.value, target.value, np.ones(source.value.shape)
    if isinstance(layer, Activation) and type(layer).backward is Activation.backward:
        return ActivationEdge(link, source, target, np.broadcast_to(layer.prime(z, a), z.shape))
    if layer.multiplies_by:
        return MultipliedEdge(
            link, source, target, getattr(params, layer.multiplies_by) * ones, params=params
        )
    ops = layer.ops(link.fan_in) or ()
    op = ops[0] if len(ops) == 1 else Operation("several")
    match op.name, op.parameters:
        case ("dense", ("W", "b") | ("W",)):
            return DenseEdge(link, source, target, params)
        case ("grouped_dense", ("W", "b") | ("W",)):
            return GroupedDenseEdge(link, source, target, params, op.groups, op.shared)
        case ("take", ()):
            return TakeEdge(link, source, target, op.columns)
        case ("shift", ("b",)):
            return ShiftEdge(link, source, target, ones)
        case ("prelu", ("slope",)):
            return PReLUEdge(link, source, target, leaky_relu_prime(z, a, params.slope), params=params)
        case ("parametric", ("alpha",)):
            f = ACTIVATIONS[op.function or ""](**op.constants)
            slope = 1 + params.alpha * (f.prime(z, f.f(z)) - 1)
            return ParametricEdge(link, source, target, slope, params=params, function=f)
        case ("softmax", ()):
            return SoftmaxEdge(link, source, target)
        case ("batch_norm", ("gamma", "beta")):
            _, cache = BatchNorm(**op.constants).forward(params, z, ctx)
            return BatchNormEdge(link, source, target, params, cache.x_hat, 1 / cache.inv_std, ctx.training)
        case ("dropout", ()):
            is_on = ctx.training and op.constants["rate"] > 0
            made = MaskEdge if is_on else CellwiseEdge
            return made(link, source, target, layer.forward((), ones, ctx)[0])
        case ("embedding", _):
            return EmbeddingEdge(link, source, target, params)
        case ("piecewise_linear", _) if isinstance(layer, PiecewiseLinearEmbedding):
            return PiecewiseLinearEdge(link, source, target, params, layer.find(z, ctx.state))
        case ("periodic", _) if isinstance(layer, PeriodicEmbedding):
            return PeriodicEdge(link, source, target, params, layer.waves(params, z))
        case ("rescale", ()):
            return CellwiseEdge(link, source, target, op.constants["scale"] * ones)
        case ("standardize", ()):
            return OverDeviationEdge(link, source, target, ones / ctx.state[1])
    _, cache = layer.forward(params, z, ctx)
    of_kind = MeanAnswerEdge if isinstance(layer, MeanAnswer) else OwnEdge
    return of_kind(link, source, target, lambda one: layer.backward(params, cache, one, ctx)[1], params, ctx)
