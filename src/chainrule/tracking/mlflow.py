"""MLflow: a run in a tracking store (a database, a server or a folder), with the model at its end."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.core.arrays import RowsLike
from chainrule.errors import ConfigError
from chainrule.tracking.tracked import Position, Setting, TrackedRun
from chainrule.tracking.tracker import Tracker, needed
from chainrule.training.events import Ended, Failed, Interrupted

if TYPE_CHECKING:
    from mlflow import MlflowClient

MOST_METRICS, MOST_PARAMS = 1_000, 100
"""The most metrics and parameters that MLflow takes in one call."""
SEND_SECONDS = 1.0
"""The seconds between two calls: a small network has hundreds of epochs in one."""
PARENT = "mlflow.parentRunId"


class MLflow(Tracker):
    """Keep each fit as a run of MLflow: parameters once, metrics at the number of updates, and the model at the end.

    The fits of a race are child runs. Runs are made by MLflow's client, beside an active run of `mlflow.start_run`.

    experiment: its name, made if it is not there; None for MLflow's own (MLFLOW_EXPERIMENT_NAME, or Default).
    tracking_uri: the store, such as sqlite:///mlflow.db or http://...; None for MLflow's own (MLFLOW_TRACKING_URI).
    log_model: whether to keep the fitted model or estimator, in the form of `chainrule.mlflow`, as model.
    input_example: some rows to keep with it, by which its signature is inferred.
    Needs the extra `mlflow`, which is mlflow-skinny.
    """

    def __init__(
        self,
        experiment: str | None = None,
        *,
        tracking_uri: str | None = None,
        log_model: bool = True,
        input_example: RowsLike | None = None,
    ) -> None:
        """Keep the settings; the run is made when the first training begins."""
        super().__init__()
        needed("mlflow", self.name, "mlflow")
        for name, value in (("experiment", experiment), ("tracking_uri", tracking_uri)):
            if not (value is None or isinstance(value, str)):
                raise ConfigError(f"{name} of MLflow must be text or None, not {value!r}.")
        self.experiment, self.tracking_uri = experiment, tracking_uri
        self.log_model, self.input_example = log_model, input_example

    def __repr__(self) -> str:
        """Return the settings as Python code."""
        given = f"{self.experiment!r}" if self.experiment else ""
        store = f"tracking_uri={self.tracking_uri!r}" if self.tracking_uri else ""
        return f"MLflow({', '.join(filter(None, (given, store)))})"

    def open(self, earlier: str | None) -> MLflowRun:
        """Make a run, or go on with one."""
        from mlflow import MlflowClient

        client = MlflowClient(self.tracking_uri)
        if earlier is not None:
            client.update_run(earlier, "RUNNING")
            return MLflowRun(self, client, client.get_run(earlier).info.experiment_id, earlier, is_new=False)
        place = self._experiment(client)
        return MLflowRun(self, client, place, client.create_run(place).info.run_id)

    def _experiment(self, client: MlflowClient) -> str:
        """Return the id of the experiment."""
        import mlflow

        if self.experiment is None and self.tracking_uri is None:
            return f"{mlflow.tracking.fluent._get_experiment_id()}"
        found = client.get_experiment_by_name(self.experiment or "Default")
        return client.create_experiment(self.experiment) if found is None else f"{found.experiment_id}"


class MLflowRun(TrackedRun):
    """A run of MLflow."""

    def __init__(
        self, tracker: MLflow, client: MlflowClient, experiment: str, run_id: str, is_new: bool = True
    ) -> None:
        """Keep where it is. is_new: whether it has no parameters so far, which do not change."""
        self.tracker, self.client, self.experiment, self.run_id = tracker, client, experiment, run_id
        self.is_new, self.waiting, self.due = is_new, list[Any](), 0.0

    @property
    def key(self) -> str:
        """The run's id."""
        return self.run_id

    def describe(self, settings: Mapping[str, Setting]) -> None:
        """Log the settings as parameters."""
        from mlflow.entities import Param

        params = [Param(name, f"{value}") for name, value in settings.items()] if self.is_new else []
        for first in range(0, len(params), MOST_PARAMS):
            self.client.log_batch(self.run_id, params=params[first : first + MOST_PARAMS])

    def write(self, numbers: Mapping[str, float], at: Position) -> None:
        """Log numbers, with those that wait, if it is time."""
        from mlflow.entities import Metric

        when = int(at.time * 1000)
        self.waiting += [Metric(name, float(value), when, at.step) for name, value in numbers.items()]
        if time.monotonic() >= self.due or len(self.waiting) >= MOST_METRICS:
            self.send()

    def send(self) -> None:
        """Log what waits."""
        waiting, self.waiting = self.waiting, []
        for first in range(0, len(waiting), MOST_METRICS):
            self.client.log_batch(self.run_id, metrics=waiting[first : first + MOST_METRICS])
        self.due = time.monotonic() + SEND_SECONDS

    def judged(self, figures: Mapping[str, float], at: Position) -> None:
        """Log figures of the finished model."""
        self.write({name.replace(",", ""): value for name, value in figures.items()}, at)

    def part(self, name: str) -> MLflowRun:
        """Make a child run."""
        made = self.client.create_run(self.experiment, tags={PARENT: self.run_id}, run_name=name)
        return MLflowRun(self.tracker, self.client, self.experiment, made.info.run_id)

    def keep(self, fitted: object) -> None:
        """Log the model as an artifact."""
        if not self.tracker.log_model:
            return
        from mlflow.models import Model as MLflowModel

        import chainrule.mlflow as flavor

        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "model"
            made = MLflowModel(artifact_path="model", run_id=self.run_id)
            example = self.tracker.input_example
            flavor.save_model(fitted, place, mlflow_model=made, input_example=example)  # type: ignore[arg-type]
            self.client.log_artifacts(self.run_id, str(place), "model")

    def close(self, ended: Ended | None) -> None:
        """Log what waits, and end the run."""
        self.send()
        status = "FAILED" if isinstance(ended, Failed) else "FINISHED"
        self.client.set_terminated(self.run_id, "KILLED" if isinstance(ended, Interrupted) else status)

    def abandon(self) -> None:
        """Keep nothing: the store may not answer, and a call would wait for it."""
        self.waiting = []
