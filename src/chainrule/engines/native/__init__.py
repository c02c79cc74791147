"""The native engine: runs a network's program, and distorts images, in C++. The compiled module is `_native` here."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.native.engine import REASON, NativeEngine, instruction_set, workers
from chainrule.formulas.distortion import Distortion

__all__ = ["REASON", "NativeEngine", "distorted", "instruction_set"]


def distorted(images: NDArray[Any], given: Distortion) -> NDArray[Any]:
    """Distort contiguous images like `chainrule.formulas.distortion.distorted`."""
    from chainrule.engines.native import _native

    rows = images.reshape(len(images), math.prod(images.shape[1:]))
    out = np.empty_like(rows)
    _native.distort(
        isa=instruction_set(),
        images=rows,
        out=out,
        shape=list(images.shape[1:]),
        maps=given.maps,
        streams=given.streams,
        taps=[] if given.taps is None else given.taps.tolist(),
        alpha=given.alpha,
        key=given.key,
        fill=0.0 if given.fill is None else given.fill,
        is_nearest=given.fill is None,
        threads=workers(),
    )
    return out.reshape(images.shape)
