"""Random features: the hidden layers keep their initial values, and only the last layer is trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.formulas.layers import Dense
from chainrule.network.network import Network
from chainrule.training.without_backprop.base import Estimator
from chainrule.training.without_backprop.landscape import Landscape


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
