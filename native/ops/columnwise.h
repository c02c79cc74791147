// Elementwise operations with a parameter for each column.
#pragma once

#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

// PReLU of formulas/layers/activation.py.
struct prelu {
    // out = a where a > 0, else slope a
    template <class T>
    static void forward(const Forward<T>& at) {
        const T* slope = at.parameter(at.op.slot0);
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* a = at.a.row(i);
            T* out = at.row(i);
            for (int64_t j = 0; j < at.width; ++j) out[j] = a[j] > 0 ? a[j] : slope[j] * a[j];
        }
    }
    // dL/da = delta where a > 0, else delta slope
    template <class T>
    static void backward(const Backward<T>& at) {
        if (at.to == nullptr) return;
        const T* slope = at.parameter(at.op.slot0);
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T *a = at.a.row(i), *delta = at.delta.row(i);
            T* to = at.row(i);
            for (int64_t j = 0; j < at.width; ++j) at.put(to, j, a[j] > 0 ? delta[j] : delta[j] * slope[j]);
        }
    }
    // dL/dslope = sum_i delta_i a_i where a_i <= 0
    template <class T>
    static void gradient(const Gradient<T>& at, T* sum) {
        at.add(sum, [](T a, T delta) { return a > 0 ? T(0) : delta * a; });
    }
};

// Scale of formulas/layers/scale.py.
struct scale {
    // out = a s
    template <class T>
    static void forward(const Forward<T>& at) {
        const T* s = at.parameter(at.op.slot0);
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* a = at.a.row(i);
            T* out = at.row(i);
            for (int64_t j = 0; j < at.width; ++j) out[j] = a[j] * s[j];
        }
    }
    // dL/da = delta s
    template <class T>
    static void backward(const Backward<T>& at) {
        if (at.to == nullptr) return;
        const T* s = at.parameter(at.op.slot0);
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* delta = at.delta.row(i);
            T* to = at.row(i);
            for (int64_t j = 0; j < at.width; ++j) at.put(to, j, delta[j] * s[j]);
        }
    }
    // dL/ds = sum_i delta_i a_i
    template <class T>
    static void gradient(const Gradient<T>& at, T* sum) {
        at.add(sum, [](T a, T delta) { return delta * a; });
    }
};

// Shift of formulas/layers/shift.py.
struct shift {
    // out = a + b
    template <class T>
    static void forward(const Forward<T>& at) {
        const T* b = at.parameter(at.op.slot0);
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* a = at.a.row(i);
            T* out = at.row(i);
            for (int64_t j = 0; j < at.width; ++j) out[j] = a[j] + b[j];
        }
    }
    // dL/da = delta
    template <class T>
    static void backward(const Backward<T>& at) {
        if (at.to == nullptr) return;
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* delta = at.delta.row(i);
            T* to = at.row(i);
            for (int64_t j = 0; j < at.width; ++j) at.put(to, j, delta[j]);
        }
    }
    // dL/db = sum_i delta_i
    template <class T>
    static void gradient(const Gradient<T>& at, T* sum) {
        at.add(sum, [](T, T delta) { return delta; });
    }
};

}  // namespace chainrule::CHAINRULE_ISA::ops
