"""Warnings about combinations of layers and losses that are rarely intended, one sentence each.

They are warnings, not errors, because there may be a reason. `chainrule.data.advice` checks targets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chainrule.formulas.layers import ACTIVATIONS, BatchNorm, Dense, GroupedDense, Layer
from chainrule.formulas.losses import Loss, SigmoidCrossEntropy, SoftmaxCrossEntropy

NOT_PROBABILITIES = (
    Dense,
    GroupedDense,
    BatchNorm,
    *(kind for kind in ACTIVATIONS.values() if not kind.gives_probabilities),
)
"""Layers whose outputs are known not to be probabilities."""


def on_network(layers: Sequence[Layer], loss: Loss) -> Iterator[str]:
    """Iterate over warnings about a last layer and a loss that do not match."""
    last, name = layers[-1], type(loss).__name__
    if isinstance(loss, (SoftmaxCrossEntropy, SigmoidCrossEntropy)) and last.gives_probabilities:
        own, instead = (
            ("softmax", "CategoricalCrossEntropy")
            if isinstance(loss, SoftmaxCrossEntropy)
            else ("sigmoid", "BinaryCrossEntropy")
        )
        hint = f", or use {instead}" if type(last).__name__.lower() == own else ""
        yield (
            f"{name} applies {own} itself, so it takes logits, but the last layer is a "
            f"{type(last).__name__}: remove that layer{hint}."
        )
    if loss.domain == "probability" and type(last) in NOT_PROBABILITIES:
        end, instead = (
            ("Softmax", "SoftmaxCrossEntropy")
            if loss.targets == "classes"
            else ("Sigmoid", "SigmoidCrossEntropy")
        )
        yield (
            f"{name} expects probabilities, but the last layer is a {type(last).__name__}: "
            f"add a {end}(), or use {instead}."
        )
