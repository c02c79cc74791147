"""Format the gradient flow as a table."""

from __future__ import annotations

from chainrule.inspection.flow.callback import GradientFlow
from chainrule.inspection.flow.flow import Flow
from chainrule.views import words
from chainrule.views.tables import aligned


def table(flow: Flow) -> str:
    """Format the table, the conditions of the measurement, and the diagnoses."""
    heads, rows = cells(flow)
    found = (diagnosis.words for diagnosis in flow.diagnoses)
    return "\n".join([*aligned([heads, *rows], 2), conditions(flow), *found])


def over_training(measured: GradientFlow) -> str:
    """Format the last measurement, and earlier problems."""
    if not measured.flows:
        return words.flow.NOT_MEASURED
    lines = [words.flow.after_epoch(measured.epochs[-1]), table(measured.flows[-1])]
    seen: dict[str, list[int]] = {}
    for epoch, flow in zip(measured.epochs[:-1], measured.flows[:-1], strict=True):
        for diagnosis in flow.diagnoses:
            seen.setdefault(diagnosis.kind, []).append(epoch)
    lines += [words.flow.earlier(kind, epochs) for kind, epochs in seen.items()]
    return "\n".join(lines)


def cells(flow: Flow) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
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
