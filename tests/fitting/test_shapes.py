"""Directions and sets of columns that a fitted estimator keeps, over the whole range of a table's numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from chainrule import (
    ConfigError,
    Dense,
    Dropout,
    MLPClassifier,
    MLPRegressor,
    PiecewiseLinearEmbedding,
    ReLU,
    Scale,
    TablePreprocessor,
)

ROWS = 260
DIRECTIONS = {"up": 1, "down": -1}


def table(seed: int = 0) -> tuple[pd.DataFrame, Any]:
    """Numbers with gaps, ties and a long tail, and categories; the target moves against the asked directions too."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "up": np.where(rng.random(ROWS) < 0.1, np.nan, rng.normal(size=ROWS)),
            "down": rng.lognormal(size=ROWS).round(1),
            "free": rng.normal(size=ROWS),
            "kind": rng.choice(list("abc"), ROWS),
        }
    )
    y = (
        np.sin(3 * frame["up"].fillna(0))
        - np.cos(frame["down"]) * (frame["kind"] == "a")
        + frame["free"] ** 2
    )
    return frame, y.to_numpy()


def along(
    frame: pd.DataFrame, column: str, rng: np.random.Generator, rows: int = 12
) -> tuple[pd.DataFrame, int]:
    """Rows that differ in one column alone, which runs over its range and far beyond; and how many of each."""
    low, high = frame[column].min(), frame[column].max()
    far = np.geomspace(1, 1e6, 12) * (high - low)
    grid = np.concatenate([low - far[::-1], np.linspace(low, high, 150), high + far])
    picked = np.repeat(rng.integers(0, len(frame), rows), len(grid))
    made = frame.iloc[picked].reset_index(drop=True)
    made[column] = np.tile(grid, rows)
    return made, len(grid)


def decision(net: Any, X: pd.DataFrame) -> Any:
    return net.predict(X) if isinstance(net, MLPRegressor) else net.predict_proba(X)[:, 1]


def check_directions(
    net: Any, frame: pd.DataFrame, directions: dict[str, int] = DIRECTIONS, seed: int = 1
) -> None:
    """Check the sign of every step along each column, but for the rounding of float32."""
    rng = np.random.default_rng(seed)
    for column, direction in directions.items():
        rows, count = along(frame, column, rng)
        out = np.asarray(decision(net, rows), np.float64).reshape(-1, count)
        steps = np.diff(out, axis=1) * direction
        assert steps.min() >= -4e-6 * max(np.abs(out).max(), 1.0), column
        assert np.ptp(out) > 0  # the function depends on something


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"activation": "tanh", "dropout": 0.2},
        {"hidden_layer_sizes": ()},
        {"hidden_layer_sizes": (1,), "batch_norm": True},
        {"n_members": 3},
        {"loss": "absolute_error"},
        {"monotonic_cst": {"up": 1, "down": -1, "free": 1}},
        {"interaction_cst": [["up", "kind"], ["down", "free"]]},
    ],
    ids=lambda settings: "-".join(settings) or "default",
)
def test_a_regression_keeps_directions(settings):
    frame, y = table()
    given = {"monotonic_cst": DIRECTIONS, **settings}
    net = MLPRegressor(preprocess="auto", max_iter=8, random_state=0, **given).fit(frame, y)
    check_directions(net, frame, given["monotonic_cst"])


def test_a_probability_keeps_directions():
    frame, y = table(3)
    net = MLPClassifier(
        preprocess="auto", max_iter=8, random_state=0, monotonic_cst=[1, -1, 0, 0], class_weight="balanced"
    )
    net.fit(frame, np.where(y > np.median(y), "yes", "no"))
    assert net.classes_.tolist() == ["no", "yes"]
    check_directions(net, frame)


def test_a_network_without_a_directions_breaks_them():
    """What the check is worth: the same network without constraints fails it."""
    frame, y = table()
    net = MLPRegressor(preprocess="auto", max_iter=20, random_state=0).fit(frame, y)
    with pytest.raises(AssertionError, match="up"):
        check_directions(net, frame)


@pytest.mark.parametrize("direction", [1, -1])
def test_a_missing_value_may_have_any_effect(direction: int):
    """It has no place in the order: where a rising column is missing the target is far below that of all numbers."""
    x = np.random.default_rng(0).uniform(0, 1, 300)
    is_missing = np.arange(300) % 3 == 0
    frame = pd.DataFrame({"x": np.where(is_missing, np.nan, x)})
    y = direction * np.where(is_missing, -5.0, x)
    net = MLPRegressor(
        preprocess="auto", max_iter=30, random_state=0, n_members=1, monotonic_cst={"x": direction}
    )
    net.fit(frame, y)
    numbers, gap = (direction * net.predict(pd.DataFrame({"x": each})) for each in (x, [np.nan]))
    assert gap[0] < numbers.min() - 4
    check_directions(net, frame, {"x": direction})


def test_arrays_keep_directions_in_float64():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = np.sin(4 * X[:, 0]) + X[:, 1] * X[:, 2]
    net = MLPRegressor(hidden_layer_sizes=(12, 6), monotonic_cst=[1, 0, -1], max_iter=20, random_state=0)
    with pytest.warns(UserWarning, match="converged"):
        net.fit(X, y)
    grid = np.linspace(-50, 50, 800)
    for column, direction in ((0, 1), (2, -1)):
        rows = np.repeat(rng.normal(size=(20, 3)), len(grid), 0)
        rows[:, column] = np.tile(grid, 20)
        out = net.predict(rows).reshape(20, -1)
        assert (np.diff(out, axis=1) * direction >= -1e-12 * np.abs(out).max()).all()


def signed_paths(net: Any, column: int) -> tuple[Any, Any]:
    """The sums over paths from a column of the samples to the outputs of the factors' sizes: of rising and of falling.

    A path's sign is the product of the signs of its factors; ReLU's factor is 0 or 1. (outputs,) each.
    """
    model = net.model_
    rising = np.zeros(model.network.inputs)
    rising[column], falling = 1.0, np.zeros(model.network.inputs)
    for link in model.network.links:
        layer, params = link.layer, model.parameters.get(link.name) if link.params else None
        if isinstance(layer, PiecewiseLinearEmbedding):
            at = layer.embedded(link.fan_in)
            factors = np.concatenate([params.w0[:, None], params.E], 1).sum(1, where=np.True_)
            up = np.maximum(np.concatenate([params.w0[:, None], params.E], 1), 0).sum(1)  # (k, size)
            down = up - factors
            sources, first = layer.sources(link.fan_in), np.ones(link.fan_out)
            vectors = np.isin(sources, at)
            order = np.argsort(at)
            plus, minus = first.copy(), np.zeros(link.fan_out)
            plus[vectors], minus[vectors] = up[order].ravel(), down[order].ravel()
            rising, falling = rising[sources], falling[sources]
            rising, falling = rising * plus + falling * minus, rising * minus + falling * plus
        elif isinstance(layer, Scale):
            plus, minus = np.maximum(params.s, 0), np.maximum(-params.s, 0)
            rising, falling = rising * plus + falling * minus, rising * minus + falling * plus
        elif isinstance(layer, Dense):
            plus, minus = np.maximum(params.W, 0), np.maximum(-params.W, 0)
            rising, falling = rising @ plus + falling @ minus, rising @ minus + falling @ plus
        else:
            assert isinstance(layer, (ReLU, Dropout))
    return rising, falling


def test_the_product_of_signs_along_every_path_is_the_direction():
    frame, y = table()
    numbers = frame.drop(columns="kind")
    net = MLPRegressor(
        preprocess="auto", max_iter=8, random_state=0, monotonic_cst={"up": 1, "down": -1}
    ).fit(numbers, y)
    prepared = net.preprocessor_
    for place in prepared.rising_:
        rising, falling = signed_paths(net, place)
        column = prepared.sources_[place]
        assert (rising.max() > 0) == (column != 1) or column == 2
        assert (falling == 0).all() if column == 0 else True
        assert (rising == 0).all() if column == 1 else True
        if column == 2:  # free: there are paths of both signs
            assert rising.max() > 0 < falling.max()


def test_a_column_of_one_set_does_not_interact_with_another():
    frame, y = table()
    net = MLPRegressor(
        hidden_layer_sizes=(16, 8),
        preprocess="auto",
        max_iter=8,
        random_state=0,
        interaction_cst=[[0, 3], [1]],
        dtype="float64",
    )
    net.fit(frame, y)
    rng = np.random.default_rng(0)
    first, second = (frame.iloc[rng.integers(0, ROWS, 50)].reset_index(drop=True) for _ in range(2))
    base = net.predict(first)
    sets = {"up": 0, "kind": 0, "down": 1, "free": 2}
    for a in sets:
        for b in sets:
            if sets[a] == sets[b]:
                continue
            mixed = (
                net.predict(first.assign(**{a: second[a], b: second[b]}))
                - net.predict(first.assign(**{a: second[a]}))
                - net.predict(first.assign(**{b: second[b]}))
                + base
            )
            assert_allclose(mixed, 0, atol=1e-12 * np.abs(base).max())


def test_every_pair_may_be_a_set():
    frame, y = table()
    for kind in ("pairwise", "no_interactions"):
        net = MLPRegressor(preprocess="auto", max_iter=2, random_state=0, interaction_cst=kind).fit(frame, y)
        sets = net.model_.network.constraints.interactions
        assert len(sets) == (6 if kind == "pairwise" else 4)


@pytest.mark.slow
def test_a_race_keeps_directions(tmp_path: Path):
    frame, y = table()
    net = MLPRegressor(
        preprocess="auto", preset="best", time_limit=2, random_state=0, monotonic_cst=DIRECTIONS
    ).fit(frame, y)
    check_directions(net, frame)
    assert {each.recipe for each in net.report_} & {"realmlp", "tabm"} == set()
    net.save(tmp_path / "net.safetensors")
    check_directions(MLPRegressor.load(tmp_path / "net.safetensors"), frame)


def test_training_goes_on_within_the_bounds(tmp_path: Path):
    frame, y = table()
    net = MLPRegressor(preprocess="auto", max_iter=4, random_state=0, monotonic_cst=DIRECTIONS).fit(frame, y)
    net.save(tmp_path / "net.safetensors")
    read = MLPRegressor.load(tmp_path / "net.safetensors")
    assert read.monotonic_cst == DIRECTIONS
    for _ in range(5):
        read.partial_fit(frame, y)
    check_directions(read, frame)
    with pytest.raises(
        ConfigError, match="monotonic_cst cannot change when the training of a network continues"
    ):
        read.set_params(monotonic_cst=None).partial_fit(frame, y)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"monotonic_cst": [1, 0]}, r"has shape \(2,\) but the input data X has 4 features"),
        ({"monotonic_cst": {"upp": 1}}, "contains 'upp', which is no column of X"),
        ({"monotonic_cst": {"up": 2}}, "of -1, 0 or 1, not 2"),
        ({"monotonic_cst": {"up": True}}, "of -1, 0 or 1, not True"),
        ({"monotonic_cst": {"kind": 1}}, "the column 'kind', which is a category; only numbers"),
        ({"monotonic_cst": {"up": 1}, "preset": "realmlp"}, "cannot be held to constraints"),
        ({"monotonic_cst": {"up": 1}, "activation": "gelu"}, "GELU cannot be held to constraints"),
        ({"monotonic_cst": {"up": 1}, "residual": True}, "Residual cannot be held to constraints"),
        ({"monotonic_cst": {"up": 1}, "solver": "lbfgs"}, "does not keep the bounds"),
        ({"interaction_cst": [0, 1]}, "a sequence of tuples or lists of columns"),
        ({"interaction_cst": [[0, 9]]}, r"indices in \[0, 3\], not 9"),
        ({"interaction_cst": [["upp"]]}, "names of columns or of indices"),
        ({"interaction_cst": [[True]]}, "names of columns or of indices"),
    ],
)
def test_what_cannot_be_demanded_is_refused(settings, message):
    frame, y = table()
    with pytest.raises(ConfigError, match=message):
        MLPRegressor(preprocess="auto", max_iter=1, **settings).fit(frame, y)


def test_dates_more_classes_and_names_that_are_not_there_are_refused():
    frame, y = table()
    dated = frame.assign(when=pd.date_range("2020-01-01", periods=ROWS))
    with pytest.raises(ConfigError, match="'when', which is a date"):
        MLPRegressor(preprocess="auto", monotonic_cst={"when": 1}).fit(dated, y)
    with pytest.raises(ConfigError, match="'is_new', which is a category"):
        MLPRegressor(preprocess="auto", monotonic_cst={"is_new": 1}).fit(frame.assign(is_new=y > 0), y)
    with pytest.raises(ConfigError, match="not supported for more than two classes"):
        MLPClassifier(preprocess="auto", monotonic_cst={"up": 1}).fit(frame, np.arange(ROWS) % 3)
    with pytest.raises(ConfigError, match="X has no names"):
        MLPRegressor(monotonic_cst={"up": 1}).fit(frame[["free"]].to_numpy(), y)


def test_demands_on_columns_that_are_left_out_and_sets_for_several_classes_are_taken():
    frame, y = table()
    same = frame.assign(same="x")
    net = MLPRegressor(preprocess="auto", max_iter=1, random_state=0, monotonic_cst={"same": 1, "up": 1})
    assert net.fit(same, y).model_.network.constraints is not None
    net = MLPClassifier(preprocess="auto", max_iter=1, random_state=0, interaction_cst="no_interactions")
    assert len(net.fit(frame, np.arange(ROWS) % 3).model_.network.constraints.interactions) == 4


def test_what_rises_with_a_number():
    frame, _ = table()
    made = TablePreprocessor().fit(frame)
    names = made.get_feature_names_out()
    assert names[list(made.rising_)].tolist() == [
        *("up", "up rank", "down", "down rank", "free", "free rank")
    ]
