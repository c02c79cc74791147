"""The studio as the command opens it: its contents, its first screen, and the run that starts at once."""

from __future__ import annotations

from chainrule.studio import start
from chainrule.studio.screens.train.desk import desk_of
from chainrule.studio.studio import Studio


def opened(what: str | None) -> Studio:
    """Open a model or data. MNIST and a table are trained at once, to have a network and curves for the screens.

    what: a model file, the folder of a run, or data; None for MNIST.
    """
    studio = start.opened(what)
    if studio.has_model:
        return studio
    if what is not None:
        studio.first_screen = "train"
    if what is None or studio.data.table is not None:
        desk = desk_of(studio)
        desk.source = "mnist" if what is None else what
        desk.start({}, [])
    return studio
