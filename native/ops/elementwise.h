// Activations that no dense is fused with: formulas/layers/activation.py and parametric_activation.py in C++; the functions are in
// activations.h.
#pragma once

#include "../activations.h"
#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

// |f(z)| and |f'(z)| are at most this much times max(1, |z|) and 1, for every activation with constant c.
inline double bound_of_function(const Op& op) { return 2 * std::max(1.0, std::abs(op.c0)); }

// dL/dz = delta slope_n(z), whole panels of a row: slope(n, to) writes those of the panel from column n on, in loops of its own, or
// the compiler makes branches rather than vectors.
template <class T, class F>
void times_slope(const Backward<T>& at, int64_t i, F&& slope) {
    const T* delta = at.delta.row(i);
    T* to = at.row(i);
    const int64_t width = padded<T>(at.width);
    const bool more = at.accumulates;
    for (int64_t n = 0; n < width; n += PANEL<T>) {
        T of[PANEL<T>];
        slope(n, of);
        if (more)
            for (int64_t j = 0; j < PANEL<T>; ++j) to[n + j] += delta[n + j] * of[j];
        else
            for (int64_t j = 0; j < PANEL<T>; ++j) to[n + j] = delta[n + j] * of[j];
    }
}

template <class T>
struct elementwise : Operation<T> {
    using Operation<T>::Operation;
    double growth() const override { return bound_of_function(this->op) * bound_of_function(this->op); }

    // out (batch, width) = f(a), whole panels
    void forward(const Forward<T>& at) override {
        const T c = at.c0();
        const int64_t width = padded<T>(at.width);
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* a = at.a.row(i);
            T* out = at.row(i);
            with_activation(this->op.function, [=](auto f) {
                for (int64_t n = 0; n < width; n += PANEL<T>)
                    for (int64_t j = n; j < n + PANEL<T>; ++j) out[j] = activate<f()>(a[j], c);
            });
        }
    }
    // dL/da (batch, width) = delta f'(a)
    void backward(const Backward<T>& at) override {
        if (at.to == nullptr) return;
        const T c = at.c0();
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T *z = at.a.row(i), *a = at.out.row(i);
            with_activation(this->op.function, [&](auto f) {
                times_slope(at, i, [=](int64_t n, T* prime) {
                    for (int64_t j = 0; j < PANEL<T>; ++j) prime[j] = activate_prime<f()>(z[n + j], a[n + j], c);
                });
            });
        }
    }
};

// f(z) is kept for the way back.
template <class T>
class parametric : public Operation<T> {
   public:
    using Operation<T>::Operation;
    int vectors() const override { return 1; }  // alpha (width,)
    double own_growth() const override { return bound_of_function(this->op) + 1; }  // of delta (f(z) - z)
    void allocate(int64_t capacity) override {
        if (this->net.trains) f_.resize(capacity * this->net.buffers[this->op.in].ld);
    }

    // out (batch, width) = z + alpha (f(z) - z), whole panels: alpha is 0 behind its last column
    void forward(const Forward<T>& at) override {
        const T c = at.c0(), *alpha = at.parameter(0);
        const int64_t width = padded<T>(at.width);
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* z = at.a.row(i);
            T *out = at.row(i), *kept = at.draw != nullptr ? &f_[i * at.ld] : nullptr;
            with_activation(this->op.function, [=](auto function) {
                for (int64_t n = 0; n < width; n += PANEL<T>) {
                    T f[PANEL<T>];
                    for (int64_t j = 0; j < PANEL<T>; ++j) f[j] = activate<function()>(z[n + j], c);
                    for (int64_t j = 0; j < PANEL<T>; ++j) out[n + j] = fused(alpha[n + j], f[j] - z[n + j], z[n + j]);
                    if (kept != nullptr) std::copy(f, f + PANEL<T>, kept + n);
                }
            });
        }
    }
    // dL/dz (batch, width) = delta (1 + alpha (f'(z) - 1))
    void backward(const Backward<T>& at) override {
        if (at.to == nullptr) return;
        const T c = at.c0(), *alpha = at.parameter(0);
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T *z = at.a.row(i), *f = &f_[i * at.ld];
            with_activation(this->op.function, [&](auto function) {
                times_slope(at, i, [=](int64_t n, T* slope) {
                    for (int64_t j = 0; j < PANEL<T>; ++j) slope[j] = activate_prime<function()>(z[n + j], f[n + j], c) - T(1);
                    for (int64_t j = 0; j < PANEL<T>; ++j) slope[j] = fused(alpha[n + j], slope[j], T(1));
                });
            });
        }
    }
    // dL/dalpha (width,) = sum_i delta_i (f(z_i) - z_i)
    void gradient(const Gradient<T>& at, T* g) override {
        constexpr int64_t P = PANEL<T>;
        at.panels(g, [&](int64_t n, T* sum) {
            T sums[P];
            std::copy(sum, sum + P, sums);
            for (int64_t i = at.r0; i < at.r1; ++i) {
                const T *z = at.a.row(i) + n, *f = &f_[i * at.a.ld + n], *delta = at.delta.row(i) + n;
                for (int64_t j = 0; j < P; ++j) sums[j] = fused(delta[j], f[j] - z[j], sums[j]);
            }
            std::copy(sums, sums + P, sum);
        });
    }

   private:
    Array<T> f_;  // f(z) (batch, ld)
};

}  // namespace chainrule::CHAINRULE_ISA::ops
