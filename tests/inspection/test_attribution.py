"""Attribution: worked by hand, complete where it is promised, and the same on the networks where methods must agree."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import (
    ELU,
    GELU,
    SELU,
    Adam,
    BatchNorm,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    ConfigError,
    DataError,
    Dense,
    Dropout,
    Embedding,
    Layer,
    LeakyReLU,
    MeanSquaredError,
    Model,
    Network,
    PiecewiseLinearEmbedding,
    Poisson,
    PReLU,
    ReLU,
    Rescale,
    Residual,
    ShapeError,
    Sigmoid,
    SigmoidCrossEntropy,
    SiLU,
    Skip,
    Softmax,
    SoftmaxCrossEntropy,
    Softplus,
    Standardize,
    Tanh,
)
from chainrule.formulas.layers import ACTIVATIONS
from chainrule.inspection.attribution import METHODS, reinitialization_check
from chainrule.inspection.attribution.explained import explained
from chainrule.inspection.attribution.methods import multipliers

COMPLETE = ("integrated_gradients", "epsilon_lrp", "deep_lift")
WITH_BASELINE = [name for name in METHODS if name != "epsilon_lrp"]


def by_hand() -> Model:
    """f(x) = 3 relu(x1 - x2) - 2 relu(x1 + x2 - 2) + 0.5"""
    model = Model(Network(2, [Dense(2), ReLU(), Dense(1)], MeanSquaredError()), dtype="float64")
    first, last = model.parameters["dense_1"], model.parameters["dense_2"]
    first.W[...], first.b[...] = [[1, 1], [-1, 1]], [0, -2]
    last.W[...], last.b[...] = [[3], [-2]], [0.5]
    return model


def randomized(layers, inputs=5, seed=0, loss=None) -> Model:
    """A network none of whose numbers is special: biases, statistics, slopes."""
    model = Model(Network(inputs, layers, loss or SoftmaxCrossEntropy()), seed=seed, dtype="float64")
    r = np.random.default_rng(seed)
    for slot in model.network.slots:
        if not slot.parameter.is_weight:
            size = slot.stop - slot.start
            model.theta[slot.start : slot.stop] += 0.3 * r.normal(size=size)
    for name, state in model.states.items():
        changed = [np.abs(part + r.uniform(0.1, 0.9, np.shape(part))) for part in state]
        model.states[name] = type(state)(*changed)
    return model


NETWORKS = {
    "relu": [Dense(7), ReLU(), Dense(6), ReLU(), Dense(3)],
    "deep": [*[layer for _ in range(10) for layer in (Dense(9), ReLU())], Dense(3)],
    "tanh": [Dense(7), Tanh(), Dense(6), Tanh(), Dense(3)],
    "sigmoid": [Dense(7), Sigmoid(), Dense(6), Sigmoid(), Dense(3)],
    "smooth": [Dense(6), GELU(), Dense(6), SiLU(), Dense(5), Softplus(), Dense(3)],
    "kinked": [Dense(6), LeakyReLU(), Dense(6), ELU(), Dense(6), SELU(), Dense(6), PReLU(), Dense(3)],
    "batch_norm": [Dense(7), BatchNorm(), ReLU(), Dense(6), BatchNorm(), Tanh(), Dense(3)],
    "inputs": [Rescale(0.5, 0.2), Standardize(), Dense(7), ReLU(), Dropout(0.3), Dense(3)],
    "inner_rescale": [Dense(7), ReLU(), Rescale(2.0, -0.7), Dense(3)],
    "residual": [Dense(6), ReLU(), Residual([Dense(6), ReLU()]), Residual([Dense(4), Tanh()]), Dense(3)],
    "skip": [
        Skip([Dense(4), ReLU()]),
        Residual([Dense(9), BatchNorm(), GELU(), Dense(5)]),
        Skip([ReLU()]),
        Dense(3),
    ],
}
X = np.random.default_rng(7).normal(size=(4, 5))


# --- worked by hand


def test_by_hand():
    """x = (3, 1), from (0, 0): f = 3 * 2 - 2 * 2 + 0.5 = 2.5, f(0) = 0.5, and df/dx = (3 - 2, -3 - 2) = (1, -5)."""
    model, x = by_hand(), np.array([[3.0, 1.0]])
    np.testing.assert_allclose(model.attribute(x, "saliency").values, [[1, 5]])
    np.testing.assert_allclose(model.attribute(x, "saliency", signed=True).values, [[1, -5]])
    np.testing.assert_allclose(model.attribute(x, "input_x_gradient").values, [[3, -5]])
    # Along t (3, 1) the first neuron is on throughout; the second, z = 4 t - 2, from t = 1/2 on.
    along = model.attribute(x, "integrated_gradients")
    np.testing.assert_allclose(along.values, [[3 * 3 - 2 * 3 / 2, -3 - 2 / 2]])
    assert along.settings["gradients"] == [2]  # one before t = 1/2 and one behind it
    # Chords: z from 0 to 2 and a from 0 to 2, slope 1; z from -2 to 2 and a from 0 to 2, slope 1/2.
    np.testing.assert_allclose(model.attribute(x, "deep_lift").values, [[3 * (3 - 1), 1 * (-3 - 1)]])
    # Without x1: 3 relu(-1) - 2 relu(-1) + 0.5 = 0.5. Without x2: 9 - 2 + 0.5 = 7.5.
    np.testing.assert_allclose(model.attribute(x, "occlusion").values, [[2.5 - 0.5, 2.5 - 7.5]])
    # Relevance 2.5: of z = 6 - 4 + 0.5 neuron 1 gets 6, neuron 2 -4, the bias 0.5. Of neuron 2's z = 3 + 1 - 2 = 2
    # x1 gets 3/2, x2 1/2 and the bias -2/2 of -4: x1 has 6 * 3/2 - 4 * 3/2, x2 has -6 * 1/2 - 4 * 1/2.
    found = model.attribute(x, "epsilon_lrp", epsilon=0)
    np.testing.assert_allclose(found.values, [[3, -5]])
    np.testing.assert_allclose(found.absorbed["biases"], [0.5 + 4])
    np.testing.assert_allclose(found.absorbed["epsilon"], [0], atol=1e-14)


def test_by_hand_with_epsilon():
    """One neuron, z = 2 x + 1 = 5 at x = 2: of R = 5, 4 R / 5.5 go to x, R / 5.5 to the bias, the rest to epsilon."""
    model = Model(Network(1, [Dense(1)], MeanSquaredError()), dtype="float64")
    model.theta[...] = [2, 1]
    found = model.attribute([[2.0]], "epsilon_lrp", epsilon=0.5)
    np.testing.assert_allclose(found.values, [[4 * 5 / 5.5]])
    np.testing.assert_allclose(found.absorbed["biases"], [5 / 5.5])
    np.testing.assert_allclose(found.absorbed["epsilon"], [0.5 * 5 / 5.5])


def test_linear_networks_have_one_answer():
    model = randomized([Dense(4), Dense(3)])
    expected = X * (model.parameters["dense_1"].W @ model.parameters["dense_2"].W).T[model.predict(X)]
    for method in ("input_x_gradient", "integrated_gradients", "deep_lift", "occlusion"):
        np.testing.assert_allclose(model.attribute(X, method).values, expected, rtol=1e-12)
    np.testing.assert_allclose(model.attribute(X, "epsilon_lrp", epsilon=0).values, expected, rtol=1e-9)


def test_patches_by_hand():
    """f = w x of a picture of 2 x 5, from 0: a patch takes off what w x is in it, and a pixel of two has their mean."""
    model = Model(Network(10, [Dense(1)], MeanSquaredError()), dtype="float64")
    model.theta[...] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0.5]
    picture = {"shape": (2, 5), "patch": (1, 2)}
    found = model.attribute(np.ones((1, 10)), "occlusion", **picture)
    np.testing.assert_allclose(found.values, [[3, 3, 7, 7, 5, 13, 13, 17, 17, 10]])
    found = model.attribute(np.ones((1, 10)), "occlusion", **picture, stride=1)
    np.testing.assert_allclose(found.values, [[3, 4, 6, 8, 9, 13, 14, 16, 18, 19]])


# --- completeness


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("method", COMPLETE)
def test_completeness(name, method):
    model = randomized(NETWORKS[name])
    settings = {} if method == "epsilon_lrp" else {"baseline": 0.3 * X[::-1]}
    found = model.attribute(X, method, **settings)
    assert found.is_complete
    assert found.relative_error.max() <= 1e-6
    reference = found.outputs - sum(found.absorbed.values()) if method == "epsilon_lrp" else None
    change = found.outputs - found.baseline_outputs
    np.testing.assert_allclose(found.values.sum(1), change if reference is None else reference, rtol=1e-6)
    # f is the logit that the model gives, not some other number that the values happen to add up to.
    logits = model.outputs(X)
    np.testing.assert_allclose(found.outputs, logits[np.arange(4), logits.argmax(1)], rtol=1e-12)


@pytest.mark.parametrize("name", ["relu", "deep", "inner_rescale"])
def test_integrated_gradients_are_exact_on_piecewise_linear_networks(name):
    model = randomized(NETWORKS[name])
    found = model.attribute(X, "integrated_gradients")
    assert found.error.max() <= 1e-12
    fine = model.attribute(X, "integrated_gradients", steps=500)
    np.testing.assert_allclose(found.values, fine.values, atol=8e-3 * np.abs(fine.values).max())


@pytest.mark.parametrize("name", ["relu", "deep"])
def test_a_piece_of_a_piecewise_linear_network_takes_one_gradient(name):
    model = randomized(NETWORKS[name])
    found = model.attribute(X, "integrated_gradients")
    pieces = []
    for row, target in zip(
        X[:3], model.predict(X[:3]), strict=True
    ):  # of the last, two kinks are at almost one place
        line = np.linspace(0, 1, 40_001)[:, None] * row
        slopes = model.attribute(line, "saliency", signed=True, target=int(target)).values
        pieces.append(1 + np.any(np.abs(np.diff(slopes, axis=0)) > 1e-9, axis=1).sum())
    assert found.settings["gradients"][:3] == pieces


@pytest.mark.parametrize("kind", sorted(ACTIVATIONS))
def test_what_is_affine_between_kinks(kind):
    layer = ACTIVATIONS[kind]()
    if not layer.is_elementwise:
        assert not layer.is_piecewise_affine
        return
    model = randomized([layer], inputs=1, loss=MeanSquaredError())
    edges = [-6.0, *layer.kinks, 6.0]
    bends = []
    for start, stop in itertools.pairwise(edges):
        z = np.linspace(start, stop, 102)[1:-1, None]
        bends.append(np.abs(np.diff(model.outputs(z)[:, 0], 2)).max())
    assert (max(bends) < 1e-12) == (layer.is_piecewise_affine or layer.is_affine)


def test_a_tolerance_is_kept_and_paid_for():
    model = randomized(NETWORKS["kinked"])
    loose, tight = (model.attribute(X, "integrated_gradients", tolerance=t) for t in (1e-2, 1e-10))
    assert tight.relative_error.max() <= 1e-10
    assert sum(tight.settings["gradients"]) >= sum(loose.settings["gradients"])


def test_a_wide_network_takes_fewer_gradients_and_says_what_is_missing(monkeypatch):
    model = randomized(NETWORKS["relu"])
    whole = model.attribute(X, "integrated_gradients")
    rule = "chainrule.inspection.attribution.methods."
    monkeypatch.setattr(rule + "MAX_NUMBERS", 4 * explained(model, X).width)
    monkeypatch.setattr(rule + "NODES", 1)
    some = model.attribute(X, "integrated_gradients")
    assert max(whole.settings["gradients"]) > 4 >= max(some.settings["gradients"])
    assert whole.relative_error.max() < 1e-12 < some.relative_error.max() < 0.5


def test_passes_of_few_rows_have_the_same_values(monkeypatch):
    model = randomized(NETWORKS["relu"])
    whole = model.attribute(X, "integrated_gradients").values
    monkeypatch.setattr("chainrule.inspection.attribution.explained.CHUNK_NUMBERS", 1)
    assert explained(model, X).rows_per_pass == 1
    np.testing.assert_allclose(
        model.attribute(X, "integrated_gradients").values, whole, rtol=1e-12, atol=1e-14
    )


def test_integrated_gradients_from_the_sample_to_itself():
    found = randomized(NETWORKS["relu"]).attribute(X, "integrated_gradients", baseline=X)
    assert (found.values == 0).all() and (found.relative_error == 0).all()


@given(
    widths=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    seed=st.integers(0, 10_000),
    leaky=st.booleans(),
    block=st.booleans(),
    biases=st.booleans(),
)
def test_epsilon_lrp_is_input_x_gradient_on_relu_networks(widths, seed, leaky, block, biases):
    """As epsilon goes to 0. At z = 0 the two agree only where no bias puts something there, so z stays away from it."""
    kink = LeakyReLU(0.1) if leaky else ReLU()
    layers = [layer for width in widths for layer in (Dense(width), kink)]
    if block:
        layers.append(Residual([Dense(6), kink]))
    model = randomized([*layers, Dense(3)], seed=seed)
    if not biases:
        for parts in model.parameters.values():
            if hasattr(parts, "b"):
                parts.b[...] = 0
    x = np.random.default_rng(seed + 1).normal(size=(3, 5))
    gradient = model.attribute(x, "input_x_gradient").values
    coarse, fine = (model.attribute(x, "epsilon_lrp", epsilon=epsilon).values for epsilon in (1e-3, 1e-12))
    scale = max(float(np.abs(gradient).max()), 1e-3)
    np.testing.assert_allclose(fine, gradient, rtol=1e-5, atol=1e-5 * scale)
    assert np.abs(fine - gradient).max() <= np.abs(coarse - gradient).max() + 1e-6 * scale


@pytest.mark.parametrize("name", NETWORKS)
def test_deep_lift_adds_up_at_every_layer(name):
    f = explained(randomized(NETWORKS[name]), X)
    change = f.value(f.X, f.V) - f.value(f.baseline, f.V)
    _, contributions = multipliers(f)
    for link in f.links:  # of the chain, not inside blocks
        np.testing.assert_allclose(contributions[link.name].sum(1), change, rtol=1e-8, atol=1e-10)


def test_where_a_number_is_that_of_the_baseline_its_slope_is_the_derivative_there():
    """Of an embedding of numbers, as of an activation; elsewhere it is that of the chord."""
    layers = [PiecewiseLinearEmbedding(3, 4), Dense(1)]
    model = Model(Network(2, layers, MeanSquaredError()), dtype="float64")
    rows, random = X[:, :2], np.random.default_rng(0)
    model.fit(rows, rows[:, 0], epochs=1)  # measures the edges
    model.theta[...] = random.normal(size=model.theta.size)
    b, x = np.array([0.05, 0.1]), np.array([[0.05, 0.4], [-0.6, 0.1], [0.3, -0.8]])
    f = explained(model, x, baseline=b)

    def out(rows):
        return model.outputs(rows)[:, 0]  # a sum of a function of each column

    at_b = [(out(b[None] + h) - out(b[None] - h))[0] / 2e-6 for h in 1e-6 * np.eye(2)]
    changed = [np.where(np.eye(2)[k], x, b) for k in (0, 1)]
    chords = [(out(changed[k]) - out(b[None])) / np.where(x[:, k] == b[k], 1, x[:, k] - b[k]) for k in (0, 1)]
    expected = np.where(x == b, at_b, np.stack(chords, 1))
    np.testing.assert_allclose(multipliers(f)[0], expected, rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_says_what_it_promises(method):
    found = randomized(NETWORKS["tanh"]).attribute(X, method)
    assert found.is_complete == (method in COMPLETE)
    assert ("guarantees no sum" in found.promise) == (method not in COMPLETE)
    promised = found.to_data()["promise"]
    assert promised == (
        "output" if method == "epsilon_lrp" else "difference" if found.is_complete else "nothing"
    )
    assert np.isnan(found.error).all() == (method == "saliency")
    assert found.values.shape == X.shape


# --- what is attributed


def test_targets_and_against():
    model = randomized(NETWORKS["tanh"])
    model.classes = np.array(["ash", "elm", "oak"])
    out = model.outputs(X)
    found = model.attribute(X, "integrated_gradients", target="oak")
    np.testing.assert_allclose(found.outputs, out[:, 2])
    assert [str(each) for each in found.targets] == ["class oak"] * 4 and found.labels == ("oak",) * 4
    held = model.attribute(
        X, "integrated_gradients", target=["oak", "elm", "oak", "ash"], against=["ash", "ash", "elm", "oak"]
    )
    np.testing.assert_allclose(held.outputs, out[range(4), [2, 1, 2, 0]] - out[range(4), [0, 0, 1, 2]])
    assert str(held.targets[1]) == "class elm against ash"
    pair = [model.attribute(X, "integrated_gradients", target=t, baseline=0).values for t in ("oak", "elm")]
    both = model.attribute(X, "integrated_gradients", target="oak", against="elm", baseline=0)
    np.testing.assert_allclose(both.values, pair[0] - pair[1], atol=1e-6)


def test_two_classes_in_one_logit():
    model = randomized([Dense(4), Tanh(), Dense(1)], loss=SigmoidCrossEntropy())
    z = model.outputs(X)[:, 0]
    np.testing.assert_allclose(
        model.attribute(X, "saliency").outputs, np.abs(z)
    )  # evidence for the class that is said
    np.testing.assert_allclose(model.attribute(X, "saliency", target=0).outputs, -z)
    np.testing.assert_allclose(model.attribute(X, "saliency", target=1).outputs, z)


@pytest.mark.parametrize(
    ("layers", "loss"),
    [([Dense(3), Softmax()], CategoricalCrossEntropy()), ([Dense(3), Sigmoid()], BinaryCrossEntropy())],
)
def test_probabilities_are_explained_by_their_logits(layers, loss):
    model = randomized([Dense(4), Tanh(), *layers], loss=loss)
    logits = randomized([Dense(4), Tanh(), Dense(3)], loss=SoftmaxCrossEntropy())
    logits.theta[...] = model.theta
    for method in METHODS:
        found, expected = (m.attribute(X, method, target=1) for m in (model, logits))
        np.testing.assert_allclose(found.values, expected.values)


def test_numbers_and_counts():
    model = randomized([Dense(4), Tanh(), Dense(2)], loss=Poisson())
    np.testing.assert_allclose(model.attribute(X, "saliency", target=1).outputs, model.outputs(X)[:, 1])
    with pytest.raises(ConfigError, match="2 outputs; choose the one"):
        model.attribute(X, "saliency")


def test_the_default_baseline_is_what_the_input_links_make_zero():
    model = Model(
        Network(5, [Rescale(2.0, 1.0), Standardize(), Dense(3)], SoftmaxCrossEntropy()), dtype="float64"
    )
    model.fit(X, [0, 1, 2, 0], epochs=1)
    found = model.attribute(X, "deep_lift")
    np.testing.assert_allclose(found.baseline[0], X.mean(0))
    np.testing.assert_allclose(
        found.baseline_outputs, model.parameters["dense_1"].b[model.predict(X)], atol=1e-12
    )
    assert (randomized(NETWORKS["relu"]).attribute(X, "deep_lift").baseline == 0).all()


def test_a_float32_model_is_explained_in_float64():
    model = Model(Network(5, NETWORKS["relu"], SoftmaxCrossEntropy()))
    assert model.attribute(X.astype(np.float32)).relative_error.max() < 1e-12
    assert model.theta.dtype == np.float32


def test_names_and_pictures():
    pandas = pytest.importorskip("pandas")
    model = randomized(NETWORKS["relu"])
    frame = pandas.DataFrame(X, columns=list("abcde"))
    assert {record["feature"] for record in model.attribute(frame).records()} == set("abcde")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64), dtype=np.uint8)
    picture = randomized([Dense(3)], inputs=64).attribute(pixels)
    assert picture.shape == (8, 8) and picture.feature(9) == "pixel (1, 1)"
    assert randomized([Dense(3)], inputs=64).attribute(pixels.astype(float)).shape is None


def test_the_method_of_a_table_is_the_one_that_takes_one_walk():
    """Where columns have names, and DeepLIFT has a rule for each layer and the settings; both have one sum."""
    model = randomized(NETWORKS["relu"])
    assert model.attribute(X).method == "integrated_gradients"
    model.feature_names = list("abcde")
    found = model.attribute(X)
    assert found.method == "deep_lift"
    np.testing.assert_allclose(found.values.sum(1), model.attribute(X, "integrated_gradients").values.sum(1))
    assert model.attribute(X, steps=4).method == "integrated_gradients"
    assert model.attribute(X, target=1, baseline=0).method == "deep_lift"


@pytest.mark.parametrize(
    ("layers", "loss", "method"),
    [
        ([Dense(3), Softmax()], CategoricalCrossEntropy(), "deep_lift"),  # f is in front of it
        ([Dense(4), Softmax(), Dense(3)], SoftmaxCrossEntropy(), "integrated_gradients"),
        ([Embedding(((0, 3, 2),)), Dense(3)], SoftmaxCrossEntropy(), "deep_lift"),
    ],
)
def test_a_layer_without_a_rule_leaves_it_to_gradients(layers, loss, method):
    model = randomized(layers, loss=loss)
    model.feature_names = list("abcde")
    codes = np.abs(X) // 1 % 3
    assert model.attribute(codes).method == method
    assert model.attribute(codes).relative_error.max() < 1e-6


# --- the re-initialization check


@pytest.fixture(scope="module")
def trained() -> tuple[Model, np.ndarray]:
    r = np.random.default_rng(0)
    samples = r.normal(size=(400, 12))
    y = (samples[:, :4] @ [3.0, -2.0, 2.0, 1.0] > 0).astype(int)
    model = Model(
        Network(12, [Dense(24), ReLU(), Dense(16), ReLU(), Dense(2)], SoftmaxCrossEntropy()), seed=0
    )
    model.fit(samples, y, epochs=12, optimizer=Adam(5e-3))
    return model, samples[:20]


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "epsilon_lrp", "deep_lift"])
def test_reinitialization_changes_the_maps(trained, method):
    model, samples = trained
    before = model.theta.copy()
    check = reinitialization_check(model, samples, method=method, repeats=3)
    assert [stage.layer for stage in check.stages] == ["dense_3", "dense_2", "dense_1"]
    assert check.passes and abs(check.stages[-1].signed) < 0.5
    assert "depend on the trained parameters" in str(check)
    assert (model.theta == before).all()
    assert json.loads(json.dumps(check.to_json()))["passes"] is True


def test_reinitialization_finds_a_method_that_only_shows_the_input(trained, monkeypatch):
    import chainrule.inspection.attribution as package
    from chainrule.views import words

    model, samples = trained

    def edges(model, X, *, target=None):
        found = model.attribute(X, "saliency", target=target)
        found.values[...] = np.abs(X)
        return found

    monkeypatch.setitem(package.METHODS, "edges", edges)
    monkeypatch.setitem(words.attribution.NAMES, "edges", "Edges")
    check = reinitialization_check(model, samples, method="edges")
    assert not check.passes and all(stage.absolute > 0.999 for stage in check.stages)
    assert "reflect the input more" in str(check)


def test_reinitialization_never_draws_the_models_own_start():
    model = Model(Network(5, NETWORKS["relu"], SoftmaxCrossEntropy()), seed=1)
    check = reinitialization_check(model, X, method="saliency")
    assert check.stages[-1].signed < 0.999


def test_reinitialization_does_not_pass_where_nothing_could_be_compared():
    model = randomized([Dense(4), Tanh(), Dense(3)], inputs=1)
    check = reinitialization_check(model, X[:, :1])
    assert np.isnan(check.stages[-1].signed) and not check.passes
    assert "No sample has two maps to compare" in str(check)


# --- results


def test_text_and_data():
    found = by_hand().attribute([[3.0, 1.0]])
    text = str(found)
    assert "Integrated gradients of output 0" in text and "feature 0" in text
    assert "add up to 2, and f(x) - f(baseline) = 2" in text
    data = json.loads(json.dumps(found.to_json()))
    assert data["samples"][0]["values"] == found.values[0].tolist()
    assert data["samples"][0]["relative_error"] <= 1e-12
    assert [record["attribution"] for record in found.records()] == pytest.approx([6.0, -4.0])
    assert "biases" in str(by_hand().attribute([[3.0, 1.0]], "epsilon_lrp"))
    json.dumps(by_hand().attribute([[3.0, 1.0]], "saliency").to_json(), allow_nan=False)


def test_what_is_infinite_is_null_in_the_data():
    """f(x) = |x| = f(-x), and the slope says 4."""
    model = Model(Network(1, [Dense(2), ReLU(), Dense(1)], MeanSquaredError()), dtype="float64")
    model.theta[...] = [1, -1, 0, 0, 1, 1, 0]
    found = model.attribute([[2.0]], "input_x_gradient", baseline=-2)
    assert found.error == [4] and found.relative_error == [math.inf]
    sample = json.loads(json.dumps(found.to_json(), allow_nan=False))["samples"][0]
    assert (sample["error"], sample["relative_error"]) == (4, None)


def test_the_largest_features_and_the_others():
    found = by_hand().attribute([[3.0, 1.0]])
    assert found.bars() == [("feature 0 = 3", pytest.approx(6)), ("feature 1 = 1", pytest.approx(-4))]
    assert found.bars(most=1) == [("feature 0 = 3", pytest.approx(6)), ("1 other", pytest.approx(-4))]
    assert "1 other " in found.text(top=1)


def test_the_scale_is_what_the_first_learning_layer_sees():
    f = explained(randomized(NETWORKS["inputs"]), X)
    seen = [f.forward(x)[1][2] for x in (f.X, f.X + np.eye(5)[3])]  # what dense_1 keeps is its input
    np.testing.assert_allclose(f.scale()[3], (seen[1] - seen[0])[0, 3], rtol=1e-12)
    np.testing.assert_array_equal(explained(randomized(NETWORKS["relu"]), X).scale(), np.ones(5))


def test_figures():
    bars = by_hand().attribute([[3.0, 1.0]]).figure()
    assert [trace.name for trace in bars.data] == ["for", "against"]
    assert [*bars.data[0].x, *bars.data[1].x] == pytest.approx([6.0, -4.0])
    picture = randomized([Dense(3)], inputs=64).attribute(np.ones((1, 64)), shape=(8, 8)).figure()
    assert len(picture.data) == 2 and picture.data[1].zmin == -picture.data[1].zmax
    for figure in (bars, picture):
        assert figure.layout.title.text


# --- what is refused, in one sentence


class Custom(Layer):
    def forward(self, params, a, ctx):
        return 3 * a, None

    def backward(self, params, cache, delta, ctx):
        return (), 3 * delta


def test_layers_without_a_rule_say_so_and_gradients_need_none():
    model = randomized([Dense(4), Custom(), Dense(3)])
    for method in ("epsilon_lrp", "deep_lift"):
        with pytest.raises(
            ConfigError, match=rf"{method} has no rule for Custom \(custom_1\); use integrated_"
        ):
            model.attribute(X, method)
        with pytest.raises(ConfigError, match="no rule for Softmax"):
            randomized([Dense(4), Softmax(), Dense(3)]).attribute(X, method)
    assert model.attribute(X, "integrated_gradients").relative_error.max() <= 1e-6


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"method": "lime"}, ConfigError, "method must be one of saliency"),
        (
            {"method": "saliency", "steps": 3},
            ConfigError,
            "saliency has no setting steps; its settings are target",
        ),
        ({"target": 3}, ConfigError, "target is 3, but the classes are 0, 1, 2; name one of them"),
        ({"target": True}, ConfigError, "target is True"),
        ({"target": [0, 1]}, ShapeError, "target contains 2 labels for 4 samples"),
        ({"target": 1, "against": 1}, ConfigError, "against is the target itself"),
        ({"baseline": np.zeros(4)}, ShapeError, "baseline must be one number, or numbers of shape"),
        ({"baseline": "black"}, ShapeError, "baseline must be one number, or numbers"),
        ({"baseline": np.nan}, DataError, "baseline contains NaN"),
        ({"shape": (2, 3)}, ShapeError, "shape is 2 x 3, 6 pixels, but the network takes 5"),
        ({"shape": 5}, ConfigError, "shape must be"),
        ({"steps": 0}, ConfigError, "steps must be an integer of at least 1"),
        ({"steps": 10**6}, ConfigError, "steps must be at most 5,000"),
        ({"tolerance": 0}, ConfigError, "tolerance must be between 0 and 1"),
        ({"method": "epsilon_lrp", "epsilon": -1}, ConfigError, "epsilon must be a finite number"),
        ({"method": "epsilon_lrp", "baseline": 0}, ConfigError, "epsilon_lrp has no setting baseline"),
        ({"method": "occlusion", "patch": 2}, ConfigError, "patch is for pictures"),
        ({"method": "occlusion", "stride": 2}, ConfigError, "stride requires a patch"),
        (
            {"method": "occlusion", "patch": (1, 9), "shape": (1, 5)},
            ConfigError,
            "patch must be a number of pixels",
        ),
    ],
)
def test_bad_settings(settings, error, message):
    with pytest.raises(error, match=message):
        randomized(NETWORKS["relu"]).attribute(X, **settings)


def test_bad_samples_and_rows():
    model = randomized(NETWORKS["relu"])
    with pytest.raises(ShapeError, match="X has 3 features but the network takes 5"):
        model.attribute(np.ones((2, 3)))
    with pytest.raises(ConfigError, match="row must be the index of a sample, from 0 to 3"):
        model.attribute(X).text(4)
    with pytest.raises(ConfigError, match="against needs more than two classes"):
        randomized([Dense(1)], loss=SigmoidCrossEntropy()).attribute(X, "saliency", against=0)
    with pytest.raises(ConfigError, match="no parameters to re-initialize"):
        reinitialization_check(Model(Network(3, [ReLU()], SoftmaxCrossEntropy())), np.ones((1, 3)))


def test_the_only_output_is_called_so():
    with pytest.raises(ConfigError, match=r"target is 9, but the only output is 0\."):
        by_hand().attribute([[3.0, 1.0]], target=9)
