"""The results of one pass over a source: number of rows, labels, scale of the targets, checksum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import RowsLike
from chainrule.data import checks
from chainrule.data.samples import TargetScale, divisor
from chainrule.data.source import SourceBlock, checksum_of
from chainrule.errors import DataError
from chainrule.formulas.losses import Loss


class Survey(NamedTuple):
    """The results of a complete pass."""

    n: int
    classes: NDArray[Any] | None
    """the label of each class index; None for numeric targets"""
    counts: Mapping[Any, int]
    """the number of rows per label; empty without labels"""
    scale: TargetScale
    """the scale of numeric targets, with bounds"""
    checksum: int


class Surveyor:
    """An incremental survey of consecutive blocks.

    classes: the labels known before; None to collect them.  sums: whether to compute the checksum.
    """

    def __init__(self, loss: Loss, outputs: int, classes: NDArray[Any] | None, sums: bool) -> None:
        """Start without rows."""
        self.loss, self.outputs, self.known, self.classes = loss, outputs, classes, classes
        self.n = self.checksum = 0
        self.counts: dict[Any, int] = {}
        self.moments, self.sums = Moments(outputs), sums
        self.has_labels, self.has_weight = loss.targets in ("classes", "binary"), False

    def add(self, X: RowsLike, block: SourceBlock, where: str, name: str) -> None:
        """Add a block whose X is checked. where, name: the block and its targets, for errors."""
        y = checks.as_array(block.y, name)
        if self.has_labels and (y.ndim == 1 or y.shape[1:] == (1,)):
            y = self.count(checks.as_labels(y.reshape(-1), name), name)
        else:
            targets = checks.check_targets(y, self.loss, self.outputs, self.known, name)
            y, self.classes = targets
        check_lengths(X, y, where)
        one, name = checks.Targets(y, None), f"the weight in {where}"
        weight = checks.check_weight(block.weight, None, one, self.outputs, name, is_part=True)
        self.has_weight = self.has_weight or bool(weight.any())
        if self.loss.targets == "real":
            self.moments.add(y, weight)
        self.n += len(y)
        if self.sums:
            self.checksum = checksum_of(SourceBlock(X, y, weight), self.checksum)

    def count(self, labels: NDArray[Any], name: str) -> NDArray[Any]:
        """Count labels (n,), unless they are probabilities; return them."""
        found = (each.tolist() for each in np.unique(labels, return_counts=True))
        for label, count in zip(*found, strict=True):
            self.counts[label] = self.counts.get(label, 0) + count
        if len({isinstance(label, str) for label in self.counts}) > 1:
            is_text = labels.dtype.kind == "U"
            raise DataError(
                f"{name} has {'text' if is_text else 'numbers'}, but the blocks before have "
                f"{'numbers' if is_text else 'text'}; use one type of label."
            )
        if len(self.counts) > max(self.outputs, 2) or self.known is not None:
            every = np.asarray(sorted(self.counts))
            targets = checks.check_targets(every, self.loss, self.outputs, self.known, name)
            if targets.y.dtype.kind == "f" and (targets.y % 1 > 0).any():
                self.has_labels, self.counts, self.known = False, {}, targets.classes
        return labels

    def done(self) -> Survey:
        """Return the survey of all blocks. Raises DataError for no rows, and for unsuitable labels."""
        if self.n == 0:
            raise DataError("the source has no rows; pass at least one.")
        check_some_weight(self.has_weight)
        if self.counts:
            every = np.asarray(sorted(self.counts))
            self.classes = checks.check_targets(every, self.loss, self.outputs, self.known).classes
        return Survey(self.n, self.classes, self.counts, self.moments.scale(), self.checksum)


def check_some_weight(has_weight: bool) -> None:
    """Check that some row of a source has a weight. Raises DataError."""
    if not has_weight:
        raise DataError("every row of the source has a weight of 0; give some rows a weight.")


def check_lengths(X: RowsLike, y: NDArray[Any], where: str) -> None:
    """Check that X and y have the same number of rows. Raises DataError."""
    if len(y) != X.shape[0]:
        raise DataError(f"{where} has {X.shape[0]} rows of X but {len(y)} of y; they must be equal.")


class Moments:
    """Weighted mean, deviation and bounds of targets, updated block by block, by Chan, Golub and LeVeque (1983)."""

    def __init__(self, outputs: int) -> None:
        """Start without rows."""
        self.weight, self.mean, self.squares = 0.0, np.zeros(outputs), np.zeros(outputs)
        self.low, self.high = np.full(outputs, np.inf), np.full(outputs, -np.inf)

    def add(self, y: NDArray[np.float64], weight: NDArray[np.float64]) -> None:
        """Add rows y (n, outputs) with weights (n,)."""
        y, weight = y[weight > 0], weight[weight > 0]
        if not len(y):
            return
        with np.errstate(over="ignore", invalid="ignore"):
            w = float(weight.sum())
            mean, total = weight @ y / w, self.weight + w
            shift = mean - self.mean
            between = np.square(shift) * (self.weight * w / total)
            self.squares = self.squares + weight @ np.square(y - mean) + between
            self.mean, self.weight = self.mean + shift * (w / total), total
        self.low, self.high = np.minimum(self.low, y.min(0)), np.maximum(self.high, y.max(0))

    def scale(self) -> TargetScale:
        """Return the scale of all rows added."""
        with np.errstate(over="ignore", invalid="ignore"):
            std = np.sqrt(self.squares / max(self.weight, 1e-300))
        return TargetScale(self.mean, divisor(self.mean, std), self.low, self.high)
