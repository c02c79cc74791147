"""A traced network as a graph of variables and edges, with dL by every cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from chainrule.core.arrays import Array
from chainrule.errors import ConfigError
from chainrule.formulas.layers import Context, Link, Operation
from chainrule.inspection.derivation import loss_formulas
from chainrule.inspection.derivation.cellwise import CellwiseEdge
from chainrule.inspection.derivation.edges import edge_of_link
from chainrule.inspection.derivation.letters import Letters
from chainrule.inspection.derivation.local_derivatives import Edge, Floats, Variable
from chainrule.inspection.derivation.markup import Expression, Product
from chainrule.inspection.derivation.own_layers import OwnEdge
from chainrule.inspection.trace.walk import Walk
from chainrule.network import objective
from chainrule.network.blocks import Block
from chainrule.network.tree import fold

ADD, CONCATENATE = (Operation("add"),), (Operation("concat"),)
"""The operations of blocks that add, or concatenate, the outputs of their chains."""


class Graph:
    """The variables of a trace in forward order, and the edges between them."""

    def __init__(self, trace: Walk) -> None:
        """Build the graph of a float64 trace."""
        self.trace = trace
        self.letters = Letters(trace)
        self.x = Variable(None, trace.x, self.letters)
        self.variables = [self.x]
        self.edges: dict[str, Edge] = {}
        """the edge of each link with parameters, by link name"""
        self.out = fold(trace.network.links, self.x, self._step, trace.tree, enters=_walks_branches)
        # (batch, outputs): d loss_i / d out_i
        self.gradient: Floats = trace.network.loss.gradient(trace.out, trace.y)
        self._deltas: dict[int, Floats] = {}
        self._sizes: dict[int, Floats] = {}

    def _step(self, link: Link, source: Variable, ends: Sequence[Variable], theta: Array) -> Variable:
        """Add a link after a source, or a block after the ends of its chains; return its output."""
        target = Variable(link, self.trace.outputs[link.name], self.letters)
        if ends:
            self._join(link, ends, target)
        else:
            edge = edge_of_link(link, source, target, theta, self.trace.context(link))
            source.edges.append(edge)
            if link.params:
                self.edges[link.name] = edge
        self.variables.append(target)
        return target

    def _join(self, link: Link, ends: Sequence[Variable], target: Variable) -> None:
        """Create the edges from the ends of a block's chains to its output."""
        layer, ctx = link.layer, self.trace.context(link)
        assert isinstance(layer, Block)
        ops, offset = layer.ops(link.fan_in), 0
        for number, end in enumerate(ends):
            if ops in (ADD, CONCATENATE):
                end.edges.append(CellwiseEdge(link, end, target, np.ones(end.value.shape), offset))
            else:
                end.edges.append(OwnEdge(link, end, target, partial(_part_of, layer, ctx, number)))
            offset += end.value.shape[1] if ops == CONCATENATE else 0

    # --- dL by a cell --------------------------------------------------------------------------------------------

    def delta(self, variable: Variable) -> Floats:
        """Compute dL by each cell of a variable (batch, width): the sum over its edges of factor times delta."""
        return self._back_to(variable, self._deltas, lambda leaf: leaf, lambda edge, d: edge.backward(d))

    def size(self, variable: Variable) -> Floats:
        """Compute the same sum of absolute values: the size of a derivative's terms."""
        return self._back_to(variable, self._sizes, np.abs, lambda edge, d: edge.backward_size(d))

    def _back_to(
        self,
        variable: Variable,
        known: dict[int, Floats],
        start: Callable[[Floats], Floats],
        backward: Callable[[Edge, Floats], Floats],
    ) -> Floats:
        """Propagate from the loss back to a variable, and cache all intermediate results."""
        for v in reversed(self.variables):  # those that depend on v come after it
            if id(v) not in known and v is self.out:
                known[id(v)] = start(objective.gradient(self.gradient, self.trace.share))
            elif id(v) not in known:
                known[id(v)] = np.sum([backward(edge, known[id(edge.target)]) for edge in v.edges], axis=0)
            if v is variable:
                break
        return known[id(variable)]

    def leaf(self, i: int, k: int) -> Expression:
        """Return dL by an output as a formula."""
        share = loss_formulas.share(self.trace, self.letters, i)
        return Product(share, loss_formulas.derivative(self.trace, self.out, self.gradient, i, k))

    def edge_of(self, name: str) -> Edge:
        """Return the edge of a link's parameters."""
        if name not in self.edges:
            raise ConfigError(
                f"{name} is in a custom block, which cannot be written out; derive a number outside it."
            )
        return self.edges[name]


def _part_of(block: Block, ctx: Context, number: int, delta: Floats) -> Floats:
    """Return one chain's part of a block's gradient."""
    return np.asarray(block.split(delta, ctx)[number])


def _walks_branches(link: Link) -> bool:
    """Return whether a block uses `Block`'s forward and backward, and only overrides join and split."""
    kind = type(link.layer)
    return issubclass(kind, Block) and kind.forward is Block.forward and kind.backward is Block.backward
