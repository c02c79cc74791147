"""The screen Why: the contribution of each input to an answer, by every method, and changes that flip it."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.core.arrays import TargetsLike
from chainrule.errors import ConfigError
from chainrule.inspection.attribution import METHODS, attribute
from chainrule.inspection.attribution.explained import explained
from chainrule.inspection.attribution.methods import in_one_pass
from chainrule.inspection.attribution.result import PROMISED
from chainrule.inspection.story import Story, explain, facts, label_names
from chainrule.inspection.story.rival import closest_rival, explained_answer, hidden_change, turn
from chainrule.network.answers import decide, true_labels
from chainrule.studio.commands import command
from chainrule.studio.screens.model import shown_part
from chainrule.studio.screens.neurons import edits as editing
from chainrule.studio.screens.why import average
from chainrule.studio.screens.why.asked import (
    Asked,
    answer_names,
    asked_about,
    columns_of,
    label_of,
    reading,
    targets_of,
)
from chainrule.studio.studio import Studio
from chainrule.views import words
from chainrule.views.chapters import Bars, Grid
from chainrule.views.words import LANGUAGES, spoken_in

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
        found = tuple(average.answers(studio.average, studio.data, asked.row))
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
            {"title": chapter.title, "content": [made for part in chapter.content if (made := _told(part))]}
            for chapter in told.parts()
        ]


def _told(part: object) -> dict[str, Any] | None:
    """Return a part of a chapter as data; None for a picture."""
    if isinstance(part, str):
        return {"text": part}
    if isinstance(part, Grid):
        return {"columns": list(part.columns), "rows": [list(row) for row in part.rows]}
    if isinstance(part, Bars):
        return {"columns": [], "rows": [[bar.name, bar.number, bar.note] for bar in part.rows]}
    return None


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
                wrong = average.is_wrong(studio.average, studio.data, range(*rows.indices(n)), part.y[rows])
            else:
                samples = model.check_samples(part.X[rows], part.y[rows])
                said = np.asarray(decide(model.network.loss, model.outputs(samples)))
                wrong = said != true_labels(model.task, samples.y)
            places = np.flatnonzero(wrong.reshape(len(wrong), -1).any(1))
            if len(places):
                return {"row": at + int(places[0])}
    return {"row": None}
