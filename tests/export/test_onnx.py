"""ONNX files answer as the graph does, in ONNX Runtime: networks of every layer, tables of any kind, averages."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import erf, ndtri

from chainrule import (
    ChainruleError,
    ConfigError,
    Dense,
    Ensemble,
    MLPClassifier,
    MLPRegressor,
    Model,
    Network,
    ReLU,
    Rescale,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    TablePreprocessor,
)
from chainrule.estimators.graphs import graph_inputs
from chainrule.export import approximations as near
from chainrule.graph.columns import CalendarPart, FilledMissing, GraphInput, KeptRange, RankShares
from chainrule.graph.graph import ComputationGraph, GraphBuilder
from chainrule.graph.numbers import FUNCTIONS
from chainrule.graph.operation import constant
from chainrule.graph.passes import only, simplified
from exported import later, moved, table
from hostile_tables import hostile_table
from needs import needs

pytestmark = [needs("onnx"), needs("onnxruntime")]
CASES = int(os.environ.get("CHAINRULE_EXPORT_CASES", "10"))
"""Random architectures that are compared; 500 in the figure of docs/export.md."""
TABLES = int(os.environ.get("CHAINRULE_EXPORT_TABLES", "5"))
"""Hostile tables that are compared; 300 in the figure of docs/export.md."""
QUICK: dict[str, Any] = {"hidden_layer_sizes": (6,), "max_iter": 3, "random_state": 0, "preprocess": "auto"}


def assert_same(graph: ComputationGraph, rows: Any, label: bool = False) -> None:
    """In both precisions, within the tolerance, and that of float64 is 1e-12."""
    from chainrule.export.as_onnx.file import compare, onnx_bytes

    chosen = simplified(only(graph, *(name for name in graph.outputs if label or name != "label")))
    for dtype in ("float64", "float32"):
        found = compare(chosen, onnx_bytes(chosen, dtype), rows, dtype)
        assert found.rows and found.difference <= found.tolerance, dtype
        assert dtype == "float32" or found.tolerance == 1e-12


@pytest.mark.parametrize("number", range(CASES))
def test_random_networks(number: int):
    model, X = moved(number)
    assert_same(model.graph(), {"X": X})


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("preset", "settings"),
    [
        ("additive", {}),
        (None, {"preprocess": TablePreprocessor(scale="realmlp", max_one_hot=3, out_of_range="clip")}),
    ],
)
def test_tables(preset: str | None, settings: dict[str, Any]):
    X, y = table()
    given = QUICK | ({} if preset is None else {"preset": preset}) | settings
    if preset == "additive":
        given.pop("hidden_layer_sizes")
    estimator = MLPClassifier(**given).fit(X, np.digitize(y, [3, 5]))
    for rows in (X, later(X)):
        assert_same(estimator.graph(), graph_inputs(estimator, rows), label=preset is None)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("seed", range(TABLES))
def test_hostile_tables(seed: int):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        case = hostile_table(seed)
    y = list(range(len(case.y))) if any(isinstance(each, str) for each in case.y) else case.y
    try:
        estimator = MLPRegressor(**QUICK, preset="fast").fit(case.X, y)
    except ChainruleError:
        return  # a table that no estimator takes
    for rows in (case.X, case.later):
        try:
            given = graph_inputs(estimator, rows)
        except ChainruleError:
            continue
        assert_same(estimator.graph(), given)


def run(path: Path, feeds: dict[str, Any]) -> list[np.ndarray]:
    import onnxruntime

    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, feeds)


def test_a_file_by_hand(tmp_path: Path):
    """x = 3: (2 * 3 + 1) [1, -1] + [0, 0.5] = [7, -6.5], relu [7, 0], and 7 * 2 - 13 = 1: sigmoid 0.731."""
    import onnx

    network = Network(1, [Rescale(2, 1), Dense(2), ReLU(), Dense(1)], SigmoidCrossEntropy())
    model = Model.with_theta(network, np.array([1.0, -1.0, 0.0, 0.5, 2.0, 5.0, -13.0], np.float32))
    written = model.export(tmp_path / "net.onnx", label=True)
    probabilities, label = run(tmp_path / "net.onnx", {"X": np.array([[3.0], [0.0]], np.float32)})
    assert probabilities[0, 1] == pytest.approx(0.7310586, abs=1e-6) and label.tolist() == [[1], [0]]
    made = onnx.load(tmp_path / "net.onnx")
    words = [node.op_type for node in made.graph.node]
    assert words.count("Gemm") == 2 and "ZipMap" not in words and "MatMul" not in words
    assert [each.version for each in made.opset_import] == [13] and made.ir_version == 7
    assert made.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"
    about = {each.key: each.value for each in made.metadata_props}
    assert json.loads(about["labels"]) == [0, 1] and about["task"] == "binary"
    assert written.rows == 1000 and written.difference <= written.tolerance == 1e-5
    assert written.bytes == (tmp_path / "net.onnx").stat().st_size
    assert (
        model.export(tmp_path / "again.onnx", label=True).files[0].read_bytes()
        == (tmp_path / "net.onnx").read_bytes()
    )


def test_the_lines_that_run_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    X, y = table(80)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = MLPRegressor(**QUICK).fit(X.assign(same=1), y)
    written = estimator.export(tmp_path / "table.onnx", X.assign(same=1), dtype="float64")
    assert written.rows == 80 and any("uses no same" in each for each in written.left_out)
    assert len(written.usage.splitlines()) == 5
    names: dict[str, Any] = {}
    exec(compile(written.usage, "usage", "exec"), names)
    assert "array" in capsys.readouterr().out
    row = {name: value.item() for name, value in names["row"].items()}
    assert row["city"] in ("Graz", "Wien", "Linz", "Köln") and row["member"] in ("True", "False")
    assert row["income"] == pytest.approx(np.median(X["income"]), rel=0.1)


def test_members_and_rows_of_other_types(tmp_path: Path):
    X, y = np.random.default_rng(0).integers(0, 255, (60, 5)).astype(np.uint8), np.arange(60) % 3
    ensemble = Ensemble(Network(5, [Rescale(1 / 255), Dense(4), ReLU(), Dense(3)], SoftmaxCrossEntropy()), 2)
    ensemble.fit(X, y, epochs=1)
    written = ensemble.export(tmp_path / "members.onnx", X)
    assert written.rows == 60 and written.difference < 1e-6
    [found] = run(tmp_path / "members.onnx", {"X": X.astype(np.float32)})
    assert np.abs(found - ensemble.predict_proba(X)).max() < 1e-6


def test_columns_may_have_any_name(tmp_path: Path):
    X, y = table(60)
    X = X[["age", "city", "rare"]].set_axis(["predictions", "/constant_1", "größe \u2603"], axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = MLPRegressor(**QUICK).fit(X, y)
    written = estimator.export(tmp_path / "names.onnx", X)
    assert written.rows == 60 and "['predicted_predictions']" in written.usage


def test_int8_on_given_rows(tmp_path: Path):
    import onnx

    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 20))
    y = (X @ rng.normal(size=(20, 3))).argmax(1)
    model = Model(Network(20, [Dense(32), ReLU(), Dense(3)], SoftmaxCrossEntropy()))
    model.fit(X, y, epochs=10)
    large, small = (model.export(tmp_path / f"{t}.onnx", X, dtype=t) for t in ("float32", "int8"))
    assert large.about["same_labels"] == 1.0 and small.about["same_labels"] > 0.97
    assert 1e-5 < small.difference < 0.1 and small.bytes < large.bytes * 1.5
    made = onnx.load(tmp_path / "int8.onnx")
    weights = {each.name: each for each in made.graph.initializer}
    scales = [each for name, each in weights.items() if name.endswith("_scale") and list(each.dims) == [32]]
    assert scales and any(each.data_type == onnx.TensorProto.INT8 for each in weights.values())
    [found] = run(tmp_path / "int8.onnx", {"X": X.astype(np.float32)})
    assert np.abs(found - model.predict_proba(X)).max() == pytest.approx(small.difference, rel=1e-4)
    with pytest.raises(ConfigError, match="measures ranges on rows"):
        model.export(tmp_path / "net.onnx", dtype="int8")


def test_what_is_refused(tmp_path: Path):
    model = Model(Network(2, [Dense(1)], SigmoidCrossEntropy()))
    with pytest.raises(ConfigError, match=r"path must end in .*\.onnx"):
        model.export(tmp_path / "net.pt")
    with pytest.raises(ConfigError, match="dtype must be 'float32', 'float64' or 'int8', not 'int4'"):
        model.export(tmp_path / "net.onnx", dtype="int4")
    assert not (tmp_path / "net.onnx").exists()


def test_every_function_of_a_graph_has_words():
    from chainrule.export.as_onnx.operations import FUNCTIONS as WRITTEN

    assert set(WRITTEN) == set(FUNCTIONS) - {"identity"}


def test_dates_of_many_centuries():
    build = GraphBuilder()
    seen = build.add(GraphInput("seen", "date"))
    for part in ("year", "year_turn", "leap_day", "weekday_turn", "day_turn"):
        chosen = GraphBuilder()
        chosen.steps.extend(build.steps)
        graph = chosen.done({"predictions": chosen.add(CalendarPart(part), seen)}, "regression")
        days = np.random.default_rng(0).integers(-1_500_000, 1_500_000, 3000).astype(np.float64)
        ends = np.array(["1900-02-28", "1900-03-01", "2000-02-29", "2000-12-31", "2001-01-01"], "M8[D]")
        days = np.append(days, ends.astype(np.float64))
        assert_same(graph, {"seen": days[::3] * 86400 + 3601})
        assert_same(graph, {"seen": days[-5:] * 86400.0})


def test_shares_at_and_between_equal_quantiles():
    grid = np.array([[1.0, 1.0, 2.0, 5.0, 5.0, 5.0, 9.0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])
    build = GraphBuilder()
    x = build.add(GraphInput("X", "numbers", 2))
    graph = build.done({"predictions": build.add(RankShares(grid), x)}, "regression")
    rows = np.array([[1.0, 0.0], [5.0, 6.0], [0.0, -1.0], [10.0, 7.0], [1.5, 2.5], [9.0, 3.0], [4.0, 5.9]])
    found = graph.run(rows)["predictions"]
    assert found[:4, 0] == pytest.approx([0.5 / 6, 4 / 6, 0.0, 1.0])
    assert_same(graph, {"X": rows})


def test_numbers_that_stand_for_missing_ones():
    build = GraphBuilder()
    kept = build.add(
        KeptRange(constant([-1e3]), constant([1e3]), (-999.0, 99.9)), build.add(GraphInput("x", "number"))
    )
    known = build.add(FilledMissing(constant([7.0])), kept)
    graph = build.done({"predictions": known}, "regression")
    rows = np.array([-999.0, 99.9, 99.5, -998.0, 1e4, np.nan])
    assert np.ravel(graph.run({"x": rows})["predictions"]).tolist() == [7.0, 7.0, 99.5, -998.0, 7.0, 7.0]
    assert_same(graph, {"x": rows})


def test_quotients_are_the_functions():
    x = np.linspace(0, near.ERF_SPLIT, 1001)
    assert np.abs(x * quotient(near.ERF_NEAR, x * x) - erf(x)).max() < 1e-15
    x = np.linspace(near.ERF_SPLIT, 12, 5001)
    assert np.abs(1 - np.exp(-x * x) * quotient(near.ERFC_FAR, x) - erf(x)).max() < 1e-12
    p = np.linspace(0.075, 0.925, 1001)
    d = p - 0.5
    assert np.abs(d * quotient(near.NORMAL_MIDDLE, near.MIDDLE**2 - d * d) - ndtri(p)).max() < 1e-14
    p = np.geomspace(1e-10, 0.075, 1001)
    assert np.abs(-quotient(near.NORMAL_TAIL, np.sqrt(-np.log(p)) - 1.6) - ndtri(p)).max() < 1e-14


def quotient(q: near.Quotient, t: np.ndarray) -> np.ndarray:
    return np.polyval(q.above, t) / np.polyval(q.below, t)


def test_a_column_without_a_name(tmp_path: Path):
    X = {"": [0.5, 1.5, 2.5] * 5, "b": [1.0, 2.0, 4.0] * 5}
    net = MLPRegressor(**QUICK, n_members=1).fit(X, X["b"])
    with pytest.raises(
        ConfigError, match="a column has no name, and an input of ONNX needs one; name the column"
    ):
        net.export(tmp_path / "net.onnx")
