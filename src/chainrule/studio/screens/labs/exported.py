"""The additional answers of an exported page of the laboratory: its run, with at least one record of each network."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

from chainrule.studio.screens.labs.commands import answer
from chainrule.studio.session.commands import EXPORTS, Exported, KeptAnswer

SECONDS = 10.0
"""The maximum seconds that an export waits for the first record of each network of a new run."""


def results(page: Exported, lab: str) -> Iterator[KeptAnswer]:
    """Return the run once there is something to show."""
    end = time.monotonic() + SECONDS
    found = answer(page.studio, lab)
    while time.monotonic() < end and found["run"] is not None and found["run"]["running"]:
        if all(len(arm["step"]) for arm in found["run"]["arms"]):
            break
        time.sleep(0.05)
        found = answer(page.studio, lab)
    yield KeptAnswer(f"{lab}.get", {}, found)


for screen in ("vanishing", "without_backprop"):
    EXPORTS[screen] = partial(results, lab=screen)
