"""Rates and decays of a layer's parameters, and the NTK parametrization: what they are, what they do, and in files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import chainrule as c
from chainrule import Layer, Parameter
from chainrule.engines.native import REASON

RNG = np.random.default_rng(3)
X = RNG.normal(size=(40, 5))
Y = np.arange(40) % 3
ENGINES = ["reference", *(["native"] if REASON is None else [])]
ALL = [c.Embedding([(4, 3, 2)], rate=0.25, decays=0.5), c.Scale(6, decays=3), c.Dense(7, None, 0.5, 0.1, 2, 0),
       c.BatchNorm(rate=0.3, decays=0), c.PReLU(rate=0.1, decays=0.7), c.Dense(3, parametrization="ntk")]  # fmt: skip
"""every layer that has such settings, with others than 1"""
FACTORS = {
    "embedding_1.E1": (0.25, 0.5),
    "scale_1.s": (6, 3),
    "dense_1.W": (0.5, 2),
    "dense_1.b": (0.1, 0),
    "batch_norm_1.gamma": (0.3, 0),
    "batch_norm_1.beta": (0.3, 0),
    "prelu_1.slope": (0.1, 0.7),
    "dense_2.W": (1 / math.sqrt(7), math.sqrt(7)),
    "dense_2.b": (1, 1),
}


def codes() -> np.ndarray:
    return np.column_stack([X[:, :4], np.arange(40) % 3])


def made(layers: list[Layer], **settings: Any) -> c.Model:
    return c.Model(c.Network(5, layers, c.SoftmaxCrossEntropy()), seed=1, dtype="float64", **settings)


def moved(model: c.Model, engine: str, optimizer: Any, **settings: Any) -> dict[str, np.ndarray]:
    """What one step on all samples adds to each parameter."""
    before = model.theta.copy()
    model.fit(
        codes(), Y, epochs=1, batch_size=None, optimizer=optimizer, engine=engine, shuffle=False, **settings
    )
    return {f"{s.link.name}.{s.field}": (model.theta - before)[s.start : s.stop] for s in model.network.slots}


def test_factors_of_every_parameter():
    slots = made(ALL).network.slots
    assert [f"{slot.link.name}.{slot.field}" for slot in slots] == list(FACTORS)
    assert_allclose([(slot.rate, slot.decays) for slot in slots], list(FACTORS.values()), rtol=1e-15)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_step_has_them_all(engine: str):
    """One step from the same start; AdamW's step without decay is proportional to the rate."""
    plain = [c.Embedding([(4, 3, 2)]), c.Scale(), c.Dense(7), c.BatchNorm(), c.PReLU(), c.Dense(3)]
    start = made(ALL).theta
    for decay in (0.0, 0.5):
        own, usual = made(ALL), made(plain)
        usual.theta[:] = start
        found = moved(own, engine, c.AdamW(0.01, weight_decay=decay))
        steps = moved(usual, engine, c.AdamW(0.01, weight_decay=0.0))
        for slot in own.network.slots:
            name = f"{slot.link.name}.{slot.field}"
            rate, decays = FACTORS[name]
            lost = 0.01 * rate * decay * decays * start[slot.start : slot.stop]
            assert_allclose(found[name], rate * steps[name] - lost, rtol=1e-9, atol=1e-15)


class Params(NamedTuple):
    V: Any
    b: Any


class NTK(Layer):
    """The definition: z = a V / sqrt(fan_in) + b, with V trained itself."""

    def forward(self, params, a, ctx):
        return a @ params.V / math.sqrt(a.shape[1]) + params.b, a

    def backward(self, params, cache, delta, ctx):
        root = math.sqrt(cache.shape[1])
        return Params(cache.T @ delta / root, delta.sum(0)), delta @ params.V.T / root

    def width(self, fan_in):
        return 6

    def parameters(self, fan_in, default):
        weights = Parameter((fan_in, 6), c.Constant(0.0), is_weight=True)
        return Params(weights, Parameter((6,), c.Constant(0.0), rate=0.1, decays=0))


@pytest.mark.parametrize("engine", ENGINES)
def test_ntk_is_its_definition_under_adamw(engine: str):
    """Two hidden layers over 60 steps: W stays V / sqrt(fan_in), with decay that shrinks V by lr weight_decay."""
    ntk = {"bias_rate": 0.1, "bias_decays": 0, "parametrization": "ntk"}
    mine = made([c.Dense(6, **ntk), c.Tanh(), c.Dense(6, **ntk), c.SiLU(), c.Dense(3)])
    theirs = made([NTK(), c.Tanh(), NTK(), c.SiLU(), c.Dense(3)])
    theirs.theta[:] = mine.theta
    names = [("dense_1", "ntk_1", math.sqrt(5)), ("dense_2", "ntk_2", math.sqrt(6))]
    for dense, ntk_1, root in names:
        theirs.parameters[ntk_1].V[...] = mine.parameters[dense].W * root
    start = mine.theta.copy()
    for model, name in ((mine, engine), (theirs, "reference")):
        optimizer = c.AdamW(0.02, weight_decay=0.3, eps=1e-20)
        model.fit(X, Y, epochs=12, batch_size=8, optimizer=optimizer, engine=name)
    assert np.abs(mine.theta - start).max() > 0.1
    for dense, ntk_1, root in names:
        assert_allclose(mine.parameters[dense].W * root, theirs.parameters[ntk_1].V, rtol=1e-7, atol=1e-9)
        assert_allclose(mine.parameters[dense].b, theirs.parameters[ntk_1].b, rtol=1e-7, atol=1e-9)


def test_eps_of_ntk_acts_as_eps_over_the_root_of_fan_in():
    step = {}
    for eps in (1e-3, 1e-3 / math.sqrt(5)):
        mine = made([c.Dense(6, parametrization="ntk"), c.Tanh(), c.Dense(3)])
        step[eps] = moved(mine, "reference", c.Adam(0.02, eps=eps))["dense_1.W"]
    definition = made([NTK(), c.Tanh(), c.Dense(3)])
    definition.theta[:] = made([c.Dense(6, parametrization="ntk"), c.Tanh(), c.Dense(3)]).theta
    definition.parameters["ntk_1"].V[...] *= math.sqrt(5)
    expected = moved(definition, "reference", c.Adam(0.02, eps=1e-3 / math.sqrt(5)))["ntk_1.V"]
    assert_allclose(step[1e-3] * math.sqrt(5), expected, rtol=1e-9)
    assert not np.allclose(step[1e-3], step[1e-3 / math.sqrt(5)], rtol=1e-5)


def test_ntk_starts_from_lecuns_numbers():
    ntk, lecun = (made([layer, c.ReLU(), c.Dense(3)]) for layer in (
        c.Dense(64, parametrization="ntk"), c.Dense(64, c.LeCunNormal())))  # fmt: skip
    assert_array_equal(ntk.theta, lecun.theta)
    other = made([c.Dense(64, c.HeNormal(), parametrization="ntk"), c.ReLU(), c.Dense(3)])
    assert_allclose(other.parameters["dense_1"].W, ntk.parameters["dense_1"].W * math.sqrt(2), rtol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_rate_of_0_keeps_the_start(engine: str):
    model = made([c.Dense(6, weight_rate=0), c.ReLU(), c.Dense(3, bias_rate=0)])
    start = {name: p for name, p in made(list(model.network.layers)).parameters.items()}
    model.fit(X, Y, epochs=2, optimizer=c.AdamW(weight_decay=0.5), engine=engine)
    assert_array_equal(model.parameters["dense_1"].W, start["dense_1"].W)
    assert (model.parameters["dense_1"].b != start["dense_1"].b).all()
    assert_array_equal(model.parameters["dense_2"].b, start["dense_2"].b)
    assert (model.parameters["dense_2"].W != start["dense_2"].W).all()


@pytest.mark.parametrize("how", [{"optimizer": "lbfgs"}, {"method": "cma_es"}, {"method": "spsa"}], ids=str)
def test_a_rate_of_0_holds_for_other_methods_too(how: dict[str, Any]):
    """Of dense_1.W, with a rate of 0, or of 0.5, with which all of these train it."""
    zero, half = (made([c.Dense(6, weight_rate=rate), c.Tanh(), c.Dense(3)]) for rate in (0, 0.5))
    start = zero.theta.copy()
    for model in (zero, half):
        model.fit(X, Y, epochs=3, **how)
    assert_array_equal(zero.parameters["dense_1"].W.ravel(), start[:30])
    assert (zero.theta[30:] != start[30:]).any() and (
        half.parameters["dense_1"].W.ravel() != start[:30]
    ).any()


def test_files_and_code_have_them(tmp_path: Path):
    model = made(ALL)
    model.save(tmp_path / "model.safetensors")
    again = c.load(tmp_path / "model.safetensors")
    assert again.network.layers == model.network.layers == tuple(ALL)
    assert "Dense(3, parametrization='ntk')" in repr(model.network)
    assert eval(repr(model.network), vars(c)).layers == tuple(ALL)


@pytest.mark.parametrize("layer", [c.Dense(2), c.Scale(), c.BatchNorm(), c.PReLU(), c.Embedding([(0, 2, 1)])])
def test_bad_factors(layer: Layer):
    kind = type(layer)
    required = {c.Dense: (2,), c.Embedding: ([(0, 2, 1)],)}.get(kind, ())
    names = (
        ["rate", "decays"]
        if kind is not c.Dense
        else ["weight_rate", "bias_rate", "weight_decays", "bias_decays"]
    )
    for name in names:
        for bad in (-1, np.inf, "2", True):
            with pytest.raises(
                c.ConfigError, match=f"{name} of {kind.__name__} must be a finite number of at least 0"
            ):
                kind(*required, **{name: bad})
    with pytest.raises(
        c.ConfigError, match="parametrization of Dense must be 'standard' or 'ntk', not 'mup'"
    ):
        c.Dense(2, parametrization="mup")
