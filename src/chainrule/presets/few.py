"""What "fast" does with few rows: an ensemble of small networks, each of which leaves out another fold.

    Embedding of the codes, PiecewiseLinearEmbedding of the numbers, Scale(6), Dense(64), ReLU, Dropout, Dense

and for classes behind it z = c tanh(u / c) + d, with d = 0 while it is trained and c = ln n for several classes or
2 ln n for two, of n rows: so many cannot say that a class is rarer than one in n squared, and no probability is below
1 / (1 + (K - 1) n^2) of K classes.

Sixteen members, or eight of more rows in few groups or of many numbers, are trained together, for at most a hundred
epochs. What those that have not seen a row predict for it says which epoch is the best, and how sure its probabilities
may be: see `chainrule.fitting.folds`. A number of a table is three inputs ("robust+rank+linear"): its smoothly
clipped value, its rank within what so many rows can say of the tails, and its value unbent, in which what is linear
stays so, further where numbers are predicted. Of these ridge regressions are a part of each member, and for times to
an event and classes of very few rows logistic ones, as heavy as predictions out of fold say
(`chainrule.fitting.few_solved`).
Of two classes and very few rows, half of a member's logit is a logistic regression on steps of pairs of columns, which
are drawn by chance (`chainrule.fitting.few_solved`).

The settings are a function of the rows, the numbers and the classes. They were chosen on half of the open tables with
50, 200 and 1,000 rows; `benchmarks/notes/few_rows.md` has the figures, of the other half too.

Sources: out-of-fold predictions of members that leave out folds, Krogh and Vedelsby, "Neural network ensembles, cross
validation, and active learning", NeurIPS 1994; the temperature, Guo, Pleiss, Sun and Weinberger, "On calibration of
modern neural networks", ICML 2017.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

from chainrule.formulas.initializers import Constant
from chainrule.formulas.layers import Dense, Layer, PiecewiseLinearEmbedding, Scale, Shift, Tanh
from chainrule.formulas.optimizers import AdamW
from chainrule.formulas.schedules import Cosine
from chainrule.presets.base import Facts, FoldMembers, OfFewRows, Proposal

LEAST_ROWS, MOST_ROWS = 2, 1_500
"""The rows from which, and up to which, there are few. A single row cannot be left out."""
MOST_ROWS_OF_GROUPS = 10_000
"""The rows up to which those of at most `MOST_ROWS` groups are few: a group is one example of what tells them apart."""
WIDTH = 64
STEPS = 64
"""The steps drawn by chance that are solved beside each member, of two classes, very few rows and not many numbers."""
WITHOUT_LINEAR_PART = frozenset({"hidden_layer_sizes", "activation", "residual", "loss", "quantiles"})
"""The parameters beside which a network has no linear part."""
EPOCHS, PATIENCE = 100, 30
BATCHES = ((500, 32), (MOST_ROWS, 64))
"""Up to so many rows, the samples of a batch; beyond, of wide tables, twice as many."""
FRONT_RATE = 6.0


class Fineness(NamedTuple):
    """How fine the curves of numbers are."""

    vector: int
    """the numbers of a vector in place of a number"""
    rows_of_a_bin: int
    """the least rows for each bin of a number"""


BINS = 48
"""The most bins of a number."""
COARSE, FINE = Fineness(4, 10), Fineness(8, 5)
MOST_FINE = 500
"""The rows up to which the curves of a network for numbers that nobody has set are fine, unless there are very few."""
FOLDS, DEALINGS = 8, 2
"""The folds of a dealing, a member each, and the dealings: one of more rows than `MOST_ROWS`, of few groups, and of
more than `MANY_NUMBERS`."""
MANY_NUMBERS = 100
"""The columns of numbers up to which there are sixteen members: eight of more take half the time, and lose nothing."""
FINE_OF_MANY = Fineness(4, 5)
"""How fine the curves of more numbers are where those of fewer are fine: a third less time, and no loss."""
VERY_FEW = 100
"""The rows up to which there are very few."""
RATE, DROPOUT = 4e-3, 0.1
VERY_FEW_RATE, VERY_FEW_DROPOUT = 2e-3, 0.3
"""Of very few rows, with which a network learns less and forgets more."""
VERY_FEW_CURVES = 2.0
"""How far the curves bend in a bin with which a network of very few rows begins."""
DECAY = 0.3


class FewSettings(NamedTuple):
    """What of the recipe another one may change."""

    layers: int = 1
    """the hidden layers, each of WIDTH; without exactly one there is no linear part"""
    fineness: Fineness | None = None
    """how fine the curves of numbers are; None for what the rows say"""
    curves: float | None = None
    """how far the curves bend in a bin with which a network begins; None for what the rows say"""
    decay: float = DECAY
    members: int | None = None
    """how many there are, the first ones; None for all of all dealings"""
    strong: int | None = None
    """the most inputs that a member of a wide table learns from, beside a linear part of all; None for all"""


AS_ABOVE = FewSettings()


def few(facts: Facts, settings: FewSettings = AS_ABOVE) -> Proposal:
    """Return the network and the training above, or with other settings of them."""
    rows = facts.rows
    is_very_few = rows <= VERY_FEW
    rate, dropout, curves = (
        (VERY_FEW_RATE, VERY_FEW_DROPOUT, VERY_FEW_CURVES) if is_very_few else (RATE, DROPOUT, 0.0)
    )
    curves = curves if settings.curves is None else settings.curves
    is_own, is_of_numbers = WITHOUT_LINEAR_PART.isdisjoint(facts.given), facts.task == "regression"
    is_wide = settings.strong is not None
    if is_wide:
        facts = facts._replace(numbers=facts.numbers[: settings.strong])  # in place of those that are strong
    is_solved = is_of_numbers or is_very_few or is_wide or facts.task == "survival"
    has_linear_part = is_own and is_solved and settings.layers == 1
    is_dealt_again = rows <= MOST_ROWS and len(facts.numbers) <= MANY_NUMBERS
    batch = next((size for most, size in BATCHES if rows <= most), BATCHES[-1][1] * (2 if is_wide else 1))
    sizes, dealings = [WIDTH] * settings.layers, DEALINGS if is_dealt_again else 1
    members, folds = FOLDS * dealings, FoldMembers(FOLDS, dealings, curves, has_linear_part)
    folds = folds._replace(strong=settings.strong)
    if has_linear_part and facts.task == "binary" and len(facts.numbers) <= MANY_NUMBERS:
        folds = folds._replace(steps=STEPS)
    if settings.members is not None and settings.members < members:
        members, folds = settings.members, folds.first(settings.members)
    if has_linear_part:
        sizes[0] += folds.units_beside(facts.outputs).number
    found: dict[str, Any] = {
        "hidden_layer_sizes": tuple(sizes),
        "dropout": dropout,
        "batch_size": min(batch, max(rows, 1)),
        "max_iter": EPOCHS,
        "tol": 0.0,
        "n_iter_no_change": PATIENCE,
        "optimizer": AdamW(rate, weight_decay=settings.decay),
        "schedule": Cosine(warmup=0.05),
        "alpha": 0.0,
        "early_stopping": True,
        "scoring": "loss",
        "n_members": members,
    }
    front: list[Layer] = [Scale(rate=FRONT_RATE)]
    if facts.numbers:
        is_fine = is_own and is_of_numbers and VERY_FEW < rows <= MOST_FINE
        fine = FINE if len(facts.numbers) <= MANY_NUMBERS else FINE_OF_MANY
        vector, rows_of_a_bin = settings.fineness or (fine if is_fine else COARSE)
        bins = max(2, min(BINS, rows // rows_of_a_bin))
        front.insert(0, PiecewiseLinearEmbedding(vector, bins, columns=facts.numbers, ties=1))
    return Proposal(
        found,
        front=tuple(front),
        head=None if facts.task == "regression" else lambda outputs: bounded(outputs, facts),
        clamp=True,
        folds=folds,
    )


def bounded(outputs: int, facts: Facts) -> tuple[Layer, ...]:
    """Return the last layers of a classifier, whose logits are within [-c, c]."""
    c = (1 if facts.task == "multiclass" else 2) * math.log(max(facts.rows, 3))
    return (
        Dense(outputs),
        Scale(rate=0.0, decays=0.0, initializer=Constant(1 / c)),
        Tanh(),
        Scale(rate=0.0, decays=0.0, initializer=Constant(c)),
        Shift(rate=0.0, decays=0.0),
    )


TABLE = {"category_scale": 0.1, "scale": "robust+rank+linear"}
"""The settings of the preprocessor that are not its default."""
TABLE_OF_NUMBERS = {"scale": "robust+rank+straight"}
"""Those that are others where numbers are predicted, of which a part is linear."""
BESIDE = frozenset(
    {
        *("hidden_layer_sizes", "activation", "dropout", "residual", "loss", "quantiles", "class_weight"),
        *("label_smoothing", "knots", "optimizer", "clip_norm", "alpha", "batch_size", "learning_rate"),
        *("learning_rate_init", "power_t", "momentum", "nesterovs_momentum", "beta_1", "beta_2", "epsilon"),
        *("max_iter", "n_iter_no_change", "tol", "time_limit", "random_state", "warm_start", "verbose"),
        *("callbacks", "dtype", "engine", "precision", "preset", "preprocess", "lookup", "gap", "max_fun"),
    }
)
"""The parameters that may be given; with others, such as n_members or scoring, rows are held out as of many rows."""
OF_FEW = OfFewRows(LEAST_ROWS, MOST_ROWS, few, TABLE, BESIDE, TABLE_OF_NUMBERS, MOST_ROWS_OF_GROUPS)

STRONG = 128
"""The most inputs that a member of a wide table learns from."""
MOST_ROWS_OF_WIDE, MOST_CELLS = 10_000, 2e7
"""The rows, and the rows times the columns, up to which the rows of such a table are few."""
BESIDE_WIDE = BESIDE - {"callbacks"}
"""Callbacks would be told of networks of some of the inputs."""
OF_WIDE = OfFewRows(
    LEAST_ROWS,
    MOST_ROWS_OF_WIDE,
    partial(few, settings=FewSettings(strong=STRONG)),
    {**TABLE, "scale": "linear"},
    BESIDE_WIDE,
    {"scale": "straight"},
    most_cells=MOST_CELLS,
)
"""With few rows of more than `MANY_COLUMNS` columns."""
