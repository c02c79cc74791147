"""What the two estimators share: the fit from its arguments to its result."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, Self

from sklearn.utils.metaestimators import available_if

from chainrule.core.settings import check_count, check_number
from chainrule.data.source import Source
from chainrule.errors import ConfigError, DataError
from chainrule.estimators.fitted import Fitted
from chainrule.estimators.updating import Going, updated
from chainrule.fitting import progress
from chainrule.fitting.callbacks import CallbackSupportMixin, FitTasks, tell_of_fit, with_callbacks
from chainrule.fitting.fit import fit_one, name_of
from chainrule.fitting.held import result_of
from chainrule.fitting.parameters import has_partial_fit
from chainrule.fitting.plan import ALONE, Conditions
from chainrule.fitting.prepare import FitRequest, prepare, read_rows
from chainrule.fitting.result import FitResult
from chainrule.fitting.start import FIELDS
from chainrule.fitting.train import warn_of
from chainrule.presets import BEST
from chainrule.presets.layers import hidden_sizes
from chainrule.race import asked
from chainrule.race.blend import RaceResult
from chainrule.race.callbacks import tell_report
from chainrule.race.plan import seed_of_rows
from chainrule.race.state import NOTHING, RaceListener, RaceState
from chainrule.tables.data import FitInput
from chainrule.tables.numbers import NumericTargets, Targets, hint_of_censoring
from chainrule.tables.rows import hint_of_order
from chainrule.tables.structure import RowValues


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
        with self._check_and_tell():
            return self._fit(FitInput(X, y, sample_weight, X_val, y_val, groups, time), raced=raced)

    @available_if(has_partial_fit)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch on X and y, continuing with the optimizer's state; return the estimator."""
        with self._check_and_tell():
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
            limit=asked.seconds(self, raced) if self.preset == BEST else self.time_limit,
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
            asked.check(self, request)
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
