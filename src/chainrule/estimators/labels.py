"""Labels to numbers and back, as scikit-learn's MLP sees them: two classes, several, or several labels a sample."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.multiclass import type_of_target, unique_labels

from chainrule.errors import DataError


class Labels(NamedTuple):
    """What the labels of a training set are."""

    classes: NDArray[Any]
    """the sorted labels; with several labels a sample the numbers of the columns"""
    kind: str
    """"binary" for one or two classes, "multiclass", or "multilabel" """
    is_sparse: bool = False
    """whether y was a sparse matrix, as predictions then are"""

    @property
    def outputs(self) -> int:
        """The number of outputs of the network: 1 for two classes."""
        return 1 if self.kind == "binary" else len(self.classes)

    def encode(self, y: Any) -> NDArray[Any]:
        """Return y as in `Samples`: (n,) class numbers, or (n, outputs) of 0 and 1."""
        if self.kind == "multilabel":
            dense: Any = y.toarray() if hasattr(y, "toarray") else y
            return np.asarray(dense, np.float64)
        y = np.asarray(y)
        if self.kind == "multiclass":
            return np.asarray(np.searchsorted(self.classes, y), np.int64)
        is_second = np.asarray(y == self.classes[-1], np.float64)[:, None]
        return is_second if len(self.classes) > 1 else np.zeros_like(is_second)

    def decode(self, probability: NDArray[Any]) -> Any:
        """Return predicted labels (n,), or 0 and 1 (n, labels), from probabilities or logits (n, outputs)."""
        if self.kind == "multiclass":
            return self.classes[probability.argmax(1)]
        chosen = (probability > 0.5).astype(np.int64)
        if self.kind == "multilabel":
            return sparse.csr_matrix(chosen) if self.is_sparse else chosen
        return self.classes[np.minimum(chosen[:, 0], len(self.classes) - 1)]


def learn(y: Any) -> Labels:
    """Return what the labels y are. Raises ValueError for numbers, and for several outputs of several classes."""
    kind, classes = distinct(y, "y")
    return Labels(classes, kind.removesuffix("-indicator"), sparse.issparse(y))


def whole_labels(y: Any) -> Any:
    """Return labels of a nullable type of pandas, as Int64, in NumPy's type if none is missing; others as they are.

    scikit-learn's checks would make floats of them.
    """
    numpy_type = getattr(getattr(y, "dtype", None), "numpy_dtype", None)
    if numpy_type is None or numpy_type.kind not in "biu" or not hasattr(y, "isna") or y.isna().any():
        return y
    return np.asarray(y.to_numpy(dtype=numpy_type))


def distinct(y: Any, name: str) -> tuple[str, NDArray[Any]]:
    """Return what labels are, in scikit-learn's words, and the sorted ones of them; with several a sample the columns.

    name: the argument's, for errors.  Raises DataError for numbers that are no labels, several outputs of several
    classes, and labels that have no order, as None and text.
    """
    found = plainly(y)
    if found is not None:
        return found
    try:
        kind: str = type_of_target(y, input_name=name)
        classes = unique_labels(y) if kind in ("binary", "multiclass", "multilabel-indicator") else None
    except TypeError as error:
        raise DataError(
            f"{name} has labels that have no order ({error}); leave out the rows whose label is missing, and make all "
            "labels text or all numbers."
        ) from error
    if kind.startswith("continuous"):
        raise DataError(
            f"Unknown label type: {kind}. {name} has numbers that are not whole; use MLPRegressor to predict numbers."
        )
    if classes is None and "multioutput" not in kind:
        raise DataError(
            f"Unknown label type: {kind}. {name} must be labels (n,) of one type; leave out the rows whose label is "
            "missing, and convert other objects, as by y.astype(str)."
        )
    if "multioutput" in kind:
        raise DataError(
            f"Multioutput target data is not supported: {name} must be labels (n,), or 0 and 1 (n, labels); "
            "fit one classifier for each column."
        )
    return kind, np.asarray(classes)


def plainly(y: Any) -> tuple[str, NDArray[Any]] | None:
    """Return the same of labels (n,) of integers, booleans or text, looked through once; None to look closer.

    More classes than half of the samples are looked at closer, where scikit-learn warns.
    """
    if not (isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype.kind in "biuU"):
        return None
    classes = np.unique(y)
    if 2 * len(classes) > len(y):
        return None
    return "binary" if len(classes) <= 2 else "multiclass", classes
