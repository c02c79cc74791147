"""A table of a source, such as Parquet files, for an estimator: read block by block, at most its inputs in memory.

One pass draws a sample of the rows, which the preprocessor learns; a second one prepares all rows, or as many as there
is time and memory for, drawn at random. Of the rows as they are stored there is only a block in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.random import generator
from chainrule.core.threads import prefetch
from chainrule.data.source import Source, SourceBlock, rows_of
from chainrule.datasets import numerals
from chainrule.errors import ConfigError
from chainrule.tables import kinds
from chainrule.tables.column import Column
from chainrule.tables.preprocessor import TablePreprocessor

SAMPLE = 100_000
"""The most rows by which a preprocessor is fitted, and a row of each label beyond them."""
MAX_BYTES = 2 << 30
"""The most bytes of inputs that are prepared."""


class ReadTable(NamedTuple):
    """A table that was read: its inputs, and what prepared them."""

    inputs: NDArray[np.floating]
    """(n, outputs)"""
    preprocessor: TablePreprocessor


def check_source(source: Source, y: object) -> None:
    """Check that an estimator can read a source. Raises ConfigError for a target that it does not have.

    y: None, or the name of the source's target.
    """
    if source.functions:
        raise ConfigError("an estimator takes a source without functions; omit map(), or use Model.fit.")
    if y is not None and not (isinstance(y, str) and y == source.target_name):
        raise ConfigError(
            f"y of a source is None or the name of its target, {source.target_name!r}, not {str(y)[:60]!r}; name "
            "another target when the source is made."
        )


def rows_in(source: Source) -> int:
    """Return the number of rows of a source, which one that does not know it is read for."""
    if source.sizes is not None:
        return int(np.sum(source.sizes))
    known = getattr(source, "n", None)
    return sum(map(rows_of, source)) if known is None else int(known)


def blocks_of(source: Source) -> Iterable[SourceBlock]:
    """Return the blocks of a source, those of files with any types of columns, read ahead by a thread."""
    from chainrule.datasets.parquet_source import ParquetSource

    if isinstance(source, ParquetSource):
        return prefetch(source.raw(k) for k in range(len(source.sizes)))
    return source


def drawn(source: Source, share: float, seed: int, keep_labels: bool) -> Iterator[SourceBlock]:
    """Iterate over the blocks with a share of their rows, drawn at random by the seed.

    keep_labels: whether the first row of each label is among them.
    """
    seen = set[Any]()
    for k, block in enumerate(blocks_of(source)):
        if share >= 1:
            yield block
            continue
        chosen = generator(seed, "split", (1 << 33) + k).random(rows_of(block)) < share
        if keep_labels and np.ndim(block.y) == 1:
            labels, places = np.unique(block.y, return_index=True)
            new = [p for label, p in zip(labels.tolist(), places.tolist(), strict=True) if label not in seen]
            chosen[new] = True
            seen.update(labels.tolist())
        yield _taken(block, np.flatnonzero(chosen))


def join_blocks(blocks: Iterable[SourceBlock]) -> SourceBlock:
    """Return blocks as one, with the rows as they are stored."""
    parts = list(blocks)
    tables, y = [part.X for part in parts], np.concatenate([part.y for part in parts])
    weight = None if parts[0].weight is None else np.concatenate([part.weight for part in parts])
    return SourceBlock(_stacked(tables), y, weight)


def prepare_blocks(blocks: Iterable[SourceBlock], preprocessor: TablePreprocessor, most: int) -> SourceBlock:
    """Return blocks as one, with the inputs that a fitted preprocessor makes of them. most: at least their rows."""
    width = len(preprocessor.get_feature_names_out())
    inputs, n = np.empty((most, width), preprocessor.dtype), 0
    targets, weights = [], []
    for block in blocks:
        if not (count := rows_of(block)):
            continue
        inputs[n : n + count] = preprocessor.transform(block.X)
        n += count
        targets.append(block.y)
        weights.append(block.weight)
    weight = None if weights[0] is None else np.concatenate(weights)
    return SourceBlock(inputs[:n], np.concatenate(targets), weight)


def _taken(block: SourceBlock, rows: NDArray[np.int64]) -> SourceBlock:
    X = block.X.take(rows) if hasattr(block.X, "column_names") else block.X[rows]
    return SourceBlock(X, block.y[rows], None if block.weight is None else block.weight[rows])


def _stacked(tables: list[Any]) -> Any:
    if hasattr(tables[0], "column_names"):
        import pyarrow as pa

        return pa.concat_tables(tables).combine_chunks()
    if hasattr(tables[0], "tocsr"):
        from scipy import sparse

        return sparse.vstack(tables, format="csr")
    return np.concatenate(tables)


# --- what is known of the columns of a table by all of its rows, where a part of them looks otherwise ----------------


class OfAllRows(NamedTuple):
    """What is known of the columns of a table by all of its rows."""

    kinds: Mapping[str, str]
    """of those of categories, and of numbers with words among them"""
    marks: Mapping[str, tuple[float, ...]]
    """numbers that stand for missing ones"""


NOTHING = OfAllRows({}, {})


def known_of(preprocessor: TablePreprocessor | None) -> OfAllRows:
    """Return what a fitted preprocessor takes the columns for that may look otherwise in a part; nothing for None."""
    learned = () if preprocessor is None else preprocessor.learned_
    own = {each.name: each.kind for each in learned if each.kind == "category" or each.has_words}
    return OfAllRows(own, {each.name: each.marks for each in learned if each.marks})


def kinds_in_part(columns: Iterable[Column], of_all: Mapping[str, str]) -> dict[str, str]:
    """Return the kind of columns by all rows, where a part of these reads as another.

    They are categories that read as numbers or dates in the part, and numbers, which have words in other rows.
    """
    return {
        each.name: of_all[each.name]
        for each in columns
        if each.name in of_all and (of_all[each.name] == "number" or _are_numbers_or_dates(each))
    }


def _are_numbers_or_dates(column: Column) -> bool:
    """Whether a column's cells are no text, or text that reads as numbers or dates."""
    texts = column.texts
    return (
        column.form != "text" or numerals.decimal_of(texts) is not None or len(kinds.date_orders(texts)) == 1
    )
