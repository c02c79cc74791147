"""Networks of one architecture as a single network, in which they stand side by side in columns.

Behind each of its layers there are (batch, members * width) numbers, member after member, and it predicts the average
of the members: a Dense becomes a `GroupedDense`, and `MeanOverMembers` is around the loss.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.formulas.layers import Dense, Embedding, GroupedDense, Layer, Standardize, Take
from chainrule.formulas.mean_over_members import MeanOverMembers
from chainrule.network.blocks import Residual, Skip
from chainrule.network.network import Network


def side_by_side(network: Network, members: int, shared: int = 0) -> Network:
    """Return the network of so many members of one architecture.

    shared: the number of leading layers that are the same in all members, numbers included; they stay as they are.
    Raises ConfigError for a layer that has no such form: one that mixes columns and is no dense layer.
    """
    layers, rest = list(network.layers[:shared]), network.layers[shared:]
    width = network.links[shared - 1].fan_out if shared else network.inputs
    if rest and type(rest[0]) is Embedding:
        layers += _embedded(rest[0], width, members)
        width, rest = rest[0].width(width), rest[1:]
    else:
        layers.append(Take(tuple(range(width)) * members))
    loss, each = network.loss, 1
    if isinstance(loss, MeanOverMembers):  # every member is several already
        loss, each = loss.loss, loss.members
    return Network(
        network.inputs,
        [*layers, *_chain(rest, width, members)],
        MeanOverMembers(loss, each * members),
        l2=network.l2 / members,  # so that the penalty is the mean of the members'
        l1=network.l1 / members,
        max_norm=network.max_norm,
    )


def _chain(layers: Sequence[Layer], fan_in: int, members: int) -> Iterator[Layer]:
    """Iterate over the layers that are a chain of layers for each of the members; fan_in: of one of them."""
    for layer in layers:
        yield from _beside(layer, fan_in, members)
        fan_in = layer.width(fan_in)


def _beside(layer: Layer, fan_in: int, members: int) -> list[Layer]:
    """Return the layers that are this one for each of the members."""
    kind = type(layer)
    if kind is Dense:
        settings = {f.name: getattr(layer, f.name) for f in fields(Dense)}
        return [GroupedDense(groups=members, **settings)]
    if isinstance(layer, GroupedDense) and kind is GroupedDense:
        return [replace(layer, groups=layer.groups * members, shared=False)]
    if isinstance(layer, Residual) and kind is Residual:
        return [Residual(list(_chain(layer.layers, fan_in, members)))]
    if isinstance(layer, Skip) and kind is Skip:
        branch = Skip(list(_chain(layer.layers, fan_in, members)))
        return [branch, _regrouped([layer.branch_width(fan_in), fan_in], members)]
    if isinstance(layer, Take) and kind is Take:
        return [Take(tuple(column + i * fan_in for i in range(members) for column in layer.columns))]
    if isinstance(layer, Standardize):
        raise ConfigError("Standardize was measured on other samples in each member; train them together.")
    if layer.is_elementwise:
        return [layer]
    raise ConfigError(
        f"{layer!r} has no form for networks side by side in columns; leave the ensemble as it is."
    )


def _embedded(layer: Embedding, fan_in: int, members: int) -> list[Layer]:
    """Return the embedding of which a code's vectors are those of all members, and what puts them to their members."""
    sizes = [size for *_, size in layer.columns]
    columns = tuple((column, codes, size * members) for column, codes, size in layer.columns)
    wide = Embedding(columns, layer.std)
    rest = fan_in - len(sizes)
    order: list[int] = []
    for i in range(members):
        order += range(rest)
        start = rest
        for size in sizes:
            order += range(start + i * size, start + (i + 1) * size)
            start += members * size
    return [wide, Take(tuple(order))]


def _regrouped(widths: Sequence[int], members: int) -> Take:
    """Return what makes of parts (batch, members * width) one after the other members that have all parts."""
    starts = np.cumsum([0, *(members * width for width in widths)])
    order = [
        int(start) + i * width + column
        for i in range(members)
        for start, width in zip(starts, widths, strict=False)
        for column in range(width)
    ]
    return Take(tuple(order))


def shared_layers(network: Network, states: Sequence[dict[str, Any]]) -> int:
    """Count the leading layers that only change units, with the same numbers in all members."""
    count = 0
    for link in network.links:
        own = [one.get(link.name, ()) for one in states]
        is_same = all(np.array_equal(a, b) for each in own for a, b in zip(each, own[0], strict=True))
        if not (link.layer.changes_units and is_same):
            break
        count += 1
    return count


def joined_theta(network: Network, packed: Network, thetas: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return theta (size,) of the packed network from those of its members."""
    theta = np.zeros(packed.size, thetas[0].dtype)
    for slot, place in zip(network.slots, packed.slots, strict=True):
        parts = [one[slot.start : slot.stop].reshape(slot.parameter.shape) for one in thetas]
        if isinstance(slot.link.layer, GroupedDense) and slot.link.layer.shared:
            parts = [part for part in parts for _ in range(slot.link.layer.groups)]
        joined = _joined(parts, place.parameter.shape)
        theta[place.start : place.stop] = joined.ravel()
    return theta


def joined_states(network: Network, packed: Network, states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the states of the packed network from those of its members."""
    names = [link.name for link in network.walk() if link.name in states[0]]
    places = {
        link.name: link.layer.state(link.fan_in)
        for link in packed.walk()
        if link.layer.state(link.fan_in) != ()
    }
    return {
        place: type(shapes)(
            *(
                _joined([np.asarray(own[name][field]) for own in states], np.shape(shape))
                for field, shape in enumerate(shapes)
            )
        )
        for name, (place, shapes) in zip(names, places.items(), strict=True)
    }


def _joined(parts: Sequence[NDArray[Any]], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the members' arrays as one of a shape: stacked, or joined along an axis, or blocks on the diagonal."""
    own, count = parts[0].shape, len(parts)
    if shape == own:  # the same in all members
        return parts[0]
    if shape == (count, *own):
        return np.stack(parts)
    longer = [axis for axis, length in enumerate(own) if shape[axis] != length]
    if len(longer) == 1:
        return np.concatenate(parts, longer[0])
    whole = np.zeros(shape, parts[0].dtype)  # the projection of a residual block, all of whose columns meet
    for i, part in enumerate(parts):
        whole[i * own[0] : (i + 1) * own[0], i * own[1] : (i + 1) * own[1]] = part
    return whole
