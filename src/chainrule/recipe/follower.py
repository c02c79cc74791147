"""The part in a run that the processes beside process 0 take: they train, and leave nothing behind."""

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
    """Train the run that process 0 carries out, in a folder of its own that is deleted in the end.

    place: the folder of a run that goes on, which all processes must see; None for a new one.
    The rest is as in `recipe.run.begun` and `resumed`.
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
