"""The laboratory's screens: vanishing gradients and training without backpropagation, live and side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule.core.settings import check_number
from chainrule.data import checks
from chainrule.errors import ConfigError
from chainrule.lab.vanishing import ARMS as NETS
from chainrule.lab.without_backprop import ARMS as METHODS
from chainrule.studio.screens.labs.methods import MethodRun
from chainrule.studio.screens.labs.vanishing import VanishingRun
from chainrule.studio.session.commands import command
from chainrule.studio.session.studio import Studio

MAX_DEPTH, MAX_HIDDEN = 20, 3
MIN_PASSES, MAX_PASSES = 100, 20_000
MAX_BUDGET = 2.0
ACTIVATIONS = ("tanh", "sigmoid", "relu")


def chosen(arms: list[str], known: Any) -> list[str]:
    """Return the arms in the order of the laboratory. Raises ConfigError for unknown ones and for an empty list."""
    for arm in arms:
        checks.check_choice(arm, known, "arms")
    if not arms:
        raise ConfigError(f"arms must name at least one of {', '.join(known)}, not none.")
    return [arm for arm in known if arm in arms]


def within(value: int, name: str, low: int, high: int) -> int:
    """Check that a number is in its range, and return it. Raises ConfigError."""
    if not low <= value <= high:
        raise ConfigError(f"{name} must be from {low} to {high}, not {value}.")
    return value


def begun(studio: Studio, lab: str, make: Callable[[int], VanishingRun | MethodRun]) -> dict[str, Any]:
    """Start a run in place of the previous one, and return its state."""
    studio.replace_run(lab, make).start()
    return answer(studio, lab)


def answer(studio: Studio, lab: str) -> dict[str, Any]:
    """Return the state of the current run, with the equivalent Python code; {"run": None} without one."""
    run = studio.runs.get(lab)
    return {"run": None if run is None else run.state() | {"code": run.python()}}


@command("vanishing.start")
def vanishing_start(
    studio: Studio,
    *,
    arms: list[str],
    depth: int = 20,
    budget: float = 0.5,
    rate: float | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Train networks side by side.  budget: that of the laboratory.  rate: for all; None for each network's own."""
    arms, depth = chosen(arms, NETS), within(depth, "depth", 1, MAX_DEPTH)
    budget = check_number(budget, "budget", above=0, maximum=MAX_BUDGET)
    if rate is not None:
        rate = check_number(rate, "rate", above=0, maximum=10)
    seed = checks.check_seed(seed)
    return begun(studio, "vanishing", lambda n: VanishingRun(n, studio.send, arms, depth, budget, rate, seed))


@command("without_backprop.start")
def methods_start(
    studio: Studio,
    *,
    arms: list[str],
    depth: int = 1,
    activation: str = "tanh",
    passes: int = 4000,
    seed: int = 0,
) -> dict[str, Any]:
    """Train one network by several methods side by side; backpropagation is always among them."""
    arms = chosen([*arms, "backpropagation"], METHODS)
    depth, passes = within(depth, "depth", 1, MAX_HIDDEN), within(passes, "passes", MIN_PASSES, MAX_PASSES)
    checks.check_choice(activation, dict.fromkeys(ACTIVATIONS, True), "activation")
    seed = checks.check_seed(seed)
    return begun(
        studio,
        "without_backprop",
        lambda n: MethodRun(n, studio.send, arms, depth, activation, passes, seed),
    )


def commands_beside(lab: str) -> None:
    """Make the commands of a laboratory beside its start."""

    @command(f"{lab}.get", reads=True)
    def get(studio: Studio) -> dict[str, Any]:
        """Return the current run."""
        return answer(studio, lab)

    @command(f"{lab}.stop")
    def stop(studio: Studio) -> dict[str, Any]:
        """Stop the current run, if there is one, after its current steps."""
        if lab in studio.runs:
            studio.runs[lab].stop()
        return answer(studio, lab)


for lab in ("vanishing", "without_backprop"):
    commands_beside(lab)
