"""Compare gradient descent and its variants on the same network, and their paths over a slice of the loss."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from chainrule.data import checks
from chainrule.errors import ConfigError
from chainrule.lab import slices
from chainrule.lab.base import Progress, check_options, part, scaled
from chainrule.lab.descent import ARMS, BATCH_SIZE, Descent, DescentTask, descend, tuned
from chainrule.views import words
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
    """Compare ten rules on one network and a part of MNIST, each with its best learning rate.

    repeats: seeds of initial weights and shuffles.  budget: scales the epochs and the samples.  samples, hidden: the
    numbers of training samples and of neurons per hidden layer.  loss: the training loss up to which passes are
    counted.
    """
    from chainrule.datasets import load_mnist

    check_options(seed, repeats, budget)
    checks.check_count(samples, "samples", 100)
    checks.check_count(hidden, "hidden")
    if not (math.isfinite(loss) and loss > 0):
        raise ConfigError(f"loss must be a finite number above 0, not {loss!r}; 0.1 is usual.")
    begin = time.perf_counter()
    train, test = load_mnist()
    share = math.sqrt(budget)  # for epochs and samples each: the work is their product
    count = min(scaled(samples, share, 100), len(train.X))
    rows = np.random.default_rng([seed, 1]).permutation(len(train.X))[:count]
    some = slice(None, scaled(len(test.X), min(share, 1.0), 100))
    task = DescentTask(
        train.X[rows], train.y[rows], test.X[some], test.y[some], scaled(EPOCHS, share, 2), hidden
    )
    rates, tried = {}, {}
    for i, arm in enumerate(ARMS):
        part(progress, 0.0, 0.55)(i / len(ARMS), words.lab_optimizers.tuning(arm.name))
        rates[arm.name], tried[arm.name] = tuned(arm, task, seed + repeats)
    outcomes: dict[str, list[Descent]] = {}
    for i, arm in enumerate(ARMS):
        part(progress, 0.55, 0.85)(i / len(ARMS), words.lab_optimizers.RULES[arm.name])
        outcomes[arm.name] = [descend(arm, rates[arm.name], task, s) for s in range(seed, seed + repeats)]
    paths = {name: runs[0].path for name, runs in outcomes.items()}
    views = slices.views(task.model(seed), task.X, task.y, paths, budget, part(progress, 0.85, 1.0))
    settings = {
        "seed": seed, "repeats": repeats, "budget": budget, "samples": count, "hidden": hidden, "loss": loss,
        "epochs": task.epochs, "batch": BATCH_SIZE,
    }  # fmt: skip
    return _report(task, rates, tried, outcomes, views, settings, begin)


def _report(
    task: DescentTask,
    rates: dict[str, float | None],
    tried: dict[str, int],
    outcomes: dict[str, list[Descent]],
    views: tuple[slices.View, slices.View],
    settings: dict[str, Any],
    begin: float,
) -> Report:
    from chainrule.views.figures import laboratory

    said = words.lab_optimizers
    target, repeats = settings["loss"], settings["repeats"]
    rows = []
    for arm in ARMS:
        runs = outcomes[arm.name]
        last = [float(run.losses[-1]) for run in runs]
        rows.append((
            said.RULES[arm.name], len(task.X) if arm.batch is None else arm.batch, rates[arm.name],
            *(float(f"{f(last):.3g}") for f in (np.median, min, max)), _median_passes(runs, target),
            round(100 * float(np.median([run.accuracy for run in runs])), 2),
            round(float(np.median([run.seconds[-1] for run in runs])), 3),
        ))  # fmt: skip
    count = len(task.X)
    table = Table(said.heads(target), tuple(rows), said.caption(task.epochs, count, repeats, target))
    confined = views[1]
    plane = Table(
        said.SLICE_HEADS,
        tuple(
            (said.RULES[name], float(f"{rate:.3g}"), float(f"{confined.final[name]:.3g}"))
            for name, rate in confined.rates.items()
        ),
        said.slice_caption(len(confined.paths["adam"]) - 1, slices.SAMPLES, len(slices.RATES)),
    )
    median = {name: np.median([run.losses for run in runs], 0) for name, runs in outcomes.items()}
    clock = {name: np.median([run.seconds for run in runs], 0) for name, runs in outcomes.items()}
    return Report(
        name="optimizers",
        title=said.TITLE,
        question=said.QUESTION,
        answer=_answer(task, outcomes, target),
        finding=_finding(task, outcomes, rates, views[0].share),
        held_fixed=said.held_fixed(
            *(task.hidden, task.model(0).network.size, count, task.epochs, BATCH_SIZE),
            tuned_on=settings["seed"] + repeats,
            tried=(min(tried[arm.name] for arm in ARMS[:-1]), max(tried.values())),
        ),
        limits=said.limits(_steps(task)),
        tables=(table, plane),
        figures=(
            laboratory.descents(median, clock),
            laboratory.slice_paths(views[1], said.CONFINED),
            laboratory.slice_paths(views[0], said.PROJECTED),
        ),
        settings=settings,
        seconds=time.perf_counter() - begin,
    )


def _answer(task: DescentTask, outcomes: dict[str, list[Descent]], target: float) -> str:
    """Describe the result by medians; a diverged run counts as infinite."""
    last = {
        name: float(np.median([np.nan_to_num(run.losses[-1], nan=math.inf) for run in runs]))
        for name, runs in outcomes.items()
    }
    first = {name: float(np.median([run.losses[0] for run in runs])) for name, runs in outcomes.items()}
    passes = {name: _median_passes(runs, target) for name, runs in outcomes.items()}
    return words.lab_optimizers.answer(task.epochs, first, last, passes, target)


def _median_passes(runs: list[Descent], target: float) -> int | None:
    """Return the median number of passes to the target; None if the median run did not reach it."""
    passes = sorted(math.inf if (p := run.passes(target)) is None else p for run in runs)
    middle = passes[(len(passes) - 1) // 2]
    return int(middle) if math.isfinite(middle) else None


def _steps(task: DescentTask) -> int:
    """Return the number of steps per pass in batches."""
    return -(-len(task.X) // BATCH_SIZE)


def _finding(
    task: DescentTask, outcomes: dict[str, list[Descent]], rates: dict[str, float | None], share: float
) -> str:
    last = {name: float(np.median([run.losses[-1] for run in runs])) for name, runs in outcomes.items()}
    spread = max(
        (max(run.losses[-1] for run in runs) / max(min(run.losses[-1] for run in runs), 1e-12), name)
        for name, runs in outcomes.items()
    )
    apart = spread if len(outcomes["sgd"]) > 1 else None
    return words.lab_optimizers.finding(task.epochs, _steps(task), BATCH_SIZE, last, rates, apart, share)
