"""Uploaded data: a table, an .npz, the four files of an IDX folder, or painted points."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from chainrule.datasets.idx import Dataset
from chainrule.datasets.table_files import TABLES
from chainrule.errors import ChainruleError, ConfigError, DataError
from chainrule.formulas.layers import ACTIVATIONS
from chainrule.formulas.losses import LOSSES
from chainrule.formulas.optimizers import OPTIMIZERS, Solver
from chainrule.formulas.schedules import SCHEDULES
from chainrule.presets import PRESETS
from chainrule.recipe.build import default_loss
from chainrule.recipe.columns import listed
from chainrule.recipe.data import Data, from_arrays, load
from chainrule.recipe.preset_choice import is_of_presets
from chainrule.recipe.settings import ABOUT, COUNT, NO_PRESET, AboutSetting, Settings, alternatives, types
from chainrule.studio.screens.model import shown_part
from chainrule.studio.screens.train.desk import Desk, desk_of
from chainrule.studio.screens.train.form import FIELDS, FROM_DATA, defaults, outputs_of, plan
from chainrule.studio.screens.train.python import code_of
from chainrule.studio.screens.train.reference import reference
from chainrule.studio.session.commands import DOWNLOADS, command
from chainrule.studio.session.start import open_data
from chainrule.studio.session.studio import Studio
from chainrule.trained.persistence import LAYERS, encode
from chainrule.trust.notice import Notice
from chainrule.views import words
from chainrule.views.words import LANGUAGES, spoken_in

if TYPE_CHECKING:
    from chainrule.studio.session.studio import Studio

MAX_POINTS = 2000
MAX_FILES = 4
"""The maximum files of one data set: the four of an IDX folder."""


def name_of(studio: Studio, names: list[str]) -> str:
    """Return the user's name of an uploaded file, "folder" for several."""
    paths = paths_of(studio, names)
    return own_name(paths[0]) if len(paths) == 1 else "folder"


def paths_of(studio: Studio, names: list[str]) -> list[Path]:
    """Return the uploaded files. names: those that the server gave them.  Raises ConfigError."""
    if len(names) > MAX_FILES:
        raise ConfigError(f"uploads must be at most {MAX_FILES} files, not {len(names)}; choose fewer.")
    with studio.lock:
        paths = [studio.uploads[name] for name in names if name in studio.uploads]
    if not names or len(paths) < len(names):
        raise ConfigError("the file no longer exists; choose it again.")
    return paths


def of_uploads(studio: Studio, names: list[str]) -> Data:
    """Read the data of uploaded files. names: those that the server gave them.

    Raises DataError or FormatError for files without data, with their names for the user.
    """
    paths = paths_of(studio, names)
    if len(paths) == 1 and not paths[0].name.lower().endswith((*TABLES, ".npz")):
        raise DataError(
            f"{own_name(paths[0])} is neither a table (.csv, .csv.gz, .parquet, .arrow, .xlsx) nor an .npz; choose one "
            "of these, or the four IDX files at once."
        )
    with named_as_sent(paths) as home:
        where = home / own_name(paths[0]) if len(paths) == 1 else home
        data = open_data(str(where))
        name = where.name.removesuffix(".gz").rsplit(".", 1)[0] if len(paths) == 1 else "IDX"
        return in_memory(data)._replace(name=name, text="", source="")


@contextlib.contextmanager
def named_as_sent(paths: list[Path]) -> Iterator[Path]:
    """Copy uploaded files into a folder under the user's names, which errors have too."""
    with tempfile.TemporaryDirectory(prefix="chainrule-", ignore_cleanup_errors=True) as folder:
        for path in paths:
            shutil.copyfile(path, Path(folder) / own_name(path))
        try:
            yield Path(folder)
        except (ChainruleError, OSError) as error:
            raise type(error)(
                str(error).replace(f"{folder}{os.sep}", "").replace(folder, "the folder")
            ) from error


def own_name(path: Path) -> str:
    """Return the user's name of an uploaded file, without the server's number before it."""
    return re.sub(r"^\d+-", "", path.name)


def in_memory(data: Data) -> Data:
    """Return the data with all arrays copied into memory."""

    def copied(part: Dataset | None) -> Dataset | None:
        return None if part is None else dataclasses.replace(part, X=np.array(part.X), y=np.array(part.y))

    train = copied(data.train)
    assert train is not None
    return data._replace(train=train, validation=copied(data.validation), test=copied(data.test))


def of_points(points: list[list[float]]) -> Data:
    """Make data from painted points (x, y, class). Raises DataError."""
    if not 4 <= len(points) <= MAX_POINTS or any(len(point) != 3 for point in points):
        raise DataError(
            f"there must be between 4 and {MAX_POINTS:,} points with x, y and class, not {len(points)}."
        )
    table = np.array(points, np.float64)
    labels = table[:, 2].astype(np.int64)
    if np.unique(labels).size < 2:
        raise DataError("all points have one class; paint some of another.")
    return from_arrays(table[:, :2], labels, name="points")


# --- train a network: the form, the run, its timeline, and uploaded data ---------------------------------------------

MODEL_FILE = "model.safetensors"
SHOWN = [name for name in ("preset", *FIELDS) if name == "optimizer" or getattr(Settings(), name, 0) is None]
"""The settings of the form whose defaults depend on the data or on the preset."""


def field_of(name: str) -> dict[str, Any]:
    """Return a field's description for the page: its range, and the other settings that it belongs to."""
    about = ABOUT.get(name, AboutSetting(COUNT))  # samples, which is not a setting of a run
    is_whole = name not in ABOUT or int in alternatives(types()[name])
    numbers: dict[str, Any] = {"step": 1 if is_whole else "any"}
    if about.numbers is not None:
        numbers |= {"min": about.numbers.minimum}
        numbers |= {} if about.numbers.maximum is None else {"max": about.numbers.maximum}
    return {
        "name": name,
        "numbers": numbers,
        "of_optimizer": "optimizer" in about.of,
        "of_presets": name not in ABOUT or is_of_presets(name),
        "of_table": "table" in about.of,
        "is_column": "column" in about.of,
    }


@command("train.options", reads=True)
def options(studio: Studio) -> dict[str, Any]:
    """Return the choices of a form: layers, losses, optimizers and schedules with their settings, and its defaults."""
    layers = {
        kind: {
            f.name: encode(f.default)
            for f in dataclasses.fields(layer)
            if f.default is not dataclasses.MISSING
        }
        for kind, layer in LAYERS.items()
        if kind not in FROM_DATA
    }
    data = desk_of(studio).data if studio.has_data else None
    optimizers = {
        kind: {f.name: f.default for f in dataclasses.fields(made) if isinstance(f.default, (int, float))}
        for kind, made in OPTIMIZERS.items()
        if not issubclass(made, Solver)
    }
    return {
        "layers": layers,
        "activations": [kind for kind in ACTIVATIONS if kind != "softmax"],
        "optimizers": optimizers,
        "schedules": list(SCHEDULES),
        "losses": list(LOSSES),
        "presets": [*PRESETS, NO_PRESET],
        "fields": [field_of(name) for name in FIELDS],
        "columns": [] if data is None or data.table is None else list(data.table.inputs),
        "defaults": defaults(data),
    }


@command("train.check", reads=True)
def check(studio: Studio, *, form: dict[str, Any]) -> dict[str, Any]:
    """Check a form, and return its meaning and the equivalent Python; errors are reported."""
    data = desk_of(studio).data
    found = plan(data, form)
    settings, n = found.settings, len(found.data.train)
    return {
        "size": found.network.size,
        "default_loss": default_loss(data.train.y),
        **{name: getattr(settings, name) for name in SHOWN},
        "is_table": data.table is not None,
        "samples": n,
        "all": found.rows,
        "outputs": outputs_of(data),
        "links": [
            {"name": link.name, "kind": link.layer.kind, "width": link.fan_out, "inputs": link.fan_in}
            for link in found.network.links
        ],
        "steps": -(-n // min(n, settings.batch_size or n)),
        "held_out": found.held_out,
        "advice": list(found.advice),
        "notices": [] if found.begun is None else list(map(noticed, found.begun.notices)),
        "code": code_of(found, data, source_of(studio)),
    }


def noticed(notice: Notice) -> dict[str, Any]:
    """Return what a fit noticed of its table, in every language, and the change of the form that heeds it."""
    said = {}
    for language in LANGUAGES:
        with spoken_in(language):
            said[language] = words.notices.sentence(notice, "form")
    change: dict[str, str] = {}
    if notice.what in ("groups", "time"):
        change = {notice.what: notice.columns[0]}
    elif notice.what in ("target", "row_number"):
        change = {"exclude_columns": listed(notice.columns)}
    return {"what": notice.what, "said": said, "change": change}


@command("train.reference", reads=True)
def simpler(studio: Studio) -> dict[str, Any]:
    """Return the result of the mean, or the most frequent class, and of a linear model on a table's test rows."""
    desk, data = desk_of(studio), studio.data
    with desk.comparing:
        if desk.reference is None or desk.reference[0] is not data:
            desk.reference = data, reference(data)
        return desk.reference[1]


def source_of(studio: Studio) -> str:
    """Return the source of the shown data, for the script."""
    data = studio.data
    return data.text or desk_of(studio).source or f"{data.name}.csv"


@command("train.data")
def choose_data(
    studio: Studio,
    *,
    kind: Literal["mnist", "files", "points"],
    uploads: list[str] | None = None,
    points: list[list[float]] | None = None,
) -> dict[str, Any]:
    """Show other data: MNIST, uploaded files, or painted points."""
    desk, names = desk_of(studio), uploads or []
    source = kind if kind != "files" else name_of(studio, names)
    with desk.reading({"mnist": "MNIST", "folder": "IDX"}.get(source, source)):
        if kind == "mnist":
            data = load("mnist")
        elif kind == "points":
            data = of_points(points or [])
        else:
            data = of_uploads(studio, names)
        desk.source, desk.pinned = source, None
        studio.show_data(data)
    return {"name": data.name, "samples": len(data.train), "features": int(data.train.X.shape[1])}


@command("train.state", reads=True)
def state(studio: Studio) -> dict[str, Any]:
    """Return the state of the run, with its curves, its timeline, and the runs that it is compared with."""
    return desk_of(studio).to_data()


@command("train.start")
def start(
    studio: Studio,
    *,
    form: dict[str, Any],
    versus: dict[str, Any] | None = None,
    steps: int | None = None,
    fresh: bool = True,
) -> dict[str, Any]:
    """Start a run with a form.

    versus: settings of a second run, which is trained afterwards for comparison.  steps: pause after this many.
    fresh: whether to remove the curves of earlier runs.
    """
    if steps is not None and steps < 1:
        raise ConfigError(f"steps must be at least 1, not {steps}.")
    desk = desk_of(studio)
    queue = [] if versus is None else [form | versus]
    if fresh:
        desk.others = []
    else:
        desk.keep()
    desk.start(form, queue, steps=steps)
    return {"run": desk.number}


@command("train.pause")
def pause(studio: Studio) -> dict[str, Any]:
    """Pause the run."""
    training = desk_of(studio).current()
    if training.phase == "running":
        training.pause()
    return {}


@command("train.resume")
def resume(studio: Studio) -> dict[str, Any]:
    """Continue a paused run."""
    desk_of(studio).current().go_on()
    return {}


@command("train.step")
def step(studio: Studio, *, form: dict[str, Any]) -> dict[str, Any]:
    """Take one step of a paused run; without a run, start one with the form."""
    desk = desk_of(studio)
    training = desk.training
    if training is None or not training.is_alive:
        desk.start(form, [], steps=1)
    elif training.phase == "paused":
        training.step()
    else:
        training.pause()
    return {"run": desk.number}


@command("train.stop")
def stop(studio: Studio) -> dict[str, Any]:
    """Stop the run; the model keeps its parameters."""
    desk = desk_of(studio)
    desk.queue = []
    desk.current().stop(60)
    return {"state": desk.current().phase}


@command("train.rewind")
def rewind(studio: Studio, *, form: dict[str, Any]) -> dict[str, Any]:
    """Return to the state before the first step: the same seed gives the same weights."""
    desk = desk_of(studio)
    desk.ready(form)
    desk.tell("train.state", {})
    return {"run": desk.number}


@command("train.show")
def show(studio: Studio, *, at: int | None = None) -> dict[str, Any]:
    """Show a snapshot of the run on all screens; None for the newest parameters."""
    desk_of(studio).show(at)
    return {"at": at}


@command("train.curve", reads=True)
def curve(studio: Studio, *, start: int = 0) -> dict[str, Any]:
    """Return the points of the curves from an index on: samples seen, loss, accuracy."""
    return {"start": start, "points": desk_of(studio).current().curves.array(max(0, start))}


@command("train.pin")
def pin(studio: Studio, *, sample: int) -> dict[str, Any]:
    """Select the sample of the shown part whose activations are in the frames."""
    part = shown_part(studio)
    if not 0 <= sample < len(part.X):
        raise DataError(f"sample must be a number from 0 to {len(part.X) - 1}, not {sample}.")
    desk = desk_of(studio)
    desk.pinned = np.asarray(part.X[sample], np.float64)
    training = desk.training
    if training is not None and training.looks.pinned.shape == desk.pinned.shape:
        training.looks.pinned = desk.pinned
    return {"sample": sample}


@command("train.watch")
def watch(studio: Studio, *, page: str, visible: bool) -> dict[str, Any]:
    """Report whether a page is visible, to adapt the frame rate."""
    desk_of(studio).looks(page[:64], visible)
    return {}


def model_file(studio: Studio, query: dict[str, str]) -> tuple[bytes, str]:
    """Return the shown model as a file."""
    desk: Desk = desk_of(studio)
    training = desk.training
    use_run = query.get("of") == "run" and training is not None
    model = training.newest() if use_run and training is not None else studio.model
    with tempfile.TemporaryDirectory(prefix="chainrule-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / MODEL_FILE
        model.save(path)
        return path.read_bytes(), "application/octet-stream"


DOWNLOADS[MODEL_FILE] = model_file
