"""The registry of all methods by name."""

from chainrule.training.without_backprop.backward import Backpropagation, FeedbackAlignment, RandomFeatures
from chainrule.training.without_backprop.base import Method
from chainrule.training.without_backprop.differences import CentralDifferences, ForwardDifferences
from chainrule.training.without_backprop.directions import SPSA, ForwardGradient, OpenAIES
from chainrule.training.without_backprop.searches import CMAES, NoTraining, RandomSearch

METHODS: dict[str, type[Method]] = {
    method.kind: method
    for method in (
        *(Backpropagation, CentralDifferences, ForwardDifferences, ForwardGradient, SPSA, OpenAIES),
        *(CMAES, RandomSearch, FeedbackAlignment, RandomFeatures, NoTraining),
    )
}
"""Every method by name."""
