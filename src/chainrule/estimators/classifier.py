"""The classifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target

from chainrule.bound.predictors import BoundClassifier
from chainrule.errors import ConfigError
from chainrule.estimators.base import MLPEstimator
from chainrule.estimators.thresholds import decided, exclusive, rows_to_judge
from chainrule.fitting import covering
from chainrule.fitting.held import FittedAttribute
from chainrule.fitting.parameters import (
    SHARE,
    activation,
    documented,
    has_partial_fit,
    hidden_layer_sizes,
    parameter,
    values_of,
)
from chainrule.fitting.prepare import FitRequest
from chainrule.fitting.result import FitResult
from chainrule.tables.data import FitInput
from chainrule.tables.labels import ORDINAL, Labels, Prior, adjust_probabilities, checked_prior
from chainrule.tables.structure import Table
from chainrule.trust.decisions import Decision
from chainrule.trust.reliability import BINS, Reliability, of_classes
from chainrule.trust.scorers import Scoring


def labels_of(result: FitResult) -> Labels:
    """Return the targets of a classifier's fit."""
    assert isinstance(result.targets, Labels)
    return result.targets


def threshold_in(result: FitResult) -> float:
    """Return the threshold of a classifier of two classes. Raises AttributeError for another one."""
    labels = result.targets
    if not (isinstance(labels, Labels) and labels.kind == "binary" and len(labels.classes) == 2):
        raise AttributeError("only a classifier of two classes has a threshold")
    decided = None if result.decision is None else result.decision.threshold
    return 0.5 if decided is None else decided


@documented
@dataclass(eq=False, repr=False)
class MLPClassifier(ClassifierMixin, MLPEstimator):  # type: ignore[misc]
    """A fully connected network that predicts labels, with scikit-learn's interface.

        classifier = MLPClassifier(hidden_layer_sizes=(64, 64), random_state=0).fit(X, y)
        classifier.predict(X), classifier.predict_proba(X), classifier.score(X, y)
        classifier.model_.trace(X[:2], y[:2]), classifier.save("classifier.safetensors")

    Every parameter of scikit-learn's class of this name has the same meaning and default, and the same random_state
    gives the same initial weights, shuffles and so the same loss curve. y: (n,) labels, or 0 and 1 (n, labels) for
    multilabel data.

    After fit it has classes_, coefs_, intercepts_, n_iter_, loss_, best_loss_, loss_curve_, validation_scores_,
    best_validation_score_, t_, n_layers_, n_outputs_, out_activation_, n_features_in_ and feature_names_in_ as there,
    and validation_loss_curve_, n_iter_refit_ (see refit), threshold_ and decision_ (see `set_threshold`) and model_,
    the underlying `Model`, whose methods explain it.
    """

    hidden_layer_sizes: Any = hidden_layer_sizes()
    activation: Any = activation()
    _: KW_ONLY
    loss: Any = parameter(
        "log_loss",
        [StrOptions({"log_loss", ORDINAL}), callable],
        '"log_loss", or "ordinal" for classes with an order, numbers or an ordered categorical of pandas: a cumulative '
        "link model, by which a row near one class is near its neighbors too; or a function, see `LossFunction`.",
        "network",
    )
    class_weight: Any = parameter(
        None,
        [dict, StrOptions({"balanced"}), None],
        '{label: weight}, "balanced" for n / (classes * samples of the class), or None.',
    )
    label_smoothing: Any = parameter(
        0.0, [SHARE], "the fraction of each label spread over all classes, in [0, 1).", "network"
    )

    classes_ = FittedAttribute[NDArray[Any]](lambda result: labels_of(result).classes)
    """the labels, sorted; of an ordered categorical with loss="ordinal", in its order"""

    threshold_ = FittedAttribute[float](threshold_in)
    """the probability of `classes_[1]` from which on `predict` chooses it; only for two classes"""
    decision_ = FittedAttribute[Decision | None](lambda result: result.decision)
    """what `set_threshold` chose; None for the likeliest class"""

    target_type = Labels

    @available_if(has_partial_fit)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one epoch on X and y, continuing with the optimizer's state; return the classifier.

        classes: all labels of later calls, required in the first call; y need not contain them all.
        """
        _check_partial_fit_first_call(self, classes)
        labels = None
        if self._result is None:
            is_multilabel = type_of_target(y).startswith("multilabel")
            given = y if is_multilabel else self.classes_ if classes is None else classes
            labels = self._ordered(given) or Labels.learn(
                y if is_multilabel else self.classes_, values_of(self)
            )
        if isinstance(self.class_weight, str):
            raise ConfigError(
                f"class_weight={self.class_weight!r} needs all samples at once, which partial_fit does not have; pass "
                "{label: weight}, as sklearn.utils.compute_class_weight returns for all of y."
            )
        with self._check_and_tell():
            return self._fit(FitInput(X, y, sample_weight), incremental=True, labels=labels)

    def predict(self, X: Table, *, precision: str | None = None) -> Any:
        """Predict labels (n,), or 0 and 1 (n, labels) for multilabel data.

        precision: "bf16" for matrix products of bfloat16, "int8" of 8-bit integers, as in `Model.predict`; None for the
        networks' own.
        """
        return self._predictions(X, precision)

    def predict_proba(self, X: Table, *, precision: str | None = None) -> NDArray[Any]:
        """Predict probabilities (n, classes), in the order of `classes_`. precision: as in `predict`."""
        return labels_of(self._fitted).shares(self._predicted(X, precision))

    def bind(self, *, precision: str | None = None) -> BoundClassifier:
        """Return a snapshot that answers one raw row in microseconds: a mapping, or a sequence in column order.

        bound = classifier.bind()
        bound.predict({"age": 41, "job": None}), bound.predict_proba([41, None])
        """
        return self._bind(BoundClassifier, precision)

    def predict_set(
        self,
        X: Table,
        coverage: covering.Coverage = 0.9,
        *,
        by: str | int | None = None,
        per_label: bool = False,
        precision: str | None = None,
    ) -> NDArray[np.bool_]:
        """Predict sets of labels that contain the true one for a share `coverage` of rows.

            net = MLPClassifier(preprocess="auto").fit(X, y)
            is_in = net.predict_set(X_new, 0.9)
            net.classes_[is_in[0]]  # the labels of the first row

        Returns a mask (n, classes), in the order of `classes_`. A row has several labels if they are hard to tell
        apart, and none if no label is probable enough, as for rows unlike those of the fit.
        coverage: between 0 and 1; or several, which are an axis before the last: (n, coverages, classes). The sets of a
        larger one contain those of a smaller one.
        by: the name or number of a column; each of its groups gets this coverage, by the held-out rows of the group.
        per_label: whether the rows of each label get this coverage, rare labels too; the sets are then larger.
        precision: as in `predict`.

        They are calibrated on the rows that the fit held out (early_stopping, X_val or a race), with no further fit;
        docs/trust.md says what is guaranteed. Every label is in the sets, with a warning, where there are fewer
        than coverage / (1 - coverage) such rows.
        Raises ConfigError where the fit held out no rows, and for several labels a row.
        """
        coverage = covering.check_coverages(coverage)
        result = self._fitted
        return covering.sets(result, *self._with_inputs(X, precision), coverage, by, per_label)

    def predict_log_proba(self, X: Table, *, precision: str | None = None) -> NDArray[Any]:
        """Predict the logarithms of the probabilities (n, classes). precision: as in `predict`."""
        found = self.predict_proba(X, precision=precision)
        with np.errstate(divide="ignore"):
            np.log(found, out=found)
        return found

    def adjusted_proba(self, X: Any, prior: Prior | None = None) -> NDArray[Any]:
        """Predict probabilities (n, classes) for rows in which the classes have other shares than in training.

            MLPClassifier(preprocess="auto", class_weight="balanced").fit(X, y).adjusted_proba(X)
            classifier.adjusted_proba(X, {"No": 0.999, "Yes": 0.001})

        p_k prior_k / trained_k, over their sum, where trained_k are the shares that the network learned, class_weight
        included.

        prior: the share of each class, by label or in the order of classes_; None for those of the training rows, which
        undoes class_weight.
        Source: Saerens, Latinne, Decaestecker, Neural Computation 14 (2002). Raises ConfigError for other shares, and
        for a classifier whose training rows are not known.
        """
        result = self._fitted
        labels = exclusive(result)
        if result.shares is None:
            raise ConfigError(
                "adjusted_proba needs the shares of the classes in training, which this file does not have; fit again."
            )
        wanted = None if prior is None else checked_prior(prior, labels)
        return adjust_probabilities(self.predict_proba(X), result.shares, wanted)

    def reliability(self, X: object = None, y: object = None, *, bins: int = BINS) -> Reliability:
        """Compare predicted probabilities with how often they came true: a result with its diagram and its ECE.

            print(classifier.reliability(X_test, y_test)); classifier.reliability(X_test, y_test).figure()

        X, y: rows that the network has not learned from; None for those that the fit held out, which chose its epoch.
        bins: the most bins, of equal counts of rows.
        Of two classes it is the probability of `classes_[1]`, of more that of the predicted class.
        Raises DataError where no rows were held out, and ConfigError for data with several labels a row.
        """
        judged = rows_to_judge(self, X, y)
        p = judged.predicted
        shares = np.hstack([1 - p, p]) if p.shape[1] == 1 else p
        return of_classes(shares, judged.y, [f"{label}" for label in judged.labels.classes], bins=bins)

    def set_threshold(
        self,
        scoring: Scoring | None = None,
        *,
        costs: Sequence[Sequence[float]] | NDArray[Any] | None = None,
        threshold: float | None = None,
        X: object = None,
        y: object = None,
    ) -> Self:
        """Choose how `predict` makes labels of probabilities, without a new fit; return the classifier.

            classifier.set_threshold("f1").threshold_, print(classifier.decision_)
            classifier.set_threshold(costs=[[0, 1], [20, 0]]).predict(X)

        With one of these arguments; with none of them `predict` chooses the likeliest class again.

        scoring: of two classes, the score that the threshold maximizes on the rows that the fit held out: the name of
        a scorer of scikit-learn, or a function scorer(estimator, X, y) that calls predict.
        costs: (classes, classes) costs[i][j] is that of predicting `classes_[j]` for a row of `classes_[i]`; negative
        numbers are gains. The class with the least expected cost is chosen.
        threshold: of two classes, the probability of `classes_[1]` from which on it is chosen.
        X: for a function that reads columns, the X of the fit (or its X_val), whose rows that were held out it gets.
        X, y: other rows to choose on, that the network has not learned from.

        `threshold_` is then the threshold, and `decision_` has its interval and the score or the mean cost that is
        expected, with an interval. The next fit forgets it. Raises DataError where no rows were held out, and
        ConfigError for arguments that do not fit the labels.
        """
        return self._deciding(decided(self, scoring, costs, threshold, X, y))

    def _ordered(self, y: Any) -> Labels | None:
        """Return the labels of an ordered categorical, where their order matters; None elsewhere."""
        return Labels.in_order(y) if self.loss == ORDINAL else None

    def _make_request(
        self, given: FitInput, incremental: bool, labels: Any, conditions: Any, raced: Any
    ) -> FitRequest:
        """Return what a fit is asked for, with the labels of an ordered categorical."""
        return super()._make_request(given, incremental, labels or self._ordered(given.y), conditions, raced)

    def _deciding(self, decision: Decision | None) -> Self:
        """Let a decision make the labels, and return the classifier."""
        self._result = replace(self._fitted, decision=decision)
        return self

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags, with support of multilabel data."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
