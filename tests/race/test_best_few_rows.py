"""preset="best" on few rows: fits that deal all rows to the folds of their members, their weights, plan and file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from chainrule import Gamma, MeanSquaredError, MLPClassifier, MLPRegressor, Poisson
from chainrule.estimators.base import fit_on
from chainrule.fitting import few_solved, in_time
from chainrule.fitting.held import result_of
from chainrule.presets.variants import VARIANTS
from chainrule.race import candidates, files, race
from chainrule.race.blend import RaceResult
from chainrule.race.candidates import Candidate
from chainrule.race.judge import Judge, temperature, tempered
from chainrule.race.state import RaceState
from chainrule.tables.data import FitInput

RNG = np.random.default_rng(0)
N = 60
TABLE = pd.DataFrame({"size": RNG.normal(size=N), "kind": RNG.choice(["a", "b", "c"], N)})
NUMBER = 100 * (np.sin(2 * TABLE["size"]) + (TABLE["kind"] == "a") + RNG.normal(scale=0.3, size=N))
LABEL = pd.Series(np.where(NUMBER > 20, "high", "low"))
SMALL = (
    Candidate("few rows", deals=True),
    Candidate("few additive", variant="few additive", deals=True),
)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "OF_FEW_ROWS", SMALL)


def best(kind: type[Any] = MLPRegressor, **changed: Any) -> Any:
    own = {"preprocess": "auto", "preset": "best", "max_iter": 2, "random_state": 3, "time_limit": 1_000}
    return kind(**own | changed)


def recipes(made: Any) -> list[str]:
    return [each.recipe for each in made.report_]


def test_the_recipes_have_names_of_their_own(monkeypatch: pytest.MonkeyPatch):
    """A run's folder has fits of either race by their names."""
    monkeypatch.undo()
    of_few = (*candidates.OF_FEW_ROWS, *candidates.OF_FEW_MEMBERS)
    names = [each.name for each in (*candidates.CANDIDATES, *of_few)]
    assert len(set(names)) == len(names)
    assert candidates.OF_FEW_ROWS[0] == Candidate("few rows", deals=True)
    assert all(each.deals and each.variant in (None, *VARIANTS) for each in of_few)


# --- which rows are few ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "passed"),
    [({"hidden_layer_sizes": (8,)}, {"sample_weight": np.ones(N)}), ({}, {"groups": np.arange(N) // 4})],
)
def test_few_rows_race_by_their_own_recipes(changed: dict[str, Any], passed: dict[str, Any]):
    assert recipes(best(**changed).fit(TABLE, NUMBER, **passed)) == [each.name for each in SMALL]


@pytest.mark.parametrize(
    ("changed", "passed"),
    [
        ({"scoring": "r2"}, {}),
        ({"refit": False}, {}),
        ({"monotonic_cst": {"size": 1}}, {}),
        ({}, {"time": np.arange(N), "groups": np.arange(N) // 4}),
        ({}, {"X_val": TABLE[:20], "y_val": NUMBER[:20]}),
    ],
)
def test_what_the_default_does_not_deal_races_as_many_rows_do(
    changed: dict[str, Any], passed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(candidates, "CANDIDATES", (Candidate("fast", changed={"hidden_layer_sizes": (4,)}),))
    assert recipes(best(**changed).fit(TABLE, NUMBER, **passed)) == ["fast"]


def test_the_rows_of_many_and_of_very_few(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(candidates, "CANDIDATES", (Candidate("fast", changed={"hidden_layer_sizes": (4,)}),))
    many = pd.DataFrame({"x": RNG.normal(size=1_501)})
    assert recipes(best(max_iter=1).fit(many, many["x"])) == ["fast"]
    assert recipes(best().fit(TABLE[:4], NUMBER[:4]))[0] == "few rows"
    assert recipes(best().fit(TABLE[:10], NUMBER[:10]))[0] == "few rows"


# --- the fits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "y"), [(MLPRegressor, NUMBER), (MLPClassifier, LABEL)])
def test_a_fit_is_that_of_the_default_with_its_seed(kind: type[Any], y: pd.Series):
    """To the bit: its networks, and what it predicts out of fold, by which it is judged."""
    made = best(kind).fit(TABLE, y)
    seed = next(each["seed"] for each in made.plan_["fits"] if each["recipe"] == "few rows")
    alone = kind(preprocess="auto", max_iter=2, random_state=seed).fit(TABLE, y)
    part = next(part for part in made.blend_.parts if part.recipe == "few rows")
    np.testing.assert_array_equal(part.estimator.predict(TABLE), alone.predict(TABLE))
    assert len(part.result.members) == len(alone.members_) == 16
    if kind is MLPClassifier:
        judge = Judge((y == "low").to_numpy(float)[:, None], np.ones(N))
        loss = judge.mean_loss(judge.truth(alone.held_out_.predicted))
        assert made.report_[0].loss == pytest.approx(loss, rel=1e-12)


@pytest.mark.filterwarnings("ignore:the least populated class")
def test_all_rows_are_predicted_out_of_fold_but_the_only_one_of_a_label():
    y = LABEL.where(np.arange(N) != 7, "alone")
    made = best(MLPClassifier).fit(TABLE, y)
    assert made.held_out_.rows.tolist() == [k for k in range(N) if k != 7]
    weights = {part.recipe: part.weight for part in made.blend_.parts}
    assert sum(weights.values()) == pytest.approx(1)
    np.testing.assert_allclose(made.held_out_.predicted.sum(1), 1)


def test_in_order_of_time_every_fit_is_judged_on_the_latest_rows_and_a_plan_repeats_it():
    made = best().fit(TABLE, NUMBER, time=np.arange(N))
    assert recipes(made) == ["few rows", "few additive"]
    held = result_of(made).held_out
    assert held is not None and held.rows.tolist() == [*range(51, N)]
    again = best(random_state=8).fit(TABLE, NUMBER, time=np.arange(N), plan=made.plan_)
    np.testing.assert_array_equal(again.predict(TABLE), made.predict(TABLE))
    labels = np.where(
        np.arange(N) < 51, "before", "after"
    )  # nothing is held out, so the first recipe is taken
    assert best(MLPClassifier).fit(TABLE, labels, time=np.arange(N)).predict_proba(TABLE).shape == (N, 2)


def test_whole_groups_are_left_out_and_every_fit_is_judged_on_the_same_rows():
    """The groups of a label that no other fold has are not left out, which depends on the dealing."""
    y = LABEL.where(np.arange(N) >= 12, "alone")
    groups = np.arange(N) // 6  # two of which have the third label alone
    made = best(MLPClassifier).fit(TABLE, y, groups=groups)
    assert recipes(made) == [each.name for each in SMALL] and not any(each.error for each in made.report_)
    rows = made.held_out_.rows
    assert 0 < len(rows) <= N and len(made.held_out_.predicted) == len(rows)


@pytest.mark.parametrize("passed", [{}, {"groups": np.arange(N) // 3}, {"time": np.arange(N)}])
def test_a_limit_too_short_for_all_members_of_a_fit_leaves_one_recipe_of_some(
    passed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    """It is the default's fit; a plan repeats it, and with more time the race begins anew."""
    with monkeypatch.context() as slow:
        slow.setattr(in_time, "SPEED", 1.0)
        made = best().fit(TABLE, NUMBER, **passed)
        (fit,) = made.plan_["fits"]
        alone = MLPRegressor(preprocess="auto", max_iter=2, random_state=fit["seed"], time_limit=1_000)
        alone.fit(TABLE, NUMBER, **passed)
    assert recipes(made) == ["few rows by 2"] and len(made.blend_.parts[0].result.members) == 2
    np.testing.assert_array_equal(made.predict(TABLE), alone.predict(TABLE))
    rows = [each.held_out_.rows.tolist() for each in (made, alone)]
    assert rows[0] == rows[1] and len(rows[0]) < N
    again = best(random_state=8).fit(TABLE, NUMBER, **passed, plan=json.loads(json.dumps(made.plan_)))
    same(MLPRegressor, again, made)
    assert again.plan_ == made.plan_
    more = made.fit(TABLE, NUMBER, **passed, more=1_000)
    assert recipes(more) == [each.name for each in SMALL]
    np.testing.assert_array_equal(more.predict(TABLE), best().fit(TABLE, NUMBER, **passed).predict(TABLE))


def test_the_race_ends_with_its_list():
    made = best().fit(TABLE, NUMBER)
    assert sum(each.seconds for each in made.report_) < 500 and len(made.report_) == len(SMALL)


# --- weights --------------------------------------------------------------------------------------------------------


def test_weights_by_hand(monkeypatch: pytest.MonkeyPatch):
    """With one draw, in which every row counts alike, of two rows: l = 1 / 4 and 1 / 16, and the weights 4 to 1."""

    class Even:
        def dirichlet(self, alpha: np.ndarray, draws: int) -> np.ndarray:
            return np.full((draws, len(alpha)), 1 / len(alpha))

    monkeypatch.setattr(race, "generator", lambda *key: Even())
    judge = Judge(np.array([0, 1]), np.ones(2))
    parts = [np.full((2, 2), 0.5), np.array([[0.25, 0.75], [0.75, 0.25]])]
    np.testing.assert_allclose(race.find_weights(parts, judge), [0.8, 0.2])
    numbers = Judge(np.zeros((4, 1)), np.ones(4), MeanSquaredError())  # mse 1 and 2: l as 1 to (1 / 2)^2
    np.testing.assert_allclose(
        race.find_weights([np.ones((4, 1)), np.full((4, 1), 2**0.5)], numbers), [0.8, 0.2]
    )
    counts = Judge(np.zeros((2, 1)), np.ones(2), Poisson())  # a loss of mean - y log(mean), here the mean
    found = race.find_weights([np.full((2, 1), 1.0), np.full((2, 1), 1 + np.log(3) / 2)], counts)
    np.testing.assert_allclose(found, [0.75, 0.25])
    # of y = 1 half a deviance of m + 1 / e^m - 1; where one has four times the other's, l as 1 to (1 / 4)^(2 / 2)
    amounts = Judge(np.ones((2, 1)), np.ones(2), Gamma())
    half = 4 * (1 + np.exp(-1.0) - 1)
    more = brentq(lambda m: m + np.exp(-m) - 1 - half, 1, 9)
    found = race.find_weights([np.full((2, 1), np.e), np.full((2, 1), np.exp(more))], amounts)
    np.testing.assert_allclose(found, [0.8, 0.2])


def test_half_of_the_weight_by_very_few_rows_is_that_of_the_default():
    numbers = Judge(np.zeros((100, 1)), np.ones(100), MeanSquaredError())
    parts = [np.ones((100, 1)), np.full((100, 1), 0.1), np.full((100, 1), 1.1)]
    assert race.find_weights(parts, numbers).tolist() == [0, 1, 0]
    assert race.find_weights(parts, numbers, [True, False, False]).tolist() == [0.5, 0.5, 0]
    assert race.find_weights(parts, numbers, [True, False, True]).tolist() == [0.25, 0.5, 0.25]
    assert race.find_weights(
        [np.full((100, 1), np.nan), *parts[1:]], numbers, [True, False, False]
    ).tolist() == [
        0,
        1,
        0,
    ]
    more = Judge(np.zeros((101, 1)), np.ones(101), MeanSquaredError())
    each = [np.full((101, 1), float(part[0, 0])) for part in parts]
    assert race.find_weights(each, more, [True, False, False]).tolist() == [0, 1, 0]


def test_half_of_the_temperature_of_the_average_is_taken():
    """Its logarithm's, of the average that the networks of all fits predict out of fold."""
    result = result_of(best(MLPClassifier).fit(TABLE, LABEL))
    assert isinstance(result, RaceResult)
    weights = {part.recipe: part.weight for part in result.blend.parts}
    each = [weights.get(each.name, 0) * result.state.fits[k, 0].predicted for k, each in enumerate(SMALL)]
    judge = Judge((LABEL == "low").to_numpy(float)[:, None], np.ones(N))
    degree = temperature(lambda t: judge.mean_loss(judge.truth(tempered(np.sum(each, 0), t, False))))
    assert degree != 1 and result.blend.temperature == pytest.approx(degree**0.5, rel=1e-4)


def test_where_the_best_depends_on_the_rows_that_count_several_have_a_weight():
    """Each of two is sure of its half of 40 rows: by the likelihood of all rows they are alike, whatever the draw."""
    y = np.zeros(40, int)
    first = np.where(np.arange(40)[:, None] < 20, [0.9, 0.1], [0.4, 0.6])
    judge = Judge(y, np.ones(40))
    found = race.find_weights([first, first[::-1]], judge)
    assert 0.4 < found[0] < 0.6
    found = race.find_weights([first, np.full((40, 2), 0.5), first[::-1]], judge)
    assert found[1] < 0.2 and min(found[0], found[2]) > 0.3


def test_what_predicts_nothing_or_everything_has_no_weight_or_all_of_it():
    numbers = Judge(np.zeros((4, 1)), np.ones(4), MeanSquaredError())
    parts = [np.ones((4, 1)), np.full((4, 1), np.nan), np.full((4, 1), 50.0)]
    assert race.find_weights(parts, numbers).tolist() == [1, 0, 0]
    assert race.find_weights([np.ones((4, 1)), np.zeros((4, 1))], numbers).tolist() == [0, 1]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=8), st.integers(2, 100))
def test_weights_add_up_to_one_and_follow_the_loss(errors: list[float], n: int):
    judge = Judge(np.zeros((n, 1)), np.ones(n), MeanSquaredError())
    found = race.find_weights([np.full((n, 1), error) for error in errors], judge)
    assert found.sum() == pytest.approx(1) and (found >= 0).all()
    order = np.argsort(errors, kind="stable")
    assert found[order][0] == found.max() and (np.diff(found[order]) <= 1e-12).all()


# --- afterwards -----------------------------------------------------------------------------------------------------


def same(kind: type[Any], one: Any, other: Any) -> None:
    np.testing.assert_array_equal(one.predict(TABLE), other.predict(TABLE))
    if kind is MLPClassifier:
        np.testing.assert_array_equal(one.predict_proba(TABLE), other.predict_proba(TABLE))


@pytest.mark.parametrize(("kind", "y"), [(MLPRegressor, NUMBER), (MLPClassifier, LABEL)])
def test_a_plan_a_file_and_a_row(kind: type[Any], y: pd.Series, tmp_path: Path):
    made = best(kind).fit(TABLE, y, groups=np.arange(N) // 3)
    plan = json.loads(json.dumps(made.plan_))
    again = best(kind, random_state=8).fit(TABLE, y, groups=np.arange(N) // 3, plan=plan)
    assert again.plan_ == made.plan_
    same(kind, again, made)
    np.testing.assert_array_equal(again.held_out_.predicted, made.held_out_.predicted)
    made.save(tmp_path / "made")
    same(kind, kind.load(tmp_path / "made"), made)
    one = made.bind().answer(TABLE.iloc[0].to_dict())
    expected = made.predict(TABLE[:1])[0] if kind is MLPRegressor else made.predict_proba(TABLE[:1])[0]
    np.testing.assert_allclose(
        one.prediction if kind is MLPRegressor else one.probabilities, expected, rtol=1e-5
    )
    assert made.spread(TABLE[:2]).shape == ((2,) if kind is MLPRegressor else (2, 2))
    updated = made.update(TABLE[:30], y[:30], epochs=1)
    assert len(updated.updates_) == 1 and len(updated.predict(TABLE)) == N


@pytest.mark.filterwarnings("ignore:time_limit=0.05 ")
def test_a_plan_of_a_fit_that_its_limit_cut():
    made = best(max_iter=100, time_limit=0.05).fit(TABLE, NUMBER)
    assert len(made.report_) == 1
    same(MLPRegressor, best(max_iter=100).fit(TABLE, NUMBER, plan=made.plan_), made)


def test_a_plan_of_fits_that_had_no_time_for_a_linear_part(monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as late:
        late.setattr(few_solved, "is_in_time", lambda *given: False)
        made = best().fit(TABLE, NUMBER)
    assert not any(
        each["course"]["has_linear_part"] for each in made.plan_["fits"] if each["recipe"] != "few additive"
    )
    again = best().fit(TABLE, NUMBER, plan=made.plan_)
    same(MLPRegressor, again, made)
    assert again.plan_ == made.plan_
    assert abs(best().fit(TABLE, NUMBER).predict(TABLE) - made.predict(TABLE)).max() > 1e-3


def test_a_race_goes_on_from_the_files_of_its_fits(tmp_path: Path):
    racing = best()
    place = tmp_path / "race"
    whole = fit_on(racing, FitInput(TABLE, NUMBER), listen=files.saver(place, racing, 1))
    assert len([*place.iterdir()]) == len(SMALL)
    (place / "few-additive-fold-0.safetensors").unlink()
    told: list[str] = []
    start = files.saved(place, racing, 1)
    assert isinstance(start, RaceState) and len(start.fits) == len(SMALL) - 1
    again = fit_on(
        best(), FitInput(TABLE, NUMBER), start, lambda task, made: told.append(task.candidate.name)
    )
    assert told == ["few additive"]
    assert isinstance(again, RaceResult) and isinstance(whole, RaceResult)
    np.testing.assert_array_equal(
        again.predict(TABLE, "auto", np.asarray), whole.predict(TABLE, "auto", np.asarray)
    )
