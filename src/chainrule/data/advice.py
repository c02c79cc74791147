"""Warnings about samples that a network can be trained on but will hardly learn, one sentence each.

The sentences are warnings, not errors, because there may be a reason. `chainrule.network.advice` checks layers and
losses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.core.arrays import distinct
from chainrule.data.samples import Samples, dense
from chainrule.formulas.layers import Embedding, Layer, Rescale
from chainrule.formulas.losses import Loss

FAR = 20.0
"""The RMS of targets from which on they are far from an untrained network's outputs of about 1."""
NEAR = 0.01
"""The RMS of targets below which they are lost beside outputs of about 1."""
UNEQUAL = 100.0
"""The ratio of two outputs' deviations from which on the loss depends on the larger one alone."""
ROWS = 10_000
"""The most samples whose codes are looked at."""
FEW = 10
"""The fewest samples for a warning, and the fewest per class for one about a missing class."""


def on_targets(
    layers: Sequence[Layer],
    loss: Loss,
    samples: Samples,
    labels: Sequence[Any] | None = None,
    are_labels_known: bool = False,
) -> Iterator[str]:
    """Iterate over warnings, one for each property of the targets that makes them hard to learn.

    samples: those that an untrained network is to be trained on.  labels: what class numbers stand for.
    are_labels_known: whether the model was told its labels before, so that some of them may be missing here.
    """
    y = samples.y
    if samples.n < FEW:
        return
    if loss.targets in ("classes", "binary"):
        if y.ndim == 2 and y.shape[1] > 1:  # probabilities, or many labels
            return
        occurring = distinct(y)
        if len(occurring) == 1 and occurring[0] == int(occurring[0]):
            only = int(occurring[0]) if labels is None else labels[int(occurring[0])]
            yield (
                f"y contains one class only, {only!r}, so there is nothing to tell apart; pass samples of every class."
            )
        elif (
            y.ndim == 1
            and not are_labels_known
            and occurring[-1] + 1 < samples.outputs
            and samples.n >= FEW * samples.outputs
        ):
            yield (
                f"y contains the classes 0 to {int(occurring[-1])}, but the network has {samples.outputs} outputs; "
                f"give its last Dense layer {int(occurring[-1]) + 1} units."
            )
    elif loss.targets == "real" and samples.scale is None:
        yield from _on_units(layers, y[samples.weight > 0])


def on_codes(layers: Sequence[Layer], samples: Samples) -> Iterator[str]:
    """Iterate over warnings, one for each column of an embedding that has numbers besides codes in the first rows."""
    if not isinstance(layers[0], Embedding) or samples.n < FEW:
        return
    for column, codes, _ in layers[0].columns:
        x = dense(samples.X[:ROWS][:, [column]], samples.X.dtype)[:, 0]
        wrong = x[~((x >= 0) & (x < codes) & (x == np.floor(x)))]
        if len(wrong):
            yield (
                f"column {column} of X has {float(wrong[0]):g}, which is no code from 0 to {codes - 1} and is taken as "
                "0, unknown; give Embedding the number of codes, and X whole numbers."
            )


def _on_units(layers: Sequence[Layer], y: np.ndarray) -> Iterator[str]:
    last = layers[-1]
    if isinstance(last, Rescale) and last.scale:  # what the layers before it have to give
        y = (y - last.offset) / last.scale
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = y.mean(0), y.std(0)
        size = np.hypot(mean, std)
    varying = std > 1e-12 * np.abs(mean)
    if not varying.any() or not np.isfinite(size).all():
        return
    way_out = "pass scale_targets=True to fit, which learns each output in its own units"
    low, high = float(std[varying].min()), float(std[varying].max())
    worst = int(np.argmax(size))
    if high > UNEQUAL * low:
        yield (
            f"the outputs of y have standard deviations from {low:.3g} to {high:.3g}, so that the loss is hardly of "
            f"the smaller ones; {way_out}."
        )
    elif size[worst] > FAR or size[worst] < NEAR:
        yield (
            f"y has a mean of {mean[worst]:.3g} and a standard deviation of {std[worst]:.3g}, far from numbers of "
            f"about 1, which a network gives at first; {way_out}."
        )
