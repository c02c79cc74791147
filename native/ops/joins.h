// The joins of a block's two branches: network/blocks.py in C++.
#pragma once

#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

template <class T>
struct add : Operation<T> {
    using Operation<T>::Operation;
    int inputs() const override { return 2; }
    int64_t width() const override {
        require(this->net.program.widths[this->op.in2] == this->width_in(), "an operation makes another width");
        return Operation<T>::width();
    }

    // out (batch, width) = a + b
    void forward(const Forward<T>& at) override {
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T *a = at.a.row(i), *b = at.b.row(i);
            T* out = at.row(i);
            for (int64_t j = 0; j < at.width; ++j) out[j] = a[j] + b[j];
        }
    }
    void tangent(const Tangent<T>& at) override { forward({{at.self, at.own, at.block, at.r0, at.r1, at.a_dot, at.width, at.width_b}, at.b_dot, at.to, at.ld, nullptr}); }
    // dL/da = dL/db (batch, width) = delta
    void backward(const Backward<T>& at) override {
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T* delta = at.delta.row(i);
            if (at.to_b != nullptr)
                for (int64_t j = 0; j < at.width_b; ++j) at.put_b(at.to_b + i * at.ld_b, j, delta[j]);
            if (at.to != nullptr)
                for (int64_t j = 0; j < at.width; ++j) at.put(at.row(i), j, delta[j]);
        }
    }
};

template <class T>
struct concat : Operation<T> {
    using Operation<T>::Operation;
    int inputs() const override { return 2; }
    int64_t width() const override { return Operation<T>::width() + this->net.program.widths[this->op.in2]; }

    // out (batch, width + width_b) = [a, b]
    void forward(const Forward<T>& at) override {
        for (int64_t i = at.r0; i < at.r1; ++i) {
            const T *a = at.a.row(i), *b = at.b.row(i);
            std::copy(a, a + at.width, at.row(i));
            std::copy(b, b + at.width_b, at.row(i) + at.width);
        }
    }
    void tangent(const Tangent<T>& at) override { forward({{at.self, at.own, at.block, at.r0, at.r1, at.a_dot, at.width, at.width_b}, at.b_dot, at.to, at.ld, nullptr}); }
    // dL/da (batch, width) = delta[:, :width]      dL/db (batch, width_b) = delta[:, width:]
    void backward(const Backward<T>& at) override {
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
