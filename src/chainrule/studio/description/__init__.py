"""What the page's engine knows of the package: its layers, losses, optimizers, schedules and initializers as data.

The page has no Python. It builds a network's program (native/program.h) from this description, which is found by asking
the package's own objects: what operations a layer has, which parameters of which shapes, which rule an optimizer is.
Formulas become those of `expressions`, and a thing that no formula of that form describes is not offered.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from chainrule.formulas.losses import LOSSES, Loss
from chainrule.formulas.optimizers import OPTIMIZERS, Optimizer
from chainrule.formulas.schedules import SCHEDULES, ReduceOnPlateau, Schedule
from chainrule.studio.description.expressions import Tree, traced
from chainrule.studio.description.layers import blocks, initializers, layers
from chainrule.studio.description.probes import ProbedClass, described
from chainrule.trained.persistence import encode


def losses() -> dict[str, Any]:
    """Return every loss by its kind: its formula, the targets that it takes, and what makes predictions of outputs."""
    return {
        kind: described(ProbedClass(loss), of_loss)
        | {"targets": loss.targets, "predict": predictions(loss())}
        for kind, loss in LOSSES.items()
    }


def of_loss(one: Loss, tried: dict[str, Any]) -> dict[str, Any]:
    """Return a loss's formula."""
    formula = one.formula()
    assert formula is not None
    return {"formula": formula.name, "constants": dict(formula.constants)}


def predictions(one: Loss) -> list[str]:
    """Return the functions that make a prediction of an output, one after the other."""
    ops = one.ops()
    if ops is None:
        raise ValueError(f"{one!r} cannot be described")
    return [op.function or op.name for op in ops]


def optimizers() -> dict[str, Any]:
    """Return every first-order optimizer by its kind: its rule and the rule's settings."""
    kinds = {kind: each for kind, each in OPTIMIZERS.items() if issubclass(each, Optimizer)}
    return {kind: described(ProbedClass(each), of_optimizer) for kind, each in kinds.items()}


def of_optimizer(one: Optimizer, tried: dict[str, Any]) -> dict[str, Any]:
    """Return an optimizer's rule."""
    rule = one.rule()
    assert rule is not None
    return {"rule": rule._asdict(), "learningRate": one.learning_rate}


def schedules() -> dict[str, Any]:
    """Return every schedule whose factor is a formula of the step: settings, and the factor's tree.

    The variables are the settings, step (from 0), total and steps_per_epoch. A schedule that watches the run, or that
    takes a list, is left out.
    """
    found = {}
    for kind, schedule in SCHEDULES.items():
        try:
            tree = factor_of(schedule)
        except (TypeError, AttributeError):
            continue
        if schedule is not ReduceOnPlateau:
            settings = {f.name: encode(f.default) for f in dataclasses.fields(schedule)}
            found[kind] = {"settings": settings, "required": [], "factor": tree}
    return found


def factor_of(schedule: type[Schedule]) -> Tree:
    """Return the tree of a schedule's factor, by calling its formula with names in place of its settings."""
    names = [field.name for field in dataclasses.fields(schedule)]

    def factor(given: Mapping[str, Any]) -> Any:
        settings: Any = SimpleNamespace(**{name: given[name] for name in names})
        return schedule.factor(settings, given["step"], given["total"], given["steps_per_epoch"])

    return traced(factor, [*names, "step", "total", "steps_per_epoch"])


__all__ = ["description"]


def description() -> dict[str, Any]:
    """Return the description as JSON-ready data; src/chainrule/studio/web/engine/ reads it."""
    return {
        "version": 1,
        "layers": layers(),
        "blocks": blocks(),
        "initializers": initializers(),
        "losses": losses(),
        "optimizers": optimizers(),
        "schedules": schedules(),
        "network": {"l2": 0.0, "l1": 0.0, "max_norm": None},
    }
