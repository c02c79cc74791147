// rescale: formulas/layers/rescale.py in C++.
#pragma once

#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

struct rescale : Fixed {
    // out = scale a + offset
    template <class T>
    static void forward(const Forward<T>& at) {
        const T scale = at.c0(), offset = at.c1();
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* a = at.a.row(i);
            T* out = at.row(i);
            for (int64_t j = 0; j < at.width; ++j) out[j] = a[j] * scale + offset;
        }
    }
    // dL/da = scale delta
    template <class T>
    static void backward(const Backward<T>& at) {
        if (at.to == nullptr) return;
        const T scale = at.c0();
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* delta = at.delta.row(i);
            T* to = at.row(i);
            for (int64_t j = 0; j < at.width; ++j) at.put(to, j, delta[j] * scale);
        }
    }
};

}  // namespace chainrule::CHAINRULE_ISA::ops
