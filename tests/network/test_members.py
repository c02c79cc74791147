"""Members of an ensemble side by side in one network, with all that the package does to a layer and to a loss."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import chainrule as c
from chainrule.engines.native import REASON
from chainrule.inspection.attribution import METHODS
from chainrule.inspection.derivation.factors import GroupedDenseEdge, ShiftEdge, TakeEdge
from chainrule.inspection.derivation.graph import Graph
from chainrule.inspection.story import explain
from chainrule.network.answers import decide
from halves import half

RNG = np.random.default_rng(8)
N, K = 60, 3
X = RNG.normal(size=(N, 4))
Y = np.arange(N) % 3
NUMBERS = RNG.normal(size=(N, 2))
needs_native = pytest.mark.skipif(REASON is not None, reason="needs the native engine")
engines = pytest.mark.parametrize("engine", ["reference", pytest.param("native", marks=needs_native)])


def tabm(loss: c.Loss, outputs: int, shared: bool = True, width: int = 6, k: int = K) -> list[c.Layer]:
    """TabM with one hidden layer, or with `shared` False k networks of their own."""
    hidden: list[c.Layer] = [c.GroupedDense(width, k)]
    if shared:
        start = c.PerFeature(c.Normal(), (1, 2, 1))
        hidden = [c.Scale(initializer=start), c.GroupedDense(width, k, True, False), c.Scale(), c.Shift()]
    return [c.Take([0, 1, 2, 3] * k), *hidden, c.ReLU(), c.GroupedDense(outputs, k)]


def made(loss: c.Loss | None = None, outputs: int = 3, dtype: str = "float64", **how) -> c.Model:
    loss = loss or c.SoftmaxCrossEntropy()
    shape = {name: how.pop(name) for name in ("shared", "width") if name in how}
    network = c.Network(4, tabm(loss, outputs, **shape), c.MeanOverMembers(loss, K), **how)
    model = c.Model(network, seed=2, dtype=dtype)
    model.theta += 0.1 * np.random.default_rng(1).normal(size=model.theta.shape).astype(dtype)
    return model


def apart(model: c.Model, loss: c.Loss, width: int, outputs: int) -> list[c.Model]:
    """The members of a model without shared weights, each as a network of its own."""
    found = []
    for g in range(K):
        one = c.Model(
            c.Network(4, [c.Dense(width), c.ReLU(), c.Dense(outputs)], loss), dtype=model.dtype.name
        )
        for here, there in (("dense_1", "grouped_dense_1"), ("dense_2", "grouped_dense_2")):
            for field in ("W", "b"):
                value = getattr(model.parameters[there], field)[g]
                getattr(one.parameters[here], field)[...] = value
        found.append(one)
    return found


@engines
@pytest.mark.parametrize("width", [6, 32])
def test_members_train_as_networks_of_their_own(engine: str, width: int):
    """With 1 / k of the learning rate for k times the gradient: the loss is the mean over the members."""
    loss = c.SoftmaxCrossEntropy()
    model = made(loss, shared=False, width=width)
    ones = apart(model, loss, width, 3)
    how = {"epochs": 3, "batch_size": 16, "engine": engine}
    model.fit(X, Y, optimizer=c.SGD(0.3 * K, momentum=0.9), **how)
    for one in ones:
        one.seed = model.seed  # the same shuffles
        one.fit(X, Y, optimizer=c.SGD(0.3, momentum=0.9), **how)
    assert_allclose(model.outputs(X), np.hstack([one.outputs(X) for one in ones]), atol=1e-11)
    shares = np.mean([one.predict_proba(X) for one in ones], 0)
    assert_allclose(model.predict_proba(X), shares, atol=1e-12)
    assert_array_equal(model.predict(X), shares.argmax(1))
    assert_allclose(model.evaluate(X, Y)["loss"], np.mean([one.evaluate(X, Y)["loss"] for one in ones]))
    assert model.evaluate(X, Y)["accuracy"] == np.mean(shares.argmax(1) == Y)


LOSSES = [
    (c.SoftmaxCrossEntropy(0.1), Y, 3),
    (c.SigmoidCrossEntropy(), Y % 2, 1),
    (c.SigmoidCrossEntropy(), np.stack([Y % 2, Y // 2], 1), 2),
    (c.MeanSquaredError(), NUMBERS, 2),
    (c.Quantile((0.1, 0.9)), NUMBERS, 2),
    (c.Poisson(), np.stack([Y, Y + 1], 1), 2),
]


@needs_native
@pytest.mark.parametrize(("loss", "y", "outputs"), LOSSES)
@pytest.mark.parametrize(
    ("how", "shared"),
    half([{"batch_size": 16}, {"batch_size": 1}, {"batch_size": 60, "clip": 0.1}], [True, False]),
    ids=str,
)
def test_both_engines_agree(loss: c.Loss, y: np.ndarray, outputs: int, how: dict, shared: bool):
    models = [made(loss, outputs, shared=shared, l2=0.01) for _ in range(2)]
    weight = RNG.uniform(0, 2, N)
    for model, engine in zip(models, ("native", "reference"), strict=True):
        model.fit(X, y, epochs=2, optimizer=c.Adam(0.01), engine=engine, sample_weight=weight, **how)
    assert_allclose(models[0].theta, models[1].theta, rtol=1e-9, atol=1e-10)
    for name in {"loss", "accuracy"} & set(models[0].history.columns):
        assert_allclose(models[0].history[name], models[1].history[name], rtol=1e-10)
    native, reference = (models[0].outputs(X, engine=engine) for engine in ("native", "reference"))
    assert native.shape == (N, K * outputs)
    assert_allclose(native, reference, rtol=1e-12, atol=1e-12)
    bound = models[0].bind(engine="native")
    assert_array_equal(bound.outputs(X[:1]), native[:1])
    assert_array_equal(bound.predict(X[:1]), models[0].predict(X[:1]))


@pytest.mark.slow
@needs_native
@settings(deadline=None, max_examples=30)
@given(st.data())
def test_any_widths(data: st.DataObject):
    """Groups whose width is no multiple of a vector's, and few or many of them."""
    k = data.draw(st.integers(1, 40))
    widths = [data.draw(st.integers(1, 70)) for _ in range(3)]
    flags = [data.draw(st.booleans()) for _ in range(4)]
    activation = data.draw(st.sampled_from([c.ReLU(), c.SELU(), c.Mish()]))
    columns = data.draw(st.lists(st.integers(0, 4), min_size=k, max_size=k))
    layers = [c.Take(columns), c.GroupedDense(widths[0], k, *flags[:2]), activation]
    layers += [
        c.GroupedDense(widths[1], k, *flags[2:]),
        activation,
        c.Residual([c.GroupedDense(widths[1], k)]),
    ]
    network = c.Network(
        5, [*layers, c.GroupedDense(2, k)], c.MeanOverMembers(c.MeanSquaredError(), k), max_norm=0.7
    )
    rng = np.random.default_rng(k)
    x, y, batch = rng.normal(size=(50, 5)), rng.normal(size=(50, 2)), data.draw(st.sampled_from([1, 7, 50]))
    models = [c.Model(network, dtype="float64", seed=1) for _ in range(2)]
    for model, engine in zip(models, ("native", "reference"), strict=True):
        model.fit(x, y, epochs=1, batch_size=batch, optimizer=c.SGD(0.01, momentum=0.9), engine=engine)
    assert_allclose(models[0].theta, models[1].theta, rtol=1e-9, atol=1e-10)
    if batch == 7:
        trace = models[0].trace(x[:5], y[:5])
        for name, grads in trace.grads.items():
            for per_sample, whole in zip(trace.per_sample(name), grads, strict=True):
                assert_allclose(per_sample.sum(0), whole, atol=1e-11)


@needs_native
@pytest.mark.parametrize("precision", [None, "bf16"])
@pytest.mark.parametrize("batch_size", [64, 512, 4096])
def test_the_bits_depend_on_no_number_of_threads(
    batch_size: int, precision: str | None, monkeypatch: pytest.MonkeyPatch
):
    rng = np.random.default_rng(3)
    x, y, found = rng.normal(size=(4096, 4)), rng.integers(0, 3, 4096), set()
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("CHAINRULE_NUM_THREADS", threads)
        model = made(width=40, dtype="float32")
        model.fit(x, y, epochs=1, batch_size=batch_size, engine=c.Compute("native", precision=precision))
        found.add(model.theta.tobytes())
    assert len(found) == 1


@pytest.mark.parametrize(("loss", "y", "outputs"), LOSSES)
def test_gradients_agree_with_central_differences(loss: c.Loss, y: np.ndarray, outputs: int):
    assert made(loss, outputs, l2=0.1, l1=0.01).check_gradients(X[:9], y[:9]).error < 1e-6


@pytest.mark.parametrize(("loss", "y", "outputs"), LOSSES)
def test_derivations(loss: c.Loss, y: np.ndarray, outputs: int):
    trace = made(loss, outputs).trace(X[:3], y[:3])
    names = ["x[1,3]", "scale_1.s[5]", "shift_1.b[7]", "grouped_dense_1.W[2,4]", "grouped_dense_2.W[2,1,0]"]
    for what in [*names, "grouped_dense_2.b[1,0]"]:
        derivation = trace.derive(what)
        assert derivation.value == pytest.approx(derivation.difference.value, rel=1e-6, abs=1e-9)
        assert str(derivation) and derivation.latex()
    graph = Graph(trace.in_float64)
    assert type(graph.x.edges[0]) is TakeEdge
    assert type(graph.edge_of("grouped_dense_1")) is GroupedDenseEdge
    assert type(graph.edge_of("shift_1")) is ShiftEdge


def test_a_derivation_names_its_member():
    text = str(made().trace(X[:1], Y[:1]).derive("grouped_dense_2.b[1,2]"))
    assert "softmax(grouped_dense_2.z[3:6])" in text and "1/3" in text.replace(" ", "")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("loss", "y", "outputs"), LOSSES[:3])
def test_attributions(method: str, loss: c.Loss, y: np.ndarray, outputs: int):
    """Of the mean of the members' outputs, for the class that their average predicts."""
    model = made(loss, outputs)
    found = model.attribute(X[:5], method=method)
    assert found.values.shape == (5, 4) and np.abs(found.values).max() > 1e-3
    if found.is_complete:
        assert found.relative_error.max() < 1e-5
    if outputs == 3:
        assert_array_equal(found.labels, model.predict_proba(X[:5]).argmax(1))
        mean = model.outputs(X[:5]).reshape(5, K, outputs).mean(1)
        assert_allclose(found.outputs, mean[np.arange(5), list(found.labels)])


def test_attributions_by_hand():
    """Two linear members, 2 x0 + x1 and 4 x0 - x1: their mean is 3 x0."""
    layers = [c.Take([0, 1, 0, 1]), c.GroupedDense(1, 2)]
    model = c.Model(c.Network(2, layers, c.MeanOverMembers(c.MeanSquaredError(), 2)), dtype="float64")
    model.theta[:] = [2, 1, 4, -1, 0, 0]
    for method in ("input_x_gradient", "integrated_gradients", "deep_lift", "occlusion", "epsilon_lrp"):
        assert_allclose(model.attribute([[2, 5]], method=method).values, [[6, 0]], atol=1e-5)
    assert_allclose(model.predict([[2, 5]]), [6])


def test_scaled_targets():
    y = 100 + 20 * NUMBERS
    model = made(c.MeanSquaredError(), 2)
    model.fit(X, y, epochs=20, scale_targets=True, optimizer=c.Adam(0.01))
    out = model.outputs(X)
    assert out.shape == (N, 2 * K) and abs(out.mean() - 100) < 20
    assert_allclose(model.predict(X), out.reshape(N, K, 2).mean(1))
    assert model.evaluate(X, y, outputs=out)["loss"] == pytest.approx(model.evaluate(X, y)["loss"])
    assert model.attribute(X[:2], target=0).relative_error.max() < 1e-5


def test_freezing_files_copies_and_pickles(tmp_path: Path):
    model = made(shared=True)
    model.freeze("grouped_dense_1", "shift_1")
    before = model.parameters["grouped_dense_1"].W.copy()
    model.fit(X, Y, epochs=1)
    assert_array_equal(model.parameters["grouped_dense_1"].W, before)
    model.save(tmp_path / "model.safetensors")
    for again in (
        c.load(tmp_path / "model.safetensors"),
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
    ):
        assert again.network.layers == model.network.layers and again.network.loss == model.network.loss
        assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_story_summary_and_confusion():
    model = made()
    model.fit(X, Y, epochs=1)
    story = explain(model, X[0])
    assert "grouped_dense_1" in story.text() and story.html()
    assert "GroupedDense(6, 3, shared=True, bias=False)" in repr(model.network)
    assert "grouped_dense_2" in str(model.summary())
    assert model.confusion_matrix(X, Y).shape == (3, 3)
    assert_array_equal(decide(model.network.loss, model.outputs(X)), model.predict(X))


@pytest.mark.parametrize("method", ["forward_gradient", "feedback_alignment", "spsa", "cma_es"])
def test_methods_without_backpropagation(method: str):
    model = made()
    how = {} if method == "cma_es" else {"optimizer": c.GradientDescent(1e-3)}
    before = model.theta.copy()
    model.fit(X, Y, epochs=1, method=method, **how)
    assert np.isfinite(model.theta).all() and (before != model.theta).any()


def test_a_group_starts_as_a_dense():
    """Each group has a draw of its own, of a Dense's variance; with shared weights there is one."""
    layers = [
        c.GroupedDense(50, 4, initializer=c.HeNormal()),
        c.GroupedDense(60, 4, True, initializer=c.Orthogonal()),
    ]
    model = c.Model(c.Network(800, layers, c.MeanSquaredError()), dtype="float64")
    W = model.parameters["grouped_dense_1"].W
    assert W.var() == pytest.approx(2 / 200, rel=0.05) and abs(W[0] - W[1]).max() > 0.1
    Q = model.parameters["grouped_dense_2"].W
    assert_allclose(Q @ Q.T, np.eye(50), atol=1e-12)


def test_a_start_on_samples():
    """As a Dense's, by group: z without its bias has a standard deviation of 1; shared weights see all groups."""
    for shared in (False, True):
        layers = [c.Take([0, 1, 2, 3] * K), c.Scale(initializer=c.Normal()), c.GroupedDense(5, K, shared)]
        model = c.Model(c.Network(4, layers, c.MeanSquaredError()), dtype="float64")
        model.start_on(X)
        params = model.parameters["grouped_dense_1"]
        b = np.broadcast_to(params.b, (K, 5))
        z = (model.outputs(X, engine="reference") - b.ravel()).reshape(N, K, 5)
        assert_allclose(z.reshape(-1, 5).std(0) if shared else z.std(0), 1)
        assert ((z + b).min((0, 1) if shared else 0) < 0).all() and (
            (z + b).max((0, 1) if shared else 0) > 0
        ).all()


@needs_native
def test_a_schedule_of_label_smoothing():
    models = [made(c.SoftmaxCrossEntropy(0.2)) for _ in range(2)]
    for model, engine in zip(models, ("native", "reference"), strict=True):
        model.fit(
            X, Y, epochs=2, batch_size=16, schedule=c.Schedules(label_smoothing=c.Cosine()), engine=engine
        )
    assert_allclose(models[0].theta, models[1].theta, rtol=1e-9, atol=1e-10)
    assert_allclose(models[0].history["loss"], models[1].history["loss"], rtol=1e-10)


@pytest.mark.parametrize(("loss", "y", "outputs"), LOSSES)
def test_an_average_of_ensembles_predicts_the_mean(loss: c.Loss, y: np.ndarray, outputs: int):
    of_members, out = c.MeanOverMembers(loss, K), RNG.normal(size=(2, 7, K * outputs))
    mean = np.mean([of_members.predict(each) for each in out], 0)
    assert_allclose(of_members.predict(of_members.average(out)), mean, rtol=1e-12)


def test_clamped_targets():
    """Each member's numbers stay within the range of the targets, and so does their mean."""
    y = 100 + 20 * NUMBERS
    model = made(c.MeanSquaredError(), 2)
    model.fit(X, y, epochs=2, scale_targets="clamp")
    far = 100 * X
    each = np.clip(model.outputs(far).reshape(N, K, 2), y.min(0), y.max(0))
    assert_allclose(model.predict(far), each.mean(1))
    assert_allclose(model.trace(far[:3], y[:3], training=False).prediction, each[:3].mean(1), rtol=1e-4)


def test_rates_and_decays():
    layer = c.GroupedDense(3, 2, weight_rate=0.5, bias_rate=2, weight_decays=0.1, parametrization="ntk")
    W, b = c.Network(8, [layer], c.MeanSquaredError()).slots
    assert (W.rate, W.decays, b.rate, b.decays) == (0.25, 0.2, 2, 1)


def test_a_bound_on_norms_is_of_each_neuron():
    model = made(max_norm=0.1, shared=False)
    model.fit(X, Y, epochs=1, engine="reference")
    W = model.parameters["grouped_dense_1"].W
    assert W.shape == (3, 4, 6) and np.linalg.norm(W, axis=1).max() <= 0.1 + 1e-12


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: c.Take([]), "columns of Take must be a list of columns"),
        (lambda: c.Take("01"), "columns of Take must be a list of columns"),
        (lambda: c.Take(3), "columns of Take must be a list of columns"),
        (lambda: c.Take([0, -1]), "columns of Take must be an integer of at least 0"),
        (
            lambda: c.Network(4, [c.Take([4])], c.MeanSquaredError()),
            "contains 4, but the input has columns 0 to 3",
        ),
        (lambda: c.GroupedDense(0, 2), "units of GroupedDense must be an integer of at least 1"),
        (lambda: c.GroupedDense(2, 0), "groups of GroupedDense must be an integer of at least 1"),
        (lambda: c.GroupedDense(2, 2, shared=1), "shared of GroupedDense must be True or False, not 1"),
        (lambda: c.GroupedDense(2, 2, initializer=0), "initializer of GroupedDense must be an initializer"),
        (lambda: c.Shift(initializer=0), "initializer of Shift must be an initializer"),
        (lambda: c.Scale(initializer="ones"), "initializer of Scale must be an initializer"),
        (
            lambda: c.Network(4, [c.GroupedDense(1, 3)], c.MeanSquaredError()),
            "must divide the 4 input columns",
        ),
        (
            lambda: c.MeanOverMembers(c.SoftmaxCrossEntropy(), 0),
            "members of MeanOverMembers must be an integer",
        ),
        (lambda: c.MeanOverMembers("mse", 2), "loss of MeanOverMembers must be the loss of one member"),
        (lambda: c.MeanOverMembers(c.MeanOverMembers(c.Poisson(), 2), 2), "must be the loss of one member"),
        (
            lambda: c.MeanOverMembers(c.CategoricalCrossEntropy(), 2),
            "use MeanOverMembers.SoftmaxCrossEntropy",
        ),
        (
            lambda: c.Network(4, [c.Dense(3)], c.MeanOverMembers(c.MeanSquaredError(), 2)),
            "must divide the 3 outputs of the last layer, not 2",
        ),
        (
            lambda: c.Network(4, [c.Dense(6)], c.MeanOverMembers(c.Quantile((0.1, 0.9)), 2)),
            "Quantile has 2 quantiles but the network 3 outputs",
        ),
    ],
)
def test_what_cannot_be(make, message: str):
    with pytest.raises(c.ConfigError, match=message):
        make()
