"""What the two estimators share: the fit from its arguments to its result."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if

from chainrule.core import hints
from chainrule.core.settings import check_count, check_number
from chainrule.data.samples import Samples
from chainrule.data.slopes import matched
from chainrule.data.source import Source
from chainrule.errors import ConfigError, DataError
from chainrule.estimators.fitted import Fitted
from chainrule.fitting import loop, progress
from chainrule.fitting.callbacks import CallbackSupportMixin, FitTasks, tell_of_fit, with_callbacks
from chainrule.fitting.dealing import deal
from chainrule.fitting.fit import fit_one, name_of
from chainrule.fitting.held import HoldsResult, as_fitted, result_of
from chainrule.fitting.parameters import Parameters, defaults_of, has_partial_fit, values_of
from chainrule.fitting.plan import ALONE, Conditions, FitPlan
from chainrule.fitting.prepare import FitRequest, prepare, read_rows
from chainrule.fitting.result import FitResult, UpdateRecord
from chainrule.fitting.start import FIELDS, copied_model, members_of
from chainrule.fitting.train import warn_of
from chainrule.formulas.optimizers import Adam
from chainrule.model import Ensemble, Model
from chainrule.presets import BEST
from chainrule.presets.layers import hidden_sizes
from chainrule.race.blend import RaceResult
from chainrule.race.judge import SAME_LOSS, judge_of
from chainrule.race.plan import seed_of_rows
from chainrule.race.request import check_support, seconds_of_race, start_of_race, tell_report
from chainrule.race.state import NOTHING, RaceListener, RaceState
from chainrule.tables.data import FitData, FitInput, checked, of_table
from chainrule.tables.exposure import BY_ROW, Exposure, as_rates
from chainrule.tables.numbers import NumericTargets, Targets
from chainrule.tables.rows import as_matrix, rows_of
from chainrule.tables.structure import RowValues
from chainrule.tables.times import EVENTS, MOMENTS, name_says


class MLPEstimator(CallbackSupportMixin, Fitted):  # type: ignore[misc]
    """Base class of the estimators: scikit-learn's parameters of its MLP, and further ones."""

    __metadata_request__fit: ClassVar = {"groups": True, "time": True}
    """what metadata routing passes on without `set_fit_request`: the groups of a splitter tie these rows too"""

    @with_callbacks  # type: ignore[untyped-decorator]
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        eval_set: Any = None,
        groups: RowValues | None = None,
        time: RowValues | None = None,
        exposure: Exposure | None = None,
        slopes: Any = None,
        slope_weight: Any = None,
        more: float | None = None,
        plan: Mapping[str, object] | None = None,
    ) -> Self:
        """Train on X and y, from new initial weights or with warm_start the current ones; return the estimator.

        X: (n, features) array, CSR or CSC matrix, data frame, or a `Source` such as `ParquetSource(files, target=...)`,
        which has its own targets and weights and is read block by block.
        y: (n,) labels or numbers, or (n, outputs); of a source None.
        sample_weight: (n,), the weight of each sample in the loss; None for 1 each.
        X_val, y_val: samples for validation after each epoch and for early_stopping, instead of a fraction of X.
        eval_set: the same as [(X_val, y_val)], as LightGBM and XGBoost take it; one pair.
        groups: (n,) the group of each row, such as a person, or the name of a column of X, which is then not an input.
        If a fraction of X is held out, it consists of whole groups.
        time: (n,) the time of each row, as numbers or dates, or the name of a column of X, which stays an input. The
        last rows are held out; with groups, the later rows of groups that are not trained on. See `gap`.
        exposure: (n,) numbers above 0, what each y is an amount of, such as the years of a policy, or the name of a
        column of X, which is then not an input. For losses with a logarithm: E y = exposure * exp(output), by which
        `chainrule.tables.exposure` says what is trained. A number is that of all rows.
        slopes: (n, columns), or (n, outputs, columns), the derivatives of y by the columns of X to train on as well, in
        their units; NaN where one is not known. Columns are prepared by preprocess=TablePreprocessor(scale="linear"),
        or not at all; without a preset.
        slope_weight: at least 0, the weight of the slopes in the loss, where that of the values is 1: a number, or one
        for each slope. `chainrule.network.objective` has the loss.
        more: the seconds by which to continue the race of the last fit of preset="best", on the same rows and with the
        same parameters; its networks are kept. Raises ConfigError without one, as after `load`.
        plan: the `plan_` of a fit of preset="best", which this one repeats to the bit on the same rows with the same
        parameters: no clock is read, and random_state and time_limit are not used.
        """
        is_new = more is None and plan is None
        if is_new:  # others are compared with the rows that they are again
            told = {"y": y, "sample_weight": sample_weight, "groups": groups, "time": time}
            hint_of_order(X, {**told, "exposure": exposure})
            if self.target_type is NumericTargets:
                hint_of_censoring(y)
        raced = NOTHING if is_new else start_of_race(self, self._result, more, plan)
        with self._check_and_tell():
            if eval_set is not None:
                X_val, y_val = checked_pair(eval_set, is_alone=X_val is None and y_val is None)
            given = FitInput(X, y, sample_weight, X_val, y_val, groups, time)
            if slopes is not None or slope_weight is not None:
                given = self._with_slopes(given, slopes, slope_weight)
            return self._fit(given if exposure is None else self._as_rates(given, exposure), raced=raced)

    @available_if(has_partial_fit)  # type: ignore[untyped-decorator]
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, exposure: Exposure | None = None
    ) -> Self:
        """Train for one epoch on X and y, continuing with the optimizer's state; return the estimator.

        exposure: as for `fit`; None for the column of the fit.
        """
        with self._check_and_tell():
            return self._fit(self._as_before(FitInput(X, y, sample_weight), exposure), incremental=True)

    def update(
        self,
        X: object,
        y: object,
        sample_weight: object = None,
        *,
        exposure: Exposure | None = None,
        epochs: int = 10,
        learning_rate: float = 2e-4,
    ) -> Self:
        """Go on learning from new rows, after a fit or from a file, all networks of preset="best" too; return self.

            estimator = MLPRegressor.load("prices.safetensors").update(X_of_may, y_of_may)
            estimator.updates_[-1].before, estimator.updates_[-1].after

        Columns are prepared as in the fit, whose scales and categories are kept: a new category counts as a rare one,
        or as missing. Each network trains for some epochs at a small rate on four fifths of the rows; as much of that
        is taken as is best on the other fifth, and nothing where nothing is better (`chainrule.estimators.base`
        has the formula). Whether the estimator is worse now for rows like those of its fit, it cannot know: score it
        on some that you kept. Intervals keep the calibration of the fit.

        X, y, sample_weight: at least 20 new rows, as for `fit`.  exposure: likewise; None for the column of the fit.
        epochs, learning_rate: of the training.
        Raises DataError for fewer rows, and for labels that the fit did not have.
        """
        begun = time.monotonic()
        going = Going(
            check_count(epochs, "epochs"), check_number(learning_rate, "learning_rate", above=0), begun
        )
        self._hold(updated(self, self._as_before(FitInput(X, y, sample_weight), exposure), going))
        return self

    def _as_rates(self, given: FitInput, exposure: Exposure) -> FitInput:
        """Return what a fit is given, with rates in place of amounts."""
        return as_rates(given, exposure, self.target_type, values_of(self))

    def _with_slopes(self, given: FitInput, slopes: Any, weight: Any) -> FitInput:
        """Return what a fit is given, with slopes. Raises ConfigError where they cannot be trained on."""
        wrong = {
            "slopes are of numbers, which MLPRegressor predicts; use it": self.target_type
            is not NumericTargets,
            "slopes need a table in memory, and X is a source; pass X and y": isinstance(given.X, Source),
            f"preset={self.preset!r} does not train on slopes; use preset=None": self.preset is not None,
        }
        for sentence, is_wrong in wrong.items():
            if is_wrong:
                raise ConfigError(f"{sentence}, or omit slopes.")
        if np.ndim(weight):
            weight = matched(weight, np.shape(slopes))
        return given._replace(slopes=slopes, slope_weight=weight)

    def _as_before(self, given: FitInput, exposure: Exposure | None) -> FitInput:
        """Return more rows for what is fitted, with rates in place of amounts if it predicts those."""
        fitted = None if self._result is None else self._result.exposure
        if exposure is not None:
            return self._as_rates(given, exposure)
        if fitted == BY_ROW:
            raise ConfigError("the fit had an exposure; pass exposure of these rows too.")
        return given if fitted is None else self._as_rates(given, fitted)

    def _fit(
        self,
        given: FitInput,
        *,
        incremental: bool = False,
        labels: Targets | None = None,
        conditions: Conditions = ALONE,
        raced: RaceState = NOTHING,
        listen: RaceListener | None = None,
    ) -> Self:
        """Fit one recipe, or several in a race, hold the result, and return the estimator.

        labels: those passed to a first `partial_fit`.
        raced, listen: as the start and the listener of `race.fit_several`.
        """
        request = self._make_request(given, incremental, labels, conditions, raced)
        request, is_race = read_rows(self, request), self.preset == BEST
        tasks = FitTasks(self) if self._has_tasks and not (incremental or is_race) else None
        title = "preparing the table" if is_race else f"{name_of(self)} · preparing"
        with progress.shown(title, self.verbose, request.limit, request.begun) as line:
            prepared = prepare(self, request)
            if is_race:
                from chainrule.race.race import fit_several

                result: FitResult = fit_several(self, prepared, raced, listen, line)
            else:
                result = fit_one(self, prepared, line, tasks)
            self._hold(prepared.described(result))
        if tasks is not None:
            tasks.finish()
        if isinstance(result, RaceResult):
            tell_report(self, result.report)
        warn_of(self._fitted)
        return self

    def _make_request(
        self,
        given: FitInput,
        incremental: bool,
        labels: Targets | None,
        conditions: Conditions,
        raced: RaceState,
    ) -> FitRequest:
        """Return what a fit is asked for. Raises DataError without y, and ConfigError for what does not go together."""
        begun, is_source = time.monotonic(), isinstance(given.X, Source)
        if given.y is None and not is_source:
            name = type(self).__name__
            raise DataError(
                f"This {name} estimator requires y to be passed, but the target y is None: call fit(X, y)."
            )
        if is_source and (given.groups is not None or given.time is not None):
            raise ConfigError(
                "groups and time need a table in memory, and X is a source that is read in pieces."
            )
        start = {name: self._given[name] for name in FIELDS if name in self._given}
        goes_on = incremental or self._trunk is not None or bool(start)
        request = FitRequest(
            given=given,
            begun=begun,
            limit=seconds_of_race(self, raced) if self.preset == BEST else self.time_limit,
            seed=seed_of_rows(self.random_state, raced.plan),
            rows=raced.rows,
            before=self._before(incremental),
            trunk=self._trunk,
            start=start,
            labels=labels,
            conditions=conditions._replace(may_deal=not (goes_on or is_source)),
            incremental=incremental,
        )
        if self.preset == BEST:
            check_support(self, request)
        else:
            hidden_sizes(self.hidden_layer_sizes)  # an error is raised before a large table is read
        return request

    def _before(self, incremental: bool) -> FitResult | None:
        """Return the result that a fit goes on from; None for a new one, as of a race."""
        if self.preset == BEST:
            return None
        before = self._result if self.warm_start or incremental else None
        return None if before is None else before.parts[0]

    @property
    def _has_tasks(self) -> bool:
        """Whether a callback of scikit-learn's protocol is told of epochs: its own, or of a search that fits it.

        A search hands its context to each estimator, also without callbacks; a task an epoch is a sixth of a short fit.
        """
        parent = getattr(self, "_parent_callback_ctx", None)
        return bool(getattr(self, "_skl_callbacks", None) or getattr(parent, "_callbacks", parent))

    def _check_and_tell(self) -> AbstractContextManager[None]:
        """Check the parameters, and return the context of a fit, whose beginning and end callbacks are told."""
        self._validate_params()
        return nullcontext() if self.callbacks is None else tell_of_fit(self)


def hint_of_order(X: object, told: Mapping[str, object]) -> None:
    """Hint that something told of each row has the index of the frame X in another order: only places are matched.

    told: by the name of the argument.
    """
    index = getattr(X, "index", None)
    if index is None or not hasattr(index, "equals"):
        return
    for name, values in told.items():
        own = getattr(values, "index", None)
        if own is None or not hasattr(own, "equals") or len(own) != len(index) or own.equals(index):
            continue
        if getattr(own, "nlevels", 1) != getattr(index, "nlevels", 1):
            continue  # one has several keys a row, which pandas does not look for in single ones
        if own.is_unique and index.is_unique and bool(own.isin(index).all()):
            hints.give(
                f"X and {name} have the same index in another order, and rows are matched by their place; pass "
                f"{name}.loc[X.index] if the index says which belong together, else {name}.to_numpy()."
            )


def hint_of_censoring(targets: object) -> None:
    """Warn of two targets that are a time and whether something happened then, as survival analysis has them.

    One of them has two values and the other no negative one. The names of both say so, or for a column of truth values
    one of the names; truth values in rows without names need none. Nothing is said of other targets with two values.
    """
    y: Any = targets
    names = [*map(str, getattr(y, "columns", ()))]
    try:
        has_rows = (
            not names and isinstance(y, (list, tuple)) and len(y) > 0 and isinstance(y[0], (list, tuple))
        )
        each = [y[name] for name in y.columns] if names else [*zip(*y, strict=True)] if has_rows else []
        columns = [np.asarray(column) for column in each if len(each) == 2]
        are_truths = any(column.dtype.kind == "b" for column in columns)
        columns = [column.astype(np.float64) for column in columns]
    except (TypeError, ValueError, KeyError):
        return
    have_two = [bool(np.isin(column, (0.0, 1.0)).all()) for column in columns if column.ndim == 1]
    if have_two not in ([True, False], [False, True]):
        return
    event, moment = have_two.index(True), have_two.index(False)
    says = [bool(names) and name_says(names[k], of) for k, of in ((event, EVENTS), (moment, MOMENTS))]
    if (columns[moment] >= 0).all() and (all(says) or (are_truths and (any(says) or not names))):
        shown = f" ({names[moment]}, {names[event]})" if names else ""
        hints.give(
            f"y has a time and whether something happened then{shown}, as in survival analysis: two numbers are "
            "predicted, each by itself. MLPSurvival predicts when it happens, and learns also from rows where it has "
            "not happened yet."
        )


def checked_pair(eval_set: Any, is_alone: bool) -> tuple[Any, Any]:
    """Return the samples and the targets of an `eval_set`. is_alone: whether X_val and y_val are not passed too.

    Raises ConfigError unless it is one pair, in a list or by itself, and alone.
    """
    if not is_alone:
        raise ConfigError("pass either eval_set=[(X_val, y_val)] or X_val and y_val, not both.")
    is_pair = isinstance(eval_set, tuple) and not all(isinstance(each, tuple) for each in eval_set)
    pairs = [eval_set] if is_pair or not isinstance(eval_set, (list, tuple)) else list(eval_set)
    if not pairs or not all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in pairs):
        raise ConfigError(
            "eval_set must be a list with one pair, [(X_val, y_val)], or that pair, not "
            f"{type(eval_set).__name__}{f' of {len(pairs)}' * isinstance(eval_set, (list, tuple))}."
        )
    if len(pairs) > 1:
        raise ConfigError(
            f"eval_set has {len(pairs)} pairs, and a fit validates on one; pass [(X_val, y_val)], and score(X, y) of "
            "the others after the fit."
        )
    X_val, y_val = pairs[0]
    return X_val, y_val


def fit_under(estimator: MLPEstimator, given: FitInput, conditions: Conditions) -> FitResult:
    """Fit an estimator under the conditions of a search or a race, and return its result."""
    with estimator._check_and_tell():
        return result_of(estimator._fit(given, conditions=conditions))


def fit_on(
    estimator: MLPEstimator, given: FitInput, raced: RaceState = NOTHING, listen: RaceListener | None = None
) -> FitResult:
    """Fit an estimator of preset="best", and return its result. raced: the `state` of a race that it goes on from.

    listen: called with each fit of the race as it ends.  See `race.fit_several`.
    """
    with estimator._check_and_tell():
        return result_of(estimator._fit(given, raced=raced, listen=listen))


# --- go on learning from new rows: a fitted estimator, also one from a file, becomes one of what came since its fit --
# Each network trains for a few epochs on the new rows at a small rate, with the columns, scales and labels of its fit,
# and is then mixed with itself as it was before:
#
#     theta = (1 - a) theta_before + a theta_trained
#
# Of the parts a in PARTS the smallest is taken whose loss on a fifth of the new rows, which is held out, is within a
# thousandth of the least. The rows of the fit are not there any more, so nobody can say what is forgotten of them; the
# small rate, the few epochs and the smallest part bound it, and a = 0 changes nothing where the new rows have nothing
# to teach.
#
# Source of the mixture: Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022.

PARTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""The parts of the trained parameters that are tried."""
MIN_ROWS, FOLDS = 20, 5
"""The fewest new rows; one in so many is held out."""


class Going(NamedTuple):
    """How an update trains."""

    epochs: int
    rate: float
    """the learning rate"""
    begun: float
    """the `time.monotonic()` from which a time limit counts"""


class Changed(NamedTuple):
    """A network before and after it was trained on new rows."""

    result: FitResult
    trained: Model | Ensemble
    held_out: Any
    """the inputs of the rows held out"""

    def mixed(self, part: float) -> FitResult:
        """Return the result with a part of what was trained."""
        if not part:
            return self.result
        made = copied_model(self.result.model)
        for own, new in zip(members_of(made), members_of(self.trained), strict=True):
            own.theta[...] = (1 - part) * own.theta + part * new.theta
            own.take(own.theta, new.states, (new.epochs_trained, new.steps_trained))
        return replace(self.result, model=made, rates=None, kept=self.result.calibration)


def updated(estimator: HoldsResult, given: FitInput, how: Going) -> FitResult:
    """Return the result of a fitted estimator that has learned from new rows; its own is not changed.

    Raises DataError for fewer than MIN_ROWS rows, and for labels that its fit did not have; ConfigError for terms.
    """
    result = result_of(estimator)
    if result.terms is not None:
        raise ConfigError(
            "update does not support preset='additive', whose terms are data; fit anew with all rows."
        )
    results = result.parts
    known: dict[int, FitData] = {}
    for each in results:
        if id(each.preprocessor) not in known:
            known[id(each.preprocessor)] = data_for(estimator, each, given)
    data = known[id(results[0].preprocessor)]
    n = data.samples.n
    if n < MIN_ROWS:
        raise DataError(f"an update needs at least {MIN_ROWS} rows, and these are {n}; wait for more.")
    random = check_random_state(estimator.random_state)
    out = deal(n, FOLDS, data.labels, random) == 0
    if not out.any():  # a label of its own is held out nowhere
        out = deal(n, FOLDS, None, random) == 0
    judge = judge_of(estimator, data, data.samples.y, data.samples.weight, np.flatnonzero(out))
    changed = [_changed(estimator, each, known[id(each.preprocessor)], out, how) for each in results]
    compared = _compared(result, given, np.flatnonzero(out))
    losses = [
        judge.mean_loss(judge.truth(_predicted(result, changed, part, estimator, compared))) for part in PARTS
    ]
    least = min(losses)
    chosen = next(k for k, loss in enumerate(losses) if loss <= least + SAME_LOSS * abs(least))
    record = UpdateRecord(n, int(out.sum()), how.epochs, PARTS[chosen], losses[0], losses[chosen])
    return _with(result, [each.mixed(PARTS[chosen]) for each in changed], record)


def data_for(estimator: HoldsResult, result: FitResult, given: FitInput) -> FitData:
    """Return new rows as a fitted network takes them: by the preprocessor and the targets of its fit."""
    parameters, kind = values_of(estimator), estimator.target_type
    if result.preprocessor is not None:
        return of_table(kind, given, parameters, result.preprocessor, result.targets)
    both = partial(as_matrix, estimator, reset=False)
    return checked(kind, given, parameters, both, lambda X: X, result.targets)


def _changed(
    estimator: HoldsResult, result: FitResult, data: FitData, out: NDArray[np.bool_], how: Going
) -> Changed:
    """Return a network trained on the rows that are not held out."""
    model = copied_model(result.model)
    samples: Samples = data.samples.take(np.flatnonzero(~out)).scaled(members_of(model)[0].target_scale)
    values: Mapping[str, Any] = values_of(estimator) | {"verbose": False, "callbacks": None, "schedule": None}
    own = {name: values[name] for name in defaults_of(Parameters)} | {"own_batches": False}
    plan = FitPlan(Parameters(**own), (), None, model.network.loss, {}, begun=how.begun)
    size = loop.batch_size(plan.parameters.batch_size, samples.n)
    loop.run(plan, model, Adam(how.rate), samples, None, size, how.epochs)
    return Changed(result, model, data.samples.X[np.flatnonzero(out)])


def _compared(result: FitResult, given: FitInput, rows: NDArray[np.int64]) -> NDArray[np.floating] | None:
    """Return some of the new rows as the lookup of a race takes them; None without one."""
    lookup = result.lookup
    return None if lookup is None else lookup.preprocessor.transform(rows_of(given.X, rows))


def _predicted(
    result: FitResult,
    changed: Sequence[Changed],
    part: float,
    estimator: HoldsResult,
    compared: NDArray[np.floating] | None,
) -> NDArray[np.float64]:
    """Return what the networks predict together for the rows held out: (n, outputs). compared: for a lookup."""
    each = [
        np.asarray(one.mixed(part).predicted(one.held_out, estimator.engine), np.float64) for one in changed
    ]
    return result.combined(each, compared)


def _with(result: FitResult, made: list[FitResult], record: UpdateRecord) -> FitResult:
    """Return the result with its networks replaced, and with the record of the update."""
    updates = (*result.updates, record)
    if not isinstance(result, RaceResult):
        return replace(made[0], updates=updates)
    parts = [
        part._replace(estimator=as_fitted(part.estimator, own), result=own)
        for part, own in zip(result.blend.parts, made, strict=True)
    ]
    blend = replace(result.blend, parts=parts)
    heaviest = replace(made[0], updates=updates, kept=result.calibration, exposure=result.exposure)
    return RaceResult.of(heaviest, blend, result.report)
