"""The methods: gradients from a backward pass, from differences, from random directions, and searches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.random import generator
from chainrule.core.settings import count_settings, number_settings
from chainrule.errors import ConfigError
from chainrule.formulas.layers import Dense
from chainrule.network.network import Network
from chainrule.training.without_backprop.base import Estimator, Method, Search
from chainrule.training.without_backprop.landscape import Landscape

# --- from a backward pass: exact, through random weights, or only to the last layer


@dataclass(frozen=True)
class Backpropagation(Estimator):
    """The gradient itself, by the chain rule: dL/dx, all P numbers in one forward and one backward pass.

    cost: 1 forward pass and a backward pass worth at most 2, for any P.  bias: none.  variance: only the batch's.
    `Model.fit` passes it to the engine, like a fit without a method.
    Source: Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors", Nature 1986.
    """

    kind = "backpropagation"

    def estimate(self, here: Landscape) -> NDArray[np.float64]:
        """dL/dx"""
        return here.walk_back()


@dataclass(frozen=True)
class FeedbackAlignment(Estimator):
    """Feedback alignment: errors are backpropagated through fixed random weights B instead of W^T.

    dL/da_{l-1} = delta_l B_l^T   in place of   delta_l W_l^T          B_l ~ N(0, scale^2 / fan_out), once for a run

    Everything else is as in backpropagation: dL/dW = a^T delta, f'(z), batch norm. The last layer's gradient is exact;
    the others' are not, and training aligns W with B: the angle to the gradient falls below 90 degrees.
    cost: 1 forward pass and a backward pass worth at most 2.  bias: yes, persistent.  variance: only the batch's.
    Raises ConfigError for a custom layer with parameters, because it is unknown which of them its backward pass uses.
    Source: Lillicrap, Cownden, Tweed, Akerman, "Random synaptic feedback weights support error backpropagation for
    deep learning", Nature Communications 7, 2016.
    """

    kind = "feedback_alignment"
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Check that scale is a positive number."""
        number_settings(self, "scale", above=0)

    def check(self, network: Network, trained: int) -> None:
        """Check that the method can replace every layer's weights. Raises ConfigError."""
        for link in network.walk():
            if link.params and not link.layer.knows_its_weights:
                raise ConfigError(
                    f"feedback_alignment supports only dense layers with weights, so it cannot train {link.name} "
                    f"({type(link.layer).__name__}); use Dense, or take spsa."
                )

    def prepare(self, network: Network, seed: int) -> Any:
        """Draw the weights of the backward pass: (size,) in the layout of theta, 0 for other parameters."""
        feedback = np.zeros(network.size)
        rng = generator(seed, "method", 0)
        for slot in network.slots:
            if slot.parameter.is_weight:
                draw = rng.standard_normal(slot.stop - slot.start)
                feedback[slot.start : slot.stop] = draw * (self.scale / np.sqrt(slot.link.fan_out))
        return feedback

    def estimate(self, here: Landscape) -> NDArray[np.float64]:
        """Run the backward pass through B instead of W^T."""
        through = here.fixed.copy()
        for slot in here.network.slots:
            if not slot.parameter.is_weight:  # gamma or a slope: the backward pass uses the network's own
                through[slot.start : slot.stop] = here.theta[slot.start : slot.stop]
        return here.walk_back(here.network.unflatten(through))


@dataclass(frozen=True)
class RandomFeatures(Estimator):
    """Random features: only the last dense layer is trained; no error is backpropagated through a layer.

    dL/dW_L = a_{L-1}^T delta_L      dL/db_L = sum_i delta_L,i      layers before L are constant

    The layers before it behave as in prediction, including batch normalization, as if frozen.
    cost: 1 forward pass and the last layer's product.  bias: none, for the trained parameters.  The result is at best a
    linear model of the random features.
    Raises ConfigError unless the last trainable layer is a Dense.
    Source: Rahimi, Recht, "Weighted sums of random kitchen sinks", NIPS 2008.
    """

    kind = "random_features"

    def check(self, network: Network, trained: int) -> None:
        """Check that the last trained link is a dense layer of the chain. Raises ConfigError."""
        last = next((link for link in reversed(network.links) if link.params or link.branches), None)
        if last is None or not isinstance(last.layer, Dense):
            name = "none" if last is None else f"{last.name} ({type(last.layer).__name__})"
            raise ConfigError(
                f"random_features trains the last layer, which must be a Dense, not {name}; end the network with Dense."
            )

    def freezes(self, network: Network) -> frozenset[str]:
        """Return the names of all links with parameters except the last."""
        names = [link.name for link in network.walk() if link.params]
        return frozenset(names[:-1])

    def estimate(self, here: Landscape) -> NDArray[np.float64]:
        """a_{L-1}^T delta_L, sum_i delta_L,i"""
        return here.walk_back()  # ends at the last layer, the first trained one


# --- numerical: each parameter is shifted by a small step, up, or up and down

MAX_NUMBERS = 1 << 20
"""The maximum numbers in the points computed at a time, because all P points have P^2."""


@dataclass(frozen=True)
class ForwardDifferences(Estimator):
    """Forward differences: the numerical gradient from one side.

    g_i = (L(x + h_i e_i) - L(x)) / h_i          h_i = h max(1, |x_i|)

    cost: P + 1 forward passes.  bias: h_i/2 d2L/dx_i^2, and rounding of about 1e-16 L/h_i; h = 1.5e-8, the square root
    of float64's precision, makes both about 1e-8.  variance: only the batch's.
    Source: Nocedal, Wright, Numerical Optimization, 2nd ed., section 8.1.
    """

    kind = "forward_differences"
    h: float = 1.5e-8

    def __post_init__(self) -> None:
        """Check that h is a positive number."""
        number_settings(self, "h", above=0)

    def estimate(self, here: Landscape) -> NDArray[np.float64]:
        """(L(x + h_i e_i) - L(x)) / h_i"""
        x = here.x
        high = shifted_losses(here, x, self.h)
        return (high - here.value) / width(x, self.h)


def width(x: NDArray[np.float64], h: float) -> NDArray[np.float64]:
    """Return the steps h_i (P,) as rounded in floating point: (x + h_i) - x."""
    return (x + h * np.maximum(1.0, np.abs(x))) - x


def shifted_losses(here: Landscape, x: NDArray[np.float64], h: float) -> NDArray[np.float64]:
    """Compute L(x + h_i e_i) for each i: (P,)."""
    shift, found = width(x, h), np.empty(len(x))
    many = max(1, MAX_NUMBERS // len(x))
    for start in range(0, len(x), many):
        which = np.arange(start, min(start + many, len(x)))
        points = np.repeat(x[None], len(which), 0)  # (many, P)
        points[np.arange(len(which)), which] += shift[which]
        found[which] = here.losses(points)
    return found


@dataclass(frozen=True)
class CentralDifferences(Estimator):
    """Central differences: the numerical gradient from both sides.

    g_i = (L(x + h_i e_i) - L(x - h_i e_i)) / 2 h_i          h_i = h max(1, |x_i|)

    cost: 2P forward passes, and one at x for the recorded loss.  bias: h_i^2/6 d3L/dx_i^3, and rounding of about
    1e-16 L/h_i; h = 6e-6, the cube root of float64's precision, makes both about 1e-11.  variance: only the batch's.
    A kink (ReLU's) within h_i of x_i gives the mean of its two slopes.
    Source: Nocedal, Wright, Numerical Optimization, 2nd ed., section 8.1.
    """

    kind = "central_differences"
    h: float = 6e-6

    def __post_init__(self) -> None:
        """Check that h is a positive number."""
        number_settings(self, "h", above=0)

    def estimate(self, here: Landscape) -> NDArray[np.float64]:
        """(L(x + h_i e_i) - L(x - h_i e_i)) / 2 h_i"""
        x = here.x
        high, low = shifted_losses(here, x, self.h), shifted_losses(here, x, -self.h)
        return (high - low) / (width(x, self.h) - width(x, -self.h))


# --- from random directions: by the exact slope along them, or by losses on both sides


@dataclass(frozen=True)
class ForwardGradient(Estimator):
    """Forward gradients: one forward pass that carries derivatives along, and no backward pass.

    g = mean over `directions` of  (dL/dx . v) v          v ~ N(0, I)

    The slope dL/dx . v is exact: every layer's own derivative rule, applied in the forward pass (`Layer.tangent`).
    cost: 1 forward pass, and per direction one more at the cost of a backward pass; no cache for a backward pass.
    bias: none, because E[v v^T] = I.  variance: E|g - dL/dx|^2 = (P + 1) |dL/dx|^2 / directions, so that with one
    direction the cosine between g and dL/dx has a root mean square of 1 / sqrt(P).
    Raises ConfigError for a custom layer without a rule.
    Source: Baydin, Pearlmutter, Syme, Wood, Torr, "Gradients without backpropagation", 2022, algorithm 1.
    """

    kind = "forward_gradient"
    directions: int = 1

    def __post_init__(self) -> None:
        """Check that directions is a positive integer."""
        count_settings(self, "directions")

    def check(self, network: Network, trained: int) -> None:
        """Check that every layer has a forward derivative. Raises ConfigError."""
        for link in network.walk():
            if not link.layer.defines("tangent"):
                raise ConfigError(
                    f"forward_gradient needs the forward derivative of {link.name} "
                    f"({type(link.layer).__name__}); define tangent(params, v, cache, a_dot, ctx) in the "
                    "layer, or take spsa."
                )

    def estimate(self, here: Landscape) -> NDArray[np.float64]:
        """(dL/dx . v) v, averaged"""
        v = here.rng.standard_normal((self.directions, len(here.trained)))  # (directions, P)
        slopes = np.array([here.slope(direction) for direction in v])  # (directions,)
        g: NDArray[np.float64] = slopes / self.directions @ v
        return g


@dataclass(frozen=True)
class SPSA(Estimator):
    """Simultaneous perturbation: a central difference along random signs.

    g = mean over `directions` of  (L(x + c d) - L(x - c d)) / 2c * d          d_i = +1 or -1, equally likely

    cost: 2 forward passes per direction, and one at x for the recorded loss.
    bias: of the order c^2, because E[d d^T] = I.  variance: E|g - dL/dx|^2 = (P - 1) |dL/dx|^2 / directions, so that
    with one direction the cosine between g and dL/dx has a root mean square of 1 / sqrt(P).
    Source: Spall, "Multivariate stochastic approximation using a simultaneous perturbation gradient approximation",
    IEEE Transactions on Automatic Control 37, 1992; without its gain sequences, because the optimizer has its own.
    """

    kind = "spsa"
    c: float = 1e-3
    directions: int = 1

    def __post_init__(self) -> None:
        """Check that c is a positive number, and directions a positive integer."""
        number_settings(self, "c", above=0)
        count_settings(self, "directions")

    def estimate(self, here: Landscape) -> NDArray[np.float64]:
        """(L(x + c d) - L(x - c d)) / 2c * d, averaged"""
        x = here.x
        d = 2.0 * here.rng.integers(0, 2, (self.directions, len(x))) - 1.0  # (directions, P)
        losses = here.losses(np.concatenate([x + self.c * d, x - self.c * d]))  # (2 directions,)
        high, low = np.split(losses, 2)
        g: NDArray[np.float64] = (high - low) / (2 * self.c * self.directions) @ d
        return g


@dataclass(frozen=True)
class OpenAIES(Estimator):
    """Evolution as a gradient: mirrored samples around x, weighted by the rank of their loss.

    g = 1/(2 pairs sigma) sum_k (u_k+ - u_k-) e_k          e_k ~ N(0, I),  losses L(x + sigma e_k), L(x - sigma e_k)

    u: the ranks of the 2 pairs losses, from -1/2 (the smallest) to 1/2 (the largest), shared by ties, so that a single
    outlier cannot dominate the step. With the losses themselves as u, this is an unbiased estimate of the gradient of
    E[L(x + sigma e)], the loss smoothed by a Gaussian; ranks approximately keep its direction, not its length.
    cost: 2 pairs forward passes, and one at x for the recorded loss.  bias: from the ranks and the Gaussian.
    variance: the cosine between g and dL/dx has a root mean square of about sqrt(pairs / (P + pairs)).
    Source: Salimans, Ho, Chen, Sidor, Sutskever, "Evolution strategies as a scalable alternative to reinforcement
    learning", 2017, algorithm 1 with mirrored sampling and fitness shaping; without its weight decay.
    """

    kind = "openai_es"
    pairs: int = 16
    sigma: float = 0.02

    def __post_init__(self) -> None:
        """Check that pairs is a positive integer and sigma a positive number."""
        count_settings(self, "pairs")
        number_settings(self, "sigma", above=0)

    def estimate(self, here: Landscape) -> NDArray[np.float64]:
        """sum_k (u_k+ - u_k-) e_k / (2 pairs sigma)"""
        x = here.x
        e = here.rng.standard_normal((self.pairs, len(x)))  # (pairs, P)
        losses = here.losses(np.concatenate([x + self.sigma * e, x - self.sigma * e]))  # (2 pairs,)
        high, low = np.split(centered_ranks(losses), 2)
        g: NDArray[np.float64] = (high - low) / (2 * self.pairs * self.sigma) @ e
        return g


def centered_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks (n,) from -1/2 to 1/2; NaN is the largest, and ties share the mean of their ranks."""
    # Like SciPy's rankdata, without the half second of importing scipy.stats.
    _, place, counts = np.unique(
        np.where(np.isnan(values), np.inf, values), return_inverse=True, return_counts=True
    )
    ranks = np.cumsum(counts) - (counts + 1) / 2  # of each value, from 0 to n - 1
    centered: NDArray[np.float64] = ranks[place] / (len(values) - 1) - 0.5
    return centered


# --- searches, which choose their steps by comparing losses, and their baseline, which does not train

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


# --- all methods

METHODS: dict[str, type[Method]] = {
    method.kind: method
    for method in (
        *(Backpropagation, CentralDifferences, ForwardDifferences, ForwardGradient, SPSA, OpenAIES),
        *(CMAES, RandomSearch, FeedbackAlignment, RandomFeatures, NoTraining),
    )
}
"""Every method by name."""
