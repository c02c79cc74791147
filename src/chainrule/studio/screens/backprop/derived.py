"""Derivations as data for the page: paths to the loss, formulas as trees, a chain of four neurons."""

from __future__ import annotations

import html
import math
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from chainrule.formulas.layers import Activation, Dense, Link, ParametricActivation
from chainrule.formulas.losses import MeanSquaredError
from chainrule.inspection.derivation.derivation import Derivation, Equation, equation_of, equations
from chainrule.inspection.derivation.letters import Letters
from chainrule.inspection.derivation.markup import (
    TEXT,
    Expression,
    Fraction,
    FunctionCall,
    Given,
    Number,
    Partial,
    Product,
    Sum,
    Symbol,
    Writer,
)
from chainrule.inspection.derivation.tree import Node
from chainrule.inspection.trace.trace import Trace
from chainrule.inspection.walk import Walk


class PathCounts(NamedTuple):
    """The number of paths, exact up to 2^53."""

    every: float
    live: float
    """without those with a factor of 0"""


def count_paths(node: Node) -> PathCounts:
    """Count the paths from a number to the loss. Each is one product of the derivative written in full."""
    return PathCounts(_count(node, False), _count(node, True))


def _count(node: Node, live: bool) -> float:
    found = []
    for part in node.parts:
        here = part.at_cells(node.graph.paths(part.edge.target, live))
        found.append(float(here[part.cells.factors != 0].sum() if live else here.sum()))
    return math.fsum(found)


# --- formulas as JSON trees for the page, [tag, {attributes}, ...children], whose symbols refer to their numbers -----
# A symbol is in an <mrow> with these attributes, both in the formula in symbols and in the one with numbers:
#
#     data-role    weight, cell, delta, slope, factor, call (softmax of a cell), target or statistic
#     data-link    the link of the number; "input" for the features
#     data-index   3,1 for a weight from neuron 3 to neuron 1; 1 for neuron 1
#     data-row     the sample in a batch
#     data-value   the number in full precision

Tree = list[Any]
PLACE = re.compile(r"(?:(\w+)\.)?(\w+?)′?(?:\[([\d,]+)\])?")
CHAIN = re.compile(r"([azCbw])(\d*)")
CELLS = ("a", "z")
BRACKETS = ("(", ")")
STATISTICS = ("std", "x_hat")


@dataclass(frozen=True)
class Marked(Given):
    """A symbol with attributes that refer to its number. Only for MathML."""

    inner: Given
    number: float
    attributes: str

    def begins_negative(self, numbers: bool) -> bool:
        """Return the result for the symbol."""
        return self.inner.begins_negative(numbers)

    def symbols(self, writer: Writer) -> str:
        """Write the symbol in an <mrow>."""
        return f"<mrow{self.attributes}>{self.inner.write(writer, False)}</mrow>"

    def write(self, writer: Writer, numbers: bool) -> str:
        """Write the symbol or its number in an <mrow>."""
        return f"<mrow{self.attributes}>{self.inner.write(writer, numbers)}</mrow>"


def tree(expression: Expression, letters: Letters, numbers: bool = False) -> Tree:
    """Return a formula as a tree: <math> with its symbols marked, or with their numbers."""
    text = marked(expression, letters).mathml(numbers)
    found = _as_list(ElementTree.fromstring(f"<math>{text}</math>"))
    return found


def _as_list(element: ElementTree.Element) -> Tree:
    if not any(child.tag == "mfrac" for child in element.iter()):
        for sign in element.iter("mo"):
            if sign.text in BRACKETS:  # one line high, independent of the content
                sign.set("stretchy", "false")
    children: list[Any] = [element.text] if element.text else []
    for child in element:
        children.append(_as_list(child))
        if child.tail:
            children.append(child.tail)
    return [element.tag, dict(element.attrib), *children]


def marked(expression: Expression, letters: Letters) -> Expression:
    """Return a formula with every symbol, call and partial derivative marked."""
    match expression:
        case Product(factors=factors):
            return Product(*(marked(factor, letters) for factor in factors))
        case Sum(terms=terms):
            return Sum(*((sign, marked(term, letters)) for sign, term in terms))
        case Fraction(top=top, bottom=bottom):
            return Fraction(marked(top, letters), marked(bottom, letters))
        case Number():
            return expression
        case Given():
            place = place_of(expression, letters)
            if place is None:
                return expression
            place["value"] = repr(expression.value)
            written = "".join(f' data-{key}="{html.escape(text)}"' for key, text in place.items())
            return Marked(expression, expression.value, written)
    return expression


def place_of(expression: Given, letters: Letters) -> dict[str, str] | None:
    """Return role, link, index and row of a symbol's number; None if it has none."""
    match expression:
        case Symbol():
            return place_of_symbol(expression, letters)
        case Partial(top=top, bottom=bottom):
            found = place_of_symbol(bottom, letters)
            role = "delta" if top.plain == letters.loss.plain else "factor"
            return None if found is None else found | {"role": role}
        case FunctionCall(argument=Symbol() as argument, prime=prime, below=below):
            found = place_of_symbol(argument, letters)
            if found is None:
                return None
            return found | {"role": "slope" if prime else "call"} | ({"index": below} if below else {})
    return None


def place_of_symbol(symbol: Symbol, letters: Letters) -> dict[str, str] | None:
    """Parse the place from a symbol's name."""
    if letters.is_chain and (found := CHAIN.fullmatch(symbol.plain)):
        return _in_chain(found[1], found[2], letters)
    place = PLACE.fullmatch(symbol.plain)
    if place is None:
        return None
    link, field, index = place[1], place[2], place[3] or ""
    if link is None:
        if field == "y":
            return {"role": "target", "link": "target", "index": index}
        return _cell("input", index) if field == "x" and index else None
    if field in CELLS:
        return _cell(link, index)
    role = "statistic" if field in STATISTICS else "weight"
    return {"role": role, "link": link, "field": field, "index": index}


def _cell(link: str, index: str) -> dict[str, str]:
    *row, neuron = index.split(",")
    return {"role": "cell", "link": link, "index": neuron} | ({"row": row[0]} if row else {})


def _in_chain(letter: str, number: str, letters: Letters) -> dict[str, str] | None:
    """Return the place of a number in the lesson's chain, which is numbered from the output."""
    links = {(letters.chain_cells[name], str(depth)): name for name, depth in letters.depth.items()}
    if letter in CELLS:
        return _cell(links.get((letter, number), "input"), "0")
    if letter not in "wb":
        return None
    dense = links.get(("z", number)) or links[("a", number)]
    field, index = ("W", "0,0") if letter == "w" else ("b", "0")
    return {"role": "weight", "link": dense, "field": field, "index": index}


# --- the derivative of one number, and the lines of a chain of single neurons, as data for the page ------------------


def derived(derivation: Derivation, terms: int, nodes: int) -> dict[str, Any]:
    """Return dL by a number: its value, its central difference, the paths, and the equations."""
    shown, left_out = equations(derivation.tree, terms, nodes)
    letters, paths = derivation.tree.letters, count_paths(derivation.tree)
    return {
        "name": derivation.name,
        "at": derivation.at,
        "value": derivation.value,
        "difference": derivation.difference._asdict(),
        "relative": derivation.relative_difference,
        "magnitude": derivation.magnitude,
        "paths": {"every": paths.every, "live": paths.live},
        "symbol": tree(derivation.tree.of, letters),
        "partial": tree(derivation.tree.symbol, letters),
        "equations": [written(equation, letters, first=i == 0) for i, equation in enumerate(shown)],
        "left_out": left_out,
    }


def written(equation: Equation, letters: Letters, *, first: bool) -> dict[str, Any]:
    """Return an equation as trees: rows from symbols to numbers for a product, terms for a sum.

    first: whether a product begins with its partial derivatives.
    """
    left = {"left": tree(equation.node.symbol, letters), "value": equation.node.value}
    whole = equation.written()
    if not equation.is_sum:
        lines = [equation.partials] if first and equation.partials else []
        return left | {"rows": _rows([*lines, whole[0]], whole[0], letters), "terms": None}
    terms = [
        {
            "symbols": tree(term, letters),
            "numbers": None if text == TEXT.number(term.value) else tree(term, letters, numbers=True),
            "value": term.value,
        }
        for term in whole
        for text in [term.text(numbers=True)]
    ]
    return left | {"rows": None, "terms": terms, "others": equation.others, "rest": equation.rest}


def _rows(symbols: list[Expression], numbers: Expression, letters: Letters) -> list[Tree]:
    """Return the right sides in symbols, and the last with numbers, without duplicates."""
    texts = [expression.text() for expression in symbols] + [numbers.text(numbers=True)]
    trees = [tree(expression, letters) for expression in symbols] + [tree(numbers, letters, numbers=True)]
    return [made for i, made in enumerate(trees) if texts[i] not in texts[:i]]


# --- a chain of single neurons


def is_chain(trace: Trace) -> bool:
    """Return whether a trace of one sample consists only of single neurons."""
    network = trace.network
    return (
        trace.n == 1
        and network.inputs == 1
        and all(link.fan_out == 1 and not link.branches for link in network.links)
    )


def chain_letters(trace: Walk) -> dict[str, Any] | None:
    """Return the lesson's letters of a chain: of each link's output, of the weights, of the loss; None for others."""
    letters = Letters(trace)
    if not letters.is_chain:
        return None
    cells = {name: f"{letter}{letters.depth[name]}" for name, letter in letters.chain_cells.items()}
    dense = [link.name for link in trace.network.links if type(link.layer) is Dense]
    return {
        "cells": {"input": f"a{len(dense)}", **cells},
        "numbers": {name: letters.depth[name] for name in dense},
        "loss": letters.loss.plain,
    }


def chain(trace: Trace, rate: float) -> dict[str, Any]:
    """Return every line of a chain of single neurons: forward, loss, and for each weight derivative and update.

    As in the lesson: a3 = w3 a4, C = (a0 - y)^2, dC/dw3 = a4 w2 w1 w0 2 (a0 - y), w3' = w3 - r dC/dw3.
    With an activation z3 = w3 a4 and a3 = f(z3).
    """
    exact = trace.in_float64
    links = [link for link in trace.network.links if type(link.layer) is Dense]
    found = [trace.derive(f"{link.name}.W[0,0]") for link in links]
    letters = found[0].tree.letters if found else Letters(exact)
    forward = [_forward(exact, link, letters) for link in trace.network.links]
    lines = [_weight_lines(derivation, rate) for derivation in reversed(found)]
    return {
        "forward": [line for line in forward if line],
        "loss": _loss(exact, letters),
        "weights": lines,
        "letters": "lesson" if letters.is_chain else "layers",
    }


def _forward(trace: Any, link: Link, letters: Letters) -> dict[str, Any] | None:
    """Return a neuron's line: its weighted input, or its activation."""
    links = list(trace.network.links)
    before = links[links.index(link) - 1] if links.index(link) else None
    source = trace.x if before is None else trace.outputs[before.name]
    a = letters.cell(before, 0, 0, float(source[0, 0]))
    value = float(trace.outputs[link.name][0, 0])
    right: Expression
    if type(link.layer) is Dense:
        params = trace.parameters[link.name]
        right = Product(letters.parameter(link, "W", (0, 0), float(params.W[0, 0])), a)
        bias = float(params.b[0])
        if bias:
            right = Sum(right, letters.parameter(link, "b", (0,), bias))
    elif isinstance(link.layer, ParametricActivation):
        f = link.layer.function
        alpha = letters.parameter(link, "alpha", (0,), float(trace.parameters[link.name].alpha[0]))
        of_a = FunctionCall(f.kind, a, float(f.f(source[0, 0])))
        right = Sum(a, Product(alpha, Sum(of_a, (-1, a))))
    elif isinstance(link.layer, Activation):
        right = FunctionCall(link.layer.kind, a, value)
    else:
        return None
    return {
        "link": link.name,
        "left": tree(letters.cell(link, 0, 0, value), letters),
        "rows": _rows([right], right, letters),
        "value": value,
    }


def _loss(trace: Any, letters: Letters) -> dict[str, Any]:
    """Return the loss: in full for the squared error, only its value for others."""
    links, loss = trace.network.links, trace.network.loss
    rows: list[Tree] = []
    if type(loss) is MeanSquaredError:
        out = letters.cell(links[-1] if links else None, 0, 0, float(trace.out[0, 0]))
        r = Sum(out, (-1, letters.target(0, 0, 1, float(trace.y[0, 0]), False)))
        rows = [_squared(tree(r, letters, numbers=numbers), loss.half) for numbers in (False, True)]
    return {"left": tree(letters.loss, letters), "rows": rows, "value": float(trace.loss)}


def _squared(inner: Tree, half: bool) -> Tree:
    left, right = (["mo", {"stretchy": "false"}, sign] for sign in "()")
    brackets = ["mrow", {}, left, *inner[2:], right]
    squared: Tree = ["msup", {}, brackets, ["mn", {}, "2"]]
    if not half:
        return ["math", {}, squared]
    return ["math", {}, ["mfrac", {}, ["mn", {}, "1"], ["mn", {}, "2"]], squared]


def _weight_lines(derivation: Derivation, rate: float) -> dict[str, Any]:
    """Return a weight's derivative, its difference and its update by gradient descent."""
    root, letters = derivation.tree, derivation.tree.letters
    equation = equation_of(root, 1)
    step = derivation.step(rate)
    r = Symbol("r" if letters.is_chain else "lr", "r" if letters.is_chain else "η", "", "", rate)
    long = Sum(root.of, (-1, Product(r, *equation.written())))
    short = Sum(root.of, (-1, Product(r, root.symbol)))
    return {
        "name": derivation.name,
        "at": derivation.at,
        **written(equation, letters, first=True),
        "symbol": tree(root.of, letters),
        "difference": derivation.difference.value,
        "relative": derivation.relative_difference,
        "update": {"rows": _rows([short, long], short, letters), "value": float(np.float64(step.after))},
    }
