// The epilogues of a product, tile by tile: f(z), or dL/da f'(z).
//
// ReLU, the usual one, is applied to whole tiles in registers, before they are stored; all others to the tile in the cache.
#pragma once

#include "activations.h"
#include "simd.h"

namespace chainrule::CHAINRULE_ISA {

// f(z) of a vector.
template <class T>
struct Relu {
    using Vector = typename Simd<T>::Vector;

    Vector operator()(Vector z, int64_t, int64_t) const { return activate<Activation::relu>(z, Vector{}); }
};

// a = f(z) over z, whose rows are ld apart.
template <class T>
struct Activate {
    Activation function;
    T c;
    T* z;
    int64_t ld;
    bool in_registers = function == Activation::relu;

    Relu<T> epilogue(int64_t, int64_t) const { return {}; }

    void operator()(int64_t i0, int64_t i1, int64_t n) const {
        with_activation(function, [&](auto f) {
            if constexpr (f() != Activation::identity)
                for (int64_t i = i0; i < i1; ++i) {
                    T* row = z + i * ld + n;
                    for (int64_t j = 0; j < PANEL<T>; ++j) row[j] = activate<f()>(row[j], c);
                }
        });
    }
};

// dL/da f'(z) of a vector, from a, which has the sign of z.
template <class T>
struct TimesReluPrime {
    using Vector = typename Simd<T>::Vector;
    const T* a;
    int64_t ld;

    Vector operator()(Vector a_grad, int64_t i, int64_t j) const {
        const Vector at = Simd<T>::load(a + i * ld + j);
        return a_grad * activate_prime<Activation::relu>(at, at, Vector{});
    }
};

// delta = dL/da f'(z), in place of dL/da. f'(z) is computed from a, which has the sign of z.
template <class T>
struct TimesPrime {
    Activation function;
    T c;
    const T* a;
    T* delta;
    int64_t ld;  // of both
    bool in_registers = function == Activation::relu;

    TimesReluPrime<T> epilogue(int64_t i, int64_t n) const { return {a + i * ld + n, ld}; }

    void operator()(int64_t i0, int64_t i1, int64_t n) const {
        with_activation(function, [&](auto f) {
            if constexpr (f() != Activation::identity)
                for (int64_t i = i0; i < i1; ++i) {
                    const T* at = a + i * ld + n;
                    T* to = delta + i * ld + n;
                    for (int64_t j = 0; j < PANEL<T>; ++j) to[j] *= activate_prime<f()>(at[j], at[j], c);
                }
        });
    }
};

}  // namespace chainrule::CHAINRULE_ISA
