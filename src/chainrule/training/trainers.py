"""Ways to train: by the gradient on an engine, by another method, or by a solver. Each makes its own session."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from numpy.typing import NDArray

from chainrule.engines import Engine, Plan, native, select
from chainrule.formulas.optimizers import AnyOptimizer, Solver
from chainrule.training import loop, solver
from chainrule.training.run import Run
from chainrule.training.without_backprop import Method


class Trainer(Protocol):
    """A way to train."""

    def engine(self, name: str, plan: Plan) -> Engine:
        """The engine that walks the network, where the user asks for one of that name. Raises ConfigError."""
        ...

    def session(
        self, engine: Engine, plan: Plan, theta: NDArray[Any], states: dict[str, Any], step_offset: int
    ) -> Any:
        """What takes the steps: it trains theta in place."""
        ...

    def check(self, run: Run) -> None:
        """Raise ConfigError where the run asks for what this cannot do."""
        ...

    def train(self, run: Run) -> None:
        """Advance a run, fresh or resumed, to its end."""
        ...


@dataclass(frozen=True)
class ByGradient:
    """The optimizer's steps along the gradient, on the engine that the user names."""

    def engine(self, name: str, plan: Plan) -> Engine:
        """The one of that name, or the first that can run the plan."""
        if name == "auto" and native.REASON is not None:
            say_once(native.REASON)
        return select(name, plan)

    def session(
        self, engine: Engine, plan: Plan, theta: NDArray[Any], states: dict[str, Any], step_offset: int
    ) -> Any:
        """The engine's."""
        return engine.session(plan, theta, states, plan.optimizer.init(theta), step_offset)

    def check(self, run: Run) -> None:
        """Refuses nothing: the engine has seen the plan."""

    def train(self, run: Run) -> None:
        """Epochs of shuffled batches."""
        loop.train(run)


@dataclass(frozen=True)
class ByMethod(ByGradient):
    """A method other than backpropagation, in NumPy."""

    method: Method

    def engine(self, name: str, plan: Plan) -> Engine:
        """The reference engine, which predicts; `settings.as_method` has refused others."""
        return select("reference", plan)

    def session(
        self, engine: Engine, plan: Plan, theta: NDArray[Any], states: dict[str, Any], step_offset: int
    ) -> Any:
        """The method's own."""
        from chainrule.training.without_backprop import MethodSession

        return MethodSession(plan, self.method, theta, states, step_offset)


@dataclass(frozen=True)
class BySolver:
    """A solver, run by SciPy on the reference engine."""

    solver: Solver

    def engine(self, name: str, plan: Plan) -> Engine:
        """The reference engine, whatever the name: SciPy asks for a function and its gradient in NumPy."""
        return select("reference", plan)

    def session(
        self, engine: Engine, plan: Plan, theta: NDArray[Any], states: dict[str, Any], step_offset: int
    ) -> Any:
        """All samples as one function of theta."""
        return solver.FullBatch(plan, theta, states, step_offset)

    def check(self, run: Run) -> None:
        """Check that the plan suits the solver."""
        solver.check(run.plan.network, run, self.solver)

    def train(self, run: Run) -> None:
        """SciPy's iterations, each an epoch."""
        solver.train(run, self.solver)


@cache
def say_once(reason: str) -> None:
    """Warn, once a process, that a training goes the slow way."""
    warnings.warn(
        f"training runs on the reference engine, which is slower than the native one: {reason}; "
        "install a compiler and the package again, or pass engine='reference'.",
        stacklevel=5,
    )


def trainer_for(optimizer: AnyOptimizer, method: Method | None) -> Trainer:
    """How to train with an optimizer and a method; None for backpropagation."""
    if isinstance(optimizer, Solver):
        return BySolver(optimizer)
    if method is None or method.kind == "backpropagation":
        return ByGradient()
    return ByMethod(method)
