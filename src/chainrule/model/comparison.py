"""Two models on the same rows: where their answers differ, and by how much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.core.arrays import Array, RowsLike
from chainrule.errors import ConfigError, ShapeError, option

FARTHEST = 10
"""The most rows that are listed, those with the largest differences."""


class AnsweredRows(NamedTuple):
    """The answers of a model to n rows."""

    predicted: Array
    """(n,) labels, (n, labels) of 0 and 1, or (n,) or (n, outputs) numbers"""
    probabilities: Array = None
    """(n, classes) or (n, labels); None of numbers"""
    classes: Sequence[Any] | None = None
    """the label of each column of the probabilities; None where a model has none, and predicts their indices"""


@records.kind("different_row")
@dataclass(frozen=True)
class DifferentRow(records.DataResult):
    """A row with different answers, A's before B's."""

    row: int
    difference: float
    output: int
    """the output, or the class, that differs most"""
    labels: tuple[Any, Any] | None
    """the predicted ones (0 and 1 of each for multilabel); None of numbers"""
    answers: tuple[list[float], list[float]]
    """the numbers, or the probabilities of all classes"""


@records.kind("model_comparison", also=("is_equal",))
@dataclass(frozen=True, eq=False, repr=False)
class Comparison(records.TextResult):
    """Where two models, A and B, differ on the same rows. Print it for sentences and tables."""

    rows: int
    agreeing: int
    """the rows on which they agree within the tolerance"""
    tolerance: float | str
    largest: float
    """the largest difference of a row, NaN where one of them answers NaN"""
    median: float
    """of the differences of all rows"""
    other_decisions: int | None
    """the rows with another label; None of numbers"""
    classes: tuple[Any, ...] | None
    """the labels of both, A's; None of numbers"""
    confusion: NDArray[np.int64] | None
    """(classes, classes): rows by A's label and B's; None without one label per row"""
    farthest: tuple[DifferentRow, ...]
    """the rows with the largest differences, at most ten, the largest first"""

    @property
    def is_equal(self) -> bool:
        """Whether they agree on all rows."""
        return self.agreeing == self.rows

    def __repr__(self) -> str:
        """Show on how many rows they agree."""
        return f"<Comparison of {self.rows:,} rows: {self.agreeing:,} agree>"


def compare(a: Any, b: Any, X: RowsLike, *, tolerance: float | str = 1e-5) -> Comparison:
    """Compare the answers of two models to the same rows.

    a, b: a Model, an Ensemble, or a fitted estimator, each.  X: rows, as both predict them.
    tolerance: two numbers agree within tolerance * max(|a|, |b|, m), where m is the mean of |a| and |b| over all rows
        of that output; probabilities within the tolerance itself. A row agrees if all its numbers do. With
        tolerance="class" it agrees if the label is the same.

    The difference of a row is the largest |a - b| of its outputs, of classifiers that of its probabilities.
    Raises ConfigError or ShapeError for models that answer different things.

        >>> import numpy as np
        >>> from chainrule import Dense, MeanSquaredError, Model, Network, compare
        >>> model = Model(Network(2, [Dense(1)], MeanSquaredError()), seed=0)
        >>> history = model.fit(np.eye(2), [0.0, 1.0], epochs=1)
        >>> print(compare(model, model, np.eye(2)))
        A and B agree on all 2 rows (tolerance 1e-05).
        The largest difference of their numbers is 0, the median 0.
    """
    return compare_answers(_answered(a, X), _answered(b, X), tolerance)


def _answered(model: Any, X: RowsLike) -> AnsweredRows:
    is_number = getattr(model, "task", None) == "regression" or not hasattr(model, "predict_proba")
    classes = getattr(model, "classes_", getattr(model, "classes", None))
    return AnsweredRows(model.predict(X), None if is_number else model.predict_proba(X), classes)


def compare_answers(a: AnsweredRows, b: AnsweredRows, tolerance: float | str = 1e-5) -> Comparison:
    """Compare the answers of two models to the same rows, as `compare`."""
    is_by_class, is_number = tolerance == "class", a.probabilities is None
    if not is_by_class and not (isinstance(tolerance, (int, float)) and 0 <= tolerance < math.inf):
        raise ConfigError(
            f"{option('tolerance')} must be a number, 0 or larger, or class, not {tolerance!r}."
        )
    if is_number != (b.probabilities is None):
        of = ["numbers" if each.probabilities is None else "classes" for each in (a, b)]
        raise ConfigError(
            f"A predicts {of[0]} and B {of[1]}, so their answers cannot be compared; a network that ends with logits "
            "needs its loss: open(path, loss=SoftmaxCrossEntropy()).save(file)."
        )
    if is_number and is_by_class:
        raise ConfigError(f"{option('tolerance')} must be a number, because both models predict numbers.")
    values = [np.asarray(each.predicted if is_number else each.probabilities, np.float64) for each in (a, b)]
    x, y = (each.reshape(len(each), -1) for each in values)
    if x.shape != y.shape:
        raise ShapeError(
            f"A answers {x.shape[1]} numbers for each of {len(x)} rows and B {y.shape[1]} for each of {len(y)}; "
            "compare models with the same outputs on the same rows."
        )
    has_one = not is_number and a.predicted.ndim == 1
    classes: list[Any] = []
    if not is_number:
        labels = [_labels(each, x.shape[1]) for each in (a, b)]
        if set(labels[0]) != set(labels[1]):
            raise ConfigError(
                f"A has the classes {', '.join(labels[0][:9])} and B {', '.join(labels[1][:9])}; compare models of the "
                "same classes."
            )
        order = [labels[1].index(name) for name in labels[0]]
        y, classes = y[:, order], list(range(len(order)) if a.classes is None else a.classes)
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.where(same, 0.0, np.abs(x - y))
        size = np.maximum(np.abs(x), np.abs(y)) if is_number else np.ones_like(x)
        size = np.maximum(size, np.where(np.isfinite(size), size, 0).mean(0))
        near = np.isfinite(apart) & (apart <= (0.0 if is_by_class else float(tolerance)) * size)
    difference = apart.max(1)
    others, confusion = np.zeros(len(x), np.bool_), None
    if has_one:
        i, j = (_codes(each.predicted, labels[0]) for each in (a, b))
        confusion = np.zeros((len(classes), len(classes)), np.int64)
        np.add.at(confusion, (i, j), 1)
        others = i != j
    elif not is_number:
        others = (np.asarray(a.predicted) != np.asarray(b.predicted)[:, order]).any(1)
    agree = ~others if is_by_class else (same | near).all(1)
    far = np.where(np.isnan(difference), np.inf, difference)
    farthest = np.lexsort((-far, ~(others & is_by_class)))[:FARTHEST].tolist()
    return Comparison(
        *(len(x), int(agree.sum()), tolerance, float(difference.max()), float(np.median(difference))),
        None if is_number else int(others.sum()),
        None if is_number else tuple(records.plain(classes)),
        confusion,
        tuple(
            DifferentRow(
                *(k, float(difference[k]), int(apart[k].argmax())),
                None if is_number else (a.predicted[k].tolist(), b.predicted[k].tolist()),
                (x[k].tolist(), y[k].tolist()),
            )
            for k in farthest
            if far[k] > 0 or others[k]
        ),
    )


def _labels(answered: AnsweredRows, count: int) -> list[str]:
    """Return the labels of the columns as text, which a file may have made of whole numbers."""
    return list(map(str, range(count) if answered.classes is None else answered.classes))


def _codes(predicted: Any, labels: Sequence[str]) -> NDArray[np.intp]:
    """Return the index of each predicted label."""
    found, at = np.unique(predicted, return_inverse=True)
    return np.array([labels.index(str(label)) for label in found.tolist()], np.intp)[at]
