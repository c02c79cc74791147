"""A fit that keeps its state in a file, from which another one goes on to the same bits."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule import Callback, ConfigError, FormatError, MLPClassifier, MLPRegressor
from chainrule.estimators.base import fit_under
from chainrule.fitting import loop
from chainrule.fitting.limit import FitLimit
from chainrule.fitting.plan import Conditions, KeptFit
from chainrule.fitting.result import FitResult
from chainrule.fitting.train import Following
from chainrule.tables.data import FitInput
from chainrule.training import Run, checkpoint

R = np.random.default_rng(0)
TABLE = {"a": R.normal(size=120), "b": R.choice(["x", "y", "z"], 120)}
NUMBER = TABLE["a"] ** 2 + (TABLE["b"] == "x")
LABEL = np.where(NUMBER > 1, "high", "low")
QUICK = {"preprocess": "auto", "random_state": 3, "batch_size": 16}


@pytest.fixture(autouse=True)
def _after_each_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "BETWEEN", 0.0)


class Ended(Exception):
    """The end of the process, as the fit sees it."""


class Steps(Callback):
    """Counts the steps that a fit takes itself."""

    every_steps = 1
    looks_inside = False

    def __init__(self) -> None:
        self.taken = 0

    def on_train_begin(self, run: Run) -> None:
        self.first = run.step

    def on_train_end(self, run: Run) -> None:
        self.taken = run.step - self.first


def fitted(
    settings: dict[str, Any], kept: KeptFit | None, y: Any = NUMBER, kind: Any = MLPRegressor
) -> FitResult:
    return fit_under(kind(**QUICK | settings), FitInput(TABLE, y), Conditions(kept=kept))


def ended(monkeypatch: pytest.MonkeyPatch, writes: int, *fit: Any, **more: Any) -> None:
    """A fit that ends at once after so many checkpoints."""
    written, calls = checkpoint.write, list[str]()

    def write(path: Path, run: Run) -> None:
        written(path, run)
        calls.append(path.name)
        if len(calls) == writes:
            raise Ended

    with monkeypatch.context() as patched, pytest.raises(Ended):
        patched.setattr(checkpoint, "write", write)
        fitted(*fit, **more)


CASES: dict[str, tuple[dict[str, Any], int]] = {
    "fast": ({"max_iter": 5}, 4),
    "fast without a refit": ({"max_iter": 5, "refit": False, "dropout": 0.1}, 3),
    "an ensemble": ({"max_iter": 4, "n_members": 2}, 3),
    "realmlp": ({"preset": "realmlp", "max_iter": 3}, 2),
    "tabm": ({"preset": "tabm", "max_iter": 3, "n_members": 4}, 2),
    "stopped early": ({"max_iter": 40, "n_iter_no_change": 2, "tol": 10.0, "refit": False}, 3),
    "a plateau": ({"max_iter": 5, "optimizer": "sgd", "schedule": "reduce_on_plateau", "tol": 9.0}, 3),
}


@pytest.mark.parametrize("name", CASES)
def test_a_fit_goes_on_from_its_checkpoint_to_the_same_bits(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings, writes = CASES[name]
    whole = fitted(settings, None)
    kept = KeptFit(tmp_path / "checkpoint.safetensors")
    ended(monkeypatch, writes, settings, kept)
    counted = Steps()
    again = fitted(settings if name == "an ensemble" else settings | {"callbacks": [counted]}, kept)
    assert again.model.theta.tobytes() == whole.model.theta.tobytes()
    assert again.records == whole.records
    assert counted.taken < 7 * whole.records.n_iter
    assert [r["loss"] for r in again.model.history] == [r["loss"] for r in whole.model.history]


@pytest.mark.parametrize("writes", [1, 9, 23, 28])
def test_also_within_an_epoch_and_from_its_end(writes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whatever of the two networks had come how far; a fit that had ended takes no further step."""
    settings, task = {"max_iter": 6, "dropout": 0.2, "n_members": 1}, {"kind": MLPClassifier, "y": LABEL}
    whole = fitted(settings, None, **task)
    kept = KeptFit(tmp_path / "checkpoint.safetensors", every_steps=2)
    ended(monkeypatch, writes, settings, kept, **task)
    again = fitted(settings, kept, **task)
    assert again.model.theta.tobytes() == whole.model.theta.tobytes() and again.records == whole.records
    assert {path.name for path in tmp_path.iterdir()} == {kept.path.name, kept.of_refit.path.name}
    counted = Steps()
    done = fitted(settings | {"callbacks": [counted]}, kept, **task)
    assert counted.taken == 0 and done.model.theta.tobytes() == whole.model.theta.tobytes()


def test_what_follows_a_fit_has_no_curves_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Both come as far as chance lets them: curves of one in the state of the other would be those of another epoch."""
    states, state = list[dict[str, Any]](), Following.state

    def noted(self: Following) -> dict[str, Any]:
        states.append(state(self))
        return states[-1]

    monkeypatch.setattr(Following, "state", noted)
    kept = KeptFit(tmp_path / "checkpoint.safetensors")
    made = fitted({"max_iter": 3, "n_members": 1}, kept)
    assert len(made.records.loss_curve) == 3 and made.records.n_iter_refit > 0
    assert states and not any(each["records"]["loss_curve"] for each in states)


def test_a_fit_writes_its_first_and_last_epoch_and_every_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    written, epochs, clock = checkpoint.write, list[int](), [0.0]

    def write(path: Path, run: Run) -> None:
        written(path, run)
        epochs.append(run.epoch)

    def tick(run: Run) -> None:
        clock[0] += 0.3

    monkeypatch.setattr(checkpoint, "write", write)
    monkeypatch.setattr(loop, "BETWEEN", 1.0)
    monkeypatch.setattr(loop.time, "monotonic", lambda: clock[0])
    kept = KeptFit(tmp_path / "checkpoint.safetensors")
    fitted({"max_iter": 10, "refit": False, "callbacks": [tick]}, kept)
    assert epochs == [1, 5, 9, 10]


def test_another_fit_does_not_go_on_from_it(tmp_path: Path):
    kept = KeptFit(tmp_path / "checkpoint.safetensors")
    fitted({"max_iter": 2, "refit": False}, kept)
    with pytest.raises(ConfigError, match="was made with another seed"):
        fitted({"max_iter": 2, "refit": False, "random_state": 4}, kept)
    with pytest.raises(ConfigError, match="was made with another epochs"):
        fitted({"max_iter": 3, "refit": False}, kept)


@pytest.mark.parametrize(
    "damage",
    [
        {"records": {"n_iter": "2"}},
        {"best": {"theta": [1.0]}},
        {"best_epoch": None},
        {"message": 5},
        {"rate": -1.0},
        {"rate": float("nan")},
        {"records": None},
    ],
)
def test_damaged_states(damage: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from chainrule.fitting.curve import LearningCurve

    kept, state = KeptFit(tmp_path / "checkpoint.safetensors"), LearningCurve.state

    def damaged(self: Any) -> dict[str, Any]:
        found = state(self)
        if isinstance(damage.get("records"), dict):
            return found | {"records": found["records"] | damage["records"]}
        return found | damage

    monkeypatch.setattr(LearningCurve, "state", damaged)
    fitted({"max_iter": 2, "refit": False}, kept)
    with pytest.raises(FormatError):
        fitted({"max_iter": 2, "refit": False}, kept)


def test_the_seconds_before_count(tmp_path: Path):
    limit = FitLimit(10.0, True, None, None, 0.0)
    now = time.monotonic()
    limit.load_state({"seconds": 4.0, "plan": [7, None]})
    assert limit.since == pytest.approx(now - 4.0, abs=0.5) and limit.kept == [7, None]
    for state in (
        {"seconds": -1.0, "plan": []},
        {"seconds": 1.0, "plan": ["7"]},
        {"seconds": "4", "plan": []},
    ):
        with pytest.raises(FormatError):
            limit.load_state(state)
