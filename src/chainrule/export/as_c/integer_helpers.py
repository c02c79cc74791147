"""The functions of generated C for 8-bit integers, as `chainrule.export.integers` defines their arithmetic."""

from __future__ import annotations

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
