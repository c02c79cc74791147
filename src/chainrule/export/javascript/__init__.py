"""Write a graph as one ES module: the operations in JavaScript, its steps, and its numbers as base64.

    import { predict } from './churn.js';
    predict({ age: 41, city: 'Graz' });    // { label: 'old', probabilities: [0.93, 0.07] }

`model.export("churn.js")` writes it, and compares it with the graph by Node.js where the machine has that. The module
computes in float64. Arrays whose numbers all are float32 are stored as such, which loses nothing.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.files import write_whole
from chainrule.errors import ConfigError
from chainrule.export.comparing import (
    TOLERANCES,
    AnswersCompared,
    compared,
    read_by_the_caller,
    rows_to_compare,
    typical_row,
)
from chainrule.export.formats import ExportedFiles, RowsToCompare
from chainrule.graph.columns import GraphInput
from chainrule.graph.graph import ComputationGraph, to_json
from chainrule.graph.operation import NUMBERS
from chainrule.graph.step import GraphStep

PARTS = ("activations.js", "operations.js", "reading.js", "predict.js")
"""The files of a module, in the order in which they need each other."""
_IMPORT = re.compile(r"^import \{ .+ \} from '\./.+';\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:function|const) )", re.MULTILINE)


_ASK = """
import { readFileSync } from 'node:fs';
import { predict } from './exported.mjs';
const cell = (value) => (value !== null && typeof value === 'object' ? new Date(value.date * 1000) : value);
const row = (given) => (Array.isArray(given) ? given
  : Object.fromEntries(Object.entries(given).map(([name, value]) => [name, cell(value)])));
const said = (value) => (value.probabilities ?? [value].flat()).map(String);
const rows = JSON.parse(readFileSync(new URL('./rows.json', import.meta.url), 'utf8'));
console.log(JSON.stringify(rows.map((given) => said(predict(row(given))))));
"""


def write(
    graph: ComputationGraph, path: Path, rows: RowsToCompare, *, dtype: str = "float64", label: bool = True
) -> ExportedFiles:
    """Write a graph as an ES module.

    rows: inputs, of which up to a thousand rows are compared where the machine has Node.js.
    dtype, label: of no effect, since the module computes in float64 and always answers with the label.
    Raises ConfigError if the answers differ by more than 1e-12.
    """
    text = module(graph)
    found = compare_module(graph, text, rows.inputs)
    usage = (
        f"import {{ inputs, labels, predict }} from './{path.name}';\n"
        f"console.log(predict({_example(graph, rows.inputs)}));"
    )
    return written(graph, path, text, found, "javascript", usage)


def written(
    graph: ComputationGraph, path: Path, text: str, found: AnswersCompared, kind: str, usage: str
) -> ExportedFiles:
    """Write a text with a module in it, and return what is said of it.  kind: the name of the format."""
    content = text.encode()
    write_whole(path, content)
    return ExportedFiles(
        files=(path,),
        bytes=len(content),
        rows=found.rows,
        difference=found.difference,
        tolerance=found.tolerance,
        left_out=tuple(left_out(graph, found)),
        usage=usage,
        about={"format": kind, "dtype": "float64"},
    )


def left_out(graph: ComputationGraph, found: AnswersCompared) -> list[str]:
    """Return sentences on what a module lacks."""
    said = read_by_the_caller(graph, dates=False)
    if any(each.holds == "category" for each in graph.inputs):
        said.append("A text of more than 256 characters counts as an unknown one.")
    if not found.rows:
        said.append("Nothing was compared: there is no Node.js here, or no rows were given.")
    return said


def compare_module(graph: ComputationGraph, text: str, rows: Mapping[str, Any]) -> AnswersCompared:
    """Run a module by Node.js on the first rows; 0 rows without it. Raises ConfigError for answers too far away."""
    node = shutil.which("node")
    if node is None or not rows:
        return AnswersCompared(0, 0.0, TOLERANCES["float64"])
    given = rows_to_compare(graph, rows, "float64")
    for each in graph.inputs:  # a Date has milliseconds
        if each.holds == "date":
            given[each.label] = np.trunc(np.asarray(given[each.label], np.float64) * 1000) / 1000
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        (at / "exported.mjs").write_text(text, "utf-8")
        (at / "ask.mjs").write_text(_ASK, "utf-8")
        (at / "rows.json").write_text(json.dumps(_rows(graph, given)), "utf-8")
        done = subprocess.run([node, "ask.mjs"], cwd=at, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(
            f"Node.js refuses the module: {done.stderr.strip()[-300:]}; report it with the model's file."
        )
    name = "predictions" if graph.task == "regression" else "probabilities"
    answers = np.array([[float(number) for number in row] for row in json.loads(done.stdout)])
    found = compared(graph, {name: answers}, given, "float64")
    found.check("the module's")
    return found


def _rows(graph: ComputationGraph, given: Mapping[str, Any]) -> list[Any]:
    """Return rows as JSON values: lists of a matrix's numbers, or dicts of cells."""
    if graph.inputs[0].holds == "numbers":
        return list(np.asarray(given[graph.inputs[0].label], np.float64).tolist())

    def cells(holds: str, values: Iterable[Any]) -> list[Any]:
        plain = [None if value is None or value != value else value for value in values]
        if holds == "date":
            return [None if value is None else {"date": float(value)} for value in plain]
        return [value if value is None or isinstance(value, str) else float(value) for value in plain]

    columns = {each.label: cells(each.holds, given[each.label]) for each in graph.inputs}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _example(graph: ComputationGraph, rows: Mapping[str, Any]) -> str:
    """Return a row to begin with: zeros of a matrix, or a typical one of some rows."""
    if graph.inputs[0].holds == NUMBERS:
        return f"new Float64Array({graph.inputs[0].columns})"
    row = typical_row(graph, rows)
    cells = (f"{_literal(each.label)}: {_cell(each, row[each.label])}" for each in graph.inputs)
    return f"{{ {', '.join(cells)} }}"


def _cell(column: GraphInput, value: str | float) -> str:
    """Return a cell of a row as one writes it in JavaScript."""
    if column.holds == "date":
        moment = np.datetime64(int(value), "s")
        return f"new Date({_literal(f'{moment}Z')})"
    if column.holds == "boolean":
        return str(value).lower()
    return _literal(int(value) if isinstance(value, float) and value.is_integer() else value)


class Packed:
    """Arrays one after the other as bytes, those of float64 first; each is written as a call that finds it."""

    def __init__(self, graph: ComputationGraph) -> None:
        """Give each array of the graph its place."""
        found = {
            id(value): value
            for step in graph.steps
            for value in step.operation.settings().values()
            if isinstance(value, np.ndarray)
        }
        stored = {key: _least(value) for key, value in found.items()}
        order = sorted(stored, key=lambda key: -stored[key].itemsize)
        at, self.places, parts = 0, dict[int, str](), list[bytes]()
        for key in order:
            array = stored[key]
            self.places[key] = f"array({', '.join(map(str, (array.itemsize, at, *array.shape)))})"
            at += array.nbytes
            parts.append(array.tobytes())
        self.text = base64.b64encode(b"".join(parts)).decode()


def module(graph: ComputationGraph) -> str:
    """Return a graph as the text of an ES module.

    It exports `predict(row)`, `inputs` (what a row has: label, holds), `labels`, `task` and `about`. A row is an object
    with the columns' values by name, or a list of them; of a network on a matrix, its numbers. The answer is a number,
    or a list of several; of classes, `{label, probabilities}`, in the order of `labels`.
    """
    packed = Packed(graph)
    steps = ",\n".join(_step(each, packed.places) for each in graph.steps)
    about = {**graph.about, "numbers": graph.numbers}
    return "\n".join(
        [
            f"// Written by Chainrule {graph.about.get('chainrule', '')}: {graph.task}, {len(graph.steps)} steps, "
            f"{graph.numbers:,} numbers. predict(row) answers a row; inputs says what it has.",
            "// It reads no file, asks nobody, and has no dependencies.",
            "",
            _formulas(),
            f"const array = arrays('{packed.text}');",
            f"const steps = [\n{steps},\n];",
            f"export const task = {_literal(graph.task)};",
            f"export const labels = {_literal(graph.labels)};",
            f"export const about = {_literal(about)};",
            "export const inputs = steps.filter(([name]) => name === 'input').map(([, , input]) => input);",
            f"export const predict = predictor({{ task, labels, outputs: {_literal(dict(graph.outputs))}, steps }});",
            "",
        ]
    )


def _least(value: NDArray[Any]) -> NDArray[Any]:
    """Return an array in float32 if that loses nothing, else in float64; in the byte order of JavaScript's machines."""
    with np.errstate(over="ignore"):
        small = value.astype("<f4")
    return small if np.array_equal(small, value, equal_nan=True) else value.astype("<f8")


def _step(step: GraphStep, places: Mapping[int, str]) -> str:
    settings = (
        f"{_literal(name)}: {places.get(id(value)) or _literal(value)}"
        for name, value in step.operation.settings().items()
    )
    return f"  [{_literal(step.operation.name)}, {list(step.reads)}, {{ {', '.join(settings)} }}]"


def _literal(value: object) -> str:
    """Return a value as JavaScript without "<", which in a page may end a script or, as "<!--", begin a comment."""
    if isinstance(value, float) and not np.isfinite(value):
        return "NaN" if np.isnan(value) else f"{'-' * (value < 0)}Infinity"
    return json.dumps(to_json(value), ensure_ascii=True).replace("<", "\\u003c")


@cache
def _formulas() -> str:
    """Return the files of the module as one text, without the statements that join them."""
    texts = [(files("chainrule.export.javascript") / name).read_text("utf-8") for name in PARTS]
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", text)) for text in texts)
