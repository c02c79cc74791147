"""The screen Neurons: the inputs that each neuron responds to, and the answers without it."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import evenly_spaced
from chainrule.errors import ConfigError
from chainrule.formulas.metrics import confusion_matrix
from chainrule.inspection.features.features import layer_outputs
from chainrule.network.answers import decide
from chainrule.studio.screens.model import shown_part
from chainrule.studio.screens.neurons import edits as editing
from chainrule.studio.screens.neurons import measures
from chainrule.studio.screens.neurons.python import preamble
from chainrule.studio.session.commands import command
from chainrule.studio.session.studio import Studio
from chainrule.trained.trained import Trained

MAX_EXAMPLES = 24
IMPORTANCE = 2_000, 400_000
"""The maximum samples for which each neuron is ablated in turn, and maximum of samples times neurons."""
METRICS = {"regression": "rmse"}


class Seen(NamedTuple):
    """A layer's values on the samples, cached until the model, the data or the layer change."""

    key: tuple[Any, ...]
    part: measures.SampleRows
    z: NDArray[Any]
    a: NDArray[Any]


def _activations_of(studio: Studio, model: Trained, layer: str) -> Seen:
    """Return z and a of a layer on the shown samples."""
    data = shown_part(studio)
    states = b"".join(part.tobytes() for state in model.states.values() for part in state)
    key = (zlib.crc32(model.theta.tobytes()), zlib.crc32(states), id(data.X), len(data.X), layer)
    with studio.lock:
        kept = studio.parts.get("neurons.seen")
    if kept is not None and kept.key == key:
        return kept  # type: ignore[no-any-return]
    part = measures.thinned(data.X, data.y)
    seen = Seen(key, part, *measures.outputs_of(model, part.X, layer))
    with studio.lock:
        studio.parts["neurons.seen"] = seen
    return seen


@command("neurons.layer", reads=True)
def layer(studio: Studio, *, layer: str | None = None) -> dict[str, Any]:
    """Return the layers, and the statistics of every neuron of one, by default the first."""
    model = editing.copied(studio.model)
    names = editing.layers_of(model)
    if not names:
        raise ConfigError("the network has no dense layer; add one on the screen Train.")
    name = names[0] if layer is None else layer
    links = editing.neurons_of(model, name)
    seen = _activations_of(studio, model, name)
    found = measures.measured(model, seen.part, name, seen.z, seen.a)
    return {
        "layers": [
            {"name": n, "last": editing.neurons_of(model, n)[-1].name, "width": _width(model, n)}
            for n in names
        ],
        "layer": name,
        "last": links[-1].name,
        "width": _width(model, name),
        "samples": len(seen.part.X),
        "labels": _labels(model),
        **found._asdict(),
        "code": "\n".join([*preamble(studio), "", *_layer_code(model, name)]),
    }


def _width(model: Trained, layer: str) -> int:
    return int(model.parameters[layer].W.shape[1])


def _labels(model: Trained) -> list[str] | None:
    return [str(label) for label in model.labels] if model.task in ("binary", "multiclass") else None


def _layer_code(model: Trained, layer: str) -> list[str]:
    last = editing.neurons_of(model, layer)[-1].name
    lines = [
        f'a = layer_outputs(model, X, ["{last}"])["{last}"]  # (samples, neurons)',
        "mean, variance = a.mean(0), a.var(0)",
        f'norm = np.linalg.norm(model.parameters["{layer}"].W, axis=0)',
    ]
    if model.task in ("binary", "multiclass"):
        lines += [
            "by_class = np.array([a[y == label].mean(0) for label in model.labels])",
            "share = np.array([(y == label).mean() for label in model.labels])",
            "selectivity = share @ (by_class - mean) ** 2 / variance  # 0 / 0 for a constant neuron",
        ]
    return ["from chainrule.inspection.features.features import layer_outputs", "", *lines]


@command("neurons.one", reads=True)
def one(studio: Studio, *, layer: str, neuron: int, count: int = 8) -> dict[str, Any]:
    """Return a neuron's histogram, its weights, and the samples with the highest and the lowest activation."""
    model = editing.copied(studio.model)
    links = editing.neurons_of(model, layer)
    width = _width(model, layer)
    if not 0 <= neuron < width:
        raise ConfigError(f"neuron must be from 0 to {width - 1}, the neurons of {layer}, not {neuron}.")
    if not 1 <= count <= MAX_EXAMPLES:
        raise ConfigError(f"count must be from 1 to {MAX_EXAMPLES}, not {count}.")
    seen = _activations_of(studio, model, layer)
    values = seen.a[:, neuron]
    counts, ends = measures.histogram(values)
    most, least = measures.extremes(values, count)
    name = links[-1].name
    p = model.parameters[layer]
    return {
        "layer": layer,
        "neuron": neuron,
        "counts": counts.astype(np.float64),
        "ends": ends,
        "weights": p.W[:, neuron].astype(np.float32),
        "bias": float(p.b[neuron]) if hasattr(p, "b") else None,
        "source": _source(model, layer),
        "most": _examples(seen, most, values),
        "least": _examples(seen, least, values),
        "code": "\n".join(
            [
                *preamble(studio),
                "from chainrule.inspection.features.features import exciting_samples",
                "",
                f'found = exciting_samples(model, X, "{name}", [{neuron}], k={count})',
                "found.most[0], found.most_values[0]    # rows of X, and the activations",
                "found.least[0], found.least_values[0]",
            ]
        ),
    }


def _source(model: Trained, layer: str) -> str | None:
    """Return the layer whose neurons this one reads; None if it reads the inputs or a block."""
    names = editing.layers_of(model)
    before = names[: names.index(layer)]
    fan_in = model.parameters[layer].W.shape[0]
    return before[-1] if before and _width(model, before[-1]) == fan_in else None


def _examples(seen: Seen, places: NDArray[np.int64], values: NDArray[Any]) -> dict[str, Any]:
    X = np.asarray(seen.part.X[places])
    y = np.asarray(seen.part.y[places])
    return {
        "rows": seen.part.rows[places].tolist(),
        "values": values[places].astype(np.float64),
        "X": X if X.dtype == np.uint8 else X.astype(np.float32),
        "y": [str(v) if isinstance(v, (str, bytes)) else v for v in y.tolist()],
    }


@command("neurons.try", reads=True)
def try_(studio: Studio, *, edits: list[dict[str, Any]]) -> dict[str, Any]:
    """Evaluate the model, and a copy with some edits, on the samples; the model does not change."""
    model = editing.copied(studio.model)
    data = shown_part(studio)
    part = measures.thinned(data.X, data.y)
    edited, lines = editing.applied(model, edits, part.X)
    before, after = judged(model, part), judged(edited, part)
    said, says = before.pop("said"), after.pop("said")
    changed = None if model.task == "regression" else int((said != says).reshape(len(said), -1).any(1).sum())
    metric = METRICS.get(model.task, "accuracy")
    code = [
        *preamble(studio),
        "",
        f'before = model.evaluate(X, y, metrics=["{metric}"])',
        "p = model.parameters  # views: changes in them change the model",
        *lines,
        f'after = model.evaluate(X, y, metrics=["{metric}"])',
        f"print(f\"{{before['{metric}']:.4f}} -> {{after['{metric}']:.4f}}\")",
    ]
    return {
        "n": len(part.X),
        "metric": metric,
        "labels": _labels(model),
        "before": before,
        "after": after,
        "changed": changed,
        "code": "\n".join(code),
    }


def judged(model: Trained, part: measures.SampleRows) -> dict[str, Any]:
    """Return the loss, the metric, the answers, and for classes the accuracy of each."""
    samples = model.check_samples(part.X, part.y)
    out = model.outputs(samples)
    metric = METRICS.get(model.task, "accuracy")
    numbers = model.evaluate(samples, metrics=[metric], outputs=out)
    found = {"loss": numbers["loss"], "score": numbers[metric], "by_class": None}
    said = np.asarray(decide(model.network.loss, out))
    classes = measures.class_numbers(model, part)
    if classes is not None:
        counted = confusion_matrix(classes, said, len(model.labels)).astype(np.float64)
        with np.errstate(invalid="ignore"):
            found["by_class"] = counted.diagonal() / counted.sum(1)
    return found | {"said": said}


@command("neurons.importance", reads=True)
def importance(studio: Studio, *, layer: str) -> dict[str, Any]:
    """Return the loss and the score on some of the samples with each neuron set to 0 in turn."""
    model = editing.copied(studio.model)
    editing.neurons_of(model, layer)
    data = shown_part(studio)
    part = measures.thinned(data.X, data.y)
    width = _width(model, layer)
    rows = evenly_spaced(len(part.X), min(IMPORTANCE[0], max(100, IMPORTANCE[1] // width)))
    few = measures.SampleRows(part.X[rows], part.y[rows], part.rows[rows])
    whole = judged(model, few)
    z = layer_outputs(model, few.X, [layer])[layer]
    loss, score = np.full(width, np.nan), np.full(width, np.nan)
    theta = model.theta.copy()
    for neuron in range(width):
        editing.ablate(model, layer, neuron, 0.0, z[:, neuron])
        found = judged(model, few)
        loss[neuron], score[neuron] = found["loss"], found["score"]
        model.theta[:] = theta
    return {
        "layer": layer,
        "n": len(few.X),
        "whole": [whole["loss"], whole["score"]],
        "loss": loss,
        "score": score,
    }


@command("neurons.keep")
def keep(studio: Studio, *, edits: list[dict[str, Any]]) -> dict[str, Any]:
    """Show a copy of the model with some edits; `neurons.back` restores the original."""
    if not edits:
        raise ConfigError("there are no edits to keep; make one first.")
    model, name = studio.model, studio.name
    data = shown_part(studio)
    edited, _ = editing.applied(model, edits, measures.thinned(data.X, data.y).X)
    with studio.lock:
        studio.parts["neurons.before"] = (edited, model, name)
    studio.show_model(edited, f"{name} *")  # type: ignore[arg-type]  # a copy of a Model is one
    return {"kept": len(edits)}


@command("neurons.back")
def back(studio: Studio) -> dict[str, Any]:
    """Show the model from before the kept edits."""
    with studio.lock:
        kept = studio.parts.get("neurons.before")
        if kept is None or kept[0] is not studio.model:
            raise ConfigError("the model has no kept edits, so there is nothing to undo.")
        del studio.parts["neurons.before"]
    studio.show_model(kept[1], kept[2])
    return {}


@command("neurons.kept", reads=True)
def kept(studio: Studio) -> dict[str, Any]:
    """Return whether the shown model has kept edits."""
    found = studio.parts.get("neurons.before")
    return {"kept": found is not None and studio.has_model and found[0] is studio.model}
