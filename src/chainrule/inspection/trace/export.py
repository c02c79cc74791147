"""Export a trace as a data frame and as JSON."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from chainrule.errors import ConfigError
from chainrule.inspection.trace.walk import Walk

FRAMES = ("pandas", "polars", "pyarrow")
"""Data frame libraries, in order of preference."""


def frame(trace: Walk, of: str, backend: Any) -> Any:
    """Create the data frame of `Trace.to_frame`."""
    if of not in ("neurons", "parameters"):
        raise ConfigError(f"of must be 'neurons' or 'parameters', not {of!r}.")
    if backend is None:
        backend = next((name for name in FRAMES if find_spec(name)), None)
        if backend is None:
            raise ConfigError(f"a data frame needs one of {', '.join(FRAMES)}; install one of them first.")
    import narwhals

    columns = neurons(trace) if of == "neurons" else parameters(trace)
    try:
        return narwhals.from_dict(columns, backend=backend).to_native()
    except ModuleNotFoundError as error:
        raise ConfigError(f"a data frame of {backend!r} needs that library; install it first.") from error
    except ValueError as error:
        raise ConfigError(f"backend must be one of {', '.join(FRAMES)}, not {backend!r}.") from error


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
