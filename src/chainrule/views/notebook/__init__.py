"""Notebook outputs of results: HTML with tables and inline SVG, without scripts, offline.

Outputs use the notebook's colors and background, for light and dark themes. Their size does not grow with the network,
the batch or the run: the middle of a long table is omitted, and curves are thinned out.
"""

from chainrule.views.notebook.parts import MAX_POINTS, MAX_ROWS
from chainrule.views.notebook.results import (
    attribution,
    flow,
    gradient_check,
    history,
    model,
    story,
    summary,
    trace,
)

__all__ = [
    "MAX_POINTS",
    "MAX_ROWS",
    "attribution",
    "flow",
    "gradient_check",
    "history",
    "model",
    "story",
    "summary",
    "trace",
]
