"""dL by one number as a sum of products, each containing dL by a variable nearer to the loss.

Of an output in place of the loss likewise, with the output in place of L.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.inspection.derivation.factors import Cells, Edge, Variable
from chainrule.inspection.derivation.graph import Graph
from chainrule.inspection.derivation.letters import Letters
from chainrule.inspection.derivation.markup import Expression, Partial, Symbol


@records.kind("derivation_term")
class Term(NamedTuple):
    """One product of a sum: a factor times dL by a variable nearer to the loss; only the factor if node is None."""

    factor: Expression
    node: Node | None

    @property
    def value(self) -> float:
        """The value of the product."""
        return self.factor.value * (self.node.value if self.node else 1.0)

    def to_data(self) -> dict[str, Any]:
        """Return the factor, the name of the variable derived by, and the product as JSON-safe data."""
        at = None if self.node is None else self.node.of.plain
        return records.labeled(self, {"factor": self.factor, "node": at, "value": self.value})


class Part(NamedTuple):
    """The terms that one edge contributes to a node: their cells, and a function for each factor's expression."""

    edge: Edge
    cells: Cells
    factor: Callable[[int, int], Expression]
    """of (row, column)"""

    def at_cells(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values of an array like the edge's target at the cells."""
        return values[self.cells.rows, self.cells.columns]

    def with_paths(self, graph: Graph) -> Part:
        """Return the part without the cells that do not affect the number derived, such as other outputs."""
        kept = self.at_cells(graph.paths(self.edge.target)) != 0
        return self._replace(cells=Cells(*(each[kept] for each in self.cells)))


@records.kind("derivation_node")
class Node:
    """dL by one number: the sum of `terms`, or, for an output of the network, the formula `leaf`.

    Nodes are created on demand. value: the exact sum, correctly rounded, of all terms, shown or not.
    """

    def __init__(
        self,
        graph: Graph,
        of: Symbol,
        parts: Sequence[Part],
        extra: Sequence[Term] = (),
        leaf: Expression | None = None,
    ) -> None:
        """Store the symbol of the number, and the edges with its terms."""
        self.graph, self._extra = graph, tuple(extra)
        self.parts = tuple(part.with_paths(graph) for part in parts)
        self.of = of
        self.leaf = leaf

    @property
    def letters(self) -> Letters:
        """The symbols of the trace."""
        return self.graph.letters

    @cached_property
    def _products(self) -> NDArray[np.float64]:
        """The values of all terms, part by part; the penalty's last."""
        values = [
            part.cells.factors * part.at_cells(self.graph.delta(part.edge.target)) for part in self.parts
        ]
        return np.concatenate([*values, np.array([term.value for term in self._extra])])

    @cached_property
    def value(self) -> float:
        """The sum."""
        return self.leaf.value if self.leaf is not None else math.fsum(self._products.tolist())

    @property
    def count(self) -> int:
        """The number of terms."""
        return len(self._products)

    @cached_property
    def magnitude(self) -> float:
        """The sum of the absolute values of all products: rounding errors are proportional to it."""
        if self.leaf is not None:
            return abs(self.leaf.value)
        own = [abs(term.value) for term in self._extra]
        for part in self.parts:
            sizes = part.at_cells(self.graph.size(part.edge.target))
            own.append(float(np.abs(part.cells.factors) @ sizes))
        return math.fsum(own)

    @property
    def symbol(self) -> Partial:
        """The derivative dL/d of the number, with its value."""
        return Partial(self.graph.symbol, self.of, self.value)

    def largest(self, count: int) -> tuple[list[Term], int, float]:
        """Return the terms of largest absolute value, and the number and the exact sum of the others."""
        if self.leaf is not None:
            return [], 0, 0.0
        order = np.argsort(-np.abs(self._products), kind="stable")
        # The penalty's terms are always shown, because they are not part of the chain rule.
        extra = self.count - len(self._extra)
        chosen = [int(t) for t in order if t < extra][:count] + list(range(extra, self.count))
        others = np.delete(self._products, chosen)
        return [self._term(t) for t in chosen], len(others), math.fsum(others.tolist())

    @property
    def terms(self) -> list[Term]:
        """All terms, the largest first."""
        return self.largest(self.count)[0]

    def _term(self, number: int) -> Term:
        for part in self.parts:
            size = len(part.cells.rows)
            if number < size:
                row, column = int(part.cells.rows[number]), int(part.cells.columns[number])
                node = cell(self.graph, part.edge.target, row, column)
                # The derivative of an output by itself is 1, and not written.
                return Term(part.factor(row, column), None if node.of == self.graph.symbol else node)
            number -= size
        return self._extra[number]

    def to_data(self, terms: int | None = 12) -> dict[str, Any]:
        """Return dL by the number and its largest terms, None for all, as JSON-safe data, with the others' sum."""
        shown, others, rest = self.largest(self.count if terms is None else terms)
        return records.labeled(
            self,
            {
                "of": self.of.plain,
                "value": self.value,
                "magnitude": self.magnitude,
                "symbol": self.symbol,
                "leaf": self.leaf,
                "terms": shown,
                "others": others,
                "rest": rest,
            },
        )


def cell(graph: Graph, variable: Variable, i: int, k: int) -> Node:
    """Create the node of dL by one cell of a variable."""
    of = variable.symbol(i, k)
    if variable is graph.out:
        return Node(graph, of, (), leaf=graph.leaf(i, k))
    return Node(
        graph, of, [Part(edge, edge.cells(i, k), partial(edge.factor, i, k)) for edge in variable.edges]
    )
