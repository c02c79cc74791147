"""What makes intervals or sets of labels of predictions: the calibration of a fit, from its held-out rows or a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainrule.estimators.conformal.intervals import Intervals
from chainrule.estimators.conformal.sets import LabelSets
from chainrule.estimators.fit.held_out import HeldOut
from chainrule.estimators.labels import Labels
from chainrule.estimators.numbers import Targets

Calibration = Intervals | LabelSets


def calibrated(held_out: HeldOut | None, targets: Targets) -> Calibration | None:
    """Return the calibration of a fit; None without held-out rows, and for several labels a row."""
    if held_out is None or not len(held_out.rows):
        return None
    if isinstance(targets, Labels):
        return None if targets.kind == "multilabel" else LabelSets.of(held_out, targets)
    return Intervals.of(held_out, targets)


def from_data(data: Mapping[str, Any] | None, targets: Targets, inputs: int) -> Calibration | None:
    """Return a calibration from a file. inputs: of the network.  Raises FormatError for one of another network."""
    if data is None:
        return None
    if isinstance(targets, Labels):
        return LabelSets.from_data(data, targets)
    return Intervals.from_data(data, targets, inputs)
