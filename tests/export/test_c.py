"""Generated C answers as the graph does, compiles without a warning, and is tested by the program beside it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule import (
    ChainruleError,
    ConfigError,
    Dense,
    MLPClassifier,
    MLPRegressor,
    Model,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
)
from chainrule.estimators.graphs import graph_inputs
from chainrule.export import as_c
from chainrule.export.as_c.helpers import FUNCTIONS as IN_C
from chainrule.export.as_c.statements import WRITERS, Arena, identifier, number, quoted
from chainrule.export.formats import ExportedFiles, RowsToCompare
from chainrule.export.javascript import compare_module, module
from chainrule.graph.answers import AboveThreshold, GroupSoftmax, LargestColumn, SimilarRows, WeightedSum
from chainrule.graph.columns import (
    Bounded,
    CalendarPart,
    CellNumbers,
    FilledMissing,
    GraphInput,
    KeptRange,
    LevelCodes,
    MissingMarks,
    OneHot,
    RankShares,
    TableRows,
    WholeCodes,
)
from chainrule.graph.graph import ComputationGraph, GraphBuilder
from chainrule.graph.integers import IntegerOperation
from chainrule.graph.numbers import FUNCTIONS, Affine, Columnwise, Elementwise, JoinedColumns, SelectedColumns
from chainrule.graph.operation import GraphOperation, constant
from chainrule.presets import PRESETS
from exported import later, moved, table
from hostile_tables import hostile_table

CASES = int(os.environ.get("CHAINRULE_EXPORT_CASES", "6"))
TABLES = int(os.environ.get("CHAINRULE_EXPORT_TABLES", "4"))
QUICK: dict[str, Any] = {"hidden_layer_sizes": (6,), "max_iter": 3, "random_state": 0}
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.skipif(as_c.compiler() is None, reason="there is no C compiler"),
]


def write(graph: ComputationGraph, path: Path, rows: Any, dtype: str = "float32") -> ExportedFiles:
    return as_c.write(graph, path, RowsToCompare(rows, True), dtype=dtype)


@pytest.mark.parametrize("number", range(CASES))
def test_random_networks(number: int, tmp_path: Path):
    model, X = moved(number)
    for dtype in ("float32", "float64"):
        written = write(model.graph(), tmp_path / "net.c", {"X": X[:50]}, dtype=dtype)
        assert written.rows == len(X[:50]) and written.difference <= written.tolerance
        assert written.about.get("difference_without_libm", 0) <= written.tolerance


def test_every_operation_and_function_has_a_form():
    classes = {*GraphOperation.__subclasses__(), *IntegerOperation.__subclasses__()}
    assert classes - {GraphInput, IntegerOperation} == set(WRITERS)
    assert set(FUNCTIONS) - {"identity"} == set(IN_C)


def test_an_average_with_a_temperature(tmp_path: Path):
    """What a race adds to its networks: weights, and logarithms of bounded probabilities under a temperature."""
    build, width = GraphBuilder(), 3
    parts = [build.add(GraphInput(name, "number")) for name in "abc"]
    rows = build.add(GroupSoftmax(), build.add(JoinedColumns(), *parts))
    mean = build.add(WeightedSum((0.25, 0.75)), rows, build.add(SelectedColumns((2, 0, 1)), rows))
    ends = constant(np.full(width, 1e-300)), constant(np.full(width, np.inf))
    logs = build.add(Elementwise("log"), build.add(Bounded(*ends), mean))
    warm = build.add(
        Columnwise(constant(np.zeros(width)), constant(np.full(width, 0.8)), constant(np.zeros(width))), logs
    )
    answer = build.add(GroupSoftmax(), warm)
    outputs = {"probabilities": answer, "label": build.add(LargestColumn(), answer)}
    given = {name: np.random.default_rng(k).normal(size=30) * 300 for k, name in enumerate("abc")}
    written = write(build.done(outputs, "multiclass", "xyz"), tmp_path / "average.c", given, dtype="float64")
    assert written.difference <= 1e-13
    assert "the same label on 30" in (tmp_path / "average.h").read_text("utf-8")


def test_values_that_share_a_place_or_an_answer(tmp_path: Path):
    """A function in place of what it reads, unless that is read again; an input as an answer, a value as two."""
    build = GraphBuilder()
    x = build.add(GraphInput("x", "number"))
    read_again = build.add(Elementwise("tanh"), x)
    in_place = build.add(Elementwise("softplus"), build.add(Elementwise("exp"), read_again))
    total = build.add(WeightedSum((1.0, 1.0)), read_again, in_place)
    outputs = {"predictions": total, "again": total, "given": x}
    graph, given = build.done(outputs, "regression"), np.linspace(-2, 2, 9)
    written = write(graph, tmp_path / "places.c", {"x": given}, dtype="float64")
    assert written.rows == 9 and written.difference <= 1e-13
    assert written.about["scratch_bytes"] == 3 * 8  # x, tanh x, and the other


@pytest.mark.parametrize("inputs", [1, 3, 4, 5, 8])
def test_the_sums_of_a_dense_layer_by_whole_numbers(inputs: int, tmp_path: Path):
    """Exact in float32 in any order, with each number of inputs before the groups of four."""
    W = np.arange(inputs * 5.0).reshape(inputs, 5) - 7
    build = GraphBuilder()
    X = build.add(GraphInput("X", "numbers", inputs))
    answer = build.add(Affine(constant(W), constant(np.arange(5.0))), X)
    rows = {"X": np.arange(inputs * 6.0).reshape(6, inputs) - 9}
    written = write(build.done({"predictions": answer}, "regression"), tmp_path / "dense.c", rows)
    assert written.rows == 6 and written.difference == 0


def test_every_function_by_values_of_numpy(tmp_path: Path):
    x = np.r_[np.linspace(-9, 9, 73), -40.0, 40.0, 1e-9, 0.0][:, None]
    p = np.r_[1e-9, 1e-5, np.linspace(0.001, 0.999, 70), 1 - 1e-5][:, None]
    build = GraphBuilder()
    first, second = (build.add(GraphInput(name, "number")) for name in ("x", "p"))
    outputs = {}
    for name in FUNCTIONS:
        if name == "identity":
            continue
        own = {"leaky_relu": (("slope", 0.02),), "elu": (("alpha", 1.5),)}.get(name, ())
        outputs[name] = build.add(
            Elementwise(name, own), second if name in ("log", "normal_quantile") else first
        )
    graph = build.done(outputs, "regression")
    n = min(len(x), len(p))
    written = write(graph, tmp_path / "functions.c", {"x": x[-n:, 0], "p": p[:n, 0]}, dtype="float64")
    assert written.rows == n and written.difference <= 1e-13
    assert written.about["difference_without_libm"] <= 1e-13


def every_preparation() -> tuple[ComputationGraph, dict[str, np.ndarray]]:
    """A graph of all operations that prepare columns, and rows at the edges of each.

    They are texts that are known, others and missing ones; the first and the last second of years, and the middle of
    the day that a leap year adds, of both eras; numbers at, between and beyond quantiles with ties, and at the ends of
    ranges and cells.
    """
    build, levels = GraphBuilder(), ("b", "a", "ab", "ä")
    parts = ("days", "year", "year_turn", "leap_day", "weekday_turn", "day_turn")
    text, when, x = (
        build.add(GraphInput(name, holds))
        for name, holds in (("text", "category"), ("when", "date"), ("x", "number"))
    )
    code, whole = build.add(LevelCodes(levels), text), build.add(WholeCodes(4), x)
    pair = build.add(JoinedColumns(), x, x)
    low, high = np.array([-2.0, 0.0]), np.array([3.0, 2.5])
    made = [
        build.add(TableRows(np.array([[1.0, -1], [2, 0.5], [3, 7], [4, -8], [5, 9], [6, 11]])), code),
        build.add(OneHot(6, 0.5), code),
        build.add(OneHot(3), whole),
        *(build.add(CalendarPart(part, 86400.0 * 1000), when) for part in parts),
        build.add(KeptRange(low, high, (1.5, -1.0)), pair),
        build.add(Bounded(low, high), pair),
        build.add(MissingMarks(), pair),
        build.add(FilledMissing(np.array([4.0, -5.0])), pair),
        build.add(RankShares(np.array([[-2.0, -2, 0, 0, 0, 1, 3, 3], [0, 1, 1, 2, 2.5, 2.5, 2.5, 9]])), pair),
        build.add(CellNumbers(np.array([-2.0, 0.5, 3.0])), x),
    ]
    filled = build.add(FilledMissing(np.array([4.0, -5.0])), pair)
    made.append(build.add(OneHot(2), build.add(LargestColumn(), filled)))  # the first of equal ones
    alike = SimilarRows(
        *(np.array(each) for each in ([[-1000.0, 1], [1000, 2.5], [2, -1000]], [[0.0], [3], [5]])),
        *(np.array(each) for each in ([1e-6, 1e-7], [3.0, 0.5], [0.25], [[1.0, 2], [4, 8], [16, 32]])),
    )
    made.append(
        build.add(
            alike, build.add(JoinedColumns(), filled, build.add(TableRows(np.arange(6.0)[:, None]), code))
        )
    )
    made += [build.add(OneHot(2), build.add(AboveThreshold(2.5, at_it), x)) for at_it in (True, False)]
    known = build.add(FilledMissing(np.full(36, -99.0)), build.add(JoinedColumns(), *made))
    years = np.array([century + k for century in range(-900, 2500, 100) for k in (-1, 0, 1, 4, 50)])
    begun = (years - 1970).astype("M8[Y]").astype("M8[s]").astype(np.float64)
    dates = np.concatenate([begun, begun - 1, begun + 86400.0 * 59.5, [np.nan]])
    n = len(dates)
    numbers = np.array([-2.0, -2.1, -1, 0, 0.25, 0.5, 1, 1.5, 2, 2.5, 3, 4, 9, 10, np.nan])
    near = np.array(
        [1000, 1000.001, 1000.00199, 1000.01, 999.99]
    )  # of which the first two are the same in float32
    numbers = np.r_[numbers, near, -near]
    texts = np.array([*levels, None, "other", "aa", "ü", "c"], object)
    rows = {"text": np.resize(texts, n), "when": dates, "x": np.resize(numbers, n)}
    return build.done({"predictions": known}, "regression"), rows


def test_every_preparation_at_its_edges(tmp_path: Path):
    """Known, other and missing texts, years before the year 0, ties of quantiles, ends of ranges."""
    graph, rows = every_preparation()
    written = write(graph, tmp_path / "prepared.c", rows, dtype="float64")
    assert written.rows == len(rows["x"]) and written.difference <= 1e-13
    assert written.about["difference_without_libm"] <= 1e-13


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node.js")
def test_every_preparation_at_its_edges_also_in_a_module_of_javascript():
    graph, rows = every_preparation()
    found = compare_module(graph, module(graph), rows)
    assert found.rows == len(rows["x"]) and found.difference <= 1e-13


@pytest.mark.parametrize(
    "kind", ["classes", *(pytest.param(p, marks=pytest.mark.slow) for p in sorted(PRESETS))]
)
def test_estimators(kind: str, tmp_path: Path):
    X, y = table(120)
    if kind == "classes":
        made = MLPClassifier(**QUICK, preprocess="auto", n_members=2).fit(
            X, np.where(y > 4, 'a "b" \\ */', "low")
        )
        made.set_threshold(threshold=0.4)
    else:
        own = QUICK if kind != "additive" else {"max_iter": 3, "random_state": 0}
        made = MLPRegressor(**own, preset=kind, preprocess="auto").fit(X, y)
    graph, rows = made.graph(), graph_inputs(made, later(X))
    for dtype in ("float32", "float64"):
        written = write(graph, tmp_path / "people.c", rows, dtype=dtype)
        assert written.rows == 20 and written.difference <= written.tolerance
        assert written.about["difference_without_libm"] <= written.tolerance
    header = (tmp_path / "people.h").read_text("utf-8")
    if "label" in graph.outputs:
        assert "the same label on 20" in header


@pytest.mark.slow
def test_the_program_beside_it_under_sanitizers(tmp_path: Path):
    X, y = table(100)
    made = MLPClassifier(**QUICK, preprocess="auto").fit(X, np.digitize(y, [3, 5]))
    write(made.graph(), tmp_path / "My table.c", graph_inputs(made, later(X)))
    cc = shutil.which("gcc") or as_c.compiler()
    flags = [*as_c.STRICT, "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    sources = ["my_table.c", "my_table_test.c"]
    built = subprocess.run([cc, *flags, *sources, "-lm"], cwd=tmp_path, capture_output=True, text=True)
    if "cannot find" in built.stderr:
        pytest.skip("the sanitizers' libraries are missing")
    assert built.returncode == 0, built.stderr
    done = subprocess.run(["./a.out"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and re.fullmatch(
        r"8 rows, the largest difference \S+: as expected\n", done.stdout
    )
    source = (tmp_path / "my_table.c").read_text("utf-8")
    (tmp_path / "my_table.c").write_text(
        re.sub(r"(k\d+\[\d+\] = \{\n    )-?[\d.e-]+f", r"\g<1>1e6f", source), "utf-8"
    )
    subprocess.run([cc, "-std=c99", *sources, "-lm"], cwd=tmp_path, check=True)
    assert subprocess.run(["./a.out"], cwd=tmp_path, capture_output=True).returncode == 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(TABLES))
def test_hostile_tables(seed: int, tmp_path: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        case = hostile_table(seed)
        y = case.y if any(isinstance(each, str) for each in case.y) else [bool(each > 0) for each in case.y]
        try:
            made = MLPClassifier(**QUICK, preprocess="auto", preset="fast").fit(case.X, y)
            rows = graph_inputs(made, case.later)
        except ChainruleError:
            return  # a table that no estimator takes
    for dtype in ("float32", "float64"):
        written = write(made.graph(), tmp_path / "hostile.c", rows, dtype=dtype)
        assert written.difference <= written.tolerance, case.name
        assert written.about.get("difference_without_libm", 0) <= written.tolerance, case.name


def test_small_parts_by_hand():
    arena = Arena()
    assert [arena.take(3), arena.take(2)] == [0, 3]
    arena.give_back(0)
    assert [arena.take(2), arena.take(4), arena.take(1)] == [0, 5, 2] and arena.size == 9
    taken: set[str] = set()
    assert [identifier(text, taken) for text in ("Größe [m]", "größe m", "for", "2nd", "")] == [
        *("gr_e_m", "gr_e_m_2", "x_for", "x_2nd", "x")
    ]
    assert quoted('ä"?\n') == '"\\303\\244\\042\\077\\012"'
    assert [number(0.1, "float"), number(0.1, "double"), number(1.0, "float"), number(-np.inf, "double")] == [
        *("0.1f", "0.1", "1.0f", "-(double)INFINITY")
    ]


def test_what_is_refused(tmp_path: Path):
    model = Model(Network(3, [Dense(4), ReLU(), Dense(2)], SoftmaxCrossEntropy()))
    with pytest.raises(ConfigError, match="dtype must be 'float32', 'float64' or 'int8'"):
        write(model.graph(), tmp_path / "net.c", {}, dtype="int4")
    model = Model(model.network, dtype="float64")
    model.theta[0] = 1e300
    with pytest.raises(ConfigError, match="beyond float32; export with dtype='float64'"):
        write(model.graph(), tmp_path / "net.c", {})
    assert not list(tmp_path.iterdir())
