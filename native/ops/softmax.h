// softmax: formulas/layers/activation.py in C++.
#pragma once

#include "../activations.h"
#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

template <class T>
struct softmax : Operation<T> {
    using Operation<T>::Operation;

    // out (batch, width): out_k = exp(a_k) / sum_j exp(a_j)
    void forward(const Forward<T>& at) override {
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* a = at.a.row(i);
            T* out = at.row(i);
            T top = a[0], sum = 0;
            for (int64_t j = 1; j < at.width; ++j) top = a[j] > top || a[j] != a[j] ? a[j] : top;
            for (int64_t j = 0; j < at.width; ++j) sum += out[j] = exp_(a[j] - top);
            for (int64_t j = 0; j < at.width; ++j) out[j] /= sum;
        }
    }
    // dL/da (batch, width): dL/da_k = out_k (delta_k - sum_j delta_j out_j)
    void backward(const Backward<T>& at) override {
        if (at.to == nullptr) return;
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T *out = at.out.row(i), *delta = at.delta.row(i);
            T *to = at.row(i), dot = 0;
            for (int64_t j = 0; j < at.width; ++j) dot += delta[j] * out[j];
            for (int64_t j = 0; j < at.width; ++j) at.put(to, j, out[j] * (delta[j] - dot));
        }
    }
};

}  // namespace chainrule::CHAINRULE_ISA::ops
