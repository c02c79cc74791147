"""A table from its file to a model, a report and predictions: train, predict, evaluate, info and explain."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from chainrule import FormatError, MLPClassifier, MLPRegressor, load
from chainrule.recipe import later_tables
from house_tables import ROWS, read, write

TITLE = [["House prices"], [], ["as of 1 May"]]
FAST = ("--preset", "none", "--epochs", 4, "--hidden", 16, "--quiet")


def test_two_commands_from_a_table_to_predictions(command, houses, tmp_path):
    """The parts are as said; the model file alone predicts; columns are matched by name, and others ignored."""
    found = command("train", "houses.csv", "--target-column", "price", "--out", "run", *FAST, data=True)
    assert (found["task"], found["part"], found["samples"]) == ("regression", "test", 32)
    assert [each["model"] for each in found["comparison"]] == ["network", "constant", "linear", "boosting"]
    assert all(set(each["metrics"]) == {"rmse", "mae", "r2"} for each in found["comparison"])
    assert found["comparison"][0]["metrics"]["rmse"] == found["metrics"]["rmse"]
    assert json.loads((tmp_path / "run/metrics.json").read_text())["comparison"] == found["comparison"]

    write(
        tmp_path / "new.csv",
        {"more": ["x"] * ROWS} | houses,
        ["town", "more", "sold", "garden", "area", "land"],
    )
    command("predict", "run", "new.csv", "--out", "a.csv")
    command("predict", "run/model.safetensors", "houses.csv", "--out", "b.csv")
    first, second = read(tmp_path / "a.csv"), read(tmp_path / "b.csv")
    assert list(first[0]) == ["input", "row", "predicted"]
    assert [row["predicted"] for row in first] == [row["predicted"] for row in second]
    predicted = np.array([float(row["predicted"]) for row in first])
    true = np.array([float(value) for value in houses["price"]])
    whole = command("evaluate", "run", "houses.csv", "--part", "all", data=True)
    assert whole["metrics"]["rmse"] == pytest.approx(np.sqrt(np.mean((predicted - true) ** 2)), rel=1e-4)


def test_only_the_rows_for_training_are_learned_from(houses, tmp_path):
    """What the other rows hold changes nothing of the preprocessor, and no row is in two parts."""
    from chainrule.recipe.by_model import prepare
    from chainrule.recipe.data import load as load_data
    from chainrule.recipe.settings import Settings

    settings = Settings(target_column="price", seed=5)
    path = tmp_path / "houses.csv"
    run = prepare(load_data(str(path), settings=settings), settings)
    table = run.data.table
    assert sorted([*table.train, *table.test]) == list(range(ROWS))
    parts = run.training.parts
    assert (parts.train.n, parts.watched.n, parts.judged.n) == (102, 26, 32)
    kept = set(parts.train.X[:, 0].tolist())
    changed = {name: list(houses[name]) for name in ("area", "town", "garden", "sold", "land", "price")}
    for row in table.test.tolist():
        changed["area"][row], changed["town"][row] = "99999", "elsewhere"
    write(path, changed)
    again = prepare(load_data(str(path), settings=settings), settings)
    assert again.data.table.preprocessor.to_data() == table.preprocessor.to_data()
    assert set(again.training.parts.train.X[:, 0].tolist()) == kept


def test_classes_have_probabilities_and_are_divided_class_by_class(command, houses, tmp_path):
    command("train", "sizes.csv", "--target-column", "size", "--out", "run", *FAST)
    command("predict", "run", "sizes.csv", "--out", "said.csv")
    rows = read(tmp_path / "said.csv")
    assert list(rows[0]) == ["input", "row", "predicted", "p(large)", "p(mid)", "p(small)"]
    for row in rows[:20]:
        shares = {name[2:-1]: float(row[name]) for name in list(row)[3:]}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert row["predicted"] == max(shares, key=lambda name: shares[name])
    matrix = command("evaluate", "run", "sizes.csv", data=True)["confusion_matrix"]
    for label, count in zip(("large", "mid", "small"), map(sum, matrix), strict=True):
        assert abs(count - 0.2 * houses["size"].count(label)) <= 1


def test_evaluate_knows_the_parts_of_the_run(command, houses, tmp_path):
    """Without --part the rows for testing, as train judged them; of another table all rows.

    An estimator holds out rows of those for training by itself; `Model.fit` has them from the run.
    """
    for more, train, parts in ((), 128, "train, test, all"), (("--l1", 1e-5), 102, ""):
        words = ("houses.csv", "--target-column", "price", "--out", "run", "--overwrite", *FAST, *more)
        trained = command("train", *words, data=True)
        found = command("evaluate", "run", "houses.csv", data=True)
        assert (found["part"], found["samples"], found["learned_from"]) == ("test", 32, 0)
        assert found["metrics"] == pytest.approx(trained["metrics"])
        assert command("evaluate", "run", "houses.csv", "--part", "train", data=True)["samples"] == train
        validation = ("evaluate", "run", "houses.csv", "--part", "validation")
        if parts:
            assert f"it has {parts}." in command(*validation, code=2).stderr
        else:
            assert command(*validation, data=True)["samples"] == 26
    few = {name: houses[name][:7] for name in houses}
    write(tmp_path / "few.csv", few)
    other = command("evaluate", "run", "few.csv", data=True)
    assert (other["part"], other["samples"], other["learned_from"]) == ("given", 7, None)


def test_a_run_on_a_table_is_resumed_to_the_same_bits(command, houses, tmp_path):
    words = (
        "train",
        "houses.csv",
        "--target-column",
        "price",
        "--preset",
        "none",
        "--schedule",
        "constant",
        "--hidden",
        16,
        "--quiet",
    )
    command(*words, "--epochs", 6, "--out", "whole")
    command(*words, "--epochs", 3, "--out", "parts")
    command("train", "parts", "--resume", "--epochs", 6, "--quiet")
    models = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "parts")]
    assert models[0] == models[1]


@pytest.mark.parametrize("ending", ["parquet", "xlsx"])
def test_another_file_and_csv_are_the_same_table(command, houses, tmp_path, ending):
    typed = {
        "area": [float(value) if value else None for value in houses["area"]],
        **{name: houses[name] for name in ("town", "garden", "sold", "land")},
        "price": [float(value) for value in houses["price"]],
    }
    if ending == "parquet":
        pa = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pa.table(typed), tmp_path / "houses.parquet")
    else:
        book = pytest.importorskip("openpyxl").Workbook()
        for row in (typed, *zip(*typed.values(), strict=True)):
            book.active.append(list(row))
        book.save(tmp_path / "houses.xlsx")
    command("train", f"houses.{ending}", "--target-column", "price", "--out", "run", *FAST)
    for name in (f"houses.{ending}", "houses.csv"):
        command("predict", "run", name, "--out", f"{name}.npy")
    first, second = (np.load(tmp_path / f"{name}.npy") for name in (f"houses.{ending}", "houses.csv"))
    np.testing.assert_array_equal(first, second)


def test_the_columns_are_described_before_the_training(command, houses, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = command("train", "houses.csv", "--target-column", "price", *FAST[:2], "--epochs", 1).stdout
    before, after = text.split("epoch of", 1) if "epoch of" in text else text.split("\n  ", 1)
    assert "predicts price: a number (regression)" in text
    for line in ("area", "town", "garden", "sold"):
        assert line in before
    assert "every value is the same" in before and "dropped" in before
    assert "inputs for a network" in before and "operations per row" in before
    assert "boosted trees" in after and "linear model" in after
    info = command("info", sorted(Path("runs").iterdir())[0]).stdout
    assert "from which it predicts price" in info and "every value is the same" in info


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_description_fits_the_terminal(houses, tmp_path, width):
    import io

    from rich.console import Console

    from chainrule import TablePreprocessor
    from chainrule.cli.output import columns_table
    from chainrule.cli.train import comparison_table
    from chainrule.recipe.baselines import BaselineComparison, Compared

    described = (
        TablePreprocessor()
        .fit(houses | {"a name that is too long for any terminal": houses["area"]})
        .columns_
    )
    metrics = {"accuracy": 0.81234, "log_loss": 0.51234, "auc": 0.9}
    comparison = BaselineComparison(
        tuple(Compared(name, metrics, 1.0) for name in ("network", "constant", "linear", "boosting")),
        tuple(metrics),
        1000,
    )
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system=None, highlight=False)
    columns_table(console, described)
    comparison_table(console, comparison, "fast")
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "0.8123" in text and text.count("…") == 1  # in the long name
    for name in ("garden", "one-hot"):
        assert name in text


def test_the_report_has_all_parts(command, houses, tmp_path):
    """By the columns of the table, with its own cells, and each of them escaped."""
    table = {name: list(houses[name]) for name in ("area", "town", "garden", "size")}
    table["town"] = [f"<b>{name}</b>" for name in table["town"]]
    write(tmp_path / "marked.csv", table)
    command("train", "marked.csv", "--target-column", "size", "--report", "--out", "run", *FAST)
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    for words in (
        "boosted trees",
        "Which columns matter",
        "What moves",
        "Are the probabilities right?",
        "Worst mistakes",
    ):
        assert words in page
    assert "&lt;b&gt;town" in page and "<b>town" not in page
    command("train", "houses.csv", "--target-column", "price", "--report", "--out", "numbers", *FAST)
    assert "Errors by prediction" in (tmp_path / "numbers" / "report.html").read_text("utf-8")


@pytest.mark.slow
def test_the_report_of_a_wide_table_is_no_longer_than_one_can_read(command, tmp_path):
    """A hundred columns are shuffled, twenty have a bar, and two hundred are listed."""
    random = np.random.default_rng(0)
    table = {f"g{k}": random.normal(size=60).round(3).tolist() for k in range(210)}
    write(tmp_path / "wide.csv", table | {"y": table["g0"]})
    command("train", "wide.csv", "--target-column", "y", "--report", "--out", "run", *FAST)
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "The 20 most important of the 100 columns with the largest effects, of 210." in page
    assert "The first 200 are listed." in page and "its values are numbers" in page
    assert page.count("its values are numbers") == 200


def test_reasons_of_predictions(command, houses, tmp_path):
    """In a file they add up to each answer; in the terminal they are the stories of the first rows."""
    command("train", "houses.csv", "--target-column", "price", "--out", "run", *FAST)
    shown = command("predict", "run", "houses.csv", "--explain", "--out", "because.csv").stdout
    assert "price is" in shown and "for a typical row it is" in shown and "area" in shown
    rows = read(tmp_path / "because.csv")
    because = [name for name in rows[0] if name.startswith("because_")]
    assert {"because_area", "because_town"} <= set(because)
    for row in rows:
        total = float(row["typical_answer"]) + sum(float(row[name]) for name in because)
        assert total == pytest.approx(float(row["predicted"]), rel=1e-4)
    found = json.loads(command("predict", "run", "houses.csv", "--explain", "--json").stdout)
    assert found[0]["because"]["area"] == pytest.approx(float(rows[0]["because_area"]))
    story = json.loads(command("explain", "run", "houses.csv", "--row", "3", "--json").stdout)
    assert story["columns"]["values"][0] and story["columns"]["target"] == "price"
    refused = command("predict", "run", "houses.csv", "--explain", "--out", "x.npy", code=2)
    assert "--explain needs --out with the ending .csv, not 'x.npy'" in " ".join(refused.stderr.split())


def test_reasons_come_with_the_columns_in_which_a_row_is_like_nothing_in_training(command, houses, tmp_path):
    command("train", "houses.csv", "--target-column", "price", "--out", "run", *FAST)
    lines = (tmp_path / "houses.csv").read_text().splitlines()
    heads, cells = lines[0].split(","), lines[1].split(",")
    cells[heads.index("area")], cells[heads.index("town")] = "1e9", "nowhere"
    (tmp_path / "new.csv").write_text("\n".join([*lines[:2], ",".join(cells)]) + "\n")
    command("predict", "run", "new.csv", "--explain", "--out", "because.csv")
    assert [row["strange_columns"] for row in read(tmp_path / "because.csv")] == ["", "area; town"]
    found = json.loads(command("predict", "run", "new.csv", "--explain", "--json").stdout)
    assert [row["strange_columns"] for row in found] == [[], ["area", "town"]]
    command("predict", "run", "new.csv", "--out", "plain.csv")
    assert "strange_columns" not in read(tmp_path / "plain.csv")[0]


@pytest.mark.parametrize("loss", ["mean_squared_error", "categorical_cross_entropy", "sigmoid_cross_entropy"])
def test_reasons_of_a_network_that_no_estimator_trains(houses, tmp_path, loss):
    """The column that decides is first, all inputs of a column are shuffled together, and reasons add up."""
    from chainrule.recipe.reported import of_run
    from chainrule.recipe.run import begun, carry_out
    from chainrule.recipe.settings import Settings

    target = "price" if loss == "mean_squared_error" else "garden"
    settings = Settings(target_column=target, epochs=40, hidden=(16,), loss=loss, l1=1e-6)
    with begun(str(tmp_path / "houses.csv"), settings, tmp_path / "run") as prepared:
        done = carry_out(prepared).run
    assert done.estimator is None
    found = of_run(done)
    importance, judged = found.importance, done.model.evaluate(done.parts.judged)
    assert set(importance.names) == {"area", "town", "garden", "sold", "price"} - {target}
    if loss == "mean_squared_error":
        assert importance.names[0] == "area"
        assert importance.mean[0] > 2 * abs(importance.mean[importance.names.index("sold")])  # as RMSE
        assert importance.base == pytest.approx(judged["rmse"])
    else:
        assert importance.base == pytest.approx(judged["log_loss"], rel=1e-5)
    assert [each.column.name for each in found.curves] == list(importance.names)
    assert found.reasons is not None
    answers = found.reasons.base + found.reasons.values.sum(1)
    np.testing.assert_allclose(answers, found.reasons.answers, rtol=1e-6)


def test_calibration_of_shares_that_are_right_and_wrong():
    from chainrule.recipe.judge import Judgement
    from chainrule.recipe.reported import calibration

    said = np.repeat([0.1, 0.5, 0.9], 100)
    y = np.concatenate([np.arange(100) < 100 * share for share in (0.1, 0.5, 0.9)]).astype(int)

    def judged(shares):
        both = np.stack([1 - shares, shares], 1)
        return Judgement(
            "test", "binary", {}, ["no", "yes"], y, (shares > 0.5).astype(int), both, np.array([0]), "yes"
        )

    right, wrong = calibration(judged(said), 3), calibration(judged(np.full(300, 0.9)), 3)
    assert right.label == "yes" and right.error == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(right.observed, [0.1, 0.5, 0.9])
    assert wrong.error == pytest.approx((0.8 + 0.4 + 0.0) / 3)


def test_explain_tells_a_row(command, houses):
    command("train", "sizes.csv", "--target-column", "size", "--out", "run", *FAST)
    story = command("explain", "run", "sizes.csv", "--row", 3).stdout
    assert "garden=yes" in story or "area" in story
    assert "of 12,345" not in story
    command("explain", "run", "sizes.csv", code=2)


def test_the_model_file_is_a_model_and_knows_its_table(command, houses, tmp_path):
    """chainrule.load reads it; what it has of the table is plain data, and damaged data are refused."""
    command("train", "houses.csv", "--target-column", "price", "--out", "run", *FAST)
    model, metadata = type(load(tmp_path / "run/model.safetensors")).load_with_extra(
        tmp_path / "run/model.safetensors"
    )
    known = later_tables.known(metadata, "x")
    assert known.target == "price"
    X = known.preprocessor.transform(
        {name: houses[name] for name in ("area", "town", "garden", "sold", "land")}
    )
    assert model.feature_names == tuple(known.preprocessor.get_feature_names_out())
    command("predict", "run", "houses.csv", "--out", "said.npy")
    np.testing.assert_array_equal(model.predict(X), np.load(tmp_path / "said.npy"))
    for damage in ({"table": {}}, {"table": 3}):
        with pytest.raises(FormatError, match=r"^x: "):
            later_tables.known({"estimator": metadata["estimator"] | damage}, "x")
    with pytest.raises(FormatError, match=r"^x: "):
        later_tables.known(metadata | {"target_column": 3}, "x")


def test_the_file_of_a_run_is_that_of_an_estimator_and_the_other_way_round(command, houses, tmp_path):
    """An estimator reads a run's file and predicts the same, to the bit; the command reads an estimator's."""
    names = ("area", "town", "garden", "sold", "land")
    frame = {name: houses[name] for name in names}
    for file, target, kind in (("houses", "price", MLPRegressor), ("sizes", "size", MLPClassifier)):
        words = (
            "--target-column",
            target,
            "--out",
            file,
            "--hidden",
            "16,8",
            "--batch-norm",
            *FAST[:4],
            "--quiet",
        )
        command("train", f"{file}.csv", *words)
        found = kind.load(tmp_path / file / "model.safetensors")
        command("predict", file, f"{file}.csv", "--out", "said.csv")
        said = [row["predicted"] for row in read(tmp_path / "said.csv")]
        assert [str(value) for value in found.predict(frame).tolist()] == said
        assert (found.n_iter_, found.hidden_layer_sizes, found.n_layers_) == (4, (16, 8), 4)
        assert len(found.loss_curve_) == len(found.validation_loss_curve_) == 4
        assert found.transform(frame).shape == (ROWS, 8)
        assert found.feature_names_in_.tolist() == list(names)
        y = np.array(houses[target], float if target == "price" else str)
        few = {"max_iter": 9, "tol": 1e9, "n_iter_no_change": 1, "random_state": 0}
        made = kind(hidden_layer_sizes=(8,), preprocess="auto", **few).fit(frame, y)
        made.save(tmp_path / "own.safetensors")
        command("predict", "own.safetensors", f"{file}.csv", "--out", "said.csv")
        rows = read(tmp_path / "said.csv")
        assert [row["predicted"] for row in rows] == [str(value) for value in made.predict(frame).tolist()]
        assert "from which it predicts" in command("info", "own.safetensors").stdout
        refused = command("evaluate", "own.safetensors", f"{file}.csv", code=2)
        assert "does not name the column" in refused.stderr


@pytest.mark.parametrize(
    "options",
    [
        ("--loss", "softmax_cross_entropy"),
        ("--label-smoothing", "0.1", "--hidden", "none"),
        ("--optimizer", "lbfgs"),
        ("--residual", "--hidden", "8,8", "--activation", "prelu"),
        ("--optimizer", "sgd", "--momentum", "0.9", "--schedule", "reduce_on_plateau", "--dtype", "float64"),
    ],
    ids=lambda options: " ".join(options),
)
def test_every_option_keeps_its_meaning_and_its_estimator(command, houses, tmp_path, options):
    """Of two classes: what the command predicts is what the estimator of the same file does."""
    names = ("area", "town", "garden", "sold", "land")
    write(tmp_path / "cheap.csv", {name: houses[name] for name in (*names, "cheap")})
    words = ("--target-column", "cheap", *FAST[:2], "--epochs", 2, "--quiet", "--out", "run")
    command("train", "cheap.csv", *words, *options)
    command("predict", "run", "cheap.csv", "--out", "said.csv")
    rows = read(tmp_path / "said.csv")
    found = MLPClassifier.load(tmp_path / "run" / "model.safetensors")
    frame = {name: houses[name] for name in names}
    assert [str(value) for value in found.predict(frame).tolist()] == [row["predicted"] for row in rows]
    shares = np.array([[float(row["p(0)"]), float(row["p(1)"])] for row in rows])
    np.testing.assert_allclose(found.predict_proba(frame), shares, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        ("--loss", "binary_cross_entropy"),
        ("--l1", 1e-4, "--input-dropout", 0.1),
        ("--method", "spsa"),
        ("--activation", "softmax", "--max-norm", 2.0),
    ],
    ids=lambda options: options[1],
)
def test_a_network_that_no_estimator_describes_is_a_model_with_its_table(command, houses, tmp_path, options):
    """Its file has what prepares the table, and each command reads it; an estimator says that it is none."""
    names = ("area", "town", "garden", "sold", "land")
    write(tmp_path / "cheap.csv", {name: houses[name] for name in (*names, "cheap")})
    words = ("--target-column", "cheap", *FAST[:2], "--epochs", 2, "--hidden", 8, "--quiet", "--out", "run")
    trained = command("train", "cheap.csv", *words, *options, data=True)
    assert command("evaluate", "run", "cheap.csv", data=True)["metrics"] == pytest.approx(trained["metrics"])
    command("predict", "run", "cheap.csv", "--out", "said.csv")
    assert len(read(tmp_path / "said.csv")) == ROWS
    assert "from which it predicts cheap" in command("info", "run").stdout
    assert command("explain", "run", "cheap.csv", "--row", 3).stdout
    with pytest.raises(FormatError, match="a Model but no estimator"):
        MLPClassifier.load(tmp_path / "run" / "model.safetensors")
    model = (tmp_path / "run" / "model.safetensors").read_bytes()
    command("train", "run", "--resume", "--quiet")
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == model


def test_a_plain_run_of_an_earlier_version_is_read_and_goes_on(command, houses, tmp_path):
    """It was trained by `Model.fit`, and its file had an estimator all the same; it goes on as it was trained."""
    from chainrule.fitting.files import described
    from chainrule.fitting.held import as_fitted, result_of
    from chainrule.recipe import by_model, folder
    from chainrule.recipe.data import load as load_data
    from chainrule.recipe.run import carry_out
    from chainrule.recipe.settings import Settings

    settings = Settings(target_column="price", hidden=(16,), epochs=4, schedule="constant", preset="none")
    made = {}
    for name, epochs in (("old", 2), ("whole", 4)):
        given = dataclasses.replace(settings, epochs=epochs)
        data = load_data(str(tmp_path / "houses.csv"), settings=given, of_estimator=False)
        run = by_model.prepare(data, given)._replace(place=tmp_path / name)
        (tmp_path / name).mkdir()
        folder.write_config(run.place, run.config())
        made[name] = carry_out(run)
    frame = {name: houses[name] for name in ("area", "town", "garden", "sold", "land")}
    preprocessor = made["old"].run.data.table.preprocessor
    few = {"max_iter": 9, "tol": 1e9, "n_iter_no_change": 1}
    estimator = MLPRegressor(preprocess=preprocessor, hidden_layer_sizes=(16,), **few)
    estimator.fit(frame, [float(price) for price in houses["price"]])
    estimator = as_fitted(estimator, dataclasses.replace(result_of(estimator), preprocessor=preprocessor))
    more = {"estimator": described(estimator), "target_column": "price"}
    made["old"].model.save(tmp_path / "old" / "model.safetensors", extra=more)
    found = command("evaluate", "old", "houses.csv", data=True)
    assert found["metrics"] == pytest.approx(made["old"].judgement.metrics)
    assert command("evaluate", "old", "houses.csv", "--part", "validation", data=True)["samples"] == 26
    command("train", "old", "--resume", "--epochs", 4, "--quiet", "--report")
    again = load(tmp_path / "old" / "model.safetensors")
    assert again.theta.tobytes() == made["whole"].model.theta.tobytes()


def test_a_run_of_an_estimator_is_trained_longer_unless_its_schedule_has_ended(command, houses, tmp_path):
    """The constant one is in test_a_run_on_a_table_is_resumed_to_the_same_bits."""
    words = ("train", "houses.csv", "--target-column", "price", "--out", "run")
    said = command(*words, *FAST[:-1])
    assert "longer" not in command("train", "run", "--resume").stdout
    refused = command("train", "run", "--resume", "--epochs", 9, code=2).stderr
    assert "cannot be trained longer: its training was for its own number of epochs; omit --epochs" in refused
    command(*words, *FAST, "--schedule", "constant", "--overwrite")
    assert "To train it longer: chainrule train run --resume --epochs 8" in " ".join(
        command("train", "run", "--resume").stdout.split()
    )
    assert said.exit_code == 0


def test_a_refit_of_the_estimator_has_the_penalty_of_the_run(command, houses, tmp_path):
    names = ("area", "town", "garden", "sold", "land")
    write(tmp_path / "cheap.csv", {name: houses[name] for name in (*names, "cheap")})
    words = (
        "--target-column",
        "cheap",
        "--epochs",
        2,
        "--quiet",
        "--out",
        "run",
        "--l2",
        0.01,
        "--batch-size",
        16,
    )
    command("train", "cheap.csv", *words)
    found = MLPClassifier.load(tmp_path / "run" / "model.safetensors")
    assert found.model_.network.l2 == 0.01
    again = found.fit({name: houses[name] for name in names}, houses["cheap"])
    assert again.model_.network.l2 == pytest.approx(0.01)


def test_columns_that_are_left_out_are_needed_no_more(command, houses, tmp_path):
    """The run is that of a table without them; predict and evaluate ignore them, there or not, whatever they hold."""
    names = [name for name in houses if name not in ("size", "cheap")]
    houses["a,b"] = [str(k % 7) for k in range(ROWS)]
    write(tmp_path / "more.csv", houses, [*names[:2], "a,b", *names[2:]])
    words = ("--target-column", "price", *FAST)
    left = ("--exclude-columns", '"a,b", Town,land')
    refused = command("train", "more.csv", *words, *left, code=2)
    assert (
        "more.csv has no column 'Town', the value of --exclude-columns; did you mean 'town'?"
        in refused.stderr
    )
    left = ("--exclude-columns", '"a,b",town, land')
    found = command("train", "more.csv", *words, *left, "--out", "run", data=True)
    write(tmp_path / "less.csv", houses, ["area", "garden", "sold", "price"])
    same = command("train", "less.csv", *words, "--out", "same", data=True)
    assert found["metrics"] == same["metrics"] and found["parameters"] == same["parameters"]
    houses["town"] = ["nowhere"] * ROWS
    write(tmp_path / "other.csv", houses, ["sold", "town", "area", "garden", "price"])
    command("predict", "run", "other.csv", "--out", "a.csv")
    command("predict", "same", "less.csv", "--out", "b.csv")
    a, b = ([row["predicted"] for row in read(tmp_path / name)] for name in ("a.csv", "b.csv"))
    assert a == b
    judged = command("evaluate", "run", "more.csv", data=True)
    assert (judged["part"], judged["metrics"]) == ("test", pytest.approx(found["metrics"]))
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["settings"]["exclude_columns"] == left[1]


def test_numbers_that_differ_in_every_row_are_named(command, houses, tmp_path):
    houses["customer, old"] = [str(9000 + 7 * k) for k in range(ROWS)]
    write(tmp_path / "ids.csv", houses, ["area", "customer, old", "price"])
    words = ("train", "ids.csv", "--target-column", "price", *FAST[:4])
    said = " ".join(command(*words, "--out", "a").output.split())
    assert "customer, old has a different whole number in every row" in said and "area has" not in said
    option = """exclude it with --exclude-columns '"customer, old"'"""
    assert option in said
    said = command(*words, "--exclude-columns", '"customer, old"', "--out", "b").output
    assert "whole number in every row" not in said and "customer" not in said


BAD_TABLES = {
    "empty.csv": "",
    "names.csv": "a,b\n",
    "one.csv": "a,b\n1,2\n",
    "blank.csv": "a,b\n" + "1,\n" * 20,
    "same.csv": "a,b\n" + "1,yes\n" * 20,
    "alone.csv": "b\n" + "1\n2\n" * 20,
    "twice.csv": "a,a\n1,2\n",
    "cut.csv": "a,b\n1,2\n3\n",
    "constant.csv": "a,b\n" + "1,2.5\n1,3.5\n" * 20,
    "dates.csv": "a,b\n" + "".join(f"{k},2024-01-{k:02d}\n" for k in range(1, 25)),
    "free.csv": "a,b\n" + "".join(f"{k},text number {k}\n" for k in range(40)),
}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("houses.csv",), "name the column to predict with --target-column"),
        (("houses.csv", "--target-column", "Prize"), "did you mean 'price'?"),
        (("houses.csv", "--target-column", "x"), "it has area, town"),
        (
            ("houses.csv", "--target-column", "price", "--seed", "-1"),
            "--seed must be an integer in [0, 2^32)",
        ),
        (("mnist", "--target-column", "y"), "omit it"),
        (("mnist", "--exclude-columns", "y"), "--exclude-columns is for tables"),
        (
            ("houses.csv", "--target-column", "price", "--exclude-columns", "area,price"),
            "the column to predict",
        ),
        (("empty.csv", "--target-column", "b"), "is empty"),
        (("names.csv", "--target-column", "b"), "no rows"),
        (("one.csv", "--target-column", "b"), "a target needs two that differ"),
        (("blank.csv", "--target-column", "b"), "has no values"),
        (("same.csv", "--target-column", "b"), "a target needs two that differ"),
        (("alone.csv", "--target-column", "b"), "other columns are needed"),
        (("twice.csv", "--target-column", "a"), "two columns named 'a'"),
        (("cut.csv", "--target-column", "b"), "in line 3"),
        (("constant.csv", "--target-column", "b"), "no usable column"),
        (("dates.csv", "--target-column", "b"), "holds dates"),
        (("free.csv", "--target-column", "b"), "too many for classes"),
        (("binary.csv", "--target-column", "b"), "is not a CSV file"),
        (("cut.parquet", "--target-column", "b"), "not a valid Parquet file"),
        (("none.csv", "--target-column", "b"), "does not exist"),
        (("sizes.csv", "--target-column", "size", "--loss", "mean_squared_error"), "must have numbers"),
    ],
    ids=lambda value: value[0] + " " + value[-1] if isinstance(value, tuple) else None,
)
def test_a_bad_table_is_refused_in_one_sentence(command, houses, tmp_path, words, said):
    for name, text in BAD_TABLES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "binary.csv").write_bytes(b"a,b\n\xff\xfe\x00\x00\n")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no more")
    result = command("train", *words, "--out", "run", code=2)
    assert said in result.stderr and result.stderr.count("\n") == 1 and not result.stdout
    assert "Traceback" not in result.stderr and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"town": None}, "lacks 'town'"),
        ({"town": None, "Town": "town"}, "renamed to 'Town'?"),
        ({"area": ["wide"] * ROWS}, "column 'area'"),
    ],
    ids=["missing", "renamed", "other kind"],
)
def test_changed_columns_are_refused_at_prediction(command, houses, tmp_path, change, said):
    command("train", "houses.csv", "--target-column", "price", "--out", "run", *FAST)
    table = {name: houses[name] for name in ("area", "town", "garden", "sold", "land")}
    for name, new in change.items():
        table[name] = houses[new] if isinstance(new, str) else new
    write(tmp_path / "new.csv", {name: values for name, values in table.items() if values is not None})
    result = command("predict", "run", "new.csv", "--out", "said.csv", code=2)
    assert said in result.stderr and "new.csv" in result.stderr and not (tmp_path / "said.csv").exists()


def test_a_model_of_a_table_and_one_of_an_array_refuse_each_other_s_inputs(command, houses, tables, tmp_path):
    command("train", "houses.csv", "--target-column", "price", "--out", "run", *FAST)
    command("train", tables["numbers"], "--out", "array", *FAST)
    np.save(tmp_path / "x.npy", np.zeros((2, 6)))
    assert "was trained on one" in command("predict", "run", "x.npy", code=2).stderr
    assert "encode text as numbers" in command("predict", "array", "houses.csv", code=2).stderr
    assert "trained on an array" in command("evaluate", "array", "houses.csv", code=2).stderr
    few = {name: houses[name] for name in ("area", "town", "garden", "sold", "land")}
    write(tmp_path / "few.csv", few)
    assert "lacks the column 'price'" in command("evaluate", "run", "few.csv", code=2).stderr


@pytest.mark.parametrize(
    ("name", "package", "extra"), [("t.parquet", "pyarrow", "tables"), ("t.xlsx", "openpyxl", "excel")]
)
def test_what_to_install_is_said(command, tmp_path, monkeypatch, name, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / name).write_bytes(b"PAR1")
    assert f"chainrule[{extra}]" in command("train", name, "--target-column", "b", code=2).stderr


def below_a_title(path: Path, columns: dict[str, list[str]], rows: list[list[str]] = TITLE) -> None:
    """Write a table below other rows, as CSV or Excel by the ending."""
    table = [list(columns), *map(list, zip(*columns.values(), strict=True))]
    if path.suffix == ".csv":
        path.write_text("\n".join(",".join(row) for row in [*rows, *table]))
        return
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.title = "notes"
    book.active.append(["Prices are in thousands."])
    for name in ("houses", "old houses"):
        sheet = book.create_sheet(name)
        for row in [*rows, *table]:
            sheet.append(row)
    book.save(path)


@pytest.mark.filterwarnings("always:.*the header is in row")
def test_a_table_below_a_title_and_later_ones(command, houses, tmp_path):
    """What is above the names may differ in each file; each is told, and the predictions are the same."""
    below_a_title(tmp_path / "titled.csv", houses)
    said = command("train", "titled.csv", "--target-column", "price", "--out", "run", *FAST).stderr
    assert said == "Warning: titled.csv: the header is in row 4; the 3 rows above it were skipped.\n"
    later = {name: cells for name, cells in houses.items() if name != "price"}
    below_a_title(tmp_path / "later.csv", later, [["Houses"], ["a", "b"], ["c"]])
    said = command("predict", "run", "later.csv", "--out", "of_later.csv").stderr
    assert "later.csv: the header is in row 4; the 3 rows above it were skipped." in said
    write(tmp_path / "whole.csv", later)
    command("predict", "run", "whole.csv", "--out", "of_whole.csv")
    predicted = [
        [row["predicted"] for row in read(tmp_path / f"of_{name}.csv")] for name in ("later", "whole")
    ]
    assert predicted[0] == predicted[1]
    assert (
        "has 1 cell in line 3, but 2 names"
        in command("predict", "run", "later.csv", "--header", 2, code=2).stderr
    )
    for other in (
        ["evaluate", "run", "titled.csv"],
        ["check", "run", "titled.csv"],
        ["explain", "run", "titled.csv"],
    ):
        end = ["--row", 0] if other[0] == "explain" else []
        assert "header" not in command(*other, "--header", 4, *end).stderr


def test_a_sheet_of_a_workbook(command, houses, tmp_path):
    below_a_title(tmp_path / "book.xlsx", houses, [])
    train = ("train", "book.xlsx", "--target-column", "price", "--out", "run", *FAST)
    said = command(*train, code=2).stderr
    assert "has tables in the sheets 'houses', 'old houses'; name one as --sheet." in said
    assert command(*train, "--sheet", "houses").stderr == ""
    assert "--sheet houses" in json.loads((tmp_path / "run/config.json").read_text())["command"]
    command("predict", "run", "book.xlsx", "--out", "a.csv")  # from the sheet of that name
    command("predict", "run", "book.xlsx", "--sheet", 3, "--out", "b.csv")
    command("evaluate", "run", "book.xlsx")
    assert read(tmp_path / "a.csv") == read(tmp_path / "b.csv")
    said = command(*train[:1], "houses.csv", *train[2:], "--sheet", "houses", "--overwrite", code=2).stderr
    assert "--sheet names a sheet of a workbook, and houses.csv has no sheets; omit it" in said


def test_a_table_without_names_and_later_ones(command, houses, tmp_path):
    rows = list(zip(*houses.values(), strict=True))
    for name, some in (("all.csv", rows), ("later.csv", rows[:5])):
        (tmp_path / name).write_text("\n".join(map(",".join, some)))
    target = f"x{1 + list(houses).index('price')}"
    command("train", "all.csv", "--header", 0, "--target-column", target, "--out", "run", *FAST)
    command("predict", "run", "later.csv", "--out", "said.csv")
    assert len(read(tmp_path / "said.csv")) == 5


@pytest.mark.slow
@pytest.mark.filterwarnings("always::chainrule.errors.TableWarning")
def test_what_is_decided_of_a_table_is_said_in_both_languages(command, houses, tmp_path):
    marked = houses | {"heat": ["-999" if k % 9 == 0 else f"{k % 30}" for k in range(ROWS)]}
    marked["built"] = ["不詳" if k % 40 == 0 else f"{1900 + k % 90}" for k in range(ROWS)]
    marked["born"] = [f"{57 + k % 30}/{1 + k % 12:02}/{1 + k % 28:02}" for k in range(ROWS)]
    below_a_title(tmp_path / "titled.csv", marked)
    train = ("train", "titled.csv", "--target-column", "price", *FAST, "--report")
    english = command(*train, "--out", "a").stderr
    chinese = command(*train, "--out", "b", "--lang", "zh").stderr
    for text, spoken in (
        ("the header is in row 4; the 3 rows above it were skipped", "欄位名稱在第 4 列，略過上方 3 列"),
        ("column 'heat' has -999 in ", "欄位 'heat' 有 "),
        ("column 'built' has numbers, and text in ", "欄位 'built' 是數字，其中 "),
        ("read by Taiwan's calendar (Minguo)", "以民國紀年讀取"),
    ):
        assert text in english and text not in chinese
        assert spoken in chinese and spoken not in english
    page = (tmp_path / "b/report.html").read_text("utf-8")
    assert "-999 代表遺漏值" in page and "少數文字例外" in page
