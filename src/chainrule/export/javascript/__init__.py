"""Write a graph as one ES module: the operations in JavaScript, its steps, and its numbers as base64.

    import { predict } from './churn.js';
    predict({ age: 41, city: 'Graz' });    // { label: 'old', probabilities: [0.93, 0.07] }

The module computes in float64. Arrays whose numbers all are float32 are stored as such, which loses nothing.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.export.base import to_json
from chainrule.export.graph import ComputationGraph, GraphStep

PARTS = ("activations.js", "operations.js", "reading.js", "predict.js")
"""The files of a module, in the order in which they need each other."""
_IMPORT = re.compile(r"^import \{ .+ \} from '\./.+';\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:function|const) )", re.MULTILINE)


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
    """Return a value as JavaScript; "</" would end a script in a page."""
    if isinstance(value, float) and not np.isfinite(value):
        return "NaN" if np.isnan(value) else f"{'-' * (value < 0)}Infinity"
    return json.dumps(to_json(value), ensure_ascii=True).replace("</", "<\\/")


@cache
def _formulas() -> str:
    """Return the files of the module as one text, without the statements that join them."""
    texts = [(files("chainrule.export.javascript") / name).read_text("utf-8") for name in PARTS]
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", text)) for text in texts)
