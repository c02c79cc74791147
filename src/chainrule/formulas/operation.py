"""An operation that engines know by name, of which layers and losses say that they consist."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Operation(NamedTuple):
    """A layer or part of one as an operation with a known name; `chainrule.network.ops` combines them.

    The first operation of a layer reads the layer's input (of a block: the outputs of its branches), each other one the
    output of the one before it. The last output is the layer's.
    """

    name: str
    """the operation: dense, elementwise, batch_norm, ..."""
    function: str | None = None
    """the function of an elementwise operation: relu, tanh, ..."""
    parameters: tuple[str, ...] = ()
    """the parameters that it uses, by field name"""
    constants: Mapping[str, float] = {}
    """its settings by name"""
    has_state: bool = False
    """whether it uses the layer's state"""
    width: int | None = None
    """the columns of its output; None for the layer's number of outputs"""
    columns: tuple[int, ...] = ()
    """columns of its input: for an embedding, the column of codes of each of its tables; for a take, a piecewise_linear
    or a periodic, the columns that it reads"""
    groups: int = 1
    """for a grouped dense, and a loss over members: the number of groups of columns"""
    shared: bool = False
    """whether all groups share one W and one b"""
