// rescale: formulas/layers/rescale.py in C++.
#pragma once

#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

template <class T>
struct rescale : Operation<T> {
    using Operation<T>::Operation;

    // out (batch, width) = scale a + offset
    void forward(const Forward<T>& at) override {
        at.each([scale = at.c0(), offset = at.c1()](T a, int64_t) { return a * scale + offset; });
    }
    // dL/da (batch, width) = scale delta
    void backward(const Backward<T>& at) override {
        at.each([scale = at.c0()](T, T delta, int64_t) { return delta * scale; });
    }
};

}  // namespace chainrule::CHAINRULE_ISA::ops
