"""Write an HTML page about a trained model: self-contained, offline, for wide screens and phones, light and dark.

It shows learning curves; the confusion matrix, or predicted against true; the worst mistakes; the settings, the command
that repeats the run, the model's summary and the versions. All text from data and settings is escaped.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from chainrule.core.files import write_whole
from chainrule.model import Model
from chainrule.recipe.judge import Judgement, judge
from chainrule.training import History
from chainrule.views import words
from chainrule.views.report.page import PAGE, page
from chainrule.views.report.sections import curves, details, mistakes, outcome, tiles

__all__ = ["PAGE", "page", "render", "write"]


def render(
    model: Model,
    history: History,
    X: Any,
    y: Any = None,
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
) -> str:
    """The page as text.

    X, y: the samples to judge by; X may be `Samples` that were checked for the model, without y.
    judged: the model's answers to them, where they are at hand; then part, metrics and positive are its own.
    part: what they are.  watched: what the history's val_ columns are of; validation samples unless given.
    metrics: of these samples; measured unless given.  positive: of two classes, the one that some of them are of.
    image_shape: (height, width) where samples are images.
    rows: (n,) what each sample's row is called, as its number in a file; its row of X unless given.
    """
    samples = model.check_samples(X, y)
    if judged is None:
        given = dict(metrics) if metrics else None
        judged = judge(model, samples, part=part, positive=positive, metrics=given)
    sections = [
        tiles(model, history, judged),
        curves(history, watched),
        outcome(judged),
        mistakes(judged, samples.X, image_shape, range(judged.n) if rows is None else rows),
        details(model, settings or {}, command, versions or {}),
    ]
    subtitle = words.model.judged_on(model.network.size, judged.n, judged.part)
    return page(title, title, subtitle, sections)


def write(path: str | os.PathLike[str], *arguments: Any, **options: Any) -> None:
    """Write the page to a file; the other arguments are those of `render`."""
    write_whole(path, render(*arguments, **options).encode())
