"""One additive network whose output is the mean of several ones'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.formulas.layers import Dense, Embedding, Layer, PiecewiseLinearEmbedding
from chainrule.model import Model
from chainrule.network.network import Network


def merged(members: Sequence[Model]) -> Model:
    """Return the network of all members: their vectors side by side, and the means of their last layers.

    mean over m of (e_m W_m + b_m) = [e_1, ..., e_M] [W_1; ...; W_M] / M + mean b_m. A column that passes the layers in
    front unchanged has the mean of its weights.
    """
    first, count = members[0], len(members)
    if count == 1:
        return first
    network = first.network
    layers, blocks = _layers(network, count)
    made = Network(
        network.inputs, layers, network.loss, l2=network.l2, l1=network.l1, constraints=network.constraints
    )
    values: dict[tuple[str, str], NDArray[Any]] = {}
    for link in network.links:
        own = [member.parameters[link.name] for member in members]
        for field in link.params._fields:
            each = [getattr(params, field) for params in own]
            if isinstance(link.layer, Dense):
                values[link.name, field] = _last(each, blocks) if field == "W" else np.mean(each, axis=0)
            else:
                values[link.name, field] = np.concatenate(each, axis=-1)
    theta = np.concatenate([values[slot.link.name, slot.field].ravel() for slot in made.slots]).astype(
        first.theta.dtype
    )
    model = Model.with_theta(made, theta, seed=first.seed)
    model.take(model.theta, first.states, (first.epochs_trained, first.steps_trained))
    model.describe(first.classes, first.feature_names, first.target_scale)
    return model


def _layers(network: Network, count: int) -> tuple[list[Layer], list[int | None]]:
    """Return the layers of the merged network, and the sizes of a member's vectors that the last layer reads.

    None stands for a column that is no vector.
    """
    layers: list[Layer] = []
    blocks: list[int | None] = [None] * network.inputs
    for link in network.links:
        layer = link.layer
        if isinstance(layer, Embedding):
            sizes = [size for _, _, size in layer.columns]
            blocks = [*[None] * len(layer.rest(link.fan_in)), *sizes]
            layer = replace(
                layer, columns=tuple((column, codes, size * count) for column, codes, size in layer.columns)
            )
        elif isinstance(layer, PiecewiseLinearEmbedding):
            embedded = set(layer.embedded(link.fan_in).tolist())
            blocks = [layer.size if k in embedded else size for k, size in enumerate(blocks)]
            layer = replace(layer, size=layer.size * count)
        layers.append(layer)
    return layers, blocks


def _last(weights: Sequence[NDArray[Any]], blocks: Sequence[int | None]) -> NDArray[Any]:
    """Return the last layer's weights: those of each block below each other, divided by the number of members."""
    stops = np.cumsum([size or 1 for size in blocks])[:-1]
    parts = zip(*(np.split(W, stops) for W in weights), strict=True)
    count = len(weights)
    return np.concatenate(
        [
            np.mean(part, axis=0) if size is None else np.concatenate(part) / count
            for part, size in zip(parts, blocks, strict=True)
        ]
    )
