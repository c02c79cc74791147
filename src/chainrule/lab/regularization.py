"""Overfitting on a small sample, with and without remedies: dropout, L2, batch norm, early stopping."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data import checks
from chainrule.datasets import Dataset, load_mnist
from chainrule.errors import ConfigError
from chainrule.lab.base import Progress, check_options, part, scaled
from chainrule.lab.overfitting import BATCH, HELD_OUT, RATE, WIDTH, Outcome, Remedy, Split, learn, split
from chainrule.views.experiments import Report
from chainrule.views.tables import Table

EPOCHS = 50
DROPOUT = (0.2, 0.35, 0.5, 0.65, 0.8)
L2 = (1e-3, 3e-3, 1e-2, 3e-2, 0.1)
SPARE = 2
"""Seeds that only choose the strengths"""


def regularization(
    *,
    seed: int = 0,
    repeats: int = 5,
    budget: float = 1.0,
    progress: Progress | None = None,
    samples: int = 500,
    wrong: float = 0.2,
) -> Report:
    """Train a network with far more parameters than samples, plain and with each remedy, with right and wrong labels.

    repeats: seeds; each draws its own sample, start, shuffles and masks.  budget: scales the epochs.
    samples: digits of MNIST to learn from.  wrong: in the second half of the experiment, the share of them that is
    given another digit's label.
    """
    check_options(seed, repeats, budget)
    train, test = load_mnist()
    most = len(train.X) - HELD_OUT
    if checks.check_count(samples, "samples", 50) > most:
        raise ConfigError(f"samples must be at most {most}, not {samples}; overfitting wants few.")
    if isinstance(wrong, (bool, str)) or not 0 < wrong < 1:
        raise ConfigError(f"wrong must be a share of labels between 0 and 1, not {wrong!r}; 0.2 is usual.")
    begin, epochs = time.perf_counter(), scaled(EPOCHS, budget, 3)
    if budget < 1:
        some = np.arange(scaled(len(test.X), budget, 1000))
        test = Dataset(test.X[some], test.y[some], test.shape, test.name, test.classes)
    found, strengths = {}, {}
    for i, (name, share) in enumerate(
        {"right labels": 0.0, f"{100 * wrong:g} % wrong labels": wrong}.items()
    ):
        parts = [split(train, test, samples, seed + k, share) for k in range(repeats + SPARE)]
        found[name], strengths[name] = _compare(parts, seed, epochs, part(progress, i / 2, (i + 1) / 2))
    settings = {
        "seed": seed, "repeats": repeats, "budget": budget, "samples": samples, "wrong": wrong, "epochs": epochs,
        "chosen": "; ".join(f"{name}: {chosen}" for name, chosen in strengths.items()), "tested_on": len(test.X),
    }  # fmt: skip
    return _report(found, strengths, settings, begin)


def _compare(
    parts: list[Split], seed: int, epochs: int, progress: Progress
) -> tuple[dict[str, list[Outcome]], str]:
    """Train with each remedy on the same samples, one set per seed; the last set only chooses strengths."""
    repeats = len(parts) - SPARE
    drop, decay = _strengths(parts[repeats:], seed + repeats, epochs, part(progress, 0.0, 0.4))
    remedies = (
        Remedy("plain"),
        Remedy("dropout", dropout=drop),
        Remedy("L2", l2=decay),
        Remedy("batch norm", batch_norm=True),
        Remedy("early stopping", early_stopping=True),
        Remedy("all four", drop, decay, True, True),
    )
    outcomes: dict[str, list[Outcome]] = {remedy.name: [] for remedy in remedies}
    tell = part(progress, 0.4, 1.0)
    for i in range(repeats):
        for k, remedy in enumerate(remedies):
            tell((i * len(remedies) + k) / (repeats * len(remedies)), f"{remedy.name}, seed {seed + i}")
            outcomes[remedy.name].append(learn(remedy, parts[i], seed + i, epochs))
    return outcomes, f"dropout {drop:g}, L2 {decay:g}"


def _strengths(parts: list[Split], seed: int, epochs: int, progress: Progress) -> tuple[float, float]:
    """Choose the dropout rate and the L2 penalty of the lowest final validation loss, over separate seeds."""
    arms = [Remedy("dropout", dropout=p) for p in DROPOUT] + [Remedy("L2", l2=l2) for l2 in L2]
    ends = []
    for i, arm in enumerate(arms):
        progress(i / len(arms), f"strength of {arm.name}")
        ends.append(np.mean([learn(arm, each, seed + k, epochs).watched[-1] for k, each in enumerate(parts)]))
    drop, decay = int(np.argmin(ends[: len(DROPOUT)])), int(np.argmin(ends[len(DROPOUT) :]))
    return DROPOUT[drop], L2[decay]


def _report(
    found: dict[str, dict[str, list[Outcome]]],
    strengths: dict[str, str],
    settings: dict[str, Any],
    begin: float,
) -> Report:
    from chainrule.views.figures import regularization as figures

    tests = {
        labels: {name: _percent([run.test_accuracy for run in runs]) for name, runs in outcomes.items()}
        for labels, outcomes in found.items()
    }
    curves = tuple(
        figures.overfitting(
            {name: [(run.loss, run.watched) for run in runs] for name, runs in outcomes.items()},
            {name: float(accuracy.mean()) for name, accuracy in tests[labels].items()},
            labels,
        )
        for labels, outcomes in found.items()
    )
    return Report(
        name="regularization",
        title="Overfitting on a small sample, and four remedies",
        question=f"What do dropout, L2, batch norm and early stopping change when {settings['samples']} samples meet "
        "a network that can learn them by heart?",
        answer=_answer(found),
        finding=" ".join(_finding(labels, outcomes, settings) for labels, outcomes in found.items()),
        held_fixed=(
            f"The network 784 - {WIDTH} - {WIDTH} - 10 (ReLU) and its start, Adam at {RATE:g}, batches of {BATCH}, at "
            f"most {settings['epochs']} epochs; for a seed the same {settings['samples']} digits of MNIST to learn "
            f"from, the same {HELD_OUT:,} others to watch, and the same {settings['tested_on']:,} to test on; only "
            "labels that are learned from are ever wrong. Losses are measured without penalty and without dropout. "
            f"The dropout rate and the L2 penalty are the best of {len(DROPOUT)} and of {len(L2)} by the watched loss "
            f"after the last epoch, mean of the {SPARE} seeds after those reported."
        ),
        limits=(
            "One architecture, one sample size, one data set: with more samples every remedy gains less, and which "
            "one leads changes. The learning rate was not tuned for each, and 'all four' takes the strengths that "
            "were best alone. Early stopping uses the watched samples, which plain training could have learned from. "
            "Batch norm was made to ease training, not to regularize; what it does here is a side effect. A few seeds "
            "tell large differences from luck, not small ones."
        ),
        tables=tuple(
            _table(f"{labels} ({strengths[labels]})", outcomes, settings["repeats"])
            for labels, outcomes in found.items()
        ),
        figures=(figures.test_accuracies(tests), *curves),
        settings=settings,
        seconds=time.perf_counter() - begin,
    )


def _table(labels: str, outcomes: dict[str, list[Outcome]], repeats: int) -> Table:
    rows = []
    for name, runs in outcomes.items():
        test = _percent([run.test_accuracy for run in runs])
        train = _percent([run.train_accuracy for run in runs])
        gains = _gains(outcomes, name)
        better = f"{sum(gain > 0 for gain in gains)} of {len(gains)}"
        numbers = (train.mean(), test.mean(), np.min(test), np.max(test), (train - test).mean())
        rows.append((
            name,
            *(round(float(number), 2) for number in numbers),
            *((None, None) if name == "plain" else (round(float(np.mean(gains)), 2), better)),
            round(float(np.mean([run.test_loss for run in runs])), 3),
            round(float(np.median([run.epochs for run in runs]))),
            round(float(np.median([run.best_epoch for run in runs]))),
        ))  # fmt: skip
    return Table(
        (
            "training",
            "train %",
            "test %",
            "lowest",
            "highest",
            "gap",
            "gain",
            "better in",
            "test loss",
            "epochs",
            "best",
        ),
        tuple(rows),
        f"With {labels}. Accuracies, means of {repeats} seeds, with the "
        "lowest and the highest test accuracy; the gap between training and test, and the gain in test accuracy over "
        "plain training on the same sample, in points; the test loss; the epochs run, and the one of the lowest "
        "watched loss (medians).",
    )


def _percent(shares: Sequence[float]) -> NDArray[np.float64]:
    return 100.0 * np.asarray(shares)


def _gains(outcomes: dict[str, list[Outcome]], name: str) -> list[float]:
    """Return the gain in test accuracy over plain training, in points, per seed."""
    pairs = zip(outcomes[name], outcomes["plain"], strict=True)
    return [100.0 * (run.test_accuracy - plain.test_accuracy) for run, plain in pairs]


def _answer(found: dict[str, dict[str, list[Outcome]]]) -> str:
    said, lower, count = [], [], 0
    for labels, outcomes in found.items():
        gains = {name: float(np.mean(_gains(outcomes, name))) for name in outcomes if name != "plain"}
        least, most = min(gains, key=gains.__getitem__), max(gains, key=gains.__getitem__)
        said.append(
            f"with {labels} by {gains[least]:+.1f} points ({least}) to {gains[most]:+.1f} points ({most})"
        )
        loss = {name: float(np.mean([run.test_loss for run in runs])) for name, runs in outcomes.items()}
        lower.append(sum(loss[name] < loss["plain"] for name in gains))
        count = len(gains)
    return (
        f"They change the test accuracy {' and '.join(said)}; the test loss is below plain training's for "
        f"{' and for '.join(map(str, lower))} of the {count}."
    )


def _finding(labels: str, outcomes: dict[str, list[Outcome]], settings: dict[str, Any]) -> str:
    plain = outcomes["plain"]
    train, test = (
        float(_percent(shares).mean())
        for shares in ([run.train_accuracy for run in plain], [run.test_accuracy for run in plain])
    )
    best = float(np.median([run.best_epoch for run in plain]))
    rise = float(np.mean([run.watched[-1] / min(run.watched) for run in plain]))
    gains = {name: _gains(outcomes, name) for name in outcomes if name != "plain"}
    order = sorted(gains, key=lambda name: -float(np.mean(gains[name])))
    said = ", ".join(f"{name} {np.mean(gains[name]):+.2f}" for name in order)
    torn = [name for name in order if not (min(gains[name]) > 0 or max(gains[name]) < 0)]
    text = (
        f"With {labels} plain training fits {train:.1f} % of its {settings['samples']} labels and gets {test:.1f} % of "
        f"the test digits right; its watched loss is lowest at epoch {best:.0f} of {settings['epochs']} and ends "
        f"{rise:.2f} times as high. Against it, in points of test accuracy: {said}."
    )
    if torn and settings["repeats"] > 1:
        text += f" The seeds do not agree on the sign for {' and '.join(torn)}."
    loss = {name: float(np.mean([run.test_loss for run in runs])) for name, runs in outcomes.items()}
    least = min(loss, key=loss.__getitem__)
    return (
        text
        + f" The lowest test loss is that of {least}: {loss[least]:.3f}, against {loss['plain']:.3f} for plain."
    )
