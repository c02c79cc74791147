"""The recipe "tabm": TabM-mini with piecewise linear embeddings, k = 32 networks that share all but a few parameters.

    PiecewiseLinearEmbedding (16 numbers, 48 bins) of the numbers, Take (the inputs k times), Scale, then for each of
    two layers, three without numbers, GroupedDense(512) that the members share, ReLU, Dropout(0.1); GroupedDense of
    each member's own

of a table with the scale "quantile" and an output for each category. A factor of the Scale, which is all that tells the
members apart at the start, is N(0, 1), or -1 or 1 without numbers: one for each column and member, repeated over what
the column becomes. The weights start in U(-r, r) with r = 1 / sqrt(fan_in). AdamW(2e-3, weight_decay=3e-4), without a
decay of biases and of the linear part of the embeddings, and with a gradient of norm 1 at most, trains on the mean of
the members' losses, until the score of their average on a fifth of the rows has not risen for 16 epochs. The batch has
32 rows (below 2,800 to train on), 64 (4,500), 128 (6,400), 256 (32,000), 512 (108,000) or 1,024.

n_members is k: they are members of one network, not an ensemble of several. The work is in proportion to it.

What differs from the published implementation: all members see the same batches, which its authors recommend where time
counts (median loss of 0.1 to 0.3 % in their runs); a category of a column beyond the 255 most frequent counts as a rare
one; a column of two categories is one output; biases start at 0; a missing number is the mean beside an indicator.

Source: Gorishniy, Kotelnikov, Babenko, "TabM: advancing tabular deep learning with parameter-efficient ensembling",
ICLR 2025; the embeddings: Gorishniy, Rubachev, Babenko, "On embeddings for numerical features in tabular deep
learning", NeurIPS 2022.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from chainrule.formulas.initializers import Normal, PerFeature, RandomSign, Uniform
from chainrule.formulas.layers import (
    Dropout,
    GroupedDense,
    Layer,
    PiecewiseLinearEmbedding,
    ReLU,
    Scale,
    Take,
)
from chainrule.formulas.mean_over_members import MeanOverMembers
from chainrule.formulas.schedules import Constant
from chainrule.presets import base
from chainrule.presets.base import Facts, Proposal, Recipe

TABLE = {"scale": "quantile", "max_one_hot": 255, "embeddings": False, "min_count": 1, "impute": "mean"}
MEMBERS = 32
VECTOR, BINS = 16, 48
BATCHES = ((2_800, 32), (4_500, 64), (6_400, 128), (32_000, 256), (108_000, 512))
"""Below so many rows to train on, the samples of a batch; from the last on 1,024."""
EQUAL = 1e-12
"""An epoch whose score is higher by less is no better one: of two equal scores the later one is not."""
EPOCHS, FEW_EPOCHS = 1_000, 100
"""The most epochs; and those of a table too small to hold rows out, which nothing else ends."""


def tabm(facts: Facts) -> Proposal:
    """Return the network and the training above."""
    base.check(facts, "tabm")
    k = int(facts.given.get("n_members", MEMBERS))
    sizes = base.sizes(facts, (512,) * (2 if facts.numbers else 3))
    functions, rates = base.functions(facts, ReLU(), len(sizes)), base.rates(facts, 0.1, len(sizes))
    of_columns = [
        sum(VECTOR if place in facts.numbers else 1 for place, _ in run)
        for _, run in groupby(enumerate(facts.sources), lambda each: each[1])
    ]
    width = sum(of_columns)
    fans = [width, *sizes]
    scale = PerFeature(Normal() if facts.numbers else RandomSign(), tuple(of_columns))
    front: list[Layer] = [Take(tuple(range(width)) * k), Scale(initializer=scale)]
    if facts.numbers:
        front.insert(0, PiecewiseLinearEmbedding(VECTOR, BINS, columns=facts.numbers))

    def dense(units: int, fan_in: int, shared: bool) -> GroupedDense:
        start = Uniform(fan_in**-0.5)
        return GroupedDense(units, k, shared=shared, initializer=start, bias_decays=0.0)

    hidden = []
    for size, fan_in, function, rate in zip(sizes, fans, functions, rates, strict=False):
        layers: list[Layer] = [dense(size, fan_in, True)]
        layers += [function] if function.kind != "identity" else []
        layers += [Dropout(rate)] if rate else []
        hidden.append(tuple(layers))
    trained = base.trained_rows(facts.rows)
    batch = next((size for below, size in BATCHES if trained < below), 1_024)
    found: dict[str, Any] = {
        "hidden_layer_sizes": tuple(sizes),
        "optimizer": base.adamw(facts, learning_rate=2e-3, weight_decay=3e-4),
        "schedule": Constant(),  # whose last epoch is the end, not a failure
        "clip_norm": 1.0,
        "max_iter": EPOCHS if facts.rows >= base.MIN_ROWS_TO_HOLD_OUT else FEW_EPOCHS,
        "tol": EQUAL,
    }
    return Proposal(
        base.training(facts, batch, 16) | found,
        beside=base.BESIDE,
        consumed={"n_members": 1},
        front=tuple(front),
        hidden=tuple(hidden),
        head=lambda outputs: (dense(outputs, fans[-1], False),),
        loss=lambda loss: MeanOverMembers(loss, k),
        start="own",
    )


RECIPE = Recipe(tabm, TABLE)
