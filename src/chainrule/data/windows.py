"""The order of a stream's epoch: windows of rows in memory together, and pieces of whole batches.

The order is a function of the seed, the epoch and the block sizes. So resuming within an epoch skips windows by
counting, and rereads only the window in which the run stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.random import generator
from chainrule.core.threads import prefetch
from chainrule.data.exact import EPOCH_BITS, exact_windows
from chainrule.data.samples import Samples, joined
from chainrule.data.source import SourceBlock, rows_of
from chainrule.data.stream import Stream, check_some_weight
from chainrule.errors import DataError


class Piece(NamedTuple):
    """Consecutive steps of an epoch: ordered rows of samples, in whole batches except the last of the epoch."""

    samples: Samples
    rows: NDArray[np.int64]
    """(n,), or (n, members) for an ensemble"""
    begin: int
    """the number of the epoch's steps before it"""


class Group(NamedTuple):
    """The blocks of a window, read only if needed."""

    n: int
    read: Callable[[], list[Samples]]


def pieces(stream: Stream, size: int, epoch: int, position: int, shuffle: bool) -> Generator[Piece]:
    """Iterate over the pieces of an epoch from a step on, read ahead by a thread. size: of a batch.

    The order depends only on seed, epoch and source, not on `position` or threads. A batch that spans two windows is a
    separate piece.
    Raises DataError if the number of the source's rows has changed, and if no row has a weight.
    """
    stream.settle()
    return prefetch(_pieces(stream, size, epoch, position, shuffle))


def _pieces(stream: Stream, size: int, epoch: int, position: int, shuffle: bool) -> Iterator[Piece]:
    rest: Samples | None = None  # rows of the last window, less than a batch
    n, done, begin = stream.n, position * size, position
    has_weight = position > 0  # already seen in earlier rows
    for samples, order in windows(stream, epoch, done, shuffle):
        done += len(order)
        if done > n:
            break
        has_weight = has_weight or bool(samples.weight.any())
        if done == n:
            check_some_weight(has_weight)
        if rest is not None:
            lacking = size - rest.n
            rest, order = joined([rest, samples.take(order[:lacking])]), order[lacking:]
            if rest.n < size:
                continue
            yield Piece(rest, np.arange(size), begin)
            begin, rest = begin + 1, None
        steps = len(order) // size
        if steps:
            yield Piece(samples, order[: steps * size], begin)
            begin += steps
        if steps * size < len(order):
            rest = samples.take(order[steps * size :])
        del samples  # frees its memory before the next window is read
    if done != n:
        raise DataError(
            f"the source has {'more' if done > n else f'{done:,}'} rows in epoch {epoch + 1}, but had {n:,} "
            "before; provide the same rows in each epoch."
        )
    if rest is not None:
        yield Piece(rest, np.arange(rest.n), begin)


def windows(
    stream: Stream, epoch: int, start: int, shuffle: bool
) -> Iterator[tuple[Samples, NDArray[np.int64]]]:
    """Iterate over the rows in memory together, with their order, from a row of the epoch on."""
    source, seed = stream.source, stream.seed
    if shuffle and source.is_gathered:
        yield from _gathered(stream, epoch, start)
        return
    if shuffle and source.shuffle == "exact":
        yield from exact_windows(stream, epoch, start)
        return
    sizes, place = source.sizes, 0
    if sizes is None:
        groups = _as_they_come(stream, epoch)
    else:
        blocks = np.arange(len(sizes))
        groups = _of_blocks(
            stream, sizes, generator(seed, "shuffle", epoch).permutation(blocks) if shuffle else blocks, epoch
        )
    for number, group in enumerate(groups):
        if place + group.n > start:
            order = np.arange(group.n)
            if shuffle:
                order = generator(seed, "window", (epoch << EPOCH_BITS) + number).permutation(order)
            yield joined(group.read(), stream.buffers.empty), order[max(0, start - place) :]
        place += group.n


def _gathered(stream: Stream, epoch: int, start: int) -> Iterator[tuple[Samples, NDArray[np.int64]]]:
    """Iterate over windows of individually read rows, in the order of arrays."""
    order = generator(stream.seed, "shuffle", epoch).permutation(stream.n)
    for first in range(start, stream.n, stream.source.window):
        rows = order[first : first + stream.source.window]
        block = stream.mapped(stream.source.gather(rows), epoch, rows)
        yield stream.samples(0, block), np.arange(len(rows))


def _of_blocks(
    stream: Stream, sizes: NDArray[np.int64], blocks: NDArray[np.int64], epoch: int
) -> Iterator[Group]:
    """Iterate over windows of ordered blocks: as many blocks as reach a window's rows."""
    starts = np.cumsum(sizes) - sizes

    def group(chosen: list[int]) -> Group:
        def one(k: int) -> Samples:
            return stream.samples(k, stream.mapped(stream.read(k, int(sizes[k])), epoch, int(starts[k])))

        return Group(int(sizes[chosen].sum()), lambda: list(map(one, chosen)))

    chosen, count = list[int](), 0
    for k in blocks[sizes[blocks] > 0].tolist():
        chosen, count = [*chosen, k], count + int(sizes[k])
        if count >= stream.source.window:
            yield group(chosen)
            chosen, count = [], 0
    if chosen:
        yield group(chosen)


def _as_they_come(stream: Stream, epoch: int) -> Iterator[Group]:
    """Iterate over windows of blocks that come in a fixed order and must be read to be counted."""

    def group(kept: list[tuple[int, int, SourceBlock]]) -> Group:
        n = sum(rows_of(block) for *_, block in kept)
        return Group(
            n, lambda: [stream.samples(k, stream.mapped(block, epoch, first)) for k, first, block in kept]
        )

    kept, count = list[tuple[int, int, SourceBlock]](), 0
    for k, first, block in stream.stored():
        kept, count = [*kept, (k, first, block)], count + rows_of(block)
        if count >= stream.source.window:
            yield group(kept)
            kept, count = [], 0
    if kept:
        yield group(kept)
