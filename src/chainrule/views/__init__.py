"""Display results as figures, pages, notebook outputs and text, with all words, colors and markup in this package.

Each form has a module with a table from a result's class to the function that writes it. The module is loaded on the
form's first use, so notebook outputs need no Plotly. Results call this through `chainrule.core.shown`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from rich.console import Console

    from chainrule.inspection.attribution import Attribution
    from chainrule.inspection.derivation.derivation import Derivation
    from chainrule.inspection.story import Story
    from chainrule.network.summary import Summary
    from chainrule.views.chapters import Chapter


def as_figure(result: object, *arguments: Any) -> go.Figure:
    """Return the figure of a `History`, a `Flow`, a `GradientFlow` or an `Attribution`."""
    from chainrule.views.figures.results import figure

    return figure(result, *arguments)


def as_page(result: object, *arguments: Any) -> str:
    """Return an HTML page about an `Attribution`, a `Derivation` or a `Story`, which works offline."""
    from chainrule.views.report.pages import page_of

    return page_of(result, *arguments)


def as_output(result: object) -> str:
    """Return a result's notebook output: HTML without scripts."""
    from chainrule.views.notebook.results import output

    return output(result)


def as_text(result: object, *arguments: Any) -> str:
    """Return a result of `chainrule.inspection` as text without colors, for print()."""
    from chainrule.views.text.results import text

    return text(result, *arguments)


def as_summary(summary: Summary, width: int | None) -> str:
    """Return a network's summary as text, at most `width` characters wide if possible, without loading other views."""
    from chainrule.views.text.summary import table

    return table(summary, width)


def as_words(result: object) -> str:
    """Describe a diagnosis, a difference, a step, an attribution or its target, or a notice, in a few words."""
    from chainrule.views.text.results import said

    return said(result)


def show(story: Story, console: Console) -> None:
    """Print a story on a terminal, in color."""
    from chainrule.views.text.story import show as printed

    printed(story, console)


def as_chapters(story: Story) -> tuple[Chapter, ...]:
    """Return the chapters of a story, with sentences, tables and pictures."""
    from chainrule.views import words

    return words.story.parts(story)


def as_bars(attribution: Attribution, row: int, max_features: int) -> list[tuple[str, float]]:
    """Return the max_features features with the largest |attribution|, each with its value, and the others' sum."""
    from chainrule.views.text.attribution import bars

    return bars(attribution, row, max_features)


def as_completeness(attribution: Attribution, row: int) -> str:
    """Describe the sum of a sample's values and the method's guarantee."""
    from chainrule.views import words

    return words.attribution.completeness(attribution, row)


def as_heading(derivation: Derivation) -> str:
    """Return both values of a derivation and their difference as text."""
    from chainrule.views.text.derivation import head

    return head(derivation)


def as_latex(derivation: Derivation, terms: int, nodes: int) -> str:
    """Return a derivation as LaTeX."""
    from chainrule.views.text.derivation import latex

    return latex(derivation, terms, nodes)


def as_mathml(derivation: Derivation, terms: int, nodes: int) -> str:
    """Return a derivation as MathML."""
    from chainrule.views.text.derivation import mathml

    return mathml(derivation, terms, nodes)
