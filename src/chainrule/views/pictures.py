"""Encode images as PNG, for pages and notebooks."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray


def image_png(pixels: NDArray[Any], shape: tuple[int, int]) -> bytes:
    """Encode a gray image (height * width,) as PNG: uint8 unchanged, other numbers scaled from minimum to maximum."""
    image = np.asarray(pixels).reshape(shape)
    if image.dtype != np.uint8:
        low, high = float(image.min()), float(image.max())
        image = np.rint(255 * (image.astype(np.float64) - low) / ((high - low) or 1.0)).astype(np.uint8)
    return png(image)


def png(image: NDArray[np.uint8], largest: int | None = None) -> bytes:
    """Encode bytes (height, width) in gray or (height, width, 3) in color as PNG, with sides of at most `largest`."""
    from PIL import Image

    out, made = io.BytesIO(), Image.fromarray(image)
    if largest is not None:
        made.thumbnail((largest, largest))
    made.save(out, "PNG", optimize=True)
    return out.getvalue()
