"""What each operation of a graph is in C: statements on x0, x1, ..., what it reads, and y, what it makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.export import answers, columns, integers, numbers
from chainrule.export.as_c import integer_statements
from chainrule.export.as_c.helpers import FUNCTIONS, filled
from chainrule.export.as_c.places import GeneratedCode, Value, each, loop, number, of_groups
from chainrule.export.numbers import GraphOperation

Writer = Callable[[GeneratedCode, Any, list[Value], Value], list[str]]


def _elementwise(made: GeneratedCode, op: numbers.Elementwise, x: list[Value], y: Value) -> list[str]:
    if op.function not in FUNCTIONS:
        raise ConfigError(f"the function {op.function!r} has no form in C; export to ONNX or JavaScript.")
    if op.function == "normal_quantile":
        made.call("normal_quantile")
    a = [f"const {y.kind} a = {number(value, y.kind)};" for _, value in op.constants]
    text = filled(FUNCTIONS[op.function], made.prefix, y.kind)
    return [*a, *loop("k", y.width, f"const {y.kind} z = x0[k];", f"y[k] = {text};")]


def _columnwise(made: GeneratedCode, op: numbers.Columnwise, x: list[Value], y: Value) -> list[str]:
    center, factor, offset = (_of_each(made, value, y.kind) for value in (op.center, op.factor, op.offset))
    less = "x0[k]" if not op.center.any() else f"(x0[k] - {center})"
    times = less if (op.factor == 1).all() else f"{less} * {factor}"
    return each(y.width, times if not op.offset.any() else f"{times} + {offset}")


def _of_each(made: GeneratedCode, values: NDArray[np.float64], kind: str) -> str:
    """Return the expression of a constant of column k: one number where all are equal."""
    if len(values) and (values == values[0]).all():
        return number(float(values[0]), kind)
    return f"{made.constant(values, kind)}[k]"


def _affine(made: GeneratedCode, op: numbers.Affine, x: list[Value], y: Value) -> list[str]:
    inputs, outputs = op.W.shape
    made.count(inputs * outputs)
    W, b = made.constant(op.W.T, y.kind), made.constant(op.b, y.kind)
    return [f"{made.call('affine', y.kind)}(x0, y, {W}, {b}, {inputs}u, {outputs}u);"]


def _grouped(made: GeneratedCode, op: numbers.GroupedAffine, x: list[Value], y: Value) -> list[str]:
    own, inputs, outputs = op.W.shape
    made.count(op.groups * inputs * outputs)
    W, b = made.constant(op.W.swapaxes(1, 2), y.kind), made.constant(op.b, y.kind)
    at = (f" + g * {inputs * outputs}u", f" + g * {outputs}u") if own > 1 else ("", "")
    call = f"{made.call('affine', y.kind)}(x0 + g * {inputs}u, y + g * {outputs}u, {W}{at[0]}, {b}{at[1]}, "
    return of_groups(op.groups, f"{call}{inputs}u, {outputs}u);")


def _slopes(made: GeneratedCode, op: numbers.NegativeSlopes, x: list[Value], y: Value) -> list[str]:
    return each(y.width, f"x0[k] > 0 ? x0[k] : {_of_each(made, op.slope, y.kind)} * x0[k]")


def _between(made: GeneratedCode, op: numbers.Between, x: list[Value], y: Value) -> list[str]:
    return each(y.width, f"x0[k] + {_of_each(made, op.alpha, y.kind)} * (x1[k] - x0[k])")


def _softmax(made: GeneratedCode, op: answers.GroupSoftmax, x: list[Value], y: Value) -> list[str]:
    size = y.width // op.groups
    call = f"{made.call('softmax', y.kind)}(x0 + g * {size}u, y + g * {size}u, {size}u);"
    return of_groups(op.groups, call)


def _group_mean(made: GeneratedCode, op: answers.GroupMean, x: list[Value], y: Value) -> list[str]:
    others = [f"for (uint32_t g = 1u; g < {op.groups}u; ++g) {{", f"    sum += x0[g * {y.width}u + k];", "}"]
    return loop("k", y.width, f"{y.kind} sum = x0[k];", *others, f"y[k] = sum / {op.groups};")


def _weighted(made: GeneratedCode, op: answers.WeightedSum, x: list[Value], y: Value) -> list[str]:
    def term(k: int, weight: float) -> str:
        read = f"x{k}[k]" if x[k].kind == y.kind else f"({y.kind})x{k}[k]"
        return read if weight == 1 else f"{number(weight, y.kind)} * {read}"

    return each(y.width, " + ".join(term(k, weight) for k, weight in enumerate(op.weights)))


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


def _selected(made: GeneratedCode, op: numbers.SelectedColumns, x: list[Value], y: Value) -> list[str]:
    first = op.columns[0] if op.columns else 0
    if op.columns == tuple(range(first, first + len(op.columns))):
        return each(y.width, f"x0[{first}u + k]" if first else "x0[k]")
    return each(y.width, f"x0[{made.constant(np.array(op.columns), 'uint32_t')}[k]]")


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


def _above(made: GeneratedCode, op: answers.AboveThreshold, x: list[Value], y: Value) -> list[str]:
    sign = ">=" if op.or_equal else ">"
    return each(y.width, f"x0[k] {sign} {number(op.threshold, x[0].kind)} ? 1u : 0u")


def _sorted(made: GeneratedCode, op: answers.SortedColumns, x: list[Value], y: Value) -> list[str]:
    places = np.argsort(np.array(op.order))
    copy = [f"{y.kind} z[{y.width}];", *loop("k", y.width, "z[k] = x0[k];")]
    order = made.constant(places, "uint32_t")
    return [*copy, f"{made.call('sort', y.kind)}(z, {y.width}u);", *each(y.width, f"z[{order}[k]]")]


def _whole(made: GeneratedCode, op: columns.WholeCodes, x: list[Value], y: Value) -> list[str]:
    floor = "floorf" if x[0].kind == "float" else "floor"
    known = f"x0[k] >= 0 && x0[k] < {op.count} && x0[k] == {floor}(x0[k])"
    return each(y.width, f"{known} ? (uint32_t)x0[k] : 0u")


def _rows(made: GeneratedCode, op: columns.TableRows, x: list[Value], y: Value) -> list[str]:
    with np.errstate(over="ignore"):
        small = np.array_equal(op.table, op.table.astype(np.float32), equal_nan=True)
    table = made.constant(op.table, "float" if small else "double")
    return each(
        y.width, f"(double){table}[x0[0] * {y.width}u + k]" if small else f"{table}[x0[0] * {y.width}u + k]"
    )


def _one_hot(made: GeneratedCode, op: columns.OneHot, x: list[Value], y: Value) -> list[str]:
    return each(y.width, f"k == x0[0] ? {number(op.on, y.kind)} : 0")


def _levels(made: GeneratedCode, op: columns.LevelCodes, x: list[Value], y: Value) -> list[str]:
    places = sorted(op.places.items(), key=lambda each: each[0].encode("utf-8", "replace"))
    levels = made.texts([text for text, _ in places])
    codes = made.constant(np.array([code for _, code in places] or [0]), "uint32_t")
    return [
        f"y[0] = {made.call('level')}({x[0].place}, {levels}, {codes}, {len(places)}u, {len(op.levels)}u);"
    ]


def _kept(made: GeneratedCode, op: columns.KeptRange, x: list[Value], y: Value) -> list[str]:
    low, high = (_of_each(made, values, y.kind) for values in (op.low, op.high))
    no_mark = "".join(f" && x0[k] != {number(mark, y.kind)}" for mark in op.marks)
    return each(y.width, f"x0[k] >= {low} && x0[k] <= {high}{no_mark} ? x0[k] : ({y.kind})NAN")


def _bounded(made: GeneratedCode, op: columns.Bounded, x: list[Value], y: Value) -> list[str]:
    low, high = (_of_each(made, values, y.kind) for values in (op.low, op.high))
    return each(y.width, f"x0[k] < {low} ? {low} : x0[k] > {high} ? {high} : x0[k]")


def _marks(made: GeneratedCode, op: columns.MissingMarks, x: list[Value], y: Value) -> list[str]:
    return each(y.width, "x0[k] != x0[k] ? 1 : 0")


def _filled(made: GeneratedCode, op: columns.FilledMissing, x: list[Value], y: Value) -> list[str]:
    return each(y.width, f"x0[k] != x0[k] ? {_of_each(made, op.fill, y.kind)} : x0[k]")


def _shares(made: GeneratedCode, op: columns.RankShares, x: list[Value], y: Value) -> list[str]:
    n = op.grid.shape[1]
    grid, to = made.constant(op.grid, "double"), "" if y.kind == "double" else "(float)"
    value = "x0[k]" if x[0].kind == "double" else "(double)x0[k]"
    return each(
        y.width, f"{to}{made.call('share', needs=('below', 'not_above'))}({grid} + k * {n}u, {n}u, {value})"
    )


def _calendar(made: GeneratedCode, op: columns.CalendarPart, x: list[Value], y: Value) -> list[str]:
    if op.part == "days":
        return each(y.width, f"(x0[k] - {number(op.origin, y.kind)}) / 86400")
    if op.part == "day_turn":
        text = "(x0[k] - floor(x0[k] / 86400) * 86400) / 86400"
    elif op.part == "weekday_turn":
        text = "(days + 3 - floor((days + 3) / 7) * 7) / 7"
    else:
        name = made.call("year")
        call = f"(double){name}(days, &since)"
        text = call if op.part == "year" else "since / 365.25"
    lines = []
    if op.part in ("year", "year_turn", "weekday_turn"):
        lines.append("const double days = floor(x0[k] / 86400);")
    if op.part in ("year", "year_turn"):
        lines.append("double since = 0;")
    lines += ["if (x0[k] != x0[k]) {", "    y[k] = x0[k];", "} else {"]
    if op.part == "year_turn":
        lines.append(f"    (void){made.prefix}_year(days, &since);")
    return loop("k", y.width, *lines, f"    y[k] = {text};", "}")


def _cells(made: GeneratedCode, op: columns.CellNumbers, x: list[Value], y: Value) -> list[str]:
    edges, value = made.constant(op.edges, "double"), "x0[k]" if x[0].kind == "double" else "(double)x0[k]"
    found = f"({y.kind})(1u + {made.call('not_above')}({edges}, {len(op.edges)}u, {value}))"
    return each(y.width, f"x0[k] != x0[k] ? 0 : {found}")


def _precision(made: GeneratedCode, op: columns.ToPrecision, x: list[Value], y: Value) -> list[str]:
    return each(y.width, "x0[k]" if x[0].kind == y.kind else f"({y.kind})x0[k]")


LOOKUP_KINDS = {
    "rows": "float",
    "codes": "uint32_t",
    "by_number": "double",
    "by_same": "double",
    "by_code": "double",
    "known": "float",
}
"""The type in C of each constant of `SimilarRows`, in their order as arguments."""


def _ratio(made: GeneratedCode, op: answers.Ratio, x: list[Value], y: Value) -> list[str]:
    """Return the statements of a division by one number."""
    return each(y.width, "x0[k] / x1[0]")


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
        numbers.NegativeSlopes: _slopes,
        numbers.Between: _between,
        answers.GroupSoftmax: _softmax,
        answers.GroupMean: _group_mean,
        answers.WeightedSum: _weighted,
        answers.Ratio: _ratio,
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
        columns.OneHot: _one_hot,
        columns.LevelCodes: _levels,
        columns.KeptRange: _kept,
        columns.Bounded: _bounded,
        columns.MissingMarks: _marks,
        columns.FilledMissing: _filled,
        columns.RankShares: _shares,
        columns.CalendarPart: _calendar,
        columns.CellNumbers: _cells,
        columns.ToPrecision: _precision,
        integers.ToInt8: integer_statements.to_int8,
        integers.FromInt8: integer_statements.from_int8,
        integers.Int8Affine: integer_statements.affine,
        integers.Int8Table: integer_statements.table,
        integers.Int8Numbers: integer_statements.table,
        integers.Int8Softmax: integer_statements.softmax,
        integers.Int8Largest: _largest,
    },
)
"""How each operation of a graph is written."""
