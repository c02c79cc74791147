"""What a tracker keeps of one training: its settings, numbers over time, and the figures of the finished model."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np

from chainrule.core.settings import describe
from chainrule.training.events import Ended

Setting = str | int | float | bool
LONGEST = 500
"""The characters of a text, the most that MLflow's servers of before version 2.9 store."""
NOT_SETTINGS = ("callbacks", "verbose")
"""Parameters of an estimator that say nothing of its network."""


def flat(settings: Mapping[str, object]) -> dict[str, Setting]:
    """Return nested settings with names such as optimizer.learning_rate, without those that are None."""
    named = ((name, value) for name, value in settings.items() if name not in NOT_SETTINGS)
    return {inner: each for name, value in named for inner, each in _pairs(name, value)}


def _pairs(name: str, value: object) -> Iterator[tuple[str, Setting]]:
    if dataclasses.is_dataclass(value) and hasattr(value, "kind"):
        value = describe(value)
    if isinstance(value, Mapping):
        inner = dict(value)
        if "kind" in inner:
            yield name, f"{inner.pop('kind')}"
        for key, each in inner.items():
            yield from _pairs(f"{name}.{key}", each)
    elif value is not None:
        yield name, _plain(value)


def _plain(value: object) -> Setting:
    """Return a value as a plain number or a text."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, tuple | list):
        value = ",".join(map(str, value)) or "none"
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


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
