"""The registry of attribution methods, and one function that calls any of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import Any

from chainrule.core.arrays import RowsLike
from chainrule.data.checks import check_choice
from chainrule.data.frames import column_names
from chainrule.errors import ConfigError
from chainrule.inspection.attribution.deep_lift import NoRuleError, deep_lift, stand_in, with_rules
from chainrule.inspection.attribution.epsilon_lrp import epsilon_lrp
from chainrule.inspection.attribution.explained import attributed_links
from chainrule.inspection.attribution.gradients import input_x_gradient, integrated_gradients, saliency
from chainrule.inspection.attribution.occlusion import occlusion
from chainrule.inspection.attribution.result import Attribution
from chainrule.trained.trained import Trained

METHODS: dict[str, Callable[..., Attribution]] = {
    "saliency": saliency,
    "input_x_gradient": input_x_gradient,
    "integrated_gradients": integrated_gradients,
    "epsilon_lrp": epsilon_lrp,
    "deep_lift": deep_lift,
    "occlusion": occlusion,
}
"""Every method by name; the tests run over this table."""


def attribute(model: Trained, X: RowsLike, method: str | None = None, **settings: Any) -> Attribution:
    """Attribute with the method of this name; the settings are those of the method's function.

    method: None for `default_method`.
    """
    method = default_method(model, X, settings) if method is None else method
    function = check_choice(method, METHODS, "method")
    known = settings_of(method)
    unknown = [name for name in settings if name not in known]
    if unknown:
        raise ConfigError(f"{method} has no setting {unknown[0]}; its settings are {', '.join(known)}.")
    result: Attribution = function(model, X, **settings)
    return result


def settings_of(method: str) -> list[str]:
    """Return the names of a method's settings."""
    return [name for name in inspect.signature(METHODS[method]).parameters if name not in ("model", "X")]


def default_method(model: Trained, X: RowsLike, settings: Collection[str] = ()) -> str:
    """Return the default method: "deep_lift" for a table, otherwise "integrated_gradients".

    Both guarantee that the values add up to f(x) - f(b). Integrated gradients split the line from b to x at every kink
    of piecewise linear embeddings, hundreds per row; DeepLIFT takes one pass for all rows. A table is an input with
    column names. If DeepLIFT has no rule for a layer or lacks a setting, the default is the other method.
    """
    is_table = model.feature_names is not None or column_names(X) is not None
    if not is_table or not set(settings) <= set(settings_of("deep_lift")):
        return "integrated_gradients"
    return in_one_pass(model)


def in_one_pass(model: Trained) -> str:
    """Return "deep_lift", or "integrated_gradients" if a layer of the model has no DeepLIFT rule."""
    links = attributed_links(model.network)
    try:
        with_rules(links[1:] if links[0].layer.reads_codes else links, stand_in, "deep_lift")
    except NoRuleError:
        return "integrated_gradients"
    return "deep_lift"
