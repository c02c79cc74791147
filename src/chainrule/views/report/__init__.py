"""Write an HTML page about a trained model: self-contained, offline, for wide screens and phones, light and dark.

It shows learning curves, the confusion matrix or predicted against true, the worst mistakes, the settings, the command
to repeat the run, the model's summary and the versions. All text from data and settings is escaped.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from chainrule.core.arrays import RowsLike, TargetsLike
from chainrule.core.files import write_whole
from chainrule.model import Ensemble, Model
from chainrule.recipe.judge import Judgement, judge
from chainrule.training import History
from chainrule.views import words
from chainrule.views.report.page import PAGE, page
from chainrule.views.report.sections import (
    augmentation,
    curves,
    details,
    mistakes,
    outcome,
    tiles,
)

if TYPE_CHECKING:
    from chainrule.recipe.exported import Int8OfRun
    from chainrule.views.report.tables import TableRun

__all__ = ["PAGE", "page", "render", "write"]


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
    parts = [
        outcome(judged),
        mistakes(judged, samples.X, image_shape, range(judged.n) if rows is None else rows),
    ]
    if table is not None:
        from chainrule.views.report import tables

        parts = [
            tables.noticed(table),
            tables.compared(table),
            outcome(judged),
            tables.deciding(table),
            tables.read(table),
            tables.outcome(table, judged),
            tables.reasons(table),
            tables.worst(table, judged),
            tables.columns(table),
        ]
    more = []
    if integers is not None:
        from chainrule.views.report.tables import in_integers

        more.append(in_integers(integers))
    networks = len(model.theta) if model.theta.ndim == 2 else 1
    size, compared, note = model.theta.size, 0, ""
    if table is not None and (average := table.average) is not None:
        if average.networks > networks:
            note = words.model.part_of_average(networks, average.networks, average.share)
        networks, size, _, compared = average
    sections = [
        tiles(history, judged, size),
        curves(history, watched),
        *parts,
        augmentation(distorted, image_shape),
        *more,
        details(model, settings or {}, command, versions or {}, note),
    ]
    subtitle = words.model.judged_on(
        size, judged.n, judged.part, table and table.table.target.name, networks, compared
    )
    return page(title, title, subtitle, sections)


def write(path: str | os.PathLike[str], *arguments: Any, **options: Any) -> None:
    """Write the page to a file; the other arguments are those of `render`."""
    write_whole(path, render(*arguments, **options).encode())
