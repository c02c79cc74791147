"""Streams: a source whose rows are checked for a network, and what one pass over them tells.

A stream stands where `Samples` do for what need not see all rows at once: the training loop, validation, and what is
measured before the first step.
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
from chainrule.core.prefetch import prefetch
from chainrule.data import checks
from chainrule.data.samples import Samples, TargetScale, joined
from chainrule.data.source import Source, SourceBlock, rows_of
from chainrule.data.survey import Survey, Surveyor, check_lengths, check_some_weight
from chainrule.errors import ConfigError, DataError
from chainrule.network.network import Network


class Stream:
    """The rows of a source, checked for a network. What only a pass over all rows tells is learned when it is needed.

    classes: the labels that the model knows; None to find them.  class_weight: as in `Model.fit`.
    features: the names of the model's features; None for those of the source.
    Raises DataError for a source with other columns. Values are checked as they are read; an error says where they are.
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
        """Read nothing yet."""
        if source.sizes is not None and not source.sizes.sum():
            raise DataError("the source has no rows; give at least one.")
        self.source, self.network, self.seed, self.scale = source, network, seed, scale
        self.known, self.class_weight = classes, class_weight
        self.survey: Survey | None = None
        self.buffers = Buffers()
        checks.check_class_weight(class_weight)
        if class_weight is not None and not self._has_labels:
            raise ConfigError(
                f"class_weight needs one label a sample, and {type(network.loss).__name__} has numbers; give the rows "
                "of the source weights."
            )
        names = source.feature_names
        if names is not None and features is not None and tuple(names) != tuple(features):
            raise DataError(
                f"the source has the columns {_few(names)}, but the model was trained on {_few(features)}; select "
                "these columns in this order."
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
        """The label of each class number; None for targets that are numbers."""
        if self.known is not None or not self._has_labels:
            return self.known
        return self.learned.classes

    @property
    def learned(self) -> Survey:
        """What a pass over the source finds out, which is made now unless it was made before."""
        if self.survey is None:
            for _ in self.inputs():
                pass
        assert self.survey is not None
        return self.survey

    @property
    def _has_labels(self) -> bool:
        return self.network.loss.targets in ("classes", "binary")

    def measure_targets(self, clamp: bool) -> TargetScale:
        """Return the scale of the targets, as `measure_targets` of samples does."""
        scale = self.learned.scale
        return scale if clamp else scale._replace(low=None, high=None)

    def scaled(self, scale: TargetScale | None) -> Stream:
        """Return the stream with y standardized; None changes nothing."""
        made = copy.copy(self)
        made.scale = scale
        return made

    def fingerprint(self) -> int:
        """Return a checksum of the rows, for which a source without one is read once, and of what orders them."""
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
        """Iterate over X of all blocks as stored. The first whole pass surveys the source too."""
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
        """Iterate over the numbers of the blocks and their samples in an epoch, in the order of the source.

        They are read in the calling thread.
        """
        return ((k, self.samples(k, self.mapped(block, epoch, first))) for k, first, block in self.stored())

    def evaluated(self, predict: Callable[[Any], NDArray[Any]]) -> tuple[NDArray[Any], Samples]:
        """Return the outputs that predict(X) gives, of all rows, and the samples without their features.

        predict: of X (n, features) the outputs (n, outputs), or (members, n, outputs).
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
        """Learn in the calling thread what the checks of a block need."""
        self.known, self.class_weight = self.classes, self.weights
        _ = self.n

    # --- blocks --------------------------------------------------------------------------------------------------

    def stored(self) -> Iterator[tuple[int, int, SourceBlock]]:
        """Iterate over the blocks as stored, without empty ones: (its number, that of its first row, the block)."""
        first = 0
        for k, block in enumerate(self.source):
            count = rows_of(block)
            if count:
                yield k, first, block
            first += count

    def read(self, k: int, expected: int) -> SourceBlock:
        """Read a block of the source. Raises DataError if it has another number of rows."""
        block = self.source.read(k)
        if rows_of(block) != expected:
            raise DataError(
                f"{self.source.where(k)} has {rows_of(block):,} rows, and {expected:,} before; leave the data as they "
                "are while they are read."
            )
        return block

    def mapped(self, block: SourceBlock, epoch: int, rows: int | NDArray[np.int64]) -> SourceBlock:
        """Apply the functions of the source. rows: the numbers of the block's rows, or the first of them."""
        if not self.source.functions:
            return block
        count = rows_of(block)
        numbers = np.arange(rows, rows + count) if isinstance(rows, int) else rows
        for function in self.source.functions:
            block = SourceBlock(*function(block, self.seed, epoch, numbers))
            if rows_of(block) != count:
                raise DataError(
                    f"{getattr(function, '__qualname__', function)} made {rows_of(block):,} rows of {count:,}; a "
                    "function of map must keep the number of rows."
                )
        return block

    def _checked_X(self, k: int, block: SourceBlock) -> Any:
        where = self.source.where(k)
        return checks.check_X(block.X, self.network.inputs, where, self.features, self.source.feature_names)

    def samples(self, k: int, block: SourceBlock) -> Samples:
        """Check a block, and return its samples."""
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
        """Iterate over X of the blocks, and survey them on the way, unless that was done."""
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


def described(function: Any) -> str:
    """Return a function of a source for a fingerprint: its name, or a dataclass with its settings."""
    if dataclasses.is_dataclass(function):
        return repr(function)
    name: str = getattr(function, "__qualname__", type(function).__name__)
    return name


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
