"""What a fit is done by: the estimator's parameters, and what a recipe sets of those that are at their defaults.

They are put together once, when the samples are checked, and do not change while the estimator trains. The estimator's
own parameters are only read: whoever looks at it, clones it or fails in it meanwhile finds what its user gave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from chainrule.errors import ConfigError
from chainrule.estimators import preprocessing
from chainrule.estimators.architecture import activations_in
from chainrule.estimators.rates import is_stochastic
from chainrule.estimators.recipes import DEFAULT, PRESETS
from chainrule.estimators.recipes.base import NOTHING, Facts, Proposal, Recipe
from chainrule.estimators.recipes.variants import VARIANTS

BEST = "best"
"""The preset that is a race of several recipes; its table is prepared as that of the default one."""
OPTIMIZING = (
    *("solver", "alpha", "learning_rate", "learning_rate_init", "power_t", "momentum", "nesterovs_momentum"),
    *("beta_1", "beta_2", "epsilon", "optimizer", "schedule"),
)
"""The parameters that say how to optimize: a recipe's own optimizer stands for all of them, or for none; a recipe may
take some of them up in its own (`Proposal.beside`)."""
WHOLE = ("early_stopping", "scoring", "schedule")
"""The parameters of a fit as a whole: an epoch at a time holds nothing out and has no end."""


@dataclass(frozen=True)
class FitSettings:
    """The settings of one fit, as attributes with the names of the estimator's parameters.

    values: by name.  proposal: what a recipe sets beyond these; that of none without a recipe.
    begun: the `time.monotonic()` from which the seconds of time_limit count; None for the start of the training.
    """

    values: Mapping[str, Any]
    proposal: Proposal = NOTHING
    begun: float | None = None

    def __getattr__(self, name: str) -> Any:
        """Return the setting of this name."""
        try:
            return self.__dict__["values"][name]
        except KeyError:
            raise AttributeError(f"a fit has no setting {name!r}") from None


def resolved(estimator: Any, rows: int, features: int, incremental: bool) -> FitSettings:
    """Return the settings of a fit on so many rows and features; incremental: of one epoch, by `partial_fit`."""
    values = estimator.get_params(deep=False)
    wanted = name_of_recipe(values["preset"], values["preprocess"])
    if wanted is None:  # a preprocessor of one's own, or none
        return FitSettings(_of_so_many(values))
    if values["preprocess"] is None:  # nobody scales the inputs, or numbers to predict
        raise ConfigError(
            f"preset={wanted!r} is for a table that the estimator prepares; pass preprocess='auto' or a "
            "TablePreprocessor too."
        )
    chosen = given(estimator)
    if estimator._trunk is not None:  # whose activations may be others than a recipe's for this task
        chosen.setdefault("activation", activations_in(estimator._trunk.models[0].network))
    columns = preprocessing.numbers(estimator), preprocessing.sources(estimator)
    facts = Facts(rows, features, estimator._task, chosen, *columns)
    proposal = _recipe(estimator, wanted).propose(facts)
    left_out = set(chosen) | set(WHOLE if incremental else ())
    if not (chosen.keys() - proposal.beside).isdisjoint(OPTIMIZING):
        left_out |= set(OPTIMIZING)
    found = {name: value for name, value in proposal.parameters.items() if name not in left_out}
    if not is_stochastic(estimator):  # its objective must be the same at each evaluation, and has no batches
        if proposal.hidden is not None:
            raise ConfigError(
                f"preset={wanted!r} trains by batches, which a solver such as L-BFGS does not; leave solver and "
                "optimizer out, or take preset='fast'."
            )
        found = {name: value for name, value in found.items() if name == "hidden_layer_sizes"}
    if incremental:  # one epoch is no run, whose course the schedules are
        proposal = proposal._replace(factors={})
    found = values | found | dict(proposal.consumed)
    if estimator._epochs is not None:
        found |= {"max_iter": estimator._epochs, "early_stopping": False, "refit": False}
    return FitSettings(_of_so_many(found), proposal)


def _of_so_many(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the values with one member where neither user nor recipe says how many."""
    return {**values, "n_members": values["n_members"] or 1}


def table_settings(estimator: Any) -> Mapping[str, Any]:
    """Return the settings of the `TablePreprocessor` that preprocess="auto" makes, but those at their defaults."""
    wanted = name_of_recipe(estimator.preset, estimator.preprocess)
    return {} if wanted is None else _recipe(estimator, wanted).table


def name_of_recipe(preset: str | None, preprocess: Any) -> str | None:
    """Return the recipe that is asked for by these parameters; None for none."""
    return preset or (DEFAULT if isinstance(preprocess, str) else None)


def _recipe(estimator: Any, name: str) -> Recipe:
    """Return the recipe of this name, or the variant of it that a race has asked for."""
    if estimator._variant is not None:
        return VARIANTS[estimator._variant]
    return PRESETS[DEFAULT if name == BEST else name]


def given(estimator: Any) -> dict[str, Any]:
    """Return the parameters that have another value than their default."""
    defaults = {field.name: field.default for field in fields(estimator)}
    values = estimator.get_params(deep=False)
    return {name: value for name, value in values.items() if not is_default(value, defaults[name])}


def is_default(value: Any, default: Any) -> bool:
    """Return whether a parameter has the value of its default; a list is not the tuple (100,)."""
    return value is default or (type(value) is type(default) and bool(value == default))
