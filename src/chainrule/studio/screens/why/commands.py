"""The sample that a page asks about: a row of the shown data, or the numbers of a drawing, and the answers for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.core.arrays import TargetsLike
from chainrule.errors import ConfigError
from chainrule.estimators import MLPClassifier, MLPRegressor
from chainrule.graph.networks import graph_of
from chainrule.graph.passes import only
from chainrule.inspection.attribution import METHODS, attribute
from chainrule.inspection.attribution.explained import explained
from chainrule.inspection.attribution.methods import in_one_pass
from chainrule.inspection.attribution.result import PROMISED
from chainrule.inspection.story import Story, explain, facts, label_names
from chainrule.inspection.story.chapters import Bars, Grid
from chainrule.inspection.story.facts import Answer
from chainrule.inspection.story.rival import closest_rival, explained_answer, hidden_change, turn
from chainrule.network.answers import decide, true_labels
from chainrule.recipe.data import Data
from chainrule.studio.screens.model import picture_shape, shown_part
from chainrule.studio.screens.neurons import edits as editing
from chainrule.studio.screens.neurons.commands import preamble
from chainrule.studio.screens.neurons.edits import copied
from chainrule.studio.screens.table import cells_of
from chainrule.studio.session.commands import command
from chainrule.studio.session.studio import Studio
from chainrule.tables.rows import rows_of
from chainrule.trained.trained import Trained
from chainrule.views import words
from chainrule.views.words import LANGUAGES, spoken_in

LARGEST = 1e30
"""The largest absolute number of a sample from a page: it fits float32, and its square float64."""


class Asked(NamedTuple):
    """A model and the sample to explain."""

    model: Trained
    x: NDArray[Any]
    """(1, inputs)"""
    y: Any
    """its label or number; None for a drawing"""
    row: int | None
    shape: tuple[int, int] | None


def asked_about(studio: Studio, row: int | None, x: list[float] | None) -> Asked:
    """Return the sample of a row of the shown data, or of numbers. Raises ConfigError for both or neither."""
    model = copied(studio.model)
    inputs = model.network.inputs
    part = shown_part(studio) if studio.has_data else None
    shape = picture_shape(inputs, None if part is None else part.shape)
    picture = None if shape is None else (shape[0], shape[1])
    if (row is None) == (x is None):
        raise ConfigError("give one sample: row, its index in the data, or x, its numbers.")
    if row is not None:
        part = shown_part(studio)
        if not 0 <= row < len(part.X):
            raise ConfigError(f"row must be from 0 to {len(part.X) - 1}, not {row}.")
        return Asked(model, np.asarray(part.X[[row]]), part.y[row], row, picture)
    numbers = np.asarray([x], np.float64)
    if numbers.shape[1] != inputs:
        raise ConfigError(
            f"x must have {inputs} numbers, one per input of the network, not {numbers.shape[1]}."
        )
    if np.abs(numbers).max() > LARGEST:
        raise ConfigError(f"the absolute values of x must be at most {LARGEST:g}; rescale them.")
    return Asked(model, numbers, None, None, picture)


class AskedColumn(NamedTuple):
    """A column of the table that the inputs of a sample are made of."""

    name: str
    inputs: list[int]
    """the places of its inputs"""
    cell: str | None
    """its cell; None for a sample that is no row of the table"""


def columns_of(studio: Studio, asked: Asked) -> list[AskedColumn] | None:
    """Return the columns of the table that the model was trained on, as far as it uses them; None without one."""
    table = studio.data.table if studio.has_data else None
    if table is None or sum(b.stop - b.start for b in table.blocks.values()) != asked.x.shape[1]:
        return None
    found = None if asked.row is None else cells_of(studio.data, [asked.row])
    cells = {} if found is None else dict(zip(table.inputs, found[0], strict=True))
    return [
        AskedColumn(name, list(range(block.start, block.stop)), cells.get(name))
        for name, block in table.blocks.items()
    ]


def answer_names(studio: Studio, model: Trained) -> list[str]:
    """Return the names of the answers: the labels, or of the only number of a table its target."""
    table = studio.data.table if studio.has_data else None
    is_number = model.task == "regression" and model.network.outputs == 1
    return [table.target.name] if table is not None and is_number else label_names(model)


def label_of(model: Trained, text: str | None) -> Any:
    """Return a label of the data, or the index of an output, by its name on the page."""
    if text is None:
        return None
    names = label_names(model)
    if text not in names:
        raise ConfigError(f"the answers are {', '.join(names[:10])}; {text[:40]!r} is none of them.")
    place = names.index(text)
    return model.labels[place] if model.task in ("binary", "multiclass") else place


def targets_of(model: Trained, target: str | None, against: str | None) -> dict[str, Any]:
    """Return the settings target and against of an attribution, for the names on the page."""
    if target is None and model.task == "regression" and model.network.outputs > 1:
        target = label_names(model)[0]
    pair = {"target": label_of(model, target), "against": label_of(model, against)}
    return {name: label for name, label in pair.items() if label is not None}


def reading(studio: Studio, asked: Asked) -> list[str]:
    """Return the Python that loads the model and makes x (1, inputs)."""
    if asked.row is not None:
        return [*preamble(studio, most=None), f"x = X[[{asked.row}]]"]
    places = np.flatnonzero(asked.x[0])
    return [
        "import numpy as np",
        "from chainrule import load",
        "",
        'model = load("model.safetensors")',
        f"x = np.zeros((1, {asked.x.shape[1]}))",
        f"x[0, {places.tolist()}] = {asked.x[0, places].tolist()}",
    ]


# --- the answers of an average of networks, of a race or of few rows, and what each column did for them --------------

Average = MLPClassifier | MLPRegressor


def named_cells_of(data: Data, rows: Sequence[int]) -> dict[str, Any]:
    """Return some rows of the shown part of a table, as the average takes them."""
    assert data.table is not None
    places = data.table.train if data.test is None else data.table.test
    found: dict[str, Any] = rows_of(data.table.inputs, places[np.asarray(rows, np.int64)])
    return found


def answers(average: Average, data: Data, row: int) -> list[Answer]:
    """Return the answers for a row, the most probable first."""
    said = average.predict(named_cells_of(data, [row]))[0]
    if isinstance(average, MLPRegressor):
        assert data.table is not None
        return [Answer(data.table.target.name, float(np.ravel(said)[0]), None, True)]
    p = average.predict_proba(named_cells_of(data, [row]))[0].tolist()
    labels = average.classes_.tolist()
    found = [Answer(str(label), each, each, label == said) for label, each in zip(labels, p, strict=True)]
    return sorted(found, key=lambda answer: -answer.output)


def is_wrong(average: Average, data: Data, rows: Sequence[int], y: ArrayLike) -> NDArray[np.bool_]:
    """Return whether the answers for rows differ from y, (rows,)."""
    return np.asarray(np.asarray(average.predict(named_cells_of(data, rows))) != np.asarray(y), np.bool_)


@command("why.reasons", reads=True)
def reasons(studio: Studio, *, row: int, target: str | None = None) -> dict[str, Any]:
    """Return what each column of a row did for an answer of the average: base plus the values is the answer."""
    average, data = studio.average, studio.data
    if average is None or data.table is None:
        raise ConfigError("reasons by column are of an average of networks; open the run of one on a table.")
    cells = named_cells_of(data, [row])
    label = None
    if target is not None and isinstance(average, MLPClassifier):
        label = next((each for each in average.classes_.tolist() if str(each) == target), None)
        if label is None:
            raise ConfigError(f"{target[:40]!r} is none of the classes of the model.")
    found = average.explain(cells, target=label)
    values = {name: value for name, value in zip(found.names, found.values[0].tolist(), strict=True)}
    shown = {name: np.asarray(each).tolist() for name, each in cells.items()}
    asked = "" if label is None else f", target={label!r}"
    code = [
        f"from chainrule import {type(average).__name__}",
        "",
        f'estimator = {type(average).__name__}.load("model.safetensors")',
        f"row = {shown!r}",
        f"print(estimator.explain(row{asked}))",
    ]
    return {
        "of": str(found.labels[0]) if found.labels else data.table.target.name,
        "values": [{"name": name, "value": value} for name, value in values.items()],
        "base": float(found.base[0]),
        "answer": float(found.answers[0]),
        "error": float(found.error[0]),
        "code": "\n".join(code),
    }


# --- the screen Why: the contribution of each input to an answer, by every method, and changes that flip it ----------

BLOCK = 1024
"""The samples that are searched for a wrong answer at a time."""


@command("why.sample", reads=True)
def sample(studio: Studio, *, row: int | None = None, x: list[float] | None = None) -> dict[str, Any]:
    """Return the answers for one sample, the most probable first, and the possible questions."""
    asked = asked_about(studio, row, x)
    labels, columns = answer_names(studio, asked.model), columns_of(studio, asked)
    exact = asked.model.in_float64()
    found = facts.answers(exact, exact.outputs(asked.x, engine="reference")[0], labels)
    networks = 1
    if asked.row is not None and columns is not None and studio.average is not None:
        networks = studio.networks
        found = tuple(answers(studio.average, studio.data, asked.row))
    several = asked.model.task != "regression" or asked.model.network.outputs > 1
    return {
        "row": asked.row,
        "y": _plain(asked.y),
        "x": asked.x[0].astype(np.float32),
        "task": asked.model.task,
        "answers": [answer._asdict() for answer in found],
        "labels": labels if several else [],
        "against": several and asked.model.task != "binary" and networks == 1,
        "methods": list(METHODS) if networks == 1 else [],
        "networks": networks,
        "columns": None if columns is None else [column._asdict() for column in columns],
        "n": len(shown_part(studio).X) if studio.has_data else 0,
    }


def _plain(y: TargetsLike) -> Any:
    return y.tolist() if isinstance(y, (np.ndarray, np.generic)) else y


@command("why.method", reads=True)
def method(
    studio: Studio,
    *,
    method: str,
    row: int | None = None,
    x: list[float] | None = None,
    target: str | None = None,
    against: str | None = None,
) -> dict[str, Any]:
    """Return the contribution of each input to an answer by one method, and whether they add up."""
    asked = asked_about(studio, row, x)
    settings = targets_of(asked.model, target, against)
    found = attribute(asked.model, asked.x, method, shape=asked.shape, **settings)
    said = found.targets[0]
    with spoken_in("en"):
        sentence, name = found.completeness(), words.attribution.target(said)
    return {
        "method": method,
        "values": found.values[0],
        "baseline": found.baseline[0],
        "target": str(said.label),
        "against": None if said.against is None else str(said.against),
        "name": name,
        "output": float(found.outputs[0]),
        "baseline_output": float(found.baseline_outputs[0]),
        "sum": float(found.values[0].sum()),
        "expected": None if method == "saliency" else float(found.expected[0]),
        "error": None if method == "saliency" else float(found.error[0]),
        "relative_error": None if method == "saliency" else float(found.relative_error[0]),
        "promise": PROMISED[method],
        "complete": found.is_complete,
        "absorbed": {name: float(part[0]) for name, part in found.absorbed.items()},
        "sentence": sentence,
        "code": "\n".join(_code(studio, asked, method, settings)),
    }


def _code(studio: Studio, asked: Asked, method: str, settings: dict[str, Any]) -> list[str]:
    given = "".join(f", {name}={label!r}" for name, label in settings.items())
    shape = "" if asked.shape is None else f", shape={asked.shape}"
    return [
        *reading(studio, asked),
        "from chainrule.inspection.attribution import attribute",
        "",
        f'found = attribute(model, x, "{method}"{given}{shape})',
        "found.values[0]  # (inputs,)",
        "print(found.completeness())",
    ]


@command("why.turn", reads=True)
def smallest(
    studio: Studio, *, row: int | None = None, x: list[float] | None = None, to: str | None = None
) -> dict[str, Any]:
    """Return a small change of the sample that changes the answer to a label, or to the closest other one."""
    asked = asked_about(studio, row, x)
    model = asked.model
    if model.task == "regression":
        raise ConfigError("a number has no other answer; choose a model of classes or labels.")
    exact = model.in_float64()
    labels = label_names(model)
    found = facts.answers(exact, exact.outputs(asked.x, engine="reference")[0], labels)
    settings = {"shape": asked.shape}
    rival = closest_rival(exact, asked.x, found, labels, "saliency", settings, None)
    if rival is None:
        raise ConfigError("the model has only one answer.")
    if to is not None and to != rival.label and model.task == "multiclass":
        said = next(answer.label for answer in found if answer.is_said)
        if to == said:
            raise ConfigError(f"the answer is already {said}; choose another label.")
        f = explained(exact, asked.x, target=label_of(model, said), against=label_of(model, to), **settings)
        gap = float(f.value(f.X, f.V)[0])
        change, distance, size = turn(f)
        turned = f.X[0] + change
        rival = rival._replace(
            label=to,
            f=f,
            gap=gap,
            hidden=hidden_change(f, gap),
            reached=float(f.value(turned[None], f.V)[0]) <= 0,
            answer_then=explained_answer(exact, turned),
            change=change,
            distance=distance,
            size=size,
        )
    kind = rival.f.targets[0]
    pair = {"target": kind.label} | ({} if kind.against is None else {"against": kind.against})
    code = [
        *reading(studio, asked),
        "from chainrule.inspection.attribution.explained import explained",
        "from chainrule.inspection.story.rival import turn",
        "",
        f"f = explained(model, x{''.join(f', {name}={label!r}' for name, label in pair.items())})",
        *(["f = f._replace(V=-f.V)  # above 0, because the label is off"] if kind.is_negated else []),
        "change, distance, size = turn(f)",
        "print(model.in_float64().predict(x + change))",
    ]
    return {
        "to": rival.label,
        "negated": rival.is_negated,
        "gap": rival.gap,
        "hidden": None if rival.hidden is None else list(rival.hidden),
        "reached": rival.reached,
        "then": rival.answer_then,
        "change": rival.change,
        "scaled": rival.change * rival.f.scale(),  # in the units of the first trained layer's input
        "distance": rival.distance,
        "size": rival.size,
        "code": "\n".join(code),
    }


@command("why.story", reads=True)
def story(studio: Studio, *, row: int | None = None, x: list[float] | None = None) -> dict[str, Any]:
    """Return the evidence layer by layer, and the story of the answer by chapters, in every language."""
    asked = asked_about(studio, row, x)
    told = explain(asked.model, asked.x, asked.y, method=in_one_pass(asked.model), shape=asked.shape)
    rival = told.rival
    of = told.chosen[0] if told.chosen else told.asked
    if asked.model.task == "regression" and asked.model.network.outputs == 1:
        of = answer_names(studio, asked.model)[0]
    return {
        "evidence": [
            {
                "name": layer.name,
                "for": layer.for_it,
                "against": layer.against_it,
                "strongest": [list(one) for one in layer.strongest],
                "weakest": [list(one) for one in layer.weakest],
            }
            for layer in told.evidence
        ],
        "no_rule": None if told.no_rule is None else told.no_rule.name,
        "of": of,
        "against": rival.label if rival is not None and told.task == "multiclass" else None,
        "active": [
            {"name": layer.name, "active": layer.active, "neurons": len(layer.values)}
            for layer in told.layers
            if layer.active is not None
        ],
        "chapters": {language: _chapters(told, language) for language in LANGUAGES},
    }


def _chapters(told: Story, language: str) -> list[dict[str, Any]]:
    """Return the chapters of a story in a language, without its pictures, which the page has."""
    with spoken_in(language):
        return [
            {
                "title": chapter.title,
                "content": [made for part in chapter.content if (made := _content_as_data(part))],
            }
            for chapter in told.parts()
        ]


def _content_as_data(part: object) -> dict[str, Any] | None:
    """Return a part of a chapter as data; None for a picture."""
    if isinstance(part, str):
        return {"text": part}
    if isinstance(part, Grid):
        return {"columns": list(part.columns), "rows": [list(row) for row in part.rows]}
    if isinstance(part, Bars):
        return {"columns": [], "rows": [[bar.name, bar.number, bar.note] for bar in part.rows]}
    return None


@command("why.proof", reads=True)
def proof(
    studio: Studio,
    *,
    radius: float,
    ends: list[float] | None = None,
    row: int | None = None,
    x: list[float] | None = None,
) -> dict[str, Any]:
    """Return what each probability can be if the inputs change by up to a radius, and whether the label is proven.

    ends: the least and the largest input; None for any.
    """
    asked = asked_about(studio, row, x)
    graph, clip = graph_of([asked.model]), None if ends is None else (ends[0], ends[1])
    boxes = graph.bounds(*graph.around(asked.x, radius, clip=clip), dtype=asked.model.dtype)
    low, high = boxes["probabilities"]
    return {"low": low[0], "high": high[0], "proven": bool(boxes["label"].is_point.all())}


@command("why.proven", reads=True)
def proven(
    studio: Studio,
    *,
    unit: float,
    ends: list[float] | None = None,
    row: int | None = None,
    x: list[float] | None = None,
) -> dict[str, Any]:
    """Return the largest radius, in units, within which the label is proven; None if it is under any change."""
    asked = asked_about(studio, row, x)
    graph, clip = only(graph_of([asked.model]), "label"), None if ends is None else (ends[0], ends[1])
    found = graph.certified_radius(asked.x, unit, clip=clip, dtype=asked.model.dtype)[0]
    return {"radius": float(found) if np.isfinite(found) else None}


@command("why.mistake", reads=True)
def mistake(studio: Studio, *, after: int = -1) -> dict[str, Any]:
    """Return the next row of the shown data with a wrong answer; the first row follows the last one."""
    model, part = editing.copied(studio.model), shown_part(studio)
    if model.task == "regression":
        raise ConfigError("numbers are never exactly right; only classes or labels can be wrong.")
    n = len(part.X)
    start = (max(-1, min(after, n - 1)) + 1) % n
    for first, stop in ((start, n), (0, start)):
        for at in range(first, stop, BLOCK):
            rows = slice(at, min(at + BLOCK, stop))
            if studio.average is not None and studio.data.table is not None:
                wrong = is_wrong(studio.average, studio.data, range(*rows.indices(n)), part.y[rows])
            else:
                samples = model.check_samples(part.X[rows], part.y[rows])
                said = np.asarray(decide(model.network.loss, model.outputs(samples)))
                wrong = said != true_labels(model.task, samples.y)
            places = np.flatnonzero(wrong.reshape(len(wrong), -1).any(1))
            if len(places):
                return {"row": at + int(places[0])}
    return {"row": None}
