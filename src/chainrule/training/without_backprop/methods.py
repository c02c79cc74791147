"""The registry of all methods by name."""

from chainrule.training.without_backprop.backpropagation import Backpropagation
from chainrule.training.without_backprop.base import Method
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
"""Every method by name."""

__all__ = [
    "CMAES",
    "METHODS",
    "SPSA",
    "Backpropagation",
    "CentralDifferences",
    "FeedbackAlignment",
    "ForwardDifferences",
    "ForwardGradient",
    "Landscape",
    "MethodSession",
    "NoTraining",
    "OpenAIES",
    "RandomFeatures",
    "RandomSearch",
]
