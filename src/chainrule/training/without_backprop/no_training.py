"""No training at all: what the initial network says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.training.without_backprop.base import Search
from chainrule.training.without_backprop.landscape import Landscape


@dataclass(frozen=True)
class NoTraining(Search):
    """x stays as it was drawn; batch normalization still gathers its running statistics.

    cost: the walk forward whose loss is recorded.  What every other method must beat.
    """

    kind = "none"

    def move(self, here: Landscape, state: Any) -> tuple[NDArray[np.float64], Any]:
        """x"""
        return here.x, state
