// chainrule/layers/batch_norm.py in C++, a panel of columns at a time: what belongs to a column stays in registers while the
// rows pass.
#pragma once

#include "session.h"

namespace chainrule::CHAINRULE_ISA {

// mu and var of the batch for columns n0 to n1, whole panels, and the running ones after this step.
template <class T>
void Engine<T>::batch_statistics(const Op& op, Cache<T>& cache, int64_t n0, int64_t n1, int64_t batch) {
    constexpr int64_t P = PANEL<T>;
    const Buffer<T>& in = buffers_[op.in];
    const State<T>& state = states_[op.state];
    // A single sample says nothing of a variance: the running statistics stay.
    const T momentum = batch > 1 ? T(op.c1) : T(1), unbiased = batch > 1 ? T(double(batch) / double(batch - 1)) : T(0);
    for (int64_t n = n0; n < n1; n += P) {
        const T* a = &in.a[n];
        T mean[P] = {}, var[P] = {};
        for (int64_t i = 0; i < batch; ++i)
            for (int64_t j = 0; j < P; ++j) mean[j] += a[i * in.ld + j];
        for (int64_t j = 0; j < P; ++j) mean[j] /= T(batch);
        for (int64_t i = 0; i < batch; ++i)
            for (int64_t j = 0; j < P; ++j) {
                const T x = a[i * in.ld + j] - mean[j];
                var[j] = fused(x, x, var[j]);
            }
        for (int64_t j = 0; j < P; ++j) {
            var[j] /= T(batch);
            cache.mean[n + j] = mean[j];
            cache.inv_std[n + j] = T(1) / std::sqrt(var[j] + T(op.c0));
            cache.next_mean[n + j] = momentum * state.a[n + j] + (T(1) - momentum) * mean[j];
            cache.next_var[n + j] = momentum * state.b[n + j] + (T(1) - momentum) * unbiased * var[j];
        }
    }
}

// out = gamma x_hat + beta, x_hat = (a - mean) / sqrt(var + eps), with the statistics of the batch or the running ones.
template <class T>
void Engine<T>::normalize(const Op& op, Cache<T>& cache, int64_t r0, int64_t r1, bool training, Rows<T> from) {
    constexpr int64_t P = PANEL<T>;
    Buffer<T>& out = buffers_[op.out];
    const State<T>& state = states_[op.state];
    const bool is_batch = training && op.in_training;
    for (int64_t n = 0; n < out.width; n += P) {
        T mean[P], inv_std[P], gamma[P], beta[P];
        for (int64_t j = 0; j < P; ++j) {
            mean[j] = is_batch ? cache.mean[n + j] : state.a[n + j];
            inv_std[j] = is_batch ? cache.inv_std[n + j] : T(1) / std::sqrt(state.b[n + j] + T(op.c0));
            gamma[j] = parameters_[op.slot0].value[n + j], beta[j] = parameters_[op.slot1].value[n + j];
        }
        for (int64_t i = r0; i < r1; ++i) {
            const T* a = from.row(i) + n;
            T x_hat[P], z[P];
            for (int64_t j = 0; j < P; ++j) x_hat[j] = (a[j] - mean[j]) * inv_std[j];
            for (int64_t j = 0; j < P; ++j) z[j] = fused(gamma[j], x_hat[j], beta[j]);
            if (trains_) std::copy(x_hat, x_hat + P, &cache.x_hat[i * out.ld + n]);
            std::copy(z, z + P, &out.a[i * out.ld + n]);
        }
    }
}

// dL/dgamma = sum_i delta_i x_hat_i and dL/dbeta = sum_i delta_i for columns n0 to n1, whole panels, and their means.
template <class T>
void Engine<T>::batch_gradients(const Op& op, Cache<T>& cache, int64_t n0, int64_t n1, int64_t batch) {
    constexpr int64_t P = PANEL<T>;
    const Buffer<T>& out = buffers_[op.out];
    for (int64_t n = n0; n < n1; n += P) {
        T dgamma[P] = {}, dbeta[P] = {};
        for (int64_t i = 0; i < batch; ++i)
            for (int64_t j = 0; j < P; ++j) {
                const T delta = out.grad[i * out.ld + n + j];
                dbeta[j] += delta;
                dgamma[j] = fused(delta, cache.x_hat[i * out.ld + n + j], dgamma[j]);
            }
        for (int64_t j = 0; j < P; ++j) {
            cache.dgamma[n + j] = dgamma[j], cache.dbeta[n + j] = dbeta[j];
            cache.mean_delta[n + j] = dbeta[j] / T(batch), cache.mean_delta_x[n + j] = dgamma[j] / T(batch);
        }
    }
}

// dL/d in from delta = dL/d out: gamma / sqrt(var + eps) (delta - mean(delta) - x_hat mean(delta x_hat)); without the means
// where the statistics are the running ones, which do not depend on the batch.
template <class T>
void Engine<T>::normalize_backward(const Op& op, const Cache<T>& cache, int64_t r0, int64_t r1) {
    constexpr int64_t P = PANEL<T>;
    Buffer<T>& in = buffers_[op.in];
    const Buffer<T>& out = buffers_[op.out];
    for (int64_t n = 0; n < in.width; n += P) {
        T scale[P], mean_delta[P] = {}, mean_delta_x[P] = {};
        for (int64_t j = 0; j < P; ++j) {
            const T gamma = parameters_[op.slot0].value[n + j];
            if (op.in_training)
                scale[j] = gamma * cache.inv_std[n + j], mean_delta[j] = cache.mean_delta[n + j],
                mean_delta_x[j] = cache.mean_delta_x[n + j];
            else
                scale[j] = gamma / std::sqrt(states_[op.state].b[n + j] + T(op.c0));
        }
        for (int64_t i = r0; i < r1; ++i) {
            const T *delta = &out.grad[i * out.ld + n], *x_hat = &cache.x_hat[i * out.ld + n];
            T* to = &in.grad[i * in.ld + n];
            T found[P];
            for (int64_t j = 0; j < P; ++j) found[j] = scale[j] * (delta[j] - mean_delta[j] - x_hat[j] * mean_delta_x[j]);
            for (int64_t j = 0; j < P; ++j) to[j] = cache.accumulates ? to[j] + found[j] : found[j];
        }
    }
}

}  // namespace chainrule::CHAINRULE_ISA
