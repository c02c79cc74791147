"""What notebooks show of checks: columns, later rows, what training noticed, and what a smaller model costs."""

from __future__ import annotations

import numpy as np

from chainrule.estimators.distilling import DistillationCost
from chainrule.explain.columns import ColumnImportance, ColumnPairs
from chainrule.export.effect import Int8Effect
from chainrule.trust.drift import DriftCheck
from chainrule.trust.notice import Notices
from chainrule.views import words
from chainrule.views.notebook.parts import framed, paragraph, signed_bar, table
from chainrule.views.tables import cost_cells, cost_sentences, int8_cells, int8_sentences
from chainrule.views.text import drift as drift_text
from chainrule.views.text import tables as tables_text


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
