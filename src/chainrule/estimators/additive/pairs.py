"""Choose the pairs of columns whose cells a model of single columns leaves something to explain."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators.tables.crossed import Crossed, Side, sides, with_edges
from chainrule.estimators.tables.preprocessor import TablePreprocessor
from chainrule.formulas.paths import Paths

TEST_CELLS = 8
"""The cells of a number in the test."""
ROWS_OF_A_CELL, LEAST_CELLS, MOST_CELLS = 40, 4, 32
"""The rows for each cell of a pair, and the least and the most cells of a number in it."""
SURE = 4.0
"""How many standard deviations above chance the explained part must be."""
MOST_PAIRS = 12
CELL_VECTOR = 4
"""The numbers of a cell's vector."""
MOST_COLUMNS = 60
"""Of more columns those are tested whose own cells leave most to explain."""


class Scored(NamedTuple):
    """A pair of columns, and how far what its cells explain is above chance, in standard deviations."""

    first: Side
    second: Side
    score: float


def score(
    residual: NDArray[np.float64], weight: NDArray[np.float64], a: NDArray[np.int64], b: NDArray[np.int64]
) -> float:
    r"""Return how far the interaction of two columns of cells is above chance, in standard deviations.

    SS = sum over cells of (sum w r)^2 / sum w, for the cells of both columns less those of each one, over the variance
    of r: about chi-squared with (A - 1)(B - 1) degrees of freedom where there is no interaction, whose mean is taken
    off and by whose deviation sqrt(2 df) the rest is divided. The sum over the outputs of r.
    residual: (n, outputs).  weight: (n,).  a, b: (n,) cells.
    Source: the idea, Lou, Caruana, Gehrke and Hooker, "Accurate intelligible models with pairwise interactions", KDD
    2013.
    """
    both = a * (b.max() + 1) + b
    total, chance = 0.0, 0.0
    cells = [np.unique(each, return_inverse=True)[1] for each in (both, a, b)]
    df = float(max(cells[0].max() - cells[1].max() - cells[2].max(), 1))
    for r in residual.T:
        wr, own = weight * r, 0.0
        for cell, sign in zip(cells, (1.0, -1.0, -1.0), strict=True):
            sums, mass = np.bincount(cell, wr), np.bincount(cell, weight)
            own += sign * float((sums**2 / np.maximum(mass, 1e-300)).sum())
        variance = float(np.average(r**2, weights=weight)) * float((weight**2).sum() / weight.sum())
        total += own / max(variance, 1e-300)
        chance += df
    return float((total - chance) / np.sqrt(2 * chance))


def chosen(
    prepared: TablePreprocessor,
    out: NDArray[np.floating],
    residual: NDArray[np.float64],
    weight: NDArray[np.float64],
    paths: Paths | None = None,
) -> TablePreprocessor:
    """Return the preparation of a table with the cells of the pairs that explain most of what is left.

    out: (n, width) the prepared training table.  residual: (n, outputs) what is left of the targets.
    paths: of the outputs, where there are constraints: no pair has a column with a direction, or two of different sets.
    """
    known = [side for side in sides(prepared.learned_) if paths is None or not paths.directions[side.start]]
    tested = [with_edges(side, out, TEST_CELLS) for side in known]
    cells = [side.codes(out) for side in tested]
    if len(tested) > MOST_COLUMNS:
        spread = [np.unique(each).size for each in cells]
        kept = np.argsort(-np.array(spread), kind="stable")[:MOST_COLUMNS]
        known, cells = [known[k] for k in kept], [cells[k] for k in kept]
    found = [
        Scored(known[i], known[j], score(residual, weight, cells[i], cells[j]))
        for i, j in combinations(range(len(known)), 2)
        if paths is None or (paths.sets[known[i].start] & paths.sets[known[j].start]).any()
    ]
    best = sorted((each for each in found if each.score > SURE), key=lambda each: -each.score)[:MOST_PAIRS]
    return prepared.crossed(crossings(best, out, CELL_VECTOR))


def crossings(pairs: Sequence[Scored], out: NDArray[np.floating], size: int) -> list[Crossed]:
    """Return pairs with as many cells of their numbers as there are rows and values for."""
    made = []
    for pair in pairs:
        most = [distinct_of(side, out) for side in pair[:2]]
        wanted = len(out) / ROWS_OF_A_CELL
        least = min(most)
        root = wanted**0.5
        each = [
            min(own, max(wanted / least if least < root else root, LEAST_CELLS), MOST_CELLS) for own in most
        ]
        sides_of = [with_edges(side, out, int(cells)) for side, cells in zip(pair[:2], each, strict=True)]
        made.append(Crossed(sides_of[0], sides_of[1], size))
    return made


def distinct_of(side: Side, out: NDArray[np.floating]) -> int:
    """Return the most cells that a column can have."""
    return side.cells if side.kind != "scaled" else np.unique(out[:, side.start]).size
