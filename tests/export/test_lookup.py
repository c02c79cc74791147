"""What is exported of preset="best" looks rows up as the estimator does: numbers, two classes, several, each format."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from chainrule import ConfigError, MLPClassifier, MLPRegressor
from chainrule.estimators.graphs import graph_inputs
from chainrule.export.as_c import compiler
from chainrule.export.formats import RowsToCompare, export_graph
from chainrule.export.quantizing import calibrated, in_int8
from chainrule.fitting.held import result_of
from chainrule.graph.answers import Ratio, SimilarRows
from chainrule.graph.columns import GraphInput
from chainrule.graph.graph import ComputationGraph, GraphBuilder
from chainrule.graph.operation import constant
from chainrule.graph.passes import simplified
from chainrule.race import candidates
from chainrule.race.candidates import Candidate
from needs import needs

CLOSE = 1e-11
"""Of predictions, whose distances are differences of squared sums: some units of float64 times the sums, up to 1e4."""
FORMATS = [
    pytest.param(".c", marks=pytest.mark.skipif(compiler() is None, reason="there is no C compiler")),
    pytest.param(".onnx", marks=[needs("onnx"), needs("onnxruntime")]),
    pytest.param(".mjs", marks=pytest.mark.skipif(not shutil.which("node"), reason="there is no Node.js")),
]
WITH_SLOW_C = [pytest.param(*FORMATS[0].values, marks=[*FORMATS[0].marks, pytest.mark.slow]), *FORMATS[1:]]
"""The same; C is compiled by `make test-all` alone, and by `make test` in one of the tests."""
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def visits(persons: int = 50, n: int = 300) -> tuple[pd.DataFrame, np.ndarray]:
    """Several equal rows of each person, whose target is the person's own: nothing else says it."""
    rng = np.random.default_rng(0)
    each = pd.DataFrame(
        {
            "age": np.where(rng.random(persons) < 0.2, np.nan, rng.normal(40, 12, persons)),
            "height": rng.normal(170, 9, persons),
            "street": [f"s{k}" for k in rng.integers(0, 30, persons)],
            "seen": pd.Timestamp("2021-03-04") + pd.to_timedelta(rng.integers(0, 900, persons), unit="D"),
        }
    )
    who = rng.integers(0, persons, n)
    return each.iloc[who].reset_index(drop=True), 3 * rng.normal(size=persons)[who] + rng.normal(
        0, 0.2, n
    ) + 50


TABLE, NUMBER = visits()
LATER = TABLE.iloc[:60].copy()
LATER.loc[::3, "age"] += 1
LATER.loc[::4, "street"] = "unknown"
LATER.loc[::5, "street"] = None
LATER.loc[::7, "height"] = np.nan


@pytest.fixture(scope="module", params=["numbers", "two classes", "several classes"])
def estimator(request: pytest.FixtureRequest) -> Iterator[Any]:
    """An average that looks rows up."""
    kind, y = {
        "numbers": (MLPRegressor, NUMBER),
        "two classes": (MLPClassifier, np.where(NUMBER > 50, "high", "low")),
        "several classes": (MLPClassifier, np.digitize(NUMBER, [49, 51])),
    }[request.param]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(candidates, "CANDIDATES", (Candidate("fast", changed={"hidden_layer_sizes": (8,)}),))
        patched.setattr(candidates, "OF_FEW_ROWS", ())
        made = kind(preset="best", preprocess="auto", max_iter=10, random_state=0, dtype="float64").fit(
            TABLE, y
        )
    lookup = made.blend_.lookup
    assert lookup is not None and len(lookup) == len(TABLE)
    assert len(lookup.preprocessor.embedded_) == 1
    yield made


def answer(estimator: Any, X: pd.DataFrame) -> np.ndarray:
    return (
        estimator.predict(X)[:, None] if isinstance(estimator, MLPRegressor) else estimator.predict_proba(X)
    )


@pytest.mark.parametrize("rows", [TABLE, LATER], ids=["training", "later"])
def test_the_graph_answers_as_the_estimator(estimator: Any, rows: pd.DataFrame):
    graph = estimator.graph()
    found = graph.run(graph_inputs(estimator, rows))
    [numbers] = [found[name] for name in found if name != "label"]
    np.testing.assert_allclose(numbers, answer(estimator, rows), rtol=CLOSE, atol=CLOSE)
    if "label" in found:
        assert (np.array(graph.labels)[found["label"][:, 0]] == estimator.predict(rows)).all()
    result = result_of(estimator)
    each = np.stack(result.each(result.prepare(rows, np.asarray), "auto"))
    without = estimator.blend_.average(each, graph.task == "multiclass")
    assert np.abs(answer(estimator, rows)[:, -1] - without[:, -1]).max() > 0.1


@pytest.mark.parametrize(
    ("ending", "dtype"),
    [
        pytest.param(*ending.values, dtype, marks=[*ending.marks, *([pytest.mark.slow] * ((i + j) % 2))])
        for i, ending in enumerate(FORMATS)
        for j, dtype in enumerate(["float32", "float64"])
    ],
)
def test_files_answer_as_the_estimator(estimator: Any, ending: str, dtype: str, tmp_path: Path):
    rows = pd.concat([TABLE[:80], LATER])
    written = estimator.export(tmp_path / f"best{ending}", rows, dtype=dtype)
    assert written.rows == len(rows) and written.difference <= written.tolerance
    assert written.difference <= (1e-12 if dtype == "float64" else 1e-5)
    assert written.about.get("difference_without_libm", 0) <= written.tolerance
    assert sum("300 training rows" in each and "lookup=False" in each for each in written.left_out) == 1


@pytest.mark.parametrize("ending", [pytest.param(".html", marks=FORMATS[-1].marks), *WITH_SLOW_C])
def test_rows_are_drawn(estimator: Any, ending: str, tmp_path: Path):
    written = estimator.export(tmp_path / f"best{ending}")
    assert written.rows == 1000 and written.difference <= written.tolerance


def test_derivatives_and_bounds_go_through_the_lookup(estimator: Any):
    graph = estimator.graph()
    rows = {name: values[:40] for name, values in graph_inputs(estimator, TABLE).items()}
    rng = np.random.default_rng(0)
    rows["height"] = rows["height"] + 0.01 * rng.normal(size=40) * np.nanstd(
        rows["height"]
    )  # off the quantiles
    found, h = graph.jacobian(rows)["height"][:, :, 0], 3e-4 * np.nanstd(rows["height"])
    up, here, down = (
        graph.run(rows | {"height": rows["height"] + step})[OUTPUT[graph.task]] for step in (h, 0, -h)
    )
    smooth = (np.abs(up + down - 2 * here) <= 1e-2 * np.abs(up - down) + 1e-9).all(1)  # float32 in the lookup
    assert smooth.mean() > 0.5
    np.testing.assert_allclose(found[smooth], ((up - down) / (2 * h))[smooth], rtol=0.02, atol=1e-6)
    high = rows | {"height": rows["height"] + 3e3 * h}
    box = graph.bounds(rows, high)[OUTPUT[graph.task]]
    for share in rng.uniform(size=20):
        between = rows | {"height": rows["height"] + share * (high["height"] - rows["height"])}
        out = graph.run(between)[OUTPUT[graph.task]]
        assert (box.low <= out).all() and (out <= box.high).all()


OUTPUT = {"regression": "predictions", "binary": "probabilities", "multiclass": "probabilities"}


def test_eight_bits_are_of_networks_alone(estimator: Any):
    exact = simplified(estimator.graph(), by_column=False)
    made = in_int8(exact, calibrated(graph_inputs(estimator, TABLE), True)).graph
    [before], [after] = (
        [step.operation for step in graph.steps if isinstance(step.operation, SimilarRows)]
        for graph in (exact, made)
    )
    assert after is before


@pytest.mark.parametrize("ending", WITH_SLOW_C[:2])
def test_files_of_eight_bits_look_up(estimator: Any, ending: str, tmp_path: Path):
    """The networks' error is divided by how much a row has of its own, so it is far below what is looked up."""
    written = estimator.export(tmp_path / f"best{ending}", TABLE, dtype="int8")
    assert 0 < written.difference < 0.05


def test_an_estimator_without_it_says_nothing(tmp_path: Path):
    plain = MLPRegressor(hidden_layer_sizes=(4,), preprocess="auto", max_iter=2, random_state=0).fit(
        TABLE, NUMBER
    )
    assert not [each for each in plain.export(tmp_path / "plain.mjs").left_out if "lookup" in each]


# --- the operations --------------------------------------------------------------------------------------------------


def similar(rows: Any, codes: Any, a: Any, b: Any, known: Any, same: Any = ()) -> ComputationGraph:
    """A graph of one operation on a matrix."""
    m, build = len(known), GraphBuilder()
    operation = SimilarRows(
        constant(np.reshape(rows, (m, -1))),
        constant(np.reshape(codes, (m, -1))),
        *map(constant, (a, same, b, known)),
    )
    x = build.add(GraphInput("X", "numbers", len(a) + len(b)))
    return build.done({"predictions": build.add(operation, x)}, "regression")


BY_HAND = similar([[0, 0], [1, 2], [3, 0]], [[1], [1], [2]], [1, 0.5], [4], [[1, 10], [2, 20], [4, -5]])
X_BY_HAND = np.array([[0, 0, 1], [1, 2, 2], [1, 1, 0]], float)
FAR = similar([[1e4], [1e4 + 1 / 128]], np.zeros((2, 0)), [1e5], [], [[1.0], [3.0]])
X_FAR = np.array([[1e4], [1e4 + 1 / 128], [1e4 + 1 / 64]])
CODES = similar(np.zeros((3, 0)), [[1, 1], [1, 0], [0, 0]], [], [1, 2], [[1], [1], [1]])
X_CODES = np.array([[1, 1], [0, 1], [7, 7]], float)
NEXT = 1 + 2.0**-20
SAME = similar([[1, 5], [-NEXT, 5], [3, 7]], [[1], [1], [2]], [0, 0], [4], [[1], [10], [100]], [2, 0.5])
X_SAME = np.array([[NEXT, 5, 1], [-1, 7, 2], [1 + 2.0**-17, 5 + 2.0**-17, 2]], float)


def test_similar_rows_by_hand():
    d = np.array([[0, 3, 13], [7, 4, 6], [5.5, 4.5, 8.5]])
    expected = np.exp(-d) @ np.array([[1, 10], [2, 20], [4, -5]])
    np.testing.assert_allclose(BY_HAND.run(X_BY_HAND)["predictions"], expected, rtol=1e-14)


def test_equal_rows_far_from_0_are_equal():
    """1e5 (1e4)^2 has a unit of 2e-3 in float64, so that its squared sums would say nothing of these."""
    one = np.exp(-1e5 / 128**2)
    expected = np.array([[1 + 3 * one], [one + 3], [one**4 + 3 * one]])
    np.testing.assert_allclose(FAR.run(X_FAR)["predictions"], expected, rtol=1e-13)


def test_similar_rows_of_codes_alone_and_without_rows():
    expected = np.exp([[0.0, -2, -3], [-1, -3, -2], [-3, -3, -3]]).sum(1, keepdims=True)
    np.testing.assert_allclose(CODES.run(X_CODES)["predictions"], expected, rtol=1e-14)
    assert CODES.run(np.zeros((0, 2)))["predictions"].shape == (0, 1)


def test_numbers_that_are_the_same_but_for_rounding():
    """1e-6 is within 2e-6 (1 + |t|), on both sides; 8e-6 is not beside 1, and is beside 5."""
    d = np.array([[0, 2, 2 + 0.5 + 4], [2 + 0.5 + 4, 0.5 + 4, 2], [2 + 4, 2 + 4, 2 + 0.5]])
    np.testing.assert_allclose(SAME.run(X_SAME)["predictions"][:, 0], np.exp(-d) @ [1, 10, 100], rtol=1e-14)


def test_numbers_are_rounded_as_the_rows_are():
    third = float(np.float32(1 / 3))
    graph = similar([[third]], np.zeros((1, 0)), [1e20], [], [[1.0]])
    assert graph.run([[1 / 3]])["predictions"] == 1


GRAPHS = [(BY_HAND, X_BY_HAND), (FAR, X_FAR), (CODES, X_CODES), (SAME, X_SAME)]


@pytest.mark.parametrize("ending", WITH_SLOW_C)
@pytest.mark.parametrize(("graph", "X"), GRAPHS)
def test_similar_rows_in_files(graph: ComputationGraph, X: np.ndarray, ending: str, tmp_path: Path):
    for dtype in ("float32", "float64"):
        rows = RowsToCompare({"X": X}, True)
        written = export_graph(graph, tmp_path / f"similar{ending}", rows, dtype=dtype)
        assert written.rows == 3 and written.difference <= (1e-6 if dtype == "float32" else 1e-14)


@needs("onnx")
@needs("onnxruntime")
def test_a_file_of_onnx_takes_no_rows():
    from chainrule.export.as_onnx.file import answers, onnx_bytes

    content = onnx_bytes(CODES, "float64")
    assert answers(CODES, content, {"X": np.zeros((0, 2))}, "float64")["predictions"].shape == (0, 1)


@pytest.mark.parametrize("ending", FORMATS)
def test_ratio(ending: str, tmp_path: Path):
    build = GraphBuilder()
    x, y = build.add(GraphInput("x", "number")), build.add(GraphInput("y", "number"))
    graph = build.done({"predictions": build.add(Ratio(), x, y)}, "regression")
    given = {"x": np.array([1.0, -3.0]), "y": np.array([4.0, 0.5])}
    np.testing.assert_array_equal(graph.run(given)["predictions"], [[0.25], [-6.0]])
    assert export_graph(graph, tmp_path / f"ratio{ending}", RowsToCompare(given, True)).difference == 0
    with pytest.raises(ConfigError, match="ratio takes 2 values"):
        GraphBuilder().add(Ratio())
