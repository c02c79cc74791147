"""The screen Plane: build a small network, train it on points of a plane, and pass it to the other screens."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from chainrule.errors import ConfigError
from chainrule.recipe.data import from_arrays
from chainrule.studio.commands import command
from chainrule.studio.screens.model import described
from chainrule.studio.screens.plane.network import EDGE, PlaneSettings, python
from chainrule.studio.screens.plane.run import PlaneRun
from chainrule.studio.studio import Studio

PACES = {"slow": 0.5, "normal": 1 / 30, "fast": 0.0}
"""The minimum seconds per epoch."""
MAX_STEPS = 10_000


def run_of(studio: Studio) -> PlaneRun:
    """Return the current network. Raises ConfigError without one."""
    run: PlaneRun | None = studio.runs.get("plane")
    if run is None:
        raise ConfigError("there is no plane network yet; build one.")
    return run


def state(run: PlaneRun) -> dict[str, Any]:
    """Return everything that a page needs to know about a network."""
    settings = dataclasses.asdict(run.settings)
    points = run.points
    return {
        "settings": settings,
        "edge": EDGE,
        "classes": None if run.settings.is_regression else int(points.y.max()) + 1,
        "X": points.X,
        "y": points.y,
        "X_test": points.X_test,
        "y_test": points.y_test,
        "model": described(run.model, name_of(run)),
        "slots": run.slots(),
        "frame": run.frame(),
        "history": run.history(),
        "steps_per_epoch": run.steps_per_epoch,
        "code": python(run.settings, "EPOCHS"),
        "error": run.error or None,
    }


def name_of(run: PlaneRun) -> str:
    """moons 2-8-8-1"""
    widths = (2, *run.settings.layers, run.model.network.outputs)
    return f"{run.settings.kind} {'-'.join(map(str, widths))}"


@command("plane.build")
def build(studio: Studio, *, settings: PlaneSettings) -> dict[str, Any]:
    """Draw points and build a network; the previous one ends. Raises ConfigError or DataError."""
    run = studio.replace_run("plane", lambda number: PlaneRun(settings, number, studio.send))
    studio.send("plane.built", {"id": run.number})
    return state(run)


@command("plane.get", reads=True)
def get(studio: Studio) -> dict[str, Any]:
    """Return the current network; {"model": None} without one."""
    run = studio.runs.get("plane")
    return {"model": None} if run is None else state(run)


@command("plane.start")
def start(
    studio: Studio, *, epochs: int | None = None, pace: Literal["slow", "normal", "fast"] = "normal"
) -> dict[str, Any]:
    """Continue training, without end or for some epochs."""
    if epochs is not None and not 1 <= epochs <= MAX_STEPS:
        raise ConfigError(f"epochs must be from 1 to {MAX_STEPS}, or null for no end, not {epochs}.")
    run = run_of(studio)
    run.go(epochs, PACES[pace])
    return run.frame()


@command("plane.step")
def step(studio: Studio, *, steps: int = 1) -> dict[str, Any]:
    """Take some steps, then pause."""
    if not 1 <= steps <= MAX_STEPS:
        raise ConfigError(f"steps must be from 1 to {MAX_STEPS}, not {steps}.")
    run = run_of(studio)
    run.step(steps)
    return run.frame()


@command("plane.pause")
def pause(studio: Studio) -> dict[str, Any]:
    """Pause after the current step."""
    run = run_of(studio)
    run.pause()
    return run.frame()


@command("plane.show")
def show(studio: Studio) -> dict[str, Any]:
    """Show a copy of the network on all screens, with its points as the data."""
    run = run_of(studio)
    points = run.points
    test = (points.X_test, points.y_test) if len(points.X_test) else None
    name = name_of(run)
    studio.show_data(from_arrays(points.X, points.y, test=test, name=name))
    studio.show_model(run.trained(), name)
    return {"name": name}
