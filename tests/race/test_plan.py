"""A race is repeated to the bit by its plan, whatever its time limit did to it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

from chainrule import ConfigError, DataError, FormatError, MLPClassifier, MLPRegressor
from chainrule.core import codec
from chainrule.estimators.base import fit_under
from chainrule.fitting import prepare
from chainrule.fitting.held import result_of
from chainrule.fitting.in_time import rows_again
from chainrule.fitting.limit import LimitCourse, Replan
from chainrule.fitting.plan import Conditions
from chainrule.race import candidates, runner
from chainrule.race.blend import RaceResult
from chainrule.race.candidates import Candidate
from chainrule.race.plan import RacePlan
from chainrule.race.repeat import plan_of
from chainrule.race.runner import RaceOver
from chainrule.race.state import Drawn
from chainrule.tables.data import FitInput
from chainrule.training import Run

RNG = np.random.default_rng(0)
N = 60
TABLE = pd.DataFrame({"size": RNG.normal(size=N), "kind": RNG.choice(["a", "b", "c"], N)})
NUMBER = 100 * (TABLE["size"] + (TABLE["kind"] == "a"))
LABEL = pd.Series(np.where(NUMBER > 20, "high", "low"))
SMALL = (
    Candidate("fast", changed={"hidden_layer_sizes": (8,)}),
    Candidate("linear", variant="plain", changed={"hidden_layer_sizes": ()}),
)


@pytest.fixture
def few(race_of: Callable[..., None]) -> None:
    race_of(*SMALL)


def best(kind: type[Any] = MLPRegressor, **settings: Any) -> Any:
    return kind(**{"preprocess": "auto", "preset": "best", "max_iter": 3, "random_state": 3} | settings)


def moved(made: Any) -> dict[str, Any]:
    """The plan as another machine gets it."""
    found: dict[str, Any] = json.loads(json.dumps(made.plan_))
    return found


def drawn_by(made: Any) -> Drawn:
    result = result_of(made)
    assert isinstance(result, RaceResult) and result.state.drawn is not None
    return result.state.drawn


def check_same(again: Any, made: Any, X: pd.DataFrame) -> None:
    np.testing.assert_array_equal(again.predict(X), made.predict(X))
    np.testing.assert_array_equal(again.held_out_.predicted, made.held_out_.predicted)
    assert again.plan_ == made.plan_
    seeds = [(drawn.of_folds, drawn.of_all) for drawn in map(drawn_by, (again, made))]
    assert seeds[0] == seeds[1]  # those of fits that are not made too, by which it may go on
    without_seconds = [[each._replace(seconds=0.0) for each in one.report_] for one in (again, made)]
    assert repr(without_seconds[0]) == repr(without_seconds[1])


# --- a race -----------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:time_limit=0.4 ")
@pytest.mark.parametrize("rows", [2_500, 20_000])
def test_a_race_that_its_limit_cut(rows: int):
    """On 2,500 rows it has some epochs, on 20,000 a busy machine may end it within the first one."""
    x = RNG.normal(size=(rows, 2))
    X = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "kind": RNG.choice(["u", "v"], rows)})
    y = x[:, 0] ** 2 + x[:, 1] * (X["kind"] == "u")
    made = best(max_iter=200, time_limit=0.4, random_state=None).fit(X, y)
    plan = moved(made)
    assert len(plan["recipes"]) < len(candidates.CANDIDATES)
    assert any(each["course"]["replans"] or each["course"]["end"] for each in plan["fits"])
    again = best(max_iter=200, time_limit=50, random_state=8).fit(X, y, plan=plan)
    check_same(again, made, X)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("random_state", [None, np.random.RandomState(5)], ids=["none", "state"])
def test_a_whole_race(random_state: Any, tmp_path: Path):
    settings = {"scoring": "roc_auc", "hidden_layer_sizes": (6,)}
    made = best(MLPClassifier, random_state=random_state, **settings).fit(TABLE, LABEL)
    again = best(MLPClassifier, random_state=0, **settings).fit(TABLE, LABEL, plan=moved(made))
    check_same(again, made, TABLE)
    np.testing.assert_array_equal(again.predict_proba(TABLE), made.predict_proba(TABLE))
    again.save(tmp_path / "made")
    read = MLPClassifier.load(tmp_path / "made")
    assert read.plan_ == made.plan_
    updated = read.update(TABLE[:30], LABEL[:30], epochs=1)
    assert not hasattr(updated, "plan_") and hasattr(updated, "blend_")
    assert not hasattr(MLPRegressor(preprocess="auto", max_iter=1).fit(TABLE, NUMBER), "plan_")


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("random_state", [None, 5, np.int64(5), np.random.RandomState(5)], ids=type)
def test_a_race_of_some_rows(random_state: Any, monkeypatch: pytest.MonkeyPatch):
    """Of the rows that its time limit left time for, which are drawn again by the same seed."""

    def in_time(given: FitInput, end: float, prepare: object, seed: int, keep_labels: bool) -> FitInput:
        return rows_again(given, 40, seed, keep_labels)

    monkeypatch.setattr(prepare, "rows_in_time", in_time)
    with pytest.warns(UserWarning, match="leaves time to prepare 40 of the 60 rows"):
        made = best(random_state=random_state).fit(TABLE, NUMBER)
    assert made.plan_["rows"] == 40
    check_same(best(random_state=0).fit(TABLE, NUMBER, plan=moved(made)), made, TABLE)


@pytest.mark.usefixtures("few")
def test_networks_of_all_rows_and_a_race_that_went_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("chainrule.race.race.MAX_ROWS_FOR_ALL_FOLDS", 30)
    when = np.arange(N)
    made = best().fit(TABLE, NUMBER, time=when)
    assert moved(made)["networks"]
    check_same(best().fit(TABLE, NUMBER, time=when, plan=moved(made)), made, TABLE)
    made.fit(TABLE, NUMBER, time=when, more=30)
    again = best().fit(TABLE, NUMBER, time=when, plan=moved(made))
    check_same(again, made, TABLE)
    goes_on = again.fit(TABLE, NUMBER, time=when, more=30)  # a repeated race may go on too
    assert {name for name, *_ in goes_on.report_} == {"fast", "linear"}


@pytest.mark.usefixtures("few")
def test_a_race_that_was_stopped_by_hand(monkeypatch: pytest.MonkeyPatch):
    class Stops(RaceOver):
        def on_epoch_end(self, run: Run) -> None:
            if run.epoch == 2:
                self.event.set()
            super().on_epoch_end(run)

    with monkeypatch.context() as patched:
        patched.setattr(runner, "RaceOver", Stops)
        made = best().fit(TABLE, NUMBER)
    courses = [codec.read(LimitCourse, each["course"], "the course") for each in moved(made)["fits"]]
    assert any(each.end and not each.is_late for each in courses)
    check_same(best().fit(TABLE, NUMBER, plan=moved(made)), made, TABLE)


@pytest.mark.usefixtures("few")
def test_ctrl_c_ends_a_repetition_without_a_result(monkeypatch: pytest.MonkeyPatch):
    made, original = best().fit(TABLE, NUMBER), runner.Runner._fit
    plan = moved(made)

    def interrupted(self: Any, task: Any, *given: Any) -> Any:
        if task.fold == 3:
            raise KeyboardInterrupt
        return original(self, task, *given)

    monkeypatch.setattr(runner.Runner, "_fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        best().fit(TABLE, NUMBER, plan=plan)


# --- a limit ----------------------------------------------------------------------------------------------------------


def test_a_limit_is_repeated_step_by_step():
    """20 steps of 5 rows an epoch: after 7 of them 2 epochs are planned, after 25 more of them; it is stopped at 31."""
    X, y = TABLE[["size"]].to_numpy().repeat(2, 0)[:100], np.arange(100.0)
    seen = list[tuple[int, int, int | None]]()

    def look(run: Run) -> None:
        seen.append((run.step, run.epochs, run.shortened))

    settings = {
        "hidden_layer_sizes": (3,),
        "batch_size": 5,
        "max_iter": 9,
        "random_state": 0,
        "callbacks": look,
    }
    course = LimitCourse((Replan(7, 2, None), Replan(25, 4, 33)), 31, True)
    made = MLPRegressor(**settings)
    result = fit_under(made, FitInput(X, y), Conditions(course=course))
    assert made.model_.steps_trained == 31 and seen == [(20, 2, None)]
    assert "was stopped here" in made.model_.history.stopped and result.course == course
    whole = MLPRegressor(**settings)
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
        fit_under(whole, FitInput(X, y), Conditions(course=LimitCourse((Replan(7, 2, None),))))
    assert whole.model_.steps_trained == 40 and whole.n_iter_ == 2


counts = st.integers(1, 1 << 40)


@given(
    st.builds(
        LimitCourse,
        st.lists(st.builds(Replan, counts, counts, st.none() | counts), max_size=4).map(tuple),
        st.none() | counts,
        st.booleans(),
    )
)
def test_a_course_as_json(course: LimitCourse):
    assert codec.read(LimitCourse, json.loads(json.dumps(codec.write(course))), "the course") == course


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"replans": [[1, 0, None]], "end": 1, "is_late": True},
        {"replans": [], "end": 1.5, "is_late": True},
    ],
)
def test_other_courses(data: Any):
    with pytest.raises(FormatError, match="the course"):
        codec.read(LimitCourse, data, "the course")


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("few")
def test_what_is_refused(monkeypatch: pytest.MonkeyPatch):
    plan = best(alpha=0.5).fit(TABLE, NUMBER).plan_

    def refused(error: type[Exception], said: str, fit: Callable[[], object]) -> None:
        with pytest.raises(error, match=said):
            fit()

    same = best(alpha=0.5)
    refused(ConfigError, "was made with alpha=0.5; set", lambda: best().fit(TABLE, NUMBER, plan=plan))
    refused(
        ConfigError,
        "was made without dropout",
        lambda: best(alpha=0.5, dropout=0.1).fit(TABLE, NUMBER, plan=plan),
    )
    refused(
        ConfigError,
        "repeats a race, but preset is None; set it to 'best'",
        lambda: best(preset=None).fit(TABLE, NUMBER, plan=plan),
    )
    refused(
        ConfigError,
        "that of an MLPRegressor, not of an MLPClassifier",
        lambda: best(MLPClassifier).fit(TABLE, LABEL, plan=plan),
    )
    refused(ConfigError, "pass one of them", lambda: same.fit(TABLE, NUMBER, plan=plan, more=1))
    refused(DataError, "of 60 rows, and these are 50", lambda: same.fit(TABLE[:50], NUMBER[:50], plan=plan))
    refused(DataError, "targets are not those", lambda: same.fit(TABLE, NUMBER[::-1], plan=plan))
    refused(
        DataError,
        "other folds than the 1 of these",
        lambda: same.fit(TABLE, NUMBER, plan=plan, X_val=TABLE, y_val=NUMBER),
    )
    monkeypatch.setattr(candidates, "CANDIDATES", (SMALL[0]._replace(changed={}), SMALL[1]))
    refused(
        ConfigError, "recipe 'fast' is not one of this version", lambda: same.fit(TABLE, NUMBER, plan=plan)
    )


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("name", ["sample_weight", "groups", "time"])
def test_the_rows_are_told_from_others_by_more_than_their_targets(name: str):
    """By their weights, groups and times; a plan of before says nothing of these, and is read."""
    values = {
        "sample_weight": np.linspace(0.5, 2, N),
        "groups": np.arange(N) // 6,
        "time": np.arange(N) // 2,
    }[name]
    made, bare = best(MLPRegressor).fit(TABLE, NUMBER, **{name: values}), best().fit(TABLE, NUMBER)
    plans = moved(made), moved(bare)
    assert plans[0][name] and plans[1][name] == 0
    for of, passed, others in (
        ("the plan", {"plan": plans[0]}, {"plan": plans[1]}),
        ("the race to go on with", {"more": 5}, {"more": 5}),
    ):
        with pytest.raises(DataError, match=f"{of} is of a fit with {name}=, and this one has none; pass"):
            made.fit(TABLE, NUMBER, **passed)
        with pytest.raises(DataError, match=f"{of} is of a fit without {name}=; omit it, or"):
            bare.fit(TABLE, NUMBER, **{name: values}, **others)
        other = np.roll(values, 1)
        with pytest.raises(DataError, match=f"{name} has other values than in the fit of {of}; pass the"):
            made.fit(TABLE, NUMBER, **{name: other}, **passed)
    with pytest.raises(DataError, match="the targets are not those of the race to go on with; pass the same"):
        made.fit(TABLE, NUMBER[::-1], **{name: values}, more=5)
    before = {key: value for key, value in plans[0].items() if key not in ("sample_weight", "groups", "time")}
    again = best().fit(TABLE, NUMBER, **{name: values}, plan=before)
    check_same(again, made, TABLE)


@pytest.mark.usefixtures("few")
def test_weights_of_one_are_none():
    made = best().fit(TABLE, NUMBER, sample_weight=np.ones(N))
    assert made.plan_["sample_weight"] == 0
    best().fit(TABLE, NUMBER, plan=moved(made))


def damaged(plan: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Plans with one fault each."""
    faults: dict[str, Callable[[dict[str, Any]], object]] = {
        "version must be 1, not 2": lambda made: made.update(version=2),
        "fits is missing": lambda made: made.pop("fits"),
        r"fits\[0\].seed must be an integer of at least 0, not -1": lambda made: made["fits"][0].update(
            seed=-1
        ),
        "groups must be an integer of at least 0 or null": lambda made: made.update(groups="a"),
        "a fit of each recipe to each fold": lambda made: made["fits"].pop(0),
        "must have rows held out": lambda made: made["folds"].clear(),
        "a description of each recipe": lambda made: made["recipes"].popitem(),
        "weights.fast must be a number, not nan": lambda made: made["weights"].update(fast=float("nan")),
        "the temperature of a race": lambda made: made.update(temperature=0.0),
        "random_state.key must be a list of integers": lambda made: made.update(
            random_state={"key": [1], "place": 0}
        ),
        r"fits\[0\].course must be an object": lambda made: made["fits"][0].update(course=[]),
    }
    found = {}
    for fault, damage in faults.items():
        damage(one := copy.deepcopy(plan))
        found[fault] = one
    return found


@pytest.mark.usefixtures("few")
def test_a_damaged_plan(tmp_path: Path):
    made = best().fit(TABLE, NUMBER)
    for fault, plan in damaged(moved(made)).items():
        with pytest.raises(ConfigError, match=f"must be the plan_ of an estimator.*{fault}"):
            plan_of(plan)
    with pytest.raises(ConfigError, match=r"this is none \(must be an object, not \[\]\)"):
        plan_of([])
    assert isinstance(plan_of(moved(made)), RacePlan)
    plan = moved(made) | {"networks": [{"recipe": "fast", "number": 3, "seed": 0, "epochs": 1}]}
    with pytest.raises(ConfigError, match="more than 3 networks of a recipe"):
        best().fit(TABLE, NUMBER, plan=plan)
    made.save(path := tmp_path / "made")
    path.write_bytes(path.read_bytes().replace(b'\\"is_late\\":', b'\\"is_lame\\":'))
    with pytest.raises(FormatError, match="the average in the file is malformed"):
        MLPRegressor.load(path)
