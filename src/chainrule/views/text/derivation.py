"""Format a derivation as text, LaTeX and MathML."""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.inspection.derivation.derivation import Derivation, Equation, beneath, equations
from chainrule.inspection.derivation.markup import LATEX, MATHML, TEXT, Expression, Writer
from chainrule.views import words


def text(derivation: Derivation, terms: int, nodes: int) -> str:
    """Return the text of `Derivation.text`: at most `nodes` equations of at most `terms` terms."""
    shown, left_out = equations(derivation.tree, terms, nodes)
    blocks = [_sum_lines(e) if e.is_sum else _product_lines(e, i == 0) for i, e in enumerate(shown)]
    if left_out:
        blocks.append(words.derivation.left_out(left_out, len(shown)))
    return "\n\n".join(blocks)


def head(derivation: Derivation) -> str:
    """Return both values and their difference."""
    lines = [
        f"{derivation.tree.symbol.text()} = {derivation.value:.6g}, {words.derivation.place(derivation)}"
    ]
    lines += [f"  {name:<21}{value}" for name, value in words.derivation.two_ways(derivation)]
    return "\n".join(lines + [f"  {remark}" for remark in words.derivation.remarks(derivation)])


def _product_lines(equation: Equation, in_partials: bool) -> str:
    """Format a product of one path: left = symbols = numbers = value, below each other."""
    (whole,) = equation.written()
    return beneath(equation.node.symbol.text(), _rows(equation, whole, TEXT, in_partials))


def _rows(equation: Equation, whole: Expression, writer: Writer, in_partials: bool) -> list[str]:
    """Return the right sides of an equation, from symbols to its value, without repetitions."""
    rows = [equation.partials.write(writer, False)] if in_partials and equation.partials else []
    rows += [whole.write(writer, False), whole.write(writer, True), writer.number(equation.node.value)]
    return [*dict.fromkeys(rows)]


def _sum_lines(equation: Equation) -> str:
    """Format a sum as a table of its terms: in symbols, in numbers, and their values."""
    terms = equation.written()
    rows = [(term.text(), term.text(True), TEXT.number(term.value)) for term in terms]
    if equation.others:
        rows.append((words.derivation.others(equation.others), "", TEXT.number(equation.rest)))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        f"{equation.node.symbol.text()} = {words.derivation.sum_of(len(equation.terms), equation.others)}"
    ]
    for i, (symbols, numbers, value) in enumerate(rows):
        sign = " " if i == 0 else "+"
        repeated = numbers in ("", value)
        middle = " " * (widths[1] + 2) if repeated else f"= {numbers:<{widths[1]}}"
        lines.append(f"  {sign} {symbols:<{widths[0]}}  {middle}  = {value:>{widths[2]}}")
    lines.append(f"  = {equation.node.value:.6g}")
    return "\n".join(lines)


# --- LaTeX and MathML


def latex(derivation: Derivation, terms: int, nodes: int) -> str:
    """Return the LaTeX of `Derivation.latex`: at most `nodes` equations of at most `terms` terms."""
    shown, _ = equations(derivation.tree, terms, nodes)
    made = [
        " \\\\\n".join(f"{left} &{mark} {row}" for left, mark, row in _cells(e, LATEX, i == 0))
        for i, e in enumerate(shown)
    ]
    return "\\begin{aligned}\n" + " \\\\[1ex]\n".join(made) + "\n\\end{aligned}"


def mathml(derivation: Derivation, terms: int, nodes: int) -> str:
    """Return the MathML of `Derivation.mathml`: at most `nodes` equations of at most `terms` terms."""
    shown, _ = equations(derivation.tree, terms, nodes)
    return "\n".join(
        [
            '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block"><mtable displaystyle="true">',
            *(table_rows(e, i == 0) for i, e in enumerate(shown)),
            "</mtable></math>",
        ]
    )


def table_rows(equation: Equation, in_partials: bool) -> str:
    """Return the rows of one equation as MathML: left side, sign, right side."""
    rows = []
    for left, mark, row in _cells(equation, MATHML, in_partials):
        room = ";padding-top:0.9em" if left else ""  # above an equation
        rows.append(
            f'<mtr><mtd style="text-align:right{room}">{left}</mtd><mtd style="text-align:center{room}">'
            f'<mo>{mark}</mo></mtd><mtd style="text-align:left{room}">{row}</mtd></mtr>'
        )
    return "\n".join(rows)


def _cells(equation: Equation, writer: Writer, in_partials: bool) -> Iterator[tuple[str, str, str]]:
    """Iterate over the rows of an equation: left side, sign, right side."""
    left = equation.node.symbol.write(writer, False)
    if not equation.is_sum:
        (whole,) = equation.written()
        for i, row in enumerate(_rows(equation, whole, writer, in_partials)):
            yield (left if i == 0 else ""), "=", row
        return
    terms = equation.written()
    rest = words.derivation.more(equation.others)
    for numbers in (False, True):
        rows = [
            writer.brackets(term.write(writer, numbers))
            if i > 0 and term.begins_negative(numbers)
            else term.write(writer, numbers)
            for i, term in enumerate(terms)
        ]
        if equation.others:
            number = writer.number(equation.rest)
            number = writer.brackets(number) if equation.rest < 0 else number
            rows.append(number if numbers else writer.words(rest))
        for i, row in enumerate(rows):
            first = i == 0
            yield (left if first and not numbers else ""), "=" if first else writer.plus, row
    yield "", "=", writer.number(equation.node.value)
