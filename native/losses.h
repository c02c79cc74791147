// Losses: the value, and its gradient beneath. chainrule/formulas/losses.py in C++.
#pragma once

#include <vector>

#include "activations.h"
#include "simd.h"

namespace chainrule::CHAINRULE_ISA {

// Whether a loss has no exp or log: then a whole vector costs no more than some of its numbers.
constexpr bool is_arithmetic(Loss kind) {
    return kind == Loss::mean_squared_error || kind == Loss::half_squared_error || kind == Loss::huber ||
           kind == Loss::mean_absolute_error || kind == Loss::quantile;
}

// Whether a loss reads the outputs of a sample together, as softmax.
constexpr bool is_of_softmax(Loss kind) { return kind == Loss::softmax_cross_entropy || kind == Loss::focal_cross_entropy; }

// Whether a loss compares the rows of a group, and whether it is computed of whole batches.
constexpr bool is_of_groups(Loss kind) { return kind == Loss::pairwise_logistic || kind == Loss::lambda_rank; }
constexpr bool is_of_batches(Loss kind) { return kind == Loss::own || is_of_groups(kind); }

// x^c, of x of at least the smallest normal number.
inline double power(double x, double c) { return std::pow(x, c); }
inline float power(float x, float c) { return exp_of(c * log_of(x)); }

// One element of the losses that are sums over the outputs: value(out, y), c the loss's setting.
template <class T>
inline T loss_value(Loss kind, T out, T y, T c) {
    const T r = out - y;
    switch (kind) {
        case Loss::mean_squared_error: return r * r;
        case Loss::half_squared_error: return T(0.5) * r * r;
        case Loss::huber: return std::abs(r) <= c ? T(0.5) * r * r : c * (std::abs(r) - T(0.5) * c);
        case Loss::mean_absolute_error: return std::abs(r);
        case Loss::quantile: return std::max((c - T(1)) * -r, c * -r);
        case Loss::poisson: return exp_(out) - y * out;
        case Loss::gamma: return out + y * exp_(-out);
        case Loss::tweedie: return exp_((T(2) - c) * out) / (T(2) - c) - y * exp_((T(1) - c) * out) / (T(1) - c);
        case Loss::sigmoid_cross_entropy: return softplus(out) - y * out;
        case Loss::survival_cross_entropy: return std::abs(y) * softplus(y > 0 ? -out : out);
        case Loss::binary_cross_entropy: {
            const T tiny = std::numeric_limits<T>::min();
            return -(y * std::log(std::max(out, tiny)) + (T(1) - y) * std::log(std::max(T(1) - out, tiny)));
        }
        case Loss::categorical_cross_entropy: return -y * std::log(std::max(out, std::numeric_limits<T>::min()));
        default: return T(0);
    }
}

// d value / d out.
template <class T>
inline T loss_gradient(Loss kind, T out, T y, T c) {
    const T r = out - y;
    const T sign = r > 0 ? T(1) : r < 0 ? T(-1) : T(0);
    const T tiny = std::numeric_limits<T>::min();
    switch (kind) {
        case Loss::mean_squared_error: return T(2) * r;
        case Loss::half_squared_error: return r;
        case Loss::huber: return std::abs(r) <= c ? r : c * sign;
        case Loss::mean_absolute_error: return sign;
        case Loss::quantile: return r > 0 ? T(1) - c : r < 0 ? -c : T(0.5) - c;
        case Loss::poisson: return exp_(out) - y;
        case Loss::gamma: return T(1) - y * exp_(-out);
        case Loss::tweedie: return exp_((T(2) - c) * out) - y * exp_((T(1) - c) * out);
        case Loss::sigmoid_cross_entropy: return sigmoid(out) - y;
        case Loss::survival_cross_entropy: return std::abs(y) * sigmoid(out) - std::max(y, T(0));
        case Loss::binary_cross_entropy:
            return (out > tiny ? -y / out : T(0)) + (T(1) - out > tiny ? (T(1) - y) / (T(1) - out) : T(0));
        case Loss::categorical_cross_entropy: return out > tiny ? -y / out : T(0);
        default: return T(0);
    }
}

// Calls f with the loss as a compile-time constant.
template <class F>
inline void with_loss(Loss kind, F&& f) {
    switch (kind) {
#define CHAINRULE_CASE(name, ...) \
    case Loss::name: return f(std::integral_constant<Loss, Loss::name>{});
        CHAINRULE_LOSSES(CHAINRULE_CASE)
#undef CHAINRULE_CASE
    }
}

// value (LANES,) = loss(out, y) and delta = share d loss / d out, of count <= LANES samples. out, y, delta (n, LANES): output k
// of all samples is one vector. y holds targets after smoothing. settings: the loss's constant, of all outputs or of each.
template <Loss kind, class T>
void loss_lanes(const T* out, const T* y, T* delta, int64_t n, int64_t count, const T* share, const std::vector<double>& settings, T* value) {
    constexpr int L = Simd<T>::LANES;
    if constexpr (is_of_softmax(kind)) {
        using S = Simd<T>;
        using V = typename S::Vector;
        V top = S::load(out), sum{}, total{}, dot{};
        for (int64_t k = 1; k < n; ++k) {
            const V z = S::load(out + k * L);
            top = z > top ? z : top;
        }
        for (int64_t k = 0; k < n; ++k) {
            const V below = S::load(out + k * L) - top, e = exp_lanes(below, count), target = S::load(y + k * L);
            S::store(delta + k * L, e);
            sum += e;
            total += target;
            dot += target * below;
        }
        const V logs = log_lanes(sum, count);
        if constexpr (kind == Loss::softmax_cross_entropy) {
            // logsumexp(out) sum_k y_k - sum_k y_k out_k; softmax(out) sum_k y_k - y
            S::store(value, logs * total - dot);
            total /= sum;
            for (int64_t k = 0; k < n; ++k)
                S::store(delta + k * L, S::load(share) * (S::load(delta + k * L) * total - S::load(y + k * L)));
        } else {
            // -sum_k y_k (1 - a_k)^c log a_k, a = softmax(out); with g_k its derivative by log a_k, g - a sum_k g_k
            const T c = T(settings[0]);
            T slopes[L] = {};
            const auto each = [&](auto&& use) {
                for (int64_t k = 0; k < n; ++k) {
                    CHAINRULE_VECTORS
                    for (int64_t i = 0; i < count; ++i) {
                        const T log_a = out[k * L + i] - top[i] - logs[i], a = delta[k * L + i] / sum[i];
                        const T rest = std::max(-expm1_(log_a), std::numeric_limits<T>::min()), factor = y[k * L + i] * power(rest, c);
                        use(k * L + i, i, a, factor * log_a, factor * (c * a * log_a / rest - T(1)));
                    }
                }
            };
            std::fill(value, value + L, T(0));
            each([&](int64_t, int64_t i, T, T gain, T slope) { value[i] -= gain, slopes[i] += slope; });
            each([&](int64_t at, int64_t i, T a, T, T slope) { delta[at] = share[i] * (slope - a * slopes[i]); });
        }
        return;
    }
    if constexpr (kind == Loss::ordinal_cross_entropy) {
        // of t_k = out_0 - out_{n-1} + sum_{0<j<=k} softplus(out_j): formulas/losses.py
        T t[L] = {}, sum[L] = {};
        std::fill(value, value + L, T(0));
        std::fill(delta, delta + L, T(0));
        for (int64_t k = 0; k < n - 1; ++k) {
            CHAINRULE_VECTORS
            for (int64_t i = 0; i < count; ++i) {
                const T z = out[k * L + i], here = y[k * L + i], next = y[(k + 1) * L + i];
                t[i] = k > 0 ? t[i] + softplus(z) : z - out[(n - 1) * L + i];
                value[i] += here * (softplus(-t[i]) + (k > 0 ? softplus(-z) : T(0))) + next * softplus(t[i]);
                delta[k * L + i] = sigmoid(t[i]) * (here + next) - here;
            }
        }
        for (int64_t k = n - 2; k >= 0; --k)
            for (int64_t i = 0; i < count; ++i) {
                const T z = out[k * L + i];
                sum[i] += delta[k * L + i];
                delta[k * L + i] = share[i] * (k > 0 ? sigmoid(z) * sum[i] - y[k * L + i] * sigmoid(-z) : sum[i]);
            }
        if (n > 1)
            for (int64_t i = 0; i < count; ++i) delta[(n - 1) * L + i] = -delta[i];
        return;
    }
    const int64_t end = is_arithmetic(kind) ? L : count;
    std::fill(value, value + L, T(0));
    for (int64_t k = 0; k < n; ++k) {
        const T c = T(settings[settings.size() > 1 ? k : 0]);
        CHAINRULE_VECTORS
        for (int64_t i = 0; i < end; ++i) {
            value[i] += loss_value(kind, out[k * L + i], y[k * L + i], c);
            delta[k * L + i] = share[i] * loss_gradient(kind, out[k * L + i], y[k * L + i], c);
        }
    }
}

// Adds to value and slope (n,) those of a group's rows, with scores s and gains r = 2^relevance: formulas/ranking.py. work: (3 n,)
template <class T>
void group_loss(Loss kind, const T* s, const T* r, int64_t n, T* value, T* slope, T* work) {
    T *discount = work, *cost = work + n, *step = work + 2 * n, total = 0;
    const auto place = [&](const T* by, int64_t i) {  // of row i by descending `by`, from 0
        int64_t rank = 0;
        for (int64_t j = 0; j < n; ++j) rank += (by[j] > by[i]) | ((by[j] == by[i]) & (j < i));
        return double(rank);
    };
    const auto weight = [&](int64_t i, int64_t j) {
        if (kind == Loss::pairwise_logistic) return T(r[i] != r[j]);
        return std::abs(r[i] - r[j]) * std::abs(discount[i] - discount[j]);
    };
    for (int64_t i = 0; i < n; ++i)
        if (kind == Loss::lambda_rank)
            discount[i] = T(1 / std::log2(2 + place(s, i))), total += T((double(r[i]) - 1) / std::log2(2 + place(r, i)));  // the best DCG
        else
            for (int64_t j = i + 1; j < n; ++j) total += weight(i, j);
    if (!(total > 0)) return;
    for (int64_t i = 0; i < n; ++i) {
        CHAINRULE_VECTORS
        for (int64_t j = i + 1; j < n; ++j) {
            const T w = weight(i, j) * T(n) / total, sign = r[i] > r[j] ? T(1) : T(-1), below = sign * (s[j] - s[i]);
            cost[j] = T(0.5) * w * softplus(below), step[j] = sign * w * sigmoid(below);
            value[j] += cost[j], slope[j] += step[j];
        }
        for (int64_t j = i + 1; j < n; ++j) value[i] += cost[j], slope[i] -= step[j];
    }
}

}  // namespace chainrule::CHAINRULE_ISA
