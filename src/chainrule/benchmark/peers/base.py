"""What a peer has to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, ClassVar

from numpy.typing import NDArray

from chainrule.benchmark.cases import Case, Layer


class Peer(ABC):
    """A library that trains and runs a case's network, as well as it can on a CPU."""

    packages: ClassVar[tuple[str, ...]] = ()
    """distributions whose versions are told"""
    whole_epochs: ClassVar[bool] = False
    """whether it can train on whole epochs only"""

    @abstractmethod
    def __init__(self, threads: int) -> None:
        """Import the library."""

    def versions(self) -> dict[str, str]:
        """By distribution."""
        return {name: version(name) for name in self.packages}

    def refusal(self, case: Case) -> str | None:
        """Why it does not do a case, or None."""
        return None

    @abstractmethod
    def prepare(self, case: Case, X: NDArray[Any], y: NDArray[Any], layers: list[Layer]) -> None:
        """Make the network, with these weights, and the optimizer; take the data in the library's own form."""

    @abstractmethod
    def train(self, samples: int, *, shuffle: bool = True) -> int:
        """Train on at least so many samples, epoch by epoch; how many it was."""

    def go_on(self, samples: int) -> int:
        """As `train`, in the training that the call before began: its state is at hand, and is not made anew."""
        return self.train(samples)

    @abstractmethod
    def outputs(self, X: NDArray[Any]) -> NDArray[Any]:
        """Logits or log probabilities (n, classes), or numbers (n, 1), as in prediction."""

    @abstractmethod
    def predictor(self, X: NDArray[Any]) -> Callable[[], Any]:
        """A call that predicts these rows: a NumPy array goes in and one comes out."""
