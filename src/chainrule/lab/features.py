"""What each layer of a trained network responds to: best inputs, examples, linear probes, layer alignment."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from chainrule.core import records
from chainrule.data import checks
from chainrule.datasets import Dataset, load_mnist
from chainrule.formulas.layers import Dense, ReLU, Rescale
from chainrule.formulas.losses import SoftmaxCrossEntropy
from chainrule.formulas.optimizers import Adam
from chainrule.inspection.features.features import (
    best_inputs,
    exciting_samples,
    layer_outputs,
    weight_images,
)
from chainrule.inspection.features.representations import cka_matrix, linear_cka, linear_probe
from chainrule.inspection.trace.regions import Ball, Box
from chainrule.lab import Progress, check_options, part, scaled
from chainrule.model import Model
from chainrule.network.network import Network
from chainrule.training.run import Run
from chainrule.views import words
from chainrule.views.experiments import Report
from chainrule.views.figures import BLUE, DASHES, ORANGE, style
from chainrule.views.figures.laboratory import AMBER, FIELD, GREEN, PINK, Band, add_curve
from chainrule.views.tables import Table

SAMPLES, EPOCHS, HIDDEN, LAYERS, L2 = 20_000, 12, 128, 3, 2e-3
PROBE_SAMPLES, TEST_SAMPLES = 4000, 2000
"""Training digits for fitting probes, and test digits for evaluating and aligning"""
C = 0.01
"""Inverse strength of the probes' L2 penalty, for few samples of many pixels"""
NEURONS = 10
"""Neurons drawn per layer"""
PURITY_SAMPLES = 9
"""Maximizing samples per neuron over which purity is computed"""
TV, PRIOR_L2 = 0.1, 0.02
GRAY = 127.5
"""The center of the ball for layer 1"""
STARTS, STEPS = 6, 200
PROBED_LINKS = ("relu_1", "relu_2", "relu_3", "dense_4")
"""The links for probes and alignment: after each activation, and the output before the softmax"""
NEURON_LINKS = ("dense_1", "dense_2", "dense_3", "dense_4")
"""The links for best inputs and examples: before each activation"""
WHICH = ("trained", "untrained")


@records.kind("lab_neuron_pictures")
@dataclass(frozen=True)
class Pictures(records.DataResult):
    """Some neurons of one layer."""

    link: str
    units: NDArray[np.int64]  # (neurons,)
    best: NDArray[np.float64]  # (neurons, 28, 28) from 0 to 255
    most: NDArray[Any]  # (neurons, 2, 28, 28)
    least: NDArray[Any]  # (neurons, 28, 28)
    exact: bool
    agreement: float
    """mean correlation of the inputs from different starts; 1 for the closed form"""


@records.kind("lab_features_run", fields=("accuracy", "probes", "purity", "over_training"))
@dataclass(frozen=True)
class Found(records.DataResult):
    """The results of one seed."""

    model: Model
    accuracy: float
    probes: dict[str, list[float]]  # "trained", "untrained": test accuracy by layer
    purity: dict[str, list[float]]  # the same, for the maximizing samples
    over_training: NDArray[np.float64]  # (epochs + 1, layers) CKA with the same layer at the end
    outputs: dict[str, NDArray[Any]]  # of the test digits, by layer name


def features(
    *,
    seed: int = 0,
    repeats: int = 3,
    budget: float = 1.0,
    progress: Progress | None = None,
    samples: int = SAMPLES,
) -> Report:
    """Show what the neurons of a digit classifier respond to, layer by layer, and what its layers encode.

    repeats: seeds of initial weights and shuffles; the pictures are from the first.  budget: scales the training, the
    probes' samples and the steps of the search for best inputs.  samples: digits of MNIST for training.
    """
    check_options(seed, repeats, budget)
    checks.check_count(samples, "samples", 100)
    begin = time.perf_counter()
    train, test = load_mnist()
    rows = np.random.default_rng([seed, 3]).permutation(len(train.X))
    count = min(scaled(samples, min(budget, 1.0), 400), len(train.X))
    epochs = scaled(EPOCHS, max(budget, 0.25), 2)
    probe, judged = scaled(PROBE_SAMPLES, min(budget, 1.0), 200), scaled(TEST_SAMPLES, min(budget, 1.0), 300)
    train = train.take(rows[:count])
    test = test.take(slice(judged))
    at_input = linear_probe(train.X[:probe], train.y[:probe], test.X, test.y, C=C)
    found = []
    for i in range(repeats):
        tell = part(progress, 0.05 + 0.7 * i / repeats, 0.05 + 0.7 * (i + 1) / repeats)
        found.append(examine(seed + i, train, test, epochs, min(probe, count), tell))
    drawn = []
    for i, link in enumerate(NEURON_LINKS):
        part(progress, 0.75, 0.98)(i / len(NEURON_LINKS), words.lab_features.best_inputs_of(i))
        drawn.append(pictures(found[0].model, link, test, scaled(STEPS, budget, 10), seed))
    settings = {
        "seed": seed, "repeats": repeats, "budget": budget, "samples": count, "epochs": epochs,
        "probe_samples": min(probe, count), "judged_on": judged,
    }  # fmt: skip
    return _report(found, drawn, at_input.test_accuracy, test, settings, begin)


def examine(seed: int, train: Dataset, test: Dataset, epochs: int, probe: int, progress: Progress) -> Found:
    """Train one network, and measure every layer before, during and after training."""
    layers = [
        Rescale(1 / 255),
        *(layer for _ in range(LAYERS) for layer in (Dense(HIDDEN), ReLU())),
        Dense(10),
    ]
    model = Model(Network(784, layers, loss=SoftmaxCrossEntropy(), l2=L2), seed=seed)
    path = [model.theta.copy()]

    def keep(run: Run) -> None:
        path.append(run.theta.copy())
        progress(0.4 * (len(path) - 1) / epochs, words.experiments.of_seed(words.lab_features.TRAINING, seed))

    model.fit(train.X, train.y, epochs=epochs, batch_size=128, optimizer=Adam(1e-3), callbacks=[keep])
    probes: dict[str, list[float]] = {}
    purity: dict[str, list[float]] = {}
    for name, theta in (("untrained", path[0]), ("trained", path[-1])):
        model.theta[...] = theta
        fitted, judged = (
            layer_outputs(model, train.X[:probe], PROBED_LINKS),
            layer_outputs(model, test.X, PROBED_LINKS),
        )
        probes[name] = []
        told = words.experiments.of_seed(words.lab_features.PROBES, seed)
        for link in PROBED_LINKS:
            progress(0.4 + (len(probes[name]) + 4 * (name == "trained")) / 14, told)
            probes[name].append(
                linear_probe(fitted[link], train.y[:probe], judged[link], test.y, C=C).test_accuracy
            )
        purity[name] = [_purity(model, link, test) for link in NEURON_LINKS]
    last = layer_outputs(model, test.X, PROBED_LINKS)
    accuracy = model.evaluate(test.X, test.y, metrics=["accuracy"])["accuracy"]
    over = []
    for theta in path:
        model.theta[...] = theta
        now = layer_outputs(model, test.X, PROBED_LINKS)
        over.append([linear_cka(now[link], last[link]) for link in PROBED_LINKS])
    return Found(model, accuracy, probes, purity, np.array(over), last)


def pictures(model: Model, link: str, test: Dataset, steps: int, seed: int) -> Pictures:
    """Find the best inputs and the maximizing and minimizing digits of the neurons with the largest variance."""
    a = layer_outputs(model, test.X, [link])[link]
    units = np.sort((-a.std(0)).argsort(kind="stable")[:NEURONS])
    if link == NEURON_LINKS[0]:
        search = best_inputs(model, link, units.tolist(), within=Ball(1.0, GRAY))
        away = search.x - GRAY  # the closed form: the best input of a larger ball has the same direction
        best = GRAY + away * GRAY / np.maximum(np.abs(away).max(1, keepdims=True), 1e-12)
    else:
        search = best_inputs(
            model, link, units.tolist(), within=Box(0, 255), l2=PRIOR_L2, tv=TV, shape=(28, 28), starts=STARTS,
            steps=steps, seed=seed,
        )  # fmt: skip
        best = search.x
    samples = exciting_samples(model, test.X, link, units.tolist(), k=2)
    upper = np.triu_indices(STARTS, 1)
    alike = [1.0] if search.exact else [np.corrcoef(ends)[upper].mean() for ends in search.starts]
    return Pictures(link, units, best.reshape(-1, 28, 28), test.X[samples.most].reshape(-1, 2, 28, 28),
                    test.X[samples.least[:, 0]].reshape(-1, 28, 28), search.exact, float(np.mean(alike)))  # fmt: skip


def _purity(model: Model, link: str, test: Dataset) -> float:
    """Return the share of the most common class among the maximizing digits, averaged over the neurons."""
    labels = test.y[exciting_samples(model, test.X, link, k=PURITY_SAMPLES).most]  # (units, MOST)
    return float(np.mean([np.max(np.bincount(row)) / len(row) for row in labels]))


def _report(
    found: list[Found],
    drawn: list[Pictures],
    at_input: float,
    test: Dataset,
    settings: dict[str, Any],
    begin: float,
) -> Report:
    said = words.lab_features
    flat = {said.INPUT: test.X.astype(np.float64) / 255}
    named = [
        flat | dict(zip(said.LAYERS, (f.outputs[link] for link in PROBED_LINKS), strict=True)) for f in found
    ]
    aligned = np.mean([cka_matrix(each, each) for each in named], 0)  # (5, 5)
    pairs = list(combinations(found, 2))
    twins = [
        float(np.mean([linear_cka(f.outputs[link], g.outputs[link]) for f, g in pairs])) if pairs else None
        for link in PROBED_LINKS
    ]
    shuffled = np.random.default_rng(settings["seed"]).permutation(len(test.X))
    floor = float(
        np.mean([linear_cka(f.outputs[PROBED_LINKS[0]], f.outputs[PROBED_LINKS[0]][shuffled]) for f in found])
    )
    probes = {name: np.array([f.probes[name] for f in found]) for name in WHICH}  # (seeds, layers)
    purity = {name: np.array([f.purity[name] for f in found]) for name in WHICH}
    rows: list[tuple[Any, ...]] = [
        (said.INPUT, 784, _percent(at_input), None, None, None, None, _round(aligned[-1, 0]), None)
    ]
    for i, name in enumerate(said.LAYERS):
        rows.append((
            name,
            found[0].outputs[PROBED_LINKS[i]].shape[1],
            *(_percent(probes[which][:, i].mean()) for which in WHICH),
            *(_percent(purity[which][:, i].mean()) for which in WHICH),
            _round(aligned[0, i + 1]),
            _round(aligned[-1, i + 1]),
            _round(twins[i]),
        ))  # fmt: skip
    table = Table(said.HEADS, tuple(rows), said.caption(PURITY_SAMPLES, floor, len(found)))
    accuracy = float(np.mean([f.accuracy for f in found]))
    agreements = [(i, each.agreement) for i, each in enumerate(drawn) if not each.exact]
    over = np.array([f.over_training for f in found])  # (seeds, epochs + 1, layers)
    return Report(
        name="features",
        title=said.TITLE,
        question=said.QUESTION,
        answer=said.answer(probes["trained"], purity["trained"], aligned),
        finding=said.finding(accuracy, agreements, at_input, probes, purity, aligned, twins, PURITY_SAMPLES),
        held_fixed=said.held_fixed(settings, HIDDEN, L2, C, STARTS, (TV, PRIOR_L2)),
        limits=said.LIMITS,
        tables=(table,),
        figures=(
            neurons(drawn),
            weights(weight_images(found[0].model, "dense_1", (28, 28))),
            held_by_layers(said.LAYERS, probes, purity, at_input),
            alignment((said.INPUT, *said.LAYERS), aligned, said.LAYERS, over),
        ),
        settings=settings,
        seconds=time.perf_counter() - begin,
    )


INK = [[0.0, "#f4f4f4"], [1.0, "#10161d"]]
TILE_GAP = 3
"""The distance between tiles, in pixels."""


def mosaic(tiles: NDArray[Any]) -> NDArray[np.float64]:
    """Arrange tiles (rows, columns, height, width) in one image, with NaN between them."""
    rows, columns, height, width = tiles.shape
    image = np.full((rows * (height + TILE_GAP) - TILE_GAP, columns * (width + TILE_GAP) - TILE_GAP), np.nan)
    for i in range(rows):
        for j in range(columns):
            top, left = i * (height + TILE_GAP), j * (width + TILE_GAP)
            image[top : top + height, left : left + width] = tiles[i, j]
    return image


def neurons(layers: Sequence[Pictures]) -> go.Figure:
    """Plot a column per neuron: its best input, the two maximizing samples, and the minimizing sample.

    layers: four; all images from 0 to 255.
    """
    columns, said = 2, words.lab_features
    rows = -(-len(layers) // columns)
    figure = make_subplots(
        rows, columns, horizontal_spacing=0.1, vertical_spacing=0.13,
        subplot_titles=[said.panel(i, len(each.units)) for i, each in enumerate(layers)],
    )  # fmt: skip
    for i, each in enumerate(layers):
        where = {"row": i // columns + 1, "col": i % columns + 1}
        tiles = np.stack(
            [each.best, each.most[:, 0], each.most[:, 1], each.least]
        )  # (4, neurons, height, width)
        height, width = tiles.shape[2] + TILE_GAP, tiles.shape[3] + TILE_GAP
        shown = mosaic(tiles)
        _image(figure, shown, INK, 0, 255, where)
        figure.update_xaxes(
            tickvals=[width * (j + 0.5) - TILE_GAP / 2 for j in range(len(each.units))],
            ticktext=[str(unit) for unit in each.units.tolist()], **where,
        )  # fmt: skip
        figure.update_yaxes(
            tickvals=[height * (k + 0.5) - TILE_GAP / 2 for k in range(len(said.KINDS))],
            ticktext=list(said.KINDS),
            showticklabels=where["col"] == 1,
            **where,  # on a phone, stacked, all panels have them
        )
    style(figure, said.NEURONS)
    _frameless(figure, rows * 215 + 110)
    figure.update_layout(meta="side by side")
    return figure


def weights(images: NDArray[Any], max_images: int = 64) -> go.Figure:
    """Plot the incoming weights (units, height, width) with the largest norms: teal above 0, brown below."""
    norm = np.square(images).sum((1, 2))
    chosen = np.sort((-norm).argsort(kind="stable")[:max_images])
    columns = min(8, len(chosen))
    rows = -(-len(chosen) // columns)
    tiles = np.full((rows + rows % 2, columns, *images.shape[1:]), np.nan)
    shown = images[chosen].astype(np.float64)
    tiles.reshape(-1, *images.shape[1:])[: len(chosen)] = shown / np.abs(shown).max((1, 2), keepdims=True)
    figure = make_subplots(1, 2, horizontal_spacing=0.02)  # in two blocks, stacked on a phone
    for column, half in enumerate(np.split(tiles, 2), 1):
        _image(figure, mosaic(half), FIELD, -1, 1, {"row": 1, "col": column})
    style(figure, words.lab_features.WEIGHTS)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    _frameless(figure, 62 * len(tiles) // 2 + 90)
    figure.update_layout(meta="side by side")
    return figure


def held_by_layers(
    names: Sequence[str],
    probes: Mapping[str, NDArray[np.float64]],
    purity: Mapping[str, NDArray[np.float64]],
    at_input: float,
) -> go.Figure:
    """Plot the accuracy of linear probes and the purity of maximizing samples, by layer, trained and untrained.

    probes, purity: shares (seeds, layers) under "trained" and "untrained".  at_input: the probe on the input itself.
    """
    said = words.lab_features
    figure = make_subplots(1, 2, horizontal_spacing=0.09, subplot_titles=said.MEASURES)
    looks = {"trained": (BLUE, "solid", "circle"), "untrained": (ORANGE, "dash", "diamond")}
    for column, shares in enumerate((probes, purity), 1):
        for which, (color, dash, symbol) in looks.items():
            found = 100 * shares[which]
            curve = Band(
                said.WHICH[which],
                list(names),
                found.min(0).tolist(),
                found.mean(0).tolist(),
                found.max(0).tolist(),
            )
            add_curve(figure, curve, color, dash, symbol, column == 1, row=1, col=column)
    figure.add_hline(100 * at_input, line={"color": "#808080", "width": 1.5, "dash": "dot"}, row=1, col=1)
    figure.add_annotation(text=said.ON_PIXELS, x=0, xref="x domain", y=100 * at_input, yref="y", showarrow=False,
                          xanchor="left", yanchor="bottom", xshift=4)  # fmt: skip
    style(figure, said.BEFORE_AND_AFTER)
    figure.update_yaxes(title={"text": said.AXES[0]}, row=1, col=1)
    figure.update_yaxes(title={"text": said.AXES[1]}, row=1, col=2)
    figure.update_layout(height=430, margin={"t": 96}, legend={"y": 1.1}, meta="side by side")
    return figure


def alignment(
    layers: Sequence[str], matrix: NDArray[np.float64], names: Sequence[str], over: NDArray[np.float64]
) -> go.Figure:
    """Plot the linear CKA between layers, and of each layer with its final self during training.

    matrix: (layers, layers).  over: (seeds, epochs + 1, names).
    """
    said = words.lab_features
    figure = make_subplots(
        1, 2, horizontal_spacing=0.12, subplot_titles=said.ALIGNED, column_widths=[0.45, 0.55]
    )
    figure.add_trace(
        go.Heatmap(
            z=matrix, x=list(layers), y=list(layers), zmin=0, zmax=1, xgap=1, ygap=1, showscale=False,
            colorscale=[[0.0, "rgba(0, 114, 178, 0.0)"], [1.0, "rgba(0, 114, 178, 0.75)"]],
            texttemplate="%{z:.2f}", hovertemplate=said.PAIR + "<extra></extra>",
        ),
        row=1, col=1,
    )  # fmt: skip
    looks = zip((BLUE, GREEN, AMBER, PINK), DASHES, ("circle", "square", "diamond", "cross"), strict=False)
    for i, (name, (color, dash, symbol)) in enumerate(zip(names, looks, strict=True)):
        values = over[:, :, i]
        curve = Band(name, list(range(values.shape[1])), values.min(0).tolist(), values.mean(0).tolist(),
                      values.max(0).tolist())  # fmt: skip
        add_curve(figure, curve, color, dash, symbol, row=1, col=2)
    style(figure, said.ALIGNMENT)
    figure.update_xaxes(showgrid=False, row=1, col=1)
    figure.update_yaxes(showgrid=False, autorange="reversed", row=1, col=1)
    figure.update_xaxes(title={"text": said.EPOCHS}, row=1, col=2)
    figure.update_yaxes(title={"text": said.CKA}, range=[0, 1.03], row=1, col=2)
    figure.update_layout(height=450, margin={"t": 96}, legend={"y": 1.1}, meta="side by side")
    return figure


def _image(
    figure: go.Figure, image: NDArray[Any], scale: object, low: float, high: float, where: Mapping[str, int]
) -> None:
    figure.add_trace(
        go.Heatmap(z=image.astype(np.float32), zmin=low, zmax=high, colorscale=scale, showscale=False,
                   hoverinfo="skip", hoverongaps=False),
        **where,
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", constrain="domain", constraintoward="top", **where)


def _frameless(figure: go.Figure, height: int) -> None:
    figure.update_xaxes(showgrid=False, showline=False, ticks="", constrain="domain")
    figure.update_yaxes(showgrid=False, showline=False, ticks="")
    for axis in figure.select_yaxes():
        axis.scaleanchor = axis.anchor or "x"
    figure.update_layout(height=height, margin={"t": 84, "b": 40})


def _percent(share: Any) -> float:
    return round(100 * float(share), 1)


def _round(value: Any) -> float | None:
    return None if value is None else round(float(value), 3)
