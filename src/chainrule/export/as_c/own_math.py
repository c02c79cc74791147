"""The functions of <math.h> that generated C uses, for a machine without it: cc -DNO_LIBM.

They need no knowledge of how numbers are stored, and no table: a number is brought into a short interval, where a
polynomial of it is exact to the last bits. @{NAME} in their text is a constant or a polynomial of `CONSTANTS`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from chainrule.export.as_c.helpers import filled
from chainrule.export.as_c.own_constants import CONSTANTS, PRECISIONS

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
