"""How good curves of survival are: numbers worked by hand, and sums over rows and times written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.formulas import metrics, survival

Y = np.array([[1, 1], [2, 0], [2, 1], [4, 0], [5, 1.0]])


def said(y: np.ndarray, curve, times: np.ndarray | None = None) -> survival.PredictedSurvival:  # type: ignore[no-untyped-def]
    """The same curve for all rows."""
    at = survival.brier_times(y) if times is None else times
    return survival.PredictedSurvival(
        np.zeros(len(y)), curve(y[:, 0]), at, np.tile(curve(at), (len(y), 1)).astype(float)
    )


def test_curves_of_kaplan_and_meier_by_hand():
    known = survival.kaplan_meier(Y)
    assert_array_equal(known.times, [1, 2, 5])
    assert_allclose(known.survival, [4 / 5, 4 / 5 * 3 / 4, 0])
    assert_array_equal(known(np.array([0.5, 1, 1.9, 3, 5])), [1, 4 / 5, 4 / 5, 4 / 5 * 3 / 4, 0])
    assert_array_equal(known(np.array([1.0, 2]), "left"), [1, 4 / 5])
    # The row censored at 2 was still seen after the event at 2: one of three; then one of two at 4.
    seen = survival.still_seen(Y)
    assert_array_equal(seen.there, [3, 2])
    assert_allclose(seen.survival, [2 / 3, 1 / 3])


def test_integrated_brier_by_hand():
    y = np.array([[1, 1], [2, 0], [3, 1.0]])
    # G is 1 until 2, and 1/2 from then on. At t = 1: S^2 of row 0, (1 - S)^2 of the others. At t = 3: S^2 of row 0,
    # none of row 1, which was censored, and S^2 / G(3-) of row 2.
    one, three = (0.8**2 + 2 * 0.2**2) / 3, (0.4**2 + 0.4**2 / 0.5) / 3
    curves = np.tile([0.8, 0.4], (3, 1))
    found = survival.PredictedSurvival(np.zeros(3), np.zeros(3), np.array([1.0, 3]), curves)
    assert_allclose(survival.integrated_brier(y, found), (one + three) / 2)
    weighted = (2 * 0.8**2 + 2 * 0.2**2) / 4, (2 * 0.4**2 + 0.4**2 / 0.5) / 4
    assert_allclose(survival.integrated_brier(y, found, np.array([2.0, 1, 1])), np.mean(weighted))
    assert np.isnan(survival.integrated_brier(y * [1, 0], said(y * [1, 0], np.exp)))


@given(st.integers(0, 10**6), st.integers(5, 60))
def test_brier_scores_are_sums_over_rows(seed: int, n: int):
    rng = np.random.default_rng(seed)
    y = np.c_[rng.integers(1, 9, n), rng.random(n) < 0.7].astype(float)
    y[0, 1], curves, times = 1, rng.random((n, 4)), np.sort(rng.uniform(0.5, 8, 4))
    found = survival.PredictedSurvival(np.zeros(n), np.zeros(n), times, curves)

    def left(t: float, before: bool) -> float:
        product = 1.0
        for c in sorted({time for time, event in y if not event}):
            if c < t or (c == t and not before):
                there = sum(time > c or (time == c and not event) for time, event in y)
                product *= 1 - sum(time == c and not event for time, event in y) / there
        return product

    scores = []
    for k, t in enumerate(times):
        total = 0.0
        for i, (time, event) in enumerate(y):
            if time <= t and event:
                total += curves[i, k] ** 2 / left(time, True)
            elif time > t:
                total += (1 - curves[i, k]) ** 2 / left(t, False)
        scores.append(total / n)
    expected = sum((scores[k] + scores[k + 1]) / 2 * (times[k + 1] - times[k]) for k in range(3))
    assert_allclose(survival.integrated_brier(y, found), expected / (times[-1] - times[0]), rtol=1e-9)


def test_shares_of_tenths_by_hand():
    y, own = np.array([[1, 1], [1, 0], [1, 1], [1, 0.0]]), np.array([0.05, 0.25, 1.0, 0.0])
    # The censored row at 0.25 is spread over two tenths and a half; that at 0 is in the first.
    expected = [(1 + 0.4 + 1) / 4, 0.4 / 4, 0.2 / 4, *[0] * 6, 1 / 4]
    assert_allclose(survival.d_calibrated(y, own), expected, atol=1e-12)
    # of 40 rows two tenths have twenty each: 40 * 10 * (2 * 0.4^2 + 8 * 0.1^2) = 160
    rows = survival.PredictedSurvival(
        np.zeros(40), np.repeat([0.55, 0.95], 20), np.zeros(0), np.zeros((40, 0))
    )
    from scipy.stats import chi2

    y = np.ones((40, 2))
    assert_allclose(survival.d_calibration(y, rows), chi2.sf(160, 9))
    assert survival.d_calibration(y, rows._replace(own=np.arange(40) / 40)) == 1


@given(st.integers(0, 10**6), st.integers(1, 40))
def test_shares_of_tenths_add_up(seed: int, n: int):
    rng = np.random.default_rng(seed)
    y = np.c_[rng.random(n), rng.random(n) < 0.5].astype(float)
    shares = survival.d_calibrated(y, rng.random(n), rng.uniform(0.1, 2, n))
    assert (shares >= 0).all()
    assert_allclose(shares.sum(), 1)


@pytest.mark.parametrize("power, low, high", [(1, 0.01, 1.0), (3, 0.0, 1e-6)])
def test_true_curves_are_calibrated_and_others_not(power: float, low: float, high: float):
    """Exponential times of a row's own rate, half of them censored; S^3 is too small."""
    rng = np.random.default_rng(0)
    rate = rng.uniform(0.5, 2, 2000)
    time, end = rng.exponential(1 / rate), rng.exponential(1 / rate)
    y = np.c_[np.minimum(time, end), time <= end].astype(float)
    at = survival.brier_times(y)
    curves = np.exp(-rate[:, None] * at * power)
    found = survival.PredictedSurvival(-rate, np.exp(-rate * y[:, 0] * power), at, curves)
    values = metrics.evaluate("survival", y, y, found)
    assert low <= values["d_calibration"] <= high
    assert_allclose(values["concordance"], survival.concordance(y, -rate))
    whole = np.exp(-rate[:, None] * at)
    true = (((whole * (1 - curves) ** 2) + (1 - whole) * curves**2).mean(0)).mean()
    assert_allclose(values["integrated_brier"], true, rtol=0.05)
