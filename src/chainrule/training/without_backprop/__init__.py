"""Training without backpropagation, one method a file, and backpropagation as the baseline of the same interface.

Estimators of the gradient feed the optimizer; searches make their own steps. Both see a network through a `Landscape`
alone: the loss of one batch as a function of the numbers that are trained, with a count of the walks forward.
`Model.fit(method=...)` takes an object or a name.
"""

from chainrule.training.without_backprop.backpropagation import Backpropagation
from chainrule.training.without_backprop.base import Estimator, Method, Search
from chainrule.training.without_backprop.central_differences import CentralDifferences
from chainrule.training.without_backprop.cma_es import CMAES
from chainrule.training.without_backprop.feedback_alignment import FeedbackAlignment
from chainrule.training.without_backprop.forward_differences import ForwardDifferences
from chainrule.training.without_backprop.forward_gradient import ForwardGradient
from chainrule.training.without_backprop.landscape import Landscape
from chainrule.training.without_backprop.no_training import NoTraining
from chainrule.training.without_backprop.openai_es import OpenAIES
from chainrule.training.without_backprop.random_features import RandomFeatures
from chainrule.training.without_backprop.random_search import RandomSearch
from chainrule.training.without_backprop.session import MethodSession
from chainrule.training.without_backprop.spsa import SPSA

METHODS: dict[str, type[Method]] = {
    method.kind: method
    for method in (
        *(Backpropagation, CentralDifferences, ForwardDifferences, ForwardGradient, SPSA, OpenAIES),
        *(CMAES, RandomSearch, FeedbackAlignment, RandomFeatures, NoTraining),
    )
}
"""Every method by its name."""

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
