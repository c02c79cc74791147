"""Read and write the folder of a run.

config.json             all settings of the run, written before the first step
checkpoint.safetensors  the state of the training; -refit for that of the network of all rows
history.csv             one line per epoch, as it ends
model.safetensors  history.json  metrics.json  confusion_matrix.csv  report.html    at its end
distilled.safetensors   one network that answers as those of the run do, by chainrule distill
race/                   the finished fits of a race, as they end
tensorboard/            the run as --track tensorboard keeps it
journal.log  trials.csv for a search: its trials, as they end
.lock                   locked while a process trains in the folder: no other may write there, all may read
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chainrule.core.files import open_regular, to_json, write_whole
from chainrule.core.version import __version__
from chainrule.errors import ConfigError, DataError, FormatError, ShapeError, option
from chainrule.recipe.messages import with_value

FORMAT = 1
FILES = (
    *("config.json", "checkpoint.safetensors", "checkpoint-refit.safetensors", "history.csv"),
    *("model.safetensors", "history.json", "distilled.safetensors"),
    *("metrics.json", "confusion_matrix.csv", "report.html"),
    *("trials.csv", "journal.log", "journal.log.lock"),
)
CHECKPOINT = "checkpoint.safetensors"
RACE = "race"
"""The folder of the finished fits of a race."""
BOARD = "tensorboard"
"""The folder in which a run is kept for TensorBoard, where no other is named."""
PROGRESS = ("history.csv", "checkpoint.safetensors", "journal.log", RACE)
"""The files of which a run or a search has at least one after its first step."""
LOCK = ".lock"
REFUSED = (ConfigError, DataError, ShapeError)
"""The errors of unsuitable settings and data."""
MAX_CONFIG_BYTES = 1 << 20


def choose(out: str | os.PathLike[str] | None, name: str) -> Path:
    """Return the folder of a new run: `out`, or a new one, runs/NAME-DATE-TIME."""
    if out is None:
        now = datetime.datetime.now()
        stem = Path("runs") / f"{name}-{now:%Y%m%d-%H%M%S}"
        for number in range(1, 1000):
            folder = stem if number == 1 else stem.with_name(f"{stem.name}-{number}")
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            return folder
    folder = Path(out or stem)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{with_value('out', folder)} is a file; name a folder.")
    return folder


def empty(folder: Path, overwrite: bool) -> None:
    """Empty a folder for a new run; with `overwrite` also delete another run's files. The caller holds the lock.

    Raises ConfigError if the folder contains another run and overwrite is False.
    """
    held = sorted(path.name for path in folder.iterdir() if not is_leftover(path) and path.name != LOCK)
    if held and not overwrite:
        if "config.json" not in held:
            raise ConfigError(f"{folder} already contains files ({held[0]}); name another folder.")
        raise ConfigError(
            f"{folder} already contains a run; continue it with {with_value('resume', True)}, replace it with "
            f"{with_value('overwrite', True)}, or name another folder."
        )
    for old in (*(folder / name for name in FILES), *(folder / RACE).glob("*.safetensors")):
        old.unlink(missing_ok=True)
    if (board := folder / BOARD).is_dir():
        remove_board(board)
    clean(folder)


def remove_board(directory: Path) -> None:
    """Delete the event files in a directory, and the folders that are empty then."""
    for old in directory.rglob("events.out.tfevents.*"):
        old.unlink(missing_ok=True)
    for old in (*sorted(directory.rglob("*"), reverse=True), directory):
        with contextlib.suppress(OSError):  # a file, or not empty
            old.rmdir()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder for one run. Raises ConfigError if another run is using it.

    The system releases the lock when the process ends, however it ends. On a file system without locks the run
    continues without one.
    """
    path = folder / LOCK
    handle = _open_locked(path)
    if handle is None:
        raise ConfigError(
            f"another process is training in {folder}; wait until it ends, or name another folder with {option('out')}."
        )
    try:
        yield
    finally:
        if os.name != "nt":  # before the lock is released, or another run's lock file could be deleted
            _delete(path, handle)
        os.close(handle)
        if os.name == "nt":  # it cannot delete open files, so not another run's
            with contextlib.suppress(OSError):
                path.unlink()


def _delete(path: Path, handle: int) -> None:
    """Delete the open file, unless the folder was deleted meanwhile and another run has locked its own in a new one."""
    with contextlib.suppress(OSError):
        if os.path.samestat(os.fstat(handle), path.stat()):
            path.unlink()


def _open_locked(path: Path) -> int | None:
    """Open and lock the file at a path; return its handle, or None if another process holds the lock."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(handle)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                return handle  # a file system without locks
            os.close(handle)
            return None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        # The previous holder deleted the file after it was opened here, so others cannot see this lock.
        os.close(handle)


def _lock(handle: int) -> None:
    """Lock an open file without waiting. Raises OSError."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def in_folder(folder: Path) -> Iterator[None]:
    """Lock a folder; delete it if the run is rejected and no file is in it."""
    try:
        with locked(folder):
            yield
    except REFUSED:
        discard(folder)
        raise


@contextlib.contextmanager
def unless_rejected(folder: Path) -> Iterator[None]:
    """Delete the settings of a run that is rejected before its first step. The caller holds the lock."""
    try:
        yield
    except REFUSED:
        if not any((folder / name).exists() for name in PROGRESS):
            (folder / "config.json").unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def in_new_folder(folder: Path, config: Mapping[str, Any], overwrite: bool) -> Iterator[None]:
    """Lock a folder and empty it for a new run with these settings, see `empty`; delete it if the run is rejected."""
    with in_folder(folder):
        empty(folder, overwrite)
        write_config(folder, config)
        with unless_rejected(folder):
            yield


def is_leftover(path: Path) -> bool:
    """Return whether a path is a file that a killed process left half-written."""
    return path.suffix == ".tmp" and any(path.name.startswith(f".{name}.") for name in FILES)


def clean(folder: Path) -> None:
    """Delete files that a killed process left half-written. The caller holds the lock."""
    for path in (*filter(is_leftover, folder.iterdir()), *(folder / RACE).glob(".*.tmp")):
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not there, or not empty
        (folder / RACE).rmdir()


def discard(folder: Path) -> None:
    """Delete the folder of a run that could not start, unless it contains other files."""
    with contextlib.suppress(OSError):  # not empty
        folder.rmdir()
        if folder.parent == Path("runs"):
            folder.parent.rmdir()


def write_json(path: Path, value: object) -> None:
    """Write data as JSON, replacing the file atomically; null for NaN and infinity."""
    write_whole(path, (to_json(value, indent=2) + "\n").encode())


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Write the settings of the run."""
    write_json(folder / "config.json", {"format": FORMAT, "versions": versions(), **config})


def read_config(folder: Path) -> dict[str, Any]:
    """Read the settings of a run. Raises FormatError if the file is not valid."""
    path = folder / "config.json"
    try:
        with open_regular(path) as file:
            config = json.loads(file.read(MAX_CONFIG_BYTES))
        if config["format"] != FORMAT:
            raise FormatError(f"{path} has format {str(config['format'])[:20]}, this version reads {FORMAT}.")
        parts = {name: config[name] for name in ("settings", "resolved", "data")}
        texts = [parts["data"][name] for name in ("text", "source")]
        if not all(isinstance(part, dict) for part in parts.values()) or not all(
            isinstance(t, str) for t in texts
        ):
            raise FormatError(f"{path} does not describe a run.")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path} is not the config.json of a run ({error}).") from error
    return dict(config)


def read_metrics(folder: Path) -> dict[str, Any]:
    """Return the content of metrics.json; nothing where it is missing. Raises FormatError."""
    path = folder / "metrics.json"
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise FormatError(f"{path} is damaged ({error}); train the run again.") from error
    if not isinstance(found, dict):
        raise FormatError(f"{path} is no object of metrics; train the run again.")
    return found


def can_go_on(folder: Path) -> bool:
    """Return whether a stopped run can go on from what is in its folder, rather than start again."""
    return any((folder / name).exists() for name in (CHECKPOINT, RACE))


def is_of_estimator(config: Mapping[str, Any], has_preset: bool) -> bool:
    """Return whether a run was trained as the fit of an estimator, from its config.json.

    has_preset: whether it was one of a preset, which versions before 0.1 alone trained so.
    """
    return has_preset or config.get("training") == "estimator"


def versions() -> dict[str, str]:
    """Return the versions of everything that affects the numbers of a run."""
    import numpy as np

    return {
        "chainrule": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(terse=True),
    }
