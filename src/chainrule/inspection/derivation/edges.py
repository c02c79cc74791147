"""Create the edge through a link from its layer's operation (`Layer.ops`), without a table of layers.

For a layer with another operation, or several, the factors are computed by its `backward`.
"""

from __future__ import annotations

import numpy as np

from chainrule.core.arrays import Params
from chainrule.formulas.activations import prelu_prime
from chainrule.formulas.layers import (
    ACTIVATIONS,
    Activation,
    BatchNorm,
    Context,
    Link,
    Operation,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
)
from chainrule.inspection.derivation.cellwise import (
    ActivationEdge,
    CellwiseEdge,
    MaskEdge,
    MultipliedEdge,
    OverDeviationEdge,
    ParametricEdge,
    PReLUEdge,
)
from chainrule.inspection.derivation.embeddings import EmbeddingEdge, PeriodicEdge, PiecewiseLinearEdge
from chainrule.inspection.derivation.local_derivatives import (
    BatchNormEdge,
    DenseEdge,
    Edge,
    SoftmaxEdge,
    Variable,
)
from chainrule.inspection.derivation.members import GroupedDenseEdge, ShiftEdge, TakeEdge
from chainrule.inspection.derivation.own_layers import OwnEdge


def edge_of_link(link: Link, source: Variable, target: Variable, params: Params, ctx: Context) -> Edge:
    """Create the edge from a link's input to its output.

    params: the link's parameters.  ctx: the context of the forward pass, for this link.
    """
    layer, z, a, ones = link.layer, source.value, target.value, np.ones(source.value.shape)
    if isinstance(layer, Activation) and type(layer).backward is Activation.backward:
        return ActivationEdge(link, source, target, np.broadcast_to(layer.prime(z, a), z.shape))
    if layer.multiplies_by:
        return MultipliedEdge(
            link, source, target, getattr(params, layer.multiplies_by) * ones, params=params
        )
    ops = layer.ops(link.fan_in) or ()
    op = ops[0] if len(ops) == 1 else Operation("several")
    match op.name, op.parameters:
        case ("dense", ("W", "b") | ("W",)):
            return DenseEdge(link, source, target, params)
        case ("grouped_dense", ("W", "b") | ("W",)):
            return GroupedDenseEdge(link, source, target, params, op.groups, op.shared)
        case ("take", ()):
            return TakeEdge(link, source, target, op.columns)
        case ("shift", ("b",)):
            return ShiftEdge(link, source, target, ones)
        case ("prelu", ("slope",)):
            return PReLUEdge(link, source, target, prelu_prime(z, a, params.slope), params=params)
        case ("parametric", ("alpha",)):
            f = ACTIVATIONS[op.function or ""](**op.constants)
            slope = 1 + params.alpha * (f.prime(z, f.f(z)) - 1)
            return ParametricEdge(link, source, target, slope, params=params, function=f)
        case ("softmax", ()):
            return SoftmaxEdge(link, source, target)
        case ("batch_norm", ("gamma", "beta")):
            _, cache = BatchNorm(**op.constants).forward(params, z, ctx)
            return BatchNormEdge(link, source, target, params, cache.x_hat, 1 / cache.inv_std, ctx.training)
        case ("dropout", ()):
            is_on = ctx.training and op.constants["rate"] > 0
            made = MaskEdge if is_on else CellwiseEdge
            return made(link, source, target, layer.forward((), ones, ctx)[0])
        case ("embedding", _):
            return EmbeddingEdge(link, source, target, params)
        case ("piecewise_linear", _) if isinstance(layer, PiecewiseLinearEmbedding):
            return PiecewiseLinearEdge(link, source, target, params, layer.find(z, ctx.state))
        case ("periodic", _) if isinstance(layer, PeriodicEmbedding):
            return PeriodicEdge(link, source, target, params, layer.waves(params, z))
        case ("rescale", ()):
            return CellwiseEdge(link, source, target, op.constants["scale"] * ones)
        case ("standardize", ()):
            return OverDeviationEdge(link, source, target, ones / ctx.state[1])
    _, cache = layer.forward(params, z, ctx)
    return OwnEdge(link, source, target, lambda one: layer.backward(params, cache, one, ctx)[1], params, ctx)
