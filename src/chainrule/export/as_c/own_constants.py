"""The constants and polynomials of the functions in place of <math.h>'s, in both precisions; see `own_math`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from chainrule.export.approximations import ERF_NEAR, ERF_SPLIT, ERFC_FAR, Polynomial
from chainrule.export.as_c.places import number

LN2 = Fraction(Decimal("0.69314718055994530941723212145817656807550013436"))
HALF_PI = Fraction(Decimal("1.57079632679489661923132169163975144209858469969"))


class Precision(NamedTuple):
    """A type of numbers, and how many terms of a series it needs."""

    kind: str
    suffix: str
    """of the functions' names"""
    digits: int
    """the bits of its numbers"""
    integer: str
    """the type of the whole numbers that have all these bits"""
    turned: int
    """the bits of how many quarters of a turn are taken off an angle exactly"""
    exp: int
    artanh: int
    sin: int
    cos: int
    smallest: float
    largest: float

    @property
    def most_angle(self) -> int:
        """The largest angle from which whole quarters of a turn are taken exactly."""
        return int(2**self.turned * HALF_PI)


PRECISIONS = (
    Precision("float", "f", 24, "int32_t", 12, 8, 6, 5, 6, 2.0**-149, 2.0**128),
    Precision(
        "double", "", 53, "int64_t", 20, 15, 12, 9, 10, 2.0**-1074, float.fromhex("0x1.fffffffffffffp+1023")
    ),
)


def horner(z: str, coefficients: Iterable[float], kind: str) -> str:
    """Return a polynomial in z as an expression. coefficients: that of the lowest power first."""
    *others, text = [number(each, kind) for each in coefficients]
    for each in reversed(others):
        text = f"{each} + {z} * {text if text.replace('.', '').isalnum() else f'({text})'}"
    return text


def parts(value: Fraction, bits: int, count: int) -> list[float]:
    """Return numbers that sum to a value, all but the last with few bits: whole multiples of them are exact."""
    made = []
    for _ in range(count - 1):
        power = Fraction(2) ** (bits - math.frexp(float(value))[1])
        made.append(float(round(value * power) / power))
        value -= Fraction(made[-1])
    return [*made, float(value)]


def constants_of(of: Precision) -> dict[str, str]:
    """Return the constants of the functions in a precision, by name."""
    high, low = parts(LN2, of.digits - 12, 2)
    quarters = parts(HALF_PI, of.digits - of.turned, 3)
    plain: dict[str, float] = {
        "HALF": 0.5,
        "LARGE": 2.0**32,
        "SMALL": 2.0**-32,
        "ROOT_2": math.sqrt(2),
        "ROOT_HALF": math.sqrt(0.5),
        "WHOLE": 2.0 ** (of.digits - 1),
        "EXP_LOW": math.log(of.smallest) - math.log(2),
        "EXP_HIGH": math.log(of.largest),
        "EXPM1_NEAR": 0.375,
        "LOG2_E": 1 / math.log(2),
        "LN2_HIGH": high,
        "LN2_LOW": low,
        "ERF_NEAR": ERF_SPLIT,
        "QUARTER": float(HALF_PI),
        "TURN": 4 * float(HALF_PI),
        "MOST_ANGLE": float(of.most_angle),
        **{f"QUARTER_{k + 1}": part for k, part in enumerate(quarters)},
    }

    def series(z: str, terms: int, term: Callable[[int], float]) -> str:
        return horner(z, map(term, range(terms)), of.kind)

    def polynomial(of_t: Polynomial, z: str) -> str:
        return horner(z, reversed(of_t), of.kind)

    return {
        **{name: number(value, of.kind) for name, value in plain.items()},
        "INTEGER": of.integer,
        "EXP": series("r", of.exp, lambda k: 1 / math.factorial(k)),
        "EXPM1": series("r", of.exp, lambda k: 1 / math.factorial(k + 1)),
        "ARTANH": series("t", of.artanh, lambda k: 1 / (2 * k + 1)),
        "SIN": series("t", of.sin, lambda k: (-1) ** k / math.factorial(2 * k + 1)),
        "COS": series("t", of.cos, lambda k: (-1) ** k / math.factorial(2 * k)),
        "ERF_ABOVE": polynomial(ERF_NEAR.above, "t"),
        "ERF_BELOW": polynomial(ERF_NEAR.below, "t"),
        "ERFC_ABOVE": polynomial(ERFC_FAR.above, "z"),
        "ERFC_BELOW": polynomial(ERFC_FAR.below, "z"),
    }


CONSTANTS = {of.kind: constants_of(of) for of in PRECISIONS}
"""By type and name, as C has them."""
