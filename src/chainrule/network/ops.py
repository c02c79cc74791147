"""A network as a list of named operations, for engines that do not run Python and for export formats.

    [Rescale(1 / 255), Dense(10), ReLU()]   is   rescale: 0 -> 1   dense: 1 -> 2   elementwise relu: 2 -> 3

Every operation reads one or two values and computes one. Value 0 is the input (batch, inputs), the last the output.
A layer declares its operations (`Layer.ops`); a block ends with one that joins its branches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from chainrule.formulas.layers import Link, Operation
from chainrule.network.network import Network
from chainrule.network.tree import fold


class Op(NamedTuple):
    """An operation at its place in a network."""

    name: str
    """the operation: dense, elementwise, batch_norm, ..."""
    function: str | None
    """the function of an elementwise operation: relu, tanh, ..."""
    inputs: tuple[int, ...]
    """the values that it reads"""
    output: int
    """the value that it computes"""
    slots: tuple[int, ...]
    """its parameters, as numbers of `Network.slots`"""
    constants: Mapping[str, float]
    """its settings by name"""
    has_state: bool
    """whether it reads the running statistics or fitted constants of its link"""
    columns: tuple[int, ...]
    """columns of its input: for an embedding, the column of codes of each of its tables; for a take, a piecewise_linear
    or a periodic, the columns that it reads"""
    groups: int
    """for a grouped dense: the number of groups of columns"""
    shared: bool
    """whether all groups share one W and one b"""
    link: Link
    """the link to which it belongs"""


class Ops(NamedTuple):
    """A network's operations, in the order of the forward pass."""

    ops: tuple[Op, ...]
    widths: tuple[int, ...]
    """the number of columns of each value; the first is the input's, the last the output's"""


def operations(network: Network) -> Ops:
    """Return the operations of a network whose layers all declare theirs."""
    numbers = {(slot.link.name, slot.field): i for i, slot in enumerate(network.slots)}
    ops: list[Op] = []
    widths = [network.inputs]

    def step(link: Link, value: int, ends: tuple[int, ...]) -> int:
        """Add the operations of a link that reads a value or joins its chains' ends; return the final value."""
        inputs = ends or (value,)
        for operation in link.layer.ops(link.fan_in) or ():
            value = add(link, operation, inputs)
            inputs = (value,)
        return value

    def add(link: Link, operation: Operation, inputs: tuple[int, ...]) -> int:
        widths.append(link.fan_out if operation.width is None else operation.width)
        ops.append(
            Op(
                name=operation.name,
                function=operation.function,
                inputs=inputs,
                output=len(widths) - 1,
                slots=tuple(numbers[link.name, field] for field in operation.parameters),
                constants=operation.constants,
                has_state=operation.has_state,
                columns=operation.columns,
                groups=operation.groups,
                shared=operation.shared,
                link=link,
            )
        )
        return len(widths) - 1

    fold(network.links, 0, step)
    return Ops(tuple(ops), tuple(widths))
