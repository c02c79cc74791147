"""Write an HTML page about a trained model: self-contained, offline, for wide screens and phones, light and dark.

A reader sees how good the model is and where it fails, one picture, and the worst mistakes. What specialists ask for is
folded: all numbers, learning curves, settings, the command that repeats the run, summary and versions. All text from
data and settings is escaped. The pages of other results are made by the same `page`.
"""

from __future__ import annotations

import dataclasses
import html
import os
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from chainrule.core.arrays import RowsLike, TargetsLike
from chainrule.core.files import write_whole
from chainrule.core.version import __version__
from chainrule.model import Ensemble, Model
from chainrule.recipe.judge import Judgement, judge
from chainrule.recipe.settings import as_json
from chainrule.training import History
from chainrule.views import words
from chainrule.views.markup import fold
from chainrule.views.report.sections import (
    augmentation,
    curves,
    details,
    in_short,
    mistakes,
    outcome,
    rates,
    tiles,
)
from chainrule.views.text.verdict import for_readers, headlines

if TYPE_CHECKING:
    from chainrule.recipe.reported import Int8OfRun
    from chainrule.recipe.run import Outcome
    from chainrule.views.report.tables import TableRun

PAGE = """<!doctype html>
<html lang="{lang}" data-theme="light">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; \
style-src 'unsafe-inline'; img-src data:">
<title>{title} - Chainrule</title>
<style>{css}</style>
<script>{plotly}</script>
</head>
<body>
<header><div><h1>{heading}</h1><p>{subtitle}</p></div>\
<button id="theme" type="button" hidden {theme}>{dark}</button></header>
<main>
{sections}
</main>
<footer>{footer}</footer>
<script>{js}</script>
</body>
</html>
"""


def page(title: str, heading: str, subtitle: str, sections: Iterable[str]) -> str:
    """Return a page as HTML.

    title, heading, subtitle: plain text, escaped here.  sections: HTML by the elements of `chainrule.views.markup`;
    empty ones are omitted. The page contains Plotly's script if one of them has a figure.
    """
    body = "\n".join(filter(None, sections))
    plotly = ""
    if 'class="figure"' in body:  # only in markup: escaped text has other quotes
        from plotly.offline import get_plotlyjs

        plotly = get_plotlyjs()
    here = files("chainrule.views.report")
    said = words.model
    theme = {"dark": said.DARK, "light": said.LIGHT, "to-dark": said.TO_DARK, "to-light": said.TO_LIGHT}
    return PAGE.format(
        lang=words.language(),
        theme=" ".join(f'data-{name}="{html.escape(label)}"' for name, label in theme.items()),
        dark=html.escape(said.DARK),
        title=html.escape(title),
        heading=html.escape(heading),
        subtitle=html.escape(subtitle),
        css=(here / "page.css").read_text("utf-8"),
        js=(here / "page.js").read_text("utf-8"),
        plotly=plotly,
        sections=body,
        footer=html.escape(said.footer(__version__)),
    )


def render(
    model: Model | Ensemble,
    history: History,
    X: RowsLike,
    y: TargetsLike = None,
    *,
    title: str,
    judged: Judgement | None = None,
    part: str = "test",
    watched: str | None = None,
    metrics: Mapping[str, float] | None = None,
    positive: Any = None,
    image_shape: tuple[int, int] | None = None,
    settings: Mapping[str, Any] | None = None,
    command: str = "",
    versions: Mapping[str, str] | None = None,
    rows: Any = None,
    table: TableRun | None = None,
    distorted: NDArray[Any] | None = None,
    integers: Int8OfRun | None = None,
) -> str:
    """Return the page as HTML.

    X, y: the samples to evaluate the model on; X may be `Samples` checked for the model, without y.
    judged: an existing evaluation on them, which also determines part, metrics and positive.
    part: the name of these samples.  watched: the name of the samples of the val_ columns; validation by default.
    metrics: on these samples; computed by default.  positive: for two classes, the class of precision, recall, ...
    image_shape: (height, width) if samples are images.
    rows: (n,) the row number of each sample for display, as in a file; its row of X by default.
    table: information about the table that the model was trained on.
    distorted: (images, 1 + epochs, pixels), training images, original and in some epochs.
    integers: what 8-bit integers do to the model.
    """
    samples = model.check_samples(X, y)
    if judged is None:
        given = dict(metrics) if metrics else None
        judged = judge(model, samples, part=part, positive=positive, metrics=given)
    if table is not None or integers is not None:
        from chainrule.views.report import tables
    networks = len(model.theta) if model.theta.ndim == 2 else 1
    size, compared, note = model.theta.size, 0, ""
    if table is not None and (average := table.average) is not None:
        if average.networks > networks:
            note = words.model.part_of_average(networks, average.networks, average.share)
        networks, size, _, compared = average
    comparison, notices, preset = (
        (None, None, None) if table is None else (table.comparison, table.notices, table.preset)
    )
    called = range(judged.n) if rows is None else rows
    noticed = [] if table is None else tables.noticed(table)
    of_table = "" if table is None else tables.in_depth(table, judged)
    sections = [
        in_short(for_readers(judged, comparison, notices, preset), noticed),
        *(
            (outcome(judged), mistakes(judged, samples.X, image_shape, called))
            if table is None
            else tables.for_readers(table, judged)
        ),
        fold(
            words.verdict.FOR_SPECIALISTS,
            tiles(history, judged, size, headlines(judged, comparison, notices)),
            curves(history, watched),
            rates(judged),
            of_table,
            augmentation(distorted, image_shape),
            "" if integers is None else tables.in_integers(integers),
            details(model, settings or {}, command, versions or {}, note),
        ),
    ]
    subtitle = words.model.judged_on(
        size, judged.n, judged.part, table and table.table.target.name, networks, compared
    )
    return page(title, title, subtitle, sections)


def write(path: str | os.PathLike[str], *arguments: Any, **options: Any) -> None:
    """Write the page to a file; the other arguments are those of `render`."""
    write_whole(path, render(*arguments, **options).encode())


def write_run(
    outcome: Outcome, path: str | os.PathLike[str], language: str, command: str | None = None
) -> None:
    """Write the page of a run in a language. command: the one that repeats it; the run's own for None."""
    from chainrule.recipe import augmented, folder
    from chainrule.recipe.reported import int8_of_run

    run, distorted = outcome.run, None
    if run.settings.augment and run.run.image is not None:
        distorted = augmented.examples(run.parts.train, run.run.image, run.settings.seed, *augmented.SHOWN)
    with words.spoken_in(language):
        write(
            path,
            run.model,
            outcome.history,
            run.parts.judged,
            judged=outcome.judgement,
            title=run.data.name,
            watched=run.run.training.watched,
            image_shape=run.run.image,
            rows=run.parts.rows,
            settings=as_json(dataclasses.asdict(run.settings)),
            command=run.run.command if command is None else command,
            versions=folder.versions(),
            table=table_run(outcome),
            distorted=distorted,
            integers=int8_of_run(run),
        )


def table_run(outcome: Outcome) -> TableRun | None:
    """Return what the page says of a run on a table; None for other data."""
    run = outcome.run
    table = run.data.table
    if table is None:
        return None
    from chainrule.recipe.reported import calibration, judged_decision, judged_intervals, of_run, terms_of_run
    from chainrule.views.report.tables import AverageOfRun, TableRun

    average = None
    if run.estimator is not None and run.is_average:
        blend = run.estimator.blend_
        parameters = sum(int(each.theta.size) for part in blend.parts for each in part.result.members)
        compared = 0 if blend.lookup is None else len(blend.lookup)
        average = AverageOfRun(blend.networks, parameters, blend.parts[0].weight, compared)
    return TableRun(
        table=table,
        comparison=outcome.comparison,
        calibration=calibration(outcome.judgement),
        preset=run.settings.preset,
        intervals=judged_intervals(run, outcome.judgement),
        reasons=of_run(run),
        notices=None if run.estimator is None else run.estimator.notices_,
        read=terms_of_run(run),
        deciding=judged_decision(outcome.judgement),
        warnings=outcome.warnings,
        average=average,
    )
