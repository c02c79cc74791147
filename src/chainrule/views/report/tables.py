"""The additional sections of a report: about a run on a table, and what integers do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from chainrule.fitting.terms import Terms
from chainrule.recipe.baselines import BaselineComparison
from chainrule.recipe.judge import Judgement
from chainrule.recipe.reported import Int8OfRun, JudgedDecision, JudgedIntervals, RunReasons
from chainrule.recipe.table_data import TableData
from chainrule.trust.notice import Notices
from chainrule.trust.reliability import Reliability
from chainrule.views import words
from chainrule.views.figures import confusion
from chainrule.views.figures import tables as figures
from chainrule.views.figures.reasons import beeswarm
from chainrule.views.markup import figure, section, table, text
from chainrule.views.report import additive
from chainrule.views.report.sections import described, errors_of, share
from chainrule.views.tables import int8_cells, int8_sentences
from chainrule.views.text.tables import about_importance, cells, decision, reliability, warned
from chainrule.views.text.verdict import in_short as sentences
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
    notices: Notices = Notices()
    """what the fit noticed of the table"""
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


def in_short(run: TableRun, judgement: Judgement) -> str:
    """Return how good the network is, and what the fit noticed, with the option of the command that heeds it."""
    told = (
        ""
        if run.comparison is None
        else _paragraphs(sentences(judgement, run.comparison, run.notices, run.preset), "answer")
    )
    said = [words.notices.sentence(each, "command") for each in run.notices]
    said += map(warned, run.warnings)
    noticed = f"<h3>{text(words.notices.TITLE)}</h3>{_paragraphs(said)}" if said else ""
    return section(words.verdict.IN_SHORT, told, noticed) if told or noticed else ""


def _paragraphs(sentences: Iterable[str], kind: str = "") -> str:
    of_kind = f' class="{kind}"' if kind else ""
    return "".join(f"<p{of_kind}>{text(each[0].upper() + each[1:])}</p>" for each in sentences)


def compared(run: TableRun) -> str:
    """Return a table of the network's metrics beside those of simpler models, the first of which is it."""
    said, comparison, tied = words.tables, run.comparison, run.table.tied
    if comparison is None:
        return ""
    heads = (said.MODELS_HEAD, *map(words.phrases.spoken, comparison.names), said.SECONDS)
    shown = [metrics_alike(*comparison.values(name)) for name in comparison.names]
    rows = [
        (said.MODELS[each.model], *told, f"{each.seconds:.1f}")
        for each, *told in zip(comparison.models, *shown, strict=True)
    ]
    notes = [said.compared(comparison.rows, comparison.groups)]
    if tied.names:
        notes.append(said.held_out_by(tied.names, tied.gap))
    if run.deciding is not None:
        notes.append(said.COMPARED_BY_LIKELIEST)
    return section(said.COMPARISON, table(heads, rows), *(f"<p>{text(note)}</p>" for note in notes))


def outcome(run: TableRun, judgement: Judgement) -> str:
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
    """Return which columns matter, with intervals, what moves the answers, and the curves of the first columns."""
    if run.reasons is None:
        return ""
    said, found, swarm = words.reasons, run.reasons.importance, run.reasons.reasons
    about = about_importance(found, figures.MAX_COLUMNS)
    notes = "".join(f"<p>{text(note)}</p>" for note in about)
    drawn = [section("", figure(figures.importance(found)), notes)]
    if swarm is not None:
        drawn.append(section("", figure(beeswarm(swarm)), f"<p>{text(said.points(len(swarm)))}</p>"))
    curves = [section("", figure(figures.curve(each))) for each in run.reasons.curves]
    return f'<div class="pair top">{"".join(drawn)}</div><div class="pair top">{"".join(curves)}</div>'


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
    return section(title, lead, table((*heads, *names), rows, left))


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
