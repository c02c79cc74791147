"""Hypothesis strategies, one an axis: widths, batches, layers, chains, losses, networks, and data that suits them."""

from __future__ import annotations

import functools
import warnings
from typing import NamedTuple

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from chainrule import (
    BatchNorm,
    Dense,
    Dropout,
    Embedding,
    GroupedDense,
    Layer,
    Loss,
    Model,
    Network,
    ParametricActivation,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
    Rescale,
    Residual,
    Scale,
    Shift,
    Skip,
    Standardize,
    Take,
    Tanh,
)
from chainrule.formulas.layers import ACTIVATIONS, Sigmoid, Softmax
from chainrule.formulas.losses import LOSSES

MAX_DEPTH = 12
"""Layers of a chain, those of its blocks not counted."""

seeds = st.integers(0, 2**32 - 1)
widths = st.integers(1, 5)
batch_sizes = st.integers(1, 6)
penalties = st.sampled_from([0.0, 0.0, 0.01, 0.1])
activations = st.sampled_from(sorted(ACTIVATIONS)).map(lambda kind: ACTIVATIONS[kind]())
losses = st.sampled_from(sorted(LOSSES)).map(lambda kind: LOSSES[kind]())
elementwise = st.sampled_from(sorted(set(ACTIVATIONS) - {"prelu", "softmax"})).map(
    lambda kind: ACTIVATIONS[kind]()
)
waves = st.sampled_from([PeriodicEmbedding(2, 3), PeriodicEmbedding(1, 2, columns=(0,))])
others = st.sampled_from(
    [Scale(), Shift(), Take([0]), Take([0, 0]), GroupedDense(2, 1), GroupedDense(3, 1, True, False)]
)
dense_layers = widths.map(Dense)
dropouts = st.sampled_from([0.0, 0.2, 0.7]).map(Dropout)
rescales = st.sampled_from([Rescale(0.5), Rescale(-1.5, 0.25), Rescale(2.0, -1.0)])
input_layers = st.sampled_from(
    [
        *([], [Rescale(0.5)], [Standardize()], [Rescale(0.5, 1.0), Standardize()], [Embedding([(0, 3, 2)])]),
        [Standardize(), PiecewiseLinearEmbedding(3, 4)],
    ]
)


# Made once for each set of arguments: a strategy is checked at its first draw, which takes longer than the draw.
@functools.cache
def plain_layers(row_by_row: bool = False, dropout: bool = True) -> st.SearchStrategy[Layer]:
    """One layer that is no block. row_by_row: none in which a sample feels the others, or its place among them."""
    kinds = [
        dense_layers,
        dense_layers,
        activations,
        activations,
        elementwise.map(ParametricActivation),
        waves,
        rescales,
        others,
    ]
    if not row_by_row:
        kinds += [st.just(BatchNorm()), *([dropouts] if dropout else [])]
    return st.one_of(*kinds)


@functools.cache
def any_layers(row_by_row: bool = False, dropout: bool = True) -> st.SearchStrategy[Layer]:
    """One layer of any kind but Standardize, which must stand first: blocks in blocks, with any layer at any place."""
    plain = plain_layers(row_by_row, dropout)

    def blocks(inner: st.SearchStrategy[Layer]) -> st.SearchStrategy[Layer]:
        branch = st.lists(inner, min_size=1, max_size=3)
        return st.one_of(plain, branch.map(Residual), branch.map(Skip))

    return st.recursive(plain, blocks, max_leaves=4)


@functools.cache
def chains(
    row_by_row: bool = False, dropout: bool = True, max_depth: int = MAX_DEPTH
) -> st.SearchStrategy[list[Layer]]:
    """A list of layers, blocks in blocks among them."""
    return st.lists(any_layers(row_by_row, dropout), max_size=max_depth)


MAX_PARAMETERS = 200_000
"""Blocks in blocks multiply their widths; a larger network takes gigabytes to be traced."""


@st.composite
def networks(draw: st.DrawFn, row_by_row: bool = False, dropout: bool = True) -> Network:
    """Any layers, then a Tanh and a Dense that keep the output small, then any layer, or what the loss asks for."""
    loss = draw(losses)
    layers = [*draw(input_layers), *draw(chains(row_by_row, dropout)), Tanh(), Dense(draw(st.integers(1, 3)))]
    if loss.domain == "probability":
        layers.append(Softmax() if loss.targets == "classes" else Sigmoid())
    else:
        layers += draw(chains(row_by_row, dropout, max_depth=1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a Softmax before a loss that applies it too
        network = Network(draw(widths), layers, loss, l2=draw(penalties), l1=draw(penalties))
    assume(network.size <= MAX_PARAMETERS)
    return network


class Problem(NamedTuple):
    """A float64 model away from every kink, and samples for it."""

    model: Model
    X: np.ndarray  # (batch, inputs)
    y: np.ndarray  # (batch, outputs) or (batch,) classes
    weight: np.ndarray  # (batch,)


def targets_for(loss: Loss, samples: int, outputs: int, rng: np.random.Generator) -> np.ndarray:
    """Targets of the kind that the loss names: (samples, outputs), or (samples,) classes."""
    return {
        "real": lambda: rng.normal(size=(samples, outputs)),
        "counts": lambda: rng.integers(0, 4, (samples, outputs)),
        "amounts": lambda: rng.gamma(1.0, size=(samples, outputs)) * rng.integers(0, 2, (samples, outputs)),
        "positive": lambda: rng.gamma(2.0, size=(samples, outputs)),
        "binary": lambda: rng.integers(0, 2, (samples, outputs)),
        "classes": lambda: rng.integers(0, outputs, samples),
        "survived": lambda: rng.choice([-1.0, 0.0, 0.4, 1.0], (samples, outputs)),
    }[loss.targets]()


@st.composite
def problems(draw: st.DrawFn, row_by_row: bool = False, dropout: bool = True) -> Problem:
    """Parameters start as they do and are shaken a little: a bias or beta of exactly 0 would sit on ReLU's kink."""
    network, seed, samples = draw(networks(row_by_row, dropout)), draw(seeds), draw(batch_sizes)
    rng = np.random.default_rng(seed)
    model = Model(network, seed=seed, dtype="float64")
    model.theta += 0.1 * rng.normal(size=network.size)
    X, y = (
        rng.normal(size=(samples, network.inputs)),
        targets_for(network.loss, samples, network.outputs, rng),
    )
    if network.links[0].layer.reads_codes:
        X[:, 0] = rng.integers(0, 4, samples)
    return Problem(model, X, y, rng.integers(1, 4, samples).astype(float))
