"""One run from its settings to its folder: build, train, judge, write."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule.cli import build, folder, longer
from chainrule.cli.data import Data, Parts, check, divide, image_shape
from chainrule.cli.guard import Interrupted
from chainrule.cli.judge import Verdict, judge, positive_class
from chainrule.cli.progress import EpochTable
from chainrule.cli.settings import Settings
from chainrule.core.arrays import distinct
from chainrule.data.checks import check_seed
from chainrule.formulas.optimizers import LBFGS
from chainrule.model import Model
from chainrule.trained.persistence import network_config
from chainrule.training import Callback, Checkpoint, CSVLog, EarlyStopping, History, StopAt
from chainrule.training.fit import describe
from chainrule.training.without_backprop import Search

if TYPE_CHECKING:
    from rich.console import Console


class Prepared(NamedTuple):
    """Everything that can be checked before the first file is written."""

    data: Data
    parts: Parts
    given: Settings
    settings: Settings
    """with all decided that was left to the data"""
    model: Model
    optimizer: Any
    """None, as the schedule is, where the method makes its own steps"""
    schedule: Any
    method: Any
    """None for backpropagation"""
    earlier: tuple[longer.Earlier, ...] = ()
    """trainings that were done before the run was trained longer"""
    records: tuple[dict[str, float], ...] = ()
    """what these recorded, epoch by epoch"""
    fingerprint: int = 0
    """of the samples, those held out among them"""

    def command(self, place: Path) -> str:
        """The command that does the run again; several where it was trained longer."""
        return longer.command(self.given, self.data.text, place, self.earlier)

    def config(self, place: Path) -> dict[str, Any]:
        """What config.json keeps."""
        return {
            "command": self.command(place),
            "data": {
                "name": self.data.name,
                "text": self.data.text,
                "source": self.data.source,
                "fingerprint": self.fingerprint,
            },
            "settings": self.given.given(),
            "resolved": dataclasses.asdict(self.settings),
            "earlier": [each._asdict() for each in self.earlier],
            "network": network_config(self.model.network),
            "optimizer": None if self.optimizer is None else describe(self.optimizer),
            "schedule": None if self.schedule is None else describe(self.schedule),
            "method": None if self.method is None else describe(self.method),
        }


class Outcome(NamedTuple):
    """What a run came to."""

    folder: Path
    verdict: Verdict
    history: History
    reached: bool | None
    """whether --target was reached; None without one"""
    report: Path | None

    @property
    def seconds(self) -> float:
        """Spent in all epochs, those before an interruption too."""
        return sum(record["seconds"] for record in self.history)


def prepare(data: Data, given: Settings, resolved: Settings | None = None) -> Prepared:
    """Build the model. resolved: as an earlier start of the same run decided it."""
    check_seed(given.seed, "--seed")
    parts = divide(data, given.validation_fraction, given.seed)
    settings = build.resolve(given if resolved is None else resolved, data.train)
    build.check(settings, parts.held_out)
    if settings.positive is not None:
        is_label = build.make_loss(settings).targets in ("binary", "classes") and data.train.y.ndim == 1
        positive_class(settings.positive, distinct(data.train.y).tolist() if is_label else [])
    model = Model(
        build.network(settings, parts.train, data.train.y), seed=settings.seed, dtype=settings.dtype
    )
    model.classes, fingerprint = check(data, model.network)
    method = build.method(settings)
    is_search = isinstance(method, Search)
    return Prepared(
        data,
        parts,
        given,
        settings,
        model,
        optimizer=None if is_search else build.optimizer(settings),
        schedule=None if is_search else build.schedule(settings, parts.held_out),
        method=method,
        fingerprint=fingerprint,
    )


def carry_out(
    run: Prepared,
    place: Path,
    out: Console,
    resume: bool,
    report: bool,
    begin: Callable[[], None],
    done: History | None = None,
) -> Outcome:
    """Train to the end, from the last checkpoint if there is one to resume, and write the folder.

    begin: called when all is found to be in order, before the first step.  done: of a run that is finished.
    """
    try:
        history = train(run, place, out, resume, begin) if done is None else done
        with out.status("evaluating"):
            verdict = judge(
                run.model,
                run.parts.judged,
                run.parts.judged_name,
                run.settings.engine,
                run.settings.positive,
            )
        write(run, place, history, verdict)
        page = place / "report.html" if report else None
        if page is not None:
            with out.status("writing the report"):
                write_report(run, page, history, verdict)
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted; go on with: {longer.resume_command(place)}") from None
    reached = None
    if run.settings.target is not None:
        reached = bool(history.records) and history[-1].get("val_accuracy", 0.0) >= run.settings.target
    return Outcome(place, verdict, history, reached, page)


def train(run: Prepared, place: Path, out: Console, resume: bool, begin: Callable[[], None]) -> History:
    """Fit, from the last checkpoint where there is one."""
    settings, parts = run.settings, run.parts
    checkpoint, before = place / "checkpoint.safetensors", len(run.records)
    goes_on = resume and longer.is_of_this_training(checkpoint, before)
    history = run.model.fit(
        parts.train.X,
        parts.train.y,
        epochs=(settings.epochs or 0) - before,
        batch_size=settings.batch_size,
        optimizer=run.optimizer,
        schedule=run.schedule,
        validation_data=(parts.watched.X, parts.watched.y),
        scale_targets=True if run.model.network.loss.targets == "real" else None,
        callbacks=callbacks(run, place, EpochTable(out, watched(run), begin, before)),
        clip_norm=settings.clip_norm,
        precision=settings.precision,
        resume=checkpoint if goes_on else None,
        engine=settings.engine,
        method=run.method,
    )
    return History([*run.records, *history.records], history.stopped)


def watched(run: Prepared) -> str:
    """What the val_ columns of the history are of."""
    return "val" if run.parts.held_out else run.parts.judged_name


def callbacks(run: Prepared, place: Path, table: EpochTable) -> list[Callback]:
    """What watches a run of these settings."""
    settings, log = run.settings, place / "history.csv"
    chosen: list[Callback] = [table, longer.LongerLog(log, run.records) if run.earlier else CSVLog(log)]
    if settings.target is not None:
        chosen.append(StopAt("val_accuracy", settings.target))
    if settings.patience is not None:
        watch = ("val_loss", settings.patience)
        chosen.append(longer.LongerStopping(*watch, run.records) if run.earlier else EarlyStopping(*watch))
    if not isinstance(run.optimizer, LBFGS):  # SciPy keeps its state to itself: such a run starts again
        chosen.append(Checkpoint(place / "checkpoint.safetensors", settings.checkpoint_steps))
    return chosen


def write(run: Prepared, place: Path, history: History, verdict: Verdict) -> None:
    """The model, and what became of it."""
    run.model.save(place / "model.safetensors")
    folder.write_json(place / "history.json", {"records": history.records, "stopped": history.stopped})
    if verdict.matrix is not None:
        folder.write_confusion(place / "confusion_matrix.csv", verdict.matrix, verdict.labels)
    folder.write_json(place / "metrics.json", verdict.to_json())


def write_report(run: Prepared, page: Path, history: History, verdict: Verdict) -> None:
    """The page that shows it all."""
    from chainrule.views import report

    judged = run.parts.judged
    report.write(
        page,
        run.model,
        history,
        judged.X,
        judged.y,
        title=run.data.name,
        part=verdict.part,
        watched="validation" if run.parts.held_out else verdict.part,
        metrics=verdict.metrics,
        positive=verdict.positive,
        image_shape=image_shape(judged),
        rows=run.parts.rows,
        settings=dataclasses.asdict(run.settings),
        command=run.command(page.parent),
        versions=folder.versions(),
    )
