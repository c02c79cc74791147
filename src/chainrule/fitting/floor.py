"""What a linear model reaches on the rows held out, beside a network that its time limit ended in its first epoch."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

from chainrule.core.random import generator
from chainrule.data.samples import Samples
from chainrule.errors import ChainruleError
from chainrule.formulas.layers import Dense, Standardize
from chainrule.formulas.optimizers import LBFGS
from chainrule.model import Ensemble, Model
from chainrule.network.network import Network
from chainrule.network.objective import shares
from chainrule.trained.evaluation import BATCH

ROWS = 1_000
"""The most rows that are drawn to fit or to judge."""
ITERATIONS, PENALTY = 50, 0.01
"""Those of the linear model, and the l2 of its weights."""


class Floor(NamedTuple):
    """Mean losses on rows held out."""

    reached: float
    """of the network"""
    linear: float
    """of a linear model of at most a thousand of the rows that the network was trained on"""


def floor_of(model: Model | Ensemble, train: Samples, held_out: Samples) -> Floor | None:
    """Return what a model and a linear one reach on rows held out; None where that one cannot be fitted."""
    network = model.network
    loss = network.loss.of_member.smoothed(np.float64(0))
    layers = [Standardize(), Dense(network.outputs)]
    linear = Model(Network(network.inputs, layers, loss, l2=PENALTY), dtype="float64")
    few, judged = some(train, 0), some(held_out, 0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            linear.fit(
                *(few.X, few.y),
                sample_weight=few.weight,
                optimizer=LBFGS(),
                epochs=ITERATIONS,
                scale_targets=False,
            )
    except ChainruleError:
        return None
    y, weight = judged.targets_of()
    found = list[float]()
    for each in (model, linear):
        out = np.asarray(each.raw_outputs(judged.X, "auto", BATCH), np.float64)
        own = loss if out.shape[1] == network.outputs else network.loss
        with np.errstate(all="ignore"):
            found.append(float(shares(weight) @ own.value(out, y)))
    return Floor(*found)


def some(samples: Samples, seed: int) -> Samples:
    """Return at most ROWS of the samples, drawn by the seed."""
    if samples.n <= ROWS:
        return samples
    return samples.take(np.sort(generator(seed, "judging", 2).permutation(samples.n)[:ROWS]))
