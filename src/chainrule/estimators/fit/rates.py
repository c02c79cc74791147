"""The optimizer of an estimator, and its learning rate from epoch to epoch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from chainrule.estimators.parameters import Parameters
from chainrule.estimators.recipes import ADDITIVE, BEST
from chainrule.formulas.optimizers import LBFGS, OPTIMIZERS, SGD, Adam, Optimizer, Solver
from chainrule.training.run import OptimizerState, Run

SMALLEST_RATE = 1e-6
"""`learning_rate="adaptive"` ends the training below this rate."""
WHOLE_FITS = {ADDITIVE: "its members become one network at the end", BEST: "it trains several networks"}
"""Why there is no `partial_fit` with a preset."""


class Remembered(NamedTuple):
    """What an optimizer remembers, where the session that had it is no longer needed."""

    optimizer_state: Any


@dataclass
class RateControl:
    """An optimizer, its learning rate, and what it remembers for a `partial_fit` that continues."""

    optimizer: Optimizer
    learning_rate: float
    """the rate of the next epoch"""
    mode: str = "constant"
    """constant, invscaling or adaptive"""
    power: float = 0.5
    session: Any = None
    """the last fit's session, which is over, or what it remembers; None before the first"""
    steps: int = 0
    """the steps that the optimizer has taken"""

    @property
    def kept(self) -> OptimizerState | None:
        """What the optimizer remembers, read from the session when it is first asked for; None before the first fit."""
        if self.session is None:
            return None
        self.session = Remembered(self.session.optimizer_state)
        return OptimizerState(self.session.optimizer_state, self.steps)

    def keep(self, run: Run) -> None:
        """End the session of a run. Its engine may keep what the optimizer remembers, which most fits never ask for."""
        run.synchronize()
        self.session, self.steps = run.session, run.steps_before + run.step
        if hasattr(run.session, "end"):
            run.session.end()
        else:
            self.session = Remembered(run.session.optimizer_state)

    def forget(self) -> None:
        """Begin anew with what the optimizer remembers."""
        self.session = None

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes, with what the optimizer remembers in place of the session."""
        session = None if self.kept is None else self.session
        return {field.name: getattr(self, field.name) for field in fields(self)} | {"session": session}

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


def is_stochastic(p: Parameters) -> bool:
    """Return whether to train by batches; a solver has no `partial_fit`."""
    if p.optimizer is not None:
        return not (isinstance(p.optimizer, Solver) or p.optimizer == LBFGS.kind)
    return bool(p.solver != "lbfgs")


def has_partial_fit(p: Parameters) -> bool:
    """Return True for an estimator that has a `partial_fit`. Raises AttributeError for one with a solver, and a sum."""
    if p.preset in WHOLE_FITS:
        raise AttributeError(
            f"preset={p.preset!r} does not support partial_fit, because {WHOLE_FITS[p.preset]}; fit anew, or use "
            "preset='fast'."
        )
    if not is_stochastic(p):
        raise AttributeError(
            f"partial_fit is only available for stochastic optimizers. {p.solver} is not stochastic."
        )
    return True


def as_rates(p: Parameters) -> RateControl:
    """Return the optimizer that the parameters describe, at its start."""
    rate = float(p.learning_rate_init)
    if isinstance(p.optimizer, str):
        kind: Any = OPTIMIZERS[p.optimizer]
        return RateControl(kind(learning_rate=rate), rate)
    if p.optimizer is not None:
        assert isinstance(p.optimizer, Optimizer), "a solver has no rates"
        return RateControl(p.optimizer, p.optimizer.learning_rate)
    if p.solver == "adam":
        made = Adam(rate, float(p.beta_1), float(p.beta_2), float(p.epsilon), uncorrected_eps=True)
        return RateControl(made, rate)
    momentum = min(float(p.momentum), np.nextafter(1.0, 0.0))  # 1 is allowed, and differs in no digit
    sgd = SGD(rate, momentum, nesterov=bool(p.nesterovs_momentum and momentum > 0))
    return RateControl(sgd, rate, p.learning_rate, float(p.power_t))
