"""`update`: going on from a fitted estimator with new rows."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from chainrule import Callback, ConfigError, DataError, FormatError, MLPClassifier, MLPRegressor, ShapeError
from chainrule.estimators import base
from chainrule.fitting import files
from chainrule.fitting.held import result_of
from chainrule.race import race
from chainrule.race.candidates import Candidate

GENERATOR = np.random.default_rng(7)


def rows(n: int, shift: float = 0.0) -> tuple[pd.DataFrame, Any]:
    """Return rows whose target is higher by a shift than that of the others."""
    X = pd.DataFrame({"size": GENERATOR.normal(size=n), "kind": GENERATOR.choice(["a", "b", "c"], n)})
    return X, (X["size"] * 2 + (X["kind"] == "a") + shift + GENERATOR.normal(size=n) / 10).to_numpy()


OLD, NEW, LATER = rows(400), rows(300, 3.0), rows(200, 3.0)
SMALL: dict[str, Any] = {"preprocess": "auto", "max_iter": 30, "random_state": 0, "hidden_layer_sizes": (16,)}
KINDS: dict[str, dict[str, Any]] = {"one": {}, "members": {"n_members": 2}, "best": {"preset": "best"}}


@pytest.fixture(autouse=True)
def _few(race_of: Callable[..., None]) -> None:
    few = Candidate("fast"), Candidate("ranks", variant="ranks")
    race_of(*few)


def error(estimator: Any, data: tuple[Any, Any]) -> float:
    return float(np.square(estimator.predict(data[0]) - data[1]).mean())


@pytest.mark.parametrize("name", KINDS)
def test_new_rows_are_learned_from_also_from_a_file(name: str, tmp_path: Path):
    made = MLPRegressor(**SMALL | KINDS[name]).fit(*OLD)
    made.save(tmp_path / "made")
    before = error(made, LATER)
    read = MLPRegressor.load(tmp_path / "made").update(*NEW, epochs=40, learning_rate=2e-3)
    assert error(read, LATER) < before / 3
    (record,) = read.updates_
    assert (record.rows, record.held_out, record.epochs) == (300, 60, 40) and record.part > 0
    assert record.after < record.before / 2
    made.update(*NEW, epochs=40, learning_rate=2e-3)
    np.testing.assert_array_equal(made.predict(LATER[0]), read.predict(LATER[0]))
    made.save(tmp_path / "again")
    again = MLPRegressor.load(tmp_path / "again").update(*LATER)
    assert again.updates_[0] == record and len(again.updates_) == 2
    assert np.isfinite(again.update(*rows(50)).predict(LATER[0])).all()


def test_nothing_is_taken_of_rows_that_teach_nothing():
    made = MLPRegressor(**SMALL).fit(*OLD)
    before = made.predict(OLD[0])
    X, _ = rows(100)
    noise = np.where(np.arange(100) % 2, 1.0, -1.0) + made.predict(X)
    held = copy.deepcopy(result_of(made))
    made.update(X, noise, epochs=1, learning_rate=1e-9)
    assert made.updates_[0].part == 0 and made.updates_[0].before == made.updates_[0].after
    np.testing.assert_array_equal(made.predict(OLD[0]), before)
    np.testing.assert_array_equal(held.model.theta, made.model_.theta)


def test_exactly_the_rows_held_out_have_no_part_in_the_training(monkeypatch: pytest.MonkeyPatch):
    """Of 20 rows there are 4 whose targets do not matter to what is trained."""
    made = MLPRegressor(**SMALL | {"max_iter": 2}).fit(*OLD)
    X, y = rows(20)
    monkeypatch.setattr(base, "PARTS", (1.0,))

    def trained(change: Any) -> bytes:
        found = copy.deepcopy(made).update(X, y + change, epochs=1)
        assert found.updates_[0].held_out == 4
        return found.model_.theta.tobytes()

    alone = trained(0.0)
    assert [trained(5.0 * (np.arange(20) == row)) == alone for row in range(20)].count(True) == 4


@pytest.mark.parametrize("is_read", [False, True])
@pytest.mark.parametrize("name", KINDS)
def test_intervals_stay_where_nothing_is_taken(name: str, is_read: bool, tmp_path: Path):
    made = MLPRegressor(**SMALL | KINDS[name], early_stopping=True).fit(*OLD)
    before = made.predict_interval(LATER[0])
    if is_read:
        made.save(tmp_path / "made")
        made = MLPRegressor.load(tmp_path / "made")
    made.update(NEW[0], made.predict(NEW[0]), epochs=1, learning_rate=1e-9)
    assert made.updates_[0].part == 0
    np.testing.assert_array_equal(made.predict_interval(LATER[0]), before)


@pytest.mark.parametrize("name", KINDS)
def test_the_loss_before_is_that_of_the_probabilities_of_the_rows_held_out(name: str):
    """Which are all the same here, so that it does not matter which ones are held out."""
    (X, y), (new, _) = OLD, NEW
    made = MLPClassifier(**SMALL | KINDS[name]).fit(X[:90], np.digitize(y[:90], [-1, 1]))
    row = new[:1]
    expected = -np.log(made.predict_proba(row)[0, 1])
    made.update(pd.concat([row] * 30), [1] * 30)
    assert made.updates_[0].before == pytest.approx(expected, rel=1e-5)
    assert made.updates_[0].after < expected and made.predict_proba(row)[0, 1] > np.exp(-expected)


def test_each_part_of_an_average_reads_new_rows_as_it_read_the_old_ones(
    race_of: Callable[..., None], monkeypatch: pytest.MonkeyPatch
):
    """By its own preparation: the loss before is that of the average's probabilities, of rows that are all the same."""
    race_of(Candidate("fast"), Candidate("ranks", variant="ranks"))
    monkeypatch.setattr(race, "greedy", lambda truths, *_: np.full(len(truths), 1 / len(truths)))
    (X, y), (new, _) = OLD, NEW
    made = MLPClassifier(**SMALL | KINDS["best"] | {"max_iter": 3}, lookup=False).fit(
        X, np.digitize(y, [-1, 1])
    )
    assert len({each.preprocessor.scale for each in result_of(made).parts}) == 2
    row = new[:1]
    expected = -np.log(made.predict_proba(row)[0, 1])
    made.update(pd.concat([row] * 30), [1] * 30, epochs=1)
    assert made.updates_[0].before == pytest.approx(expected, rel=1e-5)


def test_the_smallest_part_that_is_as_good_by_hand(monkeypatch: pytest.MonkeyPatch):
    made = MLPRegressor(**SMALL).fit(*OLD)
    start = made.model_.theta.copy()
    for losses, part in (([5, 4, 3.0025, 3, 4], 0.5), ([5, 4, 3.1, 3, 4], 0.75), ([1, 2, 3, 4, 5], 0.0)):
        each = iter(losses)
        with monkeypatch.context() as patched:
            patched.setattr("chainrule.race.judge.Judge.mean_loss", lambda *_, each=each: next(each))
            found = copy.deepcopy(made).update(*NEW)
            patched.setattr("chainrule.race.judge.Judge.mean_loss", lambda *_: 0.0)
            patched.setattr(base, "PARTS", (1.0,))
            whole = copy.deepcopy(made).update(*NEW).model_.theta
        assert found.updates_[0].part == part
        np.testing.assert_allclose(found.model_.theta, start + part * (whole - start), rtol=1e-5, atol=1e-7)


def test_rows_of_weight_0_have_no_part():
    """Whatever their targets are: neither in the training nor on the rows held out, which choose the part."""
    made, (X, y) = MLPRegressor(**SMALL).fit(*OLD), NEW
    weight = np.arange(len(y)) % 3 / 2
    found = [
        copy.deepcopy(made).update(X, np.where(weight > 0, y, other), weight, epochs=2)
        for other in (y, -50.0, 80.0)
    ]
    assert found[0].updates_[0].part > 0
    for each in found[1:]:
        assert each.updates_ == found[0].updates_
        np.testing.assert_array_equal(each.predict(X), found[0].predict(X))


def test_parameters_that_a_fit_trains_by_are_not_those_of_an_update():
    made = MLPRegressor(**SMALL).fit(*OLD)
    other = copy.deepcopy(made).set_params(
        schedule="one_cycle", learning_rate_init=0.5, max_iter=1, callbacks=[Callback()]
    )
    for each in (made, other):
        each.update(*NEW, epochs=3)
    assert other.updates_ == made.updates_
    np.testing.assert_array_equal(other.model_.theta, made.model_.theta)
    before = made.predict(NEW[0])
    made.update(*LATER, epochs=3, learning_rate=1e-10)
    np.testing.assert_allclose(made.predict(NEW[0]), before, atol=1e-6)


def test_an_update_is_the_same_in_any_unit_of_the_targets():
    """In euros or in thousandths of them above 50,000: predictions, and the losses in units of the new deviation."""
    (X, y), (new, later) = OLD, NEW
    one = MLPRegressor(**SMALL).fit(X, y).update(new, later)
    other = MLPRegressor(**SMALL).fit(X, 1e3 * y + 5e4).update(new, 1e3 * later + 5e4)
    np.testing.assert_allclose((other.predict(X) - 5e4) / 1e3, one.predict(X), atol=1e-4)
    np.testing.assert_allclose(other.updates_, one.updates_, rtol=1e-4)
    assert one.updates_[0].part > 0


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_running_statistics_become_those_of_the_new_rows():
    """After many steps on a column that doubled a batch norm's mean is that of a W + b of the new rows."""
    X = np.random.default_rng(0).normal(3.0, size=(400, 1))
    made = MLPRegressor(hidden_layer_sizes=(4,), batch_norm=True, max_iter=20, random_state=0)
    made.fit(X, X[:, 0]).update(2 * X, X[:, 0], epochs=40)
    assert made.updates_[0].part == 1 and made.model_.epochs_trained == 20 + 40
    read = 2 * X @ made.coefs_[0] + made.intercepts_[0]
    (state,) = made.model_.states.values()
    np.testing.assert_allclose(state.mean, read.mean(0), rtol=0.05)
    np.testing.assert_allclose(state.var, read.var(0), rtol=0.1)


def test_labels_and_categories():
    X, y = OLD
    made = MLPClassifier(**SMALL).fit(X, np.where(y > 1, "high", "low"))
    new, y = NEW
    new = new.assign(kind=np.where(np.arange(len(new)) % 3, new["kind"], "unseen"))
    probabilities = made.update(new, np.where(y > 4, "high", "low"), epochs=2).predict_proba(new)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    one = made.update(new[:30], ["high"] * 30)
    assert one.classes_.tolist() == ["high", "low"]
    with pytest.raises(DataError, match="classes not in"):
        made.update(new, ["other"] * len(new))
    assert len(made.updates_) == 2


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_rows_of_which_each_has_a_label_of_its_own():
    X, y = GENERATOR.normal(size=(60, 3)), np.repeat(np.arange(20), 3)
    made = MLPClassifier(max_iter=5, random_state=0).fit(X, y).update(X[::3], y[::3])
    assert made.updates_[-1].held_out == 4 and np.isfinite(made.updates_[-1].before)


def test_arrays_weights_and_errors():
    X, y = OLD[0][["size"]].to_numpy(), OLD[1]
    made = MLPRegressor(max_iter=200, random_state=0).fit(X, y)
    weight = (NEW[1] > 3).astype(float)
    made.update(NEW[0][["size"]].to_numpy(), NEW[1], weight)
    assert len(made.updates_) == 1
    for call in (made.update, MLPRegressor(preprocess="auto").fit, MLPRegressor().fit):
        with pytest.raises((DataError, ShapeError), match=r"0 sample\(s\).*; X needs rows"):
            call(X[:0], y[:0])
    with pytest.raises(DataError, match="at least 20 rows, and these are 19"):
        made.update(X[:19], y[:19])
    with pytest.raises(ConfigError, match="epochs"):
        made.update(X, y, epochs=0)
    with pytest.raises(ConfigError, match="learning_rate"):
        made.update(X, y, learning_rate=0)
    with pytest.raises(ValueError, match="features"):
        made.update(OLD[0][["size", "size"]].to_numpy(), y)
    with pytest.raises(NotFittedError):
        MLPRegressor().update(X, y)
    made.fit(X, y)
    assert made.updates_ == ()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_few_new_rows_may_have_many_days():
    """Labels are known by then: only those of a fit must come again."""
    X, days = OLD[0][["size"]].to_numpy(), np.datetime64("2024-01-01") + np.arange(400) % 15
    made = MLPClassifier(max_iter=2, random_state=0).fit(X, days)
    assert len(made.update(X[:25], days[:25]).updates_) == 1
    with pytest.raises(DataError, match="at least 20 rows, and these are 3"):
        made.update(X[:3], days[:3])


@pytest.mark.parametrize(
    "damage", [[-1, 1, 1, 0.5, 1.0, 1.0], [1, 1, 1, 2.0, 1.0, 1.0], [1, 1, 1, 0.5, "x", 1.0], [1], 5]
)
def test_a_damaged_file(damage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = MLPRegressor(**SMALL | {"max_iter": 1}).fit(*OLD)
    described = files.described(made) | {"updates": [damage]}
    monkeypatch.setattr(files, "described", lambda estimator: described)
    made.save(tmp_path / "made")
    monkeypatch.undo()
    with pytest.raises(FormatError, match="the estimator in the metadata is malformed"):
        MLPRegressor.load(tmp_path / "made")
