"""The symbols for the numbers of a trace in a derivation.

In text a number has its Python name: dense_2.W[3,1], relu_1.a[0,3] for trace.a["relu_1"][0,3], dense_1.z[0,1] for
trace.z["dense_1"][0,1], x[0,5] for the input. In LaTeX and MathML a dense layer and its activation have the layer's
number as superscript, W^[2]_{3,1}, z^[1]_{0,1}, a^[1]_{0,3}; other links have their name.
Indices count from 0; the first index of z, a and x is the sample, omitted if there is only one.

A chain of single neurons has the lesson's letters: the input is a_L, the output a_0, and a_{l-1} = w_{l-1} a_l, or
with an activation z_{l-1} = w_{l-1} a_l and a_{l-1} = f(z_{l-1}), counted from the output.
"""

from __future__ import annotations

import itertools
import re

from chainrule.formulas.layers import Activation, Dense, Link
from chainrule.inspection.derivation.markup import Symbol
from chainrule.inspection.walk import Walk
from chainrule.network.tree import activations_after

DENSE = "dense_"


def _is_chain(links: list[Link]) -> bool:
    """Return whether links are dense layers of one neuron, each followed by at most one activation."""
    if not all(link.fan_out == 1 and not link.branches for link in links):
        return False
    kinds = ["w" if type(link.layer) is Dense else "f" if _is_function(link) else "?" for link in links]
    return re.fullmatch("(wf?)*", "".join(kinds)) is not None


def _is_function(link: Link) -> bool:
    return isinstance(link.layer, Activation) and link.layer.is_elementwise and not link.params


class Letters:
    """Symbols for the numbers of one trace."""

    def __init__(self, trace: Walk, of_chain: bool = True) -> None:
        """Choose the letters for the network. of_chain: whether a chain of single neurons has the lesson's."""
        network = trace.network
        links = list(network.walk())
        self.single = trace.n == 1
        self.is_chain = (
            of_chain
            and self.single
            and network.inputs == 1
            and not (network.l2 or network.l1)
            and _is_chain(links)
        )
        dense = [link.name for link in links if type(link.layer) is Dense]
        self.depth = {name: len(dense) - 1 - i for i, name in enumerate(dense)}
        """the number of dense layers after one, by its name, and in a chain by the name of its activation"""
        self.chain_cells: dict[str, str] = {}
        """in a chain, the letter of each link's output by its name: z before an activation, else a"""
        if self.is_chain:
            after = {one.name: two for one, two in itertools.pairwise(links)}
            for link in links:
                if link.name not in self.depth:
                    continue
                follower = after.get(link.name)
                is_plain = follower is None or type(follower.layer) is Dense
                self.chain_cells[link.name] = "a" if is_plain else "z"
                if not is_plain and follower is not None:
                    self.depth[follower.name] = self.depth[link.name]
                    self.chain_cells[follower.name] = "a"
            self.chain_length = len(dense)
        self.levels = {
            link.name: f"[{link.name[len(DENSE) :]}]" for link in links if type(link.layer) is Dense
        }
        followers = activations_after(network.links)
        for link in links:
            if link.name in self.levels and link.name in followers:
                self.levels[followers[link.name]] = self.levels[link.name]
        letter = "C" if self.is_chain else "L"
        self.loss = Symbol(letter, letter, "", "", trace.loss)

    def index(self, i: int, *rest: int) -> str:
        """Format sample and neuron: "0,5", or "5" with a single sample."""
        return ",".join(map(str, rest if self.single else (i, *rest)))

    def cell(self, link: Link | None, i: int, k: int, value: float) -> Symbol:
        """Return the symbol of a link's output, neuron k for sample i; x for None."""
        if self.is_chain:
            letter = "a" if link is None else self.chain_cells[link.name]
            number = str(self.chain_length if link is None else self.depth[link.name])
            return Symbol(f"{letter}{number}", letter, "", number, value)
        return self._output(link, self.index(i, k), value)

    def row(self, link: Link | None, i: int, columns: str = "") -> Symbol:
        """Return the symbol of all outputs of a link for sample i, or of some, such as "0:3"."""
        where = self.index(i)
        return self._output(link, f"{where},{columns}" if where and columns else where or columns, 0.0)

    def _output(self, link: Link | None, where: str, value: float) -> Symbol:
        if link is None or link.number < 0:  # the input, or a number computed after the network
            name = "x" if link is None else link.name
            return Symbol(name + (f"[{where}]" if where else ""), name, "", where, value)
        return self.of_link(link, "a" if isinstance(link.layer, Activation) else "z", where, value)

    def parameter(self, link: Link, field: str, index: tuple[int, ...], value: float) -> Symbol:
        """Return the symbol of a learned number."""
        if self.is_chain:
            number, letter = str(self.depth[link.name]), field.lower()
            return Symbol(f"{letter}{number}", letter, "", number, value)
        return self.of_link(link, field, ",".join(map(str, index)), value)

    def of_link(self, link: Link, name: str, where: str, value: float, letter: str | None = None) -> Symbol:
        """Return the symbol of any number of a link; letter: its LaTeX letter if different."""
        plain = f"{link.name}.{name}" + (f"[{where}]" if where else "")
        return Symbol(plain, letter or name, self.levels.get(link.name, link.name), where, value)

    def target(self, i: int, k: int, outputs: int, value: float, smoothed: bool) -> Symbol:
        """Return the symbol y, or y' with smoothed labels; without an index if there is only one number."""
        where = "" if self.single and outputs == 1 else self.index(i, k) if outputs > 1 else self.index(i)
        plain = ("y′" if smoothed else "y") + (f"[{where}]" if where else "")
        return Symbol(plain, "y'" if smoothed else "y", "", where, value)

    def weight(self, i: int, value: float) -> Symbol:
        """Return the symbol of the weight of a sample."""
        return Symbol(f"s[{i}]", "s", "", str(i), value)
