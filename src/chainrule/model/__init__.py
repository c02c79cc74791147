"""Models: a trained network that trains, the door to everything else that is done with one, and several that average.

Each name is loaded when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.model.ensemble import Ensemble, load_any
    from chainrule.model.model import Model, load

__all__ = ["Ensemble", "Model", "load", "load_any"]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "ensemble": "Ensemble load_any",
        "model": "Model load",
    },
)
