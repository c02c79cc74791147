"""The engines against networks written with PyTorch, whose autograd knows none of this package's formulas."""

from __future__ import annotations

import os
from importlib.util import find_spec

import numpy as np
import pytest

from chainrule import GradientDescent
from chainrule.engines.native import REASON
from chainrule.formulas.layers import ACTIVATIONS
from chainrule.formulas.losses import LOSSES
from chainrule.trained.persistence import LAYERS
from full import FULL
from random_networks import Case, Trained, difference, draw, judged, train, untrained

if find_spec("torch") is None:
    pytest.skip("needs PyTorch", allow_module_level=True)

RATE = 0.05
QUICK = 100
ENGINES = ["reference", *(["native"] if REASON is None or os.environ.get("CI") else [])]


@pytest.fixture(autouse=True, scope="module")
def _pytorch() -> None:
    """Import PyTorch, two seconds of a processor, where a test runs: every worker collects this file."""
    global torch, networks, training
    import torch

    import torch_networks as networks
    import torch_training as training


def is_random(case: Case) -> bool:
    return any(link.layer.is_random for link in case.network.walk())


def steps_of(case: Case) -> Case:
    """The case as a few steps of gradient descent in the order of the samples."""
    epochs = 3 if case.how["batch_size"] is None else 1
    how = {"epochs": epochs, "shuffle": False, "schedule": None, "optimizer": GradientDescent(RATE)}
    return case._replace(how=case.how | how)


def by_torch(case: Case) -> Trained:
    """The same run by PyTorch: theta, outputs, the loss of each epoch, and running statistics."""
    model, how = untrained(case), case.how
    model.fit(case.X, case.y, epochs=0)  # measures the samples
    twin = training.Twin(model, case.frozen)
    X = torch.tensor(np.array(case.X.toarray() if hasattr(case.X, "toarray") else case.X, np.float64))
    y = training.targets(case.network, case.y)
    n, size = len(X), how["batch_size"] or len(X)
    s = (
        torch.ones(n, dtype=torch.float64)
        if how["sample_weight"] is None
        else torch.tensor(how["sample_weight"])
    )
    history = []
    for _ in range(how["epochs"]):
        total = 0.0
        for first in range(0, n, size):
            some = slice(first, first + size)
            loss = twin.step(X[some], y[some], s[some], RATE, how["clip"].norm, how["clip"].value)
            total += loss * float(s[some].sum())
        history.append(total / float(s.sum()))
    states = [np.ravel(value.numpy()) for state in twin.states.values() for value in state.values()]
    return Trained(
        twin.theta(), twin.outputs(X), np.array(history), np.concatenate([np.empty(0), *states]), None
    )


def loss_alone(run: Trained) -> Trained:
    return run._replace(history=run.history[:, 0] if run.error is None else run.history)


blocks = [range(0, QUICK // 2), range(QUICK // 2, QUICK)]
later = [range(start, start + 100) for start in range(QUICK, 1000, 100 if FULL else 200)]


@pytest.mark.parametrize(
    "numbers",
    [
        *(pytest.param(some, id=f"from {some[0]}") for some in blocks),
        *(pytest.param(some, id=f"from {some[0]}", marks=pytest.mark.slow) for some in later),
    ],
)
def test_the_engines_agree_with_pytorch(numbers):
    """Random networks, losses, penalties, max_norm, clipping, frozen links and weights of samples, in float64."""
    torch.set_num_threads(1)
    for case in map(steps_of, filter(lambda case: not is_random(case), map(draw, numbers))):
        expected = by_torch(case)
        runs = {engine: train(case, engine) for engine in ENGINES}
        for engine, run in runs.items():
            found = judged(difference(loss_alone(run), expected), case, runs["reference"])
            assert found.holds, (case.number, engine, found, case.network)


def test_every_layer_and_loss_is_written_for_pytorch():
    assert set(networks.WALKS) == {*LAYERS, "projection"}
    assert set(networks.FUNCTIONS) == set(ACTIVATIONS) - {"prelu"}
    assert set(networks.LOSS) == set(LOSSES)
