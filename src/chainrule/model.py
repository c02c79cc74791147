# Over 300 lines because it is the public face: one method a use, each a docstring and a few calls.
"""The model: a network, its parameters, and how to train it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.data import checks, frames
from chainrule.data.advice import on_targets
from chainrule.data.samples import Samples, TargetScale, measure_targets
from chainrule.engines import Plan
from chainrule.errors import ChainruleError, ConfigError, DataError
from chainrule.formulas.layers import Layer
from chainrule.formulas.losses import Loss
from chainrule.formulas.optimizers import LBFGS, AnyOptimizer, GradientDescent, Optimizer
from chainrule.formulas.schedules import ReduceOnPlateau, Schedule
from chainrule.inspection.trace.gradient_check import GradientCheck, check_gradients, loss_and_gradient
from chainrule.inspection.trace.memory import MEMORY_LIMIT
from chainrule.inspection.trace.trace import Trace, trace
from chainrule.network.network import Network, with_head
from chainrule.trained.evaluation import metric_names
from chainrule.trained.trained import Trained
from chainrule.training import History, ProgressBar, as_callbacks, settings
from chainrule.training import fit as training
from chainrule.training.without_backprop import Method

if TYPE_CHECKING:
    from chainrule.inspection.attribution import Attribution
    from chainrule.inspection.flow.flow import Flow

DTYPES = {"float32": np.float32, "float64": np.float64}


class Model(Trained):
    """A network with numbers in it, that trains.

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
        seed, dtype = checks.check_seed(seed), np.dtype(checks.check_choice(name, DTYPES, "dtype"))
        super().__init__(
            network, network.initial_theta(seed, dtype), network.initial_states(dtype), seed=seed
        )
        self.history = History()
        """what the last call of `fit` recorded, also where Ctrl-C ended it; empty before the first, and after `load`"""

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, custom: Mapping[str, type[Layer]] | None = None) -> Self:
        """Read a file that `save` wrote; the same as `chainrule.load`."""
        model = super().load(path, custom=custom)
        model.history = History()
        return model

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
        names = metric_names(metrics, self.task, each_epoch=True)
        epochs = checks.check_count(epochs, "epochs", 0)
        watchers = as_callbacks(callbacks)
        if verbose:
            watchers.insert(0, ProgressBar(verbose))
        if not self.steps_trained and resume is None and epochs and not isinstance(optimizer, LBFGS):
            labels = None if classes is None else classes.tolist()
            is_known = self.classes is not None
            for sentence in on_targets(network.layers, network.loss, samples, labels, is_known):
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

    # --- looking inside ------------------------------------------------------------------------------------------

    def loss_and_gradients(
        self, X: Any, y: Any, *, sample_weight: Any = None, training: bool = True
    ) -> tuple[float, Mapping[str, Any]]:
        """L over these samples in one batch, and its gradients, which mirror `parameters`: grads["dense_1"].W.

        training: walk as the next training step would (batch statistics, its dropout mask, frozen links frozen), or as
        in prediction.  What is frozen has gradients of 0; `trace` has its derivatives.
        """
        samples = self.check_samples(X, y, sample_weight=sample_weight)
        loss, g = loss_and_gradient(self, self.theta, samples, training)
        return loss, self.network.named(self.network.unflatten(g))

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
        memory_limit: bytes that the trace may keep; `chainrule.inspection.trace.memory` says beforehand how many.
        Numbers keep the model's precision.  A model with a `target_scale` is walked as it is trained: out, y, loss and
        gradients are of the standardized targets; `prediction` and `target` are in their own units.
        Raises ConfigError above the limit.
        """
        return trace(self, x, y, sample_weight=sample_weight, training=training, memory_limit=memory_limit)

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
        return check_gradients(
            self,
            X,
            y,
            sample_weight=sample_weight,
            entries=entries,
            samples=samples,
            training=training,
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

    def _repr_html_(self) -> str:
        """What a notebook shows: the summary, and how far the model was trained."""
        from chainrule.views import notebook

        return notebook.model(self)


def load(path: str | os.PathLike[str], *, custom: Mapping[str, type[Layer]] | None = None) -> Model:
    """A model from a file that `Model.save` wrote. custom: layers of your own, by kind.

    Raises FormatError, which names the file and what is wrong in it; OSError where there is no file.
    """
    return Model.load(path, custom=custom)
