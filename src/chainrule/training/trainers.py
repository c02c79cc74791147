"""Trainers beside the one by the gradient: by another method, or by a solver. Each makes its own session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from chainrule.engines import Engine, Plan, select
from chainrule.formulas.optimizers import AnyOptimizer, Solver
from chainrule.training import solver
from chainrule.training.loop import ByGradient, OfOneNetwork
from chainrule.training.run import Run, Trainer
from chainrule.training.solver import SPY, mixes_samples
from chainrule.training.without_backprop import Method


@dataclass(frozen=True)
class ByMethod(ByGradient):
    """The trainer by a method other than backpropagation, in NumPy."""

    method: Method

    def engine(self, name: str, plan: Plan) -> Engine:
        """Return the reference engine, for predictions; `settings.as_method` has rejected others."""
        return select("reference", plan)

    def session(
        self, engine: Engine, plan: Plan, theta: NDArray[Any], states: dict[str, Any], step_offset: int
    ) -> Any:
        """Make the method's session."""
        from chainrule.training.without_backprop import MethodSession

        return MethodSession(plan, self.method, theta, states, step_offset)


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
        return solver.FullBatch(engine, plan, theta, states, step_offset)

    def check(self, run: Run) -> None:
        """Check that the solver supports the plan."""
        solver.check(run.plan.network, run, self.solver)

    def train(self, run: Run) -> None:
        """Train by SciPy's iterations, each of which is an epoch."""
        solver.train(run, self.solver)


def trainer_for(optimizer: AnyOptimizer, method: Method | None) -> Trainer:
    """Return the trainer for an optimizer and a method; method None for backpropagation."""
    if isinstance(optimizer, Solver):
        return BySolver(optimizer)
    if method is None or method.kind == "backpropagation":
        return ByGradient()
    return ByMethod(method)
