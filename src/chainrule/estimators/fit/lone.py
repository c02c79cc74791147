"""What a fit says of classes that have one row, which cannot be both learned from and held out."""

from __future__ import annotations

import warnings

import numpy as np

from chainrule.estimators.fit.data import FitData
from chainrule.estimators.labels import Labels

SHOWN = 3
"""The most classes that are named."""


def warn_of_lone_classes(data: FitData, stacklevel: int) -> None:
    """Warn, as scikit-learn's stratified splits do, of classes with one row, of data that are partly held out."""
    targets, numbers = data.targets, data.labels
    if numbers is None or data.validation is not None or not isinstance(targets, Labels):
        return
    if data.preprocessor is None and targets.kind == "binary":
        return  # scikit-learn's split in proportion refuses it
    lone = targets.classes[np.flatnonzero(np.bincount(numbers.astype(np.int64)) == 1)].tolist()
    if lone:
        warnings.warn(
            f"the least populated {named(lone)} in y {'has' if len(lone) == 1 else 'have'} only 1 member, which is "
            "either learned from or held out: how well it is predicted is not known, and thresholds, sets of labels "
            "and calibration are without it; collect more rows of it, or leave it out.",
            stacklevel=stacklevel + 1,
        )


def named(labels: list[object]) -> str:
    """Return labels in words: class 'a', or classes 'a', 'b', 'c' and 4 others."""
    shown = ", ".join(f"{label!r:.40}" for label in labels[:SHOWN])
    others = f" and {len(labels) - SHOWN} others" * (len(labels) > SHOWN)
    return f"{'class' if len(labels) == 1 else 'classes'} {shown}{others}"
