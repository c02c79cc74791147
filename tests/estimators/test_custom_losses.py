"""A loss of the user's: the units of its targets, its file, and what refuses it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import chainrule
from chainrule import ConfigError, Ensemble, FormatError, Huber, Loss, MeanOverMembers, MLPRegressor
from chainrule.formulas.initializers import Initializer

RNG = np.random.default_rng(4)
N = 120
TABLE = pd.DataFrame({"a": RNG.normal(size=N), "kind": RNG.choice(["u", "v"], N)})
Y = RNG.gamma(2.0, np.exp(0.5 * TABLE["a"] + 1))


class Erlang(Loss):
    """out + y exp(-out): the negative log-likelihood of a gamma distribution of mean exp(out), up to constants"""

    kind, targets = "erlang", "real"

    def value(self, out: Any, y: Any) -> Any:
        return (out + y * np.exp(-out)).sum(-1)

    def gradient(self, out: Any, y: Any) -> Any:
        return 1 - y * np.exp(-out)

    def predict(self, out: Any) -> Any:
        return np.exp(out)

    def average(self, out: Any) -> Any:
        return np.log(np.exp(out).mean(0))


@dataclasses.dataclass(frozen=True)
class Cubic(Loss):
    """factor sum_k |r_k|^3, of any unit"""

    kind, targets, any_unit = "cubic", "real", True
    factor: float = 1.0

    def value(self, out: Any, y: Any) -> Any:
        return self.factor * (np.abs(out - y) ** 3).sum(-1)

    def gradient(self, out: Any, y: Any) -> Any:
        return 3 * self.factor * (out - y) * np.abs(out - y)


def fitted(loss: Any, **settings: Any) -> MLPRegressor:
    made = MLPRegressor(preprocess="auto", loss=loss, max_iter=60, random_state=0, **settings)
    return made.fit(TABLE, Y)


def one(loss: Any, **settings: Any) -> MLPRegressor:
    return fitted(loss, **{"n_members": 1, "hidden_layer_sizes": (8,)} | settings)


@pytest.mark.slow
def test_its_targets_are_as_they_were_given():
    """Standardized, half of them would be negative, and a gamma distribution of mean 0 fits them best."""
    made = fitted(Erlang())
    assert made.model_.target_scale is None
    assert 0.8 * Y.mean() < made.predict(TABLE).mean() < 1.2 * Y.mean()


def test_a_loss_says_that_any_unit_is_as_good():
    assert one(Cubic()).model_.target_scale is not None

    class Shifted(Huber):  # as formulas, the units of a subclass are its own
        kind = "shifted"

    assert not Shifted().any_unit and Huber().any_unit
    assert [MeanOverMembers(loss, 2).any_unit for loss in (Erlang(), Cubic())] == [False, True]


@pytest.mark.parametrize("custom", [[Erlang], Erlang, {"erlang": Erlang}, (Cubic, Erlang)])
def test_a_file_is_read_with_its_class(custom: Any, tmp_path: Path):
    made, path = one(Erlang()), tmp_path / "made.safetensors"
    made.save(path)
    again = MLPRegressor.load(path, custom=custom)
    np.testing.assert_array_equal(again.predict(TABLE), made.predict(TABLE))
    assert isinstance(again.loss, Erlang)
    assert isinstance(chainrule.load(path, custom=custom).network.loss, Erlang)


@pytest.mark.slow
def test_settings_members_and_compact_files(tmp_path: Path):
    for number, made in enumerate(
        (one(Cubic(0.5), n_members=2), one(Cubic(0.5), preset="tabm"), fitted(Cubic(0.5), preset="additive"))
    ):
        path = tmp_path / f"{number}"
        made.save(path, compact=number == 2)
        again = MLPRegressor.load(path, custom=[Cubic])
        near = {"rtol": 0.05, "atol": 0.05 * Y.std()} if number == 2 else {"rtol": 1e-7}
        np.testing.assert_allclose(again.predict(TABLE), made.predict(TABLE), **near)
        assert again.loss == Cubic(0.5)
    assert len(Ensemble.load(tmp_path / "0", custom=[Cubic])) == 2


@pytest.mark.parametrize("reads", [MLPRegressor.load, chainrule.load])
def test_without_its_class_the_error_says_what_to_pass(reads: Any, tmp_path: Path):
    one(Erlang()).save(tmp_path / "made")
    for custom in (None, [], [Cubic], {"cubic": Cubic}):
        with pytest.raises(FormatError, match=r"no loss of kind 'erlang'; .* load\(path, custom=\[CLASS\]\)"):
            reads(tmp_path / "made", custom=custom)
    for custom in ([Erlang()], Erlang(), ["erlang"], {"erlang": dict}):
        with pytest.raises(ConfigError, match=r"custom must be the classes of your layers and losses"):
            reads(tmp_path / "made", custom=custom)


def test_what_refuses_it_says_why(tmp_path: Path):
    made = one(Erlang())
    with pytest.raises(ConfigError, match="Erlang declares no operations for its `predict`"):
        made.export(tmp_path / "made.js")
    with pytest.raises(ConfigError, match=r"cannot compute the outputs of Erlang; use preset='fast'"):
        MLPRegressor(preprocess="auto", preset="best", loss=Erlang(), time_limit=2, max_iter=2).fit(TABLE, Y)


def test_a_model_with_its_initializer(tmp_path: Path):
    class Threes(Initializer):
        kind = "threes"

        def __call__(self, generator: Any, shape: Any, fan_in: int, fan_out: int) -> Any:
            return np.full(shape, 3.0) + generator.normal(size=shape)

    made = chainrule.Model(chainrule.Network(2, [chainrule.Dense(1, initializer=Threes())], loss=Erlang()))
    made.save(tmp_path / "made")
    again = chainrule.load(tmp_path / "made", custom=[Erlang, Threes])
    np.testing.assert_array_equal(again.theta, made.theta)
    assert isinstance(again.network.layers[0].initializer, Threes)
    with pytest.raises(FormatError, match="no initializer of kind 'threes'"):
        chainrule.load(tmp_path / "made", custom=[Erlang])
