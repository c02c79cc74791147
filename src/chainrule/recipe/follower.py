"""The role of processes other than process 0 in a run: they train, and write no files."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from chainrule.recipe import run
from chainrule.recipe.data import Data
from chainrule.recipe.folder import LOCK
from chainrule.recipe.naming import PYTHON, Names
from chainrule.recipe.settings import Settings
from chainrule.training.events import Event


def follow(
    data: Data | str | None,
    given: Settings,
    place: Path | None = None,
    chosen: Sequence[str] = (),
    named: Names = PYTHON,
) -> None:
    """Train the run that process 0 carries out, in a temporary folder.

    place: the folder of a run to continue, which all processes must see; None for a new one.
    The other arguments are as in `recipe.run.begun` and `resumed`.
    """
    with TemporaryDirectory(prefix="chainrule-") as own:
        folder = Path(own) / "run"
        if place is not None:
            shutil.copytree(place, folder, ignore=shutil.ignore_patterns(LOCK))
            context = run.resumed(folder, given, chosen, data, named)
        else:
            assert data is not None
            context = run.begun(data, given, folder, named=named)
        with context as prepared:
            run.trained(prepared, _say_nothing, None)


def _say_nothing(event: Event) -> None:
    """Do nothing with an event."""
