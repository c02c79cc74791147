"""What MODEL means on the command line: a file that Model.save wrote, or the folder of a run."""

from __future__ import annotations

from pathlib import Path

from chainrule.errors import DataError
from chainrule.model import Model, load


def load_model(text: str) -> Model:
    """Read MODEL."""
    path = Path(text)
    if not path.is_dir():
        return load(path)
    inside = path / "model.safetensors"
    if not inside.is_file():
        unfinished = (path / "config.json").is_file()
        hint = f"finish the run: chainrule train {path} --resume" if unfinished else "name the model's file"
        raise DataError(f"{path} contains no model.safetensors; {hint}.")
    return load(inside)


def run_folder(text: str) -> Path | None:
    """Return the folder of the run that wrote MODEL; None if it is in no such folder."""
    path = Path(text)
    folder = path if path.is_dir() else path.parent
    return folder if (folder / "config.json").is_file() else None
