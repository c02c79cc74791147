"""The data of a fit: samples, what is predicted, and what prepares a table, checked once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_X_y, column_or_1d
from sklearn.utils.validation import _check_sample_weight

from chainrule.data.samples import Samples
from chainrule.errors import DataError
from chainrule.estimators.numbers import Targets
from chainrule.estimators.tables.preprocessor import TablePreprocessor

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

    def check_pair(self) -> None:
        """Check that samples for validation have targets, and targets samples. Raises DataError otherwise."""
        if (self.X_val is None) != (self.y_val is None):
            raise DataError("X_val and y_val belong together; pass both, or neither.")


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


def check_targets(
    kind: type[Targets],
    y: Any,
    parameters: Mapping[str, Any],
    known: Targets | None,
    warm_start: bool,
) -> tuple[Targets, NDArray[Any]]:
    """Return what is predicted, and checked targets y as in `Samples`.

    parameters: the estimator's, by name.  known: of a fit that goes on, or of the labels that are said.
    """
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    if known is None:
        known = kind.learn(y, parameters)
    else:
        known.check_again(y, warm_start)
    return known, known.encode(y)


def check_weights(
    X: Any, y: NDArray[Any], sample_weight: Any, targets: Targets, parameters: Mapping[str, Any]
) -> NDArray[np.float64]:
    """Return the weights (n,) of the samples, times those of their classes. Raises DataError unless they can be used.

    y: encoded.
    """
    weight = np.ones(X.shape[0])
    if sample_weight is not None:
        weight = np.asarray(_check_sample_weight(sample_weight, X), np.float64)
    of_classes = targets.class_weights(parameters, y)
    if of_classes is not None:
        weight = weight * of_classes
    if (weight < 0).any():
        raise DataError(
            f"sample_weight and class_weight must be at least 0, not {weight.min():g}; leave a sample out by 0."
        )
    if not weight.any():
        raise DataError("sample_weight times class_weight is 0 for every sample; give one that counts.")
    return weight


def table_data(
    kind: type[Targets],
    given: FitInput,
    parameters: Mapping[str, Any],
    preprocessor: TablePreprocessor,
    known: Targets | None = None,
    warm_start: bool = False,
) -> FitData:
    """Return the data of a fit on a table, which a preprocessor that was fitted makes samples of."""
    X, y = check_X_y(preprocessor.transform(given.X), kind.read(given.y), **RULES, **kind.rules)
    targets, y = check_targets(kind, y, parameters, known, warm_start)
    names = preprocessor.get_feature_names_out().tolist()
    return complete(X, y, given, targets, parameters, preprocessor.transform, preprocessor, names)


def complete(
    X: Any,
    y: NDArray[Any],
    given: FitInput,
    targets: Targets,
    parameters: Mapping[str, Any],
    check: Callable[[Any], Any],
    preprocessor: TablePreprocessor | None,
    feature_names: list[str] | None,
) -> FitData:
    """Return the data of a fit, from checked X and encoded y, with the weights and the samples to validate on.

    check(X): makes checked features of those passed for validation.
    """
    weight = check_weights(X, y, given.sample_weight, targets, parameters)
    given.check_pair()
    validation = None
    if given.X_val is not None:
        X_val = check(given.X_val)
        y_val = in_columns(targets.encode(targets.check_validation(X_val, given.y_val)))
        validation = Samples(X_val, y_val, np.ones(len(y_val)), targets.outputs)
    X = X.tocsr() if hasattr(X, "tocsr") else X
    samples = Samples(X, in_columns(y), weight, targets.outputs)
    return FitData(samples, targets, preprocessor, feature_names, validation, given.y_val)


def in_columns(y: NDArray[Any]) -> NDArray[Any]:
    """Return encoded targets as `Samples` has them: class numbers (n,), or (n, outputs)."""
    return y.reshape(len(y), -1) if y.dtype.kind == "f" else y
