"""Hypothesis strategies, one an axis: widths, batches, layers, chains, losses, networks, and data that suits them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from chainrule import (
    BatchNorm,
    Dense,
    Dropout,
    Layer,
    Loss,
    Model,
    Network,
    Rescale,
    Residual,
    Skip,
    Standardize,
    Tanh,
)
from chainrule.layers import ACTIVATIONS, Sigmoid, Softmax
from chainrule.losses import LOSSES

MAX_DEPTH = 12
"""Layers of a chain, those of its blocks not counted."""

seeds = st.integers(0, 2**32 - 1)
widths = st.integers(1, 5)
batch_sizes = st.integers(1, 6)
penalties = st.sampled_from([0.0, 0.0, 0.01, 0.1])
activations = st.sampled_from(sorted(ACTIVATIONS)).map(lambda kind: ACTIVATIONS[kind]())
losses = st.sampled_from(sorted(LOSSES)).map(lambda kind: LOSSES[kind]())
dense_layers = widths.map(Dense)
dropouts = st.sampled_from([0.0, 0.2, 0.7]).map(Dropout)
input_layers = st.sampled_from([[], [Rescale(0.5)], [Standardize()], [Rescale(0.5, 1.0), Standardize()]])


@st.composite
def plain_layers(draw: st.DrawFn, row_by_row: bool = False) -> Layer:
    """One layer that is no block. row_by_row: none in which a sample feels the others, or its place among them."""
    kinds = [dense_layers, dense_layers, activations, activations]
    return draw(st.one_of(*kinds, *([] if row_by_row else [st.just(BatchNorm()), dropouts])))


def chains(row_by_row: bool = False, dropout: bool = True, max_depth: int = MAX_DEPTH) -> st.SearchStrategy:
    """A list of layers, blocks in blocks among them."""
    plain = plain_layers(row_by_row)
    if not dropout:
        plain = plain.filter(lambda layer: not isinstance(layer, Dropout))

    def blocks(inner: st.SearchStrategy) -> st.SearchStrategy:
        branch = st.lists(inner, min_size=1, max_size=3)
        return st.one_of(plain, branch.map(Residual), branch.map(Skip))

    return st.lists(st.recursive(plain, blocks, max_leaves=4), max_size=max_depth)


@st.composite
def networks(draw: st.DrawFn, row_by_row: bool = False, dropout: bool = True) -> Network:
    """A network of 1 to 3 outputs, whose last layers suit its loss."""
    loss, outputs = draw(losses), draw(st.integers(1, 3))
    layers = [*draw(input_layers), *draw(chains(row_by_row, dropout)), Tanh(), Dense(outputs)]
    if loss.domain == "probability":
        layers.append(Softmax() if loss.targets == "classes" else Sigmoid())
    return Network(draw(widths), layers, loss, l2=draw(penalties), l1=draw(penalties))


class Problem(NamedTuple):
    """A float64 model away from every kink, and samples for it."""

    model: Model
    X: np.ndarray  # (batch, inputs)
    y: np.ndarray  # (batch, outputs) or (batch,) classes
    weight: np.ndarray  # (batch,)


def targets_for(loss: Loss, samples: int, outputs: int, rng: np.random.Generator) -> np.ndarray:
    return {
        "real": lambda: rng.normal(size=(samples, outputs)),
        "counts": lambda: rng.integers(0, 4, (samples, outputs)),
        "binary": lambda: rng.integers(0, 2, (samples, outputs)),
        "classes": lambda: rng.integers(0, outputs, samples),
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
    return Problem(model, X, y, rng.integers(1, 4, samples).astype(float))
