"""Trackers by the names that `chainrule train --track` takes, and a run as they keep it: settings, course, results."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from chainrule.errors import ConfigError
from chainrule.recipe.folder import BOARD, can_go_on
from chainrule.recipe.prepare import Prepared
from chainrule.recipe.settings import as_json
from chainrule.tracking.follow import Follow
from chainrule.tracking.tracked import flat
from chainrule.tracking.tracker import Tracker

FORMS = ("tensorboard", "mlflow", "wandb", "trackio")
"""The names of trackers, each with a colon and its directory, store or project, or without."""


def tracker_of(text: str, place: Path | None = None) -> Tracker:
    """Return the tracker that a text names, such as tensorboard:runs/board.

    place: the folder of the run, in which TensorBoard's files are where the text names no other.
    Raises ConfigError for other text, and where the tracker's library is not installed.
    """
    name, _, rest = text.partition(":")
    if name == "tensorboard":
        from chainrule.tracking.tensorboard import TensorBoard

        return TensorBoard(rest or (place or Path()) / BOARD)
    if name == "mlflow":
        from chainrule.tracking.mlflow import MLflow

        return MLflow(tracking_uri=rest or None)
    if name in ("wandb", "trackio"):
        from chainrule.tracking.wandb import WandB

        return WandB(rest or "chainrule", module=name)
    raise ConfigError(
        f"--track must be one of {', '.join(FORMS)}, or such as tensorboard:DIRECTORY, not {text!r}."
    )


def followers(run: Prepared, trackers: Sequence[Tracker]) -> tuple[Follow, ...]:
    """Begin a run of each tracker, or go on with it, and return what writes into these.

    Raises ConfigError if one cannot be begun.
    """
    settings = flat({"data": run.data.name, **as_json(dataclasses.asdict(run.settings))})
    goes_on, found = can_go_on(run.place), list[Follow]()
    for tracker in trackers:
        found.append(tracker.begin(settings, tracker.interrupted() if goes_on else None))
    if found and run.training.is_race and run.training.estimator is not None:
        run.training.estimator.set_params(callbacks=found)  # each of its fits is a run of its own
    return tuple(found)
