"""Augmentation of the images of a run."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.training import Augment

if TYPE_CHECKING:
    from chainrule.data.samples import Samples

IMAGES = Augment(rotate=15, scale=0.15, shear=10, shift=1, elastic=(36, 5), fill=None)
"""The distortions of `augment`, for small images such as MNIST's."""

SHOWN = (8, 4)
"""The number of images that a report shows distorted, and of epochs."""


def examples(samples: Samples, shape: tuple[int, int], seed: int, images: int, epochs: int) -> NDArray[Any]:
    """Return the first images in their original form and in the first epochs: (images, 1 + epochs, pixels)."""
    X, rows = np.asarray(samples.X[:images]), np.arange(min(images, samples.n))
    augment = dataclasses.replace(IMAGES, shape=shape)
    drawn = [augment.images(X, seed=seed, epoch=epoch, rows=rows) for epoch in range(epochs)]
    return np.stack([X, *drawn], axis=1)
