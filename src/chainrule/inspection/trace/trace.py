"""The trace of a model: every number of one forward and backward pass, as a table, a data frame, JSON, or derivations.

`chainrule.inspection.trace.walk` defines the numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.core import records
from chainrule.core.arrays import Array, TargetsLike
from chainrule.core.files import to_json
from chainrule.data import checks
from chainrule.formulas.layers import Context
from chainrule.inspection.trace import export
from chainrule.inspection.trace.memory import MEMORY_LIMIT, check_memory
from chainrule.inspection.trace.walk import Walk
from chainrule.trained.trained import Trained

if TYPE_CHECKING:
    from chainrule.inspection.derivation.derivation import Derivation


@records.kind("trace")
class Trace(Walk, records.Shown, records.TextResult):
    """One forward and backward pass. Created by `Model.trace`; print it for a table of the links."""

    def derive(self, what: str) -> Derivation:
        """Write out the chain rule for one number: dL by "dense_2.W[3,1]", "batch_norm_1.gamma[0]" or "input[5]".

        Indices count from 0, as in NumPy. In a batch, an input's first index is the sample: "x[0,5]" (x and input are
        the same). It is computed in float64, from a copy of the trace if the model is in float32, to be compared with a
        central difference. Raises ConfigError for an unknown name, and if the trace contains NaN or infinity.
        """
        from chainrule.inspection.derivation.derivation import derive

        return derive(self.in_float64, what)

    def view(self, **settings: Any) -> Any:
        """Return the trace as a notebook widget that steps through both passes, like `Model.view`."""
        return records.widget(self, **settings)

    # --- as data -------------------------------------------------------------------------------------------------

    def to_frame(self, of: str = "neurons", backend: object = None) -> Any:
        """Return a data frame in long format, of any library that narwhals supports; None: pandas, Polars or PyArrow.

        of="neurons": a row per sample, link and neuron, with z, a and delta.
        of="parameters": a row per trained number, with link, parameter, row, column, value, gradient.
        """
        return export.frame(self, of, backend)

    def to_data(self, n: int | None = 32, width: int | None = 128) -> dict[str, Any]:
        """Return the numbers of `to_json` as JSON-safe data: n samples, and `width` numbers along every other axis.

        None keeps all. "left_out" counts the missing samples, neurons by link and numbers by parameter.
        """
        return records.labeled(self, export.bounded(self, n, width))

    def to_json(self) -> str:
        """Return all numbers as JSON: loss, samples, and z, a, delta, parameters and grads of each link."""
        return to_json(export.data(self))


def trace(
    model: Trained,
    x: Array,
    y: TargetsLike,
    *,
    sample_weight: ArrayLike | None = None,
    training: bool | None = None,
    memory_limit: float | None = MEMORY_LIMIT,
) -> Trace:
    """Trace a model on some samples, like `Model.trace`, which documents the arguments."""
    y = checks.as_array(y, "y")
    if checks.as_array(x, "x").ndim == 1 and (y.ndim == 0 or y.shape == (model.network.outputs,)):
        y = y[None]
    samples = model.check_samples(x, y, sample_weight=sample_weight, names=("x", "y"))
    training = samples.n > 1 if training is None else bool(training)
    check_memory(model.network, samples.n, model.dtype, training, memory_limit)
    ctx = Context(
        training=training,
        seed=model.seed,
        step=model.steps_trained + 1,
        states={name: type(s)(*(np.array(v) for v in s)) for name, s in model.states.items()},
        frozen=model.frozen,
    )
    batch = samples.batch(slice(None), model.dtype)
    batch = batch._replace(a=np.array(batch.a))  # without conversion it is the caller's array
    return Trace(model.network, model.theta.copy(), batch, ctx, model.target_scale)
