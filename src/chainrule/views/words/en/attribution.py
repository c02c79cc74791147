"""What is said of an attribution."""

from __future__ import annotations

from chainrule.inspection.attribution.explained import Target
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


HEADS = ("feature", "value", "baseline", "attribution")
FOR, AGAINST, ATTRIBUTION = "for", "against", "attribution"
SIGNS = "+ for, - against"
INPUT = "the input"
PIXELS = "what each pixel did: blue for, orange against"
VALUE_OF_PIXEL = "pixel (%{y}, %{x})<br>value %{z:.4g}"
PIXEL = "pixel (%{y}, %{x})<br>attribution %{z:+.4g}"
"""What the pointer shows of a pixel: numbers as the figure's template has them."""
ADDS_UP = "Does it add up?"
CHECK_HEADS = ("new weights down to", "signed", "absolute")
NOTHING_TO_COMPARE = "No sample has two maps to compare: they need two features that differ."


ABSORBED = {"biases": "biases", "epsilon": "epsilon"}
"""Where relevance goes beside the features."""
NOUNS = {"class": "class", "label": "label", "output": "output"}


def target(found: Target) -> str:
    """Name what is attributed: class 3, class 3 against 5, not label 2."""
    against = "" if found.against is None else f" against {found.against}"
    return f"{'not ' if found.is_negated else ''}{NOUNS[found.what]} {found.label}{against}"


def feature(found: Attribution, k: int) -> str:
    """Name feature k: by its own name, by its place in the picture, or by its number."""
    if found.names is not None:
        return found.names[k]
    if found.shape is not None:
        return f"pixel ({k // found.shape[1]}, {k % found.shape[1]})"
    return f"feature {k}"


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
        parts = "".join(f" + {float(v[row]):.6g} ({ABSORBED[name]})" for name, v in found.absorbed.items())
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


def each_pixel(target: str) -> str:
    """The title of a picture of contributions."""
    return f"Each pixel, for {target}"


def each_feature(target: str) -> str:
    """The title of bars of contributions."""
    return f"Each feature, for {target}"


def title(method: str, target: str, sample: int, of: int) -> str:
    """What was attributed to whom, and by which method: of which sample, where there are several."""
    return f"{NAMES[method]} of {target}" + (f", sample {sample} of {of:,}" if of > 1 else "")


def question(target: str) -> str:
    """The heading of a page."""
    return f"Why {target}?"


def subtitle(method: str, features: int, sample: int, of: int) -> str:
    """What a page shows, under its heading."""
    many = f"Sample {sample} of {of:,}. " if of > 1 else ""
    return f"{many}{NAMES[method]}: what each of {features:,} features did for the output."


def largest(count: int) -> str:
    """The heading of a table of so many features."""
    return f"The {count} largest"


def check_title(method: str) -> str:
    """What a re-initialization check compares."""
    return f"Re-initialization check of {NAMES[method]}: rank correlation with the trained network's map"


def verdict(signed: float, absolute: float, passes: bool, alike: float) -> str:
    """What a re-initialization check shows. alike: a rank correlation above which two maps are still alike."""
    found = f"With all layers new, {signed:.2f} signed and {absolute:.2f} absolute"
    if passes:
        return f"{found}: the maps depend on what was learned."
    return f"{found}, above {alike}: the maps show the input more than what the network learned of it."
