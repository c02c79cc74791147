"""One prediction told as a story: what went in, what the layers made of it, why this answer, what training would do.

    story = explain(model, x, y)
    print(story)                 # in a terminal
    story.write("why.html")      # as a page that works offline

The walks are those of `Model.trace` in prediction and of `chainrule.inspection.attribution`, in float64; every number
is computed, and every sentence built from the numbers.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core import records
from chainrule.core.files import write_whole
from chainrule.core.shown import Shown, view
from chainrule.data.checks import check_choice, check_X
from chainrule.data.frames import is_frame
from chainrule.errors import ConfigError, ShapeError
from chainrule.formulas.layers import Standardize
from chainrule.inspection.attribution import METHODS, Attribution, attribute
from chainrule.inspection.attribution.explained import Floats, check_shape, explained, input_links
from chainrule.inspection.story import facts
from chainrule.inspection.story.facts import Answer, Change, Evidence, LayerFacts
from chainrule.inspection.story.parts import Part
from chainrule.inspection.story.rival import Rival, closest_rival
from chainrule.inspection.story.truth import check_truth, itself, label_names, name_truth
from chainrule.inspection.story.words import parts
from chainrule.inspection.trace.trace import trace as walked
from chainrule.trained.trained import Trained

if TYPE_CHECKING:
    from rich.console import Console


RATE = 0.001
"""The learning rate of the last chapter's step."""
WIDTH = 110
"""Characters of a line of `Story.text`."""


@records.kind("story")
@dataclass(frozen=True, eq=False)
class Story(Shown):
    """One answer of one model, explained. print() tells it; made by `explain`."""

    source: str
    """what the sample is called"""
    task: str
    parameters: int
    shape: tuple[int, int] | None
    asked: str
    """the answer that chapter 4 is about"""
    truth: str | None
    answers: tuple[Answer, ...]
    layers: tuple[LayerFacts, ...]
    attribution: Attribution
    evidence: tuple[Evidence, ...] | str
    rival: Rival | None
    change: Change | None
    standard: Floats | None
    """(inputs,) the features in standard deviations from the training data's mean, where the network standardizes"""
    scale: Floats
    """(inputs,) what the first learning layer sees of one unit of each feature"""
    classes: Mapping[str, Any]
    """the labels of the data by what they are called here, where one of them is the answer"""

    @property
    def chosen(self) -> list[str]:
        """The labels that the model says, in their own order."""
        labels = [answer.label for answer in self.answers if answer.is_said]
        return sorted(labels, key=int) if self.task == "multilabel" else labels

    @property
    def said(self) -> str:
        """The answer."""
        if self.task == "regression":
            return ", ".join(f"{answer.output:.6g}" for answer in self.answers)
        return ", ".join(self.chosen) or "none"

    def parts(self) -> tuple[Part, ...]:
        """The chapters, in sentences, tables and pictures."""
        return parts(self)

    def text(self, width: int = WIDTH) -> str:
        """For a terminal, without colors."""
        told: str = view(self, "as_text", width)
        return told

    def show(self, console: Console) -> None:
        """On a terminal, in its colors."""
        view(self, "show", console)

    def html(self) -> str:
        """One whole page, which works offline."""
        made: str = view(self, "as_page")
        return made

    def write(self, path: str | os.PathLike[str]) -> None:
        """The page as a file."""
        write_whole(path, self.html().encode())

    def to_data(self) -> dict[str, Any]:
        """Return the values of `to_json` as JSON-safe data; see `chainrule.core.records`."""
        return records.labeled(self, self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Everything, as data; what is NaN or infinite is null."""
        rival, classes = self.rival, self.classes
        found = {
            "source": self.source,
            "task": self.task,
            "said": classes.get(self.said, self.said),
            "truth": None if self.truth is None else classes.get(self.truth, self.truth),
            "answers": [a._asdict() | {"label": classes.get(a.label, a.label)} for a in self.answers],
            "layers": [
                {
                    "name": layer.name,
                    "layer": layer.layer,
                    "neurons": len(layer.values),
                    "active": layer.active,
                    "rms": layer.rms,
                    "strongest": [{"neuron": k, "value": float(layer.values[k])} for k in layer.strongest],
                }
                for layer in self.layers
            ],
            "attribution": self.attribution.to_json(),
            "evidence": self.evidence
            if isinstance(self.evidence, str)
            else [
                {"name": e.name, "for": e.for_it, "against": e.against_it, "sum": e.total}
                for e in self.evidence
            ],
            "rival": None
            if rival is None
            else {
                "label": classes.get(rival.label, rival.label),
                "gap": rival.gap,
                "hidden_change": None if rival.hidden is None else rival.hidden[1],
                "input_change": rival.distance if rival.reached else None,
                "answer_then": classes.get(rival.answer_then, rival.answer_then) if rival.reached else None,
            },
            "change": None if self.change is None else self.change.to_json(classes),
        }
        return dict(records.plain(found))

    def __str__(self) -> str:
        """The story."""
        return self.text()

    def __repr__(self) -> str:
        """In short."""
        return f"<Story of {self.source}: {self.said}>"


@np.errstate(over="ignore")  # a square beyond float64 is infinite, in norms and means that are for people
def explain(
    model: Trained,
    x: Any,
    y: Any = None,
    *,
    method: str = "integrated_gradients",
    learning_rate: float = RATE,
    baseline: Any = None,
    shape: tuple[int, int] | None = None,
    names: Sequence[str] | None = None,
    source: str = "the sample",
) -> Story:
    """Tell the story of one prediction.

    x: one sample (inputs,) or (1, inputs); a data frame of one row names its features.
    y: its truth: a label, a number, or (outputs,) of them.  Without one, the last chapter trains on the answer itself,
    or for numbers is left out.  method: of attribution, by name.  learning_rate: of the step in the last chapter.
    baseline: of the attribution.  shape: (height, width) of a picture; found out for a square number of bytes.
    names: of the features, where neither the model nor x names them.  source: what the sample is called.
    Raises ConfigError for invalid settings, ShapeError for mismatched shapes, DataError for unusable values.
    """
    check_choice(method, METHODS, "method")
    is_number = isinstance(learning_rate, (int, float)) and not isinstance(learning_rate, bool)
    if not is_number or not (0 < learning_rate < math.inf):
        raise ConfigError(
            f"learning_rate must be a finite number above 0, not {learning_rate!r}; 0.001 is usual."
        )
    X = check_X(x, model.network.inputs, "x", model.feature_names)
    if X.shape[0] != 1:
        raise ShapeError(f"x holds {X.shape[0]} samples; a story is about one: pass one row, as X[0].")
    exact = model.in_float64()
    shape = check_shape(shape, model.network.inputs, X.dtype)
    labels = label_names(model)
    settings = {"shape": shape} | ({} if method == "epsilon_lrp" else {"baseline": baseline})
    if model.task == "regression" and model.network.outputs > 1:
        settings["target"] = 0
    why = attribute(exact, x if is_frame(x) else X, method, **settings)
    if names is not None:
        if len(names) != model.network.inputs:
            raise ConfigError(
                f"names holds {len(names)} names for {model.network.inputs} features; give one each."
            )
        why = dataclasses.replace(why, names=tuple(map(str, names)))
    out = exact.outputs(X, engine="reference")[0]
    found = facts.answers(exact, out, labels)
    truth = None if y is None else check_truth(model, y)
    is_silent = truth is None and model.task == "regression"
    targets = itself(exact, found, labels, out) if truth is None else truth
    trace = walked(exact, X, targets, training=False, memory_limit=None).in_float64
    front = model.network.links[: input_links(model.network.links)]
    seen = trace.outputs[front[-1].name][0] if front else trace.x[0]
    rival = closest_rival(exact, X, found, labels, method, settings, baseline)
    if rival is not None and rival.attribution is not None:
        rival = rival._replace(attribution=dataclasses.replace(rival.attribution, names=why.names))
    asked = _asked(model, why, labels)
    named = name_truth(model, truth, labels) if truth is not None else None
    f = (
        rival.f
        if rival is not None
        else explained(exact, X, shape=shape, baseline=baseline, target=settings.get("target"))
    )
    return Story(
        source=str(source),
        task=model.task,
        parameters=model.network.size,
        shape=shape,
        asked=asked,
        truth=named,
        answers=found,
        layers=facts.layers(exact, trace),
        attribution=why,
        evidence=facts.evidence(f),
        rival=rival,
        change=None
        if is_silent
        else facts.change(
            exact,
            trace,
            named or name_truth(model, targets, labels),
            truth is not None,
            float(learning_rate),
            found,
            labels,
        ),
        standard=seen if any(isinstance(link.layer, Standardize) for link in front) else None,
        scale=f.scale(),
        classes=_classes(model, labels),
    )


def _classes(model: Trained, labels: list[str]) -> dict[str, Any]:
    """{"7": 7}; empty where an answer is numbers or many labels."""
    if model.task not in ("binary", "multiclass"):
        return {}
    return dict(
        zip(labels, range(len(labels)) if model.classes is None else model.classes.tolist(), strict=True)
    )


def _asked(model: Trained, why: Attribution, labels: list[str]) -> str:
    if model.task == "regression":
        return f"{labels[0]}" if len(labels) > 1 else "this number"
    return str(why.labels[0])


__all__ = ["Story", "explain"]
