"""The lesson's chain of four neurons: a model whose passes can be computed by hand, and all their lines."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from chainrule.datasets.idx import Dataset
from chainrule.errors import ConfigError
from chainrule.formulas.layers import Dense, Sigmoid
from chainrule.formulas.losses import MeanSquaredError
from chainrule.model import Model
from chainrule.network.network import Network
from chainrule.recipe.data import Data
from chainrule.studio.screens.backprop.commands import check_rate
from chainrule.studio.screens.backprop.derived import chain, is_chain
from chainrule.studio.screens.backprop.walks import Walks
from chainrule.studio.session.commands import command
from chainrule.studio.session.studio import Studio

CHAIN_X = np.array([2.0, 1.0, -1.0, 0.5, -2.0, 1.5])


@command("backprop.chain", reads=True)
def chain_lines(studio: Studio, *, walk: int, rate: float = 0.01) -> dict[str, Any]:
    """Return every line of a chain of single neurons, with the update at a learning rate."""
    trace = Walks.of(studio).get(walk).trace
    if not is_chain(trace):
        raise ConfigError("the lines are written for one sample and single neurons; load the example.")
    return chain(trace, check_rate(rate))


@command("backprop.example")
def example(studio: Studio, *, kind: Literal["lesson", "sigmoid"] = "lesson") -> dict[str, Any]:
    """Show a chain of four single neurons with the samples y = -2.5 x, and store what was shown before.

    lesson: w3, w2, w1, w0 = 0.5, 3, -1, 2 without activations, x = 2, y = -5.  sigmoid: the same with sigmoids between.
    """
    name = "1-1-1-1-1" if kind == "lesson" else "1-1-1-1-1 sigmoid"
    data = Data("chain", "", "", Dataset(CHAIN_X[:, None], -2.5 * CHAIN_X, (1,), "chain"))
    studio.show_example(kind, lesson_model(kind), data, name)
    return {"name": name}


def lesson_model(kind: str) -> Model:
    """Build the chain a4 -w3-> a3 -w2-> a2 -w1-> a1 -w0-> a0 with C = (a0 - y)^2, in float64."""
    layers: list[Any] = [Dense(1), Dense(1), Dense(1), Dense(1)]
    if kind == "sigmoid":
        layers = [Dense(1), Sigmoid(), Dense(1), Sigmoid(), Dense(1), Sigmoid(), Dense(1)]
    model = Model(Network(1, layers, MeanSquaredError()), dtype="float64")
    for name, w in zip(("dense_1", "dense_2", "dense_3", "dense_4"), (0.5, 3.0, -1.0, 2.0), strict=True):
        model.parameters[name].W[...] = w
        model.parameters[name].b[...] = 0.0
    return model


@command("backprop.example_end")
def example_end(studio: Studio) -> dict[str, Any]:
    """Restore what was shown before the example."""
    return {"name": studio.end_example()}
