"""Constraints: bounds of parameters by hand, and the function that any parameters within them compute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import chainrule as c
from chainrule import Constraints, FormatError, MeanOverMembers
from chainrule.data.samples import Samples
from chainrule.engines import Plan, native
from chainrule.engines.step import step
from chainrule.formulas.layers import Context
from chainrule.training.fit import measure
from states import drawn_states

INF = np.inf
ENGINES = ["reference", *(["native"] if native.REASON is None else [])]
ACTIVATIONS = (c.ReLU(), c.Tanh(), c.LeakyReLU(), c.ELU(), c.SELU(), c.Softplus(), c.Sigmoid(), c.PReLU())
BETWEEN = (
    (),
    (c.BatchNorm(),),
    (c.Scale(), c.Shift()),
    (c.ParametricActivation(c.SELU()),),
    (c.Dropout(0.3),),
    (c.Rescale(-0.7, 0.2),),
)
FRONTS = (
    (),
    (c.PiecewiseLinearEmbedding(3, 5),),
    (c.Standardize(), c.PiecewiseLinearEmbedding(2, 4, columns=(2, 0)), c.Scale()),
    (c.Rescale(-2.0),),
    (c.Embedding([(3, 4, 2)]), c.PiecewiseLinearEmbedding(2, 3, columns=(0,))),
    (c.PeriodicEmbedding(2, 2, columns=(3,)),),
)
"""Of four inputs, of which the last one has no direction."""


def slot(network: c.Network, name: str, field: str = "W") -> tuple[np.ndarray, np.ndarray]:
    """The bounds of a parameter in its shape."""
    found = next(each for each in network.slots if (each.link.name, each.field) == (name, field))
    assert network.bounds is not None
    lower, upper = (
        each[found.start : found.stop].reshape(found.parameter.shape)
        for each in (network.bounds.lower, network.bounds.upper)
    )
    return lower, upper


def test_signs_by_hand():
    network = c.Network(
        *(3, [c.Dense(4), c.ReLU(), c.Dense(1)], c.MeanSquaredError()), constraints=Constraints((1, -1, 0))
    )
    # The neurons: rising, free, falling, rising. A free one reads no monotone input.
    lower, upper = slot(network, "dense_1")
    assert_array_equal(lower, [[0, 0, -INF, 0], [-INF, 0, 0, -INF], [-INF] * 4])
    assert_array_equal(upper, [[INF, 0, 0, INF], [0, 0, INF, 0], [INF] * 4])
    lower, upper = slot(network, "dense_2")
    assert_array_equal(lower.ravel(), [0, -INF, -INF, 0])
    assert_array_equal(upper.ravel(), [INF, INF, 0, INF])
    assert all(np.isinf(bound).all() for name in ("dense_1", "dense_2") for bound in slot(network, name, "b"))


def test_sets_by_hand():
    network = c.Network(
        *(4, [c.Dense(4), c.GELU(), c.Dense(2)], c.MeanSquaredError()),
        constraints=Constraints(interactions=((0, 1), (1, 2))),  # and (3,), which is named in none
    )
    lower, upper = slot(network, "dense_1")
    reads = np.array([[1, 0, 0, 1], [1, 1, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0]], bool)
    assert_array_equal(lower, np.where(reads, -INF, 0))
    assert_array_equal(upper, np.where(reads, INF, 0))
    assert all(np.isinf(bound).all() for bound in slot(network, "dense_2"))


def test_curves_of_a_monotone_number_have_steps_of_one_sign():
    embedding = c.PiecewiseLinearEmbedding(2, 3)
    network = c.Network(*(2, [embedding, c.Dense(1)], c.MeanSquaredError()), constraints=Constraints((0, -1)))
    for field in ("w0", "E"):
        lower, upper = slot(network, "piecewise_linear_embedding_1", field)
        assert np.isinf(lower[0]).all() and (lower[1] == 0).all() and np.isinf(upper).all()
    lower, upper = slot(network, "dense_1")  # which turns them around
    assert_array_equal(np.c_[lower, upper], [[-INF, INF]] * 2 + [[-INF, 0]] * 2)


def network_of(front: int, between: int, activation: int, widths: list[int], constraints: Constraints) -> Any:
    layers: list[c.Layer] = [*FRONTS[front]]
    for width in widths:
        layers += [c.Dense(width), *BETWEEN[between], ACTIVATIONS[activation]]
    return c.Network(4, [*layers, c.Dense(2)], c.MeanSquaredError(), constraints=constraints)


def drawn(network: c.Network, rng: np.random.Generator) -> tuple[Any, Context]:
    """Parameters of any size within the bounds, and a context with states."""
    assert network.bounds is not None
    theta = network.bounds.within(
        network.bounds.first(rng.normal(size=network.size) * rng.choice([0.3, 3.0]))
    )
    states = drawn_states(network, rng)
    return network.unflatten(theta), Context(states=states)


def samples(rng: np.random.Generator, rows: int) -> np.ndarray:
    x = rng.normal(size=(rows, 4)) * 3
    x[:, 3] = rng.integers(0, 4, rows)
    return x


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, len(FRONTS) - 1),
    st.integers(0, len(BETWEEN) - 1),
    st.integers(0, len(ACTIVATIONS) - 1),
    st.lists(st.integers(1, 9), max_size=3),
    st.tuples(*[st.sampled_from([-1, 0, 1])] * 3),
)
def test_no_parameters_within_the_bounds_break_a_direction(
    seed, front, between, activation, widths, directions
):
    rng = np.random.default_rng(seed)
    network = network_of(front, between, activation, widths, Constraints((*directions, 0)))
    params, ctx = drawn(network, rng)
    grid = np.concatenate([np.linspace(-1e3, 1e3, 60), np.linspace(-3, 3, 200)])
    grid.sort()
    for column in range(3):
        x = np.repeat(samples(rng, 4), len(grid), 0)
        x[:, column] = np.tile(grid, 4)
        out = network.predict(params, x, ctx).reshape(4, len(grid), 2)
        steps = np.diff(out, axis=1) * (directions[column] or 0)
        assert (steps >= -1e-12 * np.abs(out).max()).all()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, len(FRONTS) - 1),
    st.integers(0, len(ACTIVATIONS) - 1),
    st.lists(st.integers(5, 9), max_size=2),
    st.lists(st.sets(st.integers(0, 3), min_size=1), min_size=1, max_size=3),
)
def test_columns_that_share_no_set_have_no_mixed_difference(seed, front, activation, widths, sets):
    rng = np.random.default_rng(seed)
    constraints = Constraints(interactions=tuple(map(tuple, sets)))
    network = network_of(front, 0, activation, widths, constraints)
    params, ctx = drawn(network, rng)
    together = {(i, j) for each in (*sets, set(range(4)) - set().union(*sets)) for i in each for j in each}
    for i in range(4):
        for j in range(i):
            x, moved = samples(rng, 30), samples(rng, 30)
            corners = np.stack([x] * 4)  # neither, i, j, both
            corners[1, :, i] = corners[3, :, i] = moved[:, i]
            corners[2, :, j] = corners[3, :, j] = moved[:, j]
            neither, first, second, both = network.predict(params, corners.reshape(-1, 4), ctx).reshape(
                4, 30, 2
            )
            mixed = both - first - second + neither
            if (i, j) not in together:
                assert_allclose(mixed, 0, atol=1e-12 * np.abs([neither, both]).max())


DATA = np.random.default_rng(0).normal(size=(60, 3)), np.random.default_rng(1).normal(size=60)


def trained(
    engine: str, optimizer: Any, dtype: str, epochs: int = 3, size: int = 7, **settings: Any
) -> tuple[c.Network, np.ndarray]:
    layers = [c.PiecewiseLinearEmbedding(2, 4, columns=(0, 2)), c.Scale(), c.Dense(20), c.ReLU(), c.Dense(1)]
    network = c.Network(3, layers, c.MeanSquaredError(), constraints=Constraints((1, 0, -1)), **settings)
    model = c.Model(network, seed=1, dtype=dtype)
    model.fit(*DATA, epochs=epochs, batch_size=size, optimizer=optimizer, engine=engine)
    return network, model.theta


@pytest.mark.parametrize("optimizer", [c.Adam(0.05), c.AdamW(0.05), c.SGD(0.05, momentum=0.9), c.SGD(0.05)])
def test_engines_agree_and_every_number_is_within_its_bounds(optimizer):
    theta = [trained(engine, optimizer, "float64", l2=0.01) for engine in ENGINES]
    for network, found in theta:
        assert network.bounds is not None
        assert (found >= network.bounds.lower).all() and (found <= network.bounds.upper).all()
        assert (found == 0).any() and (np.abs(found) > 0.01).any()  # some are at their bounds
        assert_allclose(found, theta[0][1], rtol=1e-10, atol=1e-12)


def test_the_step_as_a_pure_function_agrees():
    network, after = trained("reference", c.SGD(0.3), "float64", epochs=1, size=60, max_norm=0.8)
    model = c.Model(network, seed=1, dtype="float64")
    X, y = DATA
    samples = Samples(X, y[:, None], np.ones(60), 1)
    states = measure(network, model.states, samples, model.dtype)
    optimizer = c.SGD(0.3)
    plan = Plan(network, optimizer, 60, 1, np.dtype("float64"))
    batch = samples.batch(np.arange(60), np.dtype("float64"))
    found = step(plan, model.theta, optimizer.init(model.theta), states, batch, 0.3, 1)
    assert_allclose(found.theta, after, rtol=1e-10, atol=1e-12)


def test_a_file_keeps_them(tmp_path: Path):
    network = c.Network(
        *(3, [c.Dense(6), c.Tanh(), c.Dense(1)], c.MeanSquaredError()),
        constraints=Constraints((1, 0, -1), ((0, 1), (2,))),
    )
    model = c.Model(network, seed=0)
    model.save(tmp_path / "model.safetensors")
    read = c.load(tmp_path / "model.safetensors").network
    assert read.constraints == network.constraints and read.bounds is not None
    assert_array_equal(read.bounds.lower, network.bounds.lower)  # type: ignore[union-attr]
    free = c.Model(c.Network(3, [c.Dense(1)], c.MeanSquaredError()), seed=0)
    free.save(tmp_path / "free.safetensors")
    assert c.load(tmp_path / "free.safetensors").network.constraints is None


def test_a_damaged_file_is_refused(tmp_path: Path):
    network = c.Network(2, [c.Dense(1)], c.MeanSquaredError(), constraints=Constraints((1, 0)))
    path = tmp_path / "model.safetensors"
    c.Model(network, seed=0).save(path)
    damaged = path.read_bytes().replace(rb"\"monotone\": [1, 0]", rb"\"monotone\": [1, 7]")
    path.write_bytes(damaged)
    with pytest.raises(FormatError, match="monotone of Constraints must be a list of -1, 0 or 1"):
        c.load(path)


def test_packed_members_and_another_head_keep_them():
    network = c.Network(
        *(3, [c.Dense(6), c.ReLU(), c.Dense(1)], c.MeanSquaredError()), constraints=Constraints((1, 0, -1))
    )
    X, y = DATA
    members = c.Ensemble(network, 3, seed=0)
    members.fit(X, y, epochs=1, engine="reference")
    packed = members.pack()
    assert isinstance(packed.network.loss, MeanOverMembers)
    assert packed.network.bounds is not None
    assert (packed.theta >= packed.network.bounds.lower).all()
    assert (packed.theta <= packed.network.bounds.upper).all()
    assert_allclose(packed.predict(X), members.predict(X), rtol=1e-5)
    other = c.Model(network, seed=0).replace_head([c.Dense(4)], loss=c.MeanSquaredError())
    assert other.network.constraints == network.constraints


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([c.Dense(3), c.GELU(), c.Dense(1)], "GELU cannot be held to constraints"),
        ([c.Residual([c.Dense(3), c.ReLU()]), c.Dense(1)], "Residual cannot be held"),
        ([c.PeriodicEmbedding(2, 2), c.Dense(1)], "PeriodicEmbedding cannot be held"),
        ([c.Embedding([(0, 2, 2)]), c.Dense(1)], "Embedding cannot be held"),
        ([c.LeakyReLU(-0.5), c.Dense(1)], "LeakyReLU cannot be held"),
        ([c.Dense(1), c.Rescale(-1.0)], "Rescale turns a direction around"),
    ],
)
def test_layers_that_cannot_keep_a_direction_are_refused(layers, message):
    network = c.Network(2, layers, c.MeanSquaredError(), constraints=Constraints((1, 0)))
    with pytest.raises(c.ConfigError, match=message):
        c.Model(network)


def test_a_layer_too_narrow_for_the_sets_is_refused():
    constraints = Constraints(interactions=((0,), (1,), (2,)))
    network = c.Network(3, [c.Dense(2), c.ReLU(), c.Dense(1)], c.MeanSquaredError(), constraints=constraints)
    with pytest.raises(c.ConfigError, match="a layer of 2 neurons cannot serve 3 sets"):
        c.Model(network)


def test_training_that_takes_no_bounded_steps_is_refused():
    network = c.Network(2, [c.Dense(1)], c.MeanSquaredError(), constraints=Constraints((1, 0)))
    X, y = np.random.default_rng(0).normal(size=(9, 2)), np.ones(9)
    with pytest.raises(c.ConfigError, match="does not keep the bounds"):
        c.Model(network).fit(X, y, epochs=1, optimizer=c.LBFGS())


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        (lambda: Constraints((2,)), "must be a list of -1, 0 or 1"),
        (lambda: Constraints("up"), "must be a list of -1, 0 or 1"),  # type: ignore[arg-type]
        (lambda: Constraints((0.5,)), "must be a list of -1, 0 or 1"),  # type: ignore[arg-type]
        (lambda: Constraints(interactions=((-1,),)), "must be at least 0|inputs count from 0"),
        (lambda: Constraints(interactions=(1,)), "must be a list of sets of inputs"),  # type: ignore[arg-type]
        (lambda: Constraints(interactions=((),)), "contain an empty set"),
    ],
)
def test_constraints_that_say_nothing_are_refused(constraints, message):
    with pytest.raises(c.ConfigError, match=message):
        constraints()


def test_constraints_of_another_number_of_inputs_are_refused():
    for constraints, message in (
        (Constraints((1,)), "one direction for each of the 2 inputs, not 1"),
        (Constraints(interactions=((0, 5),)), "contain the input 5"),
    ):
        network = c.Network(2, [c.Dense(1)], c.MeanSquaredError(), constraints=constraints)
        with pytest.raises(c.ConfigError, match=message):
            c.Model(network)
