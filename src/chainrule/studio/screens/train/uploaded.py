"""Uploaded data: a table, an .npz, the four files of an IDX folder, or painted points."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chainrule.datasets.idx import Dataset
from chainrule.datasets.table_files import TABLES
from chainrule.errors import ChainruleError, ConfigError, DataError
from chainrule.recipe.data import Data, from_arrays
from chainrule.studio.start import open_data

if TYPE_CHECKING:
    from chainrule.studio.studio import Studio

MAX_POINTS = 2000
MAX_FILES = 4
"""The maximum files of one data set: the four of an IDX folder."""


def name_of(studio: Studio, names: list[str]) -> str:
    """Return the user's name of an uploaded file, "folder" for several."""
    paths = paths_of(studio, names)
    return own_name(paths[0]) if len(paths) == 1 else "folder"


def paths_of(studio: Studio, names: list[str]) -> list[Path]:
    """Return the uploaded files. names: those that the server gave them.  Raises ConfigError."""
    if len(names) > MAX_FILES:
        raise ConfigError(f"uploads must be at most {MAX_FILES} files, not {len(names)}; choose fewer.")
    with studio.lock:
        paths = [studio.uploads[name] for name in names if name in studio.uploads]
    if not names or len(paths) < len(names):
        raise ConfigError("the file no longer exists; choose it again.")
    return paths


def of_uploads(studio: Studio, names: list[str]) -> Data:
    """Read the data of uploaded files. names: those that the server gave them.

    Raises DataError or FormatError for files without data, with their names for the user.
    """
    paths = paths_of(studio, names)
    if len(paths) == 1 and not paths[0].name.lower().endswith((*TABLES, ".npz")):
        raise DataError(
            f"{own_name(paths[0])} is neither a table (.csv, .csv.gz, .parquet, .arrow, .xlsx) nor an .npz; choose one "
            "of these, or the four IDX files at once."
        )
    with tempfile.TemporaryDirectory(prefix="chainrule-", ignore_cleanup_errors=True) as folder:
        for path in paths:
            shutil.copyfile(path, Path(folder) / own_name(path))
        home = Path(folder)
        where = home / own_name(paths[0]) if len(paths) == 1 else home
        try:
            data = open_data(str(where))
            name = where.name.removesuffix(".gz").rsplit(".", 1)[0] if len(paths) == 1 else "IDX"
            return in_memory(data)._replace(name=name, text="", source="")
        except (ChainruleError, OSError) as error:
            raise type(error)(
                str(error).replace(f"{folder}{os.sep}", "").replace(folder, "the folder")
            ) from error


def own_name(path: Path) -> str:
    """Return the user's name of an uploaded file, without the server's number before it."""
    return re.sub(r"^\d+-", "", path.name)


def in_memory(data: Data) -> Data:
    """Return the data with all arrays copied into memory."""

    def copied(part: Dataset | None) -> Dataset | None:
        return None if part is None else dataclasses.replace(part, X=np.array(part.X), y=np.array(part.y))

    train = copied(data.train)
    assert train is not None
    return data._replace(train=train, validation=copied(data.validation), test=copied(data.test))


def of_points(points: list[list[float]]) -> Data:
    """Make data from painted points (x, y, class). Raises DataError."""
    if not 4 <= len(points) <= MAX_POINTS or any(len(point) != 3 for point in points):
        raise DataError(
            f"there must be between 4 and {MAX_POINTS:,} points with x, y and class, not {len(points)}."
        )
    table = np.array(points, np.float64)
    labels = table[:, 2].astype(np.int64)
    if np.unique(labels).size < 2:
        raise DataError("all points have one class; paint some of another.")
    return from_arrays(table[:, :2], labels, name="points")
