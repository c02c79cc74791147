"""Sentences about attributions."""

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
"""The methods' display names, by their names in code."""
PROMISES = {
    "saliency": "saliency guarantees no sum: a slope is the effect of a change, not a contribution",
    "input_x_gradient": (
        "input x gradient guarantees no sum: it treats f as linear; exact if f is linear between the "
        "baseline and x, like a ReLU network without biases from 0"
    ),
    "integrated_gradients": "integrated gradients add up to f(x) - f(baseline), by the fundamental theorem of calculus",
    "epsilon_lrp": (
        "relevances, with the shares of biases and epsilon, add up to f(x): every layer conserves relevance"
    ),
    "deep_lift": "contributions add up to f(x) - f(baseline), because each chord ends at the activation's values",
    "occlusion": (
        "occlusion guarantees no sum: a joint effect of features counts for each; exact if f is linear in "
        "them"
    ),
}
"""The guaranteed sum of each method's values."""
OF_PATCHES = (
    "occlusion with patches guarantees no sum: every pixel of a patch has the effect of the whole patch"
)
"""The same for occlusion with patches."""


HEADS = ("feature", "value", "baseline", "attribution")
FOR, AGAINST, ATTRIBUTION = "for", "against", "attribution"
SIGNS = "+ for, - against"
INPUT = "the input"
PIXELS = "contribution of each pixel: blue for, orange against"
VALUE_OF_PIXEL = "pixel (%{y}, %{x})<br>value %{z:.4g}"
PIXEL = "pixel (%{y}, %{x})<br>attribution %{z:+.4g}"
"""Hover text for a pixel, with the numbers of the figure's template."""
ADDS_UP = "Does it add up?"
CHECK_HEADS = ("new weights down to", "signed", "absolute")
NOTHING_TO_COMPARE = "No sample has two maps to compare, because each needs at least two different features."


ABSORBED = {"biases": "biases", "epsilon": "epsilon"}
"""Relevance absorbed besides the features."""
NOUNS = {"class": "class", "label": "label", "output": "output"}


def target(found: Target) -> str:
    """Name the target: class 3, class 3 against 5, not label 2."""
    against = "" if found.against is None else f" against {found.against}"
    return f"{'not ' if found.is_negated else ''}{NOUNS[found.what]} {found.label}{against}"


def feature(found: Attribution, k: int) -> str:
    """Name feature k: by name, by position in the picture, or by index."""
    if found.names is not None:
        return found.names[k]
    if found.shape is not None:
        return f"pixel ({k // found.shape[1]}, {k % found.shape[1]})"
    return f"feature {k}"


def promise(found: Attribution) -> str:
    """Return the method's guaranteed sum of the values, or that there is none."""
    if found.method == "occlusion" and found.settings.get("patch") is not None:
        return OF_PATCHES
    return PROMISES[found.method]


def completeness(found: Attribution, row: int) -> str:
    """Return one sentence on a sample's sum of values and the method's guarantee."""
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
    """The method, the target and, if there are several, the sample."""
    return f"{NAMES[method]} of {target}" + (f", sample {sample} of {of:,}" if of > 1 else "")


def question(target: str) -> str:
    """The heading of a page."""
    return f"Why {target}?"


def subtitle(method: str, features: int, sample: int, of: int) -> str:
    """The description of a page, under its heading."""
    many = f"Sample {sample} of {of:,}. " if of > 1 else ""
    return f"{many}{NAMES[method]}: the contribution of each of {features:,} features to the output."


def largest(count: int) -> str:
    """The heading of a table with this many features."""
    return f"The {count} largest"


def check_title(method: str) -> str:
    """The title of a re-initialization check."""
    return f"Re-initialization check of {NAMES[method]}: rank correlation with the trained network's map"


def verdict(signed: float, absolute: float, passes: bool, alike: float) -> str:
    """The conclusion of a re-initialization check. alike: the rank correlation above which two maps are similar."""
    found = f"With all layers re-initialized, {signed:.2f} signed and {absolute:.2f} absolute"
    if passes:
        return f"{found}: the maps depend on the trained parameters."
    return f"{found}, above {alike}: the maps reflect the input more than the trained parameters."
