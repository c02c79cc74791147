"""Derivatives of a network's outputs, or of its answer, by its inputs, of each row: Jacobians, Hessians, products.

    J_ki = d f_k / d x_i (outputs, inputs)          H_kij = d^2 f_k / d x_i d x_j (outputs, inputs, inputs)

by the layers' own `pullback`, `pushforward` and `pullback_tangent`, or of a chain of dense layers by the kernels of
native/derivatives.h, in prediction mode: with the running statistics of batch norm, without dropout. At a kink f' is
the one of training (0 for ReLU at 0) and f'' is 0, so a network that is linear between its kinks has a Hessian of 0.
The derivative by a code of an `Embedding` is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array, Cache, Params, RowsLike, by_matrix
from chainrule.core.settings import check_choice
from chainrule.data.checks import as_array
from chainrule.data.samples import TargetScale, dense, side_by_side
from chainrule.engines import NativeEngine
from chainrule.errors import ConfigError, DataError, ShapeError
from chainrule.formulas.activations import sigmoid
from chainrule.formulas.layers import (
    ACTIVATIONS,
    Activation,
    Context,
    Identity,
    Layer,
    Link,
    Softmax,
)
from chainrule.formulas.losses import Loss, log_ordinal, ordinal_sums, ordinal_thresholds
from chainrule.network import backprop, tree
from chainrule.network.network import Network
from chainrule.trained.prediction import PredictionMixin

NATIVE = NativeEngine()
NUMBERS_PER_CALL = 1 << 25
"""The maximum number of derivatives in one call of the kernels, after which an interrupt is seen."""
WORTH_A_THREAD = 1 << 21
"""The multiplications from which several threads are worth asking for."""
NUMBERS_PER_PASS = 1 << 20
"""The maximum number of derivatives by the outputs of the widest layer in one pass."""
ANSWERS = {"outputs": False, "answer": True}
"""The values of `of`: whether predictions are differentiated."""


@dataclass(frozen=True)
class Restore(Layer):
    """The targets' units: out = mean + std a, with a TargetScale as params."""

    kind = "target_scale"
    is_affine = True
    is_elementwise = True
    multiplies_by = "std"

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Array, Any]:
        """mean + std a"""
        return a * params.std + params.mean, None

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """dL/da = std delta"""
        return (), delta * params.std


@dataclass(frozen=True)
class Clamp(Layer):
    """The limits of predictions: out = min(max(a, low), high), with a TargetScale as params."""

    is_elementwise = True
    is_piecewise_affine = True

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Array, Any]:
        """min(max(a, low), high)"""
        return np.clip(a, params.low, params.high), (a - params.low, params.high - a)

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """dL/da = delta from low to high, else 0"""
        return (), delta * (np.minimum(*cache) >= 0)

    def from_kinks(self, cache: Cache, ctx: Context) -> list[Array]:
        """a - low and high - a"""
        return list(cache)


@dataclass(frozen=True)
class Exp(Activation):
    """The exponential function, of predictions: a = exp(z)      a' = a'' = a"""

    def f(self, z: Array) -> Array:
        """exp(z)"""
        return np.exp(z)

    def prime(self, z: Array, a: Array) -> Array:
        """exp(z) = a"""
        return a

    second = prime


@dataclass(frozen=True)
class Ordinal(Layer):
    """The probabilities of ordered classes, `OrdinalCrossEntropy.predict`: p_k = s_k - s_{k-1}, s_k = sigmoid(t_k)."""

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Array, Any]:
        """p"""
        return np.exp(log_ordinal(a)), (a, sigmoid(a), sigmoid(ordinal_thresholds(a)))

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """The row of `pullback`"""
        return (), self.pullback(params, cache, delta[:, None], ctx)[:, 0]

    def pullback(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Array:
        """G_0, sigmoid(z_j) G_j, -G_0, G_j = sum_{k>=j} s_k (1 - s_k) (delta_k - delta_{k+1})"""
        _, slope, s = (part[:, None] for part in cache)
        return self._to_z(ordinal_sums(s * (1 - s) * (delta[..., :-1] - delta[..., 1:])), slope)

    def pushforward(self, params: Params, cache: Cache, a_dot: Array, ctx: Context) -> Array:
        """s_k (1 - s_k) t'_k - s_{k-1} (1 - s_{k-1}) t'_{k-1}"""
        s, none = cache[2][:, None], np.zeros_like(a_dot[..., :1])
        moved = s * (1 - s) * self._thresholds(cache, a_dot)
        return np.concatenate([moved, none], -1) - np.concatenate([none, moved], -1)

    def pullback_tangent(
        self, params: Params, cache: Cache, delta: Array, a_dot: Array, ctx: Context
    ) -> Array:
        """The derivative of `pullback` along a': s_k (1 - s_k) (1 - 2 s_k) t'_k in G, and sigmoid'(z_j) z'_j G_j"""
        _, slope, s = (part[:, None, None] for part in cache)
        of_t = s * (1 - s) * (delta[..., :-1] - delta[..., 1:])[:, :, None]
        moved = self._thresholds(cache, a_dot)[:, None]
        made = self._to_z(ordinal_sums(of_t * (1 - 2 * s) * moved), slope)
        curved = slope * (1 - slope) * a_dot[:, None] * ordinal_sums(of_t)
        made[..., 1:-1] += curved[..., 1:-1]
        return made

    def _to_z(self, G: Array, slope: Array) -> Array:
        """G_0, sigmoid(z_j) G_j, -G_0"""
        made = np.concatenate([G[..., :1], slope[..., 1:-1] * G[..., 1:-1], -G[..., :1]], -1)
        return made[..., : G.shape[-1]]  # of one class there is no threshold

    def _thresholds(self, cache: Cache, a_dot: Array) -> Array:
        """t'_k = z'_0 - z'_{K-1} + sum_{0<j<=k} sigmoid(z_j) z'_j"""
        first = a_dot[..., :1] - a_dot[..., -1:]
        steps = np.concatenate([first, cache[1][:, None, 1:-1] * a_dot[..., 1:-1]], -1)
        return np.cumsum(steps, -1)[..., : a_dot.shape[-1] - 1]


@dataclass(frozen=True)
class MeanAnswer(Layer):
    """The mean of the members' answers (batch, outputs), from their outputs side by side: mean_g answer(a_g)."""

    answer: Layer
    members: int

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Array, Any]:
        """mean_g answer(a_g)"""
        parts = (self.answer.forward(params, part, ctx) for part in np.split(a, self.members, -1))
        outs, caches = zip(*parts, strict=True)
        return sum(outs) / self.members, caches

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """dL/da_g = answer'(a_g)^T delta / members"""
        return (), self.pullback(params, cache, delta[:, None], ctx)[:, 0]

    def pullback(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Array:
        """dL/da_g = answer'(a_g)^T delta / members"""
        delta = delta / self.members
        return np.concatenate([self.answer.pullback(params, of, delta, ctx) for of in cache], -1)

    def pushforward(self, params: Params, cache: Cache, a_dot: Array, ctx: Context) -> Array:
        """mean_g answer'(a_g) a_g'"""
        parts = zip(cache, np.split(a_dot, self.members, -1), strict=True)
        return sum(self.answer.pushforward(params, of, part, ctx) for of, part in parts) / self.members

    def pullback_tangent(
        self, params: Params, cache: Cache, delta: Array, a_dot: Array, ctx: Context
    ) -> Array:
        """The curvature of each member's answer, side by side; None of the identity"""
        if self.answer.is_affine:
            return None
        delta, parts = delta / self.members, zip(cache, np.split(a_dot, self.members, -1), strict=True)
        curved = [self.answer.pullback_tangent(params, of, delta, part, ctx) for of, part in parts]
        return np.concatenate(curved, -1)

    def width(self, fan_in: int) -> int:
        """Return the outputs of one member."""
        return fan_in // self.members


def answer_layers(loss: Loss) -> list[Layer]:
    """Return `Loss.predict` as layers. Raises ConfigError for a custom loss that does not say by its `ops` how to."""
    ops = loss.of_member.ops()
    made: list[Layer] = []
    last: Layer = Identity()
    for op in ops or ():
        if op.name in ("softmax", "ordinal"):
            last = Softmax() if op.name == "softmax" else Ordinal()
        else:
            made.append(({"exp": Exp} | ACTIVATIONS)[op.function or ""]())
    if ops is None or loss.ops() is None:
        raise ConfigError(
            f"the derivative of {type(loss).__name__}.predict is not known; ask for of='outputs', or write the loss's "
            "`ops`, as Loss.ops describes."
        )
    return [*made, last if loss.members == 1 else MeanAnswer(last, loss.members)]


class Differentiable(NamedTuple):
    """f of each row of X: a chain of links, and the vectors that choose f among the outputs of the last one."""

    links: tuple[Link, ...]
    ctx: Context
    chosen: NDArray[Any]  # (1, k, fan_out)
    X: Any  # (n, inputs)
    chain: Any
    """the kernels' derivatives of the network behind its head, None for none"""
    network: Network
    theta: NDArray[Any]
    head: int
    """the number of links in front that change each input alone"""
    tail: tuple[Any, ...]
    """the parameters of the links behind the network"""

    @property
    def params(self) -> tuple[Any, ...]:
        """The parameters of all links, which the kernels alone do not need."""
        return (*self.network.unflatten(self.theta), *self.tail)

    def jacobian(self) -> NDArray[Any]:
        """Compute J (n, k, inputs)."""
        return self._pulled(self.chosen)

    def vector_jacobian(self, U: object) -> NDArray[Any]:
        """Compute sum_k u_k J_k (n, inputs), for U (n, k)."""
        delta = self._vectors(U, self._k, "U", "output")[:, None] @ self.chosen
        return self._pulled(delta)[:, 0]

    def jacobian_vector(self, V: object) -> NDArray[Any]:
        """Compute sum_i J_i v_i (n, k), for V (n, inputs)."""
        a_dot, last = self._vectors(V, self._inputs, "V", "input")[:, None], (1, self.links[-1].fan_out)
        made = self._in_passes(lambda *walk: backprop.pushforward(*walk)[-1], last, 1, a_dot)
        return np.asarray(made[:, 0] @ self.chosen[0].T)

    def hessian(self) -> NDArray[Any]:
        """Compute H (n, k, inputs, inputs)."""
        k, m = self._k, self._inputs
        if self.chain is not None:
            return self._by_kernels(self.chosen, twice=True)
        axes = np.eye(m, dtype=self.chosen.dtype)[None]
        return self._in_passes(hessian, (k, m, m), k * m, self.chosen, axes)

    def hessian_vector(self, V: object) -> NDArray[Any]:
        """Compute sum_j H_kij v_j (n, k, inputs), for V (n, inputs)."""
        a_dot, shape = self._vectors(V, self._inputs, "V", "input")[:, None], (self._k, 1, self._inputs)
        made = self._in_passes(backprop.pullback_tangent, shape, self._k, self.chosen, a_dot)
        return made[:, :, 0]

    def _pulled(self, delta: NDArray[Any]) -> NDArray[Any]:
        """Compute J^T delta (n, k, inputs), for delta (1 or n, k, outputs)."""
        if self.chain is not None:
            return self._by_kernels(delta)
        return self._in_passes(backprop.pullback, (delta.shape[1], self._inputs), delta.shape[1], delta)

    def _by_kernels(self, delta: NDArray[Any], twice: bool = False) -> NDArray[Any]:
        """Compute J^T delta, or twice its derivatives, by the chain."""
        n, k, m, dtype = self.X.shape[0], delta.shape[1], self._inputs, self.chosen.dtype
        links, none = self.links[len(self.links) - len(self.tail) :], (None,) * len(self.tail)
        delta = backprop.pullback(links, self.tail, none, delta, self.ctx, len(delta))
        found = np.empty((n, k, m, m) if twice else (n, k, m), dtype)
        size = max(1, NUMBERS_PER_CALL * n // max(1, found.size))
        threads = NATIVE.workers() if found.size // m * self.theta.size > WORTH_A_THREAD else 1
        for start in range(0, n, size):
            rows = slice(start, start + size)
            a, slopes = dense(self.X[rows], dtype), None
            if self.head:
                some = self.links[: self.head], self.params[: self.head]
                with np.errstate(all="ignore"):  # overflow is visible in the result
                    a, caches = backprop.forward(*some, a, self.ctx)
                slopes = backprop.pullback(*some, caches, np.ones((1, 1, m), dtype), self.ctx, len(a))
            part = found[rows]
            u = np.ascontiguousarray(delta if len(delta) == 1 else delta[rows])
            self.chain.derive(self.theta, np.ascontiguousarray(a), u, twice, part, threads)
            if slopes is not None:
                part *= slopes if not twice else slopes[..., None, :] * slopes[..., None]
        return found

    @property
    def _k(self) -> int:
        return int(self.chosen.shape[1])

    @property
    def _inputs(self) -> int:
        return self.links[0].fan_in

    def _in_passes(
        self, walk: Callable[..., Array], shape: tuple[int, ...], count: int, *vectors: NDArray[Any]
    ) -> NDArray[Any]:
        """Compute the result (n, *shape) of a walk of `backprop`, some rows at a time.

        count: the vectors of each row that it passes on.  vectors: its arguments, (n, ...), or (1, ...) for all rows.
        """
        widest = max(self._inputs, *(link.fan_out for link in tree.walk(self.links)))
        size, n, params = max(1, NUMBERS_PER_PASS // (count * widest)), self.X.shape[0], self.params
        found = np.empty((n, *shape), self.chosen.dtype)
        for start in range(0, n, size):
            rows = slice(start, start + size)
            a = dense(self.X[rows], self.chosen.dtype)
            own = (each if len(each) == 1 else each[rows] for each in vectors)
            try:
                with np.errstate(all="ignore"):  # overflow is visible in the result
                    _, caches = backprop.forward(self.links, params, a, self.ctx)
                    made = walk(self.links, params, caches, *own, self.ctx, len(a))
            except NotImplementedError as error:
                raise ConfigError(f"this derivative needs more of a custom layer: {error}") from error
            if len(a) == n and made is not None and made.shape == found.shape:
                return np.asarray(made)  # uncopied
            found[rows] = 0 if made is None else made
        return found

    def _vectors(self, vectors: object, width: int, name: str, of: str) -> NDArray[Any]:
        """Check vectors (n, width), one for each row; one (width,) for all rows becomes (1, width)."""
        given, n = np.asarray(as_array(vectors, name)), self.X.shape[0]
        if given.shape not in ((width,), (n, width)):
            raise ShapeError(
                f"{name} must be a number per {of}, of shape ({width},), or these for each row, ({n}, {width}); its "
                f"shape is {given.shape}."
            )
        if given.dtype.kind not in "biuf" or not np.isfinite(given).all():
            raise DataError(f"{name} must contain finite real numbers.")
        return given.reshape(-1, width).astype(self.chosen.dtype)


def hessian(
    links: Sequence[Link],
    params: Sequence[Any],
    caches: Sequence[Any],
    delta: Array,
    a_dot: Array,
    ctx: Context,
    rows: int,
) -> Array:
    """Compute sum_l A_l^T (sum_j delta_lj d^2 a_lj / d a_{l-1}^2) A_l (rows, k, m, m), with A_l = d a_{l-1} / d a_0.

    It takes a product of matrices for each link that is curved, and no backward pass for each direction.
    delta: (1, k, fan_out), d f_k / d out.  a_dot: (1, m, m), the unit vectors.
    """
    dots = backprop.pushforward(links, params, caches, a_dot, ctx, rows)[:-1]
    k, m = delta.shape[1], a_dot.shape[1]
    found = np.zeros((rows, k * m, m), delta.dtype)
    for link, theta, cache, dot in zip(*map(reversed, (links, params, caches, dots)), strict=True):
        at, delta = ctx.at(link), backprop.of_rows(link.layer, delta, rows)
        own = backprop.bend(link, theta, cache, delta, dot, at)
        if own is not None:
            found += by_matrix(own.reshape(rows, k * m, link.fan_in), dot.swapaxes(1, 2))
        delta = link.layer.pullback(theta, cache, delta, at)
    return found.reshape(rows, k, m, m)


def differentiable(model: PredictionMixin, X: RowsLike, of: str, outputs: Any) -> Differentiable:
    """Return f as a function of checked rows X. of, outputs: as in `Trained.jacobian`."""
    network, dtype = model.network, model.dtype
    is_answer = check_choice(of, ANSWERS, "of")
    after, tail = [], []
    for link, own in links_after(network, model.target_scale, dtype, is_answer):
        after.append(link)
        tail.append(own)
    links = (*network.links, *after)
    vectors = np.eye(links[-1].fan_out if links else network.fan_out, dtype=dtype)
    if is_answer and model.task == "binary":
        vectors = np.asarray([[-1], [1]], dtype)  # of 1 - p and p
    chosen = vectors[check_outputs(outputs, len(vectors))][None]
    each = [link.layer.is_affine and link.layer.is_elementwise for link in links]
    head = each.index(False) if False in each else 0
    chain = NATIVE.chain(network, head) if all(each[len(network.links) :]) else None
    ctx = Context(states=model.states)
    return Differentiable(links, ctx, chosen, X, chain, network, model.theta, head, tuple(tail))


def links_after(
    network: Network, scale: TargetScale | None, dtype: Any, is_answer: bool
) -> Iterator[tuple[Link, Any]]:
    """Iterate over the links from a network's last output to its outputs in the targets' units or to its answer.

    Each with its parameters; their number -1 is no place in the network.
    """
    ends: list[tuple[Layer, Any]] = []
    width = network.fan_out
    if scale is not None:
        given = (part for part in scale if part is not None)
        own = TargetScale(*(part.astype(dtype) for part in side_by_side(np.empty(width), *given)))
        ends = [(Restore(), own), *([(Clamp(), own)] if is_answer and own.clamps else [])]
    if is_answer:
        ends += [(layer, ()) for layer in answer_layers(network.loss) if not layer.is_identity]
    for layer, params in ends:
        before, width = width, layer.width(width)
        yield Link(layer.kind, -1, layer, before, width, ()), params


def check_outputs(outputs: object, count: int) -> NDArray[np.int64]:
    """Return the places of the chosen outputs. Raises ConfigError unless each is an integer from 0 to count - 1."""
    if outputs is None:
        return np.arange(count)
    given: list[Any] = list(outputs) if isinstance(outputs, Iterable) else [outputs]
    if not given or any(
        isinstance(k, bool) or not isinstance(k, int | np.integer) or not 0 <= k < count for k in given
    ):
        raise ConfigError(
            f"outputs must be one of 0 to {count - 1} or a list of these, or None for all, not {outputs!r}."
        )
    return np.asarray(given, np.int64)
