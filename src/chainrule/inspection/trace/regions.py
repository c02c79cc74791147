"""Regions and priors of activation maximization: the allowed inputs, and penalties on them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.errors import ConfigError

Floats: TypeAlias = NDArray[np.float64]
TV_EPS = 1e-3
"""The smoothing constant of the total variation at 0, in units of the region."""


class Region(ABC):
    """Base class of sets of inputs x = center + scale u, with u in a unit cube or a unit ball."""

    @abstractmethod
    def place(self, u: Floats) -> Floats:
        """Return x for u, both (..., inputs)."""

    @abstractmethod
    def project(self, u: Floats) -> Floats:
        """Return the closest point of the unit region."""

    @abstractmethod
    def best(self, g: Floats) -> Floats:
        """Return the u in the unit region that maximizes g^T u, for each row of g (..., inputs)."""

    @abstractmethod
    def draw(self, random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        """Draw starting points in the unit region."""

    @property
    @abstractmethod
    def scale(self) -> float:
        """dx/du"""


@records.kind("box")
@dataclass(frozen=True)
class Box(Region, records.DataResult):
    """low <= x_i <= high, such as pixels. g^T u over u in [0, 1]^n is maximal at u_i = 1 where g_i > 0, else 0."""

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        """Check that low and high are finite, and low < high."""
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ConfigError(
                f"a Box needs finite low < high, not {self.low!r} and {self.high!r}; Box(0, 255) suits pixels."
            )

    @property
    def scale(self) -> float:
        """high - low"""
        return self.high - self.low

    def place(self, u: Floats) -> Floats:
        """low + (high - low) u"""
        return self.low + self.scale * u

    def project(self, u: Floats) -> Floats:
        """Clip to [0, 1]."""
        return np.clip(u, 0.0, 1.0)

    def best(self, g: Floats) -> Floats:
        """1 where g > 0, 0 elsewhere."""
        return (g > 0).astype(np.float64)

    def draw(self, random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        """Draw uniform points."""
        return random.uniform(0.0, 1.0, shape)


@records.kind("ball")
@dataclass(frozen=True)
class Ball(Region, records.DataResult):
    """||x - center|| <= radius. g^T u over ||u|| <= 1 is maximal at u = g / ||g||."""

    radius: float = 1.0
    center: float = 0.0

    def __post_init__(self) -> None:
        """Check that radius and center are finite, and the radius is above 0."""
        if not (math.isfinite(self.radius) and self.radius > 0 and math.isfinite(self.center)):
            raise ConfigError(f"a Ball needs a finite radius above 0 and a finite center, not {self!r}.")

    @property
    def scale(self) -> float:
        """radius"""
        return self.radius

    def place(self, u: Floats) -> Floats:
        """center + radius u"""
        return self.center + self.radius * u

    def project(self, u: Floats) -> Floats:
        """u / max(1, ||u||)"""
        norm: Floats = np.linalg.norm(u, axis=-1, keepdims=True)
        return u / np.maximum(norm, 1.0)

    def best(self, g: Floats) -> Floats:
        """g / ||g||, 0 for 0."""
        norm: Floats = np.linalg.norm(g, axis=-1, keepdims=True)
        return g / np.where(norm > 0, norm, 1.0)

    def draw(self, random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        """Draw points in random directions, at half the radius."""
        return 0.5 * self.best(random.normal(size=shape))


def total_variation(image: Floats) -> tuple[Floats, Floats]:
    r"""Compute the total variation of an image, and its gradient.

    TV = sum_ij (sqrt(d_ij) - eps)      d_ij = (u_{i+1,j} - u_ij)^2 + (u_{i,j+1} - u_ij)^2 + eps^2
    dTV/du_ij = sum over the pixels whose d contains u_ij of (u_ij - neighbor) / sqrt(d)

    image: (..., height, width), extended beyond the border by its edge pixels.  Returns (...) and image's shape.
    Source: Rudin, Osher, Fatemi, "Nonlinear total variation based noise removal algorithms", 1992.
    """
    down = np.diff(image, axis=-2, append=image[..., -1:, :])
    right = np.diff(image, axis=-1, append=image[..., :, -1:])
    d = np.sqrt(down * down + right * right + TV_EPS**2)
    by_down, by_right = down / d, right / d
    gradient = -by_down - by_right
    gradient[..., 1:, :] += by_down[..., :-1, :]
    gradient[..., :, 1:] += by_right[..., :, :-1]
    return (d - TV_EPS).sum((-2, -1)), gradient
