"""What a run on a table demands of its network and of its answers: directions of columns, a threshold, or costs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.core import hints
from chainrule.core.arrays import distinct
from chainrule.errors import ChainruleError, ConfigError, option
from chainrule.estimators import MLPClassifier, MLPRegressor
from chainrule.estimators.thresholds import COUNTED
from chainrule.recipe.columns import TargetColumn, pick
from chainrule.recipe.messages import with_value
from chainrule.recipe.settings import Settings
from chainrule.tables.labels import Labels
from chainrule.trust.decisions import Decision, check_costs, check_threshold

OF_POSITIVE = ("f1", "jaccard", "precision", "recall")
"""The scores that are of one of two classes."""
DIRECTIONS = {"+1": 1, "1": 1, "-1": -1}


def listed(text: str) -> list[str]:
    """Return the values in text such as "area:+1,minutes:-1"; one with a comma is in quotes."""
    return next(csv.reader(io.StringIO(text, newline="")), [])


def directions(settings: Settings, columns: Iterable[str], source: str) -> dict[str, int] | None:
    """Return the direction of each column that has one, for `monotonic_cst`; None without any.

    columns: those of the inputs.  Raises ConfigError for a column that does not exist, and for another direction.
    """
    if settings.monotonic is None:
        return None
    columns, found = list(columns), dict[str, int]()
    for each in listed(settings.monotonic):
        name, colon, direction = each.rpartition(":")
        if not colon or direction.strip() not in DIRECTIONS:
            raise ConfigError(
                f"{option('monotonic')} must be COLUMN:+1 where the prediction may never fall as the number rises, or "
                f"COLUMN:-1 where it may never rise, not {each!r:.60}."
            )
        name = name if name in columns else pick(name.strip(), columns, source, "monotonic")
        if found.setdefault(name, DIRECTIONS[direction.strip()]) != DIRECTIONS[direction.strip()]:
            raise ConfigError(f"{option('monotonic')} gives {name!r} both directions; give it one.")
    return found


class Demanded(NamedTuple):
    """How a run is to make labels of probabilities, as `set_threshold` takes it."""

    scoring: str | None = None
    threshold: float | None = None
    costs: tuple[tuple[float, ...], ...] | None = None


def demanded(settings: Settings, target: TargetColumn) -> Demanded | None:
    """Return the threshold or the costs of a run; None without. Raises ConfigError where its target has none."""
    if settings.threshold is None and settings.costs is None:
        return None
    name = "costs" if settings.threshold is None else "threshold"
    if settings.threshold is not None and settings.costs is not None:
        raise ConfigError(f"{option('costs')} give the threshold too; omit it or {option('threshold')}.")
    labels = [] if target.is_number else distinct(target.y).tolist()
    if len(labels) < 2:
        raise ConfigError(
            f"{option(name)} is for classes, and {target.name!r} has numbers to predict; omit it."
        )
    if settings.costs is not None:
        return Demanded(costs=_costs(settings.costs, labels))
    if len(labels) > 2:
        raise ConfigError(
            f"{option('threshold')} is for two classes, and {target.name!r} has {len(labels)}; use {option('costs')}."
        )
    assert settings.threshold is not None
    if settings.positive == f"{labels[0]}" and settings.threshold in OF_POSITIVE:
        raise ConfigError(
            f"{with_value('threshold', settings.threshold)} is of the class that sorts last, {labels[1]}; omit "
            f"{option('positive')}, or use {option('costs')}."
        )
    return _threshold(settings.threshold)


def _threshold(text: str) -> Demanded:
    if text in COUNTED:
        return Demanded(scoring=text)
    try:
        return Demanded(threshold=check_threshold(float(text)))
    except (ValueError, ConfigError):
        raise ConfigError(
            f"{option('threshold')} must be a probability from 0 to 1, or a score to maximize ({', '.join(COUNTED)}), "
            f"not {text!r:.40}."
        ) from None


def _costs(text: str, labels: Sequence[Any]) -> tuple[tuple[float, ...], ...]:
    """Return costs from text such as "0,1/20,0"."""
    try:
        rows = [[float(cell) for cell in row.split(",")] for row in text.split("/")]
        kind = "binary" if len(labels) == 2 else "multiclass"
        found = check_costs(rows, Labels(np.array(labels), kind, False))
    except (ValueError, ConfigError) as error:
        said = " ".join(f"{label}" for label in labels)
        why = (
            f"{error}".removeprefix("costs ")
            if isinstance(error, ConfigError)
            else f"must be numbers ({error})."
        )
        raise ConfigError(
            f"{option('costs')} are a row for each true class ({said}), with / between rows and commas within, such as "
            f"0,1/20,0: they {why}"
        ) from None
    return tuple(map(tuple, found.tolist()))


def decide(estimator: MLPClassifier | MLPRegressor, asked: Demanded | None) -> None:
    """Let a fitted classifier choose labels as asked; where its held-out rows allow no choice, warn and leave it."""
    if asked is None or not isinstance(estimator, MLPClassifier):
        return
    try:
        estimator.set_threshold(asked.scoring, threshold=asked.threshold, costs=asked.costs)
    except ChainruleError as error:
        hints.give(f"the likeliest class is predicted, without a threshold: {error}")


def decision_of(estimator: object) -> Decision | None:
    """Return how an estimator chooses labels; None for the likeliest class, and for numbers."""
    found = getattr(estimator, "decision_", None)
    return found if isinstance(found, Decision) else None
