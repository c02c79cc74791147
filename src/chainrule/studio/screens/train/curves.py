"""The curves of a run: its loss and accuracy at steps that depend only on the settings, and its current position."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.studio.screens.train.timeline import seen
from chainrule.training.run import Run

POINTS = 256
"""The minimum points of a run's curves, at most twice as many: each is the mean over the steps since the previous."""
TAIL = 32
"""The minimum points in a frame, so that a page may miss one; if it missed more, it requests them."""
SPEED_SECONDS, FIRST_SECONDS = 0.4, 0.05
"""The interval over which the speed is measured, and the first one, during which a run reports after each step."""
Sums = tuple[float, float, float]
"""Sums over the current epoch: the losses, the weights, and the correct samples."""
NOTHING: Sums = (0.0, 0.0, 0.0)


class Curves:
    """The points of a run's curves, its position and its speed."""

    def __init__(self, steps: int, has_accuracy: bool) -> None:
        """steps: the number of steps of the whole run."""
        self.grid = 1 << max(0, (steps // POINTS).bit_length() - 1)
        """a point after each multiple of this power of two, and after each epoch"""
        self.has_accuracy = has_accuracy
        self.points: list[tuple[float, float, float]] = []
        """samples seen, loss, accuracy; NaN for missing values"""
        self.position: dict[str, Any] = {"step": 0, "seen": 0, "epoch": 0, "rate": 0.0} | {
            "loss": None,
            "accuracy": None,
        }
        self.speed = {"samples": 0.0, "steps": 0.0}
        """per second"""
        self.before = self.last = NOTHING
        """the sums of the epoch at the last point, and at the last call"""
        self.begin()

    def note(self, run: Run, ends: bool = False) -> None:
        """Record the position of the run, and add a point if one is due. ends: whether an epoch ends."""
        total, weight, correct = run.session.sums[:3]
        sums = float(total), float(weight), float(correct)
        loss, accuracy = self.means(sums, self.last)
        self.position = {
            "step": run.step,
            "seen": seen(run),
            "epoch": run.epoch,
            "rate": run.rate,
            "loss": loss,
            "accuracy": accuracy,
        }
        self.last = NOTHING if ends else sums
        if ends or run.step % self.grid == 0:
            point = self.means(sums, self.before)
            self.before = self.last
            mean, share = (math.nan if value is None else value for value in point)
            self.points.append((float(seen(run)), mean, share))

    def means(self, sums: Sums, before: Sums) -> tuple[float | None, float | None]:
        """Return the mean loss and accuracy between two sums; None if there is none."""
        weight = sums[1] - before[1]
        if weight <= 0:
            return None, None
        return (sums[0] - before[0]) / weight, (sums[2] - before[2]) / weight if self.has_accuracy else None

    def begin(self) -> None:
        """Start measuring the speed."""
        self.measured = (time.perf_counter(), self.position["step"], self.position["seen"])

    def measure(self) -> None:
        """Measure the speed if due."""
        start, step, samples = self.measured
        elapsed = time.perf_counter() - start
        if elapsed > (SPEED_SECONDS if self.speed["steps"] else FIRST_SECONDS):
            self.speed = {
                "samples": (self.position["seen"] - samples) / elapsed,
                "steps": (self.position["step"] - step) / elapsed,
            }
            self.begin()

    def array(self, start: int = 0) -> NDArray[np.float32]:
        """Return the points from an index on as (points, 3)."""
        return np.asarray(self.points[start:], np.float32).reshape(-1, 3)
