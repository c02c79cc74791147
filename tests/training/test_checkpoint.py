"""A run that was stopped at any instant and resumed ends with the bits of a run that was never stopped."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import chainrule as c
from chainrule import LBFGS
from chainrule.formulas.optimizers import OPTIMIZERS
from chainrule.formulas.schedules import SCHEDULES

GENERATOR = np.random.default_rng(7)
X = GENERATOR.normal(size=(22, 3)).astype(np.float32)
Y = np.arange(22) % 3
HELD_OUT = (GENERATOR.normal(size=(9, 3)), np.arange(9) % 3)
EPOCHS, BATCH = 4, 8  # 3 steps an epoch, the last one of 6 samples

OPTIMIZER_LIST = [rule() for rule in OPTIMIZERS.values() if rule is not LBFGS]
OPTIMIZER_LIST += [c.SGD(0.05, momentum=0.9), c.SGD(0.05, 0.9, nesterov=True), c.RMSprop(momentum=0.9)]


@pytest.fixture(autouse=True)
def no_wait_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of checkpoints are written here; what a power cut would leave of them is not the question."""
    monkeypatch.setattr("os.fsync", lambda _: None)


class Stop(Exception):
    """What kills a run in these tests."""


class Killer(c.Callback):
    """Raises at a step, after or instead of what the other callbacks do."""

    def __init__(self, step: int) -> None:
        self.step, self.every_steps = step, 1

    def on_steps(self, run: Any) -> None:
        if run.step == self.step:
            raise Stop

    on_epoch_end = on_steps


def model(**settings: Any) -> c.Model:
    layers = [
        c.Standardize(),
        c.Dense(4),
        c.BatchNorm(),
        c.PReLU(),
        c.Dropout(0.3),
        c.Residual([c.Dense(4), c.Tanh()]),
    ]
    return c.Model(c.Network(3, [*layers, c.Dense(3)], c.SoftmaxCrossEntropy()), seed=3, **settings)


def plain() -> c.Model:
    return c.Model(c.Network(3, [c.Dense(4), c.Tanh(), c.Dense(3)], c.SoftmaxCrossEntropy()), seed=3)


def fit(start: c.Model, callbacks: list[Any], **settings: Any) -> c.History:
    return start.fit(X, Y, callbacks=callbacks, **({"epochs": EPOCHS, "batch_size": BATCH} | settings))


def everything(made: c.Model, history: c.History) -> dict[str, Any]:
    """All that a run leaves, but for the time it took."""
    records = [{k: v for k, v in record.items() if k != "seconds"} for record in history]
    states = {n: [np.asarray(v).tobytes() for v in s] for n, s in made.states.items()}
    trained = (
        made.epochs_trained,
        made.steps_trained,
        None if made.classes is None else made.classes.tolist(),
    )
    return {"theta": made.theta.tobytes(), "states": states, "records": records, "trained": trained,
            "stopped": history.stopped}  # fmt: skip


def check_every_stop(
    tmp_path: Path,
    make: Callable[[], c.Model],
    every_steps: int | None = 1,
    steps: Any = range(1, 3 * EPOCHS + 1),
    callbacks: Callable[[], list[Any]] = list,
    **settings: Any,
) -> None:
    """Kill the run at each of these steps, resume it, compare with the one that was never stopped."""
    whole = make()
    expected = everything(whole, fit(whole, callbacks(), **settings))
    path = tmp_path / "run.safetensors"
    for step in steps:
        path.unlink(missing_ok=True)
        with pytest.raises(Stop):
            fit(make(), [*callbacks(), Killer(step), c.Checkpoint(path, every_steps)], **settings)
        resume = path if path.exists() else None  # killed before the first checkpoint: start again
        made = make()
        found = everything(
            made, fit(made, [*callbacks(), c.Checkpoint(path, every_steps)], resume=resume, **settings)
        )
        assert found == expected, f"killed at step {step}"


@pytest.mark.parametrize("optimizer", OPTIMIZER_LIST, ids=repr)
def test_every_optimizer_resumes_from_every_step(optimizer: Any, tmp_path: Path):
    check_every_stop(tmp_path, model, optimizer=optimizer)


@pytest.mark.parametrize("schedule", [rule() for rule in SCHEDULES.values()], ids=repr)
def test_every_schedule_resumes(schedule: Any, tmp_path: Path):
    if isinstance(schedule, c.ReduceOnPlateau):  # one that lowers the rate after almost every epoch
        schedule = dataclasses.replace(schedule, monitor="val_loss", patience=1, min_delta=10.0)
    check_every_stop(tmp_path, model, schedule=schedule, validation_data=HELD_OUT, steps=(2, 3, 5, 9, 10))


@pytest.mark.parametrize("every_steps", [None, 1, 2, 4, 5])
def test_from_the_last_checkpoint_however_old(every_steps: int | None, tmp_path: Path):
    check_every_stop(tmp_path, model, every_steps, optimizer="nadam")


@pytest.mark.parametrize("restore_best", [True, False])
def test_with_early_stopping(restore_best: bool, tmp_path: Path):
    def callbacks() -> list[Any]:
        return [c.EarlyStopping("val_loss", patience=2, restore_best=restore_best)]

    # A rate so high that the validation loss soon rises.
    whole = model()
    history = fit(whole, callbacks(), validation_data=HELD_OUT, optimizer=c.SGD(3.0), epochs=8)
    assert history.stopped is not None and len(history) < 8
    steps = range(1, 3 * len(history) + 1)
    check_every_stop(tmp_path, model, steps=steps, callbacks=callbacks, validation_data=HELD_OUT,
                     optimizer=c.SGD(3.0), epochs=8)  # fmt: skip


def test_with_two_early_stoppings_and_validation_fraction(tmp_path: Path):
    def callbacks() -> list[Any]:
        return [
            c.EarlyStopping("val_loss", patience=3),
            c.EarlyStopping("val_accuracy", patience=2, restore_best=False),
        ]

    check_every_stop(tmp_path, model, callbacks=callbacks, validation_fraction=0.3, steps=(2, 4, 6))


@pytest.mark.parametrize(
    "settings", [{"batch_size": None}, {"batch_size": 1, "epochs": 1}, {"shuffle": False}]
)
def test_with_other_batches(settings: dict[str, Any], tmp_path: Path):
    check_every_stop(tmp_path, model, steps=range(1, 5) if settings != {"batch_size": 1, "epochs": 1} else (1, 9, 22),
                     **settings)  # fmt: skip


def test_with_everything_at_once(tmp_path: Path):
    def make() -> c.Model:
        layers = [
            c.Dense(4),
            c.BatchNorm(),
            c.ReLU(),
            c.Dropout(0.2),
            c.Skip([c.Dense(2), c.Tanh()]),
            c.Dense(3),
        ]
        loss = c.SoftmaxCrossEntropy(label_smoothing=0.1)
        made = c.Model(c.Network(3, layers, loss, l2=0.01, l1=0.01, max_norm=0.8), dtype="float64")
        return made.freeze("dense_2")

    settings = {"optimizer": c.AdamW(0.02), "clip": c.Clip(0.5, 0.3), "schedule": c.OneCycle()}
    settings |= {"class_weight": "balanced", "metrics": ["f1", "auc"], "validation_data": HELD_OUT}
    check_every_stop(tmp_path, make, steps=(1, 4, 6, 8), **settings)


def test_regression_and_a_second_run_of_the_same_model(tmp_path: Path):
    path = tmp_path / "run.safetensors"

    def make() -> c.Model:
        made = c.Model(c.Network(3, [c.Dense(4), c.Dropout(0.5), c.Dense(1)], c.MeanSquaredError()))
        made.fit(X, X[:, 0], epochs=2, batch_size=5)
        return made

    whole = make()
    whole.fit(X, X[:, 0], epochs=3, batch_size=5)
    with pytest.raises(Stop):
        make().fit(X, X[:, 0], epochs=3, batch_size=5, callbacks=[Killer(7), c.Checkpoint(path, 1)])
    # The checkpoint knows how long the model was trained before: a model that was not resumes it just as well.
    for start in (make(), c.Model(make().network)):
        start.fit(X, X[:, 0], epochs=3, batch_size=5, resume=path)
        assert start.theta.tobytes() == whole.theta.tobytes()
        assert (start.epochs_trained, start.steps_trained) == (5, 25)


def test_killed_again_and_again(tmp_path: Path):
    path = tmp_path / "run.safetensors"
    whole = model()
    expected = everything(whole, fit(whole, []))
    for step in range(1, 12):
        with pytest.raises(Stop):
            fit(model(), [Killer(step + 1), c.Checkpoint(path, 1)], resume=path if path.exists() else None)
    made = model()
    assert everything(made, fit(made, [], resume=path)) == expected


def test_a_finished_run_stays_finished(tmp_path: Path):
    path = tmp_path / "run.safetensors"
    first, again = model(), model()
    expected = everything(first, fit(first, [c.Checkpoint(path)]))
    assert everything(again, fit(again, [], resume=path)) == expected
    stopped = fit(model(), [lambda run: run.stop("enough"), c.Checkpoint(tmp_path / "stopped")])
    resumed = fit(model(), [], resume=tmp_path / "stopped")
    assert len(stopped) == len(resumed) == 1 and resumed.stopped == "enough"


def test_more_epochs_under_a_constant_rate(tmp_path: Path):
    path = tmp_path / "run.safetensors"
    fit(model(), [c.Checkpoint(path)], epochs=2)
    longer, whole = model(), model()
    assert everything(longer, fit(longer, [], epochs=5, resume=path)) == everything(
        whole, fit(whole, [], epochs=5)
    )


def test_what_only_watches_may_change(tmp_path: Path):
    path = tmp_path / "run.safetensors"
    log = tmp_path / "log.csv"
    fit(model(), [lambda run: None, c.CSVLog(log), c.Checkpoint(path)], epochs=2, verbose=2)
    made, whole = model(), model()
    history = fit(made, [c.CSVLog(log)], resume=str(path))
    assert everything(made, history) == everything(whole, fit(whole, []))
    assert len(log.read_text().splitlines()) == 1 + EPOCHS
    added = fit(model(), [c.EarlyStopping("loss", patience=1, min_delta=9.0)], resume=path)
    assert len(added) == EPOCHS  # epoch 3 is the first it sees, 4 is no better


def test_a_callbacks_own_state_is_kept(tmp_path: Path):
    class Memory(c.Callback):
        def __init__(self) -> None:
            self.kept: dict[str, Any] = {}

        def on_epoch_end(self, run: Any) -> None:
            seen = [*self.kept.get("seen", []), run.epoch]
            array = np.arange(run.epoch)
            self.kept = {
                "seen": seen,
                "array": array,
                "nested": {"array": 3, "a.b": array + 1},
                "text": "é",
                "inf": np.inf,
            }
            self.kept |= {"a": {"b": array * 2}, "a.b": array * 3, "none": None, "scalar": np.float64(0.1)}

        def state(self) -> dict[str, Any]:
            return self.kept

        def load_state(self, state: dict[str, Any]) -> None:
            self.kept = state

    path = tmp_path / "run.safetensors"
    with pytest.raises(Stop):
        fit(model(), [Memory(), Killer(7), c.Checkpoint(path, 1)])
    memory, whole = Memory(), Memory()
    fit(model(), [memory], resume=path)
    fit(model(), [whole])
    assert repr(memory.kept).replace("np.float64(0.1)", "0.1") == repr(whole.kept).replace(
        "np.float64(0.1)", "0.1"
    )
    fit(model(), [Memory(), c.Checkpoint(path)], epochs=2)
    assert path.exists()
    memory = Memory()
    fit(model(), [memory], epochs=2, resume=path)
    np.testing.assert_array_equal(memory.kept["a"]["b"], [0, 2])
    np.testing.assert_array_equal(memory.kept["a.b"], [0, 3])


# --- what is refused


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"optimizer": c.Adam(2e-3)}, "optimizer"),
        ({"optimizer": "sgd"}, "optimizer"),
        ({"schedule": "cosine"}, "schedule"),
        ({"batch_size": 7}, "batch_size"),
        ({"shuffle": False}, "shuffle"),
        ({"clip": 1.0}, "clip_norm"),
        ({"clip": c.Clip(value=1.0)}, "clip_value"),
        ({"class_weight": {0: 2.0}}, "data"),
        ({"sample_weight": np.arange(22) + 1.0}, "data"),
        ({"validation_data": HELD_OUT}, "validation data"),
        ({"validation_fraction": 0.5}, "data"),
        ({"start": plain()}, "network"),
        ({"start": model().freeze("dense_1")}, "frozen"),
        ({"start": model(dtype="float64")}, "dtype"),
        ({"start": c.Model(model().network, seed=4)}, "seed"),
        ({"X": X + 1}, "data"),
        ({"X": X[:21], "y": Y[:21]}, "data"),
        ({"y": (Y + 1) % 3}, "data"),
        ({"y": np.eye(3)[Y]}, "data"),
        (
            {"start": c.Model(c.Network(3, model().network.layers, c.SoftmaxCrossEntropy(0.1)), seed=3)},
            "network",
        ),
        (
            {"start": c.Model(c.Network(3, model().network.layers, c.SoftmaxCrossEntropy(), l2=0.1), seed=3)},
            "network",
        ),
    ],
)
def test_other_settings_or_data_are_named(change: dict[str, Any], named: str, tmp_path: Path):
    path = tmp_path / "run.safetensors"
    fit(model(), [c.Checkpoint(path)], epochs=2)
    change = {"start": model(), "X": X, "y": Y, "epochs": EPOCHS, "batch_size": BATCH} | change
    start = change.pop("start")
    theta = start.theta.copy()
    with pytest.raises(c.ConfigError) as caught:
        start.fit(change.pop("X"), change.pop("y"), resume=path, **change)
    message = str(caught.value)
    assert f"{path} was made with another {named} (" in message and message.endswith("of that run.")
    assert start.theta.tobytes() == theta.tobytes() and start.epochs_trained == 0


def test_other_epochs_under_a_schedule_that_counts_them(tmp_path: Path):
    path = tmp_path / "run.safetensors"
    fit(model(), [c.Checkpoint(path)], schedule="cosine")
    with pytest.raises(c.ConfigError, match=r"made with another epochs \(4, now 5\)"):
        fit(model(), [], schedule="cosine", epochs=5, resume=path)


def test_a_callback_that_is_missing(tmp_path: Path):
    path = tmp_path / "run.safetensors"
    fit(model(), [c.EarlyStopping("loss"), c.Checkpoint(path)], epochs=2)
    with pytest.raises(c.ConfigError, match="made with the callback EarlyStopping; pass it again"):
        fit(model(), [], resume=path)


def test_no_checkpoint_there(tmp_path: Path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(
            c.ConfigError, match=r"there is no checkpoint at .*; start the run without resume"
        ):
            fit(model(), [], resume=path)


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    fit(plain(), [c.EarlyStopping("loss"), c.Checkpoint(tmp_path / "whole")], epochs=2)
    return (tmp_path / "whole").read_bytes()


def refused(path: Path, content: bytes) -> str:
    """Write, try to resume, and see the run refused before anything was changed."""
    path.write_bytes(content)
    start = plain()
    with pytest.raises(c.FormatError) as caught:
        fit(start, [c.EarlyStopping("loss")], resume=path)
    assert start.theta.tobytes() == plain().theta.tobytes()
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_truncated_at_every_eighth_of_its_length(whole: bytes, tmp_path: Path):
    for eighth in range(8):
        refused(tmp_path / "cut", whole[: len(whole) * eighth // 8])
    refused(tmp_path / "cut", whole[:-1])
    refused(tmp_path / "cut", whole + b"\0")


def test_foreign_files(whole: bytes, tmp_path: Path):
    path = tmp_path / "foreign"
    for content in (b"not a checkpoint", b"PK\3\4" + bytes(100), b"{}", b"\0" * 64, b"\2\0\0\0\0\0\0\0{}"):
        assert "is not a complete checkpoint of a Chainrule run" in refused(path, content)
    plain().save(path)
    assert "is not a complete checkpoint of a Chainrule run" in refused(path, path.read_bytes())


def test_a_changed_number_is_found(whole: bytes, tmp_path: Path):
    changed = bytearray(whole)
    changed[-3] ^= 1  # one bit of one number
    assert "is damaged: its checksum does not match" in refused(tmp_path / "bit", bytes(changed))


def forge(path: Path, edit: Callable[[dict[str, Any], dict[str, np.ndarray]], None]) -> bytes:
    """A checkpoint with another content and the checksum to match."""
    from chainrule.training.checkpoint import checksum

    arrays = load_file(path)
    with safe_open(path, "numpy") as file:
        state = json.loads(file.metadata()["chainrule-run"][8:])
    edit(state, arrays)
    text = json.dumps(state)
    save_file(arrays, path, {"chainrule-run": checksum(text, arrays) + text})
    return path.read_bytes()


def test_a_file_without_later_settings_is_resumed(tmp_path: Path):
    """As an earlier version wrote it."""
    path, whole, again = tmp_path / "run", plain(), plain()

    def earlier(state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        del state["steps_before"], state["fingerprint"]["optimizer"]["uncorrected_eps"]
        for layer in state["fingerprint"]["network"]["layers"]:
            for name in (
                "weight_rate",
                "bias_rate",
                "weight_decays",
                "bias_decays",
                "parametrization",
                "decays",
            ):
                layer.pop(name, None)
        del arrays[state.pop("row_sums")["$array"]]

    fit(plain(), [c.Checkpoint(path)], epochs=1)
    forge(path, earlier)
    fit(whole, [])
    fit(again, [], resume=path)
    assert again.theta.tobytes() == whole.theta.tobytes()
    with pytest.raises(c.ConfigError, match="was made with another optimizer"):
        fit(plain(), [], resume=path, optimizer=c.Adam(uncorrected_eps=True))


@pytest.mark.parametrize(
    "key",
    [
        "epoch",
        "now",
        "optimizer",
        "steps_before",
        "row_sums",
        "tally",
        "history",
        "callbacks",
        "format",
        "fingerprint",
    ],
)
@pytest.mark.parametrize(
    "value",
    [None, "x", [], {}, [[]], -1, 10**400],
    ids=["null", "text", "list", "dict", "lists", "minus", "huge"],
)
def test_content_that_makes_no_sense(key: str, value: Any, whole: bytes, tmp_path: Path):
    if (key, value) == ("callbacks", []):
        return  # an empty list of callbacks makes sense, and is refused only where a callback is missing
    path = tmp_path / "forged"
    path.write_bytes(whole)
    try:
        content = forge(path, lambda state, _: state.update({key: value}))
        path.write_bytes(content)
        with pytest.raises(c.ChainruleError):
            fit(plain(), [c.EarlyStopping("loss")], resume=path)
    except ValueError as error:  # Python itself does not write such numbers
        assert "digits" in str(error)


@pytest.mark.parametrize("shape", [(1,), (31, 1), (32,), ()])
def test_arrays_of_another_shape(shape: tuple[int, ...], whole: bytes, tmp_path: Path):
    path = tmp_path / "forged"
    for name in ("run.now.theta", "run.optimizer.m"):
        path.write_bytes(whole)

        def edit(_: Any, arrays: dict[str, np.ndarray], name: str = name) -> None:
            assert arrays[name].shape == (31,)
            arrays[name] = np.zeros(shape, np.float32)

        assert "is not a valid checkpoint of this run" in refused(path, forge(path, edit))


def test_the_file_is_whole_while_it_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "run.safetensors"
    fit(plain(), [c.Checkpoint(path)], epochs=1)
    before = path.read_bytes()

    def fail(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="no space left"):
        fit(plain(), [c.Checkpoint(path)], epochs=2)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_other_rows_are_noticed(tmp_path: Path):
    path, rows = tmp_path / "run", np.random.default_rng(0).normal(size=(5000, 3))
    labels = np.arange(5000) % 3
    plain().fit(rows, labels, epochs=1, callbacks=[c.Checkpoint(path)])
    for k in (1, 777, 4998):
        other = rows.copy()
        other[k] += 1
        with pytest.raises(c.ConfigError, match="was made with another data"):
            plain().fit(other, labels, epochs=2, resume=path)
    plain().fit(np.asfortranarray(rows), labels, epochs=2, resume=path)


def test_the_data_are_fingerprinted_only_for_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[int] = []
    monkeypatch.setattr("chainrule.data.samples.Samples.fingerprint", lambda self: seen.append(1) or 0)
    fit(plain(), [], epochs=2)
    assert not seen
    fit(plain(), [c.Checkpoint(tmp_path / "run")], epochs=2)
    assert len(seen) == 1


def edits(state: dict[str, Any]) -> list[tuple[tuple[Any, ...], Any]]:
    """Another value for every place in what is neither an array nor the fingerprint."""

    def places(value: Any) -> list[tuple[Any, ...]]:
        inner = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        return [(), *((key, *way) for key, part in inner for way in places(part))]

    ways = [way for way in places(state)[1:] if way[0] != "fingerprint" and way[-1] != "$array"]
    junk: list[Any] = [None, True, -1, 1.5, float("nan"), 2**70, "x", [], {}, [1]]
    return [(way, value) for way in ways for value in junk]


@pytest.mark.parametrize(
    "part",
    [0, *(pytest.param(part, marks=pytest.mark.slow) for part in (1, 2))],
)
def test_junk_in_every_place_is_refused_or_trains(part: int, tmp_path: Path):
    """In each place three or four of ten values, and the others in the parts that are slow."""
    path = tmp_path / "run"

    def run(**settings: Any) -> c.Model:
        made = c.Model(c.Network(3, [c.Dense(3)], c.SoftmaxCrossEntropy()))
        watchers = [c.EarlyStopping("loss"), c.GradientFlow(2), *settings.pop("callbacks", [])]
        made.fit(X, Y, batch_size=11, schedule=c.ReduceOnPlateau("loss"), callbacks=watchers, **settings)
        assert str(watchers[1]) and repr(made.history)
        return made

    run(epochs=1, callbacks=[c.Checkpoint(path)])
    whole, read, refused = path.read_bytes(), 0, 0
    with safe_open(path, "numpy") as file:
        state = json.loads(file.metadata()["chainrule-run"][8:])
    for way, value in edits(state)[part::3]:

        def put(state: Any, _: Any, way: tuple[Any, ...] = way, value: Any = value) -> None:
            for key in way[:-1]:
                state = state[key]
            state[way[-1]] = value

        path.write_bytes(whole)
        forge(path, put)
        try:
            run(epochs=2, resume=path)
            read += 1
        except c.NonFiniteError:
            read += 1
        except c.ChainruleError as error:
            assert str(path) in str(error), way
            refused += 1
    assert read > 16 and refused > 100


def test_an_array_is_taken_once(whole: bytes, tmp_path: Path):
    path = tmp_path / "forged"
    path.write_bytes(whole)
    content = forge(path, lambda state, _: state["callbacks"].append(state["now"]))
    assert "is not a complete checkpoint" in refused(path, content)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(value: float, whole: bytes, tmp_path: Path):
    path = tmp_path / "forged"
    for name in ("run.now.theta", "run.callbacks.0.1.kept.theta"):
        path.write_bytes(whole)
        content = forge(path, lambda _, arrays, name=name: arrays[name].fill(value))
        assert "should be finite" in refused(path, content)
