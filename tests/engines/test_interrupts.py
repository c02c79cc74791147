"""Ctrl-C and a callback's word end a long fit at once; the model stays usable and the checkpoint whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import chainrule
from chainrule import Callback, Dense, Model, Network, ReLU, SoftmaxCrossEntropy
from chainrule.engines.native import engine as native
from chainrule.training import trainers
from sanitized import SANITIZED

if native.REASON is not None and not os.environ.get("CI"):
    pytest.skip(native.REASON, allow_module_level=True)

DIGITS, WIDE = ([100, 60, 40], 150) if SANITIZED else ([784, 256, 128], 1000)  # a sanitizer takes its time
LIMIT = 1.0
"""Seconds, for a machine that does other work beside; 0.2 are meant."""

SCRIPT = """
import json, os, signal, sys, threading, time
import numpy as np
import chainrule
from chainrule import Callback, Checkpoint, Dense, Model, Network, ReLU, SoftmaxCrossEntropy
from chainrule.training import checkpoint

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has it ignored
widths, batch, path = json.loads(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
rng = np.random.default_rng(0)
X, y = rng.normal(size=(max(3 * batch, 4096), widths[0])).astype(np.float32), None
y = rng.integers(0, 10, len(X))
layers = [layer for width in widths[1:] for layer in (Dense(width), ReLU())] + [Dense(10)]
model = Model(Network(widths[0], layers, SoftmaxCrossEntropy()), seed=1)
sent, runs = [], []

class Alarm(Callback):
    def on_train_begin(self, run):
        runs.append(run)
        threading.Thread(target=self.ring, daemon=True).start()

    def ring(self):
        while not os.path.exists(path):
            time.sleep(0.01)
        time.sleep(0.5 + float(sys.argv[4]))
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

store = Checkpoint(path, every_steps=1 if batch > 1000 else 50)
how = dict(epochs=10**6, batch_size=batch, optimizer="sgd", callbacks=[Alarm(), store])
try:
    model.fit(X, y, **how)
    print("not interrupted")
except KeyboardInterrupt:
    seconds = time.perf_counter() - sent[0]
    run = runs[0]
    assert run.session.theta is model.theta and np.isfinite(model.theta).all()
    assert model.steps_trained == run.step == run.session.taken
    kernels = np.empty_like(model.theta)
    run.session.native.get_theta(kernels)
    assert np.array_equal(kernels, model.theta)
    model.predict(X[:100])
    stored = checkpoint.read(path)  # raises where it is not whole
    steps = stored["epoch"] * run.steps_per_epoch + stored["position"]
    assert 0 < steps <= run.step
    if steps == run.step:
        assert np.array_equal(stored["now"]["theta"], model.theta)

    class Once(Callback):
        looks_inside, every_steps = True, 1
        def on_steps(self, run):
            run.stop("seen")
    again = Model(model.network, seed=1)
    how["callbacks"] = [Once(), Checkpoint(path, every_steps=store.every_steps)]
    again.fit(X, y, resume=path, **how)
    assert steps < again.steps_trained <= steps + 2 and np.isfinite(again.theta).all()
    fresh = Model(model.network, seed=1)  # the interrupted model contains exactly its steps: as many in one go agree
    class At(Callback):
        every_steps = run.step
        def on_steps(self, other):
            other.stop("there") if other.step >= run.step else None
        on_epoch_end = on_steps
    fresh.fit(X, y, **(how | dict(callbacks=[At()])))
    assert fresh.steps_trained == run.step and np.array_equal(fresh.theta, model.theta), "bits"
    print(json.dumps({"seconds": seconds, "steps": run.step}))
"""


def interrupted(widths: list[int], batch: int, path: str, later: float = 0.0) -> dict[str, float]:
    """How long it took, from the signal to the line after the fit, in a fresh process that checks all the rest."""
    command = [sys.executable, "-c", SCRIPT, json.dumps(widths), str(batch), path, str(later)]
    done = subprocess.run(command, capture_output=True, timeout=500 if SANITIZED else 120, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, float] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs signals between processes")
@pytest.mark.parametrize(
    ("widths", "batch"),
    [([20, 30], 16), (DIGITS, 128), ([300, WIDE, WIDE], 2048)],
    ids=["small", "digits", "few steps in a call"],
)
def test_ctrl_c_ends_a_long_fit_at_once(widths, batch, tmp_path):
    seconds = interrupted(widths, batch, str(tmp_path / "run.ckpt"))["seconds"]
    # Under a sanitizer, where a link of a long step takes seconds, all is judged but the time.
    assert seconds < LIMIT or SANITIZED


def fit(callbacks, n: int = 4000, **how) -> tuple[Model, chainrule.History]:
    rng = np.random.default_rng(0)
    model = Model(Network(20, [Dense(30), ReLU(), Dense(3)], SoftmaxCrossEntropy()), seed=1)
    how = {"epochs": 3, "batch_size": 4} | how
    return model, model.fit(rng.normal(size=(n, 20)), rng.integers(0, 3, n), callbacks=callbacks, **how)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_a_callback_ends_a_run_within_an_epoch(engine, tmp_path):
    class StopAt(Callback):
        every_steps = 1010

        def on_steps(self, run):
            run.stop("seen enough") if run.step == 1010 else None

    path = tmp_path / "run.ckpt"
    model, history = fit([StopAt(), chainrule.Checkpoint(path, every_steps=1010)], engine=engine)
    assert model.steps_trained == 1010 and history.stopped == "seen enough" and len(history) == 1
    whole, _ = fit([], engine=engine)
    stored = chainrule.training.checkpoint.read(path)
    stored["stopped"] = None
    assert (stored["epoch"], stored["position"]) == (1, 10)
    assert np.array_equal(stored["now"]["theta"], model.theta) and not np.array_equal(
        whole.theta, model.theta
    )


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_ctrl_c_while_validating_leaves_a_checkpoint_that_resumes(engine, monkeypatch, tmp_path):
    """The epoch's steps are done and its record is not: a resumed run validates first, and ends with the same bits."""
    path, calls = tmp_path / "run.ckpt", []
    evaluate = trainers.evaluate_outputs

    def interrupted_once(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return evaluate(*arguments)

    class Last(Callback):
        def on_train_end(self, run):
            chainrule.training.checkpoint.write(path, run)

    how = {"engine": engine, "n": 400, "validation_fraction": 0.2}
    whole, history = fit([], **how)
    monkeypatch.setattr(trainers, "evaluate_outputs", interrupted_once)
    with pytest.raises(KeyboardInterrupt):
        fit([Last()], **how)
    resumed, other = fit([], resume=path, **how)
    assert len(calls) == 4 and resumed.theta.tobytes() == whole.theta.tobytes()
    assert other["loss"] == history["loss"] and other["val_loss"] == history["val_loss"]


def test_a_handler_that_raises_ends_a_long_prediction(monkeypatch):
    """Between two chunks of rows, whatever the handler raises."""

    class Enough(Exception):
        pass

    def handler(*_):
        raise Enough

    model = Model(Network(200, [Dense(2000), ReLU(), Dense(2000), ReLU(), Dense(3)], SoftmaxCrossEntropy()))
    X = np.broadcast_to(np.ones((1, 200), np.float32), (3_000_000, 200))
    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        monkeypatch.setattr(chainrule.data.checks, "_check_finite", lambda *_: None)
        with pytest.raises(Enough):
            model.outputs(X, engine="native")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
