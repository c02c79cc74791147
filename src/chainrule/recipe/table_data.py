"""The data of a run on a table: its target column, its test rows, and its other columns as numbers.

The rows are split before anything is fitted to them: a fifth for testing, and of the rest the fraction for validation
that `chainrule.recipe.data.split` draws. The preprocessor is fitted on the training rows. It is saved in the model's
file with the name of the target, so that the file alone can predict another table.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.random import generator
from chainrule.data.source import Source, SourceBlock
from chainrule.datasets import Dataset
from chainrule.datasets.column_files import ColumnFile, find_files, paths_of, read_as
from chainrule.datasets.headers import TableLayout
from chainrule.datasets.numerals import Decimals
from chainrule.errors import ConfigError, DataError, option
from chainrule.formulas.losses import LOSSES, LogLink
from chainrule.recipe.columns import (
    FREE_ROWS,
    TargetColumn,
    TiedRows,
    as_labels,
    columns_of,
    divide,
    excluded,
    pick,
    read_columns,
    read_target,
    tied_rows,
)
from chainrule.recipe.events import read_event
from chainrule.recipe.settings import Settings
from chainrule.recipe.text_form import TextForm
from chainrule.tables import reading
from chainrule.tables.column import CategoryCells
from chainrule.tables.exposure import read_exposure
from chainrule.tables.fitting import differ
from chainrule.tables.kinds import take
from chainrule.tables.preprocessor import TablePreprocessor
from chainrule.tables.rows import rows_of
from chainrule.tables.sources import kinds_in_part, known_of
from chainrule.training.fit import split_rows

FEWEST_TOLD = 20
"""The minimum rows of a table for a remark that no two of them have the same number."""
TARGET, TABLE, LAYOUT, EVENT = "target_column", "table", "layout", "event"
"""The keys, in the metadata of a run's model file, of the target's name and, without an estimator, the preprocessor;
of where the table lay in its file, if a user said so; and the column of events, with its value for one and for none."""


@dataclass(frozen=True)
class TableData:
    """A table of a run: its original columns, and their preprocessor."""

    columns: Mapping[str, Any]
    """those of the file by name, including the target, without excluded ones"""
    target: TargetColumn
    preprocessor: TablePreprocessor
    train: NDArray[np.int64]
    """the indices in the file of the rows not used for testing, in the order of the training data"""
    test: NDArray[np.int64]
    tied: TiedRows = FREE_ROWS
    """what ties its rows together"""
    form: TextForm | None = None
    """how its text is written"""
    exposure: str | None = None
    """the column with the exposure; None without one"""

    def exposure_of(self, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Return the exposure of some rows (rows,); None without one."""
        return None if self.exposure is None else exposure_in(self.columns, self.exposure, rows)

    def values(self, row: int, names: list[str]) -> list[str]:
        """Return the cells of a row of the file, as text."""
        return [shown(self.columns[name][int(row)]) for name in names]

    @property
    def inputs(self) -> dict[str, Any]:
        """The columns without the target."""
        return {name: values for name, values in self.columns.items() if name != self.target.name}

    def to_fit(self, y: NDArray[Any]) -> dict[str, Any]:
        """Return the arguments of a fit on the rows not used for testing, with what ties them. y: their targets."""
        given = {"X": self.inputs, "groups": self.tied.groups, "time": self.tied.time}
        made = {name: rows_of(each, self.train) for name, each in given.items()}
        return made | {"X": self.as_in_all_rows(made["X"]), "y": y}

    def as_in_all_rows(self, part: Mapping[str, Any]) -> dict[str, Any]:
        """Return the columns of some rows, where those that are categories in all rows are so too.

        Text that is no number may be in the other rows alone.
        """
        known = known_of(self.preprocessor).kinds
        of_all = {name: part[name] for name in known}
        apart = kinds_in_part(reading.read(of_all).columns, known) if of_all else {}
        return {
            name: CategoryCells(cells, apart[name]) if name in apart else cells
            for name, cells in part.items()
        }

    @property
    def like_identifiers(self) -> list[str]:
        """The columns that may only identify the rows: integers without duplicates."""
        found = []
        for column in self.preprocessor.columns_:
            if column.became == "scaled" and column.taken_for == "number" and not column.missing:
                values = reading.read({column.name: self.columns[column.name]}).columns[0]
                if len(values.values) >= FEWEST_TOLD and differ(take(values)):
                    found.append(column.name)
        return found

    @property
    def left_out(self) -> int:
        """The number of rows without a target."""
        return len(self.columns[self.target.name]) - len(self.target.y)

    @property
    def blocks(self) -> dict[str, slice]:
        """The columns of the network's inputs for each column of the table, by its name."""
        return blocks(self.preprocessor)


def blocks(preprocessor: TablePreprocessor) -> dict[str, slice]:
    """Return the columns of the inputs for each column of a table, by its name."""
    columns = preprocessor.columns_
    ends = accumulate(column.outputs for column in columns)
    each = zip(columns, ends, strict=True)
    return {column.name: slice(end - column.outputs, end) for column, end in each if column.outputs}


def shown(value: object) -> str:
    """Return a cell as text, empty for a missing one."""
    if value is None or value != value:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def layout_of(settings: Settings) -> TableLayout:
    """Return where the settings of a run say that its table lies, and the columns that they name."""
    named = (settings.target_column, settings.groups, settings.time, settings.time_to_event, settings.event)
    return TableLayout(
        *(settings.header, settings.sheet, tuple(name for name in named if name is not None)),
        decimals=Decimals(settings.decimal or ""),
        encoding=settings.encoding,
    )


class RunTable(NamedTuple):
    """A table of a run that was read."""

    columns: dict[str, Any]
    """by name, except excluded ones and that of the groups"""
    target: TargetColumn
    tied: TiedRows
    form: TextForm
    exposure: str | None = None
    """the column with the exposure"""


def exposure_in(columns: Mapping[str, Any], name: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the exposure of some rows of a table (rows,). Raises DataError unless each is above 0."""
    return read_exposure({name: rows_of(columns[name], rows)}, name, len(rows))


def log_exposure(columns: Mapping[str, Any], name: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the offset (rows, 1) that makes outputs of rates those of amounts."""
    return np.log(exposure_in(columns, name, rows))[:, None]


def read(path: str | os.PathLike[str], settings: Settings) -> RunTable:
    """Read a table with the settings of a run.

    Raises ConfigError if they name no target, or a column that does not exist.
    """
    columns = read_columns(path, layout_of(settings))
    times = None
    if settings.time_to_event is not None or settings.event is not None:
        times = read_event(columns, settings, f"{path}")
    asked = settings.target_column if times is None else times.name
    if asked is None:
        names = ", ".join(list(columns)[-4:])
        listed = f"it has {names}" if len(columns) <= 4 else f"its last are {names}"
        raise ConfigError(
            f"{path} is a table; name the column to predict with {option('target_column')}: {listed}."
        )
    found = pick(asked, columns, f"{path}", "target_column")
    tied = tied_rows(columns, found, settings, path)
    form = TextForm.of(columns)
    out = excluded(settings.exclude_columns, columns, found, f"{path}")
    exposure = None if settings.exposure is None else pick(settings.exposure, columns, f"{path}", "exposure")
    if times is not None and times.event is not None:
        out.append(times.event.column)
    for each in {*out, tied.names.get("groups", found)} - {found, exposure}:
        del columns[each]
    if len(columns) < 2 + (exposure is not None):
        raise DataError(f"{path} has only the column {found!r}; other columns are needed to predict it.")
    target = times or read_target(found, columns[found], f"{path}", settings.loss)
    if exposure is not None:
        kind = LOSSES.get(settings.loss or "")
        if kind is None or not issubclass(kind, LogLink):
            named = ", ".join(name for name, each in LOSSES.items() if issubclass(each, LogLink))
            raise ConfigError(
                f"{option('exposure')} is for a loss of amounts; pass {option('loss')}, one of {named}."
            )
        if exposure == found:
            raise ConfigError(f"{option('exposure')} names {found!r}, the column to predict; name another.")
        exposure_in(columns, exposure, target.rows)  # an error is raised before the training
    return RunTable(columns, target, tied, form, exposure)


def load(path: Path, settings: Settings, held_out: float) -> tuple[Dataset, Dataset, TableData]:
    """Load a table for training and testing, with the preprocessor fitted only on the training rows.

    held_out: the fraction of the training rows used for validation; 0 for none.
    """
    columns, target, tied, form, exposure = read(path, settings)
    preprocessor = TablePreprocessor(dtype=settings.dtype if settings.dtype == "float64" else "float32")
    if exposure is not None:
        preprocessor.set_params(kinds={exposure: "drop"})
    train, test, table = prepared(path, columns, target, preprocessor, settings.seed, held_out, tied)
    return train, test, replace(table, form=form, exposure=exposure)


def prepared(
    path: Path,
    columns: Mapping[str, Any],
    target: TargetColumn,
    preprocessor: TablePreprocessor,
    seed: int,
    held_out: float,
    tied: TiedRows = FREE_ROWS,
) -> tuple[Dataset, Dataset, TableData]:
    """Split a table, fit the preprocessor on its training rows, and return the result of `load`."""
    train, test = divide(target, seed, f"{path}", tied)
    learned = train[split_rows(len(train), held_out, seed)[0]] if held_out else train
    inputs = reading.read({name: values for name, values in columns.items() if name != target.name})
    weights = np.zeros(len(columns[target.name]))
    weights[target.rows[learned]] = 1.0
    y = np.zeros((len(weights), *target.y.shape[1:]), target.y.dtype)  # rows of weight 0 have no effect
    y[target.rows] = target.y
    preprocessor.fit(inputs, y, sample_weight=weights)
    X = preprocessor.transform(inputs)
    table = TableData(columns, target, preprocessor, target.rows[train], target.rows[test], tied)
    return (
        dataset(X[table.train], target.y[train], f"{path.stem} train"),
        dataset(X[table.test], target.y[test], f"{path.stem} test"),
        table,
    )


def dataset(X: NDArray[Any], y: NDArray[Any], name: str) -> Dataset:
    """Return samples and targets as a data set."""
    return Dataset(X, y, X.shape[1:], name)


# --- the data of a run on files of columns that may exceed memory: a folder, a pattern, a URL, or several files ------
# One pass draws a sample of the rows, at most SAMPLE of them. It is split like a table: some rows for testing, some
# for validation, and others to fit the preprocessing and the baselines. The network is trained on all rows except the
# held-out ones, row group by row group.

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
    table: TableData
    """of the sample"""
    stream: TableSource


def load_files(text: str, settings: Settings, held_out: float) -> Loaded:
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
    train, test, table = prepared(Path(text), columns, chosen, preprocessor, settings.seed, held_out)
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
