"""Results as figures, pages, notebook outputs and text: their words, colors and tags stand here.

Each form has a table from a result's class to the function that makes it, in a module of its own, which is loaded when
somebody asks for that form: a notebook's output needs no Plotly. `chainrule.core.shown` is how a result asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from rich.console import Console


def as_figure(result: Any, *arguments: Any) -> go.Figure:
    """The figure of a `History`, a `Flow`, a `GradientFlow` or an `Attribution`."""
    from chainrule.views.figures.results import figure

    return figure(result, *arguments)


def as_page(result: Any, *arguments: Any) -> str:
    """A whole HTML page about an `Attribution`, a `Derivation` or a `Story`, which works offline."""
    from chainrule.views.report.results import page

    return page(result, *arguments)


def as_output(result: Any) -> str:
    """What a notebook shows of a result: HTML without scripts."""
    from chainrule.views.notebook.results import output

    return output(result)


def as_text(result: Any, *arguments: Any) -> str:
    """A `Story` as text without colors."""
    from chainrule.views.text.results import text

    return text(result, *arguments)


def show(result: Any, console: Console) -> None:
    """Print a `Story` on a terminal, in its colors."""
    from chainrule.views.text.results import show as printed

    printed(result, console)
