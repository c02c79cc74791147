"""Four experiments of the laboratory at small budgets: whole reports, the same for a seed, and what they must show."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from chainrule import SGD, Adam, ConfigError, GradientDescent, lab
from chainrule.lab import features as features_lab
from chainrule.lab import optimizers, regularization, universality
from chainrule.views.experiments import Report

SMALL: dict[str, dict[str, Any]] = {
    "universality": {"budget": 0.02, "repeats": 2, "widths": (2, 8)},
    "optimizers": {"budget": 0.01, "repeats": 2, "hidden": 8},
    "regularization": {"budget": 0.04, "repeats": 2, "samples": 100},
    "features": {"budget": 0.02, "repeats": 2},
}


class Reports(dict[str, Report]):
    """By name, each made when it is first asked for, and how much was done at each call of its progress."""

    def __init__(self) -> None:
        super().__init__()
        self.done: dict[str, list[float]] = {}

    def __missing__(self, name: str) -> Report:
        done = self.done[name] = []
        self[name] = lab.run(name, progress=lambda share, what: done.append(share), **SMALL[name])
        return self[name]


@pytest.fixture(scope="module")
def reports() -> Reports:
    return Reports()


def timeless(report: Report) -> dict[str, Any]:
    """A report's data without its seconds."""
    data = report.to_json()
    data["seconds"] = 0
    for table in data["tables"]:
        if "seconds" in table["columns"]:
            for row in table["rows"]:
                row[table["columns"].index("seconds")] = 0
    return data


@pytest.mark.parametrize(
    "name", [name if name == "universality" else pytest.param(name, marks=pytest.mark.slow) for name in SMALL]
)
def test_a_report_is_whole(name: str, reports: dict[str, Report], tmp_path):
    report = reports[name]
    assert report.name == name
    for words in (
        report.title,
        report.question,
        report.answer,
        report.finding,
        report.held_fixed,
        report.limits,
    ):
        assert len(words) > 20
        assert "nan" not in words.split() and "None" not in words and "inf " not in words
    for table in report.tables:
        assert table.rows and table.caption
        numbers = [c for row in table.rows for c in row if isinstance(c, float)]
        assert numbers and all(map(math.isfinite, numbers))
    text = report.text(80)
    assert max(map(len, text.splitlines())) <= 80 and "…" not in text
    titles = [figure.layout.title.text for figure in report.figures]
    assert len(set(titles)) == len(titles) >= 3  # a page tells figures apart by their titles
    for figure in report.figures:
        assert figure.data and figure.layout.height
        assert any(axis.title.text or not axis.showgrid for axis in figure.select_xaxes())
    assert {"seed", "repeats", "budget"} <= set(report.settings)
    assert report.seconds > 0
    json.dumps(report.to_json(), allow_nan=False)
    report.write(tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size > 1e6  # Plotly is in it


@pytest.mark.parametrize(
    "name",
    [
        "universality",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("optimizers", "regularization")),
    ],
)
def test_a_seed_means_the_same_numbers(name: str, reports: dict[str, Report]):
    assert timeless(lab.run(name, **SMALL[name])) == timeless(reports[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_progress_runs_from_0_to_1(name: str, reports: Reports):
    assert reports[name].name == name
    seen = reports.done[name]
    assert len(seen) > 3
    assert all(0 <= share <= 1 for share in seen)
    np.testing.assert_allclose(seen, np.maximum.accumulate(seen), atol=1e-9)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("universality", {"widths": (4,)}, "at least two widths"),
        ("universality", {"widths": (0, 4)}, "widths must be"),
        ("universality", {"activation": "step"}, "activation must be"),
        ("universality", {"error": -1.0}, "error must be"),
        ("optimizers", {"samples": 3}, "samples must be"),
        ("optimizers", {"loss": 0.0}, "loss must be"),
        ("regularization", {"samples": 60_000}, "at most 59000"),
        ("regularization", {"wrong": 1.5}, "wrong must be"),
        ("features", {"samples": 1}, "samples must be"),
        ("features", {"budget": 0}, "budget must be"),
    ],
)
def test_bad_options_are_told(name: str, options: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        lab.run(name, **options)


# --- universality


def test_the_jacobian_is_that_of_central_differences():
    fit = universality.fit(universality.TARGETS[3], 5, 0, 2)
    X, theta = universality.grid(2, 3), fit.model.theta
    _, J = universality.jacobian(fit.model.network, theta, X)
    for i in range(len(theta)):
        h = np.zeros(len(theta))
        h[i] = 1e-6
        ahead, behind = (universality.jacobian(fit.model.network, theta + s * h, X)[0] for s in (1, -1))
        np.testing.assert_allclose(J[:, i], (ahead - behind) / 2e-6, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("target", universality.TARGETS, ids=lambda t: t.name)
def test_targets_are_continuous_and_about_as_large_as_1(target):
    X = universality.grid(target.variables, universality.EVALUATED_POINTS[target.variables])
    y = target.f(X).reshape([universality.EVALUATED_POINTS[target.variables]] * target.variables)
    assert 0.9 <= np.abs(y).max() <= 1.5
    assert np.abs(np.diff(y, axis=0)).max() < 0.3  # no jump between neighbors


@pytest.mark.parametrize(
    "target", [t for t in universality.TARGETS if t.variables == 1], ids=lambda t: t.name
)
def test_the_error_falls_with_the_width(target):
    best = [
        min(universality.fit(target, width, seed, 60).largest for seed in range(3)) for width in (2, 8, 32)
    ]
    assert best[0] > 2 * best[1] > 2 * best[2]


def test_a_smooth_function_is_found_to_five_digits_and_every_step_descends():
    errors = [universality.fit(universality.TARGETS[0], 32, 2, steps).rms for steps in (1, 10, 50, 200)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-4


@pytest.mark.parametrize("activation", universality.ACTIVATIONS)
def test_every_activation_approximates(activation: str):
    assert universality.fit(universality.TARGETS[0], 24, 0, 60, activation).rms < 0.1


# --- optimizers


def digits() -> optimizers.DescentTask:
    from chainrule.datasets import load_mnist

    train, test = load_mnist()
    return optimizers.DescentTask(train.X[:300], train.y[:300], test.X[:200], test.y[:200], 4, 12)


def test_a_run_records_what_its_epochs_came_to():
    task, arm = digits(), optimizers.ARMS[6]
    run = optimizers.descend(arm, 3e-3, task, 0)
    model = task.model(0)
    assert run.losses.shape == run.seconds.shape == (5,)
    assert run.losses[0] == pytest.approx(model.evaluate(task.X, task.y)["loss"])
    model.fit(task.X, task.y, epochs=4, batch_size=50, optimizer=Adam(3e-3))
    assert run.losses[-1] == pytest.approx(model.evaluate(task.X, task.y)["loss"])
    np.testing.assert_array_equal(run.path[-1], model.theta)
    assert (np.diff(run.seconds) > 0).all()
    assert run.passes(float(run.losses[2])) == 2 and run.passes(0.0) is None


def test_a_rate_that_diverges_is_never_chosen():
    arm = optimizers.DescentRule("sgd", SGD, 1e6, 50)
    rate, tried = optimizers.tuned(arm, digits(), 0)
    assert tried > 3 and rate is not None and rate < 1e5


def test_the_grid_grows_until_its_best_lies_inside():
    task = digits()
    rate, tried = optimizers.tuned(optimizers.DescentRule("adam", Adam, 1e-4, 50), task, 0)
    assert rate is not None and tried > 3 and rate > 5e-4
    near = [
        optimizers.descend(optimizers.ARMS[6], rate * f, task, 0).losses[-1]
        for f in (1 / optimizers.RATE_RATIO, 1, 10)
    ]
    assert near[1] == min(near)


def test_the_figure_of_seconds_has_a_logarithmic_axis_without_the_start():
    losses = {"sgd": np.array([2.0, 1.0, 0.5]), "adam": np.array([2.0, 0.5, 0.1])}
    figure = optimizers.descents(losses, {name: np.array([0.0, 0.01, 2.0]) for name in losses})
    assert figure.layout.xaxis2.type == "log" and figure.layout.xaxis.type != "log"
    assert [len(trace.x) for trace in figure.data] == [3, 3, 2, 2]
    assert all(min(trace.x) > 0 for trace in figure.data[2:])


def test_the_title_of_the_approximation_follows_the_numbers():
    ends = {1: (0.5, 1.0, 0.1), 2: (1e-4, 0.2, 0.3)}
    curves = {
        n: [universality.Band(str(end), (2, 4), *[[1.0, end]] * 3) for end in row] for n, row in ends.items()
    }
    assert (
        universality.approximation(curves, 0.05).layout.title.text
        == "The error falls by a factor of 1 to 10,000"
    )


def test_the_principal_plane_of_paths_in_a_plane_is_that_plane():
    random = np.random.default_rng(0)
    basis = np.linalg.qr(random.normal(size=(30, 2)))[0].T  # (2, 30)
    start = random.normal(size=30)
    paths = [start + np.vstack([np.zeros(2), random.normal(size=(6, 2))]) @ basis for _ in range(3)]
    directions, share = optimizers.principal_plane(paths)
    assert share == pytest.approx(1.0)
    np.testing.assert_allclose(directions @ directions.T, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(basis @ directions.T @ directions, basis, atol=1e-9)


def test_the_gradient_on_a_slice_is_the_slope_of_its_loss():
    task = digits()
    model = task.model(0)
    directions = np.linalg.qr(np.random.default_rng(0).normal(size=(model.network.size, 2)))[0].T
    plane = optimizers.Plane(model, task.X, task.y, model.theta, directions)
    c = np.array([0.3, -0.2])
    loss, g = plane.at(c)
    numeric = [(plane.at(c + h)[0] - plane.at(c - h)[0]) / 2e-5 for h in 1e-5 * np.eye(2)]
    np.testing.assert_allclose(g, numeric, rtol=1e-5)
    assert plane.over(np.array([0.3]), np.array([-0.2]))[0, 0] == pytest.approx(loss)
    path, last = optimizers.walk(plane, GradientDescent(0.1), 5)
    assert path.shape == (6, 2) and last < plane.at(np.zeros(2))[0]
    assert optimizers.walk(plane, GradientDescent(1e9), 5)[1] == math.inf


# --- regularization


def test_the_sample_of_a_seed_is_apart_from_what_is_watched_and_its_wrong_labels_are_wrong():
    from chainrule.datasets import load_mnist

    train, test = load_mnist()
    right, spoiled = (regularization.split(train, test, 200, 5, wrong) for wrong in (0.0, 0.3))
    np.testing.assert_array_equal(right.X, spoiled.X)
    assert int((right.y != spoiled.y).sum()) == 60
    np.testing.assert_array_equal(right.y_watched, spoiled.y_watched)
    assert not {row.tobytes() for row in right.X} & {row.tobytes() for row in right.X_watched}
    assert (train.y == load_mnist()[0].y).all()  # the data set itself is untouched


def test_a_plain_network_learns_wrong_labels_by_heart_and_early_stopping_keeps_the_best():
    from chainrule.datasets import load_mnist

    train, test = load_mnist()
    parts = regularization.split(train, test, 200, 0, 0.2)
    plain = regularization.learn(regularization.Remedy("plain"), parts, 0, 30)
    stopped = regularization.learn(regularization.Remedy("early_stopping", early_stopping=True), parts, 0, 30)
    decayed = regularization.learn(regularization.Remedy("l2", l2=0.01), parts, 0, 2)
    assert plain.train_accuracy == 1.0 and plain.test_accuracy < 0.8
    assert plain.watched[-1] > 1.15 * min(plain.watched)
    assert stopped.epochs < 30 and stopped.test_accuracy > plain.test_accuracy
    assert stopped.watched == plain.watched[: stopped.epochs]  # the same run, ended
    assert decayed.loss[0] == pytest.approx(
        plain.loss[0], rel=0.1
    )  # no penalty in it: that alone would be 1.5


# --- features


def test_pictures_show_the_neurons_that_vary_most():
    from chainrule.datasets import load_mnist

    train, test = load_mnist()
    few = type(test)(test.X[:300], test.y[:300], test.shape, test.name, test.classes)
    small = type(train)(train.X[:600], train.y[:600], train.shape, train.name, train.classes)
    found = features_lab.examine(0, small, few, 2, 300, lambda share, what: None)
    first, last = (features_lab.pictures(found.model, link, few, 20, 0) for link in ("dense_1", "dense_4"))
    assert first.exact and not last.exact and last.units.tolist() == list(range(10))
    weights = found.model.parameters["dense_1"].W[:, first.units].T
    away = first.best.reshape(10, -1) - 127.5
    cosine = (away * weights).sum(1) / np.linalg.norm(away, axis=1) / np.linalg.norm(weights, axis=1)
    np.testing.assert_allclose(cosine, 1.0, rtol=1e-5)
    assert (np.abs(away).max(1) == pytest.approx(127.5)) and 0 <= last.best.min() <= last.best.max() <= 255
    assert found.over_training.shape == (3, 4)
    np.testing.assert_allclose(found.over_training[-1], 1.0)
    assert found.probes["trained"][2] > found.probes["untrained"][2]
    assert found.purity["trained"][3] > found.purity["untrained"][3]


def test_a_mosaic_has_its_tiles_in_order():
    tiles = np.arange(6.0).reshape(2, 3, 1, 1) * np.ones((2, 3, 2, 2))
    image = features_lab.mosaic(tiles)
    assert image.shape == (7, 12)
    assert [image[0, 0], image[0, 5], image[6, 11]] == [0, 1, 5]
    assert np.isnan(image[2:5]).all() and np.isnan(image[:, 2:5]).all()
