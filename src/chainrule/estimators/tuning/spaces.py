"""What a search varies, by preset: the one table of all search spaces.

A value of a dimension is a number, a truth value or text, as a journal keeps it; `parameters` makes the estimator's
parameters of them. The defaults are the preset's own, so the first setting of a search is the preset as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from chainrule.fitting.parameters import OPTIMIZING
from chainrule.formulas.optimizers import AdamW
from chainrule.formulas.schedules import Constant, Cosine, CosLog


class Dimension(NamedTuple):
    """One number or choice that is varied."""

    default: Any
    sets: tuple[str, ...]
    """the estimator's parameters that it decides: where its user gave one of them, it is not varied"""
    low: float = 0.0
    high: float = 0.0
    """the bounds of a number, a whole one where the default is"""
    is_log: bool = False
    """whether the logarithm is uniform at first, not the number"""
    choices: tuple[Any, ...] = ()
    """the values; empty for a number"""


class Space(NamedTuple):
    """The dimensions by name, and what they become."""

    dimensions: Mapping[str, Dimension]
    parameters: Callable[[Mapping[str, Any]], dict[str, Any]]
    """parameters(values by name) -> parameters of the estimator"""

    def without(self, given: set[str]) -> dict[str, Dimension]:
        """Return the dimensions that set none of the given parameters."""
        return {name: each for name, each in self.dimensions.items() if given.isdisjoint(each.sets)}


def fast_parameters(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a setting of `FAST`."""
    found: dict[str, Any] = {name: values[name] for name in ("dropout", "activation") if name in values}
    if "layers" in values:
        width, falls = values["width"], values["narrowing"]
        found["hidden_layer_sizes"] = tuple(
            max(width >> i if falls else width, 8) for i in range(values["layers"])
        )
    if "learning_rate" in values:
        found["optimizer"] = AdamW(values["learning_rate"], weight_decay=values["weight_decay"])
        found |= {"schedule": Cosine(warmup=0.05), "alpha": 0.0}
    return found


SIZES, STEPS = ("hidden_layer_sizes",), OPTIMIZING
OWN = "preset"
"""The choice of what the preset has, where that depends on the table."""
FAST = Space(
    {
        "layers": Dimension(3, SIZES, 1, 5),
        "width": Dimension(256, SIZES, choices=(64, 128, 256, 384, 512)),
        "narrowing": Dimension(True, SIZES, choices=(True, False)),
        "dropout": Dimension(0.1, ("dropout",), 0.0, 0.5),
        "activation": Dimension("relu", ("activation",), choices=("relu", "silu", "mish", "selu")),
        "learning_rate": Dimension(2e-3, STEPS, 3e-4, 1e-2, is_log=True),
        "weight_decay": Dimension(0.3, STEPS, 1e-3, 1.0, is_log=True),
    },
    fast_parameters,
)
"""The preset's network and optimizer. Layers, width and dropout as in the published searches of TabM (1 to 5 blocks, 64
to 1024 wide, 0 to 0.5), up to a width of 512, which a processor trains in seconds; activations as in RealMLP's; rate
and decay around the preset's. `narrowing` halves the width from layer to layer.

Sources: Gorishniy, Kotelnikov, Babenko, "TabM" (2025); Holzmüller, Grinsztajn, Steinwart, "Better by default" (2024).
"""


def realmlp_parameters(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a setting of `realmlp`."""
    found = _network(values)
    if values.get("activation", OWN) != OWN:
        found["activation"] = values["activation"]
    if "learning_rate" in values:
        rate, decay, beta2 = values["learning_rate"], values["weight_decay"], 1 - values["one_minus_beta2"]
        found |= {
            "optimizer": AdamW(rate, beta2=beta2, weight_decay=decay),
            "schedule": CosLog(4),
            "alpha": 0.0,
        }
    return found


def tabm_parameters(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a setting of `TABM`."""
    found = _network(values)
    if "learning_rate" in values:
        found["optimizer"] = AdamW(values["learning_rate"], weight_decay=values["weight_decay"])
        found |= {"schedule": Constant(), "alpha": 0.0}
    return found


def _network(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the dropout and the widths of a setting whose layers have one width."""
    found: dict[str, Any] = {"dropout": values["dropout"]} if "dropout" in values else {}
    if values.get("layers", OWN) != OWN:
        found["hidden_layer_sizes"] = (values["width"],) * values["layers"]
    return found


def realmlp(is_regression: bool) -> Space:
    """Return the search that RealMLP's authors recommend, of what an estimator's parameters decide.

    They take Mish, the preset's for regression alone. Embeddings, label smoothing and the factors of rates stay.

    Source: pytabkit's search space "tabarena-new" (Holzmüller, Grinsztajn, Steinwart).
    """
    return Space(
        {
            "layers": Dimension(3, SIZES, 2, 4),
            "width": Dimension(256, SIZES, choices=(256, 384, 512)),
            "dropout": Dimension(0.15, ("dropout",), 0.0, 0.5),
            "activation": Dimension(OWN, ("activation",), choices=(OWN, "mish", "selu")),
            "learning_rate": Dimension(0.2 if is_regression else 0.04, STEPS, 2e-2, 3e-1, is_log=True),
            "weight_decay": Dimension(2e-2, STEPS, 1e-3, 5e-2, is_log=True),
            "one_minus_beta2": Dimension(5e-2, STEPS, 5e-3, 5e-2, is_log=True),
        },
        realmlp_parameters,
    )


TABM = Space(
    {
        "layers": Dimension(OWN, SIZES, choices=(OWN, 1, 2, 3, 4)),
        "width": Dimension(512, SIZES, choices=(64, 128, 256, 384, 512, 768, 1024)),
        "dropout": Dimension(0.1, ("dropout",), 0.0, 0.5),
        "learning_rate": Dimension(2e-3, STEPS, 1e-4, 5e-3, is_log=True),
        "weight_decay": Dimension(3e-4, STEPS, 1e-4, 1e-1, is_log=True),
    },
    tabm_parameters,
)
"""The published search of TabM. The preset has two layers of 512, or three where the table has no numbers.

Source: Gorishniy, Kotelnikov, Babenko, "TabM" (2025), appendix on the tuning of hyperparameters.
"""
SPACES: dict[str, Callable[[bool], Space]] = {
    "fast": lambda is_regression: FAST,
    "realmlp": realmlp,
    "tabm": lambda is_regression: TABM,
}
"""space(is_regression), by the name of the preset."""
