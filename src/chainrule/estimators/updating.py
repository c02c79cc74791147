"""Go on learning from new rows: a fitted estimator, also one from a file, becomes one of what came since its fit.

Each network trains for a few epochs on the new rows at a small rate, with the columns, scales and labels of its fit,
and is then mixed with itself as it was before:

    theta = (1 - a) theta_before + a theta_trained

Of the parts a in PARTS the smallest is taken whose loss on a fifth of the new rows, which is held out, is within a
thousandth of the least. The rows of the fit are not there any more, so nobody can say what is forgotten of them; the
small rate, the few epochs and the smallest part bound it, and a = 0 changes nothing where the new rows have nothing to
teach.

Source of the mixture: Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from chainrule.data.samples import Samples
from chainrule.errors import ConfigError, DataError
from chainrule.fitting import loop
from chainrule.fitting.dealing import deal
from chainrule.fitting.held import HoldsResult, as_fitted, result_of
from chainrule.fitting.parameters import Parameters, defaults_of, values_of
from chainrule.fitting.plan import FitPlan
from chainrule.fitting.result import FitResult, UpdateRecord
from chainrule.fitting.start import copied_model, members_of
from chainrule.formulas.optimizers import Adam
from chainrule.model import Ensemble, Model
from chainrule.race.blend import RaceResult
from chainrule.race.judge import SAME_LOSS, judge_of
from chainrule.tables.data import FitData, FitInput, checked, of_table
from chainrule.tables.rows import as_matrix, rows_of

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
    heaviest = replace(made[0], updates=updates, kept=result.calibration)
    return RaceResult.of(heaviest, blend, result.report)
