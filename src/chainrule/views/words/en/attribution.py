"""What is said of an attribution."""

from __future__ import annotations

from chainrule.inspection.attribution.result import Attribution

NAMES = {
    "saliency": "Saliency",
    "input_x_gradient": "Input x gradient",
    "integrated_gradients": "Integrated gradients",
    "epsilon_lrp": "Epsilon-LRP",
    "deep_lift": "DeepLIFT (rescale rule)",
    "occlusion": "Occlusion",
}
"""The methods, by the name that code uses, as people write them."""
PROMISES = {
    "saliency": "saliency promises no sum: a slope is what a feature could do, not what it did",
    "input_x_gradient": (
        "input x gradient promises no sum: it takes f for a straight line; exact where f is linear between the "
        "baseline and x, as a ReLU network without biases is from 0"
    ),
    "integrated_gradients": "integrated gradients add up to f(x) - f(baseline), by the fundamental theorem of calculus",
    "epsilon_lrp": (
        "relevances, the share of the biases and the share of epsilon add up to f(x): no layer adds or loses any"
    ),
    "deep_lift": "contributions add up to f(x) - f(baseline): each chord ends where the activation does",
    "occlusion": (
        "occlusion promises no sum: what features do only together counts for each; exact where f is linear in them"
    ),
}
"""What each method promises of the values' sum."""
OF_PATCHES = "occlusion by patches promises no sum: every pixel of a patch carries what the whole patch did"
"""The same of occlusion by patches."""


def promise(found: Attribution) -> str:
    """Say what the method promises that the values add up to, or that it promises nothing."""
    if found.method == "occlusion" and found.settings.get("patch") is not None:
        return OF_PATCHES
    return PROMISES[found.method]


def completeness(found: Attribution, row: int) -> str:
    """Say in one sentence what a sample's values add up to, and what the method promises."""
    said = promise(found)
    total, there = float(found.values[row].sum()), float(found.outputs[row])
    if found.method == "saliency":
        return f"f(x) = {there:.6g}. {said[0].upper()}{said[1:]}."
    if found.method == "epsilon_lrp":
        parts = "".join(f" + {float(v[row]):.6g} ({name})" for name, v in found.absorbed.items())
        sums = f"{total:.6g}{parts}, of f(x) = {there:.6g}".replace("+ -", "- ")
    else:
        change = there - float(found.baseline_outputs[row])
        sums = f"{total:.6g}, and f(x) - f(baseline) = {change:.6g}"
    rest = f"off by {float(found.error[row]):.1e}, relative {float(found.relative_error[row]):.1e}"
    ending = "" if found.is_complete else f"; {said}"
    return f"The values add up to {sums}: {rest}{ending}."


def others(count: int) -> str:
    """Format the number of other features: 1 other, 2 others."""
    return f"{count:,} other{'s' * (count != 1)}"
