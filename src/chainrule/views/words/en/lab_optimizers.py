"""The sentences of the experiment `optimizers`, built from its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

TITLE = "Gradient descent and its variants"
QUESTION = "How fast do the variants of gradient descent lower the loss of the same network?"
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
CONFINED = "Paths on a slice, of rules restricted to its two parameters"
PROJECTED = "Training paths, projected onto the slice that explains most of their variance"
DESCENTS = "The same network, ten optimizers"
PASSES, SECONDS, LOSS = "passes over the data", "seconds of training", "training loss"
START = "start"
DIRECTIONS = ("along the first direction", "along the second direction")
SLICE = "loss over a slice"
"""The current activity."""


def tuning(rule: str) -> str:
    """The current activity."""
    return f"learning rate of {RULES[rule]}"


def on_a_slice(rule: str) -> str:
    """The current activity."""
    return f"{RULES[rule]} on a slice"


def heads(target: float) -> tuple[str, ...]:
    """The columns of the table of rules. target: the loss up to which passes are counted."""
    reached = f"passes to {target:g}"
    return (
        *("rule", "batch", "learning rate", "loss", "lowest", "highest", reached),
        *("test accuracy %", "seconds"),
    )


def caption(epochs: int, samples: int, repeats: int, target: float) -> str:
    """The caption of the table of rules."""
    return (
        f"After {epochs} passes over {samples:,} digits, medians of {repeats} seeds; the loss is over all "
        f"training samples, with its lowest and highest seed; the passes until it was at most {target:g}."
    )


def slice_caption(steps: int, samples: int, rates: int) -> str:
    """The caption of the table of rules on the slice."""
    return (
        f"Each rule restricted to two parameters, the slice's coordinates: {steps} steps on {samples} "
        f"samples from the same start, at the smallest of {rates} learning rates that ends within a tenth of "
        "the rule's lowest loss."
    )


def answer(
    epochs: int,
    first: Mapping[str, float],
    last: Mapping[str, float],
    passes: Mapping[str, int | None],
    target: float,
) -> str:
    """The answer in one sentence.

    first, last: the loss before and after, by rule, infinite for a diverged rule.  passes: to the target, by rule;
    None if not reached.  All are medians over the seeds.
    """
    best, worst = min(last, key=last.__getitem__), max(last, key=last.__getitem__)
    there = {name: count for name, count in passes.items() if count is not None}
    ends = f"{last[worst]:.2g}" if math.isfinite(last[worst]) else "no finite loss"
    reached = f"none of the {len(passes)} rules reached {target:g}"
    if there:
        fast = min(there, key=there.__getitem__)
        some = f"{len(there)} of the {len(passes)} rules reached {target:g}"
        reached = f"{some}, {RULES[fast]} first, after {there[fast]}"
    return (
        f"In {epochs} passes over the data, {RULES[best]} reached the lowest loss, from {first[best]:.2g} to "
        f"{last[best]:.2g}, and {RULES[worst]} the highest, {ends}; {reached}."
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
    """The results of the run.

    steps: per pass in batches.  last: the loss after it, by rule.  spread: the largest ratio between seeds of a rule,
    and its rule; None with one seed.  share: of the paths' variance, on their principal plane.
    """
    order = sorted(last, key=lambda name: (math.isnan(last[name]), last[name]))
    text = (
        f"After {epochs} passes, gradient descent on all samples at once had a training loss of "
        f"{last['gradient_descent']:.3g}, the same rule on batches of {batch} (SGD) {last['sgd']:.3g}: per "
        f"pass, the former takes one step, the latter {steps}. The lowest was {RULES[order[0]]} with "
        f"{last[order[0]]:.2g}, then {RULES[order[1]]} with {last[order[1]]:.2g} and {RULES[order[2]]} with "
        f"{last[order[2]]:.2g}; L-BFGS, which also uses all samples, reached {last['lbfgs']:.2g}. "
    )
    chosen = {name: rate for name, rate in rates.items() if rate is not None}
    least, most = min(chosen, key=chosen.__getitem__), max(chosen, key=chosen.__getitem__)
    text += (
        f"The best learning rates differ by a factor of {chosen[most] / chosen[least]:.0f}: {RULES[least]} "
        f"needs {chosen[least]:g}, {RULES[most]} {chosen[most]:g}. "
    )
    if spread is not None and math.isfinite(spread[0]):
        text += f"Seeds of one rule differ by a factor of up to {spread[0]:.1f} ({RULES[spread[1]]}). "
    plane = f"The plane of the two principal directions explains {100 * share:.0f} % of the paths' variance"
    return f"{text}{plane} about their start."


def held_fixed(
    hidden: int, parameters: int, samples: int, epochs: int, batch: int, tuned_on: int, tried: tuple[int, int]
) -> str:
    """The controlled variables. tuned_on: a seed.  tried: the minimum and maximum number of learning rates."""
    return (
        f"The network (784 - {hidden} - {hidden} - 10, ReLU, {parameters:,} parameters, float32, no "
        f"penalty), {samples:,} digits of MNIST, {epochs} passes over them; per seed the same initial "
        f"weights and, except for the two rules that use all samples at once, the same batches of {batch} in "
        "the same order; a constant learning rate. Each rule's rate is the best on a grid with ratio 3.2 by "
        f"the final training loss of seed {tuned_on}, which is not among those reported; the grid grows "
        f"until the best rate is inside it ({tried[0]} to {tried[1]} rates). L-BFGS has a line search "
        "instead."
    )


def limits(steps: int) -> str:
    """The limits of the result. steps: per pass in batches."""
    return (
        "One small network, one data set, one batch size, no schedule: the ranking depends on the task. "
        "Only the learning rate was tuned, not momentum, betas, epsilons or decay. A pass is one step for "
        f"the rules that use all samples and {steps} steps for the others, and L-BFGS may evaluate the loss "
        "several times per step. Seconds are of this machine; L-BFGS runs on the reference engine and "
        "SciPy, the others on the native engine if it is built. A low training loss is not a high test "
        "accuracy. On the projected slice, the points of a path are not on the plane, so their loss is not "
        "the plane's; the restricted paths are on their plane, but two parameters are not all parameters."
    )


def after_passes(rule: str) -> str:
    """Hover text for a loss over the passes, with the numbers of the figure's template."""
    return f"{rule}<br>%{{x:.3g}} passes, loss %{{y:.3g}}"


def after_seconds(rule: str) -> str:
    """Hover text for a loss over the seconds."""
    return f"{rule}<br>%{{x:.3g}} s, loss %{{y:.3g}}"


def step_of(rule: str) -> str:
    """Hover text for a path."""
    return f"{rule}, step %{{pointNumber}}"


def at_rate(rule: str, rate: float) -> str:
    """The name of a path with a learning rate."""
    return f"{rule} at {rate:.3g}"


LOSS_AT = "%{x:.2f}, %{y:.2f}<br>loss %{customdata:.3g}"
"""Hover text for the plane."""
LOSS_NAME = "loss"


def shades(low: float, high: float) -> str:
    """The meaning of the contours."""
    return f"grayer is higher: loss {low:.2g} to {high:.2g}"
