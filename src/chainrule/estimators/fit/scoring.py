"""The score of an epoch that early stopping watches."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.data.samples import Samples
from chainrule.engines import Plan, select
from chainrule.errors import ConfigError
from chainrule.estimators.fit.plan import FitPlan
from chainrule.estimators.fit.result import FEW, FitResult
from chainrule.estimators.held import HoldsResult, as_fitted
from chainrule.estimators.labels import Labels
from chainrule.model import Model
from chainrule.training.run import Run


class Score:
    """The score of a network in training; higher is better, NaN where it has none.

    result: of the network.  validation: the samples that it is scored on.  y: their targets as the user gave them.
    estimator: the one whose parameters a scorer sees.
    """

    def __init__(
        self, plan: FitPlan, result: FitResult, validation: Samples, y: Any, estimator: HoldsResult
    ) -> None:
        """Keep them."""
        self.scoring, self.engine = plan.parameters.scoring, plan.parameters.engine
        self.result, self.validation, self.y, self.estimator = result, validation, y, estimator
        self.is_by_run: bool | None = None

    def __call__(self, run: Run) -> float:
        """Return the score of an epoch.

        By a scorer's name the second of two labels is the positive class, unless there is a 1, as in scikit-learn.
        Raises ConfigError where it cannot score such targets.
        """
        if self.scoring == "loss":
            return -float(run.logs["val_loss"])
        if self.scoring is None:
            return self.own(run)
        from sklearn.metrics import check_scoring

        inner, y = self.scored
        with warnings.catch_warnings():  # arrays are scored, and the names of columns are known to match
            warnings.filterwarnings("ignore", "X does not have valid feature names")
            scorer = check_scoring(inner, self.scoring)
            if not isinstance(self.scoring, str):
                return float(scorer(inner, self.validation.X, y))
            try:
                return float(scorer(inner, self.validation.X, y))
            except ValueError as error:
                said = f"{error}".partition("\n")[0].rstrip(".")
                raise ConfigError(
                    f"scoring={self.scoring!r} cannot score these targets ({said}); name another, as 'f1_macro' or "
                    "'roc_auc_ovr' for more than two classes, or pass a function."
                ) from error

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

    @cached_property
    def scored(self) -> tuple[HoldsResult, Any]:
        """What a scorer is called with: the estimator for samples that are prepared already, and its targets.

        For a scorer's name two labels of which none is 1 are 0 and 1.
        """
        result, y, labels = replace(self.result, preprocessor=None), self.y, self.result.targets
        if isinstance(self.scoring, str) and isinstance(labels, Labels) and labels.are_two_without_1:
            result = replace(result, targets=replace(labels, classes=np.arange(2)))
            y = (np.asarray(y) == labels.classes[1]).astype(np.int64)
        return as_fitted(self.estimator, result, preprocess=None), y
