"""Every initializer: moments, bounds, seed; a new one in INITIALIZERS is tested without an edit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chainrule import (
    ConfigError,
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LeCunNormal,
    LeCunUniform,
    Normal,
    Orthogonal,
    PerFeature,
    RandomSign,
    SameForMembers,
    Uniform,
)
from chainrule.formulas.initializers import INITIALIZERS

EVERY = [initializer() for initializer in INITIALIZERS.values()]
every_initializer = pytest.mark.parametrize("initializer", EVERY, ids=lambda initializer: initializer.kind)

# For fan_in = 200 and fan_out = 100
VARIANCES = [
    (HeUniform(), 2 / 200),
    (HeNormal(), 2 / 200),
    (GlorotUniform(), 2 / 300),
    (GlorotNormal(), 2 / 300),
    (LeCunUniform(), 1 / 200),
    (LeCunNormal(), 1 / 200),
    (Normal(0.1), 0.01),
    (Uniform(0.3), 0.03),
    (RandomSign(), 1),
]
BOUNDS = [
    (HeUniform(), math.sqrt(0.03)),
    (GlorotUniform(), math.sqrt(0.02)),
    (LeCunUniform(), math.sqrt(0.015)),
    (Uniform(0.3), 0.3),
]


def draw(initializer, shape=(200, 100), seed=0):
    return initializer(np.random.default_rng(seed), shape, 200, 100)


@pytest.mark.parametrize(("initializer", "variance"), VARIANCES, ids=lambda case: getattr(case, "kind", None))
def test_mean_and_variance(initializer, variance):
    W = draw(initializer)
    deviation = math.sqrt(variance)
    assert abs(W.mean()) < 4 * deviation / math.sqrt(W.size)
    assert W.var() == pytest.approx(variance, rel=4 * math.sqrt(2 / W.size))


@pytest.mark.parametrize(("initializer", "r"), BOUNDS, ids=lambda case: getattr(case, "kind", None))
def test_a_uniform_draw_fills_its_interval(initializer, r):
    W = draw(initializer)
    assert 0.99 * r < W.max() < r
    assert -r <= W.min() < -0.99 * r


@every_initializer
def test_a_draw_is_float64_of_the_shape_and_a_function_of_the_seed(initializer):
    W = draw(initializer, (7, 3))
    assert W.dtype == np.float64
    assert W.shape == (7, 3)
    assert W.flags.c_contiguous
    assert W.tobytes() == draw(initializer, (7, 3)).tobytes()
    if not isinstance(initializer, Constant):
        assert W.tobytes() != draw(initializer, (7, 3), seed=1).tobytes()


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (1, 3), (3, 1)])
def test_orthogonal_keeps_lengths_on_its_shorter_side(shape):
    W = draw(Orthogonal(gain=2.0), shape)
    product = W.T @ W if shape[0] >= shape[1] else W @ W.T
    np.testing.assert_allclose(product, 4 * np.eye(min(shape)), atol=1e-13)


def test_orthogonal_is_uniform_on_the_circle():
    """Without the signs of R's diagonal, LAPACK's Q has its first entry always below 0."""
    first = np.array([draw(Orthogonal(), (2, 2), seed)[0, 0] for seed in range(400)])
    assert abs((first > 0).mean() - 0.5) < 0.1


def test_constant():
    np.testing.assert_array_equal(draw(Constant(0.25), (3,)), [0.25, 0.25, 0.25])
    np.testing.assert_array_equal(draw(Constant(), (2, 1)), np.zeros((2, 1)))


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Orthogonal(0.0), "gain of Orthogonal"),
        (lambda: Orthogonal(math.inf), "gain of Orthogonal"),
        (lambda: Constant(math.nan), "value of Constant"),
    ],
)
def test_settings_that_cannot_be_are_refused(make, named):
    with pytest.raises(ConfigError, match=named):
        make()


@pytest.mark.parametrize(("kind", "initializer"), INITIALIZERS.items())
def test_the_registry_names_its_initializers(kind, initializer):
    assert initializer.kind == kind
    assert initializer() == initializer()


def test_one_draw_for_each_feature_of_each_member():
    """Two members of three columns: a feature of two, and one of one."""
    drawn = PerFeature(Normal(), (2, 1))(np.random.default_rng(0), (6,), 6, 6).reshape(2, 3)
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert len(np.unique(drawn)) == 4
    assert set(PerFeature(RandomSign(), (1,))(np.random.default_rng(0), (40,), 40, 40)) == {-1.0, 1.0}


def test_the_same_draw_for_each_member():
    drawn = SameForMembers(Normal(), 3)(np.random.default_rng(0), (12,), 12, 12).reshape(3, 4)
    assert (drawn == drawn[0]).all() and len(np.unique(drawn)) == 4


def test_sizes_and_members_that_do_not_fit():
    for make, message in [
        (
            lambda: PerFeature(Normal(), ()),
            "sizes of PerFeature must be a list with the columns of each feature",
        ),
        (lambda: PerFeature(Normal(), (0,)), "sizes of PerFeature must be an integer of at least 1"),
        (lambda: PerFeature(None, (1,)), "initializer of PerFeature must be an initializer such as Normal"),
        (lambda: SameForMembers(Normal(), 0), "members of SameForMembers must be an integer of at least 1"),
        (
            lambda: draw(PerFeature(Normal(), (2, 1)), (7,)),
            "add up to 3, which does not divide the 7 columns",
        ),
        (lambda: draw(SameForMembers(Normal(), 2), (7,)), "must divide the 7 columns, not 2"),
        (lambda: Normal(0), "std of Normal must be a finite number above 0"),
        (lambda: Uniform(-1), "r of Uniform must be a finite number above 0"),
    ]:
        with pytest.raises(ConfigError, match=message):
            make()
