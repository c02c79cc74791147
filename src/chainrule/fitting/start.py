"""The network that an estimator's parameters describe, at its start: its layers and its first parameters.

These are scikit-learn's draws, in its order, so that one `random_state` gives one start in both.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.random import generator, member_seed
from chainrule.errors import DataError, ShapeError
from chainrule.formulas.initializers import Constant
from chainrule.formulas.layers import (
    Activation,
    Dense,
    GroupedDense,
    ParametricActivation,
    PiecewiseLinearEmbedding,
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


PIECE = 1 << 14
"""Numbers drawn at a time."""
FIELDS = {"coefs_": "W", "intercepts_": "b"}
"""The fields of a Dense by scikit-learn's names for those of all layers."""


def untrained(
    network: Network,
    random: np.random.RandomState,
    dtype: Any,
    logistic: bool,
    members: int,
    drawn: bool,
    by_layers: bool = False,
) -> Model | Ensemble:
    """Return a model, or an ensemble of several, with the start that scikit-learn draws; with zeros unless drawn.

    The members' draws follow each other, so the first one begins as a single network does.
    by_layers: whether each layer's own initializers draw it in place of this, from a seed that `random` draws.
    """
    if by_layers:
        seed = int(random.randint(2**32, dtype=np.uint32))
        made = [
            Model(network, seed=member_seed(seed, member) if member else seed, dtype=dtype)
            for member in range(members)
        ]
        return made[0] if members == 1 else Ensemble.of(made, seed=seed)
    thetas = [
        initial_theta(network, random, dtype, logistic) if drawn else np.zeros(network.size, dtype)
        for _ in range(members)
    ]
    is_random = any(link.layer.is_random for link in network.walk())
    seed = int(random.randint(2**32, dtype=np.uint32)) if is_random else 0
    models = [
        Model.with_theta(network, theta, seed=member_seed(seed, member) if member else seed)
        for member, theta in enumerate(thetas)
    ]
    return models[0] if members == 1 else Ensemble.of(models, seed=seed)


def members_of(model: Model | Ensemble) -> list[Model]:
    """Return the networks as models: one, or those of an ensemble."""
    return list(model.members) if isinstance(model, Ensemble) else [model]


def initial_theta(
    network: Network, random: np.random.RandomState, dtype: Any, logistic: bool
) -> NDArray[Any]:
    """Draw the parameters (size,): those of every Dense as scikit-learn does, all others by their own initializers.

    W and then b of each Dense, uniform in +-sqrt(6 / (fan_in + fan_out)), or +-sqrt(2 / ...) if logistic, in float64
    and then rounded.  random: a `numpy.random.RandomState`, of which the others take one integer if one of them draws.
    """
    theta, seed = np.empty(network.size, dtype), None
    for number, (link, _, parameter, start, stop) in enumerate(network.slots):
        if isinstance(link.layer, Dense):
            bound = math.sqrt((2.0 if logistic else 6.0) / (link.fan_in + link.fan_out))
            for first in range(start, stop, PIECE):  # the float64 draws stay in the cache
                part = theta[first : min(first + PIECE, stop)]
                part[...] = random.uniform(-bound, bound, len(part))
        else:
            if seed is None and not isinstance(parameter.initializer, Constant):
                seed = int(random.randint(2**32, dtype=np.uint32))
            draw = parameter.initializer(
                generator(seed or 0, "weights", number), parameter.shape, link.fan_in, link.fan_out
            )
            theta[start:stop] = np.broadcast_to(draw, parameter.shape).ravel()
    return theta if network.bounds is None else network.bounds.first(theta)


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


def take_trunk(model: Model, trunk: Model, freeze: bool) -> None:
    """Copy the hidden layers of another model into this one, and freeze them if asked. Raises DataError for others."""
    stop, their_stop = (dense_slots(each.network, "W")[-1].start for each in (model, trunk))
    own, theirs = (
        {
            (slot.link.name, slot.field): slot.parameter.shape
            for slot in each.network.slots
            if slot.start < end
        }
        for each, end in ((model, stop), (trunk, their_stop))
    )
    if trunk.network.inputs != model.network.inputs:
        raise DataError(
            f"X has {model.network.inputs} features but the hidden layers were trained on {trunk.network.inputs}; "
            "select the same columns."
        )
    if own != theirs or activations_in(model.network) != activations_in(trunk.network):
        raise DataError(
            "the hidden layers differ from those of the estimator that replace_head was called on; do not "
            "change hidden_layer_sizes, activation, batch_norm and residual."
        )
    model.theta[:stop] = trunk.theta[:stop]
    states = {name: trunk.states[name] for name in model.states}
    model.states = {name: type(s)(*(np.array(v, model.dtype) for v in s)) for name, s in states.items()}
    if freeze:
        model.freeze(*(name for name, _ in own))


def bend(model: Model, curves: float) -> None:
    """Let a network begin with random curves of its numbers: E in N(0, curves^2), in the bins that a column has."""
    if not curves:
        return
    for number, slot in enumerate(model.network.slots):
        if not isinstance(slot.link.layer, PiecewiseLinearEmbedding) or slot.field != "E":
            continue
        bins = model.states[slot.link.name].bins[:, None, None]  # of each column
        drawn = generator(model.seed, "start", number).standard_normal(slot.parameter.shape)
        is_used = np.arange(slot.parameter.shape[1])[:, None] < bins
        model.theta[slot.start : slot.stop] = np.where(is_used, curves * drawn, 0.0).ravel()


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
