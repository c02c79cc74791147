"""Models: a trained network that trains, and the door to everything else that is done with one.

Each name is loaded when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.model.model import Model, load

__all__ = ["Model", "load"]

__getattr__, __dir__ = lazy(__name__, {"model": ("Model", "load")})
