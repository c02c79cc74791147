"""PiecewiseLinearEmbedding: a learned piecewise linear function of each numeric column, with kinks at quantiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array, Cache, Params, State, namespace, subnormal_as_zero, sums_by
from chainrule.core.settings import count_settings, number_settings
from chainrule.errors import ConfigError
from chainrule.formulas.initializers import Constant, Initializer, Uniform
from chainrule.formulas.layers.base import Context, Parameter
from chainrule.formulas.layers.in_place import InPlace
from chainrule.formulas.operation import Operation
from chainrule.formulas.paths import Confined, Interval, Paths, not_negative

MAX_BINS = 1 << 16
"""The maximum number of bins per column."""


class PiecewiseLinearParams(NamedTuple):
    """The parameters of the embedding of k columns."""

    w0: Any  # (k, size), as is b0
    b0: Any
    E: Any  # (k, bins, size); a column with fewer bins leaves the last ones at 0


class PiecewiseLinearState(NamedTuple):
    """The edges of the bins, measured on the training data; count is 0 before."""

    edges: Any  # (k, bins + 1), ascending; a column with fewer bins repeats its last edge
    bins: Any  # (k,) the number of its bins
    count: Any  # () the number of samples


class Located(NamedTuple):
    """The bin of each number: (batch, k) each."""

    x: Any
    bin: Any  # the index of its bin
    part: Any  # its position in the bin: (x - left edge) / width, below 0 or above 1 outside the edges
    slope: Any  # 1 / width of its bin; 0 where the column has no bins


@dataclass(frozen=True)
class PiecewiseLinearEmbedding(InPlace):
    """Replaces each number x of a column by a vector, a continuous function of x that is linear in each bin.

    e = x w0 + b0 + sum_b h_b E_b      h_b = (x - edge_b) / (edge_b+1 - edge_b), clipped to [0, 1]

    where h is not clipped below in the first bin, nor above in the last, so that e extrapolates linearly.
    For x in bin j, e = x w0 + b0 + (E_0 + ... + E_j-1) + h_j E_j, which is how it is computed.

    dL/dE_b = sum_i h_ib delta_i      dL/dw0 = sum_i x_i delta_i      dL/db0 = sum_i delta_i
    dL/dx = delta . (w0 + E_j / (edge_j+1 - edge_j)); at an edge, j is the bin above

    size: the size of a vector.  bins: the maximum number of bins per column.  columns: the embedded columns, counted
    from 0; None for all. The other columns are unchanged, and all columns keep their order.
    The edges are the distinct quantiles 0, 1/bins, ..., 1 of the training data. They are measured when `Model.fit`
    first runs, stored with the model, and constant from then on, like the statistics of `Standardize`, which may come
    before this layer, as may `Rescale` and `Embedding`. A constant column has no bins: x w0 + b0.
    ties: at least 1, the maximum count of equal numbers in the quantiles, in units of n/bins rows; None for no maximum,
    as in the source, where a column that is 0 in nine rows of ten has a tenth of the edges for its other numbers.
    Numbers below the smallest normal one of the model's dtype, 1.2e-38 in float32, count as 0, as in compiled engines.
    rate: a factor of the learning rate of w0, b0 and E.  decays: a factor of the weight decay of E.  linear_decays: of
    w0 and b0, not decayed in the source.  All are at least 0. l2, l1 and max_norm do not apply to any of them.
    E starts at 0, w0 and b0 in U(-1/sqrt(size), 1/sqrt(size)).
    x: (batch, features).  out, delta: (batch, features + k (size - 1)).
    Raises ConfigError for an invalid setting.
    Source: Gorishniy, Rubachev, Babenko, "On embeddings for numerical features in tabular deep learning", NeurIPS 2022,
    section 3.2; with w0 and b0 as in Gorishniy, Kotelnikov, Babenko, "TabM", ICLR 2025.
    """

    is_piecewise_affine = True
    pullback, pushforward = InPlace.pullback, InPlace.pushforward
    size: int = 16
    bins: int = 48
    columns: tuple[int, ...] | None = None
    rate: float = 1.0
    decays: float = 1.0
    linear_decays: float = 0.0
    ties: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers and the columns, and store the columns as a tuple of Python integers."""
        count_settings(self, "size", "bins")
        number_settings(self, "rate", "decays", "linear_decays", minimum=0)
        if self.ties is not None:
            count_settings(self, "ties")
        if self.bins > MAX_BINS:
            raise ConfigError(f"bins of PiecewiseLinearEmbedding must be at most {MAX_BINS:,}; 48 are usual.")
        self.check_columns()

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Array, Any]:
        """e = x w0 + b0 + (E_0 + ... + E_j-1) + h_j E_j in place of x"""
        located = self.find(a, ctx.state)
        return self.put(a, self._embed(params, located)), located

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """dL/dw0, dL/db0, dL/dE as in `gradients`      dL/dx = delta . (w0 + E_j / (edge_j+1 - edge_j))"""
        of_x = self.pullback(params, cache, delta[:, None], ctx)[:, 0]
        return self.gradients(params, cache, delta, ctx), of_x

    def gradients(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Any:
        """dL/dE_b = sum of h_b delta over the samples in bin b, + sum of delta over those in later bins

        dL/dw0 = sum_i x_i delta_i      dL/db0 = sum_i delta_i
        """
        xp, (k, bins, size) = namespace(delta), params.E.shape
        _, parts = self.take(delta)  # (batch, k, size)
        codes = (cache.bin + bins * np.arange(k, dtype=np.int32)).reshape(-1)
        inside, whole = (
            sums_by(codes, values.reshape(-1, size), k * bins).reshape(k, bins, size)
            for values in (cache.part[:, :, None] * parts, parts)
        )
        later = xp.flip(xp.cumsum(xp.flip(whole[:, 1:], 1), 1), 1)
        dE = inside + xp.concatenate([later, xp.zeros_like(whole[:, :1])], 1)
        return PiecewiseLinearParams((cache.x[:, :, None] * parts).sum(0), parts.sum(0), dE)

    def gradients_tangent(
        self, params: Params, cache: Cache, delta: Array, a_dot: Array, ctx: Context
    ) -> Any:
        """sum_i x'_i delta_i for w0, 0 for b0, and for E_j the same of the samples in bin j, divided by its width"""
        xp, (k, bins, size) = namespace(delta), params.E.shape
        _, parts = self.take(delta)  # (batch, k, size)
        along = a_dot[:, self.embedded(a_dot.shape[1])][:, :, None] * parts
        codes = (cache.bin + bins * np.arange(k, dtype=np.int32)).reshape(-1)
        dE = sums_by(codes, (cache.slope[:, :, None] * along).reshape(-1, size), k * bins)
        return PiecewiseLinearParams(along.sum(0), xp.zeros_like(params.b0), dE.reshape(k, bins, size))

    def per_sample(self, params: Params, a: Array, delta: Array, ctx: Context) -> Any:
        """dL_i/dE_b = h_ib delta_i      dL_i/dw0 = x_i delta_i      dL_i/db0 = delta_i"""
        located, (_, parts) = self.find(a, ctx.state), self.take(delta)
        h = heights(located, params.E.shape[1])  # (batch, k, bins)
        dE = h[:, :, :, None] * parts[:, :, None, :]
        return PiecewiseLinearParams(located.x[:, :, None] * parts, parts, dE)

    def tangent(self, params: Params, v: Array, cache: Cache, a_dot: Array, ctx: Context) -> Array:
        """e' = x w0' + b0' + (E'_0 + ... + E'_j-1) + h_j E'_j + x' (w0 + E_j / (edge_j+1 - edge_j))"""
        made = self._embed(v, cache)
        if a_dot is None:
            assert ctx.link is not None
            a_dot = namespace(made).zeros((made.shape[0], ctx.link.fan_in), dtype=made.dtype)
        x_dot = a_dot[:, self.embedded(a_dot.shape[1])]
        return self.put(a_dot, made + x_dot[:, :, None] * self.slopes(params, cache))

    def _embed(self, params: Params, located: Located) -> Array:
        """x w0 + b0 + (E_0 + ... + E_j-1) + h_j E_j (batch, k, size)"""
        xp, E = namespace(located.x), params.E
        before = xp.concatenate([xp.zeros_like(E[:, :1]), xp.cumsum(E[:, :-1], 1)], 1)
        at = np.arange(E.shape[0]), located.bin
        return before[at] + located.part[:, :, None] * E[at] + located.x[:, :, None] * params.w0 + params.b0

    def slopes(self, params: Params, located: Located) -> Array:
        """de/dx = w0 + E_j / (edge_j+1 - edge_j), (batch, k, size)"""
        return params.w0 + located.slope[:, :, None] * params.E[np.arange(params.E.shape[0]), located.bin]

    def find(self, a: Array, state: State) -> Located:
        """Find the bin of each number of the embedded columns of a (batch, features)."""
        x = a[:, self.embedded(a.shape[1])]  # (batch, k)
        left, slope = self.engine_state(state)  # (k, bins)
        number = namespace(a).sum(x[:, :, None] >= left[:, 1:], axis=2).astype(np.int32)
        at = np.arange(left.shape[0]), number
        return Located(x, number, (x - left[at]) * slope[at], slope[at])

    def engine_state(self, state: State) -> tuple[Array, Array]:
        """Return each bin's left edge and 1 / width (k, bins): infinity and 0 where a column has fewer bins.

        A column without bins has its one edge, or 0 before it is measured. A bin too narrow for 1 / width has 0.
        """
        xp, edges = namespace(state.edges), state.edges
        number = np.arange(edges.shape[1] - 1)
        is_there = number < state.bins[:, None]
        width = edges[:, 1:] - edges[:, :-1]
        is_wide = is_there & (width > float(np.finfo(edges.dtype).tiny))
        left = xp.where(is_there | (number == 0), edges[:, :-1], float("inf"))
        return left, xp.where(is_wide, 1 / xp.where(is_wide, width, 1.0), 0.0)

    def from_kinks(self, cache: Cache, ctx: Context) -> list[Array]:
        """Return x minus each edge where the slope changes: (batch, k (bins - 1)); 1 for unused edges."""
        inner = ctx.state.edges[:, 1:-1]
        is_there = np.arange(1, inner.shape[1] + 1) < ctx.state.bins[:, None]
        distance = namespace(cache.x).where(is_there, cache.x[:, :, None] - inner, 1.0)
        return [distance.reshape(distance.shape[0], -1)]

    def parameters(self, fan_in: int, default: Initializer) -> Any:
        """w0 and b0 (k, size), E (k, bins, size)."""
        k = fan_in if self.columns is None else len(self.columns)
        line = Parameter((k, self.size), Uniform(self.size**-0.5), rate=self.rate, decays=self.linear_decays)
        E = Parameter((k, self.bins, self.size), Constant(0.0), rate=self.rate, decays=self.decays)
        return PiecewiseLinearParams(line, line, E)

    def state(self, fan_in: int) -> Any:
        """Return a state without bins, before measuring."""
        k, nothing = fan_in if self.columns is None else len(self.columns), np.zeros(())
        return PiecewiseLinearState(np.broadcast_to(nothing, (k, self.bins + 1)), np.zeros(k), nothing)

    def measured(self, state: State, place: int, x: NDArray[Any]) -> Any:
        """Return the state with the measured edges of one column, from its numbers x (n,), in their dtype."""
        x = subnormal_as_zero(x)
        counted = x if self.ties is None else thinned(x, self.ties * len(x) // self.bins)
        made = quantiles(counted, min(self.bins, len(counted) - 1)).astype(x.dtype)
        distinct = np.unique(subnormal_as_zero(made))
        edges, bins = np.array(state.edges), np.array(state.bins)
        edges[place], edges[place, : len(distinct)], bins[place] = distinct[-1], distinct, len(distinct) - 1
        return PiecewiseLinearState(edges, bins, np.asarray(float(len(x))))

    def confined(self, fan_in: int, paths: Paths, is_last: bool) -> Confined | None:
        """Keep w0 and E of columns with a direction at 0 or above: their functions never fall."""
        one_way = not_negative(paths.directions[self.embedded(fan_in)][:, None] != 0)  # (k, 1)
        of_bins = Interval(one_way.lower[:, None], one_way.upper[:, None])
        return Confined(paths.take(self.sources(fan_in)), {"w0": one_way, "E": of_bins})

    def ops(self, fan_in: int) -> tuple[Operation, ...]:
        """piecewise_linear, with its columns, parameters and edges"""
        columns = tuple(self.embedded(fan_in).tolist())
        return (Operation("piecewise_linear", parameters=("w0", "b0", "E"), has_state=True, columns=columns),)

    def operations(self, fan_in: int) -> int:
        """Count two multiplications and three additions per output, without the search for the bin."""
        return 5 * len(self.embedded(fan_in)) * self.size


def quantiles(x: NDArray[Any], count: int) -> NDArray[np.float64]:
    """Return the quantiles 0, 1/count, ..., 1 of x (n,), interpolated linearly; the minimum for a count of 0.

    Quantile k/count lies at index k (n - 1)/count, split exactly, so equal quantiles are equal in floating point.
    """
    ordered = np.sort(x)
    low, rest = np.divmod(np.arange(count + 1) * (len(x) - 1), max(count, 1))
    a, b = (ordered[np.minimum(place, len(x) - 1)].astype(np.float64) for place in (low, low + 1))
    interpolated: NDArray[np.float64] = a + (b - a) * (rest / max(count, 1))
    return interpolated


def thinned(x: NDArray[Any], most: int) -> NDArray[Any]:
    """Return x (n,) sorted, with equal numbers repeated at most `most` times, and at least once."""
    values, counts = np.unique(x, return_counts=True)
    return np.repeat(values, np.minimum(counts, max(most, 1)))


def heights(located: Located, bins: int) -> Array:
    """h_b of each bin (batch, k, bins): 1 below x's bin, x's position in its own bin, 0 above."""
    xp, number = namespace(located.x), np.arange(bins)
    own = xp.where(number == located.bin[:, :, None], located.part[:, :, None], 0.0)
    return xp.where(number < located.bin[:, :, None], 1.0, own)
