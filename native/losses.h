// Losses on one row of outputs: the value, and its gradient beneath. chainrule/losses.py in C++.
#pragma once

#include "activations.h"

namespace chainrule::CHAINRULE_ISA {

// In the order of engines/native.py.
enum class Loss : int {
    squared,
    half_squared,
    huber,
    absolute,
    quantile,
    poisson,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    binary_cross_entropy,
    categorical_cross_entropy
};

// One element of the losses that are sums over the outputs: value(out, y), c the loss's setting.
template <class T>
inline T loss_value(Loss kind, T out, T y, T c) {
    const T r = out - y;
    switch (kind) {
        case Loss::squared: return r * r;
        case Loss::half_squared: return T(0.5) * r * r;
        case Loss::huber: return std::abs(r) <= c ? T(0.5) * r * r : c * (std::abs(r) - T(0.5) * c);
        case Loss::absolute: return std::abs(r);
        case Loss::quantile: return std::max((c - T(1)) * -r, c * -r);
        case Loss::poisson: return exp_(out) - y * out;
        case Loss::sigmoid_cross_entropy: return softplus(out) - y * out;
        case Loss::binary_cross_entropy: {
            const T tiny = std::numeric_limits<T>::min();
            return -(y * std::log(std::max(out, tiny)) + (T(1) - y) * std::log(std::max(T(1) - out, tiny)));
        }
        case Loss::categorical_cross_entropy: return -y * std::log(std::max(out, std::numeric_limits<T>::min()));
        default: return T(0);
    }
}

// d loss / d out of the same.
template <class T>
inline T loss_gradient(Loss kind, T out, T y, T c) {
    const T r = out - y;
    const T sign = r > 0 ? T(1) : r < 0 ? T(-1) : T(0);
    const T tiny = std::numeric_limits<T>::min();
    switch (kind) {
        case Loss::squared: return T(2) * r;
        case Loss::half_squared: return r;
        case Loss::huber: return std::abs(r) <= c ? r : c * sign;
        case Loss::absolute: return sign;
        case Loss::quantile: return r > 0 ? T(1) - c : r < 0 ? -c : T(0.5) - c;
        case Loss::poisson: return exp_(out) - y;
        case Loss::sigmoid_cross_entropy: return sigmoid(out) - y;
        case Loss::binary_cross_entropy:
            return (out > tiny ? -y / out : T(0)) + (T(1) - out > tiny ? (T(1) - y) / (T(1) - out) : T(0));
        case Loss::categorical_cross_entropy: return out > tiny ? -y / out : T(0);
        default: return T(0);
    }
}

// loss(out, y) of one row (n,), and share * d loss / d out into `delta` (n,). y holds targets after smoothing.
template <class T>
T loss_row(Loss kind, const T* out, const T* y, T* delta, int64_t n, T share, T c) {
    T value = 0;
    if (kind == Loss::softmax_cross_entropy) {  // logsumexp(out) sum_k y_k - sum_k y_k out_k; softmax(out) sum_k y_k - y
        T top = out[0];
        for (int64_t k = 1; k < n; ++k) top = out[k] > top || out[k] != out[k] ? out[k] : top;
        T sum = 0, total = 0, dot = 0;
        for (int64_t k = 0; k < n; ++k) {
            delta[k] = exp_(out[k] - top);
            sum += delta[k];
            total += y[k];
            dot += y[k] * (out[k] - top);
        }
        value = std::log(sum) * total - dot;
        for (int64_t k = 0; k < n; ++k) delta[k] = share * (delta[k] / sum * total - y[k]);
        return value;
    }
    for (int64_t k = 0; k < n; ++k) {
        value += loss_value(kind, out[k], y[k], c);
        delta[k] = share * loss_gradient(kind, out[k], y[k], c);
    }
    return value;
}

}  // namespace chainrule::CHAINRULE_ISA
