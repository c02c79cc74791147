"""Every schedule: numbers by hand, shapes, jax.jit; a new one in SCHEDULES is tested without an edit."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import (
    ConfigError,
    Cosine,
    CosLog,
    Exponential,
    FlatCosine,
    InverseScaling,
    OneCycle,
    ReduceOnPlateau,
    StepDecay,
)
from chainrule.formulas.schedules import SCHEDULES, Constant, PlateauState

EVERY = [
    *(schedule() for schedule in SCHEDULES.values()),
    Cosine(warmup=0.1, floor=0.05),
    OneCycle(warmup=0.0),
    CosLog(cycles=1),
    FlatCosine(flat=0.0),
]
every_schedule = pytest.mark.parametrize("schedule", EVERY, ids=repr)

fraction = st.floats(0, 1)
part_of_run = st.floats(0, 1, exclude_max=True)
inside = st.floats(0.01, 0.99)
ANY = st.one_of(
    st.builds(Constant),
    st.builds(StepDecay, inside, st.sets(inside, min_size=1, max_size=4).map(sorted)),
    st.builds(Exponential, st.floats(0.01, 1)),
    st.builds(Cosine, part_of_run, fraction),
    st.builds(OneCycle, part_of_run, fraction, fraction),
    st.builds(CosLog, st.integers(1, 32)),
    st.builds(FlatCosine, part_of_run),
    st.builds(InverseScaling, st.floats(0.01, 10)),
    st.builds(ReduceOnPlateau),
)


@given(ANY, st.integers(1, 10**6), st.integers(1, 10**4), st.data())
def test_a_factor_is_finite_and_between_0_and_1(schedule, total, steps_per_epoch, data):
    step = data.draw(st.integers(0, 2 * total))
    value = schedule.factor(step, total, steps_per_epoch)
    assert math.isfinite(value)
    assert 0 <= value <= 1 + 1e-12


@every_schedule
@pytest.mark.parametrize("total", [1, 2, 3, 7, 100])
def test_a_whole_run_at_once_is_its_steps_one_by_one(schedule, total):
    steps = np.arange(total)
    factors = schedule.factor(steps, total, 5)
    assert factors.shape == (total,)
    assert factors.dtype == np.float64
    np.testing.assert_allclose(factors, [schedule.factor(int(k), total, 5) for k in steps], rtol=1e-15)
    assert schedule.factor(steps.reshape(1, -1), total, 5).shape == (1, total)
    assert factors.max() > 0 or (total == 1 and isinstance(schedule, CosLog))  # which begins at 0


@pytest.mark.slow
@every_schedule
def test_jit_agrees_and_traces_once(schedule):
    traces = 0

    def factor(step):
        nonlocal traces
        traces += 1
        return schedule.factor(step, 50, 5)

    compiled = jax.jit(factor)
    np.testing.assert_allclose(
        [compiled(k) for k in range(50)], schedule.factor(np.arange(50), 50, 5), rtol=1e-12
    )
    assert traces == 1
    np.testing.assert_allclose(
        schedule.factor(jnp.arange(50), 50, 5), schedule.factor(np.arange(50), 50, 5), rtol=1e-12
    )


def test_step_decay_by_hand():
    factors = StepDecay(drop=0.1, at=(0.5, 0.75)).factor(np.array([0, 3, 4, 5, 6, 7, 8]), 8, 1)
    np.testing.assert_allclose(factors, [1, 1, 0.1, 0.1, 0.01, 0.01, 0.01], rtol=1e-15)
    assert StepDecay(at=[0.5]) == StepDecay(at=(0.5,))  # as JSON gives it back


def test_exponential_by_hand():
    factors = Exponential(0.25).factor(np.array([0, 5, 10, 20]), 20, 10)
    np.testing.assert_allclose(factors, [1, 0.5, 0.25, 0.0625], rtol=1e-15)


def test_inverse_scaling_by_hand():
    np.testing.assert_allclose(
        InverseScaling(0.5).factor(np.array([0, 3, 8]), 9, 1), [1, 1 / 2, 1 / 3], rtol=1e-15
    )


def test_cosine_by_hand():
    factors = Cosine().factor(np.array([0, 4, 6, 8, 12, 99]), 12, 1)  # the angles 0, 60, 90, 120, 180, 180
    np.testing.assert_allclose(factors, [1, 0.75, 0.5, 0.25, 0, 0], atol=1e-15)
    floored = Cosine(floor=0.2).factor(np.array([0, 6, 12]), 12, 1)
    np.testing.assert_allclose(floored, [1, 0.6, 0.2], rtol=1e-15)


def test_the_warm_up_rises_in_equal_steps_to_1_and_then_falls():
    factors = Cosine(warmup=0.25).factor(np.arange(16), 16, 1)  # w = 4
    np.testing.assert_allclose(factors[:5], [0.2, 0.4, 0.6, 0.8, 1.0], rtol=1e-15)
    assert (np.diff(factors[4:]) < 0).all()
    assert factors[10] == pytest.approx(0.5)  # half way from 4 to 16
    assert factors[-1] > 0


def test_one_cycle_begins_at_start_peaks_at_1_and_finishes_at_end():
    factors = OneCycle(warmup=0.3, start=0.04, end=0.001).factor(np.arange(50), 50, 1)
    assert factors[0] == pytest.approx(0.04, rel=1e-14)
    assert factors.argmax() == 14  # 0.3 * 50 - 1
    assert factors[14] == 1
    assert factors[7] == pytest.approx(0.52, rel=1e-14)  # half way up: (0.04 + 1) / 2
    assert factors[-1] == pytest.approx(0.001, rel=1e-14)
    assert (np.diff(factors[:15]) > 0).all()
    assert (np.diff(factors[14:]) < 0).all()


def test_the_defaults_of_one_cycle():
    factors = OneCycle().factor(np.array([0, 29, 99, 500]), 100, 1)
    np.testing.assert_allclose(factors, [1 / 25, 1, 4e-6, 4e-6], rtol=1e-10)


@pytest.mark.parametrize(("total", "expected"), [(1, [1]), (2, [1, 4e-6]), (3, [1, 0.500002, 4e-6])])
def test_one_cycle_of_a_run_too_short_to_rise_begins_at_the_peak(total, expected):
    np.testing.assert_allclose(OneCycle().factor(np.arange(total), total, 1), expected, rtol=1e-10)


def test_cos_log_by_hand():
    """1 + 15 t = 1, 2, 4, 8, 16: zeros; sqrt(2): the angle 180; 2^(1/4): 90; 2^(7/6): 60; over the end the end."""
    steps = np.array([0, 1, 3, 7, 15, 99]) * 2
    np.testing.assert_allclose(CosLog().factor(steps, 30, 1), np.zeros(6), atol=1e-14)
    t = (2.0 ** np.array([0.5, 0.25, 7 / 6, 2.5]) - 1) / 15
    np.testing.assert_allclose(CosLog().factor(t * 1000, 1000, 1), [1, 0.5, 0.25, 1], rtol=1e-12)
    # two cycles, 1 + 3 t: at t = 1/2 log2(5/2)
    assert CosLog(2).factor(5, 10, 1) == pytest.approx(
        (1 - math.cos(2 * math.pi * math.log2(2.5))) / 2, rel=1e-12
    )
    # of 256 epochs of 10 steps: least next to epochs 17.07, 51.2 and 119.5
    factors = CosLog().factor(np.arange(2560), 2560, 10)
    least = np.flatnonzero((factors[1:-1] < factors[:-2]) & (factors[1:-1] < factors[2:])) + 1
    np.testing.assert_array_equal(least, [171, 512, 1195])


def test_flat_cosine_by_hand():
    factors = FlatCosine().factor(
        np.array([0, 6, 8, 9, 10, 12, 99]), 12, 1
    )  # the angles 0, 0, 60, 90, 120, 180
    np.testing.assert_allclose(factors, [1, 1, 0.75, 0.5, 0.25, 0, 0], atol=1e-15)
    np.testing.assert_allclose(
        FlatCosine(0.0).factor(np.arange(9), 8, 1), Cosine().factor(np.arange(9), 8, 1), rtol=1e-15
    )


def test_reduce_on_plateau_waits_drops_and_stops_at_the_floor():
    schedule = ReduceOnPlateau(drop=0.5, patience=2, min_delta=0.1, floor=0.3)
    state = schedule.init()
    assert state == PlateauState(math.inf, 0, 1.0)
    seen = []
    # better twice; not by enough, worse: drop; NaN, worse: to the floor; better; worse twice: still the floor
    for value in (1.0, 0.8, 0.75, 0.9, math.nan, 2.0, 0.5, 0.6, 0.6):
        state = schedule.observe(state, value)
        seen.append((state.best, state.waited, state.factor))
    assert seen == [
        (1.0, 0, 1.0),
        (0.8, 0, 1.0),
        (0.8, 1, 1.0),
        (0.8, 0, 0.5),
        (0.8, 1, 0.5),
        (0.8, 0, 0.3),
        (0.5, 0, 0.3),
        (0.5, 1, 0.3),
        (0.5, 0, 0.3),
    ]


@given(st.lists(st.floats(), max_size=60), st.integers(1, 5), inside, fraction)
def test_a_plateau_factor_never_rises_and_never_passes_the_floor(values, patience, drop, floor):
    schedule = ReduceOnPlateau(drop=drop, patience=patience, floor=floor)
    state = schedule.init()
    for value in values:
        before, state = state, schedule.observe(state, value)
        assert floor <= state.factor <= before.factor <= 1
        assert state.waited < patience
        assert state.best <= before.best


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: StepDecay(drop=1), "drop of StepDecay"),
        (lambda: StepDecay(at=()), "at of StepDecay"),
        (lambda: StepDecay(at=(0.75, 0.5)), "at of StepDecay .* at=\\(0.5, 0.75\\)"),
        (lambda: StepDecay(at=(1.0,)), "at of StepDecay"),
        (lambda: StepDecay(at=0.5), "at of StepDecay"),
        (
            lambda: Exponential(1.1),
            "gamma of Exponential must be a finite number above 0 and at most 1, not 1.1",
        ),
        (lambda: Cosine(warmup=1), "warmup of Cosine"),
        (lambda: Cosine(floor=math.nan), "floor of Cosine"),
        (lambda: OneCycle(warmup=-0.1), "warmup of OneCycle"),
        (lambda: OneCycle(start=2), "start of OneCycle"),
        (lambda: OneCycle(end="low"), "end of OneCycle"),
        (lambda: InverseScaling(0), "power of InverseScaling"),
        (lambda: CosLog(0), "cycles of CosLog must be an integer of at least 1"),
        (lambda: CosLog(33), "cycles of CosLog must be at most 32"),
        (lambda: FlatCosine(1.0), "flat of FlatCosine"),
        (lambda: ReduceOnPlateau(patience=0), "patience of ReduceOnPlateau"),
        (lambda: ReduceOnPlateau(drop=0), "drop of ReduceOnPlateau"),
        (lambda: ReduceOnPlateau(monitor=""), "monitor of ReduceOnPlateau"),
        (lambda: ReduceOnPlateau(min_delta=-1), "min_delta of ReduceOnPlateau"),
        (lambda: ReduceOnPlateau(floor=2), "floor of ReduceOnPlateau"),
    ],
)
def test_settings_that_cannot_be_are_refused(make, named):
    with pytest.raises(ConfigError, match=named):
        make()


@pytest.mark.parametrize(("kind", "schedule"), SCHEDULES.items())
def test_the_registry_names_its_schedules(kind, schedule):
    assert schedule.kind == kind
    assert schedule() == schedule()
