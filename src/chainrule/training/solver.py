"""The training loop of a solver: SciPy's iterations over theta, each on all samples; an iteration is an epoch."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import Engine, Plan
from chainrule.errors import ConfigError, NonFiniteError, option
from chainrule.formulas.optimizers import Solver
from chainrule.network.network import Network
from chainrule.training.callbacks import Checkpoint
from chainrule.training.full_batch import ByEngine, ByFormulas
from chainrule.training.loop import finish_epoch, watching
from chainrule.training.run import Run, samples_of
from chainrule.training.settings import named

_ADAM = option("optimizer", "Adam", "adam")


class FullBatch:
    """The objective over all samples as a function of the trained parameters."""

    compiles = False

    def __init__(
        self, engine: Engine, plan: Plan, theta: NDArray[Any], states: dict[str, Any], step_offset: int
    ) -> None:
        """Store the run's arrays, and find the trained entries of theta."""
        self.engine, self.plan, self.theta, self.states = engine, plan, theta, states
        self.step_offset = step_offset
        self.sums, self.row_sums, self.optimizer_state = np.zeros(3), np.zeros(2), None
        self.find: ByFormulas | ByEngine | None = None
        is_trained = np.zeros(plan.network.size, np.bool_)  # (size,)
        for slot in plan.network.slots:
            is_trained[slot.start : slot.stop] = slot.link.name not in plan.frozen and slot.rate > 0
        self.trained = np.flatnonzero(is_trained)

    @property
    def next_states(self) -> dict[str, Any]:
        """The running statistics after the last evaluation."""
        return self.states if self.find is None else self.find.next_states

    def synchronize(self) -> None:
        """Do nothing: theta and the states are always current."""

    def value_and_gradient(self, x: NDArray[np.float64], run: Run) -> tuple[float, NDArray[np.float64]]:
        """Compute L and dL/dx at theta[trained] = x, in float64; `Run.reported` may replace L."""
        if self.find is None:
            self.find = (
                ByFormulas(self.plan, self.theta, self.states)
                if self.engine.name == "reference"
                else ByEngine(self.engine, self.plan, self.theta, self.states, run.samples.n)
            )
        self.theta[self.trained] = x
        loss, penalty, g = self.find(samples_of(run))
        value = loss + penalty if run.settings.reported is None else run.settings.reported(loss, penalty)
        return value, g[self.trained]


def check(network: Network, run: Run, solver: Solver) -> None:
    """Check that the objective is deterministic and its gradient unclipped, and that no checkpoints are written."""
    random = next((link.layer for link in network.walk() if link.layer.is_random), None)
    if random is not None:
        raise ConfigError(
            f"{named(solver)} needs the same objective at each evaluation, but {type(random).__name__} changes it; "
            f"use {_ADAM}."
        )
    if run.plan.clip_norm is not None or run.plan.clip_value is not None or network.max_norm is not None:
        raise ConfigError(
            f"{named(solver)} cannot clip gradients or bound norms, because its line search needs the true ones; "
            f"use {_ADAM}."
        )
    if network.bounds is not None:
        raise ConfigError(
            f"{named(solver)} does not keep the bounds of a network's constraints; use {_ADAM}."
        )
    if any(isinstance(callback, Checkpoint) for callback in run.settings.callbacks):
        raise ConfigError(
            f"{type(solver).__name__} cannot be resumed, because SciPy does not expose its state; "
            "drop Checkpoint, or use Adam."
        )


def train(run: Run, solver: Solver) -> None:
    """Run until the gradient is small, the line search fails, a callback stops it, or all iterations are done."""
    from scipy.optimize import minimize

    session: Any = run.session
    method: Any = solver.method
    options: Any = solver.options(run.epochs)
    start = time.perf_counter()

    def after_iteration(intermediate_result: Any) -> None:
        nonlocal start
        session.theta[session.trained] = intermediate_result.x
        session.states = session.next_states
        run.seconds = time.perf_counter() - start
        finish_epoch(run, {"loss": float(intermediate_result.fun)})
        start = time.perf_counter()
        if not np.isfinite(intermediate_result.fun):
            raise NonFiniteError(
                f"The loss is not finite at iteration {run.epoch}; scale the input.", run.epoch, "loss"
            )
        if run.history.stopped is not None:
            raise StopIteration

    with watching(run):
        if run.epochs == 0:  # SciPy would take one step
            return
        result = minimize(
            session.value_and_gradient,
            session.theta[session.trained].astype(np.float64),
            args=(run,),
            jac=True,
            method=method,
            callback=after_iteration,
            options=options,
        )
        session.theta[session.trained] = result.x
        if not np.isfinite(result.fun):
            raise NonFiniteError(
                f"The loss is not finite where {solver.title} begins; scale the input.", 1, "loss"
            )
        if run.history.stopped is None and run.epoch < run.epochs:
            run.stop(f"{solver.title} ended: {str(result.message).lower()}")
