"""What neurons respond to: closed forms by hand, ascent against closed forms, alignment, probes."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule import (
    BatchNorm,
    ConfigError,
    Dense,
    MeanSquaredError,
    Model,
    Network,
    ReLU,
    Rescale,
    Residual,
    ShapeError,
    Skip,
    SoftmaxCrossEntropy,
    Tanh,
)
from chainrule.inspection.features.features import (
    best_inputs,
    exciting_samples,
    layer_outputs,
    prior,
    weight_images,
)
from chainrule.inspection.features.representations import cka_matrix, linear_cka, linear_probe
from chainrule.inspection.trace.regions import Ball, Box, total_variation


def small(seed: int = 0, **options) -> Model:
    layers = [Rescale(0.5), Dense(5), Tanh(), Residual([Dense(5), ReLU()]), Skip([Dense(3)]), Dense(2)]
    return Model(Network(4, layers, loss=MeanSquaredError()), seed=seed, dtype="float64")


# --- activation maximization


def one_neuron() -> Model:
    """z = 3 x1 - 4 x2 + 0 x3 + 1"""
    model = Model(Network(3, [Dense(1), ReLU(), Dense(1)], loss=MeanSquaredError()), dtype="float64")
    model.parameters["dense_1"].W[:, 0] = [3.0, -4.0, 0.0]
    model.parameters["dense_1"].b[:] = 1.0
    return model


def test_in_a_box_the_best_input_is_the_corner_that_the_weights_point_to():
    found = best_inputs(one_neuron(), "dense_1", within=Box(-2.0, 5.0))
    assert found.exact
    assert found.x.tolist() == [[5.0, -2.0, -2.0]]
    assert found.value.tolist() == [3 * 5 + 4 * 2 + 1]


def test_in_a_ball_the_best_input_is_the_direction_of_the_weights():
    found = best_inputs(one_neuron(), "dense_1", within=Ball(10.0, center=1.0))
    np.testing.assert_allclose(found.x, [[1 + 6.0, 1 - 8.0, 1.0]], atol=1e-12)
    np.testing.assert_allclose(found.value, [3 * 7 + 4 * 7 + 1])


def test_the_closed_form_passes_rescaling_and_batch_norm():
    network = Network(
        4, [Rescale(0.1, 3.0), Dense(6), BatchNorm(), Dense(3), ReLU()], loss=MeanSquaredError()
    )
    model = Model(network, dtype="float64")
    random = np.random.default_rng(0)
    model.fit(random.normal(size=(64, 4)), random.normal(size=(64, 3)), epochs=2, batch_size=16)
    found = best_inputs(model, "dense_2", within=Box(-1.0, 1.0))
    corners = np.array(np.meshgrid(*[[-1.0, 1.0]] * 4)).reshape(4, -1).T
    z = layer_outputs(model, corners, ["dense_2"])["dense_2"]
    assert found.exact
    np.testing.assert_allclose(found.value, z.max(0), rtol=1e-12)
    np.testing.assert_array_equal(found.x, corners[z.argmax(0)])


def test_ascent_finds_what_the_closed_form_says():
    model = one_neuron()
    exact = best_inputs(model, "dense_1", within=Ball(2.0))
    climbed = best_inputs(
        model, "dense_1", within=Ball(2.0), l2=1e-12, starts=3
    )  # a prior that only forbids the formula
    assert not climbed.exact
    np.testing.assert_allclose(climbed.value, exact.value, rtol=1e-4)


def test_ascent_solves_a_ridge_by_hand():
    """max 3 u1 - 4 u2 + 1 - l2/2 ||u||^2 is at u = g / l2, inside the ball for l2 = 10: u = (0.3, -0.4)."""
    found = best_inputs(one_neuron(), "dense_1", within=Ball(1.0), l2=10.0, starts=4, steps=300)
    np.testing.assert_allclose(found.x, [[0.3, -0.4, 0.0]], atol=1e-3)


@pytest.mark.parametrize("link", ["dense_2", "residual_1", "dense_3", "skip_1", "dense_4"])
def test_ascent_climbs_stays_inside_and_reports_what_the_model_says(link):
    model = small()
    random = np.random.default_rng(1)
    found = best_inputs(model, link, within=Box(-1.0, 1.0), steps=80)
    assert (np.abs(found.x) <= 1).all()
    outputs = layer_outputs(model, found.x, [link])[link]
    np.testing.assert_allclose(np.diag(outputs[:, found.units]), found.value, rtol=1e-12)
    tried = layer_outputs(model, random.uniform(-1, 1, (5000, 4)), [link])[link].max(0)
    assert (found.value >= tried - 1e-9).all()  # better than the best of 5,000 random inputs
    assert (found.objective <= found.value[:, None] + 1e-12).all()


def test_ascent_is_the_same_for_a_seed_and_steps_help():
    model = small()
    first, again = (best_inputs(model, "dense_4", within=Box(-1, 1), seed=3, steps=20) for _ in range(2))
    np.testing.assert_array_equal(first.starts, again.starts)
    start = best_inputs(model, "dense_4", within=Box(-1, 1), seed=3, steps=0)
    assert (first.objective >= start.objective).all()
    assert first.value[0] > start.value[0]  # the other is at its corner from the start


def test_a_prior_smooths():
    model = Model(Network(36, [Dense(8), Tanh(), Dense(2)], loss=MeanSquaredError()), dtype="float64")
    rough, smooth = (
        best_inputs(model, "dense_2", tv=tv, shape=(6, 6), starts=2, steps=80).x.reshape(-1, 6, 6)
        for tv in (1e-6, 0.1)
    )
    assert (total_variation(smooth)[0] < 0.7 * total_variation(rough)[0]).all()


def test_total_variation_by_hand_and_its_gradient():
    image = np.array([[0.0, 3.0], [4.0, 4.0]])
    value, _ = total_variation(image)
    # the corner sees 4 below and 3 to the right: 5; the upper right sees 1 below; the lower row sees no change
    assert value == pytest.approx(5 + 1, abs=5e-3)
    u = np.random.default_rng(0).random((2, 12))
    value, slope = prior(u, 0.3, 0.7, (3, 4))
    for i in range(12):
        h = np.zeros(12)
        h[i] = 1e-6
        numeric = (prior(u + h, 0.3, 0.7, (3, 4))[0] - prior(u - h, 0.3, 0.7, (3, 4))[0]) / 2e-6
        np.testing.assert_allclose(slope[:, i], numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"link": "dense_9"}, "link must be one of rescale_1, dense_1"),
        ({"link": "dense_1", "units": [5]}, "from 0 to 4"),
        ({"link": "dense_1", "units": [0.5]}, "from 0 to 4"),
        ({"link": "dense_4", "l2": -1.0}, "l2 must be"),
        ({"link": "dense_4", "tv": 1.0}, "tv needs shape"),
        ({"link": "dense_4", "starts": 0}, "starts must be"),
    ],
)
def test_bad_input_is_told(options, message):
    with pytest.raises(ConfigError, match=message):
        best_inputs(small(), **options)


def test_bad_regions_are_told():
    for make in (lambda: Box(1, 1), lambda: Box(0, np.inf), lambda: Ball(0.0), lambda: Ball(1.0, np.nan)):
        with pytest.raises(ConfigError):
            make()


# --- weights, outputs, examples


def test_weight_images_are_the_columns_of_W():
    model = small()
    images = weight_images(model, "dense_1", (2, 2))
    assert images.shape == (5, 2, 2)
    np.testing.assert_array_equal(images[3].ravel(), model.parameters["dense_1"].W[:, 3])
    assert weight_images(model, "dense_4").shape == (2, 8)
    with pytest.raises(ShapeError, match="4 weights"):
        weight_images(model, "dense_1", (3, 2))
    with pytest.raises(ConfigError, match="dense link, one of dense_1"):
        weight_images(model, "tanh_1")


def test_layer_outputs_are_the_walk_of_prediction():
    model = small()
    X = np.random.default_rng(0).normal(size=(2500, 4))  # more than two batches
    outputs = layer_outputs(model, X)
    assert {name: a.shape[1] for name, a in outputs.items()} == {
        link.name: link.fan_out for link in model.network.walk()
    }
    np.testing.assert_allclose(outputs["dense_4"], model.outputs(X), rtol=1e-12)
    np.testing.assert_allclose(outputs["tanh_1"], np.tanh(outputs["dense_1"]))
    assert list(layer_outputs(model, X, ["relu_1"])) == ["relu_1"]


def test_examples_are_the_extremes_in_order():
    model = one_neuron()
    X = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 9], [2, 0, 0]])  # z = 1, 4, -3, 4, 7
    found = exciting_samples(model, X, "dense_1", k=3)
    assert found.most.tolist() == [[4, 1, 3]]
    assert found.most_values.tolist() == [[7.0, 4.0, 4.0]]
    assert found.least.tolist() == [[2, 0, 1]]
    assert exciting_samples(model, X, "dense_1", k=50).most.shape == (1, 5)


# --- alignment


def test_cka_is_one_for_a_rotation_a_factor_and_a_shift():
    random = np.random.default_rng(0)
    A = random.normal(size=(200, 7))
    Q = np.linalg.qr(random.normal(size=(7, 7)))[0]
    assert linear_cka(A, A) == pytest.approx(1.0, abs=1e-12)
    assert linear_cka(A, 3.0 * A @ Q + 5.0) == pytest.approx(1.0, abs=1e-12)


def test_cka_by_hand():
    """A = (1, -1, 0, 0), B = (1, 1, -1, -1) / ... : orthogonal columns share nothing; half of a column shares half."""
    a, b = np.array([[1.0], [-1], [0], [0]]), np.array([[0.0], [0], [1], [-1]])
    assert linear_cka(a, b) == pytest.approx(0.0, abs=1e-15)
    # B contains a and b in equal parts: ||B^T a||^2 = 4, ||a^T a|| = 2, ||B^T B||_F = sqrt(8)
    assert linear_cka(a, np.hstack([a, b])) == pytest.approx(4 / (2 * np.sqrt(8)))


def test_cka_is_not_invariant_to_every_invertible_map():
    random = np.random.default_rng(0)
    A = random.normal(size=(200, 5))
    assert linear_cka(A, A @ np.diag([100.0, 1, 1, 1, 1])) < 0.7


def test_cka_is_the_same_by_covariances_and_by_gram_matrices():
    random = np.random.default_rng(0)
    A, B = random.normal(size=(30, 40)), random.normal(size=(30, 8))
    a, b = A - A.mean(0), B - B.mean(0)
    by_hand = np.square(b.T @ a).sum() / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    assert linear_cka(A, B) == pytest.approx(by_hand, rel=1e-12)
    assert linear_cka(A, B) == pytest.approx(linear_cka(B, A))


def test_cka_edges():
    random = np.random.default_rng(0)
    A, B = random.normal(size=(5000, 4)), random.normal(size=(5000, 4))
    assert linear_cka(A, B) < 0.01  # unrelated
    assert np.isnan(linear_cka(A, np.ones((5000, 2))))
    matrix = cka_matrix({"a": A, "b": B}, {"a": A, "b": B})
    np.testing.assert_allclose(matrix, matrix.T)
    np.testing.assert_allclose(np.diag(matrix), 1.0)
    with pytest.raises(ShapeError, match="same samples"):
        linear_cka(A, B[:9])
    with pytest.raises(ShapeError, match="one row per sample"):
        linear_cka(A[:, 0], B)


# --- probes


def test_a_probe_reads_what_is_linearly_there_and_not_what_is_not():
    random = np.random.default_rng(0)
    y = random.integers(0, 3, 600)
    separable = np.eye(3)[y] + 0.1 * random.normal(size=(600, 3))
    noise = random.normal(size=(600, 3))
    xor_y = (noise[:, 0] > 0) ^ (noise[:, 1] > 0)
    assert linear_probe(separable[:400], y[:400], separable[400:], y[400:]).test_accuracy == 1.0
    assert linear_probe(noise[:400], y[:400], noise[400:], y[400:]).test_accuracy < 0.5
    assert linear_probe(noise[:400], xor_y[:400], noise[400:], xor_y[400:]).test_accuracy < 0.65
    corner = np.column_stack([noise, noise[:, 0] * noise[:, 1]])
    assert linear_probe(corner[:400], xor_y[:400], corner[400:], xor_y[400:]).test_accuracy > 0.95


def test_a_probe_says_when_it_did_not_converge_and_what_is_wrong():
    random = np.random.default_rng(0)
    a, y = random.normal(size=(200, 30)), random.integers(0, 2, 200)
    assert not linear_probe(a, y, a, y, iterations=1).converged
    assert linear_probe(a, y, a, y, iterations=500).converged
    with pytest.raises(ShapeError, match="train_a"):
        linear_probe(a, y[:5], a, y)
    with pytest.raises(ConfigError, match="C must"):
        linear_probe(a, y, a, y, C=0)


def test_a_trained_classifier_is_read_better_from_its_last_hidden_layer_than_an_untrained_one():
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    net = Network(
        64, [Rescale(1 / 16), Dense(16), ReLU(), Dense(8), ReLU(), Dense(10)], loss=SoftmaxCrossEntropy()
    )
    before, after = Model(net), Model(net)
    after.fit(X[:1200], y[:1200], epochs=20, batch_size=32)
    read = [
        linear_probe(a[:1200], y[:1200], a[1200:], y[1200:]).test_accuracy
        for a in (layer_outputs(model, X, ["relu_2"])["relu_2"] for model in (before, after))
    ]
    assert read[1] > read[0] + 0.1
