"""The forward passes of a network that are kept between its predictions of few rows.

An engine prepares a network before it computes: that takes longer than a few rows of a small network.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import DTypeLike

from chainrule.engines import ForwardWalks, Plan, select
from chainrule.network.network import Network

ENGINES = ("auto", "native")
"""Those whose forward passes are kept."""
MOST_WORK = 1 << 20
"""The maximum rows times parameters: what is kept is then a few megabytes, and one thread takes less than 100 µs."""


class KeptWalks:
    """Forward passes for few rows. They are handed the parameters at each prediction, since these may change.

    Threads may share it. A copy of a model may use it too, a deep copy and a pickle begin without.
    """

    _kept: tuple[tuple[Network, DTypeLike], int, ForwardWalks] | None = None

    def of(self, network: Network, dtype: DTypeLike, engine: str, rows: int) -> ForwardWalks | None:
        """Return those of a network for so many rows; None of many rows, and of another engine than the native one."""
        if engine not in ENGINES or rows * network.size > MOST_WORK:
            return None
        kept = self._kept
        if kept is not None and kept[0][0] is network and kept[0][1] == dtype and rows <= kept[1]:
            return kept[2]
        chosen = select(engine, Plan(network))
        if chosen.name != "native":
            return None
        capacity = 1 << max(rows - 1, 0).bit_length()
        walks = ForwardWalks(chosen, network, capacity)
        self._kept = (network, dtype), capacity, walks
        return walks

    def __reduce__(self) -> tuple[type[KeptWalks], tuple[Any, ...]]:
        """Return how a deep copy and a pickle are made."""
        return KeptWalks, ()
