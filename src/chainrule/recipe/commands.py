"""The commands that do a run again."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import NamedTuple

from chainrule.recipe.settings import Settings


class Earlier(NamedTuple):
    """A training that was done before the run was trained longer."""

    epochs: int | None
    """as it was asked for; None for the default"""
    trained: int
    """epochs of the whole run at its end"""


def command(settings: Settings, text: str, place: Path, earlier: tuple[Earlier, ...]) -> str:
    """The commands that do the run again, one after the other."""
    if not earlier:
        return settings.command(text)
    first = dataclasses.replace(settings, epochs=earlier[0].epochs).command(text)
    asked = [*(each.epochs for each in earlier[1:]), settings.epochs]
    return " && ".join(
        [f"{first} {shlex.join(['--out', str(place)])}", *(resume_command(place, epochs) for epochs in asked)]
    )


def resume_command(place: Path, epochs: int | None = None) -> str:
    """The command that goes on with a run, to so many epochs in all."""
    words = ["chainrule", "train", str(place), "--resume"]
    return shlex.join(words if epochs is None else [*words, "--epochs", str(epochs)])
