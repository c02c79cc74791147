"""What it costs that one network answers in place of an average."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import log_loss, root_mean_squared_error
from sklearn.neighbors import NearestNeighbors

from chainrule.core import records
from chainrule.data.frames import is_frame, read_frame
from chainrule.errors import ConfigError, DataError
from chainrule.estimators.base import fit_under
from chainrule.estimators.classifier import MLPClassifier
from chainrule.estimators.regressor import MLPRegressor
from chainrule.fitting.held import result_of
from chainrule.fitting.plan import ALONE
from chainrule.tables import reading
from chainrule.tables.column import CategoryCells
from chainrule.tables.data import FitInput
from chainrule.tables.labels import Labels
from chainrule.tables.preprocessor import TablePreprocessor
from chainrule.tables.rows import rows_of
from chainrule.tables.sources import NOTHING, OfAllRows, kinds_in_part, known_of


@records.kind("distillation")
@dataclass(frozen=True)
class DistillationCost(records.Shown, records.TextResult):
    """What it costs that one network answers in place of another estimator; print it.

    Pairs are of the teacher and the student.
    """

    own: int
    """the rows of the teacher that the student has learned"""
    between: int
    """the rows in between that it has learned"""
    judged: int
    """the rows for which both answer here"""
    is_new: bool
    """whether the teacher has not learned these, and their targets are known"""
    difference: float
    """of classes the mean of sum_k |p_k - q_k| / 2, 0 to 1; of numbers the root mean square of the difference, in
    standard deviations of the teacher's answers"""
    same_labels: float | None
    """the share of rows with the same likeliest class; None of numbers"""
    losses: tuple[float, ...]
    """log loss, or root mean squared error; () without new rows"""
    seconds: tuple[float, ...]
    """for the answers to 1,000 rows"""
    bytes: tuple[int, ...]
    """of their files"""
    networks: tuple[int, ...]
    trained: float
    """the seconds that all of it took"""


# --- one network in place of an average of many: it learns what they answer ------------------------------------------
# from chainrule.estimators.distilling import distill
#
#     best = MLPClassifier(preset="best", time_limit=600).fit(X, y)
#     student, cost = distill(best, X, X_test=X_test, y_test=y_test, hidden_layer_sizes=(32,))
#     print(cost)                           # what that costs: loss, seconds, bytes
#     student.export("small.c", X, dtype="int8")
#
# The network is an estimator like any other, and is trained on the average's answers for its own rows and for rows in
# between: each takes some columns of a row, and the others of a row beside it. A row of classes is learned once for
# each class, weighted by its probability p_k, which is the cross-entropy -sum_k p_k log q_k with the student's q; of
# numbers the average's prediction is the target.
#
# Sources: learning an ensemble's answers on rows that are made up, Bucila, Caruana and Niculescu-Mizil, "Model
# compression", KDD 2006; the answers' probabilities as targets, Hinton, Vinyals and Dean, "Distilling the knowledge in
# a neural network", 2015.

MIN_ROWS_LEARNED = 5_000
"""The rows that a network learns at least, own ones and rows in between."""
MIN_PROBABILITY_LEARNED = 0.01
"""Of a row and a class that is learned; the others of the row are made larger by as much."""
JUDGED_ONE_IN = 10
"""Without rows to test on, one row in this many is left out, and both answer for it."""
TIMED_ROWS = 1_000
"""The rows whose answers are timed."""

Estimator = MLPClassifier | MLPRegressor


class Distilled(NamedTuple):
    """A network that answers as another estimator does, and what that costs."""

    student: Estimator
    cost: DistillationCost


def distill(
    teacher: Estimator,
    X: object,
    *,
    between: int | None = None,
    X_test: object = None,
    y_test: object = None,
    random_state: int = 0,
    **parameters: Any,
) -> Distilled:
    """Return one network that has learned what an estimator answers, and what that costs.

    teacher: a fitted estimator; of preset="best" its average.  X: its rows, which need no targets.
    between: how many rows in between are learned too; None for as many as there are own ones, and for at least 5,000 in
    all.  X_test, y_test: rows that the teacher has not learned, to judge both; without them both answer for a tenth of
    X, which the student does not learn.  parameters: of the student, by default preset="fast", preprocess="auto" and
    the teacher's monotonic_cst. It makes labels by the teacher's threshold or costs, and its columns of categories are
    the teacher's, also where those in X look like numbers.
    Raises ConfigError for several labels a row, and DataError for fewer than 20 rows.
    """
    begun = time.perf_counter()
    targets = result_of(teacher).targets
    if isinstance(targets, Labels) and targets.kind == "multilabel":
        raise ConfigError(
            "distill is for numbers and for classes of which a row has one; train a smaller network."
        )
    if (X_test is None) != (y_test is None):
        raise ConfigError("X_test and y_test belong together; pass both or neither.")
    rng = np.random.default_rng(random_state)
    table = ColumnTable.of(X)._replace(of_all=known_of(result_of(teacher).preprocessor))
    if table.rows < 2 * JUDGED_ONE_IN:
        raise DataError(f"X must have at least {2 * JUDGED_ONE_IN} rows, not {table.rows}.")
    order = rng.permutation(table.rows)
    left_out = table.rows // JUDGED_ONE_IN if X_test is None else 0
    own = table.take(order[left_out:])
    count = max(own.rows, MIN_ROWS_LEARNED - own.rows) if between is None else between
    learned, group = rows_between(own, count, rng)
    given = {"preset": "fast", "preprocess": "auto", "monotonic_cst": teacher.monotonic_cst, **parameters}
    if given["preset"] in (None, "fast"):
        given.setdefault("n_members", 1)  # of few rows, and of rows of few groups, too
    student = _fitted(teacher, learned, group, random_state, given)
    judged = table.take(order[:left_out]).value() if X_test is None else X_test
    cost = _cost(teacher, student, judged, y_test, (own.rows, count), time.perf_counter() - begun)
    return Distilled(student, cost)


def _fitted(
    teacher: Estimator, learned: ColumnTable, group: NDArray[np.int64], seed: int, parameters: dict[str, Any]
) -> Estimator:
    """Return a network of what the teacher answers. group: (n,) the own row of each; its rows are held out together."""
    if isinstance(teacher, MLPRegressor):
        answers = np.asarray(teacher.predict(learned.value()), np.float64)
        regressor = MLPRegressor(random_state=seed, **parameters)
        given = FitInput(learned.value(), answers, groups=group, of_all=learned.of_all)
        fit_under(regressor, given, ALONE)
        return regressor
    p = np.asarray(teacher.predict_proba(learned.value()), np.float64)
    kept = p >= MIN_PROBABILITY_LEARNED
    kept[p.argmax(0), np.arange(p.shape[1])] = True  # each class once at least
    rows, classes = np.nonzero(kept)
    weights = (p / np.where(kept, p, 0).sum(1, keepdims=True))[rows, classes]
    labels = np.asarray(teacher.classes_)[classes]
    student = MLPClassifier(random_state=seed, **parameters)
    X = learned.take(rows).value()
    given = FitInput(X, labels, weights, groups=group[rows], of_all=learned.of_all)
    fit_under(student, given, ALONE)
    decision = result_of(teacher).decision
    if decision is not None:
        costs = decision.costs if decision.threshold is None else None
        student.set_threshold(threshold=decision.threshold, costs=costs)
    return student


def _cost(
    teacher: Estimator, student: Estimator, judged: Any, y: object, rows: tuple[int, int], seconds: float
) -> DistillationCost:
    """Compare both on rows."""
    answers = [_answers(each, judged) for each in (teacher, student)]
    losses: list[float] = []
    if y is not None:
        losses = [_loss(teacher, np.asarray(y), each) for each in answers]
    both, is_classes = np.abs(answers[0] - answers[1]), isinstance(teacher, MLPClassifier)
    scale = 1.0 if is_classes else max(float(answers[0].std()), np.finfo(np.float64).tiny)
    few = ColumnTable.of(judged)
    timed = few.take(np.arange(TIMED_ROWS) % few.rows).value()
    return DistillationCost(
        own=rows[0],
        between=rows[1],
        judged=few.rows,
        is_new=y is not None,
        difference=float((both.sum(1) / 2).mean() if is_classes else np.sqrt(np.square(both).mean()) / scale),
        same_labels=float((answers[0].argmax(1) == answers[1].argmax(1)).mean()) if is_classes else None,
        losses=tuple(losses),
        seconds=tuple(_seconds(each, timed) for each in (teacher, student)),
        bytes=tuple(_bytes(each) for each in (teacher, student)),
        networks=tuple(len(result_of(each).networks) for each in (teacher, student)),
        trained=seconds,
    )


def _answers(estimator: Estimator, X: Any) -> NDArray[np.float64]:
    """Return probabilities (n, classes), or numbers (n, outputs)."""
    found = estimator.predict_proba(X) if isinstance(estimator, MLPClassifier) else estimator.predict(X)
    made = np.asarray(found, np.float64)
    return made if made.ndim == 2 else made[:, None]


def _loss(teacher: Estimator, y: NDArray[Any], answers: NDArray[np.float64]) -> float:
    """Return the log loss, or the root mean squared error."""
    if isinstance(teacher, MLPClassifier):
        return float(log_loss(y, answers / answers.sum(1, keepdims=True), labels=teacher.classes_))
    return float(root_mean_squared_error(y.reshape(len(answers), -1), answers))


def _seconds(estimator: Estimator, X: Any) -> float:
    """Return how long answers for rows take, the shortest of three."""
    found = []
    for _ in range(3):
        begun = time.perf_counter()
        estimator.predict(X)
        found.append(time.perf_counter() - begun)
    return min(found)


def _bytes(estimator: Estimator) -> int:
    """Return the size of its file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        estimator.save(path)
        return os.path.getsize(path)


NEIGHBORS = 8
"""The rows beside a row."""
MOST_ROWS = 20_000
"""Of the rows between which new ones are made."""


class ColumnTable(NamedTuple):
    """A table as its columns by name."""

    columns: dict[str, Any]
    is_matrix: bool = False
    """whether it came as a matrix, and goes back as one"""
    of_all: OfAllRows = NOTHING
    """what is known of the columns by all rows, of which these may be a part"""

    @classmethod
    def of(cls, X: Any) -> ColumnTable:
        """Read a frame, a dict of columns, or a matrix."""
        if isinstance(X, Mapping):
            return cls(dict(X))
        if is_frame(X):
            frame = read_frame(X, "X")
            return cls({name: frame.get_column(name) for name in frame.columns})
        dense = np.asarray(X.toarray() if hasattr(X, "toarray") else X)
        return cls({str(k): dense[:, k] for k in range(dense.shape[1])}, is_matrix=True)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(next(iter(self.columns.values())))

    def take(self, rows: NDArray[np.int64]) -> ColumnTable:
        """Return some rows, also repeatedly."""
        return self._replace(columns=rows_of(self.columns, rows))

    def value(self) -> Any:
        """Return it as an estimator takes it."""
        return np.column_stack(list(self.columns.values())) if self.is_matrix else self.columns


def rows_between(
    table: ColumnTable, count: int, rng: np.random.Generator
) -> tuple[ColumnTable, NDArray[np.int64]]:
    """Return the rows of a table and `count` more behind them, and the number of the own row of each (rows,).

    A new row is a row i of which each column, with probability 1/2, has the value of a row j, one of the eight nearest
    to i; a column of fractions has x_i + u (x_j - x_i) instead, with u from 0 to 1 drawn for the row. Distances are
    those of the numbers and categories that `TablePreprocessor` makes of the table.
    """
    own = np.arange(table.rows)
    if not count:
        return table, own
    among = rng.permutation(table.rows)[:MOST_ROWS]
    some = reading.read(table.take(among).value())
    maker = TablePreprocessor(
        kinds=kinds_in_part(some.columns, table.of_all.kinds), missing=dict(table.of_all.marks)
    )
    prepared = np.asarray(maker.fit_transform(some), np.float64)
    nearest = NearestNeighbors(n_neighbors=min(NEIGHBORS + 1, len(among))).fit(prepared)
    beside = nearest.kneighbors(prepared, return_distance=False)
    at = rng.integers(0, len(among), count)
    first = among[at]
    second = among[beside[at, rng.integers(0, beside.shape[1], count)]]
    u = rng.random(count)
    columns = {}
    for name, values in table.columns.items():
        chosen = np.where(rng.random(count) < 0.5, first, second)
        made = rows_of(values, np.r_[own, chosen])
        numbers = fractions(values)
        if numbers is not None:
            blend = numbers[first] + u * (numbers[second] - numbers[first])
            made = np.r_[numbers, np.where(np.isnan(blend), numbers[chosen], blend)]
        columns[name] = made
    return table._replace(columns=columns), np.r_[own, first]


def fractions(values: Any) -> NDArray[np.float64] | None:
    """Return a column as numbers if these are fractions, NaN for missing; None for whole numbers and anything else."""
    if isinstance(values, CategoryCells):
        return None
    array = values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(values)
    if array.dtype.kind != "f":
        return None
    numbers = array.astype(np.float64)
    finite = numbers[np.isfinite(numbers)]
    return None if (finite == np.round(finite)).all() else numbers
