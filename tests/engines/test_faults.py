"""What goes wrong in a step leaves whole steps behind, and no thread waiting: faults at each place that it has."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import (
    SGD,
    DataError,
    Dense,
    MeanAbsoluteError,
    MeanSquaredError,
    Model,
    Nadam,
    Network,
    NonFiniteError,
    ReLU,
    SoftmaxCrossEntropy,
    Tanh,
)
from chainrule.engines.native import engine as native
from full import FULL
from native_sessions import BLOCK, NORM, STEPS, Case, sparse_case
from sanitized import SANITIZED

if native.REASON is not None and not os.environ.get("CI"):
    pytest.skip(native.REASON, allow_module_level=True)

plan_fault = getattr(native._native, "plan_fault", None)
THREADS = ["3"] if SANITIZED else ["1", "3"]
LIMIT = 400 if SANITIZED else 60
"""Seconds, after which a thread waits for ever."""


@pytest.fixture(autouse=True)
def no_fault_is_left():
    yield
    plan_fault("none", "delay")


def within(seconds: float, work: Callable[[], Any]) -> Any:
    """What work() gives or raises; a failure where it does not end in time."""
    found: list[Any] = []

    def call() -> None:
        try:
            found.append((work(), None))
        except BaseException as error:
            found.append((None, error))

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "it waits for ever"
    value, error = found[0]
    if error is not None:
        raise error
    return value


CASES: dict[str, Callable[[], Case]] = {
    "plain": lambda: Case(BLOCK, 40, 96, optimizer=Nadam(1e-3)),
    "norms": lambda: Case(NORM, 40, 96, clip_norm=0.1, max_norm=1.0, l2=1e-3),
    "batch norm": lambda: Case(NORM, 40, 96, max_norm=1.0),
    "micro-batches": lambda: Case([Dense(30), Tanh(), Dense(20), Tanh(), Dense(3)], 40, 2048),
    "packed": lambda: Case([Dense(1040), ReLU(), Dense(3)], 8, 530, n=600),
    "one sample": lambda: Case([Dense(400), ReLU(), Dense(400), ReLU(), Dense(3)], 30, 1),
    "sparse": lambda: sparse_case(entries=20),
    "sparse, its entries": sparse_case,
    "huge weights": lambda: Case([Dense(300), Tanh(), Dense(3)], 40, 96, l2=1e-30),
}
"""Every way through a step; "huge weights" is made to look at its gradients first by a weight that nothing reads."""
PLACES = {
    "forward": ("memory", "error", "delay"),
    "backward": ("memory", "error", "delay"),
    "gather": ("memory", "error", "delay"),
    "statistics": ("memory", "error", "delay"),
    "gradient": ("memory", "error", "delay", "event"),
    "allocation": ("memory",),
    "stop": ("event", "delay"),
    "rule": ("delay",),
    "norms": ("delay",),
    "decision": ("delay",),
}
RAISED = {"memory": MemoryError, "error": RuntimeError, "event": (NonFiniteError, RuntimeError)}


def prepared(name: str) -> Case:
    case = CASES[name]()
    if name == "huge weights":
        make, case.X[:, 0] = case.session, 0

        def session() -> native.NativeSession:
            found = make()
            found.theta[0] = 1e18
            return found

        case.session = session  # type: ignore[method-assign]
    return case


def check(name: str, place: str, fault: str, threads: str, firsts: range | list[int], monkeypatch) -> int:
    """The fault at the first-th passage, for each of these; how many of them came to be."""
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", threads)
    case = prepared(name)
    whole, happened = case.history(), 0
    for first in firsts:
        session = case.session()
        session.push()
        plan_fault(place, fault, first, 5 if fault == "delay" else 1)
        try:
            within(LIMIT, lambda session=session: case.take(session, STEPS))
        except (MemoryError, RuntimeError, NonFiniteError) as error:
            happened += 1
            assert isinstance(error, RAISED[fault]), repr(error)
            assert session.taken < STEPS
        else:
            happened += fault == "delay" and native._native.passes_of_fault() > first
            assert session.taken == STEPS, "a fault came to nothing, or to a step too few"
        plan_fault("none", "delay")
        assert case.numbers(session) == whole[session.taken], "not the numbers of whole steps"
        within(LIMIT, lambda session=session: case.take(session, STEPS - session.taken))
        assert case.numbers(session) == whole[STEPS]
    return happened


@pytest.mark.parametrize(
    ("name", "threads"),
    [
        pytest.param(
            name, threads, marks=() if threads == ("1" if "norm" in name else "3") else pytest.mark.slow
        )
        for name in CASES
        for threads in THREADS
    ],
)
def test_a_fault_at_any_place_leaves_whole_steps_and_nobody_waiting(name, threads, monkeypatch):
    happened = {
        (place, fault): check(name, place, fault, threads, [3], monkeypatch)
        for place, faults in PLACES.items()
        for fault in faults
        if not SANITIZED or fault in (faults[0], "event")
    }
    assert (
        happened["forward", "memory"] == happened["backward", "memory"] == happened["gather", "memory"] == 1
    )
    assert happened["stop", "event"] == 1
    assert SANITIZED or happened["backward", "error"] == 1
    assert SANITIZED or happened["statistics", "error"] == happened["statistics", "memory"]
    assert (happened["statistics", "memory"] > 0) == ("norm" in name)
    assert (happened["gradient", "event"] > 0) == (name in ("norms", "huge weights"))
    # Only the entries of a batch and a row of unsorted columns need memory that the session has not taken.
    assert (happened["allocation", "memory"] > 0) == ("sparse" in name)


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["2", "5"])
@pytest.mark.parametrize("name", CASES)
def test_a_fault_at_every_passage(name, threads, monkeypatch):
    """CHAINRULE_REPEATS times as many, each at another moment of the steps; as a rule 3, with CHAINRULE_FULL=1 6."""
    repeats = int(os.environ.get("CHAINRULE_REPEATS", "6" if FULL else "3"))
    for place, faults in PLACES.items():
        for fault in faults:
            if fault != "delay":
                check(name, place, fault, threads, list(range(0, 3 * repeats, 3)), monkeypatch)


@pytest.mark.parametrize("name", ["plain", "norms"])
def test_an_update_that_overflows_ends_the_call_for_every_thread(name, monkeypatch):
    """The update is there, as in the reference; clip_norm and max_norm make it three phases."""
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", "3")
    case = CASES[name]()
    for first in range(0, 40, 3):
        session = case.session()
        session.push()
        plan_fault("rule", "event", first)
        with pytest.raises(NonFiniteError):
            within(LIMIT, lambda session=session: case.take(session, STEPS))
        plan_fault("none", "delay")


def test_an_overflow_with_bounds_on_the_gradient_and_the_weights_ends(monkeypatch):
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", "2")
    X = np.random.default_rng(0).normal(size=(512, 200)).astype(np.float32)
    layers = [Dense(400), Tanh(), Dense(400), Tanh(), Dense(1)]
    found = {}
    for engine in ("reference", *["native"] * int(os.environ.get("CHAINRULE_REPEATS", "5"))):
        plan_fault("rule", "delay", 3, 1)
        model = Model(Network(200, layers, MeanSquaredError(), max_norm=3.0), seed=1)
        how = {"epochs": 2, "batch_size": 128, "optimizer": SGD(1e39), "clip": 1.0, "engine": engine}
        with pytest.raises(NonFiniteError) as caught:
            within(LIMIT, lambda model=model, how=how: model.fit(X, X[:, 0], **how))
        found[engine] = caught.value.step, caught.value.link
    assert found["reference"] == found["native"] == (1, "update of dense_1")


@pytest.mark.parametrize("how", [{}, {"clip": 1e3}, {"batch_size": 1}, {"batch_size": 1024}], ids=str)
@pytest.mark.parametrize("optimizer", [Nadam(1e-6), SGD(1e-14, momentum=0.9)], ids=lambda o: type(o).__name__)
def test_a_gradient_that_is_not_finite_is_not_applied(optimizer, how, monkeypatch):
    """Step, link and every number as the reference leaves them, and as they were before the step."""
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", "3")
    how = {"batch_size": 16, "shuffle": False, "epochs": 1, "optimizer": optimizer} | how
    network = Network(40, [Dense(300), ReLU(), Dense(60), ReLU(), Dense(1)], MeanAbsoluteError())
    size, bad = how["batch_size"], 3
    rng = np.random.default_rng(0)
    X = rng.normal(size=(size * 5, 40)).astype(np.float32)
    y = rng.normal(size=len(X))
    spoilt = X.copy()
    spoilt[bad * size :] = 1e37  # times a delta of 100 and more; weights of 1e-6 keep the outputs finite
    found = {}
    for engine in ("reference", "native"):
        model = Model(network, seed=1)
        model.parameters["dense_1"].W[:] *= np.float32(1e-6)
        model.parameters["dense_3"].W[:] *= np.float32(1e4)
        short = Model(network, seed=1)
        short.theta[:] = model.theta
        with pytest.raises(NonFiniteError) as caught:
            within(LIMIT, lambda model=model, engine=engine: model.fit(spoilt, y, engine=engine, **how))
        short.fit(X[: bad * size], y[: bad * size], engine=engine, **how)
        assert model.steps_trained == bad
        assert model.theta.tobytes() == short.theta.tobytes()
        found[engine] = caught.value.step, caught.value.link
    assert found["reference"] == found["native"]
    assert found["native"][0] == bad + 1 and "gradient" in found["native"][1]


def test_more_threads_than_rows_of_the_buffers_come_to_an_end(monkeypatch):
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", "8")
    model = Model(Network(100, [Dense(1000), Dense(3)], SoftmaxCrossEntropy()))
    X = np.random.default_rng(0).normal(size=(500, 100)).astype(np.float32)
    walk = native.NativeWalk(model.network, model.theta, model.states, 3)
    assert within(LIMIT, lambda: walk(X)).tobytes() == model.outputs(X).tobytes()


@pytest.mark.parametrize("is_sorted", [True, False])
@pytest.mark.parametrize("entries", [9, 20])
@pytest.mark.parametrize("part", ["indices", "indptr"])
@pytest.mark.parametrize("work", ["steps", "outputs"])
def test_a_csr_matrix_that_another_thread_changes_is_an_error(work, part, entries, is_sorted, monkeypatch):
    """After it was checked, and before its last rows are read; nothing outside of it is touched."""
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", "2")
    case = sparse_case(is_sorted, entries)
    whole, session = case.history(), case.session()
    walk = native.NativeWalk(case.network, session.theta, {}, 16)
    expected = walk(case.X)
    array = getattr(case.X, part)
    right = array.copy()

    def change() -> None:
        while native._native.passes_of_fault() == 0:
            time.sleep(1e-4)
        array[:] = 2**30

    plan_fault("gather", "delay", 0, 10**9)
    writer = threading.Thread(target=change)
    writer.start()
    with pytest.raises(DataError, match="X was changed while it was read"):
        within(LIMIT, lambda: case.take(session, STEPS) if work == "steps" else walk(case.X))
    writer.join()
    plan_fault("none", "delay")
    array[:] = right
    assert case.numbers(session) == whole[session.taken]
    case.take(session, STEPS - session.taken)
    assert case.numbers(session) == whole[STEPS] and np.array_equal(walk(case.X), expected)
