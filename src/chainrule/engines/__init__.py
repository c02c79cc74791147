"""Engines: interchangeable implementations of prediction and of the training step in `chainrule.engines.step`."""

from __future__ import annotations

from chainrule.engines.native import NativeEngine
from chainrule.engines.reference import ReferenceEngine
from chainrule.engines.step.base import Engine, ForwardWalk, ForwardWalks, Plan, Session, StepSettings
from chainrule.engines.xla.engine import XlaEngine
from chainrule.errors import ConfigError, option

ENGINES: dict[str, Engine] = {
    engine.name: engine for engine in (NativeEngine(), ReferenceEngine(), XlaEngine())
}
"""All engines, in the order in which "auto" tries them."""

__all__ = [
    "ENGINES",
    "Engine",
    "ForwardWalk",
    "ForwardWalks",
    "NativeEngine",
    "Plan",
    "ReferenceEngine",
    "Session",
    "StepSettings",
    "XlaEngine",
    "select",
]


def select(name: str, plan: Plan) -> Engine:
    """Return the engine of that name, or for "auto" the first one that supports the plan.

    Raises ConfigError for an unknown name, and for an engine that does not support the plan.
    """
    if name == "auto":
        reasons = {}
        for engine in ENGINES.values():
            reason = engine.refusal(plan)
            if reason is None:
                return engine.on(plan.device)
            reasons[engine.name] = reason
        why = "; ".join(f"{name}, because {reason}" for name, reason in reasons.items())
        raise ConfigError(f"no engine supports this: {why}; remove what the last one does not support.")
    if name not in ENGINES:
        raise ConfigError(f"{option('engine')} must be one of auto, {', '.join(ENGINES)}, not {name!r}.")
    reason = ENGINES[name].refusal(plan)
    if reason is not None:
        asked, auto = option("engine", f"engine {name!r}", name), option("engine", "engine='auto'", "auto")
        raise ConfigError(f"{asked} cannot run this network: {reason}; use {auto}.")
    return ENGINES[name].on(plan.device)
