"""The interface of a peer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, ClassVar

from numpy.typing import NDArray

from speed.cases import Case, LayerWeights


class Peer(ABC):
    """A library that trains and runs a case's network, as well as it can on a CPU."""

    packages: ClassVar[tuple[str, ...]] = ()
    """the distributions whose versions are reported"""
    whole_epochs: ClassVar[bool] = False
    """whether it trains on whole epochs only"""

    @abstractmethod
    def __init__(self, threads: int) -> None:
        """Import the library."""

    def versions(self) -> dict[str, str]:
        """Return the versions by distribution."""
        return {name: version(name) for name in self.packages}

    def refusal(self, case: Case) -> str | None:
        """Return why the peer does not support a case, or None."""
        return None

    @abstractmethod
    def prepare(self, case: Case, X: NDArray[Any], y: NDArray[Any], layers: list[LayerWeights]) -> None:
        """Build the network with these weights, and the optimizer; convert the data to the library's own form."""

    @abstractmethod
    def train(self, samples: int, *, shuffle: bool = True) -> int:
        """Train on at least this many samples, epoch by epoch; return the number of samples trained on."""

    def go_on(self, samples: int) -> int:
        """Train as `train` does, but continue the previous call, with its state."""
        return self.train(samples)

    @abstractmethod
    def outputs(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return logits or log probabilities (n, classes), or numbers (n, 1), in prediction mode."""

    @abstractmethod
    def predictor(self, X: NDArray[Any]) -> Callable[[], Any]:
        """Return a function that predicts these rows, from a NumPy array to a NumPy array."""
