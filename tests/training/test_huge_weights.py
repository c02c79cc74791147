"""Weights in any unit train the same network: only their ratios count, also where float32 cannot hold them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule import Dense, Model, Network, ReLU, SoftmaxCrossEntropy
from chainrule.data.checks import in_range

RANDOM = np.random.default_rng(0)
X, Y, WEIGHT = RANDOM.normal(size=(40, 3)), RANDOM.integers(0, 2, 40), RANDOM.integers(1, 4, 40) * 1.0


def trained(weight: Any, engine: Any) -> tuple[list[float], bytes]:
    model = Model(Network(3, [Dense(4), ReLU(), Dense(2)], SoftmaxCrossEntropy()), seed=1)
    history = model.fit(X, Y, epochs=2, batch_size=16, sample_weight=weight, engine=engine)
    return list(history["loss"]), model.theta.tobytes()


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize("exponent", [-1070, -1000, -200, -30, 30, 200, 1000, 1021])
def test_the_unit_of_the_weights_changes_no_bit(engine: str, exponent: int):
    assert trained(np.ldexp(WEIGHT, exponent), engine) == trained(WEIGHT, engine)


def test_weights_that_float32_holds_are_as_they_came():
    assert in_range(WEIGHT) is WEIGHT
    assert in_range(np.zeros(2)).tolist() == [0, 0]
    assert in_range(np.ldexp([3.0, 0.0, 1.5], 900)).tolist() == [0.75, 0.0, 0.375]
