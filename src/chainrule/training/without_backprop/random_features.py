"""Random features: the hidden layers stay as they were drawn, and only the last layer is trained."""

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
    """Random features: only the last dense layer is trained; no error is propagated back through a layer.

    dL/dW_L = a_{L-1}^T delta_L      dL/db_L = sum_i delta_L,i      all that lies before layer L stays as it is

    The layers before it behave as in prediction, batch normalization too, as if they were frozen.
    cost: 1 walk forward and the last layer's product.  bias: none, of the numbers that it trains.  What it can reach
    is what a linear model of the random features can.
    Raises ConfigError where the last layer that learns is no Dense.
    Source: Rahimi, Recht, "Weighted sums of random kitchen sinks", NIPS 2008.
    """

    kind = "random_features"

    def check(self, network: Network, trained: int) -> None:
        """Raise ConfigError unless the last trained link is a dense layer of the chain."""
        last = next((link for link in reversed(network.links) if link.params or link.branches), None)
        if last is None or not isinstance(last.layer, Dense):
            name = (
                "it has none" if last is None else f"here that is {last.name} ({type(last.layer).__name__})"
            )
            raise ConfigError(
                f"random_features trains the last layer, which must be a Dense, and {name}; end the network in Dense."
            )

    def freezes(self, network: Network) -> frozenset[str]:
        """Return the names of all links with parameters except the last."""
        names = [link.name for link in network.walk() if link.params]
        return frozenset(names[:-1])

    def estimate(self, here: Landscape) -> NDArray[np.float64]:
        """a_{L-1}^T delta_L, sum_i delta_L,i"""
        return here.walk_back()  # which ends at the last layer: it is the first one that is trained
