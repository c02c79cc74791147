"""What the two estimators share: the fit from its arguments to its result."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sklearn.utils.metaestimators import available_if

from chainrule.core.settings import check_count, check_number
from chainrule.data.source import Source
from chainrule.errors import ConfigError, DataError
from chainrule.estimators.fitted import Fitted
from chainrule.estimators.updating import Going, updated
from chainrule.fitting import additive as additive
from chainrule.fitting.begin import FitRequest, begin
from chainrule.fitting.from_source import Reading, read_source
from chainrule.fitting.held import result_of
from chainrule.fitting.in_time import rows_again, rows_in_time, warn_of_rows, with_members_in_time
from chainrule.fitting.parameters import has_partial_fit, is_stochastic, values_of
from chainrule.fitting.plan import (
    ALONE,
    Conditions,
    FitPlan,
    few_of,
    name_of_recipe,
    resolved,
    table_settings,
)
from chainrule.fitting.result import FitResult
from chainrule.fitting.start import FIELDS
from chainrule.fitting.train import Listeners, WholeFit, holdout_of, train, warn_of
from chainrule.presets import ADDITIVE, BEST
from chainrule.presets.layers import hidden_sizes
from chainrule.race import asked
from chainrule.race.callbacks import CallbackSupportMixin, Tasks, tell_report, told, with_callbacks
from chainrule.race.plan import RacePlan, seed_of_rows
from chainrule.race.state import NOTHING, RaceListener, RaceState
from chainrule.tables import reading
from chainrule.tables.data import (
    FitData,
    FitInput,
    checked,
    fitted_preprocessor,
    of_table,
    parted,
    structure_of,
)
from chainrule.tables.held_out import warn_of_lone_classes
from chainrule.tables.labels import Labels
from chainrule.tables.numbers import NumericTargets, Targets, hint_of_censoring
from chainrule.tables.preprocessor import TablePreprocessor
from chainrule.tables.reading import RawTable
from chainrule.tables.rows import as_matrix, hint_of_order
from chainrule.tables.sources import ReadTable
from chainrule.tables.structure import FREE, RowValues
from chainrule.training.callbacks import as_callbacks
from chainrule.trust import drift as drift
from chainrule.trust.notice import Notices
from chainrule.trust.notices import of_fit

if TYPE_CHECKING:
    from chainrule.fitting.progress import FitBar


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
        groups: RowValues | None = None,
        time: RowValues | None = None,
        more: float | None = None,
        plan: Mapping[str, object] | None = None,
    ) -> Self:
        """Train on X and y, from new initial weights or with warm_start the current ones; return the estimator.

        X: (n, features) array, CSR or CSC matrix, data frame, or a `Source` such as `ParquetSource(files, target=...)`,
        which has its own targets and weights and is read block by block.
        y: (n,) labels or numbers, or (n, outputs); of a source None.
        sample_weight: (n,), the weight of each sample in the loss; None for 1 each.
        X_val, y_val: samples for validation after each epoch and for early_stopping, instead of a fraction of X.
        groups: (n,) the group of each row, such as a person, or the name of a column of X, which is then not an input.
        If a fraction of X is held out, it consists of whole groups.
        time: (n,) the time of each row, as numbers or dates, or the name of a column of X, which stays an input. The
        last rows are held out; with groups, the later rows of groups that are not trained on. See `gap`.
        more: the seconds by which to continue the race of the last fit of preset="best", on the same rows and with the
        same parameters; its networks are kept. Raises ConfigError without one, as after `load`.
        plan: the `plan_` of a fit of preset="best", which this one repeats to the bit on the same rows with the same
        parameters: no clock is read, and random_state and time_limit are not used.
        """
        is_new = more is None and plan is None
        if is_new:  # others are compared with the rows that they are again
            hint_of_order(X, {"y": y, "sample_weight": sample_weight, "groups": groups, "time": time})
            if self.target_type is NumericTargets:
                hint_of_censoring(y)
        raced = NOTHING if is_new else asked.start(self, self._result, more, plan)
        with self._told():
            return self._fit(FitInput(X, y, sample_weight, X_val, y_val, groups, time), raced=raced)

    @available_if(has_partial_fit)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch on X and y, continuing with the optimizer's state; return the estimator."""
        with self._told():
            return self._fit(FitInput(X, y, sample_weight), incremental=True)

    def update(
        self,
        X: object,
        y: object,
        sample_weight: object = None,
        *,
        epochs: int = 10,
        learning_rate: float = 2e-4,
    ) -> Self:
        """Go on learning from new rows, after a fit or from a file, all networks of preset="best" too; return self.

            estimator = MLPRegressor.load("prices.safetensors").update(X_of_may, y_of_may)
            estimator.updates_[-1].before, estimator.updates_[-1].after

        Columns are prepared as in the fit, whose scales and categories are kept: a new category counts as a rare one,
        or as missing. Each network trains for some epochs at a small rate on four fifths of the rows; as much of that
        is taken as is best on the other fifth, and nothing where nothing is better (`chainrule.estimators.updating`
        has the formula). Whether the estimator is worse now for rows like those of its fit, it cannot know: score it
        on some that you kept. Intervals keep the calibration of the fit.

        X, y, sample_weight: at least 20 new rows, as for `fit`.  epochs, learning_rate: of the training.
        Raises DataError for fewer rows, and for labels that the fit did not have.
        """
        begun = time.monotonic()
        going = Going(
            check_count(epochs, "epochs"), check_number(learning_rate, "learning_rate", above=0), begun
        )
        self._hold(updated(self, FitInput(X, y, sample_weight), going))
        return self

    def _told(self) -> AbstractContextManager[None]:
        """Check the parameters, and return the context of a fit, whose beginning and end callbacks are told."""
        self._validate_params()
        return nullcontext() if self.callbacks is None else told(self)

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
        """Check the data, start or continue, and train; return the estimator.

        labels: those passed to a first `partial_fit`.  raced, listen: as the start and the listener of `race.fit`.
        """
        begun = time.monotonic()
        if given.y is None and not isinstance(given.X, Source):
            name = type(self).__name__
            raise DataError(
                f"This {name} estimator requires y to be passed, but the target y is None: call fit(X, y)."
            )
        start_values = {name: self._given[name] for name in FIELDS if name in self._given}
        is_begun = incremental or self._trunk is not None or bool(start_values)
        conditions = conditions._replace(may_deal=not (is_begun or isinstance(given.X, Source)))
        request = FitRequest(given, begun, self._before(incremental), labels, conditions, incremental)
        if isinstance(given.X, Source):
            if given.groups is not None or given.time is not None:
                raise ConfigError(
                    "groups and time need a table in memory, and X is a source that is read in pieces."
                )
            request = replace(request, given=self._read(request, raced.plan))
        request = self._structured(request)
        if self.preset == BEST:
            from chainrule.fitting import progress
            from chainrule.race import draw, race

            asked.check(self, incremental, self._trunk is not None, bool(start_values))
            limit = None if raced.plan else asked.seconds(self) if raced.more is None else raced.more
            with progress.of_race(self.verbose, limit, begun) as watch:
                request = self._in_time(request, raced)
                data = self._data(request)
                notices = self._notices(request, data, conditions.is_alone and request.is_early(limit))
                seen = drift.of_fit(data, conditions.is_alone)
                if conditions.is_alone and data.samples.n >= draw.MIN_ROWS_TO_RACE:
                    warn_of_lone_classes(data)
                found = race.fit(self, request.given, data, begun, raced, listen, watch)
                seen = drift.of_result(seen, data.raw, data, found.preprocessor)
                self._hold(replace(found, notices=notices, seen=seen))
                tell_report(as_callbacks(self.callbacks), found.report)
            if self.verbose:
                print(found.report)
            warn_of(self._fitted)
            return self
        hidden_sizes(self.hidden_layer_sizes)  # an error is raised before a large table is read
        before = request.before
        name = name_of_recipe(self.preset, self.preprocess) or "network"
        showing: AbstractContextManager[FitBar | None] = nullcontext()
        if self.verbose:
            from chainrule.fitting.progress import of_fit as bar_of

            showing = bar_of(self.verbose, name, self.time_limit, begun)
        with showing as bar:
            request = self._in_time(request)
            data = self._data(request)
            is_noticed = conditions.is_alone and not incremental
            notices = self._notices(request, data, is_noticed and request.is_early(self._limit))
            seen = drift.of_fit(data, is_noticed) if before is None else before.seen
            if self.preset == ADDITIVE:
                data = self._with_pairs(request, data)
            all_rows = data = replace(data, raw=None)  # nobody reads it any more
            table = request.given.X
            plan = resolved(
                self,
                data,
                incremental=incremental,
                conditions=conditions,
                trunk=self._trunk,
                begun=begun,
                members=None if before is None else len(before.members),
            )
            if is_noticed and plan.parameters.early_stopping and is_stochastic(plan.parameters):
                warn_of_lone_classes(data)
            whole = None
            if self._holds_out_apart(plan, data, before):
                whole = WholeFit(plan, data, begin(plan, data, None, start_values))
                split = holdout_of(plan, data)
                given = request.given.known_by(data.preprocessor).parted(split)
                request = replace(request, given=given)
                part = replace(request, labels=data.targets)
                data = parted(data, self._data_of(part, given), split)
                plan = resolved(self, data, conditions=conditions, begun=begun)
            if self.time_limit is not None and before is None and self._trunk is None:
                plan = with_members_in_time(plan, data)
            if bar is not None:
                plan = replace(plan, parameters=replace(plan.parameters, verbose=False))
            samples = data.samples
            watched = None
            if self._has_tasks and not incremental:
                weight = request.given.sample_weight
                watched = Tasks(self, plan.parameters.max_iter, samples.X, samples.y, weight)
            start = begin(plan, data, before, start_values, self._trunk)
            self._hold(start.result)  # for callbacks that read it, and for a fit that fails
            listeners = Listeners(self, tuple(each for each in (watched, bar) if each is not None))
            result = train(plan, data, start, listeners, whole)
            seen = drift.of_result(seen, table, all_rows, result.preprocessor)
            result = replace(result, notices=notices, seen=seen)
            self._hold(additive.finished(result, data) if self.preset == ADDITIVE else result)
        if watched is not None:
            watched.finish()
        warn_of(self._fitted)
        return self

    @property
    def _has_tasks(self) -> bool:
        """Whether a callback of scikit-learn's protocol is told of epochs: its own, or of a search that fits it.

        A search hands its context to each estimator, also without callbacks; a task an epoch is a sixth of a short fit.
        """
        parent = getattr(self, "_parent_callback_ctx", None)
        return bool(getattr(self, "_skl_callbacks", None) or getattr(parent, "_callbacks", parent))

    def _before(self, incremental: bool) -> FitResult | None:
        """Return the result that a fit goes on from; None for a new one, as of a race."""
        if self.preset == BEST:
            return None
        before = self._result if self.warm_start or incremental else None
        return None if before is None else before.parts[0]

    def _read(self, request: FitRequest, plan: RacePlan | None) -> FitInput:
        """Return what the fit is given, in memory, of a source."""
        learn = None if self.preprocess is None else partial(self._learned_by, request)
        is_race, limit = self.preset == BEST, self._limit
        seed = seed_of_rows(self.random_state, plan)
        how = Reading(seed, self.target_type is Labels, learn, is_race, limit, request.begun)
        return read_source(request.given, how)

    @property
    def _limit(self) -> float | None:
        """The seconds of a fit; None for any."""
        return asked.seconds(self) if self.preset == BEST else self.time_limit

    def _holds_out_apart(self, plan: FitPlan, data: FitData, before: FitResult | None) -> bool:
        """Return whether the rows held out, of other groups or later, are prepared as rows to predict will be."""
        holds_out = (
            plan.parameters.early_stopping and is_stochastic(plan.parameters) and not data.structure.is_free
        )
        deals = plan.proposal.folds is not None  # by which every row is learned from
        is_new = before is None and self._trunk is None
        return holds_out and not deals and data.preprocessor is not None and is_new

    def _structured(self, request: FitRequest) -> FitRequest:
        """Return a request with what ties its rows together."""
        if request.incremental:
            return request
        structure = structure_of(request.given, self.gap, self.preprocess is not None)
        return replace(request, structure=structure)

    def _in_time(self, request: FitRequest, raced: RaceState = NOTHING) -> FitRequest:
        """Return a request for only those rows of its table that its time limit leaves time to prepare.

        raced: the race that it goes on with or repeats, on the rows that it had.
        """
        given, limit = request.given, self._limit
        if raced is NOTHING and (limit is None or self.preprocess is None):
            return request  # for all of them
        drawn = seed_of_rows(self.random_state, raced.plan), self.target_type is Labels
        if raced.rows is not None:
            found = rows_again(given, raced.rows, *drawn)
        elif limit is None or self.preprocess is None:
            return request
        else:
            prepare = partial(self._data_of, request)
            found = rows_in_time(given, request.begun + limit, prepare, *drawn)
            if found is not given:
                warn_of_rows(limit, len(found.y), len(given.y))
        return request if found is given else self._structured(replace(request, given=found))

    def _data_of(self, request: FitRequest, given: FitInput) -> FitData:
        """Return the data of some rows of a request, which nothing ties together."""
        return self._data(replace(request, given=given, structure=FREE))

    def _data(self, request: FitRequest) -> FitData:
        """Check the data of a fit, and read and prepare a table."""
        given, before, structure = request.given, request.before, request.structure
        parameters, kind = values_of(self), self.target_type
        known, warm = request.labels if before is None else before.targets, self.warm_start
        if isinstance(read := given.X, ReadTable):
            data = of_table(kind, given, parameters, read.preprocessor, known, warm, read)
        elif self.preprocess is not None:
            table = reading.read(given.X)
            preprocessor = self._preprocessor(request, table)
            data = of_table(kind, given, parameters, preprocessor, known, warm, table)
        else:
            check = partial(as_matrix, self, reset=before is None)
            data = checked(kind, given, parameters, check, self._check_array, known, warm)
            if (names := getattr(self, "feature_names_in_", None)) is not None:
                data = replace(data, feature_names=names.tolist())
        return replace(data, structure=structure.checked(data.samples.n))

    def _notices(self, request: FitRequest, data: FitData, is_looked_for: bool) -> Notices:
        """Return what the fit notices of its table; what an earlier one noticed, if it goes on from that."""
        return (
            of_fit(request.given, data, is_looked_for) if request.before is None else request.before.notices
        )

    def _with_pairs(self, request: FitRequest, data: FitData) -> FitData:
        """Return the data of an additive fit with the pairs of columns that it chooses."""
        given, structured = request.given, not data.structure.is_free
        is_source = isinstance(given.X, ReadTable)
        additive.check(self, request.incremental, self._trunk is not None, structured, is_source)
        table = data.raw
        if table is None:  # which the plan refuses
            return data

        def prepare(made: TablePreprocessor) -> FitData:
            return of_table(self.target_type, given, values_of(self), made, read=table)

        return additive.with_pairs(self, data, prepare, request.conditions, request.begun)

    def _learned_by(self, request: FitRequest, given: FitInput) -> TablePreprocessor:
        """Return the preprocessor of a request, where it has to learn some rows of a source."""
        return self._preprocessor(replace(request, given=given), reading.read(given.X))

    def _preprocessor(self, request: FitRequest, table: RawTable) -> TablePreprocessor:
        """Return the preprocessor of the table: the earlier one, or one fitted to this table."""
        given, before = request.given, request.before
        if before is not None and before.preprocessor is not None:
            return before.preprocessor
        if self._trunk is not None and self._trunk.preprocessor is not None:
            return self._trunk.preprocessor
        of_few = few_of(self, given, request.conditions)
        settings = table_settings(self, request.conditions.variant, given.time is not None, of_few)
        y = self.target_type.read(given.y, is_new=before is None and request.labels is None)
        return fitted_preprocessor(self.preprocess, given, table, y, self.dtype, settings)


def fit_under(estimator: MLPEstimator, given: FitInput, conditions: Conditions) -> FitResult:
    """Fit an estimator under the conditions of a search or a race, and return its result."""
    with estimator._told():
        return result_of(estimator._fit(given, conditions=conditions))


def fit_on(
    estimator: MLPEstimator, given: FitInput, raced: RaceState = NOTHING, listen: RaceListener | None = None
) -> FitResult:
    """Fit an estimator of preset="best", and return its result. raced: the `state` of a race that it goes on from.

    listen: called with each fit of the race as it ends.  See `chainrule.race.race.fit`.
    """
    with estimator._told():
        return result_of(estimator._fit(given, raced=raced, listen=listen))
