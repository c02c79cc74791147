"""One HTML page about a trained model: self-contained, offline, for wide screens and phones, light and dark.

Learning curves; the confusion matrix, or predicted against true; the worst mistakes; settings, the command that does
it again, the model's summary, versions. All text from data and settings is escaped.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from chainrule.core.files import write_whole
from chainrule.model import Model
from chainrule.training import History
from chainrule.views.report.judgement import Judgement, judge
from chainrule.views.report.page import PAGE, page
from chainrule.views.report.sections import curves, details, mistakes, outcome, tiles

__all__ = ["PAGE", "page", "render", "write"]


def render(
    model: Model,
    history: History,
    X: Any,
    y: Any,
    *,
    title: str,
    part: str = "test",
    watched: str = "validation",
    metrics: Mapping[str, float] | None = None,
    positive: Any = None,
    image_shape: tuple[int, int] | None = None,
    settings: Mapping[str, Any] | None = None,
    command: str = "",
    versions: Mapping[str, str] | None = None,
    rows: Any = None,
) -> str:
    """The page as text.

    X, y: the samples to judge by.  part: what they are.  watched: what the history's val_ columns are of.
    metrics: of these samples; measured unless given.  positive: of two classes, the one that some of them are of.
    image_shape: (height, width) where samples are images.
    rows: (n,) what each sample's row is called, as its number in a file; its row of X unless given.
    """
    judgement: Judgement = judge(model, X, y, dict(metrics) if metrics else None)
    if positive is None and model.task == "binary":
        positive = judgement.labels[1]
    sections = [
        tiles(model, history, judgement, part, positive),
        curves(history, watched),
        outcome(judgement),
        mistakes(judgement, X, image_shape, range(judgement.n) if rows is None else rows),
        details(model, settings or {}, command, versions or {}),
    ]
    size, n = model.network.size, judgement.n
    subtitle = f"A fully connected network of {size:,} parameters, judged on {n:,} {part} samples."
    return page(title, title, subtitle, sections)


def write(path: str | os.PathLike[str], *arguments: Any, **options: Any) -> None:
    """The page as a file; the arguments are those of `render`."""
    write_whole(path, render(*arguments, **options).encode())
