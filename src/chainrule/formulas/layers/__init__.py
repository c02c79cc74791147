"""Layers, each file loaded on first use.

A layer becomes public by its name in `__all__` and its import for type checkers: `chainrule` and the table of all
layers read them from here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule.formulas.layers.activation import ACTIVATIONS as ACTIVATIONS
    from chainrule.formulas.layers.activation import ELU as ELU
    from chainrule.formulas.layers.activation import GELU as GELU
    from chainrule.formulas.layers.activation import SELU as SELU
    from chainrule.formulas.layers.activation import Activation as Activation
    from chainrule.formulas.layers.activation import GELUTanh as GELUTanh
    from chainrule.formulas.layers.activation import Identity as Identity
    from chainrule.formulas.layers.activation import LeakyReLU as LeakyReLU
    from chainrule.formulas.layers.activation import Mish as Mish
    from chainrule.formulas.layers.activation import PReLU as PReLU
    from chainrule.formulas.layers.activation import ReLU as ReLU
    from chainrule.formulas.layers.activation import Sigmoid as Sigmoid
    from chainrule.formulas.layers.activation import SiLU as SiLU
    from chainrule.formulas.layers.activation import Softmax as Softmax
    from chainrule.formulas.layers.activation import Softplus as Softplus
    from chainrule.formulas.layers.activation import Tanh as Tanh
    from chainrule.formulas.layers.base import Context as Context
    from chainrule.formulas.layers.base import Layer as Layer
    from chainrule.formulas.layers.base import Link as Link
    from chainrule.formulas.layers.base import Parameter as Parameter
    from chainrule.formulas.layers.base import Watch as Watch
    from chainrule.formulas.layers.batch_norm import BatchNorm as BatchNorm
    from chainrule.formulas.layers.columnwise import Scale as Scale
    from chainrule.formulas.layers.columnwise import Shift as Shift
    from chainrule.formulas.layers.dense import Dense as Dense
    from chainrule.formulas.layers.dense import Projection as Projection
    from chainrule.formulas.layers.dropout import Dropout as Dropout
    from chainrule.formulas.layers.embedding import Embedding as Embedding
    from chainrule.formulas.layers.grouped_dense import GroupedDense as GroupedDense
    from chainrule.formulas.layers.parametric_activation import ParametricActivation as ParametricActivation
    from chainrule.formulas.layers.periodic_embedding import PeriodicEmbedding as PeriodicEmbedding
    from chainrule.formulas.layers.piecewise_linear_embedding import (
        PiecewiseLinearEmbedding as PiecewiseLinearEmbedding,
    )
    from chainrule.formulas.layers.rescale import Rescale as Rescale
    from chainrule.formulas.layers.standardize import Standardize as Standardize
    from chainrule.formulas.layers.take import Take as Take
    from chainrule.formulas.operation import Operation as Operation

    LAYERS: dict[str, type[Layer]]

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "Activation",
    "BatchNorm",
    "Dense",
    "Dropout",
    "Embedding",
    "GELUTanh",
    "GroupedDense",
    "Identity",
    "Layer",
    "LeakyReLU",
    "Mish",
    "PReLU",
    "Parameter",
    "ParametricActivation",
    "PeriodicEmbedding",
    "PiecewiseLinearEmbedding",
    "ReLU",
    "Rescale",
    "Scale",
    "Shift",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Standardize",
    "Take",
    "Tanh",
]
"""The public names; `chainrule` has them too."""

_FILES = {
    "activation": (
        "ACTIVATIONS Activation ELU GELU GELUTanh Identity LeakyReLU Mish PReLU ReLU SELU SiLU Sigmoid "
        "Softmax Softplus Tanh"
    ),
    "base": "Context Layer Link Operation Parameter Watch",
    "columnwise": "Scale Shift",
    "dense": "Projection",
}
_FILE = {name: file for file, names in _FILES.items() for name in names.split()}
"""The files of names that do not follow the rule BatchNorm in batch_norm.py."""


def __getattr__(name: str) -> Any:
    """Load a name from its file. LAYERS: every layer but the blocks by its `kind`, for files and tests."""
    value: Any
    if name == "LAYERS":
        found = (__getattr__(each) for each in __all__ if each not in ("Activation", "Layer", "Parameter"))
        value = {layer.kind: layer for layer in found}
    elif name in _FILE or name in __all__:
        file = _FILE.get(name) or "".join(f"_{c}" if c.isupper() else c for c in name).lower().lstrip("_")
        value = getattr(import_module(f"{__name__}.{file}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value
