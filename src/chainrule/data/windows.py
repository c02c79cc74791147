"""The order of a stream's epoch: windows of rows in memory together, and pieces of whole batches.

The order is a function of the seed, the epoch and the block sizes. So resuming within an epoch skips windows by
counting, and rereads only the window in which the run stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

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
    """Iterate over windows of ordered blocks."""
    starts = np.cumsum(sizes) - sizes

    def read(chosen: list[int]) -> list[Samples]:
        stored = ((k, stream.read(k, int(sizes[k]))) for k in chosen)
        return [stream.samples(k, stream.mapped(block, epoch, int(starts[k]))) for k, block in stored]

    kept = blocks[sizes[blocks] > 0]
    return _grouped(stream, zip(sizes[kept].tolist(), kept.tolist(), strict=True), read)


def _as_they_come(stream: Stream, epoch: int) -> Iterator[Group]:
    """Iterate over windows of blocks that come in a fixed order and must be read to be counted."""

    def read(kept: list[tuple[int, int, SourceBlock]]) -> list[Samples]:
        return [stream.samples(k, stream.mapped(block, epoch, first)) for k, first, block in kept]

    return _grouped(stream, ((rows_of(stored[2]), stored) for stored in stream.stored()), read)


def _grouped(
    stream: Stream, blocks: Iterable[tuple[int, Any]], read: Callable[[list[Any]], list[Samples]]
) -> Iterator[Group]:
    """Iterate over as many blocks, each with its number of rows, as reach a window's rows."""
    kept, count = list[Any](), 0
    for rows, block in blocks:
        kept, count = [*kept, block], count + rows
        if count >= stream.source.window:
            yield Group(count, partial(read, kept))
            kept, count = [], 0
    if kept:
        yield Group(count, partial(read, kept))
