"""Vanishing gradients: the effect of depth on a sigmoid network, and of each of four remedies."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.data import checks
from chainrule.datasets import load_mnist
from chainrule.errors import ConfigError, NonFiniteError
from chainrule.formulas.layers import BatchNorm, Dense, Layer, ReLU, Rescale, Sigmoid, Tanh
from chainrule.formulas.losses import SoftmaxCrossEntropy
from chainrule.formulas.optimizers import SGD
from chainrule.lab import Progress, check_options, part, scaled
from chainrule.model import Model
from chainrule.network.blocks import Residual, Skip
from chainrule.network.network import Network
from chainrule.views import words
from chainrule.views.experiments import Report
from chainrule.views.tables import Table
from chainrule.views.words.facts import CHANCE, NORMED, PLAIN, RESIDUAL_RELU

DEPTHS = (2, 3, 5, 10, 20)
WIDTH = 64
SKIP_WIDTH = 16
"""Neurons that a skip block adds to its input: 20 of them cost about as much as 20 layers of 64."""
RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Learning rates tried for each network."""
MOMENTUM, BATCH_SIZE, EPOCHS, TUNING_EPOCHS = 0.9, 64, 5, 2
BATCHES_PER_EPOCH = 120
"""Batches per epoch at a budget of 1."""
HELD_OUT, TESTED, WATCHED = 2_000, 2_000, 256
"""Numbers of images for choosing a learning rate, for testing, and for measuring gradients."""
NEIGHBOR_DISTANCE = 0.1
"""The fraction by which an image is moved toward another one to compare their gradients."""


def _repeat(depth: int, block: Callable[[], list[Layer]]) -> list[Layer]:
    return [layer for _ in range(depth) for layer in block()]


ARMS: dict[str, Callable[[int, int], list[Layer]]] = {
    "sigmoid": lambda depth, width: _repeat(depth, lambda: [Dense(width), Sigmoid()]),
    "tanh": lambda depth, width: _repeat(depth, lambda: [Dense(width), Tanh()]),
    "relu": lambda depth, width: _repeat(depth, lambda: [Dense(width), ReLU()]),
    "relu_batch_norm": lambda depth, width: _repeat(depth, lambda: [Dense(width), BatchNorm(), ReLU()]),
    "sigmoid_skip": lambda depth, width: [
        *(Dense(width), Sigmoid()),
        *_repeat(depth - 1, lambda: [Skip([Dense(max(1, width * SKIP_WIDTH // WIDTH)), Sigmoid()])]),
    ],
    "sigmoid_residual": lambda depth, width: [
        *(Dense(width), Sigmoid()),
        *_repeat(depth - 1, lambda: [Residual([Dense(width), Sigmoid()])]),
    ],
}
"""The hidden layers of each network by depth and width: plain, tanh, and the four remedies."""


def _residual_relu(depth: int, width: int) -> list[Layer]:
    """Build ReLU + batch norm inside residual blocks (He et al., "Identity mappings", 2016)."""
    return [Dense(width), *_repeat(depth - 1, lambda: [Residual([BatchNorm(), ReLU(), Dense(width)])])]


class DigitParts(NamedTuple):
    """Parts of MNIST for training, for choosing the learning rate, and for testing."""

    X: NDArray[Any]
    y: NDArray[Any]
    held_out: tuple[NDArray[Any], NDArray[Any]]
    test: tuple[NDArray[Any], NDArray[Any]]


def vanishing(
    *,
    seed: int = 0,
    repeats: int = 5,
    budget: float = 1.0,
    progress: Progress | None = None,
    depths: Sequence[int] = DEPTHS,
    width: int = WIDTH,
) -> Report:
    """Measure the gradient at the first layer and the training loss by depth: plain networks and the four remedies.

    depths: numbers of hidden layers, ascending.  width: of a hidden layer.
    Raises ConfigError for invalid options.
    """
    check_options(seed, repeats, budget)
    depths = _check_depths(depths)
    checks.check_count(width, "width")
    start, tell = time.perf_counter(), part(progress, 0.0, 1.0)
    data = load_parts(seed, scaled(BATCHES_PER_EPOCH, budget, 4) * BATCH_SIZE)
    work = [(arm, depth) for depth in depths for arm in ARMS]
    total, done = sum(depth + 2 for _, depth in work), 0
    found: dict[tuple[str, int], Measured] = {}
    for arm, depth in work:
        tell(done / total, words.lab_vanishing.under_way(arm, depth))
        found[arm, depth] = _measure(arm, depth, width, data, seed, repeats)
        done += depth + 2
    shattering = _shattering(depths[-1], width, data, seed, repeats)
    tell(1.0, words.experiments.FIGURES)
    steps = -(-len(data.y) // BATCH_SIZE) * EPOCHS
    return report(
        found,
        shattering,
        depths,
        {
            "seed": seed,
            "repeats": repeats,
            "budget": budget,
            "depths": list(depths),
            "width": width,
            "images": len(data.y),
            "steps": steps,
            "batch_size": BATCH_SIZE,
            "momentum": MOMENTUM,
            "learning_rates_tried": list(RATES),
        },
        time.perf_counter() - start,
    )


def _check_depths(depths: Sequence[int]) -> tuple[int, ...]:
    depths = tuple(checks.check_count(depth, "depths", 1) for depth in depths)
    if not depths or list(depths) != sorted(set(depths)):
        raise ConfigError(f"depths must be at least one number of layers, ascending, not {list(depths)}.")
    return depths


def load_parts(seed: int, images: int) -> DigitParts:
    """Draw training images and validation images by the seed, and load test images."""
    train, test = load_mnist()
    order = np.random.default_rng(seed).permutation(len(train.y))
    held, drawn = order[:HELD_OUT], order[HELD_OUT : HELD_OUT + images]
    return DigitParts(
        train.X[drawn],
        train.y[drawn],
        (train.X[held], train.y[held]),
        (test.X[:: len(test.y) // TESTED], test.y[:: len(test.y) // TESTED]),
    )


def make_network(layers: list[Layer]) -> Network:
    """Put hidden layers between the pixels of a digit and its ten classes."""
    return Network(784, [Rescale(1 / 255), *layers, Dense(10)], SoftmaxCrossEntropy())


def _train(network: Network, seed: int, data: DigitParts, rate: float, epochs: int) -> Model | None:
    """Train the network; return None if the run diverged."""
    model = Model(network, seed=seed)
    try:
        model.fit(
            data.X, data.y, epochs=epochs, batch_size=BATCH_SIZE, optimizer=SGD(rate, momentum=MOMENTUM)
        )
    except NonFiniteError:
        return None
    return model


def _loss(model: Model | None, X: NDArray[Any], y: NDArray[Any]) -> float:
    loss = math.inf if model is None else model.evaluate(X, y, metrics=["accuracy"])["loss"]
    return loss if math.isfinite(loss) else math.inf


def _measure(arm: str, depth: int, width: int, data: DigitParts, seed: int, repeats: int) -> Measured:
    """Measure the gradient before training, choose the learning rate on the validation images, and train."""
    network = make_network(ARMS[arm](depth, width))
    seeds = [(seed + r) % 2**32 for r in range(repeats)]
    profiles = []
    for each in seeds:
        flow = Model(network, seed=each, dtype="float64").gradient_flow(
            data.X[:WATCHED], data.y[:WATCHED], samples=None
        )
        profiles.append([float(row.delta_ratio or 0.0) for row in flow.layers])
    tuning = (seed + repeats) % 2**32  # a seed that is not measured
    tried = {
        rate: _loss(_train(network, tuning, data, rate, TUNING_EPOCHS), *data.held_out) for rate in RATES
    }
    rate = min(tried, key=lambda each: tried[each])
    models = [_train(network, each, data, rate, EPOCHS) for each in seeds]
    return Measured(
        arm,
        depth,
        network.size,
        np.array(profiles),
        rate,
        np.array([_loss(model, data.X, data.y) for model in models]),
        np.array(
            [
                math.nan if m is None else m.evaluate(*data.test, metrics=["accuracy"])["accuracy"]
                for m in models
            ]
        ),
    )


def _shattering(depth: int, width: int, data: DigitParts, seed: int, repeats: int) -> dict[str, float]:
    """Measure the mean cosine between the first layer's deltas of neighboring images before training, by network.

    Source: Balduzzi et al., "The shattered gradients problem", ICML 2017.
    """
    X, y = data.X[:WATCHED].astype(np.float64), data.y[:WATCHED]
    moved = X + NEIGHBOR_DISTANCE * (np.roll(X, 1, axis=0) - X)
    nets = ARMS | {RESIDUAL_RELU: _residual_relu}
    cosines = {}
    for name, layers in nets.items():
        network = make_network(layers(depth, width))
        each = []
        for r in range(repeats):
            model = Model(network, seed=(seed + r) % 2**32, dtype="float64")
            here, there = (
                model.trace(images, y).delta["dense_1"] for images in (X, moved)
            )  # (images, width)
            lengths = np.sqrt((here**2).sum(1) * (there**2).sum(1))
            each.append(float(((here * there).sum(1)[lengths > 0] / lengths[lengths > 0]).mean()))
        cosines[name] = float(np.median(each))
    return cosines


# --- its report


@records.kind("lab_depth_result", also=("ratio", "loss"))
@dataclass(frozen=True)
class Measured(records.DataResult):
    """The results of one network at one depth, over the seeds."""

    arm: str
    depth: int
    parameters: int
    profiles: NDArray[np.float64]  # (seeds, layers) RMS(delta) relative to the last layer's, before training
    rate: float
    losses: NDArray[np.float64]  # (seeds,) final training loss; infinity if the run diverged
    accuracies: NDArray[np.float64]  # (seeds,) on the test images; NaN if the run diverged

    @property
    def ratio(self) -> float:
        """The median of the first layer's gradient relative to the last layer's."""
        return float(np.median(self.profiles[:, 0]))

    @property
    def loss(self) -> float:
        """The median loss over the seeds."""
        return float(np.median(self.losses))


def report(
    found: Mapping[tuple[str, int], Measured],
    cosines: Mapping[str, float],
    depths: Sequence[int],
    settings: dict[str, Any],
    seconds: float,
) -> Report:
    """Build the report. found: by network and depth.  cosines: of the gradients of neighbors, by network."""
    from chainrule.views.figures import flow as figures

    said, arms, deep = words.lab_vanishing, tuple(ARMS), depths[-1]
    deepest = {arm: found[arm, deep] for arm in arms}
    main = Table(
        said.HEADS,
        tuple((said.NETS[arm], m.parameters, *cells(m)) for arm, m in deepest.items()),
        said.main_caption(deep),
    )
    values: tuple[Callable[[Measured], Any], ...] = (
        lambda m: said.share(m.ratio),
        lambda m: said.loss(m.loss),
        lambda m: m.rate,
    )
    by_depth = [
        Table(
            said.depth_heads(depths),
            tuple((said.NETS[arm], *(value(found[arm, d]) for d in depths)) for arm in arms),
            caption,
        )
        for caption, value in zip(said.BY_DEPTH, values, strict=True)
    ]
    noise = Table(
        said.NOISE_HEADS,
        tuple((said.NETS[name], f"{cosine:.2f}") for name, cosine in cosines.items()),
        said.noise_caption(NEIGHBOR_DISTANCE, deep),
    )
    shares = {arm: [found[arm, d].profiles[:, 0] for d in depths] for arm in arms}
    return Report(
        name="vanishing",
        title=said.TITLE,
        question=said.QUESTION,
        answer=said.answer(deepest),
        finding=" ".join(
            said.finding(
                deepest, found[PLAIN, depths[0]], found[NORMED, depths[0]], cosines, NEIGHBOR_DISTANCE
            )
        ),
        held_fixed=said.held_fixed(settings),
        limits=said.LIMITS,
        tables=(main, *by_depth, noise),
        figures=(
            figures.depth(
                arms,
                {arm: m.profiles for arm, m in deepest.items()},
                depths,
                {arm: [found[arm, d].losses for d in depths] for arm in arms},
                CHANCE,
            ),
            figures.first_layer(arms, depths, shares),
        ),
        settings=settings,
        seconds=seconds,
    )


def cells(m: Measured) -> tuple[Any, ...]:
    """The numbers of one net at one depth, for the main table."""
    said, finite = words.lab_vanishing, m.losses[np.isfinite(m.losses)]
    ends = (float(np.min(finite)), float(np.max(finite))) if len(finite) else None
    spread = said.spread(ends, int(np.isinf(m.losses).sum()))
    accuracy = None if np.isnan(m.accuracies).all() else said.accuracy(float(np.nanmedian(m.accuracies)))
    return said.share(m.ratio), m.rate, said.loss(m.loss), spread, accuracy
