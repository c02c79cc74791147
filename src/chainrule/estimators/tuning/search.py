"""A search over the parameters and columns of an estimator: its trials, their order, and its result."""

from __future__ import annotations

import math
import os
import statistics
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic as clock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from chainrule.core import hints
from chainrule.core.random import generator
from chainrule.core.settings import check_choice, check_count, check_number
from chainrule.data.checks import check_seed
from chainrule.errors import ConfigError, DataError, FormatError, NonFiniteError, fault_of
from chainrule.estimators.base import MLPEstimator, fit_under
from chainrule.estimators.tuning.spaces import SPACES, Dimension, Space
from chainrule.fitting.dealing import deal
from chainrule.fitting.held import result_of
from chainrule.fitting.parameters import given
from chainrule.fitting.plan import Conditions, name_of_recipe
from chainrule.fitting.result import FitResult
from chainrule.fitting.train import warn_of
from chainrule.formulas.losses import MeanSquaredError
from chainrule.tables import reading, splits
from chainrule.tables.data import FitInput, fitted_preprocessor, structure_of
from chainrule.tables.labels import Labels
from chainrule.tables.relevance import Relevances
from chainrule.tables.structure import RowStructure, RowValues, Split
from chainrule.tables.times import Times
from chainrule.training.callbacks import Callback
from chainrule.training.run import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

# --- search for the best settings of an estimator for tables: Optuna proposes settings, and a trial returns their loss
# tuned = tune(MLPRegressor(preprocess="auto", random_state=0), X, y, trials=50, time_limit=600)
# tuned.estimator.predict(new), tuned.best, tuned.trials

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

    estimator: one of this package with preprocess="auto" or a preset. The parameters that are varied
        are in `chainrule.estimators.tuning.spaces.SPACES`; those that are not at their defaults stay as they are.
    X, y: as in its `fit`. The value of a trial is the log loss, or the root mean squared error in the units of y, or
        the loss itself if it is another one, as of times. The first trial has the settings of the estimator.
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
    with hints.once(), silence_optuna():
        search = prepared(estimator, FitInput(X, y, groups=groups, time=time), folds, jobs, seed)
        wanted = limit = math.inf
        if trials is not None or time_limit is None:
            wanted = check_count(TRIALS if trials is None else trials, "trials")
        if time_limit is not None:
            limit = check_number(time_limit, "time_limit", above=0, hint="it is in seconds")
        opened = open_study(journal, pruner, setup(search, folds))
        search.begin(opened, begun, wanted, begun + limit, ignore_trial if listen is None else listen)
        was_interrupted = carried_out(search)
        return result(search, was_interrupted)


def prepared(
    estimator: MLPEstimator, data: FitInput, folds: int | None, jobs: int, seed: int
) -> RunningSearch:
    """Check the arguments of a search, and return it before its first trial."""
    load_optuna()
    if not isinstance(estimator, MLPEstimator) or estimator.target_type is Relevances:
        raise ConfigError(
            f"estimator must be an MLPClassifier, MLPRegressor or MLPSurvival, not {estimator!r:.60}."
        )
    name = name_of_recipe(estimator.preset, estimator.preprocess)
    if name is None:
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
    records = read_trials(search.study)
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
        next((each for each in complete if each.settings == default_point(search.dimensions)), None),
        records,
        importances(search.study),
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


# --- A search while it runs, and one setting of it: fitted on the rows to learn from, and judged by those held out ---

WARM_UP = 0.2
"""The share of the epochs before which no trial is pruned."""


class Problem(NamedTuple):
    """What every setting of a search is tried on."""

    data: FitInput
    folds: tuple[Split, ...]
    structure: RowStructure
    stop: threading.Event
    """once it is set, what is being tried ends"""


class Tried(NamedTuple):
    """How a setting did."""

    value: float | None
    """the mean over the folds, the less the better; None if it did not come to its end"""
    state: str
    """complete, pruned, failed or interrupted"""
    epochs: int
    """of the first fold"""
    seconds: float
    """of the longest fit"""
    estimator: Any = None
    """as fitted in the first fold"""
    error: str = ""


class Watch(Callback):
    """Report the validation loss of each epoch to a trial, and stop the fit if the pruner says so or the time is over.

    trial: of Optuna; None reports nothing.  deadline: a `time.monotonic()`.
    """

    looks_inside = False

    def __init__(self, trial: Any, deadline: float, stop: threading.Event) -> None:
        """Store them."""
        self.trial, self.deadline, self.stop = trial, deadline, stop
        self.ending, self.epochs = "complete", 0

    def on_steps(self, run: Run) -> None:
        """Stop when the time is over, or on request."""
        if run.history.stopped is None and (self.stop.is_set() or time.monotonic() > self.deadline):
            self.ending = "interrupted"
            run.stop("the search ends")

    def on_epoch_end(self, run: Run) -> None:
        """Report the epoch."""
        self.epochs, loss = run.epoch, float(run.logs["val_loss"])
        self.on_steps(run)
        if self.trial is None or run.history.stopped is not None or not math.isfinite(loss):
            return
        self.trial.report(loss, run.epoch)
        if run.epoch >= WARM_UP * run.epochs and self.trial.should_prune():
            self.ending = "pruned"
            run.stop("pruned")

    def on_train_end(self, run: Run) -> None:
        """Note Ctrl-C, after which an estimator's fit returns as if nothing had been."""
        if isinstance(run.error, KeyboardInterrupt):
            self.ending = "interrupted"
            self.stop.set()


def metric_of(result: FitResult) -> str:
    """Return what a fit is judged by: log_loss, rmse, or its own loss where that is no squared error."""
    if isinstance(result.targets, Labels):
        return "log_loss"
    return "rmse" if isinstance(result.model.network.loss, MeanSquaredError) else "loss"


def tried(
    estimator: MLPEstimator, parameters: dict[str, Any], problem: Problem, trial: Any, deadline: float
) -> Tried:
    """Fit the estimator with these parameters on each fold, and return the mean of its metric on the rows held out."""
    values, epochs, longest, first = list[float](), 0, 0.0, None
    for split in problem.folds:
        made, begun = clone(estimator).set_params(**parameters), time.monotonic()
        watch = Watch(trial if first is None else None, deadline, problem.stop)
        given = made.callbacks
        others = [] if given is None else list(given) if hasattr(given, "__iter__") else [given]
        made.set_params(callbacks=[watch, *others])
        data = problem.data.parted(split)
        X_val, y_val = data.X_val, data.y_val
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # what is to be said is said of all rows
                result = fit_under(
                    made, data, Conditions(grace=0.0)
                )  # the next setting needs the seconds more
        except (DataError, NonFiniteError) as error:
            return Tried(None, "failed", watch.epochs, time.monotonic() - begun, error=f"{error}")
        finally:
            made.set_params(callbacks=given)
        first, epochs = (made, watch.epochs) if first is None else (first, epochs)
        longest = max(longest, time.monotonic() - begun)
        if problem.stop.is_set() or watch.ending != "complete":
            state = "interrupted" if problem.stop.is_set() else watch.ending
            return Tried(None, state, epochs, longest)
        metric, preprocessor = metric_of(result), result.preprocessor
        assert preprocessor is not None, "a search is of tables"
        metrics = [metric] if metric != "loss" else []
        y_judged = result.targets.encode(y_val) if isinstance(result.targets, Times) else y_val
        values.append(result.model.evaluate(preprocessor.transform(X_val), y_judged, metrics=metrics)[metric])
    value = float(np.mean(values))
    if not math.isfinite(value):
        return Tried(None, "failed", epochs, longest, error="its predictions are not finite")
    return Tried(value, "complete", epochs, longest, first)


FIRST_SHARE = 0.4
"""The most of the time limit that the first trial takes; the later ones have the rest, less that of the last fit."""
LAST_FIT_MARGIN = 1.15
"""The seconds kept for the last fit, by those of the best trial's."""


def ignore_trial(record: TrialRecord) -> None:
    """Do nothing with a trial."""


class RunningSearch:
    """The state of a running search, which its threads share."""

    def __init__(self, estimator: MLPEstimator, problem: Problem, space: Space, seed: int, jobs: int) -> None:
        self.estimator, self.problem, self.space, self.seed, self.jobs = estimator, problem, space, seed, jobs
        self.dimensions = space.without(set(given(estimator)))
        self.lock, self.study = threading.Lock(), None
        self.listen: Callable[[TrialRecord], object] = ignore_trial
        self.wanted, self.end, self.begun = math.inf, math.inf, clock()
        self.best: Tried | None = None
        self.times = list[float]()
        self.at_work = 0
        self.out_of_time = False

    def begin(
        self, opened: Any, begun: float, wanted: float, end: float, listen: Callable[[TrialRecord], object]
    ) -> None:
        """Take the study, which may have trials already, and what ends the search."""
        self.study, self.begun, self.wanted, self.end, self.listen = opened, begun, wanted, end, listen
        self.times += [each.seconds for each in read_trials(opened) if each.state == "complete"]

    def reserve(self) -> float:
        """Return the seconds to keep for the last fit."""
        if self.best is not None:
            return LAST_FIT_MARGIN * self.best.seconds
        return LAST_FIT_MARGIN * max(self.times, default=0.0)

    def ask(self) -> Any:
        """Return the next trial; None if there is none."""
        with self.lock:
            if self.problem.stop.is_set() or count_ended(self.study) + self.at_work >= self.wanted:
                return None
            left = self.end - clock() - self.reserve()
            needed = 0.3 * statistics.median(self.times) if self.times else 0.0
            if left <= needed * len(self.problem.folds):
                self.out_of_time = True
                return None
            self.at_work += 1
            return ask_study(self.study, self.dimensions, self.seed, self.jobs > 1)

    def work(self) -> None:
        """Try one setting after the other until there is none."""
        while (trial := self.ask()) is not None:
            self.try_one(trial)

    def try_one(self, trial: Any) -> None:
        """Try the setting of a trial, and tell its value."""
        found = Tried(None, "interrupted", 0, 0.0)
        is_default = trial.params == default_point(self.dimensions)
        try:
            parameters, deadline = self.space.parameters(trial.params), self.end - self.reserve()
            if math.isfinite(self.end):  # what is too long for it is shortened, not cut
                most = FIRST_SHARE * (self.end - self.begun) if is_default else deadline - clock()
                most, own = most / len(self.problem.folds), self.estimator.time_limit
                parameters["time_limit"] = max(most if own is None else min(most, own), 0.01)
            found = tried(self.estimator, parameters, self.problem, trial, deadline)
        finally:
            with self.lock:
                self.at_work -= 1
                tell_study(self.study, trial, found.state, found.value, found.epochs, found.seconds)
                self.keep(found, trial.number, is_default)

    def keep(self, found: Tried, number: int, is_default: bool) -> None:
        """Note the best trial, and tell of this one."""
        if found.state == "complete":
            self.times.append(found.seconds)
            assert found.value is not None
            if self.best is None or self.best.value is None or found.value < self.best.value:
                self.best = found
        elif found.state == "failed" and is_default:
            raise DataError(f"the settings as they are fail: {found.error}")
        self.listen(next(each for each in read_trials(self.study) if each.number == number))


# --- the study of a search, kept by Optuna in memory or in a journal, a file of JSON lines that processes share -------
# Optuna (the extra `tune`) proposes settings by a tree-structured Parzen estimator, and says which trials are pruned.
# Sources: Bergstra, Bardenet, Bengio, Kégl, "Algorithms for hyper-parameter optimization" (2011); Akiba and others,
# "Optuna" (2019); Li and others, "A system for massively parallel hyperparameter tuning" (2020), of successive
# halving.

NAME = "chainrule"
"""The name of the study in its journal."""
SETUP = "setup"
"""The study's attribute that says what it searches."""
STARTUP = 5
"""Trials without pruning, beside which the later ones are seen."""
PRUNERS = {"median": "MedianPruner", "halving": "SuccessiveHalvingPruner", "none": "NopPruner"}


class TrialRecord(NamedTuple):
    """One trial of a search."""

    number: int
    state: str
    """complete, pruned, failed or interrupted"""
    value: float | None
    """of the rows held out, the less the better; None unless complete"""
    settings: dict[str, Any]
    """by the names of the space's dimensions"""
    epochs: int
    seconds: float


def load_optuna() -> Any:
    """Return Optuna. Raises ConfigError where it is not installed."""
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"a search needs {error.name}; install it: pip install 'chainrule[tune]'."
        ) from error
    return optuna


@contextmanager
def silence_optuna() -> Iterator[None]:
    """Keep Optuna from logging, and from warning that an interface of its own is new."""
    library = load_optuna()
    before = library.logging.get_verbosity()
    library.logging.set_verbosity(library.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", library.exceptions.ExperimentalWarning)
            yield
    finally:
        library.logging.set_verbosity(before)


def open_study(journal: str | os.PathLike[str] | None, pruner: str, setup: dict[str, Any]) -> Any:
    """Open or begin the study of a journal, or one in memory.

    setup: what is searched on what, as JSON values, which those of the journal must equal.
    Raises ConfigError for another search's journal, FormatError for a file that is none.
    """
    library = load_optuna()
    kind = getattr(library.pruners, check_choice(pruner, PRUNERS, "pruner"))
    made = kind(n_startup_trials=STARTUP) if pruner == "median" else kind()
    storage = None
    try:
        if journal is not None:
            from optuna.storages import JournalStorage
            from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

            path = os.fspath(journal)
            storage = JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path)))
        study = library.create_study(
            storage=storage, study_name=NAME, direction="minimize", pruner=made, load_if_exists=True
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # as it parses lines
        raise FormatError(
            f"{journal} is not the journal of a search ({fault_of(error)}); name another file."
        ) from error
    known = study.user_attrs.get(SETUP)
    if known is None:
        study.set_user_attr(SETUP, setup)
    elif known != setup:
        other = next(name for name in {**known, **setup} if known.get(name) != setup.get(name))
        raise ConfigError(
            f"{journal} is of a search with {other} {known.get(other)!r}, not {setup.get(other)!r}; go on with the "
            "same data and settings, or name another journal."
        )
    return study


def distribution(each: Dimension) -> Any:
    """Return Optuna's distribution of a dimension."""
    kinds = load_optuna().distributions
    if each.choices:
        return kinds.CategoricalDistribution(each.choices)
    if isinstance(each.default, int):
        return kinds.IntDistribution(int(each.low), int(each.high), log=each.is_log)
    return kinds.FloatDistribution(each.low, each.high, log=each.is_log)


def ask_study(study: Any, dimensions: Mapping[str, Dimension], seed: int, several: bool) -> Any:
    """Return the next trial; it has the defaults until a trial has ended by itself.

    The draws depend on the seed and the number of trials that ended, so that a search which was stopped proposes what
    it would have proposed.  several: whether others are asked for meanwhile.
    """
    count = count_ended(study)
    if not count:
        study.enqueue_trial(default_point(dimensions))
    if several:
        count = len(study.get_trials(deepcopy=False))
    drawn = int(generator(seed, "method", count).integers(1 << 32))
    study.sampler = load_optuna().samplers.TPESampler(seed=drawn, constant_liar=several)
    return study.ask({name: distribution(each) for name, each in dimensions.items()})


def default_point(dimensions: Mapping[str, Dimension]) -> dict[str, Any]:
    """Return the setting of the first trial."""
    return {name: each.default for name, each in dimensions.items()}


def count_ended(study: Any) -> int:
    """Return the number of trials that ended by themselves."""
    return sum(each.state.name in ("COMPLETE", "PRUNED") or _failed(each) for each in study.get_trials(False))


def _failed(trial: Any) -> bool:
    return bool(trial.state.name == "FAIL" and trial.user_attrs.get("state") == "failed")


def tell_study(study: Any, trial: Any, state: str, value: float | None, epochs: int, seconds: float) -> None:
    """End a trial."""
    states = load_optuna().trial.TrialState
    for name, what in (("state", state), ("epochs", epochs), ("seconds", seconds)):
        trial.set_user_attr(name, what)
    told = {"complete": states.COMPLETE, "pruned": states.PRUNED}.get(state, states.FAIL)
    study.tell(trial, value, state=told)


def read_trials(study: Any) -> list[TrialRecord]:
    """Return the trials that ended, in their order; those of a killed process are interrupted."""
    found = []
    for each in study.get_trials(deepcopy=False):
        if each.state.name in ("RUNNING", "WAITING"):
            continue
        known = each.user_attrs
        value = each.value if each.state.name == "COMPLETE" else None
        state = known.get("state", "interrupted")
        found.append(
            TrialRecord(
                each.number,
                state,
                value,
                dict(each.params),
                known.get("epochs", 0),
                known.get("seconds", 0.0),
            )
        )
    return found


def importances(study: Any, least: int = 10) -> dict[str, float]:
    """Return the share of the differences between trials that each dimension explains; empty for few trials.

    Source: Watanabe, Bansal, Hutter, "PED-ANOVA" (2023), which compares the best trials with all.
    """
    if sum(each.state.name == "COMPLETE" for each in study.get_trials(deepcopy=False)) < least:
        return {}
    found = load_optuna().importance
    try:
        return dict(
            found.get_param_importances(study, evaluator=found.PedAnovaImportanceEvaluator(), normalize=True)
        )
    except (ValueError, RuntimeError):  # all trials alike
        return {}
