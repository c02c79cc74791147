"""The lookup of preset="best" with few rows: what is remembered out of fold, what is learned, and the whole race."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from chainrule import MeanSquaredError, MLPClassifier, MLPRegressor
from chainrule.fitting.lookup import ComparedRows
from chainrule.race import candidates, fit_lookup
from chainrule.race.candidates import Candidate
from chainrule.race.fit_lookup import NEAREST, Queries
from chainrule.race.judge import Judge

PERSONS, N = 40, 240
RNG = np.random.default_rng(0)
PERSON = RNG.integers(0, PERSONS, N)
EFFECT = RNG.normal(size=PERSONS)[PERSON]
TABLE = pd.DataFrame({"age": RNG.permutation(PERSONS)[PERSON], "dose": RNG.normal(size=N)})
NUMBER = 50 + 20 * EFFECT + RNG.normal(size=N)
LABEL = np.where(EFFECT > 0, "high", "low")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "OF_FEW_ROWS", (Candidate("few rows", deals=True),))


def fitted(y: Any, passed: dict[str, Any] | None = None, **changed: Any) -> Any:
    """After two epochs, in which no network learns each person: the lookup has to."""
    kind = MLPClassifier if y is LABEL else MLPRegressor
    own = {"preprocess": "auto", "preset": "best", "max_iter": 2, "random_state": 3, "time_limit": 1_000}
    return kind(**own | changed).fit(TABLE, y, **passed or {})


def test_what_is_remembered_by_hand() -> None:
    rows = ComparedRows(np.arange(3, dtype=np.float32)[:, None], np.zeros((3, 0), np.int32))
    judge = Judge(np.array([[5.0], [7.0], [9.0]]), np.array([1.0, 0.0, 3.0]), MeanSquaredError())
    mean = np.array([[4.0], [7.0], [15.0]])
    found = fit_lookup.remembered(rows, mean, judge, np.array([2.0]), np.arange(3))
    assert found.observed.tolist() == [[0.5], [-3.0]] and found.rows.numbers.tolist() == [[0], [2]]
    assert found.weight is not None and found.weight.tolist() == [0.5, 1.5] and found.expected is None
    labels = Judge(np.array([0, 1, 1]), np.ones(3))
    found = fit_lookup.remembered(rows, np.array([[0.25], [0.5], [1.0]]), labels, None, np.array([0, 1]))
    assert found.observed.tolist() == [0, 1] and found.weight is None
    assert found.expected is not None and found.expected.tolist() == [[0.75, 0.25], [0.5, 0.5]]


def told(noise: float, n: int = N) -> list[Any]:
    """Rows whose errors are those of their person, by the first of two columns, and noise."""
    rng = np.random.default_rng(2)
    numbers = np.column_stack([PERSON / 10, rng.normal(size=N)])[:n].astype(np.float32)
    rows, mean = ComparedRows(numbers, np.zeros((n, 0), np.int32)), np.zeros((n, 1))
    y = ((1 - noise) * EFFECT[:n] + noise * rng.normal(size=n))[:, None]
    judge = Judge(y, np.ones(n), MeanSquaredError())
    return fit_lookup.told(rows, mean, judge, np.ones(1), Queries(rows, mean, y, judge.weight))


def test_a_row_is_corrected_by_the_rows_of_other_parts() -> None:
    parts = told(0.0)
    assert len(parts) == fit_lookup.PARTS
    for (memory, queries), part in zip(parts, fit_lookup.parted(N), strict=True):
        assert len(memory.observed) + len(queries.y) == N
        assert not {*queries.y.ravel().astype(np.float32)} - {*EFFECT[part].astype(np.float32)}
        assert memory.rows.numbers.shape[0] == N - len(part)
    each = [np.asarray(part, float)[:, None] for part in fit_lookup.parted(N)]
    assert fit_lookup.in_order(each).ravel().tolist() == [*range(N)]


def test_a_part_is_corrected_by_what_was_learned_without_its_own_rows() -> None:
    """So their targets have no part in it, and those of other parts have."""
    parts, places = told(0.05), fit_lookup.parted(N)
    noisy = [
        (memory, queries._replace(y=queries.y[::-1]) if k % 4 == 2 else queries)
        for k, (memory, queries) in enumerate(parts)
    ]
    one, other = (fit_lookup.learn_for_few(each, is_decided=True) for each in (parts, noisy))
    assert one is not None and other is not None
    same = [np.array_equal(one.predicted[0][part], other.predicted[0][part]) for part in places]
    assert same == [k % 4 == 2 for k in range(fit_lookup.PARTS)]
    heavy = [(memory, queries._replace(weight=3 * queries.weight)) for memory, queries in parts]
    found = fit_lookup.learn_for_few(heavy, is_decided=True)
    assert found is not None and found.losses == pytest.approx(one.losses)  # means, whatever all rows weigh


def test_it_learns_which_column_says_who_is_who() -> None:
    found = fit_lookup.learn_for_few(told(0.05))
    assert found is not None
    a = found.similarity.numbers
    assert a[0] > 10 * a[1] and found.losses[1] < 0.3 * found.losses[0]
    (predicted,) = found.predicted
    assert np.corrcoef(predicted[:, 0], EFFECT)[0, 1] > 0.9


def test_it_learns_nothing_of_noise_or_of_fewer_rows() -> None:
    assert fit_lookup.learn_for_few(told(1.0)) is None
    assert fit_lookup.learn_for_few(told(1.0), is_decided=True) is not None
    assert fit_lookup.learn_for_few(told(0.05, NEAREST)) is None


@pytest.mark.parametrize("y", [NUMBER, LABEL], ids=["number", "label"])
def test_persons_are_looked_up(y: Any) -> None:
    made = fitted(y)
    assert len(made.blend_.lookup) == N and [each.recipe for each in made.report_] == ["few rows"]
    before, after = made.blend_.lookup.losses
    assert after < before
    without = fitted(y, lookup=False)
    assert without.blend_.lookup is None and [each.recipe for each in without.report_] == ["few rows"]
    later = TABLE.assign(dose=0.0)
    assert made.score(later, y) > without.score(later, y) + 0.05
    assert made.explain(TABLE[:9]).error.max() < 1e-9
    again = fitted(y, {"plan": json.loads(json.dumps(made.plan_))})
    assert np.array_equal(again.predict(later), made.predict(later))
    assert np.array_equal(again.held_out_.predicted, made.held_out_.predicted)


@pytest.mark.parametrize("passed", [{"groups": PERSON}, {"time": np.arange(N)}])
def test_rows_in_groups_or_in_order_are_not_looked_up(passed: dict[str, Any]) -> None:
    """Rows to predict are of other groups, or later."""
    assert fitted(NUMBER, passed).blend_.lookup is None
