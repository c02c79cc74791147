"""The sentences of the experiment `without_backprop`, built from its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.network.network import Network
from chainrule.views.words.facts import Found, MethodResults, best_forward, chance

TITLE = "With and without backpropagation"
QUESTION = (
    "What does the same network learn from the same data in the same number of passes without "
    "backpropagating errors?"
)
METHODS = {
    "backpropagation": "backpropagation",
    "central_differences": "central differences",
    "forward_differences": "forward differences",
    "forward_gradient": "forward gradient",
    "spsa": "SPSA",
    "openai_es": "OpenAI-ES",
    "cma_es": "CMA-ES",
    "random_search": "random search",
    "feedback_alignment": "feedback alignment",
    "random_features": "last layer only",
    "none": "no training",
}
SOURCES = {
    "backpropagation": "chain rule, one backward pass",
    "central_differences": "loss on both sides of each parameter",
    "forward_differences": "loss on one side of each parameter",
    "forward_gradient": "exact slope, one random direction",
    "spsa": "loss on both sides, random signs",
    "openai_es": "ranks of 16 mirrored pairs",
    "cma_es": "only the ranks of a population",
    "random_search": "only better or worse",
    "feedback_alignment": "a backward pass through random weights",
    "random_features": "only the last layer's, no backward pass",
    "none": "none",
}
"""The source of each method's gradient."""
HEADS = ("method", "size", "passes a step", "ms a step", "cosine", "steps", "loss", "right %", "backprop at")
CAPTION = (
    "Means over the seeds. size: of its steps, as tuned. cosine: to the true gradient of the same batch. "
    "loss: on all training samples at the end. right: on the test images. backprop at: passes after which "
    "backpropagation had that loss."
)
UNITS = {"passes": "forward passes", "seconds": "seconds of training"}
COUNTED = {"passes": "passes", "seconds": "seconds"}
CURVES = {"passes": "Loss by forward passes", "seconds": "Loss by seconds"}
LOSS = "training loss"
COSINES = "Along the gradient (1), or orthogonal to it (0)"
COSINE = "cosine to the true gradient"
COSINE_OF = "%{y}<br>cosine %{text}"
"""Hover text for a bar."""


def trying(method: str, size: float) -> str:
    """The current activity."""
    return f"{METHODS[method]}, trying a step size of {size:g}"


def course_of(label: str, unit: str) -> str:
    """Hover text for a curve, with the numbers of the figure's template. unit: passes or seconds."""
    return f"{label}<br>%{{x:.3s}} {COUNTED[unit]}<br>loss %{{y:.3f}}"


def random_direction(cosine: float) -> str:
    """The note at the cosine of a random direction."""
    return f"a random direction: {cosine:.3f}"


def answer(found: Found, passes: int) -> str:
    """The answer in one sentence."""
    backprop, best = found["backpropagation"], best_forward(found)
    if best is None:
        return f"After {passes:,} forward passes, backpropagation, run alone, classifies {percent(backprop)} correctly."
    gap = 100 * (backprop.accuracy - best.accuracy)
    amount = f"{'less' if gap > 0 else 'more'}, by {abs(gap):.1f} points" if abs(gap) >= 0.05 else "as much"
    at = backprop.passes_to(best.loss)
    spent = (
        "" if at is None else f", and backpropagation had its loss after {at:,.0f} of the {passes:,} passes"
    )
    return (
        f"It learns {amount}: the best method without backpropagated errors, {METHODS[best.arm.name]}, "
        f"classifies {percent(best)} of the test images correctly, and backpropagation "
        f"{percent(backprop)}{spent}."
    )


def finding(found: Found, P: int, passes: int) -> str:
    """The results of the run."""
    backprop = found["backpropagation"]
    said = [
        f"After {passes:,} forward passes, backpropagation has a training loss of {backprop.loss:.2f} and "
        f"classifies {percent(backprop)} of the test images correctly."
    ]
    best = best_forward(found)
    if best is not None:
        at = backprop.passes_to(best.loss)
        there = (
            "a loss that backpropagation never had"
            if at is None
            else f"where backpropagation was after {at:,.0f}"
        )
        said.append(
            f"The best method without backpropagated errors, {METHODS[best.arm.name]}, has {best.loss:.2f} "
            f"({percent(best)}), {there}."
        )
    said += [
        numerical(found, P),
        directions(found, P),
        alignment(found),
    ]
    if "none" in found:
        none = found["none"]
        said.append(
            f"Untrained, the network has a loss of {none.loss:.2f} and classifies {percent(none)} correctly."
        )
    return " ".join(filter(None, said))


def numerical(found: Found, P: int) -> str:
    """Describe the numerical gradients."""
    central = found.get("central_differences")
    if central is None or central.cosine is None:
        return ""
    backprop = found["backpropagation"]
    return (
        f"Central differences give the same gradient (cosine {near_one(central.cosine)}) at "
        f"{central.passes_a_step:,.0f} passes per step for {P} parameters (2P = {2 * P:,}), "
        f"{central.passes_a_step / backprop.passes_a_step:,.0f} times backpropagation's "
        f"{backprop.passes_a_step:.2f}: {steps(central)} against {steps(backprop)}."
    )


def directions(found: Found, P: int) -> str:
    """Describe the methods that move along random directions."""
    looked = [found[name] for name in ("forward_gradient", "spsa") if name in found]
    cosines = [f"{o.cosine:.3f} ({METHODS[o.arm.name]})" for o in looked if o.cosine is not None]
    if not cosines:
        return ""
    return (
        "One random direction per step is almost orthogonal to the gradient: cosine "
        f"{' and '.join(cosines)}, where sqrt(2 / (pi P)) = {chance(P):.3f} is expected."
    )


def alignment(found: Found) -> str:
    """Describe feedback alignment."""
    outcome = found.get("feedback_alignment")
    if outcome is None or outcome.cosine is None:
        return ""
    angle = math.degrees(math.acos(max(-1.0, min(1.0, outcome.cosine))))
    return (
        f"Feedback alignment, with random backward weights, keeps a cosine of {outcome.cosine:.2f} "
        f"({angle:.0f} degrees) and has {outcome.loss:.2f} ({percent(outcome)})."
    )


def held_fixed(
    net: Network,
    images: int,
    settings: Mapping[str, Any],
    passes: int,
    batch: int,
    sizes: Sequence[float],
    tuning: float,
) -> str:
    """The controlled variables.

    sizes: the step sizes tried, each for the fraction `tuning` of the passes.
    """
    first, count = settings["seed"], settings["repeats"]
    widths = "-".join(map(str, [net.inputs, *(link.fan_out for link in net.links if link.params)]))
    seeds = f"seed {first}" if count == 1 else f"each of the seeds {first} to {first + count - 1}"
    return (
        f"The network ({widths}, tanh, {net.size} parameters); the data ({images:,} images of MNIST as 7 x 7 "
        f"means); for {seeds} the initial weights and the batches of {batch}; {passes:,} forward passes, or "
        "one step if that costs more. A backward pass counts as many forward passes as its arithmetic. "
        "Gradient estimators feed Adam at a constant rate. Each method's step size is the best of "
        f"{', '.join(f'{size:g}' for size in sizes)} after {tuning:.0%} of the passes at the first seed, "
        "which is not counted; other settings are defaults. All run in NumPy, in float64; evaluating loss "
        "and cosine is not timed."
    )


def limits(P: int) -> str:
    """The limits of the result."""
    return (
        f"{P} parameters are few, so that numerical gradients can take some steps at all. Their cost grows "
        "with the number of parameters, and the cosine of a random direction falls with its square root; no "
        "larger network was tried. Candidates ran on one machine: evolution can distribute them over many, "
        "and it also trains where a loss has no gradient, unlike here. Populations, widths and CMA-ES's "
        "diagonal covariance are common choices, not tuned ones. Feedback alignment is shown with two "
        "layers; deeper networks are harder for it. Seconds are those of small arrays in Python, and would "
        "fall with a faster engine, not by the same factor for all. Differences smaller than the bands of "
        "the seeds are not significant."
    )


def near_one(cosine: float) -> str:
    """1 - 2e-11, instead of many nines."""
    if 1 - cosine < 2**-50:
        return "1 to the last digit"
    return f"1 - {1 - cosine:.0e}" if cosine > 0.999 else f"{cosine:.3f}"


def percent(outcome: MethodResults) -> str:
    """91.2 %"""
    return f"{100 * outcome.accuracy:.1f} %"


def steps(outcome: MethodResults) -> str:
    """15 steps"""
    count = round(outcome.steps)
    return f"{count:,} step{'s' if count != 1 else ''}"
