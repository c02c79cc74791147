"""Distortions of images in C++, with the bits of `chainrule.formulas.distortion`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.native.engine import instruction_set, workers


def distorted(
    images: NDArray[Any],
    maps: NDArray[np.float32],
    streams: NDArray[np.uint32],
    taps: NDArray[np.float32] | None,
    alpha: float,
    key: int,
    fill: float | None,
) -> NDArray[Any]:
    """Return images (n, height, width, channels), uint8, float32 or float64 and contiguous, distorted.

    maps (n, 6), fill: as in `resampled`.  streams (n,), key: of the fields' words.  taps, alpha: the filter and the
    factor of the fields; None for none.
    """
    rows = images.reshape(len(images), math.prod(images.shape[1:]))
    out = np.empty_like(rows)
    from chainrule.engines.native import _native

    _native.distort(
        isa=instruction_set(),
        images=rows,
        out=out,
        shape=list(images.shape[1:]),
        maps=maps,
        streams=streams,
        taps=[] if taps is None else taps.tolist(),
        alpha=alpha,
        key=key,
        fill=0.0 if fill is None else fill,
        is_nearest=fill is None,
        threads=workers(),
    )
    return out.reshape(images.shape)
