"""The gradient flow: the size of the gradient from layer to layer, at one moment or during training.

The passes are those of training (`chainrule.network.backprop`): delta = dL/dz of each link with weights, z = a W + b,
and dL/dW without the penalty. RMS is the root mean square, over samples and neurons, or over weights.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.core import records
from chainrule.core.arrays import RowsLike, TargetsLike, evenly_spaced
from chainrule.data import checks
from chainrule.data.frames import make_frame
from chainrule.data.samples import Batch, Samples
from chainrule.engines import Plan
from chainrule.engines.step import step as training_step
from chainrule.errors import ConfigError, DataError, counted
from chainrule.formulas.layers import Context, Link
from chainrule.formulas.optimizers import GradientDescent, Optimizer
from chainrule.inspection.flow.diagnosis import Diagnosis, LayerFlow, diagnose, flat_share, slopes_of
from chainrule.network.network import Network
from chainrule.network.tree import activations_after
from chainrule.trained.trained import Trained

if TYPE_CHECKING:
    import plotly.graph_objects as go


@records.kind("flow", also=("diagnoses",))
@dataclass(frozen=True, repr=False)
class Flow(records.Shown, records.TextResult):
    """The gradient flow at one moment: one row per layer with weights, in forward order. Print it for a table."""

    layers: tuple[LayerFlow, ...]
    loss: float
    """without the penalty"""
    samples: int
    training: bool
    """in training mode (batch statistics, a dropout mask), or in prediction mode"""

    @property
    def diagnoses(self) -> tuple[Diagnosis, ...]:
        """The problems according to the thresholds of `chainrule.inspection.flow.diagnosis`; () for none."""
        return tuple(diagnose(self.layers))

    def __getitem__(self, layer: str) -> LayerFlow:
        """Return a layer by name."""
        for row in self.layers:
            if row.layer == layer:
                return row
        raise KeyError(
            f"{layer!r} is not a dense layer; choose from {', '.join(row.layer for row in self.layers)}."
        )

    def records(self) -> list[dict[str, Any]]:
        """Return one dict per layer."""
        return [row._asdict() for row in self.layers]

    def to_frame(self, backend: object = "pandas") -> Any:
        """Return a data frame with one row per layer, of any library that narwhals supports."""
        return frame(self.records(), LayerFlow._fields, backend)

    def figure(self) -> go.Figure:
        """Plot RMS(delta) by layer relative to the last, and the update-to-weight ratio if known."""
        return records.view(self, "as_figure")

    def __repr__(self) -> str:
        """Return the number of layers, the loss, and the kinds of diagnoses."""
        kinds = "".join(f", {diagnosis.kind}" for diagnosis in self.diagnoses)
        count = counted(len(self.layers), "layer")
        return f"<Flow of {count} on {self.samples:,} samples: loss {self.loss:.4g}{kinds}>"


def gradient_flow(
    model: Trained,
    X: RowsLike,
    y: TargetsLike,
    *,
    sample_weight: ArrayLike | None = None,
    samples: int | None = 512,
    training: bool = True,
    optimizer: Optimizer | None = None,
) -> Flow:
    """Measure the gradient flow of a model on some samples, like `Model.gradient_flow`.

    samples: the maximum number of samples of X and y, evenly spaced; None for all.  training: in training mode or in
    prediction mode.  optimizer: its first step on these samples gives the update-to-weight ratios; None for no ratios.
    """
    checked = model.check_samples(X, y, sample_weight=sample_weight)
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise ConfigError(f"optimizer must be an optimizer such as SGD(0.1), or None, not {optimizer!r}.")
    few = thinned(checked, checked.n if samples is None else checks.check_count(samples, "samples"))
    state = None if optimizer is None else optimizer.init(model.theta)
    plan = Plan(
        model.network,
        GradientDescent() if optimizer is None else optimizer,
        few.n,
        model.seed,
        model.dtype,
        frozen=model.frozen,
    )
    return measure(plan, model.theta, model.states, few, model.steps_trained + 1, state, training=training)


def measure(
    plan: Plan,
    theta: NDArray[Any],
    states: Mapping[str, Any],
    samples: Samples,
    t: int,
    optimizer_state: object = None,
    *,
    lr: float | None = None,
    first: int = 1,
    training: bool = True,
) -> Flow:
    """Run both passes on the samples as the next training step would, and measure.

    t: keys the dropout masks.  optimizer_state: the state from which plan's optimizer takes the measured update, at
    learning rate lr (its own if None), as step `first` of its run; None for no update.
    Raises DataError if all samples have weight 0.
    """
    if not samples.weight.any():
        raise DataError("all samples have weight 0; pass some with a positive weight.")
    batch = samples.batch(slice(None), plan.dtype)
    network = without_penalty(plan.network)
    params = network.unflatten(theta)
    watch = _FlowWatch(network, batch)
    states = dict(states)
    ctx = Context(training, plan.seed, t, states, plan.frozen, watch)
    with np.errstate(all="ignore"):  # overflow is visible in the numbers
        objective = network.objective(params, batch.a, batch.y, batch.s, ctx)
        after = None
        if optimizer_state is not None:
            rate = plan.optimizer.learning_rate if lr is None else lr
            after = training_step(plan, theta, optimizer_state, states, batch, rate, first).theta
        rows = list(watch.rows(theta, network.named(objective.grads), after))
    last = rows[-1].delta_rms if rows else None
    if last:
        rows = [
            row._replace(delta_ratio=None if row.delta_rms is None else row.delta_rms / last) for row in rows
        ]
    return Flow(tuple(rows), float(objective.loss), samples.n, training)


class _FlowWatch:
    """A watch function for both passes that collects statistics without storing the arrays."""

    def __init__(self, network: Network, batch: Batch) -> None:
        self.network = network
        self.followers = activations_after(network.links)
        self.weights = {slot.link.name: slot for slot in network.slots if slot.parameter.is_weight}
        """the weights of each link with weights, by name"""
        self.measured = {self.followers.get(name, name) for name in self.weights}
        """the link whose output is measured: the activation after each link, or itself"""
        self.came: NDArray[Any] = batch.a
        self.outputs: dict[str, tuple[float, float, float | None, int | None]] = {}
        self.deltas: dict[str, float] = {}

    def __call__(self, walk: str, link: Link, value: NDArray[Any]) -> None:
        if walk == "backward":
            if link.name in self.weights:
                self.deltas[link.name] = rms(value)
            return
        if link.name in self.measured:
            slopes = slopes_of(link.layer, self.came, value)
            exact = np.asarray(value, np.float64)
            self.outputs[link.name] = (
                float(exact.mean()),
                float(exact.std()),
                flat_share(link.layer, slopes),
                None if slopes is None else int((slopes == 0).all(0).sum()),
            )
        self.came = value  # the input of the next link; a branch starts before its block is done

    def rows(
        self, theta: NDArray[Any], grads: Mapping[str, Any], after: NDArray[Any] | None
    ) -> Iterator[LayerFlow]:
        """Iterate over one row per layer with weights, depth first."""
        for name, slot in self.weights.items():
            link, follower = slot.link, self.followers.get(name)
            mean, std, saturated, dead = self.outputs[follower or link.name]
            W = theta[slot.start : slot.stop]
            size, reached = rms(W), link.name in self.deltas
            moved = None if after is None else rms(after[slot.start : slot.stop].astype(np.float64) - W)
            yield LayerFlow(
                layer=link.name,
                activation=follower,
                width=link.fan_out,
                delta_rms=self.deltas.get(link.name),
                delta_ratio=None,
                mean=mean,
                std=std,
                saturated=saturated,
                dead=dead,
                gradient_rms=rms(getattr(grads[link.name], slot.field)) if reached else None,
                weight_rms=size,
                update_ratio=None if moved is None or size == 0 else moved / size,
            )


def without_penalty(network: Network) -> Network:
    """Return a copy of the network without the penalty."""
    bare = copy.copy(network)
    bare.l2 = bare.l1 = 0.0
    return bare


def thinned(samples: Samples, max_samples: int) -> Samples:
    """Return at most max_samples samples, evenly spaced, so that all classes remain in data sorted by class."""
    if samples.n <= max_samples:
        return samples
    return samples.take(evenly_spaced(samples.n, max_samples))


def rms(value: Any) -> float:
    """Compute sqrt(mean of squares) in float64, so that squares of float32 numbers do not underflow."""
    return float(np.sqrt(np.mean(np.square(value, dtype=np.float64))))


def frame(records: Sequence[Mapping[str, Any]], columns: Sequence[str], backend: Any) -> Any:
    """Create a data frame from records with these columns."""
    return make_frame({name: [record[name] for record in records] for name in columns}, backend)
