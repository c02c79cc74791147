"""Small models and data, for tests that want a studio with something in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule import Adam, Dense, Model, Network, ReLU, Rescale, SoftmaxCrossEntropy
from chainrule.recipe.data import Data, from_arrays
from chainrule.studio.session.studio import Studio

SIDE = 8
"""Pixels in a row and in a column of the pictures of `bright_rows`."""


def noise() -> Studio:
    """A network of two hidden layers after one epoch on 60 pictures of 28 x 28 random pixels, of ten classes."""
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (60, 784)).astype(np.uint8), np.arange(60) % 10
    layers = [Rescale(1 / 255), Dense(8), ReLU(), Dense(6), ReLU(), Dense(10)]
    model = Model(Network(784, layers, SoftmaxCrossEntropy()), dtype="float32", seed=0)
    model.fit(X, y, epochs=1)
    return Studio(model, from_arrays(X, y, name="digits", shape=(28, 28)), name="digits")


def bright_rows(brighter: float, *, labels: Sequence[Any] = range(3), dtype: str = "float32") -> Data:
    """300 pictures of 8 x 8 pixels, 100 of them to test on: noise with a bright row above, in the middle or below.

    brighter: what is added to the row of the class, where the noise is from 0 to 1.
    """
    random = np.random.default_rng(0)
    y = np.arange(300) % 3
    X = random.random((300, SIDE, SIDE))
    X[np.arange(300), 3 * y] += brighter
    X, y = X.reshape(300, -1).astype(dtype), np.asarray(labels)[y]
    return from_arrays(X[:200], y[:200], test=(X[200:], y[200:]), name="rows", shape=(SIDE, SIDE))


def small_classifier(data: Data, epochs: int) -> Model:
    """A network with 12 hidden neurons that has learned pictures of `bright_rows` for some epochs."""
    model = Model(Network(SIDE**2, [Dense(12), ReLU(), Dense(3)], SoftmaxCrossEntropy()), seed=1)
    model.fit(data.train.X, data.train.y, epochs=epochs, batch_size=20, optimizer=Adam(0.01))
    return model
