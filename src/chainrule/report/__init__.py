"""One HTML page about a trained model: self-contained, offline, for wide screens and phones, light and dark.

Learning curves; the confusion matrix, or predicted against true; the worst mistakes; settings, the command that does
it again, the model's summary, versions. All text from data and settings is escaped.
"""

from __future__ import annotations

import html
import os
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import chainrule
from chainrule.files import write_whole
from chainrule.model import Model
from chainrule.report.judgement import Judgement, judge
from chainrule.report.sections import curves, details, mistakes, outcome, tiles
from chainrule.training import History

PAGE = """<!doctype html>
<html lang="en" data-theme="light">
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
<header><div><h1>{heading}</h1><p>{subtitle}</p></div><button id="theme" type="button" hidden>Dark</button></header>
<main>
{sections}
</main>
<footer>{footer}</footer>
<script>{js}</script>
</body>
</html>
"""


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
    image_shape: tuple[int, int] | None = None,
    settings: Mapping[str, Any] | None = None,
    command: str = "",
    versions: Mapping[str, str] | None = None,
) -> str:
    """The page as text.

    X, y: the samples to judge by.  part: what they are.  watched: what the history's val_ columns are of.
    metrics: of these samples; measured unless given.  image_shape: (height, width) where samples are images.
    """
    from plotly.offline import get_plotlyjs

    judgement: Judgement = judge(model, X, y, dict(metrics) if metrics else None)
    sections = [
        tiles(model, history, judgement, part),
        curves(history, watched),
        outcome(judgement),
        mistakes(judgement, X, image_shape),
        details(model, settings or {}, command, versions or {}),
    ]
    here = files("chainrule.report")
    return PAGE.format(
        title=html.escape(title),
        heading=html.escape(title),
        subtitle=html.escape(
            f"A fully connected network of {model.network.size:,} parameters, judged on {judgement.n:,} {part} samples."
        ),
        css=(here / "page.css").read_text("utf-8"),
        js=(here / "page.js").read_text("utf-8"),
        plotly=get_plotlyjs(),
        sections="\n".join(filter(None, sections)),
        footer=f"Made by Chainrule {chainrule.__version__}. This page is whole: it needs no network.",
    )


def write(path: str | os.PathLike[str], *arguments: Any, **options: Any) -> None:
    """The page as a file; the arguments are those of `render`."""
    write_whole(path, render(*arguments, **options).encode())
