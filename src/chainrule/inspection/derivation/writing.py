"""Write the pieces of a formula as text, LaTeX or MathML, for `markup`."""

from __future__ import annotations

import html
from typing import Protocol

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
