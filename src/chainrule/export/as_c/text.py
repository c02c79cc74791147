"""The text of generated C: its own functions in place of <math.h>, its head, and the whole source."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from chainrule.export.approximations import ERF_NEAR, ERF_SPLIT, ERFC_FAR, Polynomial
from chainrule.export.as_c.helpers import SPACE, filled
from chainrule.export.as_c.statements import SIZES, GeneratedCode, number, quoted
from chainrule.export.comparing import AnswersCompared, known_texts

# --- the functions of <math.h> that generated C uses, for a machine without it: cc -DNO_LIBM -------------------------
# They need no knowledge of how numbers are stored, and no table: a number is brought into a short interval, where a
# polynomial of it is exact to the last bits. @{NAME} in their text is a constant or a polynomial of `CONSTANTS`.

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


CALLED = re.compile(r"\b(exp|expm1|log|log1p|tanh|erfc|sqrt|sin|cos|fabs|floor)(f?)\(")
"""A call of a function of <math.h>: its name, and "f" in float."""
MOST_UNITS = 5
"""Of a result's last place, that a function differs at most from the exact value; see `ABSOLUTE`."""
ABSOLUTE = ("erfc", "sin", "cos")
"""Those whose units are of the last place of 1: where they are near 0 they have fewer exact digits."""
ANGLES = ("sin", "cos")
"""Those that are exact to `Precision.most_angle`."""


class OwnFunction(NamedTuple):
    """A function in C, and the others that it calls."""

    needs: tuple[str, ...]
    text: str


FUNCTIONS: dict[str, OwnFunction] = {
    "fabs": OwnFunction(
        (),
        """\
static @T @p_fabs@m(@T x)
{
    return x < 0 ? -x : x;
}
""",
    ),
    "floor": OwnFunction(
        (),
        """\
static @T @p_floor@m(@T x)
{
    const @T whole = x > -@{WHOLE} && x < @{WHOLE} ? (@T)(@{INTEGER})x : x;
    return whole > x ? whole - 1 : whole;
}
""",
    ),
    "sqrt": OwnFunction(
        (),
        """\
/* x = scale^2 z, z from 1/2 to 2; four of Newton's steps to the root of z. */
static @T @p_sqrt@m(@T x)
{
    @T scale = 1, root;
    if (!(x > 0 && x - x == 0)) {
        return x < 0 ? (@T)NAN : x;
    }
    for (; x >= @{LARGE}; x *= @{SMALL}) {
        scale *= 65536;
    }
    for (; x < @{SMALL}; x *= @{LARGE}) {
        scale /= 65536;
    }
    for (; x >= 2; x /= 4) {
        scale *= 2;
    }
    for (; x < @{HALF}; x *= 4) {
        scale /= 2;
    }
    root = (1 + x) / 2;
    for (uint32_t step = 0u; step < 4u; ++step) {
        root = (root + x / root) / 2;
    }
    return scale * root;
}
""",
    ),
    "exp": OwnFunction(
        (),
        """\
/* 2^n */
static @T @p_two_to_@s(int32_t n)
{
    @T base = n < 0 ? @{HALF} : 2, made = 1;
    for (uint32_t left = (uint32_t)(n < 0 ? -n : n); left > 0u; left /= 2u) {
        made = left % 2u != 0u ? made * base : made;
        base *= base;
    }
    return made;
}

/* e^x = 2^n e^r, r = x - n log 2, |r| <= log(2) / 2. */
static @T @p_exp@m(@T x)
{
    int32_t n;
    @T r;
    if (!(x > @{EXP_LOW} && x < @{EXP_HIGH})) {
        return x != x ? x : x < 0 ? 0 : (@T)INFINITY;
    }
    n = (int32_t)(x * @{LOG2_E} + (x < 0 ? -@{HALF} : @{HALF}));
    r = x - (@T)n * @{LN2_HIGH} - (@T)n * @{LN2_LOW};
    return (@{EXP}) * @p_two_to_@s(n / 2) * @p_two_to_@s(n - n / 2);
}
""",
    ),
    "expm1": OwnFunction(
        ("exp",),
        """\
static @T @p_expm1@m(@T r)
{
    if (!(r > -@{EXPM1_NEAR} && r < @{EXPM1_NEAR})) {
        return exp@m(r) - 1;
    }
    return r * (@{EXPM1});
}
""",
    ),
    "log": OwnFunction(
        (),
        """\
/* log x = e log 2 + log z, x = 2^e z, z from sqrt(1/2) to sqrt(2); log z = 2 artanh s, s = (z - 1) / (z + 1). */
static @T @p_log@m(@T x)
{
    int32_t e = 0;
    @T s, t;
    if (!(x > 0 && x - x == 0)) {
        return x < 0 ? (@T)NAN : x == 0 ? -(@T)INFINITY : x;
    }
    for (; x >= @{LARGE}; x *= @{SMALL}) {
        e += 32;
    }
    for (; x < @{SMALL}; x *= @{LARGE}) {
        e -= 32;
    }
    for (; x > @{ROOT_2}; x /= 2) {
        ++e;
    }
    for (; x < @{ROOT_HALF}; x *= 2) {
        --e;
    }
    s = (x - 1) / (x + 1);
    t = s * s;
    return (@T)e * @{LN2_HIGH} + (2 * s * (@{ARTANH}) + (@T)e * @{LN2_LOW});
}
""",
    ),
    "log1p": OwnFunction(
        ("log",),
        """\
/* x log(u) / (u - 1), u = 1 + x as it is rounded. */
static @T @p_log1p@m(@T x)
{
    const @T u = 1 + x;
    return u == 1 ? x : log@m(u) * (x / (u - 1));
}
""",
    ),
    "tanh": OwnFunction(
        ("exp", "expm1"),
        """\
/* t / (t + 2), t = e^2x - 1. */
static @T @p_tanh@m(@T x)
{
    const @T z = x < 0 ? -x : x;
    const @T t = expm1@m(2 * (z > 20 ? 20 : z));
    return x < 0 ? -t / (t + 2) : t / (t + 2);
}
""",
    ),
    "erfc": OwnFunction(
        ("exp",),
        """\
/* Cody, "Rational Chebyshev approximations for the error function", Mathematics of Computation, 1969. */
static @T @p_erfc@m(@T x)
{
    const @T z = x < 0 ? -x : x, t = z * z;
    @T beyond;
    if (z <= @{ERF_NEAR}) {
        return 1 - x * ((@{ERF_ABOVE}) / (@{ERF_BELOW}));
    }
    beyond = z > 27 ? 0 : exp@m(-t) * ((@{ERFC_ABOVE}) / (@{ERFC_BELOW}));
    return x < 0 ? 2 - beyond : beyond;
}
""",
    ),
    "sine": OwnFunction(
        ("floor",),
        """\
/* sin(x + quarter pi/2): by r = x - n pi/2, |r| <= pi/4. Beyond @{MOST_ANGLE} x loses digits by 2 pi. */
static @T @p_sine@m(@T x, int32_t quarter)
{
    @T r, t;
    int32_t n;
    if (!(x > -@{MOST_ANGLE} && x < @{MOST_ANGLE})) {
        if (!(x - x == 0)) {
            return x - x;
        }
        x -= floor@m(x / @{TURN}) * @{TURN};
        x = x >= 0 && x <= @{TURN} ? x : 0;
    }
    n = (int32_t)(x / @{QUARTER} + (x < 0 ? -@{HALF} : @{HALF}));
    r = x - (@T)n * @{QUARTER_1} - (@T)n * @{QUARTER_2} - (@T)n * @{QUARTER_3};
    t = r * r;
    n = (n % 4 + 4 + quarter) % 4;
    r = n % 2 == 0 ? r * (@{SIN}) : @{COS};
    return n < 2 ? r : -r;
}
""",
    ),
    "sin": OwnFunction(
        ("floor", "sine"),
        """\
static @T @p_sin@m(@T x)
{
    return @p_sine@m(x, 0);
}
""",
    ),
    "cos": OwnFunction(
        ("floor", "sine"),
        """\
static @T @p_cos@m(@T x)
{
    return @p_sine@m(x, 1);
}
""",
    ),
}
"""The functions by name, each behind those that it calls; "sine" is of these alone."""


def functions_called(code: str) -> set[tuple[str, str]]:
    """Return the functions of <math.h> that code without comments calls: their names, and "f" of those in float."""
    return set(CALLED.findall(code))


def own_math(called: set[tuple[str, str]], prefix: str) -> list[str]:
    """Return the lines that define functions as `functions_called` returns them, and NAN and INFINITY.

    The macros have an argument, because a column of a row may be called floor.
    """
    called = called | {(other, suffix) for name, suffix in called for other in FUNCTIONS[name].needs}
    lines = ["#define NAN (0.0f / 0.0f)", "#define INFINITY (1.0f / 0.0f)"]
    for of in PRECISIONS:
        for name, function in FUNCTIONS.items():
            if (name, of.suffix) in called:
                call = f"{name}{of.suffix}(x)"
                lines += [f"#define {call} {prefix}_{call}"] if CALLED.match(call) else []
                lines.append(filled(with_constants(function.text, of.kind), prefix, of.kind))
    return lines


def with_constants(text: str, kind: str) -> str:
    """Return a text with the constants of a type filled in."""
    own = CONSTANTS[kind]
    return re.sub(r"@\{(\w+)\}", lambda found: own[found[1]], text)


def stated_error(called: set[tuple[str, str]]) -> str:
    """Return what is known of the functions' error, as a part of a comment."""
    names = ", ".join(sorted(name + suffix for name, suffix in called))
    said = f"{names} of its own, at most {MOST_UNITS} units in the last place off"
    absolute = [name for name in ABSOLUTE if {(name, ""), (name, "f")} & called]
    if absolute:
        said += f" ({', '.join(absolute)}: in that of 1"
        angles = [of.most_angle for of in PRECISIONS if {(name, of.suffix) for name in ANGLES} & called]
        said += f", to angles of {angles[0]:,})" if angles else ")"
    return said


# --- the text of the three files of a graph in C: header, source, and the program that tests them --------------------

NUMBERS_OF_MATH = re.compile(r"\b(?:NAN|INFINITY)\b")
"""Those that <math.h> has."""
COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|"(?:[^"\\]|\\.)*"', re.DOTALL)


def scratch_bytes(made: GeneratedCode) -> int:
    """Return the bytes of the scratch struct."""
    sizes = {kind: made.sizes[kind] * SIZES[kind] for kind in SPACE}
    step = max((SIZES[kind] for kind, size in sizes.items() if size), default=8)
    return max(8, -(-sum(sizes.values()) // step) * step)


def _arguments(made: GeneratedCode) -> str:
    return f"const {made.name}_row *row" if made.fields else f"const {made.network} x[{made.inputs}]"


def header(
    made: GeneratedCode, found: AnswersCompared | None = None, without_libm: AnswersCompared | None = None
) -> str:
    """Return the header. found, without_libm: the answers' error, of the build with -DNO_LIBM the second."""
    graph, name, big = made.graph, made.name, made.name.upper()
    digest = hashlib.sha256("\n".join(made.constants).encode()).hexdigest()[:16]
    lines = [
        f"/* {name}: {graph.task}, written by Chainrule {graph.about.get('chainrule', '')}.",
        " *",
        f" * constants   {made.bytes:,} bytes",
        f" * scratch     {scratch_bytes(made):,} bytes, known beforehand; no heap, no recursion",
        f" * products    {made.products:,} multiply-adds a row",
        f" * error       {measured_error(found)}",
        *own_functions(made, without_libm),
        f" * hash        {digest} of the constants",
        " */",
        f"#ifndef {big}_H",
        f"#define {big}_H",
        "",
        "#include <stdint.h>",
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
        f"#define {big}_INPUTS {made.inputs}u",
        *(f"#define {big}_{key.upper()} {value.width}u" for key, value in made.outputs.items()),
        f"#define {big}_SCRATCH_BYTES {scratch_bytes(made)}u",
        "",
    ]
    if made.fields:
        lines += [
            "/* A row, as it comes: NAN for a missing number, a null pointer for a missing text. */",
            "typedef struct {",
        ]
        for own, field in made.fields:
            about = {"date": "seconds since 1970 in universal time", "duration": "seconds"}.get(own.holds, "")
            levels = known_texts(graph, own)
            about = ", ".join(levels[:6]) + ", ..." * (len(levels) > 6) if levels else about
            lines.append(
                f"    {'const char *' if own.is_text else 'double '}{field}; {comment(own.label, about)}"
            )
        lines += [f"}} {name}_row;", ""]
    lines += ["typedef struct {"]
    for key, value in made.outputs.items():
        about = {"label": " /* the place in the labels; of several labels 0 or 1 each */"}.get(key, "")
        lines.append(f"    {value.kind} {key}[{value.width}];{about}")
    lines += [f"}} {name}_answer;", ""]
    lines += ["/* The memory of a prediction. */", "typedef struct {"]
    sizes = [(kind, space, made.sizes[kind]) for kind, space in SPACE.items()]
    lines += [f"    {kind} {space}[{size}];" for kind, space, size in sizes if size] or ["    double d[1];"]
    lines += [f"}} {name}_scratch;", ""]
    if graph.labels:
        lines.append(f"extern const char *const {name}_labels[{len(graph.labels)}];")
        lines.append("")
    what = "of a row" if made.fields else "of a row of numbers"
    lines += [
        f"/* The answer {what}; two at the same time need a scratch each. */",
        f"void {name}_predict_in({_arguments(made)}, {name}_answer *answer, {name}_scratch *s);",
        "/* The same with a scratch of its own: one at a time. */",
        f"void {name}_predict({_arguments(made)}, {name}_answer *answer);",
        "",
        *(integer_declarations(made) if made.core is not None else ()),
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "",
        "#endif",
        "",
    ]
    return "\n".join(lines)


def measured_error(found: AnswersCompared | None) -> str:
    """Return what is known of the error, as a line of a comment."""
    if found is None or not found.rows:
        return "not measured: no C compiler was found"
    said = (
        f"at most {found.difference:.1e} from the model on {found.rows:,} rows, {found.mean:.1e} on average"
    )
    if found.same_labels is not None:
        said += f"; the same label on {round(found.same_labels * found.rows):,}"
    return said


def needs_math(made: GeneratedCode) -> bool:
    """Whether anything of <math.h> is used."""
    code = code_alone(made)
    return bool(functions_called(code) or NUMBERS_OF_MATH.search(code))


def own_functions(made: GeneratedCode, found: AnswersCompared | None) -> list[str]:
    """Return the lines of a comment on what is there in place of <math.h>'s functions, if one is used."""
    called = functions_called(code_alone(made))
    if not called:
        return []
    said = [f" * -DNO_LIBM   no <math.h>: {stated_error(called)}"]
    if found is not None:
        said.append(
            f" *             answers at most {found.difference:.1e} from the model on {found.rows:,} rows"
        )
    return said


def code_alone(made: GeneratedCode) -> str:
    """Return the code of a program without comments and texts."""
    written = "\n".join([*made.constants, *made.helpers.values(), *made.body])
    return COMMENT_OR_TEXT.sub("", written)


def included_math(made: GeneratedCode) -> list[str]:
    """Return the lines that include <math.h>, or define what is used of it; [] where nothing is."""
    if not needs_math(made):
        return []
    own = own_math(functions_called(code_alone(made)), made.name)
    return ["#ifdef NO_LIBM", *own, "#else", "#include <math.h>", "#endif", ""]


def comment(label: str, about: str) -> str:
    """Return a comment about a column; nothing in it ends the comment or the line."""
    text = f"{label}: {about}" if about else label
    plain = "".join(c if c.isprintable() else " " for c in text[:200])
    return f"/* {plain.replace('*/', '* /').replace('/*', '/ *')} */"


def integer_declarations(made: GeneratedCode) -> list[str]:
    """Return the part of a header on integers in and out."""
    core, name, big = made.core, made.name, made.name.upper()
    assert core is not None, "a program with one part of integers"
    what = "the row" if core.reads_matrix else "what the dense layers read"
    return [
        f"/* The integers alone: {what}, and the numbers before the answer; q stands for (q - zero) scale. */",
        f"#define {big}_Q_INPUTS {core.inputs}u",
        f"#define {big}_Q_OUTPUTS {core.outputs}u",
        f"#define {big}_Q_INPUT_SCALE {number(core.given.scale, 'float')}",
        f"#define {big}_Q_INPUT_ZERO ({core.given.zero})",
        f"#define {big}_Q_OUTPUT_SCALE {number(core.made.scale, 'float')}",
        f"#define {big}_Q_OUTPUT_ZERO ({core.made.zero})",
        f"int8_t {name}_quantize(float x);",
        f"float {name}_dequantize(int8_t q);",
        f"void {name}_predict_q_in(const int8_t x[{core.inputs}], int8_t out[{core.outputs}], {name}_scratch *s);",
        f"void {name}_predict_q(const int8_t x[{core.inputs}], int8_t out[{core.outputs}]);",
        "",
    ]


def integer_functions(made: GeneratedCode) -> list[str]:
    """Return the functions of integers in and out."""
    core, name, big = made.core, made.name, made.name.upper()
    assert core is not None, "a program with one part of integers"
    arguments = f"const int8_t x[{core.inputs}], int8_t out[{core.outputs}]"
    unused = [] if any("s->" in line for line in made.core_body) else ["    (void)s;"]
    return [
        f"int8_t {name}_quantize(float x)",
        "{",
        f"    return {name}_to_int8(x, {big}_Q_INPUT_SCALE, {big}_Q_INPUT_ZERO);",
        "}",
        "",
        f"float {name}_dequantize(int8_t q)",
        "{",
        f"    return (float)(q - {big}_Q_OUTPUT_ZERO) * {big}_Q_OUTPUT_SCALE;",
        "}",
        "",
        f"void {name}_predict_q_in({arguments}, {name}_scratch *s)",
        "{",
        *unused,
        *made.core_body,
        "}",
        "",
        *with_own_scratch(name, "predict_q", arguments, "x, out"),
    ]


def with_own_scratch(name: str, function: str, arguments: str, passed: str) -> list[str]:
    """Return the function that calls FUNCTION_in with a scratch of its own."""
    return [
        f"void {name}_{function}({arguments})",
        "{",
        f"    static {name}_scratch scratch;",
        f"    {name}_{function}_in({passed}, &scratch);",
        "}",
        "",
    ]


def source(made: GeneratedCode) -> str:
    """Return the source."""
    graph, name, big, arguments = made.graph, made.name, made.name.upper(), _arguments(made)
    needs_scratch = any(made.sizes.values())
    body = list(made.body)
    core = integer_functions(made) if made.core is not None else []
    for key, value in made.outputs.items():
        if value.place != f"answer->{key}":  # an input, or the value of another output
            body.append(
                f"    for (uint32_t k = 0u; k < {value.width}u; ++k) {{\n"
                f"        answer->{key}[k] = ({value.place})[k];\n"
                "    }"
            )
    if not needs_scratch:
        body.insert(0, "    (void)s;")
    if made.fields and not any("row->" in line for line in body):
        body.insert(0, "    (void)row;")
    labels = []
    if graph.labels:
        texts = ",\n".join(f"    {quoted(str(label))}" for label in graph.labels)
        labels = [f"const char *const {name}_labels[{len(graph.labels)}] = {{\n{texts}\n}};", ""]
    return "\n".join(
        [
            f"/* {name}.c, written by Chainrule {graph.about.get('chainrule', '')}: see {name}.h. */",
            f'#include "{name}.h"',
            "",
            "/* What stands before each constant array: __flash of avr-gcc, for one. */",
            f"#ifndef {big}_CONST",
            f"#define {big}_CONST",
            "#endif",
            "",
            "/* Sums are rounded after each operation, so that every machine has the same. */",
            "#if defined(__clang__)",
            "#pragma STDC FP_CONTRACT OFF",
            "#endif",
            "",
            *included_math(made),
            *made.constants,
            "",
            *labels,
            *made.helpers.values(),
            *core,
            f"void {name}_predict_in({arguments}, {name}_answer *answer, {name}_scratch *s)",
            "{",
            *body,
            "}",
            "",
            *with_own_scratch(
                name,
                "predict",
                f"{arguments}, {name}_answer *answer",
                f"{'row' if made.fields else 'x'}, answer",
            ),
        ]
    )
