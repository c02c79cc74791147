# Over 300 lines because a trained network is one thing: its numbers, what they predict, how well, and its file.
"""A trained network: the network and its parameters, with prediction and evaluation."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import states_in
from chainrule.data import checks, frames
from chainrule.data.samples import Samples, TargetScale
from chainrule.engines import Plan, select
from chainrule.errors import ConfigError, FormatError, ShapeError
from chainrule.formulas.layers import Layer
from chainrule.formulas.metrics import confusion_matrix
from chainrule.network.answers import decide, probabilities, task_of, true_labels
from chainrule.network.network import Network
from chainrule.network.summary import Summary, counted, summarize
from chainrule.trained import persistence
from chainrule.trained.evaluation import BATCH, evaluate_outputs, metric_names
from chainrule.trained.predictor import Predictor


class Trained:
    """A network with its parameters: it predicts, evaluates, is inspected and saved, but does not train.

    network: the layers and the loss.  theta (size,): all parameters.  states: the running statistics, by link name.
    seed: seeds the dropout masks and the random choices of inspection.  `chainrule.Model` is the subclass that trains.
    """

    def __init__(
        self, network: Network, theta: NDArray[Any], states: dict[str, Any], *, seed: int = 0
    ) -> None:
        """Store the parameters and states, which are not copied."""
        self.network = network
        self.theta, self.dtype = theta, theta.dtype
        self.states = states
        self.seed = seed
        self.classes: NDArray[Any] | None = None
        """the label of each class number; None before training, and if y is numbers"""
        self.target_scale: TargetScale | None = None
        """mean and std (outputs,) of the targets that `fit(scale_targets=True)` measured; None without them"""
        self._feature_names: tuple[str, ...] | None = None
        self.frozen: frozenset[str] = frozenset()
        """the names of the links that are excluded from training"""
        self.epochs_trained, self.steps_trained = 0, 0
        self._is_fresh = True

    # --- its numbers ---------------------------------------------------------------------------------------------

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Parameters by link name, as views of theta: parameters["dense_1"].W is (fan_in, fan_out)."""
        return self.network.named(self.network.unflatten(self.theta))

    @property
    def task(self) -> str:
        """The kind of prediction: "regression", "binary", "multiclass" or "multilabel"."""
        return task_of(self.network.loss, self.network.outputs)

    @property
    def labels(self) -> list[Any]:
        """The labels of the classes as in the data; without labels the numbers of the classes, or of the outputs."""
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
        self._feature_names = frames.check_feature_names(names, self.network.inputs)

    def in_float64(self) -> Self:
        """Return a copy of the model with all parameters in float64."""
        exact = copy.copy(self)
        exact.theta, exact.dtype = self.theta.astype(np.float64), np.dtype(np.float64)
        exact.states = states_in(np.float64, self.states)
        return exact

    def check_samples(
        self,
        X: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        class_weight: Mapping[Any, float] | str | None = None,
        names: tuple[str, str] = ("X", "y"),
    ) -> Samples:
        """Check X and y against the inputs, labels and feature names of the model, and return them as `Samples`.

        X may be `Samples` that were checked for this model before, without y: their values are not checked again.
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

    def summary(self, batch_size: int = 128) -> Summary:
        """Return a table of the layers with widths, parameters and operations, and the memory needed. Print it."""
        return summarize(self.network, self.dtype, self.frozen, batch_size)

    def _link_names(self, names: tuple[str, ...]) -> frozenset[str]:
        known = {slot.link.name for slot in self.network.slots}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ConfigError(
                f"there is no link {unknown[0]!r} with parameters; choose from {', '.join(sorted(known))}."
            )
        return frozenset(names) or frozenset(known)

    # --- prediction ----------------------------------------------------------------------------------------------

    def outputs(self, X: Any, *, engine: str = "auto", batch_size: int = BATCH) -> NDArray[Any]:
        """Return the output of the last layer (n, outputs): logits, log rates or numbers, as the loss takes them.

        With a `target_scale` these are numbers in the targets' units, in float64.
        """
        if isinstance(X, Samples):
            X = checks.check_known(X, None, self.network, scale=X.scale).X
        else:
            X = checks.check_X(X, self.network.inputs, features=self._feature_names)
        size = checks.check_count(batch_size, "batch_size")
        out = select(engine, Plan(self.network)).predict(self.network, self.theta, self.states, X, size)
        return out if self.target_scale is None else self.target_scale.restore(out)

    def predict(self, X: Any, *, engine: str = "auto") -> NDArray[Any]:
        """Predict labels (n,), 0 or 1 (n, labels) for multilabel, or numbers (n,) or (n, outputs) for regression."""
        out = self.outputs(X, engine=engine)
        self._warn_if_untrained()
        predicted: NDArray[Any] = decide(self.network.loss, out)
        return predicted if self.classes is None else self.classes[predicted]

    def predict_proba(self, X: Any, *, engine: str = "auto") -> NDArray[Any]:
        """Predict probabilities (n, classes), with two columns for two classes, or (n, labels) for multilabel."""
        shares = probabilities(self.network.loss, self.outputs(X, engine=engine))
        self._warn_if_untrained()
        return shares

    def bind(self, *, engine: str = "auto") -> Predictor:
        """Return a snapshot of the model with `predict`, `predict_proba` and `outputs`, for one row in microseconds."""
        return Predictor(
            self.network,
            self.theta,
            self.states,
            classes=self.classes,
            feature_names=self._feature_names,
            target_scale=self.target_scale,
            engine=engine,
        )

    def evaluate(
        self,
        X: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        class_weight: Mapping[Any, float] | str | None = None,
        metrics: Iterable[str] | None = None,
        positive: Any = None,
        engine: str = "auto",
        outputs: Any = None,
    ) -> dict[str, float]:
        """Compute the loss (weighted mean plus penalty) and the metrics on X and y; return them by name.

        Classification has accuracy, balanced_accuracy, precision, recall, f1, auc, average_precision and log_loss;
        multilabel the same without balanced_accuracy; regression mse, rmse, mae and r2.
        metrics: names of the metrics to compute; None for all of the task.
        positive: with two classes, the label that precision, recall, f1, auc and average_precision are computed for;
        None for the one that sorts last (1 of 0 and 1, "yes" of "no" and "yes").  With more classes or labels they are
        the mean over the classes, one against the rest, and so they are for SoftmaxCrossEntropy with two outputs unless
        positive is given.
        outputs: (n, outputs), the result of `outputs(X)` if it is known.  X may be `Samples` from `check_samples`.
        """
        chosen = None if positive is None else self._class_number(positive)
        samples = self.check_samples(X, y, sample_weight=sample_weight, class_weight=class_weight)
        names = metric_names(metrics, self.task)
        out = self._outputs(samples.X, outputs, engine)
        return evaluate_outputs(self.network, self.theta, out, samples, names, chosen)

    def _warn_if_untrained(self) -> None:
        """Warn if the model was neither trained nor loaded, and its parameters are the initial ones."""
        if self._is_fresh and not self.steps_trained and self.theta.size:
            drawn = self.network.initial_theta(self.seed, self.dtype)
            self._is_fresh = np.array_equal(self.theta, drawn)
            if self._is_fresh:
                warnings.warn(
                    "the model was never trained, so it predicts by its random initial weights; call fit first.",
                    stacklevel=3,
                )

    def _class_number(self, label: Any) -> int:
        """Return the class number, 0 or 1, of one of two labels. Raises ConfigError for another label."""
        if self.task != "binary" and (self.task != "multiclass" or self.network.outputs != 2):
            known = f"{self.network.outputs} classes" if self.task == "multiclass" else self.task
            raise ConfigError(f"positive is for two classes; this network is for {known}; leave it out.")
        if not any(known == label for known in self.labels):
            raise ConfigError(f"positive must be {self.labels[0]!r} or {self.labels[1]!r}, not {label!r}.")
        return self.labels.index(label)

    def confusion_matrix(
        self, X: Any, y: Any = None, *, engine: str = "auto", outputs: Any = None
    ) -> NDArray[np.int64]:
        """Count how often each true class (row) was predicted as each class (column): (classes, classes).

        outputs: as in `evaluate`.
        """
        if self.task not in ("binary", "multiclass"):
            raise ConfigError(
                f"a confusion matrix needs one label a sample; this network is for {self.task}."
            )
        samples = self.check_samples(X, y)
        classes = max(self.network.outputs, 2)
        out = self._outputs(samples.X, outputs, engine)
        return confusion_matrix(true_labels(self.task, samples.y), decide(self.network.loss, out), classes)

    def _outputs(self, X: Any, outputs: Any, engine: str) -> NDArray[Any]:
        """Return the given outputs if they have the shape for X, otherwise the network's output for X."""
        if outputs is None:
            return select(engine, Plan(self.network)).predict(self.network, self.theta, self.states, X, BATCH)
        out, shape = np.asarray(outputs), (X.shape[0], self.network.outputs)
        if out.shape != shape:
            raise ShapeError(f"outputs must have shape {shape}, not {out.shape}; pass what outputs(X) gives.")
        return out if self.target_scale is None else self.target_scale.standardize(out).astype(self.dtype)

    # --- files ---------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str], *, extra: Mapping[str, Any] | None = None) -> None:
        """Write the model to a safetensors file, which `chainrule.load` reads back bit for bit.

        extra: further JSON values for the file's metadata, which `load_with_extra` returns.
        """
        classes = None if self.classes is None else self.classes.tolist()
        scale = None
        if self.target_scale is not None:
            scale = {name: part.tolist() for name, part in self.target_scale._asdict().items()}
        known = {
            "dtype": self.dtype.name,
            "seed": self.seed,
            "classes": classes,
            **({} if self._feature_names is None else {"feature_names": self._feature_names}),
            **({} if scale is None else {"target_scale": scale}),
            "frozen": sorted(self.frozen),
            "epochs_trained": self.epochs_trained,
            "steps_trained": self.steps_trained,
        }
        persistence.save(path, self.network, self.theta, self.states, {**(extra or {}), **known})

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, custom: Mapping[str, type[Layer]] | None = None) -> Self:
        """Read a model from a file that `save` wrote. custom: classes of custom layers, by kind.

        Raises FormatError with the file and its fault, and OSError if the file cannot be read.
        """
        return cls.load_with_extra(path, custom=custom)[0]

    @classmethod
    def load_with_extra(
        cls, path: str | os.PathLike[str], *, custom: Mapping[str, type[Layer]] | None = None
    ) -> tuple[Self, dict[str, Any]]:
        """Read a model as `load` does, and the whole metadata of the file."""
        saved = persistence.load(path, custom)
        extra, found = saved.extra, cls.__new__(cls)
        Trained.__init__(found, saved.network, saved.theta, saved.states)
        try:
            found.seed = checks.check_seed(extra["seed"])
            classes = extra["classes"]
            found.classes = None if classes is None else checks.check_classes(classes, saved.network)
            found.feature_names = extra.get("feature_names")
            scale = extra.get("target_scale")
            found.target_scale = (
                None
                if scale is None
                else checks.check_scale(scale["mean"], scale["std"], saved.network.outputs)
            )
            found._is_fresh = False
            found.frozen = found._link_names(tuple(extra["frozen"])) if extra["frozen"] else frozenset()
            found.epochs_trained = checks.check_seed(extra["epochs_trained"], "epochs_trained", 63)
            found.steps_trained = checks.check_seed(extra["steps_trained"], "steps_trained", 63)
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"{path}: the metadata is malformed ({str(error)[:300]}).") from error
        return found, extra

    def __repr__(self) -> str:
        """Show the widths of the dense layers and blocks, the number of parameters, and the epochs of training."""
        wide = [link.fan_out for link in self.network.links if link.params or link.branches]
        widths = [str(self.network.inputs), *map(str, wide)]
        trained = "not trained yet"
        if self.steps_trained:
            trained = f"trained for {counted(self.epochs_trained, 'epoch')}"
        shape = "-".join(widths if len(widths) <= 8 else [*widths[:5], "...", *widths[-2:]])
        size = f"{self.network.size:,} parameters"
        return f"<{type(self).__name__} {shape}: {size}, {self.dtype}, {self.task}, {trained}>"
