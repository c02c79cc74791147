"""The base class of embeddings of numeric columns: a vector replaces each number, other columns are unchanged."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array, Cache, Params, namespace
from chainrule.core.settings import check_count
from chainrule.errors import ConfigError
from chainrule.formulas.layers.base import Context, Layer


class InPlace(Layer):
    """Base class of layers that replace each number x of some columns by `size` functions of x."""

    columns: tuple[int, ...] | None
    """the embedded columns, counted from 0; None for all"""
    size: int
    """the size of the vector that replaces a number"""

    def check_columns(self) -> None:
        """Check the columns, and store them as a tuple of Python integers. Raises ConfigError."""
        if self.columns is None:
            return
        name = type(self).__name__
        given = tuple(self.columns) if isinstance(self.columns, Iterable) else ()
        if not given or len(set(given)) < len(given):
            raise ConfigError(
                f"columns of {name} must be a list of distinct columns, such as [0, 2], or None for all, "
                f"not {self.columns!r}."
            )
        text, hint = f"column of {name}", "columns count from 0"
        columns = tuple(check_count(each, "column", 0, text=text, hint=hint) for each in given)
        object.__setattr__(self, "columns", columns)

    def embedded(self, fan_in: int) -> NDArray[np.int64]:
        """Return the embedded columns."""
        return np.arange(fan_in) if self.columns is None else np.array(self.columns)

    def sources(self, fan_in: int) -> NDArray[np.int64]:
        """Return for each column of the output the column of x that it depends on."""
        return _column_places(self.columns, self.size, fan_in).sources

    def slopes(self, params: Params, cache: Cache) -> Array:
        """Compute the derivative of each vector by its number (batch, k, size)."""
        raise NotImplementedError(f"{type(self).__name__} must define slopes(params, cache).")

    def pullback(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Array:
        """dL/dx = delta . de/dx"""
        rest, parts = self.take(delta)
        return self.by_column(rest, (parts * self.slopes(params, cache)[:, None]).sum(-1))

    def pushforward(self, params: Params, cache: Cache, a_dot: Array, ctx: Context) -> Array:
        """e' = x' de/dx"""
        x_dot = a_dot[..., self.embedded(a_dot.shape[-1])]
        return self.put(a_dot, x_dot[..., None] * self.slopes(params, cache)[:, None])

    def put(self, a: Array, vectors: Array) -> Array:
        """Replace the embedded columns of a (..., features) by vectors (..., k, size)."""
        at = _column_places(self.columns, self.size, a.shape[-1])
        flat = vectors.reshape(*vectors.shape[:-2], vectors.shape[-2] * self.size)
        if at.order is None:
            return flat
        xp = namespace(a)
        return xp.take(xp.concatenate([a[..., at.rest], flat], -1), at.order, axis=-1)

    def take(self, out: Array) -> tuple[Array, Array]:
        """Split the output's columns (..., fan_out) into the unchanged ones and the vectors (..., k, size)."""
        at = _column_places(self.columns, self.size, self.fan_in(out.shape[-1]))
        k = len(at.vectors) // self.size
        return out[..., at.places], out[..., at.vectors].reshape(*out.shape[:-1], k, self.size)

    def by_column(self, rest: Array, of_x: Array) -> Array:
        """Merge values of the unchanged columns and of the embedded ones (..., k) in the order of x's columns."""
        fan_in = rest.shape[-1] + of_x.shape[-1]
        at = _column_places(self.columns, self.size, fan_in)
        order = np.argsort(np.concatenate([at.rest, self.embedded(fan_in)]))
        return namespace(rest).concatenate([rest, of_x], -1)[..., order]

    def fan_in(self, fan_out: int) -> int:
        """Return the number of features for a number of output columns."""
        if self.columns is None:
            return fan_out // self.size
        return fan_out - len(self.columns) * (self.size - 1)

    def width(self, fan_in: int) -> int:
        """Return features + k (size - 1). Raises ConfigError if x has too few columns."""
        if self.columns is not None and max(self.columns) >= fan_in:
            raise ConfigError(
                f"columns of {type(self).__name__} contains {max(self.columns)}, but its inputs are 0 to "
                f"{fan_in - 1}; give each column's place, counted from 0."
            )
        return fan_in + (fan_in if self.columns is None else len(self.columns)) * (self.size - 1)


class ColumnPlaces(NamedTuple):
    """Places of columns in x and in the output."""

    rest: NDArray[np.int64]  # (features - k,) the other columns, in x
    places: NDArray[np.int64]  # (features - k,) the other columns, in the output
    vectors: NDArray[np.int64]  # (k size,) the vectors' columns, in the output
    sources: NDArray[np.int64]  # (fan_out,) the column of x of each column of the output
    order: NDArray[np.int64] | None
    """(fan_out,) the place of each column of the output among `rest` and then the vectors; None where these are it"""


@cache
def _column_places(columns: tuple[int, ...] | None, size: int, fan_in: int) -> ColumnPlaces:
    embedded = np.arange(fan_in) if columns is None else np.array(columns)
    widths = np.ones(fan_in, np.int64)
    widths[embedded] = size
    starts, rest = np.cumsum(widths) - widths, np.setdiff1d(np.arange(fan_in), embedded)
    vectors = (starts[embedded][:, None] + np.arange(size)).ravel()
    order = np.argsort(np.concatenate([starts[rest], vectors]))
    is_ordered = bool((order == np.arange(len(order))).all())
    sources = np.repeat(np.arange(fan_in), widths)
    return ColumnPlaces(rest, starts[rest], vectors, sources, None if is_ordered and not len(rest) else order)
