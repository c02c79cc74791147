"""The operations of a graph: what every one says of itself.

An operation is a frozen dataclass: its constants and settings, nothing else. It says what it takes and makes, how wide
its result is, and by `compute` its formula in NumPy, which is the specification for every format of export.

kind of a value   array
numbers           (n, width) floating point, NaN for missing
codes             (n, width) int64, from 0
text              (n,) objects: str, or None for missing
int8              (n, width) int8, of networks in 8-bit integers
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from chainrule.core.settings import is_own

NUMBERS, CODES, TEXT, INT8 = "numbers", "codes", "text", "int8"
"""The kinds of values."""
Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class GraphOperation(ABC):
    """Base class of the operations: constants, and the formula by which values become another one."""

    name: ClassVar[str] = ""
    """the name in `describe` and `to_data`, derived from the class's: joined_columns of JoinedColumns"""
    takes: ClassVar[str] = NUMBERS
    """the kind of the values that it reads"""
    makes: ClassVar[str] = NUMBERS
    """the kind of the value that it computes"""
    arity: ClassVar[int | None] = 1
    """how many values it reads; None for one or more"""

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Derive the name from the class's."""
        super().__init_subclass__(**kwargs)
        if not is_own(cls, "name"):
            cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    def width(self, *widths: int) -> int:
        """Return the columns of the result, from those of the values that it reads; by default the first one's."""
        return widths[0]

    @abstractmethod
    def compute(self, *values: Array) -> Array:
        """Compute the result in NumPy, in the precision of the values."""

    def settings(self) -> dict[str, Any]:
        """Return the fields by name: arrays, numbers, text, and tuples of these."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def __repr__(self) -> str:
        """Show the settings, and of arrays their shapes."""
        shown = ", ".join(f"{name}={short(value)}" for name, value in self.settings().items())
        return f"{type(self).__name__}({shown})"


def constant(values: object) -> NDArray[np.float64]:
    """Return numbers as an array of a graph: float64, which nothing may write to."""
    made = np.array(values, np.float64)
    made.setflags(write=False)
    return made


def like(values: Array, x: Array) -> Array:
    """Return a constant in the precision of x."""
    return values.astype(x.dtype, copy=False)


def short(value: object) -> str:
    """Return a setting as short text: an array by its shape, a long tuple by its length."""
    if isinstance(value, np.ndarray):
        return f"{'x'.join(map(str, value.shape))} numbers" if value.size > 4 else f"{value.tolist()}"
    if isinstance(value, tuple) and len(value) > 6:
        return f"({', '.join(map(repr, value[:3]))}, ... {len(value)} in all)"
    return repr(value)
