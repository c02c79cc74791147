"""Train networks on a small sample of digits, with and without remedies for overfitting."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from chainrule.core import records
from chainrule.core.settings import check_number
from chainrule.data import checks
from chainrule.datasets import Dataset, load_mnist
from chainrule.errors import ConfigError
from chainrule.formulas.layers import BatchNorm, Dense, Dropout, Layer, ReLU, Rescale
from chainrule.formulas.losses import SoftmaxCrossEntropy
from chainrule.formulas.optimizers import Adam
from chainrule.lab import Progress, check_options, part, scaled
from chainrule.model import Model
from chainrule.network.network import Network
from chainrule.trained.evaluation import evaluate
from chainrule.training import EarlyStopping
from chainrule.training.run import Run
from chainrule.views import words
from chainrule.views.experiments import Report
from chainrule.views.figures import BLUE, ORANGE, style
from chainrule.views.figures.laboratory import Band, add_curve
from chainrule.views.tables import Table

BATCH = 50
RATE = 1e-3
WIDTH = 128
HELD_OUT = 1000
"""Validation samples: for early stopping, curves, and the choice of strengths"""
PATIENCE = 8


class Remedy(NamedTuple):
    """The settings that a remedy adds to the plain network and its training."""

    name: str
    dropout: float = 0.0
    l2: float = 0.0
    batch_norm: bool = False
    early_stopping: bool = False


class OverfittingData(NamedTuple):
    """A small sample for training, another for validation, and the test set."""

    X: NDArray[Any]
    y: NDArray[Any]
    X_watched: NDArray[Any]
    y_watched: NDArray[Any]
    test: Dataset


@records.kind("lab_remedy_run", also=("epochs", "best_epoch"))
@dataclass(frozen=True)
class RemedyRun(records.DataResult):
    """The result of one training run. The losses are those of the data, without a penalty."""

    loss: list[float]  # of the training sample after each epoch, in prediction mode
    watched: list[float]  # of the watched sample
    train_accuracy: float  # these for the final model
    watched_accuracy: float
    test_accuracy: float
    test_loss: float

    @property
    def epochs(self) -> int:
        """The number of epochs run."""
        return len(self.loss)

    @property
    def best_epoch(self) -> int:
        """The epoch of the lowest validation loss."""
        return int(np.argmin(self.watched)) + 1


def split(train: Dataset, test: Dataset, samples: int, seed: int, wrong: float) -> OverfittingData:
    """Draw the training sample of a seed, with a share of wrong labels, and the validation sample, with right ones."""
    random = np.random.default_rng([seed, 2])
    rows = random.permutation(len(train.X))[: samples + HELD_OUT]
    X, y = train.X[rows], train.y[rows]
    spoiled = random.permutation(samples)[: round(wrong * samples)]
    y[spoiled] = (y[spoiled] + random.integers(1, 10, len(spoiled))) % 10
    return OverfittingData(X[:samples], y[:samples], X[samples:], y[samples:], test)


def learn(remedy: Remedy, parts: OverfittingData, seed: int, epochs: int) -> RemedyRun:
    """Train, and evaluate both losses in prediction mode: no dropout, running statistics."""
    layers: list[Layer] = [Rescale(1 / 255)]
    for _ in range(2):
        layers += [Dense(WIDTH), *([BatchNorm()] if remedy.batch_norm else []), ReLU()]
        layers += [Dropout(remedy.dropout)] if remedy.dropout else []
    model = Model(Network(784, [*layers, Dense(10)], loss=SoftmaxCrossEntropy(), l2=remedy.l2), seed=seed)
    losses: list[float] = []

    def watch(run: Run) -> None:
        network = run.plan.network
        found = evaluate(network, run.engine, run.theta, run.states, run.samples, ())
        losses.append(found["loss"] - float(network.penalty(network.unflatten(run.theta))))

    stop = [EarlyStopping("val_log_loss", patience=PATIENCE)] if remedy.early_stopping else []
    history = model.fit(
        parts.X, parts.y, epochs=epochs, batch_size=BATCH, optimizer=Adam(RATE), metrics=["log_loss"],
        validation_data=(parts.X_watched, parts.y_watched), callbacks=[watch, *stop],
    )  # fmt: skip
    train, watched, test = (
        model.evaluate(X, y, metrics=["accuracy", "log_loss"])
        for X, y in ((parts.X, parts.y), (parts.X_watched, parts.y_watched), (parts.test.X, parts.test.y))
    )
    return RemedyRun(losses, history["val_log_loss"], train["accuracy"], watched["accuracy"], test["accuracy"],
                   test["log_loss"])  # fmt: skip


# --- overfitting on a small sample, with and without remedies: dropout, L2, batch norm, early stopping ---------------

EPOCHS = 50
DROPOUT = (0.2, 0.35, 0.5, 0.65, 0.8)
L2 = (1e-3, 3e-3, 1e-2, 3e-2, 0.1)
TUNING_SEEDS = 2
"""Seeds used only to choose the strengths"""


def regularization(
    *,
    seed: int = 0,
    repeats: int = 5,
    budget: float = 1.0,
    progress: Progress | None = None,
    samples: int = 500,
    wrong: float = 0.2,
) -> Report:
    """Train a network with far more parameters than samples, plain and with each remedy, with correct and wrong labels.

    repeats: seeds, each with its own sample, initial weights, shuffles and masks.  budget: scales the epochs.
    samples: digits of MNIST for training.  wrong: in the second half of the experiment, the share of them with a wrong
    label.
    """
    check_options(seed, repeats, budget)
    train, test = load_mnist()
    most = len(train.X) - HELD_OUT
    if checks.check_count(samples, "samples", 50) > most:
        raise ConfigError(f"samples must be at most {most}, not {samples}; overfitting needs few.")
    check_number(wrong, "wrong", above=0, below=1, hint="0.2 is usual")
    begin, epochs = time.perf_counter(), scaled(EPOCHS, budget, 3)
    if budget < 1:
        some = np.arange(scaled(len(test.X), budget, 1000))
        test = test.take(some)
    found: dict[float, dict[str, list[RemedyRun]]] = {}
    strengths: dict[float, tuple[float, float]] = {}
    for i, share in enumerate((0.0, wrong)):
        parts = [split(train, test, samples, seed + k, share) for k in range(repeats + TUNING_SEEDS)]
        found[share], strengths[share] = _compare(parts, seed, epochs, part(progress, i / 2, (i + 1) / 2))
    rates, penalties = map(list, zip(*strengths.values(), strict=True))
    settings = {
        "seed": seed, "repeats": repeats, "budget": budget, "samples": samples, "wrong": wrong, "epochs": epochs,
        "dropout_rates": rates, "l2_penalties": penalties, "tested_on": len(test.X),
    }  # fmt: skip
    return _report(found, strengths, settings, begin)


def _compare(
    parts: list[OverfittingData], seed: int, epochs: int, progress: Progress
) -> tuple[dict[str, list[RemedyRun]], tuple[float, float]]:
    """Train with each remedy on the same samples, one set per seed; the last sets only choose the strengths.

    Returns the runs by remedy, and the strengths of dropout and of L2.
    """
    repeats = len(parts) - TUNING_SEEDS
    drop, decay = _strengths(parts[repeats:], seed + repeats, epochs, part(progress, 0.0, 0.4))
    remedies = (
        Remedy("plain"),
        Remedy("dropout", dropout=drop),
        Remedy("l2", l2=decay),
        Remedy("batch_norm", batch_norm=True),
        Remedy("early_stopping", early_stopping=True),
        Remedy("all", drop, decay, True, True),
    )
    outcomes: dict[str, list[RemedyRun]] = {remedy.name: [] for remedy in remedies}
    tell = part(progress, 0.4, 1.0)
    for i in range(repeats):
        for k, remedy in enumerate(remedies):
            tell((i * len(remedies) + k) / (repeats * len(remedies)), _told(remedy, seed + i))
            outcomes[remedy.name].append(learn(remedy, parts[i], seed + i, epochs))
    return outcomes, (drop, decay)


def _strengths(
    parts: list[OverfittingData], seed: int, epochs: int, progress: Progress
) -> tuple[float, float]:
    """Choose the dropout rate and the L2 penalty with the lowest final validation loss, over separate seeds."""
    arms = [Remedy("dropout", dropout=p) for p in DROPOUT] + [Remedy("l2", l2=l2) for l2 in L2]
    ends = []
    for i, arm in enumerate(arms):
        progress(i / len(arms), words.lab_regularization.strength_of(arm.name))
        ends.append(np.mean([learn(arm, each, seed + k, epochs).watched[-1] for k, each in enumerate(parts)]))
    drop, decay = int(np.argmin(ends[: len(DROPOUT)])), int(np.argmin(ends[len(DROPOUT) :]))
    return DROPOUT[drop], L2[decay]


def _report(
    found: dict[float, dict[str, list[RemedyRun]]],
    strengths: dict[float, tuple[float, float]],
    settings: dict[str, Any],
    begin: float,
) -> Report:
    said = words.lab_regularization
    tests = {
        wrong: {name: _percent([run.test_accuracy for run in runs]) for name, runs in outcomes.items()}
        for wrong, outcomes in found.items()
    }
    curves = tuple(
        overfitting(
            {name: [(run.loss, run.watched) for run in runs] for name, runs in outcomes.items()},
            {name: float(accuracy.mean()) for name, accuracy in tests[wrong].items()},
            wrong,
        )
        for wrong, outcomes in found.items()
    )
    return Report(
        name="regularization",
        title=said.TITLE,
        question=said.question(settings["samples"]),
        answer=_answer(found),
        finding=" ".join(_finding(wrong, outcomes, settings) for wrong, outcomes in found.items()),
        held_fixed=said.held_fixed(
            *(WIDTH, RATE, BATCH, HELD_OUT),
            tried=(len(DROPOUT), len(L2)),
            spare=TUNING_SEEDS,
            settings=settings,
        ),
        limits=said.LIMITS,
        tables=tuple(
            _table(said.caption(wrong, *strengths[wrong], settings["repeats"]), outcomes)
            for wrong, outcomes in found.items()
        ),
        figures=(test_accuracies(tests), *curves),
        settings=settings,
        seconds=time.perf_counter() - begin,
    )


def overfitting(
    runs: Mapping[str, Sequence[tuple[Sequence[float], Sequence[float]]]],
    accuracy: Mapping[str, float],
    wrong: float,
) -> go.Figure:
    """Plot the training and the validation loss over the epochs, one panel per remedy.

    runs: for each seed both losses by epoch; the line is the median over the seeds still running, the band their range.
    accuracy: on the test set, in percent, for the panel's title.  wrong: the share of wrong labels.
    """
    columns, said = 3, words.lab_regularization
    rows = -(-len(runs) // columns)
    figure = make_subplots(
        rows, columns, shared_xaxes=True, shared_yaxes=True, horizontal_spacing=0.03, vertical_spacing=0.12,
        subplot_titles=[said.panel(name, accuracy[name]) for name in runs],
    )  # fmt: skip
    longest = max(len(losses[0]) for group in runs.values() for losses in group)
    for i, group in enumerate(runs.values()):
        where = {"row": i // columns + 1, "col": i % columns + 1}
        for which, (name, color, dash, symbol) in enumerate(
            (
                (said.LOSSES[0], BLUE, "solid", "circle"),
                (said.LOSSES[1], ORANGE, "dash", "diamond"),
            )
        ):
            curve = _across(name, [losses[which] for losses in group])
            add_curve(figure, curve, color, dash, symbol, i == 0, **where)
    style(figure, said.both_losses(wrong))
    figure.update_xaxes(title={"text": said.EPOCH}, row=rows)
    figure.update_xaxes(range=[1, max(longest, 2)])
    highest = max(max(group[0][which][0] for which in (0, 1)) for group in runs.values())
    figure.update_yaxes(range=[0, 1.05 * highest])
    figure.update_yaxes(title={"text": said.LOSS}, col=1)
    figure.update_layout(
        height=250 * rows + 110,
        margin={"t": 104},
        legend={"y": 1.07},
        meta="side by side",
    )
    return figure


def test_accuracies(found: Mapping[float, Mapping[str, NDArray[np.float64]]]) -> go.Figure:
    """Plot each seed's test accuracy in percent: one row per remedy, the first on top; one panel per kind of labels."""
    said = words.lab_regularization
    figure = make_subplots(1, len(found), shared_yaxes=True, horizontal_spacing=0.05,
                           subplot_titles=[said.with_labels(wrong) for wrong in found])  # fmt: skip
    for column, accuracies in enumerate(found.values(), 1):
        rows, first = list(accuracies.values()), column == 1
        names = [said.REMEDIES[name] for name in accuracies]
        plain = float(rows[0].mean())
        for s in range(len(rows[0])):
            figure.add_trace(
                go.Scatter(
                    x=[float(row[s]) for row in rows], y=names, mode="markers", name=said.ONE_SEED,
                    showlegend=first and s == 0, marker={"color": BLUE, "size": 9, "opacity": 0.6},
                    hovertemplate="%{y}<br>%{x:.2f} %<extra></extra>",
                ),
                row=1, col=column,
            )  # fmt: skip
        means = [float(row.mean()) for row in rows]
        figure.add_trace(
            go.Scatter(
                x=means, y=names, mode="markers+text", name=said.MEAN, showlegend=first, cliponaxis=False,
                text=[f"<b>{mean:.1f}</b>" for mean in means], textposition="top center",
                marker={"symbol": "line-ns", "size": 22, "line": {"width": 4, "color": ORANGE}, "color": ORANGE},
                hovertemplate=said.MEAN_OF + "<extra></extra>",
            ),
            row=1, col=column,
        )  # fmt: skip
        figure.add_vline(plain, line={"color": "#808080", "width": 1.5, "dash": "dot"}, row=1, col=column)
    style(figure, said.ACCURACIES, said.ACCURACY)
    figure.update_yaxes(type="category", autorange="reversed")
    figure.update_layout(
        height=64 * len(names) + 150,
        margin={"t": 96},
        legend={"y": 1.1},
        meta="side by side",
    )
    return figure


def _across(name: str, runs: Sequence[Sequence[float]]) -> Band:
    """Return the median and the range at each epoch, over the runs that reached it."""
    epochs = range(1, max(map(len, runs)) + 1)
    at = [np.array([run[e - 1] for run in runs if len(run) >= e]) for e in epochs]
    return Band(name, list(epochs), [float(v.min()) for v in at], [float(np.median(v)) for v in at],
                 [float(v.max()) for v in at])  # fmt: skip


def _told(remedy: Remedy, seed: int) -> str:
    return words.experiments.of_seed(words.lab_regularization.REMEDIES[remedy.name], seed)


def _table(caption: str, outcomes: dict[str, list[RemedyRun]]) -> Table:
    rows, said = [], words.lab_regularization
    for name, runs in outcomes.items():
        test = _percent([run.test_accuracy for run in runs])
        train = _percent([run.train_accuracy for run in runs])
        gains = _gains(outcomes, name)
        better = said.better(sum(gain > 0 for gain in gains), len(gains))
        numbers = (train.mean(), test.mean(), np.min(test), np.max(test), (train - test).mean())
        rows.append((
            said.REMEDIES[name],
            *(round(float(number), 2) for number in numbers),
            *((None, None) if name == "plain" else (round(float(np.mean(gains)), 2), better)),
            round(float(np.mean([run.test_loss for run in runs])), 3),
            round(float(np.median([run.epochs for run in runs]))),
            round(float(np.median([run.best_epoch for run in runs]))),
        ))  # fmt: skip
    return Table(said.HEADS, tuple(rows), caption)


def _percent(shares: Sequence[float]) -> NDArray[np.float64]:
    return 100.0 * np.asarray(shares)


def _gains(outcomes: dict[str, list[RemedyRun]], name: str) -> list[float]:
    """Return the gain in test accuracy over plain training, in points, per seed."""
    pairs = zip(outcomes[name], outcomes["plain"], strict=True)
    return [100.0 * (run.test_accuracy - plain.test_accuracy) for run, plain in pairs]


def _mean_loss(outcomes: dict[str, list[RemedyRun]]) -> dict[str, float]:
    return {name: float(np.mean([run.test_loss for run in runs])) for name, runs in outcomes.items()}


def _answer(found: dict[float, dict[str, list[RemedyRun]]]) -> str:
    gains = {
        wrong: {name: float(np.mean(_gains(outcomes, name))) for name in outcomes if name != "plain"}
        for wrong, outcomes in found.items()
    }
    loss = {wrong: _mean_loss(outcomes) for wrong, outcomes in found.items()}
    return words.lab_regularization.answer(gains, loss)


def _finding(wrong: float, outcomes: dict[str, list[RemedyRun]], settings: dict[str, Any]) -> str:
    plain = outcomes["plain"]
    train, test = (
        float(_percent(shares).mean())
        for shares in ([run.train_accuracy for run in plain], [run.test_accuracy for run in plain])
    )
    gains = {name: _gains(outcomes, name) for name in outcomes if name != "plain"}
    order = sorted(gains, key=lambda name: -float(np.mean(gains[name])))
    torn = [name for name in order if not (min(gains[name]) > 0 or max(gains[name]) < 0)]
    return words.lab_regularization.finding(
        wrong,
        (train, test),
        best=float(np.median([run.best_epoch for run in plain])),
        rise=float(np.mean([run.watched[-1] / min(run.watched) for run in plain])),
        gains={name: float(np.mean(gains[name])) for name in order},
        torn=torn if settings["repeats"] > 1 else (),
        loss=_mean_loss(outcomes),
        settings=settings,
    )
