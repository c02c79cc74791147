"""Rows that belong together: with the same inputs, or of one person or thing."""

from __future__ import annotations

import numpy as np

from chainrule.estimators.notices import judge
from chainrule.estimators.notices.notice import Notice
from chainrule.estimators.notices.sample import (
    Rows,
    SampledTable,
    autocorrelation,
    is_of_thing,
    is_of_time,
)
from chainrule.estimators.tables.rarity import mean_squares

LEAST_REPEATED = 0.2
"""of the rows have the inputs of another one"""
LEAST_SHARED = 0.2
"""of the rows share their group with another row"""
MORE_THAN_CHANCE = 3.0
"""Rows with the same inputs, relative to those of independent columns."""
FEWEST_GROUPS, LARGEST_GROUP = 20, 0.1
"""of the rows at most are in the group of a typical row"""
IN_ONE_PIECE = 0.2
"""the changes from row to row, relative to those of shuffled rows, up to which the rows of a group follow each other"""
MANY_GROUPS = 50
"""of a text, whatever its name and its order"""
LEAST_CORRELATION = 0.02
"""of the targets in a group, to be judged"""
MOST_JUDGED = 3
SMOOTH = 0.3
"""the correlation of the means of neighboring values from which a number is a quantity"""


def repeated(table: SampledTable) -> tuple[list[Notice], Rows | None]:
    """Return a notice of rows with the inputs of another one, and which rows have the same, (rows,)."""
    rows, random = len(table.y), np.random.default_rng(0)
    key, alike = np.zeros(rows, np.uint64), float(rows)
    for k in np.flatnonzero(table.is_input).tolist():
        codes = table.codes(k)
        shares = np.bincount(codes) / rows
        alike *= float((shares**2).sum())
        key += random.integers(0, 2**63, len(shares), np.uint64)[codes]
    _, codes, counts = np.unique(key, return_inverse=True, return_counts=True)
    share = float((counts[codes] > 1).mean())
    observed = float((counts.astype(float) ** 2).sum()) / rows - 1
    if share < LEAST_REPEATED or observed < MORE_THAN_CHANCE * alike:
        return [], None
    found = judge.compared(table, judge.by_groups(table, codes))
    if found is None or not found.differs:
        return [], None
    scores = found.with_it.score, found.without.score
    return [Notice("repeated", (), judge.score_of(table), *scores, share, len(counts))], codes


def grouped(table: SampledTable) -> tuple[list[Notice], Rows | None]:
    """Return a notice of the column whose rows belong together, and the group of each row, (rows,)."""
    candidates = []
    for k in range(len(table.names)):
        codes = table.codes(k)
        spread = mean_squares(codes, table.outputs.T) if may_group(table, k, codes) else None
        if spread is not None and spread.rho >= LEAST_CORRELATION:
            candidates.append((spread.rho, k, codes))
    candidates.sort(key=lambda each: -each[0])
    best: tuple[judge.ScorePair, float, int, Rows] | None = None
    for rho, k, codes in candidates[:MOST_JUDGED]:
        found = judge.compared(table, judge.by_groups(table, codes), codes if table.is_input[k] else None)
        if found is not None and found.differs and (best is None or found.ratio > best[0].ratio):
            best = found, rho, k, codes
    if best is None:
        return [], None
    found, rho, k, codes = best
    scores = found.with_it.score, found.without.score
    notice = Notice("groups", (table.names[k],), judge.score_of(table), *scores, rho, int(codes.max()) + 1)
    return [notice], codes


def may_group(table: SampledTable, column: int, codes: Rows) -> bool:
    """Return whether a column may tell persons or things apart that have several rows each.

    Text of many values may; other text, and whole numbers, if their name says so or if the rows of a value follow each
    other, as they do in a table that is sorted by them. A number in which the target is smooth is a quantity, and what
    has a name of time is time.
    """
    name, values, kind = table.names[column], table.values[:, column], table.kinds[column]
    if kind not in ("category", "number") or is_of_time(name):
        return False
    counts = np.bincount(codes)
    if len(counts) < FEWEST_GROUPS or np.median(counts[codes]) > LARGEST_GROUP * len(codes):
        return False
    if (counts[codes] > 1).mean() < LEAST_SHARED:
        return False
    follow = changes(codes) < IN_ONE_PIECE * (1 - float(((counts / len(codes)) ** 2).sum()))
    if kind == "category":
        return follow or len(counts) >= MANY_GROUPS or is_of_thing(name)
    if (values % 1 > 0).any() or not (follow or is_of_thing(name)):
        return False
    means = np.stack([np.bincount(codes, output) / counts for output in table.outputs.T], 1)
    return autocorrelation(means) < SMOOTH


def changes(codes: Rows) -> float:
    """Return the share of the rows that have another value than the one before."""
    return float((codes[1:] != codes[:-1]).mean())
