"""The model of a file or a run in a format of export, with rows to compare its answers on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.datasets.headers import AUTOMATIC, TableLayout
from chainrule.datasets.table_files import TABLES
from chainrule.errors import ConfigError, FormatError, option
from chainrule.export.comparing import ROWS
from chainrule.export.formats import ExportedFiles
from chainrule.export.quantizing import INT8_DTYPE
from chainrule.model import Ensemble, Model, load_any
from chainrule.recipe import folder, later_tables
from chainrule.recipe.averages import estimator_of
from chainrule.recipe.columns import read_columns
from chainrule.recipe.data import load
from chainrule.recipe.settings import Settings

WITHOUT_ESTIMATOR = (
    "The preparation of the table is not in the files, because the model's file has no estimator: a row is its "
    "prepared columns, as numbers."
)


def exported(
    file: Path,
    path: Path,
    rows: str | None,
    settings: Mapping[str, Any],
    header: int | None = None,
    sheet: str | None = None,
) -> ExportedFiles:
    """Write the model of a file in the format of the path's ending.

    rows: a table, or other data that the model takes, to compare the answers on; None for the run's own where ranges
    are measured, and for rows that are drawn elsewhere.  settings: of the format.
    header, sheet: where a table of rows lies, as `chainrule.datasets.read_table` takes them.
    Raises ConfigError and DataError.
    """
    model, metadata = load_any(file)
    estimator = estimator_of(metadata, file)
    table = later_tables.known(metadata, file)
    table = table and table.laid_out(header, sheet)
    asked = own_data(file) if rows is None and settings.get("dtype") == INT8_DTYPE else rows
    if asked is None and settings.get("dtype") == INT8_DTYPE:
        raise ConfigError(
            f"dtype='int8' measures ranges on rows of the model's inputs, and {file} is of no run with data; give "
            f"{option('rows')} with some hundreds of rows."
        )
    if estimator is not None:
        given = None if asked is None else estimator_rows(table, asked, file)
        return estimator.export(path, given, **settings)
    matrix: NDArray[Any] | None = None
    if asked is not None:
        matrix = matrix_of(asked, model, table, file, TableLayout(header, None, (), sheet))
    made = model.export(path, matrix, **settings)
    return made if table is None else replace(made, left_out=(*made.left_out, WITHOUT_ESTIMATOR))


def is_table(text: str) -> bool:
    """Whether a path is that of a table."""
    return text.lower().endswith(TABLES)


def estimator_rows(table: later_tables.Known | None, text: str, file: Path) -> Any:
    """Return the rows of a table by column; of an estimator of numbers, those of other data."""
    if not is_table(text):
        return samples_of(text, file)
    return read_columns(text) if table is None else read_columns(text, table.layout)


def matrix_of(
    text: str,
    model: Model | Ensemble,
    table: later_tables.Known | None,
    file: Path,
    layout: TableLayout = AUTOMATIC,
) -> NDArray[Any]:
    """Return the rows of a table, prepared, or of other data, as a network takes them.

    layout: where a table of numbers lies in its file, for a model of an array.
    """
    if not is_table(text):
        return samples_of(text, file)
    if table is None:
        return later_tables.numbers_of(text, model, layout)[1]
    return later_tables.inputs_of(text, table)[1]


def samples_of(text: str, file: Path) -> NDArray[Any]:
    """Return the first training rows of mnist, a folder of IDX files or an .npz."""
    X = load(text, settings_of(file)).train.X[:ROWS]
    return np.asarray(X.toarray() if hasattr(X, "toarray") else X)


def own_data(file: Path) -> str | None:
    """Return the data of the run that wrote a file; None if it is of none."""
    config = _config(file)
    return None if config is None else str(config["data"]["source"])


def settings_of(file: Path) -> Settings | None:
    """Return the settings of the run that wrote a file."""
    config = _config(file)
    return (
        None if config is None else Settings.from_json(config["resolved"], str(file.parent / "config.json"))
    )


def _config(file: Path) -> dict[str, Any] | None:
    if not (file.parent / "config.json").is_file():
        return None
    try:
        found: dict[str, Any] = folder.read_config(file.parent)
    except FormatError:  # another program's
        return None
    return found
