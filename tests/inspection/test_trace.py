"""Traces: the numbers by hand, the same bits as training, and every way out of them."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule import (
    Adam,
    BatchNorm,
    ConfigError,
    Constant,
    Dense,
    Dropout,
    Layer,
    MeanSquaredError,
    Model,
    Network,
    Parameter,
    PReLU,
    ReLU,
    Rescale,
    Residual,
    ShapeError,
    Sigmoid,
    Skip,
    SoftmaxCrossEntropy,
    Standardize,
    Tanh,
)
from chainrule.inspection.trace.trace import Trace
from chainrule.inspection.walk import memory

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 4))
Y = np.array([0, 1, 2, 1, 0, 2])
WEIGHT = np.array([1.0, 2.0, 1.0, 0.5, 3.0, 1.0])


def everything() -> list[Layer]:
    """Every kind of link that the package has, but for the activations that are alike."""
    return [
        *(Standardize(), Rescale(0.5, 0.1), Dense(5), BatchNorm(), ReLU(), Dropout(0.3)),
        *(Residual([Tanh(), Dense(4), PReLU()]), Skip([BatchNorm(), Sigmoid(), Dense(2)]), Dense(3)),
    ]


def model_of(layers: list[Layer], dtype: str = "float64", **settings: float) -> Model:
    model = Model(Network(4, layers, SoftmaxCrossEntropy(), **settings), seed=3, dtype=dtype)
    model.theta += (0.1 * np.random.default_rng(5).normal(size=model.theta.size)).astype(dtype)
    return model


# --- by hand


def test_one_hidden_layer_by_hand():
    """x = (1, 2); z1 = x W1 + b1 = (1, -1); a1 = relu(z1) = (1, 0); z2 = 3 a1_0 + 5 a1_1 + 1 = 4; L = (4 - 1)^2 = 9.

    delta2 = 2 (4 - 1) = 6; dL/da1 = 6 (3, 5) = (18, 30); delta1 = (18, 0); dL/dx = delta1 W1^T = (18, 0).
    """
    model = Model(Network(2, [Dense(2), ReLU(), Dense(1)], MeanSquaredError()), dtype="float64")
    model.parameters["dense_1"].W[...] = [[1, 0], [0, -1]]
    model.parameters["dense_1"].b[...] = [0, 1]
    model.parameters["dense_2"].W[...] = [[3], [5]]
    model.parameters["dense_2"].b[...] = 1
    trace = model.trace([1.0, 2.0], 1.0)

    assert trace.loss == 9
    assert_array_equal(trace.out, [[4]])
    assert list(trace.z) == ["input", "dense_1", "relu_1", "dense_2"]
    assert_array_equal(trace.z["dense_1"], [[1, -1]])
    assert_array_equal(trace.z["relu_1"], [[1, -1]])
    assert_array_equal(trace.a["dense_1"], [[1, 0]])
    assert_array_equal(trace.a["relu_1"], [[1, 0]])
    assert_array_equal(trace.z["dense_2"], trace.a["dense_2"])  # no activation after it
    assert_array_equal(trace.delta["dense_2"], [[6]])
    assert_array_equal(trace.grad_outputs["relu_1"], [[18, 30]])
    assert_array_equal(trace.delta["relu_1"], [[18, 0]])
    assert_array_equal(trace.delta["dense_1"], [[18, 0]])
    assert_array_equal(trace.delta["input"], [[18, 0]])
    assert_array_equal(trace.grads["dense_1"].W, [[18, 0], [36, 0]])
    assert_array_equal(trace.grads["dense_1"].b, [18, 0])
    assert_array_equal(trace.grads["dense_2"].W, [[6], [0]])


def test_what_z_a_and_delta_are_of_each_kind_of_link():
    trace = model_of(everything()).trace(X, Y)
    z, a, delta, out = trace.z, trace.a, trace.delta, trace.outputs
    names = {link.name for link in trace.network.walk()}
    assert set(z) == set(a) == set(delta) == names | {"input"}
    assert (
        a["dense_1"] is a["batch_norm_1"] is a["relu_1"]
    )  # batch norm stands between weights and activation
    assert z["relu_1"] is z["batch_norm_1"]
    assert z["dropout_1"] is a["dropout_1"] is out["dropout_1"]
    assert a["dense_2"] is a["prelu_1"]
    assert z["tanh_1"] is z["dropout_1"]  # the block's shortcut has the same input
    assert_allclose(delta["tanh_1"], trace.grad_outputs["tanh_1"] * (1 - a["tanh_1"] ** 2), rtol=1e-14)
    assert_array_equal(delta["relu_1"], delta["batch_norm_1"])
    assert_allclose(delta["dropout_1"], delta["tanh_1"] + delta["projection_1"] @ trace.parameters["projection_1"].W.T,
                    rtol=1e-12)  # fmt: skip
    assert a["batch_norm_2"] is a["sigmoid_1"]
    assert_array_equal(z["skip_1"], np.hstack([z["dense_3"], z["residual_1"]]))


# --- the walk of training


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("training", [True, False])
def test_the_same_bits_as_training(dtype: str, training: bool):
    model = model_of(everything(), dtype, l2=0.01, l1=0.001)
    model.steps_trained = 7  # the next dropout mask, not the first
    trace = model.trace(X, Y, sample_weight=WEIGHT, training=training)
    loss, grads = model.loss_and_gradients(X, Y, sample_weight=WEIGHT, training=training)
    assert trace.loss == loss
    assert trace.z["dense_4"].dtype == dtype
    assert trace.grads.keys() == grads.keys()
    for name, params in grads.items():
        for part, same in zip(params, trace.grads[name], strict=True):
            assert_array_equal(part, same)


def test_a_single_sample_is_walked_as_in_prediction_and_a_batch_as_in_training():
    model = model_of(everything())
    assert not model.trace(X[0], Y[0]).training
    assert model.trace(X, Y).training
    assert model.trace(X[0], Y[0], training=True).training
    one = model.trace(X[0], Y[0])
    assert_allclose(one.out, model.outputs(X[:1]), rtol=1e-9)
    assert "1 sample, as in prediction" in str(one)


def test_targets_of_one_sample_may_be_a_number_or_a_row():
    model = Model(Network(4, [Dense(2)], MeanSquaredError()), dtype="float64")
    assert model.trace(X[0], [1.0, 2.0]).loss == model.trace(X[:1], [[1.0, 2.0]]).loss
    labels = model_of([Dense(3)])
    labels.fit(X, np.array(list("abcbac")), epochs=1)
    assert labels.trace(X[0], "b").loss == labels.trace(X[:1], ["b"]).loss


def test_a_frozen_batch_norm_walks_with_its_running_statistics():
    model = model_of([Dense(5), BatchNorm(), ReLU(), Dense(3)]).freeze("batch_norm_1")
    trace = model.trace(X, Y)
    state = model.states["batch_norm_1"]
    gamma, beta = model.parameters["batch_norm_1"]
    expected = gamma * (trace.z["dense_1"] - state.mean) / np.sqrt(state.var + 1e-5) + beta
    assert_allclose(trace.z["batch_norm_1"], expected, rtol=1e-12)


def test_a_trace_stays_as_it_is_while_the_model_trains():
    model = model_of(everything())
    x = X.copy()
    trace = model.trace(x, Y)
    before = trace.to_json(), trace.derive("dense_1.W[0,0]").value
    x[...] = 0
    model.fit(X, Y, epochs=2, optimizer=Adam(0.1))
    assert (trace.to_json(), trace.derive("dense_1.W[0,0]").value) == before


# --- per sample


def test_per_sample_gradients_add_up():
    trace = model_of(everything(), l2=0.01).trace(X, Y, sample_weight=WEIGHT)
    for name, params in trace.parameters.items():
        each = trace.per_sample(name)
        assert type(each) is type(params)
        for field, part in zip(params._fields, each, strict=True):
            value, g = getattr(params, field), getattr(trace.grads[name], field)
            penalty = 0.01 * value if field == "W" else 0
            assert part.shape == (len(X), *value.shape)
            assert_allclose(part.sum(0) + penalty, g, rtol=1e-9, atol=1e-12)


def test_per_sample_gradients_are_those_of_the_samples_alone():
    """In prediction no link mixes the samples: entry i is s_i / sum_i s_i times the gradient of sample i alone."""
    model = model_of(everything())
    trace = model.trace(X, Y, sample_weight=WEIGHT, training=False)
    for i in range(len(X)):
        _, grads = model.loss_and_gradients(X[i : i + 1], Y[i : i + 1], training=False)
        for name, params in grads.items():
            for part, g in zip(trace.per_sample(name), params, strict=True):
                assert_allclose(part[i], WEIGHT[i] / WEIGHT.sum() * g, rtol=1e-9, atol=1e-13)


class ScaleParams(NamedTuple):
    s: Any


class Scale(Layer):
    """out = a * s, a layer of one's own that knows nothing of traces."""

    def parameters(self, fan_in, default):
        return ScaleParams(Parameter((fan_in,), Constant(1.5)))

    def forward(self, params, a, ctx):
        return a * params.s, a

    def backward(self, params, cache, delta, ctx):
        return ScaleParams((cache * delta).sum(0)), delta * params.s


class MixedScale(Scale):
    """The same, of the mean over the batch."""

    def forward(self, params, a, ctx):
        return a.mean(0) * params.s + 0 * a, a

    def backward(self, params, cache, delta, ctx):
        return ScaleParams(cache.mean(0) * delta.sum(0)), np.broadcast_to(
            delta.sum(0) * params.s / len(delta), delta.shape
        )


def test_per_sample_gradients_of_a_layer_of_ones_own():
    trace = model_of([Dense(5), Scale(), Dense(3)]).trace(X, Y)
    each = trace.per_sample("scale_1").s
    assert_allclose(each, trace.z["dense_1"] * trace.delta["scale_1"], rtol=1e-14)


def test_no_per_sample_gradients_where_a_layer_of_ones_own_mixes_the_samples():
    trace = model_of([Dense(5), MixedScale(), Dense(3)]).trace(X, Y)
    with pytest.raises(ConfigError, match="mixed_scale_1 mixes the samples"):
        trace.per_sample("mixed_scale_1")


def test_per_sample_says_what_there_is_and_what_it_takes():
    trace = model_of([Dense(5), ReLU(), Dense(3)]).trace(X, Y)
    with pytest.raises(
        ConfigError, match=r"there is no link 'relu_1' with parameters; choose from dense_1, dense_2\."
    ):
        trace.per_sample("relu_1")
    with pytest.raises(
        ConfigError, match=r"6 samples by the 25 parameters of dense_1 take 1\.2 kB, more than"
    ):
        trace.per_sample("dense_1", memory_limit=1000)


# --- memory


@pytest.mark.parametrize("training", [True, False])
def test_memory_is_known_beforehand(training: bool):
    """Measured: the estimate holds all that is there at any time, and not much more."""
    layers = [Dense(80), BatchNorm(), ReLU(), Dropout(0.5), Residual([Dense(80), Tanh()]), Dense(10)]
    model = Model(Network(50, layers, SoftmaxCrossEntropy()))
    x, y = np.zeros((500, 50), np.float32), np.arange(500) % 10
    model.trace(x, y, training=training)
    tracemalloc.start()
    trace = model.trace(x, y, training=training)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    estimate = memory(model.network, 500, "float32", training)
    assert 0.7 * estimate <= trace.nbytes <= 1.05 * kept
    assert 0.7 * estimate <= peak <= 1.2 * estimate


def test_too_much_memory_is_refused_before_the_walk():
    model = model_of([Dense(5), ReLU(), Dense(3)])
    one, none = (memory(model.network, n, "float64") for n in (1, 0))
    with pytest.raises(
        ConfigError,
        match=r"takes about 2\.7 kB, more than memory_limit, 1\.7 kB; trace at most 2 of them, X\[:2\]",
    ):
        model.trace(X, Y, memory_limit=none + 2.5 * (one - none))
    assert model.trace(X[:2], Y[:2], memory_limit=none + 2.5 * (one - none)).n == 2
    assert model.trace(X, Y, memory_limit=None).n == 6
    with pytest.raises(ConfigError, match="pass a larger memory_limit"):
        model.trace(X, Y, memory_limit=10)


def test_bad_input_is_named():
    model = model_of([Dense(3)])
    with pytest.raises(ShapeError, match="x has 3 features but the network takes 4"):
        model.trace(X[:, :3], Y)
    with pytest.raises(ShapeError, match="x has 6 samples but y has 2"):
        model.trace(X, Y[:2])


# --- as data


@pytest.fixture
def trace() -> Trace:
    return model_of(everything()).trace(X, Y)


def test_a_frame_of_neurons(trace: Trace):
    frame = trace.to_frame()
    assert list(frame.columns) == ["sample", "link", "neuron", "z", "a", "delta"]
    assert len(frame) == len(X) * sum(values.shape[1] for values in trace.z.values())
    row = frame[(frame["sample"] == 4) & (frame["link"] == "dense_3") & (frame["neuron"] == 1)].iloc[0]
    assert (row.z, row.a, row.delta) == tuple(
        values["dense_3"][4, 1] for values in (trace.z, trace.a, trace.delta)
    )


def test_a_frame_of_parameters(trace: Trace):
    frame = trace.to_frame("parameters")
    assert len(frame) == trace.network.size
    assert_array_equal(frame["value"], trace.theta)
    row = frame[
        (frame["link"] == "dense_2")
        & (frame["parameter"] == "W")
        & (frame["row"] == 3)
        & (frame["column"] == 1)
    ].iloc[0]
    assert row.value == trace.parameters["dense_2"].W[3, 1]
    assert row.gradient == trace.grads["dense_2"].W[3, 1]
    assert set(frame[frame["link"] == "batch_norm_1"]["parameter"]) == {"gamma", "beta"}


def test_frames_that_cannot_be(trace: Trace):
    with pytest.raises(ConfigError, match="of must be 'neurons' or 'parameters', not 'layers'"):
        trace.to_frame("layers")
    with pytest.raises(ConfigError, match="backend must be one of pandas, polars, pyarrow, not 'abacus'"):
        trace.to_frame(backend="abacus")


def test_json_of_a_walk_that_overflowed_is_valid():
    model = Model(Network(1, [Dense(1)], MeanSquaredError()))
    model.theta[:] = 3e38
    with np.errstate(all="ignore"):
        text = model.trace([10.0], 0.0).to_json()
    assert json.loads(text, parse_constant=pytest.fail)["loss"] is None


def test_json_holds_all_of_it(trace: Trace):
    read = json.loads(trace.to_json())
    assert read["loss"] == trace.loss
    assert read["samples"] == 6
    assert read["links"].keys() == trace.z.keys()
    assert_array_equal(read["links"]["relu_1"]["a"], trace.a["relu_1"])
    assert_array_equal(read["links"]["dense_2"]["grads"]["W"], trace.grads["dense_2"].W)
    assert_array_equal(read["links"]["dense_2"]["parameters"]["W"], trace.parameters["dense_2"].W)


def test_the_table(trace: Trace):
    text = str(trace)
    lines = text.splitlines()
    assert lines[0] == f"6 samples, as in training: loss {trace.loss:.6g}"
    body = {line.split()[0]: line for line in lines if line.split()}
    assert set(trace.z) <= set(body)
    assert "    dense_2 " in text  # inside its block
    z = trace.z["dense_1"]
    assert f"{z.mean():.3g} ± {z.std():.3g}" in body["dense_1"]
    assert f"rms {np.sqrt((trace.delta['dense_1'] ** 2).mean()):.3g}" in body["dense_1"]
    assert max(map(len, lines)) <= 160


def test_the_table_shows_few_numbers_as_they_are():
    model = Model(Network(1, [Dense(1), Sigmoid()], MeanSquaredError()), dtype="float64")
    model.theta[:] = [2.0, 0.5]
    line = next(line for line in str(model.trace([0.25], 0.0)).splitlines() if "dense_1" in line)
    a = 1 / (1 + np.exp(-1))
    assert line.split() == ["dense_1", "Dense(1)", "1", f"{a:.4g}", f"{2 * a * a * (1 - a):.4g}",
                            "W", f"{0.25 * 2 * a * a * (1 - a):.4g},", "b", f"{2 * a * a * (1 - a):.4g}"]  # fmt: skip


def test_check_gradients_prints_both_values_and_names_the_worst():
    check = model_of(everything()).check_gradients(X, Y)
    lines = str(check).splitlines()
    assert {"backpropagation", "central", "difference"} <= set(lines[0].split())
    worst = check[check.worst]
    assert lines[-1].startswith(f"worst: {check.worst}[{','.join(map(str, worst.at))}], relative error")
    assert f"{worst.gradient:.12g}" in str(check)
    assert f"{worst.numeric:.12g}" in str(check)
    assert check.error == worst.error < 1e-6


class Spoiled(Layer):
    """Hands on what it gets, and on the way back spoils the last neuron's gradient."""

    def forward(self, params, a, ctx):
        return a, None

    def backward(self, params, cache, delta, ctx):
        return (), np.where(np.arange(delta.shape[1]) == delta.shape[1] - 1, np.nan, delta)


def test_check_gradients_does_not_miss_a_nan():
    check = model_of([Dense(5), Spoiled(), Dense(3)]).check_gradients(X, Y, entries=None)
    assert check.worst == "dense_1.W"
    assert check.error == check["dense_1.W"].error == check["dense_1.b"].error == np.inf
    assert np.isnan(check["dense_1.W"].gradient) and check["dense_1.W"].at == (0, 4)
    assert check["dense_2.W"].error < 1e-6
