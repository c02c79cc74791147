// An activation that no dense is fused with: formulas/layers/activation.py in C++; the functions are in activations.h.
#pragma once

#include "../activations.h"
#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

struct elementwise : Fixed {
    // out = f(a), whole panels
    template <class T>
    static void forward(const Forward<T>& at) {
        const T c = at.c0();
        const int64_t width = padded<T>(at.width);
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* a = at.a.row(i);
            T* out = at.row(i);
            with_activation(at.op.function, [=](auto f) {
                for (int64_t n = 0; n < width; n += PANEL<T>)
                    for (int64_t j = n; j < n + PANEL<T>; ++j) out[j] = activate<f()>(a[j], c);
            });
        }
    }
    // dL/da = delta f'(a)
    template <class T>
    static void backward(const Backward<T>& at) {
        if (at.to == nullptr) return;
        const T c = at.c0();
        const int64_t width = padded<T>(at.width);
        const bool more = at.cache.accumulates;
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T *z = at.a.row(i), *a = at.out.row(i), *delta = at.delta.row(i);
            T* to = at.row(i);
            with_activation(at.op.function, [=](auto f) {
                for (int64_t n = 0; n < width; n += PANEL<T>) {
                    T prime[PANEL<T>];  // in a loop of its own, or the compiler makes branches rather than vectors
                    for (int64_t j = 0; j < PANEL<T>; ++j) prime[j] = activate_prime<f()>(z[n + j], a[n + j], c);
                    if (more)
                        for (int64_t j = 0; j < PANEL<T>; ++j) to[n + j] += delta[n + j] * prime[j];
                    else
                        for (int64_t j = 0; j < PANEL<T>; ++j) to[n + j] = delta[n + j] * prime[j];
                }
            });
        }
    }
};

}  // namespace chainrule::CHAINRULE_ISA::ops
