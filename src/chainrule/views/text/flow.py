"""Format the gradient flow as a table."""

from __future__ import annotations

from chainrule.inspection.flow.callback import GradientFlow
from chainrule.inspection.flow.flow import Flow


def table(flow: Flow) -> str:
    """Format the table, what it was measured on, and the diagnoses."""
    heads, rows = cells(flow)
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (heads, tuple("-" * width for width in widths), *rows)
    ]
    lines.append(conditions(flow))
    return "\n".join([*lines, *(diagnosis.words for diagnosis in flow.diagnoses)])


def over_training(measured: GradientFlow) -> str:
    """Format the last measurement, and say when something was wrong before."""
    if not measured.flows:
        return "The gradient flow was not measured yet: pass this callback to Model.fit."
    lines = [f"after epoch {measured.epochs[-1]}", table(measured.flows[-1])]
    seen: dict[str, list[int]] = {}
    for epoch, flow in zip(measured.epochs[:-1], measured.flows[:-1], strict=True):
        for diagnosis in flow.diagnoses:
            seen.setdefault(diagnosis.kind, []).append(epoch)
    lines += [f"Earlier: {kind} after epoch {', '.join(map(str, epochs))}." for kind, epochs in seen.items()]
    return "\n".join(lines)


def cells(flow: Flow) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the names of a table's columns, and its rows in text."""
    heads = ("layer", "activation", "delta", "mean", "std", "saturated", "dead", "dL/dW", "update/weight")
    rows: list[tuple[str, ...]] = [
        (
            row.layer,
            row.activation or "-",
            number(row.delta_ratio),
            number(row.mean),
            number(row.std),
            "-" if row.saturated is None else f"{100 * row.saturated:.1f} %",
            "-" if row.dead is None else f"{row.dead} of {row.width}",
            number(row.gradient_rms),
            number(row.update_ratio),
        )
        for row in flow.layers
    ]
    return heads, rows


def conditions(flow: Flow) -> str:
    """Say what the flow was measured on."""
    mode = "training" if flow.training else "prediction"
    return f"{flow.samples:,} samples as in {mode}, loss {flow.loss:.4g}; RMS of delta relative to the last layer's"


def number(value: float | None) -> str:
    """Format a number: 0.0123 or 1.2e-08; a dash for None."""
    if value is None:
        return "-"
    return f"{value:.4f}" if 0.01 <= abs(value) < 1e3 or value == 0 else f"{value:.1e}"
