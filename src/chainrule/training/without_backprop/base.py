"""The base classes of training methods: estimators of the gradient, and searches that take their own steps.

Both access the loss only through a `Landscape`: the loss of one batch as a function of x (P,), the trained
parameters. A method is a frozen dataclass of its settings, like an optimizer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.network.network import Network

if TYPE_CHECKING:
    from chainrule.training.without_backprop.landscape import Landscape


class Nothing(NamedTuple):
    """The state of a search without a state."""


@dataclass(frozen=True)
class Method(ABC):
    """Base class of training methods."""

    kind: ClassVar[str]
    """the name in `Model.fit` and in files"""

    def check(self, network: Network, trained: int) -> None:  # noqa: B027  # most train any network
        """Check that the method supports the network. Raises ConfigError. trained: the number of trained parameters."""

    def freezes(self, network: Network) -> frozenset[str]:
        """Return the links that the method does not train, besides frozen ones."""
        return frozenset()

    def prepare(self, network: Network, seed: int) -> Any:
        """Draw the constants of a run from the seed; the method reads them as `fixed`."""
        return None


@dataclass(frozen=True)
class Estimator(Method):
    """Base class of estimators of the gradient, for the optimizer and the schedule."""

    @abstractmethod
    def estimate(self, here: Landscape) -> NDArray[np.float64]:
        """Estimate dL/dx (P,) at here.x."""


@dataclass(frozen=True)
class Search(Method):
    """Base class of searches, which move x themselves, without an optimizer and a schedule."""

    def init(self, x: NDArray[np.float64]) -> Any:
        """Return the initial state at x (P,), a NamedTuple of arrays."""
        return Nothing()

    @abstractmethod
    def move(self, here: Landscape, state: Any) -> tuple[NDArray[np.float64], Any]:
        """Return the next x (P,) and state."""
