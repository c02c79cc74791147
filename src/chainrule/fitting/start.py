"""The network that an estimator's parameters describe, at its start: its layers and its first parameters.

These are scikit-learn's draws, in its order, so that one `random_state` gives one start in both.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ShapeError
from chainrule.formulas.layers import (
    Activation,
    Dense,
    GroupedDense,
    ParametricActivation,
)
from chainrule.model import Ensemble, Model
from chainrule.network.network import Network, Slot
from chainrule.training.run import copied

if TYPE_CHECKING:
    from chainrule.tables.preprocessor import TablePreprocessor


def activations_in(network: Network) -> list[Activation]:
    """Return the activations of the hidden layers; the function that a neuron's factor mixes with the identity."""
    links = list(network.walk())
    head = max(
        (k for k, link in enumerate(links) if isinstance(link.layer, (Dense, GroupedDense))), default=0
    )
    layers = [link.layer for link in links[:head] if isinstance(link.layer, Activation)]
    return [each.function if isinstance(each, ParametricActivation) else each for each in layers]


FIELDS = {"coefs_": "W", "intercepts_": "b"}
"""The fields of a Dense by scikit-learn's names for those of all layers."""


def members_of(model: Model | Ensemble) -> list[Model]:
    """Return the networks as models: one, or those of an ensemble."""
    return list(model.members) if isinstance(model, Ensemble) else [model]


def dense_slots(network: Network, field: str) -> list[Slot]:
    """Return the places of W or b of every Dense and GroupedDense, in the order of the chain."""
    kinds = (Dense, GroupedDense)
    return [slot for slot in network.slots if isinstance(slot.link.layer, kinds) and slot.field == field]


class Views(list[Any]):
    """The views of a model's weights, or biases, by layer; an item that is assigned is copied into its view."""

    def __setitem__(self, index: Any, value: Any) -> None:
        """Copy the values into the view at this place."""
        if np.shape(value) != self[index].shape:
            raise ShapeError(
                f"the parameters of layer {index} have shape {self[index].shape}, not {np.shape(value)}."
            )
        self[index][...] = value


def views(network: Network, theta: NDArray[Any], field: str) -> Views:
    """Return the views of theta, (size,) or (members, size), that `dense_slots` places."""
    slots = dense_slots(network, field)
    members = theta.shape[:-1]
    return Views(
        theta[..., slot.start : slot.stop].reshape(*members, *slot.parameter.shape) for slot in slots
    )


def put_parameters(model: Model | Ensemble, name: str, values: Iterable[Any]) -> None:
    """Copy weights ("coefs_") or biases ("intercepts_") of each layer into a model. Raises ShapeError for others."""
    own, given = views(model.network, model.theta, FIELDS[name]), list(values)
    if len(given) != len(own):
        raise ShapeError(f"{name} must be {len(own)} arrays, one for each layer, not {len(given)}.")
    for index, value in enumerate(given):
        own[index] = value


class Trunk(NamedTuple):
    """The hidden layers that another estimator begins with."""

    models: tuple[Model, ...]
    """one for each member"""
    freeze: bool
    """whether they stay as they are"""
    preprocessor: TablePreprocessor | None = None
    """what prepares the table in front of them, if there is one"""


def copied_model(model: Model | Ensemble) -> Model | Ensemble:
    """Return a copy of a model, or of an ensemble, with parameters of its own."""
    if isinstance(model, Ensemble):
        return Ensemble.of(list(map(_copied, model.members)), seed=model.seed)
    return _copied(model)


def _copied(model: Model) -> Model:
    """Return a copy of a model with parameters of its own."""
    made = copy.copy(model)
    states = {name: copied(state) for name, state in model.states.items()}
    made.take(model.theta.copy(), states, (model.epochs_trained, model.steps_trained))
    return made
