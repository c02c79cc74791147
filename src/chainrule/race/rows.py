"""The rows of a race: their folds, their preparation, once for all fits, and what is predicted for those held out."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.fitting.held import HoldsResult
from chainrule.fitting.plan import recipe, table_settings
from chainrule.presets import DEFAULT
from chainrule.presets.base import OfFewRows
from chainrule.race.blend import RaceResult
from chainrule.race.judge import Judge, tempered
from chainrule.race.state import Task
from chainrule.tables import reading
from chainrule.tables.data import FitData, FitInput, fitted_preprocessor
from chainrule.tables.held_out import HeldOut, HeldRows, sampled
from chainrule.tables.preprocessor import TablePreprocessor
from chainrule.tables.rows import rows_of
from chainrule.tables.structure import Split


class RacedRows(NamedTuple):
    """The rows of a race."""

    given: FitInput
    folds: Sequence[Split]
    """of the fits"""
    judges: Mapping[int, Judge]
    """of the rows that are held out of each fold"""
    are_few: bool = False
    """whether each fit learns from all of them, and deals them to folds of its own"""

    def of_few(self, variant: str | None) -> OfFewRows | None:
        """Return what a recipe does with the rows where they are few."""
        return recipe(DEFAULT, variant).of_few if self.are_few else None

    def parts(self, fold: int) -> FitInput:
        """Return what a fit without a fold is given; all rows where it deals them, and where others are passed."""
        if self.are_few or self.given.X_val is not None:
            return self.given
        split = self.folds[fold]
        return self.given.parted(split) if len(split.held_out) else self.given

    def held_out(self, folds: list[int]) -> tuple[Any, Any]:
        """Return the rows and the targets that are held out of folds, as they were given, one fold behind the other."""
        if self.given.X_val is not None:
            return self.given.X_val, self.given.y_val
        rows = np.concatenate([self.folds[fold].held_out for fold in folds])
        return rows_of(self.given.X, rows), rows_of(self.given.y, rows)


class PreparedRows:
    """The rows of a race as prepared by the preprocessors used last, of which one more than workers are kept.

    A fit selects its rows from them, since preparing a row depends on no other row.
    """

    def __init__(self, rows: RacedRows, data: FitData, workers: int) -> None:
        """Keep the rows. data: of all of them, as one preprocessor prepared them."""
        self.rows, self.raw, self.most, self.lock = rows, data.raw, workers + 1, threading.Lock()
        self.of: dict[TablePreprocessor, RacedRows] = {}
        if data.preprocessor is not None:
            watched = None if data.validation is None else data.validation.X
            self._keep(data.preprocessor, data.samples.X, watched)

    def prepared(self, preprocessor: TablePreprocessor) -> RacedRows:
        """Return the rows with a table of inputs (n, outputs)."""
        with self.lock:
            if preprocessor not in self.of:
                X, X_val = self.rows.given.X if self.raw is None else self.raw, self.rows.given.X_val
                watched = None if X_val is None else preprocessor.transform(X_val)
                self._keep(preprocessor, preprocessor.transform(X), watched)
            return self.of[preprocessor]

    def _keep(self, preprocessor: TablePreprocessor, X: object, watched: object) -> None:
        while len(self.of) >= self.most:
            del self.of[next(iter(self.of))]
        self.of[preprocessor] = self.rows._replace(given=self.rows.given._replace(X=X, X_val=watched))


def of_race(
    rows: RacedRows, data: FitData, result: RaceResult, folds: list[int], mean: NDArray[np.float64]
) -> HeldOut | None:
    """Return the predictions of a race for the rows held out of some folds, in their order; None without any.

    data: of all rows.  mean: (rows, outputs) the weighted average of what the fits without each fold predict for it.
    """
    if data.validation is not None:
        X, held = rows.given.X_val, HeldRows.passed(data.validation)
    else:
        own = [rows.folds[fold].held_out for fold in folds]
        X, held = rows.given.X, HeldRows.of_fit(data, np.concatenate(own))
    if not len(held.rows):
        return None
    predicted = tempered(mean, result.blend.temperature, data.targets.task == "multiclass")
    assert result.preprocessor is not None, "a race is of tables"
    some = rows_of(X, held.rows[sampled(len(held.rows))])
    return HeldOut.of(held, predicted, result.preprocessor.transform(some))


class RacePreprocessors:
    """The preprocessors of a race, for its threads."""

    def __init__(self, estimator: HoldsResult, rows: RacedRows, data: FitData) -> None:
        """Begin with the preprocessor of all rows. estimator: the one that races.  data: of all rows."""
        self.rows, self.data, self.lock = rows, data, threading.Lock()
        self.made: dict[tuple[str, int | None], TablePreprocessor] = {}
        """by the settings, and the fold of one that has seen no row held out of it"""
        if data.preprocessor is not None:
            self.made[repr(self._settings(estimator, None, None)), None] = data.preprocessor

    def of(self, made: HoldsResult, task: Task) -> TablePreprocessor:
        """Return what prepares the table for a task: the same for all that prepare it alike, in each fold.

        Where rows belong together or have an order, it is one that has not seen those held out.
        """
        is_apart = not (task.is_of_all or self.rows.are_few or self.data.structure.is_free)
        variant = task.candidate.variant
        settings = self._settings(made, variant, self.rows.of_few(variant))
        key = repr(settings), task.fold if is_apart else None
        with self.lock:
            if key not in self.made:
                rows = self.rows.parts(task.fold) if is_apart else self.rows.given
                table = reading.read(rows.X) if is_apart or self.data.raw is None else self.data.raw
                self.made[key] = fitted_preprocessor(
                    made.preprocess, rows, table, rows.y, made.dtype, dict(settings)
                )
            return self.made[key]

    def _settings(
        self, made: HoldsResult, variant: str | None, of_few: OfFewRows | None
    ) -> list[tuple[str, Any]]:
        """Return the settings of a candidate's preprocessor, sorted."""
        return sorted(table_settings(made, variant, self.rows.given.time is not None, of_few).items())
