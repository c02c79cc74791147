"""Measurements of a network during training: activations, gradients, dead and saturated units, hints."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from chainrule.data.samples import Samples
from chainrule.engines import Engine
from chainrule.formulas.layers import Context, Link
from chainrule.formulas.metrics import confusion_matrix
from chainrule.inspection.flow.flow import Flow, measure, thinned
from chainrule.model import Model
from chainrule.network.answers import decide, task_of, true_labels
from chainrule.network.network import Network
from chainrule.recipe.data import Parts
from chainrule.trained.evaluation import BATCH
from chainrule.training.run import Run

GRADIENT_SAMPLES = 64
"""The number of samples for gradients."""
MAX_VALUES = 2560
"""The maximum activations in a frame, as float16: 5 kB."""
MAX_ROWS = 16
"""The maximum layers in a frame."""
SHARE = 0.01
"""The maximum fraction of the time for measurements."""
SECONDS = 0.5
"""The minimum time between two measurements."""
JUDGED = 2000
"""The number of samples of the confusion matrix after an epoch."""
EVALUATED = 5000
"""The maximum samples on which the trained model is evaluated in the end."""


class ShownLink(NamedTuple):
    """A link whose first neurons are in a frame."""

    name: str
    kind: str
    width: int
    shown: int


def layout(network: Network) -> list[ShownLink]:
    """Choose the links whose activations are shown, including the output, and the number of neurons of each."""
    links = [link for link in network.links if not link.layer.is_identity or link is network.links[-1]]
    links = [link for link in links if link.layer.kind not in ("rescale", "standardize", "dropout")]
    links = links[-MAX_ROWS:]
    most = max(1, MAX_VALUES // len(links))
    return [ShownLink(link.name, link.layer.kind, link.fan_out, min(link.fan_out, most)) for link in links]


def activations(
    network: Network, theta: NDArray[Any], states: Any, x: NDArray[Any], wanted: Sequence[ShownLink]
) -> NDArray[np.float16]:
    """Return the outputs of the links of a layout for one sample x (inputs,), concatenated."""
    found: dict[str, NDArray[Any]] = {}

    def watch(walk: str, link: Link, value: NDArray[Any]) -> None:
        found[link.name] = value[0]

    with np.errstate(all="ignore"):
        a = np.asarray(x, theta.dtype).reshape(1, -1)
        network.predict(network.unflatten(theta), a, Context(states=states, watch=watch))
        return np.concatenate([found[link.name][: link.shown] for link in wanted]).astype(np.float16)


def flow_of(run: Run) -> Flow:
    """Measure the gradients of a run on a few of its samples, as in its next step."""
    few = thinned(run.samples.first(), GRADIENT_SAMPLES)
    session = run.session
    return measure(run.plan, session.theta, session.states, few, session.step_offset + run.step + 1)


def rows_of(flow: Flow) -> dict[str, Any]:
    """Return the names of the layers, and their measurements as arrays; NaN for missing values."""
    rows = flow.layers[-MAX_ROWS:]

    def column(values: Sequence[float | None]) -> NDArray[np.float32]:
        return np.array([np.nan if value is None else value for value in values], np.float32)

    return {
        "layers": [row.layer for row in rows],
        "gradient": column([row.gradient_rms for row in rows]),
        "weight": column([row.weight_rms for row in rows]),
        "dead": column([None if row.dead is None else row.dead / row.width for row in rows]),
        "saturated": column([row.saturated for row in rows]),
    }


# --- hints


def hints_of_flow(flow: Flow) -> list[dict[str, Any]]:
    """Return the problems of the gradient flow, as codes with the worst layer."""
    found = []
    for each in flow.diagnoses:
        share = {"dead": (each.worst.dead or 0) / each.worst.width, "saturated": each.worst.saturated or 0.0}
        found.append(
            {
                "code": each.kind.replace(" ", "_"),
                "layer": each.worst.layer,
                "value": share.get(each.kind, each.worst.delta_ratio),
            }
        )
    return found


def is_rising(losses: Sequence[float], window: int = 8) -> bool:
    """Return whether the loss of the last points is well above the earlier ones, by more than it varies among them."""
    if len(losses) < 2 * window:
        return False
    values = np.asarray(losses, np.float64)
    means = np.convolve(values, np.ones(window) / window, "valid")
    margin = 3 * values[-window:].std(ddof=1) / math.sqrt(window)
    return bool(means[-1] - margin > 1.3 * means[:-window].min() + 1e-6)


def is_overfitting(records: Sequence[dict[str, float]]) -> bool:
    """Return whether the validation loss has risen for two epochs while the training loss fell."""
    values = [record.get("val_loss") for record in records]
    if len(values) < 4 or any(value is None for value in values):
        return False
    best = int(np.argmin(np.array(values, np.float64)))
    is_worse = float(values[-1] or 0) > 1.02 * float(values[best] or 0)
    return is_worse and best <= len(values) - 3 and records[-1]["loss"] < records[best]["loss"]


def hints_of_loss(losses: Sequence[float], records: Sequence[dict[str, float]]) -> list[dict[str, Any]]:
    """Return hints from the curves: a rising loss, and overfitting."""
    found: list[dict[str, Any]] = []
    if is_rising(losses):
        found.append({"code": "rising"})
    if is_overfitting(records):
        found.append({"code": "overfitting"})
    return found


# --- the confusion matrix


def confusion_of(
    network: Network, engine: Engine, theta: NDArray[Any], states: Any, samples: Samples
) -> NDArray[np.int32] | None:
    """Count (class, answer) of samples as (classes, classes); None for samples without a single class."""
    task = task_of(network.loss, network.outputs)
    if task not in ("binary", "multiclass"):
        return None
    answers = decide(network.loss, engine.predict(network, theta, states, samples.X, BATCH))
    counts = confusion_matrix(true_labels(task, samples.y), answers, max(network.outputs, 2))
    return counts.astype(np.int32)


class Looks:
    """The latest measurements of a run, and the time of the next ones."""

    def __init__(self, network: Network, judged: Samples, pinned: NDArray[Any] | None) -> None:
        """judged: samples of the confusion matrix.  pinned: the sample (inputs,) whose activations are shown."""
        self.network, self.layout = network, layout(network)
        self.judged = thinned(judged, JUDGED)
        first = judged.X[0]
        first = np.asarray(first.toarray()[0] if hasattr(first, "toarray") else first, np.float64)
        self.pinned = first if pinned is None or pinned.shape != first.shape else pinned
        self.found: dict[str, Any] | None = None
        self.confusion: NDArray[np.int32] | None = None
        self.kept: dict[str, float | None] = {}
        """the loss and the metric of the trained model, named as in the records; empty before it is evaluated"""
        self.hints: list[dict[str, Any]] = []
        self.blas = ThreadpoolController().select(user_api="blas")
        self.at = self.cost = 0.0
        """the time of the last measurement, and its duration in seconds"""

    def is_due(self, now: float) -> bool:
        """Return whether another measurement is due."""
        return now - self.at > max(SECONDS, self.cost / SHARE)

    def look(self, run: Run, losses: Sequence[float], records: Sequence[dict[str, float]]) -> None:
        """Measure the gradients of a few samples and the activations of the pinned one, and derive hints.

        The products use one thread: those of OpenBLAS spin for some 25 ms after each, on the cores of the training.
        """
        start = time.perf_counter()
        session = run.session
        session.synchronize()
        with self.blas.limit(limits=1):
            flow = flow_of(run)
            a = activations(self.network, session.theta, session.states, self.pinned, self.layout)
        self.found = rows_of(flow) | {"step": run.step, "activations": a}
        self.hints = [*hints_of_loss(losses, records), *hints_of_flow(flow)]
        self.at = time.perf_counter()
        self.cost = self.at - start

    def evaluate(
        self, model: Model, parts: Parts, records: Sequence[dict[str, float]], is_refit: bool
    ) -> None:
        """Measure a trained model, which need not be that of the last epoch, as its records and the matrix do.

        is_refit: whether it was trained on the validation samples too, which then say nothing about it.
        """
        last = records[-1] if records else {}
        for prefix, samples in (("", parts.train), ("val_", parts.watched)):
            names = [name for name in ("accuracy", "rmse") if prefix + name in last]
            if f"{prefix}loss" in last:
                found = model.evaluate(thinned(samples, EVALUATED), metrics=names)
                self.kept |= {prefix + k: None if prefix and is_refit else v for k, v in found.items()}
        if self.confusion is not None:
            self.confusion = model.confusion_matrix(self.judged).astype(np.int32)

    def judge(self, run: Run) -> None:
        """Compute the confusion matrix."""
        session = run.session
        session.synchronize()
        self.confusion = confusion_of(self.network, run.engine, session.theta, session.states, self.judged)
