"""Choose the derivatives to write out, and build their equations."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from itertools import count
from typing import Any, NamedTuple

from chainrule.core import records
from chainrule.core.settings import check_count
from chainrule.inspection.derivation.markup import Expression, Number, Partial, Product, Sum, Symbol
from chainrule.inspection.derivation.tree import Node, Term
from chainrule.inspection.derivation.writing import TEXT


@records.kind("equation")
class Equation(NamedTuple):
    """dL by one number: a product along a run of links, a sum, or at the loss a formula."""

    node: Node
    terms: list[Term]
    """one for a product, whose factors run through links with one term each"""
    partials: Expression | None
    """for a product: the same in partial derivatives"""
    others: int
    """the number of terms not shown"""
    rest: float
    """the sum of the terms not shown"""

    def written(self) -> list[Expression]:
        """Return each shown term, with dL by its variable as the last factor."""
        if self.node.leaf is not None:
            return [self.node.leaf]
        return [written(term) for term in self.terms] or [Number(0.0)]  # 0 without effect

    @property
    def is_sum(self) -> bool:
        """Whether there is more than one term."""
        return len(self.terms) + self.others > 1

    def to_data(self) -> dict[str, Any]:
        """Return the number, the value, the terms and the sum of those not shown as JSON-safe data."""
        nodes = [term.node for term in self.terms] or [None]
        return records.labeled(
            self,
            {
                "of": self.node.of.plain,
                "value": self.node.value,
                "symbol": self.node.symbol,
                "terms": [
                    {"written": shown, "node": None if node is None else node.of.plain}
                    for shown, node in zip(self.written(), nodes, strict=True)
                ],
                "partials": self.partials,
                "others": self.others,
                "rest": self.rest,
            },
        )


def written(term: Term) -> Expression:
    """Return factor * dL/d node, or the factor only for a leaf."""
    return Product(term.factor, term.node.symbol) if term.node else term.factor


def equations(tree: Node, terms: int, nodes: int) -> tuple[list[Equation], int]:
    """Choose the equations to write, from the number to the loss, and count the omitted derivatives.

    The heaviest path to the loss first, then by contribution to the whole, until `nodes` are written.
    """
    check_count(terms, "terms")
    check_count(nodes, "nodes")
    found: dict[str, Equation] = {}
    depths: dict[str, int] = {}
    waiting: list[tuple[float, int, int, float, Node]] = []
    numbers = count()

    def write(node: Node, depth: int, weight: float) -> None:
        equation = equation_of(node, terms)
        found[node.of.plain], depths[node.of.plain] = equation, depth
        for term in equation.terms:
            if term.node is not None and term.node.of.plain not in found:
                inner = weight * term.factor.value
                entry = (-abs(inner * term.node.value), next(numbers), depth + 1, inner, term.node)
                heapq.heappush(waiting, entry)

    node: Node | None = tree
    depth, weight = 0, 1.0
    while node is not None:  # the heaviest path
        write(node, depth, weight)
        heaviest = next((term for term in found[node.of.plain].terms if term.node is not None), None)
        if heaviest is not None:
            depth, weight = depth + 1, weight * heaviest.factor.value
        node = heaviest.node if heaviest else None
    while waiting and len(found) < nodes:
        _, _, depth, weight, other = heapq.heappop(waiting)
        if other.of.plain not in found:
            write(other, depth, weight)
    named = {entry[-1].of.plain for entry in waiting} - found.keys()
    order = sorted(found, key=lambda name: depths[name])
    return [found[name] for name in order], len(named)


def equation_of(node: Node, terms: int) -> Equation:
    """Write one derivative; one with a single term is multiplied through to the next sum or the loss."""
    if node.leaf is not None:
        return Equation(node, [], None, 0, 0.0)
    if node.count != 1:
        return Equation(node, *_split(node, terms))
    factors: list[Expression] = []
    partials: list[Expression] = []
    at = node
    while at.leaf is None and at.count == 1:
        (term,), _, _ = at.largest(1)
        if term.node is None:  # only the penalty, of a weight without effect
            return Equation(node, [term], None, 0, 0.0)
        factors.append(term.factor)
        partials.append(Partial(term.node.of, at.of, term.factor.value))
        at = term.node
    partials.append(at.symbol)
    whole = Term(Product(*factors), at) if at.leaf is None else Term(Product(*factors, at.leaf), None)
    return Equation(node, [whole], Product(*partials), 0, 0.0)


def _split(node: Node, terms: int) -> tuple[list[Term], None, int, float]:
    shown, others, rest = node.largest(terms)
    if others == 1:  # a single term is as short as its sum
        shown, others, rest = node.largest(terms + 1)
    return shown, None, others, rest


def update(root: Node, learning_rate: float, after: float) -> str:
    """Write the gradient descent update: w′ = w - lr · ∂L/∂w."""
    w, rate = root.of.plain, Symbol("r" if root.letters.is_chain else "lr", "", "", "", learning_rate)
    equation = equation_of(root, 1)
    rows = [Sum(root.of, (-1, Product(rate, root.symbol))).text()]
    if not equation.is_sum:
        rows.append(Sum(root.of, (-1, Product(rate, *equation.written()))).text())
    rows.append(Sum(root.of, (-1, Product(rate, root.symbol))).text(True))
    rows.append(TEXT.number(after))
    return beneath(f"{w}′", dict.fromkeys(rows))


def beneath(left: str, rows: Iterable[str]) -> str:
    """Write an equation with its right sides beneath each other."""
    return "\n".join(f"{left if i == 0 else ' ' * len(left)} = {row}" for i, row in enumerate(rows))
