"""What a program in C is made of: places for its values, and the statements of each operation."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.export.as_c.helpers import FUNCTIONS, HELPERS, SPACE, filled
from chainrule.export.quantizing import Int8Range
from chainrule.graph import answers, columns, integers, numbers
from chainrule.graph.columns import GraphInput
from chainrule.graph.graph import ComputationGraph
from chainrule.graph.integers import LOWEST, Int8Affine, Int8Table, IntegerOperation, ToInt8
from chainrule.graph.operation import CODES, INT8, NUMBERS, GraphOperation
from chainrule.graph.step import GraphStep

# --- what a program in C is made of: names, constants, functions, and places for its values --------------------------
# Values are kept in the arrays d (double), f (float), c (codes) and q (8-bit integers) of one struct, at places that
# are used again once nothing reads the value any more: the size of the struct is all the memory that a prediction
# takes.

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

    graph: ComputationGraph
    name: str
    """of the files, with which all names in them begin"""
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
    outputs: dict[str, Value] = field(default_factory=dict)
    """where the graph's outputs are at the end"""
    known: dict[tuple[str, str], str] = field(default_factory=dict)
    """the names of constants by their text and kind"""

    @property
    def inputs(self) -> int:
        """How many numbers and texts a row has."""
        return sum(each.columns for each in self.graph.inputs)

    # --- constants and functions ---------------------------------------------------------------------------------

    def constant(self, values: NDArray[Any] | Sequence[int], kind: str) -> str:
        """Return the name of a constant array of a kind; equal ones are one."""
        array = np.ascontiguousarray(values)
        text = literals(array.ravel(), kind)
        key = text, kind
        if key not in self.known:
            name = self.known[key] = f"k{len(self.known)}"
            self.constants.append(
                f"static const {kind} {self.name.upper()}_CONST {name}[{array.size}] = {{\n{text}\n}};"
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
        text = filled(HELPERS[name], self.name, kind)
        self.helpers.setdefault(text, text)
        typed = f"@p_{name}_@s"  # with the type's letter where there is one for each type
        return filled(typed if f"{typed}(" in HELPERS[name] else f"@p_{name}", self.name, kind)


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


def loop(k: str, n: int, *lines: str, counter: str = "uint32_t") -> list[str]:
    """Return the loop of lines over a number k from 0 to n - 1."""
    return [f"for ({counter} {k} = 0u; {k} < {n}u; ++{k}) {{", *(f"    {line}" for line in lines), "}"]


def each(n: int, expression: str) -> list[str]:
    """Return the loop that sets y[k]."""
    return loop("k", n, f"y[k] = {expression};")


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


# --- what each operation on 8-bit integers is in C, and the part of a program that has only these --------------------


def to_int8(made: GeneratedCode, op: integers.ToInt8, x: list[Value], y: Value) -> str:
    """Write numbers to integers."""
    value = "x0[k]" if x[0].kind == "float" else "(float)x0[k]"
    return f"{made.call('to_int8')}({value}, {number(op.scale, 'float')}, {op.zero})"


def from_int8(made: GeneratedCode, op: integers.FromInt8, x: list[Value], y: Value) -> str:
    """Write integers to numbers."""
    return f"(float)(x0[k] - {_signed(op.zero)}) * {number(op.scale, 'float')}"


def affine(made: GeneratedCode, op: integers.Int8Affine, x: list[Value], y: Value) -> list[str]:
    """Write a dense layer, with the input's zero as part of the bias."""
    own, inputs, outputs = op.W.shape
    if max(inputs, outputs) > 65535:
        raise ConfigError("a dense layer in 8-bit integers has at most 65,535 inputs and outputs in C.")
    made.count(op.groups * inputs * outputs)
    W = made.constant(op.W.swapaxes(1, 2), "int8_t")
    folded = op.bias.astype(np.int64) - op.zero * op.W.astype(np.int64).sum(1)
    names = [
        made.constant(values, kind)
        for values, kind in ((folded, "int32_t"), (op.multiplier, "int32_t"), (op.shift, "int8_t"))
    ]
    of_group = (f" + g * {inputs * outputs}u", f" + g * {outputs}u") if own > 1 else ("", "")
    constants = ", ".join([W + of_group[0], *(name + of_group[1] for name in names)])
    sizes = f"{inputs}u, {outputs}u, {op.zero_out}, {op.low}"
    name = made.call("affine_q", needs=("scaled",))
    if op.groups == 1:
        return [f"{name}(x0, y, {constants}, {sizes});"]
    call = f"{name}(x0 + g * {inputs}u, y + g * {outputs}u, {constants}, {sizes});"
    return loop("g", op.groups, call)


def table(
    made: GeneratedCode, op: integers.Int8Table | integers.Int8Numbers, x: list[Value], y: Value
) -> str:
    """Write a function by its table."""
    return f"{made.constant(op.table, y.kind)}[x0[k] + {-LOWEST}]"


def softmax(made: GeneratedCode, op: integers.Int8Softmax, x: list[Value], y: Value) -> list[str]:
    """Write the softmax of each group."""
    size, powers = y.width // op.groups, made.constant(op.powers, "float")
    call = f"{made.call('softmax_q')}(x0 + g * {size}u, y + g * {size}u, {powers}, {size}u);"
    return loop("g", op.groups, call)


def _signed(value: int) -> str:
    return f"({value})" if value < 0 else str(value)


def integer_core(graph: ComputationGraph) -> IntegerCore | None:
    """Return the steps of integers if there is one value that they read and one that they answer, else None."""
    entries = [k for k, step in enumerate(graph.steps) if isinstance(step.operation, ToInt8)]
    inside = {k for k, step in enumerate(graph.steps) if step.makes == INT8 and k not in entries}
    exits = {
        read
        for k, step in enumerate(graph.steps)
        if k not in inside and isinstance(step.operation, IntegerOperation)
        for read in step.reads
        if graph.steps[read].makes == INT8
    }
    if len(entries) != 1 or len(exits) != 1 or not exits <= inside:
        return None
    [first], [last] = entries, exits
    if inside != set(range(first + 1, last + 1)):
        return None
    entry, answer = graph.steps[first], graph.steps[last]
    assert isinstance(entry.operation, ToInt8) and isinstance(answer.operation, (Int8Affine, Int8Table))
    return IntegerCore(
        first=first,
        last=last,
        given=Int8Range(entry.operation.scale, entry.operation.zero),
        made=Int8Range(answer.operation.scale_out, answer.operation.zero_out),
        inputs=entry.width,
        outputs=answer.width,
        reads_matrix=isinstance(graph.steps[entry.reads[0]].operation, GraphInput),
    )


# --- the operations of a graph in C: statements on the inputs x0, x1, ... and the output y ---------------------------

Writer = Callable[[GeneratedCode, Any, list[Value], Value], str | list[str]]
"""Of the operation, the values that it reads, and its own: the expression of each y[k], or statements."""


def _elementwise(made: GeneratedCode, op: numbers.Elementwise, x: list[Value], y: Value) -> list[str]:
    if op.function not in FUNCTIONS:
        raise ConfigError(f"the function {op.function!r} has no form in C; export to ONNX or JavaScript.")
    if op.function == "normal_quantile":
        made.call("normal_quantile")
    a = [f"const {y.kind} a = {number(value, y.kind)};" for _, value in op.constants]
    text = filled(FUNCTIONS[op.function], made.name, y.kind)
    return [*a, *loop("k", y.width, f"const {y.kind} z = x0[k];", f"y[k] = {text};")]


def _columnwise(made: GeneratedCode, op: numbers.Columnwise, x: list[Value], y: Value) -> str:
    center, factor, offset = (_of_each(made, value, y.kind) for value in (op.center, op.factor, op.offset))
    less = "x0[k]" if not op.center.any() else f"(x0[k] - {center})"
    times = less if (op.factor == 1).all() else f"{less} * {factor}"
    return times if not op.offset.any() else f"{times} + {offset}"


def _of_each(made: GeneratedCode, values: NDArray[np.float64], kind: str) -> str:
    """Return the expression of a constant of column k: one number where all are equal."""
    if len(values) and (values == values[0]).all():
        return number(float(values[0]), kind)
    return f"{made.constant(values, kind)}[k]"


def _affine(made: GeneratedCode, op: numbers.Affine, x: list[Value], y: Value) -> list[str]:
    W, b = made.constant(op.W, y.kind), made.constant(op.b, y.kind)
    return [f"{_affine_function(made, op.W.shape, y.kind)}(x0, y, {W}, {b});"]


def _grouped(made: GeneratedCode, op: numbers.GroupedAffine, x: list[Value], y: Value) -> list[str]:
    own, inputs, outputs = op.W.shape
    name = _affine_function(made, (inputs, outputs), y.kind, op.groups)
    W, b = made.constant(op.W, y.kind), made.constant(op.b, y.kind)
    at = (f" + g * {inputs * outputs}u", f" + g * {outputs}u") if own > 1 else ("", "")
    call = f"{name}(x0 + g * {inputs}u, y + g * {outputs}u, {W}{at[0]}, {b}{at[1]});"
    return loop("g", op.groups, call)


def _affine_function(made: GeneratedCode, shape: tuple[int, ...], kind: str, groups: int = 1) -> str:
    """Return the name of the function of a dense layer, which layers of the same shape share.

    A pass over the outputs adds four inputs; the first has the bias and the inputs that leave a multiple of four. The
    sizes are constants and y is restrict, so that gcc and clang make vectors from -O2 on.
    """
    inputs, outputs = shape
    made.count(groups * inputs * outputs)
    first, counter = inputs % 4, "uint_fast16_t" if outputs < 2**16 else "uint32_t"

    def added(start: str, count: int) -> list[str]:
        terms = [f"x[{i}] * W[{f'{i * outputs}u + ' if i else ''}k]" for i in range(count)]
        pairs = [f"({' + '.join(terms[i : i + 2])})" for i in range(0, count, 2)]
        total = f"({' + '.join(pairs)})" if count > 2 else "".join(pairs)
        return loop("k", outputs, f"y[k] = {start}{total and f' + {total}'};", counter=counter)

    lines = added("b[k]", first)
    if inputs >= 4:
        lines += [f"x += {first};", f"W += {first * outputs};"] if first else []
        lines += loop("i", inputs // 4, *added("y[k]", 4), "x += 4;", f"W += {4 * outputs};")
    name = f"{made.name}_affine_{inputs}_{outputs}_{SPACE[kind]}"
    head = f"static void {name}("
    text = "\n".join(
        [
            "/* y = b + x W, W with a row for each input: those beyond a multiple of four, then four at a time. */",
            f"{head}const {kind} *x, {kind} *restrict y,",
            f"{' ' * len(head)}const {kind} @P_CONST *W, const {kind} @P_CONST *b)",
            "{",
            *(f"    {line}" for line in lines),
            "}",
            "",
        ]
    )
    made.helpers.setdefault(name, filled(text, made.name, kind))
    return name


def _softmax(made: GeneratedCode, op: answers.GroupSoftmax, x: list[Value], y: Value) -> list[str]:
    size = y.width // op.groups
    call = f"{made.call('softmax', y.kind)}(x0 + g * {size}u, y + g * {size}u, {size}u);"
    return loop("g", op.groups, call)


def _group_mean(made: GeneratedCode, op: answers.GroupMean, x: list[Value], y: Value) -> list[str]:
    others = [f"for (uint32_t g = 1u; g < {op.groups}u; ++g) {{", f"    sum += x0[g * {y.width}u + k];", "}"]
    return loop("k", y.width, f"{y.kind} sum = x0[k];", *others, f"y[k] = sum / {op.groups};")


def _weighted(made: GeneratedCode, op: answers.WeightedSum, x: list[Value], y: Value) -> str:
    def term(k: int, weight: float) -> str:
        read = f"x{k}[k]" if x[k].kind == y.kind else f"({y.kind})x{k}[k]"
        return read if weight == 1 else f"{number(weight, y.kind)} * {read}"

    return " + ".join(term(k, weight) for k, weight in enumerate(op.weights))


def _joined(made: GeneratedCode, op: numbers.JoinedColumns, x: list[Value], y: Value) -> list[str]:
    lines, at = [], 0
    for k, value in enumerate(x):
        cast_to = "" if value.kind == y.kind else f"({y.kind})"
        if value.width == 1:
            lines.append(f"y[{at}] = {cast_to}x{k}[0];")
        else:
            lines += loop("k", value.width, f"y[{at}u + k] = {cast_to}x{k}[k];")
        at += value.width
    return lines


def _selected(made: GeneratedCode, op: numbers.SelectedColumns, x: list[Value], y: Value) -> str:
    first = op.columns[0] if op.columns else 0
    if op.columns == tuple(range(first, first + len(op.columns))):
        return f"x0[{first}u + k]" if first else "x0[k]"
    return f"x0[{made.constant(np.array(op.columns), 'uint32_t')}[k]]"


def _pieces(made: GeneratedCode, op: numbers.LinearPieces, x: list[Value], y: Value) -> list[str]:
    width, pieces, size = op.starts.shape
    names = [made.constant(values, y.kind) for values in (op.knots, op.starts, op.rises)]
    places = (
        f"{names[0]} + k * {pieces}u, {names[1]} + k * {pieces * size}u, {names[2]} + k * {pieces * size}u"
    )
    call = f"{made.call('pieces', y.kind)}(x0[k], y + k * {size}u, {places}, {pieces}u, {size}u);"
    return loop("k", width, call)


def _cosines(made: GeneratedCode, op: numbers.CosineVectors, x: list[Value], y: Value) -> list[str]:
    width, frequencies, sums = op.W.shape
    names = [made.constant(values, y.kind) for values in (op.w, op.b, op.W, op.c)]
    steps = (frequencies, frequencies, frequencies * sums, sums)
    places = ", ".join(f"{name} + k * {step}u" for name, step in zip(names, steps, strict=True))
    call = (
        f"{made.call('cosines', y.kind)}(x0[k], y + k * {sums + 1}u, {places}, {frequencies}u, {sums + 1}u);"
    )
    return loop("k", width, call)


def _largest(made: GeneratedCode, op: answers.LargestColumn, x: list[Value], y: Value) -> list[str]:
    return [f"y[0] = {made.call('largest', x[0].kind)}(x0, {x[0].width}u);"]


def _above(made: GeneratedCode, op: answers.AboveThreshold, x: list[Value], y: Value) -> str:
    sign = ">=" if op.or_equal else ">"
    return f"x0[k] {sign} {number(op.threshold, x[0].kind)} ? 1u : 0u"


def _sorted(made: GeneratedCode, op: answers.SortedColumns, x: list[Value], y: Value) -> list[str]:
    places = np.argsort(np.array(op.order))
    copy = [f"{y.kind} z[{y.width}];", *loop("k", y.width, "z[k] = x0[k];")]
    order = made.constant(places, "uint32_t")
    return [*copy, f"{made.call('sort', y.kind)}(z, {y.width}u);", *each(y.width, f"z[{order}[k]]")]


def _whole(made: GeneratedCode, op: columns.WholeCodes, x: list[Value], y: Value) -> str:
    floor = "floorf" if x[0].kind == "float" else "floor"
    known = f"x0[k] >= 0 && x0[k] < {op.count} && x0[k] == {floor}(x0[k])"
    return f"{known} ? (uint32_t)x0[k] : 0u"


def _rows(made: GeneratedCode, op: columns.TableRows, x: list[Value], y: Value) -> str:
    with np.errstate(over="ignore"):
        small = np.array_equal(op.table, op.table.astype(np.float32), equal_nan=True)
    table = made.constant(op.table, "float" if small else "double")
    return f"(double){table}[x0[0] * {y.width}u + k]" if small else f"{table}[x0[0] * {y.width}u + k]"


def _levels(made: GeneratedCode, op: columns.LevelCodes, x: list[Value], y: Value) -> list[str]:
    places = sorted(op.places.items(), key=lambda each: each[0].encode("utf-8", "replace"))
    levels = made.texts([text for text, _ in places])
    codes = made.constant(np.array([code for _, code in places] or [0]), "uint32_t")
    return [
        f"y[0] = {made.call('level')}({x[0].place}, {levels}, {codes}, {len(places)}u, {len(op.levels)}u);"
    ]


def _kept(made: GeneratedCode, op: columns.KeptRange, x: list[Value], y: Value) -> str:
    low, high = (_of_each(made, values, y.kind) for values in (op.low, op.high))
    no_mark = "".join(f" && x0[k] != {number(mark, y.kind)}" for mark in op.marks)
    return f"x0[k] >= {low} && x0[k] <= {high}{no_mark} ? x0[k] : ({y.kind})NAN"


def _bounded(made: GeneratedCode, op: columns.Bounded, x: list[Value], y: Value) -> str:
    low, high = (_of_each(made, values, y.kind) for values in (op.low, op.high))
    return f"x0[k] < {low} ? {low} : x0[k] > {high} ? {high} : x0[k]"


def _shares(made: GeneratedCode, op: columns.RankShares, x: list[Value], y: Value) -> str:
    n = op.grid.shape[1]
    grid, to = made.constant(op.grid, "double"), "" if y.kind == "double" else "(float)"
    value = "x0[k]" if x[0].kind == "double" else "(double)x0[k]"
    return f"{to}{made.call('share', needs=('below', 'not_above'))}({grid} + k * {n}u, {n}u, {value})"


def _calendar(made: GeneratedCode, op: columns.CalendarPart, x: list[Value], y: Value) -> str | list[str]:
    if op.part == "days":
        return f"(x0[k] - {number(op.origin, y.kind)}) / 86400"
    if op.part == "day_turn":
        text = "(x0[k] - floor(x0[k] / 86400) * 86400) / 86400"
    elif op.part == "weekday_turn":
        text = "(days + 3 - floor((days + 3) / 7) * 7) / 7"
    else:
        name = made.call("year")
        call = f"(double){name}(days, &since)"
        is_short = "(year % 4 != 0 || (year % 100 == 0 && year % 400 != 0))"
        text = {
            "year": call,
            "year_turn": "since / 365.25",
            "leap_day": f"since + (since > 58.5 && {is_short} ? 1 : 0)",
        }[op.part]
    lines = []
    if op.part != "day_turn":
        lines.append("const double days = floor(x0[k] / 86400);")
    if op.part in ("year", "year_turn", "leap_day"):
        lines.append("double since = 0;")
    lines += ["if (x0[k] != x0[k]) {", "    y[k] = x0[k];", "} else {"]
    if op.part == "year_turn":
        lines.append(f"    (void){made.name}_year(days, &since);")
    elif op.part == "leap_day":
        lines.append(f"    const int32_t year = {made.name}_year(days, &since);")
    return loop("k", y.width, *lines, f"    y[k] = {text};", "}")


def _cells(made: GeneratedCode, op: columns.CellNumbers, x: list[Value], y: Value) -> str:
    edges, value = made.constant(op.edges, "double"), "x0[k]" if x[0].kind == "double" else "(double)x0[k]"
    found = f"({y.kind})(1u + {made.call('not_above')}({edges}, {len(op.edges)}u, {value}))"
    return f"x0[k] != x0[k] ? 0 : {found}"


LOOKUP_KINDS = {
    "rows": "float",
    "codes": "uint32_t",
    "by_number": "double",
    "by_same": "double",
    "by_code": "double",
    "known": "float",
}
"""The type in C of each constant of `SimilarRows`, in their order as arguments."""


def _similar_rows(made: GeneratedCode, op: answers.SimilarRows, x: list[Value], y: Value) -> list[str]:
    """Return the call that adds up what is known of rows; a constant without numbers is a null pointer."""
    made.count(len(op.known) * (x[0].width + y.width))
    arrays = [(values, LOOKUP_KINDS[name]) for name, values in op.settings().items()]
    names = ", ".join(made.constant(values, kind) if values.size else "0" for values, kind in arrays)
    sizes = f"{len(op.known)}u, {len(op.by_number)}u, {len(op.by_same)}u, {len(op.by_code)}u, {y.width}u"
    return [f"{made.call('similar', y.kind)}(x0, y, {names}, {sizes});"]


WRITERS = cast(
    "dict[type[GraphOperation], Writer]",
    {
        numbers.Elementwise: _elementwise,
        numbers.Columnwise: _columnwise,
        numbers.Affine: _affine,
        numbers.GroupedAffine: _grouped,
        numbers.NegativeSlopes: lambda made, op, x, y: (
            f"x0[k] > 0 ? x0[k] : {_of_each(made, op.slope, y.kind)} * x0[k]"
        ),
        numbers.Between: lambda made, op, x, y: (
            f"x0[k] + {_of_each(made, op.alpha, y.kind)} * (x1[k] - x0[k])"
        ),
        answers.GroupSoftmax: _softmax,
        answers.GroupMean: _group_mean,
        answers.WeightedSum: _weighted,
        answers.Ratio: lambda made, op, x, y: "x0[k] / x1[0]",
        answers.SimilarRows: _similar_rows,
        numbers.JoinedColumns: _joined,
        numbers.SelectedColumns: _selected,
        numbers.LinearPieces: _pieces,
        numbers.CosineVectors: _cosines,
        answers.LargestColumn: _largest,
        answers.AboveThreshold: _above,
        answers.SortedColumns: _sorted,
        columns.WholeCodes: _whole,
        columns.TableRows: _rows,
        columns.OneHot: lambda made, op, x, y: f"k == x0[0] ? {number(op.on, y.kind)} : 0",
        columns.LevelCodes: _levels,
        columns.KeptRange: _kept,
        columns.Bounded: _bounded,
        columns.MissingMarks: lambda made, op, x, y: "x0[k] != x0[k] ? 1 : 0",
        columns.FilledMissing: lambda made, op, x, y: (
            f"x0[k] != x0[k] ? {_of_each(made, op.fill, y.kind)} : x0[k]"
        ),
        columns.RankShares: _shares,
        columns.CalendarPart: _calendar,
        columns.CellNumbers: _cells,
        columns.ToPrecision: lambda made, op, x, y: "x0[k]" if x[0].kind == y.kind else f"({y.kind})x0[k]",
        integers.ToInt8: to_int8,
        integers.FromInt8: from_int8,
        integers.Int8Affine: affine,
        integers.Int8Table: table,
        integers.Int8Numbers: table,
        integers.Int8Softmax: softmax,
        integers.Int8Largest: _largest,
    },
)
"""How each operation of a graph is written."""


# --- A graph as the statements of a C function, step by step ---------------------------------------------------------


def kinds_of(graph: ComputationGraph, network: str) -> list[str]:
    """Return what each step makes: "double" of the table, the networks' type, "uint32_t" of codes, or "text"."""
    kinds: list[str] = []
    for step in graph.steps:
        operation = step.operation
        if isinstance(operation, GraphInput):
            kind = "text" if operation.is_text else network if operation.holds == NUMBERS else "double"
        elif operation.makes == CODES:
            kind = "uint32_t"
        elif operation.makes == INT8:
            kind = "int8_t"
        elif operation.takes == INT8:
            kind = network
        elif isinstance(operation, columns.ToPrecision):
            kind = network if operation.to == "network" else "double"
        elif operation.takes == CODES:
            kind = "double"
        else:
            found = {kinds[read] for read in step.reads}
            kind = "double" if "double" in found else network
        kinds.append(kind)
    return kinds


def program(graph: ComputationGraph, name: str, network: str) -> GeneratedCode:
    """Return the program of a graph. name: as in `GeneratedCode`.

    network: "float" or "double"; "float" of integers.  Raises ConfigError for an operation that has no form in C.
    """
    made = GeneratedCode(graph, name, network, core=integer_core(graph))
    last = {read: k for k, step in enumerate(graph.steps) for read in step.reads}
    last |= {number: len(graph.steps) for number in graph.outputs.values()}
    answered = {number: key for key, number in graph.outputs.items()}
    arenas = {kind: Arena() for kind in SPACE}
    placed: dict[int, tuple[str, int]] = {}
    values: list[Value] = []
    kinds, taken = kinds_of(graph, network), set[str]()
    for k, step in enumerate(graph.steps):
        operation, kind = step.operation, kinds[k]
        if isinstance(operation, GraphInput):
            values.append(_input(made, operation, kind, arenas, placed, k, taken))
        else:
            reads = [values[read] for read in step.reads]
            if k in answered:
                own = Value(kind, f"answer->{answered[k]}", step.width)
            else:
                before = step.reads[0]
                if isinstance(operation, numbers.Elementwise) and last[before] == k and before in placed:
                    at = placed.pop(before)[1]  # in place of its input
                else:
                    at = arenas[kind].take(step.width)
                placed[k] = kind, at
                own = Value(kind, f"s->{SPACE[kind]} + {at}", step.width)
            values.append(own)
            if made.core is not None and made.core.first < k <= made.core.last:
                _write_core(made, made.core, k, step, reads, own)
                if k == made.core.last:
                    entry = values[made.core.first].place
                    made.body.append(f"    {name}_predict_q_in({entry}, {own.place}, s);")
            else:
                made.body.append(_block(made, step, reads, own))
        for read in {*step.reads, k}:
            if last.get(read, k) <= k and read in placed:
                of, at = placed.pop(read)
                arenas[of].give_back(at)
    made.sizes.update({kind: arena.size for kind, arena in arenas.items()})
    made.outputs.update({key: values[k] for key, k in graph.outputs.items()})
    return made


def _input(
    made: GeneratedCode,
    own: GraphInput,
    kind: str,
    arenas: dict[str, Arena],
    placed: dict[int, tuple[str, int]],
    k: int,
    taken: set[str],
) -> Value:
    if own.holds == NUMBERS:
        return Value(kind, "x", own.columns)
    name = identifier(own.label, taken)
    made.fields.append((own, name))
    if kind == "text":
        return Value("text", f"row->{name}", 1)
    at = arenas[kind].take(1)
    placed[k] = kind, at
    made.body.append(f"    s->d[{at}] = row->{name};")
    return Value(kind, f"s->d + {at}", 1)


def _write_core(
    made: GeneratedCode, core: IntegerCore, k: int, step: GraphStep, reads: list[Value], own: Value
) -> None:
    """Add a step to the function of integers."""
    inside = [
        replace(read, place="x") if at == core.first else read
        for at, read in zip(step.reads, reads, strict=True)
    ]
    made.core_body.append(_block(made, step, inside, replace(own, place="out") if k == core.last else own))


def _block(made: GeneratedCode, step: GraphStep, reads: list[Value], own: Value) -> str:
    write = WRITERS.get(type(step.operation))
    if write is None:
        raise ConfigError(
            f"the operation {step.operation.name} has no form in C; export to ONNX or JavaScript."
        )
    if not isinstance(step.operation, (columns.ToPrecision, numbers.JoinedColumns, answers.WeightedSum)):
        mixed = {read.kind for read in reads} - {"uint32_t", "int8_t", "text", own.kind}
        if mixed and own.kind not in ("uint32_t", "int8_t"):
            raise ConfigError(
                f"the operation {step.operation.name} reads float and double; export with dtype='float64'."
            )
    lines = [
        f"        const {read.kind} *const x{k} = {read.place};"
        for k, read in enumerate(reads)
        if read.kind != "text"
    ]
    lines.append(f"        {own.kind} *const y = {own.place};")
    statements = write(made, step.operation, reads, own)
    if isinstance(statements, str):
        statements = each(own.width, statements)
    lines += [f"        {line}" for line in statements]
    origin = re.sub(r"[^\w .,:%()-]", "_", step.of).replace("*/", "")
    comment = f" /* {origin} */" if origin else ""
    return "\n".join([f"    {{{comment}", *lines, "    }"])
