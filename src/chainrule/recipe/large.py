"""The data of a run on files of columns that may exceed memory: a folder, a pattern, a URL, or several files.

One pass draws a sample of the rows, at most SAMPLE of them. It is split like a table: some rows for testing, some for
validation, and others to fit the preprocessing and the baselines. The network is trained on all rows except the
held-out ones, row group by row group.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.random import generator
from chainrule.data.source import Source, SourceBlock
from chainrule.datasets.column_files import ColumnFile, find_files, paths_of, read_as
from chainrule.errors import ConfigError, DataError, option
from chainrule.recipe import tables
from chainrule.recipe.columns import TargetColumn, as_labels, columns_of, excluded, pick, read_target
from chainrule.recipe.settings import Settings
from chainrule.tables.preprocessor import TablePreprocessor
from chainrule.training.fit import split_rows

SAMPLE = 100_000
"""The maximum rows drawn for the split and the preprocessing; and a row of each label beyond them."""
FEW_LABELS = 1000
"""The maximum labels of a row group of which each new one is added to the sample."""


class DrawnRows(NamedTuple):
    """Rows drawn from all files."""

    table: Any
    """of PyArrow"""
    numbers: NDArray[np.int64]
    """their indices among all rows with a target, ascending"""
    counts: NDArray[np.int64]
    """the rows with a target in each row group"""


class Loaded(NamedTuple):
    """The parts of a run."""

    train: Any
    """the sample's rows for training and validation"""
    test: Any
    table: tables.TableData
    """of the sample"""
    stream: TableSource


def load(text: str, settings: Settings, held_out: float) -> Loaded:
    """Inspect the files, draw the sample, fit the preprocessing, and return the data of a run.

    held_out: the fraction of the sample's training rows used for validation.
    """
    if settings.has_preset:
        raise ConfigError(
            f"{option('preset')} needs a table in memory, but {text} is read in pieces; omit {option('preset')}, "
            "or name one file."
        )
    for name in ("decimal", "encoding"):
        if getattr(settings, name) is not None:
            raise ConfigError(f"{option(name)} is for CSV, and {text} has other files; omit it.")
    files = find_files(paths_of(text))
    names = list(files[0].schema.names)
    if settings.target_column is None:
        raise ConfigError(
            f"{text} has tables; name the column to predict with {option('target_column')}: the last are "
            f"{', '.join(names[-4:])}."
        )
    target = pick(settings.target_column, names, text, "target_column")
    left_out = excluded(settings.exclude_columns, names, target, text)
    names = [name for name in names if name not in left_out]
    schema = _select(files[0].schema, names)
    sample = draw(files, schema, target, settings.seed)
    columns = columns_of(sample.table, text)
    chosen = read_target(target, columns[target], text, settings.loss)
    preprocessor = TablePreprocessor(dtype=settings.dtype if settings.dtype == "float64" else "float32")
    train, test, table = tables.prepared(Path(text), columns, chosen, preprocessor, settings.seed, held_out)
    validation = split_rows(len(train), held_out, settings.seed)[1]
    held = np.sort(np.concatenate([sample.numbers[table.test], sample.numbers[table.train[validation]]]))
    labels = None if chosen.is_number else np.unique(chosen.y)
    return Loaded(
        train, test, table, TableSource(files, schema, chosen, labels, preprocessor, sample.counts, held)
    )


def _select(schema: Any, names: list[str]) -> Any:
    import pyarrow as pa

    return pa.schema([schema.field(name) for name in names])


def draw(files: list[ColumnFile], schema: Any, target: str, seed: int) -> DrawnRows:
    """Draw the sample in one pass. Raises DataError for a target without values."""
    import pyarrow as pa

    share = min(1.0, SAMPLE / max(1, sum(sum(file.sizes) for file in files)))
    counts, numbers, kept, seen = list[int](), list[NDArray[np.int64]](), [schema.empty_table()], set[Any]()
    for k, (file, group) in enumerate(groups_of(files)):
        block = read_as(file, group, schema)
        found = target_of(block, target, file.where(group))
        rows = np.empty(0, np.int64) if found is None else found.rows
        chosen = generator(seed, "split", (1 << 32) + k).random(len(rows)) < share
        if found is not None and found.y.dtype.kind != "f":
            labels, places = np.unique(found.y, return_index=True)
            new = [p for label, p in zip(labels.tolist(), places.tolist(), strict=True) if label not in seen]
            if len(labels) <= FEW_LABELS and len(seen) <= FEW_LABELS:
                chosen[new] = True
                seen.update(labels.tolist())
        numbers.append(np.flatnonzero(chosen) + sum(counts))
        counts.append(len(rows))
        kept.append(block.take(rows[chosen]))
    return DrawnRows(pa.concat_tables(kept), np.concatenate(numbers), np.array(counts, np.int64))


def groups_of(files: list[ColumnFile]) -> list[tuple[ColumnFile, int]]:
    """Return all row groups in order."""
    return [(file, group) for file in files for group in range(len(file.sizes))]


def target_of(block: Any, name: str, where: str) -> TargetColumn | None:
    """Return the targets of a row group's rows that have one; None if no row has."""
    column = block.column(name)
    if column.null_count == len(column):
        return None
    return read_target(name, columns_of(block.select([name]), where)[name], where, to_learn=False)


class TableSource(Source):
    """The rows of files that are not held out, as inputs made by a preprocessor.

    labels: those of the target in the sample; None for numbers.
    counts: the rows with a target of each row group.
    held: the indices of the held-out rows among all rows with a target, ascending.
    """

    def __init__(
        self,
        files: list[ColumnFile],
        schema: object,
        target: TargetColumn,
        labels: NDArray[Any] | None,
        preprocessor: TablePreprocessor,
        counts: NDArray[np.int64],
        held: NDArray[np.int64],
    ) -> None:
        """Store the sources of the blocks."""
        super().__init__()
        self.files, self.schema, self.groups = files, schema, groups_of(files)
        self.target_name, self.labels, self.preprocessor, self.held = target.name, labels, preprocessor, held
        self.feature_names = tuple(preprocessor.get_feature_names_out().tolist())
        self.starts = np.concatenate([[0], np.cumsum(counts)])
        cuts = np.searchsorted(held, self.starts)
        self.of = counts - np.diff(cuts)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """The rows of each row group that have a target and are not held out."""
        return self.of

    def where(self, block: int) -> str:
        """Return the row group and its file."""
        file, group = self.groups[block]
        return file.where(group)

    def fingerprint(self) -> int:
        """Return a checksum of the files, of the preprocessing and of the held-out rows."""
        said = json.dumps(self.preprocessor.to_data(), sort_keys=True), [file.checksum for file in self.files]
        return zlib.crc32(self.held.tobytes(), zlib.crc32(repr((said, self.target_name)).encode()))

    def read(self, block: int) -> SourceBlock:
        """Read a row group. Raises DataError for values of another kind than in the sample."""
        width = len(self.feature_names or ())
        if not self.of[block]:
            return SourceBlock(np.empty((0, width), np.float32), np.empty(0))
        where, assigned = self.where(block), self.target_name
        table = read_as(*self.groups[block], self.schema)
        found = target_of(table, str(assigned), where)
        assert found is not None
        first, last = np.searchsorted(self.held, self.starts[block : block + 2])
        stays = np.ones(len(found.rows), bool)
        stays[self.held[first:last] - self.starts[block]] = False
        try:
            X = self.preprocessor.transform(table.drop([str(assigned)]).take(found.rows[stays]))
        except DataError as error:  # its message is about X
            raise DataError(f"{where}{f'{error}'.removeprefix('X')}") from error
        return SourceBlock(X, as_labels(found, self.labels)[stays])
