"""The factors of ensemble members side by side: of groups of columns, of taken columns, and of a bias per column."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.inspection.derivation.cellwise import CellwiseEdge
from chainrule.inspection.derivation.local_derivatives import Cells, Edge, Floats
from chainrule.inspection.derivation.markup import Expression, Number


@dataclass(eq=False)
class GroupedDenseEdge(Edge):
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

    def backward(self, delta: Floats) -> Floats:
        """sum_j W_g[k,j] delta_g[i,j]"""
        return self.by_group(delta, self.W)

    def backward_size(self, size: Floats) -> Floats:
        """sum_j |W_g[k,j]| size_g[i,j]"""
        return self.by_group(size, np.abs(self.W))

    def by_group(self, delta: Floats, W: Floats) -> Floats:
        """sum_j W_g[k,j] delta_g[i,j] with another W (groups, n, units)"""
        parts = np.split(delta, self.groups, axis=1)
        return np.concatenate([part @ W_g.T for part, W_g in zip(parts, W, strict=True)], 1)

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
