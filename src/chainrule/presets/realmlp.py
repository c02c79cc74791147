"""The recipe "realmlp": RealMLP-TD, with its published settings for classification and for regression.

    Embedding (8 numbers) of categories of more than 8, PeriodicEmbedding (16 frequencies, 4 numbers) of the numbers,
    Scale, then for each of three layers Dense(256) in the NTK parametrization, ParametricActivation of SELU, for
    regression of Mish, and Dropout; Dense

of a table with the scale "realmlp". The parameters start on the training samples (`Model.start_on`). AdamW with
beta2 = 0.95 trains for 256 epochs of batches of 256, the last partial one left out, at a rate of 0.04, for regression
0.2, times CosLog(4); a parameter's rate and decay have these factors:

    W, the vectors of categories     1, 1
    b                                0.1, 0
    Scale                            6, 6        its decay is 36 times that of W at the same step, as published
    PeriodicEmbedding, alpha         0.1, 0.1

The decay (0.02) and the dropout (0.15) are times FlatCosine(), and the label smoothing is 0.1. The last of the epochs
with the best accuracy, or for regression the best R2 (which is the least RMSE), on a fifth of the rows is the one that
the fit returns to; predicted numbers stay within the range of the targets.

What differs from the published implementation: the table and the targets are measured on all rows, those held out too;
rows held out have the classes in proportion where there are two; columns that number the rows and near constant ones
are left out, and a missing number is the mean beside an indicator; the vector of a missing category starts at 0.
Of two classes there is one output, a, in place of two, a_1 - a_0: with twice their rate it makes their steps, and at
the start its standard deviation is 1 and not that of a difference, sqrt(2).

Source: Holzmüller, Grinsztajn, Steinwart, "Better by default: strong pre-tuned MLPs and boosted trees on tabular data",
NeurIPS 2024.
"""

from __future__ import annotations

import math
from typing import Any

from chainrule.formulas.layers import (
    SELU,
    Dense,
    Dropout,
    Layer,
    Mish,
    ParametricActivation,
    PeriodicEmbedding,
    Scale,
)
from chainrule.formulas.schedules import CosLog, FlatCosine
from chainrule.presets import base
from chainrule.presets.base import Facts, Proposal, Recipe

TABLE = {"scale": "realmlp", "max_one_hot": 8, "embedding_size": 8, "min_count": 1, "impute": "mean"}
BIASES: dict[str, Any] = {"bias_rate": 0.1, "bias_decays": 0.0}


def realmlp(facts: Facts) -> Proposal:
    """Return the network and the training above."""
    base.check(facts, "realmlp")
    is_regression = facts.task == "regression"
    sizes = base.sizes(facts, (256, 256, 256))
    functions = base.functions(facts, Mish() if is_regression else SELU(), len(sizes))
    rate, rates = 0.2 if is_regression else 0.04, base.rates(facts, 0.15, len(sizes))
    found: dict[str, Any] = {
        "hidden_layer_sizes": tuple(sizes),
        "optimizer": base.adamw(facts, learning_rate=rate, beta2=0.95, weight_decay=0.02),
        "schedule": CosLog(4),
        "max_iter": 256,
    }
    by_accuracy = facts.given.get("scoring") in (None, "accuracy") and not base.is_rare(facts)
    if not is_regression and by_accuracy:
        found["label_smoothing"] = 0.1
    front: list[Layer] = [Scale(rate=6.0, decays=6.0)]
    if facts.numbers:
        front.insert(0, PeriodicEmbedding(16, 4, columns=facts.numbers, sigma=0.1, rate=0.1, decays=0.1))
    return Proposal(
        found | base.training(facts, 256, math.inf),
        beside=base.BESIDE,
        front=tuple(front),
        hidden=tuple(
            hidden(size, function, rate) for size, function, rate in zip(sizes, functions, rates, strict=True)
        ),
        head=lambda outputs: head(outputs, facts.task),
        start="samples",
        factors={"decay": FlatCosine(), "dropout": FlatCosine()},
        drop_last=True,
        last_best=True,
        clamp=True,
    )


def hidden(size: int, function: Any, rate: float) -> tuple[Layer, ...]:
    """Return a hidden layer: Dense, ParametricActivation, and Dropout unless its rate is 0."""
    layers: list[Layer] = [Dense(size, parametrization="ntk", **BIASES)]
    if function.kind != "identity":
        layers.append(ParametricActivation(function, rate=0.1, decays=0.1))
    return (*layers, Dropout(rate)) if rate else tuple(layers)


def head(outputs: int, task: str) -> tuple[Layer, ...]:
    """Return the last layer; an output that stands for a difference of two has twice their rate."""
    if task in ("regression", "multiclass"):
        return (Dense(outputs, parametrization="ntk", **BIASES),)
    factors: dict[str, Any] = {"weight_rate": 2.0, "weight_decays": 0.5, "bias_rate": 0.2, "bias_decays": 0.0}
    return (Dense(outputs, parametrization="ntk", **factors),)


RECIPE = Recipe(realmlp, TABLE)
