"""The base classes of training methods: estimators of the gradient, and searches that take their own steps.

Both access the loss through a `Landscape` only: the loss of one batch as a function of x (P,), the trained
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
    """the name that `Model.fit` and files use"""

    def check(self, network: Network, trained: int) -> None:  # noqa: B027  # most train any network
        """Raise ConfigError if the method cannot train this network. trained: the number of trainable parameters."""

    def freezes(self, network: Network) -> frozenset[str]:
        """Return the links that the method does not train, besides frozen ones."""
        return frozenset()

    def prepare(self, network: Network, seed: int) -> Any:
        """Draw what stays fixed during a run, by the seed alone; available to the method as `fixed`."""
        return None


@dataclass(frozen=True)
class Estimator(Method):
    """Base class of estimators of the gradient, which the optimizer and the schedule use."""

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
