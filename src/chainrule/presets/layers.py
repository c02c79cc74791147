"""The hidden layers that parameters describe: widths, activations and rates, one for all layers or one for each."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

from chainrule.errors import ConfigError
from chainrule.formulas.layers import ACTIVATIONS, Activation, BatchNorm, Dense, Dropout, Layer
from chainrule.network.blocks import Residual

ACTIVATION_NAMES = {"logistic": ACTIVATIONS["sigmoid"]} | {
    name: layer for name, layer in ACTIVATIONS.items() if name != "softmax"
}
"""Activations by name, including scikit-learn's four."""


def hidden_sizes(hidden_layer_sizes: Any) -> list[int]:
    """Return the widths of the hidden layers, from one number or several. Raises ConfigError unless all are above 0."""
    several = hidden_layer_sizes if hasattr(hidden_layer_sizes, "__iter__") else [hidden_layer_sizes]
    try:
        sizes = [operator.index(size) for size in several]
    except TypeError as error:
        raise ConfigError(
            f"hidden_layer_sizes must be integers, not {hidden_layer_sizes!r}; give the number of neurons of each "
            "layer."
        ) from error
    if any(size <= 0 for size in sizes):
        raise ConfigError(
            f"hidden_layer_sizes must be > 0, got {sizes}; give the number of neurons of each layer."
        )
    return sizes


def hidden_layers(
    sizes: list[int], activation: Any, dropout: Any, batch_norm: bool, residual: bool
) -> Iterator[list[Layer]]:
    """Iterate over the hidden layers: each Dense, BatchNorm, activation, Dropout, or a block of these if residual."""
    rates = by_layer(dropout, len(sizes), "dropout")
    for size, function, rate in zip(sizes, activations(activation, len(sizes)), rates, strict=True):
        layers: list[Layer] = [Dense(size)]
        if batch_norm:
            layers.append(BatchNorm())
        if function.kind != "identity":
            layers.append(function)
        if rate:
            layers.append(Dropout(rate))
        yield [Residual(layers)] if residual else layers


def activations(activation: Any, count: int) -> list[Activation]:
    """Return the activation of each hidden layer, from a name, a layer, or one of these per hidden layer."""
    several = [activation] * count if isinstance(activation, (str, Activation)) else list(activation)
    if len(several) != count:
        raise ConfigError(
            f"activation must have one entry for each of the {count} hidden layers, not {len(several)}; "
            "give one name for all of them, or a list."
        )
    unknown = [a for a in several if not isinstance(a, Activation) and a not in ACTIVATION_NAMES]
    if unknown:
        raise ConfigError(f"activation must be one of {', '.join(ACTIVATION_NAMES)}, not {unknown[0]!r}.")
    return [a if isinstance(a, Activation) else ACTIVATION_NAMES[a]() for a in several]


def by_layer(value: Any, count: int, name: str) -> list[float]:
    """Return one number per hidden layer, from one for all of them or a list."""
    several = list(value) if hasattr(value, "__iter__") else [value] * count
    if len(several) != count:
        raise ConfigError(
            f"{name} must have one entry for each of the {count} hidden layers, not {len(several)}; "
            "give one number for all of them, or a list."
        )
    return several
