"""What is said of a gradient flow."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.inspection.flow.diagnosis import DEAD, EXPLODING, FLAT, SATURATED, VANISHING, Diagnosis


def diagnosis(found: Diagnosis) -> str:
    """Say a diagnosis in one sentence."""
    worst, more = found.worst, also(found.layers)
    ratio = worst.delta_ratio or 0.0
    match found.kind:
        case "not finite":
            return (
                f"Not finite: NaN or infinity in {worst.layer}; lower the learning rate or scale the input."
            )
        case "no gradient":
            return f"No gradient: delta of {worst.layer} is 0; these samples leave nothing to learn."
        case "vanishing":
            return (
                f"Vanishing: delta of {worst.layer} is {ratio:.1e} of {found.last}'s{more} "
                f"(threshold {VANISHING:g})."
            )
        case "exploding":
            return (
                f"Exploding: delta of {worst.layer} is {ratio:.1e} times {found.last}'s{more} "
                f"(threshold {EXPLODING:g})."
            )
        case "saturated":
            return (
                f"Saturated: {100 * (worst.saturated or 0):.0f} % of {worst.activation} is on the flats, where the "
                f"slope is below {100 * FLAT:.0f} % of the steepest{more} (threshold {100 * SATURATED:.0f} %)."
            )
        case _:
            return (
                f"Dead: {worst.dead} of the {worst.width} neurons of {worst.layer} pass no gradient from any "
                f"sample{more} (threshold {100 * DEAD:.0f} %)."
            )


def also(names: Sequence[str]) -> str:
    """Say of how many other layers the same is true."""
    more = len(names) - 1
    return f", and so in {more} more {'layer' if more == 1 else 'layers'}" if more else ""
