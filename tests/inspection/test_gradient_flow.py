"""The gradient flow against numbers worked by hand, and against the walk that training takes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chainrule import (
    LBFGS,
    SGD,
    Adam,
    BatchNorm,
    Checkpoint,
    ConfigError,
    DataError,
    Dense,
    Dropout,
    GradientDescent,
    GradientFlow,
    LeakyReLU,
    MeanSquaredError,
    Model,
    Network,
    PReLU,
    ReLU,
    Residual,
    Sigmoid,
    Skip,
    SoftmaxCrossEntropy,
    Tanh,
)

X, y = np.array([[1.0], [2.0]]), np.zeros(2)


def by_hand(**settings):
    """Two neurons, one of them dead: z = (x, -x), a = (x, 0), out = 2x, dL/dout = out."""
    model = Model(Network(1, [Dense(2), ReLU(), Dense(1)], MeanSquaredError(), **settings), dtype="float64")
    model.parameters["dense_1"].W[...] = [[1, -1]]
    model.parameters["dense_2"].W[...] = [[2], [3]]
    return model


def deep(activation, depth=12, *, outputs=3, **settings):
    layers = [layer for _ in range(depth) for layer in (Dense(16), activation())]
    return Model(Network(4, [*layers, Dense(outputs)], SoftmaxCrossEntropy(), **settings), dtype="float64")


def blobs(n=90):
    r = np.random.default_rng(0)
    labels = np.arange(n) % 3
    return r.normal(size=(n, 4)) + labels[:, None], labels


def test_the_numbers_by_hand():
    flow = by_hand().gradient_flow(X, y, optimizer=GradientDescent(0.1))
    first, last = flow.layers
    assert (first.layer, first.activation, first.width) == ("dense_1", "relu_1", 2)
    assert last.delta_rms == pytest.approx(math.sqrt(10))  # out = 2, 4 and dL/dout = 2/2 (out - 0)
    assert first.delta_rms == pytest.approx(math.sqrt(20))  # (4, 0), (8, 0)
    assert first.delta_ratio == pytest.approx(math.sqrt(2)) and last.delta_ratio == 1
    assert first.mean == pytest.approx(3 / 4) and first.std == pytest.approx(math.sqrt(11 / 16))  # 1, 0, 2, 0
    assert first.dead == 1 and first.saturated is None and last.dead is None
    assert first.gradient_rms == pytest.approx(math.sqrt(200))  # dL/dW = (20, 0)
    assert first.weight_rms == 1 and first.update_ratio == pytest.approx(math.sqrt(2))  # a step of (2, 0)
    assert last.activation is None and last.mean == 3 and last.std == 1
    assert flow.loss == 10 and flow.samples == 2 and flow["dense_2"] == last


def test_the_gradient_is_measured_before_any_penalty_and_the_update_after_it():
    bare, penalized = (
        by_hand(**settings).gradient_flow(X, y, optimizer=GradientDescent(0.1)).layers
        for settings in ({}, {"l2": 5.0, "l1": 1.0})
    )
    assert [row.gradient_rms for row in bare] == [row.gradient_rms for row in penalized]
    assert penalized[0].update_ratio == pytest.approx(math.sqrt(((2.0 + 0.6) ** 2 + 0.6**2) / 2))


def test_the_share_on_the_flats_of_a_sigmoid():
    model = Model(Network(1, [Dense(2), Sigmoid(), Dense(1)], MeanSquaredError()), dtype="float64")
    model.parameters["dense_1"].W[...] = [[1.0, 10.0]]  # z = 1, 2 and 10, 20
    row = model.gradient_flow(X, y)["dense_1"]
    assert row.saturated == 0.5 and row.dead == 0
    model.parameters["dense_1"].W[...] = [[-4.5, 4.0]]  # the slope at 4.36 is 5 % of the one at 0
    assert model.gradient_flow(X, y)["dense_1"].saturated == 0.75


def test_it_is_the_walk_of_the_next_training_step():
    layers = [
        Dense(8),
        BatchNorm(),
        Tanh(),
        Dropout(0.5),
        Residual([Dense(6), ReLU()]),
        Skip([Dense(5)]),
        Dense(3),
    ]
    model = Model(Network(4, layers, SoftmaxCrossEntropy()), dtype="float64")
    samples, labels = blobs()
    flow = model.gradient_flow(samples, labels, optimizer=SGD(0.1))
    loss, grads = model.loss_and_gradients(samples, labels)
    assert flow.loss == loss
    names = [row.layer for row in flow.layers]
    assert names == ["dense_1", "dense_2", "projection_1", "dense_3", "dense_4"]
    for row in flow.layers:
        assert row.gradient_rms == pytest.approx(np.sqrt(np.mean(grads[row.layer].W ** 2)), rel=1e-12)
    trace = model.trace(samples, labels)
    for name in names:
        delta = trace.grad_outputs[name]  # dL by what the link gives out, which is z
        assert flow[name].delta_rms == pytest.approx(np.sqrt(np.mean(delta**2)))
    before = model.theta.copy()
    ratios = {row.layer: row.update_ratio for row in flow.layers}
    model.fit(
        samples, labels, epochs=1, batch_size=None, optimizer=SGD(0.1), shuffle=False, engine="reference"
    )
    for slot in model.network.slots:
        if slot.field == "W":
            W, moved = before[slot.start : slot.stop], model.theta[slot.start : slot.stop]
            expected = np.linalg.norm(moved - W) / np.linalg.norm(W)
            assert ratios[slot.link.name] == pytest.approx(expected, rel=1e-9)


def test_looking_changes_nothing():
    samples, labels = blobs()
    one, two = (
        Model(Network(4, [Dense(6), BatchNorm(), ReLU(), Dropout(0.3), Dense(3)], SoftmaxCrossEntropy()))
        for _ in range(2)
    )
    watcher = GradientFlow()
    one.fit(samples, labels, epochs=3, batch_size=16, callbacks=[watcher])
    two.fit(samples, labels, epochs=3, batch_size=16)
    assert np.array_equal(one.theta, two.theta)
    assert watcher.epochs == [0, 1, 2, 3]


def test_prediction_or_training():
    model = Model(
        Network(4, [Dense(6), BatchNorm(), ReLU(), Dense(3)], SoftmaxCrossEntropy()), dtype="float64"
    )
    samples, labels = blobs()
    samples = 5 + 3 * samples
    assert model.gradient_flow(samples, labels)["dense_1"].mean != pytest.approx(
        model.gradient_flow(samples, labels, training=False)["dense_1"].mean, rel=0.1
    )


def test_what_lies_before_the_first_trained_link_is_not_walked():
    model = deep(Tanh, 3).freeze("dense_1", "dense_2")
    flow = model.gradient_flow(*blobs())
    assert [row.delta_rms is None for row in flow.layers] == [True, True, False, False]
    assert [row.gradient_rms is None for row in flow.layers] == [True, True, False, False]
    assert flow.diagnoses == () and "-" in str(flow).splitlines()[2]


def test_samples_are_spread_over_data_in_order():
    samples, labels = blobs()
    order = labels.argsort(kind="stable")
    flow = deep(Tanh, 2).gradient_flow(samples[order], labels[order], samples=9)
    picked = np.linspace(0, 89, 9).astype(int)
    assert flow.samples == 9 and len(set(labels[order][picked])) == 3
    assert flow == deep(Tanh, 2).gradient_flow(samples[order][picked], labels[order][picked], samples=None)


# --- diagnoses


def kinds(flow):
    return [diagnosis.kind for diagnosis in flow.diagnoses]


def test_a_deep_sigmoid_net_vanishes_and_a_shallow_tanh_net_is_well():
    flow = deep(Sigmoid).gradient_flow(*blobs())
    (diagnosis,) = flow.diagnoses
    below = [row.layer for row in flow.layers if row.delta_ratio < 1e-3]
    assert diagnosis.kind == "vanishing" and diagnosis.layers[0] == "dense_1"
    assert sorted(diagnosis.layers) == sorted(below) and len(below) > 3
    assert diagnosis.worst == flow["dense_1"] and diagnosis.last == flow.layers[-1].layer
    assert f"{flow['dense_1'].delta_ratio:.1e}" in diagnosis.words and diagnosis.words in str(flow)
    assert f"{len(below) - 1} more layers" in str(diagnosis) and "threshold 0.001" in str(diagnosis)
    assert deep(Tanh, 2).gradient_flow(*blobs()).diagnoses == ()


def test_large_weights_explode():
    model = deep(LeakyReLU, 8)
    for name in ("dense_4", "dense_5", "dense_6"):
        model.parameters[name].W[...] *= 30
    flow = model.gradient_flow(*blobs())
    assert kinds(flow) == ["exploding"] and flow["dense_1"].delta_ratio > 1e3


def test_saturated_and_dead():
    model = deep(Tanh, 2)
    model.parameters["dense_2"].W[...] *= 100
    flow = model.gradient_flow(*blobs())
    assert kinds(flow) == ["saturated"] and flow["dense_2"].saturated > 0.5
    model = deep(ReLU, 2)
    model.parameters["dense_1"].b[:8] = -1000
    flow = model.gradient_flow(*blobs())
    assert kinds(flow) == ["dead"] and flow["dense_1"].dead >= 8 and flow["dense_1"].dead / 16 > 0.2
    assert f"{flow['dense_1'].dead} of the 16 neurons of dense_1" in str(flow)


def test_no_gradient_at_all():
    model = by_hand()
    flow = model.gradient_flow(np.zeros((2, 1)), y)
    assert kinds(flow) == ["no gradient"] and flow["dense_1"].delta_ratio is None


def test_not_finite():
    model = deep(ReLU, 3)
    model.parameters["dense_2"].W[...] = np.inf
    assert kinds(model.gradient_flow(*blobs())) == ["not finite"]


def test_float32_does_not_underflow_when_it_is_squared():
    model = deep(Sigmoid, 24)
    model.dtype, model.theta = np.dtype("float32"), model.theta.astype(np.float32)
    assert (
        0 < model.gradient_flow(*blobs())["dense_1"].delta_rms < 1e-16
    )  # its square is below float32's least


# --- activations of every kind, data frames, bad input


@pytest.mark.parametrize("activation", [PReLU, LeakyReLU])
def test_an_activation_without_a_dead_side(activation):
    row = deep(activation, 2).gradient_flow(*blobs())["dense_1"]
    assert row.dead == (None if activation is PReLU else 0) and row.saturated is None


def test_records_and_frames():
    flow = by_hand().gradient_flow(X, y)
    assert [record["layer"] for record in flow.records()] == ["dense_1", "dense_2"]
    frame = flow.to_frame()
    assert next(iter(frame["dead"])) == 1 and len(frame) == 2
    with pytest.raises(ConfigError, match="needs that library"):
        flow.to_frame("modin")
    with pytest.raises(KeyError, match="dense_9"):
        flow["dense_9"]


def test_bad_input():
    with pytest.raises(ConfigError, match="samples must be"):
        by_hand().gradient_flow(X, y, samples=0)
    with pytest.raises(ConfigError, match="optimizer must be"):
        by_hand().gradient_flow(X, y, optimizer="sgd")
    with pytest.raises(ConfigError, match="every must be"):
        GradientFlow(every=0)
    with pytest.raises(DataError, match="weight"):
        by_hand().gradient_flow(X, y, sample_weight=[0, 0])


# --- over training


def test_the_callback_measures_what_the_model_was(tmp_path):
    samples, labels = blobs()
    model, watcher, seen = deep(Tanh, 3), GradientFlow(every=2, samples=30), []
    seen.append(model.gradient_flow(samples, labels, samples=30))
    model.fit(
        samples,
        labels,
        epochs=5,
        batch_size=30,
        optimizer=SGD(0.05),
        callbacks=[watcher, lambda run: seen.append(run.epoch)],
    )
    assert watcher.epochs == [0, 2, 4, 5] and len(watcher.records()) == 16
    assert [r.delta_rms for r in watcher[0].layers] == [r.delta_rms for r in seen[0].layers]
    assert all(row.update_ratio > 0 for flow in watcher.flows for row in flow.layers)
    assert list(watcher.to_frame()["epoch"])[-1] == 5 and "after epoch 5" in str(watcher)
    with pytest.raises(KeyError, match="0, 2, 4, 5"):
        watcher[3]
    model.fit(samples, labels, epochs=1, callbacks=[watcher])  # a new run starts afresh
    assert watcher.epochs == [0, 1]


def test_the_update_ratio_is_that_of_the_next_step():
    """All samples in one batch, a constant rate: what is measured after epoch k is what epoch k + 1 does."""
    samples, labels = blobs()
    model, watcher, thetas = deep(Tanh, 2), GradientFlow(samples=90), []
    thetas.append(model.theta.copy())
    model.fit(
        samples,
        labels,
        epochs=3,
        batch_size=None,
        optimizer=Adam(0.01),
        shuffle=False,
        callbacks=[watcher, lambda run: thetas.append(run.theta.copy())],
    )
    slot = next(slot for slot in model.network.slots if slot.link.name == "dense_2" and slot.field == "W")
    for epoch in (0, 1, 2):
        before, after = thetas[epoch][slot.start : slot.stop], thetas[epoch + 1][slot.start : slot.stop]
        expected = np.linalg.norm(after - before) / np.linalg.norm(before)
        assert watcher[epoch]["dense_2"].update_ratio == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "options", [{"optimizer": LBFGS()}, {"method": "random_search"}], ids=["lbfgs", "search"]
)
def test_no_update_is_claimed_where_none_is_known(options):
    samples, labels = blobs()
    watcher = GradientFlow()
    deep(Tanh, 2).fit(samples, labels, epochs=1, batch_size=None, callbacks=[watcher], **options)
    assert all(row.update_ratio is None for flow in watcher.flows for row in flow.layers)


def test_a_resumed_run_keeps_what_was_measured(tmp_path):
    samples, labels = blobs()
    whole, first, second = GradientFlow(), GradientFlow(), GradientFlow()
    place = tmp_path / "run.safetensors"
    deep(Tanh, 2).fit(samples, labels, epochs=4, callbacks=[whole])
    deep(Tanh, 2).fit(samples, labels, epochs=2, callbacks=[first, Checkpoint(place)])
    deep(Tanh, 2).fit(samples, labels, epochs=4, callbacks=[second, Checkpoint(place)], resume=place)
    assert second.epochs == whole.epochs and second.flows == whole.flows


def test_figures_are_titled_and_labelled():
    samples, labels = blobs()
    watcher = GradientFlow()
    deep(Sigmoid, 6).fit(samples, labels, epochs=2, callbacks=[watcher])
    layers, training = watcher[0].figure(), watcher.figure()
    for figure in (layers, training):
        assert figure.layout.title.text and figure.layout.xaxis.title.text and figure.layout.yaxis.title.text
    assert len({trace.line.dash for trace in layers.data}) == len({t.marker.symbol for t in layers.data}) == 2
    assert "vanishing below" in layers.to_json()
    assert np.asarray(training.data[0].z).shape == (7, 3) and len(training.data) == 2
    assert training.data[0].y[0] == "dense_1"  # the input is at the top
