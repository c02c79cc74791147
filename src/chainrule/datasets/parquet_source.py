"""`ParquetSource`: the rows of Parquet and Arrow files, read by row group."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.buffers import Buffers
from chainrule.core.settings import check_choice, check_count
from chainrule.core.threads import prefetch
from chainrule.data.source import Source, SourceBlock
from chainrule.datasets.column_files import ColumnFile, find_files
from chainrule.errors import ConfigError, DataError

# --- columns of PyArrow: the role of their types, and their values as NumPy arrays


def first_null(column: Any) -> int:
    """Return the row of the first null of a PyArrow column with nulls."""
    missing: NDArray[np.bool_] = column.is_null().to_numpy()
    return int(missing.argmax())


def is_text(kind: Any) -> bool:
    """Return whether a PyArrow type is text."""
    import pyarrow.types as t

    return bool(
        t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind)
        or (t.is_dictionary(kind) and is_text(kind.value_type))
    )  # fmt: skip


def is_number(kind: object) -> bool:
    """Return whether a PyArrow type is numeric or boolean."""
    import pyarrow.types as t

    return bool(t.is_integer(kind) or t.is_floating(kind) or t.is_boolean(kind) or t.is_decimal(kind))


def use(kind: object) -> str:
    """Return the role of a type: number, text, or the type itself."""
    return "number" if is_number(kind) else "text" if is_text(kind) else str(kind)


def smallest(kinds: Sequence[Any]) -> np.dtype[Any]:
    """Return the smallest dtype of X that represents every number of columns of these types."""
    import pyarrow.types as t

    numbers = [kind for kind in kinds if not is_text(kind)]
    if kinds and all(t.is_boolean(kind) or t.is_uint8(kind) for kind in kinds):
        return np.dtype(np.uint8)
    is_small = all(
        t.is_boolean(k) or t.is_float16(k) or t.is_float32(k) or (t.is_integer(k) and k.bit_width <= 16)
        for k in numbers
    )
    return np.dtype(np.float32 if is_small else np.float64)


def to_numbers(column: Any) -> NDArray[Any]:
    """Return the numbers of a column, without a copy if contiguous."""
    import pyarrow as pa

    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    parts = [chunk.to_numpy(zero_copy_only=False) for chunk in column.chunks]
    values: NDArray[Any] = parts[0] if len(parts) == 1 else np.concatenate(parts or [np.empty(0)])
    return values


def to_text(column: Any) -> Any:
    """Return a text column as PyArrow strings."""
    import pyarrow as pa

    return column.cast(pa.large_string())


def to_codes(column: object, texts: Sequence[str]) -> NDArray[Any]:
    """Return the index of each text among the known ones, from 1; 0 for others and nulls."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = pa.array(texts, pa.large_string())
    places_of: NDArray[Any] = (
        pc.index_in(to_text(column), value_set=known, skip_nulls=True).fill_null(-1).to_numpy()
    )
    return places_of + 1


def to_values(column: Any) -> NDArray[Any]:
    """Return a column of numbers or text, with each text once in memory."""
    if not is_text(column.type):
        return to_numbers(column)
    coded = to_text(column).combine_chunks().dictionary_encode()
    texts = np.array(coded.dictionary.to_pylist() or [""])
    values: NDArray[Any] = texts[coded.indices.to_numpy()]
    return values


# --- the source

DEFAULT_WINDOW_BYTES = 1 << 26
"""The size of the rows shuffled together, if no number of rows is given."""
MAX_CATEGORIES = 1 << 20
TILE_ROWS = 1 << 14
"""The number of rows transposed at a time, which fit in the cache."""
MAX_EXACT_INTEGER = 1 << 53
"""The largest integer up to which float64 represents every one."""
DTYPES = {"uint8": "uint8", "float32": "float", "float64": "double"}
"""The dtypes of X, each with PyArrow's name of the same type."""


class ParquetSource(Source):
    """Rows of Parquet or Arrow files (.parquet, .pq; .arrow, .feather, .ipc), with only some row groups in memory.

        source = ParquetSource("train/", target="price", weight="count")
        net = Network(source.inputs, [Standardize(), Dense(64), ReLU(), Dense(1)], loss=MeanSquaredError())
        Model(net).fit(source, validation_data=ParquetSource("held_out/*.parquet", target="price", weight="count"))

    paths: a file, a folder, a pattern or a URL supported by fsspec ("s3://bucket/train/"), or a list of these. All
        files must have the used columns, with the same types.
    target: the column of y, or a list of columns for several outputs.
    weight: the column of row weights; None for 1 each.
    columns: the columns of X in order; None for all of the first file except target and weight.
    dtype: of X. None for the smallest of uint8, float32 and float64 that represents every number: uint8 for bytes and
        booleans, float32 up to 16-bit integers, float64 for larger ones, with an error for those beyond 2^53. "float64"
        rounds these, and "float32", with half the memory, also rounds others.
    categories: the values of each text column, {"city": ("Aarhus", "Oslo")}, as returned by `learn_categories`. A value
        becomes its index, from 1, for an `Embedding`; other values and nulls become 0.
    shuffle, window: as in `Source`; None for 64 MB of rows.
    folder: of the row cache for shuffle="exact"; None for the system's temporary folder.

    Raises DataError for missing columns and inconsistent files, FormatError for damaged files. Unsupported types,
    nulls, and NaN in features raise errors on reading that name the file and the column. `MLPClassifier.fit(source)`
    and `MLPRegressor.fit(source)` with a preset take columns of any types as they are, nulls among them.
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
        """Read the footers of all files, and from Arrow files, to count rows, the first column."""
        self.files = find_files(paths)
        self.targets = [target] if isinstance(target, str) else list(target)
        if not self.targets:
            raise ConfigError("target must be a column name or a non-empty list of names.")
        self.weight = weight
        first, beside = self.files[0], {*self.targets, weight}
        names = (
            [name for name in first.schema.names if name not in beside] if columns is None else list(columns)
        )
        if not names:
            raise DataError(f"{first.path} has no columns but the target; list the features in columns.")
        if len({*names, *self.targets, weight}) < len(names) + len(self.targets) + 1:
            raise ConfigError("columns, target and weight must name distinct columns.")
        self.feature_names: tuple[str, ...] = tuple(names)
        self.target_name = self.targets[0] if len(self.targets) == 1 else ", ".join(self.targets)
        for file in self.files:
            _check_schema(file, first, [*names, *self.targets, *([] if weight is None else [weight])])
        self.texts = [name for name in names if is_text(first.schema.field(name).type)]
        unknown = [name for name in categories or {} if name not in self.texts]
        if unknown:
            raise ConfigError(
                f"categories has {unknown[0]!r}, which is not a text column among the features."
            )
        self.categories = {name: tuple(texts) for name, texts in (categories or {}).items()}
        self.dtype = smallest([file.schema.field(name).type for file in self.files for name in names])
        self.is_exact = dtype is None
        if dtype is not None:
            check_choice(dtype, DTYPES, "dtype")
            if dtype == "uint8" != self.dtype.name:
                raise ConfigError(
                    "dtype='uint8' supports only byte and boolean columns; pass 'float32', or omit it."
                )
            self.dtype = np.dtype(dtype)
        rows = DEFAULT_WINDOW_BYTES // (len(names) * self.dtype.itemsize + 8 * len(self.targets) + 8)
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
        """The number of rows per row group."""
        return np.array([file.sizes[k] for file, k in self.places], np.int64)

    def where(self, block: int) -> str:
        """Return the name of the row group and its file."""
        file, group = self.places[block]
        return file.where(group)

    def fingerprint(self) -> int:
        """Return a checksum of the files' footers and lengths, the columns, and the categories."""
        said = (
            [file.checksum for file in self.files],
            self.feature_names,
            self.targets,
            self.weight,
            self.dtype.str,
        )
        return zlib.crc32(repr((*said, sorted(self.categories.items()))).encode())

    def read(self, block: int) -> SourceBlock:
        """Read a row group as X (n, features) in C order. Raises DataError for nulls, FormatError for damage."""
        self._check_types()
        lacking = [name for name in self.texts if name not in self.categories]
        if lacking:
            raise DataError(
                f"{self.files[0].path} has text in column {lacking[0]!r}; call learn_categories() before "
                "training, pass categories, or omit it with columns."
            )
        file, group = self.places[block]
        beside = [*self.targets, *([] if self.weight is None else [self.weight])]
        table = file.read(group, [*self.feature_names, *beside])
        X = self.buffers.empty((table.num_rows, self.inputs), self.dtype)
        self._fill(X, table.select(self.feature_names), block)
        y: list[NDArray[Any]] = [to_values(self._whole(table, name, block)) for name in self.targets]
        weight = None if self.weight is None else to_values(self._whole(table, self.weight, block))
        return SourceBlock(X, y[0] if len(y) == 1 else np.stack(y, 1), weight)

    def raw(self, block: int) -> SourceBlock:
        """Read a row group with X as a PyArrow table of its columns as they are, of any types, nulls among them."""
        file, group = self.places[block]
        table = file.read(group, [*self.feature_names, *self.targets, *filter(None, [self.weight])])
        y: list[NDArray[Any]] = [to_values(self._whole(table, name, block)) for name in self.targets]
        weight = None if self.weight is None else to_values(self._whole(table, self.weight, block))
        return SourceBlock(table.select(self.feature_names), y[0] if len(y) == 1 else np.stack(y, 1), weight)

    def _check_types(self) -> None:
        """Check that all columns are numbers or text. Raises DataError."""
        first = self.files[0]
        for name in (*self.feature_names, *([] if self.weight is None else [self.weight])):
            kind = first.schema.field(name).type
            if not (is_number(kind) or name in self.texts):
                raise DataError(
                    f"{first.path} has column {name!r} of type {kind}, which is neither numeric nor text; "
                    "convert it to numbers, or omit it with columns; an estimator takes it as it is."
                )

    def learn_categories(self) -> dict[str, tuple[str, ...]]:
        """Collect the values of each text column in one pass, sorted; return and store them.

        Raises DataError for a column with more than a million values, which are not categories.
        """
        found: dict[str, set[str]] = {name: set() for name in self.texts}
        if self.texts:
            for table in prefetch(self._tables(self.texts)):
                for name, known in found.items():
                    texts = to_text(table.column(name)).unique().to_pylist()
                    known.update(text for text in texts if text is not None)
                    if len(known) > MAX_CATEGORIES:
                        raise DataError(
                            f"{self.files[0].path} has more than {MAX_CATEGORIES:,} values in column "
                            f"{name!r}, too many for categories; omit it with columns."
                        )
        self.categories = {name: tuple(sorted(known)) for name, known in found.items()}
        return dict(self.categories)

    def embedded(self, size: int = 4) -> tuple[tuple[int, int, int], ...]:
        """Return (column, codes, size) for each text column, the argument of `Embedding`."""
        check_count(size, "size")
        return tuple(
            (k, len(self.categories[name]) + 1, size)
            for k, name in enumerate(self.feature_names)
            if name in self.categories
        )

    def _tables(self, names: Sequence[str]) -> Iterator[Any]:
        return (file.read(group, names) for file, group in self.places)

    def _fill(self, X: NDArray[Any], table: Any, block: int) -> None:
        """Write the columns of a row group to X, tile by tile."""
        columns = [
            table.column(name) if name in self.categories else self._whole(table, name, block)
            for name in self.feature_names
        ]
        if all(each.type == DTYPES[X.dtype.name] for each in columns):
            first = 0
            for batch in table.to_batches(max_chunksize=TILE_ROWS):
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
        for first in range(0, len(X), TILE_ROWS):
            rows = slice(first, first + TILE_ROWS)
            X[rows] = np.stack([each[rows] for each in numbers], dtype=X.dtype, casting="unsafe").T

    def _check_exact(self, numbers: NDArray[Any], name: str, block: int) -> None:
        """Check that float64 represents all integers exactly. Raises DataError."""
        beyond = (numbers > MAX_EXACT_INTEGER) | (numbers < -MAX_EXACT_INTEGER)
        if beyond.any():
            row = int(beyond.argmax())
            raise DataError(
                f"{self.where(block)} has {numbers[row]} at row {row}, column {name!r}, but float64 is exact "
                "only for integers up to 2^53; omit the column with columns, or pass dtype='float64' to "
                "round it."
            )

    def _whole(self, table: Any, name: str, block: int) -> Any:
        """Return a column of a row group. Raises DataError for a null."""
        column = table.column(name)
        if column.null_count:
            raise DataError(
                f"{self.where(block)} has a null at row {first_null(column)}, column {name!r}; fill it in or "
                "drop its row first."
            )
        return column


def _check_schema(file: ColumnFile, first: ColumnFile, names: Sequence[str]) -> None:
    """Check that a file has the columns, with the types of the first file. Raises DataError."""
    there = file.schema.names
    for name in names:
        if name not in there:
            from difflib import get_close_matches

            near = get_close_matches(name, there, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(there[:20])}."
            whose = "" if file is first else f" of {first.path}"
            raise DataError(f"{file.path} lacks the column {name!r}{whose}; {hint}")
    for name in names:
        mine, theirs = file.schema.field(name).type, first.schema.field(name).type
        if use(mine) != use(theirs):
            raise DataError(
                f"{file.path} has column {name!r} of type {mine}, but {first.path} has type {theirs}; use "
                "the same type."
            )
