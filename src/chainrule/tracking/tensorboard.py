"""TensorBoard: event files in a folder, written by tensorboardX, which needs neither TensorFlow nor TensorBoard."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from itertools import count, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.settings import check_count
from chainrule.tracking.follow import WITHIN
from chainrule.tracking.tracked import Position, Setting, TrackedRun
from chainrule.tracking.tracker import Tracker, needed
from chainrule.training.events import Ended
from chainrule.training.run import Run

if TYPE_CHECKING:
    from tensorboardX.proto.summary_pb2 import Summary

TRAIN, VALIDATION = "train", "validation"
"""The folders whose runs have the same tags, so that TensorBoard draws them over each other."""
FLUSH_SECONDS = 1.0
BINS = 64
"""The bins of a histogram of weights."""


class TensorBoard(Tracker):
    """Write each fit for TensorBoard: `tensorboard --logdir DIRECTORY` shows it while it runs.

    The curves of training and validation samples lie over each other (runs train and validation), at the number of
    updates and the real time. The settings are a text from the start, and at the end a row of the tab HPARAMS.

    directory: the folder, new or existing; one that has a run keeps it, and the next run is in its subfolder 2.
    histograms: write a histogram of each link's parameters after every so many epochs; 0 for none.
    Needs the extra `tensorboard`, which is tensorboardX.
    """

    def __init__(self, directory: str | os.PathLike[str], *, histograms: int = 0) -> None:
        """Check the settings; the folder is made when the first training begins."""
        super().__init__()
        needed("tensorboardX", self.name, "tensorboard")
        self.directory = Path(directory)
        self.histograms = check_count(histograms, "histograms of TensorBoard", 0)
        self.looks_inside = self.of_one_network = self.histograms > 0

    def __repr__(self) -> str:
        """Return the settings as Python code."""
        more = f", histograms={self.histograms}" if self.histograms else ""
        return f"TensorBoard({str(self.directory)!r}{more})"

    def open(self, earlier: str | None) -> TensorBoardRun:
        """Open a folder for a run."""
        return TensorBoardRun(free_folder(self.directory) if earlier is None else Path(earlier))

    def interrupted(self) -> str | None:
        """Return the last run's folder."""
        taken = [*takewhile(lambda place: (place / TRAIN).is_dir(), places(self.directory))]
        return str(taken[-1]) if taken else None

    def on_epoch_end(self, run: Run) -> None:
        """Write the record of the epoch, and every so many epochs the weights."""
        super().on_epoch_end(run)
        follow = self.now.follow
        if follow is not None and self.histograms and run.epoch % self.histograms == 0:
            tracked, weights = follow.run, parameters_of(run)
            if isinstance(tracked, TensorBoardRun):
                follow.guard(lambda: tracked.weights(weights, follow.at))


class TensorBoardRun(TrackedRun):
    """A folder of event files: its own, those of the training samples and those of the validation samples."""

    def __init__(self, folder: Path) -> None:
        """Keep the folder."""
        self.folder, self.settings = folder, dict[str, Setting]()
        self.writers: dict[str, Any] = {}
        self.last, self.at = dict[str, float](), Position(0, 0, time.time())
        self.due = 0.0

    @property
    def key(self) -> str:
        """The folder."""
        return str(self.folder)

    def describe(self, settings: Mapping[str, Setting]) -> None:
        """Write the settings as a text, a table in Markdown."""
        from tensorboardX import summary

        self.settings = dict(settings)
        lines = ["| setting | value |", "|---|---|", *(f"| {k} | {_cell(v)} |" for k, v in settings.items())]
        self.add("", summary.text("settings", "\n".join(lines)), self.at)

    def write(self, numbers: Mapping[str, float], at: Position) -> None:
        """Write numbers, those of validation samples under the same tags as those of training samples."""
        from tensorboardX import summary

        shown = {name: value for name, value in numbers.items() if name not in (WITHIN, "seconds")}
        self.last, self.at = self.last | shown, at
        for name, value in numbers.items():
            of = VALIDATION if name.startswith("val_") else TRAIN
            self.add(of, summary.scalar(name.removeprefix("val_"), value), at)

    def weights(self, weights: Mapping[str, NDArray[Any]], at: Position) -> None:
        """Write histograms of weights."""
        from tensorboardX import summary

        for name, values in weights.items():
            found = summary.histogram(name, values.astype(np.float64), BINS)
            self.add(TRAIN, found, at)

    def judged(self, figures: Mapping[str, float], at: Position) -> None:
        """Take figures of the finished model, which `close` writes."""
        self.last, self.at = self.last | dict(figures), at

    def part(self, name: str) -> TensorBoardRun:
        """Return the run of a subfolder."""
        folder = self.folder / re.sub(r"[^\w.-]+", "_", name)
        return TensorBoardRun(folder)

    def keep(self, fitted: object) -> None:
        """Keep nothing: TensorBoard shows no models."""

    def close(self, ended: Ended | None) -> None:
        """Write the row of the tab HPARAMS, and close the files."""
        from tensorboardX import summary

        figures = {f"final/{name}": value for name, value in self.last.items()}
        rows = summary.hparams(dict(self.settings), figures)
        for found in (*rows, *(summary.scalar(name, value) for name, value in figures.items())):
            self.add("", found, self.at)
        self.abandon()

    def abandon(self) -> None:
        """Close the files."""
        writers, self.writers = self.writers, {}
        with ExitStack() as closing:
            for writer in writers.values():
                closing.callback(writer.close)

    def add(self, of: str, found: Summary, at: Position) -> None:
        """Write a summary into a file of a subfolder, and flush all files if it is time."""
        from tensorboardX.proto.event_pb2 import Event

        if of not in self.writers:
            self.writers[of] = event_file(self.folder / of)
        event = Event(summary=found, step=at.step, wall_time=at.time)
        self.writers[of].write(event.SerializeToString())
        if time.monotonic() >= self.due:
            for writer in self.writers.values():
                writer.flush()
            self.due = time.monotonic() + FLUSH_SECONDS


def event_file(folder: Path) -> Any:
    """Return tensorboardX's writer of a new event file in a folder; files are read in the order of their names.

    It writes in the training's own thread: one of its own would end at a full disk, and the training wait for it.
    """
    from tensorboardX import RecordWriter
    from tensorboardX.proto.event_pb2 import Event

    folder.mkdir(parents=True, exist_ok=True)
    now = time.time_ns()
    made = RecordWriter(str(folder / f"events.out.tfevents.{now // 10**9}.{socket.gethostname()}.{now}"))
    made.write(Event(wall_time=now / 1e9, file_version="brain.Event:2").SerializeToString())
    return made


def places(directory: Path) -> Iterator[Path]:
    """Iterate over the folders of the runs of a directory: itself, and its subfolders 2, 3, ..."""
    yield directory
    yield from (directory / str(number) for number in count(2))


def free_folder(directory: Path) -> Path:
    """Return the first folder without a run, and take it, so that no other process does."""
    for place in places(directory):
        place.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            (place / TRAIN).mkdir()
            return place
    raise AssertionError("there are infinitely many")


def parameters_of(run: Run) -> dict[str, NDArray[Any]]:
    """Return the current parameters of a network by link and name: dense_1/W."""
    network = run.plan.network
    named = network.named(network.unflatten(run.theta))
    return {
        f"{link}/{name}": values for link, each in named.items() for name, values in each._asdict().items()
    }


def _cell(value: Setting) -> str:
    return f"{value}".replace("|", "\\|")
