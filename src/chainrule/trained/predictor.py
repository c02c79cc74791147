"""A model bound for prediction, which prepares everything that calls share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import empty, ndarray
from numpy.typing import NDArray

from chainrule.core.arrays import RowsLike
from chainrule.data import checks
from chainrule.data.samples import TargetScale
from chainrule.network.answers import decide, probabilities, task_of
from chainrule.network.network import Network


class Predictor:
    """A snapshot of a model that predicts one row in microseconds, made by `Model.bind`.

    It keeps the parameters of that time; bind again after more training. Arrays of uint8, float32 and float64 are read
    in place, and the kernels check for NaN and infinity as they read; one contiguous row is fastest. In one row, zeros
    cost nothing.
    """

    def __init__(
        self,
        network: Network,
        dtype: np.dtype[Any],
        walk: Callable[[Any], NDArray[Any]],
        row: Callable[[Any, NDArray[Any]], int] | None,
        *,
        classes: NDArray[Any] | None = None,
        feature_names: tuple[str, ...] | None = None,
        target_scale: TargetScale | None = None,
    ) -> None:
        """Bind a network's forward passes, of dtype, of many rows and of one, with the labels and names of the data.

        walk: as `ForwardWalk`.  row: as `NativeWalk.row`, or None.
        """
        self.network, self.dtype = network, dtype
        self.classes, self.feature_names, self.target_scale = classes, feature_names, target_scale
        self._walk, self._row = walk, row
        self._rows: Callable[[Any], NDArray[Any] | None] | None = getattr(walk, "unchecked", None)
        self._shape = (1, network.fan_out)
        is_multiclass = task_of(network.loss, network.outputs) == "multiclass" and network.loss.keeps_order
        labels = np.arange(network.outputs) if classes is None else classes
        self._labels = labels if is_multiclass else None

    def outputs(self, X: RowsLike) -> NDArray[Any]:
        """Return the last layer's output (n, outputs), as `Model.outputs`. X: (n, inputs), or one row (inputs,)."""
        if self._row is not None:  # it rejects masked arrays itself
            out = empty(self._shape, self.dtype)
            if self._row(X, out) >= 0:
                return out if self.target_scale is None else self.target_scale.restore(out)
        found = None if self._rows is None or is_masked(X) else self._rows(X)
        if found is None:
            found = self._walk(checks.check_X(X, self.network.inputs, features=self.feature_names))
        return found if self.target_scale is None else self.target_scale.restore(found)

    def predict(self, X: RowsLike) -> NDArray[Any]:
        """Predict labels (n,) or numbers, as `Model.predict`."""
        if self._row is not None and self._labels is not None:
            best = self._row(X, empty(self._shape, self.dtype))
            if best >= 0:
                return self._labels[best : best + 1].copy()
        out = self.outputs(X)
        out = out if self.target_scale is None else self.target_scale.clamp(out)
        predicted: NDArray[Any] = decide(self.network.loss, out)
        return predicted if self.classes is None else self.classes[predicted]

    def predict_proba(self, X: RowsLike) -> NDArray[Any]:
        """Predict probabilities (n, classes) or (n, labels), as `Model.predict_proba`."""
        return probabilities(self.network.loss, self.outputs(X))


def is_masked(X: RowsLike) -> bool:
    """Return whether X is a masked array, whose memory does not show the mask."""
    return type(X) is not ndarray and hasattr(X, "mask")
