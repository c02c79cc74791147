// Activations and their derivatives, each beneath its function: chainrule/activations.py in C++.
//
// Written on single numbers, without branches, so that the compiler turns the loops over a row into vectors.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace chainrule::CHAINRULE_ISA {

// exp(x): in double the C library's; in float 2^n P(r) with r = x - n log 2, relative error below 2e-7.
inline double exp_(double x) { return std::exp(x); }
inline float exp_(float x) {
    const float bounded = std::min(std::max(x, -87.0f), 88.3f);
    const float wide = x > 88.72284f ? std::numeric_limits<float>::infinity() : x != x ? x : 1.0f;
    x = x != x ? 0.0f : bounded;
    const float n = std::floor(x * 1.44269504f + 0.5f);
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    return wide * p * std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
}

// tanh(x): in float its Taylor polynomial near 0, where 1 - 2/(exp(2x) + 1) would lose digits.
inline double tanh_(double x) { return std::tanh(x); }
inline float tanh_(float x) {
    const float s = x * x;
    const float near = x * (1.0f + s * (-0.333333333f + s * (0.133333333f + s * (-0.0539682540f + s * 0.0218694885f))));
    const float far = 1.0f - 2.0f / (exp_(2.0f * x) + 1.0f);
    return s < 0.0625f ? near : far;
}

// The activations, in the order of engines/native.py.
enum class Activation : int { identity, relu, leaky_relu, elu, selu, gelu, gelu_tanh, silu, mish, softplus, sigmoid, tanh };

template <class T>
inline T sigmoid(T z) {
    const T e = exp_(-std::abs(z));
    return (z >= 0 ? T(1) : e) / (T(1) + e);
}

template <class T>
inline T softplus(T z) {
    return std::max(z, T(0)) + std::log1p(exp_(-std::abs(z)));
}

constexpr double SELU_SCALE = 1.0507009873554804934193349852946, SELU_ALPHA = 1.6732632423543772848170429916717;
constexpr double GELU_RATE = 0.79788456080286535587989211986876, GELU_CUBIC = 0.044715;

template <Activation F, class T>
inline T activate(T z, T c) {
    if constexpr (F == Activation::identity) return z;
    if constexpr (F == Activation::relu) return z < 0 ? T(0) : z;  // NaN stays NaN
    if constexpr (F == Activation::leaky_relu) return z > 0 ? z : c * z;
    if constexpr (F == Activation::elu) return z > 0 ? z : c * std::expm1(z);
    if constexpr (F == Activation::selu) return T(SELU_SCALE) * (z > 0 ? z : T(SELU_ALPHA) * std::expm1(z));
    if constexpr (F == Activation::gelu) return z * T(0.5) * std::erfc(-z * T(0.70710678118654752440));
    if constexpr (F == Activation::gelu_tanh)
        return T(0.5) * z * (T(1) + tanh_(T(GELU_RATE) * (z + T(GELU_CUBIC) * z * z * z)));
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
    if constexpr (F == Activation::relu) return z > 0 ? T(1) : T(0);
    if constexpr (F == Activation::leaky_relu) return z > 0 ? T(1) : c;
    if constexpr (F == Activation::elu) return z > 0 ? T(1) : a + c;
    if constexpr (F == Activation::selu) return z > 0 ? T(SELU_SCALE) : a + T(SELU_SCALE * SELU_ALPHA);
    if constexpr (F == Activation::gelu)
        return T(0.5) * std::erfc(-z * T(0.70710678118654752440)) + z * T(0.39894228040143267794) * exp_(T(-0.5) * z * z);
    if constexpr (F == Activation::gelu_tanh) {
        const T t = tanh_(T(GELU_RATE) * (z + T(GELU_CUBIC) * z * z * z));
        const T inner = T(GELU_RATE) * (T(1) + T(3 * GELU_CUBIC) * z * z);
        return T(0.5) * (T(1) + t) + T(0.5) * z * (T(1) - t * t) * inner;
    }
    if constexpr (F == Activation::silu) {
        const T s = sigmoid(z);
        return s * (T(1) + z * (T(1) - s));
    }
    if constexpr (F == Activation::mish) {
        const T t = tanh_(softplus(z));
        return t + z * sigmoid(z) * (T(1) - t * t);
    }
    if constexpr (F == Activation::softplus) return sigmoid(z);
    if constexpr (F == Activation::sigmoid) return a * (T(1) - a);
    if constexpr (F == Activation::tanh) return T(1) - a * a;
}

// Calls f with the activation as a compile-time constant, once for a whole row.
template <class F>
inline void with_activation(Activation kind, F&& f) {
    switch (kind) {
#define CHAINRULE_CASE(name) \
    case Activation::name: return f(std::integral_constant<Activation, Activation::name>{});
        CHAINRULE_CASE(identity)
        CHAINRULE_CASE(relu)
        CHAINRULE_CASE(leaky_relu)
        CHAINRULE_CASE(elu)
        CHAINRULE_CASE(selu)
        CHAINRULE_CASE(gelu)
        CHAINRULE_CASE(gelu_tanh)
        CHAINRULE_CASE(silu)
        CHAINRULE_CASE(mish)
        CHAINRULE_CASE(softplus)
        CHAINRULE_CASE(sigmoid)
        CHAINRULE_CASE(tanh)
#undef CHAINRULE_CASE
    }
}

}  // namespace chainrule::CHAINRULE_ISA
