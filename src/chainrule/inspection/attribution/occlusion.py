"""Occlusion: remove a part of the sample, and measure the change of the output."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array, RowsLike
from chainrule.errors import ConfigError
from chainrule.inspection.attribution.explained import explained
from chainrule.inspection.attribution.result import Attribution, result
from chainrule.trained.trained import Trained


def occlusion(
    model: Trained,
    X: RowsLike,
    *,
    target: object = None,
    against: object = None,
    baseline: Array = None,
    shape: tuple[int, int] | None = None,
    patch: int | tuple[int, int] | None = None,
    stride: int | tuple[int, int] | None = None,
) -> Attribution:
    """f(x) - f(x with feature k at its baseline); for pictures, with patches of pixels instead of features.

    X: (n, inputs).  patch: for pictures, (height, width) or one number for both; None for single features.
    stride: the distance between patches; the patch's own size by default.  A pixel covered by several patches gets
    the mean of their effects.
    Source: Zeiler, Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 4.2.
    """
    f = explained(model, X, target=target, against=against, baseline=baseline, shape=shape)
    features = f.X.shape[1]
    if patch is None:
        if stride is not None:
            raise ConfigError("stride requires a patch; pass patch=4 too, or omit stride.")
        masks: NDArray[np.bool_] | None = None
        count = features
    else:
        if f.shape is None:
            raise ConfigError("patch is for pictures; pass shape=(height, width), or omit patch for a table.")
        size = _pair(patch, "patch", f.shape)
        masks = windows(f.shape, size, size if stride is None else _pair(stride, "stride", f.shape))
        count = len(masks)
    whole = f.value(f.X, f.V)  # (n,)
    values = np.empty_like(f.X)
    for i in range(len(f.X)):
        lost = np.empty(count)  # (windows,)
        for rows in f.chunks(count):
            hidden = np.arange(features) == np.arange(count)[rows, None] if masks is None else masks[rows]
            lost[rows] = whole[i] - f.value(np.where(hidden, f.baseline[i], f.X[i]), f.V[i])
        values[i] = lost if masks is None else lost @ masks / np.maximum(masks.sum(0), 1)
    return result(
        "occlusion",
        f,
        values,
        is_complete=False,
        patch=None if patch is None else list(size),
        evaluations=count,
    )


def windows(shape: tuple[int, int], size: tuple[int, int], stride: tuple[int, int]) -> NDArray[np.bool_]:
    """Return (windows, height * width): the pixels covered by each patch. The last patches may extend over the edge.

    With a stride larger than the patch, some pixels are not covered, and get 0.
    """
    starts = [
        range(0, max(length - s, 0) + step, step) for length, s, step in zip(shape, size, stride, strict=True)
    ]
    found = []
    for top in starts[0]:
        for left in starts[1]:
            mask = np.zeros(shape, np.bool_)
            mask[top : top + size[0], left : left + size[1]] = True
            if mask.any():
                found.append(mask.ravel())
    return np.stack(found)


def _pair(value: Any, name: str, shape: tuple[int, int]) -> tuple[int, int]:
    pair = (value, value) if np.ndim(value) == 0 else tuple(value)
    is_whole = len(pair) == 2 and all(
        isinstance(v, (int, np.integer)) and not isinstance(v, bool) and 1 <= v <= side
        for v, side in zip(pair, shape, strict=False)
    )
    if not is_whole:
        raise ConfigError(
            f"{name} must be a number of pixels or (height, width), within {shape[0]} x {shape[1]}, not {value!r}."
        )
    return int(pair[0]), int(pair[1])
