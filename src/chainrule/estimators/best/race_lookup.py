"""The lookup of a race: learned on the rows that its folds hold out, and then of all rows that it trained on.

What an average expects of a training row is what its networks predict for it, which have been trained on it. It is so
when the similarity is learned and when it is used, so it is learned as well how much smaller such errors are.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from chainrule.core.random import generator
from chainrule.errors import ConfigError
from chainrule.estimators.best import lookup_few
from chainrule.estimators.best.blend import RaceResult
from chainrule.estimators.best.by_score import is_by_loss
from chainrule.estimators.best.judge import Judge, joined
from chainrule.estimators.best.lookup import (
    ComparedRows,
    Lookup,
    Memory,
    Numbers,
    Similarity,
    are_codes,
    as_shares,
)
from chainrule.estimators.best.lookup_fit import MOST_QUERIED, MOST_REMEMBERED, NEAREST, STEPS, learn
from chainrule.estimators.best.lookup_held import Queries
from chainrule.estimators.best.runner import Runner
from chainrule.estimators.best.state import RaceChoice
from chainrule.estimators.fit.data import fitted_preprocessor
from chainrule.estimators.fit.result import FitResult
from chainrule.estimators.fit.structure import Split
from chainrule.estimators.labels import Labels
from chainrule.estimators.rows import rows_of
from chainrule.estimators.tables import reading
from chainrule.estimators.tables.preprocessor import TablePreprocessor
from chainrule.formulas.losses import MeanSquaredError

MOST_KEPT, MOST_COLUMNS, MOST_CLASSES = MOST_REMEMBERED, 100, 30
"""The most training rows of a lookup, the most inputs that are compared, and the most classes."""
MAX_SHARE_OF_RACE = 0.15
"""The part of the seconds of a race that learning may take."""
PER_SIMILARITY, PER_CODE, PER_DIFFERENCE = 12e-9, 3e-9, 3e-9
"""Seconds of one core: for a similarity of two rows, for a category in it, and for a number in a step."""
COMPARED: Mapping[str, Any] = {
    "scale": "standard",
    "max_one_hot": 2,
    "embeddings": True,
    "min_count": 1,
    "category_scale": 1.0,
    "dtype": "float32",
}
"""How the rows that are compared are prepared: a category of many is a code."""


class LearnedLookup(NamedTuple):
    """What a race has learned of its lookup."""

    preprocessor: TablePreprocessor
    """of the rows that are compared"""
    similarity: Similarity
    predicted: Numbers
    """(rows, outputs) of the rows held out, corrected by what was learned without them"""
    losses: tuple[float, float]
    """the mean loss of these rows before and after"""
    seconds: float
    """how long the networks take to predict the training rows"""
    memory: Memory | None = None
    """few rows, as they are predicted out of fold; None where the networks predict the training rows"""


def learned(race: Runner, chosen: RaceChoice, mean: Numbers, end: float) -> LearnedLookup | None:
    """Return how alike rows are for the average of a race, or None where looking up does not help.

    mean: (rows, outputs) what the average predicts for the rows held out of the chosen folds.
    end: the `time.monotonic()` until which there is time, which a plan does not ask for.
    Rows are looked up for the loss of probabilities and the squared error, without constraints, where there is time.
    """
    judges = [race.rows.judges[fold] for fold in chosen.folds]
    if not _is_possible(race, judges[0]) or min(len(_train(race, fold)) for fold in chosen.folds) < NEAREST:
        return None
    scale = _deviation(joined(judges))
    preprocessor = _preprocessor(race, _kept(race))
    attempts = _starts(race, preprocessor, chosen.folds, end)
    if not attempts:
        return None
    begun, memory = time.monotonic(), None
    if race.rows.are_few:
        rows = _held_out(race, preprocessor, chosen.folds[0])
        folds = lookup_few.told(rows, mean, judges[0], scale, _queries(rows, mean, judges[0], scale))
        units = None if scale is None else np.ones_like(scale)
        memory = lookup_few.remembered(rows, mean, judges[0], units, np.arange(len(mean)))
    else:
        folds = _told(race, preprocessor, chosen, mean, scale)
    seconds = time.monotonic() - begun
    planned = None if race.plan is None else race.plan.similarity
    if planned is not None and not planned.fits(folds[0][0].rows):
        raise ConfigError("the plan looks up rows of other columns; pass the rows of its fit.")
    if race.rows.are_few:
        found = lookup_few.learn(folds, race.workers, planned is not None)
    else:
        found = learn(folds, race.workers, attempts, planned is not None)
    if found is None:
        return None
    predicted = np.concatenate(found.predicted)
    predicted = predicted[:, -mean.shape[1] :] if scale is None else predicted * scale
    return LearnedLookup(preprocessor, planned or found.similarity, predicted, found.losses, seconds, memory)


def _told(
    race: Runner, preprocessor: TablePreprocessor, chosen: RaceChoice, mean: Numbers, scale: Numbers | None
) -> list[tuple[Memory, Queries]]:
    """Return for each of the chosen folds what is remembered of its training rows, and the rows held out."""
    judges = [race.rows.judges[fold] for fold in chosen.folds]
    starts = np.cumsum([0, *(len(judge.y) for judge in judges)])
    folds = []
    for fold, judge, start in zip(chosen.folds, judges, starts, strict=False):
        rows = _train(race, fold)
        if len(rows) > MOST_REMEMBERED:
            rows = np.sort(generator(1, "judging", fold).permutation(rows)[:MOST_REMEMBERED])
        parts = [
            (weight, race.fits[number, fold].result)
            for number, weight in zip(chosen.numbers, chosen.weights, strict=True)
            if weight
        ]
        memory = _memory(race, preprocessor, rows, parts, scale)
        own = mean[start : start + len(judge.y)]
        folds.append((memory, _queries(_held_out(race, preprocessor, fold), own, judge, scale)))
    return folds


def of_all(race: Runner, result: RaceResult, found: LearnedLookup) -> RaceResult:
    """Return the result of a race whose average looks up the training rows."""
    one = np.ones(race.targets.outputs)
    memory = found.memory or _memory(
        race,
        found.preprocessor,
        _kept(race),
        result.weighted,
        one if race.targets.task == "regression" else None,
    )
    lookup = Lookup(found.preprocessor, found.similarity, memory, found.losses)
    return replace(result, blend=replace(result.blend, lookup=lookup))


def seconds(race: Runner, judge: Judge) -> float:
    """Return the seconds that are kept for learning; 0 where rows are not looked up. judge: of the first fold."""
    return MAX_SHARE_OF_RACE * race.seconds if _is_possible(race, judge) else 0.0


def _is_possible(race: Runner, judge: Judge) -> bool:
    """Return whether rows may be looked up in a race, by its plan, its parameters, its task and its rows."""
    if race.plan is not None and race.plan.similarity is None:
        return False
    asked, targets = race.estimator, race.targets
    is_squared = judge.loss is None or isinstance(judge.loss, MeanSquaredError)
    return (
        asked.lookup
        and (not race.rows.are_few or race.data.structure.is_free)
        and not race.ended.is_set()
        and asked.monotonic_cst is None
        and asked.interaction_cst is None
        and is_by_loss(asked.scoring)
        and is_squared
        and targets.task != "multilabel"
        and not (isinstance(targets, Labels) and targets.is_one_class)
        and targets.outputs <= MOST_CLASSES
        and len(judge.y) > 0
        and race.data.preprocessor is not None
        and len(race.data.preprocessor.learned_) <= MOST_COLUMNS
    )


def _starts(race: Runner, preprocessor: TablePreprocessor, folds: list[int], end: float) -> int:
    """Return from how many starts, at most 2, learning takes its share of the time at most and what is left.

    By the sizes, or by a plan.
    """
    if race.plan is not None:
        assert race.plan.similarity is not None, "rows are looked up"
        return race.plan.similarity.starts
    width, codes = len(preprocessor.sources_), len(preprocessor.embedded_)
    if not 0 < width <= MOST_COLUMNS:
        return 0
    held = [len(race.rows.judges[fold].y) for fold in folds]
    kept = [min(MOST_REMEMBERED, len(_train(race, fold))) for fold in folds]
    queried = min(MOST_QUERIED, sum(held) // 2)
    if race.rows.are_few:  # LEARNED times all but one of as many parts; a row takes half as long (measured)
        queried = sum(held) * (lookup_few.LEARNED - 1) // 4
    pairs = sum((8 * queried / len(held) + own) * rows for own, rows in zip(held, kept, strict=True))
    expected = pairs * (PER_SIMILARITY + PER_CODE * codes)
    expected += 2 * STEPS * queried * NEAREST * (width + 2 * race.targets.outputs) * PER_DIFFERENCE
    most = min(MAX_SHARE_OF_RACE * race.seconds, end - time.monotonic())
    return next((starts for starts in (2, 1) if starts * expected / min(2, race.workers) <= most), 0)


def _deviation(judge: Judge) -> Numbers | None:
    """Return the standard deviations of numbers (outputs,), by which errors are divided; None for labels."""
    if judge.loss is None:
        return None
    found = np.std(judge.y[judge.weight > 0], axis=0)
    return np.asarray(np.where(found > 0, found, 1.0))


def _train(race: Runner, fold: int) -> NDArray[np.int64]:
    """Return the training rows of a fold that count."""
    return _counting(race, race.rows.folds[fold].train)


def _counting(race: Runner, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return those of the rows whose weight is not 0."""
    return rows[race.data.samples.weight[rows] > 0]


def _kept(race: Runner) -> NDArray[np.int64]:
    """Return the rows that a lookup has of all: as many as there are, or drawn."""
    rows = _counting(race, np.arange(race.data.samples.n))
    if len(rows) <= MOST_KEPT:
        return rows
    return rows[np.sort(generator(2, "judging", 0).permutation(len(rows))[:MOST_KEPT])]


def _preprocessor(race: Runner, rows: NDArray[np.int64]) -> TablePreprocessor:
    """Return what prepares rows to be compared, by these."""
    asked = race.estimator.preprocess
    base = asked if isinstance(asked, TablePreprocessor) else TablePreprocessor()
    some = race.rows.given.parted(Split(rows, np.empty(0, np.int64)))._replace(sample_weight=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # which the preparation of the race has given already
        return fitted_preprocessor(
            clone(base).set_params(**COMPARED), some, reading.read(some.X), some.y, None
        )


def _compared(race: Runner, preprocessor: TablePreprocessor, rows: NDArray[np.int64]) -> ComparedRows:
    inputs = preprocessor.transform(rows_of(race.rows.given.X, rows))
    return ComparedRows.of(inputs, are_codes(preprocessor))


def _held_out(race: Runner, preprocessor: TablePreprocessor, fold: int) -> ComparedRows:
    """Return the rows that are held out of a fold."""
    X, _ = race.rows.held_out([fold])
    return ComparedRows.of(preprocessor.transform(X), are_codes(preprocessor))


def _queries(rows: ComparedRows, mean: Numbers, judge: Judge, scale: Numbers | None) -> Queries:
    """Return rows held out, with what is predicted for them in units of the deviation."""
    if scale is not None:
        return Queries(rows, mean / scale, judge.y / scale, judge.weight)
    return Queries(rows, as_shares(mean), judge.y.reshape(-1).astype(np.int64), judge.weight)


def _memory(
    race: Runner,
    preprocessor: TablePreprocessor,
    rows: NDArray[np.int64],
    parts: list[tuple[float, FitResult]],
    scale: Numbers | None,
) -> Memory:
    """Return training rows, with what the weighted parts expect of each."""
    compared, y = _compared(race, preprocessor, rows), race.data.samples.y[rows]
    expected = np.zeros((len(rows), race.targets.outputs))
    for weight, result in parts:
        assert result.preprocessor is not None, "a race is of tables"
        inputs = race.inputs.prepared(result.preprocessor).given.X[rows]
        expected += weight * np.asarray(result.predicted(inputs, race.estimator.engine), np.float64)
    return Memory.of(compared, y, expected, race.data.samples.weight[rows], scale)
