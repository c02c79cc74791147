"""The notebook output of each result, for its `_repr_html_`."""

from __future__ import annotations

import math
from functools import singledispatch

import numpy as np

from chainrule.estimators.distilling import DistillationCost
from chainrule.explain.columns import ColumnCurve, ColumnImportance, ColumnPairs
from chainrule.explain.reasons import Reasons, shown
from chainrule.export.effect import Int8Effect
from chainrule.inspection.attribution import Attribution
from chainrule.inspection.attribution.result import FEATURES_SHOWN
from chainrule.inspection.derivation.derivation import Derivation
from chainrule.inspection.flow.callback import GradientFlow
from chainrule.inspection.flow.flow import Flow
from chainrule.inspection.story import Story
from chainrule.inspection.trace.gradient_check import GradientCheck
from chainrule.inspection.trace.trace import Trace
from chainrule.model import Model
from chainrule.network.summary import Summary
from chainrule.training import History
from chainrule.trust.drift import DriftCheck
from chainrule.trust.notice import Notices
from chainrule.views import words
from chainrule.views.chapters import Bars, Content, Grid, Picture, Signed
from chainrule.views.notebook.checks import distilled, drift, importance, int8, notices, pairs
from chainrule.views.notebook.derivation import derivation
from chainrule.views.notebook.parts import (
    Markup,
    bar,
    curves,
    framed,
    grey,
    indented,
    paragraph,
    signed,
    signed_bar,
    table,
    text,
)
from chainrule.views.tables import summary_cells, summary_totals
from chainrule.views.text import attribution as attribution_text
from chainrule.views.text import tables as tables_text
from chainrule.views.text import trace as trace_text

OPEN = ' open=""'  # also well-formed XML


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
output.register(DriftCheck, drift)
output.register(DistillationCost, distilled)
output.register(Int8Effect, int8)
output.register(Notices, notices)
output.register(Story, story)
output.register(Derivation, derivation)


@output.register(GradientFlow)
def _(measured: GradientFlow) -> str:
    return flow(measured.flows[-1]) if measured.flows else f"<p>{measured}</p>"
