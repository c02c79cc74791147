"""The objective over all samples and its gradient, evaluated by a solver at one theta after another."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.samples import Samples
from chainrule.engines import Engine, Plan, StepSettings
from chainrule.engines.step import gradient
from chainrule.errors import NonFiniteError
from chainrule.formulas.optimizers import SGD, SGDState
from chainrule.network import objective

CHUNK = 4096
"""The maximum samples in one pass; the weighted mean over the passes is the objective."""
SPY = SGD(momentum=0.5)
"""After a step with rate 0 from a velocity of 0, theta is unchanged, and the velocity is the gradient."""


class ByFormulas:
    """The objective by the formulas of the package, run by NumPy."""

    def __init__(self, plan: Plan, theta: NDArray[Any], states: dict[str, Any]) -> None:
        """Unflatten theta once: the views stay valid because theta is updated in place."""
        self.plan, self.states, self.next_states = plan, states, states
        self.params = plan.network.unflatten(theta)
        # Batch statistics are those of all samples at once, so such a network is computed in one piece.
        self.chunk = None if mixes_samples(plan) else CHUNK

    def __call__(self, samples: Samples) -> tuple[float, float, NDArray[np.float64]]:
        """Return the loss without the penalty, the penalty, and the gradient of both (size,)."""
        loss, g = 0.0, np.zeros(self.plan.network.size)
        with np.errstate(all="ignore"):  # a line search may try too large a step, and recovers
            penalty = float(self.plan.network.penalty(self.params))
            for rows, share in objective.pieces(samples.weight, self.chunk or samples.n):
                batch = samples.batch(rows, self.plan.dtype)
                found, part = gradient(self.plan, self.params, self.states, batch, 0)
                loss += share * (float(found.loss) - penalty)
                g += share * part
                self.next_states = found.states
        return loss, penalty, g


class ByEngine:
    """The same by an engine's steps, each with rate 0."""

    def __init__(
        self, engine: Engine, plan: Plan, theta: NDArray[Any], states: dict[str, Any], n: int
    ) -> None:
        """Make the session for n samples."""
        self.theta, self.next_states = theta, states
        plan = plan._replace(optimizer=SPY, batch_size=min(n, CHUNK))
        self.session = engine.session(plan, theta.copy(), states, SPY.init(theta), 0)
        self.formulas = ByFormulas(plan, theta, states)

    def __call__(self, samples: Samples) -> tuple[float, float, NDArray[np.float64]]:
        """Return the loss without the penalty, the penalty, and the gradient of both (size,)."""
        session, settings = self.session, StepSettings.of(np.zeros(1))
        session.synchronize()  # so that theta is read again
        session.theta[...] = self.theta
        total, penalty, g = 0.0, 0.0, np.zeros(len(self.theta))
        for rows, share in objective.pieces(samples.weight, CHUNK):
            chosen = np.arange(rows.start, min(rows.stop, samples.n))
            session.optimizer_state = SGDState(np.zeros_like(self.theta))
            session.row_sums[...] = 0
            try:
                session.steps(samples, chosen, settings, 1)
            except NonFiniteError:  # a line search may try too large a step, and recovers
                return self.formulas(samples)
            loss, penalty = (session.row_sums / len(chosen)).tolist()
            total += share * (loss - penalty)
            g += share * session.optimizer_state.v
        return total, penalty, g


def mixes_samples(plan: Plan) -> bool:
    """Return whether a sample's output depends on the other samples of its batch."""
    return any(link.layer.mixes_samples for link in plan.network.walk())
