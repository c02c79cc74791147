"""What a method of training is: an estimator of the gradient, or a search that makes its own steps.

Both look at the loss through a `Landscape` only: the loss of one batch as a function of x, the numbers that are
trained. P is their count. A method is a frozen dataclass of its settings, like an optimizer.
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
    """The state of a search that remembers nothing."""


@dataclass(frozen=True)
class Method(ABC):
    """A way to train a network."""

    kind: ClassVar[str]
    """the name that `Model.fit` and files use"""

    def check(self, network: Network, trained: int) -> None:  # noqa: B027  # most train any network
        """Raise ConfigError where the method cannot train this network, of which so many numbers are trained."""

    def freezes(self, network: Network) -> frozenset[str]:
        """The links that the method leaves as they are, beside those that are frozen."""
        return frozenset()

    def prepare(self, network: Network, seed: int) -> Any:
        """What is drawn once for a run, by the seed alone, and never changes; a landscape has it as `fixed`."""
        return None


@dataclass(frozen=True)
class Estimator(Method):
    """A method that estimates the gradient: the optimizer and the schedule make a step of it."""

    @abstractmethod
    def estimate(self, here: Landscape) -> NDArray[np.float64]:
        """An estimate (P,) of dL/dx at here.x."""


@dataclass(frozen=True)
class Search(Method):
    """A method that moves x by itself: no optimizer, no schedule."""

    def init(self, x: NDArray[np.float64]) -> Any:
        """What it remembers between steps, a NamedTuple of arrays, before the first one at x (P,)."""
        return Nothing()

    @abstractmethod
    def move(self, here: Landscape, state: Any) -> tuple[NDArray[np.float64], Any]:
        """The next x (P,) and state."""
