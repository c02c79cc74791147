"""Losses: functions of output and target, each with its derivative directly beneath.

The training objective, everywhere in the package:

    L = sum_i s_i * loss(out_i, y_i) / sum_i s_i + penalty(W)

s_i is the weight of sample i (1 unless given). A loss **sums** over the outputs of a sample. The penalty is
l2/2 * ||W||^2 + l1 * |W|_1, over weights only.

    name(out, y)            (batch,)          loss_i
    name_gradient(out, y)   (batch, outputs)  d loss_i / d out_i

out, y: (batch, outputs), floating point; classes are one-hot rows, labels are 0 or 1. In the formulas k is the index
of the output, and r = out - y. Each pair is followed by the class that names it in a network and in a file.
`LOSSES` lists the classes; the tests run over it.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple

from chainrule.core.arrays import Array, namespace
from chainrule.core.settings import check_choice, check_number, is_own, number_settings
from chainrule.errors import ConfigError
from chainrule.formulas.activations import log_sigmoid, log_softmax, sigmoid, softmax, softplus
from chainrule.formulas.operation import Operation


class Formula(NamedTuple):
    """A loss as a formula that engines know by name."""

    name: str
    """huber, poisson, ..."""
    constants: Mapping[str, Any] = {}
    """its settings by name, with label_smoothing; a tuple has one value per output"""
    members: int = 1
    """the number of networks side by side in the output; the loss is the mean of theirs"""


class Loss(ABC):
    """Base class of losses: a value, its gradient, and the output activation of prediction.

    kind: its name in a file.
    targets: the content of y: "real" numbers, "counts" 0, 1, 2 ..., "amounts" of at least 0, "positive" numbers,
    "binary" labels 0 or 1, "classes" one-hot, "survived" intervals of time from -1 to 1, "ranked" rows of groups.
    domain: the content of out: any "real" number, or a "probability" from 0 to 1.
    any_unit: whether estimators of tables may train it on y standardized: (y - mean) / std. That is harmless only where
    the out with the least loss is then standardized alike, as for squared errors, and not where y has to be positive or
    `predict` changes out. False, y as it was given, unless a class says so.
    keeps_order: whether the largest output of a row is that of its largest prediction.
    kinks: the residuals out - y at which the first or second derivative jumps.
    members: the number of networks side by side in out, which is then members times as wide as y.
    """

    kind: ClassVar[str]
    targets: ClassVar[str]
    domain: ClassVar[str] = "real"
    any_unit: ClassVar[bool] = False
    keeps_order: ClassVar[bool] = True
    members: int = 1

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Reset the inherited formula, operations and units, because a subclass may compute something else."""
        super().__init_subclass__(**kwargs)
        if not is_own(cls, "any_unit"):
            cls.any_unit = False
        if not is_own(cls, "formula"):
            cls.formula = Loss.formula  # type: ignore[method-assign]
        if is_own(cls, "predict") and not is_own(cls, "ops"):
            cls.ops = Loss.ops  # type: ignore[method-assign]

    @property
    def kinks(self) -> tuple[float, ...]:
        """The residuals out - y at which the first or second derivative jumps."""
        return ()

    @property
    def of_member(self) -> Loss:
        """The loss of one of the networks side by side; self if there is only one."""
        return self

    def formula(self) -> Formula | None:
        """Return the loss as a formula that engines know by name, or None if they have to call its methods.

        Subclasses do not inherit it.
        """
        return None

    def check_outputs(self, outputs: int) -> None:
        """Check that the loss supports this number of outputs, when a network is built. Raises ConfigError."""
        return

    def group_of(self, y: Array) -> Array | None:
        """Return the group (batch,) of each row, of a loss that compares rows within groups; None for others."""
        return None

    @abstractmethod
    def value(self, out: Array, y: Array) -> Array:
        """Compute loss_i (batch,) from out and y (batch, outputs)."""

    @abstractmethod
    def gradient(self, out: Array, y: Array) -> Array:
        """Compute d loss_i / d out_i (batch, outputs)."""

    def value_and_gradient(self, out: Array, y: Array) -> tuple[Array, Array]:
        """Compute both; a subclass that shares work between them may override it."""
        return self.value(out, y), self.gradient(out, y)

    def smooth(self, y: Array) -> Array:
        """Return y as the formula takes it: with label smoothing applied, if the loss has any."""
        return y

    def smoothed(self, factor: Array) -> Loss:
        """Return the loss with its label smoothing scaled by a factor from 0 to 1; self if it has none."""
        return self

    def predict(self, out: Array) -> Array:
        """Return the mean or the probabilities (batch, outputs); out itself unless a subclass overrides it."""
        return out

    def ops(self) -> tuple[Operation, ...] | None:
        """Return `predict` as operations with known names, for formats of export; None if it cannot be written so.

        Each reads what the one before it made: elementwise with its function, softmax of `groups` groups of columns,
        and group_mean over them. () stands for the output itself. A subclass with its own `predict` inherits none.
        """
        return () if type(self).predict is Loss.predict else None

    def average(self, out: Array) -> Array:
        """Return the output (batch, outputs) whose prediction is the mean of those of out (members, batch, outputs).

        predict(average(out)) = mean_i predict(out_i)
        Raises ConfigError for a subclass that overrides `predict` alone.
        """
        if type(self).predict is not Loss.predict:
            raise ConfigError(
                f"{type(self).__name__} overrides `predict` but not `average`; define `average` too."
            )
        return out.mean(0)


class PairedLoss(Loss):
    """Base class of the losses whose value and gradient are a pair of formulas, which take the constants after y."""

    pair: ClassVar[tuple[Callable[..., Array], Callable[..., Array]]]

    def constants(self, out: Array) -> tuple[Array, ...]:
        """Return the constants of the formulas, for an output of this dtype."""
        return ()

    def value(self, out: Array, y: Array) -> Array:
        """Compute the first of the pair."""
        return self.pair[0](out, self.smooth(y), *self.constants(out))

    def gradient(self, out: Array, y: Array) -> Array:
        """Compute the second of the pair."""
        return self.pair[1](out, self.smooth(y), *self.constants(out))


def by_kind(loss: Any) -> Formula:
    """Return the formula named after a loss's kind, with the loss's settings as constants."""
    return Formula(loss.kind, {setting.name: getattr(loss, setting.name) for setting in fields(loss)})


def log_mean_exp(z: Array) -> Array:
    """log mean_i exp(z_i) over the first axis, without overflow: m + log mean_i exp(z_i - m), m = max_i z_i"""
    xp, m = namespace(z), z.max(0)
    return m + xp.log(xp.exp(z - m).mean(0))


def squared_error(out: Array, y: Array) -> Array:
    """sum_k r_k^2"""
    return ((out - y) ** 2).sum(-1)


def squared_error_gradient(out: Array, y: Array) -> Array:
    """2 r"""
    return 2 * (out - y)


def half_squared_error(out: Array, y: Array) -> Array:
    """sum_k r_k^2 / 2: negative log-likelihood of a normal distribution of variance 1, up to a constant"""
    return 0.5 * ((out - y) ** 2).sum(-1)


def half_squared_error_gradient(out: Array, y: Array) -> Array:
    """r"""
    return out - y


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """`squared_error`, or with half=True `half_squared_error`: predicts the mean."""

    kind, targets, any_unit = "mean_squared_error", "real", True
    half: bool = False

    def formula(self) -> Formula:
        """mean_squared_error, or half_squared_error"""
        return Formula("half_squared_error" if self.half else self.kind)

    def value(self, out: Array, y: Array) -> Array:
        """Compute loss_i (batch,)."""
        return half_squared_error(out, y) if self.half else squared_error(out, y)

    def gradient(self, out: Array, y: Array) -> Array:
        """Compute d loss_i / d out_i (batch, outputs)."""
        return half_squared_error_gradient(out, y) if self.half else squared_error_gradient(out, y)


def huber(out: Array, y: Array, delta: float) -> Array:
    """Squared error for residuals up to delta, linear beyond, so an outlier's gradient is at most delta.

    sum_k  r_k^2 / 2 where |r_k| <= delta, else delta (|r_k| - delta / 2)     gradient: clip(r, -delta, delta)

    Written without a branch as q (|r| - q / 2) with q = min(|r|, delta).
    Source: Huber, Robust Estimation of a Location Parameter, 1964.
    """
    xp = namespace(out)
    r = xp.abs(out - y)
    q = xp.minimum(r, delta)
    return (q * (r - 0.5 * q)).sum(-1)


def huber_gradient(out: Array, y: Array, delta: float) -> Array:
    """clip(r, -delta, delta)"""
    return namespace(out).clip(out - y, -delta, delta)


@dataclass(frozen=True)
class Huber(PairedLoss):
    """`huber`: predicts a mean that is robust to outliers."""

    kind, targets, any_unit = "huber", "real", True
    formula = by_kind
    pair = (huber, huber_gradient)
    delta: float = 1.0

    def __post_init__(self) -> None:
        """Check that delta is above 0."""
        number_settings(self, "delta", above=0)

    @property
    def kinks(self) -> tuple[float, ...]:
        """The residuals delta and -delta."""
        return (self.delta, -self.delta)

    def constants(self, out: Array) -> tuple[Array, ...]:
        """(delta,)"""
        return (self.delta,)


def absolute_error(out: Array, y: Array) -> Array:
    """sum_k |r_k|"""
    return namespace(out).abs(out - y).sum(-1)


def absolute_error_gradient(out: Array, y: Array) -> Array:
    """sign(r), 0 at r = 0"""
    return namespace(out).sign(out - y)


@dataclass(frozen=True)
class MeanAbsoluteError(PairedLoss):
    """`absolute_error`: predicts the median."""

    kind, targets, any_unit = "mean_absolute_error", "real", True
    formula = by_kind
    pair = (absolute_error, absolute_error_gradient)

    @property
    def kinks(self) -> tuple[float, ...]:
        """The residual 0."""
        return (0.0,)


def quantile(out: Array, y: Array, q: Array) -> Array:
    """The pinball loss, minimized when a fraction q of the targets lies below the output.

    sum_k  q |r_k| where r_k < 0, else (1 - q) |r_k|     gradient: -q where r < 0, 1 - q where r > 0

    q: (), or (outputs,) for one quantile per output.
    Written without a branch as |r| / 2 + (1/2 - q) r. At r = 0 the gradient is 1/2 - q, midway between them.
    Source: Koenker, Bassett, Regression Quantiles, 1978.
    """
    r = out - y
    return (0.5 * namespace(out).abs(r) + (0.5 - q) * r).sum(-1)


def quantile_gradient(out: Array, y: Array, q: Array) -> Array:
    """sign(r) / 2 + 1/2 - q"""
    return 0.5 * namespace(out).sign(out - y) + (0.5 - q)


@dataclass(frozen=True)
class Quantile(PairedLoss):
    """`quantile`: predicts the quantile q; q = 0.5 is the median and half the absolute error.

    q: between 0 and 1, or a tuple with one for each output: Quantile((0.1, 0.5, 0.9)) predicts three quantiles.
    """

    kind, targets, any_unit = "quantile", "real", True
    formula = by_kind
    pair = (quantile, quantile_gradient)
    q: float | tuple[float, ...] = 0.5

    def __post_init__(self) -> None:
        """Check that each q is between 0 and 1."""
        if not isinstance(self.q, (tuple, list)):
            number_settings(self, "q", above=0, below=1, hint="0.5 is the median")
            return
        limits = {"above": 0.0, "below": 1.0, "text": "q of Quantile", "hint": "0.5 is the median"}
        if not self.q:
            raise ConfigError(
                "q of Quantile must be a number or a list with one for each output, not an empty list."
            )
        object.__setattr__(self, "q", tuple(check_number(q, "q", **limits) for q in self.q))  # type: ignore[arg-type]

    def check_outputs(self, outputs: int) -> None:
        """Check that there is one quantile, or one for each output."""
        if isinstance(self.q, tuple) and len(self.q) != outputs:
            raise ConfigError(
                f"Quantile has {len(self.q)} quantiles but the network {outputs} outputs; give one for each "
                "output."
            )

    def constants(self, out: Array) -> tuple[Array, ...]:
        """Return q, as an array (outputs,) of out's dtype if there is one per output."""
        return (namespace(out).asarray(self.q, dtype=out.dtype) if isinstance(self.q, tuple) else self.q,)

    @property
    def kinks(self) -> tuple[float, ...]:
        """The residual 0."""
        return (0.0,)


class LogLink(PairedLoss):
    """Base class of the losses of amounts whose output is the logarithm of the mean.

    They are half the deviance of Tweedie distributions, whose variance is proportional to mean^power, without the part
    that depends on y alone, `saturated`. Where y is multiplied by c, the best output is larger by log c.
    """

    power: float

    def predict(self, out: Array) -> Array:
        """exp(out)"""
        return namespace(out).exp(out)

    def ops(self) -> tuple[Operation, ...]:
        """exp"""
        return (Operation("elementwise", function="exp"),)

    def average(self, out: Array) -> Array:
        """log mean_i exp(out_i)"""
        return log_mean_exp(out)

    def saturated(self, y: Array) -> Array:
        """-value(log y, y) (batch,), 0 for y = 0: the loss plus this is half the deviance, at least 0."""
        xp = namespace(y)
        best = xp.log(xp.where(y > 0, y, 1))
        return xp.where(y > 0, -self.value(best[..., None], y[..., None]), 0).sum(-1)


def poisson(out: Array, y: Array) -> Array:
    """Negative log-likelihood of a count, without the constant log(y!).

    sum_k  exp(out_k) - y_k out_k          gradient: exp(out) - y

    out: the logarithm of the expected count; beyond 88 in float32 (709 in float64) the loss is infinite.
    """
    return (namespace(out).exp(out) - y * out).sum(-1)


def poisson_gradient(out: Array, y: Array) -> Array:
    """exp(out) - y"""
    return namespace(out).exp(out) - y


@dataclass(frozen=True)
class Poisson(LogLink):
    """`poisson`: predicts the expected count, exp(out)."""

    kind, targets, power = "poisson", "counts", 1.0
    formula = by_kind
    pair = (poisson, poisson_gradient)


def gamma(out: Array, y: Array) -> Array:
    """Negative log-likelihood of a positive amount with a gamma distribution of shape 1, an exponential one.

    sum_k  out_k + y_k exp(-out_k)          gradient: 1 - y exp(-out)

    out: the logarithm of the expected amount; below -88 in float32 (-709 in float64) the loss is infinite.
    The variance is proportional to the mean squared, whatever the shape, and so an error counts by its ratio to y.
    Source: McCullagh, Nelder, Generalized Linear Models, chapter 8.
    """
    return (out + y * namespace(out).exp(-out)).sum(-1)


def gamma_gradient(out: Array, y: Array) -> Array:
    """1 - y exp(-out)"""
    return 1 - y * namespace(out).exp(-out)


@dataclass(frozen=True)
class Gamma(LogLink):
    """`gamma`: predicts the expected amount, exp(out), of amounts above 0 such as the cost of a claim."""

    kind, targets, power = "gamma", "positive", 2.0
    formula = by_kind
    pair = (gamma, gamma_gradient)


def tweedie(out: Array, y: Array, power: float) -> Array:
    """Half the deviance of an amount that is 0 with a probability and else positive, without the part of y alone.

    sum_k  exp((2 - p) out_k) / (2 - p) - y_k exp((1 - p) out_k) / (1 - p)
    gradient: exp((2 - p) out) - y exp((1 - p) out)

    out: the logarithm of the expected amount.  power: p, between 1 and 2. A sum of a Poisson number of gamma amounts
    has such a distribution, with a variance proportional to mean^p. The gradient is that of `poisson` as p goes to 1,
    that of `gamma` as p goes to 2.
    Source: Jorgensen, Exponential Dispersion Models, 1987.
    """
    xp, rest = namespace(out), 2 - power
    return (xp.exp(rest * out) / rest - y * xp.exp((rest - 1) * out) / (rest - 1)).sum(-1)


def tweedie_gradient(out: Array, y: Array, power: float) -> Array:
    """exp((2 - p) out) - y exp((1 - p) out)"""
    xp = namespace(out)
    return xp.exp((2 - power) * out) - y * xp.exp((1 - power) * out)


@dataclass(frozen=True)
class Tweedie(LogLink):
    """`tweedie`: predicts the expected amount, exp(out), of amounts of which many are 0, such as a year's claims."""

    kind, targets = "tweedie", "amounts"
    formula = by_kind
    pair = (tweedie, tweedie_gradient)
    power: float = 1.5

    def __post_init__(self) -> None:
        """Check that power is between 1 and 2."""
        number_settings(self, "power", above=1, below=2, hint="Poisson() has power 1, Gamma() 2")

    def constants(self, out: Array) -> tuple[Array, ...]:
        """(power,)"""
        return (self.power,)


@dataclass(frozen=True)
class CrossEntropy(PairedLoss):
    """Base class of the cross-entropies, which apply label smoothing to y."""

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        """Check that label_smoothing is in [0, 1)."""
        number_settings(self, "label_smoothing", minimum=0, below=1, hint="0.1 is usual")

    def smooth(self, y: Array) -> Array:
        """y' = (1 - e) y + e / K, where K is 2 for binary labels, else the number of classes.

        Source: Szegedy and others, Rethinking the Inception Architecture, arXiv:1512.00567, section 7.
        """
        e, K = self.label_smoothing, 2 if self.targets == "binary" else y.shape[-1]
        if not isinstance(e, float):  # a JAX tracer, which must not change the dtype of y
            e = namespace(e).asarray(e, dtype=y.dtype)
        elif e == 0:
            return y
        return (1 - e) * y + e / K

    def smoothed(self, factor: Array) -> Loss:
        """Return the loss with label_smoothing multiplied by a factor, which may be a number or a JAX tracer."""
        if self.label_smoothing == 0 or (isinstance(factor, float) and factor == 1):
            return self
        scaled = copy.copy(self)
        object.__setattr__(scaled, "label_smoothing", factor * self.label_smoothing)
        return scaled


def sigmoid_cross_entropy(z: Array, y: Array) -> Array:
    """Negative log-likelihood of binary labels, in nats, from logits.

    sum_k  -y_k log a_k - (1 - y_k) log(1 - a_k), a = sigmoid(z)          gradient: a - y

    Written as max(z, 0) - y z + log(1 + exp(-|z|)), which avoids overflow and cancellation.
    Source: Bishop, Pattern Recognition and Machine Learning, eq. 4.90, 4.91.
    """
    xp = namespace(z)
    return (xp.maximum(z, 0) - y * z + xp.log1p(xp.exp(-xp.abs(z)))).sum(-1)


def sigmoid_cross_entropy_gradient(z: Array, y: Array) -> Array:
    """sigmoid(z) - y"""
    return sigmoid(z) - y


class SigmoidLoss(Loss):
    """Base class of the losses of logits that stand alone, which predict sigmoid(out)."""

    def predict(self, out: Array) -> Array:
        """sigmoid(out)"""
        return sigmoid(out)

    def ops(self) -> tuple[Operation, ...]:
        """sigmoid"""
        return (Operation("elementwise", function="sigmoid"),)

    def average(self, out: Array) -> Array:
        """log p / (1 - p), p = mean_i sigmoid(out_i), from log p and log(1 - p) to avoid cancellation"""
        return log_mean_exp(log_sigmoid(out)) - log_mean_exp(log_sigmoid(-out))


@dataclass(frozen=True)
class SigmoidCrossEntropy(SigmoidLoss, CrossEntropy):
    """`sigmoid_cross_entropy`: binary or multilabel classification; predicts probabilities."""

    kind, targets = "sigmoid_cross_entropy", "binary"
    formula = by_kind
    pair = (sigmoid_cross_entropy, sigmoid_cross_entropy_gradient)


def survival_cross_entropy(z: Array, y: Array) -> Array:
    """Negative log-likelihood of the time to an event, in nats, from the logits of surviving each interval of time.

    -sum_k  y_k log a_k where y_k >= 0, else -y_k log(1 - a_k), a = sigmoid(z)          gradient: |y| a - max(y, 0)

    y: 1 in the intervals that a row survived, -1 in that of its event, 0 in later ones. In the interval in which a row
    was last seen, without an event, it is the part of it that had passed: the hazard is constant within an interval.
    Source: Gensheimer, Narasimhan, A scalable discrete-time survival model for neural networks, PeerJ 7:e6257 (2019).
    """
    xp = namespace(z)
    return -(xp.abs(y) * log_sigmoid(xp.sign(y) * z)).sum(-1)


def survival_cross_entropy_gradient(z: Array, y: Array) -> Array:
    """|y| sigmoid(z) - max(y, 0)"""
    xp = namespace(z)
    return xp.abs(y) * sigmoid(z) - xp.maximum(y, 0)


@dataclass(frozen=True)
class SurvivalCrossEntropy(SigmoidLoss, PairedLoss):
    """`survival_cross_entropy`: times to an event, also censored; predicts the probabilities to survive each interval.

    Their product up to an interval is the probability to survive until its end.
    """

    kind, targets = "survival_cross_entropy", "survived"
    formula = by_kind
    pair = (survival_cross_entropy, survival_cross_entropy_gradient)


class SoftmaxLoss(Loss):
    """Base class of the losses of logits of classes, which predict softmax(out)."""

    def predict(self, out: Array) -> Array:
        """softmax(out)"""
        return softmax(out)

    def ops(self) -> tuple[Operation, ...]:
        """softmax"""
        return (Operation("softmax"),)

    def average(self, out: Array) -> Array:
        """log mean_i softmax(out_i)"""
        return log_mean_exp(log_softmax(out))


def softmax_cross_entropy(z: Array, y: Array) -> Array:
    """Negative log-likelihood of the true class, in nats, from logits.

    -sum_k y_k log a_k = logsumexp(z) - sum_k y_k z_k, a = softmax(z)          gradient: a - y

    y: rows sum to 1.  Source: Bishop, Pattern Recognition and Machine Learning, eq. 4.108, 4.109.
    """
    return -(y * log_softmax(z)).sum(-1)


def softmax_cross_entropy_gradient(z: Array, y: Array) -> Array:
    """softmax(z) - y"""
    return softmax(z) - y


@dataclass(frozen=True)
class SoftmaxCrossEntropy(SoftmaxLoss, CrossEntropy):
    """`softmax_cross_entropy`: multiclass classification; predicts probabilities."""

    kind, targets = "softmax_cross_entropy", "classes"
    formula = by_kind
    pair = (softmax_cross_entropy, softmax_cross_entropy_gradient)


def focal_cross_entropy(z: Array, y: Array, gamma: float) -> Array:
    """Negative log-likelihood of the true class, in nats, less where the network is sure of it.

    -sum_k y_k (1 - a_k)^gamma log a_k, a = softmax(z)          gradient: g - a sum_k g_k,
    g_k = y_k (1 - a_k)^gamma (gamma a_k log a_k / (1 - a_k) - 1), the derivative by log a_k

    y: rows sum to 1.  gamma: at least 0; with 0 it is `softmax_cross_entropy`. With 2 a sample whose class has a
    probability of 0.9 counts a hundredth of its negative log-likelihood.
    1 - a_k is at least the smallest normal number of its dtype.
    Source: Lin, Goyal, Girshick, He, Dollar, Focal loss for dense object detection, arXiv:1708.02002, eq. 4.
    """
    log_a = log_softmax(z)
    return -(y * _rest(log_a) ** gamma * log_a).sum(-1)


def focal_cross_entropy_gradient(z: Array, y: Array, gamma: float) -> Array:
    """g - softmax(z) sum_k g_k"""
    g = focal_slopes(z, y, gamma)
    return g - softmax(z) * g.sum(-1, keepdims=True)


def focal_slopes(z: Array, y: Array, gamma: float) -> Array:
    """g_k = y_k (1 - a_k)^gamma (gamma a_k log a_k / (1 - a_k) - 1)"""
    log_a = log_softmax(z)
    rest = _rest(log_a)
    return y * rest**gamma * (gamma * softmax(z) * log_a / rest - 1)


def _rest(log_a: Array) -> Array:
    """1 - a, without cancellation where a is almost 1"""
    xp = namespace(log_a)
    return xp.maximum(-xp.expm1(log_a), xp.finfo(log_a.dtype).tiny)


@dataclass(frozen=True)
class FocalCrossEntropy(SoftmaxLoss, PairedLoss):
    """`focal_cross_entropy`: multiclass classification with many easy samples; predicts softmax(out).

    These are not the frequencies of the classes, but nearer to each other: they are to rank, or to be calibrated.
    """

    kind, targets = "focal_cross_entropy", "classes"
    formula = by_kind
    pair = (focal_cross_entropy, focal_cross_entropy_gradient)
    gamma: float = 2.0

    def __post_init__(self) -> None:
        """Check that gamma is at least 0."""
        number_settings(self, "gamma", minimum=0)

    def constants(self, out: Array) -> tuple[Array, ...]:
        """(gamma,)"""
        return (self.gamma,)


def ordinal_cross_entropy(z: Array, y: Array) -> Array:
    """Negative log-likelihood of the true class of K ordered ones, in nats, by a cumulative link.

    P(class <= k) = sigmoid(t_k), t_k = z_0 - z_{K-1} + sum_{0<j<=k} softplus(z_j) for k < K - 1
    -sum_k y_k log p_k, see `log_ordinal`          gradient: G_0, sigmoid(z_j) G_j - y_j sigmoid(-z_j), -G_0,
    G_j = sum_{k>=j} sigmoid(t_k) (y_k + y_{k+1}) - y_k

    z_{K-1} is the score of a row, z_0 the first threshold, and those between are the steps to the next thresholds,
    which so are in order. Of two classes it is `softmax_cross_entropy`.  y: rows sum to 1.
    Source: McCullagh, Regression models for ordinal data, Journal of the Royal Statistical Society B 42 (1980).
    """
    return -(y * log_ordinal(z)).sum(-1)


def ordinal_cross_entropy_gradient(z: Array, y: Array) -> Array:
    """G_0, sigmoid(z_j) G_j - y_j sigmoid(-z_j), -G_0"""
    xp, s, steps = namespace(z), sigmoid(ordinal_thresholds(z)), z[..., 1:-1]
    G = ordinal_sums(s * (y[..., :-1] + y[..., 1:]) - y[..., :-1])
    inner = sigmoid(steps) * G[..., 1:-1] - y[..., 1:-1] * sigmoid(-steps)
    return xp.concatenate([G[..., :1], inner, -G[..., :1]], -1)[..., : z.shape[-1]]


def ordinal_thresholds(z: Array) -> Array:
    """t_k = z_0 - z_{K-1} + sum_{0<j<=k} softplus(z_j) (batch, K - 1)"""
    xp = namespace(z)
    steps = xp.concatenate([z[..., :1] - z[..., -1:], softplus(z[..., 1:-1])], -1)
    return xp.cumsum(steps, -1)[..., : z.shape[-1] - 1]


def ordinal_sums(h: Array) -> Array:
    """sum_{k>=j} h_k (batch, K), of h (batch, K - 1); the last is 0"""
    xp = namespace(h)
    sums = xp.flip(xp.cumsum(xp.flip(h, -1), -1), -1)
    return xp.concatenate([sums, xp.zeros((*h.shape[:-1], 1), dtype=h.dtype)], -1)


def log_ordinal(z: Array) -> Array:
    """log p_k = log sigmoid(t_k) + log sigmoid(-t_{k-1}) + log sigmoid(z_k), of these the ones that there are

    log(sigmoid(t_k) - sigmoid(t_{k-1})) without cancellation: 1 - exp(t_{k-1} - t_k) = sigmoid(z_k).
    """
    xp, t, none = namespace(z), ordinal_thresholds(z), namespace(z).zeros_like(z[..., :1])
    below, above = xp.concatenate([log_sigmoid(t), none], -1), xp.concatenate([none, log_sigmoid(-t)], -1)
    return below + above + xp.concatenate([none, log_sigmoid(z[..., 1:-1]), none], -1)[..., : z.shape[-1]]


def ordinal_logits(p: Array) -> Array:
    """z_k = log p_k - log sum_{j<k} p_j - log sum_{j>k} p_j, of these the ones that there are; z_{K-1} = 0"""
    xp, none = namespace(p), namespace(p).ones_like(p[..., :1])
    below = xp.concatenate([none, xp.cumsum(p, -1)[..., :-1]], -1)
    above = xp.concatenate([ordinal_sums(p[..., 1:])[..., :-1], none], -1)
    z = clamped_log(p) - clamped_log(below) - clamped_log(above)
    return xp.concatenate([z[..., :-1], xp.zeros_like(none)], -1)


@dataclass(frozen=True)
class OrdinalCrossEntropy(CrossEntropy):
    """`ordinal_cross_entropy`: classification into ordered classes; predicts probabilities."""

    kind, targets, keeps_order = "ordinal_cross_entropy", "classes", False
    formula = by_kind
    pair = (ordinal_cross_entropy, ordinal_cross_entropy_gradient)

    def predict(self, out: Array) -> Array:
        """p = exp(log p)"""
        return namespace(out).exp(log_ordinal(out))

    def ops(self) -> tuple[Operation, ...]:
        """ordinal"""
        return (Operation("ordinal"),)

    def average(self, out: Array) -> Array:
        """The z of mean_i p_i"""
        return ordinal_logits(self.predict(out).mean(0))


def clamped_log(a: Array) -> Array:
    """log(max(a, tiny)), with tiny the smallest normal number of a's dtype.

    A probability of 0 costs 87 nats in float32 and 708 in float64, not infinity.
    """
    xp = namespace(a)
    return xp.log(xp.maximum(a, xp.finfo(a.dtype).tiny))


def clamped_log_prime(a: Array) -> Array:
    """1 / a where a > tiny, else 0: the derivative of exactly this function"""
    tiny = namespace(a).finfo(a.dtype).tiny
    return (a > tiny) / namespace(a).maximum(a, tiny)


def binary_cross_entropy(a: Array, y: Array) -> Array:
    """Negative log-likelihood of binary labels, in nats, from probabilities.

    sum_k  -y_k log a_k - (1 - y_k) log(1 - a_k)          gradient: (1 - y) / (1 - a) - y / a

    At a = 0 and a = 1: see `clamped_log`. The form on logits is more accurate.
    """
    return -(y * clamped_log(a) + (1 - y) * clamped_log(1 - a)).sum(-1)


def binary_cross_entropy_gradient(a: Array, y: Array) -> Array:
    """(1 - y) / (1 - a) - y / a"""
    return (1 - y) * clamped_log_prime(1 - a) - y * clamped_log_prime(a)


@dataclass(frozen=True)
class BinaryCrossEntropy(CrossEntropy):
    """`binary_cross_entropy`: after a `Sigmoid` layer."""

    kind, targets, domain = "binary_cross_entropy", "binary", "probability"
    formula = by_kind
    pair = (binary_cross_entropy, binary_cross_entropy_gradient)


def categorical_cross_entropy(a: Array, y: Array) -> Array:
    """Negative log-likelihood of the true class, in nats, from probabilities.

    -sum_k y_k log a_k          gradient: -y / a

    a: the output of `Softmax`, whose pullback turns this gradient into a - y. At a = 0: see `clamped_log`.
    The form on logits is more accurate.
    """
    return -(y * clamped_log(a)).sum(-1)


def categorical_cross_entropy_gradient(a: Array, y: Array) -> Array:
    """-y / a"""
    return -y * clamped_log_prime(a)


@dataclass(frozen=True)
class CategoricalCrossEntropy(CrossEntropy):
    """`categorical_cross_entropy`: after a `Softmax` layer."""

    kind, targets, domain = "categorical_cross_entropy", "classes", "probability"
    formula = by_kind
    pair = (categorical_cross_entropy, categorical_cross_entropy_gradient)


@dataclass(frozen=True)
class LossFunction(Loss):
    """A loss of your own as a function of a batch: it returns loss_i (batch,) and d loss_i / d out_i (batch, outputs).

        def squared(out, y):
            return ((out - y) ** 2).sum(1), 2 * (out - y)

        network = Network(5, [Dense(32), ReLU(), Dense(1)], loss=squared)

    targets: "real" numbers, "binary" labels or one-hot "classes"; the prediction is then out, sigmoid(out) or
    softmax(out). A function as the loss of a network is of "real" ones, that of an estimator of what it predicts.
    The arrays out and y (batch, outputs) are only lent: it must neither keep nor change them.
    A file has its name, and is read by `load(path, custom={"squared": squared})`.
    """

    function: Callable[[Array, Array], tuple[Array, Array]]
    targets: str = "real"  # type: ignore[misc]  # one class for all

    def __post_init__(self) -> None:
        """Check both. Raises ConfigError."""
        if not callable(self.function) or isinstance(self.function, type):
            raise ConfigError(
                f"function must be one of outputs and targets, not {self.function!r:.60}; a class of a loss is called."
            )
        check_choice(self.targets, LIKE, "targets")

    @property
    def kind(self) -> str:  # type: ignore[override]
        """The name of the function."""
        return getattr(self.function, "__name__", type(self.function).__name__)

    @property
    def like(self) -> Loss:
        """A loss of the package with the same predictions."""
        return LIKE[self.targets]

    def value_and_gradient(self, out: Array, y: Array) -> tuple[Array, Array]:
        """Call the function. Raises ConfigError unless it returns two arrays."""
        found = self.function(out, y)
        if not (isinstance(found, tuple) and len(found) == 2):
            raise ConfigError(
                f"{self.kind} must return a tuple (loss, gradient) of arrays (batch,) and (batch, outputs), not "
                f"{type(found).__name__}."
            )
        return found

    def value(self, out: Array, y: Array) -> Array:
        """Return the first."""
        return self.value_and_gradient(out, y)[0]

    def gradient(self, out: Array, y: Array) -> Array:
        """Return the second."""
        return self.value_and_gradient(out, y)[1]

    def predict(self, out: Array) -> Array:
        """out, sigmoid(out) or softmax(out)"""
        return self.like.predict(out)

    def ops(self) -> tuple[Operation, ...] | None:
        """Return the operations of these."""
        return self.like.ops()

    def average(self, out: Array) -> Array:
        """Return what predicts their mean."""
        return self.like.average(out)


def loss_of(loss: Any, targets: str = "real") -> Any:
    """Return a function as a loss of such targets; anything else, and a class, as it is."""
    return LossFunction(loss, targets) if callable(loss) and not isinstance(loss, type) else loss


LIKE: dict[str, Loss] = {
    "real": MeanSquaredError(),
    "binary": SigmoidCrossEntropy(),
    "classes": SoftmaxCrossEntropy(),
}
"""Losses by the targets of a function, with its predictions."""


LOSSES: dict[str, type[Loss]] = {
    loss.kind: loss
    for loss in (
        *(MeanSquaredError, Huber, MeanAbsoluteError, Quantile, Poisson, Gamma, Tweedie),
        *(SigmoidCrossEntropy, SoftmaxCrossEntropy, FocalCrossEntropy, OrdinalCrossEntropy),
        *(SurvivalCrossEntropy, BinaryCrossEntropy, CategoricalCrossEntropy),
    )
}
