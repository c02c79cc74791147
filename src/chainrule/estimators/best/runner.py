"""The fits of a race: in threads, each of which trains on one core, within a time limit."""

from __future__ import annotations

import copy
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from chainrule.engines import Plan, select
from chainrule.errors import ChainruleError
from chainrule.estimators import preprocessing
from chainrule.estimators.best.candidates import Candidate
from chainrule.estimators.best.judge import Judge
from chainrule.estimators.best.stopping import RaceOver
from chainrule.estimators.rows import rows_of
from chainrule.estimators.settings import given, table_settings
from chainrule.estimators.tables.preprocessor import TablePreprocessor
from chainrule.formulas.layers import Dense
from chainrule.formulas.losses import MeanSquaredError
from chainrule.network.network import Network

SECONDS = 60.0
"""The time limit, where none is given."""
ENOUGH = 0.5
"""The least part of the seconds that a fit is expected to take which it must be given to begin."""


class Task(NamedTuple):
    """A fit of the race."""

    candidate: Candidate
    number: int
    """of the candidate"""
    fold: int
    """the rows that are held out"""
    seed: int
    is_of_all: bool = False
    """whether none are; then `fold` is the number of the network"""


class RaceFit(NamedTuple):
    """A fit that was made."""

    estimator: Any
    truth: NDArray[np.float64]
    """what `Judge.truth` makes of its predictions of the rows that were held out"""
    predicted: NDArray[np.float64]
    seconds: float
    best: int = 1
    """the epoch with the least loss on these"""
    epochs: int = 1
    """those that its schedule was for"""


class RacedRows(NamedTuple):
    """The rows of a race."""

    X: Any
    y: Any
    sample_weight: Any
    given: tuple[Any, Any] | None
    """the samples that the user holds out"""
    fold: NDArray[np.int64]
    """the fold of each row"""

    def parts(self, fold: int) -> tuple[Any, ...]:
        """Return X, y, weights, X and y held out of a fold; all rows and what is given, where there is something."""
        if self.given is not None:
            return self.X, self.y, self.sample_weight, *self.given
        train, out = np.flatnonzero(self.fold != fold), np.flatnonzero(self.fold == fold)
        if not len(out):
            return self.X, self.y, self.sample_weight, None, None
        some = (rows_of(each, train) for each in (self.X, self.y, self.sample_weight))
        return *some, rows_of(self.X, out), rows_of(self.y, out)


class Runner:
    """Fits in threads, each of which trains on one core, until the time is over."""

    judges: dict[int, Judge]

    def __init__(
        self, estimator: Any, table: RacedRows, begun: float, candidates: tuple[Candidate, ...]
    ) -> None:
        """Begin without a fit. begun: the `time.monotonic()` from which the time limit counts."""
        self.candidates = candidates
        self.estimator, self.table, self.begun, self.given = estimator, table, begun, given(estimator)
        self.seconds = SECONDS if estimator.time_limit is None else float(estimator.time_limit)
        network = Network(1, [Dense(1)], MeanSquaredError())
        self.workers = select(estimator.engine, Plan(network)).workers()
        self.fits: dict[tuple[int, int], RaceFit] = {}
        """by the number of the candidate and the fold"""
        self.whole: dict[tuple[int, int], RaceFit] = {}
        """of all rows, by the number of the candidate and of the network; the predictions are of the fit watched"""
        self.prepared: dict[str, TablePreprocessor] = {}
        """by the settings"""
        if hasattr(estimator, "preprocessor_"):  # which has checked the table
            self.prepared[repr(sorted(_of_table(estimator).items()))] = estimator.preprocessor_
        self.errors: list[tuple[int, Exception]] = []
        """with the numbers of the candidates"""
        self.ended, self.lock = threading.Event(), threading.Lock()

    def run(self, tasks: list[Task], stage: float, end: float, shared: bool = False) -> None:
        """Run tasks in their order, those that can end by `stage`; each core's first of all may go on until `end`.

        shared: whether the tasks of one candidate, which count together, share the time.
        """
        queue = self._begun_in_time(tasks, stage, end, shared)
        with warnings.catch_warnings(), ThreadPoolExecutor(self.workers) as pool:
            warnings.simplefilter("ignore", ConvergenceWarning)
            threads = [pool.submit(self._work, queue) for _ in range(min(self.workers, len(tasks)))]
            try:
                for thread in wait(threads, return_when=FIRST_EXCEPTION).done:
                    thread.result()
            except BaseException as error:
                self.ended.set()
                wait(threads)
                if not (isinstance(error, KeyboardInterrupt) and self.fits):
                    raise
                warnings.warn("Training interrupted by user.", stacklevel=5)

    def _work(self, queue: Iterator[tuple[Task | None, float]]) -> None:
        while not self.ended.is_set():
            with self.lock:
                task, seconds = next(queue, (None, 0.0))
            if task is None:
                return
            try:
                made = self._fit_all(task, seconds) if task.is_of_all else self._fit(task, seconds)
            except (ChainruleError, FloatingPointError, ValueError) as error:
                with self.lock:
                    self.errors.append((task.number, error))
                    self._print(task, f"failed: {error}")
                continue
            with self.lock:
                if made is not None:
                    (self.whole if task.is_of_all else self.fits)[task.number, task.fold] = made
                    self._say(task, made)

    def _begun_in_time(
        self, tasks: list[Task], stage: float, end: float, shared: bool
    ) -> Iterator[tuple[Task | None, float]]:
        """Iterate over the tasks that there is time for, and the seconds of each.

        Of tasks that count together none begins behind one that did not, or that failed.
        """
        left_out = set[int]()
        left = {number: sum(task.number == number for task in tasks) for number in {t.number for t in tasks}}
        for place, task in enumerate(tasks):
            is_first = place < self.workers and not self.fits
            seconds = (end if is_first else stage) - time.monotonic()
            if shared:
                if task.number in left_out or any(task.number == number for number, _ in self.errors):
                    continue
                seconds /= -(-left[task.number] // self.workers)
                left[task.number] -= 1
            expected = self._expected(task) or 0.0
            least = expected if task.is_of_all else ENOUGH * expected
            if seconds > least or not (place or self.fits):
                yield task, max(seconds, 1e-3)
            else:
                left_out.add(task.number)

    def has_time_for(self, tasks: list[Task], stage: float) -> bool:
        """Return whether tasks whose candidates were fitted before can end by `stage`."""
        seconds = sum(self._expected(task) or 0.0 for task in tasks)
        return seconds / self.workers <= stage - time.monotonic()

    def _expected(self, task: Task) -> float | None:
        """Return the seconds that a task will take, by those of fits before it; None without any."""
        fits = self.whole if task.is_of_all else self.fits
        own = [made.seconds for made in of_candidate(fits, task.number).values()]
        if own:
            return float(np.mean(own))
        if task.is_of_all:
            first, rows = self.fits[task.number, 0], self.table.fold
            per_epoch = first.seconds / max(1, first.estimator.n_iter_) * len(rows) / np.count_nonzero(rows)
            return float(per_epoch * self._plan(task.number)[0])
        others = [made.seconds / self.candidates[number].cost for (number, _), made in self.fits.items()]
        return float(np.median(others)) * task.candidate.cost if others else None

    def _fit(self, task: Task, seconds: float) -> RaceFit:
        """Fit a candidate to all folds but one, in so many seconds."""
        begin, over = time.monotonic(), RaceOver(self.ended)
        made = self._begun(task, over, seconds)
        X, y, sample_weight, X_val, y_val = self.table.parts(task.fold)
        made._fit(X, y, sample_weight, X_val=X_val, y_val=y_val)
        made.set_params(callbacks=None, time_limit=self.estimator.time_limit)
        made._prepared = None
        if (short := made._shortfall) is not None:  # of the seconds of the race
            made._shortfall = short._replace(limit=self.seconds, seconds=short.seconds + begin - self.begun)
        made.__dict__.pop("_optimizer", None)  # a part is not trained any further
        predicted = np.empty((0, made.n_outputs_)) if X_val is None else made._predicted(X_val)
        truth = self.judges[task.fold].truth(predicted)
        if not np.isfinite(truth).all():
            raise ChainruleError(f"{task.candidate.name} predicts NaN or infinity.")
        scores = np.nan_to_num(made.validation_scores_ or [0.0], nan=-np.inf)
        best = max(1, min(1 + int(np.argmax(scores)), made.n_iter_))
        held_out = truth, np.asarray(predicted, np.float64)
        return RaceFit(made, *held_out, time.monotonic() - begin, best, over.epochs)

    def _fit_all(self, task: Task, seconds: float) -> RaceFit | None:
        """Fit a candidate to all rows, for as many epochs as were best; None where that was stopped before."""
        begin, (last, epochs) = time.monotonic(), self._plan(task.number)
        over = RaceOver(self.ended, last, begin + seconds)
        made = self._begun(task, over, None)
        made._epochs = epochs
        made._fit(self.table.X, self.table.y, self.table.sample_weight)
        if over.is_cut:
            return None
        watched = self.fits[task.number, 0]
        own = copy.copy(watched.estimator)  # with the curves of the fit that was watched
        own.model_, own.random_state, own.n_iter_refit_ = made.model_, task.seed, made.n_iter_
        return watched._replace(estimator=own, seconds=time.monotonic() - begin)

    def _plan(self, number: int) -> tuple[int, int]:
        """Return the epochs that were best for a candidate, in the mean of its folds, and those of its schedule."""
        own, epochs = of_candidate(self.fits, number).values(), self.fits[number, 0].epochs
        return round(float(np.mean([made.best for made in own if made.epochs == epochs]))), epochs

    def _begun(self, task: Task, over: RaceOver, seconds: float | None) -> Any:
        """Return the estimator of a task, before its fit in so many seconds."""
        made = clone(self.estimator)
        made.set_params(
            **{name: value for name, value in task.candidate.changed.items() if name not in self.given},
            preset=task.candidate.preset,
            random_state=task.seed,
            refit=None,
            time_limit=seconds,
            verbose=False,
            callbacks=[over],
        )
        made._variant = task.candidate.variant
        made._prepared = self._preprocessor(made)
        made._threads = 1 if self.workers > 1 else None
        made._grace = 0.0 if self.fits else self.seconds  # without a fit there is nothing to predict by
        return made

    def _preprocessor(self, made: Any) -> TablePreprocessor:
        """Return what prepares the table for a candidate: the same for all that prepare it alike, in each fold."""
        settings = _of_table(made)
        key = repr(sorted(settings.items()))
        with self.lock:
            if key not in self.prepared:
                X, y, weight = self.table.X, self.table.y, self.table.sample_weight
                self.prepared[key] = preprocessing.fitted(
                    made.preprocess, X, y, weight, made.dtype, settings=settings
                )
            return self.prepared[key]

    def _say(self, task: Task, made: RaceFit) -> None:
        """Print how a fit went."""
        if task.is_of_all:
            self._print(task, f"{made.estimator.n_iter_refit_} epochs in {made.seconds:.1f} s")
            return
        loss = self.judges[task.fold].mean_loss(made.truth) if len(made.truth) else float("nan")
        self._print(
            task, f"loss {loss:.5g} held out, {made.estimator.n_iter_} epochs in {made.seconds:.1f} s"
        )

    def _print(self, task: Task, said: str) -> None:
        """Print a line of a fit, where the estimator prints any."""
        if self.estimator.verbose:
            seconds = time.monotonic() - self.begun
            rows = "all rows" if task.is_of_all else f"fold {task.fold + 1}"
            print(f"{seconds:6.1f} s  {task.candidate.name}, {rows}: {said}")


def of_candidate(fits: Mapping[tuple[int, int], RaceFit], number: int) -> dict[int, RaceFit]:
    """Return those of some fits that are of a candidate, in the order of their folds."""
    return {fold: made for (other, fold), made in sorted(fits.items()) if other == number}


def _of_table(estimator: Any) -> dict[str, Any]:
    """Return the settings of the preprocessor that an estimator makes; none for one that is given."""
    return {} if isinstance(estimator.preprocess, TablePreprocessor) else dict(table_settings(estimator))
