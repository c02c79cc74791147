"""The trainers that run the training loop: by the gradient, or by another method."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from numpy.typing import NDArray

from chainrule.core import hints
from chainrule.engines import Engine, Plan, native, select
from chainrule.errors import option
from chainrule.trained.evaluation import evaluate_outputs
from chainrule.training import loop
from chainrule.training.run import Run
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
        """Return the reference engine, for predictions; `settings.as_method` has rejected others."""
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
