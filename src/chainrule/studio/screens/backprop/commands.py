"""Backpropagation step by step: both passes of the shown model, the chain rule of any weight, and a gradient step."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chainrule.datasets.idx import Dataset
from chainrule.errors import ConfigError, DataError
from chainrule.formulas.layers import Dense, Sigmoid
from chainrule.formulas.losses import MeanSquaredError
from chainrule.inspection.walk import Walk
from chainrule.model import Model
from chainrule.network.answers import decide
from chainrule.network.network import Network
from chainrule.recipe.data import Data
from chainrule.studio.screens.backprop.derived import chain, chain_letters, derived, is_chain
from chainrule.studio.screens.backprop.walks import Station, Walked, Walks, descend, slope, stations
from chainrule.studio.screens.model import shown_part
from chainrule.studio.session.commands import command
from chainrule.studio.session.studio import Studio

MAX_BATCH = 256
MAX_NUMBERS = 1 << 20
"""The maximum numbers in each kind of array sent to a page, which gets the first rows of a larger batch."""
MAX_CHANGES = 24
TERMS, NODES = 24, 60
"""The maximum terms of a sum, and equations, that a page may request."""


# --- one walk


@command("backprop.walk", reads=True)
def walk(
    studio: Studio,
    *,
    sample: int | None = None,
    n: int = 1,
    x: list[float] | None = None,
    label: int | None = None,
    y: list[float] | None = None,
) -> dict[str, Any]:
    """Compute both passes of the model for samples of the shown data, or for the numbers x.

    sample, n: the first sample and their number.  label: the target class.  y: the numeric target. Without a target x
    has the model's own answer. A batch is computed as in training, one sample as in prediction.
    Returns out, dL/d out and slope of each link (rows, width), float32, and the number of the walk for other commands.
    """
    model, walks = studio.model, Walks.of(studio)
    has_before = {"has_before": studio.aside is not None}
    asked, data = repr((sample, n, x, label, y)), studio.data if x is None else None
    if known := walks.find(model, asked, data):
        return _described(known) | has_before
    rows, X, target = _samples(studio, sample, n) if x is None else (None, np.array([x], model.dtype), None)
    if label is not None or y is not None:
        target = _target(model, label, y, len(X))
    assumed = target is None
    if target is None:
        target = _own_answer(model, X)
    trace = model.trace(X if len(X) > 1 else X[0], target if len(X) > 1 else target[0])
    made = walks.keep(model, trace, rows=rows, assumed=assumed, asked=asked, data=data)
    return _described(made) | has_before


def _samples(studio: Studio, sample: int | None, n: int) -> tuple[list[int], NDArray[Any], NDArray[Any]]:
    part = shown_part(studio)
    count, first = int(part.X.shape[0]), sample or 0
    if not 1 <= n <= MAX_BATCH:
        raise ConfigError(f"n must be from 1 to {MAX_BATCH} samples, not {n}.")
    if not 0 <= first <= count - n:
        raise DataError(
            f"sample must be from 0 to {count - n}, because {n} of the {count} samples are needed; got {first}."
        )
    rows = list(range(first, first + n))
    return rows, np.asarray(part.X[rows]), np.asarray(part.y[rows])


def _target(model: Model, label: int | None, y: list[float] | None, n: int) -> NDArray[Any]:
    """Return the target given by a page, once for each sample."""
    if label is not None and y is not None:
        raise ConfigError("give label or y, not both.")
    if label is not None:
        if model.task not in ("multiclass", "binary"):
            raise ConfigError(f"label is for classes; this model is for {model.task}: give y.")
        if not 0 <= label < len(model.labels):
            raise ConfigError(f"label must be from 0 to {len(model.labels) - 1}, not {label}.")
        return np.array([model.labels[label]] * n)
    if model.task in ("multiclass", "binary"):
        raise ConfigError("y is for numbers; this model is for classes: give label.")
    numbers = np.array([y] * n, np.float64)
    if numbers.shape[1] != model.network.outputs:
        raise ConfigError(
            f"y must have {model.network.outputs} numbers, one for each output, not {numbers.shape[1]}."
        )
    return numbers[:, 0] if model.network.outputs == 1 else numbers


def _own_answer(model: Model, X: NDArray[Any]) -> NDArray[Any]:
    out = model.outputs(X)
    out = out if model.target_scale is None else model.target_scale.clamp(out)
    said = np.asarray(decide(model.network.loss, out))
    return said if model.classes is None or model.task == "multilabel" else model.classes[said]


def _described(walked: Walked) -> dict[str, Any]:
    model, trace = walked.model, walked.trace
    shown = max(1, min(trace.n, MAX_NUMBERS // max(1, sum(a.shape[1] for a in trace.outputs.values()))))
    made = [station for station in stations(trace.network.links) if station.link.name in trace.outputs]
    return {
        "walk": walked.id,
        "n": trace.n,
        "rows": walked.rows,
        "shown": shown,
        "mode": trace.mode,
        "assumed": walked.assumed,
        "loss": float(trace.loss),
        "penalty": float(trace.penalty),
        "losses": _page(trace.losses[:shown]),
        "x": _page(trace.x[:shown]),
        "error_x": _page(trace.grad_x[:shown]),
        "target": _page(trace.target[:shown]),
        "labels": _labels(model, trace),
        "prediction": _page(trace.prediction[:shown]),
        "links": [_of_link(trace, station, shown, model.frozen) for station in made],
        "is_chain": is_chain(trace),
        "letters": chain_letters(trace),
    }


def _page(values: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)


def _labels(model: Model, trace: Walk) -> list[int] | None:
    """Return the index of each sample's true class; None for numeric targets."""
    if model.task == "multiclass":
        return [int(k) for k in trace.y.argmax(1)]
    return [int(k > 0.5) for k in trace.y[:, 0]] if model.task == "binary" else None


def _of_link(trace: Walk, station: Station, shown: int, frozen: frozenset[str]) -> dict[str, Any]:
    """Return a link's numbers: its output, dL by it, f'(in) if it is elementwise, and gradients."""
    link = station.link
    slopes = slope(trace, station)
    fields = {}
    if link.params:
        for field, g in trace.grads[link.name]._asdict().items():
            at = tuple(int(i) for i in np.unravel_index(int(np.abs(g).argmax()), g.shape)) if g.size else ()
            fields[field] = {
                "shape": list(g.shape),
                "norm": float(np.linalg.norm(g)),
                "largest": {"index": list(at), "value": float(g[at]) if g.size else 0.0},
            }
    return {
        "name": link.name,
        "kind": link.layer.kind,
        "sources": list(station.sources),
        "is_block": bool(link.branches),
        "is_bounded": link.layer.is_bounded,
        "frozen": link.name in frozen,
        "out": _page(trace.outputs[link.name][:shown]),
        "error": _page(trace.grad_outputs[link.name][:shown]),
        "slope": None if slopes is None else _page(slopes[:shown]),
        "fields": fields,
    }


# --- one weight, one neuron


@command("backprop.weight", reads=True)
def weight(
    studio: Studio, *, walk: int, name: str, index: list[int], terms: int = 4, nodes: int = 12
) -> dict[str, Any]:
    """Derive one number of a walk: its gradient, a central difference, the paths to the loss, the equations.

    name, index: "dense_1.W" and [3, 1], or "input" and [5].  gradient: that of training, in the model's precision;
    value: the chain rule in float64.
    """
    if not 1 <= terms <= TERMS or not 1 <= nodes <= NODES:
        raise ConfigError(f"terms must be from 1 to {TERMS} and nodes from 1 to {NODES}.")
    trace = Walks.of(studio).get(walk).trace
    place = ",".join(map(str, index))
    derivation = trace.derive(f"{name}[{place}]" if index else name)
    link, _, field = name.partition(".")
    at = tuple(index)
    gradient = (
        float(getattr(trace.grads[link], field)[at])
        if field
        else float(trace.grad_x[at if len(at) > 1 else (0, *at)])
    )
    return derived(derivation, terms, nodes) | {"walk": walk, "gradient": gradient}


@command("backprop.neuron", reads=True)
def neuron(studio: Studio, *, walk: int, link: str, index: int) -> dict[str, Any]:
    """Return one neuron's parameters with their gradients: its column of W, and its element of the others."""
    trace = Walks.of(studio).get(walk).trace
    if link not in trace.parameters:
        known = ", ".join(trace.parameters) or "none"
        raise ConfigError(f"there is no link {link!r} with parameters; choose from {known}.")
    found = {}
    for field, values in trace.parameters[link]._asdict().items():
        g = getattr(trace.grads[link], field)
        if values.ndim and not 0 <= index < values.shape[-1]:
            raise ConfigError(f"index must be from 0 to {values.shape[-1] - 1}, not {index}.")
        column = (..., index) if values.ndim else ()
        found[field] = {
            "values": _page(np.atleast_1d(values[column])),
            "gradients": _page(np.atleast_1d(g[column])),
        }
    return {"walk": walk, "link": link, "index": index, "fields": found}


# --- one step downhill


@command("backprop.update", reads=True)
def update(studio: Studio, *, walk: int, rate: float, theta: bool = False) -> dict[str, Any]:
    """Take one step of gradient descent on a copy: the loss before and after, and the largest changes.

    theta: whether to return all parameters after the step, (size,).
    """
    walked = Walks.of(studio).get(walk)
    trace = walked.trace
    g, change, new = descend(walked, check_rate(rate))
    after = Walk(trace.network, new, trace.batch, trace.context(), trace.scale)
    return {
        "walk": walk,
        "rate": rate,
        "before": float(trace.loss),
        "after": float(after.loss),
        "expected": float(np.dot(g.astype(np.float64), change.astype(np.float64))),
        "prediction": {"before": _page(trace.prediction[:1]), "after": _page(after.prediction[:1])},
        "changes": _changes(trace, g, new),
        "parameters": _by_parameter(trace, change),
        "theta": _page(new) if theta else None,
    }


def check_rate(rate: float) -> float:
    """Check that a learning rate is above 0 and at most a million, and return it. Raises ConfigError."""
    if not 0 < rate <= 1e6:
        raise ConfigError(f"rate must be above 0 and at most 1,000,000, not {rate:g}.")
    return rate


def _changes(trace: Walk, g: NDArray[Any], new: NDArray[Any]) -> list[dict[str, Any]]:
    """Return the parameters that change most, the largest change first."""
    size = np.abs(new - trace.theta)
    few = min(MAX_CHANGES, size.size)
    at = np.argpartition(-size, few - 1)[:few] if few else np.array([], np.int64)
    found = []
    for k in at[np.argsort(-size[at], kind="stable")].tolist():
        slot = next(slot for slot in trace.network.slots if slot.start <= k < slot.stop)
        index = [int(i) for i in np.unravel_index(k - slot.start, slot.parameter.shape)]
        found.append(
            {
                "name": f"{slot.link.name}.{slot.field}",
                "index": index,
                "before": float(trace.theta[k]),
                "gradient": float(g[k]),
                "after": float(new[k]),
            }
        )
    return found


def _by_parameter(trace: Walk, change: NDArray[Any]) -> list[dict[str, Any]]:
    """Return the norm of each parameter, and that of its change."""
    return [
        {
            "name": f"{slot.link.name}.{slot.field}",
            "norm": float(np.linalg.norm(trace.theta[slot.start : slot.stop])),
            "change": float(np.linalg.norm(change[slot.start : slot.stop])),
        }
        for slot in trace.network.slots
    ]


@command("backprop.keep")
def keep(studio: Studio, *, walk: int, rate: float) -> dict[str, Any]:
    """Take the step in the shown model itself, and notify all pages."""
    walked = Walks.of(studio).get(walk)
    new = descend(walked, check_rate(rate))[2]
    with studio.lock:
        model = studio.model
        if model is not walked.model or not np.array_equal(model.theta, walked.trace.theta):
            raise ConfigError("the model has changed since these passes; compute them again.")
        model.theta[...] = new
        model.steps_trained += 1
        name, kind = studio.name, studio.example
    studio.show_model(model, name, example=kind)
    return {"steps": model.steps_trained}


# --- the lesson's chain of four neurons: a model whose passes can be computed by hand, and all their lines -----------

CHAIN_X = np.array([2.0, 1.0, -1.0, 0.5, -2.0, 1.5])


@command("backprop.chain", reads=True)
def chain_lines(studio: Studio, *, walk: int, rate: float = 0.01) -> dict[str, Any]:
    """Return every line of a chain of single neurons, with the update at a learning rate."""
    trace = Walks.of(studio).get(walk).trace
    if not is_chain(trace):
        raise ConfigError("the lines are written for one sample and single neurons; load the example.")
    return chain(trace, check_rate(rate))


@command("backprop.example")
def example(studio: Studio, *, kind: Literal["lesson", "sigmoid"] = "lesson") -> dict[str, Any]:
    """Show a chain of four single neurons with the samples y = -2.5 x, and store what was shown before.

    lesson: w3, w2, w1, w0 = 0.5, 3, -1, 2 without activations, x = 2, y = -5.  sigmoid: the same with sigmoids between.
    """
    name = "1-1-1-1-1" if kind == "lesson" else "1-1-1-1-1 sigmoid"
    data = Data("chain", "", "", Dataset(CHAIN_X[:, None], -2.5 * CHAIN_X, (1,), "chain"))
    studio.show_example(kind, lesson_model(kind), data, name)
    return {"name": name}


def lesson_model(kind: str) -> Model:
    """Build the chain a4 -w3-> a3 -w2-> a2 -w1-> a1 -w0-> a0 with C = (a0 - y)^2, in float64."""
    layers: list[Any] = [Dense(1), Dense(1), Dense(1), Dense(1)]
    if kind == "sigmoid":
        layers = [Dense(1), Sigmoid(), Dense(1), Sigmoid(), Dense(1), Sigmoid(), Dense(1)]
    model = Model(Network(1, layers, MeanSquaredError()), dtype="float64")
    for name, w in zip(("dense_1", "dense_2", "dense_3", "dense_4"), (0.5, 3.0, -1.0, 2.0), strict=True):
        model.parameters[name].W[...] = w
        model.parameters[name].b[...] = 0.0
    return model


@command("backprop.example_end")
def example_end(studio: Studio) -> dict[str, Any]:
    """Restore what was shown before the example."""
    return {"name": studio.end_example()}
