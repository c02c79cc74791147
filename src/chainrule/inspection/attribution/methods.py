"""The registry of attribution methods, and one function that calls any of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from chainrule.data.checks import check_choice
from chainrule.errors import ConfigError
from chainrule.inspection.attribution.deep_lift import deep_lift
from chainrule.inspection.attribution.epsilon_lrp import epsilon_lrp
from chainrule.inspection.attribution.input_x_gradient import input_x_gradient
from chainrule.inspection.attribution.integrated_gradients import integrated_gradients
from chainrule.inspection.attribution.occlusion import occlusion
from chainrule.inspection.attribution.result import Attribution
from chainrule.inspection.attribution.saliency import saliency
from chainrule.trained.trained import Trained

METHODS: dict[str, Callable[..., Attribution]] = {
    "saliency": saliency,
    "input_x_gradient": input_x_gradient,
    "integrated_gradients": integrated_gradients,
    "epsilon_lrp": epsilon_lrp,
    "deep_lift": deep_lift,
    "occlusion": occlusion,
}
"""Every method by its name; the tests run over this table."""


def attribute(model: Trained, X: Any, method: str = "integrated_gradients", **settings: Any) -> Attribution:
    """Attribute by one method, by its name; the settings are those of the method's function."""
    function = check_choice(method, METHODS, "method")
    known = [name for name in inspect.signature(function).parameters if name not in ("model", "X")]
    unknown = [name for name in settings if name not in known]
    if unknown:
        raise ConfigError(f"{method} takes no {unknown[0]}; its settings are {', '.join(known)}.")
    found: Attribution = function(model, X, **settings)
    return found
