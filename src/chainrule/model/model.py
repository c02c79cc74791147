"""The model: a network, its parameters, and how to train it.

Imports that only some methods need are made there, so that a process that only predicts need not load the rest.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from chainrule.core.arrays import RowsLike, TargetsLike
from chainrule.core.elsewhere import MODEL, instead_of
from chainrule.core.records import Shown, widget
from chainrule.core.settings import check_choice, check_number
from chainrule.data import checks
from chainrule.data.samples import Samples
from chainrule.data.source import Source
from chainrule.errors import ConfigError, ShapeError
from chainrule.formulas.layers import Layer
from chainrule.formulas.losses import Loss
from chainrule.formulas.optimizers import AnyOptimizer, Optimizer
from chainrule.inspection.walk import MEMORY_LIMIT
from chainrule.network.network import Network
from chainrule.network.start import MEMORY, rows_to_start_on, start_on, with_head
from chainrule.trained.persistence import Custom
from chainrule.trained.predictor import Predictor
from chainrule.trained.trained import RowsWalk, SeenModel, Trained
from chainrule.training.history import History

if TYPE_CHECKING:
    from chainrule.export.formats import ExportedFiles
    from chainrule.formulas.schedules import Schedule
    from chainrule.graph.graph import ComputationGraph
    from chainrule.graph.operation import Box
    from chainrule.inspection.attribution import Attribution
    from chainrule.inspection.flow.flow import Flow
    from chainrule.inspection.trace.gradient_check import GradientCheck
    from chainrule.inspection.trace.trace import Trace
    from chainrule.training.options import Clip, Compute, EngineName, Former, Schedules
    from chainrule.training.without_backprop import Method

DTYPES = {"float32": np.float32, "float64": np.float64}


class Model(Trained, Shown):
    """A network with its parameters: it trains, predicts, is evaluated and inspected, and is saved to a file.

        model = Model(Network(784, [Rescale(1 / 255), Dense(128), ReLU(), Dense(10)], SoftmaxCrossEntropy()))
        model.fit(X, y, epochs=5)
        model.predict(X), model.evaluate(X, y), model.trace(X[:2], y[:2]), model.save("digits.safetensors")

    network: a `Network`, that is the layers and the loss.
    seed: integer in [0, 2^32) that determines the initial weights, the shuffles and the dropout masks: the same seed,
        data and settings give the same bits for any number of threads.
    dtype: "float32" or "float64", the type of all parameters and of the arithmetic.

    `theta` (size,) contains all parameters, `parameters` the same by link name, `history` the record of the last `fit`.
    Raises ConfigError for another network, seed or dtype.
    """

    def __init__(self, network: Network, *, seed: int = 0, dtype: DTypeLike = "float32") -> None:
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

    @classmethod
    def with_theta(cls, network: Network, theta: NDArray[Any], *, seed: int = 0) -> Self:
        """Return a model of a network with all its parameters given: theta (size,), which is not copied.

        Raises ShapeError unless theta has the network's size, and ConfigError unless it is float32 or float64.
        """
        if theta.shape != (network.size,):
            raise ShapeError(f"theta must have shape ({network.size},), not {theta.shape}.")
        checks.check_choice(theta.dtype.name, DTYPES, "dtype")
        made = cls.__new__(cls)
        Trained.__init__(
            made, network, theta, network.initial_states(theta.dtype), seed=checks.check_seed(seed)
        )
        return made

    @cached_property
    def history(self) -> History:
        """The record of the last call of `fit`, also if Ctrl-C ended it; empty before the first, and after `load`."""
        return History()

    def keep_history(self, history: History) -> None:
        """Keep the record of the fit that chose how long this one was trained, in place of its own."""
        self.history = history

    if not TYPE_CHECKING:  # for which it would stand for every attribute

        def __getattr__(self, name):
            """Raise AttributeError again, with what to use for a name of another library."""
            try:
                return super().__getattribute__(name)  # an error inside of a property keeps its words
            except AttributeError as error:
                raise AttributeError(f"{error}{instead_of(name, MODEL)}", name=name, obj=self) from None

    # --- training ------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: RowsLike,
        y: TargetsLike = None,
        *,
        epochs: int = 10,
        batch_size: int | None = 128,
        optimizer: AnyOptimizer | str | None = None,
        schedule: Schedule | Schedules | str | None = None,
        validation_data: tuple[Any, Any] | Samples | Source | None = None,
        validation_fraction: float | None = None,
        sample_weight: ArrayLike | None = None,
        slopes: ArrayLike | None = None,
        slope_weight: ArrayLike | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        metrics: Iterable[str] | None = None,
        callbacks: Iterable[Any] = (),
        scale_targets: bool | Literal["clamp"] | None = None,
        shuffle: bool = True,
        clip: float | Clip | None = None,
        resume: str | os.PathLike[str] | None = None,
        verbose: int = 0,
        engine: EngineName | Compute = "auto",
        method: Method | str | None = None,
        **former: Unpack[Former],
    ) -> History:
        """Train the model on X and y in place, and return the history of the run.

            history = model.fit(X, y, epochs=20, validation_fraction=0.1, callbacks=[EarlyStopping(patience=3)])
            history["val_loss"], history.figure()

        An epoch passes over all samples once, in batches; after each batch the optimizer updates the parameters. The
        history is also kept as `model.history`, with the completed epochs if Ctrl-C ends the training.
        A second call continues from the current parameters with a new optimizer state; columns of a data frame are then
        matched by the names of the first call.

        X: (n, features) array, memory map, CSR matrix or data frame, whose column names become `feature_names`; or a
            `Source`, such as `ParquetSource("train/", target="price")`, which keeps only some rows in memory at a time.
        y: (n,) class labels or numbers, or (n, outputs) of either; None if X is a `Source`, or `Samples` from
            `check_samples`.
        epochs: number of passes over the samples.
        batch_size: samples per update of the parameters; None for all samples in one batch.
        optimizer: an optimizer such as `SGD(0.1)`, or its name, "sgd", for the default settings; None for `Adam(1e-3)`.
        schedule: a learning rate schedule such as `OneCycle()`, or its name, whose factor multiplies the optimizer's
            learning rate at each step; None for a constant rate. `Schedules` also has schedules of weight decay,
            dropout and label smoothing.
        validation_data: a pair (X, y), or a `Source`, to evaluate after each epoch; the history then has `val_loss` and
            metrics.
        validation_fraction: fraction of the samples to hold out for validation instead; the seed decides which.
        sample_weight: (n,) nonnegative weight of each sample in the loss; None for 1 each.
        slopes: (n, features), or (n, outputs, features), the derivatives of y by X to train on as well, for losses
            whose outputs are the predictions; NaN where one is not known. `chainrule.network.objective` has the loss.
        slope_weight: at least 0, the weight of the slopes in the loss, beside that of the values, which is 1: a number,
            or numbers that broadcast to slopes. None for 1 each, times the variance of the column.
        class_weight: {label: weight}, or "balanced" for n / (classes * samples of the class).
        metrics: names of the metrics of the validation data to record.
        callbacks: `Callback` objects such as `EarlyStopping()`, or functions `f(run)` that are called after each epoch.
        scale_targets: whether to train on y standardized by output, (y - mean) / std, for targets in other units, such
            as prices. The model keeps mean and std as `target_scale`; losses and gradients are then those of the
            standardized targets, predictions and metrics are in the units of y. "clamp": also clip predictions and
            metrics to the range of the training targets, output by output. None: as at the first training.
        shuffle: whether to draw a new order of the samples in each epoch.
        clip: the maximum norm of the gradient of a step, which is scaled down to it; `Clip` also limits its components.
        resume: path of a checkpoint to continue from.
        verbose: 0 prints nothing, 1 a progress bar, 2 a line per epoch.
        engine: "native" for C++, "reference" for NumPy, "xla" for compilation by JAX, or "auto" for the first that
            supports the network. `Compute` also sets the device, the precision, and how processes share a batch.
        method: a training method other than backpropagation, by name ("spsa") or as an object (`SPSA(c=1e-3)`); the
            history then has the `forward_passes` of each epoch.

        Raises ConfigError for invalid settings, ShapeError for shapes that do not match, DataError for unusable values,
        and NonFiniteError at the step that produces NaN or infinity.
        """
        from chainrule.training.arguments import checked_fit
        from chainrule.training.options import Clip, Compute, FitOptions, Schedules, with_former

        options = FitOptions(
            epochs=epochs,
            batch_size=batch_size,
            optimizer=optimizer,
            schedule=Schedules.of(schedule),
            validation_data=validation_data,
            validation_fraction=validation_fraction,
            sample_weight=sample_weight,
            slopes=slopes,
            slope_weight=slope_weight,
            class_weight=class_weight,
            metrics=metrics,
            callbacks=callbacks,
            scale_targets=scale_targets,
            shuffle=shuffle,
            clip=Clip.of(clip),
            resume=resume,
            verbose=verbose,
            engine=Compute.of(engine),
            method=method,
        )
        return checked_fit(self, X, y, with_former(options, former))

    def start_on(self, X: RowsLike, *, memory: float = MEMORY) -> Self:
        """Initialize an untrained model on samples, so that the parameters suit each layer's inputs; return it.

        For every `Dense`, and every group of a `GroupedDense`, also in blocks, in the order of the forward pass:
        W: the drawn weights, divided so that each neuron's z - b = a W has a standard deviation of 1 on the samples.
        b: such that each neuron's kink, z = 0, passes through a point between five samples drawn by the seed.
        Other layers and frozen links do not change. Layers that `fit` measures (`Standardize`) are measured.

        X: (n, features), as in `fit`, preferably the training samples.
        memory: the maximum bytes of the inputs and outputs of all links in float64; if there are more samples, the seed
            draws as many as fit.
        Raises ConfigError for a trained model, ShapeError and DataError for X as in `fit`.
        """
        from chainrule.training.fit import measure

        if self.steps_trained:
            raise ConfigError("start_on is for an untrained model; make a new one.")
        memory = check_number(memory, "memory", above=0)
        if isinstance(X, Samples):
            samples = checks.check_known(X, None, self.network, scale=X.scale)
        else:
            X = checks.check_X(X, self.network.inputs, features=self._feature_names)
            samples = Samples(X, np.zeros((X.shape[0], 1)), np.ones(X.shape[0]), 1)
        self.states = measure(self.network, self.states, samples, self.dtype)
        a = samples.batch(rows_to_start_on(self.network, samples.n, self.seed, memory), np.float64).a
        self.theta[...] = start_on(self.network, self.theta, self.states, a, self.seed, self.frozen)
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
        """Return a new model for another task: a copy of this one with new last layers (transfer learning).

        layers: the new last layers.  loss: the new loss; None for the same.  after: name of the last link to keep; None
            for the one before the last Dense.  freeze: whether to exclude the kept links from training.  seed: the seed
            of the initial weights of the new layers; None for this model's seed.
        The new model learns its own labels; the feature names are kept.
        """
        network, kept = with_head(self.network, layers, loss, after)
        model = Model(network, seed=self.seed if seed is None else seed, dtype=self.dtype)
        model.describe(None, self.feature_names, None)
        # The trunk is a prefix of both chains, so its parameters are a prefix of both thetas, under the same names.
        stop = sum(slot.stop - slot.start for slot in network.slots if slot.link.name in kept)
        model.theta[:stop] = self.theta[:stop]
        model.states |= {n: type(s)(*map(np.copy, s)) for n, s in self.states.items() if n in kept}
        if freeze:
            model.frozen = kept & {slot.link.name for slot in network.slots}
        return model

    # --- looking inside ------------------------------------------------------------------------------------------

    def loss_and_gradients(
        self, X: RowsLike, y: TargetsLike, *, sample_weight: ArrayLike | None = None, training: bool = True
    ) -> tuple[float, Mapping[str, Any]]:
        """Return the objective L of these samples in one batch, and its gradients by link: grads["dense_1"].W.

        training: whether to compute as the next training step would (batch statistics, its dropout mask, frozen links
            excluded), or as in prediction.  Frozen links have gradients of 0; `trace` has their derivatives.
        """
        samples = self.check_samples(X, y, sample_weight=sample_weight)
        from chainrule.inspection.trace.gradient_check import loss_and_gradient

        loss, g = loss_and_gradient(self, self.theta, samples, training)
        return loss, self.network.named(self.network.unflatten(g))

    def view(self, X: RowsLike = None, y: TargetsLike = None, **settings: Any) -> Any:
        """Return the model as a widget for a notebook: draw or choose a sample, and see every neuron.

        X, y: samples to choose from, optional.  settings: screen, and lang ("en" or "zh").  Its `live()` is a callback
        for `fit` that shows the network during training.
        Raises ConfigError if anywidget is not installed (pip install 'chainrule[notebook]').
        """
        return widget(self, X=X, y=y, **settings)

    def trace(
        self,
        x: object,
        y: TargetsLike,
        *,
        sample_weight: ArrayLike | None = None,
        training: bool | None = None,
        memory_limit: float | None = MEMORY_LIMIT,
    ) -> Trace:
        """Record all numbers of one forward and one backward pass: z, a, delta and grads by link. Print it for a table.

        x: one sample (inputs,) with its y, or a batch; the arrays of the trace have a batch axis either way.
        training: whether to compute as the next training step would (batch statistics, its dropout mask, frozen links
            excluded), or as in prediction; None for the first with a batch and the second with a single sample.
        memory_limit: largest size of the trace in bytes, or None; `chainrule.inspection.walk` estimates it.
        Numbers have the model's precision.  With a `target_scale`, out, y, loss and gradients are those of the
        standardized targets; `prediction` and `target` are in the targets' own units.
        Raises ConfigError above the limit.
        """
        from chainrule.inspection.trace.trace import trace

        return trace(self, x, y, sample_weight=sample_weight, training=training, memory_limit=memory_limit)

    def gradient_flow(
        self,
        X: RowsLike,
        y: TargetsLike,
        *,
        sample_weight: ArrayLike | None = None,
        samples: int | None = 512,
        training: bool = True,
        optimizer: Optimizer | None = None,
    ) -> Flow:
        """Measure the size of the gradient at each layer with weights, and diagnose problems. Print it for a table.

        samples: largest number of samples of X and y to use, evenly spaced; None for all.  training: whether to compute
            as the next training step would, or as in prediction.  optimizer: its first step gives the update-to-weight
            ratios; None for no ratios.  The callback `GradientFlow` measures the same over a run.
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
        X: RowsLike,
        y: TargetsLike,
        *,
        sample_weight: ArrayLike | None = None,
        entries: int | None = 8,
        samples: int = 64,
        training: bool = True,
    ) -> GradientCheck:
        """Compare the gradients of backpropagation with central differences in float64, for each trained parameter.

        entries: how many numbers of each parameter to compare, drawn at random; None for all.  samples: how many rows
            of X and y to use, the first ones.  Print the result to see both values and the parameter of the largest
            error.
        """
        from chainrule.inspection.trace.gradient_check import check_gradients

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
        X: RowsLike,
        method: str | None = None,
        *,
        target: object = None,
        against: object = None,
        shape: tuple[int, int] | None = None,
        **settings: Any,
    ) -> Attribution:
        """Attribute an output to the features of each sample, and check whether the values add up. Print the result.

        method: "saliency", "input_x_gradient", "integrated_gradients", "epsilon_lrp", "deep_lift" or "occlusion"; None
            for "deep_lift" if the inputs have names, as for a table, else "integrated_gradients".
        target: a label, or one per sample; None for the predicted class, or the only output.  against: a label whose
            logit is subtracted.  shape: (height, width) of images.  settings: of the method, such as baseline or
            epsilon.
        """
        from chainrule.inspection.attribution import attribute

        return attribute(self, X, method, target=target, against=against, shape=shape, **settings)

    # --- proofs ----------------------------------------------------------------------------------------------------

    def bounds(
        self,
        low: RowsLike,
        high: RowsLike,
        *,
        of: Literal["outputs", "answer"] = "outputs",
        method: Literal["crown", "interval"] = "crown",
    ) -> Box:
        """Return what each output can be for all inputs between two rows: `low` and `high`, (n, outputs) each.

            box = model.bounds(X - 0.1, X + 0.1)
            box.low, box.high

        No input of the box has an output outside of it, neither in exact arithmetic nor in the model's own precision.
        low, high: (n, inputs), or one row each.
        of: "outputs" for those of `outputs(X)`, or "answer" for the columns of `predict_proba(X)`, in regression the
            numbers of `predict(X)`.
        method: "crown", the narrower of linear bounds propagated backward and of intervals; or "interval", intervals
            alone, which are faster and much wider.
        Raises ConfigError as `graph`, and DataError for an input whose low is larger than its high.
        Source: Zhang et al., "Efficient neural network robustness certification with general activation functions"
        (CROWN), NeurIPS 2018; Gowal et al., "On the effectiveness of interval bound propagation", 2018.
        """
        from chainrule.graph.networks import graph_of_outputs
        from chainrule.graph.passes import only

        if check_choice(of, {"outputs": True, "answer": False}, "of"):
            graph = graph_of_outputs(self, self.target_scale)
        else:
            graph = self.graph()
            graph = only(graph, next(iter(graph.outputs)))
        rows = (self._dense_rows(each) for each in (low, high))
        return next(iter(graph.bounds(*rows, method=method, dtype=self.dtype).values()))

    def certify(
        self, X: RowsLike, radius: ArrayLike, *, clip: tuple[ArrayLike, ArrayLike] | None = None
    ) -> NDArray[np.bool_]:
        """Return for each row (n,) whether it is proven that no input within a radius of it is predicted otherwise.

            model.certify(X, 2, clip=(0, 255))       # of pixels: whether no change by 2 levels turns this 7

        radius: the largest change of each input, a number or (inputs,).  clip: the least and the largest input.
        True is a proof for `predict(X)` in the model's precision, by `bounds` of the differences of the classes'
        outputs. False is none: another answer may exist, or the bounds are too wide.
        Raises ConfigError for regression, and DataError for a radius below 0.
        """
        return self._label_graph().certify(self._dense_rows(X), radius, clip=clip, dtype=self.dtype)

    def certified_radius(
        self, X: RowsLike, *, unit: ArrayLike = 1.0, clip: tuple[ArrayLike, ArrayLike] | None = None
    ) -> NDArray[np.float64]:
        """Return for each row (n,) the largest radius that `certify` proves, to 1 %, found by bisection.

        unit: a number or (inputs,); the result is a multiple of it, such as of the inputs' standard deviations.
        It is infinite where even 2^30 units change no label, and 0 where 2^-20 are not proven.
        """
        return self._label_graph().certified_radius(self._dense_rows(X), unit, clip=clip, dtype=self.dtype)

    def _label_graph(self) -> ComputationGraph:
        from chainrule.graph.passes import only

        graph = self.graph()
        return only(graph, "label") if "label" in graph.outputs else graph

    def _dense_rows(self, X: RowsLike) -> NDArray[np.float64]:
        rows = self._checked_rows(X)
        return np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows, np.float64)

    # --- export ----------------------------------------------------------------------------------------------------

    def bind(
        self,
        *,
        engine: str = "auto",
        precision: str | None = None,
        rows: RowsLike = None,
    ) -> Predictor:
        """Return a snapshot of the model with `predict`, `predict_proba` and `outputs`, for one row in microseconds.

        precision: as in `predict`; "int8" by the ranges of `quantize`, or of `rows`, some hundreds of samples (n,
        inputs): then print the `effect` of what is returned, which says what the integers do to the answers.

            fast = model.bind(precision="int8", rows=X_train[:1000])
            fast.predict(X_test)
            print(fast.effect)

        Raises ConfigError for rows without "int8", and for "int8" without ranges.
        """
        if precision != "int8":
            if rows is not None:
                raise ConfigError(
                    "rows measure the ranges of 8-bit integers; pass precision='int8', or omit them."
                )
            return super().bind(engine=engine, precision=precision)
        from chainrule.model.integers import IntegerPredictor

        return IntegerPredictor(self, engine, rows)

    def quantize(self, X: RowsLike) -> Self:
        """Measure the ranges of the model's values on rows, for predictions by 8-bit integers; return the model.

            model.quantize(X_train).predict(X_test, precision="int8")

        Dense layers are then products of integers, exact on every processor:

            q = round(x / scale) + zero,  out = clip(round(factor ((q - zero) W + bias)) + zero_out, -128, 127)

        with a scale for each value and each column of W. A file keeps the scales and zeros of the values, and no rows;
        further training forgets them.
        X: (n, inputs), training samples, of which up to 1,000 are taken.
        Raises ConfigError for a network without a dense layer, ShapeError and DataError for X as in `predict`.
        Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
        Inference", CVPR 2018.
        """
        from chainrule.model.integers import measured

        self.keep_ranges(measured(self, self._checked_rows(X)))
        return self

    def walk(self, engine: str, rows: int, precision: str | None = None) -> RowsWalk:
        """Return the forward pass as `Trained.walk` does; of "int8" by the ranges of `quantize`."""
        if precision != "int8":
            return super().walk(engine, rows, precision)
        from chainrule.model.integers import walk_of

        return walk_of(self, engine)

    def raw_outputs(
        self, X: RowsLike, engine: str, batch_size: int, precision: str | None = None
    ) -> NDArray[Any]:
        """Compute the outputs (n, fan_out) of checked rows, in the units of the loss."""
        if precision != "int8":
            return super().raw_outputs(X, engine, batch_size, precision)

        def make() -> tuple[tuple[str, SeenModel], RowsWalk]:
            return (engine, SeenModel(self)), self.walk(engine, batch_size, precision)

        walk: RowsWalk = self._kept.other(lambda of: of[0] == engine and of[1].is_same(self), make)
        return walk(X)

    def graph(self) -> ComputationGraph:
        """Return what the model computes, from a matrix of inputs to its prediction, as a graph of named operations.

        Formats of export are written from it; print its `describe()`. Raises ConfigError for a custom
        layer or loss that declares no operations.
        """
        from chainrule.graph.networks import graph_of

        return graph_of([self])

    def export(self, path: str | os.PathLike[str], X: RowsLike = None, **settings: Any) -> ExportedFiles:
        """Write the model for another place to run in, in the format of the path's ending: "net.onnx".

        The answers of what was written are compared with the model's, on up to 1,000 rows of X (n, inputs) or, without
        it, rows that are drawn; the result says how far they are apart, and what was left out.
        settings: of the format, such as dtype="float64"; docs/export.md has them.
        Raises ConfigError for another ending or setting, without the format's packages, and for what it cannot express.
        """
        from chainrule.export.formats import export_members

        return export_members([self], path, X, settings)


def load(path: str | os.PathLike[str], *, custom: Custom | None = None) -> Model:
    """Read a model from a file that `Model.save` wrote, or from one of ONNX or Keras, as `open` does.

    custom: the classes of custom layers and losses, such as [MyLoss], or by kind; a file has only their names.
    Raises FormatError with the file and its fault, and OSError if the file cannot be read.
    """
    return Model.load(path, custom=custom)
