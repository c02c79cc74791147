"""Every operation of a graph: its derivative is that of finite differences, its bounds hold all results."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.errors import ConfigError, DataError
from chainrule.graph.answers import (
    AboveThreshold,
    GroupMean,
    GroupSoftmax,
    LargestColumn,
    Ratio,
    SimilarRows,
    SortedColumns,
    WeightedSum,
)
from chainrule.graph.columns import (
    Bounded,
    CalendarPart,
    CellNumbers,
    FilledMissing,
    GraphInput,
    KeptRange,
    LevelCodes,
    MissingMarks,
    OneHot,
    RankShares,
    TableRows,
    ToPrecision,
    WholeCodes,
)
from chainrule.graph.graph import ComputationGraph, GraphBuilder
from chainrule.graph.integers import IntegerOperation
from chainrule.graph.numbers import (
    FUNCTIONS,
    Affine,
    Between,
    Columnwise,
    CosineVectors,
    Elementwise,
    GroupedAffine,
    JoinedColumns,
    LinearPieces,
    NegativeSlopes,
    SelectedColumns,
)
from chainrule.graph.operation import NUMBERS, Box, GraphOperation, constant

RNG = np.random.default_rng(5)
YEAR, NOON = 365.25 * 86400.0, 43200.0


def normal(*shape: int) -> np.ndarray:
    return constant(RNG.normal(size=shape))


def pieces() -> LinearPieces:
    """Three pieces of one column and one of another, each beginning where the one before it ends."""
    knots, rises = np.array([[-1.0, 0.0, 1.0], [0.5, np.inf, np.inf]]), RNG.normal(size=(2, 3, 4))
    starts = np.zeros((2, 3, 4))
    starts[:, 0] = RNG.normal(size=(2, 4))
    starts[0, 1:] = starts[0, 0] + np.cumsum(rises[0, :2], axis=0)  # the knots are 1 apart
    rises[1, 1:] = 0.0
    return LinearPieces(constant(knots), constant(starts), constant(rises))


OWN_CONSTANTS = {"leaky_relu": (("slope", 0.02),), "elu": (("alpha", 1.5),)}
CASES: dict[str, tuple[GraphOperation, tuple[int, ...], float, float]] = {
    # the operation, the widths of what it reads, and the range of the numbers
    **{
        name: (Elementwise(name, OWN_CONSTANTS.get(name, ())), (3,), *ends)
        for name in FUNCTIONS
        for ends in [{"log": (0.01, 9.0), "normal_quantile": (0.001, 0.999)}.get(name, (-6.0, 6.0))]
    },
    "falling leaky_relu": (Elementwise("leaky_relu", (("slope", -0.5),)), (3,), -3.0, 3.0),
    "columnwise": (Columnwise(normal(3), normal(3), normal(3)), (3,), -5.0, 5.0),
    "affine": (Affine(normal(3, 4), normal(4)), (3,), -5.0, 5.0),
    "grouped": (GroupedAffine(normal(2, 3, 4), normal(2, 4), 2), (6,), -5.0, 5.0),
    "shared": (GroupedAffine(normal(1, 3, 2), normal(2, 2), 2), (6,), -5.0, 5.0),
    "slopes": (NegativeSlopes(constant([0.2, -0.5, 1.0])), (3,), -2.0, 2.0),
    "between": (Between(constant([0.2, -0.5, 1.5])), (3, 3), -2.0, 2.0),
    "joined": (JoinedColumns(), (2, 1, 3), -2.0, 2.0),
    "selected": (SelectedColumns((2, 0, 2)), (3,), -2.0, 2.0),
    "pieces": (pieces(), (2,), -3.0, 3.0),
    "cosines": (CosineVectors(normal(2, 5), normal(2, 5), normal(2, 5, 3), normal(2, 3)), (2,), -2.0, 2.0),
    "softmax": (GroupSoftmax(2), (6,), -9.0, 9.0),
    "far softmax": (GroupSoftmax(), (4,), -300.0, 300.0),
    "mean": (GroupMean(3), (6,), -2.0, 2.0),
    "sum": (WeightedSum((0.5, -2.0)), (3, 3), -2.0, 2.0),
    "ratio": (Ratio(), (3, 1), 0.1, 2.0),
    "similar": (
        SimilarRows(
            normal(7, 2),
            constant(RNG.integers(0, 3, (7, 1))),
            constant([0.5, 2.0]),
            constant([0.3, 0.0]),
            constant([0.7]),
            normal(7, 2),
        ),
        (3,),
        -2.0,
        2.0,
    ),
    "sorted": (SortedColumns((1, 0, 2)), (3,), -2.0, 2.0),
    "bounded": (Bounded(constant([-1.0, -np.inf]), constant([1.0, 0.5])), (2,), -2.0, 2.0),
    "kept": (KeptRange(constant([-99.0]), constant([99.0]), (-50.0,)), (2,), -9.0, 9.0),
    "filled": (FilledMissing(constant([1.0, 2.0])), (2,), -9.0, 9.0),
    "marks": (MissingMarks(), (2,), -9.0, 9.0),
    "ranks": (RankShares(constant([[-1.0, 0.0, 0.0, 0.0, 2.0], [0.0, 1.0, 2.0, 3.0, 4.0]])), (2,), -3.0, 5.0),
    "cells": (CellNumbers(constant([-1.0, 0.5, 2.0])), (1,), -3.0, 3.0),
    "double": (ToPrecision("double"), (2,), -9.0, 9.0),
    "whole": (WholeCodes(4), (1,), -1.0, 5.0),
    "largest": (LargestColumn(), (4,), -2.0, 2.0),
    "above": (AboveThreshold(0.3), (2,), -2.0, 2.0),
    **{
        f"{part}": (CalendarPart(part, 1e6), (1,), 40 * YEAR, 40 * YEAR + 500 * 86400.0)
        for part in ("days", "year", "year_turn", "leap_day", "weekday_turn", "day_turn")
    },
}


def test_every_operation_has_a_case():
    known = {*GraphOperation.__subclasses__()} - {IntegerOperation, GraphInput, LevelCodes, TableRows, OneHot}
    assert known == {type(operation) for operation, *_ in CASES.values()}


def drawn(name: str, rows: int) -> tuple[GraphOperation, list[np.ndarray]]:
    operation, widths, low, high = CASES[name]
    rng = np.random.default_rng(len(name))
    return operation, [rng.uniform(low, high, (rows, width)) for width in widths]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[0].makes == NUMBERS])
def test_the_derivative_is_that_of_finite_differences(name: str):
    operation, values = drawn(name, 40)
    if isinstance(operation, SimilarRows):
        values[0][:, 2] = np.round(np.abs(values[0][:, 2]))  # codes
        values[0] = values[0].astype(np.float32).astype(np.float64)
    out = operation.compute(*values)
    delta = np.random.default_rng(1).normal(size=out.shape)
    found = operation.pullback(delta, out, *values)
    h = 1e-5 * (CASES[name][3] - CASES[name][2])
    h = float(np.float32(2.0**-14)) if isinstance(operation, SimilarRows) else h
    for k, value in enumerate(values):
        for j in range(value.shape[1]):
            if isinstance(operation, SimilarRows) and j == 2:
                assert (found[k][:, j] == 0).all()
                continue
            sides = []
            for step in (h, -h):
                moved = [own.copy() for own in values]
                moved[k][:, j] += step
                sides.append(operation.compute(*moved))
            # at a step or a kink between both sides there is no difference to compare
            slope = (delta * (sides[0] - sides[1])).sum(1) / (2 * h)
            middle = (delta * (sides[0] + sides[1] - 2 * out)).sum(1) / h
            smooth = np.abs(middle) < 1e-2 * (1 + np.abs(slope))
            assert smooth.mean() > 0.8
            np.testing.assert_allclose(
                found[k][smooth, j], slope[smooth], rtol=2e-3, atol=2e-3 / (CASES[name][3] - CASES[name][2])
            )


@pytest.mark.parametrize("distance", [0.0, 1e-13, 1e-7, 1.0])
@pytest.mark.parametrize("name", [name for name in CASES if name != "largest"])
def test_multipliers_add_up_to_the_difference(name: str, distance: float):
    """m . (out - out') = sum of multipliers . (x - x'), for rows far from the reference, near it, and equal to it."""
    operation, values = drawn(name, 30)
    if isinstance(operation, SimilarRows):
        values[0][:, 2] = np.round(np.abs(values[0][:, 2]))
    values = [np.concatenate([own[-1:] + distance * (own[:-1] - own[-1:]), own[-1:]]) for own in values]
    if isinstance(operation, SimilarRows):
        values[0][:, 2] = np.round(values[0][:, 2])
        values[0] = values[0].astype(np.float32).astype(np.float64)
    out = operation.compute(*values)
    m = np.random.default_rng(2).normal(size=out[:-1].shape)
    found = operation.chord(m, out, *values)
    total = sum((own * (x[:-1] - x[-1:])).sum(1) for own, x in zip(found, values, strict=True))
    change = (m * (out[:-1] - out[-1:])).sum(1)
    rounding = 1e-9 if operation.makes == NUMBERS else 1e-6
    if not isinstance(operation, (CalendarPart, RankShares, CellNumbers, WholeCodes, AboveThreshold)):
        np.testing.assert_allclose(total, change, rtol=1e-9, atol=rounding * (1 + np.abs(out).max()))
    elif distance == 1.0 and not isinstance(
        operation, LargestColumn
    ):  # steps may stand within MIN_DIFFERENCE
        np.testing.assert_allclose(total, change, rtol=1e-9, atol=1e-9 * (1 + np.abs(out).max()))


def test_multipliers_of_a_table_row_and_of_quotients_by_hand():
    """From code 2 to 0: the row changes by (-3, 6), its multipliers 1 and 2 make 9 of it, over 2 codes."""
    rows = TableRows(constant([[0.0, 9.0], [1.0, 5.0], [3.0, 3.0]]))
    codes = np.array([[0], [2]])
    np.testing.assert_allclose(rows.chord(np.array([[1.0, 2.0]]), rows.compute(codes), codes)[0], [[9 / -2]])
    x, y = np.array([[6.0], [1.0]]), np.array([[2.0], [4.0]])
    of_x, of_y = Ratio().chord(np.array([[1.0]]), x / y, x, y)
    np.testing.assert_allclose(
        [of_x[0, 0], of_y[0, 0]], [3 / 8, -7 / 16]
    )  # (1/2 + 1/4) / 2, -(6 + 1) / (2 * 2 * 4)


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 2**31), st.sampled_from([0.0, 1e-9, 0.05, 0.4, 1.0]))
@pytest.mark.parametrize("name", list(CASES))
def test_no_value_of_a_box_has_a_result_outside_of_the_bounds(name: str, seed: int, size: float):
    operation, widths, low, high = CASES[name]
    rng, boxes = np.random.default_rng(seed), []
    for width in widths:
        start = rng.uniform(low, high, (4, width))
        boxes.append(Box(start, np.minimum(start + size * rng.uniform(0, high - low, (4, width)), high)))
    if isinstance(operation, SimilarRows):
        for end, code in zip(boxes[0], np.sort(rng.integers(0, 3, (2, 4)), axis=0), strict=True):
            end[:, 2] = code
    made = operation.bounds(*boxes)
    assert (made.low <= made.high).all()
    some = ([np.clip(rng.uniform(*box), *box) for box in boxes] for _ in range(60))
    for inside in ([box.low for box in boxes], [box.high for box in boxes], *some):
        if isinstance(operation, SimilarRows):
            inside[0][:, 2] = np.round(inside[0][:, 2])
        out = operation.compute(*inside)
        assert (made.low <= out).all() and (out <= made.high).all()
    if size == 0.0 and operation.makes == NUMBERS and not isinstance(operation, SimilarRows):
        np.testing.assert_allclose(made.high - made.low, 0.0, atol=1e-9 * (1 + np.abs(out).max()))


LINES = [name for name, (operation, *_) in CASES.items() if type(operation).lines is not GraphOperation.lines]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.sampled_from([0.0, 1e-9, 1e-3, 0.05, 0.4, 1.0]))
@pytest.mark.parametrize("name", LINES)
def test_no_result_of_a_box_is_beyond_its_lines(name: str, seed: int, size: float):
    operation, (width,), low, high = CASES[name]
    rng = np.random.default_rng(seed)
    start = rng.uniform(low, high, (4, width))
    box = Box(start, np.minimum(start + size * rng.uniform(0, high - low, (4, width)), high))
    lines = operation.lines(box)
    if lines is None:
        assert name in ("sin_turns", "cos_turns")
        return
    for x in (*box, *(np.clip(rng.uniform(*box), *box) for _ in range(200))):
        out, own = operation.compute(x), x.repeat(lines.low.shape[1] // width, 1)
        with np.errstate(invalid="ignore"):
            assert (lines.below * own + lines.low <= out).all() and (
                out <= lines.above * own + lines.high
            ).all()


@pytest.mark.parametrize("name", [name for name, own in FUNCTIONS.items() if own.bends is not None])
def test_lines_touch_the_convex_hull_in_the_middle(name: str):
    """No line below the function is higher in the middle than its convex hull, here that of 2,001 points.

    The grid of cells leaves a hundredth of the largest distance to the chord on average, and at most a tenth.
    """
    operation, _, low, high = CASES[name]
    rng, lost = np.random.default_rng(3), []
    for _ in range(30):
        ends = np.sort(rng.uniform(low, high, 2))
        lines, m = operation.lines(Box(ends[:1, None], ends[1:, None])), ends.mean()
        x = np.linspace(*ends, 2001)
        y = operation.compute(x[:, None])[:, 0]
        gap = np.ptp(y - y[0] - (y[-1] - y[0]) / (x[-1] - x[0]) * (x - x[0]))
        for sign, slope, offset in ((1, lines.below, lines.low), (-1, lines.above, lines.high)):
            distance = hull_at(x, sign * y, m) - sign * (slope[0, 0] * m + offset[0, 0])
            assert distance >= -1e-9
            lost.append(max(distance - 1e-9, 0) / (gap + 1e-9))
    assert np.mean(lost) < 0.01 and max(lost) < 0.1


def hull_at(x: np.ndarray, y: np.ndarray, m: float) -> float:
    """The lower convex hull of points, at m: the least chord from the left of m to its right."""
    hull: list[int] = []
    for k in range(len(x)):  # Andrew's monotone chain
        while len(hull) > 1:
            i, j = hull[-2:]
            if (y[j] - y[i]) * (x[k] - x[i]) < (y[k] - y[i]) * (x[j] - x[i]):
                break
            hull.pop()
        hull.append(k)
    return float(np.interp(m, x[hull], y[hull]))


def test_lines_of_relu_by_hand():
    """Below slope 1 where more of the interval is above 0, else 0; above the chord: (2 x + 2) / 3 and (x + 2) / 3."""
    lines = Elementwise("relu").lines(Box(np.array([[-1.0, -2.0]]), np.array([[2.0, 1.0]])))
    np.testing.assert_allclose(lines, [[[1, 0]], [[0, 0]], [[2 / 3, 1 / 3]], [[2 / 3, 2 / 3]]], atol=1e-11)


def one(operation: GraphOperation, *inputs: GraphInput) -> ComputationGraph:
    build = GraphBuilder()
    made = build.add(operation, *(build.add(each) for each in inputs))
    return build.done({"predictions": made}, "regression")


def test_bounds_by_hand():
    """2 - 3 x over [1, 2] is [-4, -1]; |x| = 2 relu(x) - x over [-1, 2] is within [-2, 5], term by term.

    By lines x <= relu(x) <= (2 x + 2) / 3 it is between x and (x + 4) / 3, that is within [-1, 2].
    """
    affine = one(Affine(constant([[-3.0]]), constant([2.0])), GraphInput("X", "numbers"))
    box = affine.bounds([[1.0]], [[2.0]])["predictions"]
    np.testing.assert_allclose([box.low[0, 0], box.high[0, 0]], [-4.0, -1.0], rtol=1e-13)
    build = GraphBuilder()
    x = build.add(GraphInput("X", "numbers"))
    out = build.add(WeightedSum((2.0, -1.0)), build.add(Elementwise("relu"), x), x)
    absolute = build.done({"predictions": out}, "regression")
    for method, ends in (("interval", [-2.0, 5.0]), ("crown", [-1.0, 2.0])):
        box = absolute.bounds([[-1.0]], [[2.0]], method=method)["predictions"]
        np.testing.assert_allclose([box.low[0, 0], box.high[0, 0]], ends, rtol=1e-11)


def test_softmax_of_far_numbers_stays_in_the_bounds_of_a_point():
    """Differences of hundreds are rounded by more than the probabilities: 76 of 240,000 were outside without it."""
    x = np.random.default_rng(0).uniform(-300, 300, (60_000, 4))
    box, p = GroupSoftmax().bounds(Box(x, x)), GroupSoftmax().compute(x)
    assert ((box.low <= p) & (p <= box.high)).all()


def test_codes_of_a_box():
    """A code between the first and the last; a table's least and largest numbers; 0 or `on` of a category."""
    codes = Box(np.array([[1], [2]]), np.array([[2], [2]]))
    table = TableRows(constant([[0.0, 9.0], [1.0, 5.0], [3.0, -1.0]])).bounds(codes)
    assert table.low.tolist() == [[1.0, -1.0], [3.0, -1.0]] and table.high.tolist() == [
        [3.0, 5.0],
        [3.0, -1.0],
    ]
    hot = OneHot(3, 2.0).bounds(codes)
    assert hot.low.tolist() == [[0, 0, 0], [0, 0, 2]] and hot.high.tolist() == [[0, 2, 2], [0, 0, 2]]


def test_an_infinite_end_makes_only_those_ends_infinite_that_it_moves():
    box = Affine(constant([[1.0, -1.0, 0.0]]), constant([0.0, 0.0, 7.0])).bounds(
        Box(np.array([[0.0]]), np.array([[np.inf]]))
    )
    assert box.low[0, 1] == -np.inf and box.high[0, 0] == np.inf
    assert abs(box.low[0, 0]) < 1e-300 and box.low[0, 2] == pytest.approx(7.0) == box.high[0, 2]


def test_missing_values_stay_missing_and_boxes_across_them_are_refused():
    kept = one(KeptRange(constant([-9.0]), constant([9.0]), (5.0,)), GraphInput("age", "number"))
    nan = kept.bounds({"age": [np.nan]}, {"age": [np.nan]})["predictions"]
    assert np.isnan(nan.low).all() and np.isnan(nan.high).all()
    assert np.isnan(kept.bounds({"age": [10.0]}, {"age": [11.0]})["predictions"].low).all()
    for low, high in ((0.0, 10.0), (4.0, 6.0)):
        with pytest.raises(ConfigError, match="count as missing"):
            kept.bounds({"age": [low]}, {"age": [high]})


def test_boxes_that_are_none_are_refused():
    graph = one(LevelCodes(("a", "b")), GraphInput("city", "category"))
    assert graph.bounds({"city": ["b"]}, {"city": ["b"]})["predictions"].low.tolist() == [[1]]
    with pytest.raises(DataError, match="'city' must have the same text in both; row 1 is a and b"):
        graph.bounds({"city": ["a", "a"]}, {"city": ["a", "b"]})
    graph = one(Elementwise("relu"), GraphInput("X", "numbers"))
    for low, high in ((2.0, 1.0), (np.nan, 1.0)):
        with pytest.raises(DataError, match="no larger in low than in high, or NaN in both; row 0"):
            graph.bounds([[low]], [[high]])
    with pytest.raises(ConfigError, match="output must be one with numbers, predictions, not 'label'"):
        graph.jacobian([[1.0]], "label")
