"""The native engine where no more threads or memory are to be had, and where a process forks or ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from chainrule.engines.native import engine as native
from sanitized import SANITIZED

if native.REASON is not None and not os.environ.get("CI"):
    pytest.skip(native.REASON, allow_module_level=True)

REPEATS = int(os.environ.get("CHAINRULE_REPEATS", "1"))
"""Processes in a test; a hundred where the engine was changed."""
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
needs_limits = pytest.mark.skipif(sys.platform != "linux" or SANITIZED, reason="sets limits of Linux")

LIMIT = 400 if SANITIZED else 50
"""Seconds, after which a process waits for ever; a sanitizer takes its time."""
WIDTH, MANY = (100, 2000) if SANITIZED else (500, 20000)

BEGIN = f"""
import faulthandler, os, signal, sys, threading, time
limit, many = {LIMIT}, {MANY}
faulthandler.dump_traceback_later(limit, exit=True)
import numpy as np
import chainrule.engines.native.engine as native
from chainrule import Callback, Dense, Model, Network, ReLU, Residual, SoftmaxCrossEntropy, Tanh
native.cores = lambda: 1024
_native = native._native
rng = np.random.default_rng(0)
X, y = rng.normal(size=(600, 300)).astype(np.float32), rng.integers(0, 3, 600)
network = Network(300, [Dense({WIDTH}), ReLU(), Dense(400), ReLU(), Dense(3)], SoftmaxCrossEntropy())
def fit(**how):
    model = Model(network, seed=1)
    model.fit(X, y, epochs=2, batch_size=100, **how)
    return model
"""


def run(script: str, threads: int = 4, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = (
        os.environ | {"CHAINRULE_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": "1"} | environment
    )
    command = [sys.executable, "-c", BEGIN + script]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT + 60)


def check(script: str, **how) -> None:
    done = run(script, **how)
    assert done.returncode == 0, f"{done.returncode}: {done.stderr}"


@pytest.mark.parametrize("made", [0, 1, pytest.param(2, marks=pytest.mark.slow)])
def test_threads_that_cannot_be_made_are_done_without(made):
    """The same bits with as many as there are; a second later they are asked for again."""
    check(f"""
os.environ["CHAINRULE_NUM_THREADS"] = "1"
alone = fit()
os.environ["CHAINRULE_NUM_THREADS"] = "4"
_native.plan_fault("thread", "error", {made}, 10**9)
count = lambda: len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0
before = count()
few = fit()
assert count() - before == {made} or not before, (before, count())
assert few.theta.tobytes() == alone.theta.tobytes()
outputs = few.outputs(X).tobytes()
_native.plan_fault("none", "error")
time.sleep(1.1)
model = fit()
assert model.theta.tobytes() == alone.theta.tobytes() and model.outputs(X).tobytes() == outputs
assert count() - before == 3 or not before
""")


def test_no_more_threads_are_made_than_there_are_cores():
    check(
        """
native.cores = lambda: 2
count = lambda: len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0
before = count()
fit().outputs(np.resize(X, (many, 300)))
assert native.threads() == 64 and count() - before <= 1, (before, count())
""",
        threads=64,
    )


@needs_limits
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="changes the user")
@pytest.mark.parametrize(("threads", "limit"), [(4, 3), (16, 3), (4, 1)])
def test_a_limit_on_processes_is_no_end(threads, limit):
    for _ in range(REPEATS):
        check(
            f"""
import resource, chainrule.data.exact, chainrule.training.arguments  # the other user may not be allowed to read modules
os.setgid(65534); os.setuid(65534 - {os.getpid()} % 1000)
resource.setrlimit(resource.RLIMIT_NPROC, ({limit}, {limit}))
fit()
""",
            threads=threads,
        )


MEMORY = """
import resource
layers = [Dense(1500), ReLU(), Residual([Dense(1500), Tanh()]), ReLU(), Dense(3)]
network = Network(300, layers, SoftmaxCrossEntropy())
X, y = np.resize(X, (4000, 300)), np.resize(y, 4000)
model = Model(network)
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ROOM * 2**20, -1))
before = model.theta.copy()
try:
    model.fit(X, y, epochs=1, batch_size=2000)
except MemoryError:
    assert model.steps_trained > 0 or np.array_equal(model.theta, before)
assert np.isfinite(model.theta).all()
"""


@needs_limits
@pytest.mark.slow
def test_memory_that_ends_is_an_error():
    """At any point: limits from what nothing can be done with to what is enough."""
    limits = 4 * REPEATS
    for i in range(limits):
        check(MEMORY.replace("ROOM", str(20 + 300 * i // limits)))


@needs_fork
def test_a_child_uses_a_bound_model_that_a_thread_of_its_parent_was_at_work_on():
    for _ in range(REPEATS):
        check("""
bound = Model(network, seed=1).bind()
row, rows = X[0], np.resize(X, (many // 3, 300))
answer, answers = bound.outputs(row), bound.outputs(rows[:50])
is_over = False
def ask():
    while not is_over:
        bound.outputs(rows)
thread = threading.Thread(target=ask)
thread.start()
for _ in range(3):
    time.sleep(0.02)
    child = os.fork()
    if child == 0:
        same = np.array_equal(bound.outputs(row), answer) and np.array_equal(bound.outputs(rows[:50]), answers)
        fit()
        os._exit(0 if same else 1)
    end = time.monotonic() + limit - 10
    while (found := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            sys.exit("the child waits for ever")
        time.sleep(0.01)
    assert found[1] == 0, found
is_over = True
thread.join()
""")


@needs_fork
def test_a_fork_in_the_handler_of_a_signal_ends_the_step_of_the_child():
    check("""
children = []
def handler(*_):
    children.append(os.fork())
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.3)
try:
    model = Model(network, seed=1)
    model.fit(X, y, epochs=10**6 if not children else 1, batch_size=100, callbacks=[
        type("End", (Callback,), {"on_epoch_end": lambda self, run: run.stop("forked") if children else None})()])
except RuntimeError as error:
    assert children == [0] and "fork" in str(error), (children, error)
else:
    assert children
if children == [0]:
    os._exit(0)
assert os.waitpid(children[0], 0)[1] == 0
""")


@pytest.mark.parametrize(
    "work",
    [
        "Model(network).fit(X, y, epochs=10**6, batch_size=100)",
        "Model(network).outputs(np.broadcast_to(X[:1], (10**7, 300)))",
    ],
    ids=["fit", "outputs"],
)
def test_a_daemon_thread_at_work_does_not_abort_the_end(work):
    for _ in range(REPEATS):
        check(f"""
import chainrule
chainrule.data.checks._check_finite = lambda *_: None
threading.Thread(target=lambda: {work}, daemon=True).start()
time.sleep(0.4)
""")


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs an alarm")
def test_who_waits_for_a_session_sees_signals():
    check("""
def handler(*_):
    raise InterruptedError("seen")
signal.signal(signal.SIGALRM, handler)
walk = native.NativeWalk(network, Model(network).theta, {}, 256)
rows = np.broadcast_to(X[:1], (3_000_000, 300))
thread = threading.Thread(target=walk, args=(rows,), daemon=True)
thread.start()
time.sleep(0.1)
signal.setitimer(signal.ITIMER_REAL, 0.2)
try:
    walk(X)
    sys.exit("not interrupted")
except InterruptedError:
    assert thread.is_alive()
""")
