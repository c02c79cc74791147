"""Augmentation of the images of a run."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.source import ArraySource
from chainrule.training import Augment

if TYPE_CHECKING:
    from chainrule.data.samples import Samples

IMAGES = Augment(rotate=15, scale=0.15, shear=10, shift=1, elastic=(36, 5), fill=None)
"""The distortions of `augment`, for small images such as MNIST's."""

SHOWN = (8, 4)
"""The number of images that a report shows distorted, and of epochs."""


def source(samples: Samples, shape: tuple[int, int], classes: NDArray[Any] | None) -> ArraySource:
    """Return the samples of a run as a source that distorts them in each epoch.

    shape: (height, width) of an image.  classes: the labels, if y is class indices.
    """
    y = samples.y if classes is None else classes[samples.y.reshape(-1).astype(np.int64)]
    made: ArraySource = ArraySource(samples.X, y, samples.weight).map(
        dataclasses.replace(IMAGES, shape=shape)
    )
    return made


def examples(samples: Samples, shape: tuple[int, int], seed: int, images: int, epochs: int) -> NDArray[Any]:
    """Return the first images in their original form and in the first epochs: (images, 1 + epochs, pixels)."""
    X, rows = np.asarray(samples.X[:images]), np.arange(min(images, samples.n))
    augment = dataclasses.replace(IMAGES, shape=shape)
    drawn = [augment.images(X, seed=seed, epoch=epoch, rows=rows) for epoch in range(epochs)]
    return np.stack([X, *drawn], axis=1)
