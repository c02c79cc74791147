"""Look at a training table for what makes its scores too good.

Columns that know the target or number the rows say something of the target that they will not of other rows; rows that
belong together have the same inputs, or are of one person or thing; those next to each other may be alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from chainrule.core import hints
from chainrule.errors import LeakWarning
from chainrule.estimators.fit.data import FitData, FitInput
from chainrule.estimators.notices import judge, sample
from chainrule.estimators.notices.notice import Notice, Notices, is_silent
from chainrule.estimators.notices.sample import Array, Rows, SampledTable
from chainrule.estimators.tables.rarity import mean_squares

FEWEST_ROWS = 100


def of_fit(given: FitInput, data: FitData, is_alone: bool) -> Notices:
    """Return what a fit notices, and warn of it; nothing for arrays, and where warnings are ignored and nobody asked.

    data: what was given, checked.
    is_alone: whether no search asks for the fit, which would hear the same of each trial.
    Rows are not looked at for what groups, time or X_val say of them already.
    """
    if not is_alone or data.preprocessor is None or data.samples.n < FEWEST_ROWS:
        return Notices()
    if is_silent():
        return Notices()
    table = sample.sampled(data)
    if table is None:
        return Notices()
    is_judged, known = given.X_val is not None, data.structure.groups
    together = None if known is None else known[table.rows]
    said = is_judged or known is not None, is_judged or given.time is not None
    with np.errstate(all="ignore"), threadpool_limits(1, "openmp"):
        found = looked_at(table, together, *said)  # more threads take longer to start than its trees to grow
    for each in found:
        hints.give(LeakWarning(str(each), each))
    return Notices(found)


def looked_at(
    table: SampledTable, together: Rows | None = None, has_groups: bool = False, has_time: bool = False
) -> tuple[Notice, ...]:
    """Return what is noticed of some rows of a table.

    together: (rows,) the group of each row, where it is known.  has_groups, has_time: whether it was said already which
    rows belong together, and which come later.
    """
    if table.y.std() == 0 or not table.is_input.any():
        return ()
    found = that_know(table)
    for each in found:  # beside which nothing else would show
        table = table.without(each.columns)
    if not table.is_input.any():
        return tuple(found)
    table = table.without_extremes()  # a few of which would decide alone whether scores differ
    found += that_number(table)
    if not has_groups:
        more, together = grouped(table)
        if not more:
            more, together = repeated(table)
        found += more
    if not has_time:
        found += in_time(table, together)
    return tuple(found)


KNOWS_NUMBERS, KNOWS_CLASSES = 0.97, 0.85
"""of the variance that a column explains alone, from which it is looked at"""
SUM_KNOWS = 1 - 1e-6
"""that several columns explain together, as a sum"""
MOST_SUMMED = 3
NUMBERS_RATIO, CLASSES_RATIO = 2.0, 5.0
"""of the errors without the column to those with it, at least"""


def that_know(table: SampledTable) -> list[Notice]:
    """Return a notice of the columns that know the target: alone, as a sum of several, or where they have a value."""
    least, ratio = (KNOWS_CLASSES, CLASSES_RATIO) if table.labels else (KNOWS_NUMBERS, NUMBERS_RATIO)
    there, of_time = ~np.isnan(table.values), _are_times(table)
    alone = np.where(table.is_input & ~(of_time & there.all(0)), sample.explained_alone(table), 0.0)
    gaps = table.is_input & ~of_time & ~there.all(0)
    partly = np.array([_explained_at(table, k, there[:, k]) if has else 0.0 for k, has in enumerate(gaps)])
    everywhere, somewhere = np.ones(len(table.y), bool), np.asarray(there[:, partly >= least].any(1))
    for rows, explained, summed in ((everywhere, alone, _summed(table)), (somewhere, partly, ())):
        if not summed and explained.max() < least:
            continue
        most = np.maximum(explained, partly)  # a column with gaps would hide that others know the target
        known = (table.names[k] for k in np.argsort(-most, kind="stable") if most[k] >= least)
        names = tuple(dict.fromkeys((*summed, *known)))
        found = judge.without_columns(table.at(rows).without_extremes(), names)
        if found is not None and found.ratio >= ratio:
            figure = 1.0 if summed else float(explained.max())
            return [found.notice(table, "target", names, figure)._replace(share=float(rows.mean()))]
    return []


def _explained_at(table: SampledTable, column: int, there: NDArray[np.bool_]) -> float:
    """Return what a column explains alone of the rows (rows,) where it has a value; 0 of too few, or of one target."""
    if there.sum() < FEWEST_ROWS or np.ptp(table.y[there]) == 0:
        return 0.0
    return float(sample.explained_alone(table.at(there, slice(column, column + 1)))[0])


def _are_times(table: SampledTable) -> NDArray[np.bool_]:
    """Return which columns are moments: what is near in time may be alike, and is no leak."""
    kinds = zip(table.names, table.kinds, strict=True)
    return np.array([sample.is_of_time(name) or kind == "date" for name, kind in kinds])


def _summed(table: SampledTable) -> tuple[str, ...]:
    """Return the fewest numbers of which the target is a weighted sum; none where there is no such sum of few."""
    if table.labels:
        return ()
    is_number = table.is_input & (np.array(table.kinds) == "number")
    usable = np.flatnonzero(is_number & ~np.isnan(table.values).any(0)).tolist()
    rows = slice(None, None, max(1, len(table.y) // judge.FEWEST_ROWS))
    x, y = table.values[rows][:, usable], table.y[rows] - table.y[rows].mean()
    x = (x - x.mean(0)) / np.where((deviation := x.std(0)) > 0, deviation, 1.0)
    if not usable or len(y) < 2 * len(usable) or not np.isfinite(x).all() or _left(x, y) > 1 - SUM_KNOWS:
        return ()
    chosen: list[int] = []
    rest = y
    while len(chosen) < MOST_SUMMED:
        chosen.append(int(np.argmax(np.abs(x.T @ rest))))
        rest = y - x[:, chosen] @ np.linalg.lstsq(x[:, chosen], y, rcond=None)[0]
        if float(rest @ rest) <= (1 - SUM_KNOWS) * float(y @ y):
            return tuple(table.names[usable[k]] for k in sorted(chosen))
    return ()


def _left(x: Array, y: Array) -> float:
    """Return the share of y's variance that a sum of the columns x does not explain."""
    rest = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    return float(rest @ rest) / max(float(y @ y), 1e-300)


def that_number(table: SampledTable) -> list[Notice]:
    """Return notices of the columns that number the rows, but for those that number moments."""
    found = []
    for k in np.flatnonzero(table.is_input).tolist():
        name = table.names[k]
        numbers_rows = sample.is_row_number(table, k) and not sample.is_of_time(name)
        if numbers_rows and not table.has_autocorrelation(np.argsort(table.values[:, k])):
            compared = judge.without_columns(table, (name,))
            if compared is not None:
                found.append(compared.notice(table, "row_number", (name,), 1.0))
    return found


LEAST_REPEATED = 0.2
"""of the rows have the inputs of another one"""
LEAST_SHARED = 0.2
"""of the rows share their group with another row"""
MORE_THAN_CHANCE = 3.0
"""Rows with the same inputs, relative to those of independent columns."""
FEWEST_GROUPS, LARGEST_GROUP = 20, 0.1
"""of the rows at most are in the group of a typical row"""
MANY_GROUPS = 50
"""of a text, whatever its name and its order"""
LEAST_CORRELATION = 0.02
"""of the targets in a group, to be judged"""
MOST_JUDGED = 3
SMOOTH = 0.3
"""the correlation of the means of neighboring values from which a number is a quantity"""


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
        found = judge.groups_compared(table, codes, codes if table.is_input[k] else None)
        if found is not None and found.differs and (best is None or found.ratio > best[0].ratio):
            best = found, rho, k, codes
    if best is None:
        return [], None
    found, rho, k, codes = best
    return [found.notice(table, "groups", (table.names[k],), rho, int(codes.max()) + 1)], codes


def may_group(table: SampledTable, column: int, codes: Rows) -> bool:
    """Return whether a column may tell persons or things apart that have several rows each.

    Text of many values may; other text, and whole numbers, if their name says so or if the rows of a value follow each
    other, as they do in a table that is sorted by them. A number in which the target is smooth is a quantity, and what
    has a name of time is time.
    """
    name, values, kind = table.names[column], table.values[:, column], table.kinds[column]
    if kind not in ("category", "number") or sample.is_of_time(name):
        return False
    counts = np.bincount(codes)
    if len(counts) < FEWEST_GROUPS or np.median(counts[codes]) > LARGEST_GROUP * len(codes):
        return False
    if (counts[codes] > 1).mean() < LEAST_SHARED:
        return False
    follow = sample.changes(codes) < sample.IN_ONE_PIECE * (1 - float(((counts / len(codes)) ** 2).sum()))
    if kind == "category":
        return follow or len(counts) >= MANY_GROUPS or sample.is_of_thing(name)
    if (values % 1 > 0).any() or not (follow or sample.is_of_thing(name)):
        return False
    means = np.stack([np.bincount(codes, output) / counts for output in table.outputs.T], 1)
    return sample.autocorrelation(means) < SMOOTH


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
    found = judge.groups_compared(table, codes)
    if found is None or not found.differs:
        return [], None
    return [found.notice(table, "repeated", (), share, len(counts))], codes


def in_time(table: SampledTable, groups: Rows | None) -> list[Notice]:
    """Return a notice of rows in order of time: by a column of dates, or as they stand in the table.

    groups: (rows,) which rows belong together anyway; None where none do.
    """
    found = _order(table)
    if found is None:
        return []
    column, ranks = found
    noticed = judge.in_time(table, ranks, groups, () if column is None else (table.names[column],))
    return [] if noticed is None else [noticed]


def _order(table: SampledTable) -> tuple[int | None, Rows] | None:
    """Return the column of the time, None for the order of the rows, and the rank of each row; None without time."""
    along = [
        (sample.autocorrelation(table.outputs[np.argsort(values, kind="stable")]), k)
        for k, (kind, values) in enumerate(zip(table.kinds, table.values.T, strict=True))
        if kind == "date" and len(np.unique(values)) > 2
    ]
    correlation, k = max(along, default=(0.0, 0))
    if correlation >= table.least_autocorrelation:
        return k, sample.ranked(table.values[:, k])
    by = [k for k in range(len(table.names)) if sample.is_sorted_by(table, k)]
    of_time = [k for k in by if sample.may_be_time(table, k)]
    if len(of_time) < len(by) or (not by and sample.is_sorted_by_target(table)):
        return None  # neighbors are alike in a quantity, or in the target itself
    if of_time:
        finest = max(of_time, key=lambda k: len(np.unique(table.values[:, k])))
        is_like = table.has_autocorrelation(np.arange(len(table.y)))
        return (finest, np.arange(len(table.y))) if is_like else None
    return _standing(table)


def _standing(table: SampledTable) -> tuple[None, Rows] | None:
    """Return the order of the rows as they stand, within the pieces of a table that is sorted by a few categories."""
    pieces = np.zeros(len(table.y), np.int64)
    for k in range(len(table.names)):
        codes = table.codes(k)
        few = codes.max() + 1 < FEWEST_GROUPS and sample.changes(codes) * len(codes) <= 2 * codes.max()
        if few and not sample.is_of_time(table.names[k]):
            pieces = np.unique(pieces * (codes.max() + 1) + codes, return_inverse=True)[1]
    sizes = np.bincount(pieces)
    means = [(np.bincount(pieces, output) / sizes)[pieces] for output in table.outputs.T]
    if sample.autocorrelation(table.outputs - np.stack(means, 1)) < table.least_autocorrelation:
        return None
    order = np.argsort(pieces, kind="stable")
    place = np.empty(len(pieces))
    place[order] = np.arange(len(pieces)) - np.searchsorted(pieces[order], pieces[order])
    return None, sample.ranked(place / sizes[pieces])
