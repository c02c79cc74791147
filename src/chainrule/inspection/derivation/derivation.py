"""Choose the derivatives to write out, and build their equations."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Sequence
from functools import cached_property, partial
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.core.settings import check_count
from chainrule.errors import ConfigError
from chainrule.formulas.layers import Link, Rescale
from chainrule.inspection.derivation.difference import Difference, central_difference, prober
from chainrule.inspection.derivation.graph import Floats, Graph
from chainrule.inspection.derivation.markup import (
    TEXT,
    Expression,
    FunctionCall,
    Number,
    Partial,
    Product,
    Sum,
    Symbol,
)
from chainrule.inspection.derivation.tree import Node, Part, Term, cell
from chainrule.inspection.walk import Walk
from chainrule.network.answers import task_of
from chainrule.network.network import Slot
from chainrule.trained.derivatives import links_after


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
    """Choose the equations to write, from the number to the end, and count the omitted derivatives.

    The heaviest path to the end first, then by contribution to the whole, until `nodes` are written.
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
    """Write one derivative; one with a single term is multiplied through to the next sum or the end."""
    if node.leaf is not None:
        return Equation(node, [], None, 0, 0.0)
    if node.count != 1:
        return Equation(node, *_split(node, terms))
    factors: list[Expression] = []
    partials: list[Expression] = []
    at: Node | None = node
    while at is not None and at.leaf is None and at.count == 1:
        (term,), _, _ = at.largest(1)
        top = node.graph.symbol if term.node is None else term.node.of
        factors.append(term.factor)
        partials.append(Partial(top, at.of, term.factor.value))
        at = term.node
    if at is not None:
        partials.append(at.symbol)
        if at.leaf is not None:
            factors.append(at.leaf)
    whole = Term(Product(*factors), None if at is None or at.leaf is not None else at)
    return Equation(node, [whole], Product(*partials) if len(partials) > 1 else None, 0, 0.0)


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


# --- the chain rule for one number of a network, as a tree from the number through every link to the loss ------------

NAME = re.compile(r"\s*(\w+?)(?:\.(\w+))?\s*(?:\[\s*(\d+(?:\s*,\s*\d+)*)\s*\])?\s*")
INPUTS = ("input", "x")
OUTPUTS = {"output": False, "outputs": False, "answer": True}
"""The names of what is derived besides the loss, and whether it is a prediction."""


@records.kind("descent_step", also=("expected",))
class Step(NamedTuple):
    """The effect of one step of gradient descent on this number only. Print it."""

    name: str
    learning_rate: float
    gradient: float
    before: float
    after: float
    loss_before: float
    loss_after: float

    formula: str
    """the update, line by line"""

    @property
    def expected(self) -> float:
        """The first-order change of the loss: -lr * gradient^2."""
        return -self.learning_rate * self.gradient**2

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)

    def __str__(self) -> str:
        """Return the update, and the loss before and after, as text."""
        return records.written(self, "as_words")


@records.kind("derivation")
class Derivation(records.Shown):
    """dL by one number, or an output's derivative, written out. Created by `Trace.derive`; print it, or display it.

    tree: the derivative as a sum of terms, a `Node`.  value: the value of the tree.  numeric: the central difference.
    name: the number's name, as passed to `derive`.  at: its value.
    of: what is derived, "loss", "output[1]" or "answer[1]".  of_value: its value.
    """

    def __init__(self, name: str, place: int | tuple[int, int], tree: Node, is_weight: bool = False) -> None:
        """Store the tree; called by `derive`."""
        graph = tree.graph
        self.trace, self.name, self.tree = graph.trace, name, tree
        self.of, self.of_value = graph.of, graph.symbol.value
        self._probe, self.at = prober(graph, place, is_weight)

    @property
    def value(self) -> float:
        """The derivative: the sum of the tree's terms, each a product of the factors along it."""
        return self.tree.value

    @cached_property
    def difference(self) -> Difference:
        """The central difference with its estimated error, step, and a note about kinks."""
        return central_difference(self._probe, self.at)

    @property
    def magnitude(self) -> float:
        """The sum of absolute values of all products along all paths, to which float64 rounding is proportional."""
        return self.tree.magnitude

    @property
    def numeric(self) -> float:
        """The central difference, computed from the values on both sides without derivatives."""
        return self.difference.value

    @property
    def relative_difference(self) -> float:
        """|value - numeric| over the larger of the two; 0 where both are 0."""
        largest = max(abs(self.value), abs(self.numeric))
        return abs(self.value - self.numeric) / largest if largest else 0.0

    # --- written out ---------------------------------------------------------------------------------------------

    def text(self, terms: int = 4, nodes: int = 12) -> str:
        """Return the derivation in symbols and numbers, from the number to the loss or the output.

        terms: the maximum number of terms shown per sum, the largest first; the exact sum of the others is one term.
        nodes: the maximum number of derivatives written out: those on the largest path to the end first, then the
        largest.
        """
        return records.written(self, "as_text", terms, nodes)

    def latex(self, terms: int = 4, nodes: int = 12) -> str:
        """Return the derivation as LaTeX: an `aligned` environment for math mode, which needs amsmath."""
        return records.written(self, "as_latex", terms, nodes)

    def mathml(self, terms: int = 4, nodes: int = 12) -> str:
        """Return the derivation as MathML: one <math> element."""
        return records.written(self, "as_mathml", terms, nodes)

    def to_data(self, terms: int = 4, nodes: int = 12) -> dict[str, Any]:
        """Return both values and the equations of `text` as JSON-safe data; see `chainrule.core.records`."""
        found, left_out = equations(self.tree, terms, nodes)
        return records.labeled(
            self,
            {
                "of": self.of,
                "of_value": self.of_value,
                "name": self.name,
                "at": self.at,
                "value": self.value,
                "difference": self.difference,
                "relative_difference": self.relative_difference,
                "loss": self.trace.loss,
                "equations": found,
                "left_out": {"derivatives": left_out},
            },
        )

    def html(self, terms: int = 4, nodes: int = 40) -> str:
        """Return an HTML page that works offline: both values, and the tree, which folds."""
        return records.written(self, "as_page", terms, nodes)

    def __str__(self) -> str:
        """Return both values, their difference, and `text` with its defaults."""
        return f"{records.view(self, 'as_heading')}\n\n{self.text()}"

    def __repr__(self) -> str:
        """Return the number's symbol and its derivative."""
        return f"<Derivation of {self.tree.symbol.text()} = {self.value:.6g}>"

    # --- gradient descent ----------------------------------------------------------------------------------------

    def step(self, learning_rate: float) -> Step:
        """Compute the gradient descent update of this number only, and the loss after it.

        Raises ConfigError for the derivative of an output.
        """
        if self.of != "loss":
            raise ConfigError(
                f"a step lowers the loss, but this is the derivative of {self.of}; derive {self.name} without of."
            )
        after = self.at - learning_rate * self.value
        old, new = self._probe(self.at), self._probe(after)
        change = new.minus(old)
        loss = self.trace.loss
        formula = update(self.tree, learning_rate, after)
        return Step(self.name, learning_rate, self.value, self.at, after, loss, loss + change, formula)


class OutputGraph(Graph):
    """The graph of one output, which is in place of L: an output in the targets' units, or a number of the answer.

    The answer is a column of `predict_proba`, of two classes 1 - p or p, or in regression a number of `predict`.
    """

    def __init__(self, trace: Walk, name: str, is_answer: bool, row: int, column: int) -> None:
        """Build the graph. name: the symbol's letter.  row, column: of the number among all of them."""
        ends = list(links_after(trace.network, trace.scale, np.float64, is_answer))
        first, number = 0, column
        if is_answer and task_of(trace.network.loss, trace.network.outputs) == "binary":
            first, column = column, 0
            if first == 0:
                ends.append((Link("complement", -1, Rescale(-1.0, 1.0), 1, 1, ()), ()))
        super().__init__(trace, ends, name, first)
        self.of = f"{name}[{self.letters.index(row, number)}]"
        self.row, self.column = row, column
        self.symbol = self.out.symbol(row, column)
        self.penalties = 0.0, 0.0

    @cached_property
    def start(self) -> Floats:
        """1 for the output itself, 0 for the others: (batch, outputs)."""
        start = np.zeros(self.out.value.shape)
        start[self.row, self.column] = 1
        return start

    @property
    def reached(self) -> Floats:
        """1 for the output itself, as in `start`."""
        return self.start

    def leaf(self, i: int, k: int) -> Expression:
        """1 for the output itself, else 0"""
        return Number(float(self.start[i, k]))

    def parts(self, out: Floats) -> Floats:
        """The output alone (1,)"""
        return out[self.row, self.column : self.column + 1]

    def sides(self, out: Floats) -> Sequence[NDArray[np.bool_]]:
        """None: kinks are those of layers"""
        return ()


def derive(trace: Walk, what: str, of: str = "loss") -> Derivation:
    """Derive the loss, or an output, of a float64 trace by a number, both by name; see `Trace.derive`."""
    name, field, index = _parsed("what", what, "one number, such as 'dense_1.W[0,2]' or 'input[5]'")
    whole = _parsed("of", of, "the loss, 'output[1]' or 'answer[1]'")
    with np.errstate(all="ignore"):  # what is not finite is named below
        graph = Graph(trace) if whole == ("loss", None, ()) else _graph_of(trace, *whole)
    _check_finite(graph)
    if field is None and name in INPUTS:
        return _by_input(graph, name, index)
    return _by_parameter(graph, name, field, index)


def _parsed(argument: str, text: object, expected: str) -> tuple[str, str | None, tuple[int, ...]]:
    """Return the parts of a name: link, parameter and index. Raises ConfigError for another form."""
    found = NAME.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ConfigError(f"{argument} must name {expected}, not {text!r}.")
    return found[1], found[2], tuple(int(i) for i in found[3].split(",")) if found[3] else ()


def _graph_of(trace: Walk, name: str, field: str | None, index: tuple[int, ...]) -> OutputGraph:
    if field is not None or name not in OUTPUTS:
        given = name + (f".{field}" if field else "")
        raise ConfigError(f"of must name the loss, 'output[1]' or 'answer[1]', not {given!r}.")
    network, is_answer = trace.network, OUTPUTS[name]
    width = network.outputs if is_answer else network.fan_out
    if is_answer and task_of(network.loss, width) == "binary":
        width = 2
    place = _place(trace, name, index, width, ("an output", 1, "output"))
    return OutputGraph(trace, "answer" if is_answer else "output", is_answer, *place)


def _by_input(graph: Graph, name: str, index: tuple[int, ...]) -> Derivation:
    trace = graph.trace
    place = _place(trace, name, index, trace.x.shape[1], ("an input", 5, "feature"))
    return Derivation(f"{name}[{graph.letters.index(*place)}]", place, cell(graph, graph.x, *place))


def _place(
    trace: Walk, name: str, index: tuple[int, ...], width: int, example: tuple[str, int, str]
) -> tuple[int, int]:
    """Return sample and column of an index, which may omit what there is only one of. Raises ConfigError."""
    if len(index) < 2 and trace.n == 1:
        index = (0, *(index or (0,) * (width == 1)))
    if len(index) != 2:
        kind, k, column = example
        which = f"{name}[0,{k}]: the sample's index, then the {column}'s" if trace.n > 1 else f"{name}[{k}]"
        raise ConfigError(f"{kind} of this trace of {trace.n:,} is named like {which}.")
    _check(name, index, (trace.n, width))
    return index[0], index[1]


def _by_parameter(graph: Graph, name: str, field: str | None, index: tuple[int, ...]) -> Derivation:
    trace = graph.trace
    slots = {f"{slot.link.name}.{slot.field}": slot for slot in trace.network.slots}
    slot = slots.get(f"{name}.{field}")
    if slot is None:
        raise ConfigError(
            f"there is no parameter {name + (f'.{field}' if field else '')!r}; "
            f"there are {', '.join([*slots, 'input'])}."
        )
    shape = slot.parameter.shape
    _check(f"{name}.{field}", index, shape)
    place = slot.start + int(np.ravel_multi_index(index, shape)) if shape else slot.start
    edge, at = graph.edge_of(name), float(trace.theta[place])
    of = graph.letters.parameter(slot.link, slot.field, index, at)
    part = Part(
        edge, edge.parameter_cells(slot.field, index), partial(edge.parameter_factor, slot.field, index)
    )
    tree = Node(graph, of, [part], _penalty(graph, slot, of))
    shown = f"{name}.{field}" + (f"[{','.join(map(str, index))}]" if index else "")
    return Derivation(shown, place, tree, slot.parameter.is_weight)


def _check_finite(graph: Graph) -> None:
    """Check that a trace and the number derived are finite. Raises ConfigError with the first place that is not."""
    trace, is_loss = graph.trace, graph.of == "loss"
    walk = [
        *((f"the output of {name}", values) for name, values in trace.outputs.items()),
        ("the loss" if is_loss else graph.of, np.asarray(graph.symbol.value)),
        *((f"dL by the output of {name}", values) for name, values in trace.grad_outputs.items() if is_loss),
    ]
    bad = next((place for place, values in walk if not np.isfinite(values).all()), None)
    if bad is not None:
        raise ConfigError(
            f"{bad} contains NaN or infinity, so there is no derivative to write out; print the trace to see more."
        )


def _check(name: str, index: tuple[int, ...], shape: tuple[int, ...]) -> None:
    if len(index) != len(shape) or any(i >= size for i, size in zip(index, shape, strict=True)):
        last = ",".join(str(size - 1) for size in shape)
        raise ConfigError(
            f"{name} has shape {shape}, so its last number is {name}[{last}]; "
            f"{name}[{','.join(map(str, index))}] does not exist."
        )


def _penalty(graph: Graph, slot: Slot, w: Symbol) -> list[Term]:
    """Return the terms of a weight's penalty: l2 w and l1 sign(w)."""
    if not slot.parameter.is_weight:
        return []
    l2, l1 = graph.penalties
    terms = []
    if l2:
        terms.append(Term(Product(Symbol("l2", "lambda", "", "2", l2), w), None))
    if l1:
        sign = FunctionCall("sign", w, float(np.sign(w.value)))
        terms.append(Term(Product(Symbol("l1", "lambda", "", "1", l1), sign), None))
    return terms
