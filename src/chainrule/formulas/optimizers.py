"""Optimizers: rules that update the parameters from a gradient.

Each is a frozen dataclass of settings and a pair of pure functions in its paper's letters::

    state = optimizer.init(theta)
    theta, state = optimizer.update(g, state, theta, lr, t)

theta, g: (n,), the parameters and dL/dtheta, of one floating dtype, which the result keeps.
lr: the learning rate of this step, with the schedule already applied: a float or a 0-d array.
t: the number of the step, from 1: an int or a traced integer.
state: a NamedTuple whose leaves are arrays of theta's shape or 0-d arrays, all of theta's dtype.

An update is elementwise in arrays of theta's shape. So it may be applied to blocks of theta that fit into the
cache, each with the same 0-d leaves, with the same bits as one call over the whole.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, ClassVar, NamedTuple, TypeAlias

from chainrule.core.arrays import Array, namespace
from chainrule.core.elsewhere import OPTIMIZER
from chainrule.core.settings import NamesElsewhere, count_settings, is_own, number_settings
from chainrule.errors import ConfigError, option


def _zeros(like: Array) -> Array:
    """Return zeros of the same shape and dtype; unlike with zeros_like, NumPy allocates their memory on first write."""
    return namespace(like).zeros(like.shape, dtype=like.dtype)


class NoState(NamedTuple):
    """The state of an optimizer without memory."""


class SGDState(NamedTuple):
    """v (n,): the velocity, a decaying sum of gradients."""

    v: Array


class RMSpropState(NamedTuple):
    """v (n,): the mean square of the gradient."""

    v: Array


class RMSpropMomentumState(NamedTuple):
    """v (n,): the mean square of the gradient.  b (n,): a decaying sum of scaled gradients."""

    v: Array
    b: Array


class AdagradState(NamedTuple):
    """s (n,): the sum of squares of all gradients so far."""

    s: Array


class AdamState(NamedTuple):
    """m (n,): the mean gradient.  v (n,): the mean square of the gradient."""

    m: Array
    v: Array


class AMSGradState(NamedTuple):
    """m, v (n,): as in Adam.  v_max (n,): the largest v so far."""

    m: Array
    v: Array
    v_max: Array


class NadamState(NamedTuple):
    """m, v (n,): as in Adam.  mu_product (): mu_1 mu_2 ... mu_t."""

    m: Array
    v: Array
    mu_product: Array


class Rule(NamedTuple):
    """An optimizer's update as a rule that engines know by name, with its settings."""

    name: str
    """gradient_descent, momentum, adam, ..."""
    beta1: float = 0.0
    """the decay of the mean gradient, or the momentum"""
    beta2: float = 0.0
    """the decay of the mean square of the gradient"""
    eps: float = 0.0
    """the number added to the square root"""
    decay: float = 0.0
    """AdamW's weight_decay, or Nadam's psi"""
    uncorrected_eps: bool = False
    """for Adam and its variants: eps is added to the root before bias correction"""


@dataclass(frozen=True)
class Optimizer(NamesElsewhere, ABC):
    """Base class of optimizers that update from a gradient. A schedule multiplies `learning_rate`."""

    kind: ClassVar[str] = ""
    names_elsewhere: ClassVar = OPTIMIZER
    decays: ClassVar[bool] = False
    """whether `update` takes `decay`, a factor of the weight decay"""
    learning_rate: float

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Reset the inherited rule, because a subclass may compute something else."""
        super().__init_subclass__(**kwargs)
        if not is_own(cls, "rule"):
            cls.rule = Optimizer.rule  # type: ignore[method-assign]

    def __post_init__(self) -> None:
        """Check that the learning rate is above 0."""
        number_settings(self, "learning_rate", above=0)

    def rule(self) -> Rule | None:
        """Return the update as a rule that engines know by name, or None if only the reference engine can run it.

        The state from `init` then contains the arrays of that rule's optimizer, in its order. Subclasses do not inherit
        this method.
        """
        return None

    @abstractmethod
    def init(self, theta: Array) -> Any:
        """Return the state before the first step."""

    @abstractmethod
    def update(self, g: Array, state: object, theta: Array, lr: Array, t: Array) -> tuple[Array, Any]:
        """Take step t: return the new theta and the new state.

        g, theta: (n,).  lr: (), or (n,) for per-parameter learning rates.  t: (), from 1.
        """


@dataclass(frozen=True)
class GradientDescent(Optimizer):
    """Gradient descent: theta = theta - lr g.

    Source: Cauchy, "Méthode générale pour la résolution des systèmes d'équations simultanées", 1847.
    """

    kind: ClassVar[str] = "gradient_descent"
    learning_rate: float = 0.1

    def rule(self) -> Rule:
        """gradient_descent"""
        return Rule(self.kind)

    def init(self, theta: Array) -> NoState:
        """Return the empty state."""
        return NoState()

    def update(self, g: Array, state: object, theta: Array, lr: Array, t: Array) -> tuple[Array, NoState]:
        """theta - lr g"""
        return theta - _scalar(lr, theta) * g, NoState()


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent, with heavy-ball or Nesterov's momentum.

    momentum = 0:    theta = theta - lr g                        (no state)
    momentum > 0:    v = momentum v + g      theta = theta - lr v
    nesterov:        v = momentum v + g      theta = theta - lr (g + momentum v)

    momentum: in [0, 1).  The velocity does not contain lr (PyTorch's variant), so a schedule acts at once.
    Source: Polyak, USSR Comput. Math. 4(5), 1964; for Nesterov's: Sutskever et al., ICML 2013, section 2.
    """

    kind: ClassVar[str] = "sgd"
    learning_rate: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        """Check that momentum is in [0, 1), and above 0 with nesterov."""
        super().__post_init__()
        number_settings(self, "momentum", minimum=0, below=1)
        if self.nesterov and self.momentum == 0:
            raise ConfigError(
                f"{option('nesterov', 'nesterov of SGD')} requires a momentum above 0; "
                f"pass {option('momentum', 'momentum=0.9', '0.9')} too."
            )

    def rule(self) -> Rule:
        """gradient_descent, momentum or nesterov, with beta1 the momentum"""
        name = "nesterov" if self.nesterov else "momentum" if self.momentum else "gradient_descent"
        return Rule(name, beta1=self.momentum)

    def init(self, theta: Array) -> NoState | SGDState:
        """v = 0, with momentum."""
        return SGDState(_zeros(theta)) if self.momentum else NoState()

    def update(
        self, g: Array, state: Any, theta: Array, lr: Array, t: Array
    ) -> tuple[Array, NoState | SGDState]:
        """theta - lr (g | v | g + momentum v)"""
        lr = _scalar(lr, theta)
        if not self.momentum:
            return theta - lr * g, NoState()
        v = self.momentum * state.v + g
        direction = g + self.momentum * v if self.nesterov else v
        return theta - lr * direction, SGDState(v)


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSprop: the gradient divided by its root mean square.

    v = rho v + (1 - rho) g^2        d = g / (sqrt(v) + eps)
    momentum = 0:    theta = theta - lr d
    momentum > 0:    b = momentum b + d      theta = theta - lr b

    rho, momentum: in [0, 1).  eps is outside the root and rho is 0.99 (PyTorch's variant; not centered).
    Source: Tieleman, Hinton, "Neural Networks for Machine Learning", lecture 6.5, 2012.
    """

    kind: ClassVar[str] = "rmsprop"
    learning_rate: float = 0.01
    rho: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0

    def __post_init__(self) -> None:
        """Check that rho and momentum are in [0, 1), and eps is above 0."""
        super().__post_init__()
        number_settings(self, "rho", minimum=0, below=1)
        number_settings(self, "eps", above=0)
        number_settings(self, "momentum", minimum=0, below=1)

    def rule(self) -> Rule:
        """rmsprop or rmsprop_momentum, with beta1 the momentum and beta2 rho"""
        name = "rmsprop_momentum" if self.momentum else "rmsprop"
        return Rule(name, beta1=self.momentum, beta2=self.rho, eps=self.eps)

    def init(self, theta: Array) -> RMSpropState | RMSpropMomentumState:
        """v = 0, and b = 0 with momentum."""
        return (
            RMSpropMomentumState(_zeros(theta), _zeros(theta))
            if self.momentum
            else RMSpropState(_zeros(theta))
        )

    def update(
        self, g: Array, state: Any, theta: Array, lr: Array, t: Array
    ) -> tuple[Array, RMSpropState | RMSpropMomentumState]:
        """theta - lr g / (sqrt(v) + eps)"""
        lr = _scalar(lr, theta)
        v = self.rho * state.v + (1 - self.rho) * (g * g)
        d = g / (namespace(theta).sqrt(v) + self.eps)
        if not self.momentum:
            return theta - lr * d, RMSpropState(v)
        b = self.momentum * state.b + d
        return theta - lr * b, RMSpropMomentumState(v, b)


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Adagrad: each parameter's rate falls with its past gradients.

    s = s + g^2        theta = theta - lr g / (sqrt(s) + eps)

    eps is outside the root (PyTorch's variant).
    Source: Duchi, Hazan, Singer, "Adaptive subgradient methods", JMLR 12, 2011, figure 1 (diagonal).
    """

    kind: ClassVar[str] = "adagrad"
    learning_rate: float = 0.01
    eps: float = 1e-10

    def __post_init__(self) -> None:
        """Check that eps is above 0."""
        super().__post_init__()
        number_settings(self, "eps", above=0)

    def rule(self) -> Rule:
        """adagrad"""
        return Rule(self.kind, eps=self.eps)

    def init(self, theta: Array) -> AdagradState:
        """s = 0"""
        return AdagradState(_zeros(theta))

    def update(self, g: Array, state: Any, theta: Array, lr: Array, t: Array) -> tuple[Array, AdagradState]:
        """theta - lr g / (sqrt(s) + eps)"""
        s = state.s + g * g
        return theta - _scalar(lr, theta) * (g / (namespace(theta).sqrt(s) + self.eps)), AdagradState(s)


@dataclass(frozen=True)
class AdamFamily(Optimizer):
    """Base class of Adam and its variants: settings, moving averages, bias corrections.

    beta1, beta2: in [0, 1).  eps: above 0.
    uncorrected_eps: add eps to the root of v before bias correction (the paper's eps-hat; TensorFlow, Keras) instead of
    after (PyTorch, Optax). Its effect is then larger by 1 / sqrt(1 - beta2^t).
    """

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    uncorrected_eps: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        """Check that beta1 and beta2 are in [0, 1), and eps is above 0."""
        super().__post_init__()
        number_settings(self, "beta1", minimum=0, below=1)
        number_settings(self, "beta2", minimum=0, below=1)
        number_settings(self, "eps", above=0)
        object.__setattr__(self, "uncorrected_eps", bool(self.uncorrected_eps))

    def moments(self, g: Array, state: Any) -> tuple[Array, Array]:
        """m = beta1 m + (1 - beta1) g and v = beta2 v + (1 - beta2) g^2, both (n,)."""
        m = self.beta1 * state.m + (1 - self.beta1) * g
        v = self.beta2 * state.v + (1 - self.beta2) * (g * g)
        return m, v

    def corrections(self, t: Array, xp: ModuleType) -> tuple[Array, Array]:
        """1 - beta1^t and sqrt(1 - beta2^t), 0-d; by expm1, because 1 - 0.999 in float32 keeps only four digits."""
        c1 = -xp.expm1(t * math.log(self.beta1)) if self.beta1 else 1.0
        c2 = -xp.expm1(t * math.log(self.beta2)) if self.beta2 else 1.0
        return c1, xp.sqrt(c2)

    def added(self, r: Array) -> Array:
        """Return the term added to sqrt(v): eps r, which adds eps to sqrt(v_hat), or eps if uncorrected."""
        return self.eps if self.uncorrected_eps else self.eps * r


def with_betas(optimizer: AdamFamily) -> Rule:
    """Return the rule named after the optimizer's kind, with its beta1, beta2 and eps."""
    betas = optimizer.beta1, optimizer.beta2
    return Rule(optimizer.kind, *betas, optimizer.eps, uncorrected_eps=optimizer.uncorrected_eps)


@dataclass(frozen=True)
class Adam(AdamFamily):
    """Adam: momentum divided by the root mean square, both bias-corrected.

    m = beta1 m + (1 - beta1) g            m_hat = m / (1 - beta1^t)
    v = beta2 v + (1 - beta2) g^2          v_hat = v / (1 - beta2^t)
    theta = theta - lr m_hat / (sqrt(v_hat) + eps)

    Computed as theta - lr r / (1 - beta1^t) m / (sqrt(v) + eps r) with r = sqrt(1 - beta2^t), which is equal and keeps
    the corrections out of the passes over theta (the paper's remark at the end of its section 2).
    uncorrected_eps: theta - lr r / (1 - beta1^t) m / (sqrt(v) + eps).
    Source: Kingma, Ba, "Adam", ICLR 2015, algorithm 1.
    """

    kind: ClassVar[str] = "adam"
    rule = with_betas

    def init(self, theta: Array) -> AdamState:
        """m = v = 0"""
        return AdamState(_zeros(theta), _zeros(theta))

    def update(self, g: Array, state: object, theta: Array, lr: Array, t: Array) -> tuple[Array, AdamState]:
        """theta - lr m_hat / (sqrt(v_hat) + eps)"""
        xp = namespace(theta)
        m, v = self.moments(g, state)
        c1, r = self.corrections(t, xp)
        step = m / (xp.sqrt(v) + _scalar(self.added(r), theta))
        return theta - _scalar(lr * r / c1, theta) * step, AdamState(m, v)


@dataclass(frozen=True)
class AMSGrad(AdamFamily):
    """AMSGrad: Adam with a denominator that never shrinks.

    m, m_hat, v as in Adam                 v_max = max(v_max, v)
    theta = theta - lr m_hat / (sqrt(v_max / (1 - beta2^t)) + eps)

    The maximum is over the uncorrected v (PyTorch's variant; the paper has no bias correction).
    Source: Reddi, Kale, Kumar, "On the convergence of Adam and beyond", ICLR 2018, algorithm 2.
    """

    kind: ClassVar[str] = "amsgrad"
    rule = with_betas

    def init(self, theta: Array) -> AMSGradState:
        """m = v = v_max = 0"""
        return AMSGradState(_zeros(theta), _zeros(theta), _zeros(theta))

    def update(self, g: Array, state: Any, theta: Array, lr: Array, t: Array) -> tuple[Array, AMSGradState]:
        """theta - lr m_hat / (sqrt(v_max / (1 - beta2^t)) + eps)"""
        xp = namespace(theta)
        m, v = self.moments(g, state)
        v_max = xp.maximum(state.v_max, v)
        c1, r = self.corrections(t, xp)
        step = m / (xp.sqrt(v_max) + _scalar(self.added(r), theta))
        return theta - _scalar(lr * r / c1, theta) * step, AMSGradState(m, v, v_max)


@dataclass(frozen=True)
class AdamW(Adam):
    """AdamW: Adam with weight decay decoupled from the gradient.

    theta = (1 - lr weight_decay) theta - lr m_hat / (sqrt(v_hat) + eps)          m_hat, v_hat as in Adam

    The decay acts on all of theta, biases too, except where a layer scales it (`Parameter.decays`). It is
    multiplied by the scheduled lr (PyTorch's variant).  weight_decay: at least 0.
    Source: Loshchilov, Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.
    """

    kind: ClassVar[str] = "adamw"
    decays: ClassVar[bool] = True
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        """Check that weight_decay is not negative."""
        super().__post_init__()
        number_settings(self, "weight_decay", minimum=0)

    def rule(self) -> Rule:
        """adamw, with the weight decay"""
        return with_betas(self)._replace(decay=self.weight_decay)

    def update(
        self, g: Array, state: object, theta: Array, lr: Array, t: Array, decay: Array = 1.0
    ) -> tuple[Array, AdamState]:
        """(1 - lr decay weight_decay) theta - lr m_hat / (sqrt(v_hat) + eps);  decay: () or (n,), a factor"""
        kept = _scalar(1 - lr * self.weight_decay * decay, theta) * theta
        return super().update(g, state, kept, lr, t)


@dataclass(frozen=True)
class Nadam(AdamFamily):
    """Nadam: Adam with Nesterov's momentum and a warm-up of the momentum.

    mu_t = beta1 (1 - 0.96^(t psi) / 2)            M_t = mu_1 ... mu_t            m, v, v_hat as in Adam
    theta = theta - lr [(1 - mu_t) / (1 - M_t) g + mu_{t+1} / (1 - M_t mu_{t+1}) m] / (sqrt(v_hat) + eps)

    psi: at least 0, the speed of the warm-up.
    Source: Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016.
    """

    kind: ClassVar[str] = "nadam"
    learning_rate: float = 2e-3
    psi: float = 0.004

    def __post_init__(self) -> None:
        """Check that psi is not negative."""
        super().__post_init__()
        number_settings(self, "psi", minimum=0)

    def rule(self) -> Rule:
        """nadam, with psi as its decay"""
        return with_betas(self)._replace(decay=self.psi)

    def init(self, theta: Array) -> NadamState:
        """m = v = 0, mu_product = 1"""
        xp = namespace(theta)
        return NadamState(_zeros(theta), _zeros(theta), xp.ones((), dtype=theta.dtype))

    def update(self, g: Array, state: Any, theta: Array, lr: Array, t: Array) -> tuple[Array, NadamState]:
        """theta - lr [(1 - mu_t) / (1 - M_t) g + mu_{t+1} / (1 - M_t mu_{t+1}) m] / (sqrt(v_hat) + eps)"""
        xp = namespace(theta)
        m, v = self.moments(g, state)
        _, r = self.corrections(t, xp)
        mu = self.beta1 * (1 - 0.5 * 0.96 ** (t * self.psi))
        mu_next = self.beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * self.psi))
        product = state.mu_product * mu
        of_g = _scalar(lr * r * (1 - mu) / (1 - product), theta)
        of_m = _scalar(lr * r * mu_next / (1 - product * mu_next), theta)
        step = (of_g * g + of_m * m) / (xp.sqrt(v) + _scalar(self.added(r), theta))
        return theta - step, NadamState(m, v, _scalar(product, theta))


@dataclass(frozen=True)
class Solver(ABC):
    """Base class of the settings of full-batch optimizers that SciPy runs over the whole of theta."""

    kind: ClassVar[str] = ""
    title: ClassVar[str] = ""
    """its name in the literature, for messages"""
    method: ClassVar[str] = ""
    """its name for `scipy.optimize.minimize`"""

    @abstractmethod
    def options(self, iterations: int) -> dict[str, Any]:
        """Return its options for `scipy.optimize.minimize`, for at most this many iterations."""


@dataclass(frozen=True)
class LBFGS(Solver):
    """Settings of L-BFGS with a line search, run by SciPy on all samples at once.

    The line search chooses the step length, so of a parameter's rates (`Parameter.rate`) only 0 has an effect.
    history_size: difference pairs kept, at least 1.
    tolerance: stop when the largest |dL/dtheta| falls below it.
    max_line_search: evaluations in one line search, at least 1.
    max_evaluations: of the objective in total, at least 1; None for as many as the iterations may need.
    loss_tolerance: stop when an iteration lowers L by at most this times max(|L|, 1); 0 disables it.
    Source: Liu, Nocedal, "On the limited memory BFGS method", Math. Programming 45, 1989.
    """

    kind: ClassVar[str] = "lbfgs"
    title: ClassVar[str] = "L-BFGS"
    method: ClassVar[str] = "L-BFGS-B"
    history_size: int = 10
    tolerance: float = 1e-7
    max_line_search: int = 20
    max_evaluations: int | None = None
    loss_tolerance: float = 0.0

    def __post_init__(self) -> None:
        """Check that the counts are positive integers, and the tolerances not negative."""
        count_settings(self, "history_size", "max_line_search")
        if self.max_evaluations is not None:
            count_settings(self, "max_evaluations")
        number_settings(self, "tolerance", minimum=0)
        number_settings(self, "loss_tolerance", minimum=0)

    def options(self, iterations: int) -> dict[str, Any]:
        """These settings under SciPy's names: maxiter, maxfun, maxcor, maxls, gtol and ftol."""
        evaluations = self.max_evaluations or iterations * self.max_line_search + 1
        return {
            "maxiter": iterations,
            "maxfun": evaluations,
            "maxcor": self.history_size,
            "maxls": self.max_line_search,
            "gtol": self.tolerance,
            "ftol": self.loss_tolerance,
        }


def _scalar(value: Array, theta: Array) -> Array:
    """Return a number as a 0-d array of theta's dtype; a NumPy float64 would promote a float32 theta."""
    return namespace(theta).asarray(value, dtype=theta.dtype)


AnyOptimizer: TypeAlias = Optimizer | Solver

OPTIMIZERS: dict[str, type[Optimizer] | type[Solver]] = {
    rule.kind: rule for rule in (GradientDescent, SGD, RMSprop, Adagrad, Adam, AMSGrad, AdamW, Nadam, LBFGS)
}
"""Every optimizer by its `kind`, its name in files and on the command line; the tests run over this table."""
