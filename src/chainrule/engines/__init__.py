"""Engines: interchangeable implementations of prediction and of the training step in `chainrule.engines.step`."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from chainrule.engines.native import NativeEngine
from chainrule.engines.reference import ReferenceEngine
from chainrule.engines.step.base import Engine, ForwardWalk, ForwardWalks, Plan, Session, StepSettings
from chainrule.engines.xla.engine import XlaEngine
from chainrule.errors import ConfigError, instead, option

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
    "check_precision",
    "select",
]


def check_precision(precision: object, dtype: DTypeLike) -> None:
    """Raise ConfigError unless precision is "bf16" or None and suits the model's dtype."""
    if precision is None:
        return
    if precision == "int8":
        name = option("precision", "precision 'int8'", "int8")
        raise ConfigError(f"{name} is for predictions of a trained model; train with bf16, or omit it.")
    if precision != "bf16":
        known = instead("'bf16', 'int8' to predict, or None for the model's own", "bf16, or int8 to predict")
        raise ConfigError(f"{option('precision')} must be {known}, not {precision!r}.")
    if np.dtype(dtype) != np.float32:
        name = option("precision", "precision 'bf16'", "bf16")
        raise ConfigError(f"{name} needs a float32 model, not {np.dtype(dtype)}; omit it.")


def select(name: str, plan: Plan) -> Engine:
    """Return the engine of that name, or for "auto" the first one that supports the plan.

    Raises ConfigError for an unknown name, for an engine that does not support the plan, and as `check_precision`.
    """
    check_precision(plan.precision, plan.dtype)
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
