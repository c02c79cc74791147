"""PeriodicEmbedding: learned cosines of each numeric column, combined linearly, beside the column itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from chainrule.core.arrays import Array, Cache, Params, namespace
from chainrule.core.settings import count_settings, number_settings
from chainrule.errors import ConfigError
from chainrule.formulas.initializers import Initializer, Normal, Uniform
from chainrule.formulas.layers.base import Context, Parameter
from chainrule.formulas.layers.in_place import InPlace
from chainrule.formulas.operation import Operation
from chainrule.formulas.paths import Confined, Paths

MAX_FREQUENCIES = 1024
"""The maximum number of frequencies per column."""


class PeriodicParams(NamedTuple):
    """The parameters of the embedding of k columns."""

    w1: Any  # (k, frequencies), in turns for each unit of x
    b1: Any  # (k, frequencies), in radians
    W2: Any  # (k, frequencies, size - 1)
    b2: Any  # (k, size - 1)


class Waves(NamedTuple):
    """The forward pass's intermediate values of the embedded columns."""

    x: Any  # (batch, k)
    t: Any  # (batch, k, frequencies) the angles
    z: Any  # (batch, k, frequencies) their cosines


@dataclass(frozen=True)
class PeriodicEmbedding(InPlace):
    """PBLD: replaces each number x of a column by [z W2 + b2, x] with its own cosines z = cos(2 pi w1 x + b1).

    u = -sin(2 pi w1 x + b1) (delta_e W2^T), with delta = [delta_e, delta_x]:
    dL/dw1 = 2 pi sum_i x_i u_i          dL/db1 = sum_i u_i
    dL/dW2 = sum_i z_i^T delta_e,i      dL/db2 = sum_i delta_e,i
    dL/dx = delta_x + 2 pi u . w1

    frequencies: the number of cosines per column.  size: at least 2, the size of the vector that replaces x, its last
    number.  columns: the embedded columns, counted from 0; None for all. The other columns are unchanged, and all
    columns keep their order.
    sigma: above 0, the standard deviation of the initial frequencies, w1 in N(0, sigma^2), in cycles per unit of x; b1
    starts in U(-pi, pi), W2 and b2 in U(-r, r) with r = 1 / sqrt(frequencies).
    rate, decays: at least 0, factors of the learning rate and the weight decay of all four. l2, l1 and max_norm do not
    apply to them.
    x: (batch, features).  out, delta: (batch, features + k (size - 1)).
    Raises ConfigError for an invalid setting, and for more than 1,024 frequencies.
    In float32 an angle of |w1 x| cycles is exact to about |w1 x| / 2^24 cycles.
    Source: Holzmüller, Grinsztajn, Steinwart, "Better by default: strong pre-tuned MLPs and boosted trees on tabular
    data", NeurIPS 2024, section 3 (with rate=0.1); after Gorishniy, Rubachev, Babenko, "On embeddings for numerical
    features in tabular deep learning", NeurIPS 2022, eq. 2.
    """

    pullback, pushforward = InPlace.pullback, InPlace.pushforward
    frequencies: int = 16
    size: int = 4
    columns: tuple[int, ...] | None = None
    sigma: float = 0.1
    rate: float = 1.0
    decays: float = 1.0

    def __post_init__(self) -> None:
        """Check the numbers and the columns."""
        count_settings(self, "frequencies")
        count_settings(self, "size", minimum=2)
        number_settings(self, "sigma", above=0)
        number_settings(self, "rate", "decays", minimum=0)
        if self.frequencies > MAX_FREQUENCIES:
            raise ConfigError(
                f"frequencies of PeriodicEmbedding must be at most {MAX_FREQUENCIES:,}, not "
                f"{self.frequencies:,}; 16 are usual."
            )
        self.check_columns()

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Array, Any]:
        """[z W2 + b2, x] with z = cos(2 pi w1 x + b1), in place of x"""
        waves = self.waves(params, a)
        e = by_column(waves.z, params.W2) + params.b2
        return self.put(a, self._beside(e, waves.x)), waves

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """dL/dx = delta_x + 2 pi u . w1, and the gradients"""
        rest, parts = self.take(delta)
        u = self._back(params, cache, parts)
        of_x = parts[:, :, -1] + 2 * math.pi * (u * params.w1).sum(2)
        return self._gradients(cache, parts, u), self.by_column(rest, of_x)

    def gradients(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Any:
        """dL/dw1, dL/db1, dL/dW2 and dL/db2 without dL/dx"""
        _, parts = self.take(delta)
        return self._gradients(cache, parts, self._back(params, cache, parts))

    def per_sample(self, params: Params, a: Array, delta: Array, ctx: Context) -> Any:
        """dL_i/dw1 = 2 pi x_i u_i      dL_i/db1 = u_i      dL_i/dW2 = z_i^T delta_e,i      dL_i/db2 = delta_e,i"""
        waves, (_, parts) = self.waves(params, a), self.take(delta)
        u, of_e = self._back(params, waves, parts), parts[:, :, :-1]
        of_W2 = waves.z[:, :, :, None] * of_e[:, :, None, :]
        return PeriodicParams(2 * math.pi * waves.x[:, :, None] * u, u, of_W2, of_e)

    def tangent(self, params: Params, v: Array, cache: Cache, a_dot: Array, ctx: Context) -> Array:
        """e' = z' W2 + z W2' + b2', with z' = -sin(2 pi w1 x + b1) (2 pi (w1' x + w1 x') + b1')"""
        xp, x = namespace(cache.x), cache.x
        if a_dot is None:
            assert ctx.link is not None
            a_dot = xp.zeros((x.shape[0], ctx.link.fan_in), dtype=x.dtype)
        x_dot = a_dot[:, self.embedded(a_dot.shape[1])]
        turns_dot = v.w1 * x[:, :, None] + params.w1 * x_dot[:, :, None]
        z_dot = -xp.sin(cache.t) * (2 * math.pi * turns_dot + v.b1)
        e_dot = by_column(z_dot, params.W2) + by_column(cache.z, v.W2) + v.b2
        return self.put(a_dot, self._beside(e_dot, x_dot))

    def slopes(self, params: Params, cache: Cache) -> Array:
        """[-2 pi w1 sin(2 pi w1 x + b1) W2, 1], (batch, k, size)"""
        e = by_column(-2 * math.pi * params.w1 * namespace(cache.x).sin(cache.t), params.W2)
        return self._beside(e, namespace(e).ones_like(cache.x))

    def pullback_tangent(
        self, params: Params, cache: Cache, delta: Array, a_dot: Array, ctx: Context
    ) -> Array:
        """delta_e . e'' x' with e'' = -(2 pi w1)^2 cos(2 pi w1 x + b1) W2"""
        curved = by_column(-((2 * math.pi * params.w1) ** 2) * cache.z, params.W2)  # (batch, k, size - 1)
        _, parts = self.take(delta)
        of_x = (parts[..., :-1] * curved[:, None]).sum(-1)
        at = self.embedded(a_dot.shape[-1])
        made = of_x[:, :, None] * a_dot[:, None, :, at]  # (batch, k, m, embedded)
        rest = namespace(made).zeros((*made.shape[:3], a_dot.shape[-1] - len(at)), dtype=made.dtype)
        return self.by_column(rest, made)

    def gradients_tangent(
        self, params: Params, cache: Cache, delta: Array, a_dot: Array, ctx: Context
    ) -> Any:
        """The change along x', where the cosines change by z' = -2 pi w1 sin(t) x', and u by u':

        u' = -2 pi w1 cos(t) x' (delta_e W2^T)
        of w1: 2 pi sum_i (x'_i u_i + x_i u'_i)      of b1: sum_i u'_i      of W2: sum_i z'_i^T delta_e,i      of b2: 0
        """
        xp, (_, parts) = namespace(delta), self.take(delta)
        x_dot = a_dot[:, self.embedded(a_dot.shape[1])][:, :, None]
        turns = 2 * math.pi * params.w1 * x_dot  # (batch, k, frequencies)
        u = self._back(params, cache, parts)
        u_dot = -cache.z * turns * by_column(parts[:, :, :-1], xp.moveaxis(params.W2, 1, 2))
        of_change = self._gradients(cache._replace(z=-xp.sin(cache.t) * turns), parts, u_dot)
        of_w1 = of_change.w1 + 2 * math.pi * (x_dot * u).sum(0)
        return of_change._replace(w1=of_w1, b2=xp.zeros_like(params.b2))

    def waves(self, params: Params, a: Array) -> Waves:
        """Compute z = cos(2 pi w1 x + b1) of the embedded columns of a (batch, features)."""
        x = a[:, self.embedded(a.shape[1])]  # (batch, k)
        t = 2 * math.pi * (x[:, :, None] * params.w1) + params.b1
        return Waves(x, t, namespace(a).cos(t))

    def _back(self, params: Params, waves: Waves, parts: Array) -> Array:
        """u = -sin(2 pi w1 x + b1) (delta_e W2^T), (batch, k, frequencies)"""
        xp = namespace(parts)
        return -xp.sin(waves.t) * by_column(parts[:, :, :-1], xp.moveaxis(params.W2, 1, 2))

    def _gradients(self, waves: Waves, parts: Array, u: Array) -> Any:
        xp, of_e = namespace(parts), parts[:, :, :-1]
        of_W2 = xp.matmul(xp.moveaxis(waves.z, 0, 2), xp.moveaxis(of_e, 0, 1))  # (k, frequencies, size - 1)
        return PeriodicParams(2 * math.pi * (waves.x[:, :, None] * u).sum(0), u.sum(0), of_W2, of_e.sum(0))

    def _beside(self, e: Array, x: Array) -> Array:
        """[e, x] (batch, k, size)"""
        return namespace(e).concatenate([e, x[:, :, None]], 2)

    def parameters(self, fan_in: int, default: Initializer) -> Any:
        """w1 and b1 (k, frequencies), W2 (k, frequencies, size - 1), b2 (k, size - 1)."""
        k = fan_in if self.columns is None else len(self.columns)
        of_wave, of_sum = (k, self.frequencies), (k, self.size - 1)
        r = Uniform(self.frequencies**-0.5)

        def parameter(shape: tuple[int, ...], initializer: Initializer) -> Parameter:
            return Parameter(shape, initializer, rate=self.rate, decays=self.decays)

        return PeriodicParams(
            w1=parameter(of_wave, Normal(self.sigma)),
            b1=parameter(of_wave, Uniform(math.pi)),
            W2=parameter((*of_wave, self.size - 1), r),
            b2=parameter(of_sum, r),
        )

    def arrays(self, training: bool) -> int:
        """Count the angles and the cosines, `frequencies` numbers each per `size` outputs, besides output and delta."""
        return 2 + 2 * math.ceil(self.frequencies / self.size)

    def confined(self, fan_in: int, paths: Paths, is_last: bool) -> Confined | None:
        """Refuse a column with a direction, because waves rise and fall."""
        if paths.directions[self.embedded(fan_in)].any():
            return None
        return Confined(paths.take(self.sources(fan_in)))

    def ops(self, fan_in: int) -> tuple[Operation, ...]:
        """periodic, with the columns that it reads and its parameters"""
        columns = tuple(self.embedded(fan_in).tolist())
        return (Operation("periodic", parameters=PeriodicParams._fields, columns=columns),)

    def operations(self, fan_in: int) -> int:
        """Count three operations per cosine, and two for each number it contributes to."""
        return len(self.embedded(fan_in)) * self.frequencies * (3 + 2 * (self.size - 1))


def by_column(a: Array, W: Array) -> Array:
    """Multiply each column's row by its matrix: (batch, k, n) and (k, n, m) give (batch, k, m)."""
    xp = namespace(a)
    return xp.moveaxis(xp.matmul(xp.moveaxis(a, 0, 1), W), 0, 1)
