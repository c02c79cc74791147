"""A result's text, and its short description in words, by the result's class."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np

from chainrule.estimators.distilling import DistillationCost
from chainrule.explain.columns import ColumnImportance, ColumnPairs
from chainrule.explain.reasons import Reasons
from chainrule.explain.slopes import Slopes
from chainrule.export.effect import Int8Effect
from chainrule.inspection.attribution import Attribution, Reinitialization
from chainrule.inspection.attribution.explained import Target
from chainrule.inspection.derivation.derivation import Derivation, Step
from chainrule.inspection.derivation.difference import Difference
from chainrule.inspection.flow.callback import GradientFlow
from chainrule.inspection.flow.diagnosis import Diagnosis
from chainrule.inspection.flow.flow import Flow
from chainrule.inspection.story import Story
from chainrule.inspection.trace.gradient_check import GradientCheck
from chainrule.inspection.trace.trace import Trace
from chainrule.model.comparison import Comparison, DifferentRow
from chainrule.tables.cells import DescribedTable
from chainrule.trust.decisions import Decision
from chainrule.trust.drift import DriftCheck
from chainrule.trust.notice import Notices
from chainrule.trust.reliability import Reliability
from chainrule.views import tables as numbers
from chainrule.views import words
from chainrule.views.text import drift, inspection, story, tables

MOST_PAIRS = 10
"""The most frequent pairs of labels, of those on which two models differ."""


@singledispatch
def text(result: object, *arguments: Any) -> str:
    """Return the text of a result; the arguments are those of its function in the table below.

    Raises TypeError for other objects.
    """
    raise TypeError(f"{type(result).__name__} has no text.")


text.register(Attribution, inspection.attribution_table)
text.register(Reliability, tables.reliability)
text.register(Reinitialization, inspection.reinitialization)
text.register(Decision, tables.decision)
text.register(Derivation, inspection.text)
text.register(DescribedTable, tables.table)
text.register(DistillationCost, numbers.cost)
text.register(DriftCheck, drift.text)
text.register(Flow, inspection.flow_table)
text.register(GradientFlow, inspection.over_training)
text.register(Int8Effect, numbers.int8)
text.register(Reasons, tables.reasons)
text.register(ColumnImportance, tables.importance)
text.register(ColumnPairs, tables.pairs)
text.register(Slopes, tables.slopes)
text.register(Story, story.as_text)
text.register(GradientCheck, inspection.gradient_check)
text.register(Trace, inspection.trace_table)


@singledispatch
def said(result: object) -> str:
    """Return the description of a result. Raises TypeError for other objects."""
    raise TypeError(f"{type(result).__name__} has no description.")


said.register(Attribution, lambda result: words.attribution.promise(result))  # in the language of the moment
said.register(Target, lambda result: words.attribution.target(result))
said.register(Diagnosis, lambda result: words.flow.diagnosis(result))
said.register(Difference, lambda result: words.derivation.kink(result))
said.register(Step, lambda result: words.derivation.step(result))
said.register(Notices, lambda result: words.notices.NOTHING)  # each notice has a sentence of its own


@text.register
def comparison(found: Comparison) -> str:
    """Return how far the answers of two models are apart, their other decisions, and the rows that differ most."""
    said, cell, classes = words.model, numbers.cell, found.classes or ()
    lines = [
        said.agreeing(found.agreeing, found.rows, found.tolerance),
        said.apart(cell(found.largest), cell(found.median), found.other_decisions),
    ]
    if found.other_decisions and found.confusion is not None:
        counts = [(-n, i, j) for (i, j), n in np.ndenumerate(found.confusion) if n and i != j]
        pairs = tuple((str(classes[i]), str(classes[j]), -n) for n, i, j in sorted(counts)[:MOST_PAIRS])
        lines.append(f"\n{numbers.Table(said.PAIR_HEADS, pairs)}")
    if found.farthest:
        rows = [(f"{each.row}", *_answers(each, classes), cell(each.difference)) for each in found.farthest]
        lines.append(f"\n{numbers.Table(said.ROW_HEADS, tuple(rows), said.FARTHEST)}")
    return "\n".join(lines)


def _answers(row: DifferentRow, classes: Sequence[Any]) -> list[str]:
    """Return both answers to a row: the label and its probability, or the number that differs most."""
    if row.labels is None or isinstance(row.labels[0], list):
        names = classes or range(len(row.answers[0]))
        name = f"[{names[row.output]}] " * (len(names) > 1)
        return [f"{name}{each[row.output]:.8g}" for each in row.answers]
    at = [list(map(str, classes)).index(str(label)) for label in row.labels]
    return [f"{classes[k]} {each[k]:.8g}" for k, each in zip(at, row.answers, strict=True)]
