"""Tables in files for a model that was trained on one: their columns, the inputs that the model takes, its target."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import hints
from chainrule.data.frames import places
from chainrule.datasets import Dataset
from chainrule.datasets.headers import AUTOMATIC, TableLayout
from chainrule.errors import ConfigError, DataError, FormatError
from chainrule.fitting.held import result_of
from chainrule.recipe.columns import (
    FREE_ROWS,
    MIN_ROWS_TO_SPLIT,
    Event,
    Split,
    TargetColumn,
    as_labels,
    as_numbers,
    divide,
    read_columns,
    read_target,
    tied_rows,
)
from chainrule.recipe.events import with_times
from chainrule.recipe.settings import Settings
from chainrule.recipe.table_data import EVENT, LAYOUT, TABLE, TARGET, blocks, dataset, layout_of
from chainrule.recipe.text_form import TextForm
from chainrule.tables.column import plain
from chainrule.tables.preprocessor import TablePreprocessor
from chainrule.trained.prediction import PredictionMixin


class Known(NamedTuple):
    """The metadata, in a model's file, of the table that it was trained on."""

    preprocessor: TablePreprocessor
    target: str | None
    """the name of the predicted column; None if the file lacks it"""
    average: Any = None
    """the estimator, if it answers in place of the model: an average of different networks, or times to an event"""
    layout: TableLayout = AUTOMATIC
    """where other tables like it lie in their files, and how their text is written"""
    exposure: str | None = None
    """the name of the column with the exposure; None for a model without one"""
    event: Event | None = None
    """of times to an event, the column that says whether it came"""

    @property
    def of_times(self) -> bool:
        """Whether the model predicts times to an event."""
        return hasattr(self.average, "predict_survival")

    @property
    def targets(self) -> tuple[str | None, ...]:
        """The columns that are no inputs because they say what is predicted."""
        return (self.target, None if self.event is None else self.event.column)

    def laid_out(self, header: int | None, sheet: str | None) -> Known:
        """Return the same for a table of which a user says where it lies."""
        layout = self.layout._replace(sheet=sheet)
        return self._replace(layout=layout if header is None else layout._replace(header=header))


def known(metadata: Mapping[str, Any], path: str | os.PathLike[str]) -> Known | None:
    """Return the metadata of a model's table; None if it was not trained on one. Raises FormatError.

    The file is that of a run or of an estimator with `preprocess`, which does not name its target.
    """
    found = metadata.get("estimator", metadata)
    try:
        data = found.get(TABLE) if found is metadata else found[TABLE]
        target = metadata.get(TARGET)
        if not isinstance(target, str | None):
            raise TypeError("the target is not text")
        if data is None:
            return None
        made = TablePreprocessor.from_data(data)
        laid = metadata.get(LAYOUT, {})
        said = TableLayout(laid.get("header"), laid.get("sheet")).check()
        # Another row than the training's may have the names, but none where the training's table had none.
        header, names = 0 if said.header == 0 else None, tuple(blocks(made))
        layout = TableLayout(header, None, names, said.sheet)
        form = TextForm.in_metadata(metadata)
        return Known(
            made,
            target,
            layout=form.with_form(layout),
            exposure=found.get("exposure") or None,
            event=event_in(metadata),
        )
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error
    except (AttributeError, ConfigError, KeyError, TypeError) as error:
        raise FormatError(f"{path}: the table metadata is malformed ({error}); save it again.") from error


def event_in(metadata: Mapping[str, Any]) -> Event | None:
    """Return the column of events that a model's file names; None for another one. Raises FormatError."""
    if (found := metadata.get(EVENT)) is None:
        return None
    if not isinstance(found, list) or len(found) != 3 or not all(isinstance(each, str) for each in found):
        raise FormatError(f"the column of events is {found!r:.60}; train the run again")
    return Event(*found)


def inputs_of(path: str | os.PathLike[str], table: Known | None) -> tuple[dict[str, Any], NDArray[Any]]:
    """Return the columns of a table in a file, and a model's inputs (n, features) for it.

    Raises DataError for a model that was not trained on a table, for a missing column and for values of another kind.
    """
    if table is None:
        raise DataError(
            f"{path} is a table, but the model was trained on an array of numbers; pass an .npy or .npz, "
            "or train on a table."
        )
    columns = read_columns(path, table.layout)
    places(list(blocks(table.preprocessor)), list(columns), f"{path}")
    with in_file(path):
        own = {k: v for k, v in columns.items() if k not in table.targets}
        return columns, table.preprocessor.transform(own)


def numbers_of(
    path: str | os.PathLike[str], model: PredictionMixin, layout: TableLayout = AUTOMATIC
) -> tuple[list[str], NDArray[np.float64], list[Any] | None]:
    """Return the features of a table of numbers, in a file, for a model of an array: names, (n, features), column y.

    y: of labels or numbers, None for a table without it.  Raises DataError for a missing column and for text.
    """
    columns = read_columns(path, layout._replace(names=model.feature_names or ()))
    truth = columns.pop("y", None)
    if model.feature_names is not None:
        places(model.feature_names, list(columns), f"{path}")
        columns = {name: columns[name] for name in model.feature_names}
    if not columns:
        raise DataError(f"{path} has only the column 'y'; the model's features are missing.")
    if truth is not None:
        is_text = model.classes is not None and model.classes.dtype.kind not in "biuf"
        truth = [plain(y) if is_text and isinstance(y, float) else y for y in truth]
    return list(columns), as_numbers(columns, f"{path}"), truth


@contextmanager
def in_file(path: str | os.PathLike[str]) -> Iterator[None]:
    """Raise what is wrong with X as the same of a file."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{path}{f'{error}'.removeprefix('X')}") from error


def judged_of(
    path: str | os.PathLike[str], model: PredictionMixin, table: Known | None
) -> tuple[Dataset, TargetColumn]:
    """Return the rows of a table with a target, in the form that a model takes, and the target.

    Raises DataError as `inputs_of`, and for a table without the target.
    """
    columns, X = inputs_of(path, table)
    assert table is not None
    target = target_of(columns, path, model, table)
    y = target.y if target.event is None else result_of(table.average).targets.encode(target.y)
    return dataset(X[target.rows], y, Path(path).stem), target


def target_of(
    columns: Mapping[str, Any], path: str | os.PathLike[str], model: PredictionMixin, table: Known
) -> TargetColumn:
    """Return the target that a model predicts among the columns of a file. Raises DataError for a table without it."""
    name, is_number = table.target, model.task == "regression"
    if name is None:
        raise DataError(
            f"the model's file does not name the column of {path} that it predicts; evaluate it with score, in Python."
        )
    if table.event is not None:
        return with_times(columns, name, table.event, f"{path}")
    if name not in columns:
        raise DataError(f"{path} lacks the column {name!r}, which the model predicts; add it.")
    loss = "mean_squared_error" if is_number else "softmax_cross_entropy"  # of the kind of the model's own
    target = read_target(name, columns[name], f"{path}", loss, to_learn=False)
    return target._replace(y=as_labels(target, model.classes))


def divided(
    whole: Dataset, target: TargetColumn, settings: Settings, path: str, encoding: str | None
) -> tuple[Dataset, Dataset] | None:
    """Return the training and the test rows of a table in a file, as a run with these settings splits them.

    encoding: that of the run's table, if that is text.
    None for fewer rows than a run needs, and with a remark for another table, which lacks the columns that tie the
    run's rows, or cells of them.
    """
    if len(target.y) < MIN_ROWS_TO_SPLIT:
        return None
    try:
        rows = divided_rows(target, settings, path, encoding)
    except (ConfigError, DataError) as error:
        hints.give(f"whether the network has learned from some of these rows is not known: {error}")
        return None
    return whole.take(rows[0]), whole.take(rows[1])


def divided_rows(target: TargetColumn, settings: Settings, path: str, encoding: str | None) -> Split:
    """Return the training and the test rows, among those with a target, of a run with these settings."""
    is_tied = settings.groups is not None or settings.time is not None
    layout = layout_of(settings)._replace(encoding=None, usual_encoding=encoding)
    tied = tied_rows(read_columns(path, layout), target.name, settings, path) if is_tied else FREE_ROWS
    return divide(target, settings.seed, path, tied)
