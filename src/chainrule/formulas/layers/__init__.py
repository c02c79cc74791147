"""The links of a chain, one kind a file."""

from chainrule.formulas.layers.activation import (
    ACTIVATIONS,
    ELU,
    GELU,
    SELU,
    Activation,
    GELUTanh,
    Identity,
    LeakyReLU,
    Mish,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from chainrule.formulas.layers.base import Context, Layer, Link, Operation, Parameter, Watch
from chainrule.formulas.layers.batch_norm import BatchNorm
from chainrule.formulas.layers.dense import Dense, Projection
from chainrule.formulas.layers.dropout import Dropout
from chainrule.formulas.layers.rescale import Rescale
from chainrule.formulas.layers.standardize import Standardize

_LAYERS: tuple[type[Layer], ...] = (
    *(BatchNorm, Dense, Dropout, Rescale, Standardize),
    *ACTIVATIONS.values(),
)
LAYERS: dict[str, type[Layer]] = {layer.kind: layer for layer in _LAYERS}
"""Every layer that is no block by its `kind`: what files call it, and what the tests run over."""

__all__ = [
    "ACTIVATIONS",
    "ELU",
    "GELU",
    "LAYERS",
    "SELU",
    "Activation",
    "BatchNorm",
    "Context",
    "Dense",
    "Dropout",
    "GELUTanh",
    "Identity",
    "Layer",
    "LeakyReLU",
    "Link",
    "Mish",
    "Operation",
    "PReLU",
    "Parameter",
    "Projection",
    "ReLU",
    "Rescale",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Standardize",
    "Tanh",
    "Watch",
]
