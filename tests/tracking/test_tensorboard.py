"""TensorBoard's files hold exactly what the history has, wherever the training comes from."""

from __future__ import annotations

import errno
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from board import read
from chainrule import Checkpoint, ConfigError, Dense, Ensemble, Model, Network, ReLU, SoftmaxCrossEntropy
from chainrule.estimators import MLPClassifier
from chainrule.tracking import TensorBoard
from commands import invoke
from needs import needs

pytestmark = needs("tensorboardX")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(int)
NET = Network(4, [Dense(8), ReLU(), Dense(2)], loss=SoftmaxCrossEntropy())


def fitted(*callbacks, epochs=3, model=None, **options):
    model = Model(NET, seed=1) if model is None else model
    model.fit(X, Y, epochs=epochs, batch_size=30, validation_fraction=0.2, callbacks=callbacks, **options)
    return model


def test_the_curves_are_the_history(tmp_path: Path):
    history = fitted(TensorBoard(tmp_path)).history
    steps = [8, 16, 24]  # 240 samples in batches of 30
    train, validation, own = (read(tmp_path / name) for name in ("train", "validation", ""))
    for name, board, column in [
        ("loss", train, "loss"),
        ("accuracy", train, "accuracy"),
        ("learning_rate", train, "learning_rate"),
        ("loss", validation, "val_loss"),
    ]:
        assert [point.step for point in board.scalars[name]] == steps
        assert [point.value for point in board.scalars[name]] == pytest.approx(history[column], rel=1e-6)
    assert own.scalars["final/val_loss"] == [(24, pytest.approx(history[-1]["val_loss"], rel=1e-6))]
    assert own.settings["optimizer"] == "adam" and own.settings["optimizer.learning_rate"] == 1e-3
    assert own.settings["batch_size"] == 30 and own.settings["network"] == repr(NET)
    assert "| batch_size | 30 |" in own.texts["settings/text_summary"]


def test_a_tracked_fit_has_the_bits_of_an_untracked_one(tmp_path: Path):
    assert (fitted(TensorBoard(tmp_path, histograms=2)).theta == fitted().theta).all()


def test_training_further_goes_on_and_a_new_model_begins_anew(tmp_path: Path):
    board = TensorBoard(tmp_path)
    fitted(board, model=fitted(board))
    fitted(board, epochs=1)
    assert [point.step for point in read(tmp_path / "train").scalars["loss"]] == [8, 16, 24, 32, 40, 48]
    assert [point.step for point in read(tmp_path / "2" / "train").scalars["loss"]] == [8]


def test_a_resumed_run_goes_on_in_its_folder(tmp_path: Path):
    path, place = tmp_path / "run.safetensors", tmp_path / "board"
    fitted(TensorBoard(place), Checkpoint(path), epochs=2)
    fitted(TensorBoard(place), epochs=4, resume=path)
    assert [point.step for point in read(place / "train").scalars["loss"]] == [8, 16, 24, 32]


def test_histograms_of_parameters(tmp_path: Path):
    fitted(TensorBoard(tmp_path, histograms=2), epochs=4)
    assert read(tmp_path / "train").histograms == {
        f"dense_{number}/{name}": [16, 32] for number in (1, 2) for name in ("W", "b")
    }
    with pytest.raises(ConfigError, match="reads one network"):
        Ensemble(NET, 2).fit(X, Y, callbacks=[TensorBoard(tmp_path, histograms=1)])


def test_an_ensemble_has_the_mean_of_its_members(tmp_path: Path):
    model = Ensemble(NET, 2, seed=0)
    model.fit(X, Y, epochs=2, batch_size=30, callbacks=[TensorBoard(tmp_path)])
    values = [point.value for point in read(tmp_path / "train").scalars["loss"]]
    assert values == pytest.approx(model.history["loss"], rel=1e-6)


def test_a_full_disk_is_one_warning_and_the_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from tensorboardX import RecordWriter

    def flush(self):
        raise OSError(errno.ENOSPC, "No space left on device")

    board = TensorBoard(tmp_path)
    monkeypatch.setattr(RecordWriter, "flush", flush)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = fitted(board)
    assert [f"{each.message}" for each in said] == [
        "TensorBoard is told nothing more, and the training goes on without it: OSError: [Errno 28] No space left on "
        "device."
    ]
    assert (model.theta == fitted().theta).all()


def test_a_folder_that_goes_away_is_one_warning(tmp_path: Path):
    """The validation samples' file is opened after the first epoch."""
    place, board = tmp_path / "board", TensorBoard(tmp_path / "board")

    def block(run):
        if run.epoch == 1:
            (place / "validation").write_text("in the way")

    with pytest.warns(UserWarning, match="FileExistsError"):
        model = fitted(block, board)
    assert len(model.history) == 3
    assert len(read(place / "train").scalars["loss"]) == 1


def test_what_cannot_begin_is_an_error_before_the_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    model = Model(NET, seed=1)
    with pytest.raises(ConfigError, match=r"TensorBoard cannot begin a run: FileExistsError: .*file"):
        fitted(TensorBoard(tmp_path / "file"), model=model)
    assert model.steps_trained == 0
    with pytest.raises(ConfigError, match="histograms of TensorBoard must be an integer of at least 0"):
        TensorBoard(tmp_path, histograms=-1)
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ConfigError, match=r"pip install 'chainrule\[tensorboard\]'"):
        TensorBoard(tmp_path)


# --- estimators


def test_an_estimator_and_its_clones(tmp_path: Path):
    made = MLPClassifier((8,), max_iter=3, tol=0, early_stopping=True, callbacks=TensorBoard(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.fit(X, Y)
        clone(made).fit(X, Y)
    values = [point.value for point in read(tmp_path / "train").scalars["loss"]]
    assert values == pytest.approx(made.loss_curve_, rel=1e-6)
    own = read(tmp_path)
    assert own.settings["estimator"] == "MLPClassifier" and own.settings["hidden_layer_sizes"] == "8"
    assert own.settings["early_stopping"] is True and "callbacks" not in own.settings
    assert len(read(tmp_path / "2" / "train").scalars["loss"]) == 3


def test_partial_fits_are_one_run(tmp_path: Path):
    made = MLPClassifier((8,), batch_size=100, callbacks=TensorBoard(tmp_path))
    for _ in range(3):
        made.partial_fit(X, Y, **({} if hasattr(made, "classes_") else {"classes": [0, 1]}))
    assert [point.step for point in read(tmp_path / "train").scalars["loss"]] == [3, 6, 9]
    assert not (tmp_path / "2").exists()


def test_each_fit_of_a_race_is_a_run(tmp_path: Path):
    import pandas as pd

    table = pd.DataFrame(X[:60], columns=list("abcd"))
    labels = np.where(Y[:60], "yes", "no")
    options = {"preset": "best", "preprocess": "auto", "time_limit": 1.0, "random_state": 0, "refit": False}
    made = MLPClassifier(**options, callbacks=[TensorBoard(tmp_path)]).fit(table, labels)
    own = read(tmp_path)
    for each in made.report_:
        if each.networks:
            assert own.scalars[f"final/weight/{each.recipe}"][0].value == pytest.approx(each.weight)
    first, folds = made.report_[0], sorted(tmp_path.glob("fast_fold_*"))
    assert len(folds) == first.networks and folds
    held_out = [read(fold).scalars["final/loss_held_out"][0].value for fold in folds]  # 12 rows of each
    assert np.average(held_out) == pytest.approx(first.loss, rel=1e-4)
    assert {read(fold).settings["recipe"] for fold in folds} == {"fast"}
    assert len(read(folds[0] / "validation").scalars["loss"]) == first.epochs
    with pytest.raises(ConfigError, match="does not support callbacks but those of"):
        MLPClassifier(**options, callbacks=[print]).fit(table, labels)


# --- the command


def test_the_command_keeps_a_run_with_its_results(tmp_path: Path):
    np.savez(tmp_path / "data.npz", X=X, y=Y)
    words = ["train", f"{tmp_path / 'data.npz'}", "--epochs", "2", "--out", f"{tmp_path / 'run'}", "--quiet"]
    tracked = [*words, "--track", "tensorboard", "--track", f"tensorboard:{tmp_path / 'other'}"]
    result = invoke([*tracked, "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    for place in (tmp_path / "run" / "tensorboard", tmp_path / "other"):
        own = read(place)
        accuracy = found["metrics"]["accuracy"]
        assert own.scalars[f"final/{found['part']}_accuracy"][0].value == pytest.approx(accuracy)
        assert own.settings["epochs"] == 2 and own.settings["data"] == "data"
        assert len(read(place / "train").scalars["loss"]) == 2
    assert invoke([*words, "--overwrite", "--track", "tensorboard"]).exit_code == 0
    assert len(read(tmp_path / "run" / "tensorboard" / "train").scalars["loss"]) == 2
    assert not (tmp_path / "run" / "tensorboard" / "2").exists()
    longer = [words[0], f"{tmp_path / 'run'}", "--resume", "--epochs", "3", "--track", "tensorboard"]
    assert invoke(longer).exit_code == 0
    losses = read(tmp_path / "run" / "tensorboard" / "train").scalars["loss"]
    assert [point.step for point in losses] == [8, 16, 24]


def test_an_unknown_tracker_is_refused_before_data_are_read(tmp_path: Path):
    result = invoke(["train", "nothing.npz", "--track", "board"])
    assert result.exit_code == 2
    assert "--track must be one of tensorboard" in result.output + result.stderr


def test_tensorboard_reads_it(tmp_path: Path):
    """By the reader of TensorBoard itself, where it is installed."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    history = fitted(TensorBoard(tmp_path, histograms=1)).history
    for name, column in (("train", "loss"), ("validation", "val_loss")):
        found = accumulator.EventAccumulator(str(tmp_path / name))
        found.Reload()
        assert [each.value for each in found.Scalars("loss")] == pytest.approx(history[column], rel=1e-6)
        assert [each.step for each in found.Scalars("loss")] == [8, 16, 24]
    own = accumulator.EventAccumulator(str(tmp_path))
    own.Reload()
    assert own.Tags()["tensors"] == ["settings/text_summary"]
    assert {"_hparams_/session_start_info", "_hparams_/session_end_info"} <= set(
        own.SummaryMetadata(tag).plugin_data.plugin_name and tag for tag in own.summary_metadata
    )
