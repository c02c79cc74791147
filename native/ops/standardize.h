// standardize, by the measured mean and std: formulas/layers/standardize.py in C++.
#pragma once

#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

struct standardize : Fixed {
    // out = (a - mean) / std
    template <class T>
    static void forward(const Forward<T>& at) {
        const T *mean = at.state().a.data(), *std = at.state().b.data();
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* a = at.a.row(i);
            T* out = at.row(i);
            for (int64_t j = 0; j < at.width; ++j) out[j] = (a[j] - mean[j]) / std[j];
        }
    }
    // dL/da = delta / std
    template <class T>
    static void backward(const Backward<T>& at) {
        if (at.to == nullptr) return;
        const T* std = at.state().b.data();
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* delta = at.delta.row(i);
            T* to = at.row(i);
            for (int64_t j = 0; j < at.width; ++j) at.put(to, j, delta[j] / std[j]);
        }
    }
};

}  // namespace chainrule::CHAINRULE_ISA::ops
