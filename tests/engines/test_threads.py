"""threadpoolctl governs the native engine, environment variables come after it, and threads take turns on a session."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import threadpoolctl

from chainrule import Adam, Dense, Model, Network, ReLU, SoftmaxCrossEntropy
from chainrule.data.samples import Samples
from chainrule.engines import Plan, StepSettings
from chainrule.engines.native import engine as native
from chainrule.engines.native import threads as module
from chainrule.engines.native.threads import threads
from sanitized import SANITIZED

if native.REASON is not None and not os.environ.get("CI"):
    pytest.skip(native.REASON, allow_module_level=True)


def listed() -> list[int]:
    return [
        pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "chainrule"
    ]


def test_threadpoolctl_lists_and_governs(monkeypatch):
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", "5")
    assert listed() == [5] and threads() == 5
    with threadpoolctl.threadpool_limits(limits=3):
        assert listed() == [3] and threads() == 3
        with threadpoolctl.threadpool_limits(limits={"chainrule": 2}):
            assert threads() == 2
        assert threads() == 3
        with threadpoolctl.threadpool_limits(limits=1, user_api="blas"):
            assert threads() == 3
    assert listed() == [5] and threads() == 5


def test_after_a_limit_the_environment_counts_again(monkeypatch):
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", "4")
    with threadpoolctl.threadpool_limits(limits=2):
        assert threads() == 2
    monkeypatch.setenv("CHAINRULE_NUM_THREADS", "7")
    assert threads() == 7


def worked(team: native._native.TeamSize, seconds: dict[int, float], pieces: int) -> list[int]:
    """The threads that did each piece of work, where a step of it takes so long by their number."""
    counts = []
    for _ in range(pieces):
        counts.append(team.count())
        team.took(seconds[team.count()])
    return counts


def test_the_fastest_number_of_threads_is_found_and_found_again():
    team = native._native.TeamSize(8, 8)
    assert (team.count(), team.steps()) == (8, 1)
    found = worked(team, {1: 4e-4, 2: 1e-4, 4: 2e-4, 8: 3e-4}, 700)
    assert found[:20] == [8] * 20 and set(found) == {1, 2, 4, 8} and found[-1] == 2
    assert found.count(2) > 550 and team.steps() == 10
    # The cores have come closer: what was fastest is no longer.
    assert worked(team, {1: 4e-4, 2: 1e-4, 4: 6e-5, 8: 3e-5}, 1700)[-1] == 8


def test_work_that_becomes_slower_is_tried_at_once():
    team = native._native.TeamSize(2, 2)
    quick, slow = {1: 2e-4, 2: 1e-4}, {1: 2e-4, 2: 5e-4}
    worked(team, quick, 1000)
    assert worked(team, slow, 30) == [2] * 10 + [1] * 20
    assert worked(native._native.TeamSize(1, 1), {1: 1e-4}, 300) == [1] * 300


def test_a_trial_of_long_steps_ends_with_the_first_of_them():
    steps = {1: 0.19, 2: 0.1}
    found = worked(native._native.TeamSize(2, 2), steps, 400)
    assert found[:25] == [2] * 25 and found[:100].count(1) == 1 and found.count(1) <= 3
    # One thread is found all the same where it is faster, by itself or because other programs use the cores.
    assert worked(native._native.TeamSize(2, 2), {1: 0.1, 2: 0.19}, 60)[-1] == 1
    team = native._native.TeamSize(2, 2)
    worked(team, steps, 200)
    assert worked(team, {1: 0.19, 2: 0.3}, 30)[-1] == 1


def test_a_program_that_works_now_and_then_begins_no_trial_and_decides_none():
    team = native._native.TeamSize(2, 2)
    quick, disturbed = {1: 1.9e-3, 2: 1e-3}, {1: 3.8e-3, 2: 3e-3}
    worked(team, quick, 1000)
    found = []
    for _ in range(100):
        found += worked(team, disturbed, 5) + worked(team, quick, 15)
    assert found.count(1) <= 5 * 5  # the trials that come anyway


def test_a_piece_that_had_to_wait_says_nothing_and_more_threads_must_gain_a_tenth():
    team = native._native.TeamSize(2, 2)
    for seconds in (1e-4, 9e-4, 1e-4, 9e-4, 1e-4) * 3:
        team.took(seconds)
    assert team.count() == 2
    assert worked(native._native.TeamSize(2, 1), {1: 1e-4, 2: 0.93e-4}, 500).count(2) < 100


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads in /proc")
@pytest.mark.parametrize("order", ["threadpoolctl first", "chainrule first"])
def test_a_limit_counts_in_a_fit_whichever_is_imported_first(order):
    """In a fresh process, for a team once made stays: the threads that there are after a fit under a limit."""
    imports = ["import threadpoolctl", "from chainrule import Dense, Model, Network, SoftmaxCrossEntropy"]
    if order == "chainrule first":
        imports[1] += "; import chainrule.engines"
        imports.reverse()
    script = [
        *imports,
        "import os, threading, numpy as np, chainrule.engines.native.engine",
        "chainrule.engines.native.engine.cores = lambda: 3",
        "X, y = np.random.default_rng(0).normal(size=(2000, 300)), np.arange(2000) % 3",
        "fit = lambda: Model(Network(300, [Dense(500), Dense(3)], SoftmaxCrossEntropy())).fit(X, y, epochs=1)",
        "count = lambda: len(os.listdir('/proc/self/task'))",
        # A sanitizer makes a thread of its own beside the first one that is asked for.
        "threading.Thread(target=threading.Event().wait, daemon=True).start()",
        "before = count()",
        "with threadpoolctl.threadpool_limits(limits={'chainrule': 1}): fit()",
        "alone = count() - before",
        "with threadpoolctl.threadpool_limits(limits={'chainrule': 3}): fit()",
        "print(alone, count() - before)",
    ]
    environment = os.environ | {"CHAINRULE_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", "\n".join(script)]
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        timeout=300 if SANITIZED else 60,
        text=True,
    )
    assert done.stdout.split() == ["0", "2"], done.stdout + done.stderr


def test_a_look_at_a_session_waits_for_the_thread_at_work():
    """What is read is never a step half done: all steps of the call are."""
    network = Network(300, [Dense(1000), ReLU(), Dense(1000), Dense(3)], SoftmaxCrossEntropy())
    model, steps = Model(network), 5 if SANITIZED else 30
    plan = Plan(network, Adam(), 128, 0, np.float32)
    session = native.NativeSession(plan, model.theta, model.states, Adam().init(model.theta), 0)
    rng, n = np.random.default_rng(0), 128 * steps
    samples = Samples(rng.normal(size=(n, 300)), np.arange(n) % 3, np.ones(n), 3)
    work = threading.Thread(
        target=session.steps, args=(samples, np.arange(n), StepSettings.of(np.full(steps, 1e-3)), 1)
    )
    work.start()
    while not session.theta_is_stale:  # set right before the call
        time.sleep(0.001)
    time.sleep(0.02)
    assert work.is_alive() and session.taken == 0
    seen = np.empty_like(model.theta)
    session.native.get_theta(seen)
    work.join()
    session.synchronize()
    assert session.taken == steps and np.array_equal(seen, session.theta)


def test_threads_take_turns_on_a_bound_model():
    """Rows and batches at once, all with the answers that each has alone."""
    model = Model(Network(30, [Dense(600), ReLU(), Dense(600), ReLU(), Dense(3)], SoftmaxCrossEntropy()))
    rng = np.random.default_rng(0)
    walk = native.NativeWalk(model.network, model.theta, model.states, 16)
    questions = [rng.normal(size=(n, 30)).astype(np.float32) for n in (500, 333, 1, 40)]
    answers = [walk(X) for X in questions]
    wrong = []

    def ask(X: np.ndarray, answer: np.ndarray) -> None:
        for _ in range(2 if SANITIZED else 20):
            if not np.array_equal(walk(X), answer):
                wrong.append(len(X))

    askers = [threading.Thread(target=ask, args=pair) for pair in zip(questions, answers, strict=True)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert not wrong


@pytest.mark.parametrize(("failed", "count", "expected"), [(0, 4, 4), (-1, 0, 10)])
def test_of_an_apple_processor_the_performance_cores_count(monkeypatch, failed, count, expected):
    """The rows are divided equally, so a slow core would make all wait. An old system knows no such name."""

    class System:
        @staticmethod
        def sysctlbyname(name, value, size, new, new_size):
            assert name == b"hw.perflevel0.physicalcpu" and size._obj.value == 4
            value._obj.value = count
            return failed

    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 10)
    monkeypatch.setattr(module, "_quota", lambda: None)
    monkeypatch.setattr(module.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(module.ctypes, "CDLL", lambda name: System)
    assert module.cores() == expected
