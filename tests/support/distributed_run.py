"""The program that the tests of several processes start: small runs, and what came of them as JSON on its last line.

It has all imports behind it when it reads the first line. Each line is a request. {"start": settings, "environment":
its variables, "out": file, "error": file} forks a process of a run, whose id is the answer. {"wait": id, "seconds": at
most} answers the process's exit code, or null while it runs.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
from importlib import import_module
from typing import Any

import numpy as np

from chainrule import (
    BatchNorm,
    Callback,
    Checkpoint,
    Compute,
    Dense,
    Dropout,
    Model,
    Network,
    ParquetSource,
    ReLU,
    SoftmaxCrossEntropy,
    distributed,
)
from chainrule.distributed import processes
from chainrule.training import loop

# What a run imports, and nothing that begins a thread: a child may be forked.
for module in (
    "jax.experimental.multihost_utils",
    "chainrule.engines.xla.engine",
    "chainrule.training.fit",
):
    import_module(module)


def exit_code(process: int, seconds: float) -> int | None:
    """Wait for a child's end, at most so long."""
    end = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= end:
            return None
        time.sleep(0.02)


def forked() -> dict[str, Any] | None:
    """Answer requests. Returns a run's settings in a process that was forked for it, and None when no more come."""
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer = exit_code(request["wait"], request["seconds"])
        else:
            answer = os.fork()
            if answer == 0:
                for number, name in ((1, request["out"]), (2, request["error"])):
                    os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), number)
                os.environ.update(request["environment"])
                return request["start"]
        print(json.dumps(answer), flush=True)
    return None


class Slow(Callback):
    """Takes its time, and lets each process beside process 0 say other things, which must not count."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def on_steps(self, run):
        time.sleep(self.seconds)
        if distributed.process_index():
            run.chunk, run.epochs = 1 + distributed.process_index(), 7
            run.stop("process 0 does not say so")


def run(given: dict[str, Any]) -> None:
    """Train once, or once for each of the settings in "runs"."""
    for name, seconds in given.get("waits", {}).items():
        setattr(processes, name, seconds)
    distributed.initialize(timeout=given.get("timeout", 600))
    if distributed.process_index() == given.get("stuck"):
        signal.pause()
    loop.POLL_SECONDS = 0  # a step a call, after each of which the processes agree
    draws = np.random.default_rng(0)
    X, y = draws.normal(size=(86, 6)).astype(np.float32), draws.integers(0, 3, 86)
    if distributed.process_index() == given.get("other_data"):
        X[0] += 1
    results, slow = [], [Slow(given.get("sleep", 0))]
    for settings in given.get("runs", [given]):
        network = Network(
            6, [Dense(8), BatchNorm(), ReLU(), Dropout(0.3), Dense(3)], SoftmaxCrossEntropy(), l2=1e-3
        )
        model, path = Model(network, seed=1), settings.get("checkpoint")
        rows = {"X": X, "y": y, "validation_fraction": 0.1, "sample_weight": np.linspace(0.5, 1.5, 86)}
        if "table" in settings:
            rows = {"X": ParquetSource(settings["table"], target="y", window=32)}
        history = model.fit(
            **rows,
            epochs=3,
            batch_size=20,
            engine=Compute(shards=settings.get("shards"), reduce=settings.get("reduce", "tree")),
            resume=settings.get("resume"),
            callbacks=slow if path is None else [*slow, Checkpoint(path, every_steps=1)],
        )
        numbers = [model.theta, *(value for state in model.states.values() for value in state)]
        records = [{name: value for name, value in record.items() if name != "seconds"} for record in history]
        text = b"".join(value.tobytes() for value in numbers) + json.dumps(records).encode()
        results.append(hashlib.sha256(text).hexdigest())
    print(json.dumps({"processes": distributed.process_count(), "bits": " ".join(results)}))


if __name__ == "__main__":
    given = forked()
    if given is not None:
        run(given)
