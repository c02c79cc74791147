"""The experiment `without-backprop` at a small budget: its numbers, its words, its figures."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from chainrule import METHODS, ConfigError
from chainrule.lab import Report, run
from chainrule.lab import without_backprop as runs
from chainrule.training.without_backprop import Estimator
from chainrule.views import figures, words
from chainrule.views.figures import laboratory
from chainrule.views.words.facts import chance

pytestmark = pytest.mark.slow  # a run of the experiment takes seven seconds of a processor
P = 490


@pytest.fixture(scope="module")
def report() -> Report:
    done: list[float] = []
    made = run("without-backprop", budget=0.02, repeats=2, progress=lambda share, what: done.append(share))
    assert done == sorted(done) and done[-1] == pytest.approx(1.0)
    return made


@pytest.fixture(scope="module")
def rows(report: Report) -> dict[str, dict[str, Any]]:
    return {record["method"]: record for record in report.table.records()}


def test_every_method_takes_part(rows: dict[str, Any]):
    assert set(runs.ARMS) == set(METHODS)
    assert list(rows) == [words.lab_without_backprop.METHODS[name] for name in runs.ARMS]
    for name, arm in runs.ARMS.items():
        assert type(arm.make(0.1)) is METHODS[name]


def test_the_numerical_gradient_is_the_gradient_and_costs_two_passes_a_parameter(rows: dict[str, Any]):
    assert runs.network().size == P
    central, forward = rows["central differences"], rows["forward differences"]
    assert 0.9999 < central["cosine"] <= 1 + 1e-12 and forward["cosine"] > 0.9999
    assert central["passes a step"] == 2 * P + 1 and forward["passes a step"] == P + 1


def test_costs_and_cosines(rows: dict[str, Any]):
    back = (2 * 49 * 8 + 8 + 2 * 2 * 8 * 10) / (2 * 49 * 8 + 8 + 2 * 8 * 10)
    assert rows["backpropagation"]["passes a step"] == pytest.approx(1 + back)
    assert rows["backpropagation"]["cosine"] == pytest.approx(1)
    assert rows["SPSA"]["passes a step"] == 3 and rows["OpenAI-ES"]["passes a step"] == 33
    for label in ("SPSA", "forward gradient"):  # 192 draws: a standard error of about 5 %
        assert rows[label]["cosine"] == pytest.approx(chance(P), rel=0.25)
    assert 0 < rows["CMA-ES"]["cosine"] < rows["feedback alignment"]["cosine"] < 1
    assert rows["no training"]["cosine"] is None and rows["no training"]["size"] is None


def test_backpropagation_is_ahead(rows: dict[str, Any]):
    losses = {label: row["loss"] for label, row in rows.items()}
    assert min(losses, key=lambda label: losses[label]) == "backpropagation"
    assert losses["no training"] == max(losses.values()) > 2
    for label in ("SPSA", "OpenAI-ES", "CMA-ES", "last layer only"):
        assert 0 < rows[label]["backprop at"] < 500


def test_words_are_built_from_the_numbers(report: Report, rows: dict[str, Any]):
    assert f"loss of {rows['backpropagation']['loss']:.2f}" in report.finding
    assert f"{rows['backpropagation']['right %']:.1f} % of the test images" in report.finding
    assert f"981 passes per step for {P} parameters (2P = 980)" in report.finding
    assert f"{chance(P):.3f}" in report.finding
    assert "seeds 0 to 1" in report.held_fixed and "500 forward passes" in report.held_fixed
    assert "no larger network was tried" in report.limits
    lesson = {record["the lesson's comparison"]: record for record in report.tables[1].records()}
    assert list(lesson) == [
        "how weights are updated",
        "process",
        "cost of a step",
        "use",
        "where the gradient comes from",
        "cosine to the gradient",
        "effect",
    ]
    assert "981 passes (central differences)" in lesson["cost of a step"]["without"]
    assert "(no training)" in lesson["effect"]["without"]
    assert report.settings["parameters"] == P and report.settings["passes"] == 500


def test_json_and_page(report: Report):
    text = json.dumps(report.to_json(), allow_nan=False)
    assert json.loads(text)["name"] == "without-backprop"
    page = report.html()
    assert page.count('<div class="figure"') == 3 and page.count("<table") >= 2
    assert "With and without backpropagation" in page


def test_figures(report: Report):
    passes, seconds, angles = report.figures
    lines = [trace for trace in passes.data if trace.name]
    assert [trace.name for trace in lines] == [words.lab_without_backprop.METHODS[name] for name in runs.ARMS]
    looks = {(trace.line.color, trace.line.dash, trace.marker.symbol) for trace in lines}
    assert len({symbol for *_, symbol in looks}) == len(lines) == 11  # never color alone
    assert passes.layout.xaxis.type == seconds.layout.xaxis.type == "log"
    assert "passes" in passes.layout.xaxis.title.text and "seconds" in seconds.layout.xaxis.title.text
    assert len(passes.layout.annotations) == 11
    for trace in lines:
        assert (np.diff(trace.x) > 0).all()
    assert len(angles.data[0].x) == 10 and list(angles.data[0].x) == sorted(angles.data[0].x)
    assert figures.BLUE in {trace.line.color for trace in lines if trace.name == "backpropagation"}


def test_labels_at_the_ends_do_not_overlap(report: Report):
    places = sorted(annotation.ay for annotation in report.figures[0].layout.annotations)
    low, high = report.figures[0].layout.yaxis.range
    assert min(np.diff(places)) > 0.95 * laboratory.MIN_LABEL_DISTANCE * (high - low)
    assert places[0] >= low - 0.1 and places[-1] <= high + 1e-9


def test_same_seed_same_numbers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(runs, "EVALUATIONS", 6)
    monkeypatch.setattr("chainrule.lab.without_backprop.STEP_SIZES", (0.03, 0.1))
    chosen = {"budget": 0.02, "repeats": 1, "methods": ["random_search"]}
    first, again, other = (run("without-backprop", seed=seed, **chosen).table.records() for seed in (0, 0, 1))
    for table in (first, again, other):
        for record in table:
            del record["ms a step"]
    assert first == again != other
    assert [record["method"] for record in first] == ["backpropagation", "random search"]


def test_batches_are_the_same_for_all_and_cover_an_epoch():
    order, other = runs.Order(1000, 3), runs.Order(1000, 3)
    first = [order.rows(step) for step in range(4)]
    assert sorted(np.concatenate(first).tolist()) == list(range(1000))
    np.testing.assert_array_equal(other.rows(5), order.rows(5))
    np.testing.assert_array_equal(other.rows(2), first[2])
    assert not np.array_equal(order.rows(4), first[0])


def test_looking_does_not_change_the_run():
    task = runs.MethodTask(runs.network(), *runs.samples())
    for name in ("spsa", "cma_es", "random_search"):
        looked, blind = (runs.run(task, runs.ARMS[name], 0.1, 0, 200, looks) for looks in (3, 0))
        assert looked.loss[-1] == blind.loss[-1] and looked.cosines and not blind.cosines


def test_samples_are_pooled_pixels():
    from chainrule.datasets import load_mnist

    train, test = runs.samples()
    assert train.X.shape == (10_000, 49) and test.X.shape == (10_000, 49)
    assert train.X[5, 24] == pytest.approx(load_mnist()[0].images[5, 12:16, 12:16].mean() / 255)


def test_a_course_that_runs_away_ends(monkeypatch: pytest.MonkeyPatch):
    from chainrule import NonFiniteError

    task = runs.MethodTask(runs.network(), *runs.samples())

    def fail(*_: Any) -> None:
        raise NonFiniteError("no", step=1, link="loss")

    monkeypatch.setattr(runs.MethodSession, "steps", fail)
    course = runs.run(task, runs.ARMS["spsa"], 0.1, 0, 100, looks=0)
    assert course.loss[-1] == math.inf and math.isnan(course.accuracy)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": ["genetic"]}, "methods must be one of .*'genetic'"),
        ({"methods": []}, "methods must contain at least one"),
        ({"budget": 0}, "budget must be"),
        ({"repeats": 0}, "repeats must be"),
    ],
)
def test_refused_options(options: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        run("without-backprop", **options)


def test_near_one():
    near_one = words.lab_without_backprop.near_one
    assert near_one(0.0361) == "0.036" and near_one(1 - 2e-11) == "1 - 2e-11"
    assert near_one(1.0) == "1 to the last digit"


def test_estimators_feed_the_optimizer():
    kinds = [METHODS[name] for name in runs.ARMS]
    assert sum(issubclass(kind, Estimator) for kind in kinds) == 8
