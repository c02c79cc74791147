"""The data of a fit: samples, targets, and the preprocessor of a table, checked once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import check_X_y, column_or_1d
from sklearn.utils.validation import _check_sample_weight, _num_samples

from chainrule.data import checks
from chainrule.data.samples import Samples, joined
from chainrule.data.slopes import LinearInputs, with_slopes
from chainrule.errors import ConfigError, DataError
from chainrule.tables.kinds import check_kinds
from chainrule.tables.labels import ClassShares, Labels
from chainrule.tables.marks import check_missing
from chainrule.tables.numbers import Targets
from chainrule.tables.preprocessor import TablePreprocessor
from chainrule.tables.reading import RawTable
from chainrule.tables.rows import as_weights, rows_of
from chainrule.tables.sources import NOTHING, OfAllRows, ReadTable, kinds_in_part, known_of
from chainrule.tables.structure import FREE, RowStructure, RowValues, Split, read_structure, times_of

RULES: Mapping[str, Any] = {
    "accept_sparse": ["csr", "csc"],
    "multi_output": True,
    "dtype": (np.float64, np.float32),
}
"""What scikit-learn's check of X and y is told."""


class FitInput(NamedTuple):
    """What somebody passes to a fit."""

    X: Any
    y: Any
    sample_weight: Any = None
    X_val: Any = None
    y_val: Any = None
    groups: RowValues | None = None
    time: RowValues | None = None
    of_all: OfAllRows = NOTHING
    """what is known of the columns by all rows that there are, of which these may be a part"""
    exposure: str | None = None
    """the column that y was divided by, or BY_ROW of `chainrule.tables.exposure`; None where it was not"""
    rate_weight: NDArray[np.float64] | None = None
    """(n,) what the weight of each rate is multiplied by; None for 1"""
    rate_weight_val: NDArray[np.float64] | None = None
    """(m,) the same of X_val"""
    slopes: NDArray[Any] | None = None
    """(n, columns) or (n, outputs, columns) derivatives of y by the columns of X"""
    slope_weight: NDArray[Any] | float | None = None
    """their weight: of all, or of each of them, in the same shape"""

    def known_by(self, preprocessor: TablePreprocessor | None) -> FitInput:
        """Return the rows with what is known of their columns by the preprocessor of all rows."""
        return self._replace(of_all=known_of(preprocessor))

    def taken(self, rows: NDArray[np.int64]) -> FitInput:
        """Return some of the rows. A number, or the name of a column, is that of all rows."""
        names = "sample_weight", "groups", "time", "rate_weight", "slopes", "slope_weight"
        of_rows = {name: each for name in names if np.ndim(each := getattr(self, name))}
        return self._replace(
            **{n: rows_of(each, rows) for n, each in ({"X": self.X, "y": self.y} | of_rows).items()}
        )

    def parted(self, split: Split) -> FitInput:
        """Return the rows that a split learns from, with those that it holds out for validation."""
        held_out = {"X_val": rows_of(self.X, split.held_out), "y_val": rows_of(self.y, split.held_out)}
        return self.taken(split.train)._replace(**held_out)


@dataclass(frozen=True)
class FitData:
    """The data of a fit."""

    samples: Samples
    """all of them, with targets in their own units"""
    targets: Targets
    """what is predicted"""
    preprocessor: TablePreprocessor | None = None
    """what made the samples of a table; None for arrays"""
    feature_names: list[str] | None = None
    """of the samples; None without names"""
    validation: Samples | None = None
    """those that are passed for it"""
    y_val: Any = None
    """their targets, as they are passed"""
    passed_weight: NDArray[np.float64] | None = None
    """(m,) the weights of these where they are learned from too: those of their classes"""
    sample_weight: NDArray[np.float64] | None = None
    """(n,) the weights of the samples without those of their classes; None for 1 each"""
    rate_weight: NDArray[np.float64] | None = None
    """(n,) the further weight of each, if it is a rate; None for 1"""
    structure: RowStructure = FREE
    """what ties the samples together, where the fit itself holds some out"""
    table: FitInput | None = None
    """what was passed, where a preprocessor made the samples of it"""
    whole: FitData | None = None
    """those of all rows, where the fit itself holds out those of `validation`, see `parted`"""
    raw: RawTable | None = None
    """the table as it was read, for what looks at it before the training"""
    held_out: NDArray[np.int64] | None = None
    """(m,) which of these rows it holds out"""

    @property
    def rows(self) -> int:
        """The rows of the whole fit, with those that it holds out."""
        return self.samples.n if self.whole is None else self.whole.samples.n

    def with_passed(self) -> Samples:
        """Return the samples with those that are passed for validation behind them."""
        if self.validation is None or self.passed_weight is None:
            return self.samples
        return joined([self.samples, self.validation._replace(weight=self.passed_weight)])

    @property
    def labels(self) -> NDArray[Any] | None:
        """The label (n,) of each sample; None for numbers and for several labels a sample."""
        if self.targets.task not in ("binary", "multiclass"):
            return None
        return self.samples.y.reshape(self.samples.n, -1)[:, 0]

    @property
    def shares(self) -> ClassShares | None:
        """The shares of the classes; None for numbers, several labels a row, and a single class."""
        numbers, targets = self.labels, self.targets
        if numbers is None or not isinstance(targets, Labels) or len(targets.classes) < 2:
            return None
        weights = self.sample_weight, self.samples.weight
        sums = [np.bincount(numbers.astype(np.int64), each, len(targets.classes)) for each in weights]
        if not all(each.sum() > 0 for each in sums):
            return None
        return ClassShares(*(tuple((each / each.sum()).tolist()) for each in sums))


def structure_of(given: FitInput, gap: float | str, is_table: bool) -> RowStructure:
    """Return what ties the rows of a fit together, which matters where it holds some of them out itself.

    is_table: whether a preprocessor knows the columns by name.  Raises ConfigError for a name of another X.
    """
    for name in ("groups", "time"):
        if isinstance(value := getattr(given, name), str) and not is_table:
            raise ConfigError(
                f"{name}={value!r:.60} names a column of a table, which needs preprocess='auto'; pass the values, one "
                "per row."
            )
    if given.X_val is not None:
        return FREE
    return read_structure(given.X, given.groups, given.time, gap)


def checked(
    kind: type[Targets],
    given: FitInput,
    parameters: Mapping[str, Any],
    check_both: Callable[..., tuple[Any, Any]],
    check_X: Callable[[Any], Any],
    known: Targets | None = None,
    warm_start: bool = False,
    inputs: LinearInputs | None = None,
) -> FitData:
    """Return the checked data of a fit.

    kind: the class of the targets.  parameters: the estimator's, by name.
    check_both(X, y, **rules), check_X(X): return checked arrays, as scikit-learn does.
    known: the targets of a fit that is continued, or the labels passed to `partial_fit`; None to learn them from y.
    warm_start: whether y must have all of the known labels.
    inputs: what became of the columns that slopes are by; None for the inputs themselves.
    """
    y = kind.read(given.y, is_new=known is None)
    check_lengths(given.X, given.y)
    X, y = check_both(given.X, y, **RULES, **kind.rules)
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    if known is not None:
        known.check_again(y, warm_start)
    targets = kind.learn(y, parameters) if known is None else known
    y = in_columns(targets.encode(y))
    sample_weight = given.sample_weight
    if sample_weight is not None:
        sample_weight = np.asarray(_check_sample_weight(as_weights(sample_weight), X), np.float64)
    of_classes = targets.class_weights(parameters, y)
    rate_weight = given.rate_weight
    weight = check_weights(X.shape[0], sample_weight, of_classes if rate_weight is None else rate_weight)
    if (given.X_val is None) != (given.y_val is None):
        raise DataError("pass both X_val and y_val, or neither.")
    validation = passed_weight = None
    if given.X_val is not None:
        X_val = check_X(given.X_val)
        y_val = in_columns(targets.encode(targets.check_validation(X_val, given.y_val)))
        own = np.ones(len(y_val)) if given.rate_weight_val is None else given.rate_weight_val
        validation = Samples(X_val, y_val, own, targets.outputs)
        passed_weight = own * class_weights(of_classes, y, y_val)
    samples = Samples(X.tocsr() if hasattr(X, "tocsr") else X, y, weight, targets.outputs)
    samples = with_slopes(samples, given.slopes, given.slope_weight, inputs)
    data = FitData(samples, targets, sample_weight=sample_weight, rate_weight=rate_weight)
    return replace(data, validation=validation, y_val=given.y_val, passed_weight=passed_weight)


def check_lengths(X: object, y: object) -> None:
    """Check that there is one target for each row of a frame or an array X, and at least one. Raises DataError."""
    shape: Sequence[int] = getattr(X, "shape", ())
    try:
        rows, targets = shape[0], _num_samples(y)
    except (TypeError, IndexError):
        return  # scikit-learn's checks say what they are
    if not rows and not targets:
        raise DataError("Found array with 0 sample(s) while a minimum of 1 is required; X needs rows.")
    if targets != rows:
        raise DataError(
            f"Found input variables with inconsistent numbers of samples: [{rows}, {targets}]: X has {rows:,} rows and "
            f"y has {targets:,}; pass one target for each row."
        )


def check_weights(
    rows: int, sample_weight: NDArray[np.float64] | None, of_classes: NDArray[Any] | None
) -> NDArray[np.float64]:
    """Return the weights (rows,) of samples, times those of their classes. Raises DataError unless they can be used."""
    weight = np.ones(rows) if sample_weight is None else sample_weight
    if of_classes is not None:
        weight = weight * of_classes
    if (weight < 0).any():
        raise DataError(
            f"sample_weight and class_weight must be at least 0, not {weight.min():g}; a weight of 0 omits a sample."
        )
    if not weight.any():
        raise DataError("sample_weight times class_weight is 0 for every sample; pass a positive one.")
    return checks.in_range(weight)


def class_weights(
    of_rows: NDArray[Any] | None, encoded: NDArray[Any], others: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the class weights of other encoded targets than those of training, which have these; None for 1 each."""
    if of_rows is None or (of_rows == 1).all():
        return np.ones(len(others))
    labels, first = np.unique(encoded.reshape(len(encoded), -1)[:, 0], return_index=True)
    return np.asarray(of_rows[first][np.searchsorted(labels, others.reshape(len(others), -1)[:, 0])])


def fitted_preprocessor(
    preprocess: object,
    given: FitInput,
    table: RawTable,
    y: object,
    dtype: str | None,
    settings: Mapping[str, Any] = {},
) -> TablePreprocessor:
    """Return a preprocessor that has learned a table: a new one for "auto", or a copy of the one given.

    given: what a fit is given, whose X was read as the table.  y: its targets, by which the preprocessor decides how
    many rows a category needs.  settings: of the new one.
    A row of the median weight counts as one row, whatever the sum of weights: min_count counts rows.
    """
    if isinstance(preprocess, TablePreprocessor):
        made: TablePreprocessor = clone(preprocess)
    else:
        made = TablePreprocessor(dtype=dtype or "float32", **settings)
    known = {**kinds_in_part(table.columns, given.of_all.kinds), **check_kinds(made.kinds)}
    if isinstance(given.groups, str):  # rows to predict are of others, of whose name nothing was learned
        known[given.groups] = "drop"
    if given.exposure:
        known[given.exposure] = "drop"
    if known:
        made.set_params(kinds=known)
    if given.of_all.marks and made.missing is not None:
        made.set_params(missing={**given.of_all.marks, **(check_missing(made.missing) or {})})
    time = times_of(table, given.time)
    weight = as_weights(1.0 if given.sample_weight is None else given.sample_weight)
    if isinstance(weight, float):
        return made.fit(table, y, time=time)
    some = weight[weight > 0]
    return made.fit(table, y, sample_weight=weight / np.median(some) if len(some) else weight, time=time)


def of_table(
    kind: type[Targets],
    given: FitInput,
    parameters: Mapping[str, Any],
    preprocessor: TablePreprocessor,
    known: Targets | None = None,
    warm_start: bool = False,
    read: RawTable | ReadTable | None = None,
    is_prepared: bool = False,
) -> FitData:
    """Return the checked data of a fit on a table, by a fitted preprocessor. The arguments are those of `checked`.

    read: what X was read as before, of a source with its inputs; None where it was not.
    is_prepared: whether the tables are what the preprocessor made of them.
    """

    def transform(X: Any) -> Any:
        if is_prepared:
            return X
        if read is None or X is not given.X:
            return preprocessor.transform(X)
        return read.inputs if isinstance(read, ReadTable) else preprocessor.transform(read)

    def check_both(X: Any, y: Any, **rules: Any) -> tuple[Any, Any]:
        check_lengths(inputs := transform(X), y)
        found: tuple[Any, Any] = check_X_y(inputs, y, **rules)
        return found

    inputs = None if given.slopes is None else preprocessor.linear_
    data = checked(kind, given, parameters, check_both, transform, known, warm_start, inputs)
    names = preprocessor.get_feature_names_out().tolist()
    data = replace(data, preprocessor=preprocessor, feature_names=names)
    if isinstance(read, ReadTable):  # whose rows as they were stored are gone
        return data
    return replace(data, table=given, raw=read)


def parted(data: FitData, part: FitData, split: Split) -> FitData:
    """Return the data of a fit that learns from a part of the rows, prepared as if the others were still to come.

    What prepares a table learns the range of its numbers, which categories there are, and which of them are frequent.
    data: of all rows.  part: of those that the split learns from, by what is learned of them alone.
    """
    assert part.validation is not None
    weight = data.samples.weight[split.held_out]
    validation = part.validation._replace(weight=weight) if weight.any() else part.validation
    return replace(part, validation=validation, whole=data, held_out=split.held_out, raw=None)


def in_columns(y: NDArray[Any]) -> NDArray[Any]:
    """Return encoded targets as `Samples` has them: class numbers (n,), or (n, outputs)."""
    return y.reshape(len(y), -1) if y.dtype.kind == "f" else y
