"""Distortions of images: the formula by hand and against SciPy's, and what they depend on."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st

from chainrule import Augment, ConfigError, DataError
from chainrule.formulas import distortion

IDENTITY = np.array([[1, 0, 0, 0, 1, 0]], np.float32)


def image(*rows):
    return np.array(rows, np.float64)[None, :, :, None]


def moved(picture, map, fill=0.0):
    return distortion.resampled(picture, np.array([map], np.float32), None, 0.0, fill)[0, :, :, 0].tolist()


def test_maps_by_hand():
    """The numbers 1, or nearly, in the places of angle, width, height, lean and the two shifts."""
    ones = np.full((1, 3, 2), 2**31 - 1, np.uint32)
    assert distortion.maps(ones, 0, 0, 0, 0).tolist() == IDENTITY.tolist()
    np.testing.assert_allclose(distortion.maps(ones, 0, 0, 0, 2), [[1, 0, -2, 0, 1, -2]], rtol=1e-6)
    np.testing.assert_allclose(distortion.maps(ones, 0, 0.25, 0, 0), [[0.8, 0, 0, 0, 0.8, 0]], rtol=1e-6)
    np.testing.assert_allclose(distortion.maps(ones, 0, 0, 45, 0), [[1, -1, 0, 0, 1, 0]], atol=1e-6)
    np.testing.assert_allclose(distortion.maps(ones, 90, 0, 0, 0), [[0, 1, 0, -1, 0, 0]], atol=1e-6)
    halves = np.full((1, 3, 2), 2**31, np.uint32)  # -1
    np.testing.assert_allclose(distortion.maps(halves, 0, 0.5, 0, 1), [[2, 0, 2, 0, 2, 2]], rtol=1e-6)


def test_an_image_by_hand():
    picture = image([1, 2, 3], [4, 5, 6])
    assert moved(picture, [1, 0, 0, 0, 1, 0]) == [[1, 2, 3], [4, 5, 6]]
    assert moved(picture, [1, 0, -1, 0, 1, 0]) == [
        [0, 1, 2],
        [0, 4, 5],
    ]  # each pixel takes the one on its left
    assert moved(picture, [1, 0, 0, 0, 1, 1]) == [[4, 5, 6], [0, 0, 0]]
    assert moved(picture, [1, 0, 0, 0, 1, 1], fill=None) == [[4, 5, 6], [4, 5, 6]]
    assert moved(picture, [1, 0, 0.25, 0, 1, 0]) == [[1.25, 2.25, 2.25], [4.25, 5.25, 4.5]]
    assert moved(picture, [1, 0, 50, 0, 1, 0], fill=9.0) == [[9, 9, 9], [9, 9, 9]]
    square = image([1, 2], [3, 4])
    assert moved(square, [0, 1, 0, -1, 0, 0]) == [[3, 1], [4, 2]]  # turned clockwise


def test_a_field_by_hand():
    field = np.zeros((1, 3, 4), np.float32)
    field[0, 1, 0] = 16
    taps = np.array([0.25, 0.5, 0.25], np.float32)
    assert distortion.smoothed(field, taps)[0].tolist() == [[2, 1, 0, 0], [4, 2, 0, 0], [2, 1, 0, 0]]
    taps = distortion.gaussian(0.4)
    assert len(taps) == 3 and taps.sum() == pytest.approx(1)
    assert taps[0] / taps[1] == pytest.approx(np.exp(-1 / 0.32), rel=1e-6)


def test_the_numbers_of_a_field_are_uniform():
    drawn = distortion.uniform(distortion.words(5, np.arange(200, dtype=np.uint32), 0, 250)).ravel()
    assert -1 <= drawn.min() < -0.999 and 0.999 < drawn.max() < 1
    assert abs(drawn.mean()) < 0.01 and abs(drawn.var() - 1 / 3) < 0.01


@pytest.mark.parametrize(("fill", "mode"), [(0.0, "grid-constant"), (None, "nearest")])
def test_against_scipy(fill, mode):
    rng = np.random.default_rng(0)
    pictures = rng.random((5, 12, 17, 2))
    streams, key = np.arange(5, dtype=np.uint32), 77
    maps = distortion.maps(distortion.words(key, streams, 1, 3), 30, 0.3, 20, 2)
    taps = distortion.gaussian(2.0)
    given = distortion.Distortion(maps, streams, key, taps, 12.0, fill)
    found = distortion.distorted(pictures, given)
    drawn = distortion.uniform(distortion.words(key, streams, 0, 12 * 17)).reshape(5, 12, 17, 2)
    y, x = np.mgrid[:12, :17].astype(float)
    for i, m in enumerate(maps.astype(float)):
        u = [scipy.ndimage.gaussian_filter(drawn[i, ..., k], 2.0, mode="constant", radius=6) for k in (0, 1)]
        at_x = m[0] * (x - 8) + m[1] * (y - 5.5) + m[2] + 8 + 12 * u[0]
        at_y = m[3] * (x - 8) + m[4] * (y - 5.5) + m[5] + 5.5 + 12 * u[1]
        for c in (0, 1):
            expected = scipy.ndimage.map_coordinates(pictures[i, ..., c], [at_y, at_x], order=1, mode=mode)
            np.testing.assert_allclose(found[i, ..., c], expected, atol=2e-5)


@given(st.data())
def test_an_image_depends_on_its_number_the_seed_and_the_epoch_alone(data):
    X = np.random.default_rng(3).random((20, 36))
    augment = Augment(rotate=30, scale=0.2, shift=1, elastic=(5, 1))
    whole = augment.images(X, seed=9, epoch=2, rows=np.arange(20))
    rows = data.draw(st.lists(st.integers(0, 19), max_size=30))
    assert np.array_equal(augment.images(X[rows], seed=9, epoch=2, rows=rows), whole[rows])
    assert not np.array_equal(augment.images(X, seed=9, epoch=3, rows=np.arange(20)), whole)
    assert not np.array_equal(augment.images(X, seed=8, epoch=2, rows=np.arange(20)), whole)
    assert not np.array_equal(augment.images(X, seed=9, epoch=2, rows=np.arange(1, 21)), whole)


def test_nothing_to_do_changes_nothing():
    X = np.random.default_rng(4).integers(0, 256, (3, 49), np.uint8)
    X.flags.writeable = False
    assert np.array_equal(Augment().images(X, seed=0, epoch=0, rows=np.arange(3)), X)
    assert np.array_equal(Augment().images(X[::-1], seed=0, epoch=0, rows=np.arange(3)), X[::-1])
    assert Augment().images(X[:0], seed=0, epoch=0, rows=[]).shape == (0, 49)
    assert Augment().images(X.astype(int).tolist(), seed=0, epoch=0, rows=np.arange(3)).dtype == np.float32


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rotate": -1}, "rotate of Augment must be a finite number of at least 0 and at most 180, not -1"),
        ({"scale": 1}, "scale of Augment must be a finite number of at least 0 and below 1, not 1"),
        ({"shear": 90}, "shear of Augment must be .* below 90, not 90"),
        (
            {"elastic": 36},
            r"elastic of Augment must be two numbers, \(alpha, sigma\), not 36; \(36, 5\) is usual",
        ),
        ({"elastic": (36, 0)}, "sigma of elastic must be a finite number above 0, not 0"),
        ({"shape": (28,)}, r"shape of Augment must be \(height, width\)"),
        ({"shape": (4, 0)}, "with integers of at least 1"),
        ({"fill": "x"}, "fill of Augment must be a finite number, not 'x'"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ConfigError, match=message):
        Augment(**settings)


def test_bad_images():
    with pytest.raises(DataError, match=r"an image of X has 5 numbers, which is not a square; pass shape="):
        Augment().images(np.zeros((2, 5)), seed=0, epoch=0, rows=[0, 1])
    with pytest.raises(DataError, match=r"an image of X has 5 numbers, not those of shape=\(2, 2\)"):
        Augment(shape=(2, 2)).images(np.zeros((2, 5)), seed=0, epoch=0, rows=[0, 1])
    with pytest.raises(DataError, match=r"rows must have shape \(2,\), one index per image, not \(3,\)"):
        Augment().images(np.zeros((2, 4)), seed=0, epoch=0, rows=[0, 1, 2])
    with pytest.raises(DataError, match=r"images as rows"):
        Augment().images(np.zeros(4), seed=0, epoch=0, rows=[0])
    with pytest.raises(
        ConfigError, match=r"fill of Augment must be in \[0, 255\] for images of bytes, not -1"
    ):
        Augment(fill=-1).images(np.zeros((1, 4), np.uint8), seed=0, epoch=0, rows=[0])
