"""Standardize: each feature to mean 0 and standard deviation 1 on the training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.core.arrays import Array, Cache, Params, State
from chainrule.formulas.layers.base import Context, Layer, symmetric_tangent
from chainrule.formulas.operation import Operation


class StandardizeState(NamedTuple):
    """The statistics of the training data; count is 0 before measuring."""

    mean: Any  # (features,)
    std: Any  # (features,); 1 where a feature is constant
    count: Any  # () the number of samples


def column_sums(a: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute sum_i a_i (features,) of a (n, features) by pairwise addition.

    NumPy's own sum adds the rows of Fortran and C arrays in different orders, which rounds differently.
    """
    while (n := len(a)) > 1:
        half = n // 2
        sums = a[:half] + a[half : 2 * half]
        if n % 2:
            sums[0] += a[-1]
        a = sums
    row: NDArray[np.float64] = a[0]
    return row


@dataclass(frozen=True)
class Standardize(Layer):
    """Standardization of each feature: out = (a - mean) / std      dL/da = delta / std

    mean and std are measured on the training data when `Model.fit` first runs, stored with the model, and constant from
    then on. It must be first in a network or follow other input layers. A constant feature has std 1, and so does one
    whose std is below the smallest normal number of the model's dtype, 1.2e-38 in float32, which compiled engines flush
    to 0.
    """

    is_affine = True
    is_elementwise = True
    is_increasing = True
    changes_units = True
    stacks = True
    tangent = symmetric_tangent

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Array, Any]:
        """out = (a - mean) / std"""
        return (a - ctx.state.mean) / ctx.state.std, None

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """dL/da = delta / std"""
        return (), delta / ctx.state.std

    def inverse(self, out: Array, ctx: Context) -> Array | None:
        """a = out std + mean"""
        return out * ctx.state.std + ctx.state.mean

    def state(self, fan_in: int) -> Any:
        """Return mean 0 and standard deviation 1, before measuring."""
        return StandardizeState(np.zeros(fan_in), np.ones(fan_in), np.zeros(()))

    def merge(self, state: State, a: Array) -> Any:
        """Update the state with more samples a (n, features), by Chan, Golub and LeVeque (1983)."""
        n, k = float(state.count), a.shape[0]
        a = a.astype(np.float64)
        mean = column_sums(a) / k
        shift = mean - state.mean
        total = n + k
        a -= mean
        a *= a
        # Before the first sample, n is 0 and the std of 1 has no weight.
        var = (n * state.std**2 + column_sums(a) + shift**2 * (n * k / total)) / total
        return StandardizeState(state.mean + shift * (k / total), np.sqrt(var), np.asarray(total))

    def finish(self, state: State, dtype: DTypeLike) -> Any:
        """Return the final state for a dtype, with std 1 for each constant feature.

        A feature is constant if its deviation is within the rounding of the mean, or subnormal.
        """
        constant = state.std <= np.maximum(1e-12 * np.abs(state.mean), float(np.finfo(dtype).tiny))
        return state._replace(std=np.where(constant, 1.0, state.std))

    def ops(self, fan_in: int) -> tuple[Operation, ...]:
        """standardize, with the statistics as its state"""
        return (Operation("standardize", has_state=True),)

    def operations(self, fan_in: int) -> int:
        """Count one subtraction and one division per feature."""
        return 2 * fan_in
