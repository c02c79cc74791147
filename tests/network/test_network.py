"""The network: names, theta's order, views, default initializers, the objective, and what does not fit."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule import (
    SELU,
    Adam,
    BatchNorm,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    ConfigError,
    Constant,
    Dense,
    Dropout,
    GlorotUniform,
    GradientDescent,
    HeUniform,
    LeCunNormal,
    MeanSquaredError,
    Model,
    Network,
    PReLU,
    ReLU,
    Rescale,
    Residual,
    Sigmoid,
    Skip,
    Softmax,
    SoftmaxCrossEntropy,
    Standardize,
    Tanh,
)
from chainrule.formulas.layers import ACTIVATIONS, Context

MSE = MeanSquaredError()


def deep() -> Network:
    """Two blocks, one in the other, the inner with a projection: 2 -> 3 -> (3 + 3) -> 1."""
    inner = Residual([Dense(4), BatchNorm(), PReLU(), Dense(2)])  # 3 -> 2
    return Network(2, [Dense(3), ReLU(), Skip([inner, ReLU(), Dense(3)]), ReLU(), Dense(1)], MSE)


# --- copies


def test_a_pickle_has_no_links_and_a_copy_the_same():
    network = deep()
    written = pickle.dumps(network)
    assert b"residual_1" not in written
    loaded, copied = pickle.loads(written), copy.copy(network)
    assert copied.links is network.links
    assert copied.slots is network.slots
    assert loaded.links == network.links
    assert loaded.slots == network.slots
    theta = network.initial_theta(0, "float64")
    assert_array_equal(loaded.initial_theta(0, "float64"), theta)
    copied.l2 = 1.0
    assert (network.l2, loaded.l2, loaded.size) == (0.0, 0.0, network.size)


# --- names and places


def test_links_are_named_by_kind_and_count_depth_first():
    assert [link.name for link in deep().walk()] == [
        *("dense_1", "relu_1"),
        *(
            "skip_1",
            "residual_1",
            "dense_2",
            "batch_norm_1",
            "prelu_1",
            "dense_3",
            "projection_1",
            "relu_2",
            "dense_4",
        ),
        *("relu_3", "dense_5"),
    ]
    assert [link.number for link in deep().walk()] == list(range(13))


def test_widths_pass_through_blocks():
    widths = {link.name: (link.fan_in, link.fan_out) for link in deep().walk()}
    assert widths["residual_1"] == widths["projection_1"] == (3, 2)
    assert widths["skip_1"] == (3, 6)
    assert widths["dense_5"] == (6, 1)
    assert deep().outputs == 1


def test_theta_has_its_documented_order():
    """Depth first, the branch before the shortcut, fields as the NamedTuple has them, arrays row by row."""
    net = deep()
    assert [(f"{s.link.name}.{s.field}", s.parameter.shape) for s in net.slots] == [
        ("dense_1.W", (2, 3)),
        ("dense_1.b", (3,)),
        ("dense_2.W", (3, 4)),
        ("dense_2.b", (4,)),
        ("batch_norm_1.gamma", (4,)),
        ("batch_norm_1.beta", (4,)),
        ("prelu_1.slope", (4,)),
        ("dense_3.W", (4, 2)),
        ("dense_3.b", (2,)),
        ("projection_1.W", (3, 2)),
        ("dense_4.W", (2, 3)),
        ("dense_4.b", (3,)),
        ("dense_5.W", (6, 1)),
        ("dense_5.b", (1,)),
    ]
    ends = [0, *(slot.stop for slot in net.slots)]
    assert [slot.start for slot in net.slots] == ends[:-1]
    assert net.size == ends[-1] == 69

    named = net.named(net.unflatten(np.arange(69.0)))
    assert_array_equal(named["dense_1"].W, [[0, 1, 2], [3, 4, 5]])
    assert_array_equal(named["dense_1"].b, [6, 7, 8])
    assert_array_equal(named["dense_5"].W[:, 0], np.arange(62, 68))
    assert list(named) == list(dict.fromkeys(slot.link.name for slot in net.slots))


def test_parameters_are_views_of_theta():
    net = deep()
    theta = np.zeros(net.size)
    for name, params in net.named(net.unflatten(theta)).items():
        for part in params:
            assert np.shares_memory(part, theta), name
            part += 1
    assert_array_equal(theta, 1)

    model = Model(net, dtype="float64")
    model.parameters["dense_3"].W[1, 0] = 42
    assert 42 in model.theta
    model.theta[:] = 7
    assert (model.parameters["projection_1"].W == 7).all()


def test_flatten_is_the_inverse_of_unflatten():
    net = deep()
    theta = np.random.default_rng(0).normal(size=net.size)
    assert_array_equal(net.flatten(net.unflatten(theta)), theta)


def test_a_network_without_parameters():
    net = Network(2, [Rescale(2.0), Tanh()], MSE)
    model = Model(net, dtype="float64")
    assert (net.size, model.theta.size, dict(model.parameters)) == (0, 0, {})
    assert_allclose(model.predict([[1.0, 2.0]]), np.tanh([[2.0, 4.0]]))
    assert_allclose(model.loss_and_gradients([[1.0, 2.0]], [[0.0, 0.0]])[0], (np.tanh([2, 4]) ** 2).sum())


# --- how parameters start


def starts(net: Network) -> dict[str, object]:
    return {s.link.name: s.parameter.initializer for s in net.slots if s.parameter.is_weight}


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_a_dense_starts_as_the_activation_behind_it_wants(kind):
    activation = ACTIVATIONS[kind]()
    net = Network(2, [Dense(3), BatchNorm(), Dropout(0.1), activation, Dense(1)], MSE)
    assert starts(net) == {"dense_1": activation.suits, "dense_2": GlorotUniform()}


def test_the_defaults_are_he_for_relu_lecun_for_selu_and_glorot_for_the_rest():
    layers = [Dense(2), ReLU(), Dense(2), SELU(), Dense(2), Tanh(), Dense(2), Dense(2, Constant(0.5)), ReLU()]
    assert list(starts(Network(2, layers, MSE)).values()) == [
        *(HeUniform(), LeCunNormal(), GlorotUniform(), GlorotUniform(), Constant(0.5)),
    ]


def test_defaults_in_blocks_follow_the_branch_and_then_what_follows_the_block():
    assert starts(deep()) == {
        "dense_1": HeUniform(),
        "dense_2": HeUniform(),  # PReLU
        "dense_3": HeUniform(),  # the ReLU after its block
        "projection_1": HeUniform(),
        "dense_4": HeUniform(),  # the ReLU after the Skip
        "dense_5": GlorotUniform(),
    }


def test_initial_numbers():
    net = deep()
    theta = net.initial_theta(3, np.float64)
    named = net.named(net.unflatten(theta))
    limit = np.sqrt(6 / 2)  # HeUniform: sqrt(6 / fan_in)
    assert 0 < np.abs(named["dense_1"].W).max() <= limit
    assert_array_equal(named["dense_1"].b, 0)
    assert_array_equal(named["batch_norm_1"].gamma, 1)
    assert_array_equal(named["batch_norm_1"].beta, 0)
    assert_array_equal(named["prelu_1"].slope, 0.25)
    assert_array_equal(theta, net.initial_theta(3, np.float64))
    assert (theta != net.initial_theta(4, np.float64)).sum() == sum(
        slot.stop - slot.start for slot in net.slots if slot.parameter.is_weight
    )
    assert_array_equal(net.initial_theta(3, np.float32), theta.astype(np.float32))


def test_initial_states_have_the_network_s_precision():
    net = Network(2, [Standardize(), Dense(3), BatchNorm()], MSE)
    states = net.initial_states(np.float32)
    assert set(states) == {"standardize_1", "batch_norm_1"}
    assert {value.dtype for state in states.values() for value in state} == {np.dtype(np.float32)}


# --- the objective


def objective(net: Network, theta, a, y, s):
    theta, a, y, s = (np.asarray(value, np.float64) for value in (theta, a, y, s))
    return net.objective(net.unflatten(theta), a, y, s, Context(training=True))


def test_the_law_by_hand():
    """One Dense, W = (2, -1), b = 0.5; outs 2.5 and -0.5; y = 1, 1; s = 3, 1; l2 = 0.1, l1 = 0.01.

    losses 2.25, 2.25; L = (3 * 2.25 + 2.25) / 4 + 0.1/2 * 5 + 0.01 * 3 = 2.25 + 0.25 + 0.03
    delta = (3/4 * 2 * 1.5, 1/4 * 2 * -1.5) = (2.25, -0.75)
    dW = (2.25, -0.75) + 0.1 (2, -1) + 0.01 (1, -1), db = 1.5, which no penalty touches
    """
    net = Network(2, [Dense(1)], MSE, l2=0.1, l1=0.01)
    found = objective(net, [2, -1, 0.5], [[1, 0], [0, 1]], [[1], [1]], [3, 1])
    assert_allclose(found.out, [[2.5], [-0.5]])
    assert_allclose(found.loss, 2.53)
    assert_allclose(net.flatten(found.grads), [2.25 + 0.2 + 0.01, -0.75 - 0.1 - 0.01, 1.5])


def test_a_penalty_touches_weights_alone():
    net = Network(2, [Residual([Dense(3), BatchNorm(), PReLU()]), Dense(1)], MSE, l2=1.0)
    assert [f"{s.link.name}.{s.field}" for s in net.slots if s.parameter.is_weight] == [
        *("dense_1.W", "projection_1.W", "dense_2.W"),
    ]
    theta = np.random.default_rng(0).normal(size=net.size)
    named = net.named(net.unflatten(theta))
    squares = sum((named[name].W ** 2).sum() for name in ("dense_1", "projection_1", "dense_2"))
    assert_allclose(net.penalty(net.unflatten(theta)), squares / 2)


def test_the_scale_of_the_weights_does_not_matter():
    net = Network(2, [Dense(1)], MSE)
    args = [2, -1, 0.5], [[1, 0], [0, 1]], [[1], [1]]
    one, other = objective(net, *args, [3, 1]), objective(net, *args, [3e6, 1e6])
    assert_allclose(one.loss, other.loss, rtol=1e-15)
    assert_allclose(net.flatten(one.grads), net.flatten(other.grads), rtol=1e-15)


def test_a_batch_without_weight_has_no_loss_and_no_gradient():
    net = Network(2, [Dense(1)], MSE)
    found = objective(net, [2, -1, 0.5], [[1, 0]], [[1]], [0])
    assert found.loss == 0
    assert_array_equal(net.flatten(found.grads), 0)


def test_max_norm_bounds_each_neurons_incoming_weights():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(64, 3)), 10 * rng.normal(size=64)
    net = Network(3, [Dense(5), Tanh(), Residual([Dense(2)]), Dense(1)], MSE, max_norm=0.5)
    model = Model(net, dtype="float64")
    model.fit(X, y, epochs=3, batch_size=16, optimizer=Adam(0.1))
    for slot in net.slots:
        value = getattr(model.parameters[slot.link.name], slot.field)
        if slot.parameter.is_weight:
            norms = np.sqrt((value**2).sum(0))
            assert norms.max() <= 0.5 + 1e-12
    assert np.abs(model.parameters["dense_1"].b).max() > 0


# --- freezing, and a head for another task


def test_what_is_frozen_keeps_its_bits_and_counts_for_nothing():
    """A clipped step of the trained part alone is as long as the bound says."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), rng.normal(size=40)
    layers = [Dense(4), Tanh(), Dense(4), Tanh(), Dense(1)]
    model = Model(Network(3, layers, MSE, l2=0.1), dtype="float64").freeze("dense_1", "dense_3")
    before = {name: tuple(map(np.copy, params)) for name, params in model.parameters.items()}
    model.fit(X, y, epochs=1, batch_size=None, optimizer=GradientDescent(0.5), clip=0.001)
    after = model.parameters
    for name in ("dense_1", "dense_3"):
        assert all(map(np.array_equal, before[name], after[name]))
    moved = [new - old for new, old in zip(after["dense_2"], before["dense_2"], strict=True)]
    assert_allclose(np.sqrt(sum((part**2).sum() for part in moved)), 0.5 * 0.001, rtol=1e-9)


def test_a_frozen_batch_norm_in_nested_blocks_keeps_its_statistics_and_moves_with_a_new_head():
    rng = np.random.default_rng(0)
    X, y = rng.normal(3, 2, size=(40, 2)), rng.normal(size=40)
    trunk = [Residual([Residual([Dense(2), BatchNorm(), Tanh()])])]
    model = Model(Network(2, [*trunk, Dense(1)], MSE), dtype="float64")
    model.fit(X, y, epochs=2)
    learned = model.states["batch_norm_1"]
    other = model.replace_head([Dense(3)])
    assert_array_equal(other.states["batch_norm_1"].mean, learned.mean)
    assert_array_equal(other.parameters["dense_1"].W, model.parameters["dense_1"].W)
    other.fit(X, rng.normal(size=(40, 3)), epochs=2)
    assert_array_equal(other.states["batch_norm_1"].var, learned.var)
    assert_array_equal(other.parameters["batch_norm_1"].gamma, model.parameters["batch_norm_1"].gamma)


# --- what does not fit


def nested(depth: int) -> Residual:
    block = Residual([ReLU()])
    for _ in range(depth - 1):
        block = Residual([block])
    return block


def test_the_deepest_blocks_there_may_be():
    model = Model(Network(2, [nested(64), Dense(1)], MSE))
    X = np.arange(8.0).reshape(4, 2)
    model.fit(X, X[:, 0], epochs=1)
    assert model.predict(X).shape == (4,)


@pytest.mark.parametrize(
    "make, named",
    [
        (lambda: Network(0, [Dense(1)], MSE), "inputs"),
        (lambda: Network(2.0, [Dense(1)], MSE), "inputs"),
        (lambda: Network(True, [Dense(1)], MSE), "inputs"),
        (lambda: Network(2, [], MSE), "layers"),
        (lambda: Network(2, [None], MSE), "layers must .* got None"),
        (
            lambda: Network(2, [Residual([None])], MSE),
            "Residual takes a non-empty list of layers, not None in it",
        ),
        (lambda: Network(2**31, [Dense(1)], MSE), "inputs"),
        (lambda: Network(2, [Dense(2**31)], MSE), "dense_1 would have over 2,147,483,647 outputs"),
        (lambda: Network(2, [Skip([ReLU()])] * 9_999, MSE), "skip_30 would have over 2,147,483,647 outputs"),
        (lambda: Network(2, [ReLU()] * 10_001, MSE), "layers must be at most 10,000"),
        (lambda: Network(2, [nested(65), Dense(1)], MSE), "must not nest blocks more than 64 deep"),
        (lambda: Network(2, [ReLU], MSE), "layers .* ReLU()"),
        (lambda: Network(2, [Dense(1), "relu"], MSE), "layers"),
        (lambda: Network(2, [Dense(1)], MeanSquaredError), "loss"),
        (lambda: Network(2, [Dense(1)], "mse"), "loss"),
        (lambda: Network(2, [Dense(1)], MSE, l2=-1.0), "l2"),
        (lambda: Network(2, [Dense(1)], MSE, l2="small"), "l2"),
        (lambda: Network(2, [Dense(1)], MSE, l1=float("nan")), "l1"),
        (lambda: Network(2, [Dense(1)], MSE, l1=None), "l1"),
        (lambda: Network(2, [Dense(1)], MSE, max_norm=0), "max_norm"),
        (lambda: Network(2, [Dense(1)], MSE, max_norm=float("inf")), "max_norm"),
        (lambda: Network(2, [Dense(2), Standardize()], MSE), "Standardize"),
        (lambda: Network(2, [Residual([Standardize(), Dense(2)])], MSE), "Standardize"),
    ],
)
def test_what_does_not_fit_is_refused(make, named):
    with pytest.raises(ConfigError, match=named):
        make()


def test_a_single_layer_needs_no_list():
    assert repr(Network(2, Dense(1), MSE)) == repr(Network(2, [Dense(1)], MSE))


def test_softmax_twice_is_warned_of():
    with pytest.warns(UserWarning, match="applies softmax itself"):
        Network(2, [Dense(3), Softmax()], SoftmaxCrossEntropy())


def test_a_loss_on_probabilities_after_a_dense_is_warned_of():
    with pytest.warns(UserWarning, match=r"add a Softmax\(\)"):
        Network(2, [Dense(3)], CategoricalCrossEntropy())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Network(2, [Dense(3), Softmax()], CategoricalCrossEntropy())
        Network(2, [Dense(1), Sigmoid()], BinaryCrossEntropy())


def test_a_network_is_shown_as_it_is_written():
    net = Network(np.int64(2), [Dense(3), Skip([Tanh()]), Dense(1)], MSE, l2=0.5, max_norm=3)
    text = "Network(2, [Dense(3), Skip([Tanh()]), Dense(1)], loss=MeanSquaredError(half=False), l2=0.5, max_norm=3.0)"
    assert repr(net) == text
