"""Search for the best settings of an estimator for tables: Optuna proposes settings, and a trial returns their loss.

tuned = tune(MLPRegressor(preprocess="auto", random_state=0), X, y, trials=50, time_limit=600)
tuned.estimator.predict(new), tuned.best, tuned.trials
"""

from __future__ import annotations

import math
import os
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from time import monotonic as clock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from chainrule.core import hints
from chainrule.core.random import generator
from chainrule.core.settings import check_count, check_number
from chainrule.data.checks import check_seed
from chainrule.errors import ConfigError, DataError
from chainrule.estimators.base import MLPEstimator
from chainrule.estimators.tuning import study
from chainrule.estimators.tuning.spaces import SPACES
from chainrule.estimators.tuning.study import TrialRecord
from chainrule.estimators.tuning.trial import Problem, RunningSearch, ignore_trial, metric_of
from chainrule.fitting.dealing import deal
from chainrule.fitting.held import result_of
from chainrule.fitting.plan import name_of_recipe
from chainrule.fitting.train import warn_of
from chainrule.tables import reading, splits
from chainrule.tables.data import FitInput, fitted_preprocessor, structure_of
from chainrule.tables.structure import RowStructure, RowValues, Split

TRIALS = 50
"""The trials of a search that has neither a number of them nor a time limit."""
HELD_OUT = 5
"""Without folds, one row in this many is held out."""


@dataclass(frozen=True)
class Tuned:
    """The result of a search."""

    estimator: MLPEstimator
    """with the best settings, fitted to all rows; as fitted in its trial where Ctrl-C ended the search"""
    best: TrialRecord
    default: TrialRecord | None
    """the trial of the settings as they were; None where it did not come to its end"""
    trials: list[TrialRecord]
    importances: dict[str, float]
    """the share of the differences between trials that each setting explains, largest first; empty for few trials"""
    metric: str
    """what a value is: log_loss, rmse, or loss"""
    seconds: float
    """of the whole search, with its last fit"""
    stopped: str
    """why it ended: "trials", "time limit" or "interrupted" """


def tune(
    estimator: MLPEstimator,
    X: Any,
    y: Any,
    *,
    trials: int | None = None,
    time_limit: float | None = None,
    folds: int | None = None,
    pruner: str = "median",
    jobs: int = 1,
    seed: int = 0,
    journal: str | os.PathLike[str] | None = None,
    listen: Callable[[TrialRecord], object] | None = None,
    groups: RowValues | None = None,
    time: RowValues | None = None,
) -> Tuned:
    """Search for the settings with the lowest loss on held-out rows; the result has an estimator fitted with them.

    estimator: an `MLPClassifier` or `MLPRegressor` with preprocess="auto" or a preset. The parameters that are varied
        are in `chainrule.estimators.tuning.spaces.SPACES`; those that are not at their defaults stay as they are.
    X, y: as in its `fit`. The value of a trial is the log loss, or the root mean squared error in the units of y, or
        the loss itself if it is another one. The first trial has the settings of the estimator.
    trials: the maximum number of trials, including those in the journal; 50 unless there is a time limit.
    time_limit: the maximum seconds to within a tenth, including the last fit on all rows.
    folds: the number of folds of cross-validation, each of which is a fit of the trial; None for one fit, which holds
        out a fifth of the rows.
    pruner: the rule that may end a trial after an epoch of its first fold: "median" of the earlier trials, successive
        "halving", or "none".
    jobs: the number of trials that run at the same time, in threads that share the cores.
    seed: of the proposed settings and of the split; also of the networks, where random_state is None. With one job and
        no time limit the same seed gives the same trials.
    journal: a file to which the trials are written. A search continues one that exists, and several processes may
        share it.
    listen: called with each trial as it ends.
    groups, time: as in `fit`: whole groups are held out, or in each fold the later rows.

    Ctrl-C ends the search, and the result is what was found so far. Raises ConfigError without Optuna, DataError as
    `fit`.
    """
    begun = clock()
    with hints.once(), study.quietly():
        search = prepared(estimator, FitInput(X, y, groups=groups, time=time), folds, jobs, seed)
        wanted = limit = math.inf
        if trials is not None or time_limit is None:
            wanted = check_count(TRIALS if trials is None else trials, "trials")
        if time_limit is not None:
            limit = check_number(time_limit, "time_limit", above=0, hint="it is in seconds")
        opened = study.opened(journal, pruner, setup(search, folds))
        search.begin(opened, begun, wanted, begun + limit, ignore_trial if listen is None else listen)
        was_interrupted = carried_out(search)
        return result(search, was_interrupted)


def prepared(
    estimator: MLPEstimator, data: FitInput, folds: int | None, jobs: int, seed: int
) -> RunningSearch:
    """Check the arguments of a search, and return it before its first trial."""
    study.optuna()
    if not isinstance(estimator, MLPEstimator):
        raise ConfigError(f"estimator must be an MLPClassifier or MLPRegressor, not {estimator!r:.60}.")
    name = name_of_recipe(estimator.preset, estimator.preprocess)
    if name is None or estimator.preprocess is None:
        raise ConfigError("a search is of an estimator of tables; pass preprocess='auto' to it.")
    if name not in SPACES:
        raise ConfigError(f"there is no search for preset={name!r} yet; take {' or '.join(SPACES)}.")
    if folds is not None:
        check_count(folds, "folds", 2)
    check_count(jobs, "jobs")
    check_seed(seed)
    made = clone(estimator)
    y = np.asarray(made.target_type.read(data.y, is_new=True))
    learned = fitted_preprocessor(made.preprocess, data, reading.read(data.X), y, made.dtype)
    data = data._replace(y=y).known_by(learned)
    if made.random_state is None:
        made.set_params(random_state=seed)
    is_classes = hasattr(made, "predict_proba")
    structure = structure_of(data, made.gap, True).checked(len(y))
    parts = held_out_by(structure, y, is_classes, folds, seed)
    if not all(len(part) >= 2 for pair in parts for part in pair):
        raise DataError(f"y has {len(y)} rows, too few to hold some out; bring more.")
    return RunningSearch(
        made, Problem(data, parts, structure, threading.Event()), SPACES[name](not is_classes), seed, jobs
    )


def held_out_by(
    structure: RowStructure, y: NDArray[Any], is_classes: bool, count: int | None, seed: int
) -> tuple[Split, ...]:
    """Return the folds of a search, or its one split for None."""
    if structure.is_free:
        return by_chance(y, is_classes, count, seed)
    labels, random = y if is_classes and y.ndim == 1 else None, np.random.RandomState(seed)
    if count is None:
        return (splits.holdout(structure, 1 / HELD_OUT, labels, random),)
    return tuple(splits.folds(structure, count, labels, random))


def by_chance(y: NDArray[Any], is_classes: bool, count: int | None, seed: int) -> tuple[Split, ...]:
    """Return `count` folds, or one split for None, of rows that nothing ties together: each class in proportion.

    y: (n,) labels or (n, outputs).  Each row is held out once in all folds, as `deal` does.
    """
    labels = y if is_classes and y.ndim == 1 else None
    fold = deal(len(y), count or HELD_OUT, labels, generator(seed, "split", 2))
    return tuple(Split(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(count or 1))


def setup(search: RunningSearch, folds: int | None) -> dict[str, Any]:
    """Return what is searched on what, for the journal."""
    made, structure = search.estimator, search.problem.structure
    tied = [name for name in ("groups", "time") if getattr(structure, name) is not None]
    return {
        "estimator": type(made).__name__,
        "preset": name_of_recipe(made.preset, made.preprocess),
        "settings": sorted(search.dimensions),
        "rows": len(search.problem.data.y),
        "folds": folds,
        "seed": search.seed,
    } | ({"held_out_by": tied} if tied else {})


def carried_out(search: RunningSearch) -> bool:
    """Try settings until the search ends; return whether Ctrl-C ended it."""
    try:
        if search.jobs == 1:
            search.work()
        else:
            in_threads(search)
    except KeyboardInterrupt:
        search.problem.stop.set()
    return search.problem.stop.is_set()


def in_threads(search: RunningSearch) -> None:
    """Try settings in threads, which share the cores."""
    from chainrule.engines.native.threads import threads

    with threadpool_limits(max(1, threads() // search.jobs)), ThreadPoolExecutor(search.jobs) as pool:
        first = search.ask()  # the default, beside which all others are seen
        if first is not None:
            search.try_one(first)
        workers = [pool.submit(search.work) for _ in range(search.jobs)]
        try:
            for worker in wait(workers, return_when=FIRST_EXCEPTION).done:
                worker.result()
        except BaseException:
            search.problem.stop.set()
            raise


def result(search: RunningSearch, was_interrupted: bool) -> Tuned:
    """Fit the best settings to all rows, and return the result. Raises KeyboardInterrupt where no trial is complete."""
    records = study.records(search.study)
    complete = [each for each in records if each.value is not None]
    if not complete:
        if was_interrupted:
            raise KeyboardInterrupt
        raise DataError("no trial came to its end; give more time, or bring other data.")
    best = min(complete, key=lambda each: each.value)  # type: ignore[arg-type, return-value]
    found = search.best
    if was_interrupted and found is not None and found.value == best.value:
        fitted = found.estimator
    else:
        fitted = refitted(search, search.space.parameters(best.settings))
    return Tuned(
        fitted,
        best,
        next((each for each in complete if each.settings == study.defaults(search.dimensions)), None),
        records,
        study.importances(search.study),
        metric_of(result_of(fitted)),
        clock() - search.begun,
        "interrupted" if was_interrupted else "time limit" if search.out_of_time else "trials",
    )


def refitted(search: RunningSearch, parameters: dict[str, Any]) -> Any:
    """Return the estimator with the best parameters, fitted to all rows in the time that is left."""
    made, before = clone(search.estimator).set_params(**parameters), search.estimator.time_limit
    if math.isfinite(search.end):
        left = max(search.end - clock(), 0.05 * (search.end - search.begun))
        made.set_params(time_limit=left if before is None else min(left, before))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        data = search.problem.data
        made.fit(data.X, data.y, groups=data.groups, time=data.time)
    warn_of(result_of(made))
    made.set_params(time_limit=before)
    return made
