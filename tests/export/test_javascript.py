"""A module of JavaScript answers as the graph does: every operation, networks, hostile tables, cells of any kind."""

from __future__ import annotations

import datetime
import os
import re
import shutil
import subprocess
import warnings
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import node
from chainrule import ChainruleError, ConfigError, DataError, MLPClassifier, MLPRegressor
from chainrule.datasets import numerals
from chainrule.errors import TableWarning
from chainrule.estimators.graphs import graph_inputs
from chainrule.export.javascript import PARTS, compare_module, module
from chainrule.graph.columns import GraphInput
from chainrule.graph.graph import ComputationGraph, GraphBuilder
from chainrule.graph.integers import IntegerOperation
from chainrule.graph.numbers import FUNCTIONS, Elementwise
from chainrule.graph.operation import GraphOperation
from chainrule.presets import PRESETS
from chainrule.tables import calendar, kinds
from chainrule.tables.column import plain
from chainrule.tables.column import texts as written_cell
from chainrule.tables.learned import LearnedColumn
from exported import difference, later, moved, table
from hostile_tables import hostile_table

CASES = int(os.environ.get("CHAINRULE_EXPORT_CASES", "24"))
TABLES = int(os.environ.get("CHAINRULE_EXPORT_TABLES", "12"))
CLOSE = 1e-12
QUICK: dict[str, Any] = {"hidden_layer_sizes": (6,), "max_iter": 3, "random_state": 0, "dtype": "float64"}
FORMULAS = Path(str(files("chainrule.export.javascript")))
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ANSWERS = """
const date = (cell) => (cell !== null && typeof cell === 'object' ? new Date(cell.date * 1000) : cell);
const answers = [];
for (const [path, rows] of given) {
  const { predict } = await import(path);
  answers.push(rows.map((row) => predict(Array.isArray(row) ? row
    : Object.fromEntries(Object.entries(row).map(([name, cell]) => [name, date(cell)])))));
}
say(answers);
"""


def answers(folder: Path, cases: list[tuple[ComputationGraph, list[Any]]]) -> list[list[Any]]:
    """What the modules of graphs answer to rows, in one process."""
    given = []
    for k, (graph, rows) in enumerate(cases):
        (folder / f"graph{k}.mjs").write_text(module(graph), "utf-8")
        given.append([f"./graph{k}.mjs", rows])
    return node.run(folder, ANSWERS, given)


def numbers_of(answer: list[Any]) -> np.ndarray:
    rows = [each["probabilities"] if isinstance(each, dict) else each for each in answer]
    return np.array(rows, np.float64).reshape(len(rows), -1)


def rows_of(inputs: dict[str, np.ndarray], graph: ComputationGraph) -> list[dict[str, Any]]:
    """The inputs of a graph as rows of cells: None for missing, dates to the millisecond."""
    holds = {each.label: each.holds for each in graph.inputs}

    def cell(name: str, value: Any) -> Any:
        if value is None or value != value:
            return None
        if holds[name] == "date":
            return {"date": float(value)}
        return value if isinstance(value, str) else float(value)

    n = len(next(iter(inputs.values())))
    return [{name: cell(name, values[i]) for name, values in inputs.items()} for i in range(n)]


def whole_milliseconds(inputs: dict[str, np.ndarray], graph: ComputationGraph) -> dict[str, np.ndarray]:
    dates = {each.label for each in graph.inputs if each.holds == "date"}
    return {
        name: np.trunc(values * 1000) / 1000 if name in dates else values for name, values in inputs.items()
    }


def test_random_networks(tmp_path: Path):
    cases, expected = [], []
    for number in range(CASES):
        model, X = moved(number)
        graph = model.graph()
        found = graph.run(X)["predictions" if model.task == "regression" else "probabilities"]
        if not np.isfinite(found).all() or not np.isfinite(X).all():
            continue
        cases.append((graph, X[:20].tolist()))
        expected.append(found[:20])
    assert len(cases) > CASES / 2
    for answer, numbers in zip(answers(tmp_path, cases), expected, strict=True):
        assert difference(numbers_of(answer), numbers) <= CLOSE


def fitted() -> list[tuple[Any, Any]]:
    """Estimators of every preset and kind of answer, and later rows."""
    X, y = table(120)
    made: list[Any] = []
    for kind, preset in zip([MLPClassifier, MLPRegressor] * len(PRESETS), sorted(PRESETS), strict=False):
        own = QUICK | {"preset": preset, "preprocess": "auto"}
        if preset == "additive":
            own.pop("hidden_layer_sizes")
        made.append(kind(**own).fit(X, y if kind is MLPRegressor else np.digitize(y, [3, 5])))
    made.append(
        MLPRegressor(**QUICK, preprocess="auto", loss="quantile", quantiles=(0.9, 0.1, 0.5)).fit(X, y)
    )
    two = MLPClassifier(**QUICK, preprocess="auto", n_members=2).fit(X, np.where(y > 4, "</script>", "low"))
    made.append(two.set_threshold(threshold=0.4))
    race = MLPClassifier(preset="best", preprocess="auto", time_limit=1, random_state=0, max_iter=5)
    made.append(race.fit(X, y > 4))
    return [(each, later(X)) for each in made]


@pytest.mark.slow
def test_estimators_and_hostile_tables(tmp_path: Path):
    found = fitted()
    for seed in range(TABLES):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            case = hostile_table(seed)
            is_text = any(isinstance(each, str) for each in case.y)
            y = case.y if is_text else [bool(each > 0) for each in case.y]
            try:
                estimator = MLPClassifier(**QUICK, preprocess="auto", preset="fast").fit(case.X, y)
                estimator.predict(case.later)
            except ChainruleError:
                continue  # a table that no estimator takes
        found.append((estimator, case.later))
    cases, expected = [], []
    for estimator, rows in found:
        graph = estimator.graph()
        inputs = whole_milliseconds(dict(graph_inputs(estimator, rows)), graph)
        cases.append((graph, rows_of(inputs, graph)))
        expected.append(graph.run(inputs))
    for (graph, _), answer, values in zip(cases, answers(tmp_path, cases), expected, strict=True):
        first = values["predictions"] if graph.task == "regression" else values["probabilities"]
        assert difference(numbers_of(answer), first) <= CLOSE
        if graph.task in ("binary", "multiclass"):
            assert [each["label"] for each in answer] == [graph.labels[k] for k in values["label"][:, 0]]


def test_raw_rows_answer_as_the_estimator_does(tmp_path: Path):
    X, y = table(150)
    estimator = MLPRegressor(**QUICK, preprocess="auto", preset="fast").fit(X, y)
    rows = later(X)[[*X.columns]]

    def cell(name: str, value: Any) -> Any:
        if value is None or value != value or value in (np.inf, -np.inf):
            return None
        if name == "seen":
            return {"date": value.timestamp()}
        if name == "wait":
            return value.total_seconds()
        return value.item() if isinstance(value, np.generic) else value

    raw = [{name: cell(name, value) for name, value in row.items()} for row in rows.to_dict("records")]
    (answer,) = answers(tmp_path, [(estimator.graph(), raw)])
    assert difference(numbers_of(answer), estimator.predict(rows)) <= CLOSE


def test_the_lines_that_use_it(tmp_path: Path):
    """A typical row: medians, the most frequent known texts, a date as one writes it."""
    X = {
        "n": np.array([3.0, 1.0, np.nan, 2.0, 90.5] * 8),
        "day": np.array(["2020-01-01", "2020-01-03", "2020-01-09", "NaT", "2021-01-01"] * 8, "datetime64[s]"),
        "town": np.array(["Wien", "Graz", None, "Graz", "Linz"] * 8, object),
        "is_new": np.array([True, False, True, True, False] * 8),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = MLPRegressor(hidden_layer_sizes=(2,), preprocess="auto", max_iter=1, random_state=0).fit(
            X, np.arange(40.0)
        )
    usage = made.export(tmp_path / "net.mjs", X).usage
    row = '{ "n": 3, "day": new Date("2020-01-09T00:00:00Z"), "town": "Graz", "is_new": true }'
    assert usage.splitlines()[1] == f"console.log(predict({row}));"
    if shutil.which("node"):
        (tmp_path / "use.mjs").write_text(usage, "utf-8")
        done = subprocess.run(["node", "use.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True)
        one = {
            "n": [3.0],
            "day": np.array(["2020-01-09"], "datetime64[s]"),
            "town": ["Graz"],
            "is_new": [True],
        }
        assert float(done.stdout) == pytest.approx(float(made.predict(one)[0]), rel=1e-5)


def test_texts_are_read_as_in_python(tmp_path: Path):
    """Every spelling of a number, a date or a category; "no" where Python refuses it."""
    blanks = [chr(code) for code in range(0x3100) if chr(code).isspace()] + ["\ufeff", "\u200b"]
    numbers = [
        *("12", "-1.5e3", "1,234.50", "12 %", "$5", "5 €", " 7 ", "3,14", "1.234,50"),
        *("0,875", "0.875", "1,23E+05", "1.5e-3", ",5", "5,", ".5", "1,234", "1.234", "1.234.567", "1,5,5"),
        *("NA", "?", "inf", "x", "1-2", "007", "—", "#DIV/0!", "N.A.", "<NA>"),
        *(
            "1 234.5",
            "1 234,50",
            "1'234'567",
            "1’234.5",
            "1\u202f234,5",
            "1\xa0234 €",
            "−2.5",
            "－６．２６％",
            "１２３",
        ),
        *(
            "(2.68)",
            "(1,234.50)",
            "$(12)",
            "($ 1,234)",
            "-$5",
            "（１２）",
            "(5%)",
            "5 (2)",
            "(-5)",
            "()",
            "(a)",
        ),
        *("(1,2)", "(3,4567)", "(2,50)", "(1.234,50)", "(1 234,5)", "(2.5)", "(1,234)", "( 3 ) €", "(.5)"),
        *(
            "1e(5)",
            "(1)e5",
            "(1e5)",
            "(1e-5)",
            "(555) 123 456",
            "(1) (2)",
            "(inf)",
            "-(5)",
            "($-5)",
            "００７",
            "(02)",
        ),
        *(f"{start}{blank}5" for start in ("$", "-$") for blank in blanks),
        *(f"(${blank}5{blank}%){blank}€" for blank in blanks),
        *("012 345", "12 34", "1 2345", "1 234'567", "3²", "1 234 5"),
        *("1,234,567.5", "1.234.567,5", "1e1000", "1e-1000", "INF", "-Infinity", "infinite"),
        *(
            "1e5",
            "1e1000000000",
            "-1e-1000000000",
            "1,5e1000000000",
            "1,5e3",
            "1,5E-3",
            ",5",
            "5,",
            "-,5e1",
            ",",
            "0,123",
            "0.123",
            "0,123.4",
            "012,345",
            "1,2e",
        ),
        *(word.upper() for word in sorted(numerals.MISSING)),
    ]
    dates = {
        "iso": [
            *(
                "2024-02-29",
                *(
                    f"2024-12-31T23:59:59{zone}"
                    for zone in ("+99:99", "+23:59", "-23:60", "+24:00", "+05:99")
                ),
                "2023-02-29",
                "0000-01-01",
                "2021-03-04T05:06:07.1234567Z",
                "1850-12-31",
                "24:00",
            ),
            *("2021-03-04 05:06 +01:30", "2021-03-04T25:06"),
        ],
        "ymd": [
            *(
                "2025/3/19 上午 8:25:37",
                "2025/3/19 下午12:00",
                "2025/3/19 上午 13:00",
                "民國 113/1/5",
                "民國1-1-1",
            ),
            *("2024/12/31", "2024.2.3 11:59 PM", "24/1/2", "2024年1月5日", "2024 年 12 月 31 號 23:59"),
            *(
                "民國99年3月1日",
                "113年2月29日",
                "113/02/29",
                "113.02.29",
                "99年3月1日",
                "2024年13月1日",
                "213/1/1",
                *(
                    "120/10/5",
                    "120/10/05",
                    "121/12/10",
                    "150/12/10",
                    "100/01/01 8:00",
                    "113/12/310",
                    "099/12/31",
                ),
            ),
        ],
        "dmy": [
            "19.03.2025 下午 12:05",
            "31.12.2024",
            "1.2.69",
            "01.02.69",
            "31/12/24 13:00",
            "31-12-24 13:00 pm",
        ],
        "mdy": ["12/31/2024", "13/1/2024", "2/30/2024"],
        "my": ["Dec 2024", "Sept. 1999", "Foo 1999"],
        "ym": ["2024-12", "2024/13", "2024年3月", "民國 112 年 3 月", "24年3月"],
        "dby": ["31-Dec-2024", "1 January 68", "3 mar 2020 12:30:01 a.m."],
        "bdy": ["Dec 31, 2024", "december 1 1999"],
        "time": [
            "23:59",
            "11:59 PM",
            "0:00 pm",
            "7:61",
            "上午 12:01",
            "下午12:01:02",
            "7:01 下午",
            "PM 7:01 PM",
        ],
        "minguo": [
            *("57/04/01", "57/4/1 上午 8:25:37", "099/12/31", "139/01/01", "140/01/01", "00/1/1", "005/1/1"),
            *("民國71年3月2日", "民國 113/1/5", "2024/1/5", "57/13/01", "57.04.01", "57/04/010", "0/1/1"),
        ],
    }
    values = [3.0, -0.0, 0.1, 1e-7, 1.5e-5, 2.5e16, 1e15, 1e300, 0.0001, 123456.789]

    texts = [*(f"{blank}a{blank}" for blank in blanks), "\ufeffx", "\x1f", "x\x85"]

    def read(make: Any, text: str) -> object:
        try:
            value = float(make(text.strip()))
        except (ValueError, OverflowError):
            return "no"
        return value if np.isfinite(value) else None

    def number(text: str, sign: str) -> float:
        learned = LearnedColumn("a", "number", "text_numbers", "scaled", 0.0, reads=sign)
        return float(kinds.values(written_cell("a", [text]), learned)[0])

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "column 'a' has decimal")  # where only the other sign is possible
        expected = [
            [read(lambda text, sign=sign: number(text, sign), text) for text in numbers] for sign in ".,"
        ]
    expected += [
        [read(lambda text, order=order: calendar.read_dates([text], order)[0], text) for text in texts]
        for order, texts in dates.items()
    ]
    for name in PARTS:
        (tmp_path / name).write_text((FORMULAS / name).read_text("utf-8"), "utf-8")
    (tmp_path / "package.json").write_text('{"type": "module"}', "utf-8")
    script = """
import { cell } from './reading.js';
const read = (holds, reads) => (raw) => {
  try {
    const value = cell({ label: 'a', holds, reads }, raw);
    return value === null || typeof value === 'string' ? value : Number.isFinite(value[0]) ? value[0] : null;
  } catch { return 'no'; }
};
say([['.', ','].map((sign) => given.numbers.map(read('number', sign))),
  Object.entries(given.dates).map(([order, texts]) => texts.map(read('date', order))),
  given.values.map(read('category', '')), given.texts.map(read('category', '')),
  [true, 'Yes', '0', 1, 'na', 'maybe', 2, '1.0', '0.0', 'T', 'n'].map(read('boolean', ''))]);
"""
    found = node.run(tmp_path, script, {"numbers": numbers, "dates": dates, "values": values, "texts": texts})
    assert [*found[0], *found[1]] == expected
    assert found[2] == [plain(value) for value in values]
    assert found[3] == [text.strip() or None for text in texts]
    assert found[4] == ["True", "True", "False", "True", None, "no", "no", "True", "False", "True", "False"]


def test_texts_among_dates_and_numbers_are_read_as_in_a_table(tmp_path: Path):
    """By a table of one row, by a bound estimator and by a module: the same answer, or a refusal by all."""
    days = [datetime.datetime(2020, 1, 1) + datetime.timedelta(days=7 * k) for k in range(30)]
    table = {"day": days, "x": [*range(30)], "worded": [*map(str, range(28)), "unknown", "true"]}
    estimator = MLPRegressor(**QUICK, preprocess="auto")
    with pytest.warns(TableWarning, match="'worded' has numbers, and text in 2 of 30 rows"):
        estimator.fit(table, np.arange(30.0))
    dates = [
        "31.12.2020",
        "31.12.20",
        "12/31/2020",
        "13-2-2020 7:05 pm",
        "1.1.2020",
        "1/2/2020",
        "2020-02-03",
    ]
    dates += ["Feb 2020", "2020/2/3", "31.31.2020", "57/04/01", "true"]
    cells = [("day", text) for text in dates]
    words = ["true", "FALSE", "True", "yes", "constructor", "5"]
    cells += [(name, text) for name in ("x", "worded") for text in words]
    start = {"day": "2020-06-01", "x": 3, "worded": "4"}
    rows = [start | {name: text} for name, text in cells]
    (tmp_path / "model.mjs").write_text(module(estimator.graph()), "utf-8")
    script = """
import { predict } from './model.mjs';
say(given.map((row) => { try { return predict(row); } catch { return null; } }));
"""
    bound = estimator.bind()
    for row, (name, text), found in zip(rows, cells, node.run(tmp_path, script, rows), strict=True):
        try:
            expected = float(estimator.predict({name: [cell] for name, cell in row.items()})[0])
        except DataError as error:
            assert found is None, (name, text)
            with pytest.raises(DataError, match=re.escape(str(error))):
                bound.predict(row)
            continue
        assert found == pytest.approx(expected, abs=CLOSE), (name, text)
        assert bound.predict(row) == pytest.approx(expected, abs=CLOSE), (name, text)
    first, *others = (estimator.predict([start | {"worded": text}])[0] for text in ("true", "unknown", "yes"))
    assert others == [first, first], "a word among numbers is missing, whatever it says"


def test_rows_that_a_module_refuses(tmp_path: Path):
    X, y = table(60)
    estimator = MLPClassifier(**QUICK, preprocess="auto").fit(X, y > 4)
    model, _ = moved(0)
    (tmp_path / "table.mjs").write_text(module(estimator.graph()), "utf-8")
    (tmp_path / "matrix.mjs").write_text(module(model.graph()), "utf-8")
    script = """
import { inputs, predict } from './table.mjs';
import { predict as ofMatrix } from './matrix.mjs';
const said = (make) => { try { return make(); } catch (error) { return error.message; } };
const row = Object.fromEntries(inputs.map(({ label }) => [label, null]));
say([said(() => predict({ ...row, age: 'old' })), said(() => predict({ age: 1 })), said(() => predict({})),
  said(() => predict([1])), said(() => ofMatrix([1, 2])), said(() => predict(row)).label]);
"""
    text, column, none, few, matrix, empty = node.run(tmp_path, script)
    assert text.startswith("column 'age' has the text 'old', and had numbers in training; convert it")
    assert column.startswith("the row has no column 'income'; give it, or null")
    assert none.startswith("a row has the columns age, income, ") and few == none
    assert matrix.startswith("the row has 2 numbers, and the network reads")
    assert empty in (True, False)


def test_every_operation_and_function_is_there(tmp_path: Path):
    """Each class of operations has its function, and each function of `Elementwise` NumPy's values."""
    written = (FORMULAS / "operations.js").read_text("utf-8")
    listed = written[written.index("export const operations") :]
    names = set(re.findall(r"^  (\w+)(?:: \(|\()", listed, re.MULTILINE))
    classes: list[type[GraphOperation]] = GraphOperation.__subclasses__()
    assert {each.name for each in classes if each not in (GraphInput, IntegerOperation)} == names
    x = np.r_[np.linspace(-9, 9, 73), -40.0, 40.0, 1e-9, 0.0]
    p = np.r_[1e-9, 1e-5, np.linspace(0.001, 0.999, 70), 1 - 1e-5]
    cases, expected = [], []
    for name in FUNCTIONS:
        values = p if name in ("log", "normal_quantile") else x
        build = GraphBuilder()
        constants = {"leaky_relu": (("slope", 0.02),), "elu": (("alpha", 1.5),)}.get(name, ())
        inputs = build.add(GraphInput("X", "numbers", 1))
        graph = build.done({"predictions": build.add(Elementwise(name, constants), inputs)}, "regression")
        cases.append((graph, values[:, None].tolist()))
        expected.append(graph.run(values[:, None])["predictions"])
    for name, answer, values in zip(FUNCTIONS, answers(tmp_path, cases), expected, strict=True):
        assert difference(numbers_of(answer), values) <= 1e-13, name


def test_names_of_the_files_do_not_clash():
    """The files are joined into one scope."""
    names: list[str] = []
    for name in PARTS:
        text = (FORMULAS / name).read_text("utf-8")
        names += re.findall(r"^(?:export )?(?:function|const) (\w+)", text, re.MULTILINE)
        names += re.findall(r"^const [^\n=]+=[^\n]+?, ([A-Z]+) = ", text, re.MULTILINE)
    assert len(names) == len(set(names))


def test_float32_networks_are_written_in_float32():
    X, y = table(60)
    estimator = MLPRegressor(**(QUICK | {"dtype": "float32"})).fit(X[["income"]].to_numpy(), y)
    assert "array(4, " in module(estimator.graph())


@pytest.mark.skipif(
    shutil.which("node") is None, reason="what is exported is compared by the machine's Node.js"
)
@pytest.mark.parametrize("wrong", ["NaN", "Infinity", "1.000001 * number"])
def test_a_module_that_answers_other_numbers_is_refused(wrong: str):
    X, y = table(60)
    graph = MLPRegressor(**QUICK).fit(X[["income"]].to_numpy(), y).graph()
    rows, text = {"X": X[["income"]].to_numpy()[:5]}, module(graph)
    assert compare_module(graph, text, rows).rows == 5
    broken = text.replace("of('predictions')[0]", f"((number) => {wrong})(of('predictions')[0])")
    assert broken != text
    with pytest.raises(ConfigError, match="answers differ from the model's by"):
        compare_module(graph, broken, rows)
