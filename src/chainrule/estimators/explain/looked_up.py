r"""What the training rows that are like a row do to its answer, exactly, by the columns of the table.

A correction F(p, s) is of what the average predicts, p, and of the sums over training rows, s = sum_i k_i known_i.
With p' and s' those of the reference,

    F(p, s) - F(p', s') = [F(p, s) - F(p', s) + F(p, s') - F(p', s')] / 2    of p, which goes on to the networks
                        + [F(p, s) - F(p, s') + F(p', s) - F(p', s')] / 2    of s, which goes on to the columns

the mean of both orders, Shapley's values of two players. A similarity k_i = exp(-d_i) has the chord

    k_i - k'_i = L(k_i, k'_i) (d'_i - d_i)

with L the logarithmic mean, and a distance is a sum over the inputs: of numbers (x'_j - t_ij)^2 - (x_j - t_ij)^2 =
(x'_j - x_j) (x'_j + x_j - 2 t_ij), and of categories [x'_c != t_ic] - [x_c != t_ic], as of numbers that are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators.best.lookup import (
    PROBABILITY,
    ComparedRows,
    Lookup,
    corrected_numbers,
    differ,
    share_odds,
)
from chainrule.estimators.explain.chords import (
    Floats,
    Shares,
    log_mean,
    normalized_back,
    odds_slope,
    quotient_slopes,
    slope,
)
from chainrule.estimators.explain.parts import AnswerLookup

AT_ONCE = 1 << 22
"""The similarities that are in memory at once; with fewer the networks would run for a few rows each."""


class ComparedSimilarities(NamedTuple):
    """Rows, and how alike the m training rows are."""

    rows: ComparedRows
    distances: Floats
    """(n, m)"""
    similarities: Floats
    """(n, m) exp(-distance)"""
    sums: Floats
    """(n, sums) over training rows of the similarity times what is known"""


def at_once(lookup: Lookup) -> int:
    """The rows whose similarities are in memory at once."""
    return max(1, AT_ONCE // len(lookup))


def similar(lookup: Lookup, inputs: NDArray[np.floating]) -> ComparedSimilarities:
    """Compare prepared rows (n, inputs) with those of training."""
    rows = ComparedRows.of(inputs, lookup.is_code)
    distances = lookup.similarity.distances(lookup.similarity.scaled(rows), lookup.scaled)
    similarities = np.exp(-distances)
    return ComparedSimilarities(rows, distances, similarities, similarities @ lookup.memory.known)


def attributions(
    lookup: Lookup, m: Floats, one: ComparedSimilarities, reference: ComparedSimilarities
) -> Floats:
    """Return the part of each input (n, inputs) in sum_k m_k (sums_k - sums'_k). m: (n, sums)."""
    memory, similarity = lookup.memory, lookup.similarity
    w = log_mean(one.similarities, reference.similarities, reference.distances - one.distances)
    w *= m @ memory.known.T  # (n, training rows), of each d' - d
    found = np.empty((len(m), len(lookup.is_code)))
    is_code = lookup.is_code
    x, x0 = (np.asarray(rows.numbers, np.float64) for rows in (one.rows, reference.rows))
    of_rows = (x + x0) * w.sum(1, keepdims=True) - 2 * (w @ memory.rows.numbers)
    of_numbers = similarity.numbers * (x0 - x) * of_rows
    for j in np.flatnonzero(similarity.same):
        row, here, there = memory.rows.numbers[:, j], one.rows.numbers[:, j], reference.rows.numbers[0, j]
        is_same = np.where(differ(here[:, None], row), 0.0, w).sum(1)
        of_column = similarity.same[j] * (is_same - w @ ~differ(there, row))
        of_numbers[:, j] += np.where(here == there, 0.0, of_column)
    found[:, ~is_code] = of_numbers
    for column, b_c, code, code0, codes in zip(
        np.flatnonzero(is_code),
        similarity.codes,
        one.rows.codes.T,
        reference.rows.codes[0],
        memory.rows.codes.T,
        strict=True,
    ):
        is_same = np.where(codes == code[:, None], w, 0.0).sum(1)
        found[:, column] = np.where(code == code0, 0.0, b_c * (is_same - w @ (codes == code0)))
    return found


LookupBack = Callable[[Floats], tuple[Floats, Floats]]
"""From the multipliers of corrected predictions (n, outputs) to those of the average's (n, outputs), and to what
similar rows add by each column of the table (n, columns)"""


def looked_up(
    found: AnswerLookup,
    shares: Shares,
    one: ComparedSimilarities,
    reference: ComparedSimilarities,
    columns: int,
) -> tuple[Shares, LookupBack]:
    """Return what an average predicts after correction, and the way back.

    shares: (n + 1, outputs), what it predicts for the rows and the reference.  one, reference: these rows, compared.
    columns: those that anything uses.
    """
    prior, are_shares = found.lookup.similarity.prior, found.lookup.memory.expected is not None
    if are_shares:
        made, back = shares_looked_up(shares, one.sums, reference.sums, prior)
    else:
        made, back = numbers_looked_up(shares, one.sums, reference.sums, prior)

    def back_of_all(m: Floats) -> tuple[Floats, Floats]:
        of_average, of_sums = back(m)
        return of_average, found.by_column(attributions(found.lookup, of_sums, one, reference), columns)

    return made, back_of_all


def numbers_looked_up(
    shares: Shares, sums: Floats, sums0: Floats, prior: float
) -> tuple[Shares, Callable[[Floats], tuple[Floats, Floats]]]:
    """Return corrected numbers, as `corrected_numbers` does, and the way back to them and to the sums."""
    every = np.concatenate([sums, sums0])
    errors, rows = every[:, :-1], every[:, -1:]
    of_errors, of_rows = quotient_slopes(errors[:-1], errors[-1:], prior + rows[:-1], prior + rows[-1:])
    made = corrected_numbers(shares.p, errors, rows[:, 0], prior)

    def back(m: Floats) -> tuple[Floats, Floats]:
        return m, np.hstack([m * of_errors, (m * of_rows).sum(1, keepdims=True)])

    return shares._replace(p=made), back


def shares_looked_up(
    shares: Shares, sums: Floats, sums0: Floats, prior: float
) -> tuple[Shares, Callable[[Floats], tuple[Floats, Floats]]]:
    """Return corrected probabilities, as `corrected_shares` does, and the way back to them and to the sums."""
    each, back_of_all = all_shares(shares)
    p, p0 = each[:-1], each[-1:]
    (observed, expected), (observed0, expected0) = (np.split(own, 2, axis=1) for own in (sums, sums0))
    q, q_p0 = (share_odds(own, observed, expected, prior) for own in (p, p0))
    q_s0, q_0 = (share_odds(own, observed0, expected0, prior) for own in (p, p0))
    every = np.concatenate([q, q_0])
    made = every / every.sum(1, keepdims=True)

    def back(m: Floats) -> tuple[Floats, Floats]:
        m = np.hstack([np.zeros_like(m), m]) if shares.p.shape[1] == 1 else m
        of_p = normalized_back(m, q, q_p0) * odds_slope(p, p0, observed, expected, prior)
        of_p += normalized_back(m, q_s0, q_0) * odds_slope(p, p0, observed0, expected0, prior)
        of_sums = np.zeros((len(m), sums.shape[1]))
        for own, here, there in ((p, q, q_s0), (p0, q_p0, q_0)):
            of_q = normalized_back(m, here, there) * own / 2
            slopes = quotient_slopes(
                prior * own + observed,
                prior * own + observed0,
                prior * own + expected,
                prior * own + expected0,
            )
            of_sums += np.hstack([of_q * each for each in slopes])
        return back_of_all(of_p / 2), of_sums

    if shares.p.shape[1] == 1:
        return Shares(made[:, 1:], made[:, :1]), back
    return Shares(made, made @ (1.0 - np.eye(made.shape[1]))), back


def all_shares(shares: Shares) -> tuple[Floats, Callable[[Floats], Floats]]:
    """Return the probabilities of all classes (n + 1, classes), as `as_shares` does, and the way back."""
    is_one = shares.p.shape[1] == 1
    each = np.hstack([shares.rest, shares.p]) if is_one else shares.p
    floored = np.maximum(each, PROBABILITY)
    of_floor = slope(each, floored, (each[:-1] >= PROBABILITY).astype(np.float64))

    def back(m: Floats) -> Floats:
        found = normalized_back(m, floored[:-1], floored[-1:]) * of_floor
        return found[:, 1:] - found[:, :1] if is_one else found

    return floored / floored.sum(1, keepdims=True), back
