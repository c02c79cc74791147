"""Chainrule: fully connected networks. Define one, train it by backpropagation, see through every number of it.

The public names are loaded when they are first used, so that `import chainrule` takes little time; for type checkers
they are in `__init__.pyi`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "network.blocks": ("Residual", "Skip"),
    "engines": ("ENGINES",),
    "errors": ("ChainruleError", "ConfigError", "DataError", "FormatError", "NonFiniteError", "ShapeError"),
    "formulas.initializers": (
        *("Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform"),
        *("LeCunNormal", "LeCunUniform", "Orthogonal"),
    ),
    "inspection.flow.callback": ("GradientFlow",),
    "formulas.losses": (
        *(
            "BinaryCrossEntropy",
            "CategoricalCrossEntropy",
            "Huber",
            "Loss",
            "MeanAbsoluteError",
            "MeanSquaredError",
        ),
        *("Poisson", "Quantile", "SigmoidCrossEntropy", "SoftmaxCrossEntropy"),
    ),
    "model": ("Model", "load"),
    "network.network": ("Network",),
    "formulas.optimizers": (
        *(
            "AMSGrad",
            "Adagrad",
            "Adam",
            "AdamW",
            "GradientDescent",
            "LBFGS",
            "Nadam",
            "Optimizer",
            "RMSprop",
            "SGD",
        ),
    ),
    "formulas.schedules": (
        "Cosine",
        "Exponential",
        "InverseScaling",
        "OneCycle",
        "ReduceOnPlateau",
        "Schedule",
        "StepDecay",
    ),
    "training": ("CSVLog", "Callback", "Checkpoint", "EarlyStopping", "History", "ProgressBar", "StopAt"),
    "training.without_backprop": (
        *(
            "CMAES",
            "METHODS",
            "Backpropagation",
            "CentralDifferences",
            "FeedbackAlignment",
            "ForwardDifferences",
        ),
        *("ForwardGradient", "Method", "NoTraining", "OpenAIES", "RandomFeatures", "RandomSearch", "SPSA"),
    ),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def _names() -> dict[str, str]:
    """Return every public name with its module; the names of layers come from `formulas.layers`."""
    layers = import_module("chainrule.formulas.layers")
    return _HOME | dict.fromkeys(layers.__all__, "formulas.layers")


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name == "__all__":
        return ["__version__", *sorted(_names())]
    home = _HOME.get(name) or (None if name.startswith("_") else _names().get(name))
    if home is None:
        raise AttributeError(f"module 'chainrule' has no attribute {name!r}")
    value = getattr(import_module(f"chainrule.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted({*globals(), *_names(), "__all__"})
