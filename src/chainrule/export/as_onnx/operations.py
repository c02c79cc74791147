"""Each operation of a graph as nodes of ONNX: functions of numbers, networks, the preparation of a table."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from chainrule.errors import ConfigError
from chainrule.export.approximations import (
    ERF_NEAR,
    ERF_SPLIT,
    ERFC_FAR,
    MIDDLE,
    NORMAL_MIDDLE,
    NORMAL_TAIL,
    Polynomial,
    Quotient,
)
from chainrule.export.as_onnx.writer import DOUBLE, OnnxWriter
from chainrule.formulas.activations import GELU_CUBIC, GELU_RATE, SELU_ALPHA, SELU_SCALE
from chainrule.graph import answers, columns, numbers
from chainrule.graph.answers import SAME
from chainrule.graph.columns import DAY
from chainrule.graph.operation import NUMBERS, GraphOperation

# --- the elementwise functions of a graph in ONNX: its own words in float32, and from simpler ones in float64 --------
# ONNX Runtime has no float64 for LeakyRelu, Elu, Selu, Softplus, PRelu and Erf.

Function = Callable[..., str]
"""Of a writer and a value, and of constants by name."""


def add(w: OnnxWriter, x: str, number: object) -> str:
    """x + number"""
    return w.node("Add", x, w.like(number, x))


def times(w: OnnxWriter, x: str, number: object) -> str:
    """number x"""
    return w.node("Mul", x, w.like(number, x))


def above(w: OnnxWriter, x: str) -> str:
    """max(x, 0)"""
    return w.node("Relu", x)


def below(w: OnnxWriter, x: str) -> str:
    """min(x, 0)"""
    return w.node("Min", x, w.like(0.0, x))


def polynomial(w: OnnxWriter, t: str, coefficients: Polynomial) -> str:
    """Horner's scheme: ((a t + b) t + c) ..."""
    first, second, *rest = coefficients
    made = add(w, times(w, t, first), second)
    for each in rest:
        made = add(w, w.node("Mul", made, t), each)
    return made


def quotient(w: OnnxWriter, t: str, q: Quotient) -> str:
    """above(t) / below(t)"""
    return w.node("Div", polynomial(w, t, q.above), polynomial(w, t, q.below))


def leaky_relu(w: OnnxWriter, x: str, slope: float) -> str:
    """max(x, 0) + slope min(x, 0)"""
    if w.types[x] != DOUBLE:
        return w.node("LeakyRelu", x, alpha=slope)
    return w.node("Add", above(w, x), times(w, below(w, x), slope))


def elu(w: OnnxWriter, x: str, alpha: float) -> str:
    """max(x, 0) + alpha (exp(min(x, 0)) - 1)"""
    if w.types[x] != DOUBLE:
        return w.node("Elu", x, alpha=alpha)
    return w.node("Add", above(w, x), times(w, add(w, w.node("Exp", below(w, x)), -1.0), alpha))


def selu(w: OnnxWriter, x: str) -> str:
    """scale elu(x, alpha)"""
    if w.types[x] != DOUBLE:
        return w.node("Selu", x, alpha=SELU_ALPHA, gamma=SELU_SCALE)
    return times(w, elu(w, x, SELU_ALPHA), SELU_SCALE)


def softplus(w: OnnxWriter, x: str) -> str:
    """max(x, 0) + log(1 + exp(-|x|))"""
    small = w.node("Log", add(w, w.node("Exp", w.node("Neg", w.node("Abs", x))), 1.0))
    return w.node("Add", above(w, x), small)


def log_sigmoid(w: OnnxWriter, x: str) -> str:
    """-softplus(-x)"""
    return w.node("Neg", softplus(w, w.node("Neg", x)))


def erf(w: OnnxWriter, x: str) -> str:
    """erf(x), in float64 from `chainrule.export.approximations`."""
    if w.types[x] != DOUBLE:
        return w.node("Erf", x)
    size = w.node("Abs", x)
    near = w.node("Mul", x, quotient(w, w.node("Mul", x, x), ERF_NEAR))
    decay = w.node("Exp", w.node("Neg", w.node("Mul", size, size)))
    bounded = w.node("Min", size, w.like(30.0, x))
    far = add(w, w.node("Neg", w.node("Mul", decay, quotient(w, bounded, ERFC_FAR))), 1.0)
    is_near = w.node("LessOrEqual", size, w.like(ERF_SPLIT, x))
    return w.node("Where", is_near, near, w.node("Mul", w.node("Sign", x), far), dtype=DOUBLE)


def gelu(w: OnnxWriter, x: str) -> str:
    """x (1 + erf(x / sqrt(2))) / 2"""
    half = times(w, add(w, erf(w, times(w, x, math.sqrt(1 / 2))), 1.0), 0.5)
    return w.node("Mul", x, half)


def gelu_tanh(w: OnnxWriter, x: str) -> str:
    """x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2"""
    cubic = add(w, times(w, w.node("Mul", x, x), GELU_CUBIC), 1.0)
    u = times(w, w.node("Mul", x, cubic), GELU_RATE)
    return w.node("Mul", x, times(w, add(w, w.node("Tanh", u), 1.0), 0.5))


def silu(w: OnnxWriter, x: str) -> str:
    """x sigmoid(x)"""
    return w.node("Mul", x, w.node("Sigmoid", x))


def mish(w: OnnxWriter, x: str) -> str:
    """x tanh(softplus(x))"""
    return w.node("Mul", x, w.node("Tanh", softplus(w, x)))


def soft_clip(w: OnnxWriter, x: str) -> str:
    """x / sqrt(1 + (x / 3)^2)"""
    third = times(w, x, 1 / 3)
    return w.node("Div", x, w.node("Sqrt", add(w, w.node("Mul", third, third), 1.0)))


def sin_turns(w: OnnxWriter, x: str) -> str:
    """sin(2 pi x)"""
    return w.node("Sin", times(w, x, 2 * math.pi))


def cos_turns(w: OnnxWriter, x: str) -> str:
    """cos(2 pi x)"""
    return w.node("Cos", times(w, x, 2 * math.pi))


def normal_quantile(w: OnnxWriter, p: str) -> str:
    """Phi^-1(p), from `chainrule.export.approximations`; in float64, as the preparation of a table is."""
    d = add(w, p, -0.5)
    rest = add(w, w.node("Neg", w.node("Mul", d, d)), MIDDLE**2)
    middle = w.node("Mul", d, quotient(w, rest, NORMAL_MIDDLE))
    tail = w.node("Min", p, add(w, w.node("Neg", p), 1.0))
    r = w.node("Sqrt", w.node("Neg", w.node("Log", tail)))
    far = w.node("Mul", w.node("Sign", d), quotient(w, add(w, r, -1.6), NORMAL_TAIL))
    is_middle = w.node("LessOrEqual", w.node("Abs", d), w.like(MIDDLE, p))
    return w.node("Where", is_middle, middle, far, dtype=w.types[p])


def word(operator: str) -> Function:
    """Return a function that is one of ONNX's own words in both precisions."""
    return lambda w, x: w.node(operator, x)


FUNCTIONS: dict[str, Function] = {
    "relu": word("Relu"),
    "sigmoid": word("Sigmoid"),
    "tanh": word("Tanh"),
    "exp": word("Exp"),
    "log": word("Log"),
    "leaky_relu": leaky_relu,
    "elu": elu,
    "selu": selu,
    "softplus": softplus,
    "log_sigmoid": log_sigmoid,
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
    "silu": silu,
    "mish": mish,
    "soft_clip": soft_clip,
    "sin_turns": sin_turns,
    "cos_turns": cos_turns,
    "normal_quantile": normal_quantile,
}
"""How each function of `Elementwise` is written."""


# --- how each operation of a graph is written in ONNX: a function for each class, from names of values to a name -----


@singledispatch
def written(operation: GraphOperation, w: OnnxWriter, *values: str) -> str:
    """Add the nodes of an operation that reads these values; return its value."""
    raise ConfigError(f"{operation.name} has no words in ONNX; export the graph without it.")


def places(w: OnnxWriter, x: str, table: NDArray[np.float64], comparison: str) -> str:
    """Return how many numbers of its column's row of a table are before each x, (n, columns), and a row's room.

    table: (columns, m), ascending.  comparison: "Less" or "LessOrEqual" of a number of the table and x. It halves what
    is in question, so it needs no memory for all comparisons; rows are filled with infinity to a power of two less one.
    """
    columns, m = table.shape
    room = max(1, 2 ** int(m).bit_length()) - 1
    filled = np.full((columns, room), np.inf)
    filled[:, :m] = table
    ordered = w.like(filled.ravel(), x)
    starts = w.integers((np.arange(columns) * room)[None])
    found = w.integers(np.zeros((1, columns)))
    step = (room + 1) // 2
    while step:
        candidate = w.node("Add", w.node("Add", found, w.integers(step - 1)), starts)
        number = w.node("Gather", ordered, candidate, dtype=w.types[x], axis=0)
        passed = w.node("Mul", w.whole(w.node(comparison, number, x)), w.integers(step))
        found = w.node("Add", found, passed)
        step //= 2
    return found


@written.register
def _(operation: numbers.LinearPieces, w: OnnxWriter, x: str) -> str:
    columns, pieces, size = operation.starts.shape
    if pieces > 1:
        place = places(w, x, operation.knots[:, 1:], "LessOrEqual")
        at = w.node("Add", place, w.integers((np.arange(columns) * pieces)[None]))
    else:
        zero = w.node("Mul", w.whole(w.node("IsNaN", x)), w.integers(0))
        at = w.node("Add", zero, w.integers(np.arange(columns)[None]))

    def looked_up(table: NDArray[np.float64]) -> str:
        return w.node("Gather", w.like(table, x), at, dtype=w.types[x], axis=0)

    knots = np.where(np.isfinite(operation.knots), operation.knots, 0.0)
    along = w.node("Unsqueeze", w.node("Sub", x, looked_up(knots.ravel())), w.integers([2]))
    rise = w.node("Mul", along, looked_up(operation.rises.reshape(-1, size)))
    made = w.node("Add", looked_up(operation.starts.reshape(-1, size)), rise)
    return w.reshape(made, -1, columns * size)


@written.register
def _(operation: numbers.Columnwise, w: OnnxWriter, x: str) -> str:
    if operation.center.any():
        x = w.node("Sub", x, w.like(operation.center, x))
    if (operation.factor != 1).any():
        x = times(w, x, operation.factor)
    return add(w, x, operation.offset) if operation.offset.any() else x


@written.register
def _(operation: numbers.Elementwise, w: OnnxWriter, x: str) -> str:
    function = FUNCTIONS.get(operation.function)
    if function is None:
        raise ConfigError(
            f"the function {operation.function!r} has no words in ONNX here; use one of {', '.join(FUNCTIONS)}."
        )
    return function(w, x, **dict(operation.constants))


written.register(
    numbers.Affine, lambda op, w, x: w.node("Gemm", x, w.like(op.W.T, x), w.like(op.b, x), transB=1)
)


@written.register
def _(operation: numbers.GroupedAffine, w: OnnxWriter, x: str) -> str:
    groups = operation.groups
    _, inputs, outputs = operation.W.shape
    parts = w.node("Transpose", w.reshape(x, -1, groups, inputs), perm=[1, 0, 2])
    z = w.node("MatMul", parts, w.like(operation.W, x))
    z = add(w, z, operation.b[:, None])
    return w.reshape(w.node("Transpose", z, perm=[1, 0, 2]), -1, groups * outputs)


@written.register
def _(operation: numbers.NegativeSlopes, w: OnnxWriter, x: str) -> str:
    if w.types[x] != DOUBLE:
        return w.node("PRelu", x, w.like(operation.slope, x))
    return w.node("Add", above(w, x), times(w, below(w, x), operation.slope))


written.register(
    numbers.Between, lambda op, w, x, y: w.node("Add", x, times(w, w.node("Sub", y, x), op.alpha))
)


@written.register
def _(operation: answers.GroupSoftmax, w: OnnxWriter, x: str) -> str:
    if operation.groups == 1:
        return w.node("Softmax", x, axis=-1)
    parts = w.node("Reshape", x, w.integers([0, operation.groups, -1]))
    shape = w.node("Shape", x)
    return w.node("Reshape", w.node("Softmax", parts, axis=-1), shape, dtype=w.types[x])


@written.register
def _(operation: answers.GroupMean, w: OnnxWriter, x: str) -> str:
    parts = w.node("Reshape", x, w.integers([0, operation.groups, -1]))
    return w.node("ReduceMean", parts, axes=[1], keepdims=0)


@written.register
def _(operation: answers.WeightedSum, w: OnnxWriter, *values: str) -> str:
    total = ""
    for weight, value in zip(operation.weights, values, strict=True):
        own = value if weight == 1 else times(w, value, weight)
        total = w.node("Add", total, own) if total else own
    return total


written.register(answers.Ratio, lambda op, w, *values: w.node("Div", *values))


@written.register
def _(operation: answers.SimilarRows, w: OnnxWriter, x: str) -> str:
    """Row by row, so that the memory is that of one row, however many there are."""
    count, outputs = operation.known.shape
    columns, categories = len(operation.by_number), len(operation.by_code)
    single = np.dtype(np.float32)

    def widened(values: NDArray[np.float64]) -> str:
        return w.cast_of(w.constant(values, single), DOUBLE)

    rows, known = widened(operation.rows.T), widened(operation.known)

    def sums(row: str) -> str:
        d = w.constant(np.zeros(count), DOUBLE)
        own = w.node("Unsqueeze", row, w.integers([1]))  # (columns + categories, 1)
        if columns:
            first = w.node("Gather", own, w.integers(np.arange(columns)), axis=0)
            apart = w.node("Sub", rows, w.cast(first, DOUBLE))  # (columns, count)
            square = w.node("Mul", apart, apart)
            d = w.node("Add", d, w.node("MatMul", w.constant(-operation.by_number, DOUBLE), square))
            for j in np.flatnonzero(operation.by_same):
                one = w.node("Gather", apart, w.integers(j), axis=0)  # (count,)
                most = w.constant(SAME * (1 + np.abs(operation.rows[:, j])), DOUBLE)
                differ = w.cast_of(w.node("Greater", w.node("Abs", one), most), DOUBLE)
                d = w.node("Add", d, w.node("Mul", differ, w.constant(-operation.by_same[j], DOUBLE)))
        if categories:
            codes = w.node("Gather", own, w.integers(columns + np.arange(categories)), axis=0)
            differ = w.node("Not", w.node("Equal", w.constant(operation.codes.T, single), codes))
            each = w.cast_of(differ, DOUBLE)
            d = w.node("Add", d, w.node("MatMul", w.constant(-operation.by_code, DOUBLE), each))
        return w.node("MatMul", w.node("Exp", d), known)

    return w.cast(w.each_row(w.cast(x, single), sums, outputs), w.types[x])


@written.register
def _(operation: numbers.JoinedColumns, w: OnnxWriter, *values: str) -> str:
    dtype = w.types[values[0]]
    return w.node("Concat", *(w.cast(value, dtype) for value in values), axis=1)


written.register(
    numbers.SelectedColumns, lambda op, w, x: w.node("Gather", x, w.integers(list(op.columns)), axis=1)
)


@written.register
def _(operation: numbers.CosineVectors, w: OnnxWriter, x: str) -> str:
    columns, _, size = operation.W.shape
    apart = w.node("Unsqueeze", x, w.integers([2]))
    angle = add(w, times(w, times(w, apart, operation.w), 2 * np.pi), operation.b)
    z = w.node("Transpose", w.node("Cos", angle), perm=[1, 0, 2])
    z = w.node("Transpose", w.node("MatMul", z, w.like(operation.W, x)), perm=[1, 0, 2])
    both = w.node("Concat", add(w, z, operation.c), apart, axis=2)
    return w.reshape(both, -1, columns * (size + 1))


# --- the answer -------------------------------------------------------------------------------------------------------


written.register(answers.LargestColumn, lambda op, w, x: w.node("ArgMax", x, axis=1, keepdims=1))


@written.register
def _(operation: answers.AboveThreshold, w: OnnxWriter, x: str) -> str:
    comparison = "GreaterOrEqual" if operation.or_equal else "Greater"
    return w.whole(w.node(comparison, x, w.like(operation.threshold, x)))


@written.register
def _(operation: answers.SortedColumns, w: OnnxWriter, x: str) -> str:
    count = len(operation.order)
    ordered = w.sorted_rows(x, count)
    return w.node("Gather", ordered, w.integers(np.argsort(operation.order)), axis=1)


# --- how the operations of a table are written in ONNX: with this module `written` knows every operation -------------


@written.register
def _(operation: columns.GraphInput, w: OnnxWriter) -> str:
    if operation.is_text:
        w.input(operation.label, TensorProto.STRING, operation.columns)
        return operation.label
    dtype = w.network if operation.holds == NUMBERS else DOUBLE
    w.input(operation.label, w.number_type(dtype), operation.columns)
    w.types[operation.label] = dtype
    return operation.label


@written.register
def _(operation: columns.LevelCodes, w: OnnxWriter, x: str) -> str:
    """An empty text stands for a missing one, because ONNX has no other."""
    count, places = len(operation.levels), operation.places
    return w.node(
        "LabelEncoder",
        x,
        domain="ai.onnx.ml",
        keys_strings=[each.encode("utf-8", "surrogatepass") for each in (*places, "")],
        values_int64s=[*places.values(), count + 1],
        default_int64=count,
    )


@written.register
def _(operation: columns.WholeCodes, w: OnnxWriter, x: str) -> str:
    inside = w.node(
        "And",
        w.node("GreaterOrEqual", x, w.like(0.0, x)),
        w.node("Less", x, w.like(operation.count, x)),
    )
    known = w.node("And", inside, w.node("Equal", x, w.node("Floor", x)))
    return w.whole(w.node("Where", known, x, w.like(0.0, x), dtype=w.types[x]))


@written.register
def _(operation: columns.TableRows, w: OnnxWriter, x: str) -> str:
    codes = w.node("Squeeze", x, w.integers([1]))
    return w.node("Gather", w.constant(operation.table, DOUBLE), codes, dtype=DOUBLE, axis=0)


@written.register
def _(operation: columns.OneHot, w: OnnxWriter, x: str) -> str:
    is_on = w.node("Equal", x, w.integers(np.arange(operation.count)[None]))
    marks = w.node("Cast", is_on, dtype=DOUBLE, to=TensorProto.DOUBLE)
    return marks if operation.on == 1 else times(w, marks, operation.on)


@written.register
def _(operation: columns.KeptRange, w: OnnxWriter, x: str) -> str:
    inside = w.node(
        "And",
        w.node("GreaterOrEqual", x, w.like(operation.low, x)),
        w.node("LessOrEqual", x, w.like(operation.high, x)),
    )
    for mark in operation.marks:
        inside = w.node("And", inside, w.node("Not", w.node("Equal", x, w.like(mark, x))))
    return w.node("Where", inside, x, w.like(np.nan, x), dtype=w.types[x])


@written.register
def _(operation: columns.Bounded, w: OnnxWriter, x: str) -> str:
    """By comparisons, which NaN passes; a bound that no column has is left out."""
    for bound, comparison in ((operation.low, "Less"), (operation.high, "Greater")):
        if np.isfinite(bound).any():
            number = w.like(bound, x)
            x = w.node("Where", w.node(comparison, x, number), number, x, dtype=w.types[x])
    return x


written.register(columns.MissingMarks, lambda op, w, x: w.cast_of(w.node("IsNaN", x), w.types[x]))


written.register(
    columns.FilledMissing,
    lambda op, w, x: w.node("Where", w.node("IsNaN", x), w.like(op.fill, x), x, dtype=w.types[x]),
)


@written.register
def _(operation: columns.RankShares, w: OnnxWriter, x: str) -> str:
    """A piece for each place between different quantiles, and their own shares where a number equals one of them."""
    width = len(operation.grid)
    each = [operation.knots(k) for k in range(width)]
    most = max(len(knots) for knots, *_ in each)
    knots = np.full((width, most + 1), np.inf)
    shares = np.zeros((width, most + 1))
    begins, starts, rises = (np.zeros((width, most + 1)) for _ in range(3))
    for k, (own, first, last) in enumerate(each):
        m = len(own)
        knots[k, :m], shares[k, :m] = own, (first + last) / 2
        begins[k, 1:m], starts[k, 1 : m + 1] = own[:-1], last
        with np.errstate(over="ignore"):
            rises[k, 1:m] = (first[1:] - last[:-1]) / np.diff(own)
    place = places(w, x, knots[:, :most], "Less")
    at = w.node("Add", place, w.integers((np.arange(width) * (most + 1))[None]))

    def looked_up(table: NDArray[np.float64]) -> str:
        return w.node("Gather", w.like(table.ravel(), x), at, dtype=w.types[x], axis=0)

    rise = w.node("Mul", w.node("Sub", x, looked_up(begins)), looked_up(rises))
    between = w.node("Add", rise, looked_up(starts))
    is_at = w.node("Equal", x, looked_up(knots))
    return w.node("Where", is_at, looked_up(shares), between, dtype=w.types[x])


def remainder(w: OnnxWriter, x: str, by: float) -> tuple[str, str]:
    """Return floor(x / by), and x less that many times `by`."""
    whole = w.node("Floor", w.node("Div", x, w.like(by, x)))
    return whole, w.node("Sub", x, times(w, whole, by))


@written.register
def _(operation: columns.CalendarPart, w: OnnxWriter, x: str) -> str:
    if operation.part == "days":
        return w.node("Div", w.node("Sub", x, w.like(operation.origin, x)), w.like(DAY, x))
    days, seconds = remainder(w, x, DAY)
    if operation.part == "day_turn":
        return w.node("Div", seconds, w.like(DAY, x))
    if operation.part == "weekday_turn":
        return w.node("Div", remainder(w, add(w, days, 3.0), 7.0)[1], w.like(7.0, x))
    if operation.part == "leap_day":
        return remainder(w, add(w, since_march(w, days)[1], 60.0), 366.0)[1]
    year, day = civil(w, days)
    return year if operation.part == "year" else w.node("Div", day, w.like(365.25, x))


def civil(w: OnnxWriter, days: str) -> tuple[str, str]:
    """Return the year, and the days since it began, of days since 1970."""
    year, day, since = since_march(w, days)
    is_next = w.node("GreaterOrEqual", day, w.like(306.0, day))  # January or February of the next year
    dtype = w.types[days]
    leap = w.node("Sub", w.cast_of(divides(w, year, 4.0), dtype), w.cast_of(divides(w, year, 100.0), dtype))
    leap = w.node("Add", leap, w.cast_of(w.node("Equal", year, w.like(0.0, year)), dtype))
    later = w.node("Add", add(w, day, 59.0), leap)
    day = w.node("Where", is_next, add(w, day, -306.0), later, dtype=dtype)
    return w.node("Add", since, w.cast_of(is_next, dtype)), day


def since_march(w: OnnxWriter, days: str) -> tuple[str, str, str]:
    """Return of days since 1970 the year of its era, the days since it began, and the same year of the calendar.

    Years are counted from March, in eras of 400 years or 146,097 days, so that the leap day is the last of its year.
    """
    era, of_era = remainder(w, add(w, days, 719468.0), 146097.0)

    def divided(value: str, by: float) -> str:
        return w.node("Floor", w.node("Div", value, w.like(by, value)))

    leaps = w.node("Sub", divided(of_era, 36524.0), divided(of_era, 1460.0))
    leaps = w.node("Sub", leaps, divided(of_era, 146096.0))
    year = divided(w.node("Add", of_era, leaps), 365.0)  # 0 to 399
    centuries = w.node("Sub", divided(year, 4.0), divided(year, 100.0))
    day = w.node("Sub", of_era, w.node("Add", times(w, year, 365.0), centuries))  # from March 1
    return year, day, w.node("Add", times(w, era, 400.0), year)


def divides(w: OnnxWriter, x: str, by: float) -> str:
    """Whether x is a multiple."""
    return w.node("Equal", remainder(w, x, by)[1], w.like(0.0, x))


@written.register
def _(operation: columns.CellNumbers, w: OnnxWriter, x: str) -> str:
    if len(operation.edges):
        place = places(w, x, operation.edges[None], "LessOrEqual")
        found = add(w, w.cast_of(place, w.types[x]), 1.0)
    else:
        found = add(w, times(w, w.cast_of(w.node("IsNaN", x), w.types[x]), 0.0), 1.0)
    return w.node("Where", w.node("IsNaN", x), w.like(0.0, x), found, dtype=w.types[x])


# The answer stays in the precision of the networks.
written.register(columns.ToPrecision, lambda op, w, x: w.cast(x, w.network) if op.to == "network" else x)
