"""The curves of a run: its loss and its accuracy at places that the settings alone decide, and where it is now."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.studio.screens.train.timeline import seen
from chainrule.training.run import Run

POINTS = 400
"""Of the curves of a run, or up to twice as many: each is the mean over the steps since the one before."""
TAIL = 32
"""Points that a frame has; a page that missed more asks for them."""
SPEED_SECONDS = 0.4
"""What the speed is measured over."""


class Curves:
    """The points of a run's curves, its position and its speed."""

    def __init__(self, steps: int, has_accuracy: bool) -> None:
        """steps: of the whole run."""
        self.grid = 1 << max(0, (steps // POINTS).bit_length() - 1)
        """a point after each so many steps, a power of two, and after each epoch"""
        self.has_accuracy = has_accuracy
        self.points: list[tuple[float, float, float]] = []
        """samples seen, loss, accuracy; NaN where there is none"""
        self.position: dict[str, Any] = {"step": 0, "seen": 0, "epoch": 0, "rate": 0.0} | {
            "loss": None,
            "accuracy": None,
        }
        self.speed = {"samples": 0.0, "steps": 0.0}
        """per second"""
        self.before, self.last = np.zeros(3), np.zeros(3)
        """the sums of the epoch at the last point, and at the last call: loss, weight, correct"""
        self.begin()

    def note(self, run: Run, ends: bool = False) -> None:
        """Note where the run is, and add a point where one is due. ends: whether an epoch does."""
        sums = np.array(run.session.sums[:3], np.float64)
        loss, accuracy = self.means(sums - self.last)
        self.position = {"step": run.step, "seen": seen(run), "epoch": run.epoch, "rate": run.rate}
        self.position |= {"loss": loss, "accuracy": accuracy}
        self.last = np.zeros(3) if ends else sums
        if ends or run.step % self.grid == 0:
            point = self.means(sums - self.before)
            self.before = self.last
            values = [np.nan if value is None else value for value in point]
            self.points.append((float(seen(run)), values[0], values[1]))

    def means(self, sums: NDArray[np.float64]) -> tuple[float | None, float | None]:
        """Return the loss and the accuracy of sums over some steps; None where there is none."""
        loss, weight, correct = sums.tolist()
        if weight <= 0:
            return None, None
        return loss / weight, correct / weight if self.has_accuracy else None

    def begin(self) -> None:
        """Measure the speed from now on."""
        self.measured = (time.perf_counter(), self.position["step"], self.position["seen"])

    def measure(self) -> None:
        """Measure the speed, where that is due."""
        start, step, samples = self.measured
        elapsed = time.perf_counter() - start
        if elapsed > SPEED_SECONDS:
            self.speed = {
                "samples": (self.position["seen"] - samples) / elapsed,
                "steps": (self.position["step"] - step) / elapsed,
            }
            self.begin()

    def array(self, start: int = 0) -> NDArray[np.float32]:
        """Return the points from one on as (points, 3)."""
        return np.asarray(self.points[start:], np.float32).reshape(-1, 3)
