"""A step of a graph."""

from __future__ import annotations

from typing import NamedTuple

from chainrule.graph.columns import GraphInput
from chainrule.graph.operation import TEXT, GraphOperation


class GraphStep(NamedTuple):
    """A step of a graph: an operation, what it reads, and what it makes."""

    operation: GraphOperation
    reads: tuple[int, ...]
    """the numbers of earlier steps, in the order of the operation's arguments"""
    width: int
    """the columns of its value"""
    of: str = ""
    """where it comes from, for people: a layer's name, a column, "answer\""""

    @property
    def makes(self) -> str:
        """The kind of its value: "numbers", "codes" or "text"."""
        operation = self.operation
        return TEXT if isinstance(operation, GraphInput) and operation.is_text else operation.makes
