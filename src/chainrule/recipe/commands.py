"""Write the commands that repeat a run."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import NamedTuple

from chainrule.recipe.settings import Settings


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
