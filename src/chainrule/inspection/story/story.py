"""The story of one prediction as data, for the views to print and draw."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chainrule.core import records
from chainrule.core.files import write_whole
from chainrule.inspection.attribution import Attribution
from chainrule.inspection.attribution.explained import Floats
from chainrule.inspection.story.facts import Answer, Change, Evidence, LayerFacts, NoRule
from chainrule.inspection.story.rival import Rival

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

    def parts(self) -> tuple[Any, ...]:
        """Return the chapters, with sentences, tables and pictures: `chainrule.views.chapters.Chapter`."""
        chapters: tuple[Any, ...] = records.view(self, "as_chapters")
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
