// The joins of a block's two branches: network/blocks.py in C++.
#pragma once

#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

struct add : Fixed {
    // out = a + b
    template <class T>
    static void forward(const Forward<T>& at) {
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T *a = at.a.row(i), *b = at.b.row(i);
            T* out = at.row(i);
            for (int64_t j = 0; j < at.width; ++j) out[j] = a[j] + b[j];
        }
    }
    // dL/da = dL/db = delta
    template <class T>
    static void backward(const Backward<T>& at) {
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* delta = at.delta.row(i);
            if (at.to_b != nullptr)
                for (int64_t j = 0; j < at.width_b; ++j) at.put_b(at.to_b + i * at.ld_b, j, delta[j]);
            if (at.to != nullptr)
                for (int64_t j = 0; j < at.width; ++j) at.put(at.row(i), j, delta[j]);
        }
    }
};

struct concat : Fixed {
    // out = [a, b]
    template <class T>
    static void forward(const Forward<T>& at) {
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T *a = at.a.row(i), *b = at.b.row(i);
            std::copy(a, a + at.width, at.row(i));
            std::copy(b, b + at.width_b, at.row(i) + at.width);
        }
    }
    // dL/da = delta[:, :k]      dL/db = delta[:, k:]
    template <class T>
    static void backward(const Backward<T>& at) {
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* delta = at.delta.row(i);
            if (at.to_b != nullptr)
                for (int64_t j = 0; j < at.width_b; ++j) at.put_b(at.to_b + i * at.ld_b, j, delta[at.width + j]);
            if (at.to != nullptr)
                for (int64_t j = 0; j < at.width; ++j) at.put(at.row(i), j, delta[j]);
        }
    }
};

}  // namespace chainrule::CHAINRULE_ISA::ops
