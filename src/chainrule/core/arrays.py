"""The namespace of an array, with which one source runs under NumPy and JAX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array: TypeAlias = Any
"""A NumPy array, or a JAX array or tracer: anything with `__array_namespace__` (the Python array API standard)."""

Params: TypeAlias = Any
"""Parameters of a layer, or their gradients: its NamedTuple of arrays, () for none; of a block those of its links."""
State: TypeAlias = Any
"""The state of a layer: its NamedTuple of running statistics or of fitted constants."""
Cache: TypeAlias = Any
"""What the forward pass of a layer keeps for its backward pass, in a form of the layer's own."""
RowsLike: TypeAlias = Any
"""What a user may give as samples: an array, a sparse matrix, a data frame, lists, mappings, or a source of them."""
TargetsLike: TypeAlias = Any
"""What a user may give as targets: an array, a list, or a column or the columns of a data frame."""


def namespace(z: Array) -> Any:
    """Return the module of functions for z: `numpy` or `jax.numpy`."""
    return z.__array_namespace__()


def sums_by(codes: Array, values: Array, count: int) -> Array:
    """sums[c] = sum of values[i] over the i with codes[i] = c, in the order of i: (count, width)

    codes: (n,) integers from 0 to count - 1.  values: (n, width).
    """
    sums = namespace(values).zeros((count, values.shape[1]), dtype=values.dtype)
    if isinstance(sums, np.ndarray):  # number by number, which NumPy adds in half of the time of rows or less
        places = codes.astype(np.intp)[:, None] * values.shape[1] + np.arange(values.shape[1])
        np.add.at(sums.reshape(-1), places.reshape(-1), values.reshape(-1))
        return sums
    return sums.at[codes].add(values)


def by_matrix(vectors: Array, W: Array) -> Array:
    """Multiply all vectors (batch, k, n) of a batch by W (n, m) at once, or by the W (batch, n, m) of each row."""
    if W.ndim == 3 and W.shape[0] != 1:
        return vectors @ W
    batch, k, n = vectors.shape
    return (vectors.reshape(batch * k, n) @ W.reshape(W.shape[-2:])).reshape(batch, k, W.shape[-1])


def subnormal_as_zero(x: NDArray[Any]) -> NDArray[Any]:
    """Replace each subnormal number of x by 0."""
    return np.where(np.abs(x) < np.finfo(x.dtype).tiny, x.dtype.type(0), x)


def states_in(dtype: DTypeLike, states: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the running statistics of all links, {name: NamedTuple}, to one NumPy dtype."""
    return {name: type(s)(*(np.asarray(value, dtype) for value in s)) for name, s in states.items()}


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """Return the sorted distinct values, like `np.unique`; counts small integers instead of sorting."""
    values = np.asarray(values).ravel()
    if values.dtype.kind in "iu" and values.size and values.min() >= 0 and values.max() <= values.size:
        return np.flatnonzero(np.bincount(values.astype(np.int64, copy=False))).astype(values.dtype)
    return np.unique(values)


def evenly_spaced(n: int, most: int) -> NDArray[np.int64]:
    """Return at most `most` of the numbers 0 to n - 1, evenly spaced from the first to the last."""
    return np.linspace(0, n - 1, min(n, most)).astype(np.int64)


def errors_of_means(values: NDArray[np.float64], groups: NDArray[Any] | None = None) -> NDArray[np.float64]:
    """Return the standard error of the mean of each row of values (rows, n); infinite for one value, or group.

        e^2 = G / (G - 1) sum_g (sum_(i in g) (v_i - mean(v)))^2 / n^2

    groups: (n,) each value's group, of which there are G: values of a group resemble each other, so a group counts as
    one. Where all have as many values, e is the standard error of the mean of the groups' means; without groups each
    value is its own, and e = s / sqrt(n). Source: Liang and Zeger, Biometrika 73, 1986 (of a mean).
    """
    sums = values - values.mean(1, keepdims=True)
    if groups is not None:
        of_group = np.unique(groups, return_inverse=True)[1]
        sums = np.stack([np.bincount(of_group, each) for each in sums])
    count = sums.shape[1]
    if count < 2:
        return np.full(len(values), np.inf)
    return np.asarray(np.sqrt(count / (count - 1) * np.square(sums).sum(1)) / values.shape[1])
