"""Streams: a source whose rows are validated for a network, with statistics from one pass over them.

A stream can replace `Samples` wherever not all rows are needed at once: in the training loop, in validation, and in
measurements before the first step.
"""

from __future__ import annotations

import copy
import dataclasses
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import RowsLike
from chainrule.core.buffers import Buffers
from chainrule.core.threads import prefetch
from chainrule.data import checks
from chainrule.data.samples import Samples, TargetScale, divisor, joined
from chainrule.data.source import Source, SourceBlock, checksum_of, rows_of
from chainrule.errors import ConfigError, DataError
from chainrule.formulas.losses import Loss
from chainrule.network.network import Network


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


class Stream:
    """The rows of a source, validated for a network. Statistics that need a pass over all rows are computed on demand.

    classes: the labels known to the model; None to collect them.  class_weight: as in `Model.fit`.
    features: the model's feature names; None for those of the source.
    Raises DataError for a source with other columns. Values are validated as they are read.
    """

    def __init__(
        self,
        source: Source,
        network: Network,
        seed: int,
        *,
        classes: NDArray[Any] | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        features: Sequence[str] | None = None,
    ) -> None:
        """Check the columns without reading a row."""
        if source.sizes is not None and not source.sizes.sum():
            raise DataError("the source has no rows; pass at least one.")
        self.source, self.network, self.seed = source, network, seed
        self.scale: TargetScale | None = None
        self.known, self.class_weight = classes, class_weight
        self.survey: Survey | None = None
        self.buffers = Buffers()
        checks.check_class_weight(class_weight)
        if class_weight is not None and not self._has_labels:
            raise ConfigError(
                f"class_weight needs one label per sample, but {type(network.loss).__name__} takes numbers; "
                "give the source row weights instead."
            )
        names = source.feature_names
        if names is not None and features is not None and tuple(names) != tuple(features):
            raise DataError(
                f"the source has columns {_few(names)}, but the model was trained on {_few(features)}; "
                "select these columns in this order."
            )
        self.features = names if features is None else tuple(features)

    # --- what is known of all rows ---------------------------------------------------------------------------------

    @property
    def n(self) -> int:
        """The number of rows."""
        sizes = self.source.sizes
        if sizes is not None:
            return int(sizes.sum())
        given: int | None = getattr(self.source, "n", None)
        return self.learned.n if given is None else given

    @property
    def classes(self) -> NDArray[Any] | None:
        """The label of each class index; None for numeric targets."""
        if self.known is not None or not self._has_labels:
            return self.known
        return self.learned.classes

    @property
    def learned(self) -> Survey:
        """The results of a pass over the source, which is made on first use."""
        if self.survey is None:
            for _ in self.inputs():
                pass
        assert self.survey is not None
        return self.survey

    @property
    def _has_labels(self) -> bool:
        return self.network.loss.targets in ("classes", "binary")

    def measure_targets(self, clamp: bool) -> TargetScale:
        """Return the scale of the targets, as for samples."""
        scale = self.learned.scale
        return scale if clamp else scale._replace(low=None, high=None)

    def scaled(self, scale: TargetScale | None) -> Stream:
        """Return the stream with y standardized; unchanged for None."""
        scaled = copy.copy(self)
        scaled.scale = scale
        return scaled

    def fingerprint(self) -> int:
        """Return a checksum of the rows and of the settings that order them; reads a source without checksum once."""
        source = self.source
        found = source.fingerprint()
        if found is None:
            found = self.learned.checksum
        names = [described(each) for each in source.functions]
        scale = None if self.scale is None else self.scale.to_data()
        weights = self.weights
        said = (type(source).__name__, found, self.n, source.shuffle, source.window, names, scale, weights)
        return zlib.crc32(repr(said).encode())

    @property
    def weights(self) -> Mapping[Any, float] | None:
        """The weight of each label."""
        if not isinstance(self.class_weight, str):
            return self.class_weight
        counts = self.learned.counts
        return dict(zip(counts, checks.balanced(np.array(list(counts.values()))).tolist(), strict=True))

    # --- passes --------------------------------------------------------------------------------------------------

    def inputs(self) -> Generator[Any]:
        """Iterate over X of all blocks as stored. The first complete pass also surveys the source."""
        return prefetch(self._surveyed())

    def parts(self) -> Generator[Samples]:
        """Iterate over the checked samples of all blocks as stored."""
        self.settle()
        return prefetch(samples for _, samples in self.stored_samples(0))

    def first(self) -> Samples:
        """Return the samples of the first block."""
        self.settle()
        return next(self.stored_samples(0))[1]

    def stored_samples(self, epoch: int) -> Iterator[tuple[int, Samples]]:
        """Iterate over block indices and their samples in an epoch, in the order of the source.

        Reads in the calling thread.
        """
        return ((k, self.samples(k, self.mapped(block, epoch, first))) for k, first, block in self.stored())

    def evaluated(self, predict: Callable[[Any], NDArray[Any]]) -> tuple[NDArray[Any], Samples]:
        """Return the outputs of predict(X) for all rows, and the samples without features.

        predict: maps X (n, features) to outputs (n, outputs), or (members, n, outputs).
        """
        outputs, kept = [], []
        with closing(self.parts()) as parts:
            for samples in parts:
                outputs.append(predict(samples.X))
                kept.append(samples._replace(X=np.empty((samples.n, 0), np.float32)))
        samples = joined(kept)
        check_some_weight(bool(samples.weight.any()))
        return np.concatenate(outputs, axis=-2), samples

    def settle(self) -> None:
        """Compute in the calling thread what checking a block needs."""
        self.known, self.class_weight = self.classes, self.weights
        _ = self.n

    # --- blocks --------------------------------------------------------------------------------------------------

    def stored(self) -> Iterator[tuple[int, int, SourceBlock]]:
        """Iterate over the non-empty blocks as stored: (index of the block, index of its first row, block)."""
        first = 0
        for k, block in enumerate(self.source):
            count = rows_of(block)
            if count:
                yield k, first, block
            first += count

    def read(self, k: int, expected: int) -> SourceBlock:
        """Read a block of the source. Raises DataError if its number of rows has changed."""
        block = self.source.read(k)
        if rows_of(block) != expected:
            raise DataError(
                f"{self.source.where(k)} has {rows_of(block):,} rows, but had {expected:,} before; do not "
                "change the data during training."
            )
        return block

    def mapped(self, block: SourceBlock, epoch: int, rows: int | NDArray[np.int64]) -> SourceBlock:
        """Apply the source's functions. rows: the indices of the block's rows, or of the first."""
        if not self.source.functions:
            return block
        count = rows_of(block)
        numbers = np.arange(rows, rows + count) if isinstance(rows, int) else rows
        for function in self.source.functions:
            block = SourceBlock(*function(block, self.seed, epoch, numbers))
            if rows_of(block) != count:
                raise DataError(
                    f"{getattr(function, '__qualname__', function)} returned {rows_of(block):,} rows for "
                    f"{count:,}; a function passed to map must keep the number of rows."
                )
        return block

    def _checked_X(self, k: int, block: SourceBlock) -> Any:
        where = self.source.where(k)
        return checks.check_X(block.X, self.network.inputs, where, self.features, self.source.feature_names)

    def samples(self, k: int, block: SourceBlock) -> Samples:
        """Check a block and return its samples."""
        X, where, network = self._checked_X(k, block), self.source.where(k), self.network
        targets = checks.check_targets(
            block.y, network.loss, network.outputs, self.known, self._target(where)
        )
        check_lengths(X, targets.y, where)
        weights = self.class_weight
        assert not isinstance(weights, str)
        weight = checks.check_weight(
            block.weight, weights, targets, network.outputs, f"the weight in {where}", is_part=True
        )
        return Samples(X, targets.y, weight, network.outputs).scaled(self.scale)

    def _target(self, where: str) -> str:
        name = self.source.target_name
        return f"{'y' if name is None else f'column {name!r}'} in {where}"

    def _surveyed(self) -> Iterator[Any]:
        """Iterate over X of the blocks, and survey them if not done before."""
        surveyor = None
        if self.survey is None:
            has_checksum = self.source.fingerprint() is not None
            surveyor = Surveyor(self.network.loss, self.network.outputs, self.known, not has_checksum)
        for k, first, stored in self.stored():
            block = self.mapped(stored, 0, first)
            X, where = self._checked_X(k, block), self.source.where(k)
            if surveyor is not None:
                surveyor.add(X, block, where, self._target(where))
            yield X
        if surveyor is not None:
            self.survey = surveyor.done()


def described(function: object) -> str:
    """Describe a function of a source for a fingerprint: its name, or a dataclass with its settings."""
    if dataclasses.is_dataclass(function):
        return repr(function)
    name: str = getattr(function, "__qualname__", type(function).__name__)
    return name


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
