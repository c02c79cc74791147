"""DeepLIFT: differences from a baseline, backpropagated with slopes of chords instead of derivatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.arrays import Array, Cache, Params, RowsLike, sums_by
from chainrule.formulas.layers import Context, Layer, Link
from chainrule.inspection.attribution.explained import Explained, Floats, explained
from chainrule.inspection.attribution.result import Attribution, result
from chainrule.inspection.attribution.rules import with_rules
from chainrule.network import backprop
from chainrule.network.blocks import Block
from chainrule.trained.trained import Trained

MIN_DIFFERENCE = 1e-10
"""The difference of pre-activations below which the derivative replaces the chord's slope."""


@dataclass(frozen=True)
class Chord(Layer):
    """The rescale rule of an activation: m_z = m_a (a - a') / (z - z'), with ' for the baseline; f'(z) where z = z'.

    The batch contains n samples and then their n baselines: z, a, m (2n, width).
    """

    layer: Layer

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Any, Any]:
        """Run the activation's forward; the cache also contains z and a."""
        out, cache = self.layer.forward(params, a, ctx)
        return out, (a, out, cache)

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Any]:
        """Compute m_z from m_a."""
        z, a, inner = cache
        n = len(z) // 2
        tangent = self.layer.backward(params, inner, np.ones_like(z), ctx)[1][:n]
        run, rise = z[:n] - z[n:], a[:n] - a[n:]  # (n, width)
        is_same = np.abs(run) < MIN_DIFFERENCE
        slope = np.where(is_same, tangent, rise / np.where(is_same, 1.0, run))
        return (), delta * np.concatenate([slope, slope])


@dataclass(frozen=True)
class Chords(Layer):
    """The rescale rule of a layer whose outputs each depend on one input, which several may share.

    m_x = sum of m_e (e - e') / (x - x') over the outputs e of x; de/dx where x = x'. The batch is as in `Chord`.
    """

    layer: Layer

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Any, Any]:
        """Run the layer's forward; the cache also contains x, e and de/dx."""
        out, cache = self.layer.forward(params, a, ctx)
        still = type(params)(*map(np.zeros_like, params)) if params else params
        return out, (a, out, self.layer.tangent(params, still, cache, np.ones_like(a), ctx))

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Any]:
        """Compute m_x from m_e."""
        x, e, tangent = cache
        n, of = len(x) // 2, self.layer.sources(x.shape[1])
        run, rise = (x[:n] - x[n:])[:, of], e[:n] - e[n:]  # (n, fan_out)
        is_same = np.abs(run) < MIN_DIFFERENCE
        slope = np.where(is_same, tangent[:n], rise / np.where(is_same, 1.0, run))
        return (), sums_by(of, (delta * np.concatenate([slope, slope])).T, x.shape[1]).T


def stand_in(link: Link) -> Layer | None:
    """Return the rule of a link: `Chord` if elementwise, `Chords` if columnwise, its own layer if affine, else None."""
    layer = link.layer
    if layer.is_affine or (isinstance(layer, Block) and layer.joins_linearly):
        return layer
    if layer.sources(link.fan_in) is not None:
        return Chords(layer)
    return Chord(layer) if layer.is_elementwise else None


def multipliers(f: Explained) -> tuple[Floats, dict[str, Floats]]:
    """Compute m (n, inputs), and each neuron's contribution m * (a - a') (n, width) by link.

    Across any layer of the chain (not inside a block) the contributions add up to f(x) - f(baseline).
    """
    links = with_rules(f.links, stand_in, "deep_lift")
    n = len(f.X)
    a: dict[str, Floats] = {}
    m: dict[str, Floats] = {}

    def watch(walk: str, link: Link, array: Array) -> None:
        (a if walk == "forward" else m)[link.name] = array

    ctx = f.ctx._replace(watch=watch)
    out, caches = backprop.forward(links, f.params, np.concatenate([f.X, f.baseline]), ctx)
    V = np.concatenate([f.V, f.V])
    assert out.shape == V.shape
    _, of_input = backprop.backward(links, f.params, caches, V, ctx)
    return of_input[:n], {name: m[name][:n] * (a[name][:n] - a[name][n:]) for name in a}


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
