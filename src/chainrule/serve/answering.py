"""The rows of a request to a model of an array of numbers, none of which may be missing."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from chainrule.data.frames import places
from chainrule.engines import Plan, check_precision, select
from chainrule.errors import ConfigError, DataError, FormatError, ShapeError
from chainrule.estimators import MLPClassifier, MLPRegressor, MLPSurvival
from chainrule.fitting import covering
from chainrule.fitting.held import as_fitted, result_of
from chainrule.model import Ensemble, Model, load_any
from chainrule.race.blend import RaceResult
from chainrule.recipe import averages, later_tables, table_data
from chainrule.recipe.answers import Answers
from chainrule.recipe.columns import as_numbers
from chainrule.serve.rows import BODY, FileTable, ReadsRows, RequestRows, TableReader, list_rows, show
from chainrule.serve.schema import Schema, columns_of_array, columns_of_table
from chainrule.tables.labels import Labels
from chainrule.trained.evaluation import BATCH, average
from chainrule.trained.persistence import file_and_output


class ArrayReader:
    """Rows of an array of numbers, none of which may be missing."""

    def __init__(self, schema: Schema) -> None:
        """Take what the model needs."""
        self.schema = schema
        self.names = schema.names

    def of_json(self, found: object) -> RequestRows:
        """Return the rows in decoded JSON. Raises ShapeError for another number of values, DataError for no numbers."""
        rows, is_one = list_rows(found)
        width, values = len(self.names), []
        for k, row in enumerate(rows):
            which = "" if is_one else f"row {k} of "
            if type(row) is dict:
                if not self.schema.is_named:
                    raise DataError(
                        f"{which}{BODY} has names, but the model's {width} columns have none; send a list of numbers."
                    )
                places(self.names, list(row), f"{which}{BODY}")
                row = [row[name] for name in self.names]
            if type(row) is not list:
                raise DataError(f"{which}{BODY} must be an object or a list of numbers, not {show(row)}.")
            if len(row) != width:
                raise ShapeError(
                    f"{which}{BODY} has {len(row)} values, but the model takes {width}; select the same columns."
                )
            values.append(row)
        return RequestRows(self._array(values, is_one), len(rows), 0, is_one)

    def of_columns(self, columns: Mapping[str, Sequence[Any]]) -> RequestRows:
        """Return rows by their columns."""
        places(self.names, list(columns), BODY)
        found = [list(columns[name]) for name in self.names]
        if len({len(cells) for cells in found}) > 1:
            raise ShapeError("the columns have unequally many values; send equally many.")
        if not found[0]:
            raise DataError(f"{BODY} has no rows; send at least one.")
        rows = [list(row) for row in zip(*found, strict=True)]
        return RequestRows(self._array(rows, False), len(rows), 0)

    def of_table(self, table: FileTable, count: int) -> RequestRows:
        """Return the rows of a table: columns by name if the model's have names, else all of them in order."""
        columns = (
            table
            if isinstance(table, Mapping)
            else {name: table[name].to_numpy() for name in table.column_names}
        )
        if self.schema.is_named:
            places(self.names, list(columns), BODY)
            columns = {name: columns[name] for name in self.names}
        X = as_numbers(columns, BODY)
        if X.shape[1] != len(self.names):
            raise ShapeError(
                f"{BODY} has {X.shape[1]} columns, but the model takes {len(self.names)}; select the same columns."
            )
        _check_finite(X, self.names, False)
        return RequestRows(X, count, 0)

    def joined(self, rows: Sequence[RequestRows]) -> NDArray[np.float64]:
        """Return the rows of several requests, (n, columns)."""
        return rows[0].table if len(rows) == 1 else np.concatenate([each.table for each in rows])

    def _array(self, rows: list[list[Any]], is_one: bool) -> NDArray[np.float64]:
        """Return rows as an array. Raises DataError for a cell that is not a finite number."""
        for i, row in enumerate(rows):
            for k, cell in enumerate(row):
                if type(cell) is not float and type(cell) is not int and type(cell) is not bool:
                    raise DataError(
                        f"{'' if is_one else f'row {i} of '}{BODY} has {show(cell)} in column {self.names[k]!r}; send "
                        "a number, fill in missing values, and encode text as numbers."
                    )
        X = np.array(rows, np.float64)
        _check_finite(X, self.names, is_one)
        return X


def _check_finite(X: NDArray[np.float64], names: Sequence[str], is_one: bool) -> None:
    if np.isfinite(X).all():
        return
    i, k = (int(each) for each in np.argwhere(~np.isfinite(X))[0])
    raise DataError(
        f"{'' if is_one else f'row {i} of '}{BODY} has {X[i, k]} in column {names[k]!r}; fill in missing values."
    )


# --- A model that answers: read from its file, with what it takes, and asked once with an example before it is served


class Extras(NamedTuple):
    """What a request asks for besides the prediction."""

    interval: float | None = None
    """the share of rows whose truth lies in their intervals, or sets of labels"""
    spread: bool = False


PLAIN = Extras()
DIGITS = 4
"""The decimals of a share of rows that are heeded."""


def share_of(value: object, name: str) -> float:
    """Return a share of rows, rounded to DIGITS. name: in the error.  Raises DataError unless it is between 0 and 1."""
    share = round(value, DIGITS) if isinstance(value, float) else 0.0
    if not 0 < share < 1:
        raise DataError(f"{name} must be a share between 0 and 1, such as 0.9.")
    return share


class Predicts(Protocol):
    """What answers for rows."""

    def answers(self, table: object, asked: Extras) -> Answers:
        """Return the answers for a table or an array."""


@dataclass(frozen=True)
class ServedModel:
    """A model with what is known of it; it does not change."""

    name: str
    digest: str
    """the first digits of the SHA-256 of its file"""
    schema: Schema
    reads: ReadsRows
    predicts: Predicts
    content: bytes = b""
    """of its file"""
    precision: str | None = None
    """of its matrix products; None for the model's own"""
    kind: str = ".safetensors"
    """the ending of its file, and the output of it that is taken, if it has several"""

    @cached_property
    def answer_bytes(self) -> int:
        """About how many bytes the answer for a row has."""
        return 32 + 24 * self.schema.outputs + sum(len(name) + 28 for name in self.schema.label_names)

    def check(self, asked: Extras) -> None:
        """Raise ConfigError for what the model does not have."""
        if asked.interval is not None:
            if not self.schema.can_cover:
                raise ConfigError(
                    "interval needs rows that the model did not learn from, and its file keeps none of them; omit it."
                )
            covering.check_coverage(asked.interval, "interval")
        if asked.spread and not self.schema.can_spread:
            raise ConfigError(
                "spread compares the members of an ensemble, but the model is one network; omit it."
            )


class EstimatorAnswers:
    """Answers of an estimator, by one preparation and one prediction for all that is asked."""

    def __init__(self, estimator: MLPClassifier | MLPRegressor, precision: str | None) -> None:
        """Take a fitted estimator.

        It predicts by the engine that "auto" chooses for many rows: few rows are otherwise predicted by another one,
        and the last bits of an answer would depend on what it was joined with.
        """
        result = result_of(estimator)
        engine = engine_of(estimator.engine, result.networks)
        if isinstance(result, RaceResult):
            result = replace(result, blend=replace(result.blend, engine=engine))
        self.estimator = as_fitted(estimator, result, engine=engine)
        self.result = result
        alone = () if isinstance(result, RaceResult) else result.members
        self.walks = [model.walk(engine, BATCH, precision) for model in alone]
        """the forward passes of the networks, whose parameters a call would otherwise lay out again; none of a race"""
        self.bound, self.precision = self.estimator.bind(precision=precision), precision
        self.is_named = result.feature_names is not None

    def answers(self, table: object, asked: Extras) -> Answers:
        """Return what the estimator's own methods do: `predict`, `predict_proba`, `spread` and those for coverage."""
        if asked.interval is None and isinstance(table, dict) and _is_one_row(table):
            return self._of_one(table, asked)
        result = self.result
        inputs = result.prepare(table, np.asarray)
        if self.walks:
            each = [walk(inputs[0]) for walk in self.walks]
            is_one = isinstance(result.model, Model)
            found = result.predicted_of(each[0] if is_one else average(result.model.network, np.stack(each)))
        else:
            found = result.answer(inputs, self.estimator.engine, self.precision)
        predicted, shares, covered = result.predictions(found), None, None
        if hasattr(predicted, "toarray"):  # a sparse matrix, as that of the training was
            predicted = predicted.toarray()
        is_of_labels = isinstance(result.targets, Labels)
        if is_of_labels:
            shares = np.hstack([1 - found, found]) if found.shape[1] == 1 else found
        if asked.interval is not None:
            cover = covering.sets if is_of_labels else covering.intervals
            covered = cover(result, inputs[0], found, asked.interval)
            if not is_of_labels and covered.shape[1] == 1:
                covered = covered[:, 0]
        apart = self.estimator.spread(table, precision=self.precision) if asked.spread else None
        return Answers("", predicted, shares, apart, covered)

    def _of_one(self, table: Mapping[str, list[Any]], asked: Extras) -> Answers:
        """Return the answer for one row, which a bound estimator gives in a quarter of the time."""
        row = {name: cells[0] for name, cells in table.items()}
        found = self.bound.answer(row if self.is_named else list(row.values()))
        shares = None if found.probabilities is None else found.probabilities[None]
        apart = np.asarray(found.spread)[None] if asked.spread else None
        return Answers("", np.asarray(found.prediction)[None], shares, apart)


def _is_one_row(table: Mapping[str, object]) -> bool:
    """Return whether the columns of a table are lists of one cell each."""
    return all(type(cells) is list and len(cells) == 1 for cells in table.values())


class NetworkAnswers:
    """Answers of a network or an ensemble without an estimator. prepare: what makes its inputs of a table, or None."""

    def __init__(
        self,
        model: Model | Ensemble,
        prepare: Callable[[object], NDArray[Any]] | None,
        precision: str | None,
    ) -> None:
        """Take what predicts."""
        self.model, self.prepare, self.precision = model, prepare, precision
        if isinstance(model, Model):
            bound = model.bind(precision=precision)
            self.predict, self.predict_proba = bound.predict, bound.predict_proba
        else:
            self.predict = partial(model.predict, precision=precision)
            self.predict_proba = partial(model.predict_proba, precision=precision)

    def answers(self, table: object, asked: Extras) -> Answers:
        """Return what the model's own methods do."""
        X = np.asarray(table) if self.prepare is None else self.prepare(table)
        shares = None if self.model.task == "regression" else self.predict_proba(X)
        apart = None
        if asked.spread and isinstance(self.model, Ensemble):
            apart = self.model.spread(X, precision=self.precision)
        return Answers("", self.predict(X), shares, apart)


def load(path: str | os.PathLike[str], name: str, precision: str | None = None) -> ServedModel:
    """Read a model's file, and ask the model once. name: under which it is served.  precision: as in `Model.predict`.

    Raises FormatError for a damaged file, ConfigError for a model that was not trained or a precision that it does not
    have, and OSError.
    """
    path = Path(path)
    file, output = file_and_output(path)
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:16]
    model, metadata = load_any(path)
    if precision != "int8":  # which its ranges decide
        check_precision(precision, model.dtype)
    target = metadata.get(table_data.TARGET)
    schema: Schema
    predicts: Predicts
    estimator = averages.estimator_of(metadata, path)
    if isinstance(estimator, MLPSurvival):
        raise ConfigError(
            f"{path} predicts times to an event, which serve does not answer; use chainrule predict, or "
            "predict_survival in Python."
        )
    if estimator is not None:
        schema, predicts = of_estimator(estimator, target, precision)
    else:
        schema, predicts = of_network(model, later_tables.known(metadata, path), precision)
    reads = (
        TableReader(schema)
        if any(column.can_be_missing for column in schema.columns)
        else ArrayReader(schema)
    )
    kind = file.suffix if output is None else f"{file.suffix}:{output}"
    served = ServedModel(name, digest, schema, reads, predicts, content, precision, kind)
    try:
        predicts.answers(reads.of_json([schema.example()]).table, PLAIN)
    except ConfigError:  # of a precision that it does not have
        raise
    except (ValueError, ArithmeticError) as error:
        raise FormatError(f"{path} does not answer for a row of its own columns: {error}") from error
    return served


def of_estimator(
    estimator: MLPClassifier | MLPRegressor, target: str | None, precision: str | None
) -> tuple[Schema, EstimatorAnswers]:
    """Return what an estimator takes and gives, and what answers for it."""
    result = result_of(estimator)
    names = None if result.feature_names is None else [str(name) for name in result.feature_names]
    if result.preprocessor is not None:
        is_named = hasattr(result.preprocessor, "feature_names_in_")
        columns = columns_of_table(result.preprocessor.learned_, result.seen, whole=not is_named)
    else:
        columns, is_named = columns_of_array(names, result.n_features), names is not None
    labels = tuple(result.targets.classes.tolist()) if isinstance(result.targets, Labels) else ()
    schema = Schema(
        result.targets.task,
        columns,
        is_named,
        labels,
        result.targets.outputs,
        target,
        result.calibration is not None,
        len(result.networks) > 1,
    )
    return schema, EstimatorAnswers(estimator, precision)


def of_network(
    model: Model | Ensemble, table: later_tables.Known | None, precision: str | None
) -> tuple[Schema, NetworkAnswers]:
    """Return what a network takes and gives, and what answers for it. table: that of the training; None for arrays."""
    if table is None:
        columns = columns_of_array(model.feature_names, model.network.inputs)
        is_named, prepare, target = model.feature_names is not None, None, None
    else:
        columns = columns_of_table(table.preprocessor.learned_, ())
        is_named, prepare, target = True, table.preprocessor.transform, table.target
    labels = () if model.task == "regression" else tuple(model.labels)
    can_spread = isinstance(model, Ensemble) and len(model) > 1
    schema = Schema(model.task, columns, is_named, labels, model.network.outputs, target, False, can_spread)
    return schema, NetworkAnswers(model, prepare, precision)


def engine_of(asked: str, models: Sequence[Model]) -> str:
    """Return the engine that "auto" chooses for every one of some networks; another engine as it was asked for."""
    names = {select("auto", Plan(model.network)).name for model in models}
    return names.pop() if asked == "auto" and len(names) == 1 else asked


def name_of(path: str | os.PathLike[str]) -> str:
    """Return the name under which a model is served, unless it is given: that of its run's folder, or of its file."""
    path = file_and_output(path)[0]
    stem = path.resolve().name if path.is_dir() else path.stem
    if path.name == "model.safetensors":
        stem = path.resolve().parent.name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip(".-") or "model"
