"""The recipe "fast": what `preprocess="auto"` sets of the parameters that are at their defaults.

scikit-learn's defaults are those of its MLP, which expects numbers prepared by hand. For a table that the estimator
prepares itself the network is another one:

    Embedding of the codes, PiecewiseLinearEmbedding of the numbers, Scale(6), then Dense, ReLU, Dropout for each of
    three layers, Dense

trained by AdamW with a strong decay and half a cosine, on 85 % of the rows (all but 10,000 of many). The moving average
of its parameters over the epochs is judged on the others. The network is then the one that is trained from the same
start on all rows, for as many epochs as had the least loss (`estimators/refit.py`). A parameter that has another value
than its default keeps it; where one of the optimizer has, all of `settings.OPTIMIZING` stay as they are.

It was chosen on at most 8,250 rows of each table of `make bench-tables`, one split and one seed, by the test loss (log
loss or RMSE) relative to that of scikit-learn's MLP behind a pipeline made by hand, as geometric mean. Over nine
tables, 50 epochs:

    two layers of 128                            0.90    with Mish 0.90, SELU 0.96, OneCycle 0.89 (dropout of 0.1)
    the same, dropout of 0.1 and of 0.3          0.89 and 0.92
    a decay of 0.3, of 1, of 3                   0.85, 0.92, 1.13
    Scale(6) and dropout of 0.1                  0.87
    Scale(6) and a decay of 0.3                  0.83
    three layers of 128, dropout of 0.1, both    0.80    with batches of 64 0.79, a rate of 4e-3 0.80
    256, 128 and 64 of them                      0.77
    256 and 256 of them                          0.82

Over nineteen tables 256, 128 and 64 have 0.89, for 100 epochs 0.87; HistGradientBoosting has 0.94. The largest
ratio is 1.06, on the flights' delays; there a skip of the inputs to the last layer and a logarithmic squashing of
numbers were tried, which changed it by 0.02 at most.

The vectors of categories start as N(0, 1), as published for RealMLP. On five tables with more than 8 categories in a
column, 6,600 rows to train on and five splits each, another start changed the test loss by less than the splits do. The
ratio to that of N(0, 1), where up to 64 categories are one-hot (three of the tables have more): 1.006 for N(0, 0.3^2),
1.007 for N(0, 0.1^2), on storms worse in each split; where up to 8 are: 0.993, 0.993, and 0.998 for N(0, 0.03^2), on
adult better in each split.

The embedding of the numbers was chosen after that, on at most 6,000 rows of six tables and one split, as the mean of
two networks, relative to the same without it: vectors of 8 and 48 bins 0.92, of 8 and 16 bins 0.96 (of the ranks in
place of the numbers 0.97), of 4 and 32 bins 0.97. With all rows and three splits a table it has, in the mean of the
splits:

    14 tables of 2 to 19 numbers                 0.94    weather 0.81, penbased 0.84, storms 0.85; wa_churn 1.003
    the flights, of one split                    0.86    of the delay, 0.97 of being late
    Caravan and loans_full_schema (85 and 34)    0.98, 0.99
    optdigits and satimage (61 and 36)           1.12, 1.11

The last two are of pixels. On tables of many numbers an embedding makes the loss larger where there are several
classes, and smaller where there are two or a number to predict. The geometric mean over two or three splits (none of
the page's) of the ratio to no embedding, on at most 8,000 rows:

    30 to 85 numbers, two classes or a number    ionosphere 0.87, sonar 0.88, wdbc 0.93, ames 0.96, spambase 0.97,
                                                 Caravan 0.97, loans_full_schema 0.98, cells 1.02
    36 to 90 numbers, 6 to 32 classes            movement_libras 0.88, leaf_id 1.06, satimage 1.14, digits 1.19,
                                                 texture 1.29, optdigits 1.61

So a table of more than 24 numbers has one if it has no more than two classes. Its vectors are of 4 numbers, in two
thirds of the time of 8 (Caravan 0.979 for 0.993 on eight splits; ames, cells, loans and spambase 0.966 for 0.968), and
its decay is 0.6 (these five tables, four splits: 0.965 of no embedding, 0.969 with 0.3, 0.960 with 1, where spambase
has 0.89 for 0.93 and ames 0.98 for 0.96).

The outputs of a column of more than 8 categories are 0.1 in place of 1 (`category_scale`), so that the network learns
less of single ones, of which it has few rows. On at most 8,000 rows and without a network of all, six splits (none of
the page's), the ratio of the loss to that with 1:

    adult and lending_club                       0.984, 0.993; with 0.3 0.991, 0.994; with 0.05 0.985, 0.993
    of columns of 3 to 8 categories too          diamonds 1.013, nassCDS 1.007, the others 1.00
    a start of 0.1 in Scale in place of it       adult 0.990, storms 1.008

With all rows and on the page's splits adult and loans_full_schema have 0.989, lending_club 1.000, storms 1.001. A start
of the vectors of codes as N(0, 0.1^2) beside it has 1.025 on storms, so they keep N(0, 1).

A large table has more bins. Of 20,000 rows at most of the nine tables that have them, one or two splits (none of the
page's), 200 bins have 0.994 of the loss of 48 (standard error 0.004) in 0.98 of the time: storms 0.970, weather 0.988,
adult 0.990, randhie 0.992, nlswork 0.994, CPS1988 1.000, diamonds and movies 1.001, nassCDS 1.008. Of 6,000 rows 128
bins have 1.002 of it on five tables.

Rows of one number count for one bin at most in the quantiles that are the edges (`ties`), so that a number that most
rows have leaves edges to the others. Relative to all rows, as the ratio of the mean test losses of three splits:

    adult (0 in 92 and 95 % of two columns)      0.937 (two splits), with an accuracy of 0.868 for 0.857
    phoneme, Bikeshare, nlswork, randhie         0.967, 0.994, 1.000, 0.999
    storms                                       1.017
    penbased                                     1.15: one split went from 0.008 to 0.018, the others to 0.98 and 0.94

Of 2 bins at most adult has 0.943 and phoneme 0.994, of 4 adult has 0.953.

The average of the parameters keeps 0.8 of itself at the end of an epoch, so it is that of some five epochs. The epoch
with the least loss is often an early one, whose rate is still high: an average then does what a falling rate does. On
at most 6,000 rows of 18 tables, one split (none of the page's) and one seed, the ratio of the test loss to that of no
average:

    18 tables                                    0.976 (standard error 0.008, median 0.990), smaller on each of them
    optdigits, penbased, phoneme, diamonds       0.89, 0.91, 0.93, 0.97
    wa_churn, weather, storms                    1.000, 0.999, 0.999

in 1.05 of the time, for the best epoch comes later. Of an average that keeps 0.5, 0.7, 0.8, 0.9 and 0.95 phoneme has
0.934, 0.933, 0.932, 0.934 and 0.942, penbased 0.929, 0.919, 0.910, 0.905 and 0.914, Caravan 0.984, 0.977, 0.975, 0.974
and 0.974.

It waits 20 epochs for a smaller loss. A fifth of the epochs, 10 of 48, ended one of the page's splits of diamonds at
epoch 4 with 1.15 of the error: a few rows with impossible sizes made the loss rise for twelve epochs, which is not yet
to learn the rows by heart.

The network of all rows has this ratio of the loss to the one that was judged, on at most 8,000 rows of 18 tables, one
or two splits (none of the page's):

    31 cases                                     0.973 (standard error 0.011, median 0.995)
    optdigits, weather, storms, penbased         0.86, 0.91, 0.94, 0.95
    phoneme, satimage, nlswork                   0.96, 0.96, 0.99
    diamonds                                     1.05: a few of its rows have impossible sizes

and between 0.995 and 1.006 on the others, in 1.59 of the processor's time. By the clock of two cores a fit of Bikeshare
takes 3.8 s for 2.3, of randhie 5.6 for 3.2, of diamonds 9.1 for 4.8.
The mean prediction of both has 0.971 (0.008), that of two networks of all rows 0.957 (0.013) in 2.16 of the time.

What was tried beside the average, on at most 6,000 rows of as many tables, one split and one seed, as the ratio of the
loss to that with it, its standard error, and the ratio of the time:

    refit with 0.6 of the epochs, 13             1.009 (0.005) in 1.36
    0.2 of the best epochs more on all rows, 12  0.997 (0.007) in 1.04: storms 0.97, adult 1.02, Caravan 1.03
    2 members, 10                                1.012 (0.017, median 1.000) in 1.97: storms 0.97, penbased 1.18
    a tenth of the rows held out, 13             1.014 (0.010, median 1.001) in 1.08
    dropout of 0.25, 18                          1.023 (0.010) in 1.17
    a decay of 0.15, 9                           1.015 (0.011) in 0.97
    a rate of 4e-3, 7                            1.025 (0.016) in 0.83
    a temperature by the rows held out, 9        1.001 (0.005, two splits and seeds): phoneme 0.98, optdigits 1.04
    of 20,000 rows 512, 256 and 128 neurons, 4   0.989 (0.002) in 2.56, beside 200 bins 0.994 (0.003)
    of 20,000 rows 384, 192 and 96 neurons, 3    1.002 (0.002) in 1.58

It is one network. Before there was the average members made the most of more processor time, as measured on 14 of the
tables, 3,000 or 6,000 rows to train on, by the loss relative to that of one network:

    2 members, 19 cases                          0.988 (standard error 0.011, median 0.996) in 2.0 of the time
    the same of half the epochs, 18 cases        0.970 (0.023, 0.999) in 1.7: penbased 0.70 and 0.82
    4 members, 11 cases                          0.982 (0.008, 0.988) in 4.2
    twice the epochs, 3 cases                    1.019 in 1.7
    400, 200 and 100 neurons, 3 cases            1.001 in 1.6

On most tables a second network takes less than a hundredth off the loss, so it is left to who asks for it by n_members.

Nor is it trained in bfloat16, though the processor multiplies it (AVX-512 BF16): an epoch of 5,510 rows of 34 numbers,
10 of them embedded, in batches of 128 takes 36 ms, 26 in float32: such layers are too narrow to win back the rounding.
Batches of 64 and 256 take 27 and 24 ms. With half and twice the batch diamonds (40,455 rows) has 1.001 and
1.009 of the loss (of its logarithm), movies (44,091 rows) 1.012 and 1.001.

Source of Scale and the strong decay: Holzmüller, Grinsztajn and Steinwart, "Better by default: strong pre-tuned MLPs
and boosted trees on tabular data" (2024).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chainrule.estimators.recipes.base import Facts, Proposal, Recipe
from chainrule.estimators.recipes.parts import LEAST
from chainrule.formulas.layers import PiecewiseLinearEmbedding, Scale
from chainrule.formulas.optimizers import AdamW
from chainrule.formulas.schedules import Cosine

BATCHES = ((4_000, 64), (16_000, 128), (60_000, 256))
"""Up to so many rows, the samples of a batch; beyond the last twice its batch."""
EPOCHS, MANY = 100, 10_000
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
MANY_NUMBERS, SHORT_VECTOR, MORE_DECAY = 24, 4, 0.6
"""In a table of more numbers a vector has so many, and the weight decay is this one."""
BINS, ROWS_OF_A_BIN = 48, 10
"""The most bins of a small table, which has at least so many rows for each of them."""
MANY_BINS, MANY_ROWS_OF_A_BIN = 200, 100
"""The most bins of a large one, which has so many rows for each."""
MOST_NUMBERS = 128
"""A table of more numbers has no embedding; with several classes or labels one has none beyond `MANY_NUMBERS`."""


def for_tables(facts: Facts) -> Proposal:
    """Return the network and the training of the recipe above."""
    rows = facts.rows
    batch = next((size for most, size in BATCHES if rows <= most), 2 * BATCHES[-1][1])
    epochs = max(20, round(EPOCHS * min(1.0, MANY / max(rows, 1)) ** 0.5))
    found: dict[str, Any] = {
        "hidden_layer_sizes": (256, 128, 64),
        "dropout": 0.1,
        "batch_size": min(batch, max(rows * 4 // 5, 1)),  # of the rows that are not held out
        "max_iter": epochs,
        "tol": 0.0,
    }
    found |= {"optimizer": AdamW(2e-3, weight_decay=0.3), "schedule": Cosine(warmup=0.05), "alpha": 0.0}
    if rows >= LEAST:
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
    large = min(MANY_BINS, facts.rows // MANY_ROWS_OF_A_BIN)
    bins = max(large, min(BINS, facts.rows // ROWS_OF_A_BIN), 2)
    many = len(facts.numbers) > MANY_NUMBERS
    size = SHORT_VECTOR if many else VECTOR
    embedding = PiecewiseLinearEmbedding(size, bins, columns=facts.numbers, ties=TIES)
    made = proposal._replace(front=(embedding, *proposal.front))
    return decayed(made, MORE_DECAY) if many else made


def decayed(proposal: Proposal, decay: float) -> Proposal:
    """Return the proposal with another weight decay."""
    optimizer = replace(proposal.parameters["optimizer"], weight_decay=decay)
    return proposal._replace(parameters={**proposal.parameters, "optimizer": optimizer})


TABLE = {"category_scale": 0.1}
"""The settings of the preprocessor that are not its default."""
RECIPE = Recipe(fast, TABLE)
