"""The trace of a model: every number of one forward and backward pass, as a table, a data frame, JSON, or derivations.

`chainrule.inspection.walk` defines the numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from chainrule.core import records
from chainrule.core.arrays import Array, TargetsLike
from chainrule.core.files import to_json
from chainrule.data import checks
from chainrule.data.frames import make_frame
from chainrule.errors import ConfigError
from chainrule.formulas.layers import Context
from chainrule.inspection.walk import MEMORY_LIMIT, Walk, memory
from chainrule.network.network import Network
from chainrule.network.summary import as_bytes
from chainrule.trained.trained import Trained

if TYPE_CHECKING:
    from chainrule.inspection.derivation.derivation import Derivation


@records.kind("trace")
class Trace(Walk, records.Shown, records.TextResult):
    """One forward and backward pass. Created by `Model.trace`; print it for a table of the links."""

    def derive(self, what: str, of: str = "loss") -> Derivation:
        """Write out the chain rule for one number: dL by "dense_2.W[3,1]", "batch_norm_1.gamma[0]" or "input[5]".

            trace.derive("input[5]", of="answer[1]")     # of the probability of the second class by an input

        Of output f in place of L, from the last link back, each line over all paths through its link:

            df/dz_L = e_f      df/da_{l-1} = df/dz_l W_l^T      df/dz_{l-1} = df/da_{l-1} f'(z_{l-1})

        of: "loss"; "output[1]", in the targets' units; or "answer[1]", of the columns of `predict_proba`, in regression
            of `predict`. Without batch statistics and dropout (training=False), `Model.jacobian` has the same numbers.
        Indices count from 0, as in NumPy. In a batch, the first index of inputs and outputs is the sample: "x[0,5]" (x
        and input are the same). It is computed in float64, from a copy of the trace if the model is in float32, to be
        compared with a central difference. Raises ConfigError for an unknown name, a custom loss's answer, and if the
        trace contains NaN or infinity.
        """
        from chainrule.inspection.derivation.derivation import derive

        return derive(self.in_float64, what, of)

    def view(self, **settings: Any) -> Any:
        """Return the trace as a notebook widget that steps through both passes, like `Model.view`."""
        return records.widget(self, **settings)

    # --- as data -------------------------------------------------------------------------------------------------

    def to_frame(self, of: str = "neurons", backend: Any = None) -> Any:
        """Return a data frame in long format, of any library that narwhals supports; None: pandas, Polars or PyArrow.

        of="neurons": a row per sample, link and neuron, with z, a and delta.
        of="parameters": a row per trained number, with link, parameter, row, column, value, gradient.
        """
        if of not in ("neurons", "parameters"):
            raise ConfigError(f"of must be 'neurons' or 'parameters', not {of!r}.")
        return make_frame(neurons(self) if of == "neurons" else parameters(self), backend)

    def to_data(self, n: int | None = 32, width: int | None = 128) -> dict[str, Any]:
        """Return the numbers of `to_json` as JSON-safe data: n samples, and `width` numbers along every other axis.

        None keeps all. "left_out" counts the missing samples, neurons by link and numbers by parameter.
        """
        return records.labeled(self, bounded(self, n, width))

    def to_json(self) -> str:
        """Return all numbers as JSON: loss, samples, and z, a, delta, parameters and grads of each link."""
        return to_json(data(self))


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


def neurons(trace: Walk) -> dict[str, list[Any]]:
    """Return the columns sample, link, neuron, z, a, delta, ordered by sample, then link, with the input first."""
    widths = {name: values.shape[1] for name, values in trace.z.items()}
    names = [name for name, width in widths.items() for _ in range(width)]
    numbers = [k for width in widths.values() for k in range(width)]
    columns: dict[str, list[Any]] = {
        "sample": np.repeat(np.arange(trace.n), len(names)).tolist(),
        "link": names * trace.n,
        "neuron": numbers * trace.n,
    }
    for letter, values in (("z", trace.z), ("a", trace.a), ("delta", trace.delta)):
        columns[letter] = np.concatenate([values[name] for name in widths], axis=1).ravel().tolist()
    return columns


def parameters(trace: Walk) -> dict[str, list[Any]]:
    """Return the columns link, parameter, row, column, value, gradient; a parameter of one axis has row 0."""
    columns: dict[str, list[Any]] = {
        name: [] for name in ("link", "parameter", "row", "column", "value", "gradient")
    }
    for name, params in trace.parameters.items():
        for field, value, gradient in zip(params._fields, params, trace.grads[name], strict=True):
            rows = value.reshape((-1, value.shape[-1]) if value.ndim else (1, 1))
            row, column = np.indices(rows.shape)
            columns["link"] += [name] * value.size
            columns["parameter"] += [field] * value.size
            columns["row"] += row.ravel().tolist()
            columns["column"] += column.ravel().tolist()
            columns["value"] += value.ravel().tolist()
            columns["gradient"] += gradient.ravel().tolist()
    return columns


def data(trace: Walk, n: int | None = None, width: int | None = None) -> dict[str, Any]:
    """Return the trace as nested lists: the first n samples, and the first `width` numbers along every other axis."""
    links = {
        name: {
            letter: values[name][:n, :width].tolist()
            for letter, values in (("z", trace.z), ("a", trace.a), ("delta", trace.delta))
        }
        for name in trace.z
    }
    for name, params in trace.parameters.items():
        for key, tree in (("parameters", params), ("grads", trace.grads[name])):
            links[name][key] = {
                field: value[(slice(width),) * value.ndim].tolist()
                for field, value in zip(tree._fields, tree, strict=True)
            }
    found: dict[str, Any] = {
        "network": repr(trace.network),
        "samples": trace.n,
        "training": trace.training,
        "dtype": trace.theta.dtype.name,
        "loss": trace.loss,
        "penalty": trace.penalty,
    }
    arrays = {"x": trace.x, "y": trace.y, "weight": trace.s, "out": trace.out, "losses": trace.losses}
    if trace.scale is not None:
        arrays |= {"prediction": trace.prediction, "target": trace.target}
    found |= {name: (v[:n] if v.ndim == 1 else v[:n, :width]).tolist() for name, v in arrays.items()}
    return found | {"links": links}


def bounded(trace: Walk, n: int | None, width: int | None) -> dict[str, Any]:
    """Return `data`, and the numbers of samples, neurons by link and entries by parameter that it omits."""
    neurons = {name: values.shape[1] - values[:0, :width].shape[1] for name, values in trace.z.items()}
    numbers = {
        f"{name}.{field}": value.size - value[(slice(width),) * value.ndim].size
        for name, params in trace.parameters.items()
        for field, value in zip(params._fields, params, strict=True)
    }
    left_out = {
        "samples": trace.n - len(trace.x[:n]),
        "neurons": {name: count for name, count in neurons.items() if count},
        "parameters": {name: count for name, count in numbers.items() if count},
    }
    return data(trace, n, width) | {"left_out": left_out}


def check_memory(
    network: Network, samples: int, dtype: DTypeLike, training: bool, limit: float | None
) -> None:
    """Check that a trace needs at most `limit` bytes; None for no limit. Raises ConfigError."""
    need = memory(network, samples, dtype, training)
    if limit is not None and need > limit:
        one = memory(network, 1, dtype, training) - memory(network, 0, dtype, training)
        fit = int((limit - memory(network, 0, dtype, training)) // one)
        few = f"trace at most {fit:,} of them, X[:{fit}], or " if fit > 0 else ""
        raise ConfigError(
            f"a trace of {samples:,} samples takes about {as_bytes(need)}, more than memory_limit, {as_bytes(limit)}; "
            f"{few}pass a larger memory_limit in bytes, or None."
        )
