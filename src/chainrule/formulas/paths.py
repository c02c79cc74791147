"""Which inputs lead to a value of a network, and in which direction: what `Constraints` follow from layer to layer.

A network is monotone in an input if, along every path from it to the output, each factor of the derivative has a known
sign and the product of these signs is the required one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError

Array = NDArray[np.float64]


class Paths(NamedTuple):
    """The inputs of the network on which each value of a layer's input or output depends, by column."""

    directions: NDArray[np.int8]
    """(width,) 1 or -1 for a value that never falls, or never rises, when a monotone input moves in its direction; 0
    for one that depends on no monotone input"""
    sets: NDArray[np.bool_]
    """(width, sets) whether the part of the network that belongs to a set of inputs may read the value"""

    def take(self, places: NDArray[np.int64]) -> Paths:
        """Return those of the values at these places."""
        return Paths(self.directions[places], self.sets[places])

    @property
    def are_free(self) -> bool:
        """Whether no value depends on a monotone input."""
        return not self.directions.any()


class Interval(NamedTuple):
    """The bounds of a parameter's numbers, of any shape that broadcasts to the parameter's."""

    lower: Array
    upper: Array
    gain: Array = np.ones(())
    """a factor of the first numbers, which are drawn as if there were no bounds"""


class Confined(NamedTuple):
    """The bounds of a layer's parameters that keep the constraints, and the paths of its outputs."""

    paths: Paths
    """of its outputs"""
    intervals: Mapping[str, Interval] = {}
    """the bounds of its parameters, by field"""


def not_negative(where: NDArray[np.bool_]) -> Interval:
    """Return bounds that keep some numbers at 0 or above, and leave the others free."""
    return Interval(np.where(where, 0.0, -np.inf), np.full(where.shape, np.inf))


START = 1.5
"""About what the weights of a neuron from all monotone values sum up to at the start, in units of a usual weight."""


def neurons(units: int, inputs: Paths) -> Paths:
    """Return the paths of a hidden layer's neurons, which are dealt in turn to sets and directions.

    Where a set has monotone values, some of its neurons rise with them, some depend on none of them, and some fall.
    With ReLU a rising neuron is convex along the monotone inputs; a falling one, whose weight in the next layer is
    negative, is concave. Source: Runje and Shankaranarayana, "Constrained monotonic neural networks", ICML 2023.
    Raises ConfigError for fewer neurons than sets.
    """
    if units < (count := inputs.sets.shape[1]):
        raise ConfigError(
            f"a layer of {units} neurons cannot serve {count} sets of inputs, of which each needs neurons of its own; "
            "make it wider."
        )
    kinds = []
    for direction in (1, 0, -1):
        for number, reads in enumerate(inputs.sets.T):
            known = inputs.directions[reads]
            if (known != 0).any() if direction else (known == 0).any():
                kinds.append((direction, number))
    dealt = [kinds[j % len(kinds)] for j in range(units)]
    directions, of_set = (np.array(each) for each in zip(*dealt, strict=True))
    return Paths(directions.astype(np.int8), of_set[:, None] == np.arange(inputs.sets.shape[1]))


def combined(units: int, inputs: Paths) -> Paths:
    """Return the paths of the last layer's outputs: each rises with the monotone inputs and reads every set."""
    direction = 0 if inputs.are_free else 1
    return Paths(np.full(units, direction, np.int8), np.ones((units, inputs.sets.shape[1]), bool))


def weights(inputs: Paths, outputs: Paths) -> Interval:
    """Return the bounds of weights (fan_in, fan_out): of the sign of both directions' product, and 0 for no path.

    A neuron that depends on no monotone input reads no monotone value, and none reads a value that its set may not.
    """
    product = inputs.directions[:, None].astype(int) * outputs.directions
    is_path = (inputs.directions[:, None] == 0) | (outputs.directions != 0)
    is_path &= inputs.sets.astype(float) @ outputs.sets.T.astype(float) > 0
    lower = np.where(~is_path | (product > 0), 0.0, -np.inf)
    upper = np.where(~is_path | (product < 0), 0.0, np.inf)
    monotone, among = (is_path & (product != 0)).sum(0), np.maximum(is_path.sum(0), 1)
    usual = np.sqrt(len(is_path) / among)  # of a neuron that reads no more than these
    coherent = np.minimum(1.0, START * np.sqrt(among) / np.maximum(monotone, 1))
    return Interval(lower, upper, np.where(product != 0, usual * coherent, usual))
