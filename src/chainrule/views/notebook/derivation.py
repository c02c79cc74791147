"""Render a derivation as HTML: a foldable tree of equations."""

from __future__ import annotations

import html

from chainrule.inspection.derivation.derivation import Derivation
from chainrule.inspection.derivation.lines import Equation, equations
from chainrule.inspection.derivation.writing import MATHML
from chainrule.views import words
from chainrule.views.text.derivation import table_rows

OPEN = ' open=""'  # also well-formed XML
STYLE = """
.derivation { overflow-x: auto; }
.derivation math { font-size: 1.05em; }
.derivation details { margin: 6px 0 6px 2px; padding-left: 14px; border-left: 2px solid #8884; }
.derivation > details { border-left: 0; padding-left: 0; }
.derivation summary { cursor: pointer; padding: 2px 0; }
.derivation mtd { padding: 3px 4px; }
.derivation td, .derivation th { text-align: left; padding: 2px 16px 2px 0; border: 0; }
.derivation table { width: auto; margin: 4px 0 8px; }
.derivation td { font-variant-numeric: tabular-nums; vertical-align: middle; }
.derivation summary::marker { color: #0072b2; }
"""


def derivation(derivation: Derivation, terms: int = 4, nodes: int = 24) -> str:
    """Return the output of a derivation: both values in a table, and its tree of at most `nodes` equations."""
    return f'<div class="derivation"><style>{STYLE}</style>{values(derivation)}{tree(derivation, terms, nodes)}</div>'


def values(derivation: Derivation) -> str:
    """Return the values by the chain rule and by the central difference as a table, with remarks."""
    cells = "".join(
        f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in words.derivation.two_ways(derivation)
    )
    notes = "; ".join([words.derivation.place(derivation), *words.derivation.remarks(derivation)])
    return f"<table><tbody>{cells}</tbody></table><p>{html.escape(notes[0].upper() + notes[1:])}.</p>"


def tree(derivation: Derivation, terms: int, nodes: int) -> str:
    """Return the equations, each nested in the first one that names it; at most `nodes` of at most `terms` terms."""
    shown, left_out = equations(derivation.tree, terms, nodes)
    by_name = {equation.node.of.plain: equation for equation in shown}
    made = _details(by_name.pop(shown[0].node.of.plain), by_name, True)
    if left_out:
        made += f"<p>{words.derivation.left_out_here(left_out)}</p>"
    return made


def _details(equation: Equation, waiting: dict[str, Equation], is_root: bool) -> str:
    """Return one foldable equation and, nested, those of its derivatives in `waiting`, which are removed from it."""
    name = f"{equation.node.symbol.mathml()}<mo>=</mo>{MATHML.number(equation.node.value)}"
    inner = []
    for term in equation.terms:
        if term.node is not None and term.node.of.plain in waiting:
            inner.append(_details(waiting.pop(term.node.of.plain), waiting, False))
    body = sum_table(equation) if equation.is_sum else product(equation, is_root)
    return f"<details{OPEN if is_root else ''}><summary>{formula(name)}</summary>{body}{''.join(inner)}</details>"


def product(equation: Equation, in_partials: bool) -> str:
    """Return a product of one path: in partial derivatives if in_partials, in symbols and in numbers."""
    rows = table_rows(equation, in_partials)
    return "<div>" + formula(f'<mtable displaystyle="true">{rows}</mtable>') + "</div>"


def sum_table(equation: Equation) -> str:
    """Return a sum as a table with one row per term: in symbols, in numbers, and its value."""
    rows = [(formula(term.mathml()), formula(term.mathml(True)), term.value) for term in equation.written()]
    if equation.others:
        rows.append((words.derivation.others(equation.others), "", equation.rest))
    rows.append((words.derivation.together(len(equation.terms) + equation.others), "", equation.node.value))
    head = f"<tr>{''.join(f'<th>{name}</th>' for name in words.derivation.HEADS)}</tr>"
    cells = "".join(
        f"<tr><td>{symbols}</td><td>{numbers}</td><td>{formula(MATHML.number(value))}</td></tr>"
        for symbols, numbers, value in rows
    )
    return f"<table><thead>{head}</thead><tbody>{cells}</tbody></table>"


def formula(inner: str) -> str:
    """Return MathML at full size, inline."""
    return f'<math displaystyle="true"><mrow>{inner}</mrow></math>'
