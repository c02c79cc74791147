"""Write the pieces of a formula as text, LaTeX or MathML, for `markup`."""

from __future__ import annotations

import html
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from chainrule.core import records

GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "sigma": "σ", "lambda": "λ", "Sigma": "Σ"}
"""Greek letters by their names in Python."""


class Writer(Protocol):
    """The interface of a notation: it writes the pieces of a formula."""

    plus: str
    """the start of a line that continues a sum"""

    def words(self, words: str) -> str:
        """Write plain words in a formula."""
        ...

    def number(self, value: float) -> str:
        """Write a number with six digits."""
        ...

    def symbol(self, plain: str, letter: str, above: str, below: str) -> str:
        """Write a letter with superscript and subscript."""
        ...

    def call(self, name: str, argument: str, prime: bool, below: str) -> str:
        """Write name(argument), with a prime for a derivative, and with an index."""
        ...

    def partial(self, top: str, bottom: str) -> str:
        """Write a partial derivative."""
        ...

    def fraction(self, top: str, bottom: str, top_sum: bool, bottom_many: bool) -> str:
        """Write a quotient; the flags tell which part needs brackets on one line."""
        ...

    def brackets(self, inner: str) -> str:
        """Write a part in round brackets."""
        ...

    def product(self, parts: list[str]) -> str:
        """Write a product with dots between its parts."""
        ...

    def sum(self, parts: list[tuple[int, str]]) -> str:
        """Write a sum with signs between its parts."""
        ...

    def row(self, parts: list[str]) -> str:
        """Write parts side by side."""
        ...


class TextWriter:
    """One line of plain text: ∂L/∂dense_1.W[3,1], relu′(dense_1.z[1])."""

    plus = "+"

    def words(self, words: str) -> str:
        """Return the words as they are."""
        return words

    def number(self, value: float) -> str:
        """%.6g"""
        return f"{value + 0.0:.6g}"  # 0, not -0

    def symbol(self, plain: str, letter: str, above: str, below: str) -> str:
        """Return the Python name."""
        return plain

    def call(self, name: str, argument: str, prime: bool, below: str) -> str:
        """name′(argument)[below]"""
        return f"{name}{'′' if prime else ''}({argument}){f'[{below}]' if below else ''}"

    def partial(self, top: str, bottom: str) -> str:
        """∂top/∂bottom"""
        return f"∂{top}/∂{bottom}"

    def fraction(self, top: str, bottom: str, top_sum: bool, bottom_many: bool) -> str:
        """top/bottom"""
        return f"{f'({top})' if top_sum else top}/{f'({bottom})' if bottom_many else bottom}"

    def brackets(self, inner: str) -> str:
        """(inner)"""
        return f"({inner})"

    def product(self, parts: list[str]) -> str:
        """a · b"""
        return " · ".join(parts)

    def sum(self, parts: list[tuple[int, str]]) -> str:
        """a + b - c"""
        first = "-" if parts[0][0] < 0 else ""
        return first + parts[0][1] + "".join(f" {'-' if s < 0 else '+'} {part}" for s, part in parts[1:])

    def row(self, parts: list[str]) -> str:
        """ab"""
        return "".join(parts)


class LatexWriter:
    r"""LaTeX for math mode, with amsmath: \frac{\partial L}{\partial W^{[1]}_{3,1}}."""

    plus = "\\quad {}+"
    ESCAPES = str.maketrans({c: "\\" + c for c in "#$%&_{}"} | {
        "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    })  # fmt: skip

    def number(self, value: float) -> str:
        r"""1.5 \times 10^{-7}"""
        mantissa, _, exponent = f"{value + 0.0:.6g}".partition("e")
        if mantissa.lstrip("-") in ("inf", "nan"):
            return mantissa.replace("inf", r"\infty").replace("nan", r"\mathrm{NaN}")
        return f"{mantissa} \\times 10^{{{int(exponent)}}}" if exponent else mantissa

    def letter(self, letter: str) -> str:
        r"""\gamma, \hat{x}, W, \mathrm{slope}"""
        if letter in GREEK:
            return f"\\{letter}"
        if letter.endswith("_hat"):
            return f"\\hat{{{letter.removesuffix('_hat')}}}"
        return letter if len(letter.rstrip("'")) == 1 else f"\\mathrm{{{self.escaped(letter)}}}"

    def escaped(self, words: str) -> str:
        """Escape text for LaTeX by backslashes."""
        return words.translate(self.ESCAPES)

    def words(self, words: str) -> str:
        r"""\text{words}"""
        return f"\\text{{{self.escaped(words)}}}"

    def symbol(self, plain: str, letter: str, above: str, below: str) -> str:
        """letter^{above}_{below}"""
        mark = above if above.startswith("[") or not above else self.words(above)
        base = self.letter(letter)
        if above and base.endswith("'"):
            base = f"{{{base}}}"
        return base + (f"^{{{mark}}}" if mark else "") + (f"_{{{below}}}" if below else "")

    def call(self, name: str, argument: str, prime: bool, below: str) -> str:
        r"""\operatorname{name}'(argument)_{below}"""
        index = f"_{{{below}}}" if below else ""
        words = self.escaped(name)
        return f"\\operatorname{{{words}}}{chr(39) if prime else ''}\\left({argument}\\right){index}"

    def partial(self, top: str, bottom: str) -> str:
        r"""\frac{\partial top}{\partial bottom}"""
        return f"\\frac{{\\partial {top}}}{{\\partial {bottom}}}"

    def fraction(self, top: str, bottom: str, top_sum: bool, bottom_many: bool) -> str:
        r"""\frac{top}{bottom}"""
        return f"\\frac{{{top}}}{{{bottom}}}"

    def brackets(self, inner: str) -> str:
        r"""\left(inner\right)"""
        return f"\\left({inner}\\right)"

    def product(self, parts: list[str]) -> str:
        r"""a \cdot b"""
        return " \\cdot ".join(parts)

    def sum(self, parts: list[tuple[int, str]]) -> str:
        """a + b - c"""
        return TEXT.sum(parts)

    def row(self, parts: list[str]) -> str:
        """ab"""
        return "".join(parts)


class MathmlWriter:
    """MathML Core, displayed by browsers without a library."""

    plus = "+"

    def words(self, words: str) -> str:
        """<mtext>"""
        return f"<mtext>{html.escape(words)}</mtext>"

    def number(self, value: float) -> str:
        """<mn>, with a power of ten if necessary"""
        mantissa, _, exponent = f"{value + 0.0:.6g}".partition("e")
        sign = "<mo form='prefix'>−</mo>" if mantissa.startswith("-") else ""
        digits = f"<mn>{mantissa.lstrip('-').replace('inf', '∞')}</mn>"
        if exponent:
            power = str(int(exponent)).replace("-", "−")
            digits += f"<mo>×</mo><msup><mn>10</mn><mn>{power}</mn></msup>"
        return f"<mrow>{sign}{digits}</mrow>" if sign or exponent else digits

    def letter(self, letter: str) -> str:
        """<mi>, with a hat if named so"""
        if letter.endswith("_hat"):
            return f"<mover><mi>{letter.removesuffix('_hat')}</mi><mo stretchy='false'>^</mo></mover>"
        return f"<mi>{html.escape(GREEK.get(letter, letter).replace(chr(39), '′'))}</mi>"

    def symbol(self, plain: str, letter: str, above: str, below: str) -> str:
        """Return the letter with superscript and subscript."""
        base, low = self.letter(letter), f"<mtext>{html.escape(below)}</mtext>"
        high = f"<mtext>{html.escape(above)}</mtext>"
        if above and below:
            return f"<msubsup>{base}{low}{high}</msubsup>"
        return f"<msup>{base}{high}</msup>" if above else f"<msub>{base}{low}</msub>" if below else base

    def call(self, name: str, argument: str, prime: bool, below: str) -> str:
        """name′(argument) with its index"""
        head = f"<mi>{html.escape(name)}{'′' if prime else ''}</mi>"
        inner = self.brackets(argument)
        inner = f"<msub>{inner}<mtext>{html.escape(below)}</mtext></msub>" if below else inner
        return f"<mrow>{head}{inner}</mrow>"

    def partial(self, top: str, bottom: str) -> str:
        """<mfrac> with a ∂ above and below"""
        return f"<mfrac><mrow><mo>∂</mo>{top}</mrow><mrow><mo>∂</mo>{bottom}</mrow></mfrac>"

    def fraction(self, top: str, bottom: str, top_sum: bool, bottom_many: bool) -> str:
        """<mfrac>"""
        return f"<mfrac><mrow>{top}</mrow><mrow>{bottom}</mrow></mfrac>"

    def brackets(self, inner: str) -> str:
        """( ... )"""
        return f"<mrow><mo>(</mo>{inner}<mo>)</mo></mrow>"

    def product(self, parts: list[str]) -> str:
        """With <mo>·</mo>"""
        return f"<mrow>{'<mo>·</mo>'.join(parts)}</mrow>"

    def sum(self, parts: list[tuple[int, str]]) -> str:
        """With <mo>+</mo> and <mo>−</mo>"""
        first = "<mo form='prefix'>−</mo>" if parts[0][0] < 0 else ""
        rest = "".join(f"<mo>{'−' if s < 0 else '+'}</mo>{part}" for s, part in parts[1:])
        return f"<mrow>{first}{parts[0][1]}{rest}</mrow>"

    def row(self, parts: list[str]) -> str:
        """Side by side"""
        return f"<mrow>{''.join(parts)}</mrow>"


TEXT, LATEX, MATHML = TextWriter(), LatexWriter(), MathmlWriter()


# --- formulas with numbers, written as text, LaTeX or MathML ---------------------------------------------------------
# An expression is a small tree that can be written in symbols, and with each symbol replaced by its number. Its value
# is computed from its parts, so the formula shown is the formula computed.


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
