"""The additional sections of a report: about a run on a table, and what integers do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from chainrule.fitting.terms import Terms
from chainrule.recipe.baselines import BaselineComparison
from chainrule.recipe.judge import Judgement
from chainrule.recipe.reported import Int8OfRun, JudgedDecision, JudgedIntervals, RunReasons
from chainrule.recipe.table_data import TableData
from chainrule.trust.notice import Notices
from chainrule.trust.reliability import Reliability
from chainrule.views import words
from chainrule.views.figures import MAX_NUMBERED, confusion
from chainrule.views.figures import tables as figures
from chainrule.views.figures.reasons import beeswarm
from chainrule.views.markup import figure, fold, section, table, text
from chainrule.views.report import additive
from chainrule.views.report.sections import described, errors_of, outcome, paragraphs, share, shortened
from chainrule.views.tables import int8_cells, int8_sentences
from chainrule.views.text.tables import about_importance, cells, decision, reliability, warned
from chainrule.views.words.facts import metrics_alike, quantity

WORST_ROW_COLUMNS = 6
"""The number of columns shown of the worst rows: the most important ones."""


class AverageOfRun(NamedTuple):
    """What predicts in a run with preset="best": an average, of which the report's model is the heaviest part."""

    networks: int
    parameters: int
    """of all networks"""
    share: float
    """the weight of the report's model"""
    compared: int
    """the training rows of which similar ones correct it; 0 for none"""


class TableRun(NamedTuple):
    """A report's information about a run on a table."""

    table: TableData
    comparison: BaselineComparison | None
    calibration: Reliability | None
    preset: str | None = None
    intervals: JudgedIntervals | None = None
    """of a regression"""
    reasons: RunReasons | None = None
    """which columns the answers come from"""
    notices: Notices | None = None
    """what the fit noticed of the table; None where nothing looked"""
    read: tuple[Terms, Mapping[str, object] | None] | None = None
    """the terms of an additive model, and a test row to add up"""
    deciding: JudgedDecision | None = None
    """how labels are chosen; None for the likeliest class"""
    warnings: tuple[Warning | str, ...] = ()
    """what reading the table and the training warned of besides"""
    average: AverageOfRun | None = None
    """what predicts, if it is an average of different networks"""

    @property
    def important(self) -> list[str]:
        """The columns that the answers depend on, the most important first."""
        return list(self.table.blocks if self.reasons is None else self.reasons.importance.names)


def noticed(run: TableRun) -> list[str]:
    """Return what the fit noticed in its table, with the option of the command that heeds it, and its warnings."""
    notices = run.notices or ()
    said = [*(words.notices.sentence(each, "command") for each in notices), *map(warned, run.warnings)]
    return said if said or run.notices is None else [words.notices.NOTHING]


def for_readers(run: TableRun, judgement: Judgement) -> list[str]:
    """Return the picture of the answers beside the models in order, which columns matter, and the worst rows.

    An additive model is itself shown, because it can be read.
    """
    first = outcome(judgement), contenders(run)
    if all(first) and len(judgement.labels) <= MAX_NUMBERED:
        first = (f'<div class="pair top">{"".join(first)}</div>', "")
    return [*first, reasons(run), read(run), worst(run, judgement)]


def in_depth(run: TableRun, judgement: Judgement) -> str:
    """Return all metrics of the models, how labels are chosen, errors or calibration, and the columns as prepared."""
    return compared(run) + deciding(run) + errors_or_calibration(run, judgement) + columns(run)


def contenders(run: TableRun) -> str:
    """Return the network and simpler models in order of the metric that the verdict is by."""
    if run.comparison is None:
        return ""
    said, name = words.verdict, run.comparison.verdict.metric
    values, best = run.comparison.values(name)
    constant = run.comparison.verdict.constant
    shown = metrics_alike(values, best)
    rows = [
        (
            words.tables.MODELS[each.model],
            shown[k],
            f"{100 * (values[k] / constant - 1):+.1f} %"
            if constant and each.model != run.comparison.constant
            else "",
        )
        for k, each in sorted(
            enumerate(run.comparison.models), key=lambda pair: np.nan_to_num(values[pair[0]], nan=np.inf)
        )
    ]
    metric, notes = words.phrases.spoken(name), [said.JUDGED]
    if run.table.tied.names:
        notes.append(words.tables.held_out_by(run.table.tied.names, run.table.tied.gap))
    heads = (words.tables.MODELS_HEAD, metric, said.BESIDE_CONSTANT)
    return section(said.judged_by(metric), table(heads, rows), paragraphs(notes))


def compared(run: TableRun) -> str:
    """Return a table of the network's metrics beside those of simpler models, the first of which is it."""
    said, comparison = words.tables, run.comparison
    if comparison is None:
        return ""
    heads = (said.MODELS_HEAD, *map(words.phrases.spoken, comparison.names), said.SECONDS)
    shown = [metrics_alike(*comparison.values(name)) for name in comparison.names]
    rows = [
        (said.MODELS[each.model], *told, f"{each.seconds:.1f}")
        for each, *told in zip(comparison.models, *shown, strict=True)
    ]
    notes = [said.compared(comparison.rows, comparison.groups, comparison.constant)]
    if run.deciding is not None:
        notes.append(said.COMPARED_BY_LIKELIEST)
    return section(said.COMPARISON, table(heads, rows), paragraphs(notes))


def errors_or_calibration(run: TableRun, judgement: Judgement) -> str:
    """Return the errors of a regression or the calibration of a classification, of a run on a table."""
    said, drawn = words.tables, []
    if judgement.task == "regression":
        drawn.append(section("", figure(figures.residuals(judgement))))
        if (found := run.intervals) is not None:
            contained = share(int(found.contains.sum()), found.n)
            about = said.intervals(found.coverage, contained, found.n, quantity(found.width))
            drawn.append(section("", figure(figures.intervals(found, judgement)), f"<p>{text(about)}</p>"))
    elif run.calibration is not None:
        about = reliability(run.calibration)
        drawn.append(section("", figure(figures.calibration(run.calibration)), f"<p>{text(about)}</p>"))
    return f'<div class="pair top">{"".join(drawn)}</div>' if drawn else ""


def read(run: TableRun) -> str:
    """Return the model itself, if it is a sum of terms."""
    return "" if run.read is None else additive.sections(*run.read)


def deciding(run: TableRun) -> str:
    """Return how labels are chosen: by what, its curve over the thresholds, and the counts beside the likeliest."""
    found = run.deciding
    if found is None:
        return ""
    said, rows = words.tables, int(found.chosen.sum())
    lines = [*decision(found.decision).split("\n")]
    lines.append(
        said.on_judged_rows(found.name, quantity(found.value), quantity(found.value_of_likeliest), rows)
    )
    told = "".join(f"<p>{text(line)}</p>" for line in lines)
    if found.decision.threshold is None:
        drawn = confusion(found.likeliest, found.labels)
        drawn.update_layout(title={"text": said.BY_LIKELIEST})
        return section(said.DECIDED, told, figure(drawn))
    at = quantity(found.decision.threshold)
    heads = (said.TRUE_AND_PREDICTED, said.at_threshold(at), said.at_threshold("0.5"))
    both = found.chosen, found.likeliest
    counts = [
        (f"{found.labels[i]} → {found.labels[j]}", *(f"{each[i, j]:,}" for each in both))
        for i in (0, 1)
        for j in (0, 1)
    ]
    curve = section("", figure(figures.threshold_curve(found)), f"<p>{text(said.THRESHOLD_CURVE)}</p>")
    return f'<div class="pair top">{section(said.DECIDED, told, table(heads, counts))}{curve}</div>'


def reasons(run: TableRun) -> str:
    """Return which columns matter, with intervals, and folded what moves the answers, and curves of the first ones."""
    if run.reasons is None:
        return ""
    said, found, swarm = words.reasons, run.reasons.importance, run.reasons.reasons
    about = about_importance(found, figures.MAX_COLUMNS)
    notes = "".join(f"<p>{text(note)}</p>" for note in about)
    drawn = [section("", figure(figures.curve(each))) for each in run.reasons.curves]
    if swarm is not None:
        drawn.insert(0, section("", figure(beeswarm(swarm)), f"<p>{text(said.points(len(swarm)))}</p>"))
    more = fold(words.verdict.BY_COLUMN, f'<div class="pair top">{"".join(drawn)}</div>') if drawn else ""
    return section("", figure(figures.importance(found)), notes) + more


def worst(run: TableRun, judgement: Judgement) -> str:
    """Return the rows with the largest errors, with the table's cells of the most important columns."""
    said, general = words.tables, words.model
    is_number = judgement.task == "regression"
    title = general.LARGEST_ERRORS if is_number else general.WORST
    if not len(judgement.worst):
        return section(title, f"<p>{text(general.NO_MISTAKES)}</p>")
    names = run.important[:WORST_ROW_COLUMNS]
    rows, errors = [], errors_of(judgement) if is_number else []
    for k, at in enumerate(judgement.worst.tolist()):
        row = int(run.table.test[at])
        if is_number:
            told = errors[k]
        else:
            told = described(judgement, at)
            if judgement.y.ndim == 1 and judgement.shares is not None:  # under a head that says what it is
                told = (*told[:2], words.phrases.percent(judgement.shares[at, int(judgement.predicted[at])]))
        rows.append((f"{row:,}", *told, *run.table.values(row, names)))
    heads = (said.ROW, said.TRUE, said.PREDICTED, said.ERROR if is_number else said.PROBABILITY)
    left = {0, *range(4, 4 + len(names))}  # numbers and probabilities stand at the right, and in one line
    if not is_number:
        left |= {1, 2} if judgement.y.ndim == 1 else {1, 2, 3}
    lead = f"<p>{text(said.worst_rows(len(names), len(run.table.blocks)))}</p>"
    return section(title, lead, shortened((*heads, *names), rows, left))


def columns(run: TableRun) -> str:
    """Return the detected type of each column and its encoding."""
    described_table = run.table.preprocessor.columns_
    heads, rows = cells(described_table)
    outputs = sum(column.outputs for column in described_table)
    totals = words.tables.totals(len(described_table), len(described_table.dropped), outputs)
    few = words.phrases.first_listed(len(rows), len(described_table))
    lead = "".join(f"<p>{text(each)}</p>" for each in (totals, few) if each)
    return section(words.tables.COLUMNS, lead, table(heads, rows, range(len(heads))))


def in_integers(found: Int8OfRun) -> str:
    """Return what 8-bit integers do to each layer, class and column."""
    said = words.model
    told = (said.for_chips(found.ranged), *int8_sentences(found.effect))
    lines = (f"<p>{text(line)}</p>" for line in told)
    return section(said.INT8, *lines, *(table(*each) for each in int8_cells(found.effect)))
