"""A trained network: the network and its parameters, with prediction and evaluation."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.core import hints
from chainrule.core.arrays import RowsLike, states_in
from chainrule.data.samples import TargetScale
from chainrule.engines import Plan, select
from chainrule.errors import counted
from chainrule.network.network import Network
from chainrule.network.summary import Summary, summarize
from chainrule.trained import persistence
from chainrule.trained.evaluation import BATCH, FEW_ROWS, KeptWalks
from chainrule.trained.files import FileMixin, Ranges, ranges_in
from chainrule.trained.predictor import Predictor

if TYPE_CHECKING:
    from chainrule.trained.derivatives import Differentiable

RowsWalk: TypeAlias = Callable[[Any], NDArray[Any]]
"""The forward pass of a network, from checked rows (n, inputs) to its outputs (n, fan_out)."""
OutputsLike: TypeAlias = int | Iterable[int] | None
"""The outputs that a caller asks for: the place of one, a list of these, or None for all."""


class Trained(FileMixin):
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
        """the label of each class index; None before training, and for numeric targets"""
        self.target_scale: TargetScale | None = None
        """mean and std (outputs,) of the targets, measured by `fit(scale_targets=True)`; None without it"""
        self._feature_names: tuple[str, ...] | None = None
        self.frozen: frozenset[str] = frozenset()
        """the names of the links that are excluded from training"""
        self.epochs_trained, self.steps_trained = 0, 0
        self.is_fresh = True
        """whether the parameters may be the initial ones"""
        self._ranges: tuple[int, Ranges] | None = None
        self._kept = KeptWalks()

    # --- its numbers ---------------------------------------------------------------------------------------------

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Parameters by link name, as views of theta: parameters["dense_1"].W is (fan_in, fan_out)."""
        return self.network.named(self.network.unflatten(self.theta))

    def in_float64(self) -> Self:
        """Return a copy of the model with all parameters in float64."""
        exact = copy.copy(self)
        exact.theta, exact.dtype = self.theta.astype(np.float64), np.dtype(np.float64)
        exact.states = states_in(np.float64, self.states)
        return exact

    def summary(self, batch_size: int = 128) -> Summary:
        """Return a table of the layers with widths, parameters and operations, and the memory needed. Print it."""
        return summarize(self.network, self.dtype, self.frozen, batch_size)

    @property
    def ranges(self) -> Ranges | None:
        """Scale and zero of the 8-bit integers of each value, which `Model.quantize` measured; None after training."""
        steps, found = self._ranges or (-1, None)
        return found if steps == self.steps_trained else None

    def keep_ranges(self, found: Ranges | None) -> None:
        """Keep the ranges of the values as they are now."""
        self._ranges = None if found is None else (self.steps_trained, found)

    # --- prediction ----------------------------------------------------------------------------------------------

    def walk(self, engine: str, rows: int, precision: str | None = None) -> RowsWalk:
        """Return the forward pass with copies of the parameters, for checked rows, up to so many at a time."""
        plan = Plan(self.network, dtype=self.theta.dtype, precision=precision)
        return select(engine, plan).bind(self.network, self.theta, self.states, rows, precision=precision)

    def bind(self, *, engine: str = "auto", precision: str | None = None) -> Predictor:
        """Return a snapshot of the model with `predict`, `predict_proba` and `outputs`, for one row in microseconds.

        precision: as in `predict`.
        """
        many, one = (self.walk(engine, rows, precision) for rows in (BATCH, 1))
        return Predictor(self.network, self.dtype, many, getattr(one, "row", None), **self.about_data())

    def about_data(self) -> dict[str, Any]:
        """Return what is known of the data, as `Predictor` takes it."""
        return {
            "classes": self.classes,
            "feature_names": self._feature_names,
            "target_scale": self.target_scale,
        }

    def raw_outputs(
        self, X: RowsLike, engine: str, batch_size: int, precision: str | None = None
    ) -> NDArray[Any]:
        """Compute the outputs (n, fan_out) of checked rows, in the units of the loss."""
        kept = self._kept.of(self.network, self.theta.dtype, engine, X.shape[0], precision)
        if kept is not None:
            threads = kept.engine.workers() if X.shape[0] > FEW_ROWS else 1
            return kept.predict(self.theta, self.states, X, threads)
        chosen = select(engine, Plan(self.network, dtype=self.theta.dtype, precision=precision))
        return chosen.predict(self.network, self.theta, self.states, X, batch_size, precision=precision)

    # --- derivatives -----------------------------------------------------------------------------------------------

    def jacobian(
        self, X: RowsLike, *, of: Literal["outputs", "answer"] = "outputs", outputs: OutputsLike = None
    ) -> NDArray[Any]:
        """Compute the derivatives of the outputs by the inputs, J_ki = d f_k / d x_i: (n, outputs, inputs).

            model.jacobian(X)[0, 2]                          # of output 2 by each input, at the first row
            model.jacobian(X, of="answer", outputs=[1])      # of the probability of the second class

        As in prediction: with the running statistics of batch norm, without dropout. At a kink it is the derivative of
        training, 0 for ReLU at 0; by a code of an `Embedding` it is 0. In the model's dtype.
        X: (n, inputs), or one row.
        of: "outputs" for those of `outputs(X)`, or "answer" for the columns of `predict_proba(X)`, in regression the
            numbers of `predict(X)`.
        outputs: the place of an output, or a list of these; None for all.
        Raises ShapeError and DataError for X, ConfigError for of, outputs, or a custom loss's answer.
        Source: Griewank, Walther, Evaluating Derivatives, 2nd ed., section 3.2.
        """
        return self._differentiable(X, of, outputs).jacobian()

    def hessian(
        self, X: RowsLike, *, of: Literal["outputs", "answer"] = "outputs", outputs: OutputsLike = None
    ) -> NDArray[Any]:
        """Compute the second derivatives, H_kij = d^2 f_k / d x_i d x_j: (n, outputs, inputs, inputs).

        The arguments and errors are those of `jacobian`; X should have few rows, as the result has n * outputs *
        inputs^2 numbers. At a kink it is 0, so between linear pieces, as of a network with ReLU, it is 0 everywhere. A
        custom layer needs `tangent` and `pullback_tangent`, a custom activation `second`.
        """
        return self._differentiable(X, of, outputs).hessian()

    def jacobian_vector_product(
        self, X: RowsLike, V: ArrayLike, *, of: Literal["outputs", "answer"] = "outputs"
    ) -> NDArray[Any]:
        """Compute J v = sum_i J_ki v_i (n, outputs), the change of the outputs along v, in one forward pass.

        V: (n, inputs), or (inputs,) for the same direction at all rows.  The rest is as in `jacobian`.
        """
        return self._differentiable(X, of, None).jacobian_vector(V)

    def vector_jacobian_product(
        self, X: RowsLike, U: ArrayLike, *, of: Literal["outputs", "answer"] = "outputs"
    ) -> NDArray[Any]:
        """Compute u^T J = sum_k u_k J_ki (n, inputs), the gradient of sum_k u_k f_k, in one backward pass.

        U: (n, outputs), or (outputs,) for the same factors at all rows.  The rest is as in `jacobian`.
        """
        return self._differentiable(X, of, None).vector_jacobian(U)

    def hessian_vector_product(
        self,
        X: RowsLike,
        V: ArrayLike,
        *,
        of: Literal["outputs", "answer"] = "outputs",
        outputs: OutputsLike = None,
    ) -> NDArray[Any]:
        """Compute H v = sum_j H_kij v_j (n, outputs, inputs), the change of `jacobian` along v, without H.

        V: (n, inputs), or (inputs,) for the same direction at all rows.  The rest is as in `hessian`.
        Source: Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6, 1994.
        """
        return self._differentiable(X, of, outputs).hessian_vector(V)

    def _differentiable(self, X: RowsLike, of: str, outputs: OutputsLike) -> Differentiable:
        """Return the model as a function of the rows of X, to be differentiated."""
        from chainrule.trained.derivatives import differentiable

        f = differentiable(self, self._checked_rows(X), of, outputs)
        self._warn_if_untrained()
        return f

    # --- its numbers, replaced -------------------------------------------------------------------------------------

    def take(self, theta: NDArray[Any], states: dict[str, Any], trained: tuple[int, int]) -> None:
        """Take other numbers, which are not copied. trained: the epochs and steps that they were trained for."""
        self.theta, self.states = theta, states
        self.epochs_trained, self.steps_trained = trained

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the state of a pickle; parameters that lie in a file that cannot be written are copied."""
        # That of an earlier version has not the first three.
        for name, value in {"_kept": KeptWalks(), "is_fresh": False, "_ranges": None, **state}.items():
            setattr(self, name, value)
        if not self.theta.flags.writeable:
            self.theta = self.theta.copy()

    def _warn_if_untrained(self) -> None:
        """Warn if the model was neither trained nor loaded, and its parameters are the initial ones."""
        if self.is_fresh and not self.steps_trained and self.theta.size:
            drawn = self.network.initial_theta(self.seed, self.dtype)
            self.is_fresh = np.array_equal(self.theta, drawn)
            if self.is_fresh:
                hints.give(
                    "the model was never trained, so it predicts with random initial weights; call fit first."
                )

    @classmethod
    def of_saved(cls, path: str | os.PathLike[str], saved: persistence.Saved) -> Self:
        """Return the model that a file has. Raises FormatError for metadata that none has."""
        found = cls.__new__(cls)
        Trained.__init__(found, saved.network, saved.theta, saved.states)
        found.is_fresh = False
        found.take_metadata(path, saved.extra)
        found.keep_ranges(ranges_in(path, saved.extra.get("ranges")))
        return found

    def _metadata(self) -> dict[str, Any]:
        return super()._metadata() | ({} if self.ranges is None else {"ranges": self.ranges})

    def __repr__(self) -> str:
        """Show the widths of the dense layers and blocks, the number of parameters, and the epochs of training."""
        wide = [link.fan_out for link in self.network.links if link.params or link.branches]
        widths = [str(self.network.inputs), *map(str, wide)]
        trained = "not trained yet" if self.is_fresh else "not trained here yet"
        if self.steps_trained:
            trained = f"trained for {counted(self.epochs_trained, 'epoch')}"
        shape = "-".join(widths if len(widths) <= 8 else [*widths[:5], "...", *widths[-2:]])
        size = f"{self.network.size:,} parameters"
        return f"<{type(self).__name__} {shape}: {size}, {self.dtype}, {self.task}, {trained}>"


class SeenModel:
    """What the outputs of a model depend on, as it was; its arrays may be written to at any time."""

    def __init__(self, model: Trained) -> None:
        """Copy the numbers."""
        self.network, self.scale, self.ranges = model.network, model.target_scale, model.ranges
        self.dtype, self.theta = model.theta.dtype, bytearray(np.ascontiguousarray(model.theta))
        self.states = {name: [np.array(each) for each in state] for name, state in model.states.items()}

    def is_same(self, model: Trained) -> bool:
        """Return whether a model is as that one was, to the bit: a megabyte takes 30 µs."""
        theta = model.theta
        return (
            model.network is self.network
            and model.target_scale is self.scale
            and model.ranges is self.ranges
            and theta.dtype == self.dtype
            and bool(self.theta == np.ascontiguousarray(theta))  # bytes
            and (model.states.keys() == self.states.keys())
            and all(self._has(name, state) for name, state in model.states.items())
        )

    def _has(self, name: str, state: Sequence[NDArray[Any]]) -> bool:
        return all(np.array_equal(a, b) for a, b in zip(self.states[name], state, strict=True))
