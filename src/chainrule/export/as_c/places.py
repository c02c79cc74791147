"""What a program in C is made of: names, constants, functions, and places for its values.

Values are kept in the arrays d (double), f (float), c (codes) and q (8-bit integers) of one struct, at places that are
used again once nothing reads the value any more: the size of the struct is all the memory that a prediction takes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.export.as_c.helpers import SPACE, name_of, text_of
from chainrule.export.quantizing import Int8Range
from chainrule.graph.columns import GraphInput

SIZES = {"double": 8, "float": 4, "uint32_t": 4, "int32_t": 4, "int8_t": 1}
"""The bytes of a number of each type."""
KEYWORDS = """
auto break case char const continue default do double else enum extern float for goto if inline int long
register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while asm
bool true false class private public protected new delete this template operator try catch throw namespace using
"""
"""Words that C, C++ or their compilers keep for themselves."""


def identifier(text: str, taken: set[str]) -> str:
    """Return a name for C that is like a text and not taken, and take it."""
    name = re.sub(r"_+", "_", re.sub(r"[^a-z0-9]", "_", text.lower())).strip("_") or "x"
    name = f"x_{name}" if name[0].isdigit() or name in KEYWORDS.split() else name[:48]
    made, count = name, 1
    while made in taken:
        count += 1
        made = f"{name}_{count}"
    taken.add(made)
    return made


@dataclass(frozen=True)
class Value:
    """Where a value is."""

    kind: str
    """"float", "double", "uint32_t", "int8_t" or "text\""""
    place: str
    """an expression for the address of its first number; of a text, for the text"""
    width: int


class IntegerCore(NamedTuple):
    """The part of a program that reads 8-bit integers and makes them, if all of them are made by one part."""

    first: int
    """the step that makes what it reads"""
    last: int
    """the step that makes what it answers"""
    given: Int8Range
    made: Int8Range
    inputs: int
    outputs: int
    reads_matrix: bool
    """whether it reads the whole input as integers"""


@dataclass
class GeneratedCode:
    """What was generated."""

    prefix: str
    network: str
    """"float" or "double", of the networks"""
    constants: list[str] = field(default_factory=list)
    helpers: dict[str, str] = field(default_factory=dict)
    body: list[str] = field(default_factory=list)
    core: IntegerCore | None = None
    core_body: list[str] = field(default_factory=list)
    fields: list[tuple[GraphInput, str]] = field(default_factory=list)
    """the columns of a row and their names in C; of a matrix none"""
    sizes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPACE, 0))
    """of the scratch arrays"""
    bytes: int = 0
    """of the constants"""
    products: int = 0
    """multiply-adds of the dense layers"""
    known: dict[tuple[str, str], str] = field(default_factory=dict)
    """the names of constants by their text and kind"""

    # --- constants and functions ---------------------------------------------------------------------------------

    def constant(self, values: NDArray[Any] | Sequence[int], kind: str) -> str:
        """Return the name of a constant array of a kind; equal ones are one."""
        array = np.ascontiguousarray(values)
        text = literals(array.ravel(), kind)
        key = text, kind
        if key not in self.known:
            name = self.known[key] = f"k{len(self.known)}"
            self.constants.append(
                f"static const {kind} {self.prefix.upper()}_CONST {name}[{array.size}] = {{\n{text}\n}};"
            )
            self.bytes += array.size * SIZES[kind]
        return self.known[key]

    def texts(self, levels: Sequence[str]) -> str:
        """Return the name of a constant array of texts."""
        if any("\0" in level for level in levels):
            raise ConfigError(
                "a category has the character of code 0, which ends a text in C; replace it and fit again."
            )
        key = "\0".join(levels), "text"
        if key not in self.known:
            name = self.known[key] = f"k{len(self.known)}"
            written = ",\n".join(f"    {quoted(level)}" for level in levels)
            self.constants.append(
                f"static const char *const {name}[{max(len(levels), 1)}] = {{\n{written or '    0'}\n}};"
            )
            self.bytes += sum(len(level.encode()) + 1 for level in levels) + 8 * len(levels)
        return self.known[key]

    def count(self, products: int) -> None:
        """Count the multiply-adds of a dense layer."""
        self.products += products

    def call(self, name: str, kind: str = "double", needs: Sequence[str] = ()) -> str:
        """Return the name of a function for a kind, which is written once."""
        for each in needs:
            self.call(each)
        text = text_of(name, self.prefix, kind)
        self.helpers.setdefault(text, text)
        return name_of(name, self.prefix, kind)


def literals(values: NDArray[Any], kind: str) -> str:
    """Return numbers as C has them, exactly, twelve in a line."""
    if kind == "uint32_t":
        written = [f"{int(value)}u" for value in values]
    elif kind in ("int8_t", "int32_t"):
        written = [str(int(value)) if value > -(2**31) else "(-2147483647 - 1)" for value in values]
    else:
        written = [number(value, kind) for value in values.tolist()]
    return ",\n".join("    " + ", ".join(written[at : at + 8]) for at in range(0, len(written), 8)) or "    0"


def number(value: float, kind: str) -> str:
    """Return a number as a literal of C."""
    if np.isnan(value):
        return f"({kind})NAN"
    if np.isinf(value):
        return f"({kind})INFINITY" if value > 0 else f"-({kind})INFINITY"
    with np.errstate(over="ignore"):
        small = np.float32(value)
    if kind == "float":
        if np.isinf(small):
            raise ConfigError(
                f"a number of the network, {value:g}, is beyond float32; export with dtype='float64'."
            )
        text = repr(float(str(small)))
        return f"{text}f"
    return repr(float(value))


LONGEST_LITERAL = 4095
"""The bytes of a literal, by the standard of 1999."""


def quoted(text: str) -> str:
    """Return a text as a literal of C, in UTF-8. Raises ConfigError for a longer one than C compilers have to take."""
    plain = set(range(32, 127)) - set(b'"\\?')
    data = text.encode()
    if len(data) > LONGEST_LITERAL:
        raise ConfigError(
            f"the text {text[:20]!r}... has {len(data):,} bytes, and C compilers need not take more than "
            f"{LONGEST_LITERAL:,} in a literal; fit with a shorter label."
        )
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in data) + '"'


def loop(k: str, n: int, *lines: str) -> list[str]:
    """Return the loop of lines over a number k from 0 to n - 1."""
    return [f"for (uint32_t {k} = 0u; {k} < {n}u; ++{k}) {{", *(f"    {line}" for line in lines), "}"]


def each(n: int, expression: str) -> list[str]:
    """Return the loop that sets y[k]."""
    return loop("k", n, f"y[k] = {expression};")


def of_groups(groups: int, call: str) -> list[str]:
    """Return the loop over the groups g of columns."""
    return loop("g", groups, call)


class Arena:
    """Places in one array: each value takes the first gap that is large enough."""

    def __init__(self) -> None:
        """Begin empty."""
        self.used: list[tuple[int, int]] = []
        self.size = 0

    def take(self, width: int) -> int:
        """Return the start of a place."""
        at = 0
        for start, end in sorted(self.used):
            if start - at >= width:
                break
            at = max(at, end)
        self.used.append((at, at + width))
        self.size = max(self.size, at + width)
        return at

    def give_back(self, at: int) -> None:
        """Make a place free again."""
        self.used = [each for each in self.used if each[0] != at]
