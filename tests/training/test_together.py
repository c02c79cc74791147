"""What the processes of a run tell each other and agree on, with threads for processes."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import (
    BatchNorm,
    Callback,
    Checkpoint,
    Compute,
    ConfigError,
    CSVLog,
    Dense,
    EarlyStopping,
    History,
    Model,
    Network,
    SoftmaxCrossEntropy,
    StopAt,
    TimeLimit,
    distributed,
)
from chainrule.distributed import agreement, processes
from chainrule.distributed.processes import Watchdog
from thread_processes import Left, ThreadProcesses

DRAWS = np.random.default_rng(0)
X, Y = DRAWS.normal(size=(27, 4)), DRAWS.integers(0, 3, 27)
NETWORK = Network(4, [Dense(3)], SoftmaxCrossEntropy())


def number() -> int:
    return distributed.process_index()


def fitted(X: Any = X, y: Any = Y, seed: int = 1, **how: Any) -> Model:
    model = Model(NETWORK, seed=seed)
    model.fit(X, y, **{"epochs": 3, "batch_size": 10, "validation_fraction": 0.2, **how})
    return model


def outcome(model: Model) -> str:
    """All numbers of a model and of its history, but for the seconds."""
    numbers = [model.theta, *(value for _, state in sorted(model.states.items()) for value in state)]
    records = [{k: v for k, v in record.items() if k != "seconds"} for record in model.history]
    return json.dumps([np.concatenate([each.reshape(-1) for each in numbers]).tobytes().hex(), records])


# --- messages


TEXTS = st.integers(0, 2000).map(lambda size: "x" * size)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30) | TEXTS, st.lists, max_leaves=5
)


@pytest.mark.slow
@settings(max_examples=60)
@given(st.sampled_from([1, 2, 4]).flatmap(lambda count: st.lists(VALUES, min_size=count, max_size=count)))
def test_all_get_what_each_says(values: list[Any]):
    with pytest.MonkeyPatch.context() as monkeypatch:
        found = ThreadProcesses(monkeypatch, len(values)).results(
            lambda: agreement.exchange(values[number()])
        )
    assert found == [values] * len(values)


@pytest.mark.parametrize("size", [0, 1, 503, 504, 505, 600, 704, 1024, 1025])
def test_messages_of_any_length(size: int, monkeypatch: pytest.MonkeyPatch):
    """Process 1 says so many bytes of JSON, process 0 one."""
    values = [1, int("9" * size)] if size else [1, 2]
    threads = ThreadProcesses(monkeypatch, 2)
    assert threads.results(lambda: agreement.exchange(values[number()])) == [values, values]


# --- what is compared


class Watched(Callback):
    def __init__(self, every_steps: int | None = None) -> None:
        self.every_steps = every_steps


HELD_OUT = {"validation_fraction": None, "validation_data": (X, Y)}


def stopping(**settings: Any) -> list[Any]:
    return [EarlyStopping("val_loss", **settings)]


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("data", {"X": X}, {"X": X + np.eye(27, 4)}),
        ("data", {}, {"sample_weight": np.arange(27.0)}),
        ("data", {}, {"validation_fraction": 0.3}),
        ("validation data", HELD_OUT, HELD_OUT | {"validation_data": (X + 1, Y)}),
        ("seed", {}, {"seed": 2}),
        ("epochs", {"epochs": 2}, {"epochs": 3}),
        ("batch_size", {}, {"batch_size": 9}),
        ("optimizer", {}, {"optimizer": "sgd"}),
        ("schedule", {}, {"schedule": "cosine"}),
        ("shards", {}, {"engine": Compute(shards=16)}),
        ("shards", {"engine": Compute(reduce="psum")}, {"engine": Compute(reduce="psum", shards=8)}),
        ("shuffle", {}, {"shuffle": False}),
        ("callbacks", {}, {"callbacks": stopping()}),
        ("callbacks", {"callbacks": stopping()}, {}),
        ("callbacks", {"callbacks": stopping()}, {"callbacks": stopping(patience=11)}),
        ("callbacks", {"callbacks": stopping()}, {"callbacks": stopping(restore_best=False)}),
        ("callbacks", {"callbacks": StopAt("loss", 0.1)}, {"callbacks": StopAt("loss", 0.2)}),
        ("callbacks", {"callbacks": TimeLimit(100)}, {"callbacks": TimeLimit(200)}),
        ("callbacks", {"callbacks": Watched()}, {"callbacks": Watched(2)}),
        ("callbacks", {"callbacks": [Watched(), *stopping()]}, {"callbacks": [*stopping(), Watched()]}),
        ("callbacks", {"callbacks": Watched()}, {"callbacks": lambda run: run.stop("enough")}),
        ("callbacks", {"callbacks": Checkpoint("x", 2)}, {"callbacks": Checkpoint("x", 3)}),
    ],
)
def test_what_differs_is_refused_by_name_in_all(
    name: str, first: dict[str, Any], second: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Whichever of them has it, and before a step or a callback."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Callback, "on_train_begin", lambda *_: pytest.fail("it began"))
    for how in ([first, second], [second, first]):
        found = ThreadProcesses(monkeypatch, 2).results(lambda how=how: fitted(**how[number()]))
        for error in found:
            assert isinstance(error, ConfigError), found
            assert f"process 1 differs from process 0 in its {name};" in str(error)


def test_models_that_differ_are_refused(monkeypatch: pytest.MonkeyPatch):
    """Trained before for other epochs, with other parameters, or with other running statistics alone."""

    def changed(name: str) -> Model:
        model = Model(Network(4, [Dense(5), BatchNorm(), Dense(3)], SoftmaxCrossEntropy()), seed=1)
        if number() == 1:
            if name == "theta":
                model.theta[3] += 1
            elif name == "running statistics":
                model.states["batch_norm_1"].mean[1] += 1
            else:
                model.epochs_trained, model.steps_trained = 1, 3
        model.fit(X, Y, epochs=1, batch_size=10)

    for name in ("theta", "running statistics", "steps before this run"):
        for error in ThreadProcesses(monkeypatch, 2).results(lambda name=name: changed(name)):
            assert f"process 1 differs from process 0 in its {name};" in str(error)


# --- what they agree on


class OwnWord(Callback):
    """Process 0 does nothing; each other one says other things after every call of the engine."""

    def on_steps(self, run: Any) -> None:
        if number():
            run.chunk, run.epochs, run.shortened = 1 + number(), 3 + number(), 4
            run.stop(f"process {number()} says so")

    def on_epoch_end(self, run: Any) -> None:
        self.on_steps(run)


def stop_first(run: Any) -> None:
    if number() == 0 and run.epoch == 2:
        run.stop("process 0 says so")


@pytest.fixture(scope="module")
def alone() -> Callable[[int], str]:
    """The outcome of a run of one process for so many epochs."""
    model = Model(NETWORK, seed=1)
    found = {}

    def keep(run: Any) -> None:
        model.history, model.states = History(run.history.records[:]), run.states
        found[run.epoch] = outcome(model)

    model.fit(
        X, Y, epochs=3, batch_size=10, validation_fraction=0.2, engine=Compute(shards=8), callbacks=keep
    )
    return found.__getitem__


@pytest.mark.parametrize("count", [2, 8])
def test_process_0_alone_decides(
    count: int, alone: Callable[[int], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Where a call ends, how many epochs there are, and when to stop: the outcome is that of one process."""
    monkeypatch.setattr("chainrule.training.loop.POLL_SECONDS", 0)
    threads = ThreadProcesses(monkeypatch, count)

    def work() -> tuple[str, str | None]:
        log = [CSVLog(tmp_path / "log.csv")] if number() == 0 else []  # which only listens
        model = fitted(callbacks=[OwnWord(), stop_first, *log])
        return outcome(model), model.history.stopped

    assert threads.results(work) == [(alone(2), "process 0 says so")] * count
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 1 + 2


@pytest.mark.parametrize("asked", [0, 1])
def test_a_request_to_any_ends_all_at_the_same_step(
    asked: int, alone: Callable[[int], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """With a checkpoint of process 0, from which one process goes on to the bits of a run that never ended."""
    monkeypatch.setattr("chainrule.training.loop.POLL_SECONDS", 0)
    path, steps = tmp_path / "checkpoint.safetensors", [0, 0]

    class Asked(Callback):
        def on_steps(self, run: Any) -> None:
            steps[number()] = run.step
            if number() == asked and run.step == 5:
                run.together.ask(signal.SIGTERM, None)

    found = ThreadProcesses(monkeypatch, 2).results(lambda: fitted(callbacks=[Asked(), Checkpoint(path)]))
    assert [type(error) for error in found] == [KeyboardInterrupt] * 2 and steps == [5, 5]
    assert outcome(fitted(engine=Compute(shards=8), resume=path)) == alone(3)


@pytest.mark.slow
def test_a_process_that_goes_on_alone_takes_all_shards(monkeypatch: pytest.MonkeyPatch):
    """After a run of two, whose program is kept: 27 rows in batches of 9, all of them in each epoch."""
    how: dict[str, Any] = {"batch_size": 9, "validation_fraction": None}
    with monkeypatch.context() as patched:
        two = ThreadProcesses(patched, 2).results(lambda: outcome(fitted(**how)))
    assert two == [outcome(fitted(**how, engine=Compute(shards=8)))] * 2
    expected = fitted(**how, engine="reference")
    np.testing.assert_allclose(fitted(**how, engine=Compute(shards=8)).theta, expected.theta, rtol=1e-5)


# --- waiting


def test_a_watchdog_ends_a_process_without_a_beat(capsys: pytest.CaptureFixture[str]):
    ended, codes = threading.Event(), []
    with Watchdog(0.05, "nothing came.", lambda code: (codes.append(code), ended.set())):
        assert ended.wait(60)
    assert codes == [75] and capsys.readouterr().err == "chainrule: nothing came.\n"


def test_a_process_that_waits_for_the_comparison_is_ended(monkeypatch: pytest.MonkeyPatch, capsys: Any):
    """Process 1 never comes to its fit."""
    threads, codes, ended = ThreadProcesses(monkeypatch, 2), [], threading.Event()
    monkeypatch.setattr(processes, "end", lambda code: (codes.append(code), ended.set()))
    error, _ = threads.results(lambda: ended.wait(60) if number() else fitted(), timeout=0.05)
    assert isinstance(error, Left) and codes == [75]
    assert "process 0 of 2 has waited 0.05 s for another one" in capsys.readouterr().err
