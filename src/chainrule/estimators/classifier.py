"""The classifier."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target
from sklearn.utils.validation import check_consistent_length

from chainrule.data.samples import Samples
from chainrule.errors import ConfigError, DataError
from chainrule.estimators.base import MLPEstimator
from chainrule.estimators.constraints import SHARE, SHARED, StrOptions
from chainrule.estimators.documentation import documented
from chainrule.estimators.labels import distinct, learn, whole_labels
from chainrule.estimators.rates import has_partial_fit
from chainrule.estimators.settings import FitSettings
from chainrule.formulas.losses import Loss, SigmoidCrossEntropy, SoftmaxCrossEntropy
from chainrule.formulas.metrics import accuracy
from chainrule.network.answers import decide


@documented
@dataclass(eq=False, repr=False)
class MLPClassifier(ClassifierMixin, MLPEstimator):  # type: ignore[misc]
    """A fully connected network that predicts labels, with scikit-learn's interface.

        classifier = MLPClassifier(hidden_layer_sizes=(64, 64), random_state=0).fit(X, y)
        classifier.predict(X), classifier.predict_proba(X), classifier.score(X, y)
        classifier.model_.trace(X[:2], y[:2]), classifier.save("classifier.safetensors")

    Every parameter of scikit-learn's class of this name has its meaning and its default here, and the same random_state
    gives the same start, the same orders and so the same curve. y: (n,) labels, or 0 and 1 (n, labels) for several
    labels a sample.

    Fitted, it has classes_, coefs_, intercepts_, n_iter_, loss_, best_loss_, loss_curve_, validation_scores_,
    best_validation_score_, t_, n_layers_, n_outputs_, out_activation_, n_features_in_ and feature_names_in_ as there,
    and validation_loss_curve_, n_iter_refit_ (see refit) and model_, the `Model` beneath, whose methods explain it.

    class_weight: {label: weight}, "balanced" for n / (classes * samples of the class), or None.
    label_smoothing: the share of a label that is spread over all classes, in [0, 1).
    """

    hidden_layer_sizes: Any = (100,)
    activation: Any = "relu"
    _: KW_ONLY
    class_weight: Any = None
    label_smoothing: Any = 0.0

    _parameter_constraints: ClassVar[dict[str, Any]] = SHARED | {
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "label_smoothing": [SHARE],
    }

    # --- labels -----------------------------------------------------------------------------------------------------

    def _check_y(self, X: Any, y: Any, weight: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        X, y = self._validated(X, whole_labels(y), weight, reset)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._labels = learn(y)
            self.classes_ = self._labels.classes
        else:
            self._check_classes(distinct(y, "y")[1])
        self.n_outputs_ = self._labels.outputs
        self.out_activation_ = "softmax" if self._labels.kind == "multiclass" else "logistic"
        return X, self._labels.encode(y)

    def _check_classes(self, classes: NDArray[Any]) -> None:
        """Check the labels of a later call against those of the first."""
        if self.warm_start:
            if set(classes) != set(self.classes_):
                raise DataError(
                    "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                    f"Previously got {self.classes_}, `y` has {classes}"
                )
        elif len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise DataError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
            )

    def _encode(self, y: Any) -> NDArray[Any]:
        return self._labels.encode(y)

    def _decoded(self, y: NDArray[Any]) -> Any:
        if self._labels.kind == "multiclass":
            return self.classes_[y]
        return self._labels.decode(y)

    def _check_val_y(self, X: Any, y: Any) -> Any:
        y = np.asarray(whole_labels(y))
        y = column_or_1d(y) if y.ndim == 2 and y.shape[1] == 1 else y
        check_consistent_length(X, y)
        assert_all_finite(y, input_name="y_val")
        kind, classes = distinct(y, "y_val")
        if kind.startswith("multilabel") != (self._labels.kind == "multilabel"):
            raise DataError(f"y_val is {kind} and y is {self._labels.kind}; pass targets of the form of y.")
        unknown = np.setdiff1d(classes, self.classes_).tolist()
        if unknown:
            raise DataError(f"y_val has the label {unknown[0]!r}, which y has not; leave those rows out.")
        return y

    def _stratify(self, samples: Samples) -> NDArray[Any] | None:
        if self._labels.kind != "binary":
            return None
        second: NDArray[Any] = samples.y == 1
        is_rare = self.preprocess is not None and min(second.sum(), (~second).sum()) == 1
        return None if is_rare else second  # of one sample there are no two parts

    def _model_classes(self) -> NDArray[Any] | None:
        is_plain = self._labels.kind != "multilabel" and len(self.classes_) > 1
        return self.classes_ if is_plain else None

    def _weighted(self, y: NDArray[Any], weight: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.class_weight is None:
            return weight
        if self._labels.kind == "multilabel":
            raise ConfigError("class_weight is for one label a sample, not for several; use sample_weight.")
        numbers = y if y.ndim == 1 else y[:, 0].astype(np.int64)
        by_class = compute_class_weight(self.class_weight, classes=self.classes_, y=self.classes_[numbers])
        weighted: NDArray[np.float64] = weight * by_class[numbers]
        return weighted

    # --- the network ------------------------------------------------------------------------------------------------

    @property
    def _task(self) -> str:
        return self._labels.kind

    def _loss(self, settings: FitSettings) -> Loss:
        kind = SoftmaxCrossEntropy if self._labels.kind == "multiclass" else SigmoidCrossEntropy
        return kind(label_smoothing=float(settings.label_smoothing))

    def _score(self, out: NDArray[Any], samples: Samples) -> float:
        if self._labels.kind == "binary" and len(self.classes_) == 1:
            return 1.0  # whatever the output, the only label is predicted
        y = samples.y[:, 0] if samples.y.ndim == 2 and samples.y.shape[1] == 1 else samples.y
        weight = None if (samples.weight == 1).all() else samples.weight
        return accuracy(y, decide(self.model_.network.loss, out), weight)

    # --- use --------------------------------------------------------------------------------------------------------

    @available_if(has_partial_fit)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one epoch on X and y, continuing with the optimizer's state; return the classifier.

        classes: all labels that later calls may have, which the first call must say; y need not contain them all.
        """
        if _check_partial_fit_first_call(self, classes):
            is_multilabel = type_of_target(y).startswith("multilabel")
            self._labels = learn(y if is_multilabel else classes)
        if isinstance(self.class_weight, str):
            raise ConfigError(
                f"class_weight={self.class_weight!r} needs all samples at once, which partial_fit has not; pass "
                "{label: weight}, as sklearn.utils.compute_class_weight returns for all of y."
            )
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Any:
        """Predict labels (n,), or 0 and 1 (n, labels) for several labels a sample."""
        found = self._predicted(X)
        return self._labels.decode(found)

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Predict probabilities (n, classes), in the order of `classes_`."""
        found = self._predicted(X)
        return np.hstack([1 - found, found]) if found.shape[1] == 1 else found

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Predict the logarithms of the probabilities (n, classes)."""
        found = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            np.log(found, out=found)
        return found

    def __sklearn_tags__(self) -> Any:
        """Say that several labels a sample are taken."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
