"""What notebooks show of results: their parts, the checks of a gradient, a derivation, and each kind of result."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Collection, Sequence
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import evenly_spaced
from chainrule.estimators.distilling import DistillationCost
from chainrule.explain.columns import ColumnCurve, ColumnImportance, ColumnPairs
from chainrule.explain.reasons import Reasons, shown
from chainrule.explain.slopes import Slopes
from chainrule.export.effect import Int8Effect
from chainrule.inspection.attribution import Attribution
from chainrule.inspection.attribution.result import FEATURES_SHOWN
from chainrule.inspection.derivation.derivation import Derivation, Equation, equations
from chainrule.inspection.derivation.markup import MATHML
from chainrule.inspection.flow.callback import GradientFlow
from chainrule.inspection.flow.flow import Flow
from chainrule.inspection.story import Story
from chainrule.inspection.story.chapters import Bars, Content, Grid, Picture, Signed
from chainrule.inspection.trace.gradient_check import GradientCheck
from chainrule.inspection.trace.trace import Trace
from chainrule.model import Model
from chainrule.network.summary import Summary
from chainrule.training import History
from chainrule.trust.drift import DriftCheck
from chainrule.trust.notice import Notices
from chainrule.views import words
from chainrule.views.pictures import png
from chainrule.views.tables import (
    cost_cells,
    cost_sentences,
    int8_cells,
    int8_sentences,
    summary_cells,
    summary_totals,
)
from chainrule.views.text import drift as drift_text
from chainrule.views.text import inspection as attribution_text
from chainrule.views.text import inspection as trace_text
from chainrule.views.text import tables as tables_text
from chainrule.views.text.inspection import table_rows

# --- build the parts of a notebook output: a frame with styles, tables, bars, curves and pictures --------------------

MAX_ROWS = 40
"""The maximum number of rows of a table; longer ones show their first and last rows."""
MAX_POINTS = 200
"""The maximum number of points of a curve; longer ones are thinned out evenly."""
MAX_LETTERS = 80
"""The maximum number of characters of a cell."""
POSITIVE, NEGATIVE = "#1482cd", "#e26a0a"
"""Blue and orange, as in all figures, bright enough for light and dark backgrounds."""
WIDTH, HEIGHT = 340, 170
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 24, 22
"""The size of a chart of curves, and its margins for the title and the numbers, in pixels."""

STYLE = """
.chainrule .scroll { overflow-x: auto; }
.chainrule h4 { margin: 4px 0; font-size: 1.05em; }
.chainrule p { margin: 4px 0; }
.chainrule table { border-collapse: collapse; width: auto; margin: 6px 0; font-size: 0.92em; }
.chainrule table th, .chainrule table td { text-align: left !important; padding: 3px 12px 3px 0; border: 0;
  border-bottom: 1px solid #8884; vertical-align: middle; white-space: nowrap; font-variant-numeric: tabular-nums; }
.chainrule table th { font-weight: 600; }
.chainrule table .number { text-align: right !important; }
.chainrule svg { width: 100%; max-width: 340px; height: auto; margin: 4px 16px 4px 0; }
.chainrule svg text { fill: currentColor; font: 11px system-ui, sans-serif; }
.chainrule img { width: 168px; max-width: 45%; height: auto; margin: 4px 12px 4px 0; image-rendering: pixelated;
  border: 1px solid #8884; }
.chainrule summary { cursor: pointer; font-weight: 600; padding: 3px 0; }
"""


def framed(title: str, *parts: str) -> str:
    """Return the whole output: the style, a title and the parts."""
    return f'<div class="chainrule"><style>{STYLE}</style><h4>{text(title)}</h4>{"".join(parts)}</div>'


def text(item: object) -> str:
    """Return an object as escaped text of at most MAX_LETTERS characters."""
    whole = str(item)
    return html.escape(whole if len(whole) <= MAX_LETTERS else whole[: MAX_LETTERS - 1] + "…")


def paragraph(words: object) -> str:
    """Return a paragraph of escaped text of any length."""
    return f"<p>{html.escape(str(words))}</p>"


class Markup(str):
    """A cell that is already HTML, which `table` does not escape."""

    __slots__ = ()


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], left: Collection[int] = (0,)) -> str:
    """Return a table of escaped cells, at most MAX_ROWS rows of it.

    heads: the column names, all empty for no header.  left: the left-aligned columns.
    Markup cells are not escaped.
    """
    kinds = ["" if i in left else ' class="number"' for i in range(len(heads))]
    head = "".join(
        f'<th scope="col"{kind}>{text(name)}</th>' for name, kind in zip(heads, kinds, strict=True)
    )
    head = f"<thead><tr>{head}</tr></thead>" if any(heads) else ""
    first, last = list(rows), []
    gap = ""
    if len(rows) > MAX_ROWS:
        first, last = list(rows[: MAX_ROWS - 10]), list(rows[-10:])
        gap = f'<tr><td colspan="{len(heads)}">{text(words.model.more_rows(len(rows) - MAX_ROWS))}</td></tr>'

    def written(row: Sequence[str]) -> str:
        cells = (cell if isinstance(cell, Markup) else text(cell) for cell in row)
        return "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(cells, kinds, strict=True))

    body = "".join(f"<tr>{written(row)}</tr>" for row in first) + gap
    body += "".join(f"<tr>{written(row)}</tr>" for row in last)
    return f'<div class="scroll"><table>{head}<tbody>{body}</tbody></table></div>'


def indented(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return rows whose names keep their leading spaces, which HTML would drop."""
    return [(row[0].replace("  ", "\N{NO-BREAK SPACE}" * 4), *row[1:]) for row in rows]


def bar(share: float) -> Markup:
    """Return a bar of a length from 0 to 1; an empty cell if not finite."""
    if not math.isfinite(share):
        return Markup("")
    width = round(100 * min(max(share, 0.01), 1.0))
    style = f"width:{width}px;height:10px;background:{POSITIVE};border-radius:3px"
    return Markup(f'<div style="{style}"></div>')


def signed_bar(value: float, largest: float) -> Markup:
    """Return a bar of length |value| / largest: from the middle to the right if positive, to the left if negative."""
    width = round(50 * min(abs(value) / largest, 1.0)) if largest and math.isfinite(value) else 0
    start, color = (50, POSITIVE) if value >= 0 else (50 - width, NEGATIVE)
    style = f"margin-left:{start}px;width:{width}px;height:10px;background:{color};border-radius:3px"
    return Markup(f'<div style="width:100px"><div style="{style}"></div></div>')


def curves(title: str, lines: Sequence[tuple[str, Sequence[float | None]]]) -> str:
    """Plot one or two curves over the epochs as SVG: the first solid and blue, the second dashed and orange.

    lines: (name, one value per epoch) each; None, NaN and infinity leave a gap.
    The scale is logarithmic if all values are positive and the largest is more than 20 times the smallest.
    """
    pieces = [(name, _pieces(values)) for name, values in lines]
    found = [y for _, parts in pieces for part in parts for _, y in part]
    if not found:
        return ""
    low, high = min(found), max(found)
    is_log = low > 0 and high > 20 * low
    scale = math.log10 if is_log else float
    bottom, top = scale(low), scale(high)
    count = max(len(values) for _, values in lines)

    def place(x: float, y: float) -> str:
        across = LEFT + (WIDTH - LEFT - RIGHT) * ((x - 1) / (count - 1) if count > 1 else 0.5)
        up = (scale(y) - bottom) / (top - bottom) if top > bottom else 0.5
        return f"{across:.1f},{TOP + (HEIGHT - TOP - BOTTOM) * (1 - up):.1f}"

    drawn, key = [], []
    for (name, parts), color, dash in zip(pieces, (POSITIVE, NEGATIVE), ("", "6 3"), strict=False):
        style = f'stroke="{color}" fill="none" stroke-width="2" stroke-dasharray="{dash or "none"}"'
        for part in parts:
            if len(part) == 1:
                x, y = place(*part[0]).split(",")
                drawn.append(f'<circle cx="{x}" cy="{y}" r="3" fill="{color}"/>')
            else:
                drawn.append(f'<polyline points="{" ".join(place(*p) for p in part)}" {style}/>')
        if parts:
            key.append(f'<tspan style="fill:{color}">{"━" if not dash else "╍"} {text(name)}</tspan>')
    axes = (
        f'<path d="M{LEFT},{TOP} V{HEIGHT - BOTTOM} H{WIDTH - RIGHT}" stroke="#888" fill="none"/>'
        f'<text x="{LEFT - 5}" y="{TOP + 4}" text-anchor="end">{high:.3g}</text>'
        f'<text x="{LEFT - 5}" y="{HEIGHT - BOTTOM}" text-anchor="end">{low:.3g}</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 6}">{text(words.model.FIRST_EPOCH)}</text>'
        + (f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{count:,}</text>' * (count > 1))
    )
    head = f'<text x="2" y="13">{text(words.phrases.logarithmic(title) if is_log else title)}</text>'
    label = f'<text x="{WIDTH - RIGHT}" y="13" text-anchor="end">{" ".join(key)}</text>'
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text(words.model.by_epoch(title))}">'
        f"{head}{label}{axes}{''.join(drawn)}</svg>"
    )


def _pieces(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Return the runs of finite values, each as (epoch, value) pairs; epochs count from 1."""
    chosen = evenly_spaced(len(values), MAX_POINTS)
    found: list[list[tuple[int, float]]] = [[]]
    for i in chosen.tolist():
        value = values[i]
        if value is not None and math.isfinite(value):
            found[-1].append((i + 1, float(value)))
        elif found[-1]:
            found.append([])
    return [piece for piece in found if piece]


def grey(pixels: NDArray[Any], name: str) -> str:
    """Return a gray image of values (height, width), the smallest black and the largest white."""
    values = np.asarray(pixels, np.float64)
    low, high = float(values.min()), float(values.max())
    return _image(np.rint(255 * (values - low) / ((high - low) or 1.0)).astype(np.uint8), name)


def signed(values: NDArray[Any], name: str) -> str:
    """Return an image of values (height, width): blue where positive, orange where negative, transparent where 0."""
    v = np.nan_to_num(np.asarray(values, np.float64))
    largest = float(np.abs(v).max()) or 1.0
    colors = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in (POSITIVE, NEGATIVE)], np.uint8)
    rgba = np.empty((*v.shape, 4), np.uint8)
    rgba[..., :3] = colors[(v < 0).astype(np.int64)]
    rgba[..., 3] = np.rint(255 * np.abs(v) / largest)
    return _image(rgba, name)


def _image(pixels: NDArray[np.uint8], name: str) -> str:
    encoded = base64.b64encode(png(pixels, 256)).decode()
    return f'<img alt="{text(name)}" src="data:image/png;base64,{encoded}"/>'


# --- what notebooks show of checks: columns, later rows, what training noticed, and what a smaller model costs -------


def drift(found: DriftCheck) -> str:
    """Return what has changed, and a table with a row per column."""
    made = table(words.drift.HEADS, drift_text.cells(found), (0, 1))
    return framed(words.drift.TITLE, *map(paragraph, drift_text.sentences(found)), made)


def distilled(found: DistillationCost) -> str:
    """Return what one network in place of an average costs."""
    made = table(words.model.COST_HEADS, cost_cells(found), (0,))
    return framed(words.model.DISTILLED, *map(paragraph, cost_sentences(found)), made)


def int8(found: Int8Effect) -> str:
    """Return a table by layer, by class, and by column."""
    tables = [table(heads, cells, (0, len(heads) - 1)) for heads, cells in int8_cells(found)]
    return framed(words.model.INT8, *map(paragraph, int8_sentences(found)), *tables)


def noticed_cells(found: Notices) -> list[tuple[str, ...]]:
    """Return a row per notice: what it is, its columns, both scores, and what to pass."""
    said = words.notices
    return [
        (
            said.KINDS[each.what],
            words.phrases.several(each.columns) if each.columns else "",
            said.score(each.score, each.score_with),
            said.score(each.score, each.score_without),
            said.to_pass(each),
        )
        for each in found
    ]


def notices(found: Notices) -> str:
    """Return a table with one row per notice, and a sentence for each."""
    if not len(found):
        return framed(words.notices.TITLE, paragraph(words.notices.NOTHING))
    made = table(words.notices.HEADS, noticed_cells(found), (0, 1, 4))
    return framed(words.notices.TITLE, made, *map(paragraph, found))


def importance(found: ColumnImportance) -> str:
    """Return the columns with their importances as bars, their intervals, and what these are."""
    said, largest = words.reasons, float(np.abs(found.mean).max(initial=0.0))
    cells = tables_text.importance_cells(found)
    rows = [(*row, signed_bar(mean, largest)) for row, mean in zip(cells, found.mean.tolist(), strict=False)]
    about = map(paragraph, tables_text.about_importance(found, len(rows)))
    return framed(said.IMPORTANCE, table((*said.IMPORTANCE_HEADS, ""), rows, (0, 4)), *about)


def pairs(found: ColumnPairs) -> str:
    """Return the pairs of columns with their mean joint effects as bars."""
    said, order, scale = words.reasons, found.order(), tables_text.in_units(found.output)
    largest = max((value for *_, value in order), default=0.0)
    rows = [(a, b, f"{scale * value:.4g}", signed_bar(value, largest)) for a, b, value in order]
    return framed(
        said.JOINT, table((*said.PAIR_HEADS, ""), rows, (0, 1, 3)), paragraph(said.pair(found.output))
    )


def slopes(found: Slopes) -> str:
    """Return the first row's slopes as a table."""
    heading, rows = tables_text.slope_cells(found, 0)
    return framed(heading, table(words.reasons.SLOPE_HEADS, rows, (0, 1)))


# --- render a derivation as HTML: a foldable tree of equations -------------------------------------------------------

OPEN = ' open=""'  # also well-formed XML
DERIVATION_STYLE = """
.derivation { overflow-x: auto; }
.derivation math { font-size: 1.05em; }
.derivation details { margin: 6px 0 6px 2px; padding-left: 14px; border-left: 2px solid #8884; }
.derivation > details { border-left: 0; padding-left: 0; }
.derivation summary { cursor: pointer; padding: 2px 0; }
.derivation mtd { padding: 3px 4px; }
.derivation td, .derivation th { text-align: left; padding: 2px 16px 2px 0; border: 0; }
.derivation table { width: auto; margin: 4px 0 8px; }
.derivation td { font-variant-numeric: tabular-nums; vertical-align: middle; }
.derivation summary::marker { color: #0072b2; }
"""


def derivation(derivation: Derivation, terms: int = 4, nodes: int = 24) -> str:
    """Return the output of a derivation: both values in a table, and its tree of at most `nodes` equations."""
    body = values(derivation) + tree(derivation, terms, nodes)
    return f'<div class="derivation"><style>{DERIVATION_STYLE}</style>{body}</div>'


def values(derivation: Derivation) -> str:
    """Return the values by the chain rule and by the central difference as a table, with remarks."""
    cells = "".join(
        f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in words.derivation.two_ways(derivation)
    )
    return f"<table><tbody>{cells}</tbody></table><p>{html.escape(words.derivation.notes(derivation))}</p>"


def tree(derivation: Derivation, terms: int, nodes: int) -> str:
    """Return the equations, each nested in the first one that names it; at most `nodes` of at most `terms` terms."""
    shown, left_out = equations(derivation.tree, terms, nodes)
    by_name = {equation.node.of.plain: equation for equation in shown}
    made = _details(by_name.pop(shown[0].node.of.plain), by_name, True)
    if left_out:
        made += f"<p>{words.derivation.left_out_here(left_out)}</p>"
    return made


def _details(equation: Equation, waiting: dict[str, Equation], is_root: bool) -> str:
    """Return one foldable equation and, nested, those of its derivatives in `waiting`, which are removed from it."""
    name = f"{equation.node.symbol.mathml()}<mo>=</mo>{MATHML.number(equation.node.value)}"
    inner = []
    for term in equation.terms:
        if term.node is not None and term.node.of.plain in waiting:
            inner.append(_details(waiting.pop(term.node.of.plain), waiting, False))
    body = sum_table(equation) if equation.is_sum else product(equation, is_root)
    return f"<details{OPEN if is_root else ''}><summary>{formula(name)}</summary>{body}{''.join(inner)}</details>"


def product(equation: Equation, in_partials: bool) -> str:
    """Return a product of one path: in partial derivatives if in_partials, in symbols and in numbers."""
    rows = table_rows(equation, in_partials)
    return "<div>" + formula(f'<mtable displaystyle="true">{rows}</mtable>') + "</div>"


def sum_table(equation: Equation) -> str:
    """Return a sum as a table with one row per term: in symbols, in numbers, and its value."""
    rows = [(formula(term.mathml()), formula(term.mathml(True)), term.value) for term in equation.written()]
    if equation.others:
        rows.append((words.derivation.others(equation.others), "", equation.rest))
    rows.append((words.derivation.together(len(equation.terms) + equation.others), "", equation.node.value))
    head = f"<tr>{''.join(f'<th>{name}</th>' for name in words.derivation.HEADS)}</tr>"
    cells = "".join(
        f"<tr><td>{symbols}</td><td>{numbers}</td><td>{formula(MATHML.number(value))}</td></tr>"
        for symbols, numbers, value in rows
    )
    return f"<table><thead>{head}</thead><tbody>{cells}</tbody></table>"


def formula(inner: str) -> str:
    """Return MathML at full size, inline."""
    return f'<math displaystyle="true"><mrow>{inner}</mrow></math>'


# --- the notebook output of each result, for its `_repr_html_` -------------------------------------------------------


def model(model: Model) -> str:
    """Return a model's summary, and its epochs and steps."""
    said = words.model
    about = said.about(
        model.task, repr(model.network.loss), model.seed, model.epochs_trained, model.steps_trained
    )
    lines = [about, said.last_epoch(model.history[-1])] if len(model.history) else [about]
    title = said.title(model.network.size, str(model.dtype))
    return framed(title, *_summary(model.summary()), *map(paragraph, lines))


def summary(summary: Summary) -> str:
    """Return a table with one row per link, and the totals."""
    return framed(words.model.parameters_of(summary.parameters), *_summary(summary))


def _summary(summary: Summary) -> tuple[str, str]:
    heads, rows = summary_cells(summary)
    sums = words.model.totals(summary_totals(summary))
    return table(heads, indented(rows), (0, 1)), paragraph(sums)


def history(history: History) -> str:
    """Return the curves of the loss and of the main metric, and a table with one row per epoch."""
    if not len(history):
        return framed(words.model.HISTORY, paragraph(words.model.NO_EPOCH))
    said = words.model
    drawn = [
        curves(
            words.phrases.spoken(name),
            [
                (label, history[column])
                for label, column in ((said.TRAINING, name), (said.VALIDATION, f"val_{name}"))
                if column in history
            ],
        )
        for name in history.charted
    ]
    names = history.columns
    rows = [
        (f"{i:,}", *("" if (v := record.get(name)) is None else f"{v:.5g}" for name in names))
        for i, record in enumerate(history, 1)
    ]
    stopped = paragraph(said.stopped(history.stopped)) if history.stopped else ""
    heads = (said.EPOCH, *map(words.phrases.spoken, names))
    return framed(said.history_of(len(history)), *drawn, stopped, table(heads, rows, ()))


def trace(trace: Trace) -> str:
    """Return a table with one row per link: its output, delta and gradients, as numbers or as mean and deviation."""
    heads, rows = trace_text.rows(trace)
    head, *notes = trace_text.remarks(trace)
    return framed(words.trace.title(head), table(heads, indented(rows), (0, 1)), paragraph(" ".join(notes)))


def flow(flow: Flow) -> str:
    """Return a table with one row per layer, RMS(delta) as a bar on a logarithmic scale, and the diagnoses."""
    heads, rows = trace_text.flow_cells(flow)
    ratios = [row.delta_ratio for row in flow.layers]
    logs = [math.log10(r) if r and math.isfinite(r) else None for r in ratios]
    low = min((x for x in logs if x is not None), default=0.0)
    high = max((x for x in logs if x is not None), default=0.0)
    bars = [
        Markup("") if x is None else bar((x - low + 0.1 * (high - low + 1)) / (1.1 * (high - low) + 0.1))
        for x in logs
    ]
    cells = [(*row[:3], drawn, *row[3:]) for row, drawn in zip(rows, bars, strict=True)]
    made = table((*heads[:3], words.flow.BARS, *heads[3:]), cells, (0, 1, 3))
    return framed(
        words.flow.FLOW,
        made,
        paragraph(trace_text.conditions(flow)),
        *(paragraph(diagnosis.words) for diagnosis in flow.diagnoses),
    )


def gradient_check(check: GradientCheck) -> str:
    """Return a table with one row per parameter: both gradients of its worst component, and their relative error."""
    rows = [
        (check.place(name), f"{c.gradient:.12g}", f"{c.numeric:.12g}", f"{c.error:.1e}")
        for name, c in check.items()
    ]
    said = words.trace
    worst = said.worst(check.place(check.worst), check.error) if check else said.NO_PARAMETER
    return framed(said.CHECK, table(said.CHECK_HEADS, rows), paragraph(f"{worst}."))


def attribution(found: Attribution) -> str:
    """Return the first sample's attribution: as an image or as bars of the largest values, and its sum."""
    said, drawn = words.attribution, []
    if found.shape is not None:
        drawn.append(grey(found.X[0].reshape(found.shape), said.INPUT))
        drawn.append(signed(found.values[0].reshape(found.shape), said.PIXELS))
    largest = float(np.abs(found.values[0]).max(initial=0.0))
    rows = [
        (*texts, f"{value:.5g}", signed_bar(value, largest))
        for *texts, value in attribution_text.cells(found, 0)
    ]
    rest = found.order(0)[FEATURES_SHOWN:]
    if len(rest):
        total = float(found.values[0, rest].sum())
        rows.append((said.others(len(rest)), "", "", f"{total:.5g}", Markup("")))
    return framed(
        said.title(found.method, said.target(found.targets[0]), 0, len(found.values)),
        *drawn,
        table((*said.HEADS, ""), rows, (0, 4)),
        paragraph(found.completeness(0)),
    )


def reasons(found: Reasons) -> str:
    """Return the first row's answer, its largest effects as bars, and what they add up to."""
    said, listed = words.reasons, tables_text.effects(found, 0)
    largest = max((abs(each.value) for each in listed), default=0.0)
    rows = [
        (each.column, each.cell, each.typical, f"{each.value:+.4g}", signed_bar(each.value, largest))
        for each in listed
    ]
    return framed(
        said.of_row(tables_text.subject(found, 0), 0, len(found)),
        paragraph(tables_text.headline(found, 0)),
        table((*said.HEADS, ""), rows, (0, 1, 2, 4)),
        paragraph(said.adds_up(float(found.error[0]))),
    )


def curve(found: ColumnCurve) -> str:
    """Return the mean answer at each cell of a column."""
    said, mean = words.reasons, found.mean
    rows = [(shown(found.column, i) or said.MISSING, f"{value:.4g}") for i, value in enumerate(mean.tolist())]
    return framed(said.curve(found.column.name), table((found.column.name, said.MEAN), rows))


def story(story: Story) -> str:
    """Return the foldable chapters of a story, the first two open."""
    chapters = "".join(
        f"<details{OPEN if number <= 2 else ''}><summary>{number}. {text(part.title)}</summary>"
        f"{''.join(map(_piece, part.content))}</details>"
        for number, part in enumerate(story.parts(), 1)
    )
    return framed(words.story_page.headline(story), chapters)


def _piece(item: Content) -> str:
    """Return one piece of a chapter: a sentence, a table, bars or images."""
    if isinstance(item, Grid):
        left = {k for k, name in enumerate(item.columns) if k == 0 or name in item.words}
        return table(item.columns, item.rows, left)
    if isinstance(item, Bars):
        bars = [
            (row.name, row.number, bar(row.share) if row.share > 0 else Markup(""), row.note)
            for row in item.rows
        ]
        return table(("",) * 4, bars, (0, 2, 3))
    if isinstance(item, Signed):
        largest = max((abs(value) for _, value in item.rows), default=0.0)
        sides = [(name, f"{value:+.4g}", signed_bar(value, largest)) for name, value in item.rows]
        return table(("",) * 3, sides, (0, 2))
    if isinstance(item, Picture):
        return grey(item.pixels, words.story_page.INPUT) + "".join(
            signed(values, name) for name, values in item.maps
        )
    return paragraph(item)


@singledispatch
def output(result: object) -> str:
    """Return what a notebook shows of a result, by its class. Raises TypeError for other objects."""
    raise TypeError(f"{type(result).__name__} has no output.")


output.register(Model, model)
output.register(Summary, summary)
output.register(History, history)
output.register(Trace, trace)
output.register(Flow, flow)
output.register(GradientCheck, gradient_check)
output.register(Attribution, attribution)
output.register(Reasons, reasons)
output.register(ColumnImportance, importance)
output.register(ColumnCurve, curve)
output.register(ColumnPairs, pairs)
output.register(Slopes, slopes)
output.register(DriftCheck, drift)
output.register(DistillationCost, distilled)
output.register(Int8Effect, int8)
output.register(Notices, notices)
output.register(Story, story)
output.register(Derivation, derivation)


@output.register(GradientFlow)
def _(measured: GradientFlow) -> str:
    return flow(measured.flows[-1]) if measured.flows else f"<p>{measured}</p>"
