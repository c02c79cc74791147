"""A run from Python: its folder, its events, what it says of bad settings, how it stops and goes on."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import chainrule as c
from chainrule.cli.introduce import EpochTable
from chainrule.data.samples import Samples
from chainrule.recipe.data import from_arrays
from chainrule.recipe.run import Judged, Judging, run
from chainrule.recipe.settings import NAMES, Settings
from chainrule.training import checkpoint
from chainrule.training import events as e
from chainrule.views.figures import learning_curve
from commands import invoke
from listening import in_another_thread

R = np.random.default_rng(0)
X = R.normal(size=(160, 6))
TWO = (X[:, 0] > 0).astype(np.int64)
NUMBERS = 100 + 20 * X[:, 0] + 5 * X[:, 1]
LABELS = (X[:, :3] > 0).astype(np.uint8)
WORDS = np.array(["low", "mid", "high"])[np.digitize(X[:, 0], [-0.4, 0.4])]
QUICK: dict[str, Any] = {"epochs": 4, "hidden": (8,), "dropout": 0.2}


def model_bytes(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def losses(folder: Path) -> list[float]:
    return [record["val_loss"] for record in json.loads((folder / "history.json").read_text())["records"]]


# --- a run


@pytest.mark.parametrize("y", [TWO, NUMBERS, LABELS, WORDS], ids=["two", "numbers", "labels", "words"])
def test_a_run_leaves_its_folder(tmp_path: Path, y: Any):
    outcome = run(from_arrays(X, y), Settings(**QUICK), out=tmp_path / "run")
    assert outcome.folder == tmp_path / "run" and len(outcome.history) == 4
    made = c.load(tmp_path / "run" / "model.safetensors")
    assert made.theta.tobytes() == outcome.model.theta.tobytes()
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["settings"]["hidden"] == "8" and config["command"] == "" and config["data"]["source"] == ""
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["part"] == "validation" and metrics["samples"] == 32
    assert metrics["metrics"] == outcome.judgement.metrics
    assert not (tmp_path / "run" / ".lock").exists()


def test_it_prints_nothing_and_needs_no_terminal(tmp_path: Path):
    code = (
        "import sys\nimport numpy as np\n"
        "from chainrule.recipe.data import from_arrays\nfrom chainrule.recipe.run import run\n"
        "from chainrule.recipe.settings import Settings\n"
        "X = np.random.default_rng(0).normal(size=(60, 3))\n"
        f"run(from_arrays(X, X[:, 0] > 0), Settings(epochs=2), out={str(tmp_path / 'run')!r}, listen=id)\n"
        "assert not {'rich', 'typer', 'plotly'} & {name.split('.')[0] for name in sys.modules}"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == done.stderr == ""


def test_a_run_is_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """To the bit, and with the same files but for what the command was and where the data lie."""
    monkeypatch.chdir(tmp_path)
    np.savez("words.npz", X=X, y=WORDS)
    words = ["--hidden", "8,8", "--dropout", "0.2", "--epochs", "3", "--patience", "2", "--out", "theirs"]
    assert invoke(["train", "words.npz", *words]).exit_code == 0
    run(from_arrays(X, WORDS), Settings(hidden=(8, 8), dropout=0.2, epochs=3, patience=2), out="mine")
    for name in ("model.safetensors", "metrics.json", "confusion_matrix.csv"):
        assert Path("mine", name).read_bytes() == Path("theirs", name).read_bytes()
    mine, theirs = (json.loads(Path(name, "config.json").read_text()) for name in ("mine", "theirs"))
    assert {k: v for k, v in mine.items() if k not in ("command", "data")} == {
        k: v for k, v in theirs.items() if k not in ("command", "data")
    }
    assert mine["data"]["fingerprint"] == theirs["data"]["fingerprint"]


def test_the_numbers_of_the_samples_are_checked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The training and the test part, each when the run is prepared; and the test part is predicted once at the end."""
    from chainrule.data import checks
    from chainrule.trained.trained import Trained

    looks, predictions = list[Any](), list[Any]()
    look, outputs = checks._check_finite, Trained.outputs

    def counted(samples: Any, *arguments: Any) -> None:
        looks.append(samples)
        look(samples, *arguments)

    def predicted(self: Trained, samples: Any, **options: Any) -> Any:
        predictions.append(samples)
        return outputs(self, samples, **options)

    monkeypatch.setattr(checks, "_check_finite", counted)
    monkeypatch.setattr(Trained, "outputs", predicted)
    run(from_arrays(X, TWO, test=(X[:40], TWO[:40])), Settings(**QUICK), out=tmp_path / "run")
    assert len(looks) == 2
    assert [type(samples) for samples in predictions] == [Samples]


# --- bad settings, named as Python names them

BAD: list[tuple[str, Any, str]] = [
    ("hidden", (12, 0), "hidden must be widths such as (256, 128)"),
    ("hidden", "64,64", "hidden must be widths such as (256, 128)"),
    ("hidden", 64, "hidden must be widths such as (256, 128)"),
    ("activation", "rleu", "activation must be one of identity, relu"),
    ("batch_norm", 1, "batch_norm must be True or False, not 1."),
    ("augment", True, "augment distorts images, and data has none; omit it."),
    ("dropout", 1.5, "dropout must be a probability"),
    ("input_dropout", -1, "input_dropout must be a probability"),
    (
        "residual",
        True,
        "residual applies from the second hidden layer on; set two, such as hidden=(256, 256).",
    ),
    ("loss", "mse", "loss must be one of mean_squared_error"),
    ("label_smoothing", 1, "label_smoothing must be a finite number of at least 0 and below 1, not 1"),
    ("method", "newton", "method must be one of backpropagation"),
    ("optimizer", "adamm", "optimizer must be one of gradient_descent"),
    ("lr", -1, "lr must be a finite number above 0, not -1; 0.001 is usual."),
    ("schedule", "cos", "schedule must be one of constant"),
    ("epochs", 0, "epochs must be an integer of at least 1, not 0"),
    ("epochs", "many", "epochs must be an integer or None, not 'many'."),
    ("batch_size", 0, "batch_size must be an integer of at least 1, not 0"),
    ("batch_size", 1.5, "batch_size must be an integer or None, not 1.5."),
    ("l2", -1, "l2 must be"),
    ("l1", float("nan"), "l1 must be a finite number"),
    ("max_norm", 0, "max_norm must be"),
    ("momentum", 0.9, "adam has no momentum; omit momentum."),
    ("nesterov", True, "adam has no nesterov; omit nesterov."),
    ("weight_decay", 0.1, "adam has no weight decay; omit weight_decay."),
    ("clip_norm", 0, "clip_norm must be"),
    ("precision", "fp8", "precision must be bf16"),
    ("seed", -1, "seed must be"),
    ("dtype", "float16", "dtype must be one of float32, float64"),
    ("validation_fraction", 1.5, "validation_fraction must"),
    ("patience", 0, "patience must be an integer of at least 1"),
    ("target", 98, "target is an accuracy above 0, at most 1, not 98."),
    ("positive", "maybe", "positive must be 0 or 1, not 'maybe'."),
    ("engine", "gpu", "engine must be one of auto"),
    ("device", "cuda:99", "device must be one of"),
    ("shards", 3, "shards must be a power of two, not 3; 8 is usual."),
    ("reduce", "ring", "reduce must be one of tree, psum, not 'ring'."),
    ("target_column", "y", "target_column is for tables, and data has no named columns; omit it."),
    (
        "exclude_columns",
        "y",
        "exclude_columns is for tables, and data has no named columns; omit it.",
    ),
    ("header", 2, "header is for tables, and data has no named columns; omit it."),
    ("sheet", "a", "sheet is for tables, and data has no named columns; omit it."),
    ("decimal", ",", "decimal is for tables, and data has no named columns; omit it."),
    ("encoding", "cp950", "encoding is for tables, and data has no named columns; omit it."),
    ("groups", "y", "groups is for a table in memory"),
    ("time", "y", "time is for a table in memory"),
    ("gap", "3", "gap is for a table in memory"),
    ("exposure", "y", "exposure is for a table in memory"),
    ("time_to_event", "y", "time_to_event is for a table in memory"),
    ("event", "y", "event is for a table in memory"),
    ("monotonic", "a:+1", "monotonic is for a table in memory"),
    ("threshold", "f1", "threshold is for a table in memory"),
    ("costs", "0,1/1,0", "costs is for a table in memory"),
    ("preset", "fast", "preset is for tables, and data has no named columns; omit it."),
    ("plan", "runs/other", "plan is for a table in memory"),
    ("members", 2, "members belongs to a preset, and this is a plain network; omit it"),
    ("time_limit", 0, "time_limit must be a finite number above 0, not 0; it is in seconds."),
    ("checkpoint_steps", 0, "checkpoint_steps must be an integer of at least 1"),
]


def test_every_setting_can_be_bad():
    assert {name for name, _, _ in BAD} == set(NAMES)


@pytest.mark.parametrize(("name", "value", "words"), BAD, ids=[f"{name}={value}" for name, value, _ in BAD])
def test_a_bad_setting_is_named(tmp_path: Path, name: str, value: Any, words: str):
    settings = {"hidden": (8,)} | {name: value}
    with pytest.raises(c.ConfigError) as caught:
        run(from_arrays(X, TWO), Settings(**settings), out=tmp_path / "run")
    assert str(caught.value).startswith(words), caught.value
    assert "--" not in str(caught.value) and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arrays", "settings", "words"),
    [
        ((X, np.arange(160) * 7), {}, "pass loss='mean_squared_error' if they are amounts"),
        ((X, TWO, X, TWO), {"patience": 3}, "add validation_fraction=0.1."),
        ((X, TWO, X, TWO), {"schedule": "reduce_on_plateau"}, "add validation_fraction=0.1."),
        ((X, TWO), {"method": "cma_es", "lr": 0.1}, "cma_es makes its own steps; omit lr."),
        (
            (X, TWO),
            {"optimizer": "sgd", "nesterov": True},
            "nesterov requires a momentum above 0; pass momentum=0.9 too.",
        ),
        (
            (X, TWO),
            {"optimizer": "lbfgs", "method": "spsa"},
            "lbfgs needs the exact gradient, not the estimate of spsa; use optimizer='adam'.",
        ),
        ((X, TWO), {"method": "spsa", "engine": "native"}, "use engine='auto'."),
        ((X, TWO), {"precision": "bf16", "dtype": "float64"}, "precision='bf16' needs a float32 model"),
        (
            (X, TWO),
            {"validation_fraction": 1e-3},
            "validation_fraction=0.001 of 160 samples leaves none on one side; bring more samples.",
        ),
        ((X, WORDS), {"loss": "sigmoid_cross_entropy"}, "use loss='softmax_cross_entropy'."),
        ((X, WORDS), {"loss": "huber"}, "y must contain numbers for huber, not text."),
        (
            (X, NUMBERS),
            {"optimizer": "sgd", "lr": 1e30, "schedule": "constant"},
            "lower lr, give clip_norm=1, or scale",
        ),
        ((X[0], TWO), {}, "X of the train part must be (n, features)"),
    ],
)
def test_what_to_do_is_said_in_python(tmp_path: Path, arrays: Any, settings: Any, words: str):
    with pytest.raises(c.ChainruleError) as caught:
        data = from_arrays(*arrays[:2], test=arrays[2:] or None)
        run(data, Settings(**settings), out=tmp_path / "run")
    assert words in str(caught.value) and "--" not in str(caught.value)


def test_a_folder_is_not_replaced_unasked(tmp_path: Path):
    data, settings = from_arrays(X, TWO), Settings(**QUICK)
    run(data, settings, out=tmp_path)
    with pytest.raises(c.ConfigError, match="continue it with resume=True, replace it with overwrite=True"):
        run(data, settings, out=tmp_path)
    run(data, settings, out=tmp_path, overwrite=True)


def test_numpys_numbers_are_settings():
    assert Settings(hidden=[np.int64(8)], epochs=np.int64(3), lr=np.float32(0.5)) == Settings(
        hidden=(8,), epochs=3, lr=0.5
    )


# --- its events, in a thread that has nothing else


def followed(consumers: Any, settings: Settings, folder: Path, **options: Any) -> Any:
    """A run whose events go through a queue to a thread that calls the consumers."""
    with in_another_thread(consumers) as listen:
        return run(from_arrays(X, WORDS), settings, out=folder, listen=listen, **options)


def test_the_events_of_a_run(tmp_path: Path):
    found: list[e.Event] = []
    outcome = followed([found.append], Settings(**QUICK), tmp_path)
    kinds = [type(event).__name__ for event in found if not isinstance(event, e.Progress)]
    assert kinds == ["Started", *["EpochEnd"] * 4, "Finished", "Judging", "Judged"]
    assert found[-1] == Judged(4, 4, "validation", 32, outcome.judgement.metrics)
    json.dumps([event.to_data() for event in found], allow_nan=False)


def test_table_curve_and_log_from_the_events_alone(tmp_path: Path):
    """The command's own table, a live learning curve, and the same CSV as the run's; of a run that is resumed too."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, color_system=None, width=120)
    table, log = EpochTable(console, "val"), c.CSVLog(tmp_path / "log.csv")
    records: list[Any] = []
    drawn: list[Any] = []

    def draw(event: e.Event) -> None:
        if isinstance(event, e.Started):
            records[:] = event.records
        elif isinstance(event, e.EpochEnd):
            records.append(event.record)
            drawn.append(learning_curve(records, "loss"))

    consumers = [table.on_event, draw, log.on_event]
    place = tmp_path / "run"
    followed(consumers, Settings(**QUICK), place)
    outcome = followed(consumers, Settings(**QUICK | {"epochs": 6}), place, resume=True)
    shown = screen.getvalue()
    assert "epoch 1/4" in shown and "epoch 5/6" in shown and "val accuracy" in shown
    assert all(f"{loss:.4f}" in shown for loss in outcome.history["val_loss"])
    assert [list(each.data[0].y) for each in drawn] == [
        outcome.history["loss"][:k] for k in (1, 2, 3, 4, 5, 6)
    ]
    assert (tmp_path / "log.csv").read_text() == (place / "history.csv").read_text()
    with (tmp_path / "log.csv").open(newline="") as file:
        assert [float(row["loss"]) for row in csv.DictReader(file)] == outcome.history["loss"]


# --- how it stops, and goes on


class Requested:
    """Sets a `threading.Event` in another thread, which waits for the first event of a kind with enough epochs."""

    def __init__(self, kind: type[e.Event], epochs: int) -> None:
        self.kind, self.epochs, self.stop = kind, epochs, threading.Event()

    def __call__(self, event: e.Event) -> None:
        if isinstance(event, self.kind) and event.epoch >= self.epochs and not self.stop.is_set():
            other = threading.Thread(target=self.stop.set)
            other.start()
            other.join()


@pytest.mark.parametrize(("kind", "epochs"), [(e.Progress, 1), (e.EpochEnd, 2), (e.Started, 0)])
def test_a_run_stopped_from_another_thread_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any, epochs: int
):
    monkeypatch.setattr(
        "chainrule.training.loop.POLL_SECONDS", 0.0
    )  # one step a call: there are events within epochs
    data, settings = from_arrays(X, WORDS), Settings(**QUICK, batch_size=16)
    whole = run(data, settings, out=tmp_path / "whole")
    found: list[e.Event] = []
    asks = Requested(kind, epochs)

    def listen(event: e.Event) -> None:
        found.append(event)
        asks(event)

    outcome = run(data, settings, out=tmp_path / "run", listen=listen, stop=asks.stop)
    assert outcome.history.stopped == "on request" and len(outcome.history) == epochs < 4
    assert e.Stopped(epochs, 4, "on request") in found and isinstance(found[-1], Judged)
    assert (tmp_path / "run" / "metrics.json").is_file()  # it is judged as it stands
    again = run(data, settings, out=tmp_path / "run", resume=True)
    assert again.history.stopped is None and losses(tmp_path / "run") == losses(tmp_path / "whole")
    assert model_bytes(tmp_path / "run") == model_bytes(tmp_path / "whole")
    assert again.judgement.metrics == whole.judgement.metrics


def test_a_stop_at_the_end_is_none(tmp_path: Path):
    asks = Requested(e.EpochEnd, 4)
    outcome = run(from_arrays(X, TWO), Settings(**QUICK), out=tmp_path, listen=asks, stop=asks.stop)
    assert asks.stop.is_set() and outcome.history.stopped is None


def test_lbfgs_stops_on_request_and_starts_again(tmp_path: Path):
    settings, data = Settings(hidden=(4,), optimizer="lbfgs", epochs=5), from_arrays(X, NUMBERS)
    whole = run(data, settings, out=tmp_path / "whole")
    asks = Requested(e.EpochEnd, 2)
    assert len(run(data, settings, out=tmp_path / "run", listen=asks, stop=asks.stop).history) == 2
    again = run(data, settings, out=tmp_path / "run", resume=True)
    assert again.model.theta.tobytes() == whole.model.theta.tobytes()


def test_a_failed_run_says_so_and_keeps_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data, settings = from_arrays(X, WORDS), Settings(**QUICK)
    run(data, settings, out=tmp_path / "whole")
    found, calls, write = list[e.Event](), list[Any](), checkpoint.write

    def full(path: Any, state: Any) -> None:
        calls.append(path)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        write(path, state)

    monkeypatch.setattr(checkpoint, "write", full)
    with pytest.raises(OSError, match="No space left"):
        run(data, settings, out=tmp_path / "run", listen=found.append)
    assert found[-1] == e.Failed(3, 4, "OSError", "[Errno 28] No space left on device")
    assert checkpoint.read(tmp_path / "run" / "checkpoint.safetensors")["epoch"] == 2
    assert not (tmp_path / "run" / "model.safetensors").exists()
    run(data, settings, out=tmp_path / "run", resume=True)
    assert model_bytes(tmp_path / "run") == model_bytes(tmp_path / "whole")


def test_a_failure_after_the_training_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found: list[e.Event] = []

    def full(*_: Any, **__: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(c.Model, "save", full)
    with pytest.raises(OSError, match="the disk is full"):
        run(from_arrays(X, TWO), Settings(**QUICK), out=tmp_path, listen=found.append)
    assert found[-2:] == [Judging(4, 4, "validation", 32), e.Failed(4, 4, "OSError", "the disk is full")]


def test_other_arrays_are_refused(tmp_path: Path):
    settings = Settings(**QUICK)
    run(from_arrays(X, TWO), settings, out=tmp_path)
    longer = Settings(**QUICK | {"epochs": 6})
    with pytest.raises(c.ConfigError, match="other data"):
        run(from_arrays(X + 1, TWO), longer, out=tmp_path, resume=True)
    with pytest.raises(c.ConfigError, match=r"data is mnist, but the run in .* was started with arrays"):
        run("mnist", settings, out=tmp_path, resume=True)
    with pytest.raises(c.ConfigError, match=r"hidden is \(9,\), but the run in .* was started with \(8,\)"):
        run(from_arrays(X, TWO), Settings(**QUICK | {"hidden": (9,)}), out=tmp_path, resume=True)
