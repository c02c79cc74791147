"""Training without backpropagation, and backpropagation as the baseline.

Estimators pass a gradient to the optimizer; searches take their own steps. Both access a network only through a
`Landscape`: the loss of one batch as a function of the trained parameters, with a count of the forward passes.
`Model.fit(method=...)` takes an object or a name.

Everything except the base classes is loaded on first use, because most runs use no method.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy
from chainrule.training.without_backprop.base import Estimator, Method, Search

if TYPE_CHECKING:
    from chainrule.training.without_backprop.landscape import Landscape
    from chainrule.training.without_backprop.methods import (
        CMAES,
        METHODS,
        SPSA,
        Backpropagation,
        CentralDifferences,
        FeedbackAlignment,
        ForwardDifferences,
        ForwardGradient,
        NoTraining,
        OpenAIES,
        RandomFeatures,
        RandomSearch,
    )
    from chainrule.training.without_backprop.session import MethodSession

__all__ = [
    "CMAES",
    "METHODS",
    "SPSA",
    "Backpropagation",
    "CentralDifferences",
    "Estimator",
    "FeedbackAlignment",
    "ForwardDifferences",
    "ForwardGradient",
    "Landscape",
    "Method",
    "MethodSession",
    "NoTraining",
    "OpenAIES",
    "RandomFeatures",
    "RandomSearch",
    "Search",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "landscape": "Landscape",
        "methods": (
            "Backpropagation CMAES CentralDifferences FeedbackAlignment ForwardDifferences ForwardGradient METHODS "
            "NoTraining OpenAIES RandomFeatures RandomSearch SPSA"
        ),
        "session": "MethodSession",
    },
)
