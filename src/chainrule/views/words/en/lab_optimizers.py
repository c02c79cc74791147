"""What the experiment `optimizers` says, in words built from its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

TITLE = "Gradient descent and its variants"
QUESTION = "How fast do the variants of gradient descent bring down the loss of the same network?"
RULES = {
    "gradient_descent": "gradient descent",
    "sgd": "SGD",
    "momentum": "momentum",
    "nesterov": "Nesterov",
    "adagrad": "Adagrad",
    "rmsprop": "RMSprop",
    "adam": "Adam",
    "adamw": "AdamW",
    "nadam": "Nadam",
    "lbfgs": "L-BFGS",
}
SLICE_HEADS = ("rule on the slice", "learning rate", "loss at the end")
CONFINED = "Paths on a slice, by rules that know only its two parameters"
PROJECTED = "Paths of the training, projected on the slice that explains most of their variance"
DESCENTS = "The same network, ten ways down"
PASSES, SECONDS, LOSS = "passes over the data", "seconds of training", "training loss"
START = "start"
DIRECTIONS = ("along the first direction", "along the second direction")
SLICE = "loss over a slice"
"""What is under way."""


def tuning(rule: str) -> str:
    """What is under way."""
    return f"learning rate of {RULES[rule]}"


def on_a_slice(rule: str) -> str:
    """What is under way."""
    return f"{RULES[rule]} on a slice"


def heads(target: float) -> tuple[str, ...]:
    """The columns of the table of rules. target: the loss that passes are counted to."""
    reached = f"passes to {target:g}"
    return (
        *("rule", "batch", "learning rate", "loss", "lowest", "highest", reached),
        *("test accuracy %", "seconds"),
    )


def caption(epochs: int, samples: int, repeats: int, target: float) -> str:
    """What the table of rules shows."""
    return (
        f"After {epochs} passes over {samples:,} digits, medians of {repeats} seeds; the loss is that of all training "
        f"samples, its lowest and highest seed beside it; passes until it was at most {target:g}."
    )


def slice_caption(steps: int, samples: int, rates: int) -> str:
    """What the table of rules on the slice shows."""
    return (
        f"Each rule with two parameters only, the slice's coordinates: {steps} steps on {samples} samples from the "
        f"same start, at the least of {rates} learning rates that ends within a tenth of the rule's lowest loss."
    )


def answer(
    epochs: int,
    first: Mapping[str, float],
    last: Mapping[str, float],
    passes: Mapping[str, int | None],
    target: float,
) -> str:
    """The question's answer in one sentence.

    first, last: the loss before and after, by rule, infinite for a rule that diverged.  passes: to the target, by rule;
    None where it was not reached.  All are medians over the seeds.
    """
    best, worst = min(last, key=last.__getitem__), max(last, key=last.__getitem__)
    there = {name: count for name, count in passes.items() if count is not None}
    ends = f"{last[worst]:.2g}" if math.isfinite(last[worst]) else "no finite loss"
    reached = f"none of the {len(passes)} rules came to {target:g}"
    if there:
        fast = min(there, key=there.__getitem__)
        some = f"{len(there)} of the {len(passes)} rules came to {target:g}"
        reached = f"{some}, {RULES[fast]} first, after {there[fast]}"
    return (
        f"In {epochs} passes over the data {RULES[best]} came furthest, from a loss of {first[best]:.2g} to "
        f"{last[best]:.2g}, and {RULES[worst]} least far, to {ends}; {reached}."
    )


def finding(
    epochs: int,
    steps: int,
    batch: int,
    last: Mapping[str, float],
    rates: Mapping[str, float | None],
    spread: tuple[float, str] | None,
    share: float,
) -> str:
    """What the run showed.

    steps: of a pass in batches.  last: the loss after it, by rule.  spread: by what factor the seeds of a rule
    differ at most, and of which; None with one seed.  share: of the paths' variance, on their principal plane.
    """
    order = sorted(last, key=lambda name: (math.isnan(last[name]), last[name]))
    text = (
        f"After {epochs} passes gradient descent on all samples at once stood at a training loss of "
        f"{last['gradient_descent']:.3g}, the same rule on batches of {batch} (SGD) at {last['sgd']:.3g}: in a pass "
        f"the former makes one step, the latter {steps}. The lowest was {RULES[order[0]]} with {last[order[0]]:.2g}, "
        f"then {RULES[order[1]]} with {last[order[1]]:.2g} and {RULES[order[2]]} with {last[order[2]]:.2g}; L-BFGS, "
        f"which takes all samples too, came to {last['lbfgs']:.2g}. "
    )
    chosen = {name: rate for name, rate in rates.items() if rate is not None}
    least, most = min(chosen, key=chosen.__getitem__), max(chosen, key=chosen.__getitem__)
    text += (
        f"The best learning rates lie a factor of {chosen[most] / chosen[least]:.0f} apart: {RULES[least]} wants "
        f"{chosen[least]:g}, {RULES[most]} {chosen[most]:g}. "
    )
    if spread is not None and math.isfinite(spread[0]):
        text += f"Seeds of one rule differ by up to {spread[0]:.1f}-fold ({RULES[spread[1]]}). "
    plane = f"The plane of the two principal directions explains {100 * share:.0f} % of the paths' spread"
    return f"{text}{plane} about their start."


def held_fixed(
    hidden: int, parameters: int, samples: int, epochs: int, batch: int, tuned_on: int, tried: tuple[int, int]
) -> str:
    """What was the same for all rules. tuned_on: a seed.  tried: how many learning rates, at least and at most."""
    return (
        f"The network (784 - {hidden} - {hidden} - 10, ReLU, {parameters:,} parameters, float32, no penalty), "
        f"{samples:,} digits of MNIST, {epochs} passes over them; for a seed the same initial weights and, but for the "
        f"two rules that take all samples at once, the same batches of {batch} in the same order; a constant learning "
        f"rate. Each rule's rate is the best of a grid of factor 3.2 by the last training loss of seed {tuned_on}, "
        "which is not among those reported; the grid grows until the best lies inside it "
        f"({tried[0]} to {tried[1]} rates). L-BFGS has a line search in its place."
    )


def limits(steps: int) -> str:
    """What the run does not show. steps: of a pass in batches."""
    return (
        "One small network, one data set, one batch size, no schedule: other tasks order these rules otherwise. "
        "Only the learning rate was tuned, not momentum, betas, epsilons or decay. A pass is one step for the "
        f"rules that take all samples and {steps} steps for the others, and L-BFGS may look "
        "several times in a step. Seconds are of this machine, and L-BFGS is walked by the reference engine and "
        "SciPy, the others by the native engine where it was built. A low training loss is not a high test "
        "accuracy. On the projected slice a path's points lie beside the plane, so their loss is not the plane's; "
        "the confined paths lie on their plane, but two parameters are not all of them."
    )


def after_passes(rule: str) -> str:
    """What the pointer shows of a loss over the passes: numbers as the figure's template has them."""
    return f"{rule}<br>%{{x:.3g}} passes, loss %{{y:.3g}}"


def after_seconds(rule: str) -> str:
    """What the pointer shows of a loss over the seconds."""
    return f"{rule}<br>%{{x:.3g}} s, loss %{{y:.3g}}"


def step_of(rule: str) -> str:
    """What the pointer shows of a path."""
    return f"{rule}, step %{{pointNumber}}"


def at_rate(rule: str, rate: float) -> str:
    """The name of a path that was taken at a learning rate."""
    return f"{rule} at {rate:.3g}"


LOSS_AT = "%{x:.2f}, %{y:.2f}<br>loss %{customdata:.3g}"
"""What the pointer shows of the plane."""
LOSS_NAME = "loss"


def shades(low: float, high: float) -> str:
    """What the contours mean."""
    return f"the greyer, the higher: loss {low:.2g} to {high:.2g}"
