"""The methods of attribution, their table, and one function that calls any of them."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array, Cache, Params, RowsLike, sums_by
from chainrule.core.settings import check_number
from chainrule.data.checks import check_choice, check_count
from chainrule.data.frames import column_names
from chainrule.errors import ConfigError
from chainrule.formulas.layers import Context, Embedding, Layer, Link
from chainrule.inspection.attribution.explained import (
    Explained,
    Floats,
    attributed_links,
    explained,
    input_links,
)
from chainrule.inspection.attribution.result import Attribution
from chainrule.network import backprop
from chainrule.network.blocks import Block, Residual, Skip
from chainrule.network.tree import places, replace, walk
from chainrule.trained.trained import Trained

# --- by gradients: at the sample, and averaged along the straight line from the baseline to it

NODES = 8
"""The number of Gauss-Legendre nodes per piece of the line: exact if f is a polynomial of degree 16 on it."""
MAX_GRADIENTS = 40_000
"""The maximum number of gradients per sample, after which the adaptive rule stops and reports the remaining error."""
MAX_NUMBERS = 100_000_000
"""The maximum number of outputs of the widest layer in these: with more than 2,500 there are fewer gradients."""
MAX_STEPS = 5000
"""The maximum number of nodes of one rule: computing them takes cubic time."""
ROUNDING = 1e-13
"""The error, relative to |f|, that more nodes cannot reduce."""


def saliency(
    model: Trained,
    X: RowsLike,
    *,
    target: object = None,
    against: object = None,
    baseline: Array = None,
    shape: tuple[int, int] | None = None,
    signed: bool = False,
) -> Attribution:
    """|df/dx_k|, or with signed=True df/dx_k: the backward pass down to the input.

    X: (n, inputs).  The baseline is stored but not used.  At a kink the derivative is the activation's own.
    Source: Simonyan, Vedaldi, Zisserman, "Deep inside convolutional networks", arXiv:1312.6034, section 3.
    """
    f = explained(model, X, target=target, against=against, baseline=baseline, shape=shape).behind_codes()
    gradient = f.gradient(f.X, f.V)  # (n, inputs)
    return attribution_of(
        "saliency", f, gradient if signed else np.abs(gradient), is_complete=False, signed=bool(signed)
    )


def input_x_gradient(
    model: Trained,
    X: RowsLike,
    *,
    target: object = None,
    against: object = None,
    baseline: Array = None,
    shape: tuple[int, int] | None = None,
) -> Attribution:
    """(x_k - baseline_k) df/dx_k: the contribution of feature k if f were linear with this gradient.

    X: (n, inputs).  With a baseline of 0, as published: x_k df/dx_k.
    Source: Shrikumar, Greenside, Shcherbina, Kundaje, "Not just a black box", arXiv:1605.01713.
    """
    f = explained(model, X, target=target, against=against, baseline=baseline, shape=shape).behind_codes()
    values = (f.X - f.baseline) * f.gradient(f.X, f.V)  # (n, inputs)
    return attribution_of("input_x_gradient", f, values, is_complete=False)


def integrated_gradients(
    model: Trained,
    X: RowsLike,
    *,
    target: object = None,
    against: object = None,
    baseline: Array = None,
    shape: tuple[int, int] | None = None,
    steps: int | None = None,
    tolerance: float = 1e-6,
) -> Attribution:
    r"""(x_k - b_k) * integral from 0 to 1 of df/dx_k (b + t (x - b)) dt, with b the baseline.

    X: (n, inputs).  steps: the number of Gauss-Legendre nodes on the whole line, as in other packages; None for the
    adaptive rule, which refines until the sum is within `tolerance` of f(x) - f(b), relative.

    The adaptive rule splits the line where a ReLU (or another kinked activation) on it turns on or off. These points
    are found layer by layer: between the points of the layers before it, a layer's pre-activations are linear, so zeros
    follow from the values at both ends. Each piece has 8 nodes, or 1 if f is affine between the points, as with dense
    layers and ReLUs, and is halved if its part of the sum misses its part of f(x) - f(b). For such networks the result
    is exact up to rounding.
    Source: Sundararajan, Taly, Yan, "Axiomatic attribution for deep networks", ICML 2017, eq. 1, proposition 1.
    """
    f = explained(model, X, target=target, against=against, baseline=baseline, shape=shape).behind_codes()
    if steps is not None:
        steps = check_count(steps, "steps")
        if steps > MAX_STEPS:
            raise ConfigError(
                f"steps must be at most {MAX_STEPS:,}, not {steps:,}; omit it to split the line where f has "
                "kinks."
            )
    elif not (isinstance(tolerance, (int, float)) and 0 < tolerance < 1):
        raise ConfigError(f"tolerance must be between 0 and 1, not {tolerance!r}; 1e-6 is usual.")
    values, used = np.empty_like(f.X), []
    for i in range(len(f.X)):
        values[i], count = _fixed(f, i, steps) if steps is not None else _adaptive(f, i, tolerance)
        used.append(count)
    how = {"steps": steps} if steps is not None else {"steps": None, "tolerance": tolerance}
    return attribution_of("integrated_gradients", f, values, is_complete=True, **how, gradients=used)


def _fixed(f: Explained, i: int, steps: int) -> tuple[Floats, int]:
    nodes, weights = gauss_legendre(steps)
    return (f.X[i] - f.baseline[i]) * _mean_gradient(f, i, nodes, weights), steps


def _adaptive(f: Explained, i: int, tolerance: float) -> tuple[Floats, int]:
    """Compute the values (inputs,) of sample i, and the number of gradients used."""
    way = f.X[i] - f.baseline[i]  # (inputs,)
    count = 1 if is_piecewise_affine(f) else NODES
    most = most_gradients(f)
    edges = turning_points(f, i)  # (pieces + 1,)
    if len(edges) * count > most < MAX_GRADIENTS:
        edges = edges[np.unique(np.linspace(0, len(edges) - 1, max(2, most // (2 * count))).astype(int))]
    at_edges = f.value(_along(f, i, edges), f.V[i])  # (pieces + 1,)
    goal = max(tolerance * abs(at_edges[-1] - at_edges[0]), ROUNDING * float(np.abs(at_edges).max()))
    nodes, weights = gauss_legendre(count)
    starts, stops, rises = edges[:-1], edges[1:], np.diff(at_edges)
    total, used, left = np.zeros_like(way), 0, 0.0
    while len(starts):
        sums = np.empty((len(starts), len(way)))
        step = max(1, f.rows_per_pass // count)
        for first in range(0, len(starts), step):
            some = slice(first, first + step)
            width = stops[some] - starts[some]  # (some,)
            t = starts[some, None] + width[:, None] * nodes  # (some, count)
            g = f.gradient(_along(f, i, t.ravel()), f.V[i]).reshape(*t.shape, -1)
            sums[some] = way * (width[:, None] * np.einsum("k,pki->pi", weights, g))
        used += starts.size * count
        errors = np.abs(sums.sum(1) - rises)  # (pieces,) completeness of each piece
        # Halve the worst pieces, as few as possible: the other errors then add up to less than half the limit.
        order = np.argsort(errors)
        fine = np.zeros(len(errors), np.bool_)
        fine[order] = np.cumsum(errors[order]) <= max(goal - left, 0) / 2
        fine |= (stops - starts) < 1e-12
        if used + 2 * count * np.count_nonzero(~fine) > most:
            fine[:] = True
        total += sums[fine].sum(0)
        left += float(errors[fine].sum())
        middle = (starts[~fine] + stops[~fine]) / 2
        f_starts, f_stops = (
            f.value(_along(f, i, t), f.V[i]) if len(t) else t for t in (starts[~fine], stops[~fine])
        )
        f_middle = f.value(_along(f, i, middle), f.V[i]) if len(middle) else middle
        starts, stops = np.concatenate([starts[~fine], middle]), np.concatenate([middle, stops[~fine]])
        rises = np.concatenate([f_middle - f_starts, f_stops - f_middle])
    return total, used


def most_gradients(f: Explained) -> int:
    """Return the maximum number of gradients per sample."""
    return max(NODES, min(MAX_GRADIENTS, MAX_NUMBERS // f.width))


def is_piecewise_affine(f: Explained) -> bool:
    """Return whether f is affine on each piece between kinks, with one gradient per piece."""
    return all(
        layer.joins_linearly if isinstance(layer, Block) else layer.is_affine or layer.is_piecewise_affine
        for layer in (link.layer for link in walk(f.links))
    )


def turning_points(f: Explained, i: int) -> Floats:
    """Return 0, 1, and the sorted positions on sample i's line where an activation's z, or a number, crosses a kink."""
    t = np.array([0.0, 1.0])
    for number in itertools.count():
        caches = f.forward(_along(f, i, t))[1]
        z = next(itertools.islice(_beside_kinks(f, caches), number, None), None)  # (len(t), width)
        if z is None:
            break
        turns = (z[:-1] > 0) != (z[1:] > 0)
        piece, unit = np.nonzero(turns)
        a, b = z[piece, unit], z[piece + 1, unit]
        found = t[piece] + (t[piece + 1] - t[piece]) * (a / (a - b))
        t = np.unique(np.concatenate([t, found]))
        # Merge points that differ only by rounding.
        t = t[np.concatenate([[True], np.diff(t) > 1e-14])]
        t[-1] = 1.0
        if len(t) * NODES > most_gradients(f):
            break
    return t


def _beside_kinks(f: Explained, caches: Sequence[Any]) -> Iterator[Floats]:
    """Iterate over z minus each kink (rows, kinks * width) of the layers with kinks, in forward order."""
    for link, *_, (cache,) in places(f.links, caches):
        if distances := link.layer.from_kinks(cache, f.ctx.at(link)):
            yield np.hstack(distances)


def _along(f: Explained, i: int, t: Floats) -> Floats:
    """Return points (len(t), inputs) on the line: the baseline at 0, the sample at 1."""
    return np.asarray(f.baseline[i] + t[:, None] * (f.X[i] - f.baseline[i]))


def _mean_gradient(f: Explained, i: int, t: Floats, weights: Floats) -> Floats:
    total = np.zeros(f.X.shape[1])
    for some in f.chunks(len(t)):
        total += weights[some] @ f.gradient(_along(f, i, t[some]), f.V[i])
    return total


def gauss_legendre(count: int) -> tuple[Floats, Floats]:
    """Return nodes (count,) on [0, 1] and weights (count,) with sum 1."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


# --- DeepLIFT: differences, with slopes of chords in place of derivatives

Rule = Callable[[Link], Layer | None]
"""A function from a link to the layer that replaces its own; None if there is no rule for it."""


class NoRuleError(ConfigError):
    """Raised when a method has no rule for a layer of the network."""

    def __init__(self, method: str, link: Link) -> None:
        """Store the method and the link."""
        self.layer, self.name = type(link.layer).__name__, link.name
        super().__init__(
            f"{method} has no rule for {self.layer} ({link.name}); "
            "use integrated_gradients, which needs nothing but gradients."
        )


def with_rules(links: Sequence[Link], rule: Rule, method: str) -> tuple[Link, ...]:
    """Replace every layer of the links by its rule, in blocks too. Raises NoRuleError for a layer without a rule."""

    def replaced(link: Link) -> Layer:
        layer = rule(link)
        if layer is None:
            raise NoRuleError(method, link)
        return layer

    return replace(links, replaced)


MIN_DIFFERENCE = 1e-10
"""The difference of pre-activations below which the derivative replaces the chord's slope: of sums, most of it is
rounding."""
MIN_RUN = 1e-290
"""The same of numbers that are no sums, so that the quotient is finite: bins of a column may be 1e-16 wide."""


@dataclass(frozen=True)
class Chord(Layer):
    """The rescale rule of an activation: m_z = m_a (a - a') / (z - z'), with ' for the baseline; f'(z) where z = z'.

    The batch contains n samples and then their baselines, n or one for all, with an m of 0: z, a, m (n + baselines,
    width).
    """

    layer: Layer
    samples: int
    """n"""

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Any, Any]:
        """Run the activation's forward; the cache also contains z and a."""
        out, cache = self.layer.forward(params, a, ctx)
        return out, (a, out, cache)

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Any]:
        """Compute m_z from m_a."""
        z, a, inner = cache
        n = self.samples
        tangent = self.layer.backward(params, inner, np.ones_like(z), ctx)[1][:n]
        run, rise = z[:n] - z[n:], a[:n] - a[n:]  # (n, width)
        is_same = np.abs(run) < MIN_DIFFERENCE
        slope = np.where(is_same, tangent, rise / np.where(is_same, 1.0, run))
        found = np.zeros_like(z)
        found[:n] = delta[:n] * slope
        return (), found


@dataclass(frozen=True)
class Chords(Layer):
    """The rescale rule of a layer whose outputs each depend on one input, which several may share.

    m_x = sum of m_e (e - e') / (x - x') over the outputs e of x; de/dx where x = x'. The batch is as in `Chord`.
    """

    layer: Layer
    samples: int

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Any, Any]:
        """Run the layer's forward; the cache is x and e."""
        out, _ = self.layer.forward(params, a, ctx)
        return out, (a, out)

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Any]:
        """Compute m_x from m_e."""
        x, e = cache
        n, of = self.samples, self.layer.sources(x.shape[1])
        assert of is not None
        run = x[:n] - x[n:]  # (n, inputs)
        is_same = np.abs(run) < MIN_RUN
        slope = (e[:n] - e[n:]) / np.take(np.where(is_same, 1.0, run), of, axis=1)  # (n, fan_out)
        if is_same.any():
            np.copyto(slope, self.derivative(params, x[n:], ctx), where=np.take(is_same, of, axis=1))
        found = np.zeros_like(x)
        found[:n] = _sums_by_input(delta[:n] * slope, of, x.shape[1])
        return (), found

    def derivative(self, params: Params, x: Array, ctx: Context) -> Array:
        """Return de/dx (rows, fan_out)."""
        still = type(params)(*map(np.zeros_like, params)) if params else params
        return self.layer.tangent(params, still, self.layer.forward(params, x, ctx)[1], np.ones_like(x), ctx)


def _sums_by_input(values: Floats, of: NDArray[np.int64], inputs: int) -> Floats:
    """Add up the columns of values (n, fan_out) that are of the same input: (n, inputs)."""
    if (np.diff(of) < 0).any():
        order = np.argsort(of, kind="stable")
        values, of = values[:, order], of[order]
    there, starts = np.unique(of, return_index=True)
    sums = np.zeros((len(values), inputs))
    sums[:, there] = np.add.reduceat(values, starts, axis=1)
    return sums


def stand_in(link: Link, samples: int = 0) -> Layer | None:
    """Return the rule of a link: `Chord` if elementwise, `Chords` if columnwise, its own layer if affine, else None.

    samples: the rows of a batch that are samples; behind them are their baselines.
    """
    layer = link.layer
    if layer.is_affine or (isinstance(layer, Block) and layer.joins_linearly):
        return layer
    if layer.sources(link.fan_in) is not None:
        return Chords(layer, samples)
    return Chord(layer, samples) if layer.is_elementwise else None


class ChordPass(NamedTuple):
    """The forward pass of n samples and then their baselines, whose backward pass takes chords for slopes."""

    links: tuple[Link, ...]  # the rules in place of the layers
    params: Sequence[Any]
    ctx: Context
    rows: Floats  # (n + baselines, inputs)
    samples: int
    """n"""
    outputs: Floats  # (n + baselines, fan_out)
    caches: tuple[Any, ...]

    def multipliers(self, V: Floats) -> Floats:
        """Return m (n, inputs) of f = sum_k v_k out_k: f(x) - f(b) = sum_i m_i (x_i - b_i). V: (n, fan_out)."""
        rest = np.zeros((len(self.rows) - self.samples, V.shape[1]))
        delta = np.concatenate([V, rest])
        return np.asarray(
            backprop.backward(self.links, self.params, self.caches, delta, self.ctx)[1][: self.samples]
        )

    def contributions(self, V: Floats) -> Floats:
        """Return m_i (x_i - b_i) (n, inputs)."""
        n = self.samples
        return self.multipliers(V) * (self.rows[:n] - self.rows[n:])


def chord_pass(
    links: Sequence[Link], params: Sequence[Any], ctx: Context, X: Floats, baseline: Floats
) -> ChordPass:
    """Run the forward pass of samples X (n, inputs) and baselines (n, inputs), or one for all (1, inputs).

    Raises NoRuleError for a layer without a rule.
    """
    n = len(X)
    ruled = with_rules(links, partial(stand_in, samples=n), "deep_lift")
    rows = np.concatenate([X, baseline])
    outputs, caches = backprop.forward(ruled, params, rows, ctx)
    return ChordPass(ruled, params, ctx, rows, n, outputs, caches)


def multipliers(f: Explained) -> tuple[Floats, dict[str, Floats]]:
    """Compute m (n, inputs), and each neuron's contribution m * (a - a') (n, width) by link.

    Across any layer of the chain (not inside a block) the contributions add up to f(x) - f(baseline).
    """
    n = len(f.X)
    a: dict[str, Floats] = {}
    m: dict[str, Floats] = {}

    def watch(walk: str, link: Link, array: Array) -> None:
        (a if walk == "forward" else m)[link.name] = array

    found = chord_pass(f.links, f.params, f.ctx._replace(watch=watch), f.X, f.baseline).multipliers(f.V)
    return found, {name: m[name][:n] * (a[name][:n] - a[name][n:]) for name in a}


def deep_lift(
    model: Trained,
    X: RowsLike,
    *,
    target: object = None,
    against: object = None,
    baseline: Array = None,
    shape: tuple[int, int] | None = None,
) -> Attribution:
    """(x_k - b_k) m_k, with m the product of weights and chord slopes in the backward pass: the rescale rule.

    X: (n, inputs).  b: the baseline.  Instead of an activation's slope at z, DeepLIFT uses the slope between the
    baseline's z and the sample's, so a saturated neuron still contributes.
    Raises ConfigError for a layer without a rule (softmax inside the network, a custom layer).
    Source: Shrikumar, Greenside, Kundaje, "Learning important features through propagating activation differences",
    ICML 2017, section 3.5.1.
    """
    f = explained(model, X, target=target, against=against, baseline=baseline, shape=shape).behind_codes()
    values = (f.X - f.baseline) * multipliers(f)[0]
    return attribution_of("deep_lift", f, values, is_complete=True)


# --- epsilon-LRP: relevance, divided among the neurons by their contributions


class Absorbed(NamedTuple):
    """The relevance that a layer absorbs, stored in place of its gradients."""

    biases: Any  # (batch,)
    epsilon: Any  # (batch,)


def stabilized(z: Floats, epsilon: float) -> Floats:
    """Compute z + epsilon sign(z), with sign(0) = 1; 1 where the result is 0, which has no contributions."""
    out = z + np.where(z >= 0, epsilon, -epsilon)
    return np.where(out == 0, 1.0, out)


@dataclass(frozen=True)
class Proportional(Layer):
    """The epsilon rule of an affine layer z = J a + c (dense, batch norm in prediction, rescale, standardize).

    R_i = a_i sum_j J_ji s_j      s_j = R_j / (z_j + epsilon sign(z_j))
    biases: sum_j c_j s_j      epsilon: sum_j (R_j - z_j s_j)

    a: (batch, fan_in).  R: (batch, fan_out).  J^T s is the layer's own backward, c its forward at 0.
    Source: Bach et al., "On pixel-wise explanations ...", PLOS ONE 2015, eq. 58.
    """

    layer: Layer
    epsilon: float

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Any, Any]:
        """Run the layer's forward; the cache also contains a and z."""
        z, cache = self.layer.forward(params, a, ctx)
        return z, (a, z, cache)

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Any]:
        """Compute R (batch, fan_in) from R (batch, fan_out)."""
        a, z, inner = cache
        s = delta / stabilized(z, self.epsilon)  # (batch, fan_out)
        constant = self.layer.forward(params, np.zeros_like(a[:1]), ctx)[0]  # (1, fan_out)
        absorbed = Absorbed((constant * s).sum(1), (delta - z * s).sum(1))
        return absorbed, a * self.layer.backward(params, inner, s, ctx)[1]


@dataclass(frozen=True)
class Through(Layer):
    """The rule of an activation: R passes through unchanged, because each output depends only on its own z."""

    layer: Layer

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Any, Any]:
        """Run the layer's forward."""
        return self.layer.forward(params, a, ctx)[0], None

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Any]:
        """Return R."""
        zero = np.zeros(len(delta))
        return Absorbed(zero, zero), delta


@dataclass(frozen=True)
class Gathered(Through):
    """The rule of a layer whose outputs each depend on one input: an input's R is the sum over its outputs."""

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Any, Any]:
        """Run the layer's forward; the cache is the number of inputs."""
        return self.layer.forward(params, a, ctx)[0], a.shape[1]

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Any]:
        """Compute R (batch, fan_in) from R (batch, fan_out)."""
        return super().backward(params, cache, sums_by(self.layer.sources(cache), delta.T, cache).T, ctx)


@dataclass(frozen=True)
class Added(Layer):
    """The rule of a residual block: R is split in proportion to the contributions of its chains to the sum.

    R_F = F s      R_P = P s      s = R / (F + P + epsilon sign(F + P))      epsilon: sum_j (R_j - (F + P)_j s_j)
    """

    layer: Residual
    epsilon: float

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Any, Any]:
        """Run the block's forward; the cache contains the outputs of both chains."""
        assert ctx.link is not None
        walks = [
            backprop.forward(links, theta, a, ctx)
            for links, theta in zip(ctx.link.branches, params, strict=True)
        ]
        outputs, caches = zip(*walks, strict=True)
        return self.layer.join(*outputs), (outputs, caches)

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Any]:
        """Add the relevance of the input through both chains."""
        assert ctx.link is not None
        (branch, shortcut), caches = cache
        s = delta / stabilized(branch + shortcut, self.epsilon)
        lost = (delta - (branch + shortcut) * s).sum(1)
        (kept_F, R_F), (kept_P, R_P) = (
            backprop.backward(*walk, ctx)
            for walk in zip(ctx.link.branches, params, caches, (branch * s, shortcut * s), strict=True)
        )
        return (Absorbed(np.zeros_like(lost), lost), kept_F, kept_P), R_F + R_P


def rule(epsilon: float, passed: frozenset[str]) -> Any:
    """Return the rule for each kind of layer. passed: names of links that only change the units of the features."""

    def stand_in(link: Link) -> Layer | None:
        layer = link.layer
        if link.name in passed or layer.is_identity:
            return Through(layer)
        if isinstance(layer, Skip):  # the block's own backward splits R
            return layer
        if isinstance(layer, Residual):
            return Added(layer, epsilon)
        if layer.is_affine:
            return Proportional(layer, epsilon)
        if layer.sources(link.fan_in) is not None:
            return Gathered(layer)
        return Through(layer) if layer.is_elementwise else None

    return stand_in


def relevance(f: Explained, epsilon: float) -> tuple[Floats, dict[str, Floats]]:
    """Compute R (n, inputs), and the relevance absorbed by biases and epsilon, (n,) each."""
    passed = frozenset(link.name for link in f.links[: input_links(f.links)])
    links = with_rules(f.links, rule(epsilon, passed), "epsilon_lrp")
    out, caches = backprop.forward(links, f.params, f.X, f.ctx)
    kept, R = backprop.backward(links, f.params, caches, f.V * out, f.ctx)
    found = list(_absorbed(kept))
    zero = np.zeros(len(R))
    return R, {
        "biases": sum((each.biases for each in found), zero),
        "epsilon": sum((each.epsilon for each in found), zero),
    }


def _absorbed(tree: object) -> Iterator[Absorbed]:
    if isinstance(tree, Absorbed):
        yield tree
    elif isinstance(tree, tuple):
        for part in tree:
            yield from _absorbed(part)


def epsilon_lrp(
    model: Trained,
    X: RowsLike,
    *,
    target: object = None,
    against: object = None,
    shape: tuple[int, int] | None = None,
    epsilon: float = 1e-6,
) -> Attribution:
    """Layer-wise relevance propagation: R_i = a_i sum_j W_ij R_j / (z_j + epsilon sign(z_j)), starting from R = f(x).

    X: (n, inputs).  epsilon: bounds the relevances of a neuron with z near 0; the result states how much epsilon and
    the biases absorb.  Rescale and Standardize at the input only change units and pass relevance on.  Activations pass
    it to their z, batch norm is the affine map of prediction, and a residual block splits it in proportion to its
    chains' outputs.  An embedded number gets the sum over its vector.  For ReLU networks the limit for epsilon to 0 is
    input x gradient.
    Raises ConfigError for a layer without a rule (softmax inside the network, a custom layer).
    Source: Bach et al., "On pixel-wise explanations for non-linear classifier decisions ...", PLOS ONE 2015, eq. 58;
    Ancona et al., "Towards better understanding of gradient-based attribution methods", ICLR 2018, proposition 1.
    """
    epsilon = check_number(epsilon, "epsilon", minimum=0, hint="1e-6 is usual")
    f = explained(model, X, target=target, against=against, shape=shape).behind_codes()
    R, absorbed = relevance(f, epsilon)
    expected = f.value(f.X, f.V) - absorbed["biases"] - absorbed["epsilon"]
    absorbed = absorbed | {"biases": absorbed["biases"] + f.offset}
    return attribution_of(
        "epsilon_lrp",
        f,
        R,
        is_complete=True,
        expected=expected,
        absorbed=absorbed,
        epsilon=epsilon,
    )


# --- occlusion: a part of the sample removed


def occlusion(
    model: Trained,
    X: RowsLike,
    *,
    target: object = None,
    against: object = None,
    baseline: Array = None,
    shape: tuple[int, int] | None = None,
    patch: int | tuple[int, int] | None = None,
    stride: int | tuple[int, int] | None = None,
) -> Attribution:
    """f(x) - f(x with feature k at its baseline); for pictures, with patches of pixels instead of features.

    X: (n, inputs).  patch: for pictures, (height, width) or one number for both; None for single features.
    stride: the distance between patches; the patch's own size by default.  A pixel covered by several patches gets
    the mean of their effects.
    Source: Zeiler, Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 4.2.
    """
    f = explained(model, X, target=target, against=against, baseline=baseline, shape=shape)
    features = f.X.shape[1]
    if patch is None:
        if stride is not None:
            raise ConfigError("stride requires a patch; pass patch=4 too, or omit stride.")
        masks: NDArray[np.bool_] | None = None
        count = features
    else:
        if f.shape is None:
            raise ConfigError("patch is for pictures; pass shape=(height, width), or omit patch for a table.")
        size = _pair(patch, "patch", f.shape)
        masks = windows(f.shape, size, size if stride is None else _pair(stride, "stride", f.shape))
        count = len(masks)
    whole = f.value(f.X, f.V)  # (n,)
    values = np.empty_like(f.X)
    for i in range(len(f.X)):
        lost = np.empty(count)  # (windows,)
        for rows in f.chunks(count):
            hidden = np.arange(features) == np.arange(count)[rows, None] if masks is None else masks[rows]
            lost[rows] = whole[i] - f.value(np.where(hidden, f.baseline[i], f.X[i]), f.V[i])
        values[i] = lost if masks is None else lost @ masks / np.maximum(masks.sum(0), 1)
    return attribution_of(
        "occlusion",
        f,
        values,
        is_complete=False,
        patch=None if patch is None else list(size),
        evaluations=count,
    )


def windows(shape: tuple[int, int], size: tuple[int, int], stride: tuple[int, int]) -> NDArray[np.bool_]:
    """Return (windows, height * width): the pixels covered by each patch. The last patches may extend over the edge.

    With a stride larger than the patch, some pixels are not covered, and get 0.
    """
    starts = [
        range(0, max(length - s, 0) + step, step) for length, s, step in zip(shape, size, stride, strict=True)
    ]
    found = []
    for top in starts[0]:
        for left in starts[1]:
            mask = np.zeros(shape, np.bool_)
            mask[top : top + size[0], left : left + size[1]] = True
            if mask.any():
                found.append(mask.ravel())
    return np.stack(found)


def _pair(value: Any, name: str, shape: tuple[int, int]) -> tuple[int, int]:
    pair = (value, value) if np.ndim(value) == 0 else tuple(value)
    is_whole = len(pair) == 2 and all(
        isinstance(v, (int, np.integer)) and not isinstance(v, bool) and 1 <= v <= side
        for v, side in zip(pair, shape, strict=False)
    )
    if not is_whole:
        raise ConfigError(
            f"{name} must be a number of pixels or (height, width), within {shape[0]} x {shape[1]}, not {value!r}."
        )
    return int(pair[0]), int(pair[1])


def attribution_of(
    method: str,
    f: Explained,
    values: Floats,
    *,
    is_complete: bool,
    expected: Floats | None = None,
    absorbed: dict[str, Floats] | None = None,
    **settings: Any,
) -> Attribution:
    """Create the Attribution from values computed for f; a code gets the sum over its vector."""
    if f.whole is not None:
        first = f.whole.links[0].layer
        assert isinstance(first, Embedding)
        f, values = f.whole, first.fold(values)
    there, here = f.outputs()
    return Attribution(
        method=method,
        values=values,
        X=f.X,
        baseline=f.baseline,
        labels=f.labels,
        targets=f.targets,
        outputs=there,
        baseline_outputs=here,
        is_complete=is_complete,
        expected=there - here if expected is None else expected,
        absorbed=absorbed or {},
        settings=settings,
        names=f.names,
        shape=f.shape,
    )


# --- all methods

METHODS: dict[str, Callable[..., Attribution]] = {
    "saliency": saliency,
    "input_x_gradient": input_x_gradient,
    "integrated_gradients": integrated_gradients,
    "epsilon_lrp": epsilon_lrp,
    "deep_lift": deep_lift,
    "occlusion": occlusion,
}
"""Every method by name; the tests run over this table."""


def attribute(model: Trained, X: RowsLike, method: str | None = None, **settings: Any) -> Attribution:
    """Attribute with the method of this name; the settings are those of the method's function.

    method: None for `default_method`.
    """
    method = default_method(model, X, settings) if method is None else method
    function = check_choice(method, METHODS, "method")
    known = settings_of(method)
    unknown = [name for name in settings if name not in known]
    if unknown:
        raise ConfigError(f"{method} has no setting {unknown[0]}; its settings are {', '.join(known)}.")
    result: Attribution = function(model, X, **settings)
    return result


def settings_of(method: str) -> list[str]:
    """Return the names of a method's settings."""
    return [name for name in inspect.signature(METHODS[method]).parameters if name not in ("model", "X")]


def default_method(model: Trained, X: RowsLike, settings: Collection[str] = ()) -> str:
    """Return the default method: "deep_lift" for a table, otherwise "integrated_gradients".

    Both guarantee that the values add up to f(x) - f(b). Integrated gradients split the line from b to x at every kink
    of piecewise linear embeddings, hundreds per row; DeepLIFT takes one pass for all rows. A table is an input with
    column names. If DeepLIFT has no rule for a layer or lacks a setting, the default is the other method.
    """
    is_table = model.feature_names is not None or column_names(X) is not None
    if not is_table or not set(settings) <= set(settings_of("deep_lift")):
        return "integrated_gradients"
    return in_one_pass(model)


def in_one_pass(model: Trained) -> str:
    """Return "deep_lift", or "integrated_gradients" if a layer of the model has no DeepLIFT rule."""
    links = attributed_links(model.network)
    try:
        with_rules(links[1:] if links[0].layer.reads_codes else links, stand_in, "deep_lift")
    except NoRuleError:
        return "integrated_gradients"
    return "deep_lift"
