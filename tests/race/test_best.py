"""preset="best": the weights, the folds, the race and its clock, the average that predicts, and its file."""

from __future__ import annotations

import copy
import math
import pickle
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score

from chainrule import (
    ChainruleError,
    ConfigError,
    DataError,
    FormatError,
    MeanSquaredError,
    MLPClassifier,
    MLPRegressor,
    Model,
    Poisson,
    Scale,
    TablePreprocessor,
    load,
)
from chainrule.estimators.base import fit_on, fit_under
from chainrule.fitting.dealing import deal
from chainrule.fitting.held import result_of
from chainrule.fitting.parameters import values_of
from chainrule.fitting.plan import Conditions
from chainrule.presets import PRESETS
from chainrule.presets.variants import VARIANTS
from chainrule.race import candidates, fit_lookup, race, runner
from chainrule.race.blend import Blend, BlendPart
from chainrule.race.candidates import Candidate
from chainrule.race.judge import Judge, are_weights, greedy, is_temperature, temperature, tempered
from chainrule.race.report import RaceReport, Record
from chainrule.race.runner import RacedRows, RaceOver
from chainrule.race.state import NOTHING, RaceFit, RaceState, Task
from chainrule.tables.data import FitInput, of_table
from chainrule.tables.labels import Labels
from chainrule.tables.rows import rows_of
from hostile_tables import hostile_table

RNG = np.random.default_rng(0)
N = 60
TABLE = pd.DataFrame({"size": RNG.normal(size=N), "kind": RNG.choice(["a", "b", "c"], N)})
NUMBER = 100 * (TABLE["size"] + (TABLE["kind"] == "a"))
LABEL = pd.Series(np.where(NUMBER > 20, "high", "low"))
THREE = pd.cut(TABLE["size"], [-9, -0.5, 0.5, 9], labels=["x", "y", "z"]).astype(str)
SMALL = (
    Candidate("fast", changed={"hidden_layer_sizes": (8,)}),
    Candidate("ranks", variant="ranks", changed={"hidden_layer_sizes": (4,)}),
    Candidate("linear", variant="plain", changed={"hidden_layer_sizes": ()}),
)


@pytest.fixture(autouse=True)
def _few(race_of: Callable[..., None]) -> None:
    race_of(*SMALL)


def best(kind: type[Any] = MLPClassifier, **settings: Any) -> Any:
    return kind(**{"preprocess": "auto", "preset": "best", "max_iter": 4, "random_state": 3} | settings)


# --- what races ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(name for name in VARIANTS if VARIANTS[name].of_few is None))
def test_variants(name: str):
    made = MLPRegressor(preprocess="auto", max_iter=1, random_state=0)
    result = fit_under(made, FitInput(TABLE, NUMBER), Conditions(variant=name))
    kinds = [link.layer.kind for link in made.model_.network.walk()]
    embedding = {"plain": "scale", "switched": "scale", "periodic": "periodic_embedding"}.get(
        name, "piecewise_linear_embedding"
    )
    assert kinds[0] == embedding and np.isfinite(made.predict(TABLE)).all()
    scale = {"ranks": "quantile", "robust": "robust+quantile"}.get(name, "standard+quantile")
    assert made.preprocessor_.scale == scale
    assert result.rates is not None
    assert result.rates.optimizer.weight_decay == (1.0 if name == "decay" else 0.3)
    (factors,) = (link.layer for link in made.model_.network.walk() if isinstance(link.layer, Scale))
    assert factors.decays == (0.0 if name == "free" else 1.0)


def test_candidates_have_names_and_presets_of_their_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    names = [each.name for each in candidates.CANDIDATES]
    assert len(set(names)) == len(names) and candidates.CANDIDATES[0] == Candidate("fast")
    for each in candidates.CANDIDATES:
        assert each.preset in PRESETS and each.variant in (None, *VARIANTS) and each.cost > 0
        MLPRegressor(preprocess="auto", preset=each.preset, **each.changed)._validate_params()


# --- weights --------------------------------------------------------------------------------------------------------


def squared(mean: np.ndarray) -> float:
    return float(np.square(mean).mean())


def test_greedy_weights_by_hand():
    parts = [np.array([3.0]), np.array([1.0]), np.array([-1.0]), np.array([9.0])]
    np.testing.assert_array_equal(greedy(parts, squared), [0, 0.5, 0.5, 0])
    # 2 alone, then 2 and -1 with the mean 0.5, then 2, -1 and -1 with the mean 0
    np.testing.assert_allclose(greedy([np.array([-1.0]), np.array([2.0])], squared), [2 / 3, 1 / 3])
    np.testing.assert_array_equal(greedy([np.array([1.0]), np.array([1.0004])], squared), [1, 0])


def test_greedy_weights_are_the_first_within_a_thousandth_of_the_best():
    """1000 + z^2, whose best mean is 0: with 0.9 it is 1000.81, up to 1001 as good, with 1.1 it is 1001.21."""

    def loss(mean: np.ndarray) -> float:
        return 1000 + squared(mean)

    for size, expected in ((0.9, [1, 0]), (1.1, [0.5, 0.5])):
        np.testing.assert_array_equal(greedy([np.array([size]), np.array([-size])], loss), expected)
    # of losses below 0, -1000 + z^2, one of -999 is as good
    for size, expected in ((0.9, [1, 0]), (1.1, [0.5, 0.5])):
        parts = [np.array([size]), np.array([-size])]
        np.testing.assert_array_equal(greedy(parts, lambda mean: loss(mean) - 2000), expected)


def test_greedy_weights_pass_over_what_is_not_finite():
    np.testing.assert_array_equal(greedy([np.array([np.nan]), np.array([5.0])], squared), [0, 1])


@given(st.lists(st.lists(st.floats(-5, 5), min_size=3, max_size=3), min_size=1, max_size=5))
def test_greedy_weights_are_no_worse_than_the_best_member(rows: list[list[float]]):
    parts = [np.array(row) for row in rows]
    weights = greedy(parts, squared, rounds=8)
    assert (weights >= 0).all() and weights.sum() == pytest.approx(1)
    least = min(map(squared, parts))
    assert squared(np.tensordot(weights, np.stack(parts), 1)) <= least * 1.002 + 1e-12


def test_weights_of_a_file():
    assert are_weights([1.0]) and are_weights([0.0, *[0.1] * 10])
    assert not any(map(are_weights, ([], [0.5, 0.4], [1.5, -0.5], [math.nan, 1.0])))


def test_temperature_by_hand():
    p = np.array([[0.8, 0.2], [0.5, 0.5]])
    np.testing.assert_allclose(tempered(p, 2.0, True), [[2 / 3, 1 / 3], [0.5, 0.5]])
    np.testing.assert_allclose(tempered(p[:, :1], 2.0, False), [[2 / 3], [0.5]])
    assert tempered(p, 1.0, True) is p
    sure = tempered(np.array([[1.0, 0.0]]), 0.25, False)
    assert np.isfinite(sure).all() and sure[0, 0] == 1

    # 9 to 1 is said and 3 to 1 is true: log 9 / log 3 = 2
    said, y = np.full((4, 1), 0.9), np.array([1.0, 1.0, 1.0, 0.0])[:, None]
    judge = Judge(y, np.ones(4))
    found = temperature(lambda degree: judge.mean_loss(judge.truth(tempered(said, degree, False))))
    assert found == pytest.approx(2, rel=1e-3)
    assert temperature(lambda degree: abs(math.log(degree))) == 1.0
    for loss in (lambda degree: degree, lambda degree: -degree):  # as far as it goes
        assert is_temperature(temperature(loss))
    assert not any(map(is_temperature, (0.24, 4.1, 0.0, math.nan)))


def test_the_loss_of_predictions_by_hand():
    judge = Judge(np.array([1, 0]), np.array([3.0, 1.0]))
    p = np.array([[0.2, 0.8], [0.5, 0.5]])
    np.testing.assert_allclose(judge.truth(p), [[0.8], [0.5]])
    assert judge.mean_loss(judge.truth(p)) == pytest.approx(-(3 * math.log(0.8) + math.log(0.5)) / 4)
    several = Judge(np.array([[1.0, 0.0]]), np.ones(1))
    assert several.mean_loss(several.truth(np.array([[0.5, 0.25]]))) == pytest.approx(-math.log(0.5 * 0.75))
    numbers = Judge(np.array([[1.0], [3.0]]), np.ones(2), MeanSquaredError())
    assert numbers.mean_loss(numbers.truth(np.array([[2.0], [3.0]]))) == 0.5
    counts = Judge(np.array([[2.0]]), np.ones(1), Poisson())
    assert counts.mean_loss(np.array([[math.e]])) == pytest.approx(math.e - 2)  # e^z - y z at z = 1


def test_average_and_spread_by_hand():
    """Of 0 and 4 with weights 1/4 and 3/4 the mean is 3 and the variance 9/4 + 3/4 = 3; of two equal ones it is 0."""
    blend = Blend([BlendPart(0.25, None, "a", None), BlendPart(0.75, None, "b", None)])
    each = np.array([[[0.0, 7.0]], [[4.0, 7.0]]])
    np.testing.assert_allclose(blend.average(each, False), [[3, 7]])
    np.testing.assert_allclose(blend.deviation(each), [[math.sqrt(3), 0]])


# --- folds ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 3), min_size=20, max_size=60), st.integers(2, 5))
def test_each_label_is_outside_of_every_fold(labels: list[int], folds: int):
    y = np.array(labels)
    fold = deal(len(y), folds, y, np.random.RandomState(0))
    sizes = np.bincount(fold[fold != -1], minlength=folds)
    assert sizes.max() - sizes.min() <= 1
    for label, count in zip(*np.unique(y, return_counts=True), strict=True):
        own = fold[y == label]
        assert (own == -1).all() if count == 1 else (own != -1).all()
        assert all((own != one).any() for one in range(folds))


def test_folds_of_numbers_are_of_equal_sizes():
    fold = deal(23, 5, None, np.random.RandomState(0))
    assert sorted(np.bincount(fold).tolist()) == [4, 4, 5, 5, 5]


def test_rows_of_every_table():
    rows = np.array([2, 0])
    for table in ([[1], [2], [3]], np.array([[1], [2], [3]])):
        assert np.asarray(rows_of(table, rows)).tolist() == [[3], [1]]
    for frame in (pd.DataFrame({"a": [1, 2, 3]}, index=[7, 8, 9]), pl.DataFrame({"a": [1, 2, 3]})):
        assert list(rows_of(frame, rows)["a"]) == [3, 1]
    assert rows_of({"a": [1, 2, 3]}, rows) == {"a": [3, 1]} and rows_of(None, rows) is None
    found = rows_of({"a": (1, 2, 3), "b": pd.Series([4, 5, 6], index=[2, 1, 0]), "c": np.arange(3)}, rows)
    assert {name: list(column) for name, column in found.items()} == {"a": [3, 1], "b": [6, 4], "c": [2, 0]}


# --- the whole ------------------------------------------------------------------------------------------------------


def test_a_classifier(tmp_path: Path):
    made = best().fit(TABLE, LABEL)
    assert [each.recipe for each in made.report_] == ["fast", "ranks", "linear"]
    assert all(each.networks == race.RACE_FOLDS and each.epochs == 4 for each in made.report_)
    assert sum(each.weight for each in made.report_) == pytest.approx(1)
    p = made.predict_proba(TABLE)
    np.testing.assert_allclose(p.sum(1), 1)
    assert (made.predict(TABLE) == made.classes_[p.argmax(1)]).all() and made.score(TABLE, LABEL) > 0.4
    parts = made.blend_.parts
    mean = sum(part.weight * part.estimator.predict_proba(TABLE)[:, 1:] for part in parts)
    np.testing.assert_allclose(p[:, 1:], tempered(mean, made.blend_.temperature, False), rtol=1e-6)
    assert made.model_ is parts[0].estimator.model_ and parts[0].weight == max(each.weight for each in parts)
    assert isinstance(made.model_, Model) and made.feature_names_in_.tolist() == ["size", "kind"]
    assert made.spread(TABLE).shape == (N, 2) and (made.spread(TABLE) > 0).any()
    assert "ranks" in repr(made.report_) and "<td>ranks</td>" in made._repr_html_()
    assert "networks: " in repr(made.blend_)

    again = best().fit(TABLE, LABEL)
    np.testing.assert_array_equal(again.predict_proba(TABLE), p)
    other = best(random_state=4).fit(TABLE, LABEL)
    assert (other.predict_proba(TABLE) != p).any()

    path = tmp_path / "best.safetensors"
    made.save(path)
    read = MLPClassifier.load(path)
    np.testing.assert_array_equal(read.predict_proba(TABLE), p)
    kinds = {id(part.estimator.preprocessor_) for part in made.blend_.parts}
    assert len({id(part.estimator.preprocessor_) for part in read.blend_.parts}) == len(kinds) < 4
    assert read.preset == "best" and [each[4:] for each in read.report_] == [
        each[4:] for each in made.report_
    ]
    read.save(path)
    np.testing.assert_array_equal(MLPClassifier.load(path).predict_proba(TABLE), p)
    np.testing.assert_array_equal(load(path).theta, made.model_.theta)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(made)).predict_proba(TABLE), p)


def test_scikit_learn_takes_it():
    made = best(n_iter_no_change=2)
    assert len(cross_val_score(made, TABLE, LABEL, cv=2)) == 2
    copied = clone(made.fit(TABLE, LABEL))
    assert not hasattr(copied, "blend_") and copied.get_params() == made.get_params()
    made.set_params(preset=None).fit(TABLE, LABEL)
    assert not hasattr(made, "blend_") and not hasattr(made, "report_")


@pytest.mark.parametrize("loss", ["squared_error", "huber", "poisson", "tweedie"])
def test_a_regressor_of_several_outputs(loss: str, tmp_path: Path):
    y = np.column_stack([NUMBER.abs(), NUMBER.abs() / 7])
    weight = np.linspace(0, 1, N)
    made = best(MLPRegressor, loss=loss).fit(TABLE, y, weight)
    found = made.predict(TABLE)
    assert found.shape == (N, 2) and np.isfinite(found).all() and made.blend_.temperature == 1
    mean = sum(part.weight * part.estimator.predict(TABLE) for part in made.blend_.parts)
    np.testing.assert_allclose(found, mean, rtol=1e-5)
    made.save(tmp_path / "made")
    np.testing.assert_array_equal(MLPRegressor.load(tmp_path / "made").predict(TABLE), found)
    one = best(MLPRegressor, loss=loss).fit(TABLE, y[:, 0])
    assert one.predict(TABLE).shape == one.spread(TABLE).shape == (N,)


def test_weights_of_samples_and_classes_decide():
    with_weights = best(class_weight={"high": 9.0, "low": 1.0}, random_state=0).fit(TABLE, LABEL)
    without = best(random_state=0).fit(TABLE, LABEL)
    assert with_weights.predict_proba(TABLE)[:, 0].mean() > without.predict_proba(TABLE)[:, 0].mean() + 0.1


def test_several_classes_and_several_labels():
    made = best(max_iter=8).fit(TABLE, THREE)
    np.testing.assert_allclose(made.predict_proba(TABLE).sum(1), 1)
    labels = np.column_stack([LABEL == "high", THREE == "x", THREE == "z"]).astype(int)
    several = best().fit(TABLE, labels)
    assert several.predict(TABLE).shape == several.predict_proba(TABLE).shape == several.spread(TABLE).shape


def test_rows_of_your_own_are_held_out():
    made = best(class_weight="balanced").fit(TABLE[:40], LABEL[:40], X_val=TABLE[40:], y_val=LABEL[40:])
    assert all(each.networks == 1 for each in made.report_)
    truth = np.where(LABEL[40:] == "high", 0, 1)
    share = (LABEL[:40] == "high").mean()
    weight = np.where(truth == 0, 1 / share, 1 / (1 - share))
    losses = {each.recipe: each.loss for each in made.report_}
    for part in made.blend_.parts:
        p = part.estimator.predict_proba(TABLE[40:])[np.arange(20), truth]
        assert losses[part.recipe] == pytest.approx(-(weight @ np.log(p)) / weight.sum(), rel=1e-5)
    with pytest.raises(DataError, match="pass both X_val and y_val"):
        best().fit(TABLE, LABEL, X_val=TABLE)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a table of any number of rows be a large one."""
    monkeypatch.setattr(race, "MAX_ROWS_FOR_ALL_FOLDS", 0)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize(("sure", "folds"), [(race.SURE, race.RACE_FOLDS), (13, 2), (12, 1)])
def test_of_a_larger_table_the_chosen_learn_from_all_rows(
    sure: int, folds: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(race, "SURE", sure)
    monkeypatch.setattr(race, "BETTER", 2)
    weighed: list[tuple[list[int], list[int], set[tuple[int, int]]]] = []
    original = race.Race.weigh

    def noted(self: Any, numbers: list[int], wanted: list[int]) -> Any:
        weighed.append((numbers, wanted, set(self.fits)))
        return original(self, numbers, wanted)

    monkeypatch.setattr(race.Race, "weigh", noted)
    made = best(MLPRegressor, max_iter=9).fit(TABLE, NUMBER)
    ((numbers, weighed_on, fits),) = weighed  # a fold has 12 of the 60 rows
    assert weighed_on == [*range(folds)]
    assert fits == {(n, 0) for n in range(3)} | {(n, fold) for n in numbers for fold in range(folds)}
    assert len(numbers) == (2 if folds > 1 else 3)
    for each in made.report_:
        held_out = folds if each.recipe in [SMALL[n].name for n in numbers] else 1
        assert each.networks == held_out + (race.NETWORKS if each.weight else 0)
    parts = made.blend_.parts
    assert len(parts) == race.NETWORKS * sum(each.weight > 0 for each in made.report_)
    assert len({part.estimator.random_state for part in parts}) == len(parts)
    np.testing.assert_array_equal(
        best(MLPRegressor, max_iter=9).fit(TABLE, NUMBER).predict(TABLE), made.predict(TABLE)
    )

    kept = best(MLPRegressor, max_iter=9, refit=False).fit(TABLE, NUMBER)
    assert sum(each.networks for each in kept.report_) == len(fits)
    assert [each.weight for each in kept.report_] == [each.weight for each in made.report_]


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize(("most", "is_refined"), [(6, True), (5, False)])
def test_a_race_that_learns_from_nine_tenths_of_the_rows_may_go_on_until_its_end(
    most: int, is_refined: bool, monkeypatch: pytest.MonkeyPatch
):
    """Of 60 rows 6 are a tenth: with fewer held out, networks of all rows would hardly be better."""
    monkeypatch.setattr(race, "MOST_HELD_OUT", most)
    asked: list[tuple[bool, float, float]] = []
    original = race.Race.run

    def noted(self: Any, tasks: list[Any], stage: float, end: float, shared: bool = False) -> None:
        asked.append((any(task.is_of_all for task in tasks), stage - self.begun, end - self.begun))
        original(self, tasks, stage, end, shared)

    monkeypatch.setattr(race.Race, "run", noted)
    made = best(MLPRegressor, time_limit=100, max_iter=9).fit(TABLE, NUMBER)
    first, last = asked[0], asked[-1]
    of_all = race.NETWORKS if is_refined else 0
    assert last[0] is is_refined
    assert all(each.networks >= 1 + (of_all if each.weight else 0) for each in made.report_)
    if is_refined:
        assert first[1:] == pytest.approx((38, 95))  # 40 and 100 of the 95 % that are planned for
        return
    assert first[1:] == pytest.approx(
        (95 - 100 * fit_lookup.MAX_SHARE_OF_RACE, 95)
    )  # the rest is for looking rows up
    assert [each.networks for each in made.report_] == [1, 1, 1] and len(asked) == 1
    assert made.plan_["networks"] == [] and len(made.held_out_.rows) == most
    again = best(MLPRegressor, time_limit=100, max_iter=9).fit(TABLE, NUMBER, plan=made.plan_)
    np.testing.assert_array_equal(again.predict(TABLE), made.predict(TABLE))

    asked.clear()
    best(MLPRegressor, time_limit=100, max_iter=9, lookup=False).fit(TABLE, NUMBER)
    assert asked[0][1:] == pytest.approx((95, 95))


@pytest.mark.usefixtures("large")
def test_a_network_of_all_rows_is_the_one_that_a_fit_of_so_many_epochs_has(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(candidates, "CANDIDATES", SMALL[:1])
    made = best(MLPRegressor, max_iter=12).fit(TABLE, NUMBER)
    part = made.blend_.parts[0].estimator
    assert part.n_iter_refit_ <= part.n_iter_ == len(part.validation_scores_) == 12

    def end(run: Any) -> None:
        if run.epoch == part.n_iter_refit_:
            run.stop("these are all")

    alone = MLPRegressor(
        preprocess="auto",
        hidden_layer_sizes=(8,),
        max_iter=12,
        random_state=part.random_state,
        callbacks=[end],
    )
    fit_under(alone, FitInput(TABLE, NUMBER), Conditions(epochs=12))
    assert alone.validation_scores_ is None and alone.n_iter_ == part.n_iter_refit_
    np.testing.assert_array_equal(alone.predict(TABLE), part.predict(TABLE))


@pytest.mark.usefixtures("large")
def test_all_rows_are_learned_from_for_the_mean_of_the_best_epochs(monkeypatch: pytest.MonkeyPatch):
    """The first epoch with the best score of each fold's fit, in the mean, as it is rounded: no more and no fewer."""
    watched: list[dict[str, list[float]]] = []
    original = race.Race.weigh

    def noted(self: Any, numbers: list[int], wanted: list[int]) -> Any:
        scores: dict[str, list[float]] = {}
        for (number, _), made in sorted(self.fits.items()):
            scores.setdefault(SMALL[number].name, []).append(made.result.records.validation_scores)
        watched.append(scores)
        return original(self, numbers, wanted)

    monkeypatch.setattr(race.Race, "weigh", noted)
    made = best(MLPRegressor, max_iter=30).fit(TABLE, NUMBER)
    trained: dict[str, set[int]] = {}
    for part in made.blend_.parts:
        trained.setdefault(part.recipe, set()).add(part.estimator.model_.epochs_trained)
    bests = {name: [1 + int(np.argmax(each)) for each in scores] for name, scores in watched[0].items()}
    assert trained and all(trained[name] == {round(float(np.mean(bests[name])))} for name in trained)
    assert any(np.ptp(bests[name]) for name in trained)  # or any of them would do


@pytest.mark.usefixtures("large")
def test_a_fold_for_which_there_was_no_time_does_not_count(monkeypatch: pytest.MonkeyPatch):
    original = runner.Runner._fit

    def failing(self: Any, task: Any, seconds: float, parts: Any) -> Any:
        if task.fold == 2:
            raise DataError("it had no time.")
        return original(self, task, seconds, parts)

    monkeypatch.setattr(runner.Runner, "_fit", failing)
    made = best(MLPRegressor).fit(TABLE, NUMBER)
    assert all(each.networks == 2 + (race.NETWORKS if each.weight else 0) for each in made.report_)


@pytest.mark.usefixtures("large")
def test_rows_of_your_own_and_networks_of_all_others():
    made = best().fit(TABLE[:40], LABEL[:40], X_val=TABLE[40:], y_val=LABEL[40:])
    assert all(each.networks == 1 + (race.NETWORKS if each.weight else 0) for each in made.report_)


@pytest.mark.usefixtures("large")
def test_a_network_of_all_rows_that_is_late_is_left_out(monkeypatch: pytest.MonkeyPatch):
    original = runner.Runner._fit_all

    def late(self: Any, task: Any, seconds: float, parts: Any) -> Any:
        return original(self, task, -1.0 if task.fold == 0 else seconds, parts)

    monkeypatch.setattr(runner.Runner, "_fit_all", late)
    made = best(MLPRegressor).fit(TABLE, NUMBER)
    chosen = sum(each.weight > 0 for each in made.report_)
    assert len(made.blend_) == chosen * (race.NETWORKS - 1)


def test_a_table_of_a_few_rows_and_a_class_of_one():
    few = best().fit(TABLE[:6], ["a", "b"] * 3)
    assert len(few.report_) == 1 and math.isnan(few.report_[0].loss) and len(few.predict(TABLE)) == N
    assert len(best(MLPRegressor).fit(TABLE[:6], NUMBER[:6]).predict(TABLE)) == N
    with pytest.warns(UserWarning, match="class 'rare' in y has only 1 member"):
        rare = best().fit(TABLE, ["rare", *LABEL[1:]])
    assert rare.predict_proba(TABLE).shape == (N, 3)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_hostile_tables(kind: type[Any]):
    fitted = 0
    for seed in range(14):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pandas, while the table is made
            case = hostile_table(seed)
        y = list(range(len(case.y))) if kind is MLPRegressor else [i % 2 == 0 for i in range(len(case.y))]
        try:
            made = best(kind, max_iter=1, hidden_layer_sizes=(3,)).fit(case.X, y)
            assert np.isfinite(made._predicted(case.X)).all()
            fitted += 1
        except ChainruleError as error:
            assert str(error).endswith((".", "?)"))
    assert 4 < fitted < 14


def test_what_it_says(capsys: pytest.CaptureFixture[str]):
    best(verbose=True).fit(TABLE, LABEL)
    said = capsys.readouterr().out
    assert "fast, fold 1: loss " in said and "Iteration" not in said and said.count("\n") == 15 + 4


def test_a_recipe_that_fails_is_told_of(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(candidates, "CANDIDATES", (SMALL[0], Candidate("realmlp", "realmlp")))
    made = best(MLPRegressor, batch_norm=True, verbose=True).fit(TABLE, NUMBER)
    sentence = "preset='realmlp' has its own hidden layers, without batch_norm; omit it"
    fast, failed = made.report_
    assert (fast.weight, fast.error, failed.weight, failed.networks) == (1, "", 0, 0)
    assert math.isnan(failed.loss) and failed.error.startswith(sentence)
    said = capsys.readouterr().out
    assert f"realmlp, fold 1: failed: {sentence}" in said and f"\nrealmlp failed: {sentence}" in said
    assert "<p>realmlp failed: preset=&#x27;realmlp&#x27; has" in made._repr_html_()
    made.save(tmp_path / "made")
    assert MLPRegressor.load(tmp_path / "made").report_[1].error == failed.error


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"warm_start": True}, "warm_start=True"),
        ({"callbacks": [lambda run: None]}, "callbacks"),
        ({"n_members": 2}, "n_members"),
        ({"solver": "lbfgs"}, "solver='lbfgs'"),
    ],
)
def test_what_does_not_go_with_it(settings: dict[str, Any], name: str):
    with pytest.raises(ConfigError, match=f"preset='best'.*{name}"):
        best(**settings).fit(TABLE, LABEL)


def test_a_preset_prepares_tables_by_itself(tmp_path: Path):
    """As preprocess="auto" does, to the bit, and without a change of the parameters, which files keep."""
    settings = {"preset": "fast", "max_iter": 2, "random_state": 0, "n_members": 1}
    made, told = (MLPClassifier(preprocess=each, **settings).fit(TABLE, LABEL) for each in (None, "auto"))
    np.testing.assert_array_equal(made.predict_proba(TABLE), told.predict_proba(TABLE))
    made.save(tmp_path / "made")
    for each in (made, clone(made).fit(TABLE, LABEL), MLPClassifier.load(tmp_path / "made")):
        assert each.preprocess is None and each.preset == "fast"
        np.testing.assert_array_equal(each.predict_proba(TABLE), told.predict_proba(TABLE))
    with pytest.raises(DataError, match="X is a sparse matrix, which is not supported as a table"):
        made.fit(csr_matrix(np.eye(4)), [0, 1, 0, 1])
    average = best(preprocess=None).fit(TABLE, LABEL)
    assert average.blend_ is not None and average.preprocess is None
    average.save(tmp_path / "average")
    read = MLPClassifier.load(tmp_path / "average")
    np.testing.assert_array_equal(read.predict_proba(TABLE), average.predict_proba(TABLE))
    assert average.bind().predict(TABLE.iloc[0].to_dict()) == average.predict(TABLE[:1])[0]


def test_errors():
    with pytest.raises(AttributeError, match="partial_fit"):
        best().partial_fit(TABLE, LABEL, classes=["high", "low"])
    with pytest.raises(ValueError, match="time_limit"):
        best(time_limit=0).fit(TABLE, LABEL)
    with pytest.raises(ValueError, match="dropout must have one entry"):
        best(dropout=[0.1, 0.2, 0.3], hidden_layer_sizes=(4,)).fit(TABLE, LABEL)


def test_a_refused_fit_leaves_the_average():
    made = best().fit(TABLE, LABEL)
    p, report = made.predict_proba(TABLE), made.report_
    with pytest.raises(AttributeError, match="partial_fit"):
        made.partial_fit(TABLE, LABEL)
    with pytest.raises(ConfigError, match="n_members"):
        made.set_params(n_members=2).fit(TABLE, LABEL)
    np.testing.assert_array_equal(made.predict_proba(TABLE), p)
    assert made.report_ is report
    with pytest.raises(ConfigError, match="preset='best' has several networks; fit with preset='fast'"):
        made.replace_head()


# --- going on -------------------------------------------------------------------------------------------------------


def noted(made: Any, X: Any, y: Any, start: RaceState = NOTHING) -> tuple[Any, list[tuple[Task, RaceFit]]]:
    """The result of a race, and what its listener was told."""
    told: list[tuple[Task, RaceFit]] = []
    return fit_on(made, FitInput(X, y), start, lambda task, fit: told.append((task, fit))), told


@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.parametrize("kept", [0, 1, 5])
def test_a_race_goes_on_from_the_fits_of_another_to_the_same_bits(
    request: pytest.FixtureRequest, is_large: bool, kept: int
):
    """Of a race that ended after some fits only those are kept; the other one makes the rest, and no fit twice."""
    if is_large:
        request.getfixturevalue("large")
    whole, told = noted(best(MLPRegressor), TABLE, NUMBER)
    some = {(task.number, task.fold): made for task, made in told[:kept] if not task.is_of_all}
    again, more = noted(best(MLPRegressor), TABLE, NUMBER, RaceState(fits=some))
    assert len(more) == len(told) - kept and len(told) == len(whole.state.fits) + len(whole.state.whole)
    np.testing.assert_array_equal(
        again.predict(TABLE, "auto", np.asarray), whole.predict(TABLE, "auto", np.asarray)
    )
    assert [each[:4] for each in again.report] == [each[:4] for each in whole.report]
    done, nothing = noted(best(MLPRegressor), TABLE, NUMBER, whole.state)
    assert not nothing and [each.weight for each in done.blend.parts] == [
        each.weight for each in whole.blend.parts
    ]


def test_a_race_of_no_seed_goes_on_with_what_it_drew(monkeypatch: pytest.MonkeyPatch):
    """With a longer limit the recipes race that had no time, on the same folds."""
    monkeypatch.setattr(candidates, "CANDIDATES", SMALL[:1])
    first, _ = noted(best(random_state=None), TABLE, LABEL)
    monkeypatch.setattr(candidates, "CANDIDATES", SMALL)
    drawn = first.state.drawn._replace(of_folds=[[1] * 5] * 3, of_all=[[1] * 3] * 3)
    more, told = noted(best(random_state=None), TABLE, LABEL, first.state._replace(drawn=drawn))
    assert {task.candidate.name for task, _ in told} == {"ranks", "linear"}
    assert more.state.drawn.folds is first.state.drawn.folds
    assert more.state.fits[0, 3] is first.state.fits[0, 3]
    with pytest.raises(DataError, match="the race to go on with had 60 rows, and these are 40"):
        noted(best(), TABLE[:40], LABEL[:40], first.state)


def test_the_seconds_of_the_fits_of_a_start_count():
    """Of 95 planned seconds the race has 38 and the further folds 28.5: by two at once 20 and 30 s of fits are half."""
    made = a_runner({(0, 0): 20.0, (0, 1): 10.0, (1, 1): 20.0}, 2, race.Race)
    assert made.stages([0]) == (28.0, 41.5, 70.0)
    made.seconds = 20.0
    assert made.stages([0]) == (0.0, 0.0, 0.0)


def test_an_interrupted_fit_is_made_again(monkeypatch: pytest.MonkeyPatch):
    original = runner.Runner._fit

    def interrupted(self: Any, task: Any, seconds: float, parts: Any) -> Any:
        if task.number == 2:
            raise KeyboardInterrupt
        made = original(self, task, seconds, parts)
        return made._replace(is_cut=task.number == 1)

    monkeypatch.setattr(runner.Runner, "_fit", interrupted)
    with pytest.warns(UserWarning, match="interrupted"):
        result, told = noted(best(MLPRegressor), TABLE, NUMBER)
    assert len(result.report) == 2 and {task.number for task, _ in told} == {0}
    assert {number for number, _ in result.state.fits} == {0}


WRONG = {
    "recipe": 5, "parameters": ["a"], "networks": -1, "epochs": 1.5, "seconds": "1", "loss": "low", "weight": 2.0,
    "error": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def raced() -> Any:
    return best().fit(TABLE, LABEL)


@pytest.mark.parametrize(
    "damage", ["weights", "temperature", "huge", "part", "average", "report", "records", "more", *WRONG]
)
def test_a_damaged_file(damage: str, raced: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from chainrule.race import files

    made = copy.deepcopy(raced)
    described = files._described(result_of(made))
    if damage == "weights":
        described["weights"][0] += 0.5
    elif damage == "temperature":
        described["temperature"] = 50.0
    elif damage == "huge":
        described["temperature"] = 10**400
    elif damage == "report":
        described["report"] = 5
    elif damage == "records":
        described["report"] = [{"recipe": "x"}]
    elif damage == "more":
        described["report"][0]["other"] = 1
    elif damage in WRONG:
        described["report"][-1][damage] = WRONG[damage]
    elif damage == "part":
        monkeypatch.setattr(files, "_name", lambda number: f"other_{number}")
    monkeypatch.setattr(files, "_described", lambda result: described)
    made.save(path := tmp_path / "made")
    monkeypatch.undo()
    if damage == "average":  # of which one part is the average once more
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata()
        whole = np.frombuffer(path.read_bytes(), np.uint8)
        save_file(load_file(path) | {"part_1": whole}, path, metadata)
    with pytest.raises(FormatError, match="the average in the file is malformed"):
        MLPClassifier.load(tmp_path / "made")


# --- the clock ------------------------------------------------------------------------------------------------------


def a_runner(fits: dict[tuple[int, int], float], workers: int = 1, kind: Any = runner.Runner) -> Any:
    racing, rows = best(time_limit=100), RacedRows(FitInput(TABLE, LABEL), np.zeros(N), {})
    known = TablePreprocessor().fit(TABLE, LABEL)
    data = of_table(Labels, rows.given, values_of(racing), known)
    made = kind(racing, rows, data, 0.0, (SMALL[0], SMALL[1]._replace(cost=4.0)))
    made.workers = workers
    made.fits = {key: RaceFit(None, None, seconds) for key, seconds in fits.items()}  # type: ignore[arg-type]
    return made


def test_a_task_begins_if_it_can_have_half_of_its_time(monkeypatch: pytest.MonkeyPatch):
    clock = iter([0.0, 10.0, 48.0])
    monkeypatch.setattr("chainrule.race.runner.time.monotonic", lambda: next(clock))
    made = a_runner({(0, 0): 20.0})
    first, second = SMALL[0], SMALL[1]._replace(cost=4.0)
    tasks = [
        runner.Task(first, 0, 1, 0),  # 20 s of 50
        runner.Task(second, 1, 0, 0),  # 80 s, of which 40 are left
        runner.Task(first, 0, 2, 0),  # 20 s, of which 2 are left
    ]
    found = list(made._begun_in_time(tasks, 50.0, 95.0, False))
    assert [(task.number, task.fold, seconds) for task, seconds in found] == [(0, 1, 50.0)]


def test_the_epochs_of_all_rows_by_hand():
    """The mean of 2, 3 and 7 is 4; 30 was best of a fit that the time limit gave another schedule."""
    made = a_runner(dict.fromkeys([(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)], 1.0))
    epochs = {(0, 0): (2, 10), (0, 1): (3, 10), (0, 2): (7, 10), (0, 3): (30, 40), (1, 0): (9, 10)}
    made.fits = {key: made.fits[key]._replace(best=best, epochs=of) for key, (best, of) in epochs.items()}
    assert made.best_epochs(0) == (4, 10) and made.best_epochs(1) == (9, 10)


@pytest.mark.parametrize("last", [1, 3])
def test_a_fit_of_all_rows_ends_with_its_last_epoch(last: int):
    over, ends = RaceOver(threading.Event(), last), list[int]()
    made = MLPRegressor(max_iter=10, callbacks=[over, lambda run: ends.append(run.epoch)])
    made.fit(TABLE[["size"]], NUMBER)
    assert ends == [*range(1, last + 1)] and made.n_iter_ == made.model_.epochs_trained == last
    assert not over.is_cut and "least loss held out" in made.model_.history.stopped


def test_the_folds_of_a_candidate_share_the_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("chainrule.race.runner.time.monotonic", lambda: 0.0)
    tasks = [runner.Task(SMALL[0], 0, fold, 0) for fold in range(5)]
    found = [seconds for _, seconds in a_runner({}, 2)._begun_in_time(tasks, 60.0, 60.0, True)]
    assert found == [20, 30, 30, 60, 60]


def test_no_fold_begins_that_cannot_count(monkeypatch: pytest.MonkeyPatch):
    """A recipe counts with all of its folds: where the first one has no time, a later one would be in vain."""
    monkeypatch.setattr("chainrule.race.runner.time.monotonic", lambda: 0.0)
    made = a_runner(
        {(0, 0): 10.0}, 2
    )  # the second candidate takes four times that: 40 s, of which 20 are needed
    tasks = [runner.Task(SMALL[1]._replace(cost=4.0), 1, fold, 0) for fold in range(5)]
    assert not [*made._begun_in_time(tasks, 50.0, 50.0, True)]  # 50 / 3, 50 / 2, 50 / 2, 50 and 50 s
    assert len([*made._begun_in_time(tasks, 61.0, 61.0, True)]) == 5


def test_no_fold_begins_behind_one_that_failed():
    made = a_runner({(0, 0): 0.1}, 1)
    tasks = made._begun_in_time([runner.Task(SMALL[0], 0, fold, 0) for fold in range(5)], 1e9, 1e9, True)
    assert next(tasks)[0].fold == 0
    made.errors.append((0, ConfigError("it cannot be fitted.")))
    assert not [*tasks]


def test_no_further_fold_begins_for_fewer_recipes_than_count(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("chainrule.race.runner.time.monotonic", lambda: 0.0)
    made = a_runner({(0, 0): 20.0, (1, 0): 60.0}, 2)
    tasks = [runner.Task(candidate, number, 1, 0) for number, candidate in enumerate(SMALL[:2])]
    assert made.has_time_for(tasks, 40.0) and not made.has_time_for(tasks, 39.0)  # 80 s by two


def test_the_first_fit_begins_whatever_the_time(monkeypatch: pytest.MonkeyPatch):
    with pytest.warns(ConvergenceWarning, match="time_limit=1e-06 ended the training after 1 of the 2 steps"):
        made = best(time_limit=1e-6).fit(TABLE, LABEL)
    assert len(made.report_) == 1 and len(made.predict(TABLE)) == N


def test_a_race_says_which_epochs_and_recipes_it_had_no_time_for(tmp_path: Path):
    endless = {"max_iter": 1_000_000, "n_iter_no_change": 1_000_000}
    with pytest.warns(ConvergenceWarning) as said:
        made = best(MLPRegressor, time_limit=0.4, **endless).fit(TABLE, NUMBER)
    (text,) = [f"{each.message}" for each in said]
    first = made.report_[0]
    assert f"time_limit=0.4 left the race time for {len(made.report_)} of its 3 recipes" in text
    assert f"few of the planned epochs (fast {first.epochs} of 1000000" in text and "raise time_limit" in text
    assert said[0].filename == __file__ and first.planned == 1_000_000
    shown = f"{first.epochs} of 1000000"
    assert shown in repr(made.report_) and f"<td>{shown}</td>" in made.report_.to_html()
    made.save(tmp_path / "made")
    assert MLPRegressor.load(tmp_path / "made").report_[0].planned == 1_000_000
    with warnings.catch_warnings():  # repeated by its plan, no clock is read
        warnings.simplefilter("error")
        again = best(MLPRegressor, **endless).fit(TABLE, NUMBER, plan=made.plan_)
    np.testing.assert_array_equal(again.predict(TABLE), made.predict(TABLE))
    assert [each.planned for each in again.report_] == [each.planned for each in made.report_]


@pytest.mark.parametrize(
    ("weights", "planned", "is_said"),
    [
        ([1.0, 0.0], [None, 100], False),  # the first one has its epochs, and it alone predicts
        ([0.6, 0.4], [None, 100], False),
        ([0.5, 0.5], [None, 100], True),
        ([0.0, 1.0], [100, None], True),  # worse than a single fit may be
        ([1.0], [None], True),  # one recipe of two is no race
    ],
)
def test_when_a_race_says_that_it_was_short(weights: list[float], planned: list[int | None], is_said: bool):
    report = RaceReport(
        Record(name, {}, 1, 9, 1.0, 0.5, weight, planned=of)
        for name, weight, of in zip("ab", weights, planned, strict=False)
    )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        report.warn_of_limit(60.0, 2)
    assert bool(said) == is_said


def test_an_error_of_another_kind_ends_the_race_at_once(monkeypatch: pytest.MonkeyPatch):
    begun: list[int] = []

    def fit(self: Any, task: Any, seconds: float, parts: Any) -> Any:
        begun.append(task.fold)
        if task.fold == 1:
            raise RuntimeError("no such device")
        assert self.ended.wait(20)  # by which a fit stops
        raise ConfigError("it stopped.")

    monkeypatch.setattr(runner.Runner, "_fit", fit)
    with pytest.raises(RuntimeError, match="no such device"):
        a_runner({}, 2).run([runner.Task(SMALL[0], 0, fold, 0) for fold in range(5)], math.inf, math.inf)
    assert sorted(begun) == [0, 1]


def test_an_interrupted_race_keeps_what_it_has(monkeypatch: pytest.MonkeyPatch):
    original = runner.Runner._fit

    def interrupted(self: Any, task: Any, seconds: float, parts: Any) -> Any:
        if task.number == 1:
            raise KeyboardInterrupt
        return original(self, task, seconds, parts)

    monkeypatch.setattr(runner.Runner, "_fit", interrupted)
    with pytest.warns(UserWarning, match="interrupted"):
        made = best().fit(TABLE, LABEL)
    assert made.report_[0].recipe == "fast" and len(made.predict(TABLE)) == N
    event = threading.Event()
    event.set()
    ended = best(preset=None, callbacks=[RaceOver(event)]).fit(TABLE, LABEL)
    assert ended.n_iter_ < 2 and "interrupted" in ended.model_.history.stopped


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "columns", "limit"), [(300, 5, 3), (3000, 10, 3), (60_000, 10, 3), (3000, 800, 5)]
)
@pytest.mark.filterwarnings("ignore:time_limit=")  # on a busy machine the first epoch is cut, and says so
def test_the_time_limit(rows: int, columns: int, limit: float, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()  # the whole race
    X = RNG.normal(size=(rows, columns))
    MLPRegressor(preprocess="auto", max_iter=1).fit(TABLE, NUMBER)  # imports what a fit needs
    begin = time.monotonic()
    made = MLPRegressor(preprocess="auto", preset="best", time_limit=limit, random_state=0).fit(
        X, X[:, 0] ** 2
    )
    assert time.monotonic() - begin < limit + 5 and len(made.predict(X[:3])) == 3
