"""Slopes to train on, checked: the derivatives of targets by features that are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.checks import as_array
from chainrule.data.samples import Samples, SlopeTargets, dense, measure_targets
from chainrule.errors import ConfigError, DataError, ShapeError


def read_slopes(slopes: ArrayLike, rows: int, outputs: int, features: int) -> NDArray[np.float64]:
    """Return slopes (rows, outputs, features), with NaN where one is not known.

    slopes: of one output also (rows, features).  Raises ShapeError for another shape, and DataError for other values.
    """
    given = np.asarray(as_array(slopes, "slopes"))
    wanted = (rows, features) if outputs == 1 else (rows, outputs, features)
    if given.shape not in (wanted, (rows, outputs, features)):
        raise ShapeError(
            f"slopes must have shape {wanted}, a derivative of each {'row' if outputs == 1 else 'output'} by each "
            f"column of X, not {given.shape}; put NaN where one is not known."
        )
    try:
        found = given.astype(np.float64).reshape(rows, outputs, features)
    except (TypeError, ValueError):
        raise DataError("slopes must contain numbers, or NaN where a slope is not known.") from None
    if given.dtype.kind == "c" or np.isinf(found).any():
        raise DataError("slopes must contain finite real numbers, or NaN where a slope is not known.")
    if np.isnan(found).all():
        raise DataError("slopes is NaN in every place; pass the derivatives that are known, or omit slopes.")
    return found


def matched(weight: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return a copy of the weight of slopes, in their shape. Raises ShapeError for what does not broadcast to it."""
    try:
        return np.array(np.broadcast_to(np.asarray(weight, np.float64), shape))
    except (TypeError, ValueError):
        raise ShapeError(
            f"slope_weight must be a number, or numbers that broadcast to the shape of slopes, {shape}, not "
            f"{weight!r:.60}."
        ) from None


class LinearInputs(NamedTuple):
    """What became of the columns of a table as inputs of a network."""

    names: tuple[str, ...]
    of: Sequence[tuple[int, int, float]]
    """those that are a linear function of one column: the column, the input, and what the column is divided by"""
    dropped: frozenset[int]
    """the columns that became none"""

    def slopes(self, d: NDArray[np.float64], inputs: int) -> NDArray[np.float64]:
        """Return slopes (n, outputs, inputs) by the inputs, from those by the columns (n, outputs, columns).

        Raises ConfigError for a known slope by another column, of which several inputs were made, or none linearly.
        """
        found = np.full((*d.shape[:2], inputs), np.nan)
        for column, place, spread in self.of:
            found[..., place] = d[..., column] * spread
        straight = self.dropped | {column for column, *_ in self.of}
        for column, name in enumerate(self.names):
            if column not in straight and not np.isnan(d[..., column]).all():
                raise ConfigError(
                    f"slopes by column {name!r:.60} need it as one number, scaled linearly; use "
                    "preprocess=TablePreprocessor(scale='linear'), and put NaN into slopes by categories and dates."
                )
        return found


def with_slopes(
    samples: Samples, slopes: ArrayLike | None, weight: ArrayLike | None, inputs: LinearInputs | None = None
) -> Samples:
    """Return samples with the slopes of their targets, in the units of both; unchanged where none are passed.

    weight: at least 0, of the shape of slopes or one that it broadcasts to; None for 1. That of a slope is multiplied
    by the variance of its input, so that the columns' units do not matter.
    inputs: what became of the columns that slopes are by; None where they are the features of the samples.
    """
    if slopes is None:
        if weight is not None:
            raise ConfigError("slope_weight is the weight of slopes; pass slopes too, or omit it.")
        return samples
    X: Any = dense(samples.X, np.float64)
    columns = X.shape[1] if inputs is None else len(inputs.names)
    d = read_slopes(slopes, samples.n, samples.outputs, columns)
    w = matched(1.0 if weight is None else weight, np.shape(slopes)).reshape(d.shape)
    if not np.isfinite(w).all() or (w < 0).any() or not (w[~np.isnan(d)] > 0).any():
        raise DataError("slope_weight must be finite, at least 0, and above 0 for a slope that is known.")
    if inputs is not None:
        w[np.isnan(d)] = np.nan
        ones = inputs._replace(of=[(column, place, 1.0) for column, place, _ in inputs.of])
        d, w = inputs.slopes(d, X.shape[1]), ones.slopes(w, X.shape[1])
    w *= measure_targets(X, samples.weight).std ** 2
    return samples._replace(slopes=SlopeTargets(np.nan_to_num(d), np.where(np.isnan(d), 0.0, w)))
