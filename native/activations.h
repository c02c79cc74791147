// Activations, and their derivatives beneath: chainrule/formulas/activations.py in C++.
//
// They are functions of single numbers without branches, so that the compiler vectorizes the loops over a row.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "enumerations.h"
#include "simd.h"

namespace chainrule::CHAINRULE_ISA {

// For a number or a vector: the integers of its size, and the choice by a comparison, element by element.
template <class V>
struct Integers {
    using Type = decltype(V{} < V{});
};
template <>
struct Integers<float> {
    using Type = int32_t;
};
template <class M, class V>
inline V choose(M condition, V yes, V no) {
    return condition ? yes : no;
}
template <class To, class From>
inline To converted(From x) {
    if constexpr (std::is_arithmetic_v<From>) return static_cast<To>(x);
    else return __builtin_convertvector(x, To);
}

// c_0 x^n + c_1 x^(n-1) + ... + c_n, of floats: Horner's rule.
template <class V, class... C>
inline V polynomial(V x, float first, C... rest) {
    V sum = V{} + first;
    ((sum = fused(sum, x, V{} + rest)), ...);
    return sum;
}

// exp(x), of floats: 2^n P(r) with r = x - n log 2, relative error below 2e-7, and 4e-7 from 88.3 on.
template <class V>
inline V exp_of(V x) {
    constexpr float ROUND = 12582912.0f;  // 1.5 2^23: adding and subtracting it rounds to an integer
    const V one = V{} + 1.0f, infinite = V{} + std::numeric_limits<float>::infinity();
    const V wide = choose(x > 88.72284f, infinite, choose(x != x, x, one));
    x = choose(x > -87.0f, x, V{} - 87.0f);
    V n = fused(x, V{} + 1.44269504f, V{} + ROUND) - ROUND;
    n = choose(n < 127.0f, n, V{} + 127.0f);  // 2^128 is no float
    const V r = fused(n, V{} + 2.12194440e-4f, fused(n, V{} - 0.693359375f, x));
    V p = polynomial(r, 1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f);
    p = fused(p * r, r, r) + 1.0f;
    return wide * p * std::bit_cast<V>((converted<typename Integers<V>::Type>(n) + 127) << 23);
}

// log(x), of floats of at least the smallest normal number: log m + e log 2 with x = 2^e m, m within sqrt(1/2) and sqrt(2), by
// a polynomial in m - 1, relative error below 1e-7.
template <class V>
inline V log_of(V x) {
    using I = typename Integers<V>::Type;
    const I bits = std::bit_cast<I>(x), e = (bits - 0x3f3504f3) >> 23;
    const V r = std::bit_cast<V>(bits - (e << 23)) - 1.0f, n = converted<V>(e);
    const V p = polynomial(r, 7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f,
                           -1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f);
    const V far = fused(r * -0.5f, r, fused(r * r * r, p, n * -2.12194440e-4f));
    return choose(x < std::numeric_limits<float>::infinity(), fused(n, V{} + 0.693359375f, r + far), x);  // or NaN, infinity
}

// exp(x), log(1 + x) and exp(x) - 1; in double the C library's. In float the last two correct the rounding of 1 + x and of
// exp(x) (Kahan).
inline double exp_(double x) { return std::exp(x); }
inline double log1p_(double x) { return std::log1p(x); }
inline double expm1_(double x) { return std::expm1(x); }
inline float exp_(float x) { return exp_of(x); }
inline float log1p_(float x) {
    const float u = 1.0f + x;
    return log_of(u) - ((u - 1.0f) - x) / u;
}
inline float expm1_(float x) {
    const float u = exp_of(x), above = u - 1.0f;
    return u == 1.0f ? x : above == -1.0f || !(u < 1e38f) ? above : above * (x / log_of(u));
}

// erfc(x) = 1 - erf(x): in float t exp(-x^2 + P(t)) with t = 1 / (1 + |x| / 2), by Chebyshev's polynomials (Press, Teukolsky,
// Vetterling, Flannery, Numerical Recipes, erfc), and 2 - erfc(|x|) below 0.
inline double erfc_(double x) { return std::erfc(x); }
inline float erfc_(float x) {
    const float size = std::abs(x), t = 1.0f / fused(0.5f, size, 1.0f);
    const float p = polynomial(t, 0.17087277f, -0.82215223f, 1.48851587f, -1.13520398f, 0.27886807f, -0.18628806f, 0.09678418f,
                               0.37409196f, 1.00002368f, -1.26551223f);
    const float tail = t * exp_of(fused(-size, size, p));
    return x < 0.0f ? 2.0f - tail : tail;
}

// exp and log of the first `count` numbers of a vector; in float of all, which costs no more.
template <class V>
inline V exp_lanes(V x, int64_t count) {
    if constexpr (sizeof(x[0]) == 4) return exp_of(x);
    for (int64_t i = 0; i < count; ++i) x[i] = std::exp(x[i]);
    return x;
}
template <class V>
inline V log_lanes(V x, int64_t count) {
    if constexpr (sizeof(x[0]) == 4) return log_of(x);
    for (int64_t i = 0; i < count; ++i) x[i] = std::log(x[i]);
    return x;
}

// tanh(x): in float its Taylor polynomial near 0, where 1 - 2/(exp(2x) + 1) would lose digits.
inline double tanh_(double x) { return std::tanh(x); }
inline float tanh_(float x) {
    const float s = x * x;
    const float near = x * polynomial(s, 0.0218694885f, -0.0539682540f, 0.133333333f, -0.333333333f, 1.0f);
    const float far = 1.0f - 2.0f / (exp_(2.0f * x) + 1.0f);
    return s < 0.0625f ? near : far;
}

template <class T>
inline T sigmoid(T z) {
    const T e = exp_(-std::abs(z));
    return (z >= 0 ? T(1) : e) / (T(1) + e);
}

template <class T>
inline T softplus(T z) {
    return std::max(z, T(0)) + log1p_(exp_(-std::abs(z)));
}

constexpr double SELU_SCALE = 1.0507009873554804934193349852946, SELU_ALPHA = 1.6732632423543772848170429916717;
constexpr double GELU_RATE = 0.79788456080286535587989211986876, GELU_CUBIC = 0.044715;

template <Activation F, class T>
inline T activate(T z, T c) {
    if constexpr (F == Activation::identity) return z;
    if constexpr (F == Activation::relu) return choose(z < T{}, T{}, z);  // NaN stays NaN; of vectors too
    if constexpr (F == Activation::leaky_relu) return z > 0 ? z : c * z;
    if constexpr (F == Activation::elu) return z > 0 ? z : c * expm1_(z);
    if constexpr (F == Activation::selu) return T(SELU_SCALE) * (z > 0 ? z : T(SELU_ALPHA) * expm1_(z));
    if constexpr (F == Activation::gelu) return z * T(0.5) * erfc_(-z * T(0.70710678118654752440));
    if constexpr (F == Activation::gelu_tanh)
        return T(0.5) * z * (T(1) + tanh_(T(GELU_RATE) * fused(T(GELU_CUBIC) * z * z, z, z)));
    if constexpr (F == Activation::silu) return z * sigmoid(z);
    if constexpr (F == Activation::mish) return z * tanh_(softplus(z));
    if constexpr (F == Activation::softplus) return softplus(z);
    if constexpr (F == Activation::sigmoid) return sigmoid(z);
    if constexpr (F == Activation::tanh) return tanh_(z);
}

// da/dz at z, where a = activate(z). At a kink: relu'(0) = 0, leaky_relu'(0) = slope, elu'(0) = alpha.
template <Activation F, class T>
inline T activate_prime(T z, T a, T c) {
    if constexpr (F == Activation::identity) return T(1);
    if constexpr (F == Activation::relu) return choose(z > T{}, T{} + 1, T{});  // of vectors too
    if constexpr (F == Activation::leaky_relu) return z > 0 ? T(1) : c;
    if constexpr (F == Activation::elu) return z > 0 ? T(1) : a + c;
    if constexpr (F == Activation::selu) return z > 0 ? T(SELU_SCALE) : a + T(SELU_SCALE * SELU_ALPHA);
    if constexpr (F == Activation::gelu)
        return T(0.5) * erfc_(-z * T(0.70710678118654752440)) + z * T(0.39894228040143267794) * exp_(T(-0.5) * z * z);
    if constexpr (F == Activation::gelu_tanh) {
        const T t = tanh_(T(GELU_RATE) * fused(T(GELU_CUBIC) * z * z, z, z));
        const T inner = T(GELU_RATE) * fused(T(3 * GELU_CUBIC) * z, z, T(1));
        return fused(T(0.5) * z * fused(-t, t, T(1)), inner, T(0.5) * (T(1) + t));
    }
    if constexpr (F == Activation::silu) {
        const T s = sigmoid(z);
        return s * fused(z, T(1) - s, T(1));
    }
    if constexpr (F == Activation::mish) {
        const T t = tanh_(softplus(z));
        return fused(z * sigmoid(z), fused(-t, t, T(1)), t);
    }
    if constexpr (F == Activation::softplus) return sigmoid(z);
    if constexpr (F == Activation::sigmoid) return a * (T(1) - a);
    if constexpr (F == Activation::tanh) return T(1) - a * a;
}

// d2a/dz2 at z, where a = activate(z); 0 at a kink between two lines.
template <Activation F, class T>
inline T activate_second(T z, T a, T c) {
    if constexpr (F == Activation::identity || F == Activation::relu || F == Activation::leaky_relu) return T(0);
    if constexpr (F == Activation::elu) return z > 0 ? T(0) : a + c;
    if constexpr (F == Activation::selu) return z > 0 ? T(0) : a + T(SELU_SCALE * SELU_ALPHA);
    if constexpr (F == Activation::gelu) return T(0.39894228040143267794) * exp_(T(-0.5) * z * z) * fused(-z, z, T(2));
    if constexpr (F == Activation::gelu_tanh) {
        const T t = tanh_(T(GELU_RATE) * fused(T(GELU_CUBIC) * z * z, z, z));
        const T inner = T(GELU_RATE) * fused(T(3 * GELU_CUBIC) * z, z, T(1)), bend = T(3 * GELU_RATE * GELU_CUBIC) * z * z;
        return fused(-t, t, T(1)) * (inner + bend - z * t * inner * inner);
    }
    if constexpr (F == Activation::silu) {
        const T s = sigmoid(z);
        return s * (T(1) - s) * fused(z, T(1) - T(2) * s, T(2));
    }
    if constexpr (F == Activation::mish) {
        const T t = tanh_(softplus(z)), s = sigmoid(z);
        return fused(-t, t, T(1)) * s * fused(z, T(1) - s - T(2) * s * t, T(2));
    }
    if constexpr (F == Activation::softplus) {
        const T s = sigmoid(z);
        return s * (T(1) - s);
    }
    if constexpr (F == Activation::sigmoid) return a * (T(1) - a) * (T(1) - T(2) * a);
    if constexpr (F == Activation::tanh) return T(-2) * a * fused(-a, a, T(1));
}

// Calls f with the activation as a compile-time constant, once for a whole row.
template <class F>
inline void with_activation(Activation kind, F&& f) {
    switch (kind) {
#define CHAINRULE_CASE(name, ...) \
    case Activation::name: return f(std::integral_constant<Activation, Activation::name>{});
        CHAINRULE_ACTIVATIONS(CHAINRULE_CASE)
#undef CHAINRULE_CASE
    }
}

}  // namespace chainrule::CHAINRULE_ISA
