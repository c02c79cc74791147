"""Warnings about samples from which a network will hardly learn, one sentence each.

They are warnings, not errors, because there may be a reason. `chainrule.network.network` checks layers and losses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.core.arrays import distinct
from chainrule.data.samples import Samples, dense
from chainrule.formulas.layers import Embedding, Layer, Rescale
from chainrule.formulas.losses import Loss

LARGE_TARGET_RMS = 20.0
"""The RMS above which targets are far from an untrained network's outputs of about 1."""
SMALL_TARGET_RMS = 0.01
"""The RMS below which targets vanish beside an untrained network's outputs of about 1."""
MAX_STD_RATIO = 100.0
"""The ratio of two outputs' standard deviations above which the loss depends only on the larger one."""
MAX_CODE_ROWS = 10_000
"""The maximum number of samples whose codes are checked."""
MIN_SAMPLES = 10
"""The minimum number of samples for a warning, and per class for one about a missing class."""


def on_targets(
    layers: Sequence[Layer],
    loss: Loss,
    samples: Samples,
    labels: Sequence[Any] | None = None,
    are_labels_known: bool = False,
) -> Iterator[str]:
    """Iterate over warnings, one per property of the targets that makes them hard to learn.

    samples: those for an untrained network.  labels: the label of each class index.
    are_labels_known: whether the model already knew its labels, some of which may then be missing here.
    """
    y = samples.y
    if samples.n < MIN_SAMPLES:
        return
    if loss.targets in ("classes", "binary"):
        if y.ndim == 2 and y.shape[1] > 1:  # probabilities, or multilabel
            return
        occurring = distinct(y)
        if len(occurring) == 1 and occurring[0] == int(occurring[0]):
            only = int(occurring[0]) if labels is None else labels[int(occurring[0])]
            yield (
                f"y contains only one class, {only!r}, so there is nothing to learn; pass samples of every "
                "class."
            )
        elif (
            y.ndim == 1
            and not are_labels_known
            and occurring[-1] + 1 < samples.outputs
            and samples.n >= MIN_SAMPLES * samples.outputs
        ):
            yield (
                f"y contains the classes 0 to {int(occurring[-1])}, but the network has {samples.outputs} "
                f"outputs; give its last Dense layer {int(occurring[-1]) + 1} units."
            )
    elif loss.any_unit and samples.scale is None:
        yield from _on_units(layers, y[samples.weight > 0])


def on_codes(layers: Sequence[Layer], samples: Samples) -> Iterator[str]:
    """Iterate over warnings, one per column of an embedding with other numbers than codes in the first rows."""
    if not isinstance(layers[0], Embedding) or samples.n < MIN_SAMPLES:
        return
    for column, codes, _ in layers[0].columns:
        x = dense(samples.X[:MAX_CODE_ROWS][:, [column]], samples.X.dtype)[:, 0]
        wrong = x[~((x >= 0) & (x < codes) & (x == np.floor(x)))]
        if len(wrong):
            yield (
                f"column {column} of X contains {float(wrong[0]):g}, which is not a code from 0 to "
                f"{codes - 1} and is treated as 0 (unknown); give Embedding the number of codes, and X "
                "integers."
            )


def _on_units(layers: Sequence[Layer], y: np.ndarray) -> Iterator[str]:
    last = layers[-1]
    if isinstance(last, Rescale) and last.scale:  # the targets of the layers before it
        y = (y - last.offset) / last.scale
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = y.mean(0), y.std(0)
        size = np.hypot(mean, std)
    varying = std > 1e-12 * np.abs(mean)
    if not varying.any() or not np.isfinite(size).all():
        return
    way_out = "pass scale_targets=True to fit, which standardizes each output"
    low, high = float(std[varying].min()), float(std[varying].max())
    worst = int(np.argmax(size))
    if high > MAX_STD_RATIO * low:
        yield (
            f"the outputs of y have standard deviations from {low:.3g} to {high:.3g}, so the loss hardly "
            f"depends on the smaller ones; {way_out}."
        )
    elif size[worst] > LARGE_TARGET_RMS or size[worst] < SMALL_TARGET_RMS:
        yield (
            f"y has mean {mean[worst]:.3g} and standard deviation {std[worst]:.3g}, far from the values of "
            f"about 1 that an untrained network outputs; {way_out}."
        )
