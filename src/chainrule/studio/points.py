"""Random points in a plane: two moons, circles, spirals, XOR, blobs, and a surface to approximate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.settings import check_choice, check_count, check_number

Drawn = tuple[NDArray[np.float64], NDArray[Any]]


class Points(NamedTuple):
    """Points for training, and as many for testing."""

    X: NDArray[np.float32]  # (n, 2)
    y: NDArray[Any]  # (n,) int64 classes, or float32 heights
    X_test: NDArray[np.float32]  # (n, 2)
    y_test: NDArray[Any]  # (n,)


def _moons(n: int, rng: np.random.Generator) -> Drawn:
    """Two interleaved half circles."""
    y = np.arange(n) % 2
    angle = np.pi * rng.random(n)
    x1 = np.where(y == 0, np.cos(angle), 1 - np.cos(angle)) - 0.5
    x2 = np.where(y == 0, np.sin(angle), 0.5 - np.sin(angle)) - 0.25
    return np.stack([x1, x2], 1) / 1.5, y


def _circles(n: int, rng: np.random.Generator) -> Drawn:
    """A disc, and a ring around it."""
    y = np.arange(n) % 2
    radius = np.where(y == 0, 0.42 * np.sqrt(rng.random(n)), 0.7 + 0.25 * rng.random(n))
    angle = 2 * np.pi * rng.random(n)
    return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1), y


def _spirals(n: int, rng: np.random.Generator) -> Drawn:
    """Two interleaved spiral arms."""
    y = np.arange(n) % 2
    radius = 0.08 + 0.9 * np.sqrt(rng.random(n))
    angle = 2.5 * np.pi * radius + np.pi * y
    return radius[:, None] * np.stack([np.sin(angle), np.cos(angle)], 1), y


def _xor(n: int, rng: np.random.Generator) -> Drawn:
    """Four squares, with opposite ones in the same class."""
    X = rng.uniform(0.06, 1, (n, 2)) * rng.choice([-1.0, 1.0], (n, 2))
    return X, (X[:, 0] * X[:, 1] < 0).astype(np.int64)


def _blobs(n: int, rng: np.random.Generator) -> Drawn:
    """Three clusters in a triangle."""
    y = np.arange(n) % 3
    angle = np.pi / 2 + 2 * np.pi * y / 3
    centers = 0.55 * np.stack([np.cos(angle), np.sin(angle)], 1)
    return centers + 0.16 * rng.standard_normal((n, 2)), y


def _surface(n: int, rng: np.random.Generator) -> Drawn:
    """A surface with hills and valleys: y = sin(2.5 x1) cos(2.5 x2)"""
    X = rng.uniform(-1, 1, (n, 2))
    return X, np.sin(2.5 * X[:, 0]) * np.cos(2.5 * X[:, 1])


KINDS: dict[str, Callable[[int, np.random.Generator], Drawn]] = {
    "moons": _moons,
    "circles": _circles,
    "spirals": _spirals,
    "xor": _xor,
    "blobs": _blobs,
    "surface": _surface,
}
"""Every data set by name: a function of the number of points and a generator."""


def points(kind: str, *, n: int = 200, noise: float = 0.1, seed: int = 0) -> Points:
    """Draw n points for training and n for testing, about between -1 and 1.

    noise: standard deviation of the noise of the coordinates, and of the heights of the surface.
    Raises ConfigError for an unknown kind and for numbers out of range.
    """
    draw = check_choice(kind, KINDS, "kind")
    n, noise = check_count(n, "n", 4), check_number(noise, "noise", minimum=0, maximum=1)
    rng = np.random.Generator(np.random.Philox(check_count(seed, "seed", 0)))
    X, y = draw(2 * n, rng)
    if kind == "surface":
        y = (y + noise * rng.standard_normal(len(y))).astype(np.float32)
    else:
        X, y = X + noise * rng.standard_normal(X.shape), y.astype(np.int64)
    order = rng.permutation(2 * n)
    X, y = X[order].astype(np.float32), y[order]
    return Points(X[:n], y[:n], X[n:], y[n:])
