// Activations that no dense is fused with: formulas/layers/activation.py and parametric_activation.py in C++; the functions are in
// activations.h.
#pragma once

#include "../epilogues.h"
#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

// |f(z)| and |f'(z)| are at most this much times max(1, |z|) and 1, for every activation with constant c.
inline double bound_of_function(const Op& op) { return 2 * std::max(1.0, std::abs(op.c0)); }

template <class T>
struct elementwise : Operation<T> {
    using Operation<T>::Operation;
    double growth() const override { return bound_of_function(this->op) * bound_of_function(this->op); }

    // out (batch, width) = f(a), whole panels
    void forward(const Forward<T>& at) override {
        activate_rows(this->op.function, at.c0(), at.a.from(at.r0), at.row(at.r0), at.ld, at.r1 - at.r0, padded<T>(at.width));
    }
    // dL/da (batch, width) = delta f'(a)
    void backward(const Backward<T>& at) override {
        if (at.to == nullptr) return;
        times_prime_rows<T>(this->op.function, at.c0(), at.a.from(at.r0), at.out.from(at.r0), nullptr, at.delta.from(at.r0), at.row(at.r0),
                            at.ld, at.r1 - at.r0, padded<T>(at.width), at.accumulates);
    }
    void bend(const Backward<T>& at, Rows<T> a_dot) override {
        add_bend_rows<T>(this->op.function, at.c0(), at.a.from(at.r0), at.out.from(at.r0), nullptr, at.delta.from(at.r0), a_dot.from(at.r0),
                         at.row(at.r0), at.ld, at.r1 - at.r0, padded<T>(at.width));
    }
};

// f(z) is kept for the way back.
template <class T>
class parametric : public Operation<T> {
   public:
    using Operation<T>::Operation;
    int vectors() const override { return 1; }  // alpha (width,)
    double own_growth() const override { return bound_of_function(this->op) + 1; }  // of delta (f(z) - z)
    [[gnu::cold]] void allocate(int64_t capacity) override {
        if (this->net.trains) f_.resize(capacity * this->net.buffers[this->op.in].ld);
    }

    // out (batch, width) = z + alpha (f(z) - z), whole panels: alpha is 0 behind its last column
    void forward(const Forward<T>& at) override {
        const T* alpha = at.parameter(0);
        const int64_t width = padded<T>(at.width);
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* z = at.a.row(i);
            T* out = at.row(i);
            activate_rows(this->op.function, at.c0(), at.a.from(i), out, at.ld, 1, width);
            if (at.draw != nullptr) std::copy(out, out + width, &f_[i * at.ld]);
            for (int64_t j = 0; j < width; ++j) out[j] = fused(alpha[j], out[j] - z[j], z[j]);
        }
    }
    // dL/dz (batch, width) = delta (1 + alpha (f'(z) - 1))
    void backward(const Backward<T>& at) override {
        if (at.to == nullptr) return;
        const Rows<T> f{&f_[at.r0 * at.ld], at.ld};
        times_prime_rows(this->op.function, at.c0(), at.a.from(at.r0), f, at.parameter(0), at.delta.from(at.r0), at.row(at.r0), at.ld,
                         at.r1 - at.r0, padded<T>(at.width), at.accumulates);
    }
    void bend(const Backward<T>& at, Rows<T> a_dot) override {
        const Rows<T> f{&f_[at.r0 * at.ld], at.ld};
        add_bend_rows(this->op.function, at.c0(), at.a.from(at.r0), f, at.parameter(0), at.delta.from(at.r0), a_dot.from(at.r0),
                      at.row(at.r0), at.ld, at.r1 - at.r0, padded<T>(at.width));
    }
    // sum_i delta_i (f'(z_i) - 1) z'_i
    void gradient_tangent(const Gradient<T>& at, Rows<T> a_dot, T* g) override {
        constexpr int64_t P = PANEL<T>;
        at.panels(g, [&](int64_t n, T* sum) {
            for (int64_t i = at.r0; i < at.r1; ++i) {
                T slope[P];
                const Rows<T> z{at.a.row(i) + n, at.a.ld}, f{&f_[i * at.a.ld + n], at.a.ld}, delta{at.delta.row(i) + n, at.delta.ld};
                times_prime_rows<T>(this->op.function, T(this->op.c0), z, f, nullptr, delta, slope, P, 1, P, false);
                for (int64_t j = 0; j < P; ++j) sum[j] = fused(slope[j] - delta.first[j], a_dot.row(i)[n + j], sum[j]);
            }
        });
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
