"""A fit of preset="additive" around its training: the pairs before it, and one network with its terms after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.errors import ConfigError
from chainrule.estimators.additive.merged import merged
from chainrule.estimators.additive.pairs import chosen
from chainrule.estimators.additive.reading import terms_of
from chainrule.estimators.fit.begin import begin
from chainrule.estimators.fit.data import FitData
from chainrule.estimators.fit.plan import Conditions, resolved
from chainrule.estimators.fit.result import FitResult
from chainrule.estimators.fit.train import Listeners, train
from chainrule.estimators.held import HoldsResult
from chainrule.estimators.tables.preprocessor import TablePreprocessor
from chainrule.formulas.losses import Loss

Prepare = Callable[[TablePreprocessor], FitData]
"""What makes the data of a fit by another preparation of its table."""


def check(
    estimator: HoldsResult, incremental: bool, has_trunk: bool, has_structure: bool, is_source: bool
) -> None:
    """Check that an estimator supports the preset. Raises ConfigError for what it does not.

    has_structure: whether rows have groups or times.  is_source: whether X is read in pieces.
    """
    if has_structure or is_source:
        what = "groups or time" if has_structure else "a source that is read in pieces"
        raise ConfigError(f"preset='additive' takes no {what} yet; use preset='fast'.")
    faults = {"warm_start=True": estimator.warm_start, "replace_head": has_trunk}
    for what, is_there in faults.items():
        if is_there:
            raise ConfigError(
                f"preset='additive' does not support {what}, because its members become one network at the end; fit "
                "anew, or use preset='fast'."
            )


def with_pairs(
    estimator: HoldsResult, data: FitData, prepare: Prepare, conditions: Conditions, begun: float
) -> FitData:
    """Return the data with the cells of the pairs that a fit of single columns leaves most to explain."""
    quiet = {"n_members": 1, "verbose": False, "callbacks": None, "refit": False}
    alone = type(estimator)(**{**estimator.get_params(deep=False), **quiet})
    # The state that is kept is of the fit with the pairs, whose data are others.
    plan = resolved(alone, data, conditions=conditions._replace(kept=None), begun=begun)
    result = train(plan, data, begin(plan, data), Listeners(alone))
    prepared = result.preprocessor
    assert prepared is not None, "a preset prepares a table"
    X = data.samples.X
    network: Any = result.model.network
    y, weight = data.samples.scaled(result.model.target_scale).targets_of()
    out = result.model.raw_outputs(X, estimator.engine, len(X)).astype(np.float64)
    loss: Loss = network.loss
    residual = -np.asarray(loss.gradient(out, y))
    allowed = None if plan.constraints is None else plan.constraints.paths(network.inputs)
    made = chosen(prepared, X, residual, weight, allowed)
    return data if not made.crossed_ else prepare(made)


def finished(result: FitResult, data: FitData) -> FitResult:
    """Return the result with one network in place of the members, and with its terms."""
    terms, model = terms_of(result, data.samples), merged(result.members)
    model.keep_history(result.model.history)
    return replace(result, model=model, rates=None, terms=terms)
