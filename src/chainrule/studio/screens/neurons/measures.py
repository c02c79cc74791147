"""Statistics of the neurons of a layer on samples: how often and how strongly each is active, and for which classes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import evenly_spaced
from chainrule.formulas.layers import Link
from chainrule.inspection.features.features import layer_outputs
from chainrule.inspection.flow.diagnosis import FLAT_SLOPE, SATURATED_SHARE, slopes_of
from chainrule.network.answers import true_labels
from chainrule.studio.screens.neurons.edits import neurons_of
from chainrule.trained.trained import Trained

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
