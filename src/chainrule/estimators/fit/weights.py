"""The weights of the samples of a fit, with those of their classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DataError
from chainrule.estimators.numbers import Targets


def class_weights(
    parameters: Mapping[str, Any], targets: Targets, encoded: NDArray[Any], others: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the class weights of other encoded targets than those of training, equal to theirs."""
    of_rows = check_weights(encoded, encoded, None, targets, parameters)
    if (of_rows == 1).all():
        return np.ones(len(others))
    labels, first = np.unique(encoded.reshape(len(encoded), -1)[:, 0], return_index=True)
    return np.asarray(of_rows[first][np.searchsorted(labels, others.reshape(len(others), -1)[:, 0])])


def check_weights(
    X: Any,
    y: NDArray[Any],
    sample_weight: NDArray[np.float64] | None,
    targets: Targets,
    parameters: Mapping[str, Any],
) -> NDArray[np.float64]:
    """Return the weights (n,) of the samples, times those of their classes. Raises DataError unless they can be used.

    y: encoded.
    """
    weight = np.ones(X.shape[0]) if sample_weight is None else sample_weight
    of_classes = targets.class_weights(parameters, y)
    if of_classes is not None:
        weight = weight * of_classes
    if (weight < 0).any():
        raise DataError(
            f"sample_weight and class_weight must be at least 0, not {weight.min():g}; a weight of 0 omits a sample."
        )
    if not weight.any():
        raise DataError("sample_weight times class_weight is 0 for every sample; pass a positive one.")
    return weight
