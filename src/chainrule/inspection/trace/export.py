"""A trace as a data frame, as JSON, and as a table in the terminal."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.network.summary import as_bytes
from chainrule.network.tree import places

if TYPE_CHECKING:
    from chainrule.inspection.trace.trace import Trace

FRAMES = ("pandas", "polars", "pyarrow")
"""Data frame libraries, in the order in which they are looked for."""

FEW = 4
"""Numbers that a cell of the table shows one by one."""


def frame(trace: Trace, of: str, backend: Any) -> Any:
    """A data frame of `Trace.to_frame`."""
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


def neurons(trace: Trace) -> dict[str, list[Any]]:
    """Columns sample, link, neuron, z, a, delta: sample by sample, links in order, the input first."""
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


def parameters(trace: Trace) -> dict[str, list[Any]]:
    """Columns link, parameter, row, column, value, gradient; a parameter of one axis has row 0."""
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


def data(trace: Trace, n: int | None = None, width: int | None = None) -> dict[str, Any]:
    """The trace as nested lists: the first n samples, and the first `width` numbers along every other axis."""
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


def bounded(trace: Trace, n: int | None, width: int | None) -> dict[str, Any]:
    """What `data` keeps, and how many samples, neurons by link, and numbers by parameter it leaves out."""
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


def table(trace: Trace) -> str:
    """The text of `str(trace)`."""
    from io import StringIO

    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    made = Table(box=SIMPLE_HEAD)
    heads, cells = rows(trace)
    for column in heads:
        made.add_column(
            column,
            no_wrap=column != "layer",
            overflow="fold",
            max_width=28 if column == "layer" else None,
        )
    for row in cells:
        made.add_row(*row)
    out = StringIO()
    Console(file=out, width=160, color_system=None, legacy_windows=False).print(made)
    lines = [line.rstrip() for line in out.getvalue().strip("\n").split("\n")]
    head, *notes = remarks(trace)
    return "\n".join([head, *lines, *notes])


def rows(trace: Trace) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The names of the table's columns, and a row a link in text: blocks' inner links are indented."""
    made = [("input", "", *_cells(trace, "input"), "")]
    for link, depth, *_ in places(trace.network.links):
        grads = trace.grads.get(link.name, ())
        sizes = ", ".join(
            f"{field} {_size(g)}" for field, g in zip(getattr(grads, "_fields", ()), grads, strict=True)
        )
        layer = type(link.layer).__name__ if link.branches else repr(link.layer)
        made.append(("  " * depth + link.name, layer, *_cells(trace, link.name), sizes))
    return ("link", "layer", "z", "a", "delta = dL/dz", "gradient"), made


def remarks(trace: Trace) -> tuple[str, ...]:
    """The line above the table, and those beneath it."""
    penalty = f", {trace.penalty:.6g} of it penalty" if trace.penalty else ""
    of_scale = []
    if trace.scale is not None:
        of_scale = [
            "The loss is of standardized targets. In their own units: "
            f"prediction {_spread(trace.prediction)}, target {_spread(trace.target)}."
        ]
    return (
        f"{samples(trace)}, {trace.mode}: loss {trace.loss:.6g}{penalty}",
        f"Up to {FEW} numbers are shown one by one. Of more, z and a have their mean ± standard deviation,",
        f"delta and gradients their root mean square (rms). {as_bytes(trace.nbytes)} kept.",
        *of_scale,
    )


def samples(trace: Trace) -> str:
    """How many, in words."""
    return "1 sample" if trace.n == 1 else f"{trace.n:,} samples"


def _cells(trace: Trace, name: str) -> list[str]:
    return [_spread(trace.z[name]), _spread(trace.a[name]), _size(trace.delta[name])]


def _numbers(values: NDArray[Any]) -> str | None:
    """Up to FEW numbers one by one, None for more."""
    if values.size > FEW:
        return None
    return " ".join(f"{value:.4g}" for value in values.ravel().tolist())


def _spread(values: NDArray[Any]) -> str:
    values = values.astype(np.float64)
    return _numbers(values) or f"{values.mean():.3g} ± {values.std():.3g}"


def _size(values: NDArray[Any]) -> str:
    return _numbers(values) or f"rms {np.sqrt(np.mean(np.square(values, dtype=np.float64))):.3g}"
