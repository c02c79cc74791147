"""The functions of generated C for 8-bit integers, as `chainrule.graph.integers` defines their arithmetic."""

from __future__ import annotations

import re

INTEGER_HELPERS: dict[str, str] = {
    "scaled": """\
/* x multiplier 2^(shift - 31), halves rounded up, as LiteRT's MultiplyByQuantizedMultiplier and, with
   CMSIS_NN_USE_SINGLE_ROUNDING, arm_nn_requantize do; clipped to 16 bits. >> of a negative number keeps its sign. */
static int32_t @p_scaled(int32_t x, int32_t multiplier, int8_t shift)
{
    const int64_t product = (int64_t)x * multiplier + ((int64_t)1 << (30 - shift));
    const int64_t made = product >> (31 - shift);
    return made > 32767 ? 32767 : made < -32768 ? -32768 : (int32_t)made;
}
""",
    "affine_q": """\
/* y = clip(scaled(W x + bias) + zero, low, 127), W with a row for each output. Of two products a sum has 16 bits. */
static void @p_affine_q(const int8_t *x, int8_t *y, const int8_t @P_CONST *W, const int32_t @P_CONST *bias,
                        const int32_t @P_CONST *multiplier, const int8_t @P_CONST *shift, uint_fast16_t inputs,
                        uint_fast16_t outputs, int32_t zero, int32_t low)
{
    for (uint_fast16_t j = 0u; j < outputs; ++j) {
        const int8_t *v = x;
        int32_t sum = bias[j];
        for (uint_fast16_t n = inputs / 2u; n > 0u; --n) {
            int pair = *W++ * *v++;
            pair += *W++ * *v++;
            sum += pair;
        }
        if (inputs % 2u != 0u) {
            sum += *W++ * *v++;
        }
        sum = @p_scaled(sum, multiplier[j], shift[j]) + zero;
        y[j] = (int8_t)(sum < low ? low : sum > 127 ? 127 : sum);
    }
}
""",
    "to_int8": """\
/* The integer of a number: x / scale, its halves away from 0, plus zero; -128 to 127, and NAN as the lowest. */
static int8_t @p_to_int8(float x, float scale, int32_t zero)
{
    float v = x / scale;
    int32_t whole;
    v = v > -512.0f ? v : -512.0f;
    v = v < 512.0f ? v : 512.0f;
    whole = (int32_t)v;
    whole += (int32_t)(2.0f * (v - (float)whole)) + zero;
    return (int8_t)(whole < -128 ? -128 : whole > 127 ? 127 : whole);
}
""",
    "softmax_q": """\
/* The softmax of n integers, by a table of exp(-k scale). */
static void @p_softmax_q(const int8_t *x, float *y, const float @P_CONST *powers, uint32_t n)
{
    int8_t most = x[0];
    float sum = 0;
    for (uint32_t k = 1u; k < n; ++k) {
        most = x[k] > most ? x[k] : most;
    }
    for (uint32_t k = 0u; k < n; ++k) {
        y[k] = powers[most - x[k]];
        sum += y[k];
    }
    for (uint32_t k = 0u; k < n; ++k) {
        y[k] /= sum;
    }
}
""",
}
"""By name; they need <stdint.h> alone."""


# --- the functions of generated C: text with places for the prefix, the type and the suffix of <math.h>'s functions --
# @p prefix of all names     @T float or double     @m f or nothing, as in expf     @s that of SPACE, as in @p_softmax_f

SPACE = {"double": "d", "float": "f", "uint32_t": "c", "int8_t": "q"}
"""The arrays of the scratch struct by what they hold."""

FUNCTIONS: dict[str, str] = {
    "relu": "z > 0 ? z : 0",
    "leaky_relu": "z > 0 ? z : a * z",
    "elu": "z > 0 ? z : a * expm1@m(z)",
    "selu": "(@T)1.0507009873554805 * (z > 0 ? z : (@T)1.6732632423543772 * expm1@m(z))",
    "gelu": "(@T)0.5 * z * erfc@m(z * (@T)-0.7071067811865476)",
    "gelu_tanh": "(@T)0.5 * z * (1 + tanh@m((@T)0.7978845608028654 * (z + (@T)0.044715 * z * z * z)))",
    "sigmoid": "z >= 0 ? 1 / (1 + exp@m(-z)) : exp@m(z) / (1 + exp@m(z))",
    "softplus": "(z > 0 ? z : 0) + log1p@m(exp@m(-fabs@m(z)))",
    "log_sigmoid": "-((z < 0 ? -z : 0) + log1p@m(exp@m(-fabs@m(z))))",
    "silu": "z * (z >= 0 ? 1 / (1 + exp@m(-z)) : exp@m(z) / (1 + exp@m(z)))",
    "mish": "z * tanh@m((z > 0 ? z : 0) + log1p@m(exp@m(-fabs@m(z))))",
    "tanh": "tanh@m(z)",
    "exp": "exp@m(z)",
    "log": "log@m(z)",
    "soft_clip": "z / sqrt@m(1 + z / 3 * (z / 3))",
    "sin_turns": "sin@m((@T)6.283185307179586 * z)",
    "cos_turns": "cos@m((@T)6.283185307179586 * z)",
    "normal_quantile": "(@T)@p_normal_quantile((double)z)",
}
"""The functions of `Elementwise` as expressions of z, with a constant a."""

NORMAL_QUANTILE = """\
/* Phi^-1(share): an estimate (Abramowitz and Stegun 26.2.23), and two of Halley's steps. */
static double @p_normal_quantile(double share)
{
    const double below = share < 0.5 ? share : 1.0 - share;
    const double t = sqrt(-2.0 * log(below));
    double x = (2.515517 + t * (0.802853 + t * 0.010328)) / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308))) - t;
    if (share == 0.5) {
        return 0.0;
    }
    for (int step = 0; step < 2; ++step) {
        const double u = (0.5 * erfc(x * -0.7071067811865476) - below) * 2.5066282746310002 * exp(x * x / 2.0);
        x -= u / (1.0 + x * u / 2.0);
    }
    return share < 0.5 ? x : -x;
}
"""

BISECTION = """\
/* How many of n ascending numbers {0} x. */
static uint32_t @p_{1}(const double @P_CONST *grid, uint32_t n, double x)
{{
    uint32_t low = 0u, high = n;
    while (low < high) {{
        const uint32_t middle = low + (high - low) / 2u;
        if (grid[middle] {2} x) {{
            low = middle + 1u;
        }} else {{
            high = middle;
        }}
    }}
    return low;
}}
"""

HELPERS: dict[str, str] = {
    "softmax": """\
/* The softmax of n numbers. */
static void @p_softmax_@s(const @T *x, @T *y, uint32_t n)
{
    @T most = x[0], sum = 0;
    for (uint32_t k = 1u; k < n; ++k) {
        most = x[k] > most ? x[k] : most;
    }
    for (uint32_t k = 0u; k < n; ++k) {
        y[k] = exp@m(x[k] - most);
        sum += y[k];
    }
    for (uint32_t k = 0u; k < n; ++k) {
        y[k] /= sum;
    }
}
""",
    "pieces": """\
/* A vector that is linear in x between knots: starts[j] + (x - knots[j]) rises[j], j the last knot not above x. */
static void @p_pieces_@s(@T x, @T *y, const @T @P_CONST *knots, const @T @P_CONST *starts, const @T @P_CONST *rises,
                       uint32_t pieces, uint32_t size)
{
    uint32_t j = 0u;
    while (j + 1u < pieces && x >= knots[j + 1u]) {
        ++j;
    }
    for (uint32_t k = 0u; k < size; ++k) {
        y[k] = starts[j * size + k] + (x - knots[j]) * rises[j * size + k];
    }
}
""",
    "cosines": """\
/* [cos(2 pi w x + b) W + c, x], size numbers in all. */
static void @p_cosines_@s(@T x, @T *y, const @T @P_CONST *w, const @T @P_CONST *b, const @T @P_CONST *W,
                        const @T @P_CONST *c, uint32_t frequencies, uint32_t size)
{
    for (uint32_t k = 0u; k + 1u < size; ++k) {
        y[k] = c[k];
    }
    for (uint32_t f = 0u; f < frequencies; ++f) {
        const @T z = cos@m((@T)6.283185307179586 * (w[f] * x) + b[f]);
        for (uint32_t k = 0u; k + 1u < size; ++k) {
            y[k] += z * W[f * (size - 1u) + k];
        }
    }
    y[size - 1u] = x;
}
""",
    "similar": """\
/* The sums of what is known of rows, each times exp(-d): d has a (x - row)^2 of numbers, s of other numbers, if its
   size is theirs and not 0, and b of other codes. */
static void @p_similar_@s(const @T *x, @T *y, const float @P_CONST *rows, const uint32_t @P_CONST *codes,
                        const double @P_CONST *a, const double @P_CONST *s, const double @P_CONST *b,
                        const float @P_CONST *known, uint32_t count, uint32_t columns, uint32_t same,
                        uint32_t categories, uint32_t outputs)
{
    for (uint32_t k = 0u; k < outputs; ++k) {
        y[k] = 0;
    }
    for (uint32_t i = 0u; i < count; ++i) {
        double d = 0.0;
        for (uint32_t j = 0u; j < columns; ++j) {
            const double row = (double)rows[i * columns + j];
            const double apart = (double)(float)x[j] - row;
            d += a[j] * (apart * apart);
            if (j < same) {
                const double most = 2e-6 * (1.0 + (row < 0.0 ? -row : row));
                d += apart > most || apart < -most ? s[j] : 0.0;
            }
        }
        for (uint32_t c = 0u; c < categories; ++c) {
            d += (uint32_t)x[columns + c] != codes[i * categories + c] ? b[c] : 0.0;
        }
        d = exp(-d);
        for (uint32_t k = 0u; k < outputs; ++k) {
            y[k] += (@T)(d * (double)known[i * outputs + k]);
        }
    }
}
""",
    "largest": """\
/* The place of the largest of n numbers, the first of equal ones. */
static uint32_t @p_largest_@s(const @T *x, uint32_t n)
{
    uint32_t best = 0u;
    for (uint32_t k = 1u; k < n; ++k) {
        best = x[k] > x[best] ? k : best;
    }
    return best;
}
""",
    "sort": """\
/* The numbers of y in ascending order. */
static void @p_sort_@s(@T *y, uint32_t n)
{
    for (uint32_t k = 1u; k < n; ++k) {
        const @T z = y[k];
        uint32_t i = k;
        for (; i > 0u && y[i - 1u] > z; --i) {
            y[i] = y[i - 1u];
        }
        y[i] = z;
    }
}
""",
    "not_above": BISECTION.format("are not above", "not_above", "<="),
    "below": BISECTION.format("are below", "below", "<"),
    "share": """\
/* The share of the numbers of training that are below x, by n of their quantiles at equal steps. */
static double @p_share(const double @P_CONST *grid, uint32_t n, double x)
{
    const uint32_t first = @p_below(grid, n, x), beyond = @p_not_above(grid, n, x);
    const double step = 1.0 / (double)(n - 1u);
    if (x != x) {
        return x;
    }
    if (beyond > first) {
        return (double)(first + beyond - 1u) * step / 2.0;
    }
    if (first == 0u) {
        return 0.0;
    }
    if (first == n) {
        return 1.0;
    }
    return (double)(first - 1u) * step + step / (grid[first] - grid[first - 1u]) * (x - grid[first - 1u]);
}
""",
    "level": """\
/* The code of a text, by the known ones in ascending order, of count levels: count for another one, count + 1
   for a missing one. */
static uint32_t @p_level(const char *text, const char *const *texts, const uint32_t *codes, uint32_t known,
                        uint32_t count)
{
    uint32_t low = 0u, high = known;
    if (text == 0) {
        return count + 1u;
    }
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2u;
        const char *a = text, *b = texts[middle];
        while (*a != '\\0' && *a == *b) {
            ++a;
            ++b;
        }
        if (*a == *b) {
            return codes[middle];
        }
        if ((unsigned char)*a < (unsigned char)*b) {
            high = middle;
        } else {
            low = middle + 1u;
        }
    }
    return count;
}
""",
    "year": """\
/* The Gregorian year of a number of days since 1970; since: the days since it began. */
static int32_t @p_year(double days, double *since)
{
    int32_t year = 1970 + (int32_t)floor(days / 365.2425);
    for (int turn = 0; turn < 3; ++turn) {
        const int32_t past = year - 1;
        const int32_t leaps = (past >= 0 ? past / 4 - past / 100 + past / 400
                                         : -((-past + 3) / 4) + (-past + 99) / 100 - (-past + 399) / 400);
        const double start = 365.0 * ((double)year - 1970.0) + (double)(leaps - 477);
        const int32_t leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        *since = days - start;
        if (*since < 0.0) {
            --year;
        } else if (*since >= 365.0 + (double)leap) {
            ++year;
        } else {
            break;
        }
    }
    return year;
}
""",
}
"""The functions by name; those that depend on the type exist once for each type that is used."""
HELPERS["normal_quantile"] = NORMAL_QUANTILE
HELPERS |= INTEGER_HELPERS


def filled(text: str, prefix: str, kind: str) -> str:
    """Return a text with the places filled in."""
    suffix = "f" if kind == "float" else ""
    places = {"@p": prefix, "@P": prefix.upper(), "@T": kind, "@m": suffix, "@s": SPACE[kind]}
    return re.sub(r"@[pPTms]", lambda found: places[found[0]], text)
