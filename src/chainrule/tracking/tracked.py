"""What a tracker keeps of one training: its settings, numbers over time, and the figures of the finished model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

from chainrule.tracking.settings import Setting
from chainrule.training.events import Ended


class Position(NamedTuple):
    """When numbers were measured."""

    epoch: int
    """epochs completed"""
    step: int
    """updates of the weights since the first training of the model"""
    time: float
    """seconds since 1970"""


class TrackedRun(ABC):
    """A run as a tracker keeps it. Its methods raise what the tracker's library raises; `Follow` turns that into words.

    The columns of the history keep their names: "loss" is of the training samples, "val_loss" of the validation ones.
    """

    @property
    @abstractmethod
    def key(self) -> str:
        """What finds the run again: a folder or an id."""

    @abstractmethod
    def describe(self, settings: Mapping[str, Setting]) -> None:
        """Keep the settings of the training, once, before its first number."""

    @abstractmethod
    def write(self, numbers: Mapping[str, float], at: Position) -> None:
        """Keep numbers of the training."""

    @abstractmethod
    def judged(self, figures: Mapping[str, float], at: Position) -> None:
        """Keep figures of the finished model, such as the accuracy on test samples."""

    @abstractmethod
    def part(self, name: str) -> TrackedRun:
        """Return a run beneath this one, for one of several networks; called from several threads."""

    @abstractmethod
    def keep(self, fitted: object) -> None:
        """Keep the fitted model or estimator, if the tracker keeps any."""

    @abstractmethod
    def close(self, ended: Ended | None) -> None:
        """Complete what was written. ended: how the training ended; None if no single training did."""

    @abstractmethod
    def abandon(self) -> None:
        """Release what is open, after a fault, without a wait; what it raises is ignored."""
