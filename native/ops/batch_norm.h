// batch_norm: formulas/layers/batch_norm.py in C++, a panel of columns at a time, whose scalars stay in registers for all rows.
//
// The sums over the whole batch come before forward (`statistics`) and before backward (`sums`). Each thread takes some columns
// of them, between two barriers.
#pragma once

#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

struct batch_norm {
    // Mean and variance of the batch for columns n0 to n1 (whole panels), and the running ones after this step.
    template <class T>
    static void statistics(const Op& op, Cache<T>& cache, const State<T>& state, Rows<T> from, int64_t n0, int64_t n1, int64_t batch) {
        constexpr int64_t P = PANEL<T>;
        // A single sample has no variance, so the running statistics stay as they are.
        const T momentum = batch > 1 ? T(op.c1) : T(1), unbiased = batch > 1 ? T(double(batch) / double(batch - 1)) : T(0);
        for (int64_t n = n0; n < n1; n += P) {
            const T* a = from.first + n;
            T mean[P] = {}, var[P] = {};
            for (int64_t i = 0; i < batch; ++i)
                for (int64_t j = 0; j < P; ++j) mean[j] += a[i * from.ld + j];
            for (int64_t j = 0; j < P; ++j) mean[j] /= T(batch);
            for (int64_t i = 0; i < batch; ++i)
                for (int64_t j = 0; j < P; ++j) {
                    const T x = a[i * from.ld + j] - mean[j];
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
    static void forward(const Forward<T>& at) {
        constexpr int64_t P = PANEL<T>;
        Cache<T>& cache = at.cache;
        const State<T>& state = at.state();
        const bool is_batch = at.in_training(), remembers = !cache.x_hat.empty();
        for (int64_t n = 0; n < at.width; n += P) {
            T mean[P], inv_std[P], gamma[P], beta[P];
            for (int64_t j = 0; j < P; ++j) {
                mean[j] = is_batch ? cache.mean[n + j] : state.a[n + j];
                inv_std[j] = is_batch ? cache.inv_std[n + j] : T(1) / std::sqrt(state.b[n + j] + at.c0());
                gamma[j] = at.parameter(at.op.slot0)[n + j], beta[j] = at.parameter(at.op.slot1)[n + j];
            }
            for (int64_t i = at.r0; i < at.r1; ++i) {
                const T* a = at.a.row(i) + n;
                T x_hat[P], z[P];
                for (int64_t j = 0; j < P; ++j) x_hat[j] = (a[j] - mean[j]) * inv_std[j];
                for (int64_t j = 0; j < P; ++j) z[j] = fused(gamma[j], x_hat[j], beta[j]);
                if (remembers) std::copy(x_hat, x_hat + P, &cache.x_hat[i * at.ld + n]);
                std::copy(z, z + P, at.row(i) + n);
            }
        }
    }

    // dL/dgamma = sum_i delta_i x_hat_i and dL/dbeta = sum_i delta_i for columns n0 to n1 (whole panels), and their means.
    template <class T>
    static void sums(Cache<T>& cache, Rows<T> delta, int64_t n0, int64_t n1, int64_t batch) {
        constexpr int64_t P = PANEL<T>;
        for (int64_t n = n0; n < n1; n += P) {
            T dgamma[P] = {}, dbeta[P] = {};
            for (int64_t i = 0; i < batch; ++i)
                for (int64_t j = 0; j < P; ++j) {
                    const T x = delta.row(i)[n + j];
                    dbeta[j] += x;
                    dgamma[j] = fused(x, cache.x_hat[i * delta.ld + n + j], dgamma[j]);
                }
            for (int64_t j = 0; j < P; ++j) {
                cache.dgamma[n + j] = dgamma[j], cache.dbeta[n + j] = dbeta[j];
                cache.mean_delta[n + j] = dbeta[j] / T(batch), cache.mean_delta_x[n + j] = dgamma[j] / T(batch);
            }
        }
    }

    // dL/da = gamma / sqrt(var + eps) (delta - mean(delta) - x_hat mean(delta x_hat)). With the running statistics, which do
    // not depend on the batch, both means are 0.
    template <class T>
    static void backward(const Backward<T>& at) {
        if (at.to == nullptr) return;
        constexpr int64_t P = PANEL<T>;
        const Cache<T>& cache = at.cache;
        const bool more = cache.accumulates;
        for (int64_t n = 0; n < at.width; n += P) {
            T scale[P], mean_delta[P] = {}, mean_delta_x[P] = {};
            for (int64_t j = 0; j < P; ++j) {
                const T gamma = at.parameter(at.op.slot0)[n + j];
                if (at.op.in_training)
                    scale[j] = gamma * cache.inv_std[n + j], mean_delta[j] = cache.mean_delta[n + j],
                    mean_delta_x[j] = cache.mean_delta_x[n + j];
                else
                    scale[j] = gamma / std::sqrt(at.state().b[n + j] + at.c0());
            }
            for (int64_t i = at.r0; i < at.r1; ++i) {
                const T *delta = at.delta.row(i) + n, *x_hat = &cache.x_hat[i * at.delta.ld + n];
                T *to = at.row(i) + n, found[P];
                for (int64_t j = 0; j < P; ++j) found[j] = scale[j] * (delta[j] - mean_delta[j] - x_hat[j] * mean_delta_x[j]);
                for (int64_t j = 0; j < P; ++j) to[j] = more ? to[j] + found[j] : found[j];
            }
        }
    }

    // dL/dgamma or dL/dbeta, from `sums`.
    template <class T>
    static void gradient(const Gradient<T>& at, T* sum) {
        const Array<T>& from = at.slot == at.op.slot0 ? at.cache.dgamma : at.cache.dbeta;
        std::copy(&from[at.n], &from[at.n] + PANEL<T>, sum);
    }
};

}  // namespace chainrule::CHAINRULE_ISA::ops
