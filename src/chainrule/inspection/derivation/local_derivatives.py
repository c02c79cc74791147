"""The factors of the chain rule: the derivative of each number of a trace by each number one link before it.

A `Variable` is the output of one link, a (batch, width) array of cells. An `Edge` leads from a variable to one computed
from it, and provides d target cell / d source cell for each pair: as an array for computing, and as an expression for
display. Nothing here calls a link's `backward`: the result is compared with it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.formulas.activations import softmax_pullback
from chainrule.formulas.layers import Link
from chainrule.inspection.derivation.letters import Letters
from chainrule.inspection.derivation.markup import Expression, Fraction, Number, Product, Sum, Symbol

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
    edges: list[Edge] = field(default_factory=list)
    """towards the loss; empty for the output"""

    def symbol(self, i: int, k: int) -> Symbol:
        """Return a cell's symbol with its value."""
        return self.letters.cell(self.link, i, k, float(self.value[i, k]))

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


@dataclass(eq=False)
class DenseEdge(Edge):
    """z = a W + b      dz[i,j]/da[i,k] = W[k,j]      dz[i,j]/dW[k,j] = a[i,k]      dz[i,j]/db[j] = 1"""

    params: Any

    def backward(self, delta: Floats) -> Floats:
        """sum_j W[k,j] delta[i,j]"""
        W: Floats = self.params.W
        return delta @ W.T

    def backward_size(self, size: Floats) -> Floats:
        """sum_j |W[k,j]| size[i,j]"""
        W: Floats = self.params.W
        return size @ np.abs(W).T

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
