"""Traces, derivations and attributions as text."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from chainrule.inspection.attribution.reinitialization import SIMILAR_CORRELATION, Reinitialization
from chainrule.inspection.attribution.result import FEATURES_SHOWN, Attribution
from chainrule.inspection.derivation.derivation import Derivation, Equation, beneath, equations
from chainrule.inspection.derivation.markup import LATEX, MATHML, TEXT, Expression, Writer
from chainrule.inspection.flow.callback import GradientFlow
from chainrule.inspection.flow.flow import Flow
from chainrule.inspection.trace.gradient_check import GradientCheck
from chainrule.inspection.walk import Walk
from chainrule.network.summary import as_bytes
from chainrule.network.tree import places
from chainrule.views import words
from chainrule.views.tables import aligned

# --- format the passes of a network as tables: a trace, a check of gradients, and the gradient flow ------------------

MAX_NUMBERS = 4
"""The maximum number of numbers that a cell of the table lists."""


def trace_table(trace: Walk) -> str:
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
    made = [(words.trace.INPUT, "", *_trace_cells(trace, "input"), "")]
    for link, depth, *_ in places(trace.network.links):
        grads = trace.grads.get(link.name, ())
        sizes = ", ".join(
            f"{field} {_size(g)}" for field, g in zip(getattr(grads, "_fields", ()), grads, strict=True)
        )
        layer = type(link.layer).__name__ if link.branches else repr(link.layer)
        made.append(("  " * depth + link.name, layer, *_trace_cells(trace, link.name), sizes))
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


def _trace_cells(trace: Walk, name: str) -> list[str]:
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


# --- format a derivation as text, LaTeX and MathML -------------------------------------------------------------------


def text(derivation: Derivation, terms: int, nodes: int) -> str:
    """Return the text of `Derivation.text`: at most `nodes` equations of at most `terms` terms."""
    shown, left_out = equations(derivation.tree, terms, nodes)
    blocks = [_sum_lines(e) if e.is_sum else _product_lines(e, i == 0) for i, e in enumerate(shown)]
    if left_out:
        blocks.append(words.derivation.left_out(left_out, len(shown)))
    return "\n\n".join(blocks)


def head(derivation: Derivation) -> str:
    """Return both values and their difference."""
    lines = [
        f"{derivation.tree.symbol.text()} = {derivation.value:.6g}, {words.derivation.place(derivation)}"
    ]
    lines += [f"  {name:<21}{value}" for name, value in words.derivation.two_ways(derivation)]
    return "\n".join(lines + [f"  {remark}" for remark in words.derivation.remarks(derivation)])


def _product_lines(equation: Equation, in_partials: bool) -> str:
    """Format a product of one path: left = symbols = numbers = value, below each other."""
    (whole,) = equation.written()
    return beneath(equation.node.symbol.text(), _rows(equation, whole, TEXT, in_partials))


def _rows(equation: Equation, whole: Expression, writer: Writer, in_partials: bool) -> list[str]:
    """Return the right sides of an equation, from symbols to its value, without repetitions."""
    rows = [equation.partials.write(writer, False)] if in_partials and equation.partials else []
    rows += [whole.write(writer, False), whole.write(writer, True), writer.number(equation.node.value)]
    return [*dict.fromkeys(rows)]


def _sum_lines(equation: Equation) -> str:
    """Format a sum as a table of its terms: in symbols, in numbers, and their values."""
    terms = equation.written()
    rows = [(term.text(), term.text(True), TEXT.number(term.value)) for term in terms]
    if equation.others:
        rows.append((words.derivation.others(equation.others), "", TEXT.number(equation.rest)))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        f"{equation.node.symbol.text()} = {words.derivation.sum_of(len(equation.terms), equation.others)}"
    ]
    for i, (symbols, numbers, value) in enumerate(rows):
        sign = " " if i == 0 else "+"
        repeated = numbers in ("", value)
        middle = " " * (widths[1] + 2) if repeated else f"= {numbers:<{widths[1]}}"
        lines.append(f"  {sign} {symbols:<{widths[0]}}  {middle}  = {value:>{widths[2]}}")
    lines.append(f"  = {equation.node.value:.6g}")
    return "\n".join(lines)


# --- LaTeX and MathML


def latex(derivation: Derivation, terms: int, nodes: int) -> str:
    """Return the LaTeX of `Derivation.latex`: at most `nodes` equations of at most `terms` terms."""
    shown, _ = equations(derivation.tree, terms, nodes)
    made = [
        " \\\\\n".join(f"{left} &{mark} {row}" for left, mark, row in _derivation_cells(e, LATEX, i == 0))
        for i, e in enumerate(shown)
    ]
    return "\\begin{aligned}\n" + " \\\\[1ex]\n".join(made) + "\n\\end{aligned}"


def mathml(derivation: Derivation, terms: int, nodes: int) -> str:
    """Return the MathML of `Derivation.mathml`: at most `nodes` equations of at most `terms` terms."""
    shown, _ = equations(derivation.tree, terms, nodes)
    return "\n".join(
        [
            '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block"><mtable displaystyle="true">',
            *(table_rows(e, i == 0) for i, e in enumerate(shown)),
            "</mtable></math>",
        ]
    )


def table_rows(equation: Equation, in_partials: bool) -> str:
    """Return the rows of one equation as MathML: left side, sign, right side."""
    rows = []
    for left, mark, row in _derivation_cells(equation, MATHML, in_partials):
        room = ";padding-top:0.9em" if left else ""  # above an equation
        rows.append(
            f'<mtr><mtd style="text-align:right{room}">{left}</mtd><mtd style="text-align:center{room}">'
            f'<mo>{mark}</mo></mtd><mtd style="text-align:left{room}">{row}</mtd></mtr>'
        )
    return "\n".join(rows)


def _derivation_cells(
    equation: Equation, writer: Writer, in_partials: bool
) -> Iterator[tuple[str, str, str]]:
    """Iterate over the rows of an equation: left side, sign, right side."""
    left = equation.node.symbol.write(writer, False)
    if not equation.is_sum:
        (whole,) = equation.written()
        for i, row in enumerate(_rows(equation, whole, writer, in_partials)):
            yield (left if i == 0 else ""), "=", row
        return
    terms = equation.written()
    rest = words.derivation.more(equation.others)
    for numbers in (False, True):
        rows = [
            writer.brackets(term.write(writer, numbers))
            if i > 0 and term.begins_negative(numbers)
            else term.write(writer, numbers)
            for i, term in enumerate(terms)
        ]
        if equation.others:
            number = writer.number(equation.rest)
            number = writer.brackets(number) if equation.rest < 0 else number
            rows.append(number if numbers else writer.words(rest))
        for i, row in enumerate(rows):
            first = i == 0
            yield (left if first and not numbers else ""), "=" if first else writer.plus, row
    yield "", "=", writer.number(equation.node.value)


# --- format an attribution and the re-initialization check as tables -------------------------------------------------


def attribution_table(found: Attribution, row: int = 0, top: int = FEATURES_SHOWN) -> str:
    """Format the largest values of a sample, and the completeness check."""
    said, order = words.attribution, found.order(row)
    names = [said.feature(found, k) for k in order[:top].tolist()]
    largest = float(np.abs(found.values[row]).max(initial=0.0)) or 1.0
    width = max(len(said.HEADS[0]), *map(len, names))
    lines = [
        said.title(found.method, said.target(found.targets[row]), row, len(found.values)),
        f"{said.HEADS[0]:<{width}}{said.HEADS[1]:>12}{said.HEADS[2]:>12}{said.HEADS[3]:>14}",
    ]
    for name, k in zip(names, order.tolist(), strict=False):
        a = float(found.values[row, k])
        mark = ("+" if a > 0 else "-") * round(20 * abs(a) / largest)
        numbers = f"{found.X[row, k]:>12.5g}{found.baseline[row, k]:>12.5g}{a:>14.5g}"
        lines.append(f"{name:<{width}}{numbers}  {mark}".rstrip())
    rest = order[top:]
    if len(rest):
        left = float(found.values[row][rest].sum())
        lines.append(f"{said.others(len(rest)):<{width}}{'':>24}{left:>14.5g}")
    return "\n".join([*lines, said.completeness(found, row)])


def bars(found: Attribution, row: int, max_features: int) -> list[tuple[str, float]]:
    """Return the features with the largest values, such as age = 63, the largest first, and the sum of all others."""
    order, said = found.order(row), words.attribution
    shown = [
        (f"{said.feature(found, k)} = {found.X[row, k]:.4g}", float(found.values[row, k]))
        for k in order[:max_features].tolist()
    ]
    rest = order[max_features:]
    return [*shown, (said.others(len(rest)), float(found.values[row, rest].sum()))] if len(rest) else shown


def cells(
    found: Attribution, row: int, max_features: int = FEATURES_SHOWN
) -> list[tuple[str, str, str, float]]:
    """Return the features with the largest values: name, value and baseline as text, and share."""
    return [
        (
            words.attribution.feature(found, k),
            f"{found.X[row, k]:.5g}",
            f"{found.baseline[row, k]:.5g}",
            float(found.values[row, k]),
        )
        for k in found.order(row)[:max_features].tolist()
    ]


def reinitialization(check: Reinitialization) -> str:
    """Format one line per layer, and a conclusion about the correlations."""
    said = words.attribution
    down, signed, absolute = said.CHECK_HEADS
    width = max(len(down), *(len(stage.layer) for stage in check.stages))
    lines = [
        said.check_title(check.method),
        f"{down:<{width}}{signed:>10}{absolute:>10}",
        *(f"{stage.layer:<{width}}{stage.signed:>10.3f}{stage.absolute:>10.3f}" for stage in check.stages),
    ]
    last = check.stages[-1]
    if np.isnan(last.signed):
        return "\n".join([*lines, said.NOTHING_TO_COMPARE])
    return "\n".join([*lines, said.verdict(last.signed, last.absolute, check.passes, SIMILAR_CORRELATION)])
