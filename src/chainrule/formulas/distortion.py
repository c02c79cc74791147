r"""Distortions of images: random affine maps and smoothed random displacements.

    image'(p) = image(M^-1 (p - c - t) + c + alpha (G_sigma * U)(p))

p: a pixel's place (x to the right, y down), c the middle of the image.  M = R(angle) [[1, tan(shear)], [0, 1]]
diag(scale_x, scale_y), and t the shift.  U: two fields of numbers uniform in [-1, 1), one for each direction, and
G_sigma the Gaussian filter.  Between pixels the image is interpolated linearly.

The native engine computes the same bits in C++ (`native/distort.cpp`).
Source: Simard, Steinkraus, Platt, Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis,
ICDAR 2003; Ciresan, Meier, Gambardella, Schmidhuber, Deep, Big, Simple Neural Nets for Handwritten Digit Recognition,
Neural Computation 2010.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.random import threefry2x32

FILTER_REACH = 3.0
"""The half-width of the filter, in units of sigma."""
IMAGES_AT_ONCE = 256
"""The number of images distorted at a time."""

Words = NDArray[np.uint32]
Floats = NDArray[np.float32]


class Distortion(NamedTuple):
    """The random draws for n images, and the settings that they share."""

    maps: Floats
    """(n, 6), from the function `maps`"""
    streams: Words
    """(n,), the number of each image's random stream"""
    key: int
    """in [0, 2^32), the random key shared by all images"""
    taps: Floats | None
    """(2 reach + 1,), the filter of the fields; None without fields"""
    alpha: float
    """the factor of the displacement fields"""
    fill: float | None
    """the value around an image; None for the value of the nearest pixel"""


def words(key: int, streams: Words, block: int, count: int) -> Words:
    """Draw count pairs of random words per stream: (n, count, 2).

    key, block: integers in [0, 2^32).  streams: (n,), the stream number of each image.
    """
    keys = (np.full((1, 1), key, np.uint32), streams[:, None])
    counters = (np.arange(count, dtype=np.uint32)[None], np.full((1, 1), block, np.uint32))
    return np.stack(threefry2x32(keys, counters, np), axis=-1)


def uniform(drawn: Words) -> Floats:
    """Map random words to numbers uniform in [-1, 1)."""
    return drawn.view(np.int32).astype(np.float32) * np.float32(2.0**-31)


def maps(drawn: Words, rotate: float, scale: float, shear: float, shift: float) -> Floats:
    """Return M^-1 and -M^-1 t of the formula per image, as rows (m00, m01, o_x, m10, m11, o_y) of (n, 6).

    drawn: (n, 3, 2) random words.  rotate, shear: maximum angles, in degrees.  scale: maximum change of each
    side, as a fraction.  shift: maximum in each direction, in pixels.
    """
    u = uniform(drawn).astype(np.float64).reshape(len(drawn), 6)  # (n, 6)
    angle, lean = np.radians(rotate * u[:, 0]), np.tan(np.radians(shear * u[:, 3]))
    cosine, sine = np.cos(angle), np.sin(angle)
    across, down = 1 + scale * u[:, 1], 1 + scale * u[:, 2]
    # diag^-1 [[1, -lean], [0, 1]] R^T
    m00, m01 = (cosine + lean * sine) / across, (sine - lean * cosine) / across
    m10, m11 = -sine / down, cosine / down
    t_x, t_y = shift * u[:, 4], shift * u[:, 5]
    rows = [m00, m01, -(m00 * t_x + m01 * t_y), m10, m11, -(m10 * t_x + m11 * t_y)]
    return np.stack(rows, axis=1).astype(np.float32)


def gaussian(sigma: float) -> Floats:
    """Return the filter exp(-k^2 / (2 sigma^2)) for |k| <= reach = 3 sigma, normalized to sum 1: (2 reach + 1,)."""
    reach = round(FILTER_REACH * sigma)
    k = np.arange(-reach, reach + 1)
    taps: NDArray[np.float64] = np.exp(-(k**2) / (2 * sigma**2))
    kernel: Floats = (taps / taps.sum()).astype(np.float32)
    return kernel


def smoothed(fields: Floats, taps: Floats) -> Floats:
    """Filter fields (n, height, width) along rows and then along columns, with zero padding."""
    reach = len(taps) // 2
    for axis in (2, 1):
        n = fields.shape[axis]
        pad = [(0, 0), (0, 0), (0, 0)]
        pad[axis] = (reach, reach)
        wide = np.pad(fields, pad)
        fields = np.zeros_like(fields)
        for t, tap in enumerate(taps):
            part = wide[:, :, t : t + n] if axis == 2 else wide[:, t : t + n]
            fields = fields + tap * part
    return fields


def distorted(images: NDArray[Any], given: Distortion) -> NDArray[Any]:
    """Distort images (n, height, width, channels), uint8, float32 or float64."""
    found = np.empty_like(images)
    _, height, width, _ = images.shape
    for start in range(0, len(images), IMAGES_AT_ONCE):
        part, fields = slice(start, start + IMAGES_AT_ONCE), None
        if given.taps is not None:
            drawn = uniform(words(given.key, given.streams[part], 0, height * width))
            drawn = drawn.reshape(-1, height, width, 2)  # (images, height, width, 2)
            fields = (smoothed(drawn[..., 0], given.taps), smoothed(drawn[..., 1], given.taps))
        found[part] = resampled(images[part], given.maps[part], fields, given.alpha, given.fill)
    return found


def resampled(
    images: NDArray[Any], maps: Floats, fields: tuple[Floats, Floats] | None, alpha: float, fill: float | None
) -> NDArray[Any]:
    """Interpolate images (n, height, width, channels) at the places given by maps (n, 6) and fields, keeping the dtype.

    fields: displacements in x and y, each (n, height, width), scaled by alpha; None for none.  fill: the value around
    an image; None for the value of the nearest pixel.
    """
    n, height, width, _ = images.shape
    middle_x, middle_y = np.float32(0.5 * (width - 1)), np.float32(0.5 * (height - 1))
    right = np.arange(width, dtype=np.float32) - middle_x  # (width,)
    down = (np.arange(height, dtype=np.float32) - middle_y)[:, None]  # (height, 1)
    m = maps.reshape(n, 6, 1, 1).copy()  # (n, 6, 1, 1)
    m[:, 2] += middle_x
    m[:, 5] += middle_y
    # x, y and their floors: (n, height, width)
    x = m[:, 0] * right + m[:, 1] * down + m[:, 2]
    y = m[:, 3] * right + m[:, 4] * down + m[:, 5]
    if fields is not None:
        x = x + np.float32(alpha) * fields[0]
        y = y + np.float32(alpha) * fields[1]
    x, y = np.clip(x, np.float32(-1), np.float32(width)), np.clip(y, np.float32(-1), np.float32(height))
    left, top = np.floor(x), np.floor(y)
    kind: Any = np.float64 if images.dtype == np.float64 else np.float32
    # Fractions of a pixel are (n, height, width, 1), and the padded image (n, height + 3, width + 3, channels).
    fx, fy = (x - left).astype(kind)[..., None], (y - top).astype(kind)[..., None]
    pad, given = ((0, 0), (1, 2), (1, 2), (0, 0)), images.astype(kind)
    edged: NDArray[Any] = (
        np.pad(given, pad, "edge") if fill is None else np.pad(given, pad, constant_values=fill)
    )
    i, j = top.astype(np.int64) + 1, left.astype(np.int64) + 1
    one, k = kind(1), np.arange(n)[:, None, None]
    above = (one - fx) * edged[k, i, j] + fx * edged[k, i, j + 1]
    below = (one - fx) * edged[k, i + 1, j] + fx * edged[k, i + 1, j + 1]
    found: NDArray[Any] = (one - fy) * above + fy * below
    return np.rint(found).astype(np.uint8) if images.dtype == np.uint8 else found
