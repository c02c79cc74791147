"""Take: selected columns of the input, in any order, with repeats."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.arrays import Array, Cache, Params, sums_by
from chainrule.core.settings import check_count
from chainrule.errors import ConfigError
from chainrule.formulas.layers.base import Context, Layer
from chainrule.formulas.operation import Operation
from chainrule.formulas.paths import Confined, Paths


@dataclass(frozen=True)
class Take(Layer):
    """Columns of the input, in any order and with repeats: out[:, j] = a[:, columns[j]].

    dL/da[:, k] = sum of delta[:, j] over the j with columns[j] = k; 0 for a column that is not taken

    columns: indices from 0. Repeating all columns k times creates k ensemble members side by side:
    Take(list(range(20)) * 8), followed by a GroupedDense with 8 groups.
    a: (batch, width).  out, delta: (batch, number of columns).
    Raises ConfigError unless columns are integers of at least 0 that the input has.
    """

    is_affine = True
    stacks = True
    knows_its_weights = True
    columns: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check the columns, and store them as a tuple of Python integers."""
        given = list(self.columns) if isinstance(self.columns, Iterable) else []
        if not given or isinstance(self.columns, (str, bytes)):
            raise ConfigError(
                f"columns of Take must be a list of columns, such as [0, 1, 0, 1], not {self.columns!r}."
            )
        checked = (
            check_count(column, "columns", 0, text="columns of Take", hint="columns count from 0")
            for column in given
        )
        object.__setattr__(self, "columns", tuple(checked))

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Array, Any]:
        """out[:, j] = a[:, columns[j]]"""
        return a[..., np.array(self.columns)], a.shape[-1]

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """dL/da[:, k] = sum of delta[:, j] over the j with columns[j] = k, in the order of j"""
        return (), sums_by(np.array(self.columns), delta.T, cache).T

    def gradients(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Any:
        """Return (), because there are no parameters."""
        return ()

    def tangent(self, params: Params, v: Array, cache: Cache, a_dot: Array, ctx: Context) -> Array:
        """out'[:, j] = a'[:, columns[j]]"""
        return a_dot[..., np.array(self.columns)]

    def pullback(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Array:
        """dL/da as in `backward`"""
        batch, k, width = delta.shape
        return self.backward(params, cache, delta.reshape(batch * k, width), ctx)[1].reshape(batch, k, cache)

    def pushforward(self, params: Params, cache: Cache, a_dot: Array, ctx: Context) -> Array:
        """out'[:, j] = a'[:, columns[j]]"""
        return self.tangent(params, (), cache, a_dot, ctx)

    def width(self, fan_in: int) -> int:
        """Return the number of columns. Raises ConfigError if the input has too few."""
        if max(self.columns) >= fan_in:
            raise ConfigError(
                f"columns of Take contains {max(self.columns)}, but the input has columns 0 to {fan_in - 1}."
            )
        return len(self.columns)

    def confined(self, fan_in: int, paths: Paths, is_last: bool) -> Confined | None:
        """Take the columns' paths."""
        return Confined(paths.take(np.array(self.columns)))

    def ops(self, fan_in: int) -> tuple[Operation, ...]:
        """take, with its columns"""
        return (Operation("take", columns=self.columns),)
