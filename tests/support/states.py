"""States of a network, drawn, and the layers that read the input alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule import Layer, Network, PiecewiseLinearEmbedding, Standardize


def stands_first(layer: Layer) -> bool:
    """Whether no layer that learns may stand before it."""
    return layer.reads_codes or isinstance(layer, (Standardize, PiecewiseLinearEmbedding))


def drawn_states(network: Network, rng: np.random.Generator) -> dict[str, Any]:
    """The state of each link that has one: numbers from 0.5 to 1.5, rising edges, and any number of bins."""

    def drawn(state: Any) -> Any:
        numbers = type(state)(*(rng.uniform(0.5, 1.5, value.shape) for value in state))
        if not hasattr(state, "edges"):
            return numbers
        k, most = state.edges.shape
        edges = np.cumsum(numbers.edges, 1) / 2 - most / 4
        bins = np.concatenate([[most - 1], rng.integers(0, most, k - 1)])  # all in the first column
        return numbers._replace(edges=edges, bins=bins.astype(float))

    return {name: drawn(state) for name, state in network.initial_states(np.float64).items()}
