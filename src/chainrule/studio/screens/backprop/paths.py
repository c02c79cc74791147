"""The number of paths from one number of a network to its loss: the products that the chain rule sums."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from chainrule.inspection.derivation.cellwise import CellwiseEdge
from chainrule.inspection.derivation.embeddings import EmbeddingEdge, InPlaceEdge
from chainrule.inspection.derivation.local_derivatives import (
    BatchNormEdge,
    DenseEdge,
    Edge,
    Floats,
    SoftmaxEdge,
)
from chainrule.inspection.derivation.members import GroupedDenseEdge, TakeEdge
from chainrule.inspection.derivation.own_layers import OwnEdge
from chainrule.inspection.derivation.tree import Node


class PathCounts(NamedTuple):
    """The number of paths, exact up to 2^53."""

    every: float
    live: float
    """without those with a factor of 0"""


def count_paths(node: Node) -> PathCounts:
    """Count the paths from a number to the loss. Each is one product of the derivative written in full."""
    return PathCounts(_count(node, False), _count(node, True))


def _count(node: Node, live: bool) -> float:
    graph = node.graph
    counts: dict[int, Floats] = {}  # by variable: (batch, width)
    for v in reversed(graph.variables):  # those that depend on v are after it
        if v is graph.out:
            ones = graph.delta(v) != 0 if live else np.ones(v.value.shape)
            counts[id(v)] = np.asarray(ones, np.float64)
        else:
            counts[id(v)] = np.sum([_back(edge, counts[id(edge.target)], live) for edge in v.edges], axis=0)
    found = []
    for part in node.parts:
        here = part.at_cells(counts[id(part.edge.target)])
        found.append(float(here[part.cells.factors != 0].sum() if live else here.sum()))
    return math.fsum(found)


def _back(edge: Edge, counts: Floats, live: bool) -> Floats:
    """Return the number of paths from each cell of an edge's source (batch, width), given those of its target."""
    shape = edge.source.value.shape
    match edge:
        case DenseEdge() if live:
            reached: Floats = counts @ (edge.params.W != 0).astype(np.float64).T
            return reached
        case CellwiseEdge():
            own = counts[:, edge.offset : edge.offset + shape[1]]
            return own * (edge.factors != 0) if live else own
        case EmbeddingEdge() | TakeEdge():
            return edge.backward(counts)  # there are none through a code
        case GroupedDenseEdge():
            return edge.by_group(counts, (edge.W != 0) | (not live))
        case InPlaceEdge():
            return edge.gathered(counts * (edge.factors != 0) if live else counts)
        case BatchNormEdge():
            return np.broadcast_to(counts.sum(0), shape) if edge.training else counts
        case OwnEdge():
            through: Floats = counts.ravel() @ (edge.jacobian != 0).astype(np.float64)
            return through.reshape(shape)
        case DenseEdge() | SoftmaxEdge():
            return np.broadcast_to(counts.sum(1, keepdims=True), shape)
    raise TypeError(f"no rule for {type(edge).__name__}")
