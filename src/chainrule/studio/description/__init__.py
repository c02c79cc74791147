"""What the page's engine knows of the package: its layers, losses, optimizers, schedules and initializers as data.

The page has no Python. It builds a network's program (native/program.h) from this description, which is found by asking
the package's own objects: what operations a layer has, which parameters of which shapes, which rule an optimizer is.
Formulas become those of `expressions`, and a thing that no formula of that form describes is not offered.
"""

from __future__ import annotations

from typing import Any

from chainrule.studio.description.layers import blocks, initializers, layers
from chainrule.studio.description.training import losses, optimizers, schedules

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
