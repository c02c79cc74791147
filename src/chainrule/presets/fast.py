"""The recipe "fast": what `preprocess="auto"` sets of the parameters that are at their defaults.

scikit-learn's defaults are those of its MLP, which expects numbers prepared by hand. For a table that the estimator
prepares itself the network is another one:

    Embedding of the codes, PiecewiseLinearEmbedding of the numbers, Scale(6), then Dense, ReLU, Dropout for each of
    three layers, Dense

trained by AdamW with a strong decay, of many rows a weaker one, and half a cosine, on 85 % of the rows (all but 10,000
of many). The moving average of its parameters over the epochs is judged on the others. The network is then the one that
is trained from the same start on all rows, for as many epochs as had the least loss (`fitting/train.py`). A
parameter that has another value than its default keeps it; where one of the optimizer has, all of
`parameters.OPTIMIZING` stay as they are.

Rows of a group, such as those of a person, resemble each other, so that what tells groups apart is learned from as many
examples as there are groups. If these are told and few, the network is narrow, with two layers of 64.

Few rows have an ensemble of which each member leaves out a fold: see `chainrule.presets.few`.

`benchmarks/notes/fast.md` has the measurements by which each of these was chosen.

Source of Scale and the strong decay: Holzmüller, Grinsztajn and Steinwart, "Better by default: strong pre-tuned MLPs
and boosted trees on tabular data" (2024).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chainrule.formulas.layers import PiecewiseLinearEmbedding, Scale
from chainrule.formulas.optimizers import AdamW
from chainrule.formulas.schedules import Cosine
from chainrule.presets.base import MIN_ROWS_TO_HOLD_OUT, Facts, Proposal, Recipe
from chainrule.presets.few import MOST_ROWS, OF_FEW, OF_WIDE

BATCHES = ((4_000, 64), (16_000, 128), (60_000, 256))
"""Up to so many rows, the samples of a batch; beyond the last twice its batch."""
EPOCHS, ROWS_OF_FEWER_EPOCHS = 100, 10_000
"""The epochs of up to so many rows; of more rows they fall with the root of their number."""
MOST_HELD_OUT, PATIENCE = 10_000, 20
"""The rows that are held out at most, and the epochs in a row without a smaller loss on them that are waited for."""
REFIT = 0.1
"""The share of the rows held out from which a network is trained anew on all of them."""
FRONT_RATE = 6.0
AVERAGING = 0.8
"""What the average of the parameters keeps of itself at the end of an epoch."""
VECTOR, TIES = 8, 1
"""The numbers of a vector in place of a number, and how many bins the rows of one number count for."""
DECAY, MOST_DECAYED = 0.3, 50_000
"""The weight decay, and the rows beyond which it falls in proportion to them: parameters average the last
1 / (learning rate x decay) steps, which are fewer epochs of more rows, so that what is rare in them is forgotten."""
MANY_NUMBERS, SHORT_VECTOR, MORE_DECAY = 24, 4, 2.0
"""In a table of more numbers a vector has so many, and the weight decay is so many times as large."""
BINS, ROWS_OF_A_BIN = 48, 10
"""The most bins of a small table, which has at least so many rows for each of them."""
MANY_BINS, MANY_ROWS_OF_A_BIN = 200, 100
"""The most bins of a large one, which has so many rows for each."""
MOST_GROUPS = MOST_ROWS
"""The groups up to which there are few: as many as few rows, because each is one example of what tells them apart."""
OF_FEW_GROUPS = {"hidden_layer_sizes": (64, 64), "dropout": 0.2}
"""The network of rows that belong to few groups."""
MOST_NUMBERS = 128
"""A table of more numbers has no embedding; with several classes or labels one has none beyond `MANY_NUMBERS`."""


def for_tables(facts: Facts) -> Proposal:
    """Return the network and the training of the recipe above."""
    rows = facts.rows
    batch = next((size for most, size in BATCHES if rows <= most), 2 * BATCHES[-1][1])
    epochs = max(20, round(EPOCHS * min(1.0, ROWS_OF_FEWER_EPOCHS / max(rows, 1)) ** 0.5))
    found: dict[str, Any] = {
        "hidden_layer_sizes": (256, 128, 64),
        "dropout": 0.1,
        "batch_size": min(batch, max(rows * 4 // 5, 1)),  # of the rows that are not held out
        "max_iter": epochs,
        "tol": 0.0,
    }
    if facts.groups is not None and facts.groups <= MOST_GROUPS:
        found |= OF_FEW_GROUPS
    found |= {
        "optimizer": AdamW(2e-3, weight_decay=decay_of(rows)),
        "schedule": Cosine(warmup=0.05),
        "alpha": 0.0,
    }
    if rows >= MIN_ROWS_TO_HOLD_OUT:
        found |= {
            "early_stopping": True,
            "validation_fraction": min(0.15, MOST_HELD_OUT / rows),
            "n_iter_no_change": PATIENCE,
            "scoring": "loss",
        }
    # The statistics of a batch norm are those of the last parameters, not of their average.
    averaging = 0.0 if facts.given.get("batch_norm") else AVERAGING
    is_refit = found.get("validation_fraction", 0.0) >= REFIT
    return Proposal(found, front=(Scale(rate=FRONT_RATE),), averaging=averaging, refit=is_refit)


def decay_of(rows: int) -> float:
    """Return the weight decay of so many rows."""
    return DECAY * min(1.0, MOST_DECAYED / max(rows, 1))


def fast(facts: Facts) -> Proposal:
    """Return the recipe above with a piecewise linear embedding of each number, if there are not too many."""
    return embedded(facts) if are_few(facts) else for_tables(facts)


def are_few(facts: Facts) -> bool:
    """Return whether the numbers are few enough for an embedding."""
    most = MANY_NUMBERS if facts.task in ("multiclass", "multilabel") else MOST_NUMBERS
    return len(facts.numbers) <= most


def embedded(facts: Facts) -> Proposal:
    """Return the recipe above with a piecewise linear embedding of each number, however many there are."""
    proposal = for_tables(facts)
    if not facts.numbers:
        return proposal
    many = len(facts.numbers) > MANY_NUMBERS
    size = SHORT_VECTOR if many else VECTOR
    embedding = PiecewiseLinearEmbedding(size, bins_of(facts.rows), columns=facts.numbers, ties=TIES)
    made = proposal._replace(front=(embedding, *proposal.front))
    return decayed(made, MORE_DECAY * decay_of(facts.rows)) if many else made


def bins_of(rows: int) -> int:
    """Return the bins of a number in a table of so many rows."""
    return max(min(MANY_BINS, rows // MANY_ROWS_OF_A_BIN), min(BINS, rows // ROWS_OF_A_BIN), 2)


def decayed(proposal: Proposal, decay: float) -> Proposal:
    """Return the proposal with another weight decay."""
    optimizer = replace(proposal.parameters["optimizer"], weight_decay=decay)
    return proposal._replace(parameters={**proposal.parameters, "optimizer": optimizer})


TABLE = {"category_scale": 0.1}
"""The settings of the preprocessor that are not its default."""
RECIPE = Recipe(fast, TABLE, OF_FEW, OF_WIDE)
