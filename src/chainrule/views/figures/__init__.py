"""Every figure, as Plotly makes it: for notebooks, pages and reports. Each has a title and names on its axes.

What all share, and those about any model, are here; those of one subject are in modules of their own.
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
    spoken,
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
    "spoken",
    "style",
]
