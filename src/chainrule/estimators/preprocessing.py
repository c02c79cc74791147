"""The table in front of an estimator: what `preprocess` asks for, and what the estimator says of its columns."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import clone

from chainrule.estimators.tables.preprocessor import TablePreprocessor
from chainrule.formulas.layers import Embedding

PUBLISHED = ("n_features_in_", "feature_names_in_")
"""The attributes of a preprocessor that are the estimator's too: its columns are the table's."""


def fitted(
    preprocess: Any,
    X: Any,
    y: Any,
    weight: Any,
    dtype: Any,
    trunk: Any = None,
    settings: Mapping[str, Any] = {},
) -> TablePreprocessor:
    """Return a preprocessor that has learned the table X: a new one for "auto", or a copy of the one given.

    y: the targets, by which it decides how many rows a category needs.
    settings: of the new one.
    weight: (n,) or None. A row of the median weight counts as one row, whatever the sum: min_count counts rows.
    trunk: the `Trunk` of a transfer, whose hidden layers know what its own preprocessor makes of a table; that one.
    """
    if trunk is not None and trunk.preprocessor is not None:
        known: TablePreprocessor = trunk.preprocessor
        return known
    if isinstance(preprocess, TablePreprocessor):
        made: TablePreprocessor = clone(preprocess)
    else:
        made = TablePreprocessor(dtype=dtype or "float32", **settings)
    weight = np.asarray(1.0 if weight is None else weight, np.float64)
    if weight.ndim == 0:
        return made.fit(X, y)
    some = weight[weight > 0]
    return made.fit(X, y, sample_weight=weight / np.median(some) if len(some) else weight)


def embedding(estimator: Any) -> list[Embedding]:
    """Return the layer of the vectors of codes, if the table has columns of codes."""
    codes = estimator.preprocessor_.embedded_ if "preprocessor_" in estimator.__dict__ else ()
    return [Embedding(codes)] if codes else []


def numbers(estimator: Any) -> tuple[int, ...]:
    """Return the places of the table's scaled numbers behind the layer of `embedding`, which puts codes last."""
    if "preprocessor_" not in estimator.__dict__:
        return ()
    made = estimator.preprocessor_
    codes = np.array([each[0] for each in made.embedded_], np.int64)
    return tuple(int(place - (codes < place).sum()) for place in made.numbers_)


def sources(estimator: Any) -> tuple[int, ...]:
    """Return the table's column that each input behind the layer of `embedding` is of."""
    if "preprocessor_" not in estimator.__dict__:
        return ()
    made = estimator.preprocessor_
    codes = {column: size for column, _, size in made.embedded_}
    rest = [source for place, source in enumerate(made.sources_) if place not in codes]
    return (*rest, *(made.sources_[column] for column, size in codes.items() for _ in range(size)))


def publish(estimator: Any) -> None:
    """Set the estimator's number and names of features to those of the table."""
    for name in PUBLISHED:
        estimator.__dict__.pop(name, None)
        if hasattr(estimator.preprocessor_, name):
            setattr(estimator, name, getattr(estimator.preprocessor_, name))


def without_table(estimator: Any) -> Any:
    """Return the estimator for samples that were preprocessed before: a copy that shares its model."""
    if "preprocessor_" not in estimator.__dict__:
        return estimator
    made = copy.copy(estimator)
    for name in ("preprocessor_", *PUBLISHED):
        made.__dict__.pop(name, None)
    made.preprocess, made.n_features_in_ = None, estimator.model_.network.inputs
    return made
