"""Callbacks: when they are called, what they may do, and that none of them changes a number it should not."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as c
from chainrule.training.events import EpochEnd, Finished, Progress, Started

GENERATOR = np.random.default_rng(5)
X = GENERATOR.normal(size=(40, 3))
Y = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0)


def model(*extra: c.Layer) -> c.Model:
    layers = [c.Dense(5), *extra, c.Tanh(), c.Dense(3)]
    return c.Model(c.Network(3, layers, c.SoftmaxCrossEntropy()), dtype="float64")


def fit(*callbacks: Any, start: c.Model | None = None, **settings: Any) -> c.History:
    start = model() if start is None else start
    return start.fit(X, Y, callbacks=callbacks, **({"epochs": 4, "batch_size": 16} | settings))


class Values(c.Callback):
    """Writes a column of the record by hand: what the others then watch."""

    def __init__(self, name: str, values: list[float]) -> None:
        self.name, self.values = name, values

    def on_epoch_end(self, run: Any) -> None:
        run.logs[self.name] = self.values[run.epoch - 1]


class Diary(c.Callback):
    """Every call, with the step it came at."""

    def __init__(self, every_steps: int | None = None) -> None:
        self.every_steps = every_steps
        self.calls: list[tuple[str, int, int]] = []

    def note(self, what: str, run: Any) -> None:
        self.calls.append((what, run.epoch, run.step))

    def on_train_begin(self, run: Any) -> None:
        self.note("begin", run)

    def on_steps(self, run: Any) -> None:
        if self.every_steps and run.step % self.every_steps == 0:
            self.note("steps", run)

    def on_epoch_end(self, run: Any) -> None:
        self.note("epoch", run)

    def on_train_end(self, run: Any) -> None:
        self.note("end", run)


# --- when


def test_the_order_of_calls():
    diary = Diary(every_steps=2)  # 3 steps an epoch
    fit(diary, epochs=2)
    assert diary.calls == [
        ("begin", 0, 0),
        ("steps", 0, 2),
        ("epoch", 1, 3),
        ("steps", 1, 4),
        ("epoch", 2, 6),
        ("end", 2, 6),
    ]


@pytest.mark.parametrize("every", [1, 2, 4, 5, 7])
def test_every_steps_counts_through_the_epochs(every: int):
    diary = Diary(every)
    fit(diary, epochs=5)
    asked = [
        step for step in range(every, 15, every) if step % 3
    ]  # at an epoch's end, on_epoch_end comes instead
    assert [step for what, _, step in diary.calls if what == "steps"] == asked


def test_watching_every_step_changes_nothing():
    plain, watched = model(c.Dropout(0.3)), model(c.Dropout(0.3))
    fit(start=plain)
    fit(Diary(1), Diary(2), start=watched)
    assert plain.theta.tobytes() == watched.theta.tobytes()


def test_functions_are_callbacks_too():
    epochs: list[int] = []
    fit(lambda run: epochs.append(run.epoch), epochs=3)
    assert epochs == [1, 2, 3]
    model().fit(X, Y, epochs=2, callbacks=lambda run: epochs.append(run.epoch))  # the only one needs no list
    model().fit(X, Y, epochs=2, callbacks=c.EarlyStopping("loss"))
    assert epochs == [1, 2, 3, 1, 2]


@pytest.mark.parametrize("wrong", [[5], ["csv"], [c.EarlyStopping], [None]])
def test_what_is_no_callback(wrong: Any):
    with pytest.raises(
        c.ConfigError, match="callbacks must be Callback objects or functions of the run, not"
    ):
        fit(*wrong)


def test_the_run_that_callbacks_see_is_current():
    def look(run: Any) -> None:
        assert run.model.theta is run.theta and run.history[-1] is run.logs
        assert run.epochs == 4 and run.steps_per_epoch == 3 and run.samples.n == 40
        seen.append(run.model.evaluate(X, Y)["loss"])

    seen: list[float] = []
    history = fit(look, validation_data=(X, Y))
    assert seen == pytest.approx(history["val_loss"])


def test_running_statistics_are_current_in_callbacks():
    seen: list[np.ndarray] = []
    made = model(c.BatchNorm())
    fit(lambda run: seen.append(run.states["batch_norm_1"].mean.copy()), start=made)
    assert not np.array_equal(seen[0], seen[1]) and np.array_equal(seen[-1], made.states["batch_norm_1"].mean)


def test_an_error_in_a_callback_ends_the_run_in_good_order():
    class Broken(Exception):
        pass

    def fail(run: Any) -> None:
        if run.epoch == 2:
            raise Broken

    made, diary = model(), Diary()
    with pytest.raises(Broken):
        fit(diary, fail, start=made)
    assert diary.calls[-1] == ("end", 2, 6)
    assert made.epochs_trained == 2 and made.steps_trained == 6


# --- stopping


def test_a_callback_stops_the_run():
    history = fit(lambda run: run.stop("seen enough") if run.epoch == 2 else None)
    assert len(history) == 2 and history.stopped == "seen enough"
    assert c.History.from_json(history.to_json()).stopped == "seen enough"


def test_stop_at_reaches_up_and_down():
    rising = fit(Values("val_accuracy", [0.5, 0.7, 0.8, 0.9]), c.StopAt("val_accuracy", 0.8))
    assert len(rising) == 3 and rising.stopped == "val_accuracy reached 0.8"
    falling = fit(Values("val_rmse", [3, 2, 1, 0]), c.StopAt("val_rmse", 2.5))
    assert len(falling) == 2
    assert fit(c.StopAt("loss", 0.0)).stopped is None


@pytest.mark.parametrize(
    ("values", "patience", "min_delta", "epochs"),
    [
        ([4, 3, 2, 1, 0, 0, 0, 0], 1, 0.0, 6),
        ([4, 3, 3, 3, 2, 1, 1, 1], 3, 0.0, 8),
        ([4, 3, 3, 3, 2, 1, 1, 1], 2, 0.0, 4),
        ([4, 3.9, 3.8, 3.7, 3, 3, 3, 3], 2, 0.5, 3),
        ([4, math.nan, math.nan, math.nan, 2, 2, 2, 2], 3, 0.0, 4),
        ([math.nan, 3, 3, 3, 3, 3, 3, 3], 2, 0.0, 4),
    ],
)
def test_early_stopping_counts_epochs_without_improvement(
    values: list[float], patience: int, min_delta: float, epochs: int
):
    stopping = c.EarlyStopping("watched", patience=patience, min_delta=min_delta)
    assert len(fit(Values("watched", values), stopping, epochs=8)) == epochs


def test_early_stopping_restores_the_best_epoch():
    thetas: list[np.ndarray] = []
    means: list[np.ndarray] = []

    def keep(run: Any) -> None:
        thetas.append(run.theta.copy())
        means.append(run.states["batch_norm_1"].mean.copy())

    made = model(c.BatchNorm())
    stopping = c.EarlyStopping("val_accuracy", patience=2)
    history = fit(Values("val_accuracy", [0.1, 0.5, 0.5, 0.4]), keep, stopping, start=made)
    assert history.stopped == "val_accuracy has not improved since epoch 2"
    assert stopping.best_epoch == 2 and len(history) == 4
    assert made.theta.tobytes() == thetas[1].tobytes()
    assert np.array_equal(made.states["batch_norm_1"].mean, means[1])


@pytest.mark.parametrize(
    ("values", "growth", "patience", "epochs"),
    [
        ([1, *[2] * 30], 2, 4, 7),  # best 1: after 1 + 4 + 2
        ([3, 2, 1, *[2] * 30], 2, 4, 13),  # best 3: after 3 + 4 + 6, the first epoch > 3 * 3 + 3
        ([3, 2, 1, *[2] * 30], 0.5, 4, 9),  # 3 + 4 + 1.5, and epochs are whole
        ([3, 2, 1, *[2] * 30], 0, 4, 7),
        ([3, 2, 1, 2, 2, 2, 2, 0.5, *[2] * 30], 1, 2, 18),  # an improvement at 8 < 3 + 2 + 3 + 1: 8 + 2 + 8
        ([np.nan] * 9, 2, 4, 4),  # none was the best
    ],
)
def test_patience_grows_with_the_best_epoch(values: list[float], growth: float, patience: int, epochs: int):
    stopping = c.EarlyStopping("watched", patience, growth=growth)
    assert len(fit(Values("watched", values), stopping, epochs=30)) == epochs


@pytest.mark.parametrize("bad", [-1, np.nan, "2"])
def test_growth_is_a_number(bad: Any):
    with pytest.raises(c.ConfigError, match="growth of EarlyStopping must be a finite number of at least 0"):
        c.EarlyStopping(growth=bad)


def test_early_stopping_restores_also_at_the_last_epoch_and_after_an_interrupt():
    def interrupt(run: Any) -> None:
        thetas.append(run.theta.copy())
        if run.epoch == 3:
            raise KeyboardInterrupt

    thetas: list[np.ndarray] = []
    for last, callbacks in ((2, [lambda run: thetas.append(run.theta.copy())]), (9, [interrupt])):
        thetas.clear()
        made = model()
        watch = (Values("watched", [2, 1, 1] * 3), c.EarlyStopping("watched", patience=9))
        if last == 9:
            with pytest.raises(KeyboardInterrupt):
                fit(*watch, *callbacks, start=made, epochs=last)
        else:
            fit(*watch, *callbacks, start=made, epochs=last)
        assert made.theta.tobytes() == thetas[1].tobytes()


def test_early_stopping_may_leave_the_last_epoch():
    thetas: list[np.ndarray] = []
    made = model()
    stopping = c.EarlyStopping("watched", patience=1, restore_best=False)
    fit(Values("watched", [1, 2, 3, 4]), stopping, lambda run: thetas.append(run.theta.copy()), start=made)
    assert len(thetas) == 2 and made.theta.tobytes() == thetas[-1].tobytes()


def test_early_stopping_starts_afresh_in_a_second_fit():
    stopping = c.EarlyStopping("watched", patience=1)
    assert len(fit(Values("watched", [1, 2, 3, 4]), stopping)) == 2
    assert len(fit(Values("watched", [9, 8, 7, 6]), stopping)) == 4


@pytest.mark.parametrize(
    ("callback", "words"),
    [
        (
            c.EarlyStopping("val_loss"),
            "'val_loss' is not recorded; pass validation_data or validation_fraction",
        ),
        (
            c.StopAt("accuracies", 1),
            "'accuracies' is not recorded; recorded are loss, accuracy, learning_rate",
        ),
    ],
)
def test_a_column_that_is_not_recorded(callback: c.Callback, words: str):
    with pytest.raises(c.ConfigError, match=words):
        fit(callback)


# --- the CSV log


def test_csv_log_is_the_history(tmp_path: Path):
    path = tmp_path / "new" / "log.csv"
    lines: list[int] = []
    log = c.CSVLog(path)
    history = fit(log, lambda run: lines.append(len(path.read_text().splitlines())), validation_data=(X, Y))
    assert lines == [2, 3, 4, 5]  # whole after each epoch
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert list(rows[0]) == ["epoch", *history.columns]
    assert [float(row["val_loss"]) for row in rows] == history["val_loss"]
    assert [p.name for p in path.parent.iterdir()] == ["log.csv"]  # nothing temporary stays


HELD = {"validation_fraction": 0.2}


@pytest.mark.parametrize(
    ("monitor", "settings", "hint"),
    [
        ("val_loss", {}, "pass validation_data or validation_fraction;"),
        ("val_accuracy", {}, "pass validation_data or validation_fraction;"),
        ("val_f1", HELD, "pass metrics=['f1'];"),
        ("val_f1", {}, "pass validation_data or validation_fraction and metrics=['f1'];"),
        ("f1", HELD, "monitor 'val_f1';"),
        ("val_bogus", HELD, "'val_bogus' is not recorded; recorded are loss"),
        ("val_rmse", HELD, "'val_rmse' is not recorded; recorded are loss"),
    ],
)
def test_what_helps_where_a_column_is_not_recorded(monitor: str, settings: dict[str, Any], hint: str):
    """And it does help."""
    with pytest.raises(c.ConfigError, match="is not recorded") as caught:
        fit(c.EarlyStopping(monitor), **settings)
    assert hint in str(caught.value)
    if "pass" in hint or "watch" in hint:
        metrics = {"metrics": ["f1"]} if "f1" in monitor else {}
        monitor = monitor if monitor.startswith("val_") else f"val_{monitor}"
        assert len(fit(c.EarlyStopping(monitor), **HELD, **metrics)) == 4


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: c.EarlyStopping(patience=0),
            "patience of EarlyStopping must be an integer of at least 1, not 0",
        ),
        (lambda: c.EarlyStopping(patience=1.5), "patience of EarlyStopping must be an integer of at least 1"),
        (lambda: c.EarlyStopping(patience="3"), "patience of EarlyStopping must be an integer of at least 1"),
        (
            lambda: c.EarlyStopping(min_delta=math.nan),
            "min_delta of EarlyStopping must be a finite number of at least 0",
        ),
        (
            lambda: c.EarlyStopping(min_delta=-1),
            "min_delta of EarlyStopping must be a finite number of at least 0",
        ),
        (lambda: c.EarlyStopping(None), "monitor of EarlyStopping must be a name in the history, not None"),
        (lambda: c.StopAt("val_accuracy", "0.9"), "value of StopAt must be a finite number, not '0.9'"),
        (lambda: c.StopAt(5, 0.9), "monitor of StopAt must be a name in the history, not 5"),
        (
            lambda: c.Checkpoint("x", "5"),
            "every_steps of Checkpoint must be an integer of at least 1, not '5'",
        ),
    ],
)
def test_settings_that_cannot_be(make: Any, words: str):
    with pytest.raises(c.ConfigError) as caught:
        make()
    assert words in str(caught.value)


# --- the progress bar


def test_progress_bar_in_a_terminal():
    from io import StringIO

    from rich.console import Console

    screen = StringIO()
    bar = c.ProgressBar(1, console=Console(file=screen, force_terminal=True, width=100))
    fit(bar, epochs=2)
    shown = screen.getvalue()
    assert "epoch 1/2" in shown and "epoch 2/2" in shown and "loss" in shown
    assert bar.bar is None  # taken away


class Clock:
    """A clock that is told how late it is."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_progress_bar_tells_the_time_left_of_the_whole_run(monkeypatch: pytest.MonkeyPatch):
    from io import StringIO

    from rich.console import Console

    from chainrule.training import listeners

    clock, told, paces = Clock(), list[str](), list[str]()
    monkeypatch.setattr(listeners, "time", clock)

    class Bar(c.ProgressBar):
        def move(self, event: Any, position: int = 0) -> None:
            clock.now += 0.4
            super().move(event, position)
            told.append(self.left(event, position))
            paces.append(self.pace(event, position))

    bar = Bar(1, console=Console(file=StringIO(), force_terminal=True, width=80))
    bar.every_steps = 1
    fit(bar, epochs=400)  # of 3 steps: 1200 in 480 s
    assert told[0] == "" and told[1] == "7:59" and told[-2] == "0:00"
    assert paces[0] == "" and re.fullmatch(r"\d+ rows/s, 7:59 left", paces[1])
    assert listeners.duration(3661) == "1:01:01"


RECORD = {
    "loss": 0.25, "accuracy": 0.9, "learning_rate": 8.0123e-09, "forward_passes": 12345.0, "val_loss": 0.5,
    "val_accuracy": 0.8, "val_balanced_accuracy": 0.7, "seconds": 1.23,
}  # fmt: skip


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 120])
@pytest.mark.parametrize("columns", [4, 6, 8])
def test_the_table_of_epochs_fits_the_terminal(width: int, columns: int):
    """Every line; what is shown is whole, and nothing that matters is left out while there is room."""
    from io import StringIO

    from rich.console import Console

    names = ["loss", "accuracy", "learning_rate", "val_loss", "val_accuracy", "seconds"]
    names = [*names[:3], "seconds"] if columns == 4 else names if columns == 6 else list(RECORD)
    screen = StringIO()
    bar = c.ProgressBar(1, console=Console(file=screen, force_terminal=True, color_system=None, width=width))
    bar.verbose = 2
    bar.on_event(Started(0, 300, step=0, steps_per_epoch=3, samples=40, batch_size=16, engine="native"))
    for epoch in (1, 20, 300):
        bar.on_event(EpochEnd(epoch, 300, {n: RECORD[n] for n in names}))
    lines = screen.getvalue().splitlines()
    assert max(map(len, lines)) <= width and len(set(map(len, lines[-3:]))) == 1
    assert lines[-1].split()[:2] == ["300", "0.2500"]
    if width >= (60 if columns < 8 else 100):
        assert all(f"{RECORD[n]:.4f}" in lines[-1] for n in names if n.startswith(("loss", "acc", "val_")))
    if width >= 80 and columns == 6:
        assert all(name in lines[0] for name in names)


def test_the_bar_says_that_an_engine_compiles():
    from io import StringIO

    from rich.console import Console

    screen = StringIO()
    bar = c.ProgressBar(1, console=Console(file=screen, force_terminal=True, color_system=None, width=80))
    bar.on_event(
        Started(0, 3, step=0, steps_per_epoch=3, samples=40, batch_size=16, engine="xla", compiles=True)
    )
    bar.bar.refresh()
    assert "compiling" in screen.getvalue() and "epoch 1/3" not in screen.getvalue()
    bar.on_event(Progress(0, 3, step=1, of=3, loss=0.5, rate=0.1, seconds=1.0))
    bar.bar.refresh()
    assert "epoch 1/3" in screen.getvalue()
    bar.on_event(Finished(3, 3))


def test_a_table_without_a_terminal_has_every_column(capsys: pytest.CaptureFixture[str]):
    names = list(RECORD)[3:]
    fit(*(Values(name, [RECORD[name]] * 2) for name in names), c.ProgressBar(), epochs=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and all(name in lines[0] for name in names) and len(lines[0]) > 80


@pytest.mark.parametrize("engine", ["reference", "native"])
def test_a_callback_predicts_with_the_running_statistics_of_its_step(engine):
    start, found = model(c.BatchNorm()), []

    class Look(c.Callback):
        every_steps = 1

        def on_steps(self, run: Any) -> None:
            mean = run.states["batch_norm_1"].mean
            assert np.any(mean != 0) and np.array_equal(start.states["batch_norm_1"].mean, mean)

        def on_epoch_end(self, run: Any) -> None:
            found.append(start.evaluate(X, Y)["loss"])

    history = fit(Look(), start=start, engine=engine, validation_data=(X, Y))
    assert found == pytest.approx(history["val_loss"], rel=1e-12)
    assert len(set(found)) == 4
