"""The page of coverage: its bands, its ratios, and what is marked."""

from __future__ import annotations

import math

import numpy as np
import pytest
import run_coverage as coverage
from tables.loaders import TABLES

NAMES = [
    next(table.name for table in TABLES if table.task == task) for task in ("regression", "classification")
]


def found(name: str, task: str, seed: int, at_50: float) -> coverage.Found:
    """Ours half as wide as one peer's at each level, and twice as wide as the other's."""
    levels = [at_50, 0.8, 0.9, 0.95]
    widths = {
        coverage.OURS: [1.0, 2, 3, 4],
        coverage.PEERS[0]: [2.0, 4, 6, 8],
        coverage.PEERS[1]: [0.5, 1, 1.5, 2],
    }
    return coverage.Found(name, task, seed, 2_000, 298, 600, {coverage.OURS: levels}, widths)


def test_the_band_of_a_mean_over_seeds():
    """Of 298 rows held out the score of rank 150 = ceil(299 / 2): a beta of 150 and 149, and binomial of 600 rows."""
    results = [found(NAMES[0], "regression", seed, 0.5) for seed in range(4)]
    center = 150 / 299
    of_calibration = center * (1 - center) / 300
    of_rows = (center * (1 - center) - of_calibration) / 600
    half = 1.959964 * math.sqrt((of_calibration + of_rows) / 4)
    assert coverage.band(results, 0.5) == pytest.approx((center - half, center + half))
    assert [coverage.rank_of(m, level) for m, level in ((299, 0.9), (9, 0.9), (19, 0.95))] == [270, 9, 19]


def test_what_lies_outside_is_marked_and_ratios_are_geometric_means():
    results = [found(NAMES[0], "regression", seed, 0.56) for seed in range(4)]
    results += [found(NAMES[1], "classification", seed, 0.51) for seed in range(4)]
    lines = list(coverage.written(results))
    (numbers,) = (line for line in lines if line.startswith(f"| {NAMES[0]} |"))
    (labels,) = (line for line in lines if line.startswith(f"| {NAMES[1]} |"))
    assert numbers == f"| {NAMES[0]} | 4 | 298 | 56.0\\* | 80.0 | 90.0 | 95.0 | 0.50 | 2.00 |  |  |"
    assert " 51.0 | 80.0 " in labels
    (said,) = (line for line in lines if "1, 0 of them below, of 8" in line)
    assert f"in 95 of 100 cases: {NAMES[0]} at 50 %. Over" in said and "53.5, 80.0, 90.0, 95.0 %" in said
    assert f"| {coverage.PEERS[0]} | 0.500 | 0.500 | 0.500 | 0.500 | 1 of 1 |" in lines
    assert np.isnan(coverage.ratio(results, coverage.PEERS[2]))
