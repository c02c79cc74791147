"""Initializers: the distributions of a network's initial parameters.

Each is a frozen dataclass, called as `initializer(generator, shape, fan_in, fan_out)`. It returns a float64 NumPy
array of that shape. The network rounds it to its own dtype, so a seed gives the same start in each.

fan_in, fan_out: at least 1, the layer's numbers of inputs and outputs, for every shape.
LeCun keeps the variance of the signal for the identity, He for ReLU, which halves it. Glorot is a compromise
between the forward and the backward pass.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from chainrule.core.settings import check_count, count_settings, number_settings
from chainrule.errors import ConfigError

Floats = NDArray[np.float64]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Initializer(ABC):
    """Base class of initializers: a distribution of a parameter's initial values."""

    kind: ClassVar[str] = ""

    @abstractmethod
    def __call__(self, generator: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Floats:
        """Draw an array of `shape`."""


def check_initializer(owner: Any) -> None:
    """Check that the setting `initializer` of a layer is an initializer or None. Raises ConfigError."""
    if owner.initializer is not None and not isinstance(owner.initializer, Initializer):
        raise ConfigError(
            f"initializer of {type(owner).__name__} must be an initializer such as HeNormal(), or None, "
            f"not {owner.initializer!r}."
        )


@dataclass(frozen=True)
class HeUniform(Initializer):
    """U(-r, r) with r = sqrt(6 / fan_in): variance 2 / fan_in, for ReLU and similar activations.

    Source: He et al., "Delving deep into rectifiers", ICCV 2015, eq. 10.
    """

    kind: ClassVar[str] = "he_uniform"

    def __call__(self, generator: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Floats:
        """U(-r, r), r = sqrt(6 / fan_in)"""
        r = math.sqrt(6 / fan_in)
        return generator.uniform(-r, r, shape)


@dataclass(frozen=True)
class HeNormal(Initializer):
    """N(0, 2 / fan_in), not truncated, for ReLU and similar activations.

    Source: He et al., "Delving deep into rectifiers", ICCV 2015, eq. 10.
    """

    kind: ClassVar[str] = "he_normal"

    def __call__(self, generator: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Floats:
        """N(0, 2 / fan_in)"""
        return generator.normal(0.0, math.sqrt(2 / fan_in), shape)


@dataclass(frozen=True)
class GlorotUniform(Initializer):
    """U(-r, r) with r = sqrt(6 / (fan_in + fan_out)): variance 2 / (fan_in + fan_out), for tanh and sigmoid.

    Source: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    AISTATS 2010, eq. 16.
    """

    kind: ClassVar[str] = "glorot_uniform"

    def __call__(self, generator: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Floats:
        """U(-r, r), r = sqrt(6 / (fan_in + fan_out))"""
        r = math.sqrt(6 / (fan_in + fan_out))
        return generator.uniform(-r, r, shape)


@dataclass(frozen=True)
class GlorotNormal(Initializer):
    """N(0, 2 / (fan_in + fan_out)), not truncated, for tanh and sigmoid.

    Source: Glorot, Bengio, AISTATS 2010, eq. 12.
    """

    kind: ClassVar[str] = "glorot_normal"

    def __call__(self, generator: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Floats:
        """N(0, 2 / (fan_in + fan_out))"""
        return generator.normal(0.0, math.sqrt(2 / (fan_in + fan_out)), shape)


@dataclass(frozen=True)
class LeCunUniform(Initializer):
    """U(-r, r) with r = sqrt(3 / fan_in): variance 1 / fan_in, for SELU and linear layers.

    Source: LeCun et al., "Efficient backprop", 1998, section 4.6.
    """

    kind: ClassVar[str] = "lecun_uniform"

    def __call__(self, generator: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Floats:
        """U(-r, r), r = sqrt(3 / fan_in)"""
        r = math.sqrt(3 / fan_in)
        return generator.uniform(-r, r, shape)


@dataclass(frozen=True)
class LeCunNormal(Initializer):
    """N(0, 1 / fan_in), not truncated, for SELU and linear layers.

    Source: LeCun et al., "Efficient backprop", 1998, section 4.6; for SELU: Klambauer et al., NeurIPS 2017.
    """

    kind: ClassVar[str] = "lecun_normal"

    def __call__(self, generator: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Floats:
        """N(0, 1 / fan_in)"""
        return generator.normal(0.0, math.sqrt(1 / fan_in), shape)


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """gain Q, with Q uniform among matrices whose shorter side is orthonormal: Q^T Q = I or Q Q^T = I.

    Q R = N(0, 1) of the taller shape, each column of Q times the sign of R's diagonal, or Q is not uniform.
    shape: two-dimensional.  gain: finite, not 0.
    Source: Saxe, McClelland, Ganguli, ICLR 2014; for the signs: Mezzadri, Notices of the AMS 54(5), 2007.
    """

    kind: ClassVar[str] = "orthogonal"
    gain: float = 1.0

    def __post_init__(self) -> None:
        """Check that gain is finite and not 0."""
        number_settings(self, "gain")
        if self.gain == 0:
            raise ConfigError("gain of Orthogonal must not be 0, which makes every weight 0; 1 is usual.")

    def __call__(self, generator: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Floats:
        """gain Q"""
        rows, columns = shape
        tall = generator.normal(0.0, 1.0, (max(shape), min(shape)))
        q, r = np.linalg.qr(tall)  # (long, short), (short, short)
        q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
        return self.gain * (q if rows >= columns else np.ascontiguousarray(q.T))


@dataclass(frozen=True)
class Constant(Initializer):
    """Every number is `value`, which is finite."""

    kind: ClassVar[str] = "constant"
    value: float = 0.0

    def __post_init__(self) -> None:
        """Check that value is finite."""
        number_settings(self, "value")

    def __call__(self, generator: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Floats:
        """Return an array of `value`; nothing is drawn."""
        return np.full(shape, self.value, dtype=np.float64)


@dataclass(frozen=True)
class Normal(Initializer):
    """N(0, std^2), for every width of the layer; std above 0."""

    kind: ClassVar[str] = "normal"
    std: float = 1.0

    def __post_init__(self) -> None:
        """Check that std is above 0."""
        number_settings(self, "std", above=0)

    def __call__(self, generator: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Floats:
        """N(0, std^2)"""
        return generator.normal(0.0, self.std, shape)


@dataclass(frozen=True)
class Uniform(Initializer):
    """U(-r, r), for every width of the layer; r above 0."""

    kind: ClassVar[str] = "uniform"
    r: float = 1.0

    def __post_init__(self) -> None:
        """Check that r is above 0."""
        number_settings(self, "r", above=0)

    def __call__(self, generator: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Floats:
        """U(-r, r)"""
        return generator.uniform(-self.r, self.r, shape)


@dataclass(frozen=True)
class RandomSign(Initializer):
    """-1 or 1, with equal probabilities.

    Source: Wen, Tran, Ba, "BatchEnsemble", ICLR 2020, appendix B.
    """

    kind: ClassVar[str] = "random_sign"

    def __call__(self, generator: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Floats:
        """-1 or 1"""
        return generator.choice((-1.0, 1.0), shape)


@dataclass(frozen=True)
class PerFeature(Initializer):
    """One draw for each feature of each member, repeated over the feature's columns.

    The columns are grouped by member, and within a member by feature: sizes=(3, 1) for a feature of three columns, such
    as an embedding's, and one of one column. The sum of sizes divides the width.
    initializer: the distribution to draw from, such as Normal() or RandomSign().
    Raises ConfigError for invalid sizes, and when drawing, for sizes that do not fit the width.
    Source: Gorishniy, Kotelnikov, Babenko, "TabM", ICLR 2025, of the first scaling.
    """

    kind: ClassVar[str] = "per_feature"
    initializer: Initializer = RandomSign()
    sizes: tuple[int, ...] = (1,)

    def __post_init__(self) -> None:
        """Check the initializer and the sizes, and keep these as a tuple of Python integers."""
        _check_inner(self)
        if not isinstance(self.sizes, (tuple, list)) or not self.sizes:
            raise ConfigError(
                f"sizes of PerFeature must be a list with the columns of each feature, not {self.sizes!r}."
            )
        text = "sizes of PerFeature"
        object.__setattr__(self, "sizes", tuple(check_count(size, "sizes", text=text) for size in self.sizes))

    def __call__(self, generator: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Floats:
        """Draw (members, features), and repeat each number over its columns."""
        width, each = math.prod(shape), sum(self.sizes)
        if width % each:
            raise ConfigError(
                f"sizes of PerFeature add up to {each}, which does not divide the {width} columns."
            )
        draw = self.initializer(generator, (width // each, len(self.sizes)), fan_in, fan_out)
        return np.repeat(draw, self.sizes, axis=1).reshape(shape)


@dataclass(frozen=True)
class SameForMembers(Initializer):
    """One draw for the columns of one member, repeated for each of `members` side by side.

    initializer: the distribution to draw from, such as Uniform(0.1).  Raises ConfigError for an invalid setting, and
    when drawing, unless members divides the width.
    """

    kind: ClassVar[str] = "same_for_members"
    initializer: Initializer = Uniform()
    members: int = 1

    def __post_init__(self) -> None:
        """Check the initializer, and that members is a positive integer."""
        _check_inner(self)
        count_settings(self, "members", hint="give the number of members")

    def __call__(self, generator: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Floats:
        """Draw the columns of one member, and repeat them."""
        width = math.prod(shape)
        if width % self.members:
            raise ConfigError(
                f"members of SameForMembers must divide the {width} columns, not {self.members}."
            )
        draw = self.initializer(generator, (width // self.members,), fan_in, fan_out)
        return np.tile(draw, self.members).reshape(shape)


def _check_inner(owner: Any) -> None:
    check_initializer(owner)
    if owner.initializer is None:
        raise ConfigError(
            f"initializer of {type(owner).__name__} must be an initializer such as Normal(), not None."
        )


INITIALIZERS: dict[str, type[Initializer]] = {
    initializer.kind: initializer
    for initializer in (
        HeUniform,
        HeNormal,
        GlorotUniform,
        GlorotNormal,
        LeCunUniform,
        LeCunNormal,
        Orthogonal,
        Constant,
        Normal,
        Uniform,
        RandomSign,
        PerFeature,
        SameForMembers,
    )
}
"""Every initializer by its `kind`, its name in files and on the command line; the tests run over this table."""
