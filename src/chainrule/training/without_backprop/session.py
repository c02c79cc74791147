"""A session whose steps are taken by a method, with the interface, records and checkpoints of an engine's session."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import states_in
from chainrule.data.samples import Samples
from chainrule.engines import Plan, StepSettings
from chainrule.engines.reference import ReferenceSession, is_finite
from chainrule.engines.step import by_parameter, correct, diagnosis, is_frozen
from chainrule.errors import ConfigError, NonFiniteError
from chainrule.formulas.clipping import clip_by_norm, clip_by_value
from chainrule.training.without_backprop.base import Estimator, Method, Search
from chainrule.training.without_backprop.landscape import Landscape


class MethodSession(ReferenceSession):
    """Training steps of a method, in NumPy. See `Session`; the fourth of its `sums` counts forward passes.

    An estimator's g is clipped and passed to the optimizer like a gradient. A search computes theta itself; its state
    replaces the optimizer's.
    """

    def __init__(
        self, plan: Plan, method: Method, theta: NDArray[Any], states: dict[str, Any], step_offset: int
    ) -> None:
        """Determine the trained elements of theta, and prepare the method. Raises ConfigError if not supported."""
        plan = plan._replace(frozen=plan.frozen | method.freezes(plan.network))
        trained = ~is_frozen(plan, theta) if len(theta) else theta
        if (rates := by_parameter(plan.network, "rate")) is not None:
            trained &= rates > 0
        self.method, self.trained = method, np.flatnonzero(trained)
        check(method, plan, len(self.trained))
        state = (
            method.init(theta[self.trained].astype(np.float64))
            if isinstance(method, Search)
            else plan.optimizer.init(theta)
        )
        super().__init__(plan, theta, states, state, step_offset)
        self.g[...] = 0
        self.sums = np.zeros(4)
        self.fixed = method.prepare(plan.network, plan.seed)

    def steps(self, samples: Samples, rows: NDArray[np.int64], settings: StepSettings, first: int) -> None:
        """Take the steps one by one. Raises NonFiniteError."""
        size = self.plan.batch_size
        for k, each in enumerate(zip(*(values.tolist() for values in settings), strict=True)):
            (lr, decay, dropout, penalty, smoothing), t = each, first + k
            with np.errstate(all="ignore"):  # overflow is detected and reported
                here = self.look(samples, rows[k * size : (k + 1) * size], t, dropout, penalty, smoothing)
                if not np.isfinite(here.value):
                    raise self.diagnosis(here, t, lr)
                self.advance(here, t, lr, decay)
                self.constrain(t, lr)
            self.states = states_in(self.plan.dtype, here.next_states)
            weight = float(here.batch.s.sum())
            n = len(here.batch.s)
            right = float(correct(self.plan.network.loss, here.out, here.batch.y, here.batch.s))
            self.sums += (here.value * weight, weight, right, here.passes)
            self.row_sums += (here.value * n, here.penalty * n)
            self.taken += 1

    def look(
        self,
        samples: Samples,
        rows: NDArray[np.int64],
        t: int,
        dropout: float = 1.0,
        penalty: float = 1.0,
        smoothing: float = 1.0,
    ) -> Landscape:
        """Return the landscape of these samples at step t."""
        batch, clock = samples.batch(rows, np.float64), self.step_offset + t
        return Landscape(
            self.plan,
            self.theta,
            self.states,
            batch,
            clock,
            self.trained,
            self.fixed,
            dropout,
            penalty,
            smoothing,
        )

    def advance(self, here: Landscape, t: int, lr: float, decay: float) -> None:
        """Take one step: update theta and the state in place."""
        if isinstance(self.method, Search):
            x, self.optimizer_state = self.method.move(here, self.optimizer_state)
            self.theta[self.trained] = x
            return
        assert isinstance(self.method, Estimator)
        self.g[self.trained] = self.method.estimate(here)
        if not is_finite(self.g):
            raise self.diagnosis(here, t, lr)
        g = self.g
        if self.plan.clip_value is not None:
            g = clip_by_value(g, self.plan.clip_value)
        if self.plan.clip_norm is not None:
            g = clip_by_norm(g, self.plan.clip_norm)
        self.update(g, lr, t, decay)

    def diagnosis(self, here: Landscape, t: int, lr: float) -> NonFiniteError:
        """Return the error that names the first non-finite value."""
        dropout = float(here.ctx.dropout)
        return diagnosis.of_gradient(
            self.plan,
            self.params,
            self.states,
            here.batch,
            self.step_offset,
            t,
            lr,
            dropout,
            here.factor,
            here.smoothing,
        )


def check(method: Method, plan: Plan, trained: int) -> None:
    """Check that the method supports the settings. Raises ConfigError."""
    if not trained:
        raise ConfigError(
            f"{method.kind} has nothing to train: all links with parameters are frozen, or there are none; "
            "unfreeze one."
        )
    method.check(plan.network, trained)
    if isinstance(method, Search):
        bounds = {
            "clip": plan.clip_norm is not None or plan.clip_value is not None,
            "max_norm": plan.network.max_norm is not None,
            "constraints": plan.network.bounds is not None,
        }
        for name, is_there in bounds.items():
            if is_there:
                raise ConfigError(f"{method.kind} takes its own steps and does not support {name}; omit it.")
