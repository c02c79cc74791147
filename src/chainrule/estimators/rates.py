"""The optimizer of an estimator, and its learning rate from epoch to epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.formulas.optimizers import LBFGS, OPTIMIZERS, SGD, Adam, Optimizer, Solver
from chainrule.training.run import OptimizerState

SMALLEST_RATE = 1e-6
"""`learning_rate="adaptive"` ends the training below this rate."""


@dataclass
class RateControl:
    """An optimizer, its learning rate, and what it remembers for a `partial_fit` that continues."""

    optimizer: Optimizer
    learning_rate: float
    """the rate of the next epoch"""
    mode: str = "constant"
    """constant, invscaling or adaptive"""
    power: float = 0.5
    kept: OptimizerState | None = None

    def after_epoch(self, samples: int) -> None:
        """Set the rate of the next epoch for "invscaling"; samples: those seen so far."""
        if self.mode == "invscaling":
            self.learning_rate = self.optimizer.learning_rate / (samples + 1) ** self.power

    def at_plateau(self) -> bool:
        """Return whether to stop where the loss no longer falls; "adaptive" divides the rate by 5 instead."""
        if self.mode != "adaptive" or self.learning_rate <= SMALLEST_RATE:
            return True
        self.learning_rate /= 5.0
        return False


def is_stochastic(p: Any) -> bool:
    """Return whether to train by batches, from an estimator or `FitSettings`; a solver has no `partial_fit`."""
    if p.optimizer is not None:
        return not (isinstance(p.optimizer, Solver) or p.optimizer == LBFGS.kind)
    return bool(p.solver != "lbfgs")


def as_rates(p: Any) -> RateControl:
    """Return the optimizer that an estimator or `FitSettings` describe, at its start."""
    rate = float(p.learning_rate_init)
    if isinstance(p.optimizer, str):
        kind: Any = OPTIMIZERS[p.optimizer]
        return RateControl(kind(learning_rate=rate), rate)
    if p.optimizer is not None:
        return RateControl(p.optimizer, p.optimizer.learning_rate)
    if p.solver == "adam":
        made = Adam(rate, float(p.beta_1), float(p.beta_2), float(p.epsilon), uncorrected_eps=True)
        return RateControl(made, rate)
    momentum = min(float(p.momentum), np.nextafter(1.0, 0.0))  # 1 is allowed, and differs in no digit
    sgd = SGD(rate, momentum, nesterov=bool(p.nesterovs_momentum and momentum > 0))
    return RateControl(sgd, rate, p.learning_rate, float(p.power_t))
