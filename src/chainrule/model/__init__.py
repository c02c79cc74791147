"""Models: networks that can be trained, with everything that can be done with them, and ensembles.

Each name is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.model.comparison import compare
    from chainrule.model.ensemble import Ensemble, load_any, load_with_others
    from chainrule.model.model import Model, load
    from chainrule.model.opening import open

__all__ = ["Ensemble", "Model", "compare", "load", "load_any", "load_with_others", "open"]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "comparison": "compare",
        "ensemble": "Ensemble load_any load_with_others",
        "model": "Model load",
        "opening": "open",
    },
)
