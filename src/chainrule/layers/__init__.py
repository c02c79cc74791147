"""The links of a chain, one kind a file."""

from chainrule.layers.activation import (
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
from chainrule.layers.base import Context, Layer, Link, Operation, Parameter, Watch
from chainrule.layers.batch_norm import BatchNorm
from chainrule.layers.dense import Dense, Projection
from chainrule.layers.dropout import Dropout
from chainrule.layers.rescale import Rescale
from chainrule.layers.standardize import Standardize

__all__ = [
    "ACTIVATIONS",
    "ELU",
    "GELU",
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
