"""Pack networks of one architecture into a single network, with their columns side by side.

Each layer outputs (batch, members * width) numbers, member after member, and the prediction is the average of the
members: a Dense becomes a `GroupedDense`, and `MeanOverMembers` wraps the loss.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.formulas.layers import (
    Dense,
    Embedding,
    GroupedDense,
    Layer,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
    Standardize,
    Take,
)
from chainrule.formulas.mean_over_members import MeanOverMembers
from chainrule.network.blocks import Residual, Skip
from chainrule.network.network import Network

IN_PLACE = (PiecewiseLinearEmbedding, PeriodicEmbedding)


def side_by_side(network: Network, members: int, same: Collection[str] = ()) -> Network:
    """Return the network that packs this many members of one architecture.

    same: the links with equal states in all members (`same_states`). Leading ones of these that change units are kept
    unchanged, and a piecewise linear embedding of inputs searches a number's bin once for all members.
    Raises ConfigError for a layer that cannot be packed: one that mixes columns and is not a dense layer.
    """
    links = list(network.links)
    while links and links[0].layer.changes_units and links[0].name in same:
        links.pop(0)
    front = [link.layer for link in network.links[: len(network.links) - len(links)]]
    width = links[0].fan_in if links else network.fan_out
    at = np.tile(np.arange(width), (members, 1))  # each member's columns, the same at first
    while links:
        layer = links[0].layer
        if type(layer) is Embedding:
            tables = tuple((column, codes, size * members) for column, codes, size in layer.columns)
            front.append(replace(layer, columns=tables))
            at = _behind_codes(layer, at)
        elif type(layer) is PiecewiseLinearEmbedding and links[0].name in same:
            columns = tuple(int(column) for column in at[0, layer.embedded(at.shape[1])])
            front.append(replace(layer, size=layer.size * members, columns=columns))
            at = _behind_numbers(layer, at)
        else:
            break
        links.pop(0)
    rest, fan_in = [link.layer for link in links], at.shape[1]
    loss, each = network.loss, 1
    if isinstance(loss, MeanOverMembers):  # every member is an ensemble already
        loss, each = loss.loss, loss.members
    return Network(
        network.inputs,
        [*front, Take(tuple(at.ravel().tolist())), *_chain(rest, fan_in, members)],
        MeanOverMembers(loss, each * members),
        l2=network.l2 / members,  # makes the penalty the mean of the members'
        l1=network.l1 / members,
        max_norm=network.max_norm,
        constraints=network.constraints,
    )


def _chain(layers: Sequence[Layer], fan_in: int, members: int) -> Iterator[Layer]:
    """Iterate over the packed layers of a chain; fan_in: of one member."""
    for layer in layers:
        yield from _beside(layer, fan_in, members)
        fan_in = layer.width(fan_in)


def _beside(layer: Layer, fan_in: int, members: int) -> list[Layer]:
    """Return the layers that pack this one."""
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
        return [Take(_columns_of_each(layer.columns, fan_in, members))]
    if isinstance(layer, (PiecewiseLinearEmbedding, PeriodicEmbedding)) and kind in IN_PLACE:
        columns = layer.columns and _columns_of_each(layer.columns, fan_in, members)
        return [replace(layer, columns=columns)]
    if isinstance(layer, Standardize):
        raise ConfigError(
            "Standardize was measured on different samples in each member; train the members together."
        )
    if layer.is_elementwise:
        return [layer]
    raise ConfigError(f"{layer!r} cannot be packed for networks side by side; leave the ensemble unpacked.")


def _columns_of_each(columns: Sequence[int], fan_in: int, members: int) -> tuple[int, ...]:
    """Repeat a member's columns for each of the members."""
    return tuple(column + i * fan_in for i in range(members) for column in columns)


def _behind_codes(layer: Embedding, at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each member's columns after the packed layer, given those before it."""
    members, fan_in = at.shape
    rest = fan_in - len(layer.columns)
    parts, start = [np.tile(np.arange(rest), (members, 1))], rest
    for *_, size in layer.columns:
        parts.append(start + np.arange(members * size).reshape(members, size))
        start += members * size
    return np.hstack(parts)


def _behind_numbers(layer: PiecewiseLinearEmbedding, at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each member's columns after the packed layer, given those before it."""
    members, fan_in = at.shape
    embedded, size = layer.embedded(fan_in), layer.size
    widths = np.ones(at.max() + 1, np.int64)
    widths[at[0, embedded]] = size * members
    starts = (np.cumsum(widths) - widths)[at]  # (members, fan_in)
    starts[:, embedded] += np.arange(members)[:, None] * size
    own = np.ones(fan_in, np.int64)
    own[embedded] = size
    inside = np.arange(own.sum()) - np.repeat(np.cumsum(own) - own, own)
    values: NDArray[np.int64] = np.repeat(starts, own, axis=1) + inside
    return values


def _regrouped(widths: Sequence[int], members: int) -> Take:
    """Return a Take that regroups parts (batch, members * width) into members that have all parts."""
    starts = np.cumsum([0, *(members * width for width in widths)])
    order = [
        int(start) + i * width + column
        for i in range(members)
        for start, width in zip(starts, widths, strict=False)
        for column in range(width)
    ]
    return Take(tuple(order))


def same_states(network: Network, states: Sequence[dict[str, Any]]) -> set[str]:
    """Return the links with equal states in all members, including those without a state."""
    return {
        link.name
        for link in network.walk()
        if all(
            np.array_equal(a, b)
            for own in states
            for a, b in zip(own.get(link.name, ()), states[0].get(link.name, ()), strict=True)
        )
    }


def joined_theta(network: Network, packed: Network, thetas: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Build theta (size,) of the packed network from those of its members."""
    theta = np.zeros(packed.size, thetas[0].dtype)
    for slot, place in zip(network.slots, packed.slots, strict=True):
        parts = [one[slot.start : slot.stop].reshape(slot.parameter.shape) for one in thetas]
        if isinstance(slot.link.layer, GroupedDense) and slot.link.layer.shared:
            parts = [part for part in parts for _ in range(slot.link.layer.groups)]
        joined = _joined(parts, place.parameter.shape)
        theta[place.start : place.stop] = joined.ravel()
    return theta


def joined_states(network: Network, packed: Network, states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Build the states of the packed network from those of its members."""
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
    """Combine the members' arrays to a shape: stacked, concatenated along an axis, or as diagonal blocks."""
    own, count = parts[0].shape, len(parts)
    if shape == own:  # equal in all members
        return parts[0]
    if shape == (count, *own):
        return np.stack(parts)
    longer = [axis for axis, length in enumerate(own) if shape[axis] != length]
    if len(longer) == 1:
        return np.concatenate(parts, longer[0])
    whole = np.zeros(shape, parts[0].dtype)  # the projection of a residual block mixes all columns
    for i, part in enumerate(parts):
        whole[i * own[0] : (i + 1) * own[0], i * own[1] : (i + 1) * own[1]] = part
    return whole
