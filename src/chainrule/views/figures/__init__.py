"""Draw figures with Plotly, for notebooks, pages and reports. Each has a title and names on its axes.

The figures of one subject are in a module of its own; those about any model, and the common style, in `base`.
"""

from chainrule.views.figures.base import (
    BLUE,
    BLUES,
    GREY,
    MAX_NUMBERED,
    MAX_POINTS,
    ORANGE,
    ORANGES,
    OUTPUT_COLORS,
    SYMBOLS,
    confusion,
    label_counts,
    learning_curve,
    predicted_against_true,
    style,
)

__all__ = [
    "BLUE",
    "BLUES",
    "GREY",
    "MAX_NUMBERED",
    "MAX_POINTS",
    "ORANGE",
    "ORANGES",
    "OUTPUT_COLORS",
    "SYMBOLS",
    "confusion",
    "label_counts",
    "learning_curve",
    "predicted_against_true",
    "style",
]
