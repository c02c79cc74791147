// standardize, by the measured mean and std: formulas/layers/standardize.py in C++.
#pragma once

#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

template <class T>
struct standardize : Operation<T> {
    using Operation<T>::Operation;
    int64_t state_width() const override { return this->width_in(); }  // mean and std (width,)

    // out (batch, width) = (a - mean) / std
    void forward(const Forward<T>& at) override {
        at.each([mean = at.state().a.data(), std = at.state().b.data()](T a, int64_t j) { return (a - mean[j]) / std[j]; });
    }
    // dL/da (batch, width) = delta / std
    void backward(const Backward<T>& at) override {
        at.each([std = at.state().b.data()](T, T delta, int64_t j) { return delta / std[j]; });
    }
};

}  // namespace chainrule::CHAINRULE_ISA::ops
