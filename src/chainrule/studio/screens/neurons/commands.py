"""The screen Neurons: the inputs that each neuron responds to, its statistics, and the answers without it."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import evenly_spaced
from chainrule.errors import ConfigError
from chainrule.export.comparing import ROWS
from chainrule.export.effect import Int8Effect, effect_of_int8
from chainrule.formulas.layers import Link
from chainrule.formulas.metrics import confusion_matrix
from chainrule.inspection.features.features import layer_outputs
from chainrule.inspection.flow.diagnosis import FLAT_SLOPE, SATURATED_SHARE, slopes_of
from chainrule.model import Model
from chainrule.network.answers import decide, true_labels
from chainrule.studio.screens.model import shown_part
from chainrule.studio.screens.neurons import edits as editing
from chainrule.studio.screens.neurons.edits import neurons_of
from chainrule.studio.session.commands import command
from chainrule.studio.session.studio import Studio
from chainrule.trained.trained import Trained
from chainrule.views import words
from chainrule.views.tables import int8_cells, int8_sentences
from chainrule.views.words import LANGUAGES, spoken_in

# --- statistics of the neurons of a layer: how often and how strongly each is active, and for which classes ---------

MAX_SAMPLES = 10_000
"""The maximum samples for the statistics; of more, evenly spaced ones are used."""
BINS = 40


class SampleRows(NamedTuple):
    """The samples of the statistics."""

    X: NDArray[Any]
    y: NDArray[Any]
    rows: NDArray[np.int64]
    """their indices among all samples"""


class Neurons(NamedTuple):
    """The statistics of a layer's neurons, each (neurons,) except by_class (classes, neurons)."""

    mean: NDArray[np.float64]
    active: NDArray[np.float64]
    """fraction of the samples with z > 0"""
    variance: NDArray[np.float64]
    norm: NDArray[np.float64]
    """of the incoming weights"""
    bias: NDArray[np.float64]
    selectivity: NDArray[np.float64]
    """fraction of the variance between classes, or explained linearly by the target; NaN without variance"""
    by_class: NDArray[np.float64] | None
    """mean by class; None for samples without a class"""
    dead: NDArray[np.bool_]
    """without gradient on all samples: the slope is always 0, or the output constant"""
    always: NDArray[np.bool_]
    """z > 0 on every sample"""
    saturated: NDArray[np.bool_]
    """a bounded activation that is flat on most samples"""


def thinned(X: NDArray[Any], y: NDArray[Any], most: int = MAX_SAMPLES) -> SampleRows:
    """Return at most so many samples, evenly spaced."""
    n = len(X)
    rows = evenly_spaced(n, most)
    return SampleRows(X if n <= most else X[rows], y if n <= most else y[rows], rows)


def outputs_of(model: Trained, X: NDArray[Any], layer: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return z and a (n, neurons) of a layer, the input and the output of its activation; equal without one."""
    links = neurons_of(model, layer)
    before = links[max(0, len(links) - 2)].name
    found = layer_outputs(model, X, [before, links[-1].name])
    return found[before], found[links[-1].name]


def class_numbers(model: Trained, part: SampleRows) -> NDArray[np.int64] | None:
    """Return the class index of each sample (n,); None for samples without classes, or with several labels."""
    if model.task not in ("binary", "multiclass"):
        return None
    return np.asarray(true_labels(model.task, model.check_samples(part.X, part.y).y), np.int64)


def measured(model: Trained, part: SampleRows, layer: str, z: NDArray[Any], a: NDArray[Any]) -> Neurons:
    """Compute the statistics of a layer's neurons from its z and a."""
    links = neurons_of(model, layer)
    p = model.parameters[layer]
    exact = a.astype(np.float64)
    mean, variance = exact.mean(0), exact.var(0)
    by_class, explained = _by_target(model, part, exact)
    slopes = slopes_of(links[-1].layer, z, a)
    dead = np.ptp(a, axis=0) == 0 if slopes is None else (slopes == 0).all(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        selectivity = np.where(variance > 0, explained / variance, np.nan)
    return Neurons(
        mean=mean,
        active=(z > 0).mean(0),
        variance=variance,
        norm=np.linalg.norm(p.W.astype(np.float64), axis=0),
        bias=np.asarray(getattr(p, "b", np.zeros(p.W.shape[1])), np.float64),
        selectivity=selectivity,
        by_class=by_class,
        dead=np.asarray(dead),
        always=np.asarray((z > 0).all(0)),
        saturated=_saturated(links[-1], slopes, a.shape[1]),
    )


def _by_target(
    model: Trained, part: SampleRows, a: NDArray[np.float64]
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64]]:
    """Return the mean by class (classes, neurons), and the variance explained by class or target (neurons,)."""
    mean = a.mean(0)
    classes = class_numbers(model, part)
    if classes is not None:
        counts = np.bincount(classes, minlength=len(model.labels)).astype(np.float64)
        sums = np.zeros((len(counts), a.shape[1]))
        np.add.at(sums, classes, a)
        with np.errstate(invalid="ignore"):
            by_class = sums / counts[:, None]  # NaN for a class without a sample
        between = np.nansum(counts[:, None] * (by_class - mean) ** 2, axis=0) / len(a)
        return by_class, between
    y = np.asarray(part.y)
    if model.task != "regression" or (y.ndim == 2 and y.shape[1] > 1):
        return None, np.full(a.shape[1], np.nan)
    t = y.reshape(len(a)).astype(np.float64)
    t = t - t.mean()
    spread = float((t**2).mean())
    return None, ((a - mean).T @ t / len(a)) ** 2 / spread if spread else np.zeros(a.shape[1])


def _saturated(last: Link, slopes: NDArray[Any] | None, width: int) -> NDArray[np.bool_]:
    if slopes is None or not last.layer.is_bounded:
        return np.zeros(width, bool)
    zero = np.zeros(1)
    steepest = float(last.layer.prime(zero, last.layer.f(zero))[0])  # type: ignore[attr-defined]
    return np.asarray((slopes < FLAT_SLOPE * steepest).mean(0) > SATURATED_SHARE)


def histogram(a: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the counts of BINS equal intervals, and their edges (BINS + 1,)."""
    counts, ends = np.histogram(a.astype(np.float64), BINS)
    return counts, ends


def extremes(a: NDArray[Any], k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of the k largest values, largest first, and of the k smallest; ties keep their order."""
    return (-a).argsort(kind="stable")[:k], a.argsort(kind="stable")[:k]


# --- what 8-bit integers do to the network on show, by layer, class and input ----------------------------------------

MOST_INPUTS = 10_000
"""Of a network on which this is tried: rows of more are large."""


@command("neurons.integers", reads=True)
def integers(studio: Studio) -> dict[str, Any]:
    """Return sentences and tables on what integers do on the shown samples, at most ROWS of them, in each language."""
    model, data = editing.copied(studio.model), shown_part(studio)
    assert isinstance(model, Model), "a studio shows a model"
    if model.network.inputs > MOST_INPUTS:
        raise ConfigError(
            f"the network has {model.network.inputs:,} inputs, and this is measured for at most {MOST_INPUTS:,}; "
            "export it with dtype='int8'."
        )
    found = effect_of_int8(model.graph(), {"X": thinned(data.X, data.y, ROWS).X})
    lines = [
        "from chainrule.export.effect import effect_of_int8",
        "",
        'print(effect_of_int8(model.graph(), {"X": X}))',
        'model.export("net.c", X, dtype="int8")  # writes it for a chip',
    ]
    return {
        "told": {language: describe_effect(found, language) for language in LANGUAGES},
        "difference": found.difference,
        "code": "\n".join([*preamble(studio, most=ROWS), *lines]),
    }


def describe_effect(found: Int8Effect, language: str) -> dict[str, Any]:
    """Return the title, the sentences and the tables in a language."""
    with spoken_in(language):
        tables = [
            {"columns": list(heads), "rows": [list(row) for row in rows]} for heads, rows in int8_cells(found)
        ]
        return {"title": words.model.INT8, "text": list(int8_sentences(found)), "tables": tables}


# --- the first lines of the Python that a screen shows: how to load the model and the shown samples ------------------


def preamble(studio: Studio, *, most: int | None = MAX_SAMPLES) -> list[str]:
    """Return the lines that load the model and the shown samples: MNIST from the package, others from a file.

    most: maximum samples; of more, evenly spaced ones are used.
    """
    lines = ["import numpy as np", "from chainrule import load"]
    if studio.has_data and studio.data.source == "mnist":
        name = "test" if studio.data.test is not None else "train"
        lines += ["from chainrule.datasets import load_mnist", "", "train, test = load_mnist()"]
        lines += [f"X, y = {name}.X, {name}.y"]
    else:
        lines += ["", 'with np.load("samples.npz") as file:', '    X, y = file["X"], file["y"]']
    n = len(shown_part(studio).X) if studio.has_data else 0
    if most is not None and n > most:
        lines += [f"rows = np.linspace(0, {n - 1}, {most}).astype(int)", "X, y = X[rows], y[rows]"]
    return [*lines, 'model = load("model.safetensors")']


# --- the screen Neurons: the inputs that each neuron responds to, and the answers without it -------------------------

MAX_EXAMPLES = 24
IMPORTANCE = 2_000, 400_000
"""The maximum samples for which each neuron is ablated in turn, and maximum of samples times neurons."""
METRICS = {"regression": "rmse"}


class Seen(NamedTuple):
    """A layer's values on the samples, cached until the model, the data or the layer change."""

    key: tuple[Any, ...]
    part: SampleRows
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
    part = thinned(data.X, data.y)
    seen = Seen(key, part, *outputs_of(model, part.X, layer))
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
    found = measured(model, seen.part, name, seen.z, seen.a)
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
    counts, ends = histogram(values)
    most, least = extremes(values, count)
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
    part = thinned(data.X, data.y)
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


def judged(model: Trained, part: SampleRows) -> dict[str, Any]:
    """Return the loss, the metric, the answers, and for classes the accuracy of each."""
    samples = model.check_samples(part.X, part.y)
    out = model.outputs(samples)
    metric = METRICS.get(model.task, "accuracy")
    numbers = model.evaluate(samples, metrics=[metric], outputs=out)
    found = {"loss": numbers["loss"], "score": numbers[metric], "by_class": None}
    said = np.asarray(decide(model.network.loss, out))
    classes = class_numbers(model, part)
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
    part = thinned(data.X, data.y)
    width = _width(model, layer)
    rows = evenly_spaced(len(part.X), min(IMPORTANCE[0], max(100, IMPORTANCE[1] // width)))
    few = SampleRows(part.X[rows], part.y[rows], part.rows[rows])
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
    edited, _ = editing.applied(model, edits, thinned(data.X, data.y).X)
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
