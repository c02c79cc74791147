"""The lookup of preset="best": similar training rows by hand, what is learned of them, and the whole race with it."""

from __future__ import annotations

import copy
import json
import pickle
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from chainrule import ConfigError, FormatError, MLPClassifier, MLPRegressor, TablePreprocessor
from chainrule.core import codec
from chainrule.fitting.lookup import (
    ComparedRows,
    Lookup,
    Memory,
    Similarity,
    as_shares,
    corrected_numbers,
    corrected_numbers_back,
    corrected_shares,
    in_32_bits,
    in_order,
    lookup_of,
    share_odds,
    share_odds_back,
)
from chainrule.race import fit_lookup
from chainrule.race.candidates import Candidate
from chainrule.race.fit_lookup import (
    NEAREST,
    Queries,
    SimilarityDescent,
    group_errors,
    identifying,
    learn_similarity,
    nearest,
)

PERSONS, N = 150, 900
RNG = np.random.default_rng(0)
PERSON = RNG.integers(0, PERSONS, N)
EFFECT = RNG.normal(size=PERSONS)[PERSON]
TABLE = pd.DataFrame(
    {
        "age": RNG.permutation(PERSONS)[PERSON],
        "place": np.array([f"p{k % 90}" for k in range(PERSONS)])[PERSON],
        "dose": np.where(RNG.random(N) < 0.1, np.nan, RNG.normal(size=N)),
    }
)
NUMBER = 50 + 20 * EFFECT + RNG.normal(size=N)
TARGETS = {
    "number": NUMBER,
    "numbers": np.column_stack([NUMBER, -1e3 * NUMBER]),
    "two": np.where(EFFECT > 0, "high", "low"),
    "three": np.digitize(EFFECT, [-0.5, 0.5]),
}
SMALL = (Candidate("fast", changed={"hidden_layer_sizes": (4,)}),)
"""What cannot learn each person: the lookup has to."""


@pytest.fixture(autouse=True)
def _small(race_of: Callable[..., None]) -> None:
    race_of(*SMALL)


def unfitted(kind: str, **settings: Any) -> Any:
    made = MLPRegressor if kind.startswith("number") else MLPClassifier
    return made(**{"preprocess": "auto", "preset": "best", "max_iter": 4, "random_state": 3} | settings)


@cache
def fitted(kind: str) -> Any:
    return unfitted(kind).fit(TABLE, TARGETS[kind])


def answers(estimator: Any, X: Any = TABLE) -> NDArray[np.float64]:
    found = estimator.predict_proba(X) if hasattr(estimator, "predict_proba") else estimator.predict(X)
    return np.asarray(found).reshape(len(X), -1)


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_two_columns_and_a_category_by_hand() -> None:
    similarity = Similarity(np.array([2.0, 0.5]), np.array([3.0]), 1.0)
    one = ComparedRows(np.array([[1, 2]], np.float32), np.array([[7]], np.int32))
    others = ComparedRows(np.array([[1, 2], [0, 4], [1, 2]], np.float32), np.array([[7], [7], [8]], np.int32))
    found = similarity.distances(similarity.scaled(one), similarity.scaled(others))
    np.testing.assert_allclose(found, [[0, 2 * 1 + 0.5 * 4, 3]], atol=1e-12)


def test_numbers_that_are_the_same_by_hand() -> None:
    """As they are in a table of 32 bits, too, whatever the units are in which they are compared."""
    similarity = Similarity(np.array([0.25, 1e-12]), np.array([3.0]), 1.0, np.array([0.0, 5.0]))
    one = ComparedRows(np.array([[1, 2.000001]], np.float32), np.array([[7]], np.int32))
    others = ComparedRows(np.array([[1, 2], [3, 2], [1, 2.1]], np.float32), np.full((3, 1), 7, np.int32))
    found = similarity.distances(similarity.scaled(one), similarity.scaled(others))
    np.testing.assert_allclose(found, [[0, 1, 5]], atol=1e-10)
    assert np.array_equal(similarity.scaled(others.take(slice(1, 3))).same, [[2], [np.float32(2.1)]])
    again = codec.read(Similarity, json.loads(json.dumps(codec.write(similarity))), "it")
    np.testing.assert_array_equal(again.same, similarity.same)
    with pytest.raises(FormatError, match="as many for numbers that are the same"):
        codec.read(Similarity, codec.write(similarity) | {"same": [1.0]}, "it")


def test_numbers_by_hand() -> None:
    found = corrected_numbers(np.array([[10.0]]), np.array([[6.0]]), np.array([2.0]), 1.0)
    assert found == 10 + 6 / 3  # two rows with an error of 3 each, beside a prior of one without


def test_shares_by_hand() -> None:
    p, observed, expected = np.array([[0.5, 0.5]]), np.array([[3.0, 0.0]]), np.array([[1.5, 1.5]])
    found = corrected_shares(p, observed, expected, 1.0)
    q = 0.5 * 3.5 / 2, 0.5 * 0.5 / 2
    np.testing.assert_allclose(found, [[q[0] / sum(q), q[1] / sum(q)]])


def test_both_classes_above_zero() -> None:
    np.testing.assert_allclose(as_shares(np.array([[0.25], [0.0]])), [[0.75, 0.25], [1, 1e-12]])


@given(st.integers(1, 40), st.integers(1, 3), st.integers(0, 2), st.integers(0, 2**32 - 1))
def test_sums_over_blocks_are_those_of_a_loop(rows: int, columns: int, codes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def drawn(n: int) -> ComparedRows:
        numbers = rng.normal(size=(n, columns)).astype(np.float32)
        return ComparedRows(numbers, rng.integers(0, 3, (n, codes)).astype(np.int32))

    memory = Memory(drawn(rows), rng.normal(size=(rows, 2)).astype(np.float32))
    similarity = Similarity(rng.uniform(0, 3, columns), rng.uniform(0, 3, codes), 0.4)
    one, p = drawn(5), rng.normal(size=(5, 2))
    found = memory.corrected(one, p, similarity)
    for k in range(5):
        d = (similarity.numbers * np.square(one.numbers[k] - memory.rows.numbers).astype(np.float64)).sum(1)
        d += (similarity.codes * (one.codes[k] != memory.rows.codes)).sum(1)
        near = np.exp(-d)
        np.testing.assert_allclose(
            found[k], p[k] + near @ memory.observed / (0.4 + near.sum()), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("kind", ["numbers", "same", "codes"])
@given(st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_rows_are_compared_in_the_order_that_leaves_the_fewest(kind: str, rows: int, seed: int) -> None:
    """A number, or a category, of which another one is as far as FAR, is exact to rounding: exp(-50)."""
    rng = np.random.default_rng(seed)

    def drawn(n: int) -> ComparedRows:
        numbers = np.column_stack([rng.normal(size=n) / 50, rng.integers(0, 20, n) / 10])
        return ComparedRows(numbers.astype(np.float32), rng.integers(0, 20, (n, 1)).astype(np.int32))

    memory = Memory(drawn(rows), rng.normal(size=(rows, 1)).astype(np.float32))
    same, code = np.array([0.0, 50.0 * (kind == "same")]), 50.0 if kind == "codes" else 1.0
    similarity = Similarity(np.array([1.0, 0.0]), np.array([code]), 0.4, same)
    one, p, own = drawn(7), rng.normal(size=(7, 1)), in_order(memory, similarity)
    if rows > 40:
        assert own.value.kind == kind
    near = np.exp(-similarity.distances(similarity.scaled(one), similarity.scaled(memory.rows)))
    expected = p + near @ memory.observed / (0.4 + near.sum(1, keepdims=True))
    np.testing.assert_allclose(memory.corrected(one, p, similarity, own), expected, rtol=1e-12, atol=1e-12)


def test_rows_far_away_count_as_little_as_the_formula_says() -> None:
    """At the distances d = 16, 25 and 36, with errors of exp(d), each adds 1; a row at 81 is left out."""
    apart = np.array([4.0, -5, 6, 9])
    errors = np.exp([16.0, 25, 36, 36])[:, None].astype(np.float32)
    memory = Memory(ComparedRows(apart[:, None].astype(np.float32), np.zeros((4, 0), np.int32)), errors)
    one = ComparedRows(np.zeros((1, 1), np.float32), np.zeros((1, 0), np.int32))
    found = memory.corrected(one, np.array([[10.0]]), Similarity(np.ones(1), np.zeros(0), 1.0))
    np.testing.assert_allclose(found, [[13]], rtol=1e-6)


@pytest.mark.parametrize("kind", ["codes", "same"])
def test_rows_of_another_group_count_as_little_as_the_formula_says(kind: str) -> None:
    """One at a distance of 20 with an error of exp(20) beside one without, and the prior: 1 / (1 + 1) of it."""
    group = np.array([[0], [1]])
    numbers = (np.zeros((2, 1)) if kind == "codes" else group).astype(np.float32)
    codes = (group if kind == "codes" else np.zeros((2, 1))).astype(np.int32)
    memory = Memory(ComparedRows(numbers, codes), np.exp([[-np.inf], [20.0]]).astype(np.float32))
    far = np.array([20.0])
    similarity = Similarity(np.zeros(1), far if kind == "codes" else far * 0, 1.0, far * (kind == "same"))
    one = ComparedRows(np.zeros((1, 1), np.float32), np.zeros((1, 1), np.int32))
    np.testing.assert_allclose(memory.corrected(one, np.array([[10.0]]), similarity), [[10.5]], rtol=1e-6)


def test_numbers_that_are_the_same_but_for_rounding_are_found() -> None:
    """Where another one is so far away that rows are compared in its order: an error of 4 beside the prior."""
    memory = Memory(
        ComparedRows(np.array([[1], [5]], np.float32), np.zeros((2, 0), np.int32)),
        np.array([[4.0], [99]], np.float32),
    )
    one = ComparedRows(np.array([[1.000001]], np.float32), np.zeros((1, 0), np.int32))
    similarity = Similarity(np.zeros(1), np.zeros(0), 1.0, np.array([50.0]))
    np.testing.assert_allclose(memory.corrected(one, np.array([[10.0]]), similarity), [[12]], rtol=1e-6)


def test_numbers_that_32_or_16_bits_have_no_room_for_are_kept_as_they_are() -> None:
    for size, dtype in ((1e40, np.float64), (1e-35, np.float64), (1.0, np.float32)):
        assert in_32_bits(np.array([[size]])).dtype == dtype
    rows = ComparedRows(np.zeros((1, 1), np.float32), np.zeros((1, 0), np.int32))
    for size, dtype in ((1e-3, np.float32), (1.0, np.float16), (1e5, np.float32)):
        memory = Memory(rows, np.array([[size]], np.float32))
        made = Lookup(TablePreprocessor(), Similarity(np.ones(1), np.zeros(0), 1.0), memory, (1.0, 0.5))
        assert made.tensors(compact=True)["observed"].dtype == dtype
        assert made.tensors()["observed"].dtype == np.float32


# --- what is learned --------------------------------------------------------------------------------------------------


def fold(are_shares: bool, n: int = 400, seed: int = 0) -> tuple[Memory, Queries]:
    """Rows that are like those of the same person, by the first of two columns."""
    rng = np.random.default_rng(seed)

    def drawn(n: int) -> tuple[ComparedRows, NDArray[np.int64]]:
        person = rng.integers(0, 60, n)
        numbers = np.column_stack([person / 10, rng.normal(size=n)]).astype(np.float32)
        return ComparedRows(numbers, (person % 4)[:, None].astype(np.int32)), person

    effect = np.random.default_rng(1).normal(size=60)
    (rows, person), (held, other) = drawn(n), drawn(n)
    weight = rng.uniform(0.5, 2, n)
    if not are_shares:
        errors = (effect[person] + 0.1 * rng.normal(size=n))[:, None]
        return Memory(rows, errors.astype(np.float32)), Queries(
            held, np.zeros((n, 1)), effect[other][:, None], weight
        )
    half = np.full((n, 2), 0.5)
    memory = Memory(rows, (effect[person] > 0).astype(np.int32), half.astype(np.float32))
    return memory, Queries(held, half, (effect[other] > 0).astype(np.int64), weight)


@pytest.mark.parametrize("are_shares", [False, True])
def test_the_gradient_is_that_of_differences(are_shares: bool) -> None:
    descent = SimilarityDescent([fold(are_shares, seed=0), fold(are_shares, seed=2)])
    descent.find_nearest()
    descent.logs = descent.logs + np.random.default_rng(0).normal(0, 0.3, len(descent.logs))
    _, gradient = descent.gradient()
    for k in range(len(gradient)):
        ends = []
        for step in (1e-3, -1e-3):
            descent.logs[k] += step
            ends.append(descent.gradient()[0])
            descent.logs[k] -= step
        assert gradient[k] == pytest.approx((ends[0] - ends[1]) / 2e-3, rel=2e-2, abs=1e-6)


@pytest.mark.parametrize("are_shares", [False, True])
def test_it_learns_which_column_says_who_is_who(are_shares: bool) -> None:
    memory, queries = fold(are_shares)
    found = learn_similarity([(memory, queries)])
    assert found is not None
    assert found.similarity.numbers[0] > 3 * found.similarity.numbers[1]
    before, after = queries.losses(queries.predicted), queries.losses(found.predicted[0])
    assert after.mean() < 0.5 * before.mean()
    assert found.similarity.prior >= 0.1


def crashes(are_shares: bool, n: int = 900, seed: int = 0) -> tuple[Memory, Queries]:
    """Rows of the same crash by the first of three columns, whose neighbors have nothing in common with it."""
    rng = np.random.default_rng(seed)
    weight = np.random.default_rng(1).exponential(size=300)
    effect = np.random.default_rng(2).normal(size=300)

    def drawn() -> tuple[ComparedRows, NDArray[np.int64]]:
        crash = rng.integers(0, 300, n)
        numbers = np.column_stack([weight[crash], rng.normal(size=n), rng.integers(0, 40, n)])
        return ComparedRows(numbers.astype(np.float32), rng.integers(0, 30, (n, 1)).astype(np.int32)), crash

    (rows, crash), (held, other) = drawn(), drawn()
    if not are_shares:
        errors = effect[crash][:, None].astype(np.float32)
        return Memory(rows, errors), Queries(held, np.zeros((n, 1)), effect[other][:, None], np.ones(n))
    half, dead = np.full((n, 2), 0.5), (effect > 0).astype(np.int64)
    memory = Memory(rows, dead[crash].astype(np.int32), half.astype(np.float32))
    return memory, Queries(held, half, dead[other], np.ones(n))


@pytest.mark.parametrize("are_shares", [False, True])
def test_a_number_that_identifies_groups_is_found(are_shares: bool) -> None:
    folds = [crashes(are_shares, seed=seed) for seed in (0, 3)]
    found = identifying(folds)
    assert found.numbers.tolist() == [True, False, False]
    of_categories = [
        (replace(memory, rows=coded(memory.rows)), queries._replace(rows=coded(queries.rows)))
        for memory, queries in folds
    ]
    found = identifying(of_categories)
    assert found.codes[1] and not found.numbers.any()
    first, second = (learn_similarity(folds, starts=starts) for starts in (1, 2))
    assert second is not None and second.similarity.starts == 2 and second.similarity.same[0] > 1
    assert not second.similarity.same[1:].any()
    assert second.losses[1] < 0.7 * (first or second).losses[first is not None]


def coded(rows: ComparedRows) -> ComparedRows:
    """The rows with a category in place of the first number."""
    code = np.ascontiguousarray(rows.numbers[:, 0]).view(np.int32)
    return ComparedRows(rows.numbers[:, 1:], np.column_stack([rows.codes, code]))


def test_errors_of_groups_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside those of the next values; a value that no training row has says nothing."""
    monkeypatch.setattr(fit_lookup, "MIN_VALUES", 3)
    value = np.array([0, 2, 1, 0], np.float32)[:, None]
    memory = Memory(ComparedRows(value, np.zeros((4, 0), np.int32)), np.array([[1.0], [3.0], [-1.0], [1.0]]))
    held = ComparedRows(np.array([[0], [2], [5]], np.float32), np.zeros((3, 0), np.int32))
    queries = Queries(held, np.zeros((3, 1)), np.array([[1.0], [2.0], [1.0]]), np.array([1.0, 0.5, 1.0]))
    expected = [2 / 3 - (-1 / 2), 0, 0.5 * 2 * (3 / 2 - (-1 / 2))]
    np.testing.assert_allclose(group_errors(memory, queries, 0), expected)
    as_codes = [
        ComparedRows(np.zeros((len(each), 0), np.float32), each.astype(np.int32))
        for each in (value, held.numbers)
    ]
    found = group_errors(replace(memory, rows=as_codes[0]), queries._replace(rows=as_codes[1]), 0)
    np.testing.assert_allclose(found, [2 / 3, 0, 0.5 * 2 * 3 / 2])


def test_it_learns_nothing_of_noise() -> None:
    memory, queries = fold(False)
    noise = np.random.default_rng(5).normal(size=(400, 1)).astype(np.float32)
    noisy = Memory(memory.rows, noise)
    assert learn_similarity([(noisy, queries)]) is None
    assert learn_similarity([(noisy, queries)], is_decided=True) is not None


def test_too_few_rows_are_not_compared() -> None:
    memory, queries = fold(False)
    assert learn_similarity([(memory.take(np.arange(NEAREST - 1)), queries)]) is None
    assert learn_similarity([(memory, queries.take(np.arange(1)))]) is None


def test_the_nearest_are_found() -> None:
    memory, queries = fold(False)
    similarity = Similarity(np.array([5.0, 0.1]), np.array([2.0]), 1.0)
    found = nearest(queries.rows, memory.rows, similarity)
    d = similarity.distances(similarity.scaled(queries.rows), similarity.scaled(memory.rows))
    np.testing.assert_allclose(
        np.take_along_axis(d, found, 1).max(1), np.sort(d, 1)[:, NEAREST - 1], rtol=1e-5, atol=1e-5
    )


# --- a race -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TARGETS)
def test_persons_are_looked_up(kind: str) -> None:
    made = fitted(kind)
    assert isinstance(made.blend_.lookup, Lookup)
    before, after = made.blend_.lookup.losses
    assert after < before and len(made.blend_.lookup) == N
    assert f"<Lookup of {N} rows: loss held out {before:.4g} -> {after:.4g}>" in repr(made.blend_)
    without = unfitted(kind, lookup=False).fit(TABLE, TARGETS[kind])
    assert without.blend_.lookup is None
    later = TABLE.assign(dose=0.0)
    assert made.score(later, TARGETS[kind]) > without.score(later, TARGETS[kind]) + 0.05
    if kind in ("two", "three"):
        np.testing.assert_allclose(answers(made).sum(1), 1, rtol=1e-12)


@pytest.mark.parametrize("kind", TARGETS)
def test_one_row_many_rows_and_copies_answer_alike(kind: str, tmp_path: Path) -> None:
    made, y = fitted(kind), TARGETS[kind]
    expected = answers(made)
    np.testing.assert_allclose(answers(made, TABLE[:1]), expected[:1], rtol=1e-9)
    bound = made.bind()
    one = bound.predict_proba(TABLE[:1]) if kind in ("two", "three") else bound.predict(TABLE[:1])
    np.testing.assert_allclose(np.ravel(one), expected[0], rtol=1e-9)
    made.save(path := tmp_path / "made.safetensors")
    for other in (type(made).load(path), pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert np.array_equal(answers(other), expected)
    small = tmp_path / "small.safetensors"
    made.save(small, compact=True)
    assert small.stat().st_size < path.stat().st_size
    assert type(made).load(small).score(TABLE, y) == pytest.approx(made.score(TABLE, y), abs=0.02)


@pytest.mark.parametrize("kind", ["number", "three"])
def test_a_plan_repeats_it(kind: str) -> None:
    made = fitted(kind)
    plan = json.loads(json.dumps(made.plan_))
    again = unfitted(kind).fit(TABLE, TARGETS[kind], plan=plan)
    assert np.array_equal(answers(again), answers(made))
    prior = plan["similarity"]["prior"] = 2 * plan["similarity"]["prior"]
    plan["temperature"] = 1.5  # it is repeated, and not found anew
    other = unfitted(kind).fit(TABLE, TARGETS[kind], plan=plan).blend_
    assert (other.lookup.similarity.prior, other.temperature) == (prior, 1.5)
    plan["similarity"] = None
    assert unfitted(kind).fit(TABLE, TARGETS[kind], plan=plan).blend_.lookup is None
    plan["similarity"] = {"numbers": [-1.0], "codes": [], "prior": 1.0}
    with pytest.raises(ConfigError, match="plan"):
        unfitted(kind).fit(TABLE, TARGETS[kind], plan=plan)
    plan["similarity"]["numbers"] = [1.0]
    with pytest.raises(ConfigError, match="the plan looks up rows of other columns"):
        unfitted(kind).fit(TABLE, TARGETS[kind], plan=plan)


@cache
def of_crashes(kind: str) -> Any:
    return unfitted(kind).fit(*crash_table(kind))


def crash_table(kind: str) -> tuple[pd.DataFrame, NDArray[Any]]:
    """Persons of the same crash have its weight in a survey, and its outcome."""
    rng = np.random.default_rng(8)
    crash = rng.integers(0, 200, 800)
    weight, effect = rng.exponential(500, size=200)[crash], rng.normal(size=200)[crash]
    table = pd.DataFrame(
        {"weight": weight, "age": rng.normal(40, 9, 800), "seat": rng.choice(["left", "right"], 800)}
    )
    return table, 10 * effect if kind == "number" else np.where(effect > 0.3, "dead", "alive")


@pytest.mark.parametrize("kind", ["number", "two"])
def test_a_number_that_rows_share_is_looked_up(kind: str, tmp_path: Path) -> None:
    made, (X, y) = of_crashes(kind), crash_table(kind)
    similarity = made.blend_.lookup.similarity
    assert similarity.same[0] > 1 and similarity.starts == 2
    expected = answers(made, X)
    single = X.assign(weight=X["weight"].astype(np.float32))
    np.testing.assert_allclose(answers(made, single), expected, rtol=1e-3, atol=1e-3)
    again = unfitted(kind).fit(X, y, plan=json.loads(json.dumps(made.plan_)))
    assert np.array_equal(answers(again, X), expected)
    made.save(path := tmp_path / "made.safetensors")
    assert np.array_equal(answers(type(made).load(path), X), expected)
    one = made.bind().predict_proba(X[:1]) if kind == "two" else made.bind().predict(X[:1])
    np.testing.assert_allclose(np.ravel(one), expected[0], rtol=1e-9)
    found = made.explain(X[:40])
    assert found.error.max() < 1e-9
    by_column = np.abs(found.values).mean(tuple(k for k in range(found.values.ndim) if k != 1))
    assert by_column[0] > by_column[1]


def test_a_copy_leaves_out_what_is_computed() -> None:
    made = fitted("number")
    answers(made)
    lookup = made.blend_.lookup
    assert lookup.scaled is lookup.scaled
    assert len(pickle.dumps(lookup)) < len(pickle.dumps((lookup, lookup.scaled, lookup.memory.known))) - 1000


def test_a_table_of_too_many_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_lookup, "MOST_COLUMNS", 2)
    assert unfitted("number").fit(TABLE, NUMBER).blend_.lookup is None


def test_intervals_are_of_rows_held_out_of_the_lookup() -> None:
    later = np.arange(N) >= 600
    made = unfitted("number").fit(TABLE[~later], NUMBER[~later])
    assert made.blend_.lookup is not None
    lower, upper = np.asarray(made.predict_interval(TABLE[later], 0.8)).T
    inside = (lower <= NUMBER[later]) & (NUMBER[later] <= upper)
    assert 0.7 < inside.mean() < 0.92
    held = made.held_out_
    errors = held.predicted[:, 0] - NUMBER[~later][held.rows]
    assert np.sqrt(np.mean(np.square(errors))) < 0.7 * NUMBER.std()


def test_an_update_is_judged_with_it() -> None:
    """By the loss of the corrected probability, of rows that are all the same."""
    made, row = copy.deepcopy(fitted("two")), TABLE[:1]
    expected = -np.log(made.predict_proba(row)[0, made.classes_.tolist().index("high")])
    made.update(pd.concat([row] * 20), ["high"] * 20)
    assert made.updates_[0].before == pytest.approx(expected, rel=1e-5)


def test_an_update_keeps_it() -> None:
    made = copy.deepcopy(fitted("number"))
    before = len(made.blend_.lookup)
    made.update(TABLE[:300], NUMBER[:300])
    assert len(made.blend_.lookup) == before
    assert made.score(TABLE, NUMBER) > 0.5


@pytest.mark.parametrize(
    "settings",
    [{"lookup": False}, {"scoring": "r2"}, {"monotonic_cst": {"dose": 1}}, {"loss": "absolute_error"}],
)
def test_where_rows_are_not_looked_up(settings: dict[str, Any]) -> None:
    assert unfitted("number", **settings).fit(TABLE, NUMBER).blend_.lookup is None


def test_a_limit_too_short_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_lookup, "MAX_SHARE_OF_RACE", 0.0)
    assert unfitted("number").fit(TABLE, NUMBER).blend_.lookup is None


def test_no_time_is_left_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the first fit lasts until the end of the limit. A race that is repeated reads no clock."""
    made = fitted("number")
    over = SimpleNamespace(monotonic=lambda: time.monotonic() + 1e6)
    monkeypatch.setattr(fit_lookup, "time", over)
    assert unfitted("number").fit(TABLE, NUMBER).blend_.lookup is None
    again = unfitted("number").fit(TABLE, NUMBER, plan=made.plan_)
    assert again.blend_.lookup is not None


def test_a_lookup_has_as_many_rows_as_it_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_lookup, "MOST_KEPT", 500)
    monkeypatch.setattr(fit_lookup, "MOST_REMEMBERED", 400)
    made = unfitted("number").fit(TABLE, NUMBER)
    assert len(made.blend_.lookup) == 500


def test_passed_rows_are_what_it_is_learned_on() -> None:
    rows = np.arange(N) < 600
    made = unfitted("number").fit(TABLE[rows], NUMBER[rows], X_val=TABLE[~rows], y_val=NUMBER[~rows])
    assert len(made.blend_.lookup) == 600
    assert made.score(TABLE[~rows], NUMBER[~rows]) > 0.5


# --- files ------------------------------------------------------------------------------------------------------------


def test_only_a_file_with_a_lookup_is_new(tmp_path: Path) -> None:
    from chainrule.model import load_any

    with_it, without = tmp_path / "with.safetensors", tmp_path / "without.safetensors"
    fitted("number").save(with_it)
    unfitted("number", lookup=False).fit(TABLE, NUMBER).save(without)
    assert "average" in load_any(with_it)[1]["blend"]  # a version that looks for weights finds none
    assert "lookup" not in load_any(with_it)[1]["estimator"]["parameters"]
    assert "weights" in load_any(without)[1]["blend"]
    assert load_any(without)[1]["estimator"]["parameters"]["lookup"] is False
    assert MLPRegressor.load(without).lookup is False and MLPRegressor.load(with_it).lookup is True


def test_a_damaged_lookup_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = fitted("three")
    whole = made.blend_.lookup.tensors()
    for name, other in {
        "numbers": whole["numbers"][:-1],
        "codes": whole["codes"].astype(np.int64),
        "observed": whole["observed"] + 3,
        "expected": whole["expected"] * np.float32(np.nan),
    }.items():
        broken = whole | {name: other}
        monkeypatch.setattr(Lookup, "tensors", lambda self, compact=False, broken=broken: broken)
        made.save(path := tmp_path / "broken.safetensors")
        with pytest.raises(FormatError, match="the average in the file is malformed"):
            MLPClassifier.load(path)


def test_a_similarity_is_of_finite_numbers() -> None:
    data = codec.write(Similarity(np.array([1.0]), np.array([2.0]), 0.5))
    assert codec.read(Similarity, json.loads(json.dumps(data)), "it").prior == 0.5
    for name, value in {"numbers": [np.nan], "codes": [-1.0], "prior": 0.0}.items():
        with pytest.raises(FormatError):
            codec.read(Similarity, data | {name: value}, "it")


# --- weights ----------------------------------------------------------------------------------------------------------


def test_a_row_of_weight_2_counts_as_two() -> None:
    for are_shares in (False, True):
        memory, queries = fold(are_shares)
        similarity = Similarity(np.array([3.0, 0.5]), np.array([2.0]), 0.4)
        twice = np.concatenate([np.arange(400), np.arange(100)])
        weight = np.where(np.arange(400) < 100, 2, 1).astype(np.float32)
        weighted = Memory(memory.rows, memory.observed, memory.expected, weight)
        found = weighted.corrected(queries.rows, queries.predicted, similarity)
        expected = memory.take(twice).corrected(queries.rows, queries.predicted, similarity)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
        assert np.array_equal(weighted.take(twice).weight, weight[twice])


@pytest.mark.parametrize("kind", ["number", "three"])
def test_rows_of_weight_0_are_no_rows(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    weight = np.where(rng.random(N) < 0.3, 0.0, rng.uniform(0.5, 2, N))
    y = np.array(TARGETS[kind])
    y[weight == 0] = 1e6 if kind == "number" else 0  # which nobody is to learn
    made = unfitted(kind).fit(TABLE, y, sample_weight=weight)
    memory = made.blend_.lookup.memory
    assert len(made.blend_.lookup) == (weight > 0).sum()
    np.testing.assert_allclose(memory.weight, (weight / weight[weight > 0].mean())[weight > 0], rtol=1e-6)
    counts = weight > 0
    assert made.score(TABLE[counts], y[counts]) > 0.5
    expected = answers(made)
    for compact in (False, True):
        made.save(path := tmp_path / "made.safetensors", compact=compact)
        found = type(made).load(path)
        assert np.array_equal(found.blend_.lookup.memory.weight, memory.weight)
        assert compact or np.array_equal(answers(found), expected)
    broken = made.blend_.lookup.tensors() | {"weight": -memory.weight}
    with pytest.raises(FormatError, match="rows to look up"):
        lookup_of(made.blend_.lookup.described(), broken, made.model_.network.outputs)


def test_classes_that_count_more_do_so_among_similar_rows() -> None:
    rare = np.where(EFFECT > 1, "rare", "usual")
    made = unfitted("two", class_weight="balanced").fit(TABLE, rare)
    weight = made.blend_.lookup.memory.weight
    share = (rare == "rare").mean()
    np.testing.assert_allclose(weight[rare == "rare"], 0.5 / share, rtol=1e-5)
    assert weight @ (rare == "rare") / weight.sum() == pytest.approx(0.5, rel=1e-5)
    assert 0.4 < answers(made)[:, 0] @ weight / weight.sum() < 0.6


@pytest.mark.parametrize("are_shares", [False, True])
def test_rows_held_out_of_weight_0_tell_nothing(are_shares: bool) -> None:
    memory, queries = fold(are_shares)
    rows = np.arange(400)
    weight = np.where(rows < 300, queries.weight, 0.0)
    wrong = queries.y[::-1] if are_shares else np.where(rows < 300, queries.y[:, 0], 1e9)[:, None]
    y = np.where(rows < 300, queries.y, wrong) if are_shares else wrong
    found = learn_similarity([(memory, queries._replace(y=y, weight=weight))])
    assert found is not None and found.similarity.numbers[0] > 3 * found.similarity.numbers[1]
    assert np.isfinite(found.losses).all() and found.losses[1] < 0.5 * found.losses[0]
    for alone in ([7], []):
        nearly = np.where(np.isin(rows, alone), 1.0, 0.0)
        assert learn_similarity([(memory, queries._replace(weight=nearly))]) is None


# --- what it leaves as it is ------------------------------------------------------------------------------------------


def test_a_table_is_warned_of_once() -> None:
    texts = TABLE.assign(said=[f"a long text of many words about row {k}" for k in range(N)])
    with pytest.warns(UserWarning, match="free text") as told:
        made = unfitted("number").fit(texts, NUMBER)
    assert made.blend_.lookup is not None
    assert sum("free text" in str(each.message) for each in told) == 1


def test_a_single_class_needs_no_rows() -> None:
    made = unfitted("two").fit(TABLE, np.full(N, "only"))
    assert made.blend_.lookup is None and (answers(made) == 1).all()


@pytest.mark.parametrize("where", ["learned", "of_all"])
def test_an_interrupted_lookup_keeps_the_race(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the rows are compared does not lose the networks that have been trained."""
    plan, without = fitted("three").plan_, unfitted("three", lookup=False).fit(TABLE, TARGETS["three"])

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(fit_lookup, where, interrupted)
    with pytest.warns(UserWarning, match="interrupted by user"):
        made = unfitted("three").fit(TABLE, TARGETS["three"])
    assert made.blend_.lookup is None and made.plan_["similarity"] is None
    assert np.array_equal(answers(made), answers(without))
    np.testing.assert_array_equal(made.held_out_.predicted, without.held_out_.predicted)
    with pytest.raises(KeyboardInterrupt):
        unfitted("three").fit(TABLE, TARGETS["three"], plan=plan)


# --- derivatives ------------------------------------------------------------------------------------------------------


def test_derivatives_of_corrections_are_those_of_differences() -> None:
    rng = np.random.default_rng(0)
    p, observed, expected = rng.dirichlet(np.ones(3), 4), rng.uniform(0, 3, (4, 3)), rng.uniform(0, 3, (4, 3))
    errors, rows, slopes = rng.normal(size=(4, 3)), rng.uniform(0, 3, 4), rng.normal(size=(4, 3))
    q = share_odds(p, observed, expected, 0.7)
    of_odds = share_odds_back(p, expected, 0.7, q, slopes)
    of_numbers = corrected_numbers_back(errors, rows, 0.7, slopes)

    def odds(sums: NDArray[np.float64], prior: float) -> NDArray[np.float64]:
        return (share_odds(p, *np.split(sums, 2, axis=1), prior) * slopes).sum(1)

    def numbers(sums: NDArray[np.float64], prior: float) -> NDArray[np.float64]:
        return (corrected_numbers(p, sums[:, :-1], sums[:, -1], prior) * slopes).sum(1)

    every = (
        (odds, np.hstack([observed, expected]), of_odds),
        (
            numbers,
            np.hstack([errors, rows[:, None]]),
            of_numbers,
        ),
    )
    for value, sums, (by_sums, by_prior) in every:
        for k in range(sums.shape[1]):
            step = 1e-6 * np.eye(sums.shape[1])[k]
            difference = (value(sums + step, 0.7) - value(sums - step, 0.7)) / 2e-6
            np.testing.assert_allclose(by_sums[:, k], difference, rtol=1e-6, atol=1e-8)
        difference = (value(sums, 0.7 + 1e-6) - value(sums, 0.7 - 1e-6)) / 2e-6
        np.testing.assert_allclose(by_prior, difference, rtol=1e-6, atol=1e-8)
