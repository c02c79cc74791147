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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.buffers import Buffers
from chainrule.core.threads import prefetch
from chainrule.data import checks
from chainrule.data.samples import Samples, TargetScale, joined
from chainrule.data.source import Source, SourceBlock, rows_of
from chainrule.data.survey import Survey, Surveyor, check_lengths, check_some_weight
from chainrule.errors import ConfigError, DataError
from chainrule.network.network import Network


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
        scale: TargetScale | None = None,
    ) -> None:
        """Check the columns without reading a row."""
        if source.sizes is not None and not source.sizes.sum():
            raise DataError("the source has no rows; pass at least one.")
        self.source, self.network, self.seed, self.scale = source, network, seed, scale
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
