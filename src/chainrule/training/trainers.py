"""The trainers of a run: by the gradient, by another method, or by a solver."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core import hints
from chainrule.data.samples import Samples
from chainrule.engines import Engine, Plan, StepSettings, native, select
from chainrule.engines.step import gradient
from chainrule.errors import ConfigError, NonFiniteError, option
from chainrule.formulas.optimizers import SGD, AnyOptimizer, SGDState, Solver
from chainrule.trained.evaluation import evaluate_outputs
from chainrule.training import loop
from chainrule.training.callbacks import Checkpoint
from chainrule.training.loop import finish_epoch, watching
from chainrule.training.options import named
from chainrule.training.run import Run, Trainer, samples_of
from chainrule.training.without_backprop import Method


class OfOneNetwork:
    """The methods shared by the trainers of one network."""

    def validate(self, run: Run) -> dict[str, float]:
        """Compute the loss and the metrics of the validation samples."""
        theta, states, samples = run.session.theta, run.session.states, run.validation
        assert samples is not None
        out, samples = samples.evaluated(lambda X: run.walks.predict(theta, states, X))
        return evaluate_outputs(run.plan.network, theta, out, samples, run.settings.metrics)

    def identity(self) -> dict[str, Any]:
        """Return {}: the optimizer and the method are known."""
        return {}


@dataclass(frozen=True)
class ByGradient(OfOneNetwork):
    """The trainer by gradient: the optimizer's steps on an engine."""

    def engine(self, name: str, plan: Plan) -> Engine:
        """Return the engine of that name, or for "auto" the first that can run the plan."""
        if name == "auto" and native.REASON is not None:
            say_once(native.REASON)
        return select(name, plan)

    def session(
        self, engine: Engine, plan: Plan, theta: NDArray[Any], states: dict[str, Any], step_offset: int
    ) -> Any:
        """Make the engine's session."""
        return engine.session(plan, theta, states, plan.optimizer.init(theta), step_offset)

    def check(self, run: Run) -> None:
        """Do nothing: the engine has checked the plan."""

    train = staticmethod(loop.train)
    """train(run): for epochs of shuffled batches"""


@dataclass(frozen=True)
class ByMethod(ByGradient):
    """The trainer by a method other than backpropagation, in NumPy."""

    method: Method

    def engine(self, name: str, plan: Plan) -> Engine:
        """Return the reference engine, for predictions; `arguments.as_method` has rejected others."""
        return select("reference", plan)

    def session(
        self, engine: Engine, plan: Plan, theta: NDArray[Any], states: dict[str, Any], step_offset: int
    ) -> Any:
        """Make the method's session."""
        from chainrule.training.without_backprop import MethodSession

        return MethodSession(plan, self.method, theta, states, step_offset)


@cache
def say_once(reason: str) -> None:
    """Warn once per process that the reference engine trains because the native one was not built."""
    reference = option("engine", "engine='reference'", "reference")
    hints.give(
        f"training runs on the reference engine, which is slower than the native one: {reason}; "
        f"pass {reference} where that is meant."
    )


# --- by a solver: SciPy's iterations over theta, each an epoch, and the objective over all samples

CHUNK = 4096
"""The maximum samples in one pass; the weighted mean over the passes is the objective."""
SPY = SGD(momentum=0.5)
"""After a step with rate 0 from a velocity of 0, theta is unchanged, and the velocity is the gradient."""


def pieces(weight: NDArray[np.float64], size: int) -> Iterator[tuple[slice, float]]:
    """Split samples with weights (n,) into pieces of at most `size`: rows and share of the total weight.

    L of all samples is the sum of share * L over the pieces, because the shares add up to 1.
    """
    total = float(weight.sum())
    for start in range(0, len(weight), size):
        rows = slice(start, start + size)
        yield rows, float(weight[rows].sum()) / total


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
            for rows, share in pieces(samples.weight, self.chunk or samples.n):
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
        for rows, share in pieces(samples.weight, CHUNK):
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


@dataclass(frozen=True)
class BySolver(OfOneNetwork):
    """The trainer by a solver, run by SciPy, which evaluates the objective and its gradient on an engine."""

    solver: Solver

    def engine(self, name: str, plan: Plan) -> Engine:
        """Return the engine of that name, or for "auto" the first for the plan; the reference with batch statistics.

        Those are statistics of all samples at once, which native steps on some of them cannot compute.
        """
        return select("reference" if mixes_samples(plan) else name, plan._replace(optimizer=SPY))

    def session(
        self, engine: Engine, plan: Plan, theta: NDArray[Any], states: dict[str, Any], step_offset: int
    ) -> Any:
        """Make the session, which computes the objective of all samples and its gradient."""
        return FullBatch(engine, plan, theta, states, step_offset)

    def check(self, run: Run) -> None:
        """Check that the objective is deterministic and its gradient unclipped, and that no checkpoints are written."""
        network, solver = run.plan.network, self.solver
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

    def train(self, run: Run) -> None:
        """Run until the gradient is small, the line search fails, a callback stops it, or all iterations are done."""
        from scipy.optimize import minimize

        solver = self.solver
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


# --- the trainer of a run


def trainer_for(optimizer: AnyOptimizer, method: Method | None) -> Trainer:
    """Return the trainer for an optimizer and a method; method None for backpropagation."""
    if isinstance(optimizer, Solver):
        return BySolver(optimizer)
    if method is None or method.kind == "backpropagation":
        return ByGradient()
    return ByMethod(method)
