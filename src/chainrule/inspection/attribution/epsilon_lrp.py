"""Epsilon-LRP: the output's relevance, backpropagated in proportion to each neuron's contribution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.arrays import Array, Cache, Params, RowsLike, sums_by
from chainrule.core.settings import check_number
from chainrule.formulas.layers import Context, Layer, Link
from chainrule.inspection.attribution.deep_lift import with_rules
from chainrule.inspection.attribution.explained import Explained, Floats, explained, input_links
from chainrule.inspection.attribution.result import Attribution, result
from chainrule.network import backprop
from chainrule.network.blocks import Residual, Skip
from chainrule.trained.trained import Trained


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
    return result(
        "epsilon_lrp",
        f,
        R,
        is_complete=True,
        expected=expected,
        absorbed=absorbed,
        epsilon=epsilon,
    )
