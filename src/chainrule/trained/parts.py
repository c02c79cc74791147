"""Layers with their numbers, of networks that other libraries trained: what each reader of such networks makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.formulas.layers import (
    Dense,
    Identity,
    Layer,
    Rescale,
    Scale,
    Shift,
    Sigmoid,
    Softmax,
    Standardize,
)
from chainrule.formulas.losses import (
    BinaryCrossEntropy,
    Loss,
    MeanSquaredError,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)
from chainrule.network.blocks import Skip
from chainrule.network.network import Network

Floats = NDArray[np.floating[Any]]
Contents = tuple[Network, NDArray[Any], dict[str, Any], dict[str, Any]]
"""A network, its parameters and states, and the metadata of a model."""


class Part(NamedTuple):
    """A layer with its numbers."""

    layer: Layer
    arrays: tuple[NDArray[Any], ...] = ()
    """its parameters, in their order"""
    state: tuple[Any, ...] = ()
    """its running statistics or fitted constants"""
    inside: tuple[tuple[Part, ...], ...] = ()
    """of a block, those of its branch and of its shortcut"""


def walked(parts: Sequence[Part]) -> Iterator[Part]:
    """Iterate over parts, a block before its own: the order of a network's links."""
    for part in parts:
        yield part
        for branch in part.inside:
            yield from walked(branch)


def dense(W: Floats, b: Floats | None = None) -> Part:
    """Return z = a W + b, with W (fan_in, units)."""
    return Part(Dense(W.shape[1]), (W, np.zeros(W.shape[1], W.dtype) if b is None else b))


def add_affine(parts: list[Part], scale: Floats, offset: Floats, is_input: bool) -> None:
    """Add scale a + offset, each a number (1,) or one per column, as layers behind some parts.

    An offset alone becomes a bias of the dense layer before it. is_input: whether the first part reads the input,
    before whose trainable layers it is a standardization.
    """
    scale, offset = np.atleast_1d(scale), np.atleast_1d(offset)
    if (scale == 1).all() and not offset.any():
        return
    last = parts[-1].layer if parts else None
    if type(last) is Dense and (scale == 1).all():
        W, b = parts[-1].arrays
        parts[-1] = Part(last, (W, b + offset))
    elif scale.size == offset.size == 1:
        parts.append(Part(Rescale(float(scale[0]), float(offset[0]))))
    elif is_input and (scale > 0).all() and all(part.layer.changes_units for part in parts):
        scale, offset = np.broadcast_arrays(scale, offset)
        parts.append(Part(Standardize(), (), (-offset / scale, 1 / scale, np.ones(()))))
    else:
        scale, offset = np.broadcast_arrays(scale, offset)
        if (scale != 1).any():
            parts.append(Part(Scale(), (scale,)))
        if offset.any():
            parts.append(Part(Shift(), (offset,)))


def with_loss(parts: list[Part], loss: Loss | None) -> Loss:
    """Choose the loss by the last layers, and take away what it computes itself.

    Softmax goes with SoftmaxCrossEntropy, Sigmoid with BinaryCrossEntropy, everything else with MeanSquaredError.
    loss: the one to take instead.
    """
    if [part.layer for part in parts[-2:]] == [Sigmoid(), Skip([Rescale(-1.0, 1.0)])]:
        parts.pop()  # [1 - p, p] of a single p: the probabilities of both classes
    last = parts[-1].layer if len(parts) > 1 else None
    if loss is None and last == Softmax():
        loss = SoftmaxCrossEntropy()
    elif loss is None and last == Sigmoid():
        loss = BinaryCrossEntropy()
    if (isinstance(loss, SoftmaxCrossEntropy) and last == Softmax()) or (
        isinstance(loss, SigmoidCrossEntropy) and last == Sigmoid()
    ):
        parts.pop()
    return loss or MeanSquaredError()


def target_scale(parts: list[Part]) -> dict[str, Any] | None:
    """Take a scale above 0 behind the last dense layer away, which is that of the targets, and return it."""
    end = next((k for k in range(len(parts) - 1, -1, -1) if type(parts[k].layer) is Dense), len(parts))
    layers = [type(part.layer) for part in parts[end + 1 :]]
    if layers not in ([Rescale], [Scale], [Scale, Shift]):
        return None
    units, first = len(parts[end].arrays[1]), parts[end + 1]
    if isinstance(first.layer, Rescale):
        std, mean = np.full(units, first.layer.scale), np.full(units, first.layer.offset)
    else:
        std = first.arrays[0]
        mean = parts[end + 2].arrays[0] if len(layers) > 1 else np.zeros(units)
    if not (std > 0).all():
        return None
    del parts[end + 1 :]
    return {"mean": mean.astype(float).tolist(), "std": std.astype(float).tolist()}


def contents(
    parts: list[Part],
    inputs: int,
    dtype: np.dtype[Any],
    loss: Loss | None,
    *,
    classes: list[Any] | None = None,
    names: Sequence[str] | None = None,
    bounds: tuple[Floats, Floats] | None = None,
) -> Contents:
    """Return the network of some parts, its parameters and states, and the metadata of a model.

    classes: the labels, left out unless they ascend and the network has as many outputs.  names: of the inputs.
    bounds: to which the answers are clipped.
    Raises ChainruleError for parts that do not fit.
    """
    loss = with_loss(parts, loss)
    scale = target_scale(parts) if loss.targets == "real" else None
    network = Network(inputs, [part.layer for part in parts] or [Identity()], loss)
    if bounds is not None:
        if loss.targets != "real":
            raise ConfigError(f"the answers are clipped, for which {type(loss).__name__} has no bounds.")
        ones = np.ones(network.outputs)
        scale = scale or {"mean": (0 * ones).tolist(), "std": ones.tolist()}
        scale |= {name: (ones * each).tolist() for name, each in zip(("low", "high"), bounds, strict=True)}
    arrays = [array for part in walked(parts) for array in part.arrays]
    theta = np.empty(network.size, dtype)
    for slot, array in zip(network.slots, arrays, strict=True):
        if array.shape != slot.parameter.shape:
            raise ConfigError(
                f"{slot.field} of {slot.link.name} must be {slot.parameter.shape}, not {array.shape}."
            )
        theta[slot.start : slot.stop] = array.ravel()
    states = network.initial_states(dtype)
    for link, part in zip(network.walk(), walked(parts), strict=bool(parts)):
        if part.state:
            own = states[link.name]
            states[link.name] = type(own)(*(np.asarray(value, dtype) for value in part.state))
    if not all(np.isfinite(part).all() for part in (theta, *(v for s in states.values() for v in s))):
        raise ConfigError("there is NaN or infinity among its numbers; export the network again.")
    count = network.outputs if loss.targets == "classes" else 2 if loss.targets == "binary" else 0
    are_labels = classes is not None and len(classes) == count > 0 and len(set(map(type, classes))) == 1
    extra = {
        "dtype": dtype.name,
        "seed": 0,
        "classes": classes if are_labels and classes == sorted(set(classes or ())) else None,
        "feature_names": None if names is None else list(names),
        "target_scale": scale,
        "frozen": [],
        "epochs_trained": 0,
        "steps_trained": 0,
    }
    return network, theta, states, {k: v for k, v in extra.items() if k != "feature_names" or v}
