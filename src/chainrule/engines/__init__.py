"""Engines: ways to walk the chain. All compute what `chainrule.engines.step` says; they differ in speed."""

from __future__ import annotations

from chainrule.engines.base import Engine, Plan, Session, StepSettings
from chainrule.engines.native import NativeEngine
from chainrule.engines.reference import ReferenceEngine
from chainrule.errors import ConfigError
from chainrule.formulas.optimizers import Optimizer
from chainrule.network.network import Network

ENGINES: dict[str, Engine] = {"native": NativeEngine(), "reference": ReferenceEngine()}
"""In the order in which "auto" tries them."""

__all__ = [
    "ENGINES",
    "Engine",
    "NativeEngine",
    "Plan",
    "ReferenceEngine",
    "Session",
    "StepSettings",
    "select",
]


def select(name: str, network: Network, optimizer: Optimizer | None = None) -> Engine:
    """The engine of that name, or for "auto" the first one that runs this network and optimizer.

    Raises ConfigError where there is none of that name, or it cannot run this.
    """
    if name == "auto":
        return next(engine for engine in ENGINES.values() if engine.refusal(network, optimizer) is None)
    if name not in ENGINES:
        raise ConfigError(f"engine must be one of auto, {', '.join(ENGINES)}, not {name!r}.")
    reason = ENGINES[name].refusal(network, optimizer)
    if reason is not None:
        raise ConfigError(f"engine {name!r} cannot run this network: {reason}; use engine='auto'.")
    return ENGINES[name]
