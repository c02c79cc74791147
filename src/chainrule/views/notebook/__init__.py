"""What a notebook shows of each result: HTML with tables and inline SVG, without scripts and without the network.

Colors and backgrounds are the notebook's own, so that an output stands on light themes and on dark ones. Its size does
not grow with the network, the batch or the run: the middle of a long table is left out, and a curve is thinned.
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
