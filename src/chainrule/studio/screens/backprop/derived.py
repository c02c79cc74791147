"""The derivative of one number, and the lines of a chain of single neurons, as data for the page."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.formulas.layers import Activation, Dense, Link, ParametricActivation
from chainrule.formulas.losses import MeanSquaredError
from chainrule.inspection.derivation.derivation import Derivation
from chainrule.inspection.derivation.letters import Letters
from chainrule.inspection.derivation.lines import Equation, equation_of, equations
from chainrule.inspection.derivation.markup import Expression, FunctionCall, Product, Sum, Symbol
from chainrule.inspection.derivation.writing import TEXT
from chainrule.inspection.trace.trace import Trace
from chainrule.inspection.trace.walk import Walk
from chainrule.studio.screens.backprop.paths import count_paths
from chainrule.studio.screens.backprop.trees import Tree, tree


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
