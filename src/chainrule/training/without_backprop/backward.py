"""Gradients from a backward pass: exact, through random weights, or only to the last layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.random import generator
from chainrule.core.settings import number_settings
from chainrule.errors import ConfigError
from chainrule.formulas.layers import Dense
from chainrule.network.network import Network
from chainrule.training.without_backprop.base import Estimator
from chainrule.training.without_backprop.landscape import Landscape


@dataclass(frozen=True)
class Backpropagation(Estimator):
    """The gradient itself, by the chain rule: dL/dx, all P numbers in one forward and one backward pass.

    cost: 1 forward pass and a backward pass worth at most 2, for any P.  bias: none.  variance: only the batch's.
    `Model.fit` passes it to the engine, like a fit without a method.
    Source: Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors", Nature 1986.
    """

    kind = "backpropagation"

    def estimate(self, here: Landscape) -> NDArray[np.float64]:
        """dL/dx"""
        return here.walk_back()


@dataclass(frozen=True)
class FeedbackAlignment(Estimator):
    """Feedback alignment: errors are backpropagated through fixed random weights B instead of W^T.

    dL/da_{l-1} = delta_l B_l^T   in place of   delta_l W_l^T          B_l ~ N(0, scale^2 / fan_out), once for a run

    Everything else is as in backpropagation: dL/dW = a^T delta, f'(z), batch norm. The last layer's gradient is exact;
    the others' are not, and training aligns W with B: the angle to the gradient falls below 90 degrees.
    cost: 1 forward pass and a backward pass worth at most 2.  bias: yes, persistent.  variance: only the batch's.
    Raises ConfigError for a custom layer with parameters, because it is unknown which of them its backward pass uses.
    Source: Lillicrap, Cownden, Tweed, Akerman, "Random synaptic feedback weights support error backpropagation for
    deep learning", Nature Communications 7, 2016.
    """

    kind = "feedback_alignment"
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Check that scale is a positive number."""
        number_settings(self, "scale", above=0)

    def check(self, network: Network, trained: int) -> None:
        """Check that the method can replace every layer's weights. Raises ConfigError."""
        for link in network.walk():
            if link.params and not link.layer.knows_its_weights:
                raise ConfigError(
                    f"feedback_alignment supports only dense layers with weights, so it cannot train {link.name} "
                    f"({type(link.layer).__name__}); use Dense, or take spsa."
                )

    def prepare(self, network: Network, seed: int) -> Any:
        """Draw the weights of the backward pass: (size,) in the layout of theta, 0 for other parameters."""
        feedback = np.zeros(network.size)
        rng = generator(seed, "method", 0)
        for slot in network.slots:
            if slot.parameter.is_weight:
                draw = rng.standard_normal(slot.stop - slot.start)
                feedback[slot.start : slot.stop] = draw * (self.scale / np.sqrt(slot.link.fan_out))
        return feedback

    def estimate(self, here: Landscape) -> NDArray[np.float64]:
        """Run the backward pass through B instead of W^T."""
        through = here.fixed.copy()
        for slot in here.network.slots:
            if not slot.parameter.is_weight:  # gamma or a slope: the backward pass uses the network's own
                through[slot.start : slot.stop] = here.theta[slot.start : slot.stop]
        return here.walk_back(here.network.unflatten(through))


@dataclass(frozen=True)
class RandomFeatures(Estimator):
    """Random features: only the last dense layer is trained; no error is backpropagated through a layer.

    dL/dW_L = a_{L-1}^T delta_L      dL/db_L = sum_i delta_L,i      layers before L are constant

    The layers before it behave as in prediction, including batch normalization, as if frozen.
    cost: 1 forward pass and the last layer's product.  bias: none, for the trained parameters.  The result is at best a
    linear model of the random features.
    Raises ConfigError unless the last trainable layer is a Dense.
    Source: Rahimi, Recht, "Weighted sums of random kitchen sinks", NIPS 2008.
    """

    kind = "random_features"

    def check(self, network: Network, trained: int) -> None:
        """Check that the last trained link is a dense layer of the chain. Raises ConfigError."""
        last = next((link for link in reversed(network.links) if link.params or link.branches), None)
        if last is None or not isinstance(last.layer, Dense):
            name = "none" if last is None else f"{last.name} ({type(last.layer).__name__})"
            raise ConfigError(
                f"random_features trains the last layer, which must be a Dense, not {name}; end the network with Dense."
            )

    def freezes(self, network: Network) -> frozenset[str]:
        """Return the names of all links with parameters except the last."""
        names = [link.name for link in network.walk() if link.params]
        return frozenset(names[:-1])

    def estimate(self, here: Landscape) -> NDArray[np.float64]:
        """a_{L-1}^T delta_L, sum_i delta_L,i"""
        return here.walk_back()  # ends at the last layer, the first trained one
