"""Layers of every kind, made with settings that use all that they have, and a chain of all of them."""

from __future__ import annotations

from chainrule import Loss, MeanOverMembers
from chainrule.formulas import layers as l
from chainrule.formulas.layers import ACTIVATIONS, Dense, Layer
from chainrule.formulas.losses import LOSSES
from chainrule.network.blocks import Residual, Skip
from chainrule.trained.persistence import LAYERS

EXAMPLES: dict[str, list[Layer]] = {
    "rescale": [l.Rescale(0.7, -0.2)],
    "dense": [Dense(4)],
    "dropout": [l.Dropout(0.3)],
    "parametric_activation": [l.ParametricActivation(l.ELU(0.5)), l.ParametricActivation(l.Mish())],
    "periodic_embedding": [l.PeriodicEmbedding(3, 4), l.PeriodicEmbedding(2, 3, columns=(2, 0))],
    "embedding": [l.Embedding([(2, 3, 2), (0, 4, 3)])],
    "take": [l.Take([2, 0, 2, 1])],
    "grouped_dense": [
        l.GroupedDense(2, 3),
        l.GroupedDense(4, 3, shared=True),
        l.GroupedDense(1, 1, bias=False),
        l.GroupedDense(2, 3, shared=True, bias=False),
    ],
    "piecewise_linear_embedding": [
        l.PiecewiseLinearEmbedding(4, 5),
        l.PiecewiseLinearEmbedding(2, 1, columns=(2, 0)),
    ],
    "residual": [
        Residual([Dense(3), l.Tanh()]),
        Residual([Dense(2), l.BatchNorm(), l.Tanh(), l.Dropout(0.2)]),
    ],
    "skip": [Skip([Dense(2), Residual([l.Tanh()])])],
}
"""Layers by kind; what is not here is made without arguments."""


def examples(kind: str) -> list[Layer]:
    return EXAMPLES.get(kind) or [LAYERS[kind]()]


def every_kind_of_layer() -> list[Layer]:
    """A deep chain: input links, all layers, nested blocks included, and every activation, three behind a Dense.

    All but Embedding, which stands first and alone.
    """
    chain: list[Layer] = [l.Rescale(0.5), l.Standardize(), l.PiecewiseLinearEmbedding(3, 4), Dense(4)]
    chain += [
        layer
        for kind in LAYERS
        for layer in examples(kind)
        if kind
        not in {
            *ACTIVATIONS,
            "standardize",
            "embedding",
            "piecewise_linear_embedding",
            "take",
            "grouped_dense",
        }
    ]
    chain += [Dense(3), *EXAMPLES["take"], Dense(6), l.GroupedDense(2, 3), l.GroupedDense(4, 2, shared=True)]
    for count, kind in enumerate(ACTIVATIONS):
        chain += [Dense(3)] * (count % 3 == 0) + examples(kind)
    return [*chain, Dense(3)]


def loss_with_its_end(kind: str, members: int) -> tuple[Loss, list[Layer]] | None:
    """A loss of one or several members, and the layer behind which it stands; None where there is no such loss."""
    loss = LOSSES[kind]()
    ends: list[Layer] = []
    if loss.domain == "probability":
        ends = [l.Softmax() if loss.targets == "classes" else l.Sigmoid()]
    if members == 1:
        return loss, ends
    if ends and loss.targets == "classes":
        return None  # the probabilities of one Softmax are not those of members
    return MeanOverMembers(loss, members), ends
