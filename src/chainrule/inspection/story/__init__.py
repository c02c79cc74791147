"""The story of one prediction as data, for the views to print and draw."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core import records
from chainrule.core.arrays import Array, TargetsLike
from chainrule.core.files import write_whole
from chainrule.core.settings import check_number
from chainrule.data.checks import as_array, check_choice, check_X
from chainrule.data.frames import is_frame
from chainrule.errors import ConfigError, ShapeError
from chainrule.formulas.layers import Standardize
from chainrule.inspection.attribution import METHODS, Attribution, attribute
from chainrule.inspection.attribution.explained import Floats, check_shape, explained, input_links
from chainrule.inspection.story import facts
from chainrule.inspection.story.chapters import Chapter
from chainrule.inspection.story.facts import Answer, Change, Evidence, LayerFacts, NoRule
from chainrule.inspection.story.rival import Rival, closest_rival
from chainrule.inspection.trace.trace import trace as walked
from chainrule.trained.trained import Trained

if TYPE_CHECKING:
    from rich.console import Console

TEXT_WIDTH = 110
"""The default width of `Story.text` in characters."""


@records.kind("story", version=2)
@dataclass(frozen=True, eq=False)
class Story(records.Shown):
    """The explanation of one prediction, from `explain`. Print it."""

    source: str | None
    """the name of the sample; None without one"""
    task: str
    parameters: int
    shape: tuple[int, int] | None
    asked: str
    """the answer explained in chapter 4"""
    truth: str | None
    answers: tuple[Answer, ...]
    layers: tuple[LayerFacts, ...]
    attribution: Attribution
    evidence: tuple[Evidence, ...]
    """() if a layer has no DeepLIFT rule"""
    no_rule: NoRule | None
    """that layer"""
    rival: Rival | None
    change: Change | None
    standard: Floats | None
    """(inputs,) the features in standard deviations from the training data's mean, if the network standardizes"""
    scale: Floats
    """(inputs,) the change of the first trained layer's input per unit of each feature"""
    classes: Mapping[str, Any]
    """the data's labels by their names here, if one of them is the answer"""

    @property
    def chosen(self) -> list[str]:
        """The predicted labels, in their order."""
        labels = [answer.label for answer in self.answers if answer.is_said]
        return sorted(labels, key=int) if self.task == "multilabel" else labels

    @property
    def said(self) -> str:
        """The prediction as text."""
        if self.task == "regression":
            return ", ".join(f"{answer.output:.6g}" for answer in self.answers)
        return ", ".join(self.chosen) or "none"

    def parts(self) -> tuple[Chapter, ...]:
        """Return the chapters, with sentences, tables and pictures, from `chainrule.views`."""
        chapters: tuple[Chapter, ...] = records.view(self, "as_chapters")
        return chapters

    def text(self, width: int = TEXT_WIDTH) -> str:
        """Return the story as text without colors."""
        return records.written(self, "as_text", width)

    def show(self, console: Console) -> None:
        """Print the story on a terminal, in color."""
        records.view(self, "on_terminal", console)

    def html(self) -> str:
        """Return an HTML page that works offline."""
        return records.written(self, "as_page")

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the HTML page to a file."""
        write_whole(path, self.html().encode())

    def to_data(self) -> dict[str, Any]:
        """Return the values of `to_json` as JSON-safe data; see `chainrule.core.records`."""
        return records.labeled(self, self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return all values as data; NaN and infinity are null."""
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
                    "is_block": layer.is_block,
                    "neurons": len(layer.values),
                    "active": layer.active,
                    "rms": layer.rms,
                    "strongest": [{"neuron": k, "value": float(layer.values[k])} for k in layer.strongest],
                }
                for layer in self.layers
            ],
            "attribution": self.attribution.to_json(),
            "evidence": [
                {"name": e.name, "for": e.for_it, "against": e.against_it, "sum": e.total}
                for e in self.evidence
            ],
            "no_rule": self.no_rule,
            "rival": None
            if rival is None
            else {
                "label": classes.get(rival.label, rival.label),
                "is_negated": rival.is_negated,
                "gap": rival.gap,
                "hidden_change": None if rival.hidden is None else rival.hidden[1],
                "input_change": rival.distance if rival.reached else None,
                "answer_then": classes.get(rival.answer_then, rival.answer_then) if rival.reached else None,
            },
            "change": None if self.change is None else self.change.to_json(classes),
        }
        return dict(records.plain(found))

    def __str__(self) -> str:
        """Return the story as text."""
        return self.text()

    def __repr__(self) -> str:
        """Return the sample and the prediction."""
        return f"<Story of {self.source or 'the sample'}: {self.said}>"


# --- the story of one prediction: the input, the layers, the reasons for the answer, and the effect of training on it
# story = explain(model, x, y)
#     print(story)                 # in a terminal
#     story.write("why.html")      # as a page that works offline
#
# The passes are those of `Model.trace` in prediction mode and of `chainrule.inspection.attribution`, in float64. Every
# number is computed, and every sentence is built from the numbers.

LEARNING_RATE = 0.001
"""The default learning rate of the step in the last chapter."""
__all__ = ["Story", "explain"]


@np.errstate(over="ignore")  # squares in displayed norms and means may overflow
def explain(
    model: Trained,
    x: Array,
    y: TargetsLike = None,
    *,
    method: str = "integrated_gradients",
    learning_rate: float = LEARNING_RATE,
    baseline: Array = None,
    shape: tuple[int, int] | None = None,
    names: Sequence[str] | None = None,
    source: str | None = None,
) -> Story:
    """Tell the story of one prediction.

    x: one sample (inputs,) or (1, inputs); a data frame of one row names its features.
    y: its target: a label, a number, or (outputs,) of them.  Without one, the last chapter trains on the prediction,
    and is omitted for regression.  method: of attribution, by name.  learning_rate: of the step in the last chapter.
    baseline: of the attribution.  shape: (height, width) of a picture; inferred for a square number of bytes.
    names: of the features, if neither the model nor x has names.  source: the name of the sample.
    Raises ConfigError for invalid settings, ShapeError for mismatched shapes, DataError for unusable values.
    """
    check_choice(method, METHODS, "method")
    learning_rate = check_number(learning_rate, "learning_rate", above=0, hint="0.001 is usual")
    X = check_X(x, model.network.inputs, "x", model.feature_names)
    if X.shape[0] != 1:
        raise ShapeError(
            f"x contains {X.shape[0]} samples; a story is about one: pass one row, such as X[0]."
        )
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
                f"names contains {len(names)} names for {model.network.inputs} features; give one per feature."
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
    evidence, no_rule = facts.evidence(f)
    return Story(
        source=None if source is None else str(source),
        task=model.task,
        parameters=model.network.size,
        shape=shape,
        asked=asked,
        truth=named,
        answers=found,
        layers=facts.layers(exact, trace),
        attribution=why,
        evidence=evidence,
        no_rule=no_rule,
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
    """Map the names of the classes to the classes, {"7": 7}; empty for regression and multilabel."""
    if model.task not in ("binary", "multiclass"):
        return {}
    return dict(zip(labels, model.labels, strict=True))


def _asked(model: Trained, why: Attribution, labels: list[str]) -> str:
    if model.task == "regression":
        return labels[0]
    return str(why.labels[0])


def label_names(model: Trained) -> list[str]:
    """Return the name of each answer."""
    if model.task == "regression":
        return [f"output {k}" for k in range(model.network.outputs)]
    return [str(label) for label in model.labels]


def check_truth(model: Trained, y: TargetsLike) -> Any:
    """Check y, and convert it for `Model.trace`: (1,) or (1, outputs). A label may be text, as on the command line."""
    if model.task in ("binary", "multiclass"):
        labels = label_names(model)
        known = model.labels
        value = np.ravel(as_array(y, "y"))
        if len(value) == 1:
            label = value[0].item() if isinstance(value[0], np.generic) else value[0]
            if label in known:  # True is 1
                return np.asarray([known[known.index(label)]])
            spelled = str(label)
            if spelled not in labels:
                some = ", ".join(labels[:12]) + (", ..." if len(labels) > 12 else "")
                raise ConfigError(f"the truth {spelled!r} is not a class of the model; choose from {some}.")
            return np.asarray([known[labels.index(spelled)]])
    numbers = np.ravel(np.asarray(as_array(y, "y"), np.float64))
    if len(numbers) != model.network.outputs:
        raise ShapeError(
            f"the truth contains {len(numbers)} numbers for {model.network.outputs} outputs; give one per output."
        )
    return numbers[None]


def name_truth(model: Trained, truth: Array, labels: list[str]) -> str:
    """Return the true answer as text."""
    if model.task == "regression":
        return ", ".join(f"{v:.6g}" for v in np.ravel(truth))
    if model.task == "multilabel":
        return ", ".join(labels[k] for k in np.flatnonzero(np.ravel(truth) > 0.5)) or "none"
    return str(truth[0]) if np.size(truth) == 1 else labels[int(np.argmax(truth))]


def itself(model: Trained, found: tuple[Answer, ...], labels: list[str], out: Floats) -> Any:
    """Return the prediction in the form of a target."""
    if model.task == "regression":
        return model.network.loss.predict(out[None])
    if model.task == "multilabel":
        on = {answer.label for answer in found if answer.is_said}
        return np.asarray([[float(label in on) for label in labels]])
    return check_truth(model, next(answer.label for answer in found if answer.is_said))
