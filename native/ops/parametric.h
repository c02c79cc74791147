// parametric: formulas/layers/parametric_activation.py in C++; the functions are in activations.h. f(z) is kept for the way back.
#pragma once

#include "../activations.h"
#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

struct parametric {
    // out = z + alpha (f(z) - z), whole panels: alpha is 0 behind its last column
    template <class T>
    static void forward(const Forward<T>& at) {
        const T c = at.c0(), *alpha = at.parameter(at.op.slot0);
        const int64_t width = padded<T>(at.width);
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* z = at.a.row(i);
            T *out = at.row(i), *kept = at.draw != nullptr ? &at.cache.f[i * at.ld] : nullptr;
            with_activation(at.op.function, [=](auto function) {
                for (int64_t n = 0; n < width; n += PANEL<T>) {
                    T f[PANEL<T>];
                    for (int64_t j = 0; j < PANEL<T>; ++j) f[j] = activate<function()>(z[n + j], c);
                    for (int64_t j = 0; j < PANEL<T>; ++j) out[n + j] = fused(alpha[n + j], f[j] - z[n + j], z[n + j]);
                    if (kept != nullptr) std::copy(f, f + PANEL<T>, kept + n);
                }
            });
        }
    }
    // dL/dz = delta (1 + alpha (f'(z) - 1))
    template <class T>
    static void backward(const Backward<T>& at) {
        if (at.to == nullptr) return;
        const T c = at.c0(), *alpha = at.parameter(at.op.slot0);
        const int64_t width = padded<T>(at.width);
        const bool more = at.cache.accumulates;
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T *z = at.a.row(i), *f = &at.cache.f[i * at.ld], *delta = at.delta.row(i);
            T* to = at.row(i);
            with_activation(at.op.function, [=](auto function) {
                for (int64_t n = 0; n < width; n += PANEL<T>) {
                    T slope[PANEL<T>];
                    for (int64_t j = 0; j < PANEL<T>; ++j) slope[j] = activate_prime<function()>(z[n + j], f[n + j], c) - T(1);
                    for (int64_t j = 0; j < PANEL<T>; ++j) slope[j] = fused(alpha[n + j], slope[j], T(1));
                    if (more)
                        for (int64_t j = 0; j < PANEL<T>; ++j) to[n + j] += delta[n + j] * slope[j];
                    else
                        for (int64_t j = 0; j < PANEL<T>; ++j) to[n + j] = delta[n + j] * slope[j];
                }
            });
        }
    }
    // dL/dalpha = sum_i delta_i (f(z_i) - z_i)
    template <class T>
    static void gradient(const Gradient<T>& at, T* sum) {
        constexpr int64_t P = PANEL<T>;
        T sums[P];
        std::copy(sum, sum + P, sums);
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T *z = at.a.row(i) + at.n, *f = &at.cache.f[i * at.a.ld + at.n], *delta = at.delta.row(i) + at.n;
            for (int64_t j = 0; j < P; ++j) sums[j] = fused(delta[j], f[j] - z[j], sums[j]);
        }
        std::copy(sums, sums + P, sum);
    }
};

}  // namespace chainrule::CHAINRULE_ISA::ops
