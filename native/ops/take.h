// take: formulas/layers/take.py in C++.
#pragma once

#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

struct take : Fixed {
    // out_j = a_c(j)
    template <class T>
    static void forward(const Forward<T>& at) {
        const auto width = static_cast<int64_t>(at.op.columns.size());
        const int32_t* columns = at.op.columns.data();
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* a = at.a.row(i);
            T* out = at.row(i);
            for (int64_t j = 0; j < width; ++j) out[j] = a[columns[j]];
        }
    }
    // dL/da_k = sum of delta_j over the j with c(j) = k, j ascending
    template <class T>
    static void backward(const Backward<T>& at) {
        if (at.to == nullptr) return;
        const auto width = static_cast<int64_t>(at.op.columns.size());
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* delta = at.delta.row(i);
            T* to = at.row(i);
            if (!at.cache.accumulates) std::fill(to, to + at.width, T(0));
            for (int64_t j = 0; j < width; ++j) to[at.op.columns[j]] += delta[j];
        }
    }
};

}  // namespace chainrule::CHAINRULE_ISA::ops
