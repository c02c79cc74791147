"""A source as an argument of `fit`: checks of the other arguments, and the stream that the loop reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import ArrayLike, NDArray

from chainrule.core.arrays import TargetsLike
from chainrule.data.source import ArraySource, Source
from chainrule.data.stream import Stream
from chainrule.errors import ConfigError
from chainrule.formulas.layers import PiecewiseLinearEmbedding
from chainrule.formulas.optimizers import AnyOptimizer, Solver
from chainrule.network.network import Network
from chainrule.training.settings import named


def arrays(source: ArraySource, y: TargetsLike, sample_weight: ArrayLike | None) -> tuple[Any, Any, Any]:
    """Return the arrays of a source as X, y and sample_weight. Raises ConfigError if one is also an argument."""
    refuse({"y": y, "sample_weight": sample_weight})
    return source.given


def refuse(given: Mapping[str, Any]) -> None:
    """Raise ConfigError for an argument that a source includes, or does not support."""
    for name, value in given.items():
        if value is not None:
            way_out = (
                "pass other rows as validation_data"
                if name == "validation_fraction"
                else f"the source has its own {'y' if name == 'y' else 'weight'}"
            )
            raise ConfigError(f"{name} is for arrays; {way_out}, and omit {name}.")


def check(
    given: Mapping[str, Any],
    batch_size: int | None,
    optimizer: AnyOptimizer,
    is_ensemble: bool,
    network: Network,
    states: Mapping[str, Any],
) -> None:
    """Raise ConfigError for settings that need all rows in memory. given: the arguments that must be None."""
    refuse(given)
    if is_ensemble:
        raise ConfigError("an ensemble is trained on arrays; train a Model on a source, or pass X and y.")
    if isinstance(optimizer, Solver):
        raise ConfigError(
            f"{named(optimizer)} needs all rows at each step, but a source provides them in pieces; use "
            "Adam, or pass arrays."
        )
    if batch_size is None:
        raise ConfigError(
            "batch_size=None uses all rows in one batch, which a source does not support; pass a number."
        )
    for link in network.links:
        if isinstance(link.layer, PiecewiseLinearEmbedding) and states[link.name].count == 0:
            raise ConfigError(
                f"{link.name} is measured on whole columns, which a source does not keep in memory; first "
                "measure it by model.start_on(X), on rows that fit."
            )


def stream(
    source: Source,
    model: Any,
    classes: NDArray[Any] | None,
    features: tuple[str, ...] | None,
    class_weight: Any = None,
) -> Stream:
    """Return the stream of a source for a model. classes, features: the known labels and columns."""
    return Stream(
        source, model.network, model.seed, classes=classes, class_weight=class_weight, features=features
    )
