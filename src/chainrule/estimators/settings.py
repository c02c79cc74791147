"""What a fit is done by: the estimator's parameters, and what a recipe sets of those that are at their defaults.

They are put together once, when the samples are checked, and do not change while the estimator trains. The estimator's
own parameters are only read: whoever looks at it, clones it or fails in it meanwhile finds what its user gave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from chainrule.errors import ConfigError
from chainrule.estimators import preprocessing, recipe
from chainrule.estimators.rates import is_stochastic
from chainrule.formulas.layers import Layer

PRESETS: dict[str, recipe.Recipe] = {"fast": recipe.fast}
"""The recipes, by the name that `preset` has for them."""
DEFAULT = "fast"
"""The one of preprocess="auto" alone."""
OPTIMIZING = (
    *("solver", "alpha", "learning_rate", "learning_rate_init", "power_t", "momentum", "nesterovs_momentum"),
    *("beta_1", "beta_2", "epsilon", "optimizer", "schedule"),
)
"""The parameters that say how to optimize: a recipe's own optimizer stands for all of them, or for none."""
WHOLE = ("early_stopping", "scoring", "schedule")
"""The parameters of a fit as a whole: an epoch at a time holds nothing out and has no end."""


@dataclass(frozen=True)
class FitSettings:
    """The settings of one fit, as attributes with the names of the estimator's parameters.

    values: by name.  front: the layers in front of the first hidden one, behind the vectors of categories.
    """

    values: Mapping[str, Any]
    front: tuple[Layer, ...] = ()

    def __getattr__(self, name: str) -> Any:
        """Return the setting of this name."""
        try:
            return self.__dict__["values"][name]
        except KeyError:
            raise AttributeError(f"a fit has no setting {name!r}") from None


def resolved(estimator: Any, rows: int, features: int, incremental: bool) -> FitSettings:
    """Return the settings of a fit on so many rows and features; incremental: of one epoch, by `partial_fit`."""
    values = estimator.get_params(deep=False)
    wanted = values["preset"] or (DEFAULT if isinstance(values["preprocess"], str) else None)
    if wanted is None:  # a preprocessor of one's own, or none
        return FitSettings(values)
    if values["preprocess"] is None:  # nobody scales the inputs, or numbers to predict
        raise ConfigError(
            f"preset={wanted!r} is for a table that the estimator prepares; pass preprocess='auto' or a "
            "TablePreprocessor too."
        )
    defaults = {field.name: field.default for field in fields(estimator)}
    given = {name: value for name, value in values.items() if not _is_default(value, defaults[name])}
    numbers = preprocessing.numbers(estimator)
    proposal = PRESETS[wanted](recipe.Facts(rows, features, estimator._task, given, numbers))
    left_out = set(given) | set(WHOLE if incremental else ())
    if not given.keys().isdisjoint(OPTIMIZING):
        left_out |= set(OPTIMIZING)
    found = {name: value for name, value in proposal.parameters.items() if name not in left_out}
    if not is_stochastic(estimator):  # its objective must be the same at each evaluation, and has no batches
        found = {name: value for name, value in found.items() if name == "hidden_layer_sizes"}
    return FitSettings(values | found, proposal.front)


def _is_default(value: Any, default: Any) -> bool:
    """Return whether a parameter has the value of its default; a list is not the tuple (100,)."""
    return value is default or (type(value) is type(default) and bool(value == default))
