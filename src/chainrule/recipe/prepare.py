"""A run: its data, its settings, how it is trained, where, and the commands that repeat it; and one that is trained."""

from __future__ import annotations

import csv
import dataclasses
import io
import shlex
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from chainrule.core.files import cells, write_whole
from chainrule.model import Ensemble, Model
from chainrule.recipe import folder
from chainrule.recipe.data import Data, Parts, image_shape
from chainrule.recipe.judge import Judgement
from chainrule.recipe.settings import Settings, as_json
from chainrule.training import History
from chainrule.training.events import Consumer


class Earlier(NamedTuple):
    """A training that was finished before the run was trained longer."""

    epochs: int | None
    """as requested; None for the default"""
    trained: int
    """epochs of the whole run at its end"""


def command(settings: Settings, text: str, place: Path, earlier: tuple[Earlier, ...]) -> str:
    """Return the commands that repeat the run, joined by &&."""
    if not earlier:
        return settings.command(text)
    first = dataclasses.replace(settings, epochs=earlier[0].epochs).command(text)
    asked = [*(each.epochs for each in earlier[1:]), settings.epochs]
    return " && ".join(
        [f"{first} {shlex.join(['--out', str(place)])}", *(resume_command(place, epochs) for epochs in asked)]
    )


def resume_command(place: Path, epochs: int | None = None) -> str:
    """Return the command that continues a run, up to a total number of epochs."""
    words = ["chainrule", "train", str(place), "--resume"]
    return shlex.join(words if epochs is None else [*words, "--epochs", str(epochs)])


if TYPE_CHECKING:
    from chainrule.estimators import MLPSurvival
    from chainrule.estimators.base import MLPEstimator
    from chainrule.recipe.table_data import TableData


class RunTraining(Protocol):
    """How a run is trained: by `Model.fit` (`recipe.by_model`), or as an estimator's fit (`recipe.by_estimator`)."""

    @property
    def watched(self) -> str:
        """The samples of the val_ columns of the history: validation or test."""

    @property
    def is_race(self) -> bool:
        """Whether several networks are fitted, none of which reports its epochs."""

    @property
    def model(self) -> Model | Ensemble:
        """The model, which is there from the start of the training on."""

    @property
    def estimator(self) -> MLPEstimator | None:
        """The estimator that is fitted; None if none is."""

    def table(self, run: Prepared) -> TableData | None:
        """Return the table of a run with what prepares it for the model; None for other data."""

    def held_out(self, run: Prepared, trained: int) -> tuple[int, int]:
        """Return the samples to validate on and those to test on, of a run that trains on so many."""

    def config(self) -> dict[str, Any]:
        """Return its entries of config.json."""

    def train(self, run: Prepared, listen: Consumer, stop: threading.Event | None) -> TrainedRun:
        """Train a run, from its last checkpoint if it has one."""

    def can_grow(self, run: Prepared) -> bool:
        """Return whether a finished run can be trained for more epochs."""

    def taken_up(self, run: Prepared, config: dict[str, Any], epochs: int | None) -> Prepared:
        """Return the run of a folder in its current state. epochs: the requested number; None for that of before.

        Raises ConfigError if it cannot be trained for so many.
        """


class Prepared(NamedTuple):
    """A run with its settings and data checked, before its first file is written."""

    data: Data
    given: Settings
    settings: Settings
    """with all defaults that depend on the data, or the preset"""
    training: RunTraining
    fingerprint: int = 0
    """a checksum of the samples, including held-out ones; 0 before an estimator makes them"""
    earlier: tuple[Earlier, ...] = ()
    """trainings that were finished before the run was trained longer"""
    records: tuple[dict[str, float], ...] = ()
    """their records, one per epoch"""
    place: Path = Path()
    """the folder"""
    done: TrainedRun | None = None
    """the trained run, if it is finished"""
    warnings: tuple[Warning | str, ...] = ()
    """what reading the data, and an earlier start of the run, warned of"""

    @property
    def command(self) -> str:
        """The command that repeats the run; several if it was trained longer; empty for arrays."""
        if not self.data.text:
            return ""
        return command(self.given, self.data.text, self.place, self.earlier)

    @property
    def table(self) -> TableData:
        """The table of a run on one."""
        assert self.data.table is not None
        return self.data.table

    @property
    def image(self) -> tuple[int, int] | None:
        """(height, width) of a sample; None if the samples are not images."""
        return image_shape(self.data.train)

    def config(self) -> dict[str, Any]:
        """Return the content of config.json."""
        data = self.data
        return {
            "command": self.command,
            "data": {
                "name": data.name,
                "text": data.text,
                "source": data.source,
                "fingerprint": self.fingerprint,
            },
            "settings": as_json(self.given.given()),
            "resolved": as_json(dataclasses.asdict(self.settings)),
            "earlier": [each._asdict() for each in self.earlier],
            **self.training.config(),
        }

    def write_changes(self) -> None:
        """Write the settings again if the run is trained longer than its folder says."""
        written, now = folder.read_config(self.place)["resolved"], self.settings
        if (written.get("epochs"), written.get("time_limit")) != (now.epochs, now.time_limit):
            folder.write_config(self.place, self.config())


class TrainedRun(NamedTuple):
    """A run after its training."""

    run: Prepared
    """with the data as the model takes them"""
    model: Model | Ensemble
    parts: Parts
    history: History
    """of the whole run"""
    estimator: MLPEstimator | None = None
    """the fitted estimator whose model it is; None for another one"""

    @property
    def data(self) -> Data:
        """The data of the run."""
        return self.run.data

    @property
    def settings(self) -> Settings:
        """The settings of the run."""
        return self.run.settings

    @property
    def place(self) -> Path:
        """The folder."""
        return self.run.place

    @property
    def is_average(self) -> bool:
        """Whether the estimator predicts an average of different networks."""
        return hasattr(self.estimator, "blend_")

    @property
    def survival(self) -> MLPSurvival | None:
        """The estimator of times to an event; None for another one."""
        made: Any = self.estimator
        return made if hasattr(made, "predict_survival") else None

    @property
    def seconds(self) -> float:
        """The seconds of the training: of all epochs, those before an interruption too, or of a race's fits."""
        if self.estimator is not None and self.is_average:
            return sum(each.seconds for each in self.estimator.report_)
        return sum(record["seconds"] for record in self.history)

    def write(self, judgement: Judgement, more: Mapping[str, Any]) -> None:
        """Write the model, its history and its metrics into the folder. more: further entries of metrics.json."""
        self.save_model(self.place / "model.safetensors")
        history = {"records": self.history.records, "stopped": self.history.stopped}
        folder.write_json(self.place / "history.json", history)
        if (matrix := judgement.matrix) is not None:
            write_confusion(self.place / "confusion_matrix.csv", matrix, judgement.labels)
        folder.write_json(self.place / "metrics.json", {**judgement.to_json(), **more})

    def save_model(self, path: Path) -> None:
        """Write the model: for a table the estimator, or what prepares the table, and the name of the target."""
        table = self.data.table
        if table is None:
            self.model.save(path)
            return
        from chainrule.estimators.fitted import save
        from chainrule.recipe.table_data import EVENT, LAYOUT, TABLE, TARGET

        extra: dict[str, Any] = {TARGET: table.target.name}
        settings = self.run.settings
        if settings.header is not None or settings.sheet is not None:
            extra[LAYOUT] = {"header": settings.header, "sheet": settings.sheet}
        if table.form is not None and table.form.encoding is not None:
            extra |= table.form.to_metadata()
        if table.target.event is not None:
            extra[EVENT] = list(table.target.event)
        if self.estimator is not None:
            save(self.estimator, path, extra)
        else:
            self.model.save(path, extra=extra | {TABLE: table.preprocessor.to_data()})


def write_confusion(path: Path, matrix: Any, labels: Sequence[str]) -> None:
    """Write the matrix with its labels: a row per true class, a column per predicted one."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["true \\ predicted", *cells(labels)])
    writer.writerows([*cells([label]), *row] for label, row in zip(labels, matrix.tolist(), strict=True))
    write_whole(path, text.getvalue().encode())
