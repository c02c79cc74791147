"""The fits of a race: those of a candidate, those that have ended, what stops one, and what is said after Ctrl-C."""

from __future__ import annotations

import math
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from chainrule.core import hints
from chainrule.engines import Plan, select
from chainrule.errors import ChainruleError, counted
from chainrule.fitting.begin import begin
from chainrule.fitting.held import HoldsResult
from chainrule.fitting.limit import AT_LEAST
from chainrule.fitting.parameters import given, values_of
from chainrule.fitting.plan import Conditions, recipe, resolved, table_settings
from chainrule.fitting.progress import RaceProgress, RaceWatcher
from chainrule.fitting.result import FitResult
from chainrule.fitting.train import Listeners, train
from chainrule.formulas.layers import Dense
from chainrule.formulas.losses import MeanSquaredError
from chainrule.network.network import Network
from chainrule.presets import DEFAULT
from chainrule.presets.base import OfFewRows
from chainrule.race.candidates import Candidate
from chainrule.race.judge import Judge, is_by_loss
from chainrule.race.state import NOTHING, SECONDS, Key, RaceFit, RaceListener, RaceState, Task
from chainrule.tables import reading
from chainrule.tables.data import FitData, FitInput, fitted_preprocessor, of_table
from chainrule.tables.preprocessor import TablePreprocessor
from chainrule.tables.rows import rows_of
from chainrule.tables.structure import Split
from chainrule.training.callbacks import Callback, as_callbacks
from chainrule.training.run import Run


def warn_of_interruption(fits: Mapping[Key, RaceFit], whole: Mapping[Key, RaceFit]) -> None:
    """Warn of a race that Ctrl-C ended, with what there is."""
    done = sum(not made.is_cut for made in (*fits.values(), *whole.values()))
    kept = (
        f"the average is of the {counted(done, 'fit')} that had ended, and of those that were stopped"
        if done
        else "no fit had ended, so what predicts are the first networks as they were"
    )
    hints.give(f"Training interrupted by user: {kept}.")


def of_candidate(fits: Mapping[Key, RaceFit], number: int) -> dict[int, RaceFit]:
    """Return those of some fits that are of a candidate, in the order of their folds."""
    return {fold: made for (other, fold), made in sorted(fits.items()) if other == number}


def expected_seconds(fits: Mapping[Key, RaceFit], task: Task, costs: Sequence[float]) -> float | None:
    """Return the seconds that a task will take, by fits of its candidate or, at their costs, of others."""
    own = [made.seconds for made in of_candidate(fits, task.number).values()]
    if own:
        return float(np.mean(own))
    others = [made.seconds / costs[number] for (number, _), made in fits.items()]
    return float(np.median(others)) * task.candidate.cost if others else None


def seconds_of_epoch(made: RaceFit) -> float:
    """Return the seconds that an epoch of a fit took."""
    return made.seconds / max(1, made.result.records.n_iter)


def spent(state: RaceState) -> float:
    """Return the seconds of all fits together."""
    return sum(made.seconds for made in (*state.fits.values(), *state.whole.values()))


def how_it_went(task: Task, made: RaceFit, loss: Callable[[int, int], float]) -> str:
    """Return how a fit went, in words. loss(number, fold): on the rows held out."""
    if task.is_of_all:
        return f"{made.result.records.n_iter_refit} epochs in {made.seconds:.1f} s"
    lost = loss(task.number, task.fold)
    return f"loss {lost:.5g} held out, {made.result.records.n_iter} epochs in {made.seconds:.1f} s"


class RaceOver(Callback):
    """Stops a fit when the race is over, by Ctrl-C; one of all rows after its epochs, or where it is late."""

    looks_inside = False

    def __init__(self, event: threading.Event, last: float = math.inf, end: float = math.inf) -> None:
        """Keep the event.  last: the epoch after which it stops.  end: the `time.monotonic()` from which it is late."""
        self.event, self.last, self.end = event, last, end
        self.epochs = 0
        """those that the schedule was for, which a time limit may have changed"""
        self.is_cut = False
        """whether the fit was stopped before its last epoch"""
        self.step = 0
        """the steps completed when it was"""

    def on_steps(self, run: Run) -> None:
        """Stop the run."""
        if run.history.stopped is not None or run.epoch >= self.last:
            return
        if self.event.is_set() or time.monotonic() > self.end:
            self.is_cut, self.step = True, run.step
            run.stop("the race was interrupted")

    def on_epoch_end(self, run: Run) -> None:
        """Stop the run."""
        if run.epoch >= self.last and run.history.stopped is None:
            run.stop("it has the epochs with the least loss held out")
        self.on_steps(run)

    def on_train_end(self, run: Run) -> None:
        """Note the epochs."""
        self.epochs = run.epochs


# --- the fits of a race: in threads, each of which trains on one core, within a time limit ---------------------------
# Of few rows a fit is an ensemble, whose members are trained on all cores; then it is one fit after the other.

PLANNED_SHARE = 0.95
"""The fraction of the limit for which fits are planned."""
ENOUGH = 0.5
"""The least part of the seconds that a fit is expected to take which it must be given to begin."""


class Runner:
    """Fits in threads, each of which trains on one core, until the time is over."""

    def __init__(
        self,
        estimator: HoldsResult,
        rows: RacedRows,
        data: FitData,
        begun: float,
        candidates: tuple[Candidate, ...],
        start: RaceState = NOTHING,
        listen: RaceListener | None = None,
        watch: RaceWatcher | None = None,
    ) -> None:
        """Begin with the fits of a start.

        data: of all rows.  begun: the `time.monotonic()` from which the time limit counts.  listen: called with each
        fit that came to its end.  watch: called when a fit begins, and when it has ended.
        """
        self.candidates, self.listen, self.watch, self.planned = candidates, listen, watch, 0
        self.estimator, self.rows, self.begun, self.chosen = estimator, rows, begun, given(estimator)
        workers = select(estimator.engine, Plan(Network(1, [Dense(1)], MeanSquaredError()))).workers()
        self.workers = 1 if rows.are_few else workers  # the members of a fit to few rows share the cores
        self.drawn, self.fits, self.whole = start.drawn, dict(start.fits), dict(start.whole)
        self.seconds = SECONDS if estimator.time_limit is None else float(estimator.time_limit)
        if start.more is not None:
            self.seconds = spent(start) / self.workers / PLANNED_SHARE + start.more
        self.data, self.targets = data, data.targets
        self.preprocessors = RacePreprocessors(estimator, rows, data)
        self.inputs = PreparedRows(rows, data, self.workers)
        self.errors: list[tuple[int, Exception]] = []
        """with the numbers of the candidates"""
        self.ended, self.lock = threading.Event(), threading.Lock()
        self.callbacks = as_callbacks(estimator.callbacks)
        self.plan = plan = start.plan
        fits, networks = ((), ()) if plan is None else (plan.fits, plan.networks)
        self.planned_fits = {(each.recipe, each.fold): each for each in fits}
        self.planned_epochs = {(each.recipe, each.number): each.epochs for each in networks}

    def run(self, tasks: list[Task], stage: float, end: float, shared: bool = False) -> None:
        """Run tasks in their order, those that can end by `stage`; each core's first of all may go on until `end`.

        shared: whether the tasks of one candidate, which count together, share the time.
        """
        tasks = self.missing(tasks)
        self.planned = len(self.fits) + len(self.whole) + len(self.errors) + len(tasks)
        queue = self._begun_in_time(tasks, stage, end, shared)
        with warnings.catch_warnings(), ThreadPoolExecutor(self.workers) as pool:
            warnings.simplefilter("ignore", ConvergenceWarning)
            begin = threading.Event()  # Ctrl-C before it finds no fit that nobody waits for
            try:
                threads = [pool.submit(self._work, queue, begin) for _ in tasks[: self.workers]]
                begin.set()
                for thread in wait(threads, return_when=FIRST_EXCEPTION).done:
                    thread.result()
            except BaseException as error:
                self.ended.set()
                begin.set()
                pool.shutdown()  # when all have ended
                if not (isinstance(error, KeyboardInterrupt) and self.fits and self.plan is None):
                    raise
                warn_of_interruption(self.fits, self.whole)

    def _work(self, queue: Iterator[tuple[Task | None, float]], begin: threading.Event) -> None:
        begin.wait()
        while not self.ended.is_set():
            with self.lock:
                task, seconds = next(queue, (None, 0.0))
                if task is None:
                    return
                self._tell(task)
            try:
                with follow_fit(self.callbacks, task, self.rows.judges) as following:
                    fit = self._fit_all if task.is_of_all else self._fit
                    made = fit(task, seconds, following.callbacks)
                    following.made(made)
            except (ChainruleError, FloatingPointError, ValueError) as error:
                with self.lock:
                    self.errors.append((task.number, error))
                    self._tell(task, f"failed: {error}")
                continue
            with self.lock:
                if made is not None:
                    (self.whole if task.is_of_all else self.fits)[task.number, task.fold] = made
                    self._tell(task, how_it_went(task, made, self.loss))
                    if self.listen is not None and not made.is_cut:
                        self.listen(task, made)

    def missing(self, tasks: list[Task]) -> list[Task]:
        """Return the tasks whose fit is still to be made; one of all rows is made again for other epochs."""
        return [
            task
            for task in tasks
            if (made := (self.whole if task.is_of_all else self.fits).get((task.number, task.fold))) is None
            or (task.is_of_all and made.result.records.n_iter_refit != self._epochs(task)[0])
        ]

    def left(self, part: float, fits: Iterable[RaceFit]) -> float:
        """Return the seconds that are left of a part of the planned ones after some fits, as many at once as run."""
        return max(
            0.0, PLANNED_SHARE * self.seconds * part - sum(made.seconds for made in fits) / self.workers
        )

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
            least = expected if task.is_of_all or self.rows.are_few else ENOUGH * expected
            if seconds > least or not (place or self.fits):
                yield task, max(seconds, 1e-3)
            else:
                left_out.add(task.number)

    def has_time_for(self, tasks: list[Task], stage: float) -> bool:
        """Return whether tasks whose candidates were fitted before can end by `stage`."""
        seconds = sum(self._expected(task) or 0.0 for task in self.missing(tasks))
        return seconds / self.workers <= stage - time.monotonic()

    def _expected(self, task: Task) -> float | None:
        """Return the seconds that a task will take, by those of fits before it; None without any."""
        fits = self.whole if task.is_of_all else self.fits
        if task.is_of_all and not of_candidate(fits, task.number):
            share = self.data.samples.n / len(self.rows.folds[0].train)
            return seconds_of_epoch(self.fits[task.number, 0]) * share * self._epochs(task)[0]
        return expected_seconds(fits, task, [each.cost for each in self.candidates])

    def _fit(self, task: Task, seconds: float, parts: tuple[Callback, ...]) -> RaceFit:
        """Fit a candidate to all folds but one, in so many seconds."""
        begin, over = time.monotonic(), RaceOver(self.ended)
        grace = 0.0 if self.fits else AT_LEAST * self.seconds  # without a fit there is nothing to predict by
        made, planned = self.estimator_of(task), self.planned_fits.get((task.candidate.name, task.fold))
        course = None if planned is None else planned.course
        result, data = self._trained(made, task, (over, *parts), seconds, grace=grace, course=course)
        if over.is_cut and result.course is not None:
            result = replace(result, course=result.course._replace(end=over.step, is_late=False))
        if (short := result.shortfall) is not None:  # of the seconds of the race
            short = short._replace(limit=self.seconds, seconds=short.seconds + begin - self.begun)
            result = replace(result, shortfall=short)
        predicted = np.empty((0, result.targets.outputs))
        held_out = self.rows.folds[task.fold].held_out
        if data.validation is not None or (self.rows.are_few and len(held_out)):
            if result.held_out is None:
                raise ChainruleError(f"{task.candidate.name} predicts NaN or infinity.")
            predicted = result.held_out.predicted
            if self.rows.are_few:
                predicted = predicted[np.isin(result.held_out.rows, held_out)]
        result = replace(result, held_out=None)
        scores = np.nan_to_num(result.records.validation_scores or [0.0], nan=-np.inf)
        best = max(1, min(1 + int(np.argmax(scores)), result.records.n_iter))
        best = best if planned is None else planned.best
        seconds = time.monotonic() - begin
        return RaceFit(result, predicted, seconds, best, over.epochs, over.is_cut)

    def _fit_all(self, task: Task, seconds: float, parts: tuple[Callback, ...]) -> RaceFit | None:
        """Fit a candidate to all rows, for as many epochs as were best; None where that was stopped before."""
        begin, (last, epochs) = time.monotonic(), self._epochs(task)
        over = RaceOver(self.ended, last, begin + seconds)
        made = self.estimator_of(task)
        result, _ = self._trained(made, task, (over, *parts), None, epochs=epochs)
        if over.is_cut:
            return None
        watched = self.fits[task.number, 0]  # whose curves stay
        records = replace(watched.result.records, n_iter_refit=result.records.n_iter)
        own = replace(watched.result, model=result.model, records=records, preprocessor=result.preprocessor)
        return watched._replace(result=own, seconds=time.monotonic() - begin)

    def _trained(
        self,
        made: HoldsResult,
        task: Task,
        callbacks: tuple[Callback, ...],
        seconds: float | None,
        **conditions: Any,
    ) -> tuple[FitResult, FitData]:
        """Return the result of a task's fit in so many seconds, and its data."""
        begun, variant = time.monotonic(), task.candidate.variant
        preprocessor = self.preprocessors.of(made, task)
        rows = self.inputs.prepared(preprocessor)
        own = rows.given if task.is_of_all else rows.parts(task.fold)
        known = self.data.targets
        data = of_table(made.target_type, own, values_of(made), preprocessor, known, is_prepared=True)
        if task.is_of_all and data.validation is not None:
            samples = data.with_passed() if self.estimator.refit else data.samples
            data = replace(data, samples=samples, validation=None)
        asked = Conditions(variant, threads=1 if self.workers > 1 else None, **conditions)
        if self.rows.are_few:
            data = replace(data, structure=self.data.structure)
        plan = resolved(made, data, conditions=asked, begun=begun, of_few=self.rows.of_few(variant))
        seconds = seconds if asked.course is None else None
        plan = replace(plan, parameters=replace(plan.parameters, time_limit=seconds))
        result = train(plan, data, begin(plan, data), Listeners(made, callbacks))
        return replace(result, rates=None), data  # a part is not trained any further

    def best_epochs(self, number: int) -> tuple[int, int]:
        """Return the epochs that were best for a candidate, in the mean of its folds, and those of its schedule."""
        own, epochs = of_candidate(self.fits, number).values(), self.fits[number, 0].epochs
        return round(float(np.mean([made.best for made in own if made.epochs == epochs]))), epochs

    def _epochs(self, task: Task) -> tuple[int, int]:
        """Return the epochs of a network of all rows, by a plan or else by its folds, and those of its schedule."""
        best, epochs = self.best_epochs(task.number)
        return self.planned_epochs.get((task.candidate.name, task.fold), best), epochs

    def estimator_of(self, task: Task) -> HoldsResult:
        """Return an estimator with the parameters of a task's fit."""
        changed = {name: value for name, value in task.candidate.changed.items() if name not in self.chosen}
        changed |= {"preset": task.candidate.preset, "random_state": task.seed, "refit": None}
        changed |= {"verbose": False, "callbacks": None}
        if not is_by_loss(self.estimator.scoring):  # that of the race; its fits stop by the recipe's own
            changed |= {"scoring": task.candidate.changed.get("scoring")}
        return type(self.estimator)(**{**self.estimator.get_params(deep=False), **changed})

    def truth(self, number: int, fold: int) -> NDArray[np.float64]:
        """Return what `Judge.truth` makes of a fit's predictions of the rows that were held out."""
        return self.rows.judges[fold].truth(self.fits[number, fold].predicted)

    def loss(self, number: int, fold: int) -> float:
        """Return the loss of a fit on the rows that were held out; NaN without any."""
        truth = self.truth(number, fold)
        return self.rows.judges[fold].mean_loss(truth) if len(truth) else float("nan")

    def _tell(self, task: Task, said: str = "") -> None:
        """Tell where the race is, as a fit begins or, with how it went, has ended."""
        if self.watch is None:
            return
        best = min(filter(math.isfinite, (self.loss(*key) for key in self.fits)), default=None)
        done = len(self.fits) + len(self.whole) + len(self.errors)
        where = name_of(task), done, max(done, self.planned), best
        self.watch(RaceProgress(*where, time.monotonic() - self.begun, said))


@contextmanager
def follow_fit(
    callbacks: Sequence[Callback], task: Task, judges: Mapping[int, Judge]
) -> Iterator[FollowedTask]:
    """Give the callbacks of a fit of a race, and tell them of its end, also if it fails."""
    made = FollowedTask(callbacks, task, judges)
    try:
        yield made
    finally:
        for each in made.callbacks:
            if made.figures:
                each.on_judged(made.figures)
            each.on_fit_end(None)


def name_of(task: Task) -> str:
    """Return the name of a fit: its recipe, and its fold or that it is of all rows, unless all fits of it are."""
    if task.candidate.deals:
        return task.candidate.name
    return f"{task.candidate.name}, {'all rows' if task.is_of_all else f'fold {task.fold + 1}'}"


# --- the rows of a race: their folds, their preparation, once for all fits, and what is predicted for those held out -


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


class FollowedTask:
    """The callbacks of one fit of a race, and the figures that they are told at its end."""

    def __init__(self, callbacks: Sequence[Callback], task: Task, judges: Mapping[int, Judge]) -> None:
        """Make the callbacks. callbacks: those of the race.  judges: of the rows held out, by fold."""
        rows = "all" if task.is_of_all or task.candidate.deals else f"without fold {task.fold + 1}"
        own = {"recipe": task.candidate.name, "rows": rows, "seed": task.seed, **task.candidate.changed}
        name = name_of(task) + f" {task.fold + 1}" * task.is_of_all
        self.callbacks = tuple(each.part(name, own) for each in callbacks)
        self.judge = None if task.is_of_all else judges.get(task.fold)
        self.figures = dict[str, float]()

    def made(self, fit: RaceFit | None) -> None:
        """Take the figures of the fit, if there is one: its seconds, and its loss on the rows that were held out."""
        if fit is None:
            return
        self.figures["seconds"], judge = fit.seconds, self.judge
        if judge is not None and len(fit.predicted):
            self.figures["loss_held_out"] = judge.mean_loss(judge.truth(fit.predicted))
