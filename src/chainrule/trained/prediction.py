"""Shared by a trained network and an ensemble: prediction and evaluation from their outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.core.arrays import Array, RowsLike, TargetsLike
from chainrule.data import checks
from chainrule.data.samples import Samples, TargetScale
from chainrule.errors import ConfigError, ShapeError
from chainrule.formulas.metrics import confusion_matrix
from chainrule.network.answers import decide, probabilities, task_of, true_labels
from chainrule.network.network import Network
from chainrule.trained.evaluation import BATCH, evaluate_outputs, metric_names


class PredictionMixin:
    """Prediction and evaluation by `raw_outputs`, which a subclass defines: the outputs for checked rows."""

    has_members: ClassVar[bool] = False  # of theta, which is then (members, size)
    network: Network
    theta: NDArray[Any]
    states: dict[str, Any]
    dtype: Any
    seed: int
    classes: NDArray[Any] | None
    target_scale: TargetScale | None
    frozen: frozenset[str]
    epochs_trained: int
    steps_trained: int
    _feature_names: tuple[str, ...] | None

    def raw_outputs(
        self, X: RowsLike, engine: str, batch_size: int, precision: str | None = None
    ) -> NDArray[Any]:
        """Compute the outputs (n, fan_out) of checked rows, in the units of the loss."""
        raise NotImplementedError

    def _warn_if_untrained(self) -> None:
        """Warn if the parameters are the initial ones."""
        raise NotImplementedError

    def describe(
        self,
        classes: NDArray[Any] | None,
        feature_names: Iterable[str] | None,
        target_scale: TargetScale | None,
    ) -> None:
        """Take what is known of the data: the attributes of these names."""
        self.classes, self.feature_names, self.target_scale = classes, feature_names, target_scale

    @property
    def task(self) -> str:
        """The kind of prediction: "regression", "binary", "multiclass" or "multilabel"."""
        return task_of(self.network.loss, self.network.outputs)

    @property
    def labels(self) -> list[Any]:
        """The labels of the classes as in the data; without labels the indices of the classes, or of the outputs."""
        if self.classes is not None:
            return list(self.classes.tolist())
        return list(range(max(self.network.outputs, 2)))

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """The column names of the data frame that the model was trained on; None without one.

        Columns of later data frames are matched by name: they are reordered, unknown ones are ignored, and a missing
        one raises ShapeError. Arrays have no names and are used as they are.
        Assign a list to name the inputs, or None to use the columns of data frames in their own order.
        """
        return self._feature_names

    @feature_names.setter
    def feature_names(self, names: Iterable[str] | None) -> None:
        self._feature_names = check_feature_names(names, self.network.inputs)

    def check_samples(
        self,
        X: RowsLike,
        y: TargetsLike = None,
        *,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        names: tuple[str, str] = ("X", "y"),
    ) -> Samples:
        """Check X and y against the inputs, labels and feature names of the model, and return them as `Samples`.

        X may be `Samples` already checked for this model, without y: their values are not checked again.
        names: the names of X and y in error messages.  Raises ShapeError or DataError.
        """
        if isinstance(X, Samples):
            scale = self.target_scale
            return checks.check_known(X, y, self.network, sample_weight, class_weight, scale).scaled(scale)
        return checks.check_samples(
            self.network,
            X,
            y,
            sample_weight=sample_weight,
            class_weight=class_weight,
            classes=self.classes,
            features=self._feature_names,
            scale=self.target_scale,
            names=names,
        )[0]

    def outputs(
        self,
        X: RowsLike,
        *,
        engine: str = "auto",
        batch_size: int = BATCH,
        precision: str | None = None,
    ) -> NDArray[Any]:
        """Return the output of the last layer (n, fan_out): logits, log rates or numbers, as the loss takes them.

        With a `target_scale` these are numbers in the targets' units, in float64.  precision: as in `predict`.
        """
        size = checks.check_count(batch_size, "batch_size")
        out = self.raw_outputs(self._checked_rows(X), engine, size, precision)
        return out if self.target_scale is None else self.target_scale.restore(out)

    def predict(self, X: RowsLike, *, engine: str = "auto", precision: str | None = None) -> NDArray[Any]:
        """Predict labels (n,), 0 or 1 (n, labels) for multilabel, or numbers (n,) or (n, outputs) for regression.

        A model of `fit(scale_targets="clamp")` clips numbers to the range of its training targets.
        precision: "bf16" to round the inputs of matrix products to bfloat16, as `Compute` does in training; "int8" for
        products of 8-bit integers, by the ranges of `quantize`; None for the model's own.
        """
        out = self.outputs(X, engine=engine, precision=precision)
        self._warn_if_untrained()
        out = out if self.target_scale is None else self.target_scale.clamp(out)
        predicted: NDArray[Any] = decide(self.network.loss, out)
        return predicted if self.classes is None else self.classes[predicted]

    def predict_proba(
        self, X: RowsLike, *, engine: str = "auto", precision: str | None = None
    ) -> NDArray[Any]:
        """Predict probabilities (n, classes), with two columns for two classes, or (n, labels) for multilabel.

        precision: as in `predict`.
        """
        shares = probabilities(self.network.loss, self.outputs(X, engine=engine, precision=precision))
        self._warn_if_untrained()
        return shares

    def evaluate(
        self,
        X: RowsLike,
        y: TargetsLike = None,
        *,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        metrics: Iterable[str] | None = None,
        positive: object = None,
        engine: str = "auto",
        outputs: Array = None,
    ) -> dict[str, float]:
        """Compute the loss (weighted mean plus penalty) and the metrics on X and y; return them by name.

        Classification has accuracy, balanced_accuracy, precision, recall, f1, auc, average_precision and log_loss;
        multilabel the same without balanced_accuracy; regression mse, rmse, mae and r2, with `Poisson`, `Gamma` or
        `Tweedie` also the mean deviance, and d2, the explained share of it; with `OrdinalCrossEntropy` also rank_error,
        the mean distance of the predicted class to the true one in ranks.
        metrics: names of the metrics to compute; None for all of the task.
        positive: with two classes, the label of the positive one for precision, recall, f1, auc and average_precision;
        None for the one that sorts last (1 of 0 and 1, "yes" of "no" and "yes").  With more classes or labels they are
        the mean over the classes, one against the rest, as for SoftmaxCrossEntropy with two outputs unless positive is
        given.
        outputs: (n, fan_out), the result of `outputs(X)` if it is known.  X may be `Samples` from `check_samples`.
        """
        chosen = None if positive is None else self._class_number(positive)
        samples = self.check_samples(X, y, sample_weight=sample_weight, class_weight=class_weight)
        names = metric_names(metrics, self.task, self.network.loss)
        out = self._outputs(samples.X, outputs, engine)
        return evaluate_outputs(self.network, self.theta, out, samples, names, chosen)

    def _class_number(self, label: object) -> int:
        """Return the class index, 0 or 1, of one of two labels. Raises ConfigError for another label."""
        if self.task != "binary" and (self.task != "multiclass" or self.network.outputs != 2):
            known = f"{self.network.outputs} classes" if self.task == "multiclass" else self.task
            raise ConfigError(f"positive is for two classes; this network is for {known}; omit it.")
        if not any(known == label for known in self.labels):
            raise ConfigError(f"positive must be {self.labels[0]!r} or {self.labels[1]!r}, not {label!r}.")
        return self.labels.index(label)

    def confusion_matrix(
        self, X: RowsLike, y: TargetsLike = None, *, engine: str = "auto", outputs: Array = None
    ) -> NDArray[np.int64]:
        """Count how often each true class (row) was predicted as each class (column): (classes, classes).

        outputs: as in `evaluate`.
        """
        if self.task not in ("binary", "multiclass"):
            raise ConfigError(
                f"a confusion matrix needs one label per sample; this network is for {self.task}."
            )
        samples = self.check_samples(X, y)
        classes = max(self.network.outputs, 2)
        out = self._outputs(samples.X, outputs, engine)
        return confusion_matrix(true_labels(self.task, samples.y), decide(self.network.loss, out), classes)

    def _outputs(self, X: RowsLike, outputs: Array, engine: str) -> NDArray[Any]:
        """Return the given outputs if they have the shape for X, otherwise the network's output for X."""
        if outputs is None:
            return self.raw_outputs(X, engine, BATCH)
        out, shape = np.asarray(outputs), (X.shape[0], self.network.fan_out)
        if out.shape != shape:
            raise ShapeError(
                f"outputs must have shape {shape}, not {out.shape}; pass the result of outputs(X)."
            )
        return out if self.target_scale is None else self.target_scale.standardize(out).astype(self.dtype)

    def _checked_rows(self, X: RowsLike) -> Any:
        """Return the rows of X, checked unless they are `Samples`."""
        if isinstance(X, Samples):
            return checks.check_known(X, None, self.network, scale=X.scale).X
        return checks.check_X(X, self.network.inputs, features=self._feature_names)

    # --- links that are trained, and files -----------------------------------------------------------------------

    def freeze(self, *names: str) -> Self:
        """Exclude links from training, by name, or all links with parameters; return the model.

        A frozen batch norm uses its running statistics and does not update them. Of an ensemble it is all members.
        """
        self.frozen |= self._link_names(names)
        return self

    def unfreeze(self, *names: str) -> Self:
        """Train these links again, by name, or all links; return the model."""
        self.frozen -= self._link_names(names)
        return self

    def _link_names(self, names: tuple[str, ...]) -> frozenset[str]:
        known = {slot.link.name for slot in self.network.slots}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ConfigError(
                f"there is no link {unknown[0]!r} with parameters; choose from {', '.join(sorted(known))}."
            )
        return frozenset(names) or frozenset(known)


def check_feature_names(names: object, inputs: int) -> tuple[str, ...] | None:
    """Check the names of a model's features; return a tuple of distinct text, one per input, or None for None."""
    if names is None:
        return None
    made = () if isinstance(names, (str, dict)) or not isinstance(names, Iterable) else tuple(names)
    if not made or not all(isinstance(each, str) for each in made):
        raise ConfigError("feature_names must be a list of text, one name per input, or None.")
    if len(made) != inputs:
        raise ConfigError(
            f"feature_names has {len(made)} names but the network takes {inputs}; give one per input."
        )
    if len(set(made)) < len(made):
        twice = next(each for each in made if made.count(each) > 1)
        raise ConfigError(f"feature_names contains {twice[:60]!r} twice; names must be distinct.")
    return made
