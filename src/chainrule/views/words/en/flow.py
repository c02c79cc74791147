"""Sentences about the gradient flow."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.inspection.flow.diagnosis import (
    DEAD_SHARE,
    EXPLODING_RATIO,
    FLAT_SLOPE,
    SATURATED_SHARE,
    VANISHING_RATIO,
    Diagnosis,
)

KINDS = {
    "vanishing": "vanishing",
    "exploding": "exploding",
    "saturated": "saturated",
    "dead": "dead",
    "not finite": "not finite",
    "no gradient": "no gradient",
}
HEADS = ("layer", "activation", "delta", "mean", "std", "saturated", "dead", "dL/dW", "update/weight")
FLOW = "Gradient flow"
BARS = "delta (logarithmic)"
BY_LAYER, OVER_TRAINING = "Gradient flow by layer", "Gradient flow over training"
GRADIENT, UPDATE = "gradient, relative to the last layer's", "update relative to the weights"
LAYERS, LAYER, EPOCHS, RMS = (
    "layer, from the input to the output",
    "layer",
    "epoch (0: before training)",
    "RMS",
)
VANISHING_BELOW, EXPLODING_ABOVE = "vanishing below", "exploding above"
NOT_MEASURED = "The gradient flow has not been measured; pass this callback to Model.fit."


def diagnosis(found: Diagnosis) -> str:
    """Describe a diagnosis in one sentence."""
    worst, more = found.worst, also(found.layers)
    ratio = worst.delta_ratio or 0.0
    match found.kind:
        case "not finite":
            return (
                f"Not finite: NaN or infinity in {worst.layer}; lower the learning rate or scale the input."
            )
        case "no gradient":
            return f"No gradient: delta of {worst.layer} is 0, so nothing can be learned from these samples."
        case "vanishing":
            return (
                f"Vanishing: delta of {worst.layer} is {ratio:.1e} of {found.last}'s{more} "
                f"(threshold {VANISHING_RATIO:g})."
            )
        case "exploding":
            return (
                f"Exploding: delta of {worst.layer} is {ratio:.1e} times {found.last}'s{more} "
                f"(threshold {EXPLODING_RATIO:g})."
            )
        case "saturated":
            return (
                f"Saturated: {100 * (worst.saturated or 0):.0f} % of {worst.activation} is in the flat "
                f"regions, where the slope is below {100 * FLAT_SLOPE:.0f} % of the steepest{more} "
                f"(threshold {100 * SATURATED_SHARE:.0f} %)."
            )
        case _:
            return (
                f"Dead: {worst.dead} of the {worst.width} neurons of {worst.layer} pass no gradient from any "
                f"sample{more} (threshold {100 * DEAD_SHARE:.0f} %)."
            )


def also(names: Sequence[str]) -> str:
    """Count the other layers with the same problem."""
    more = len(names) - 1
    return f", and so in {more} more {'layer' if more == 1 else 'layers'}" if more else ""


def flat_share(share: float) -> str:
    """The flat share of a layer."""
    return f"{100 * share:.1f} %"


def dead_of(dead: int, width: int) -> str:
    """The number of dead neurons of a layer."""
    return f"{dead} of {width}"


def conditions(samples: int, training: bool, loss: float) -> str:
    """Describe the conditions of the measurement."""
    mode = "training" if training else "prediction"
    return f"{samples:,} samples as in {mode}, loss {loss:.4g}; RMS of delta relative to the last layer's"


def after_epoch(epoch: int) -> str:
    """The epoch of the measurement."""
    return f"after epoch {epoch}"


def earlier(kind: str, epochs: Sequence[int]) -> str:
    """Describe earlier problems."""
    return f"Earlier: {KINDS[kind]} after epoch {', '.join(map(str, epochs))}."


def hover(label: str) -> str:
    """Hover text for a layer, with the numbers of the figure's template."""
    return f"%{{x}}<br>{label} %{{y:.3g}}"


def hover_epoch(label: str) -> str:
    """Hover text for a layer after an epoch."""
    return f"%{{y}} after epoch %{{x}}<br>{label} %{{customdata:.3g}}"
