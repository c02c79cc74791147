"""A callback that records the gradient flow during training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chainrule.core import records
from chainrule.data.checks import check_count
from chainrule.data.samples import Samples
from chainrule.inspection.flow.diagnosis import LayerFlow
from chainrule.inspection.flow.flow import Flow, frame, measure, thinned
from chainrule.training.callbacks import Callback
from chainrule.training.checkpoint import is_number
from chainrule.training.run import Run

if TYPE_CHECKING:
    import plotly.graph_objects as go


@records.kind("flow_over_training", fields=("epochs", "flows"))
class GradientFlow(Callback, records.Shown, records.TextResult):
    """Measure the gradient flow before training and after epochs: flow[0], flow.figure(), print(flow).

    every: measure after every this many epochs, and after the last one.  samples: the maximum number of training
    samples, evenly spaced, in one batch; for a source, from its first block.  The update-to-weight ratio is that of the
    optimizer's next step on these, at the epoch's last learning rate (before training, its first); not available with
    L-BFGS and methods other than backpropagation. Measuring does not change the run's results.
    Raises ConfigError unless both are positive integers.
    """

    of_one_network = True

    def __init__(self, every: int = 1, samples: int = 256) -> None:
        """Check the settings."""
        self.every, self.samples = check_count(every, "every"), check_count(samples, "samples")
        self.epochs: list[int] = []
        """the epochs measured; 0 is before training"""
        self.flows: list[Flow] = []
        self.some: Samples | None = None
        """the samples to measure on, during a run"""

    def on_train_begin(self, run: Run) -> None:
        """Discard earlier measurements, unless the run is resumed, and measure."""
        self.some = thinned(run.samples.first(), self.samples)
        if run.step == 0:
            self.epochs, self.flows = [], []
            self.look(run, float(run.learning_rates()[0]))

    def on_epoch_end(self, run: Run) -> None:
        """Measure after every `every` epochs and after the last one."""
        last = run.epoch == run.epochs or run.history.stopped is not None
        if run.epoch % self.every == 0 or last:
            self.look(run, run.logs.get("learning_rate"))

    def on_train_end(self, run: Run) -> None:
        """Release the samples."""
        self.some = None

    def look(self, run: Run, lr: float | None) -> None:
        """Measure the gradient flow now."""
        session = run.session
        assert self.some is not None
        stepwise = getattr(session, "method", None) is None  # not a method with other steps
        self.flows.append(
            measure(
                run.plan,
                session.theta,
                session.states,
                self.some,
                session.step_offset + run.step + 1,
                session.optimizer_state if stepwise else None,
                lr=lr,
                first=run.step + 1,
            )
        )
        self.epochs.append(run.epoch)

    def __getitem__(self, epoch: int) -> Flow:
        """Return the flow after an epoch; flow[0] is before training."""
        if epoch not in self.epochs:
            known = ", ".join(map(str, self.epochs)) or "none, because there was no training"
            raise KeyError(f"epoch {epoch} was not measured; measured are {known}.")
        return self.flows[self.epochs.index(epoch)]

    def records(self) -> list[dict[str, Any]]:
        """Return one dict per epoch and layer."""
        return [
            {"epoch": epoch, **row}
            for epoch, flow in zip(self.epochs, self.flows, strict=True)
            for row in flow.records()
        ]

    def to_frame(self, backend: object = "pandas") -> Any:
        """Return a data frame with one row per epoch and layer, of any library that narwhals supports."""
        return frame(self.records(), ("epoch", *LayerFlow._fields), backend)

    def figure(self) -> go.Figure:
        """Plot RMS(delta) over layers and epochs relative to the last layer's, and the update-to-weight ratio."""
        return records.view(self, "as_figure")

    def state(self) -> dict[str, Any]:
        """Return all measurements."""
        return {
            "epochs": self.epochs,
            "flows": [[[list(row) for row in f.layers], f.loss, f.samples, f.training] for f in self.flows],
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore the measurements. Raises TypeError or ValueError for an invalid state."""
        epochs, flows = state["epochs"], state["flows"]
        if not all(type(epoch) is int for epoch in epochs) or len(epochs) != len(flows):
            raise TypeError("epochs must be numbers, one per measurement")
        for rows, loss, samples, training in flows:
            if not (is_number(loss) and type(samples) is int and type(training) is bool):
                raise TypeError(
                    "a measurement must contain a loss, a number of samples, and whether in training"
                )
            if not all(_is_layer(row) for row in rows):
                raise TypeError("a layer must have its name, its activation, its width, and numbers")
        self.epochs = epochs
        self.flows = [
            Flow(tuple(LayerFlow(*row) for row in rows), loss, samples, training)
            for rows, loss, samples, training in flows
        ]


def _is_layer(row: Any) -> bool:
    """Return whether a list has the types of LayerFlow's fields."""
    kinds = [str(kind) for kind in LayerFlow.__annotations__.values()]  # "str", "float | None", ...
    return len(row) == len(kinds) and all(
        (value is None and "None" in kind)
        or (
            isinstance(value, str)
            if "str" in kind
            else type(value) is int
            if "int" in kind
            else is_number(value)
        )
        for value, kind in zip(row, kinds, strict=True)
    )
