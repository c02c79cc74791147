"""The studio's initial contents: a model, data, or MNIST."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.datasets.headers import AUTOMATIC, TableLayout
from chainrule.datasets.table_files import TABLES, read_laid_out
from chainrule.errors import ChainruleError, DataError, FormatError
from chainrule.model import Ensemble, Model, load_any
from chainrule.recipe import preset_choice
from chainrule.recipe.data import Data, from_arrays
from chainrule.recipe.data import load as load_data
from chainrule.recipe.folder import read_config
from chainrule.recipe.settings import Settings
from chainrule.studio.session.studio import Studio
from chainrule.trained.persistence import READERS, file_and_output

if TYPE_CHECKING:
    from chainrule.estimators import MLPClassifier, MLPRegressor


def opened(what: str | None, layout: TableLayout = AUTOMATIC) -> Studio:
    """Open a model file, the folder of a run, or data; by default MNIST. See `chainrule.cli.studio`.

    layout: where a table lies in its file.
    """
    if what is None:
        return Studio(data=load_data("mnist"))
    path = Path(what)
    if (
        file_and_output(path)[0].suffix.lower() in (".safetensors", *READERS)
        or (path / "config.json").is_file()
    ):
        return with_model(path)
    return Studio(data=open_data(what, layout))


def with_model(path: Path) -> Studio:
    """Open a model, and the data that it was trained on if known: those of a run, or MNIST by the shape."""
    file = path / "model.safetensors" if path.is_dir() else path
    name = path.name
    found, metadata = load_any(file)
    model = found.members[0] if isinstance(found, Ensemble) else found
    data = data_of_run(path, model, metadata) if path.is_dir() else None
    average = averaged(found, metadata, file) if "estimator" in metadata else None
    if isinstance(found, Ensemble) and average is None:
        name = f"{name} (1 / {len(found)})"
    return Studio(model, known_data(model) if data is None else data, name=name, average=average)


def averaged(
    found: Model | Ensemble, metadata: Mapping[str, Any], file: Path
) -> MLPClassifier | MLPRegressor | None:
    """Return the estimator of a file that predicts by several networks; None for one network."""
    from chainrule.estimators import MLPSurvival
    from chainrule.recipe import averages  # which takes its time to import

    find = averages.estimator_of if isinstance(found, Ensemble) else averages.in_file
    made = find(metadata, file)
    return None if isinstance(made, MLPSurvival) else made


def data_of_run(place: Path, model: Model, metadata: Mapping[str, Any]) -> Data | None:
    """Load the data of a run, split as in it; None if they are missing or have changed.

    metadata: that of the model file.
    """
    config = read_config(place)
    asked, resolved = (
        Settings.from_json(config[key], f"{place / 'config.json'}") for key in ("settings", "resolved")
    )
    settings = preset_choice.as_it_was(asked, resolved)
    try:
        data = load_data(config["data"]["source"], settings=settings)
        if data.table is not None:
            data = as_trained(data, metadata, place / "model.safetensors")
    except (ChainruleError, OSError):
        return None
    if data.train.X.shape[1] != model.network.inputs:
        return None
    return data._replace(features=model.feature_names)


def as_trained(data: Data, metadata: Mapping[str, Any], file: Path) -> Data:
    """Return the data of a table as prepared by the estimator in a file with this metadata."""
    from chainrule.recipe import by_estimator, later_tables

    known = later_tables.known(metadata, file)
    return data if known is None else by_estimator.with_preprocessor(data, known.preprocessor)


def known_data(model: Model) -> Data | None:
    """Return MNIST for a classifier of 784 inputs and ten digits; None for any other."""
    is_digits = model.network.inputs == 784 and model.labels == list(range(10))
    return load_data("mnist") if is_digits else None


def open_data(text: str, layout: TableLayout = AUTOMATIC) -> Data:
    """Load mnist, a folder of IDX files, an .npz, or a table with its targets in the column y or the last one."""
    if not text.lower().endswith(TABLES):
        return load_data(text)
    path = Path(text)
    if not path.exists():
        raise DataError(f"{path} does not exist; check the path.")
    table = read_table(path, layout)
    if len(table) < 2:
        raise FormatError(f"{path} has one column; it must have features and a target.")
    target = "y" if "y" in table else list(table)[-1]
    from chainrule.recipe.columns import MIN_ROWS_TO_SPLIT  # which takes its time to import

    if are_numbers(table, target) and len(table[target]) < MIN_ROWS_TO_SPLIT:
        return of_numbers(path, table, target)
    return of_table(path, table, target)


def read_table(path: Path, layout: TableLayout) -> dict[str, Any]:
    """Read a table's columns by name: numbers as arrays, text as lists."""
    table = read_laid_out(path, layout)
    if isinstance(table, dict):
        return table
    from chainrule.recipe.columns import columns_of

    return {name: as_array(values) for name, values in columns_of(table, str(path)).items()}


def as_array(values: Any) -> Any:
    """Return a column of a data frame in the form of a CSV column: numbers as an array, others unchanged."""
    is_number = values.dtype.is_integer() or values.dtype.is_float()
    return np.asarray(values.to_numpy(), np.float64) if is_number else values


def are_numbers(table: dict[str, Any], target: str) -> bool:
    """Return whether a table is used unchanged: all features are numbers, and no target is missing."""
    return all(
        isinstance(values, np.ndarray) and bool(np.isfinite(values).all())
        if name != target or isinstance(values, np.ndarray)
        else None not in values
        for name, values in table.items()
    )


def of_numbers(path: Path, table: dict[str, Any], target: str) -> Data:
    """Make data from a numeric table with unchanged features X (n, features); targets with few integers are classes."""
    y, features = np.asarray(table[target]), tuple(name for name in table if name != target)
    if y.dtype.kind == "f" and (y == np.round(y)).all() and np.unique(y).size <= 20:
        y = y.astype(np.int64)
    X = np.stack([table[name] for name in features], 1)
    return from_arrays(X, y, name=path.stem)._replace(features=features)


def of_table(path: Path, columns: dict[str, Any], target: str) -> Data:
    """Make data from a table, prepared by the default preset, with training and test rows."""
    from chainrule.presets import PRESETS
    from chainrule.recipe import table_data
    from chainrule.recipe.columns import read_target
    from chainrule.tables.preprocessor import TablePreprocessor

    y = read_target(target, columns[target], f"{path}")
    preprocessor = TablePreprocessor(**PRESETS[preset_choice.DEFAULT].table)
    train, test, table = table_data.prepared(path, columns, y, preprocessor, 0, 0.0)
    features = tuple(preprocessor.get_feature_names_out())
    return Data(path.stem, "", "", train, None, test, table, features=features)
