"""The cost of a network: parameters, operations and memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from chainrule.core import records
from chainrule.errors import counted
from chainrule.formulas.layers import Link
from chainrule.network import tree
from chainrule.network.network import Network


@records.kind("summary_row")
class Row(NamedTuple):
    """One link with its cost."""

    name: str
    layer: str
    output: int  # fan_out
    parameters: int
    frozen: bool
    operations: int  # of the forward pass, per sample
    depth: int  # the number of blocks around it

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


@records.kind("summary")
class Summary(NamedTuple):
    """A table of the links and their totals. print(summary) shows it."""

    rows: list[Row]
    inputs: int
    parameters: int
    trained: int
    operations: int
    """floating-point operations of the forward pass per sample"""
    training_operations: int
    """operations of a training step per sample: forward, and twice that backward (once for the first trained layer)"""
    parameter_bytes: int
    training_bytes: int
    """parameters, their gradients, Adam's two moments, and a batch's activations"""
    batch_size: int

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)

    def __str__(self) -> str:
        """Return the table as text."""
        return self.text()

    def text(self, width: int | None = None) -> str:
        """Return the table as text, in lines of at most `width` characters if possible.

        A table that is too wide omits the operations, and then the settings of layers.
        """
        return records.written(self, "as_summary", width)

    def __repr__(self) -> str:
        """Return the counts of links and parameters."""
        return f"<Summary of {counted(len(self.rows), 'link')}: {counted(self.parameters, 'parameter')}>"

    def _repr_html_(self) -> str:
        """Return the table and the totals as HTML for a notebook."""
        return records.written(self, "as_output")


def summarize(network: Network, dtype: DTypeLike, frozen: frozenset[str], batch_size: int) -> Summary:
    """Count parameters, operations and bytes."""
    rows = list(_rows(network.links, frozen))
    itemsize = np.dtype(dtype).itemsize
    operations = sum(row.operations for row in rows)
    first = next((row.operations for row in rows if row.parameters), 0)
    trained = sum(row.parameters for row in rows if not row.frozen)
    activations = network.inputs + sum(row.output for row in rows)
    return Summary(
        rows,
        network.inputs,
        network.size,
        trained,
        operations,
        3 * operations - first,
        network.size * itemsize,
        (network.size + 3 * trained + batch_size * activations) * itemsize,
        batch_size,
    )


def _rows(links: Sequence[Link], frozen: frozenset[str]) -> Iterator[Row]:
    for link, depth, *_ in tree.places(links):
        count = sum(math.prod(parameter.shape) for parameter in link.params)
        name = repr(link.layer) if not link.branches else type(link.layer).__name__
        operations = link.layer.operations(link.fan_in)
        yield Row(
            link.name, name, link.fan_out, count, bool(count) and link.name in frozen, operations, depth
        )


def as_bytes(count: float) -> str:
    """Format a number of bytes for people: 814 kB."""
    size, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
