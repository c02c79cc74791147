"""Formulas with numbers, written as text, LaTeX or MathML.

An expression is a small tree that can be written in symbols, and with each symbol replaced by its number. Its value
is computed from its parts, so the formula shown is the formula computed.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from chainrule.core import records
from chainrule.inspection.derivation.writing import LATEX, MATHML, TEXT, Writer


@records.kind("expression")
class Expression(ABC):
    """Base class of formulas with a value."""

    @property
    @abstractmethod
    def value(self) -> float:
        """The value of the formula."""

    @property
    def is_sum(self) -> bool:
        """Whether the formula needs brackets in a product."""
        return False

    def begins_negative(self, numbers: bool) -> bool:
        """Return whether the formula begins with a minus, and so needs brackets after another sign."""
        return numbers and self.value < 0

    @abstractmethod
    def write(self, writer: Writer, numbers: bool) -> str:
        """Write the formula in symbols, or with their numbers."""

    def text(self, numbers: bool = False) -> str:
        """Write the formula as plain text."""
        return self.write(TEXT, numbers)

    def latex(self, numbers: bool = False) -> str:
        """Write the formula as LaTeX, for math mode with amsmath."""
        return self.write(LATEX, numbers)

    def mathml(self, numbers: bool = False) -> str:
        """Write the formula as MathML, for the inside of a <math> element."""
        return self.write(MATHML, numbers)

    def to_data(self) -> dict[str, Any]:
        """Return the value, and the formula in symbols and in numbers in each of the three notations."""
        forms = {
            name: {"text": self.text(numbers), "latex": self.latex(numbers), "mathml": self.mathml(numbers)}
            for name, numbers in (("symbols", False), ("numbers", True))
        }
        return records.labeled(self, {"value": self.value, **forms})


class Given(Expression):
    """Base class of formulas with a given value, written in place of the symbols if numbers are asked for."""

    number: float

    @property
    def value(self) -> float:
        """The given value."""
        return self.number

    def write(self, writer: Writer, numbers: bool) -> str:
        """Write the symbols, or the number."""
        return writer.number(self.number) if numbers else self.symbols(writer)

    @abstractmethod
    def symbols(self, writer: Writer) -> str:
        """Write the symbols."""


@dataclass(frozen=True)
class Number(Given):
    """A constant."""

    number: float

    def begins_negative(self, numbers: bool) -> bool:
        """Return whether the number is negative."""
        return self.number < 0

    def symbols(self, writer: Writer) -> str:
        """Write the digits."""
        return writer.number(self.number)


@dataclass(frozen=True)
class Symbol(Given):
    """A letter for a number: a plain name in text, with a superscript and a subscript elsewhere."""

    plain: str
    letter: str
    above: str
    below: str
    number: float

    def symbols(self, writer: Writer) -> str:
        """Write the letter."""
        return writer.symbol(self.plain, self.letter, self.above, self.below)


@dataclass(frozen=True)
class FunctionCall(Given):
    """A function call with a given value: relu'(z), softmax(z)."""

    name: str
    argument: Expression
    number: float
    prime: bool = False
    below: str = ""
    """an index of the result"""

    def symbols(self, writer: Writer) -> str:
        """Write the call."""
        return writer.call(self.name, self.argument.write(writer, False), self.prime, self.below)


@dataclass(frozen=True)
class Partial(Given):
    """A partial derivative: d top / d bottom."""

    top: Symbol
    bottom: Symbol
    number: float

    def symbols(self, writer: Writer) -> str:
        """Write the quotient."""
        return writer.partial(self.top.write(writer, False), self.bottom.write(writer, False))


@dataclass(frozen=True)
class Product(Expression):
    """A product; factors of 1 are omitted."""

    factors: tuple[Expression, ...]

    def __init__(self, *factors: Expression) -> None:
        """Store the factors, and flatten inner products."""
        flat = [part for f in factors for part in (f.factors if isinstance(f, Product) else (f,))]
        object.__setattr__(self, "factors", tuple(f for f in flat if f != Number(1.0)))

    @cached_property
    def value(self) -> float:
        """The product."""
        return math.prod(factor.value for factor in self.factors)

    @property
    def is_sum(self) -> bool:
        """True if the product is a single factor that is a sum."""
        return len(self.factors) == 1 and self.factors[0].is_sum

    def begins_negative(self, numbers: bool) -> bool:
        """Return whether the first factor begins with a minus outside brackets."""
        return bool(self.factors) and not self.factors[0].is_sum and self.factors[0].begins_negative(numbers)

    def write(self, writer: Writer, numbers: bool) -> str:
        """Write the factors with dots between them, in brackets where necessary."""
        if len(self.factors) < 2:
            return self.factors[0].write(writer, numbers) if self.factors else writer.number(1.0)
        parts: list[str] = []
        joins = False
        for i, factor in enumerate(self.factors):
            part = factor.write(writer, numbers)
            if factor.is_sum or (i > 0 and factor.begins_negative(numbers)):
                part = writer.brackets(part)
            if joins and factor.is_sum:  # 2(a0 - y) without a dot, as in handwriting
                parts[-1] = writer.row([parts[-1], part])
            else:
                parts.append(part)
            joins = isinstance(factor, Number)
        return writer.product(parts)


@dataclass(frozen=True)
class Sum(Expression):
    """A sum of terms; those with the sign -1 are subtracted."""

    terms: tuple[tuple[int, Expression], ...]

    def __init__(self, *terms: Expression | tuple[int, Expression]) -> None:
        """Store the terms, with or without a sign."""
        object.__setattr__(self, "terms", tuple(t if isinstance(t, tuple) else (1, t) for t in terms))

    @property
    def is_sum(self) -> bool:
        """True."""
        return True

    @cached_property
    def value(self) -> float:
        """The sum."""
        return math.fsum(sign * term.value for sign, term in self.terms)

    def write(self, writer: Writer, numbers: bool) -> str:
        """Write the terms with their signs."""
        parts = []
        for i, (sign, term) in enumerate(self.terms):
            part = term.write(writer, numbers)
            is_bracketed = term.is_sum or ((i > 0 or sign < 0) and term.begins_negative(numbers))
            parts.append((sign, writer.brackets(part) if is_bracketed else part))
        return writer.sum(parts)


@dataclass(frozen=True)
class Fraction(Expression):
    """A quotient: top / bottom."""

    top: Expression
    bottom: Expression

    @cached_property
    def value(self) -> float:
        """The quotient."""
        return self.top.value / self.bottom.value

    def begins_negative(self, numbers: bool) -> bool:
        """Return whether the top begins with a minus."""
        return not self.top.is_sum and self.top.begins_negative(numbers)

    def write(self, writer: Writer, numbers: bool) -> str:
        """Write top over bottom."""
        top, bottom = (part.write(writer, numbers) for part in (self.top, self.bottom))
        return writer.fraction(
            top, bottom, self.top.is_sum, self.bottom.is_sum or isinstance(self.bottom, Product)
        )
