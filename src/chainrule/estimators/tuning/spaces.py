"""What a search varies, by preset: the one table of all search spaces.

A value of a dimension is a number, a truth value or text, as a journal keeps it; `parameters` makes the estimator's
parameters of them. The defaults are the preset's own, so the first setting of a search is the preset as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from chainrule.estimators.settings import OPTIMIZING
from chainrule.formulas.optimizers import AdamW
from chainrule.formulas.schedules import Cosine


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
        """Return the dimensions that decide none of the given parameters."""
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
SPACES: dict[str, Space] = {"fast": FAST}
"""The spaces, by the name of the preset."""
