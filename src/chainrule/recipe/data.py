"""Load and split the data of a run: mnist, a folder of IDX files, an .npz with X and y, or arrays."""

from __future__ import annotations

import dataclasses
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import RowsLike, TargetsLike
from chainrule.data.checks import check_samples
from chainrule.data.samples import Samples
from chainrule.data.source import Source
from chainrule.datasets import Dataset, load_idx_folder, load_mnist, load_npz
from chainrule.datasets.column_files import ENDINGS, are_many, paths_of, source_of
from chainrule.datasets.table_files import TABLES
from chainrule.errors import ConfigError, DataError, option
from chainrule.network.network import Network
from chainrule.recipe import preset_choice
from chainrule.recipe.messages import with_value
from chainrule.recipe.settings import Settings
from chainrule.training.fit import split_rows

if TYPE_CHECKING:
    from chainrule.recipe.table_data import TableData

HELD_OUT = 0.2
"""The fraction of the samples for validation if the data have neither a validation nor a test part."""

LARGE_FILE_BYTES = 1 << 30
"""The size from which a single file is read in pieces, like several files."""

NAMES = {"train": ("X", "y"), "validation": ("X_val", "y_val"), "test": ("X_test", "y_test")}
"""The names of the arrays of each part in an .npz."""


class Data(NamedTuple):
    """Data sets for training, validation and testing, with their name and source."""

    name: str
    text: str
    """the argument on the command line; empty for arrays"""
    source: str
    """mnist, or the absolute path; empty for arrays"""
    train: Dataset
    validation: Dataset | None = None
    test: Dataset | None = None
    table: TableData | None = None
    """the table from which they were made; None for arrays of numbers"""
    features: tuple[str, ...] | None = None
    """the names of the columns of X, if they have names"""
    stream: Source | None = None
    """the training data if that is not `train`, but all rows of files from which this is a sample"""


class Parts(NamedTuple):
    """The samples for training, for validation after each epoch, and for the final evaluation, all checked."""

    train: Samples
    watched: Samples
    judged: Samples
    judged_name: str
    """test or validation"""
    held_out: bool
    """whether the validation samples differ from the test samples, so that they may select the best epoch"""
    rows: NDArray[np.int64] | None = None
    """the test rows, if they are part of X"""


class Rows(NamedTuple):
    """A split of X: training rows and held-out rows, each ascending."""

    train: NDArray[np.int64]
    held_out: NDArray[np.int64]


class Checked(NamedTuple):
    """The parts of the data, with their values checked."""

    train: Samples
    validation: Samples | None
    test: Samples | None
    classes: NDArray[Any] | None
    """the labels of the class indices"""


def from_arrays(
    X: RowsLike,
    y: TargetsLike,
    *,
    validation: tuple[Any, Any] | None = None,
    test: tuple[Any, Any] | None = None,
    name: str = "data",
    shape: tuple[int, ...] | None = None,
) -> Data:
    """Return the data of a run from arrays. shape: of one sample, such as (height, width) of a picture."""

    def part(arrays: tuple[Any, Any], slot: str) -> Dataset:
        features, targets = (np.asarray(array) for array in arrays)
        if features.ndim != 2 or targets.ndim not in (1, 2):
            raise DataError(
                f"X of the {slot} part must be (n, features) and y (n,) or (n, outputs), not {features.shape} "
                f"and {targets.shape}; reshape them."
            )
        return Dataset(features, targets, shape or features.shape[1:], f"{name} {slot}")

    parts = {"train": (X, y), "validation": validation, "test": test}
    made = (arrays if arrays is None else _as_text(part(arrays, slot)) for slot, arrays in parts.items())
    return Data(name, "", "", *made)  # type: ignore[arg-type]


def load(
    text: str,
    settings: Settings | None = None,
    of_estimator: bool | None = None,
) -> Data:
    """Load mnist, a folder of IDX files, an .npz or a table.

    settings: those of the run, which name the target of a table and affect its split.
    of_estimator: whether an estimator trains on a table, and holds out rows itself; None for what the settings say.
    Raises DataError for other text, FormatError for a damaged file.
    """
    settings = Settings() if settings is None else settings
    if are_many(text) or (is_large(text) and not settings.has_preset):
        return _load_large(text, settings)
    if text.lower().endswith(TABLES):
        if of_estimator is None:
            of_estimator = preset_choice.is_of_estimator(preset_choice.chosen(settings))
        return _load_table(text, settings, of_estimator)
    if text == "mnist":
        train, test = load_mnist()
        return Data("mnist", text, "mnist", _as_text(train), None, _as_text(test))
    path = Path(text)
    if (path / "config.json").is_file():
        raise DataError(f"{text} is the folder of a run; add {with_value('resume', True)} to continue it.")
    source = str(path.resolve())
    if path.is_dir():
        train, test = load_idx_folder(path)
        return Data(path.resolve().name, text, source, _as_text(train), None, _as_text(test))
    if not path.exists():
        raise DataError(
            f"{text} does not exist; {option('data')} is mnist, a folder of IDX files, an .npz or a table."
        )
    if path.suffix.lower() != ".npz":
        raise DataError(
            f"{text} is not data; {option('data')} is mnist, a folder of IDX files, an .npz with X and y, or a table "
            "(.csv, .csv.gz, .parquet, .arrow, .xlsx)."
        )
    splits = load_npz(path)
    return Data(path.stem, text, source, *(part if part is None else _as_text(part) for part in splits))  # type: ignore[arg-type]


def _load_table(text: str, settings: Settings, of_estimator: bool) -> Data:
    """Load a table. The modules that read tables are imported here, because that is slow."""
    from chainrule.recipe import table_data

    path = Path(text)
    fraction = HELD_OUT if settings.validation_fraction is None else settings.validation_fraction
    train, test, table = table_data.load(path, settings, 0.0 if of_estimator else fraction)
    name = path.name.split(".")[0] or path.name
    return Data(name, text, str(path.resolve()), train, None, test, table)


def _load_large(text: str, settings: Settings) -> Data:
    """Load files of columns that are read in pieces."""
    from chainrule.recipe import table_data

    fraction = HELD_OUT if settings.validation_fraction is None else settings.validation_fraction
    train, test, table, stream = table_data.load_files(text, settings, fraction)
    first = Path(paths_of(text)[0])
    name = next((part for part in reversed(first.parts) if "*" not in part), "files").split(".")[0]
    return Data(name, text, source_of(text), train, None, test, table, stream=stream)


def _as_text(part: Dataset) -> Dataset:
    """Convert labels of bytes to text, which a model can store in its file."""
    if part.y.dtype.kind != "S":
        return part
    try:
        return dataclasses.replace(part, y=np.char.decode(part.y, "utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(f"y of {part.name} contains bytes that are not UTF-8 text ({error}).") from error


def check_is_table(data: Data, name: str) -> None:
    """Raise ConfigError for an option that only a table has, with other data."""
    if data.table is None:
        raise ConfigError(f"{option(name)} is for tables, and {data.name} has no named columns; omit it.")


def split(data: Data, fraction: float | None, seed: int) -> Rows | None:
    """Draw the training rows and the held-out ones; None if X is not split.

    fraction: of the training samples to hold out, drawn by the seed as in Model.fit. If the data have neither a
    validation nor a test part, the default is HELD_OUT.
    """
    if fraction is not None and data.validation is not None:
        raise ConfigError(
            f"{data.text or data.name} has a validation part; omit {option('validation_fraction')}."
        )
    if fraction is None and data.validation is None and (data.test is None or data.table is not None):
        fraction = HELD_OUT
    return None if fraction is None else Rows(*split_rows(len(data.train), fraction, seed))


def is_held_out(data: Data, rows: Rows | None) -> bool:
    """Return whether samples are held out for validation: they may select the best epoch, a test set must not."""
    return rows is not None or data.validation is not None


def check(data: Data, network: Network) -> Checked:
    """Check the values of all parts of the data, once for the whole run.

    Raises DataError or ShapeError, whose row numbers are those of the user's own arrays.
    """
    train, classes = check_samples(network, data.train.X, data.train.y)

    def others(name: str, part: Dataset | None) -> Samples | None:
        if part is None:
            return None
        return check_samples(network, part.X, part.y, classes=classes, names=NAMES[name])[0]

    return Checked(train, others("validation", data.validation), others("test", data.test), classes)


def divide(checked: Checked, rows: Rows | None) -> Parts:
    """Split the data into samples for training, for validation and for the final evaluation."""
    train, validation, test = checked[:3]
    if rows is not None:
        train, validation = train.take(rows.train), train.take(rows.held_out)
    if test is not None:
        return Parts(train, test if validation is None else validation, test, "test", validation is not None)
    assert validation is not None
    return Parts(train, validation, validation, "validation", True, None if rows is None else rows.held_out)


def image_shape(part: Dataset) -> tuple[int, int] | None:
    """Return (height, width) of gray images: samples of two dimensions, or of a square number of uint8; else None."""
    if len(part.shape) == 2:
        return int(part.shape[0]), int(part.shape[1])
    side = math.isqrt(part.X.shape[1])
    is_square = part.X.dtype == np.uint8 and side * side == part.X.shape[1] and side >= 8
    return (side, side) if is_square else None


def is_large(text: str) -> bool:
    """Return whether a text names one local columnar file too large to be read at once."""
    return (
        text.lower().endswith(ENDINGS) and os.path.isfile(text) and os.path.getsize(text) > LARGE_FILE_BYTES
    )
