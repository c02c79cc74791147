"""Correct an average by the training rows that are like a row: what was observed of them, beside what was expected.

A network is smooth. What rows have in common that belong together (the visits of a person, the hours of a storm, inputs
that repeat) is left in its errors, which are alike where the rows are; here they are looked up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Annotated, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.core import codec
from chainrule.core.codec import above, from_to
from chainrule.errors import FormatError
from chainrule.graph.answers import SAME
from chainrule.tables.preprocessor import TablePreprocessor

Numbers = NDArray[np.float64]

AT_ONCE = 1 << 19
"""The similarities that are in memory at once."""
MAX_DISTANCE = 40.0
"""The distance from which rows are left out: of 20,000 of them the similarities add up to at most 8.5e-14."""
PROBABILITY = 1e-12
"""The smallest probability that is corrected; smaller ones are replaced by it."""


class ComparedRows(NamedTuple):
    """Prepared rows, as their distances are computed."""

    numbers: NDArray[np.float32]
    """(n, columns) of numbers"""
    codes: NDArray[np.int32]
    """(n, columns) of categories"""

    @classmethod
    def of(cls, inputs: NDArray[np.floating], is_code: NDArray[np.bool_]) -> Self:
        """Return those of a preprocessor's inputs (n, outputs). is_code: `are_codes` of it."""
        return cls(
            np.ascontiguousarray(inputs[:, ~is_code], np.float32),
            np.ascontiguousarray(inputs[:, is_code], np.int32),
        )

    def take(self, rows: NDArray[np.int64] | slice) -> ComparedRows:
        """Return some of the rows."""
        return ComparedRows(self.numbers[rows], self.codes[rows])


def are_codes(preprocessor: TablePreprocessor) -> NDArray[np.bool_]:
    """Return which of a preprocessor's outputs are categories (outputs,)."""
    found = np.zeros(len(preprocessor.sources_), bool)
    found[[column for column, *_ in preprocessor.embedded_]] = True
    return found


class ScaledRows(NamedTuple):
    """Rows in the units of a similarity."""

    numbers: NDArray[np.floating]
    """(n, columns)"""
    squares: NDArray[np.floating]
    """(n,) their sums of squares"""
    codes: NDArray[np.int32]
    """(n, columns)"""
    same: NDArray[np.float32]
    """(n, columns of which it counts whether they are the same) in their own units"""

    def take(self, rows: NDArray[np.int64] | slice) -> ScaledRows:
        """Return some of the rows."""
        return ScaledRows(self.numbers[rows], self.squares[rows], self.codes[rows], self.same[rows])


def differ(x: NDArray[np.floating], t: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return where numbers x are not the same as t, but for rounding: |x - t| > `SAME` (1 + |t|)."""
    return np.asarray(np.abs(x - t) > SAME * (1 + np.abs(t)))


class Similarity(NamedTuple):
    """How alike rows are: k(x, x') = exp(-d(x, x')).

    d is the sum over numbers of a_j (x_j - x'_j)^2, and of s_j where x_j differs from x'_j, and over categories of b_c
    where x_c differs from x'_c. A number that rows share (the weight of a crash in a survey, the hour of a measurement)
    says that they belong together, which no distance between numbers does.

    dk / d log a_j = -k a_j (x_j - x'_j)^2          dk / d log b_c = -k b_c where x_c differs from x'_c, s_j likewise
    """

    numbers: Annotated[Numbers, from_to(0)]
    """(columns,) a"""
    codes: Annotated[Numbers, from_to(0)]
    """(columns,) b"""
    prior: Annotated[float, above(0)]
    """so many rows that are equal to a row count as much as what is predicted for it without them"""
    same: Annotated[Numbers, from_to(0)] = np.zeros(0)
    """(columns,) s, or none of them"""
    starts: Annotated[int, from_to(1, 2)] = 1
    """how many starts it is the best of, from which it is learned again by a plan"""

    def fits(self, rows: ComparedRows) -> bool:
        """Return whether it has a number for each column of rows."""
        return (len(self.numbers), len(self.codes)) == (rows.numbers.shape[1], rows.codes.shape[1])

    def requires(self) -> dict[str, bool]:
        """Return what must hold of it."""
        return {
            "a number for each column": {self.numbers.ndim, self.codes.ndim, self.same.ndim} == {1},
            "as many for numbers that are the same as for numbers, or none": len(self.same)
            in (0, len(self.numbers)),
        }

    def scaled(self, rows: ComparedRows) -> ScaledRows:
        """Return rows with sqrt(a_j) x_j in place of x_j, in the type of a."""
        numbers = rows.numbers * np.sqrt(self.numbers)
        same = rows.numbers[:, np.flatnonzero(self.same)]
        return ScaledRows(numbers, np.square(numbers).sum(1), rows.codes, same)

    def distances(self, one: ScaledRows, other: ScaledRows) -> Numbers:
        """Return the distances d (n, m) of n rows to m others, in the type of a."""
        found: Numbers = np.asarray(one.numbers @ other.numbers.T)
        found *= -2
        found += one.squares[:, None]
        found += other.squares
        np.maximum(found, 0, out=found)  # but for rounding
        for column, b_c in enumerate(self.codes):
            found += b_c * (one.codes[:, column, None] != other.codes[None, :, column])
        for column, s_j in enumerate(self.same[self.same > 0]):
            found += s_j * differ(one.same[:, column, None], other.same[None, :, column])
        return found


def corrected_numbers(p: Numbers, errors: Numbers, rows: Numbers, prior: float) -> Numbers:
    """Return p + sum_i k_i e_i / (prior + sum_i k_i).

    p: (n, outputs).  errors: (n, outputs), the sum over training rows i of k_i e_i, e_i = observed - expected.
    rows: (n,) the sum of k_i.
    Source: Nadaraya, "On estimating regression", 1964; the prior is a row whose error is 0.
    """
    return np.asarray(p + errors / (prior + rows)[:, None])


def corrected_numbers_back(
    errors: Numbers, rows: Numbers, prior: float, by_q: Numbers
) -> tuple[Numbers, Numbers]:
    """Return the derivatives of a loss by the errors and the rows (n, outputs + 1), and by the prior (n,).

    dq / d errors = 1 / (prior + rows)          dq / d rows = dq / d prior = -errors / (prior + rows)^2

    by_q: (n, outputs) dL / dq, of what `corrected_numbers` returns.
    """
    below = (prior + rows)[:, None]
    by_errors = by_q / below
    by_rows = -(by_errors * (errors / below)).sum(1)
    return np.hstack([by_errors, by_rows[:, None]]), by_rows


def share_odds(p: Numbers, observed: Numbers, expected: Numbers, prior: float) -> Numbers:
    """Return p (prior p + observed) / (prior p + expected): probabilities before they are made to add up to 1."""
    return np.asarray(p * (prior * p + observed) / (prior * p + expected))


def share_odds_back(
    p: Numbers, expected: Numbers, prior: float, q: Numbers, by_q: Numbers
) -> tuple[Numbers, Numbers]:
    """Return the derivatives of a loss by what was observed and expected (n, 2 classes), and by the prior (n,).

    dq / d observed = p / below     dq / d expected = -q / below     dq / d prior = p (p - q) / below
    below           = prior p + expected

    q: (n, classes) what `share_odds` returns.  by_q: (n, classes) dL / dq.
    """
    below = prior * p + expected
    return np.hstack([by_q * p / below, -by_q * q / below]), (by_q * p * (p - q) / below).sum(1)


def corrected_shares(p: Numbers, observed: Numbers, expected: Numbers, prior: float) -> Numbers:
    """Return q_c / sum_c q_c with q_c = p_c (prior p_c + observed_c) / (prior p_c + expected_c).

    p: (n, classes) probabilities.  observed, expected: (n, classes), the sums over training rows i of k_i [y_i = c] and
    of k_i p_ic: how often the class was among rows like this one, and how often it was predicted.
    """
    q = share_odds(p, observed, expected, prior)
    return np.asarray(q / q.sum(1, keepdims=True))


def as_shares(p: Numbers) -> Numbers:
    """Return the probabilities (n, classes) of all classes, above 0. p: these, or (n, 1) of the second of two."""
    each = np.hstack([1 - p, p]) if p.shape[1] == 1 else p
    each = np.maximum(each, PROBABILITY)
    return np.asarray(each / each.sum(1, keepdims=True))


def in_32_bits(values: Numbers) -> NDArray[np.floating]:
    """Return numbers in float32, or as they are where that has no room for them."""
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    largest = np.abs(single).max(initial=0.0)
    return single if 1e-30 < largest < np.inf else values


class WithoutCache:
    """Base class of frozen dataclasses whose copies and pickles leave out what is computed of the fields."""

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields."""
        return {each.name: getattr(self, each.name) for each in fields(self)}  # type: ignore[arg-type]


@dataclass(frozen=True)
class Memory(WithoutCache):
    """Training rows, and what is known of each.

    rows: as they are compared.
    observed: the classes (m,) int32; of numbers the errors (m, outputs), observed - expected.
    expected: (m, classes) the probabilities of all classes that were predicted; None for numbers.
    weight: (m,) how many rows each one counts as; None for 1 each.
    """

    rows: ComparedRows
    observed: NDArray[Any]
    expected: NDArray[np.float32] | None = None
    weight: NDArray[np.float32] | None = None

    @classmethod
    def of(
        cls, rows: ComparedRows, y: NDArray[Any], expected: Numbers, weight: Numbers, scale: Numbers | None
    ) -> Self:
        """Return training rows with what is expected of each (m, outputs).

        y: (m,) classes, or numbers (m, outputs).  weight: (m,) sample weights above 0.
        scale: (outputs,) the unit of errors; None for labels.
        """
        counted = None if (weight == weight[0]).all() else (weight / weight.mean()).astype(np.float32)
        if scale is not None:
            return cls(rows, in_32_bits((y.reshape(expected.shape) - expected) / scale), None, counted)
        shares = as_shares(expected).astype(np.float32)
        return cls(rows, y.reshape(-1).astype(np.int32), shares, counted)

    @cached_property
    def known(self) -> Numbers:
        """What is added up: (m, 2 classes) observed and expected, or of numbers (m, outputs + 1) the errors and 1.

        Times the weights, rounded as they are in files of other formats.
        """
        if self.expected is None:
            found = np.hstack([np.asarray(self.observed, np.float64), np.ones((len(self.observed), 1))])
        else:
            classes = self.expected.shape[1]
            found = np.hstack([np.eye(classes)[self.observed], np.asarray(self.expected, np.float64)])
        if self.weight is None:
            return found
        return np.asarray(in_32_bits(found * self.weight[:, None]), np.float64)

    @property
    def errors(self) -> Numbers:
        """What was observed less what was expected, times the weights: (m, outputs), of labels (m, classes)."""
        if self.expected is None:
            return self.known[:, :-1]
        observed, expected = np.split(self.known, 2, axis=1)
        return np.asarray(observed - expected)

    def take(self, chosen: NDArray[np.int64]) -> Memory:
        """Return some of the rows."""
        expected, weight = (None if each is None else each[chosen] for each in (self.expected, self.weight))
        return Memory(self.rows.take(chosen), self.observed[chosen], expected, weight)

    def corrected(
        self, one: ComparedRows, p: Numbers, similarity: Similarity, own: OrderedRows | None = None
    ) -> Numbers:
        """Return what is predicted for rows after correction.

        p: (n, outputs) before, of all classes for labels.  own: `in_order`, if it is known.
        """
        own, rows = own or in_order(self, similarity), similarity.scaled(one)
        place = own.value.of(rows)
        order, found = np.argsort(place, kind="stable"), np.empty(p.shape)
        for some in _blocks(place[order], own.places, own.value.reach):
            chosen = order[some.rows]
            near = np.exp(-similarity.distances(rows.take(chosen), own.rows.take(some.others)))
            sums = near @ own.known[some.others]
            found[chosen] = corrected(p[chosen], sums, similarity.prior, self.expected is not None)
        return found


class OrderedValue(NamedTuple):
    """A value of rows, by which those are found whose distance from a row is below `MAX_DISTANCE`."""

    kind: str
    """of the parts of `ScaledRows`: numbers, same or codes"""
    column: int
    reach: float
    """how far apart two such rows are in it, at most"""

    def of(self, rows: ScaledRows) -> Numbers:
        """Return the value of each row (n,)."""
        values = {"numbers": rows.numbers, "same": rows.same, "codes": rows.codes}[self.kind]
        return np.asarray(values[:, self.column], np.float64)

    def compared(self, rows: ScaledRows) -> float:
        """Return how many of the rows each of them is compared with, in the mean."""
        places = np.sort(self.of(rows))
        first, last = _within(places, places, self.reach)
        return float(np.mean(last - first))


class OrderedRows(NamedTuple):
    """Training rows in the order of the value that leaves the fewest to compare with."""

    value: OrderedValue
    places: Numbers
    """(m,) the values, from the smallest"""
    rows: ScaledRows
    known: Numbers
    """(m, ...) as `Memory.known`"""


def in_order(memory: Memory, similarity: Similarity) -> OrderedRows:
    """Return training rows in the order of one value, so that a row is only compared with those near in it.

    It is the number that tells most of them apart, or a number or a category of which another one is `MAX_DISTANCE`
    away.
    """
    scaled = similarity.scaled(memory.rows)
    values = []
    if scaled.numbers.shape[1]:
        low, high = np.quantile(scaled.numbers, (0.05, 0.95), axis=0)
        values.append(OrderedValue("numbers", int(np.argmax(high - low)), math.sqrt(MAX_DISTANCE)))
    for column in np.flatnonzero(similarity.same[similarity.same > 0] >= MAX_DISTANCE):
        largest = float(np.abs(scaled.same[:, column]).max())
        values.append(OrderedValue("same", int(column), SAME * (1 + largest)))
    values += [
        OrderedValue("codes", int(column), 0.0) for column in np.flatnonzero(similarity.codes >= MAX_DISTANCE)
    ]
    if not values:
        values = [OrderedValue("codes", 0, math.inf)]  # all of them
    value = values[0] if len(values) == 1 else min(values, key=lambda each: each.compared(scaled))
    order = np.argsort(value.of(scaled), kind="stable")
    rows = scaled.take(order)
    return OrderedRows(value, value.of(rows), rows, memory.known[order])


class _Block(NamedTuple):
    """Some rows, and the training rows that may be like them."""

    rows: slice
    others: slice


def _within(places: Numbers, others: Numbers, reach: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which of others, in order, are within reach of each place: from the first up to the last, exclusive."""
    first = np.searchsorted(others, places - reach)
    return first, np.searchsorted(others, places + reach, side="right")


def _blocks(places: Numbers, others: Numbers, reach: float) -> Iterator[_Block]:
    """Iterate over rows in order, as many at a time as have room, with the training rows within reach."""
    start = 0
    first, last = _within(places, others, reach)
    while start < len(places):
        room = np.arange(1, len(places) - start + 1) * np.maximum(last[start:] - first[start], 1)
        end = start + max(1, int(np.searchsorted(room, AT_ONCE, side="right")))
        yield _Block(slice(start, end), slice(int(first[start]), int(last[end - 1])))
        start = end


def corrected(p: Numbers, sums: Numbers, prior: float, are_shares: bool) -> Numbers:
    """Return the corrected predictions of sums over training rows i of k_i times `Memory.known`: (n, outputs)."""
    if not are_shares:
        return corrected_numbers(p, sums[:, :-1], sums[:, -1], prior)
    classes = p.shape[1]
    return corrected_shares(p, sums[:, :classes], sums[:, classes:], prior)


@dataclass(frozen=True)
class Lookup(WithoutCache):
    """Corrects what an average predicts for a row by the training rows that are like it.

    preprocessor: what prepares the rows that are compared.  similarity: how alike they are.  memory: those of training.
    losses: the mean loss of rows held out before and after, of numbers in units of their variance.
    """

    preprocessor: TablePreprocessor
    similarity: Similarity
    memory: Memory
    losses: tuple[float, float]

    def corrected(self, inputs: NDArray[np.floating], p: Numbers) -> Numbers:
        """Return the corrected predictions (n, outputs). inputs: of the rows.  p: what the average predicts."""
        one = ComparedRows.of(inputs, self.is_code)
        if self.memory.expected is None:
            return self.memory.corrected(one, p, self.similarity, self.ordered)
        shares = self.memory.corrected(one, as_shares(p), self.similarity, self.ordered)
        return shares[:, 1:] if p.shape[1] == 1 else shares

    @cached_property
    def is_code(self) -> NDArray[np.bool_]:
        """Which of the preprocessor's outputs are categories."""
        return are_codes(self.preprocessor)

    @cached_property
    def ordered(self) -> OrderedRows:
        """The training rows in the order of one column, with each column as a whole."""
        own = in_order(self.memory, self.similarity)
        numbers, squares, codes, same = own.rows
        rows = ScaledRows(
            np.asfortranarray(numbers), squares, np.asfortranarray(codes), np.asfortranarray(same)
        )
        return own._replace(rows=rows)

    @cached_property
    def scaled(self) -> ScaledRows:
        """The training rows in units of the similarity."""
        return self.similarity.scaled(self.memory.rows)

    def described(self) -> dict[str, Any]:
        """Return what it has beside the memory, as JSON values."""
        table, similarity = self.preprocessor.to_data(), codec.write(self.similarity)
        return {"table": table, "similarity": similarity, "losses": list(self.losses)}

    def tensors(self, compact: bool = False) -> dict[str, NDArray[Any]]:
        """Return its memory as arrays by name. compact: with probabilities and errors in 16 bits."""
        memory, observed = self.memory, self.memory.observed
        found: dict[str, NDArray[Any]] = {"numbers": memory.rows.numbers, "codes": memory.rows.codes}
        if memory.weight is not None:
            found["weight"] = memory.weight
        if memory.expected is not None:
            return found | {
                "observed": observed,
                "expected": memory.expected.astype(np.float16 if compact else np.float32),
            }
        fits = compact and 1e-2 < np.abs(observed).max(initial=0.0) < 6e4  # 16 bits
        return found | {"observed": observed.astype(np.float16) if fits else observed}

    def __len__(self) -> int:
        """Return the number of training rows."""
        return len(self.memory.observed)

    def __repr__(self) -> str:
        """Show the number of rows, and what they do to the loss."""
        before, after = self.losses
        return f"<Lookup of {len(self):,} rows: loss held out {before:.4g} -> {after:.4g}>"


def lookup_of(data: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], outputs: int) -> Lookup:
    """Return the lookup that `described` and `tensors` made. outputs: of the average.

    Raises FormatError, or KeyError, for others.
    """
    preprocessor = TablePreprocessor.from_data(data["table"])
    similarity = codec.read(Similarity, data["similarity"], "the similarity of rows")
    expected = arrays.get("expected")
    weight = arrays.get("weight")
    rows = ComparedRows(arrays["numbers"], arrays["codes"])
    observed, n = arrays["observed"], len(arrays["observed"])
    codes = len(preprocessor.embedded_)
    shapes = [rows.numbers.shape, rows.codes.shape, similarity.numbers.shape, similarity.codes.shape]
    width = len(preprocessor.sources_) - codes
    classes = max(2, outputs)
    fits = shapes == [(n, width), (n, codes), (width,), (codes,)] and n > 0
    fits &= rows.numbers.dtype == np.float32 and rows.codes.dtype == np.int32
    if weight is not None:
        fits &= weight.shape == (n,) and weight.dtype == np.float32 and bool((weight >= 0).all())
    if expected is None:
        fits &= observed.shape == (n, outputs) and observed.dtype.kind == "f"
        memory = Memory(rows, observed.astype(np.result_type(observed, np.float32)), None, weight)
    else:
        fits &= expected.shape == (n, classes) and observed.shape == (n,) and observed.dtype == np.int32
        fits &= bool((expected >= 0).all() and observed.min() >= 0 and observed.max() < classes)
        memory = Memory(rows, observed, expected.astype(np.float32), weight)
    if not (fits and all(np.isfinite(each).all() for each in arrays.values())):
        raise FormatError("the rows to look up are not those of an average")
    before, after = map(float, data["losses"])
    return Lookup(preprocessor, similarity, memory, (before, after))
