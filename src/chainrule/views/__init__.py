"""Display results as figures, pages, notebook outputs and text, with all words, colors and markup in this package.

Each form has a module with a table from a result's class to the function that writes it. The module is loaded on the
form's first use, so notebook outputs need no Plotly. Results call this through `chainrule.core.records`.
"""

from __future__ import annotations

from pkgutil import resolve_name
from typing import Any

FORMS = {
    "as_figure": "figures.results:figure",
    "as_page": "report.pages:page_of",  # HTML that works offline
    "as_output": "notebook.results:output",  # HTML without scripts
    "as_text": "text.results:text",  # without colors, for print()
    "as_words": "text.results:said",  # a few words
    "as_summary": "tables:summary",  # of a network, without loading other views
    "on_terminal": "text.story:show",  # of a story, in color
    "as_chapters": "words:story.parts",
    "as_sentence": "words:notices.sentence",
    "as_bars": "text.inspection:bars",
    "as_completeness": "words:attribution.completeness",
    "as_heading": "text.inspection:head",
    "as_latex": "text.inspection:latex",
    "as_mathml": "text.inspection:mathml",
}
"""The module of each form, and its function, which takes a result and the form's own arguments."""


def show(result: object, form: str, *arguments: Any) -> Any:
    """Return a result in one form, by that form's function."""
    return resolve_name(f"{__name__}.{FORMS[form]}")(result, *arguments)
