"""Intervals and sets of labels of a fitted estimator: for rows to predict, at any coverage, also by group."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import hints
from chainrule.core.settings import check_number
from chainrule.errors import ConfigError, DataError, option
from chainrule.fitting.result import FitResult
from chainrule.tables.held_out import PreparedInputs, as_words
from chainrule.tables.labels import Labels
from chainrule.tables.numbers import Targets
from chainrule.trust.conformal import Intervals, LabelSets, Scores, misfits

Numbers = NDArray[np.float64]
Coverage = float | Iterable[float]
"""One coverage, or several."""

HINT = "0.9 is usual"
MAX_SHOWN = 40


def check_coverage(coverage: object, name: str = "coverage") -> float:
    """Return a coverage. name: its name in messages.  Raises ConfigError unless it is between 0 and 1."""
    return check_number(coverage, name, above=0, below=1, hint=HINT)


def check_coverages(coverage: Coverage) -> Coverage:
    """Return a coverage, or several as a tuple. Raises ConfigError unless each is between 0 and 1, and for none."""
    if isinstance(coverage, str) or not isinstance(coverage, Iterable) or getattr(coverage, "ndim", 1) != 1:
        return check_coverage(coverage)
    if not (found := tuple(check_coverage(each) for each in coverage)):
        raise ConfigError(
            "coverage must be a number between 0 and 1, or several, not none; (0.5, 0.9) is usual."
        )
    return found


def at_each(coverage: Coverage, find: Callable[[float], NDArray[Any]]) -> NDArray[Any]:
    """Return what is found at a coverage; at several with an axis of them before the last."""
    if isinstance(coverage, tuple):
        return np.stack([find(each) for each in coverage], -2)
    return find(check_coverage(coverage))


def intervals(
    result: FitResult,
    inputs: PreparedInputs,
    predicted: Numbers,
    coverage: Coverage,
    by: str | int | None = None,
) -> Numbers:
    """Return intervals (n, outputs, 2), of several quantiles (n, 1, 2); of several coverages (n, ..., coverages, 2).

    inputs: (n, features) prepared.  predicted: (n, outputs) in the units of y.  by: a column, see `column_of`.
    """
    known = result.calibration
    if not isinstance(known, Intervals):
        raise ConfigError(missing("predict_interval"))
    units = known.units(inputs, np.asarray(predicted, np.float64))

    def find(each: float) -> Numbers:
        """Return the intervals (outputs, n, 2) at a coverage."""
        factors = (factor_of(result, own.scores, own.own, inputs, each, by) for own in known.outputs)
        return np.stack(
            [known.bounded(unit.times(factor)) for unit, factor in zip(units, factors, strict=True)]
        )

    return np.swapaxes(at_each(coverage, find), 0, 1)


def sets(
    result: FitResult,
    inputs: PreparedInputs,
    predicted: Numbers,
    coverage: Coverage,
    by: str | int | None = None,
    per_label: bool = False,
) -> NDArray[np.bool_]:
    """Return which labels the sets have (n, labels), at several coverages (n, coverages, labels).

    per_label: whether each label is covered as often as asked.

    inputs, by: as in `intervals`.  predicted: (n, labels), or (n, 1) of the second of two.
    """
    known = result.calibration
    if isinstance(result.targets, Labels) and result.targets.kind == "multilabel":
        raise ConfigError("predict_set is for one label a row; fit one classifier for each label.")
    if not isinstance(known, LabelSets):
        raise ConfigError(missing("predict_set"))
    if per_label and by is not None:
        raise ConfigError("pass either by or per_label=True, not both.")
    found = misfits(np.asarray(predicted, np.float64))[:, : len(known.by_label)]

    def find(each: float) -> NDArray[np.bool_]:
        """Return the sets (n, labels) at a coverage."""
        if per_label:
            warn_of_few_labels(result.targets, known, each)
            return found <= np.array([scores.quantile(each) for scores in known.by_label])
        bounds = factor_of(result, known.scores, known.own, inputs, each, by)
        return found <= (bounds if isinstance(bounds, float) else bounds[:, None])

    return at_each(coverage, find)


def factor_of(
    result: FitResult,
    scores: Scores,
    own: Numbers | None,
    inputs: PreparedInputs,
    coverage: float,
    by: str | int | None,
) -> float | Numbers:
    """Return the score that a share `coverage` of the held-out rows is below: one, or (n,) of each row's group."""
    if by is None:
        warn_of_few(scores, coverage)
        return scores.quantile(coverage)
    held_out = None if result.held_out is None else result.held_out.thinned()
    if held_out is None or own is None:
        raise ConfigError(
            f"by={by!r} needs the held-out rows of the fit, which a file does not have; call it on the estimator "
            "that was fitted."
        )
    places = column_of(result, by)
    if held_out.inputs is None:
        raise ConfigError("by needs a table prepared by the estimator; fit with preprocess='auto'.")
    found: Factors = factors_of(own, held_out.weight, held_out.inputs, inputs, places, coverage)
    if found.few:
        hints.give(
            f"{found.few} of the groups of {by!r} have fewer than the {needed(coverage)} held-out rows that "
            f"coverage={coverage:g} needs, so every value is in their intervals or sets."
        )
    return found.values


def column_of(result: FitResult, by: str | int) -> NDArray[np.int64]:
    """Return the places among the prepared inputs of a column, by its name or its number in the table."""
    names = [] if result.feature_names is None else [str(name) for name in result.feature_names]
    number = by if isinstance(by, int) and not isinstance(by, bool) else -1
    if isinstance(by, str) and by in names:
        number = names.index(by)
    if not 0 <= number < result.n_features:
        raise DataError(
            f"by must be a column of the table, not {by!r:.{MAX_SHOWN}}; it has {', '.join(names[:5]) or 'no names'}"
            f"{', ...' if len(names) > 5 else ''}."
        )
    if result.preprocessor is None:
        return np.array([number])
    places = np.flatnonzero(np.asarray(result.preprocessor.sources_) == number)
    if not len(places):
        raise DataError(f"by={by!r} is a column that the estimator leaves out; choose one that is an input.")
    return places


def missing(method: str) -> str:
    """Say what a fit needs for intervals or sets."""
    return (
        f"{method} needs rows that the network did not learn from; fit with early_stopping=True, or pass X_val and "
        "y_val."
    )


def needed(coverage: float) -> int:
    """Return how many held-out rows a coverage needs: m with m / (m + 1) >= coverage."""
    return math.ceil(coverage / (1 - coverage) - 1e-9)


def _asked(coverage: float) -> str:
    return option("interval", f"coverage={coverage:g}", f"{coverage:g}")


def warn_of_few_labels(targets: Targets, known: LabelSets, coverage: float) -> None:
    """Warn of the labels with too few held-out rows for a coverage."""
    few = [k for k, scores in enumerate(known.by_label) if np.isinf(scores.quantile(coverage))]
    if few and isinstance(targets, Labels):
        which = as_words(targets.classes[few].tolist())
        so = "has fewer, so it is" if len(few) == 1 else "have fewer, so they are"
        hints.give(
            f"{_asked(coverage)} needs at least {needed(coverage)} held-out rows of each label, and {which} {so} in "
            "every set; ask for less, or fit more rows."
        )


def warn_of_few(scores: Scores, coverage: float) -> None:
    """Warn where there are too few held-out rows for a coverage."""
    if np.isinf(scores.quantile(coverage)):
        hints.give(
            f"{_asked(coverage)} needs at least {needed(coverage)} held-out rows, and there are fewer, so every "
            "value is in the interval or set; ask for less, or fit more rows."
        )


MAX_GROUPS = 100
"""The most groups of a column."""


class Factors(NamedTuple):
    """The scores that a share of the held-out rows of each row's group is below."""

    values: Numbers
    """(n,) infinite in a group with too few held-out rows"""
    few: int
    """the groups with too few"""


def factors_of(
    own: Numbers,
    weight: Numbers,
    held_inputs: PreparedInputs,
    inputs: PreparedInputs,
    places: NDArray[np.int64],
    coverage: float,
) -> Factors:
    """Return the factors of rows by the held-out rows of the group of each alone.

    Source: Vovk, Lindsay, Nouretdinov, Gammerman, "Mondrian confidence machine" (2003).
    Raises DataError for a column of too many values.

    own, weight: (m,) of the held-out rows.  held_inputs: (m, features).  inputs: (n, features).
    places: of the column's features; rows with the same values of these are a group.
    """
    held, new = (_dense(each[:, places]) for each in (held_inputs, inputs))
    values, numbers = np.unique(np.vstack([held, new]), axis=0, return_inverse=True)
    if len(values) > MAX_GROUPS:
        raise DataError(
            f"by must be a column of at most {MAX_GROUPS} groups, and these rows have {len(values):,}; choose a "
            "category."
        )
    numbers = numbers.reshape(-1)
    of_held, of_new = numbers[: len(held)], numbers[len(held) :]
    found = np.full(len(values), np.inf)
    for group in np.unique(of_new):
        is_own = of_held == group
        found[group] = Scores.of(own[is_own], weight[is_own]).quantile(coverage)
    return Factors(found[of_new], int(np.isinf(found[np.unique(of_new)]).sum()))


def _dense(values: PreparedInputs) -> NDArray[Any]:
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values)
