"""Find the closest other answer, and the smallest changes that lead to it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from chainrule.core import records
from chainrule.core.arrays import Array
from chainrule.formulas.layers import Dense
from chainrule.inspection.attribution import Attribution, attribute
from chainrule.inspection.attribution.explained import Explained, Floats, explained, input_links
from chainrule.inspection.story.facts import Answer
from chainrule.network import backprop
from chainrule.trained.trained import Trained

MAX_FLIP_STEPS = 60
"""The maximum number of steps of the search for a change that flips the answer."""


@records.kind(
    "story_rival",
    version=2,
    fields=("label", "is_negated", "gap", "hidden", "reached", "answer_then", "change", "distance", "size"),
)
class Rival(NamedTuple):
    """The closest other answer, and the changes that lead to it."""

    label: str
    is_negated: bool
    """whether the rival is that this label is off; in multilabel, the closest label is then on"""
    f: Explained
    """the answer's logit minus the rival's"""
    gap: float
    """f(x), above 0"""
    attribution: Attribution | None
    """the attribution of f; None if f is one logit, for two classes and multilabel"""
    hidden: tuple[str, float, float] | None
    """the last layer before the outputs, the smallest change of it that closes the gap, and its norm"""
    reached: bool
    """whether a change of the input that flips the answer was found"""
    answer_then: str
    change: Floats  # (inputs,) in the units of the features
    distance: float
    """the norm of the change, in the units of the first trained layer's input"""
    size: float
    """the norm of x - baseline in those units"""

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


def closest_rival(
    model: Trained,
    x: Array,
    found: tuple[Answer, ...],
    labels: list[str],
    method: str,
    settings: dict[str, Any],
    baseline: Array,
) -> Rival | None:
    """Find the closest other answer; None for regression. settings: of the method; baseline: of f, for every method."""
    if model.task == "regression" or len(found) < 2:
        return None
    pair: dict[str, Any] = {}
    if model.task == "multiclass":
        said, other = next(a for a in found if a.is_said), next(a for a in found if not a.is_said)
        known = dict(zip(labels, model.labels, strict=True))
        pair = {"target": known[said.label], "against": known[other.label]}
        name, is_negated = other.label, False
    elif model.task == "binary":
        name, is_negated = next(a for a in found if not a.is_said).label, False
    else:
        closest = min(found, key=lambda answer: abs(answer.output))
        pair = {"target": labels.index(closest.label)}
        name, is_negated = closest.label, closest.is_said
    f = explained(model, x, **settings | pair | {"baseline": baseline})
    if model.task == "multilabel" and float(f.value(f.X, f.V)[0]) < 0:
        f = f._replace(V=-f.V, targets=(f.targets[0]._replace(is_negated=True),))
    gap = float(f.value(f.X, f.V)[0])
    why = attribute(model, x, method, **settings, **pair) if "against" in pair else None
    change, distance, size = turn(f)
    then = explained_answer(model, f.X[0] + change)
    reached = float(f.value((f.X[0] + change)[None], f.V)[0]) <= 0
    return Rival(name, is_negated, f, gap, why, hidden_change(f, gap), reached, then, change, distance, size)


def explained_answer(model: Trained, x: Floats) -> str:
    """Return the model's answer to a sample, as text."""
    answer = model.predict(x[None])[0]
    if np.ndim(answer):
        on = [str(k) for k in np.flatnonzero(answer)]
        return ", ".join(on) or "none"
    return str(answer)


def hidden_change(f: Explained, gap: float) -> tuple[str, float, float] | None:
    """Compute the distance of the last dense layer's input from equal logits: gap / ||w_answer - w_rival||."""
    last = f.links[-1]
    if not isinstance(last.layer, Dense) or len(f.links) < 2:
        return None
    a, _ = backprop.forward(f.links[:-1], f.params[:-1], f.X, f.ctx)
    w = f.params[-1].W @ f.V[0]  # (width,)
    norm = float(np.linalg.norm(w))
    return (f.links[-2].name, gap / norm, float(np.linalg.norm(a))) if norm else None


def turn(f: Explained) -> tuple[Floats, float, float]:
    """Find a small change of the sample that makes f negative: (inputs,), its norm, and the sample's norm.

    Newton steps toward f = 0, x <- x - f df/dx / ||df/dx||^2, in the units of the first trained layer's input, and then
    bisection for the shortest change in this direction that still flips the answer.
    Source: Moosavi-Dezfooli, Fawzi, Frossard, "DeepFool", CVPR 2016, algorithm 1.
    """
    front = input_links(f.links)
    rest = f._replace(links=f.links[front:], params=f.params[front:])
    scale = f.scale()
    start, origin = (
        backprop.forward(f.links[:front], f.params[:front], X, f.ctx)[0] for X in (f.X, f.baseline)
    )
    size = float(np.linalg.norm(start - origin))
    x = start
    for _ in range(MAX_FLIP_STEPS):
        value = float(rest.value(x, f.V)[0])
        if value <= 0:
            break
        g = rest.gradient(x, f.V)
        unit = 2.0 ** int(np.frexp(np.abs(g).max())[1])  # prevents overflow of a steep gradient's square
        g = g / unit
        square = float((g * g).sum())
        if math.sqrt(square) * unit < 1e-12:
            break
        step = (value + 1e-6 * max(1.0, abs(value))) / unit / square * g
        norm = float(np.linalg.norm(step))
        if norm == 0:
            break
        x = x - step * min(1.0, max(size, 1.0) / norm)  # no step longer than the sample itself
    low, high = 0.0, 1.0
    if float(rest.value(x, f.V)[0]) <= 0:
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (
                (low, middle)
                if float(rest.value(start + middle * (x - start), f.V)[0]) <= 0
                else (middle, high)
            )
    moved = high * (x - start)[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.where(scale != 0, moved / scale, 0.0)
    return change, float(np.linalg.norm(moved)), size
