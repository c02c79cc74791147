"""The factors of the chain rule through a custom layer or block, of which only forward and backward are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.errors import ConfigError
from chainrule.formulas.layers import Context
from chainrule.inspection.derivation.local_derivatives import Cells, Edge, Floats
from chainrule.inspection.derivation.markup import Expression, Partial

JACOBIAN_LIMIT = 2**24
"""The maximum size of a custom layer's Jacobian: 134 MB."""


@dataclass(eq=False)
class OwnEdge(Edge):
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

    def backward(self, delta: Floats) -> Floats:
        """J^T delta"""
        return (delta.ravel() @ self.jacobian).reshape(self.source.value.shape)

    def backward_size(self, size: Floats) -> Floats:
        """|J|^T size"""
        return (size.ravel() @ np.abs(self.jacobian)).reshape(self.source.value.shape)

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
