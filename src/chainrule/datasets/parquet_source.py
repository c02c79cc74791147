"""`ParquetSource`: the rows of Parquet and Arrow files, row group by row group."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.buffers import Buffers
from chainrule.core.prefetch import prefetch
from chainrule.core.settings import check_choice, check_count
from chainrule.data.source import Source, SourceBlock
from chainrule.datasets.column_files import ColumnFile, find_files
from chainrule.datasets.columns import (
    first_null,
    is_number,
    is_text,
    smallest,
    to_codes,
    to_numbers,
    to_text,
    to_values,
    use,
)  # fmt: skip
from chainrule.errors import ConfigError, DataError

WINDOW_BYTES = 1 << 26
"""The bytes of the rows that are shuffled together unless another number of rows is asked for."""
MOST_CATEGORIES = 1 << 20
TILE = 1 << 14
"""The rows of which columns become rows at a time: they stay in the cache."""
LARGEST_EXACT = 1 << 53
"""The integer up to which float64 has every one."""
DTYPES = {"uint8": "uint8", "float32": "float", "float64": "double"}
"""The types of X, each with PyArrow's name for columns that are stored as its numbers."""


class ParquetSource(Source):
    """Rows of Parquet or Arrow files (.parquet, .pq; .arrow, .feather, .ipc), of which some row groups are in memory.

        source = ParquetSource("train/", target="price", weight="count")
        net = Network(source.inputs, [Standardize(), Dense(64), ReLU(), Dense(1)], loss=MeanSquaredError())
        Model(net).fit(source, validation_data=ParquetSource("held_out/*.parquet", target="price", weight="count"))

    paths: a file, a folder, a pattern or a URL that fsspec knows ("s3://bucket/train/"), or a list of these. All files
        must have the columns that are used, of one kind.
    target: the column of y, or a list of columns for several outputs.
    weight: the column of the rows' weights; None for 1 each.
    columns: the columns of X in order; None for all but target and weight, as the first file has them.
    dtype: of X. None for the smallest of uint8, float32 and float64 that keeps every number: uint8 if all columns are
        bytes or booleans, float32 up to integers of 16 bits, float64 for larger ones, of which one beyond 2^53 is an
        error. "float64" rounds those, and "float32", of half the memory, others too.
    categories: the texts of each column of text, {"city": ("Aarhus", "Oslo")}, as `learn_categories` finds them. A text
        becomes its place among them from 1 on, for an `Embedding`; another one, and a null, becomes 0.
    shuffle, window: as of `Source`; None for as many rows as have 64 MB.
    folder: where shuffle="exact" keeps the rows of an epoch; None for the system's folder of temporary files.

    Raises DataError for missing columns, columns of other types and files that differ, FormatError for damaged files.
    Nulls, and NaN among the features, are errors that name file, row group and column when they are read.
    """

    def __init__(
        self,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        *,
        target: str | Sequence[str],
        weight: str | None = None,
        columns: Sequence[str] | None = None,
        dtype: str | None = None,
        categories: Mapping[str, Sequence[str]] | None = None,
        shuffle: str = "blocks",
        window: int | None = None,
        folder: str | os.PathLike[str] | None = None,
    ) -> None:
        """Read the footers of all files; of rows only those of the first column of Arrow files, which counts them."""
        self.files = find_files(paths)
        self.targets = [target] if isinstance(target, str) else list(target)
        if not self.targets:
            raise ConfigError("target must name a column, or a list of at least one.")
        self.weight = weight
        first, beside = self.files[0], {*self.targets, weight}
        names = (
            [name for name in first.schema.names if name not in beside] if columns is None else list(columns)
        )
        if not names:
            raise DataError(
                f"{first.path} has no column beside the target to learn from; name some by columns."
            )
        if len({*names, *self.targets, weight}) < len(names) + len(self.targets) + 1:
            raise ConfigError("columns, target and weight must name different columns, each once.")
        self.feature_names: tuple[str, ...] = tuple(names)
        self.target_name = self.targets[0] if len(self.targets) == 1 else ", ".join(self.targets)
        for file in self.files:
            _check_schema(file, first, [*names, *self.targets, *([] if weight is None else [weight])])
        self.texts = [name for name in names if is_text(first.schema.field(name).type)]
        for name in (*names, *([] if weight is None else [weight])):
            kind = first.schema.field(name).type
            if not (is_number(kind) or name in self.texts):
                raise DataError(
                    f"{first.path} has the column {name!r} of type {kind}, which is neither numbers nor text; convert "
                    "it to numbers, or leave it out by columns."
                )
        unknown = [name for name in categories or {} if name not in self.texts]
        if unknown:
            raise ConfigError(
                f"categories has {unknown[0]!r}, which is no column of text among the features."
            )
        self.categories = {name: tuple(texts) for name, texts in (categories or {}).items()}
        self.dtype = smallest([file.schema.field(name).type for file in self.files for name in names])
        self.is_exact = dtype is None
        if dtype is not None:
            check_choice(dtype, DTYPES, "dtype")
            if dtype == "uint8" != self.dtype.name:
                raise ConfigError(
                    "dtype='uint8' is for columns of bytes and booleans alone; pass 'float32', or leave it out."
                )
            self.dtype = np.dtype(dtype)
        rows = WINDOW_BYTES // (len(names) * self.dtype.itemsize + 8 * len(self.targets) + 8)
        super().__init__(
            shuffle=shuffle, window=max(1, rows) if window is None else check_count(window, "window")
        )
        self.folder = None if folder is None else os.fspath(folder)
        self.buffers = Buffers()
        self.places = [(file, k) for file in self.files for k in range(len(file.sizes))]

    @property
    def inputs(self) -> int:
        """The number of features."""
        return len(self.feature_names)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """The number of rows of each row group."""
        return np.array([file.sizes[k] for file, k in self.places], np.int64)

    def where(self, block: int) -> str:
        """Return the row group and its file."""
        file, group = self.places[block]
        return file.where(group)

    def fingerprint(self) -> int:
        """Return a checksum of the files' footers and lengths, of the columns, and of the categories."""
        said = (
            [file.checksum for file in self.files],
            self.feature_names,
            self.targets,
            self.weight,
            self.dtype.str,
        )
        return zlib.crc32(repr((*said, sorted(self.categories.items()))).encode())

    def read(self, block: int) -> SourceBlock:
        """Read a row group: X (n, features) in C order. Raises DataError for nulls, FormatError for damage."""
        lacking = [name for name in self.texts if name not in self.categories]
        if lacking:
            raise DataError(
                f"{self.files[0].path} has text in the column {lacking[0]!r}; call learn_categories() before training, "
                "pass categories, or leave it out by columns."
            )
        file, group = self.places[block]
        beside = [*self.targets, *([] if self.weight is None else [self.weight])]
        table = file.read(group, [*self.feature_names, *beside])
        X = self.buffers.empty((table.num_rows, self.inputs), self.dtype)
        self._fill(X, table.select(self.feature_names), block)
        y: list[NDArray[Any]] = [to_values(self._whole(table, name, block)) for name in self.targets]
        weight = None if self.weight is None else to_values(self._whole(table, self.weight, block))
        return SourceBlock(X, y[0] if len(y) == 1 else np.stack(y, 1), weight)

    def learn_categories(self) -> dict[str, tuple[str, ...]]:
        """Find the texts of each column of text in one pass over these columns, in order; return and keep them.

        Raises DataError for a column with more than a million, which are no categories.
        """
        found: dict[str, set[str]] = {name: set() for name in self.texts}
        if self.texts:
            for table in prefetch(self._tables(self.texts)):
                for name, known in found.items():
                    texts = to_text(table.column(name)).unique().to_pylist()
                    known.update(text for text in texts if text is not None)
                    if len(known) > MOST_CATEGORIES:
                        raise DataError(
                            f"{self.files[0].path} has more than {MOST_CATEGORIES:,} texts in the column {name!r}, too "
                            "many to be categories; leave it out by columns."
                        )
        self.categories = {name: tuple(sorted(known)) for name, known in found.items()}
        return dict(self.categories)

    def embedded(self, size: int = 4) -> tuple[tuple[int, int, int], ...]:
        """Return (column, codes, size) of each column of text, as `Embedding` takes them."""
        check_count(size, "size")
        return tuple(
            (k, len(self.categories[name]) + 1, size)
            for k, name in enumerate(self.feature_names)
            if name in self.categories
        )

    def _tables(self, names: Sequence[str]) -> Iterator[Any]:
        return (file.read(group, names) for file, group in self.places)

    def _fill(self, X: NDArray[Any], table: Any, block: int) -> None:
        """Write the columns of a row group to the columns of X, some rows of all of them at a time."""
        columns = [
            table.column(name) if name in self.categories else self._whole(table, name, block)
            for name in self.feature_names
        ]
        if all(each.type == DTYPES[X.dtype.name] for each in columns):
            first = 0
            for batch in table.to_batches(max_chunksize=TILE):
                X[first : first + len(batch)] = batch.to_tensor().to_numpy()
                first += len(batch)
            return
        numbers = [
            to_codes(each, self.categories[name]) if name in self.categories else to_numbers(each)
            for name, each in zip(self.feature_names, columns, strict=True)
        ]
        for name, each in zip(self.feature_names, numbers, strict=True):
            if self.is_exact and each.dtype.kind in "iu" and each.dtype.itemsize == 8:
                self._check_exact(each, name, block)
        for first in range(0, len(X), TILE):
            rows = slice(first, first + TILE)
            X[rows] = np.stack([each[rows] for each in numbers], dtype=X.dtype, casting="unsafe").T

    def _check_exact(self, numbers: NDArray[Any], name: str, block: int) -> None:
        """Raise DataError for an integer that float64 might round."""
        beyond = (numbers > LARGEST_EXACT) | (numbers < -LARGEST_EXACT)
        if beyond.any():
            row = int(beyond.argmax())
            raise DataError(
                f"{self.where(block)} has {numbers[row]} at row {row}, column {name!r}, and float64 keeps apart "
                "integers up to 2^53; leave the column out by columns, or pass dtype='float64' to have it rounded."
            )

    def _whole(self, table: Any, name: str, block: int) -> Any:
        """Return a column of a row group. Raises DataError if it has a null."""
        column = table.column(name)
        if column.null_count:
            raise DataError(
                f"{self.where(block)} has a null at row {first_null(column)}, column {name!r}; fill it in, or drop its "
                "row, first."
            )
        return column


def _check_schema(file: ColumnFile, first: ColumnFile, names: Sequence[str]) -> None:
    """Raise DataError unless a file has the columns, of the kinds that the first one has."""
    there = file.schema.names
    for name in names:
        if name not in there:
            from difflib import get_close_matches

            near = get_close_matches(name, there, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(there[:20])}."
            whose = "" if file is first else f", which {first.path} has"
            raise DataError(f"{file.path} lacks the column {name!r}{whose}; {hint}")
    for name in names:
        mine, theirs = file.schema.field(name).type, first.schema.field(name).type
        if use(mine) != use(theirs):
            raise DataError(
                f"{file.path} has the column {name!r} of type {mine}, and {first.path} of type {theirs}; write them "
                "alike."
            )
