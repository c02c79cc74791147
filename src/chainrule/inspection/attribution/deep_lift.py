"""Backward passes with other rules than derivatives, and that of DeepLIFT: differences, with slopes of chords."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array, Cache, Params, RowsLike
from chainrule.errors import ConfigError
from chainrule.formulas.layers import Context, Layer, Link
from chainrule.inspection.attribution.explained import Explained, Floats, explained
from chainrule.inspection.attribution.result import Attribution, result
from chainrule.network import backprop
from chainrule.network.blocks import Block
from chainrule.network.tree import replace
from chainrule.trained.trained import Trained

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
    return result("deep_lift", f, values, is_complete=True)
