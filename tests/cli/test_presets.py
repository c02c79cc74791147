"""A table trained by a preset: its folder, its file, an ensemble in each command, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from chainrule import Ensemble, MLPClassifier, MLPRegressor
from chainrule.engines import native
from chainrule.race.candidates import Candidate
from chainrule.recipe.data import load
from chainrule.recipe.run import run
from chainrule.recipe.settings import Settings
from chainrule.tables.rows import rows_of
from house_tables import read

FAST = ("--preset", "fast", "--epochs", 3, "--hidden", 16, "--quiet")
PRICE = ("--target-column", "price", "--out", "run")
needs_native = pytest.mark.skipif(native.REASON is not None, reason=str(native.REASON))


def test_the_run_is_the_fit_of_the_estimator(command, houses, tmp_path):
    """The file, the metrics and the predictions are those of the estimator that is fitted by hand on the same rows."""
    found = command("train", "houses.csv", *PRICE, *FAST, "--members", 2, "--seed", 3, data=True)
    assert (found["task"], found["part"], found["samples"], found["epochs"]) == ("regression", "test", 32, 3)
    table = load(str(tmp_path / "houses.csv"), settings=Settings(target_column="price", seed=3)).table
    assert table is not None
    inputs = {name: values for name, values in table.columns.items() if name != "price"}
    y = np.asarray(table.columns["price"])
    by_hand = MLPRegressor(
        preprocess="auto",
        preset="fast",
        hidden_layer_sizes=(16,),
        max_iter=3,
        n_members=2,
        random_state=3,
    ).fit(rows_of(inputs, table.train), y[table.train])
    said = by_hand.predict(rows_of(inputs, table.test))
    assert found["metrics"]["rmse"] == pytest.approx(np.sqrt(np.mean((said - y[table.test]) ** 2)), rel=1e-6)

    kept = MLPRegressor.load(tmp_path / "run" / "model.safetensors")
    assert isinstance(kept.model_, Ensemble) and kept.n_members == 2 and kept.preset == "fast"
    np.testing.assert_array_equal(kept.predict(inputs), by_hand.predict(inputs))
    command("predict", "run", "houses.csv", "--spread", "--out", "said.csv")
    rows = read(tmp_path / "said.csv")
    assert list(rows[0]) == ["input", "row", "predicted", "spread"]
    np.testing.assert_allclose([float(row["predicted"]) for row in rows], by_hand.predict(inputs), rtol=1e-6)
    np.testing.assert_allclose([float(row["spread"]) for row in rows], by_hand.spread(inputs), rtol=1e-5)
    assert len(read(tmp_path / "run" / "history.csv")) == 3


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_files_of_columns(command, ending, tmp_path):
    """Their columns are none of NumPy."""
    draw = np.random.default_rng(0)
    a = draw.normal(size=200)
    kind = np.where(a + 0.1 * draw.normal(size=200) > 0, "high", "low")
    table = pa.table({"a": a, "place": draw.choice(["north", "south"], 200), "y": kind})
    name = f"rows.{ending}"
    if ending == "parquet":
        parquet.write_table(table, tmp_path / name)
    else:
        feather.write_feather(table, tmp_path / name)
    command("train", name, "--target-column", "y", "--out", "run", *FAST)
    assert command("evaluate", "run", name, data=True)["samples"] == 40


def test_every_command_takes_an_ensemble(command, houses, tmp_path):
    command(
        "train", "sizes.csv", "--target-column", "size", "--out", "run", *FAST, "--members", 2, "--report"
    )
    assert "<h1>sizes</h1>" in (tmp_path / "run" / "report.html").read_text("utf-8")
    judged = command("evaluate", "run", "sizes.csv", data=True)
    kept = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert judged["metrics"] == pytest.approx(kept["metrics"]) and judged["part"] == "test"
    assert judged["learned_from"] == 0
    whole = command("evaluate", "run", "sizes.csv", "--part", "all", data=True)
    assert (whole["samples"], whole["learned_from"]) == (160, 128)
    told = command("info", "run", data=True)
    model = MLPClassifier.load(tmp_path / "run" / "model.safetensors").model_
    assert told["members"] == 2 and told["parameters"] == model.theta.size == 2 * model.network.size
    assert "An ensemble of 2 networks" in command("info", "run").stdout
    row = command("predict", "run", "sizes.csv", "--spread", data=True)[0]
    assert list(row["spread"]) == list(row["probabilities"]) == ["large", "mid", "small"]
    assert "±" in command("predict", "run", "sizes.csv", "--spread").stdout
    command("predict", "run", "sizes.csv", "--spread", "--out", "said.csv")
    assert list(read(tmp_path / "said.csv")[0])[-3:] == ["spread(large)", "spread(mid)", "spread(small)"]
    story = command("explain", "run", "sizes.csv", "--row", 0, data=True)
    shares = {each["label"]: each["share"] for each in story["answers"]}
    assert shares == pytest.approx(row["probabilities"], abs=1e-5)
    assert "an ensemble of 2 networks" in command("explain", "run", "sizes.csv", "--row", 0).stdout


def test_the_studio_opens_it(command, houses, tmp_path):
    """One of the members, and the table's rows as the estimator makes numbers of them."""
    from chainrule.studio.session.start import opened

    command("train", "houses.csv", *PRICE, *FAST, "--members", 2)
    studio = opened(str(tmp_path / "run"))
    kept = MLPRegressor.load(tmp_path / "run" / "model.safetensors")
    assert studio.name == "run" and studio.networks == 2
    np.testing.assert_array_equal(studio.model.theta, kept.model_.members[0].theta)
    assert studio.data.train.X.shape == (128, kept.model_.network.inputs)


def test_a_run_that_is_done_is_judged_again_and_others_begin_again(command, houses, tmp_path):
    said = command("train", "houses.csv", *PRICE, *FAST, "--members", 1).stdout
    assert re.search(r"trained again on all 128 samples, for the best \d epoch", said)
    first = (tmp_path / "run" / "model.safetensors").read_bytes()
    metrics = (tmp_path / "run" / "metrics.json").read_text()
    text = command("train", "run", "--resume").stdout
    assert "This run is finished: 3 of 3 epochs." in text and "longer" not in text
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == first
    assert (
        json.loads((tmp_path / "run" / "metrics.json").read_text())["metrics"]
        == json.loads(metrics)["metrics"]
    )
    refused = command("train", "run", "--resume", "--epochs", 9, code=2).stderr
    assert "Error: the run in run cannot be trained longer" in refused and "omit --epochs" in refused
    (tmp_path / "run" / "metrics.json").unlink()
    command("train", "run", "--resume", "--quiet")
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == first


def test_ctrl_c_keeps_what_is_there(command, houses, tmp_path, monkeypatch):
    """The results are written and the exit code says that it was ended; without an epoch nothing is. It can go on."""
    from chainrule.cli.introduce import EpochTable
    from chainrule.training.events import EpochEnd, Started

    command("train", "houses.csv", *PRICE[:-1], "whole", *FAST)
    for kind, epoch, message in (
        (EpochEnd, 2, "Interrupted; run has the results so far; continue with: chainrule train run --resume"),
        (Started, 0, "Interrupted; continue with: chainrule train run --resume"),
    ):

        def listened(self, event, kind=kind, epoch=epoch):
            if isinstance(event, kind) and event.epoch == epoch:
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(EpochTable, "on_event", listened)
            said = command("train", "houses.csv", *PRICE, *FAST, "--overwrite", code=130)
        assert message in said.stderr
        assert (tmp_path / "run" / "model.safetensors").exists() == (kind is EpochEnd)
        assert (tmp_path / "run" / "config.json").exists()
        assert (tmp_path / "run" / "checkpoint.safetensors").exists() == (kind is EpochEnd)
        command("train", "run", "--resume", "--quiet")
        for name in ("model.safetensors", "metrics.json"):
            first, second = (
                json.loads(file.read_text())["metrics"] if name == "metrics.json" else file.read_bytes()
                for file in (tmp_path / folder / name for folder in ("run", "whole"))
            )
            assert first == second
        assert len(read(tmp_path / "run" / "history.csv")) == 3


@pytest.mark.parametrize(
    "place", ["train.Refit._compared", "train.Following.on_epoch_end"], ids=["at its end", "within"]
)
def test_ctrl_c_in_the_training_on_all_rows(place, command, tmp_path, monkeypatch):
    """The network of the first fit is kept; the run can go on to the same bits."""

    def interrupted(*_):
        raise KeyboardInterrupt

    numbers = np.random.default_rng(0).normal(size=(2500, 2)).round(2)
    lines = [f"{a},{b},{a * b:.2f}" for a, b in numbers]
    (tmp_path / "products.csv").write_text("\n".join(["a,b,price", *lines]), "utf-8")
    command("train", "products.csv", *PRICE[:-1], "whole", *FAST)
    with monkeypatch.context() as patched:
        patched.setattr(f"chainrule.fitting.{place}", interrupted)
        said = command("train", "products.csv", *PRICE, *FAST, code=130)
    assert "run has the results so far; continue with: chainrule train run --resume" in said.stderr
    assert "interrupted by user" not in said.stderr
    command("train", "run", "--resume", "--quiet")
    first, second = (tmp_path / folder / "model.safetensors" for folder in ("run", "whole"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("members", [1, 2])
def test_a_preset_stopped_on_request_goes_on_to_the_same_bits(houses, tmp_path, members):
    """Within an epoch; an ensemble, whose members may be at different steps, at its end."""
    import threading

    from chainrule.training.events import Started

    settings = Settings(target_column="price", hidden=(16,), epochs=4, batch_size=4)
    settings = dataclasses.replace(settings, members=members)
    whole = run(str(tmp_path / "houses.csv"), settings, out=tmp_path / "whole")
    stop, steps = threading.Event(), list[int]()

    def listen(event):
        if isinstance(event, Started):
            steps.append(event.epoch * event.steps_per_epoch + event.step)
            stop.set()

    first = run(str(tmp_path / "houses.csv"), settings, out=tmp_path / "run", listen=listen, stop=stop)
    assert first.history.stopped == "on request" and len(first.history) == (0 if members == 1 else 1)
    again = run(str(tmp_path / "houses.csv"), settings, out=tmp_path / "run", listen=listen, resume=True)
    assert again.model.theta.tobytes() == whole.model.theta.tobytes()
    assert (
        again.judgement.metrics == whole.judgement.metrics and again.history.stopped == whole.history.stopped
    )
    assert steps[0] == 0 and steps[1] == (1 if members == 1 else 27)


@pytest.mark.parametrize("preset", ["realmlp", "tabm"])
def test_each_preset_is_judged_again_by_its_own_rows(command, houses, preset):
    """Also where the loss has a name of its own, by which numbers are not told from classes."""
    found = command(
        "train", "houses.csv", *PRICE, "--preset", preset, "--epochs", 1, "--time-limit", 20, data=True
    )
    judged = command("evaluate", "run", "houses.csv", data=True)
    assert (judged["part"], judged["samples"], judged["learned_from"]) == ("test", 32, 0)
    assert judged["metrics"] == pytest.approx(found["metrics"])


@pytest.mark.parametrize(
    ("name", "target"), [pytest.param("houses", "price", marks=pytest.mark.slow), ("sizes", "size")]
)
def test_the_best_of_several_recipes_predicts_by_its_average(command, houses, tmp_path, name, target):
    """Each command has the numbers of the estimator in the file, not those of its heaviest network."""
    words = (f"{name}.csv", "--target-column", target, "--preset", "best", "--time-limit", 1, "--out", "run")
    found = command("train", *words, "--report", data=True)
    kind = MLPRegressor if target == "price" else MLPClassifier
    kept = kind.load(tmp_path / "run" / "model.safetensors")
    table = {n: houses[n] for n in ("area", "town", "garden", "sold", "land")}
    rows = command("predict", "run", f"{name}.csv", "--spread", data=True)
    said = [row["predicted"] for row in rows]
    if target == "price":
        assert said == pytest.approx(kept.predict(table).tolist(), rel=1e-9)
        assert [row["spread"] for row in rows] == pytest.approx(kept.spread(table).tolist(), rel=1e-9)
        true = np.array([float(price) for price in houses["price"]])
        whole = command("evaluate", "run", "houses.csv", "--part", "all", data=True)
        assert whole["metrics"]["rmse"] == pytest.approx(np.sqrt(np.mean((said - true) ** 2)), rel=1e-6)
    else:
        assert said == kept.predict(table).tolist()
        shares = [list(row["probabilities"].values()) for row in rows]
        np.testing.assert_allclose(shares, kept.predict_proba(table), atol=1e-9)
    judged = command("evaluate", "run", f"{name}.csv", data=True)
    assert judged["metrics"] == pytest.approx(found["metrics"]) and judged["samples"] == 32
    networks = [each for part in kept.blend_.parts for each in part.result.members]
    parameters = sum(each.theta.size for each in networks)
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert (
        f"The average of {len(networks):,} fully connected networks with {parameters:,} parameters in all"
        in page
    )
    assert f"<dt>parameters</dt><dd>{parameters:,}</dd>" in page
    shown = len(kept.blend_.parts[0].result.members)
    is_one = "This is" if shown == 1 else "These are"
    assert (f"{is_one} the first" in page) == (len(networks) > shown)
    text = f"the first of {kept.blend_.networks} networks whose average predicts"
    assert text in command("info", "run").stdout
    assert text in command("explain", "run", f"{name}.csv", "--row", 0).stdout
    assert "recipe" in command("train", *words, "--overwrite").stdout
    assert not kind.load(tmp_path / "run" / "model.safetensors").verbose


def test_a_time_limit_ends_any_run(houses, tmp_path):
    """Also that of a preset, whose schedule is planned for it."""
    for settings in (
        Settings(target_column="price", epochs=100_000, patience=100_000, time_limit=0.3),
        Settings(target_column="price", preset="fast", epochs=100_000, patience=100_000, time_limit=0.3),
    ):
        outcome = run(str(tmp_path / "houses.csv"), settings, out=tmp_path / f"run {settings.preset}")
        assert len(outcome.history) < 90_000  # none on a machine that is busy from the start
        assert outcome.history.stopped is None or "time limit" in outcome.history.stopped


@pytest.mark.parametrize("preset", ["none", "fast", "best"])
def test_a_time_limit_within_the_first_epoch_is_said(command, houses, preset):
    options = ("train", "houses.csv", *PRICE, "--time-limit", 1e-6, "--batch-size", 4)
    said = command(*options, "--preset", preset)
    words = " ".join(said.output.split())
    assert "The time limit ended the first epoch" in words and "Raise --time-limit." in words
    if preset != "best":
        assert re.search(r"after 1 of the \d+ steps of the first epoch, which needs about", words)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--members 3 --l1 0.1", "--members belongs to a preset, and this is a plain network; omit it"),
        ("--preset best-of-all", "--preset must be one of"),
        ("--preset fast --members 0", "--members must be an integer of at least 1, not 0."),
        (
            "--preset fast --time-limit 0",
            "--time-limit must be a finite number above 0, not 0.0; it is in seconds.",
        ),
        (
            "--preset fast --lr 0.1",
            "--lr would apply to the preset's own optimizer; also name one with --optimizer",
        ),
        ("--preset best --members 2", "--preset best is already an average; omit --members."),
        ("--preset fast --l1 0.1", "a preset does not support --l1; omit it or --preset."),
        (
            "--preset fast --clip-norm -1",
            "--clip-norm must be a float in the range (0.0, inf) or None, not -1.0.",
        ),
        ("--preset fast --activation softmax", "--activation must be one of identity, relu"),
        ("--preset fast --engine gpu", "--engine must be one of auto, "),
        ("--preset fast --loss huge", "--loss must be one of"),
        ("--precision fp8", "--precision must be bf16, or int8 to predict, not 'fp8'"),
        ("--precision bf16 --dtype float64", "--precision bf16 needs a float32 model, not float64"),
        ("--precision bf16 --optimizer lbfgs", "lbfgs does not support bf16; omit --precision."),
        ("--preset fast --loss softmax_cross_entropy", "'price' has numbers that are not integers"),
        (
            "--preset fast --label-smoothing 0.1",
            "regression does not support label smoothing; omit --label-smoothing.",
        ),
        ("--preset fast --positive yes", "--positive is for two classes; omit it."),
        (
            "--preset fast --checkpoint-steps 9 --members 2",
            "an ensemble has a checkpoint after each epoch; omit --checkpoint-steps, or --members.",
        ),
        (
            "--preset fast --optimizer lbfgs --members 2",
            "--members are trained in batches, and lbfgs has none",
        ),
    ],
)
def test_refused(command, houses, tmp_path, options, message):
    said = command("train", "houses.csv", *PRICE, *options.split(), code=2).stderr
    assert f"Error: {message}" in said.replace("the column ", "") and said.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_refused_elsewhere(command, houses, tables):
    assert (
        "--preset is for tables, and two has no named columns"
        in command("train", tables["two"], "--preset", "fast", code=2).stderr
    )
    command("train", "houses.csv", *PRICE, *FAST, "--members", 1)
    assert (
        "--spread compares the members of an ensemble, but run is one network"
        in command("predict", "run", "houses.csv", "--spread", code=2).stderr
    )


def test_a_preset_takes_what_an_estimator_has(houses, tmp_path):
    """Each option becomes the parameter of its meaning, and what is not given stays the preset's."""
    settings = Settings(
        target_column="price",
        preset="fast",
        hidden=(8, 4),
        activation="sigmoid",
        loss="huber",
        optimizer="sgd",
        lr=0.01,
        momentum=0.5,
        schedule="cosine",
        epochs=2,
        batch_size=16,
        patience=5,
        validation_fraction=0.3,
        dtype="float64",
        members=2,
    )
    outcome = run(str(tmp_path / "houses.csv"), settings, out=tmp_path / "run")
    made = outcome.run.estimator
    assert made.get_params() | {"preprocess": None} == MLPRegressor(
        hidden_layer_sizes=(8, 4),
        activation="logistic",
        loss=made.loss,
        optimizer=made.optimizer,
        schedule="cosine",
        max_iter=2,
        batch_size=16,
        n_iter_no_change=5,
        validation_fraction=0.3,
        dtype="float64",
        n_members=2,
        preset="fast",
        random_state=0,
    ).get_params() | {"preprocess": None}
    assert (made.loss.kind, made.optimizer.kind) == ("huber", "sgd")
    assert (made.optimizer.learning_rate, made.optimizer.momentum) == (0.01, 0.5)
    assert outcome.model.theta.dtype == np.float64
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert "--preset fast" in config["command"] and "--members 2" in config["command"]
    assert config["network"] is not None


@needs_native
@pytest.mark.parametrize("preset", [None, "fast", "none", "additive"])
def test_products_in_bfloat16(command, houses, tmp_path, preset):
    """Of a preset, the default one too, as of a plain network; its file is that of the estimator's fit."""
    how = ("--epochs", 2, "--quiet", *(() if preset is None else ("--preset", preset)))
    losses = []
    for number, more in enumerate(((), ("--precision", "bf16"))):
        command("train", "houses.csv", "--target-column", "price", "--out", f"run{number}", *how, *more)
        kept = MLPRegressor.load(tmp_path / f"run{number}" / "model.safetensors")
        config = json.loads((tmp_path / f"run{number}" / "config.json").read_text())
        assert kept.precision == config["resolved"]["precision"] == (more[1] if more else None)
        assert config["resolved"]["preset"] == (preset or "fast")
        losses.append(kept.loss_curve_)
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


@needs_native
def test_a_race_in_bfloat16(command, houses, tmp_path, race_of):
    race_of(Candidate("linear", variant="plain", changed={"hidden_layer_sizes": ()}))
    command(
        "train", "houses.csv", *PRICE, "--preset", "best", "--epochs", 2, "--quiet", "--precision", "bf16"
    )
    kept = MLPRegressor.load(tmp_path / "run" / "model.safetensors")
    assert kept.precision == "bf16" and {part.estimator.precision for part in kept.blend_.parts} == {"bf16"}
