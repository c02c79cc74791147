"""The score of an epoch that early stopping watches."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from chainrule.data.samples import Samples
from chainrule.engines import Plan, select
from chainrule.estimators.fit.plan import FitPlan
from chainrule.estimators.fit.result import FEW, FitResult
from chainrule.estimators.held import HoldsResult, as_fitted
from chainrule.estimators.scorers import HeldOutScorer
from chainrule.model import Model
from chainrule.training.run import Run


class Score:
    """The score of a network in training; higher is better, NaN where it has none.

    result: of the network.  validation: the samples that it is scored on.  given: their rows and targets as the user
    gave them, which a scorer sees.  estimator: the one whose parameters a scorer sees.
    """

    def __init__(
        self,
        plan: FitPlan,
        result: FitResult,
        validation: Samples,
        given: tuple[Any, Any],
        estimator: HoldsResult,
    ) -> None:
        """Keep them."""
        self.scoring, self.engine = plan.parameters.scoring, plan.parameters.engine
        self.result, self.validation, self.given, self.estimator = result, validation, given, estimator
        self.is_by_run: bool | None = None

    def __call__(self, run: Run) -> float:
        """Return the score of an epoch. Raises ConfigError where it cannot score such targets."""
        if self.scoring == "loss":
            return -float(run.logs["val_loss"])
        if self.scoring is None:
            return self.own(run)
        return self.scorer(self.result.predicted(self.validation.X, self.engine), self.others)

    @cached_property
    def scorer(self) -> HeldOutScorer:
        """The scorer of the rows."""
        return HeldOutScorer(self.scoring, self.result.targets, *self.given)

    @cached_property
    def others(self) -> HoldsResult:
        """What predicts other rows, should a function ask for them."""
        return as_fitted(self.estimator, self.result)

    def own(self, run: Run) -> float:
        """Return accuracy or R2, by the forward pass that the run has ready where prediction would have the same."""
        X, scale, model = self.validation.X, self.validation.scale, self.result.model
        if self.is_by_run is None:
            chosen = select(self.engine, Plan(model.network))
            self.is_by_run = isinstance(model, Model) and X.shape[0] > FEW and chosen is run.engine
        out = (
            run.walks.predict(run.theta, run.states, X)
            if self.is_by_run
            else self.result.outputs(X, self.engine)
        )
        if scale is not None and scale.clamps:
            out = scale.standardize(scale.clamp(scale.restore(out)))
        if not np.isfinite(out).all():
            return float("nan")
        return self.result.targets.score(model.network.loss, out, self.validation)
