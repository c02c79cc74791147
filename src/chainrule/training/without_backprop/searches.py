"""Search methods, which choose their steps by comparing losses, and their baseline, which does not train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.settings import count_settings, number_settings
from chainrule.errors import ConfigError
from chainrule.network.network import Network
from chainrule.training.without_backprop.base import Search
from chainrule.training.without_backprop.landscape import Landscape

WIDENING_FACTOR = 1.3
"""The factor by which a success widens the steps; four failures undo it, so one success in five keeps the width."""


class RandomSearchState(NamedTuple):
    """The state of a random search: the width of its steps."""

    sigma: Any  # ()


@dataclass(frozen=True)
class RandomSearch(Search):
    """Random search: a random step, kept if it lowers the loss of this batch.

    x <- x + sigma e  if  L(x + sigma e) < L(x)          e ~ N(0, I)

    sigma adapts: multiplied by 1.3 after a success, divided by 1.3^(1/4) after a failure, which keeps one step in five
    successful.
    cost: 2 forward passes, one at x and one at the candidate.  It estimates no gradient: an accepted step has a cosine
    of about 1 / sqrt(P) with the descent direction.
    Source: Schumer, Steiglitz, "Adaptive step size random search", IEEE Transactions on Automatic Control 13, 1968;
    the rule of one fifth is Rechenberg's, Evolutionsstrategie, 1973.
    """

    kind = "random_search"
    sigma: float = 0.02

    def __post_init__(self) -> None:
        """Check that sigma is a positive number."""
        number_settings(self, "sigma", above=0)

    def init(self, x: NDArray[np.float64]) -> RandomSearchState:
        """The initial sigma."""
        return RandomSearchState(np.asarray(self.sigma))

    def move(
        self, here: Landscape, state: RandomSearchState
    ) -> tuple[NDArray[np.float64], RandomSearchState]:
        """x + sigma e, or x"""
        x = here.x
        candidate = x + state.sigma * here.rng.standard_normal(len(x))
        if here.losses(candidate[None])[0] < here.value:
            return candidate, RandomSearchState(np.asarray(state.sigma * WIDENING_FACTOR))
        return x, RandomSearchState(np.asarray(state.sigma * WIDENING_FACTOR**-0.25))


MAX_FULL_PARAMETERS = 1000
"""The maximum number of trained parameters for a full covariance: each candidate costs P^3 operations."""


class CMAState(NamedTuple):
    """The state of CMA-ES: mean, covariance, paths and step size in one vector, as the library stores them."""

    numbers: Any  # (m,)


@dataclass(frozen=True)
class CMAES(Search):
    """Covariance matrix adaptation: candidates from a Gaussian fitted to the better half of them.

    x_k ~ N(mean, sigma^2 C), k = 1 .. population          mean, sigma, C <- from the ranks of L(x_k)

    x is the mean. sigma: the initial width, in the units of the parameters.  population: None for 4 + floor(3 ln P).
    diagonal: use only the diagonal of C (sep-CMA-ES), which costs P operations per candidate; the full C costs P^3 and
    is limited to P = 1000.
    cost: `population` forward passes, and one at x for the recorded loss.  It uses only the order of the losses, no
    gradient.
    Source: Hansen, "The CMA evolution strategy: a tutorial", 2016; Ros, Hansen, "A simple modification in CMA-ES
    achieving linear time and space complexity", PPSN 2008; both by the library cmaes.
    """

    kind = "cma_es"
    sigma: float = 0.1
    population: int | None = None
    diagonal: bool = False

    def __post_init__(self) -> None:
        """Check that sigma is a positive number, and population an integer of at least 4 or None."""
        number_settings(self, "sigma", above=0)
        if self.population is not None:
            count_settings(self, "population", minimum=4)

    def check(self, network: Network, trained: int) -> None:
        """Check for the library, and that the network is small enough for a full covariance. Raises ConfigError."""
        _cmaes()
        if not self.diagonal and trained > MAX_FULL_PARAMETERS:
            raise ConfigError(
                f"cma_es needs a covariance of {trained:,} x {trained:,} numbers for this network, above its "
                f"maximum of {MAX_FULL_PARAMETERS:,}; use a smaller network, freeze links, or take "
                "CMAES(diagonal=True)."
            )

    def init(self, x: NDArray[np.float64]) -> CMAState:
        """Return the initial Gaussian: isotropic, around x."""
        return CMAState(_pack(self._library(x)))

    def move(self, here: Landscape, state: CMAState) -> tuple[NDArray[np.float64], CMAState]:
        """Return the mean after one generation."""
        cma = self._library(here.x)
        _unpack(state.numbers, cma)
        cma.reseed_rng(int(here.rng.integers(2**32)))
        points = np.stack([cma.ask() for _ in range(cma.population_size)])  # (population, P)
        losses = here.losses(points)
        found = np.where(np.isfinite(losses), losses, np.finfo(np.float64).max)
        cma.tell(list(zip(points, found.tolist(), strict=True)))
        return cma.mean.copy(), CMAState(_pack(cma))

    def _library(self, x: NDArray[np.float64]) -> Any:
        kind = _cmaes().SepCMA if self.diagonal else _cmaes().CMA
        return kind(mean=x.copy(), sigma=self.sigma, population_size=self.population)


def _cmaes() -> Any:
    """Import the library. Raises ConfigError."""
    try:
        import cmaes
    except ModuleNotFoundError as error:
        raise ConfigError(
            "cma_es needs the library cmaes, which is not installed; install it: pip install 'chainrule[lab]', or take "
            "another method."
        ) from error
    return cmaes


def _pack(cma: Any) -> NDArray[np.float64]:
    """Return every number of the library's state in the order of its names: its pickle state, without pickle."""
    parts = [np.ravel(value) for _, value in _numbers(cma)]
    # The library leaves the memory for its last losses uninitialized, so it may contain NaN.
    return np.nan_to_num(np.concatenate(parts).astype(np.float64))


def _unpack(numbers: NDArray[np.float64], cma: Any) -> None:
    """Restore the numbers of an object created with the same settings."""
    state, at = cma.__getstate__(), 0
    for name, value in _numbers(cma):
        part = numbers[at : at + np.size(value)]
        state[name] = (
            part.reshape(value.shape).copy() if isinstance(value, np.ndarray) else type(value)(part[0])
        )
        at += np.size(value)
    cma.__setstate__(state)


def _numbers(cma: Any) -> list[tuple[str, Any]]:
    kinds = (int, float, np.ndarray)
    state = cma.__getstate__()
    return [(name, state[name]) for name in sorted(state) if isinstance(state[name], kinds)]


@dataclass(frozen=True)
class NoTraining(Search):
    """No training: x keeps its initial values, while batch normalization updates its running statistics.

    cost: 1 forward pass for the recorded loss.
    """

    kind = "none"

    def move(self, here: Landscape, state: Any) -> tuple[NDArray[np.float64], Any]:
        """x"""
        return here.x, state
