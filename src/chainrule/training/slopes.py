"""Which networks can be trained on slopes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.core.arrays import states_in
from chainrule.data.samples import Samples
from chainrule.errors import ConfigError
from chainrule.formulas.layers import Context
from chainrule.network.network import Network


def check_slopes(
    network: Network, frozen: frozenset[str], states: Mapping[str, Any], samples: Samples
) -> None:
    """Raise ConfigError unless a network can be trained on the slopes of samples, by one of its rows."""
    if samples.slopes is None:
        return
    loss = network.loss
    if (
        loss.targets != "real"
        or loss.of_member.ops() != ()
        or network.fan_out != loss.members * samples.outputs
    ):
        raise ConfigError(
            f"slopes are derivatives of numbers that the outputs are, and with {type(loss).__name__} the outputs are "
            "something else; use MeanSquaredError, or omit slopes."
        )
    mixed = next(
        (each for each in network.walk() if each.layer.mixes_samples and each.name not in frozen), None
    )
    if mixed is not None:
        raise ConfigError(
            f"slopes are derivatives of a row's output by the row, and in training {mixed.name} "
            f"({type(mixed.layer).__name__}) has outputs that depend on the other rows; omit it, or freeze it."
        )
    batch, theta = samples.batch(np.arange(1), np.float64), np.zeros(network.size)
    ctx = Context(training=True, states=states_in(np.float64, states), frozen=frozen)
    try:
        with np.errstate(all="ignore"):
            network.objective(network.unflatten(theta), batch.a, batch.y, batch.s, ctx, slopes=batch.slopes)
    except NotImplementedError as error:
        raise ConfigError(f"training on slopes needs more of a custom layer: {error}") from error
