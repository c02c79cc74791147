"""The HTML page shared by all reports: self-contained, offline, for wide screens and phones, light and dark."""

from __future__ import annotations

import html
from collections.abc import Iterable
from importlib.resources import files

import chainrule
from chainrule.views import words

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

    title, heading, subtitle: plain text, escaped here.  sections: HTML from `chainrule.views.report.sections`;
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
        footer=html.escape(said.footer(chainrule.__version__)),
    )
