"""Format the passes of a network as tables: a trace, a check of gradients, and the gradient flow."""

from __future__ import annotations

from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from chainrule.inspection.flow.callback import GradientFlow
from chainrule.inspection.flow.flow import Flow
from chainrule.inspection.trace.gradient_check import GradientCheck
from chainrule.inspection.walk import Walk
from chainrule.network.summary import as_bytes
from chainrule.network.tree import places
from chainrule.views import words
from chainrule.views.tables import aligned

MAX_NUMBERS = 4
"""The maximum number of numbers that a cell of the table lists."""


def table(trace: Walk) -> str:
    """Return the text of `str(trace)`."""
    made = Table(box=SIMPLE_HEAD)
    heads, cells = rows(trace)
    for i, column in enumerate(heads):
        is_layer = i == 1
        made.add_column(column, no_wrap=not is_layer, overflow="fold", max_width=28 if is_layer else None)
    for row in cells:
        made.add_row(*row)
    out = StringIO()
    Console(file=out, width=160, color_system=None, legacy_windows=False).print(made)
    lines = [line.rstrip() for line in out.getvalue().strip("\n").split("\n")]
    head, *notes = remarks(trace)
    return "\n".join([head, *lines, *notes])


def rows(trace: Walk) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the table's column names, and one row of text per link; links inside blocks are indented."""
    made = [(words.trace.INPUT, "", *_cells(trace, "input"), "")]
    for link, depth, *_ in places(trace.network.links):
        grads = trace.grads.get(link.name, ())
        sizes = ", ".join(
            f"{field} {_size(g)}" for field, g in zip(getattr(grads, "_fields", ()), grads, strict=True)
        )
        layer = type(link.layer).__name__ if link.branches else repr(link.layer)
        made.append(("  " * depth + link.name, layer, *_cells(trace, link.name), sizes))
    return words.trace.HEADS, made


def remarks(trace: Walk) -> tuple[str, ...]:
    """Return the line above the table, and those below it."""
    said, of_scale = words.trace, []
    if trace.scale is not None:
        of_scale = [said.standardized(_spread(trace.prediction), _spread(trace.target))]
    return (
        said.walked(trace.n, trace.mode, trace.loss, trace.penalty),
        *said.shown(MAX_NUMBERS, as_bytes(trace.nbytes)),
        *of_scale,
    )


def _cells(trace: Walk, name: str) -> list[str]:
    return [_spread(trace.z[name]), _spread(trace.a[name]), _size(trace.delta[name])]


def _numbers(values: NDArray[Any]) -> str | None:
    """Format up to MAX_NUMBERS numbers; return None for more."""
    if values.size > MAX_NUMBERS:
        return None
    return " ".join(f"{value:.4g}" for value in values.ravel().tolist())


def _spread(values: NDArray[Any]) -> str:
    values = values.astype(np.float64)
    return _numbers(values) or words.trace.spread(float(values.mean()), float(values.std()))


def _size(values: NDArray[Any]) -> str:
    return _numbers(values) or words.trace.rms(float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))))


def gradient_check(check: GradientCheck) -> str:
    """Format one line per parameter, and the largest error."""
    said = words.trace
    name, gradient, numeric, error = said.CHECK_HEADS
    lines = [f"{name:<24}{gradient:>22}{numeric:>22}{error:>16}"]
    for name, c in check.items():
        lines.append(f"{check.place(name):<24}{c.gradient:>22.12g}{c.numeric:>22.12g}{c.error:>16.1e}")
    if check:
        lines.append(said.worst(check.place(check.worst), check.error))
    return "\n".join(lines)


def flow_table(flow: Flow) -> str:
    """Format the table, the conditions of the measurement, and the diagnoses."""
    heads, rows = flow_cells(flow)
    said = (diagnosis.words for diagnosis in flow.diagnoses)
    return "\n".join([*aligned([heads, *rows], 2), conditions(flow), *said])


def over_training(measured: GradientFlow) -> str:
    """Format the last measurement, and earlier problems."""
    if not measured.flows:
        return words.flow.NOT_MEASURED
    lines = [words.flow.after_epoch(measured.epochs[-1]), flow_table(measured.flows[-1])]
    seen: dict[str, list[int]] = {}
    for epoch, flow in zip(measured.epochs[:-1], measured.flows[:-1], strict=True):
        for diagnosis in flow.diagnoses:
            seen.setdefault(diagnosis.kind, []).append(epoch)
    lines += [words.flow.earlier(kind, epochs) for kind, epochs in seen.items()]
    return "\n".join(lines)


def flow_cells(flow: Flow) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the column names of a table, and its rows as text."""
    said = words.flow
    rows: list[tuple[str, ...]] = [
        (
            row.layer,
            row.activation or words.phrases.NOTHING,
            number(row.delta_ratio),
            number(row.mean),
            number(row.std),
            words.phrases.NOTHING if row.saturated is None else said.flat_share(row.saturated),
            words.phrases.NOTHING if row.dead is None else said.dead_of(row.dead, row.width),
            number(row.gradient_rms),
            number(row.update_ratio),
        )
        for row in flow.layers
    ]
    return said.HEADS, rows


def conditions(flow: Flow) -> str:
    """Describe the conditions of the measurement."""
    return words.flow.conditions(flow.samples, flow.training, flow.loss)


def number(value: float | None) -> str:
    """Format a number: 0.0123 or 1.2e-08; a dash for None."""
    if value is None:
        return words.phrases.NOTHING
    return f"{value:.4f}" if 0.01 <= abs(value) < 1e3 or value == 0 else f"{value:.1e}"
