"""Derivations of random numbers of random networks: the tree, backpropagation and central differences agree."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from chainrule.inspection.derivation.derivation import Derivation
from chainrule.inspection.trace.trace import Trace
from full import FULL
from strategies import Problem, problems, seeds

TOLERANCE = 1e-6
EPS = float(np.finfo(np.float64).eps)


class Pair(NamedTuple):
    """A network and one of its numbers."""

    derivation: Derivation
    backpropagated: float


def pair(problem: Problem, training: bool, seed: int) -> Pair:
    """Any number that is learned, or, one time in eight, an input."""
    model, X, y, weight = problem
    model.steps_trained = seed % 7
    rng = np.random.default_rng(seed)
    trace = model.trace(X, y, sample_weight=weight, training=training)
    if rng.integers(8) == 0:
        i, k = (int(rng.integers(size)) for size in X.shape)
        return Pair(trace.derive(f"x[{i},{k}]"), float(trace.delta["input"][i, k]))
    place = int(rng.integers(model.network.size))
    slot = next(slot for slot in model.network.slots if slot.start <= place < slot.stop)
    index = np.unravel_index(place - slot.start, slot.parameter.shape)
    name = f"{slot.link.name}.{slot.field}[{','.join(map(str, index))}]"
    return Pair(trace.derive(name), float(getattr(trace.grads[slot.link.name], slot.field)[index]))


def check_value(found: Pair) -> None:
    """To 1e-12, and where terms cancel to the rounding of the largest of them."""
    derivation, g = found
    room = 1e-12 * abs(g) + 1e-15 * derivation.magnitude
    assert abs(derivation.value - g) <= room, f"backpropagation {g!r}\n{derivation}"


def is_resolved(derivation: Derivation) -> bool:
    """Whether float64 has the digits: the difference's error and the tree's rounding are far below the derivative."""
    largest = max(abs(derivation.value), abs(derivation.numeric))
    return derivation.difference.error + EPS * derivation.magnitude < 0.1 * TOLERANCE * largest


def check_numeric(derivation: Derivation) -> None:
    """Under 1e-6 in relation; where float64 does not resolve the derivative, to the rounding of both ways."""
    if is_resolved(derivation):
        assert derivation.relative_difference < TOLERANCE, str(derivation)
    else:
        room = (
            8 * derivation.difference.error
            + 8 * EPS * derivation.magnitude
            + 1e-14 * abs(derivation.trace.loss)
        )
        assert abs(derivation.value - derivation.numeric) <= room, str(derivation)


@given(problems(), st.booleans(), seeds)
@settings(max_examples=30)
def test_three_ways_to_one_number(problem: Problem, training: bool, seed: int):
    found = pair(problem, training, seed)
    check_value(found)
    check_numeric(found.derivation)


@pytest.mark.slow
def test_hundreds_of_pairs(record_property):
    """Derivatives that float64 resolves, each with a relative difference under 1e-6; the others are few.

    A thousand with CHAINRULE_FULL=1, else three hundred.
    """
    count = 1000 if FULL else 300
    resolved: list[float] = []
    zeros = others = 0

    @given(problems(), st.booleans(), seeds)
    @settings(
        max_examples=27 * count // 20,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    def draw(problem: Problem, training: bool, seed: int) -> None:
        nonlocal zeros, others
        found = pair(problem, training, seed)
        check_value(found)
        check_numeric(found.derivation)
        if is_resolved(found.derivation):
            resolved.append(found.derivation.relative_difference)
        elif found.derivation.value == found.derivation.numeric == 0:
            zeros += 1
        else:
            others += 1

    draw()
    assert len(resolved) >= count
    assert max(resolved) < TOLERANCE
    # Exactly 0 on both sides: a neuron that is off, a bias before batch norm, the vector of a code that no sample has.
    assert zeros < 0.25 * (len(resolved) + zeros + others)
    assert others < 0.05 * (len(resolved) + zeros + others)
    record_property("pairs", len(resolved))
    record_property("worst", max(resolved))


@given(problems(row_by_row=True), seeds)
@settings(max_examples=40)
def test_per_sample_gradients_add_up(problem: Problem, seed: int):
    model, X, y, weight = problem
    trace = model.trace(X, y, sample_weight=weight, training=True)
    check_per_sample(trace)
    i = seed % len(X)
    _, alone = model.loss_and_gradients(X[i : i + 1], y[i : i + 1])
    for name, params in alone.items():
        for field, part, g in zip(params._fields, trace.per_sample(name), params, strict=True):
            w = getattr(trace.parameters[name], field)
            penalty = model.network.l2 * w + model.network.l1 * np.sign(w) if field == "W" else 0
            expected = weight[i] / weight.sum() * (g - penalty)
            assert_allclose(part[i], expected, rtol=1e-7, atol=1e-10 * max(1.0, float(np.abs(g).max())))


@given(problems())
@settings(max_examples=40)
def test_per_sample_gradients_add_up_where_samples_mix(problem: Problem):
    model, X, y, weight = problem
    check_per_sample(model.trace(X, y, sample_weight=weight, training=True))


def check_per_sample(trace: Trace) -> None:
    network = trace.network
    for name, params in trace.parameters.items():
        for field, part in zip(params._fields, trace.per_sample(name), strict=True):
            w, g = getattr(params, field), getattr(trace.grads[name], field)
            penalty = network.l2 * w + network.l1 * np.sign(w) if field == "W" else 0
            room = 1e-12 * max(1.0, float(np.abs(part).sum(0).max()))
            assert_allclose(part.sum(0) + penalty, g, rtol=1e-9, atol=room)
