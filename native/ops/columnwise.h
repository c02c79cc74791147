// Elementwise operations with a parameter for each column.
#pragma once

#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

// PReLU of formulas/layers/activation.py.
template <class T>
struct prelu : Operation<T> {
    using Operation<T>::Operation;
    int vectors() const override { return 1; }  // slope (width,)

    // out (batch, width) = a where a > 0, else slope a
    void forward(const Forward<T>& at) override {
        at.each([slope = at.parameter(0)](T a, int64_t j) { return a > 0 ? a : slope[j] * a; });
    }
    // dL/da (batch, width) = delta where a > 0, else delta slope
    void backward(const Backward<T>& at) override {
        at.each([slope = at.parameter(0)](T a, T delta, int64_t j) { return a > 0 ? delta : delta * slope[j]; });
    }
    // dL/dslope (width,) = sum_i delta_i a_i where a_i <= 0
    void gradient(const Gradient<T>& at, T* g) override {
        at.sum_rows(g, [](T a, T delta) { return a > 0 ? T(0) : delta * a; });
    }
    // sum_i delta_i a'_i where a_i <= 0
    void gradient_tangent(const Gradient<T>& at, Rows<T> a_dot, T* g) override {
        at.panels(g, [&](int64_t n, T* sum) {
            for (int64_t i = at.r0; i < at.r1; ++i)
                for (int64_t j = n; j < n + PANEL<T>; ++j) sum[j - n] += at.a.row(i)[j] > 0 ? T(0) : at.delta.row(i)[j] * a_dot.row(i)[j];
        });
    }
};

// Scale of formulas/layers/columnwise.py.
template <class T>
struct scale : Operation<T> {
    using Operation<T>::Operation;
    int vectors() const override { return 1; }  // s (width,)
    double growth() const override { return USUAL_PARAMETER * USUAL_PARAMETER; }  // of max(1, |a|), and of |delta|

    // out (batch, width) = a s
    void forward(const Forward<T>& at) override {
        at.each([s = at.parameter(0)](T a, int64_t j) { return a * s[j]; });
    }
    // dL/da (batch, width) = delta s
    void backward(const Backward<T>& at) override {
        at.each([s = at.parameter(0)](T, T delta, int64_t j) { return delta * s[j]; });
    }
    // dL/ds (width,) = sum_i delta_i a_i
    void gradient(const Gradient<T>& at, T* g) override {
        at.sum_rows(g, [](T a, T delta) { return delta * a; });
    }
    // sum_i delta_i a'_i
    void gradient_tangent(const Gradient<T>& at, Rows<T> a_dot, T* g) override {
        gradient({at.task, at.r0, at.r1, a_dot, at.delta, at.has_gaps, at.more, at.own}, g);
    }
};

// Shift of formulas/layers/columnwise.py.
template <class T>
struct shift : Operation<T> {
    using Operation<T>::Operation;
    int vectors() const override { return 1; }  // b (width,)
    double growth() const override { return USUAL_PARAMETER + 1; }  // of max(1, |a|)

    // out (batch, width) = a + b
    void forward(const Forward<T>& at) override {
        at.each([b = at.parameter(0)](T a, int64_t j) { return a + b[j]; });
    }
    // dL/da (batch, width) = delta
    void backward(const Backward<T>& at) override {
        at.each([](T, T delta, int64_t) { return delta; });
    }
    // dL/db (width,) = sum_i delta_i
    void gradient(const Gradient<T>& at, T* g) override {
        at.sum_rows(g, [](T, T delta) { return delta; });
    }
};

}  // namespace chainrule::CHAINRULE_ISA::ops
