"""Compares gradient descent and its variants on the same network, and their paths over a slice of the loss."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from chainrule.data import checks
from chainrule.errors import ConfigError
from chainrule.lab import slices
from chainrule.lab.base import Progress, check_options, part, scaled
from chainrule.lab.descent import ARMS, BATCH, Outcome, Task, descend, tuned
from chainrule.views.experiments import Report
from chainrule.views.tables import Table

EPOCHS = 20
SAMPLES = 4000


def optimizers(
    *,
    seed: int = 0,
    repeats: int = 3,
    budget: float = 1.0,
    progress: Progress | None = None,
    samples: int = SAMPLES,
    hidden: int = 64,
    loss: float = 0.1,
) -> Report:
    """Compare ten rules on one network and one part of MNIST, each with its best learning rate.

    repeats: seeds of the start and the shuffles.  budget: scales the epochs and the samples.  samples, hidden: of
    the training set and of each of the two hidden layers.  loss: the training loss that passes are counted to.
    """
    from chainrule.datasets import load_mnist

    check_options(seed, repeats, budget)
    checks.check_count(samples, "samples", 100)
    checks.check_count(hidden, "hidden")
    if not (math.isfinite(loss) and loss > 0):
        raise ConfigError(f"loss must be a finite number above 0, not {loss!r}; 0.1 is usual.")
    begin = time.perf_counter()
    train, test = load_mnist()
    share = math.sqrt(budget)  # of the epochs, and of the samples: the work is their product
    count = min(scaled(samples, share, 100), len(train.X))
    rows = np.random.default_rng([seed, 1]).permutation(len(train.X))[:count]
    some = slice(None, scaled(len(test.X), min(share, 1.0), 100))
    task = Task(train.X[rows], train.y[rows], test.X[some], test.y[some], scaled(EPOCHS, share, 2), hidden)
    rates, tried = {}, {}
    for i, arm in enumerate(ARMS):
        part(progress, 0.0, 0.55)(i / len(ARMS), f"learning rate of {arm.name}")
        rates[arm.name], tried[arm.name] = tuned(arm, task, seed + repeats)
    outcomes: dict[str, list[Outcome]] = {}
    for i, arm in enumerate(ARMS):
        part(progress, 0.55, 0.85)(i / len(ARMS), arm.name)
        outcomes[arm.name] = [descend(arm, rates[arm.name], task, s) for s in range(seed, seed + repeats)]
    paths = {name: runs[0].path for name, runs in outcomes.items()}
    views = slices.views(task.model(seed), task.X, task.y, paths, budget, part(progress, 0.85, 1.0))
    settings = {
        "seed": seed, "repeats": repeats, "budget": budget, "samples": count, "hidden": hidden, "loss": loss,
        "epochs": task.epochs, "batch": BATCH,
    }  # fmt: skip
    return _report(task, rates, tried, outcomes, views, settings, begin)


def _report(
    task: Task,
    rates: dict[str, float | None],
    tried: dict[str, int],
    outcomes: dict[str, list[Outcome]],
    views: tuple[slices.View, slices.View],
    settings: dict[str, Any],
    begin: float,
) -> Report:
    from chainrule.views.figures import laboratory

    target, repeats = settings["loss"], settings["repeats"]
    rows = []
    for arm in ARMS:
        runs = outcomes[arm.name]
        last = [float(run.losses[-1]) for run in runs]
        rows.append((
            arm.name, len(task.X) if arm.batch is None else arm.batch, rates[arm.name],
            *(float(f"{f(last):.3g}") for f in (np.median, min, max)), _median_passes(runs, target),
            round(100 * float(np.median([run.accuracy for run in runs])), 2),
            round(float(np.median([run.seconds[-1] for run in runs])), 3),
        ))  # fmt: skip
    table = Table(
        (
            "rule",
            "batch",
            "learning rate",
            "loss",
            "lowest",
            "highest",
            f"passes to {target:g}",
            "test accuracy %",
            "seconds",
        ),
        tuple(rows),
        f"After {task.epochs} passes over {len(task.X):,} digits, medians of {repeats} seeds; the loss is that of all "
        f"training samples, its lowest and highest seed beside it; passes until it was at most {target:g}.",
    )
    confined = views[1]
    plane = Table(
        ("rule on the slice", "learning rate", "loss at the end"),
        tuple(
            (name, float(f"{rate:.3g}"), float(f"{confined.final[name]:.3g}"))
            for name, rate in confined.rates.items()
        ),
        f"Each rule with two parameters only, the slice's coordinates: {len(confined.paths['Adam']) - 1} steps on "
        f"{slices.SAMPLES} samples from the same start, at the least of {len(slices.RATES)} learning rates that ends "
        "within a tenth of the rule's lowest loss.",
    )
    median = {name: np.median([run.losses for run in runs], 0) for name, runs in outcomes.items()}
    clock = {name: np.median([run.seconds for run in runs], 0) for name, runs in outcomes.items()}
    return Report(
        name="optimizers",
        title="Gradient descent and its variants",
        question="How fast do the variants of gradient descent bring down the loss of the same network?",
        answer=_answer(task, outcomes, target),
        finding=_finding(task, outcomes, rates, views, target),
        held_fixed=(
            f"The network (784 - {task.hidden} - {task.hidden} - 10, ReLU, {task.model(0).network.size:,} parameters, "
            f"float32, no penalty), {len(task.X):,} digits of MNIST, {task.epochs} passes over them; for a seed "
            f"the same initial weights and, but for the two rules that take all samples at once, the same batches of "
            f"{BATCH} in the same order; a constant learning rate. Each rule's rate is the best of a grid of factor "
            f"3.2 by the last training loss of seed {settings['seed'] + repeats}, which is not among those reported; "
            f"the grid grows until the best lies inside it ({min(tried[a.name] for a in ARMS[:-1])} to "
            f"{max(tried.values())} rates). L-BFGS has a line search in its place."
        ),
        limits=(
            "One small network, one data set, one batch size, no schedule: other tasks order these rules otherwise. "
            "Only the learning rate was tuned, not momentum, betas, epsilons or decay. A pass is one step for the "
            f"rules that take all samples and {-(-len(task.X) // BATCH)} steps for the others, and L-BFGS may look "
            "several times in a step. Seconds are of this machine, and L-BFGS is walked by the reference engine and "
            "SciPy, the others by the native engine where it was built. A low training loss is not a high test "
            "accuracy. On the projected slice a path's points lie beside the plane, so their loss is not the plane's; "
            "the confined paths lie on their plane, but two parameters are not all of them."
        ),
        tables=(table, plane),
        figures=(
            laboratory.descents(median, clock),
            laboratory.slice_paths(views[1], "Paths on a slice, by rules that know only its two parameters"),
            laboratory.slice_paths(
                views[0], "Paths of the training, projected on the slice that explains most of their variance"
            ),
        ),
        settings=settings,
        seconds=time.perf_counter() - begin,
    )


def _answer(task: Task, outcomes: dict[str, list[Outcome]], target: float) -> str:
    """All by medians; a run that diverged ends at infinity."""
    last = {
        name: float(np.median([np.nan_to_num(run.losses[-1], nan=math.inf) for run in runs]))
        for name, runs in outcomes.items()
    }
    best, worst = min(last, key=last.__getitem__), max(last, key=last.__getitem__)
    passes = {name: _median_passes(runs, target) for name, runs in outcomes.items()}
    there = {name: count for name, count in passes.items() if count is not None}
    ends = f"{last[worst]:.2g}" if math.isfinite(last[worst]) else "no finite loss"
    reached = f"none of the {len(passes)} rules came to {target:g}"
    if there:
        first = min(there, key=there.__getitem__)
        reached = (
            f"{len(there)} of the {len(passes)} rules came to {target:g}, {first} first, after {there[first]}"
        )
    return (
        f"In {task.epochs} passes over the data {best} came furthest, from a loss of "
        f"{np.median([run.losses[0] for run in outcomes[best]]):.2g} to {last[best]:.2g}, and {worst} least far, to "
        f"{ends}; {reached}."
    )


def _median_passes(runs: list[Outcome], target: float) -> int | None:
    """Return the median number of passes to the target; None if the median run did not reach it."""
    passes = sorted(math.inf if (p := run.passes(target)) is None else p for run in runs)
    middle = passes[(len(passes) - 1) // 2]
    return int(middle) if math.isfinite(middle) else None


def _finding(
    task: Task,
    outcomes: dict[str, list[Outcome]],
    rates: dict[str, float | None],
    views: tuple[slices.View, slices.View],
    target: float,
) -> str:
    last = {name: float(np.median([run.losses[-1] for run in runs])) for name, runs in outcomes.items()}
    order = sorted(last, key=lambda name: (math.isnan(last[name]), last[name]))
    full, small = last["gradient descent"], last["SGD"]
    text = (
        f"After {task.epochs} passes gradient descent on all samples at once stood at a training loss of {full:.3g}, "
        f"the same rule on batches of {BATCH} (SGD) at {small:.3g}: in a pass the former makes one step, the latter "
        f"{-(-len(task.X) // BATCH)}. The lowest was {order[0]} with {last[order[0]]:.2g}, then {order[1]} with "
        f"{last[order[1]]:.2g} and {order[2]} with {last[order[2]]:.2g}; L-BFGS, which takes all samples too, came to "
        f"{last['L-BFGS']:.2g}. "
    )
    chosen = {name: rate for name, rate in rates.items() if rate is not None}
    text += (
        f"The best learning rates lie a factor of {max(chosen.values()) / min(chosen.values()):.0f} apart: "
        f"{min(chosen, key=chosen.__getitem__)} wants {min(chosen.values()):g}, "
        f"{max(chosen, key=chosen.__getitem__)} {max(chosen.values()):g}. "
    )
    spread = max(
        (max(run.losses[-1] for run in runs) / max(min(run.losses[-1] for run in runs), 1e-12), name)
        for name, runs in outcomes.items()
    )
    if len(outcomes["SGD"]) > 1 and math.isfinite(spread[0]):
        text += f"Seeds of one rule differ by up to {spread[0]:.1f}-fold ({spread[1]}). "
    return text + (
        f"The plane of the two principal directions explains {100 * views[0].share:.0f} % of the paths' spread about "
        "their start."
    )
