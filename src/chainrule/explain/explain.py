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

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.data.samples import TargetScale
from chainrule.errors import ConfigError, ShapeError
from chainrule.explain.answers import Wanted, output_of, wanted
from chainrule.explain.chords import (
    TINY,
    Floats,
    Shares,
    exp_slope,
    log_mean,
    log_slope,
    normalized_back,
    odds_slope,
    quotient_slopes,
    sigmoid,
    slope,
    softmax,
    sort_slopes,
)
from chainrule.explain.parts import AnswerLookup, AnswerParts, Inputs
from chainrule.explain.reasons import Reasons
from chainrule.fitting.lookup import PROBABILITY, ComparedRows, Lookup, corrected_numbers, differ, share_odds
from chainrule.fitting.result import FitResult
from chainrule.formulas.losses import Loss, Poisson, SigmoidCrossEntropy, SoftmaxCrossEntropy
from chainrule.race.judge import MIN_PROBABILITY
from chainrule.tables.numbers import NumericTargets

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


# --- explain answers by the columns of their table: DeepLIFT through the networks and all that follows them ----------
# outputs of each network          (n + 1, outputs), the last row that of the reference
#     -> members side by side, members of an ensemble, the range of the targets, probabilities, quantiles in order
#     -> the weighted mean over the parts of a blend
#     -> its correction by similar training rows, see `looked_up`
#     -> the temperature
#     -> of each row the probability of its class or the log-odds of it, or its number
#
# forward in numbers and back in slopes of chords. Each step is exact, see `chords`, so the multipliers of the outputs
# add up to answer - answer of the reference.

Back = Callable[[Floats], Floats]
"""A function from the multipliers of a step's result to those of its argument."""


class LinkedOutputs(NamedTuple):
    """What some networks predict, (n + 1, outputs), and the way back to their outputs."""

    shares: Shares
    """of numbers only `p` is filled"""
    back: Back
    """from multipliers (n, outputs) to those of the outputs of each network, (networks, n, fan_out)"""


def predicted(loss: Loss, scale: TargetScale | None, outputs: Sequence[Floats]) -> LinkedOutputs:
    """Return what networks of one loss predict on average, as `FitResult.predicted` does.

    outputs: of each network, (n + 1, fan_out).  Raises ConfigError for a loss with a prediction of its own.
    """
    members, networks, n = loss.members, len(outputs), len(outputs[0]) - 1
    one = loss.of_member
    z = np.stack(outputs, 1).reshape(n + 1, networks, members, -1)
    if scale is not None:
        return _numbers(z, scale, one)
    shares, back_of_each = _linked(one, z)

    def back(m: Floats) -> Floats:
        each = back_of_each(np.broadcast_to(m[:, None, None] / (networks * members), (n, *z.shape[1:])))
        return each.reshape(n, networks, -1).swapaxes(0, 1)

    mean = Shares(*(values.mean((1, 2)) for values in shares))
    return LinkedOutputs(mean, back)


def _numbers(z: Floats, scale: TargetScale, loss: Loss) -> LinkedOutputs:
    """Numbers in the units of the targets: the mean over networks, restored and clipped, and over their members."""
    rows, networks, members, outputs = z.shape
    own = scale.restore(z.mean(1).reshape(rows, -1))
    clipped, of_clip = scale.clamp(own), np.ones((1, 1, 1))
    if scale.clamps:
        is_inside = (own == clipped)[:-1].astype(np.float64)
        of_clip = slope(own, clipped, is_inside).reshape(rows - 1, members, outputs)
    shares, back_of_each = _linked(loss, clipped.reshape(rows, members, outputs))

    def back(m: Floats) -> Floats:
        each = back_of_each(np.broadcast_to(m[:, None] / members, (rows - 1, members, outputs)))
        of_network = (each * of_clip * scale.std / networks).reshape(rows - 1, -1)
        return np.broadcast_to(of_network, (networks, *of_network.shape))

    return LinkedOutputs(Shares(*(values.mean(1) for values in shares)), back)


def uncrossed(found: LinkedOutputs, q: Sequence[float]) -> LinkedOutputs:
    """Return several quantiles in order, as `NumericTargets.uncrossed` does. q: those of the outputs."""
    order, y = np.argsort(q, kind="stable"), found.shares.p
    if (np.diff(y[:, order], axis=1) >= 0).all():
        return found
    of_sort = sort_slopes(y)
    p = np.empty_like(y)
    p[:, order] = np.sort(y, axis=1)
    shares = found.shares._replace(p=p)
    return LinkedOutputs(shares, lambda m: found.back(np.einsum("nk,nkj->nj", m[:, order], of_sort)))


def _linked(loss: Loss, z: Floats) -> tuple[Shares, Back]:
    """Return the predictions of outputs, (n + 1, ..., outputs), and the way back."""
    if isinstance(loss, SigmoidCrossEntropy):
        shares, of_sigmoid = sigmoid(z)
        return shares, lambda m: m * of_sigmoid
    if isinstance(loss, SoftmaxCrossEntropy):
        shares, of_softmax = softmax(z)
        return shares, of_softmax.back
    if isinstance(loss, Poisson):
        of_exp = exp_slope(z)
        return Shares(np.exp(z), np.zeros_like(z)), lambda m: m * of_exp
    if type(loss).predict is not Loss.predict:
        raise ConfigError(
            f"explain does not know what {type(loss).__name__} makes of an output, because it overrides `predict`; use "
            "one of the package's losses."
        )
    return Shares(z, np.zeros_like(z)), lambda m: m


def blended(
    parts: Sequence[LinkedOutputs], weights: Sequence[float]
) -> tuple[Shares, Callable[[Floats], list[Floats]]]:
    """Return the weighted mean of predictions, and the way back to the outputs of each part's networks."""
    p, rest = (
        sum(weight * values for weight, values in zip(weights, each, strict=True))
        for each in zip(*(part.shares for part in parts), strict=True)
    )

    def back(m: Floats) -> list[Floats]:
        return [part.back(weight * m) for part, weight in zip(parts, weights, strict=True)]

    return Shares(np.asarray(p), np.asarray(rest)), back


def tempered(shares: Shares, temperature: float, exclusive: bool) -> tuple[Shares, Back]:
    """Return probabilities at a temperature, as `judge.tempered` does, and the way back."""
    if temperature == 1:
        return shares, lambda m: m
    logs = np.log(np.maximum(shares.p, MIN_PROBABILITY)) / temperature
    of_p = log_slope(shares.p, MIN_PROBABILITY) / temperature
    if exclusive:
        made, of_softmax = softmax(logs)
        return made, lambda m: of_softmax.back(m) * of_p
    against = np.log(np.maximum(shares.rest, MIN_PROBABILITY)) / temperature
    made, of_sigmoid = sigmoid(logs - against)
    of_logs = of_p + log_slope(shares.rest, MIN_PROBABILITY) / temperature
    return made, lambda m: m * of_sigmoid * of_logs


class Chosen(NamedTuple):
    """The one answer of each row, that of the reference, and the multipliers of all predictions."""

    answers: Floats
    """(n,)"""
    base: Floats
    """(n,)"""
    m: Floats
    """(n, outputs)"""


def chosen(shares: Shares, output: NDArray[np.int64], negated: NDArray[np.bool_], log_odds: bool) -> Chosen:
    """Choose an output of each row (n,), as it is or as the log-odds of it.

    negated: (n,), whether the answer is one minus the probability.
    """
    n = np.arange(len(output))
    p, rest = (np.where(negated, b[n, output], a[n, output]) for a, b in (shares, shares[::-1]))
    p0, rest0 = (np.where(negated, b[-1, output], a[-1, output]) for a, b in (shares, shares[::-1]))
    m = np.zeros((len(output), shares.p.shape[1]))
    m[n, output] = np.where(negated, -1.0, 1.0)
    if not log_odds:
        return Chosen(p, p0, m)
    (log_p, log_p0), (log_q, log_q0) = (
        tuple(np.log(np.maximum(each, TINY)) for each in pair) for pair in ((p, p0), (rest, rest0))
    )
    of_p = 1 / np.maximum(log_mean(p, p0, log_p - log_p0), TINY)
    of_q = 1 / np.maximum(log_mean(rest, rest0, log_q - log_q0), TINY)
    return Chosen(log_p - log_q, log_p0 - log_q0, m * (of_p + of_q)[:, None])


MAX_NUMBERS = 1 << 23
"""The numbers of all layers that are in memory at once: 64 MB."""
MAX_ROWS = 1024
"""The rows that are explained at once."""


def explain(parts: AnswerParts, X: object, target: object, output: str | None, reference: object) -> Reasons:
    """Explain the answer for each row of a table; see `Explains.explain`."""
    output = output_of(parts, output)
    table, against = parts.table(X), parts.reference(reference)
    if not table.rows:
        raise ShapeError("X has no rows, and there is no answer to explain; pass at least one.")
    want = wanted(parts.result.targets, target, table.rows)
    width = sum(network.width for part in parts.all for network in part.networks)
    most = MAX_ROWS if parts.lookup is None else at_once(parts.lookup.lookup)
    step = max(1, min(MAX_ROWS, MAX_NUMBERS // width, most))
    chunks = [slice(start, start + step) for start in range(0, table.rows, step)]
    found = [_over_references(parts, table.inputs, against.inputs, rows, want, output) for rows in chunks]
    values, answers, base = (np.concatenate(each) for each in zip(*(each[:3] for each in found), strict=True))
    return Reasons(
        cells=table.cells,
        values=values,
        answers=answers,
        base=base,
        error=np.abs(base + values.sum(1) - answers),
        reference=against.cells,
        is_typical=reference is None,
        output=output,
        labels=tuple(label for each in found for label in each.labels),
    )


class _Rows(NamedTuple):
    """The reasons of some rows."""

    values: Floats
    answers: Floats
    base: Floats
    labels: tuple[Any, ...]


def _over_references(
    parts: AnswerParts, inputs: Inputs, references: Inputs, rows: slice, want: Wanted, output: str
) -> _Rows:
    """Average the reasons of some rows over the rows that they are compared with."""
    some = _compared(parts, inputs, rows)
    found = [
        _against(parts, some, _compared(parts, references, slice(r, r + 1)), rows, want, output)
        for r in range(len(references[0]))
    ]
    values = np.mean([each.values for each in found], axis=0)
    base = np.mean([each.base for each in found], axis=0)
    return _Rows(values, found[0].answers, base, found[0].labels)


class _Compared(NamedTuple):
    """Rows as what answers takes them."""

    inputs: list[Floats]
    """of each part"""
    similar: ComparedSimilarities | None
    """None without a lookup"""


def _compared(parts: AnswerParts, inputs: Inputs, rows: slice) -> _Compared:
    """Return some rows of prepared ones."""
    compared = None if parts.lookup is None else similar(parts.lookup.lookup, inputs[-1][rows])
    return _Compared([np.asarray(each[rows], np.float64) for each in inputs[: len(parts.all)]], compared)


def _against(
    parts: AnswerParts, some: _Compared, reference: _Compared, rows: slice, want: Wanted, output: str
) -> _Rows:
    """Return the reasons of some rows, compared with one row."""
    passes = [
        [network.run(own, row) for network in part.networks]
        for part, own, row in zip(parts.all, some.inputs, reference.inputs, strict=True)
    ]
    pairs = zip(parts.all, passes, strict=True)
    of_parts = [_predicted(part.result, [each.outputs for each in own]) for part, own in pairs]
    mean, back_of_mean = blended(of_parts, [part.weight for part in parts.all])
    corrected, back_of_lookup = _corrected(parts, mean, some, reference)
    shares, back_of_temperature = tempered(corrected, parts.temperature, parts.exclusive)
    places, negated, labels = want.of_rows(shares.p[:-1], rows)
    answer = chosen(shares, places, negated, output == "log_odds")
    m, values = back_of_lookup(back_of_temperature(answer.m))
    for part, own, of_part in zip(parts.all, passes, back_of_mean(m), strict=True):
        for each, v in zip(own, of_part, strict=True):
            values += part.by_column(each.attributions(v), len(parts.names))
    return _Rows(values, answer.answers, answer.base, labels)


def _corrected(
    parts: AnswerParts, mean: Shares, some: _Compared, reference: _Compared
) -> tuple[Shares, LookupBack]:
    """Return an average after its lookup, if it has one, and the way back to it and to the columns."""
    found, columns = parts.lookup, len(parts.names)
    if found is None or some.similar is None or reference.similar is None:
        return mean, lambda m: (m, np.zeros((len(m), columns)))
    return looked_up(found, mean, some.similar, reference.similar, columns)


def _predicted(result: FitResult, outputs: list[Floats]) -> LinkedOutputs:
    """Return what a fit predicts, as `FitResult.predicted` does. outputs: of each network, (n + 1, fan_out)."""
    found = predicted(result.model.network.loss, result.model.target_scale, outputs)
    q = result.targets.q if isinstance(result.targets, NumericTargets) else ()
    return uncrossed(found, q) if len(q) > 1 else found
