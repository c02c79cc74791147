"""How the operations of a table are written in ONNX: with this module `written` knows every operation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from chainrule.export import columns
from chainrule.export.as_onnx.functions import add, times
from chainrule.export.as_onnx.operations import places
from chainrule.export.as_onnx.operations import written as written
from chainrule.export.as_onnx.writer import DOUBLE, OnnxWriter
from chainrule.export.columns import DAY
from chainrule.export.numbers import NUMBERS


@written.register
def _(operation: columns.GraphInput, w: OnnxWriter, *values: str) -> str:
    if operation.is_text:
        w.input(operation.label, TensorProto.STRING, operation.columns)
        return operation.label
    dtype = w.network if operation.holds == NUMBERS else DOUBLE
    w.input(operation.label, w.number_type(dtype), operation.columns)
    w.types[operation.label] = dtype
    return operation.label


@written.register
def _(operation: columns.LevelCodes, w: OnnxWriter, *values: str) -> str:
    """An empty text stands for a missing one, because ONNX has no other."""
    count, places = len(operation.levels), operation.places
    return w.node(
        "LabelEncoder",
        values[0],
        domain="ai.onnx.ml",
        keys_strings=[each.encode("utf-8", "surrogatepass") for each in (*places, "")],
        values_int64s=[*places.values(), count + 1],
        default_int64=count,
    )


@written.register
def _(operation: columns.WholeCodes, w: OnnxWriter, *values: str) -> str:
    x = values[0]
    inside = w.node(
        "And",
        w.node("GreaterOrEqual", x, w.like(0.0, x)),
        w.node("Less", x, w.like(operation.count, x)),
    )
    known = w.node("And", inside, w.node("Equal", x, w.node("Floor", x)))
    return w.whole(w.node("Where", known, x, w.like(0.0, x), dtype=w.types[x]))


@written.register
def _(operation: columns.TableRows, w: OnnxWriter, *values: str) -> str:
    codes = w.node("Squeeze", values[0], w.integers([1]))
    return w.node("Gather", w.constant(operation.table, DOUBLE), codes, dtype=DOUBLE, axis=0)


@written.register
def _(operation: columns.OneHot, w: OnnxWriter, *values: str) -> str:
    is_on = w.node("Equal", values[0], w.integers(np.arange(operation.count)[None]))
    marks = w.node("Cast", is_on, dtype=DOUBLE, to=TensorProto.DOUBLE)
    return marks if operation.on == 1 else times(w, marks, operation.on)


@written.register
def _(operation: columns.KeptRange, w: OnnxWriter, *values: str) -> str:
    x = values[0]
    inside = w.node(
        "And",
        w.node("GreaterOrEqual", x, w.like(operation.low, x)),
        w.node("LessOrEqual", x, w.like(operation.high, x)),
    )
    for mark in operation.marks:
        inside = w.node("And", inside, w.node("Not", w.node("Equal", x, w.like(mark, x))))
    return w.node("Where", inside, x, w.like(np.nan, x), dtype=w.types[x])


@written.register
def _(operation: columns.Bounded, w: OnnxWriter, *values: str) -> str:
    """By comparisons, which NaN passes; a bound that no column has is left out."""
    x = values[0]
    for bound, comparison in ((operation.low, "Less"), (operation.high, "Greater")):
        if np.isfinite(bound).any():
            number = w.like(bound, x)
            x = w.node("Where", w.node(comparison, x, number), number, x, dtype=w.types[x])
    return x


@written.register
def _(operation: columns.MissingMarks, w: OnnxWriter, *values: str) -> str:
    return w.cast_of(w.node("IsNaN", values[0]), w.types[values[0]])


@written.register
def _(operation: columns.FilledMissing, w: OnnxWriter, *values: str) -> str:
    x = values[0]
    return w.node("Where", w.node("IsNaN", x), w.like(operation.fill, x), x, dtype=w.types[x])


@written.register
def _(operation: columns.RankShares, w: OnnxWriter, *values: str) -> str:
    """A piece for each place between different quantiles, and their own shares where a number equals one of them."""
    x, width = values[0], len(operation.grid)
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
def _(operation: columns.CalendarPart, w: OnnxWriter, *values: str) -> str:
    x = values[0]
    if operation.part == "days":
        return w.node("Div", w.node("Sub", x, w.like(operation.origin, x)), w.like(DAY, x))
    days, seconds = remainder(w, x, DAY)
    if operation.part == "day_turn":
        return w.node("Div", seconds, w.like(DAY, x))
    if operation.part == "weekday_turn":
        return w.node("Div", remainder(w, add(w, days, 3.0), 7.0)[1], w.like(7.0, x))
    year, day = civil(w, days)
    return year if operation.part == "year" else w.node("Div", day, w.like(365.25, x))


def civil(w: OnnxWriter, days: str) -> tuple[str, str]:
    """Return the year, and the days since it began, of days since 1970.

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
    is_next = w.node("GreaterOrEqual", day, w.like(306.0, day))  # January or February of the next year
    since = w.node("Add", times(w, era, 400.0), year)
    dtype = w.types[days]
    leap = w.node("Sub", w.cast_of(divides(w, year, 4.0), dtype), w.cast_of(divides(w, year, 100.0), dtype))
    leap = w.node("Add", leap, w.cast_of(w.node("Equal", year, w.like(0.0, year)), dtype))
    later = w.node("Add", add(w, day, 59.0), leap)
    day = w.node("Where", is_next, add(w, day, -306.0), later, dtype=dtype)
    return w.node("Add", since, w.cast_of(is_next, dtype)), day


def divides(w: OnnxWriter, x: str, by: float) -> str:
    """Whether x is a multiple."""
    return w.node("Equal", remainder(w, x, by)[1], w.like(0.0, x))


@written.register
def _(operation: columns.CellNumbers, w: OnnxWriter, *values: str) -> str:
    x = values[0]
    if len(operation.edges):
        place = places(w, x, operation.edges[None], "LessOrEqual")
        found = add(w, w.cast_of(place, w.types[x]), 1.0)
    else:
        found = add(w, times(w, w.cast_of(w.node("IsNaN", x), w.types[x]), 0.0), 1.0)
    return w.node("Where", w.node("IsNaN", x), w.like(0.0, x), found, dtype=w.types[x])


@written.register
def _(operation: columns.ToPrecision, w: OnnxWriter, *values: str) -> str:
    """The answer stays in the precision of the networks."""
    return w.cast(values[0], w.network) if operation.to == "network" else values[0]
