// take: formulas/layers/take.py in C++.
#pragma once

#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

template <class T>
struct take : Operation<T> {
    using Operation<T>::Operation;

    int64_t width() const override {
        for (const int32_t column : this->op.columns) require(column >= 0 && column < this->width_in(), "a take reads another column");
        Operation<T>::width();
        return columns();
    }
    double growth() const override { return double(columns()); }  // all delta may be of one column

    // out (batch, columns): out_j = a_c(j)
    void forward(const Forward<T>& at) override {
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* a = at.a.row(i);
            T* out = at.row(i);
            for (int64_t j = 0; j < columns(); ++j) out[j] = a[this->op.columns[j]];
        }
    }
    // dL/da (batch, width): dL/da_k = sum of delta_j over the j with c(j) = k, j ascending
    void backward(const Backward<T>& at) override {
        if (at.to == nullptr) return;
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* delta = at.delta.row(i);
            T* to = at.row(i);
            if (!at.accumulates) std::fill(to, to + at.width, T(0));
            for (int64_t j = 0; j < columns(); ++j) to[this->op.columns[j]] += delta[j];
        }
    }

   private:
    int64_t columns() const { return static_cast<int64_t>(this->op.columns.size()); }
};

}  // namespace chainrule::CHAINRULE_ISA::ops
