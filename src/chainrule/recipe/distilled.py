"""One network out of a run on a table: it learns what the estimator of the run answers for the rows that it learned."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sklearn.exceptions import ConvergenceWarning

from chainrule.data.checks import check_samples
from chainrule.errors import ConfigError, DataError, ShapeError
from chainrule.estimators import MLPClassifier, MLPRegressor, MLPSurvival
from chainrule.estimators.distilling import DistillationCost, distill
from chainrule.estimators.fitted import save
from chainrule.recipe import folder, table_data
from chainrule.recipe.averages import estimator_in
from chainrule.recipe.columns import divide
from chainrule.recipe.exported import is_table
from chainrule.recipe.messages import call_to_resume
from chainrule.recipe.settings import Settings
from chainrule.recipe.text_form import TextForm
from chainrule.tables.rows import rows_of

FILE = "distilled.safetensors"
"""The student's file in the folder of the run."""


class RunRows(NamedTuple):
    """The rows of a run's table, as its estimator takes them."""

    target: str
    train: Mapping[str, Any]
    """the columns of the rows that it learned"""
    test: Mapping[str, Any]
    y_test: Any
    form: TextForm


class DistilledRun(NamedTuple):
    """The file of a student, and what it costs that it answers."""

    path: Path
    cost: DistillationCost


def distilled(
    place: Path,
    out: Path | None = None,
    *,
    between: int | None = None,
    seed: int = 0,
    **parameters: Any,
) -> DistilledRun:
    """Write one network that has learned what the estimator of a run answers, and return what that costs.

    place: the folder of the run.  out: the file to write, by default distilled.safetensors in the folder.
    between, parameters: as `chainrule.estimators.distilling.distill` takes them.
    Both answer for the test rows of the run, which neither has learned.
    Raises ConfigError for a run without an estimator of a table, and where its table is another one by now.
    """
    config = folder.read_config(place)
    file = place / "model.safetensors"
    if not file.is_file():
        raise DataError(f"{place} contains no model.safetensors; finish the run: {call_to_resume(place)}")
    teacher = estimator_in(file)
    if teacher is None or isinstance(teacher, MLPSurvival) or not teacher.prepares_tables:
        raise ConfigError(
            f"a network is distilled from a run on a table that was trained as an estimator, and {place} has another "
            "one; train a smaller network."
        )
    rows = rows_of_run(teacher, config, place)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the epochs are those requested
        student, cost = distill(
            teacher,
            rows.train,
            between=between,
            X_test=rows.test,
            y_test=rows.y_test,
            random_state=seed,
            **parameters,
        )
    path = place / FILE if out is None else out
    save(student, path, {table_data.TARGET: rows.target} | rows.form.to_metadata())
    return DistilledRun(path, cost)


def rows_of_run(teacher: MLPClassifier | MLPRegressor, config: Mapping[str, Any], place: Path) -> RunRows:
    """Read the table of a run again, and split it as the run did.

    config: its config.json.  Raises ConfigError for a table that is none any more, or another one.
    """
    source = str(config["data"]["source"])
    if not is_table(source):
        raise ConfigError(f"a network learns from one table, and the data of {place} are {source}.")
    settings = Settings.from_json(config["resolved"], str(place / "config.json"))
    columns, target, tied, form, _ = table_data.read(source, settings)
    train, test = divide(target, settings.seed, source, tied)
    inputs = {name: values for name, values in columns.items() if name != target.name}
    model = teacher.model_
    try:
        X = teacher.preprocessor_.transform(rows_of(inputs, target.rows[train]))
        seen = check_samples(model.network, X, target.y[train], classes=model.classes)[0].fingerprint()
    except (DataError, ShapeError):
        seen = None
    if seen is None or seen != config["data"].get("fingerprint"):
        raise ConfigError(
            f"{source} is not the table that the run in {place} was trained on, or has changed since; restore it, or "
            "train again."
        )
    learned, judged = (rows_of(inputs, target.rows[each]) for each in (train, test))
    return RunRows(target.name, learned, judged, target.y[test], form)
