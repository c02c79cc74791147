"""The settings of a training as flat pairs of a name and a number or a text, as trackers keep hyperparameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from numbers import Integral, Real

import numpy as np

from chainrule.core.settings import describe

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
