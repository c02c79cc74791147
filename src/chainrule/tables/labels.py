"""Labels to numbers and back, as scikit-learn's MLP sees them: two classes, several, or several labels a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import type_of_target, unique_labels
from sklearn.utils.validation import check_consistent_length

from chainrule.core import codec
from chainrule.data.samples import Samples
from chainrule.errors import ConfigError, DataError
from chainrule.formulas.losses import (
    Loss,
    OrdinalCrossEntropy,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    loss_of,
)
from chainrule.formulas.metrics import accuracy
from chainrule.network.answers import decide
from chainrule.tables.rows import check_column, check_finite, check_moments_come_again, check_there

ORDINAL = "ordinal"
"""The loss of labels with an order, by name."""


@dataclass(frozen=True)
class Labels:
    """The labels of a training set."""

    classes: NDArray[Any]
    """the labels, sorted or in the order given; for multilabel data the indices of the columns"""
    kind: str
    """"binary" for one or two classes, "multiclass", or "multilabel" """
    is_sparse: bool = False
    """whether y was a sparse matrix, and so are predictions"""

    rules: ClassVar[Mapping[str, Any]] = {}
    """what scikit-learn's check of X and y is told"""

    # --- learned from y ---------------------------------------------------------------------------------------------

    @staticmethod
    def read(y: object, *, is_new: bool = False) -> object:
        """Return labels, of a nullable type of pandas in NumPy's. Raises DataError for missing ones.

        is_new: whether they are learned from y, and none are known before; dates must then come again.
        """
        check_column(y)
        if is_new:
            check_moments_come_again(y)
        check_there(y, what="label")
        return whole_labels(y)

    @classmethod
    def learn(cls, y: NDArray[Any], parameters: Mapping[str, Any]) -> Self:
        """Return what the labels y are. Raises DataError for numbers, and for several outputs of several classes."""
        kind, classes = distinct(y, "y")
        if kind == "multilabel-indicator":
            check_zeros_and_ones(y)
        if parameters["loss"] == ORDINAL and (
            kind == "multilabel-indicator" or classes.dtype.kind not in "biuf"
        ):
            raise DataError(
                f"loss={ORDINAL!r} needs labels with an order, and y has {classes[:3].tolist()!r:.60}; pass numbers, "
                "or pandas.Categorical(y, categories, ordered=True)."
            )
        return cls(classes, kind.removesuffix("-indicator"), sparse.issparse(y))

    @classmethod
    def in_order(cls, y: Any) -> Self | None:
        """Return what the labels of an ordered categorical of pandas are, in its order; None for others."""
        kind: Any = getattr(y, "dtype", None)
        if not getattr(kind, "ordered", False):
            return None
        there = set(np.asarray(y).tolist())
        classes = np.array([each for each in kind.categories.tolist() if each in there])
        return cls(classes, "binary" if len(classes) <= 2 else "multiclass")

    def check_again(self, y: NDArray[Any], warm_start: bool) -> None:
        """Check the labels of a later call against those of the first."""
        classes = distinct(y, "y")[1]
        if warm_start:
            if set(classes) != set(self.classes):
                raise DataError(
                    "warm_start can only be used where `y` has the same classes as in the previous call to "
                    f"fit. Previously got {self.classes}, `y` has {classes}"
                )
        elif len(np.setdiff1d(classes, self.classes, assume_unique=True)):
            raise DataError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes}. 'y' has "
                f"{classes}."
            )

    def check_validation(self, X: Any, y: Any) -> Any:
        """Return the checked labels of samples X for validation, which have no others than y."""
        check_there(y, "y_val", "label")
        y = np.asarray(whole_labels(y))
        y = column_or_1d(y) if y.ndim == 2 and y.shape[1] == 1 else y
        check_consistent_length(X, y)
        check_finite(y, "y_val")
        kind, classes = distinct(y, "y_val")
        if kind.startswith("multilabel") != (self.kind == "multilabel"):
            raise DataError(f"y_val is {kind} but y is {self.kind}; pass targets of the same form as y.")
        unknown = np.setdiff1d(classes, self.classes).tolist()
        if unknown:
            raise DataError(f"y_val has the label {unknown[0]!r}, which is not in y; omit those rows.")
        return y

    # --- what they are ----------------------------------------------------------------------------------------------

    @property
    def task(self) -> str:
        """What is predicted: binary, multiclass or multilabel."""
        return self.kind

    @property
    def outputs(self) -> int:
        """The number of outputs of the network: 1 for two classes."""
        return 1 if self.kind == "binary" else len(self.classes)

    @property
    def out_activation(self) -> str:
        """The function that turns outputs into probabilities."""
        return "softmax" if self.kind == "multiclass" else "logistic"

    @property
    def model_classes(self) -> NDArray[Any] | None:
        """The labels that the model beneath predicts; None for several a sample, and for a single class."""
        return self.classes if self.kind != "multilabel" and len(self.classes) > 1 else None

    @property
    def is_one_class(self) -> bool:
        """Whether there is a single class, which is predicted whatever the output."""
        return self.kind == "binary" and len(self.classes) == 1

    @property
    def are_two_without_1(self) -> bool:
        """Whether there are two, neither of which is the number 1, which scikit-learn takes for the positive class."""
        return self.kind == "binary" and len(self.classes) == 2 and 1 not in self.classes.tolist()

    # --- in training ------------------------------------------------------------------------------------------------

    def encode(self, y: Any) -> NDArray[Any]:
        """Return y as in `Samples`: (n,) class numbers, or (n, outputs) of 0 and 1."""
        if self.kind == "multilabel":
            dense: Any = y.toarray() if hasattr(y, "toarray") else y
            return np.asarray(dense, np.float64)
        y = np.asarray(y)
        if self.kind == "multiclass":
            order = np.argsort(self.classes, kind="stable")
            return np.asarray(order[np.searchsorted(self.classes, y, sorter=order)], np.int64)
        is_second = np.asarray(y == self.classes[-1], np.float64)[:, None]
        return is_second if len(self.classes) > 1 else np.zeros_like(is_second)

    def as_given(self, y: NDArray[Any]) -> Any:
        """Return encoded labels as the user gave them."""
        return self.classes[y] if self.kind == "multiclass" else self.predictions(y)

    def loss(self, parameters: Mapping[str, Any]) -> Loss:
        """Return the cross-entropy, or that of a function."""
        if not isinstance(parameters["loss"], str):
            if parameters["label_smoothing"]:
                raise ConfigError(
                    "label_smoothing does not apply to a function; smooth y in it, or omit label_smoothing."
                )
            of_function: Loss = loss_of(
                parameters["loss"], "classes" if self.kind == "multiclass" else "binary"
            )
            return of_function
        of_several = OrdinalCrossEntropy if parameters["loss"] == ORDINAL else SoftmaxCrossEntropy
        kind = of_several if self.kind == "multiclass" else SigmoidCrossEntropy
        return kind(label_smoothing=float(parameters["label_smoothing"]))

    def score(self, loss: Loss, out: NDArray[Any], samples: Samples) -> float:
        """Return the accuracy of outputs (n, outputs)."""
        if self.is_one_class:
            return 1.0  # whatever the output, the only label is predicted
        y = samples.y[:, 0] if samples.y.ndim == 2 and samples.y.shape[1] == 1 else samples.y
        weight = None if (samples.weight == 1).all() else samples.weight
        return accuracy(y, decide(loss, out), weight)

    def class_weights(self, parameters: Mapping[str, Any], y: NDArray[Any]) -> NDArray[Any] | None:
        """Return the weights (n,) of the classes of encoded labels; None for 1 each."""
        if parameters["class_weight"] is None:
            return None
        if self.kind == "multilabel":
            raise ConfigError("class_weight does not support multilabel data; use sample_weight.")
        numbers = y if y.ndim == 1 else y[:, 0].astype(np.int64)
        given = parameters["class_weight"]
        for label, weight in given.items() if isinstance(given, Mapping) else ():
            if not (isinstance(weight, (int, float, np.number)) and np.isfinite(weight) and weight >= 0):
                raise ConfigError(
                    f"class_weight must have a finite number of at least 0 for each label, not {weight!r} for {label!r}"
                    "; a weight of 0 omits a class."
                )
        by_class = compute_class_weight(
            parameters["class_weight"], classes=self.classes, y=self.classes[numbers]
        )
        weights: NDArray[Any] = by_class[numbers]
        return weights

    def stratify(self, y: NDArray[Any], is_table: bool) -> NDArray[Any] | None:
        """Return which samples have the second of two labels."""
        if self.kind != "binary":
            return None
        second: NDArray[Any] = y == 1
        is_rare = is_table and min(second.sum(), (~second).sum()) == 1
        return None if is_rare else second  # of one sample there are no two parts

    # --- in use -----------------------------------------------------------------------------------------------------

    def predictions(self, predicted: NDArray[Any]) -> Any:
        """Return labels (n,), or 0 and 1 (n, labels), from probabilities (n, outputs)."""
        if self.kind == "multiclass":
            return self.classes[predicted.argmax(1)]
        chosen = (predicted > 0.5).astype(np.int64)
        if self.kind == "multilabel":
            return sparse.csr_matrix(chosen) if self.is_sparse else chosen
        return self.classes[np.minimum(chosen[:, 0], len(self.classes) - 1)]

    def shares(self, predicted: NDArray[Any]) -> NDArray[Any]:
        """Return the probability of each class (n, classes) from probabilities (n, outputs): 1 of a single class."""
        if self.is_one_class:
            return np.ones_like(predicted)
        return np.hstack([1 - predicted, predicted]) if predicted.shape[1] == 1 else predicted


def check_zeros_and_ones(y: Any) -> None:
    """Check several labels a row. Raises DataError for other numbers than 0 and 1."""
    values = np.unique(y.data if hasattr(y, "tocsr") else y)
    other = values[(values != 0) & (values != 1)]
    if len(other):
        raise DataError(
            f"y (n, labels) says by 0 and 1 which labels a row has, and has {other[0]!s:.40}; fit one classifier for "
            "each column of classes."
        )


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
    found = find_plain_labels(y)
    if found is not None:
        return found
    try:
        kind: str = type_of_target(y, input_name=name)
        classes = unique_labels(y) if kind in ("binary", "multiclass", "multilabel-indicator") else None
    except TypeError as error:
        raise DataError(
            f"{name} has labels that cannot be sorted ({error}); omit the rows without a label, and make all "
            "labels text or all numbers."
        ) from error
    if kind.startswith("continuous"):
        raise DataError(
            f"Unknown label type: {kind}. {name} has numbers that are not integers; use MLPRegressor to "
            "predict numbers."
        )
    if classes is None and "multioutput" not in kind:
        raise DataError(
            f"Unknown label type: {kind}. {name} must be labels (n,) of one type; omit the rows without a "
            "label, and convert other objects, for example with y.astype(str)."
        )
    if "multioutput" in kind:
        raise DataError(
            f"Multioutput target data is not supported: {name} must be labels (n,), or 0 and 1 (n, labels); "
            "fit one classifier for each column."
        )
    return kind, np.asarray(classes)


def find_plain_labels(y: Any) -> tuple[str, NDArray[Any]] | None:
    """Return the same of labels (n,) of integers, booleans or text, looked through once; None to look closer.

    More classes than half of the samples are looked at closer, where scikit-learn warns.
    """
    if not (isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype.kind in "biuU"):
        return None
    classes = np.unique(y)
    if 2 * len(classes) > len(y):
        return None
    return "binary" if len(classes) <= 2 else "multiclass", classes


# --- the shares of the classes that a network was trained on, and probabilities where these are others ---------------
# A network learns the shares of its training rows, and class_weight changes these: with "balanced" a class of one row
# in a thousand has half of the weight, and its probabilities are as if it were every other row. Bayes' rule turns
# probabilities at one share of the classes into those at another.

Prior = Mapping[Any, float] | Sequence[float] | NDArray[Any]
"""The share of each class: by label, or in the order of classes_."""


Shares = Annotated[
    tuple[float, ...],
    codec.Condition(
        "* from 0 with a sum of 1", lambda each: min(each, default=-1) >= 0 and abs(sum(each) - 1) <= 1e-6
    ),
]


@codec.as_list
class ClassShares(NamedTuple):
    """The shares of the classes, in their order, each with a sum of 1."""

    of_rows: Shares
    """of the rows, by sample_weight"""
    trained: Shares
    """what the network learned: with class_weight too"""

    @classmethod
    def read(cls, data: Sequence[Sequence[float]], labels: Labels) -> Self:
        """Return those in a file. Raises FormatError unless they can be shares of these classes."""
        made = codec.read(cls, data, "the shares of the classes")
        sizes = {len(each) for each in made}
        codec.require({"one of each label": sizes == {len(labels.classes)}}, "the shares of the classes")
        return made

    def factors(self, prior: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return what each class's probability is multiplied by, before they are divided by their sum.

        prior: (classes,) the shares to turn to; None for those of the rows.
        """
        trained = np.array(self.trained)
        wanted = np.array(self.of_rows) if prior is None else prior
        found: NDArray[np.float64] = np.divide(wanted, trained, out=np.zeros(len(trained)), where=trained > 0)
        return found


def adjust_probabilities(
    p: NDArray[Any], shares: ClassShares, prior: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return probabilities (n, classes) at other shares of the classes: p_k prior_k / trained_k over their sum.

    Source: Saerens, Latinne, Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities: a
    simple procedure", Neural Computation 14 (2002), equation 2.4.
    """
    found: NDArray[np.float64] = np.asarray(p, np.float64) * shares.factors(prior)
    total = found.sum(1, keepdims=True)
    np.divide(found, total, out=found, where=total > 0)
    return found


def checked_prior(prior: Prior, labels: Labels) -> NDArray[np.float64]:
    """Return shares (classes,) with a sum of 1. Raises ConfigError for others than the labels can have."""
    classes = labels.classes.tolist()
    if isinstance(prior, Mapping):
        if set(prior) != set(classes):
            raise ConfigError(
                f"prior must have a share for each of the labels {classes!r:.100}, not {[*prior]!r:.100}."
            )
        prior = [prior[label] for label in classes]
    try:
        found = np.asarray(prior, np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"prior must be {len(classes)} numbers, the share of each class ({error})."
        ) from error
    if found.shape != (len(classes),) or not (
        np.isfinite(found).all() and (found >= 0).all() and found.sum() > 0
    ):
        raise ConfigError(
            f"prior must be {len(classes)} numbers of at least 0, the share of each class in the order of classes_, "
            f"not {prior!r:.100}."
        )
    made: NDArray[np.float64] = found / found.sum()
    return made
