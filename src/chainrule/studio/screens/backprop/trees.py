"""Formulas as JSON trees for the page, [tag, {attributes}, ...children], whose symbols refer to their numbers.

A symbol is in an <mrow> with these attributes, both in the formula in symbols and in the one with numbers:

    data-role    weight, cell, delta, slope, factor, call (softmax of a cell), target or statistic
    data-link    the link of the number; "input" for the features
    data-index   3,1 for a weight from neuron 3 to neuron 1; 1 for neuron 1
    data-row     the sample in a batch
    data-value   the number in full precision
"""

from __future__ import annotations

import html
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from typing import Any

from chainrule.inspection.derivation.letters import Letters
from chainrule.inspection.derivation.markup import (
    Expression,
    Fraction,
    FunctionCall,
    Given,
    Number,
    Partial,
    Product,
    Sum,
    Symbol,
)
from chainrule.inspection.derivation.writing import Writer

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
