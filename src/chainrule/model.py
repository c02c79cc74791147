# Over 300 lines because it is the public face: one method a use, each a docstring and a few calls.
"""The model: a network, its parameters, and how to train it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data import checks, frames
from chainrule.data.samples import Samples, TargetScale, measure_targets
from chainrule.engines import Plan, select
from chainrule.engines.step import gradient
from chainrule.errors import ChainruleError, ConfigError, DataError, ShapeError
from chainrule.formulas.layers import Context, Layer
from chainrule.formulas.losses import Loss
from chainrule.formulas.optimizers import LBFGS, AnyOptimizer, GradientDescent, Optimizer
from chainrule.formulas.schedules import ReduceOnPlateau, Schedule
from chainrule.inspection.trace.gradient_check import GradientCheck, check_gradient
from chainrule.inspection.trace.trace import MEMORY_LIMIT, Trace, check_memory
from chainrule.network import advice
from chainrule.network.network import Network, with_head
from chainrule.network.summary import Summary, counted, summarize
from chainrule.trained import persistence
from chainrule.trained.predictor import Predictor
from chainrule.training import History, ProgressBar, as_callbacks, settings
from chainrule.training import fit as training
from chainrule.training.evaluation import (
    BATCH,
    decide,
    evaluate_outputs,
    probabilities,
    task_of,
    true_labels,
)
from chainrule.training.without_backprop import Method

if TYPE_CHECKING:
    from chainrule.inspection.attribution import Attribution
    from chainrule.inspection.flow.flow import Flow

DTYPES = {"float32": np.float32, "float64": np.float64}


class Model:
    """A network with numbers in it.

    network: the chain and its loss.  seed: of the initial weights, the shuffles and the dropout masks.
    dtype: "float32" or "float64", of all parameters and arithmetic.
    """

    def __init__(self, network: Network, *, seed: int = 0, dtype: Any = "float32") -> None:
        """Draw the initial parameters."""
        if not isinstance(network, Network):
            raise ConfigError(f"network must be a Network, not {network!r}.")
        try:
            name = np.dtype(dtype).name
        except (TypeError, ValueError, SyntaxError):  # the last for text such as "9)9", which NumPy parses
            name = str(dtype)
        self.network = network
        self.seed = checks.check_seed(seed)
        self.dtype = np.dtype(checks.check_choice(name, DTYPES, "dtype"))
        self.theta: NDArray[Any] = network.initial_theta(self.seed, self.dtype)
        self.states: dict[str, Any] = network.initial_states(self.dtype)
        self.classes: NDArray[Any] | None = None
        """the labels that class numbers stand for; None before any were seen, and where y is numbers"""
        self.target_scale: TargetScale | None = None
        """mean and std (outputs,) of the targets that `fit(scale_targets=True)` measured; None where y is as it came"""
        self._feature_names: tuple[str, ...] | None = None
        self.frozen: frozenset[str] = frozenset()
        self.epochs_trained = 0
        self.steps_trained = 0
        self._is_fresh = True
        self.history = History()
        """what the last call of `fit` recorded, also where Ctrl-C ended it; empty before the first, and after `load`"""

    # --- its numbers ---------------------------------------------------------------------------------------------

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Parameters by link name, as views of theta: parameters["dense_1"].W is (fan_in, fan_out)."""
        return self.network.named(self.network.unflatten(self.theta))

    @property
    def task(self) -> str:
        """What the network is for: regression, binary, multiclass or multilabel."""
        return task_of(self.network.loss, self.network.outputs)

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """The names of the columns that the model was trained on; None before it saw a data frame with names of text.

        Data frames are matched to them by name: columns in another order are put in this one, columns that the model
        does not know are left out, and a missing one is refused. Arrays have no names and are taken as they are.
        Assign a list to name the inputs, or None to take every data frame's columns as they stand.
        """
        return self._feature_names

    @feature_names.setter
    def feature_names(self, names: Iterable[str] | None) -> None:
        self._feature_names = frames.check_feature_names(names, self.network.inputs)

    def summary(self, batch_size: int = 128) -> Summary:
        """Layers, shapes, parameters, memory and operations a sample; print it."""
        return summarize(self.network, self.dtype, self.frozen, batch_size)

    # --- training ------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        epochs: int = 10,
        batch_size: int | None = 128,
        optimizer: AnyOptimizer | str | None = None,
        schedule: Schedule | str | None = None,
        validation_data: tuple[Any, Any] | None = None,
        validation_fraction: float | None = None,
        sample_weight: Any = None,
        class_weight: Mapping[Any, float] | str | None = None,
        metrics: Iterable[str] | None = None,
        callbacks: Iterable[Any] = (),
        scale_targets: bool | None = None,
        shuffle: bool = True,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        precision: str | None = None,
        resume: str | os.PathLike[str] | None = None,
        verbose: int = 0,
        engine: str = "auto",
        method: Method | str | None = None,
    ) -> History:
        """Train in place, and return what was recorded: it stays in `history`, also where Ctrl-C ends the training.

        X: (n, features) array, memory map, CSR matrix or data frame, whose column names become `feature_names`.
        y: labels, numbers, or (n, outputs).
        batch_size: samples a step; None for all of them in one.  optimizer, schedule: objects, or names for their
        defaults; Adam(1e-3) at a constant rate unless given.  The schedule multiplies the optimizer's learning rate.
        validation_data: (X, y), evaluated after each epoch; or validation_fraction of the samples, drawn by the seed.
        class_weight: {label: weight} or "balanced".  metrics: of the validation data, by name.
        scale_targets: for targets in their own units (prices, degrees), the more so for outputs of different units.
        The network learns y standardized by output, (y - mean) / std with the `target_scale` of the training samples,
        which the model keeps. The loss, its gradients and the history's losses are of the standardized targets;
        predictions and metrics are in y's units. None: as the model was first trained.
        callbacks: `Callback` objects or functions of the run.  clip_norm, clip_value: bounds of the gradient.
        precision: "bf16" to round what goes into a product to bfloat16, with float32 sums and weights (native engine);
        a processor with AVX-512 BF16 is the faster for it.
        resume: a checkpoint to go on from.  verbose: 0 silent, 1 a bar, 2 a line an epoch.
        engine: "auto", or the name of one.  method: another way than backpropagation, by name ("spsa") or as an
        object (SPSA(c=1e-3)); where it is named, the history counts the `forward_passes` of each epoch.

        A second call goes on from the first one's parameters with a fresh optimizer, and takes the columns of a data
        frame by the first one's names.
        Raises ConfigError, ShapeError or DataError for what cannot be, NonFiniteError at the step that produces NaN.
        """
        network = self.network
        method = settings.as_method(method, optimizer, schedule, engine)
        optimizer = settings.as_optimizer(optimizer)
        schedule = settings.as_schedule(schedule, optimizer)
        features = self._feature_names or frames.column_names(X)
        samples, classes = checks.check_samples(
            network,
            X,
            y,
            sample_weight=sample_weight,
            class_weight=class_weight,
            classes=self.classes,
            features=features,
        )
        held_out = self._validation(validation_data, validation_fraction, classes, features)
        if validation_fraction is not None:
            samples, held_out = training.split(samples, validation_fraction, self.seed)
        scale = self._scale(scale_targets, samples)
        samples, held_out = samples.scaled(scale), None if held_out is None else held_out.scaled(scale)
        if isinstance(schedule, ReduceOnPlateau) and schedule.monitor.startswith("val_") and held_out is None:
            raise ConfigError(
                f"ReduceOnPlateau watches {schedule.monitor!r}, which needs validation_data or validation_fraction."
            )
        plan = Plan(
            network=network,
            optimizer=optimizer if isinstance(optimizer, Optimizer) else GradientDescent(),
            batch_size=min(
                samples.n,
                checks.check_count(samples.n if batch_size is None else batch_size, "batch_size"),
            ),
            seed=self.seed,
            dtype=self.dtype,
            clip_norm=settings.check_clip("clip_norm", clip_norm),
            clip_value=settings.check_clip("clip_value", clip_value),
            precision=settings.check_precision(precision, self.dtype, optimizer),
            frozen=self.frozen,
        )
        names = settings.metric_names(metrics, self.task, each_epoch=True)
        epochs = checks.check_count(epochs, "epochs", 0)
        watchers = as_callbacks(callbacks)
        if verbose:
            watchers.insert(0, ProgressBar(verbose))
        if not self.steps_trained and resume is None and epochs and not isinstance(optimizer, LBFGS):
            labels = None if classes is None else classes.tolist()
            is_known = self.classes is not None
            for sentence in advice.on_targets(network.layers, network.loss, samples, labels, is_known):
                warnings.warn(sentence, stacklevel=2)
        before = (
            *(self.classes, self._feature_names, self.target_scale),
            *(self.states, self.history, self.steps_trained),
        )
        self.classes, self._feature_names, self.target_scale = classes, features, scale
        self.states = training.fit_standardize(network, self.states, samples, self.dtype)
        try:
            return training.fit(
                self,
                plan,
                optimizer,
                samples,
                held_out,
                epochs=epochs,
                schedule=schedule,
                metrics=names,
                shuffle=shuffle,
                callbacks=watchers,
                engine=engine,
                resume=None if resume is None else os.fspath(resume),
                method=method,
            )
        except ChainruleError:
            if self.steps_trained == before[-1]:  # refused before its first step: the model is as it was
                self.classes, self._feature_names, self.target_scale, self.states, self.history = before[:-1]
            raise

    def _scale(self, wanted: bool | None, samples: Samples) -> TargetScale | None:
        """What to standardize the targets by: as measured before, measured now, or nothing."""
        if wanted is not None and not isinstance(wanted, (bool, np.bool_)):
            raise ConfigError(f"scale_targets must be True, False or None, not {wanted!r}.")
        if wanted is None or wanted == (self.target_scale is not None):
            return self.target_scale
        if self.network.loss.targets != "real":
            raise ConfigError(
                f"scale_targets is for losses of numbers in any unit, not for {type(self.network.loss).__name__}; "
                "leave it out."
            )
        if self.steps_trained:
            how = "as they are" if wanted else "standardized"
            raise ConfigError(
                f"scale_targets is {wanted}, but the model was trained on targets {how}; "
                "leave it out, or make a new model."
            )
        scale = measure_targets(samples.y, samples.weight) if wanted else None
        if scale is not None and not np.isfinite(scale.std).all():
            raise DataError("y holds numbers too large to be standardized; divide them first.")
        return scale

    def _validation(
        self,
        data: tuple[Any, Any] | None,
        fraction: float | None,
        classes: NDArray[Any] | None,
        features: tuple[str, ...] | None,
    ) -> Samples | None:
        if data is None:
            return None
        if fraction is not None:
            raise ConfigError("pass validation_data or validation_fraction, not both.")
        if not isinstance(data, (tuple, list)) or len(data) != 2:
            raise ConfigError("validation_data must be a pair (X, y).")
        names = ("validation_data[0]", "validation_data[1]")
        return checks.check_samples(self.network, *data, classes=classes, features=features, names=names)[0]

    def freeze(self, *names: str) -> Model:
        """Keep these links as they are in training, all that hold parameters for none named; returns the model.

        A frozen batch norm uses and keeps its running statistics.
        """
        self.frozen |= self._link_names(names)
        return self

    def unfreeze(self, *names: str) -> Model:
        """Train these links again, all for none named; returns the model."""
        self.frozen -= self._link_names(names)
        return self

    def _link_names(self, names: tuple[str, ...]) -> frozenset[str]:
        known = {slot.link.name for slot in self.network.slots}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ConfigError(
                f"{unknown[0]!r} is no link with parameters; there are {', '.join(sorted(known))}."
            )
        return frozenset(names) or frozenset(known)

    def replace_head(
        self,
        layers: Iterable[Layer],
        loss: Loss | None = None,
        *,
        after: str | None = None,
        freeze: bool = True,
        seed: int | None = None,
    ) -> Model:
        """A new model for another task: this one's trunk, copied, under new last layers (transfer learning).

        layers: the new head.  loss: its loss, None for the same.  after: the last link of the trunk; all before the
        last Dense unless named.  freeze: keep the trunk as it is in training.  seed: of the head's initial weights.
        The new model learns its own labels; the names of the features are kept.
        """
        network, kept = with_head(self.network, layers, loss, after)
        model = Model(network, seed=self.seed if seed is None else seed, dtype=self.dtype)
        model._feature_names = self._feature_names
        # The trunk is a prefix of both chains, so its parameters are a prefix of both thetas, under the same names.
        stop = sum(slot.stop - slot.start for slot in network.slots if slot.link.name in kept)
        model.theta[:stop] = self.theta[:stop]
        model.states |= {n: type(s)(*map(np.copy, s)) for n, s in self.states.items() if n in kept}
        if freeze:
            model.frozen = kept & {slot.link.name for slot in network.slots}
        return model

    # --- prediction ----------------------------------------------------------------------------------------------

    def outputs(self, X: Any, *, engine: str = "auto", batch_size: int = BATCH) -> NDArray[Any]:
        """The last layer's output (n, outputs) as it is: logits, log rates or numbers, as the loss takes them.

        Of a model with a `target_scale` numbers in the targets' units, in float64.
        """
        X = checks.check_X(X, self.network.inputs, features=self._feature_names)
        size = checks.check_count(batch_size, "batch_size")
        out = select(engine, self.network).predict(self.network, self.theta, self.states, X, size)
        return out if self.target_scale is None else self.target_scale.restore(out)

    def predict(self, X: Any, *, engine: str = "auto") -> NDArray[Any]:
        """Labels (n,); 0 or 1 (n, labels) for many labels; numbers (n,) or (n, outputs) for regression."""
        out = self.outputs(X, engine=engine)
        self._warn_if_untrained()
        predicted: NDArray[Any] = decide(self.network.loss, out)
        return predicted if self.classes is None else self.classes[predicted]

    def predict_proba(self, X: Any, *, engine: str = "auto") -> NDArray[Any]:
        """Probabilities (n, classes), two columns for two classes; (n, labels) for many labels."""
        shares = probabilities(self.network.loss, self.outputs(X, engine=engine))
        self._warn_if_untrained()
        return shares

    def bind(self, *, engine: str = "auto") -> Predictor:
        """This model as it is now, ready to answer one row in microseconds: a snapshot with predict and the like."""
        return Predictor(self, engine)

    def evaluate(
        self,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        class_weight: Mapping[Any, float] | str | None = None,
        metrics: Iterable[str] | None = None,
        positive: Any = None,
        engine: str = "auto",
        outputs: Any = None,
    ) -> dict[str, float]:
        """The loss, penalty and all, and the metrics of the task by name.

        Classes: accuracy, balanced_accuracy, precision, recall, f1, auc, average_precision, log_loss; many labels the
        same without balanced_accuracy.  Numbers: mse, rmse, mae, r2.  metrics: only these.
        positive: of two classes the label that precision, recall, f1, auc and average_precision are of; the one that
        sorts last (1 of 0 and 1, "yes" of "no" and "yes") unless given.  Of more classes and of many labels they are
        the mean over the classes, each against the rest; so they are for SoftmaxCrossEntropy with two outputs, unless
        positive is given.
        outputs: (n, outputs) as the method `outputs` gave them for X, where they are at hand.
        """
        chosen = None if positive is None else self._class_number(positive)
        samples = self._samples(X, y, sample_weight=sample_weight, class_weight=class_weight)
        names = settings.metric_names(metrics, self.task)
        out = self._outputs(samples.X, outputs, engine)
        return evaluate_outputs(self.network, self.theta, out, samples, names, chosen)

    def _warn_if_untrained(self) -> None:
        """Of a model that was neither trained nor loaded, and whose parameters nobody set."""
        if self._is_fresh and not self.steps_trained and self.theta.size:
            drawn = self.network.initial_theta(self.seed, self.dtype)
            self._is_fresh = np.array_equal(self.theta, drawn)
            if self._is_fresh:
                warnings.warn(
                    "the model was never trained, so what it says is of the weights that were drawn; call fit first.",
                    stacklevel=3,
                )

    def _class_number(self, label: Any) -> int:
        """The number, 0 or 1, of a label of two. Raises ConfigError."""
        if self.task != "binary" and (self.task != "multiclass" or self.network.outputs != 2):
            raise ConfigError(
                f"positive is for two classes; this network is for {self._for()}; leave it out."
            )
        labels = [0, 1] if self.classes is None else self.classes.tolist()
        if not any(known == label for known in labels):
            raise ConfigError(f"positive must be {labels[0]!r} or {labels[1]!r}, not {label!r}.")
        return labels.index(label)

    def _for(self) -> str:
        return f"{self.network.outputs} classes" if self.task == "multiclass" else self.task

    def confusion_matrix(
        self, X: Any, y: Any, *, engine: str = "auto", outputs: Any = None
    ) -> NDArray[np.int64]:
        """(classes, classes): how often a true class (row) was predicted as each class (column).

        outputs: as for `evaluate`.
        """
        from chainrule.formulas.metrics import confusion_matrix

        if self.task not in ("binary", "multiclass"):
            raise ConfigError(
                f"a confusion matrix needs one label a sample; this network is for {self.task}."
            )
        samples = self._samples(X, y)
        classes = max(self.network.outputs, 2)
        out = self._outputs(samples.X, outputs, engine)
        return confusion_matrix(true_labels(self.task, samples.y), decide(self.network.loss, out), classes)

    def _samples(self, X: Any, y: Any, **settings: Any) -> Samples:
        """Checked against what the model knows: its inputs, labels and the names of its features."""
        return checks.check_samples(
            self.network,
            X,
            y,
            classes=self.classes,
            features=self._feature_names,
            scale=self.target_scale,
            **settings,
        )[0]

    def _outputs(self, X: Any, outputs: Any, engine: str) -> NDArray[Any]:
        """Those that the caller has, if they can be of X; else what the walk gives."""
        if outputs is None:
            return select(engine, self.network).predict(self.network, self.theta, self.states, X, BATCH)
        out, shape = np.asarray(outputs), (X.shape[0], self.network.outputs)
        if out.shape != shape:
            raise ShapeError(f"outputs must have shape {shape}, not {out.shape}; pass what outputs(X) gives.")
        return out if self.target_scale is None else self.target_scale.standardize(out).astype(self.dtype)

    # --- looking inside ------------------------------------------------------------------------------------------

    def loss_and_gradients(
        self, X: Any, y: Any, *, sample_weight: Any = None, training: bool = True
    ) -> tuple[float, Mapping[str, Any]]:
        """L over these samples in one batch, and its gradients, which mirror `parameters`: grads["dense_1"].W.

        training: walk as the next training step would (batch statistics, its dropout mask, frozen links frozen), or as
        in prediction.  What is frozen has gradients of 0; `trace` has its derivatives.
        """
        samples = self._samples(X, y, sample_weight=sample_weight)
        loss, g = self._loss_and_gradient(self.theta, samples, training)
        return loss, self.network.named(self.network.unflatten(g))

    def _loss_and_gradient(
        self, theta: NDArray[Any], samples: Samples, training: bool
    ) -> tuple[float, NDArray[Any]]:
        plan = Plan(self.network, GradientDescent(), samples.n, self.seed, theta.dtype, frozen=self.frozen)
        batch = samples.batch(slice(None), theta.dtype)
        states = {name: type(s)(*(np.asarray(v, theta.dtype) for v in s)) for name, s in self.states.items()}
        params = self.network.unflatten(theta)
        objective, g = gradient(plan, params, states, batch, self.steps_trained + 1, training=training)
        return float(objective.loss), g

    def trace(
        self,
        x: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        training: bool | None = None,
        memory_limit: float | None = MEMORY_LIMIT,
    ) -> Trace:
        """Every number of one walk forward and one back: .z .a .delta .grads by link name; print it for a table.

        x: one sample (inputs,) with its y, or a batch; either way a batch axis stands first in what is kept.
        training: walk as the next training step would (the batch's statistics, its dropout mask, frozen links frozen),
        or as in prediction; None is the first for a batch and the second for a single sample, which has no statistics.
        memory_limit: bytes that the trace may keep; `chainrule.inspection.trace.trace.memory` says beforehand how many.
        Numbers keep the model's precision.  A model with a `target_scale` is walked as it is trained: out, y, loss and
        gradients are of the standardized targets; `prediction` and `target` are in their own units.
        Raises ConfigError above the limit.
        """
        y = checks.as_array(y, "y")
        if checks.as_array(x, "x").ndim == 1 and (y.ndim == 0 or y.shape == (self.network.outputs,)):
            y = y[None]
        samples = self._samples(x, y, sample_weight=sample_weight, names=("x", "y"))
        training = samples.n > 1 if training is None else bool(training)
        check_memory(self.network, samples.n, self.dtype, training, memory_limit)
        ctx = Context(
            training=training,
            seed=self.seed,
            step=self.steps_trained + 1,
            states={name: type(s)(*(np.array(v) for v in s)) for name, s in self.states.items()},
            frozen=self.frozen,
        )
        batch = samples.batch(slice(None), self.dtype)
        batch = batch._replace(
            a=np.array(batch.a)
        )  # where nothing was converted it is the caller's own array
        return Trace(self.network, self.theta.copy(), batch, ctx, self.target_scale)

    def gradient_flow(
        self,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        samples: int | None = 512,
        training: bool = True,
        optimizer: Optimizer | None = None,
    ) -> Flow:
        """How the gradient fares on its way back, layer by layer, with diagnoses in words; print it for a table.

        samples: of X and y, at most so many, evenly spaced; None for all.  training: walk as the next training step
        would, or as in prediction.  optimizer: its first step from here gives the update-to-weight ratios.
        Over a whole run: the callback `GradientFlow`.
        """
        from chainrule.inspection.flow.flow import gradient_flow

        return gradient_flow(
            self,
            X,
            y,
            sample_weight=sample_weight,
            samples=samples,
            training=training,
            optimizer=optimizer,
        )

    def check_gradients(
        self,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        entries: int | None = 8,
        samples: int = 64,
        training: bool = True,
    ) -> GradientCheck:
        """Backpropagation against central differences in float64: the worst relative error of each trained parameter.

        entries: numbers drawn from each parameter, None for all.  samples: of X and y, at most so many, the first.
        print() the result to see both values and the name of the worst parameter.
        """
        checked = self._samples(X, y, sample_weight=sample_weight)
        few = checked.take(np.arange(min(checked.n, samples)))
        return check_gradient(
            self.network,
            self.theta.astype(np.float64),
            lambda theta: self._loss_and_gradient(theta, few, training),
            entries,
            self.seed,
            self.frozen,
        )

    def attribute(
        self,
        X: Any,
        method: str = "integrated_gradients",
        *,
        target: Any = None,
        against: Any = None,
        shape: tuple[int, int] | None = None,
        **settings: Any,
    ) -> Attribution:
        """How much each feature of each sample did for an output, and whether it adds up: print() the result.

        method: "saliency", "input_x_gradient", "integrated_gradients", "epsilon_lrp", "deep_lift" or "occlusion".
        target: a label, or one a sample; the predicted class, or the only output, unless given.  against: a label whose
        logit is taken off.  shape: (height, width) of pictures.  settings: the method's, as baseline=..., epsilon=....
        """
        from chainrule.inspection.attribution import attribute

        return attribute(self, X, method, target=target, against=against, shape=shape, **settings)

    # --- files ---------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to a safetensors file; `chainrule.load` reads it back, bit for bit."""
        classes = None if self.classes is None else self.classes.tolist()
        scale = None
        if self.target_scale is not None:
            scale = {name: part.tolist() for name, part in self.target_scale._asdict().items()}
        extra = {
            "dtype": self.dtype.name,
            "seed": self.seed,
            "classes": classes,
            **({} if self._feature_names is None else {"feature_names": self._feature_names}),
            **({} if scale is None else {"target_scale": scale}),
            "frozen": sorted(self.frozen),
            "epochs_trained": self.epochs_trained,
            "steps_trained": self.steps_trained,
        }
        persistence.save(path, self.network, self.theta, self.states, extra)

    def __repr__(self) -> str:
        """The widths of the network's dense layers and blocks, the number of its parameters, and its training."""
        wide = [link.fan_out for link in self.network.links if link.params or link.branches]
        widths = [str(self.network.inputs), *map(str, wide)]
        trained = "not trained yet"
        if self.steps_trained:
            trained = f"trained for {counted(self.epochs_trained, 'epoch')}"
        shape = "-".join(widths if len(widths) <= 8 else [*widths[:5], "...", *widths[-2:]])
        return f"<Model {shape}: {self.network.size:,} parameters, {self.dtype}, {self.task}, {trained}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the summary, and how far the model was trained."""
        from chainrule.views import notebook

        return notebook.model(self)


def load(path: str | os.PathLike[str], *, custom: Mapping[str, type[Layer]] | None = None) -> Model:
    """A model from a file that `Model.save` wrote. custom: layers of your own, by kind.

    Raises FormatError, which names the file and what is wrong in it; OSError where there is no file.
    """
    from chainrule.errors import FormatError

    saved = persistence.load(path, custom)
    model = object.__new__(Model)
    try:
        model.network, model.theta, model.states = saved.network, saved.theta, saved.states
        model.dtype = saved.theta.dtype
        model.seed = checks.check_seed(saved.extra["seed"])
        classes = saved.extra["classes"]
        model.classes = None if classes is None else checks.check_classes(classes, saved.network)
        model.feature_names = saved.extra.get("feature_names")
        scale = saved.extra.get("target_scale")
        model.target_scale = (
            None if scale is None else checks.check_scale(scale["mean"], scale["std"], saved.network.outputs)
        )
        model._is_fresh = False
        model.frozen = frozenset()
        model.frozen = (
            model._link_names(tuple(saved.extra["frozen"])) if saved.extra["frozen"] else frozenset()
        )
        model.epochs_trained = checks.check_seed(saved.extra["epochs_trained"], "epochs_trained", 63)
        model.steps_trained = checks.check_seed(saved.extra["steps_trained"], "steps_trained", 63)
        model.history = History()
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{path}: the metadata is malformed ({error}).") from error
    return model
