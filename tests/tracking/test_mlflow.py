"""A run of MLflow has what the history has, and its model predicts what the fitted one does, without pickle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chainrule import ConfigError, Dense, Ensemble, Model, Network, ReLU, SoftmaxCrossEntropy
from chainrule.estimators import MLPClassifier, MLPRanker, MLPRegressor
from chainrule.tracking import MLflow
from commands import invoke
from needs import needs

pytestmark = [needs("mlflow"), pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3)).astype(np.float32)
Y = (X[:, 0] > X[:, 1]).astype(int)
NET = Network(3, [Dense(8), ReLU(), Dense(2)], loss=SoftmaxCrossEntropy())
TABLE = pd.DataFrame(
    {"a": X[:, 0].astype(float), "b": RNG.choice(["x", "y"], 200), "c": X[:, 2].astype(float)}
)
LABEL = np.where(Y, "yes", "no")


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store of files, and no pickle."""
    uri = (tmp_path / "store").as_uri()
    values = {"ALLOW_FILE_STORE": "true", "TRACKING_URI": uri, "ALLOW_PICKLE_DESERIALIZATION": "false"}
    for name, value in (values | {"DISABLE_TELEMETRY": "true"}).items():
        monkeypatch.setenv(f"MLFLOW_{name}", value)
    monkeypatch.chdir(tmp_path)
    return uri


def runs(uri: str, experiment: str = "mine"):
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return client, sorted(client.search_runs([found.experiment_id]), key=lambda run: run.info.start_time)


def test_a_run_has_the_history(store: str):
    model = Model(NET, seed=1)
    tracker = MLflow("mine", tracking_uri=store, input_example=X[:3])
    model.fit(X, Y, epochs=3, batch_size=40, validation_fraction=0.2, callbacks=[tracker])
    client, (run,) = runs(store)
    for name in ("loss", "val_loss", "accuracy", "learning_rate"):
        found = client.get_metric_history(run.info.run_id, name)
        assert [each.value for each in found] == pytest.approx(model.history[name])
        assert [each.step for each in found] == [4, 8, 12]
    assert run.data.params["optimizer.learning_rate"] == "0.001" and run.data.params["batch_size"] == "40"
    assert run.info.status == "FINISHED"

    import mlflow

    import chainrule.mlflow as flavor

    place = f"runs:/{run.info.run_id}/model"
    mlflow.set_tracking_uri(store)
    assert (flavor.load_model(place).theta == model.theta).all()
    served = mlflow.pyfunc.load_model(place)
    assert (served.predict(X) == model.predict(X)).all()
    assert served.metadata.signature.inputs.input_types()[0] == np.float32
    model.fit(X, Y, epochs=1, batch_size=40, callbacks=[tracker])  # trained further, in the same run
    client, again = runs(store)
    assert len(again) == 1
    assert [each.step for each in client.get_metric_history(run.info.run_id, "loss")] == [4, 8, 12, 17]


def test_a_race_has_child_runs(store: str):
    options = {"preset": "best", "preprocess": "auto", "time_limit": 1.0, "random_state": 0, "refit": False}
    made = MLPClassifier(**options, callbacks=[MLflow("mine", tracking_uri=store)]).fit(TABLE, LABEL)
    _, found = runs(store)
    (parent,) = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in found if run is not parent]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    names = [run.data.tags["mlflow.runName"] for run in children]
    assert len(set(names)) == len(names) >= made.report_[0].networks
    assert "fast, fold 1" in names
    assert all(run.info.status == "FINISHED" for run in found)
    assert (
        parent.data.params["preset"] == "best"
        and parent.data.metrics["weight/fast"] == made.report_[0].weight
    )
    first = next(run for run in children if run.data.tags["mlflow.runName"] == "fast, fold 1")
    assert first.data.params["recipe"] == "fast" and first.data.metrics["loss_held_out"] > 0

    import mlflow

    import chainrule.mlflow as flavor

    mlflow.set_tracking_uri(store)
    again = flavor.load_model(f"runs:/{parent.info.run_id}/model")
    np.testing.assert_array_equal(again.predict_proba(TABLE), made.predict_proba(TABLE))


@pytest.mark.parametrize("kind", ["model", "ensemble", "classifier", "regressor", "ranker"])
def test_what_is_saved_is_loaded(tmp_path: Path, kind: str):
    import mlflow

    import chainrule.mlflow as flavor

    rows = X
    if kind in ("model", "ensemble"):
        made = Model(NET, seed=0) if kind == "model" else Ensemble(NET, 2, seed=0)
        made.fit(X, Y, epochs=1)
    else:
        rows = TABLE
        estimators = {"classifier": MLPClassifier, "regressor": MLPRegressor, "ranker": MLPRanker}
        made = estimators[kind](preprocess="auto", preset="fast", max_iter=3, random_state=0)
        y = {"classifier": LABEL, "regressor": X[:, 1], "ranker": np.arange(len(X)) % 3}[kind]
        made.fit(TABLE, y, groups=np.arange(len(X)) // 6)
    flavor.save_model(made, tmp_path / "saved", input_example=rows[:3])
    files = [path.suffix for path in (tmp_path / "saved").rglob("*") if path.is_file()]
    assert files.count(".safetensors") == 1 and not {".pkl", ".pickle", ".joblib"} & set(files)
    again = flavor.load_model(str(tmp_path / "saved"))
    assert type(again) is type(made)
    np.testing.assert_array_equal(again.predict(rows), made.predict(rows))
    served = mlflow.pyfunc.load_model(str(tmp_path / "saved"))
    np.testing.assert_array_equal(served.predict(rows), made.predict(rows))
    if kind == "classifier":
        assert served.metadata.signature.inputs.input_names() == ["a", "b", "c"]


def test_mlflow_models_predict(tmp_path: Path):
    """The command of MLflow, in a process of its own that refuses pickle."""
    import chainrule.mlflow as flavor

    made = MLPClassifier(preprocess="auto", preset="fast", max_iter=5, random_state=0).fit(TABLE, LABEL)
    flavor.save_model(made, tmp_path / "saved", input_example=TABLE[:3])
    rows = TABLE[:20]
    rows.to_csv(tmp_path / "rows.csv", index=False)
    words = [
        "-m",
        "mlflow",
        "models",
        "predict",
        "-m",
        str(tmp_path / "saved"),
        "-t",
        "csv",
        "-i",
        "rows.csv",
    ]
    subprocess.run(
        [sys.executable, *words, "-o", "answers.json", "--env-manager", "local"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=300,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
    )
    answers = json.loads((tmp_path / "answers.json").read_text())["predictions"]
    assert [each if isinstance(each, str) else each["0"] for each in answers] == made.predict(rows).tolist()


def test_a_model_logged_in_an_active_run(store: str):
    import mlflow

    import chainrule.mlflow as flavor

    mlflow.set_tracking_uri(store)
    made = MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, random_state=0).fit(X, X[:, 0])
    with mlflow.start_run():
        info = flavor.log_model(made, name="net", input_example=X[:2])
    np.testing.assert_array_equal(flavor.load_model(info.model_uri).predict(X), made.predict(X))


def test_a_store_that_goes_away_is_one_warning(store: str, monkeypatch: pytest.MonkeyPatch):
    from mlflow import MlflowClient

    def gone(*_, **__):
        raise ConnectionError("the server has gone")

    monkeypatch.setattr(MlflowClient, "log_batch", gone)
    model = Model(NET, seed=1)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        model.fit(X, Y, epochs=2, callbacks=[MLflow("mine", tracking_uri=store)])
    told = [f"{each.message}" for each in said if "goes on without it" in f"{each.message}"]
    assert told == [
        "MLflow is told nothing more, and the training goes on without it: ConnectionError: the server has gone."
    ]
    assert len(model.history) == 2


def test_the_command(tmp_path: Path, store: str):
    np.savez(tmp_path / "data.npz", X=X, y=Y)
    words = ["train", f"{tmp_path / 'data.npz'}", "--epochs", "2", "--out", f"{tmp_path / 'run'}", "--json"]
    result = invoke([*words, "--track", f"mlflow:{store}"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    _, (run,) = runs(store, "Default")
    assert run.data.metrics[f"{found['part']}_accuracy"] == pytest.approx(found["metrics"]["accuracy"])
    assert run.data.params["epochs"] == "2" and run.info.status == "FINISHED"


def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import chainrule.mlflow as flavor

    with pytest.raises(
        ConfigError, match="must be a Model, an Ensemble or an estimator of Chainrule, not dict"
    ):
        flavor.save_model({}, tmp_path / "saved")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="experiment of MLflow must be text or None, not 3"):
        MLflow(3)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ConfigError, match=r"pip install 'chainrule\[mlflow\]'"):
        MLflow()
