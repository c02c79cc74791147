"""Augmentation: in each epoch another image is made from each image, with the same label."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array, RowsLike
from chainrule.core.random import generator
from chainrule.core.settings import check_number, number_settings
from chainrule.data.source import SourceBlock
from chainrule.engines.native import distorted
from chainrule.engines.native import engine as native
from chainrule.errors import ConfigError, DataError
from chainrule.formulas import distortion


@dataclass(frozen=True)
class Augment:
    """Random distortions of images: rotation, scaling, shear, shift, and a smooth random displacement.

        augment = Augment(rotate=15, scale=0.15, shear=10, shift=1, elastic=(36, 5))
        model.fit(ArraySource(X, y).map(augment))  # each epoch has other images
        augment.images(X[:3], seed=0, epoch=3, rows=[0, 1, 2])  # to inspect some of them

    rotate: the maximum angle in either direction, in degrees.
    scale: the maximum change of the width and, independently, of the height: 0.15 for 85 % to 115 %.
    shear: the maximum angle of the shear, in degrees.
    shift: the maximum shift in either direction, in pixels.
    elastic: (alpha, sigma): each pixel moves by alpha times a field of numbers uniform in [-1, 1), smoothed by a
        Gaussian of sigma pixels; None for no displacement.
    shape: (height, width) or (height, width, channels) of an image, whose pixels are a row of X in this order; None for
        a square with one channel.
    fill: the value outside an image; None for that of the nearest pixel.

    The result is a function of (X, seed, epoch, row indices) only; the formula is in `chainrule.formulas.distortion`.
    The native engine computes it on all of its threads, otherwise NumPy does, with the same bits.
    Source: Simard, Steinkraus, Platt, Best Practices for Convolutional Neural Networks Applied to Visual Document
    Analysis, ICDAR 2003.
    """

    _: KW_ONLY
    rotate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    elastic: tuple[float, float] | None = None
    shape: tuple[int, ...] | None = None
    fill: float | None = 0.0

    def __post_init__(self) -> None:
        """Check the settings."""
        number_settings(self, "rotate", minimum=0, maximum=180)
        number_settings(self, "scale", minimum=0, below=1, hint="0.15 is usual")
        number_settings(self, "shear", minimum=0, below=90)
        number_settings(self, "shift", minimum=0)
        if self.fill is not None:
            number_settings(self, "fill", hint="0, or None for the nearest pixel, is usual")
        if self.elastic is not None:
            if not isinstance(self.elastic, (tuple, list)) or len(self.elastic) != 2:
                raise ConfigError(
                    f"elastic of Augment must be two numbers, (alpha, sigma), not {self.elastic!r}; (36, 5) is usual."
                )
            alpha = check_number(
                self.elastic[0], "elastic", minimum=0, text="alpha of elastic", hint="36 is usual"
            )
            sigma = check_number(
                self.elastic[1], "elastic", above=0, text="sigma of elastic", hint="5 is usual"
            )
            object.__setattr__(self, "elastic", (alpha, sigma))
        if self.shape is not None:
            sides = self.shape if isinstance(self.shape, (tuple, list)) else ()
            are_counts = all(isinstance(side, (int, np.integer)) and side > 0 for side in sides)
            if len(sides) not in (2, 3) or not are_counts:
                raise ConfigError(
                    "shape of Augment must be (height, width) or (height, width, channels) with integers of at least "
                    f"1, not {self.shape!r}."
                )
            object.__setattr__(self, "shape", tuple(int(side) for side in sides))

    def __call__(self, block: SourceBlock, seed: int, epoch: int, numbers: Array) -> SourceBlock:
        """Return a block of a source with distorted images, for `Source.map`."""
        return block._replace(X=self.images(block.X, seed=seed, epoch=epoch, rows=numbers))

    def images(self, X: RowsLike, *, seed: int, epoch: int, rows: object) -> NDArray[Any]:
        """Return distorted images for X (n, pixels), as an array of the same shape and dtype.

        X: uint8, float32 or float64; other numbers become float32.  seed: integer in [0, 2^32).  epoch: from 0.
        rows: (n,), the images' indices in the data set, of which the lower 32 bits are used.
        """
        X = np.asarray(X)
        if X.ndim != 2:
            raise DataError(f"X must have images as rows (n, numbers of an image), not the shape {X.shape}.")
        if X.dtype not in (np.uint8, np.float32, np.float64):
            X = X.astype(np.float32)
        images = np.ascontiguousarray(X).reshape(len(X), *self._image(X.shape[1]))
        if X.dtype == np.uint8 and self.fill is not None and not 0 <= self.fill <= 255:
            raise ConfigError(f"fill of Augment must be in [0, 255] for images of bytes, not {self.fill!r}.")
        streams = (np.asarray(rows, np.int64) & 0xFFFFFFFF).astype(np.uint32)
        if streams.shape != (len(X),):
            raise DataError(f"rows must have shape ({len(X)},), one index per image, not {streams.shape}.")
        key = int(generator(seed, "augmentation", epoch).integers(1 << 32))
        drawn = distortion.words(key, streams, 1, 3)
        maps = distortion.maps(drawn, self.rotate, self.scale, self.shear, self.shift)
        alpha, sigma = self.elastic or (0.0, 0.0)
        taps = distortion.gaussian(sigma) if alpha else None
        given = distortion.Distortion(maps, streams, key, taps, alpha, self.fill)
        distort = distortion.distorted if native.REASON is not None else distorted
        found = distort(images, given)
        return found.reshape(X.shape)

    def _image(self, numbers: int) -> tuple[int, int, int]:
        """Return (height, width, channels) of an image with so many numbers."""
        side = math.isqrt(numbers)
        shape = self.shape or ((side, side) if side * side == numbers else ())
        if math.prod(shape) != numbers or not shape:
            raise DataError(
                f"an image of X has {numbers} numbers, "
                + (
                    f"not those of shape={self.shape}."
                    if self.shape
                    else "which is not a square; pass shape=(height, width)."
                )
            )
        height, width, *channels = shape
        return height, width, channels[0] if channels else 1
