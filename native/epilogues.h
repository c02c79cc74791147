// The epilogues of a product, tile by tile: f(z), or dL/da f'(z).
//
// ReLU, the usual one, is applied to whole tiles in registers, before they are stored; all others to the tile in the cache, by
// the loops that an activation by itself has (ops/elementwise.h).
#pragma once

#include "halves.h"
#include "products.h"

namespace chainrule::CHAINRULE_ISA {

// How many numbers of a row the loops of activations take at a time: one vector, or a panel, if a vector is so short that compilers
// would rather make no loop of it.
template <class T>
constexpr int64_t STEP = VECTOR_BYTES > 16 ? Simd<T>::LANES : PANEL<T>;

// to = f(z), rows of whole panels. In its place too. Not inlined, so that each function is compiled once.
template <class T>
[[gnu::noinline]] void activate_rows(Activation function, T c, Rows<T> z, T* to, int64_t ld, int64_t rows, int64_t width) {
    constexpr int64_t S = STEP<T>;
    with_activation(function, [=](auto f) {
        for (int64_t i = 0; i < rows; ++i)
            for (int64_t n = 0; n < width; n += S) {
                const T* from = z.row(i) + n;
                T found[S];
                CHAINRULE_VECTORS
                for (int64_t j = 0; j < S; ++j) found[j] = activate<f()>(from[j], c);
                std::copy(found, found + S, to + i * ld + n);
            }
    });
}

// to = delta f'(z) with a = f(z), rows of whole panels, added to `to` if `more`. With alpha (width,), delta (1 + alpha (f'(z) - 1)).
// `to` may be delta. Loops of their own for each part, or the compiler makes branches rather than vectors.
template <class T>
[[gnu::noinline]] void times_prime_rows(Activation function, T c, Rows<T> z, Rows<T> a, const T* alpha, Rows<T> delta, T* to, int64_t ld,
                                        int64_t rows, int64_t width, bool more) {
    constexpr int64_t S = STEP<T>;
    with_activation(function, [=](auto f) {
        for (int64_t i = 0; i < rows; ++i)
            for (int64_t n = 0; n < width; n += S) {
                const T *at = z.row(i) + n, *of = a.row(i) + n, *from = delta.row(i) + n;
                T slope[S], *there = to + i * ld + n;
                CHAINRULE_VECTORS
                for (int64_t j = 0; j < S; ++j) slope[j] = activate_prime<f()>(at[j], of[j], c);
                if (alpha != nullptr) {
                    CHAINRULE_VECTORS
                    for (int64_t j = 0; j < S; ++j) slope[j] = fused(alpha[n + j], slope[j] - T(1), T(1));
                }
                CHAINRULE_VECTORS
                for (int64_t j = 0; j < S; ++j) slope[j] *= from[j];
                if (more) {
                    CHAINRULE_VECTORS
                    for (int64_t j = 0; j < S; ++j) slope[j] += there[j];
                }
                std::copy(slope, slope + S, there);
            }
    });
}

// to += delta f''(z) z' with a = f(z), rows of whole panels; with alpha (width,), alpha times that.
template <class T>
[[gnu::noinline]] void add_bend_rows(Activation function, T c, Rows<T> z, Rows<T> a, const T* alpha, Rows<T> delta, Rows<T> z_dot, T* to,
                                     int64_t ld, int64_t rows, int64_t width) {
    constexpr int64_t S = STEP<T>;
    with_activation(function, [=](auto f) {
        for (int64_t i = 0; i < rows; ++i)
            for (int64_t n = 0; n < width; n += S) {
                const T *at = z.row(i) + n, *of = a.row(i) + n, *from = delta.row(i) + n, *along = z_dot.row(i) + n;
                T bend[S], *there = to + i * ld + n;
                CHAINRULE_VECTORS
                for (int64_t j = 0; j < S; ++j) bend[j] = activate_second<f()>(at[j], of[j], c);
                if (alpha != nullptr) {
                    CHAINRULE_VECTORS
                    for (int64_t j = 0; j < S; ++j) bend[j] *= alpha[n + j];
                }
                CHAINRULE_VECTORS
                for (int64_t j = 0; j < S; ++j) there[j] = fused(bend[j] * from[j], along[j], there[j]);
            }
    });
}

// The numbers x of rows of a panel become f(x, place), rounded to bfloat16; place: of x, from z on.
template <class T, class F>
inline void round_rows(T* z, int64_t ld, int64_t rows, F&& f) {
    using S = Simd<T>;
    if constexpr (std::is_same_v<T, float>)
        for (int64_t i = 0; i < rows; ++i)
            for (int64_t j = 0; j < PANEL<T>; j += S::LANES) {
                T* at = z + i * ld + j;
                typename S::Vector found = f(S::load(at), i * ld + j);
                round_bf16(found);
                S::store(at, found);
            }
}

// a = f(z) over z, whose rows are ld apart; rounded to bfloat16, if `rounds`.
template <class T>
struct Activate {
    Activation function;
    T c;
    T* z;
    int64_t ld;
    bool rounds = false;
    bool in_registers = function == Activation::relu;

    Epilogue<T> epilogue(int64_t, int64_t) const { return {true}; }

    void operator()(int64_t i0, int64_t i1, int64_t n) const {
        T* from = z + i0 * ld + n;
        using V = typename Simd<T>::Vector;
        if (rounds && function == Activation::relu)
            return round_rows(from, ld, i1 - i0, [](V x, int64_t) { return activate<Activation::relu>(x, V{}); });
        if (function != Activation::identity) activate_rows(function, c, {from, ld}, from, ld, i1 - i0, PANEL<T>);
        if (rounds) round_rows(from, ld, i1 - i0, [](V x, int64_t) { return x; });
    }
};

// delta = dL/da f'(z), in place of dL/da; rounded to bfloat16, if `rounds`. f'(z) is computed from a, which has the sign of z.
template <class T>
struct TimesPrime {
    Activation function;
    T c;
    const T* a;
    T* delta;
    int64_t ld;  // of both
    bool rounds = false;
    bool in_registers = function == Activation::relu;

    Epilogue<T> epilogue(int64_t i, int64_t n) const { return {false, a + i * ld + n, ld}; }

    void operator()(int64_t i0, int64_t i1, int64_t n) const {
        const Rows<T> at{a + i0 * ld + n, ld};
        T* to = delta + i0 * ld + n;
        using V = typename Simd<T>::Vector;
        if (rounds && function == Activation::relu)
            return round_rows(to, ld, i1 - i0, [&](V x, int64_t place) {
                const V a = Simd<T>::load(at.first + place);
                return x * activate_prime<Activation::relu>(a, a, V{});
            });
        if (function != Activation::identity)
            times_prime_rows<T>(function, c, at, at, nullptr, {to, ld}, to, ld, i1 - i0, PANEL<T>, false);
        if (rounds) round_rows(to, ld, i1 - i0, [](V x, int64_t) { return x; });
    }
};

}  // namespace chainrule::CHAINRULE_ISA
